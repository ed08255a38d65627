"""The format of completions that a user has: what stands around the gold answer in right ones."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from toyrl.experiments.validate.formats.source import Literal
from toyrl.experiments.validate.formats.templates import TAG, Hint, hints, usable
from toyrl.graders.answers import gold_answer
from toyrl.graders.base import TextRow
from toyrl.worlds.text.dialects import DIALECTS, PLACE, answers, dialect_of

SHARES = (0.6, 0.25)  # of right rows that must agree; a log of two formats has two
WIDEST = 40  # characters around the answer that are looked at
MARKED = 0.5  # share of rows that carry a known mark


def of_rollouts(rows: Sequence[TextRow], right: Sequence[float]) -> list[Hint]:
    """Layouts that many right completions have, the commonest first.

    right : 1.0 where a row's answer is right; without right rows or a gold column, the known marks
        that most rows carry
    """
    shown = [cut for row, good in zip(rows, right, strict=True) if good > 0.5 for cut in _cut(row)]
    out: dict[str, Hint] = {}
    for share in SHARES if shown else ():
        for template, n in _common(shown, share):
            said = f"{n} of {len(shown)} right rollouts of yours"
            out.setdefault(template, Hint(template, said))
    for name in DIALECTS:
        marked = sum(bool(answers(row.completion, name)) for row in rows)
        if rows and marked >= MARKED * len(rows):
            said = f"{marked} of {len(rows)} rollouts of yours"
            out.setdefault(name, Hint(name, said))
    return [h for h in out.values() if usable(h.template)]


def of_prompts(prompts: Iterable[str]) -> list[Hint]:
    """Layouts that prompts ask for: tags in them, boxes."""
    texts = list(dict.fromkeys(p for p in prompts if p))[:64]
    common = Counter(tag.group() for p in texts for tag in TAG.finditer(p))
    asked = [p for p in texts if any(common[t.group()] * 2 > len(texts) for t in TAG.finditer(p))]
    found = hints([Literal("text", p, 0) for p in asked[:4]])
    if sum("\\boxed{" in p for p in texts) * 2 > len(texts):
        found.append(Hint("\\boxed{{}}", ""))
    return [Hint(h.template, "what your prompts ask for") for h in found if "<" in h.template
            or "[" in h.template or "\\boxed" in h.template]  # fmt: skip


Cut = tuple[str, str, str]  # text before the answer's mark, what is right before it, what is after


def _cut(row: TextRow) -> list[Cut]:
    """The completion around the last place where the gold answer stands; [] where it doesn't."""
    try:
        gold = gold_answer(row).strip().strip("$")
    except KeyError:
        return []
    if not gold:
        return []
    whole = re.compile(rf"(?<![\w.]){re.escape(gold)}(?!\w|[.,]\d)")
    places = list(whole.finditer(row.completion))
    if not places:
        return []
    start, end = places[-1].span()
    return [(row.completion[:start], row.completion[max(0, start - WIDEST) : start],
             row.completion[end : end + WIDEST])]  # fmt: skip


def _common(cuts: Sequence[Cut], share: float) -> list[tuple[str, int]]:
    """(template, rows that have it) for what at least this share of the rows agree on."""
    least = max(1, int(share * len(cuts)))
    before = _longest([c[1][::-1] for c in cuts], least)[::-1]
    before = _from_its_start(before)
    if not before.strip():
        own_line = [c for c in cuts if c[1][-1:] in ("", "\n") and not c[2].strip()]
        enough = len(own_line) >= least
        return [("{none}{}" if not any(c[1].strip() for c in own_line) else "{work}\n{}",
                 len(own_line))] if enough else []  # fmt: skip
    having = [c for c in cuts if c[1].endswith(before)]
    after = _to_its_end(_longest([c[2] for c in having], max(1, int(0.8 * len(having)))))
    mark = f"{before}{PLACE}{after}"
    layout = _layout(having, before)
    return [(f"{layout}{mark}", len(having))]


def _longest(texts: Sequence[str], least: int) -> str:
    """The longest beginning that at least so many of the texts share."""
    kept, size = "", 1
    while size <= WIDEST:
        found = Counter(t[:size] for t in texts if len(t) >= size and t.startswith(kept))
        if not found or found.most_common(1)[0][1] < least:
            break
        kept = found.most_common(1)[0][0]
        size += 1
    return kept


def _from_its_start(before: str) -> str:
    """The mark alone: its last line that isn't empty, from a tag or a whole word on.

    A tag on a line of its own above it belongs to it; a sentence on the line above doesn't.
    """
    head, _, last = before.rstrip("\n").rpartition("\n")
    breaks = before[len(before.rstrip("\n")) :]
    tags = list(TAG.finditer(last))
    if tags:
        return last[tags[-1].start() :] + breaks
    if breaks:
        return last.lstrip() + breaks if last.rstrip()[-1:] in LEADS else ""
    above = head.rpartition("\n")[2].strip()
    if TAG.fullmatch(above) and not above.startswith(("</", "[/")):
        return f"{above}\n{last.lstrip()}"
    if not head and last[:1].isalnum():
        last = last.partition(" ")[2]  # the first word may have been cut
    return last.lstrip()


LEADS = tuple(":>{[(*#=")


def _to_its_end(after: str) -> str:
    """What closes the mark: signs up to the end of its line, and a tag there or on the next one."""
    first, line, rest = after.partition("\n")
    below = TAG.match(rest)
    here = TAG.search(first)
    if here is not None:
        return first[: here.end()]
    found = re.match(r"[^\w\s]*", first)
    signs = found.group() if found else ""
    if line and below is not None and not first[len(signs) :].strip():
        return f"{signs}\n{below.group()}"
    return signs


def _layout(cuts: Sequence[Cut], mark: str) -> str:
    """Opening tag, working and closing tag before the mark, where most texts have them."""
    found: Counter[str] = Counter()
    for whole, _, _ in cuts:
        head = whole[: len(whole) - len(mark)]
        opening = TAG.match(head.lstrip())
        closings = list(TAG.finditer(head.rstrip()))
        if opening is None or not closings or closings[-1].end() != len(head.rstrip()):
            continue
        closing, gap = closings[-1].group(), head[len(head.rstrip()) :]
        if closing == opening.group():
            continue
        inner = head.lstrip()[opening.end() : -len(closing) - len(gap) or None]
        wide = inner.startswith("\n"), inner.endswith("\n")
        work = "\n" * wide[0] + "{work}" + "\n" * wide[1]
        found[f"{opening.group()}{work}{closing}{gap}"] += 1
    if not found or found.most_common(1)[0][1] * 2 < len(cuts):
        return ""
    return found.most_common(1)[0][0]


def same_mark(a: str, b: str) -> bool:
    """Whether two dialects mark the answer alike, up to words and white space around the mark."""
    x, y = dialect_of(a), dialect_of(b)
    return _inside(x, y) or _inside(y, x)


def _inside(small: object, large: object) -> bool:
    from toyrl.worlds.text.dialects import Dialect

    assert isinstance(small, Dialect)
    assert isinstance(large, Dialect)
    if not small.before.strip():
        return not large.before.strip()
    return large.before.rstrip().endswith(small.before.strip()) and (
        large.after.lstrip().startswith(small.after.strip())
    )
