"""How rendered texts mark their answer and lay out their working, and the gold columns with it.

A dialect is one of five names or a template: text with `{}` where the answer stands and, if one
likes, `{work}` where the working stands:

    Final answer: {}                                       the working, then this line
    <think></think>{"answer": "{}"}                        the working between these tags
    <plan>\\n{work}\\n</plan>\\n<answer>\\n{}\\n</answer>    all of it as it is

`{line}` in place of `{work}` writes the working in one line, `{none}` leaves it out, `{trace}` has
each step as an atomic state that `toyrl.graders.traces` verifies. `{content}` says that the whole
is a JSON list of chat messages and the working the content of one (`CALLED` is such a template).
Each is read once into a `Dialect`; a template that says the same as one of the five names is that
one.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache

from toyrl.messages import shortened
from toyrl.worlds.text.problems import SYMBOLS, Problem

DIALECTS = ("tag", "boxed", "think_boxed", "gsm8k", "prose")
BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
PLACE = "{}"
THINK = "<think></think>"
WORKINGS = {
    **{"{work}": "lines", "{line}": "line", "{none}": "none", "{trace}": "trace"},
    "{content}": "content",
}
CALLED = '[{"role": "assistant", "content": "{content}", "tool_calls": {}}]'
"""An assistant's message whose answer is its tool calls, a JSON list."""
_READ = {  # what is read as marked is wider than what is written
    "tag": re.compile(r"<answer>(.*?)</answer>", re.DOTALL),
    "boxed": BOXED,
    "think_boxed": BOXED,
    "gsm8k": re.compile(r"^####[ \t]*(.*)$", re.MULTILINE),
    "prose": re.compile(r"[Tt]he answer is[ \t]*([^\n]*?)\.?[ \t]*$", re.MULTILINE),
}
_STEP = re.compile(r"^Step (\d+): (-?\d+) ([-+*]) (-?\d+) = (-?\d+)\.[ \t]*(.*)$", re.MULTILINE)
_BARE = re.compile(r"(?:\A|\n)[ \t]*([^A-Za-z\n]*?)\s*\Z")  # a last line without a letter
_LOOSE = ".,;! \t\n"  # what a reader doesn't need behind an answer


@dataclass(frozen=True)
class Dialect:
    """A layout of completions: opening, working, closing, gap, before, answer, after.

    opening, closing : around the working; gap : between it and the marked answer
    before, after : around the answer
    working : "lines" as it comes, "line" in one line, "none" left out where there is an answer,
        "trace" with its steps as states, "content" of a chat message, written as JSON
    """

    opening: str = ""
    closing: str = ""
    gap: str = "\n"
    before: str = ""
    after: str = ""
    working: str = "lines"

    @property
    def name(self) -> str:
        """One of `DIALECTS`, or the template that `dialect_of` reads back."""
        known = _NAMES.get(self)
        return self.template if known is None else known

    @property
    def template(self) -> str:
        """The layout as text."""
        if self.working == "none":
            return f"{{none}}{self.mark}"
        work = next(k for k, v in WORKINGS.items() if v == self.working)
        whole = f"{self.opening}{work}{self.closing}{self.gap}{self.mark}"
        plain = f"{{work}}\n{self.mark}"
        return self.mark if whole == plain and self.before.strip() else whole

    @property
    def mark(self) -> str:
        """The marked answer alone, `{}` where it stands."""
        return f"{self.before}{PLACE}{self.after}"

    @property
    def messages(self) -> bool:
        """Whether completions are chat messages, written out as a JSON list."""
        return self.working == "content"

    @property
    def tagged(self) -> bool:
        """Whether the working ends at a sign of its own, which no marked answer has."""
        end = "" if self.messages else self.closing.strip()
        return bool(end) and end not in self.before + self.after


def dialect_of(dialect: str | Dialect) -> Dialect:
    """The dialect of this name or template; a Dialect is itself.

    Raises ValueError for an unknown name and for a template that can't be used.
    """
    return dialect if isinstance(dialect, Dialect) else _read(dialect)


@lru_cache(maxsize=512)
def _read(text: str) -> Dialect:
    if text in _KNOWN:
        return _KNOWN[text]
    head, answer, after = text.rpartition(PLACE)
    if not answer or PLACE in head:
        msg = (
            f"dialect={shortened(text)} is not one of {', '.join(DIALECTS)}, nor a mark with one "
            f"{PLACE} where the answer stands, such as 'Final answer: {PLACE}'"
        )
        raise ValueError(msg)
    places = [place for place in WORKINGS if place in text]
    if places:
        return _whole(text, head, after, places)
    thinks, head = head.startswith(THINK), head.removeprefix(THINK).lstrip()
    if not head.strip():
        msg = f"dialect={shortened(text)} has no text before {PLACE} to find the answer by"
        raise ValueError(msg)
    opening, closing = ("<think>\n", "\n</think>") if thinks else ("", "")
    return Dialect(opening, closing, before=head, after=after)


def _whole(text: str, head: str, after: str, places: list[str]) -> Dialect:
    """A template that says where the working stands: once, before the answer."""
    opening, place, rest = head.partition(places[0])
    if len(places) > 1 or not place or any(p in rest for p in WORKINGS):
        msg = (
            f"dialect={shortened(text)} must hold one of {', '.join(WORKINGS)} once, before "
            f"{PLACE}: the working stands before the answer"
        )
        raise ValueError(msg)
    if WORKINGS[place] == "none":
        return Dialect(before=opening + rest, after=after, working="none")
    # the gap is the white space before the mark; a closing sign ends where it last closes
    end = _end_of_closing(rest)
    closing, before = rest[:end], rest[end:]
    gap = before[: len(before) - len(before.lstrip())]
    return Dialect(opening, closing, gap, before[len(gap) :], after, WORKINGS[place])


_CLOSING = re.compile(r"\s*(</[^<>\s]+>|\[/[^\[\]\s]+\]|<\|[^<>\s]+\|>|<end[^<>\s]*>|[\"'],?)")


def _end_of_closing(rest: str) -> int:
    """Where the sign behind the working ends; 0 where none follows at once."""
    found = _CLOSING.match(rest)
    return found.end() if found else 0


def _known(before: str, after: str, *, thinks: bool = False) -> Dialect:
    opening, closing = ("<think>\n", "\n</think>") if thinks else ("", "")
    return Dialect(opening, closing, before=before, after=after)


_KNOWN = {
    "tag": _known("<answer>", "</answer>", thinks=True),
    "boxed": _known("So the result is \\boxed{", "}."),
    "think_boxed": _known("So the result is \\boxed{", "}.", thinks=True),
    "gsm8k": _known("#### ", ""),
    "prose": _known("The answer is ", "."),
}
_NAMES = {dialect: name for name, dialect in _KNOWN.items()}


def check_dialect(dialect: str | Dialect) -> None:
    """ValueError for an unknown dialect or a template that can't be used."""
    dialect_of(dialect)


def thinks(dialect: str | Dialect) -> bool:
    """Whether the working stands between signs of its own, such as <think> and </think>."""
    return dialect_of(dialect).tagged


@lru_cache(maxsize=512)
def _pattern(dialect: Dialect) -> re.Pattern[str]:
    """What finds marked answers; after a mark that closes itself, more may stand in the line."""
    if dialect in _NAMES:
        return _READ[_NAMES[dialect]]
    before, after = dialect.before, dialect.after
    if not before.strip():
        return _BARE
    start = re.escape(before.rstrip()) + r"[ \t]*(?:\n[ \t]*)?" * (before != before.rstrip())
    closing = after.strip(_LOOSE)
    if closing:
        end = r"\s*" * (after[:1] == "\n") + re.escape(after.strip("\n"))
    else:
        end = rf"(?:{re.escape(after.strip())})?[ \t]*$"
    return re.compile(f"{start}([^\\n]*?){end}", re.MULTILINE)


def columns(problem: Problem, dialect: str | Dialect) -> dict[str, str]:
    """Gold columns of a data row under the names that graders use.

    `answer`, `ground_truth`, `target` and `label` hold the bare number. `solution` is what
    data sets hold: working and `#### 9` for gsm8k, else `$9$`, as TRL's `accuracy_reward` reads it.
    """
    gold = problem.answer
    solution = f"${gold}$"
    if dialect_of(dialect).name == "gsm8k":
        lines = [
            step_text(problem, i, problem.values[i], problem.values[i + 1])
            for i in range(problem.difficulty)
        ]
        solution = "\n".join([*lines, f"#### {gold}"])
    return {
        "answer": gold,
        "solution": solution,
        "ground_truth": gold,
        "target": gold,
        "label": gold,
    }


def mark(dialect: str | Dialect, value: object) -> str:
    """The answer as this dialect marks it."""
    d = dialect_of(dialect)
    return f"{d.before}{value}{d.after}"


def compose(
    dialect: str | Dialect, work: str, answer: str, *, after: str = "", tags: bool = True
) -> str:
    """A whole completion; answer : a marked answer, or "" for none; after : between the two."""
    d = dialect_of(dialect)
    if tags:
        if d.working == "line":
            work, after = work.replace("\n", " "), after.replace("\n", " ")
        if d.working == "trace":
            work, after = _STEP.sub(_state, work), _STEP.sub(_state, after)
        if d.working == "none" and answer:
            return answer
        if d.messages:
            return _message(d, "\n".join(x for x in (work, after) if x), answer)
        work = f"{d.opening}{work}{d.closing}" if d.opening or d.closing else work
    if not (tags and work and answer) or d.gap == "\n":
        return "\n".join(part for part in (work, after, answer) if part)
    return d.gap.join(part for part in (work, after, answer) if part)


def _message(d: Dialect, content: str, answer: str) -> str:
    """A message with this content; without an answer nothing but that."""
    if not answer:
        return json.dumps([{"role": "assistant", "content": content}], ensure_ascii=False)
    inside = json.dumps(content, ensure_ascii=False)[1:-1]
    return f"{d.opening}{inside}{d.closing}{d.gap}{answer}"


def _state(step: re.Match[str]) -> str:
    """A step as a line of its own, `#0 | fetch 7 5 | + -> 12 | goto #1`, and what is behind it."""
    n, a, sign, b, result, rest = step.groups()
    line = f"#{int(n) - 1} | fetch {a} {b} | {sign} -> {result} | goto #{n}"
    return f"{line}\n{rest}" if rest else line


def answers(text: str, dialect: str | Dialect) -> list[str]:
    """Every marked answer of a text, in order, stripped."""
    return [found.strip() for found in _pattern(dialect_of(dialect)).findall(text)]


def spans(text: str, dialect: str | Dialect) -> list[tuple[int, int]]:
    """Where every marked answer of a text starts and ends with its marks, in characters."""
    return [found.span() for found in _pattern(dialect_of(dialect)).finditer(text)]


def working(text: str, dialect: str | Dialect) -> str:
    """The reasoning alone: without the tags around it, the line of the last answer and what
    follows."""
    d = dialect_of(dialect)
    opening, closing = d.opening.strip() or "<think>", d.closing.strip()
    if d.tagged and closing in text:
        return text.rpartition(closing)[0].replace(opening, "").strip()
    found = [m.start() for m in _pattern(d).finditer(text)]
    if found:
        text = text[: text.rfind("\n", 0, found[-1]) + 1]
    return text.replace(opening, "").strip()


def step_text(problem: Problem, i: int, before: int, after: int) -> str:
    """Operation i written out on a running value."""
    word, operand = problem.operations[i]
    return f"Step {i + 1}: {before} {SYMBOLS[word]} {operand} = {after}."
