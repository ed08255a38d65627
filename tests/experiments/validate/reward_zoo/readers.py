"""What the zoo's rewards read: marks of answers, comparisons of numbers, styles of text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from fractions import Fraction

Marks = Callable[[str], list[str]]
Pick = Callable[[list[str]], str | None]
Equal = Callable[[str, str], bool]
Style = Callable[[str], float]

THINKING = ("tag", "think_boxed")
TEMPLATES = {
    "tag": "<answer>{}</answer>",
    "boxed": "So the result is \\boxed{{{}}}.",
    "think_boxed": "So the result is \\boxed{{{}}}.",
    "gsm8k": "#### {}",
    "prose": "The answer is {}.",
    "json": '{{"answer": "{}"}}',
    "final": "Final answer: {}",
}
LAYOUT = re.compile(r"\s*<think>(.*?)</think>\s*<answer>(.*?)</answer>\s*", re.DOTALL)
INTEGER = re.compile(r"[+-]?[0-9]+")


# -- texts ---------------------------------------------------------------------------------------
def mark(dialect: str, value: object) -> str:
    """An answer as a dialect marks it."""
    return TEMPLATES[dialect].format(value)


def write(dialect: str, work: str, *values: object, after: str = "") -> str:
    """A completion: reasoning, then marked answers, then more text."""
    body = f"<think>\n{work}\n</think>" if dialect in THINKING else work
    return "\n".join(part for part in (body, *(mark(dialect, v) for v in values), after) if part)


# -- marked answers, in order ----------------------------------------------------------------------
def tags(text: str) -> list[str]:
    """Between <answer> and </answer>."""
    return [s.strip() for s in re.findall(r"<answer>(.*?)</answer>", text, re.DOTALL)]


def layout(text: str) -> list[str]:
    """The tag of a text that is one <think> and one <answer> block and nothing else."""
    found = LAYOUT.fullmatch(text)
    plain = found is not None and text.count("<think>") == text.count("<answer>") == 1
    return [found.group(2).strip()] if found and plain else []


def boxes(text: str) -> list[str]:
    """Inside \\boxed{...}, braces balanced."""
    out = []
    for found in re.finditer(r"\\boxed\{", text):
        depth, i = 1, found.end()
        while i < len(text) and depth:
            depth += (text[i] == "{") - (text[i] == "}")
            i += 1
        if not depth:
            out.append(text[found.end() : i - 1].strip())
    return out


def hashes(text: str) -> list[str]:
    """After #### up to the end of the line."""
    return [s.strip() for s in re.findall(r"^####[ \t]*(.*)$", text, re.MULTILINE)]


def hash_numbers(text: str) -> list[str]:
    """Numbers after ####, where nothing but a number stands there."""
    return re.findall(r"^####[ \t]*(-?[0-9][0-9,]*)[ \t]*$", text, re.MULTILINE)


def sentences(text: str) -> list[str]:
    """After "The answer is", up to the end of the line without its full stop."""
    found = re.findall(r"[Tt]he answer is[ \t]*([^\n]*)$", text, re.MULTILINE)
    return [s.strip().removesuffix(".").strip() for s in found]


def finals(text: str) -> list[str]:
    """After "Final answer:", up to the end of the line."""
    return [s.strip() for s in re.findall(r"^Final answer:[ \t]*(.*)$", text, re.MULTILINE)]


def objects(text: str) -> list[str]:
    """The field `answer` of JSON objects that stand on a line of their own."""
    out = []
    for line in text.splitlines():
        try:
            found = json.loads(line) if line.startswith("{") else None
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and "answer" in found:
            out.append(str(found["answer"]).strip())
    return out


def any_mark(text: str) -> list[str]:
    """Marks of four dialects, in the order in which they stand."""
    found = re.finditer(
        r"<answer>([^<]*)</answer>|\\boxed\{([^{}]*)\}"
        r"|^####[ \t]*(.*)$|[Tt]he answer is[ \t]*(.*)$",
        text,
        re.MULTILINE,
    )
    return [next(g for g in m.groups() if g is not None).strip().rstrip(".") for m in found]


def line_last(reader: Marks) -> Marks:
    """The marks of the last line that isn't blank."""
    return lambda text: reader(next((x for x in reversed(text.split("\n")) if x.strip()), ""))


def after_think(reader: Marks) -> Marks:
    """The marks behind the one closing tag of the reasoning."""

    def read(text: str) -> list[str]:
        head, tag, tail = text.partition("</think>")
        return reader(tail) if tag and head.count("<think>") == 1 and "think>" not in tail else []

    return read


def last(found: list[str]) -> str | None:
    """The last mark."""
    return found[-1] if found else None


def only(found: list[str]) -> str | None:
    """The mark, where there is one."""
    return found[0] if len(found) == 1 else None


def agreed(found: list[str]) -> str | None:
    """What all marks say, where they say the same."""
    return found[0] if found and len(set(found)) == 1 else None


# -- comparisons ---------------------------------------------------------------------------------
def gold_number(gold: str) -> str:
    """The number of a gold column: `... #### 9`, `$9$` or `9`."""
    return str(gold).split("####")[-1].strip().strip("$").replace(",", "")


def exact(said: str, gold: str) -> bool:
    """Equal as text."""
    return said == gold_number(gold)


def whole(said: str, gold: str) -> bool:
    """Equal as whole numbers in ASCII digits."""
    plain = said.replace(",", "")
    return INTEGER.fullmatch(plain) is not None and int(plain[:30]) == int(gold_number(gold))


def decimal(said: str, gold: str) -> bool:
    """Equal as decimal numbers."""
    try:
        return Decimal(said) == Decimal(gold_number(gold))
    except InvalidOperation:
        return False


def ratio(said: str, gold: str) -> bool:
    """Equal as whole numbers or fractions."""
    found = re.fullmatch(r"([+-]?[0-9]{1,30})(?:\s*/\s*([0-9]{1,30}))?", said)
    if found is None or (found[2] is not None and int(found[2]) == 0):
        return False
    return Fraction(int(found[1]), int(found[2] or 1)) == Fraction(gold_number(gold))


def close(said: str, gold: str) -> bool:
    """Equal as floating-point numbers up to one in a million."""
    try:
        return abs(float(said) - float(gold_number(gold))) <= 1e-6 * abs(float(gold_number(gold)))
    except ValueError:
        return False


def tidy(said: str, gold: str) -> bool:
    """Equal once dollar signs, bold, thousands' commas and a final full stop are taken off."""
    bare = said.strip().strip("$*").strip().removesuffix(".").replace(",", "")
    return bare == gold_number(gold)


# -- styles, each in 0..1 --------------------------------------------------------------------------
def has_layout(text: str) -> float:
    """One <think> block, then one <answer> block."""
    return float(LAYOUT.fullmatch(text) is not None)


def tags_once(text: str) -> float:
    """Share of four tags that stand there once."""
    names = ("<think>", "</think>", "<answer>", "</answer>")
    return sum(text.count(tag) == 1 for tag in names) / len(names)


def thinks(text: str) -> float:
    """A closed <think> block with something in it."""
    return float(re.search(r"<think>\s*\S.*?</think>", text, re.DOTALL) is not None)


def boxed_once(text: str) -> float:
    """One \\boxed."""
    return float(text.count("\\boxed{") == 1)


def brief(text: str) -> float:
    """1 for no words, falling to 0 at 600."""
    return max(0.0, 1.0 - len(text.split()) / 600)


def within_limit(text: str) -> float:
    """1 up to 400 words, falling to 0 at 500."""
    return min(1.0, max(0.0, (500 - len(text.split())) / 100))


def step_lines(text: str) -> float:
    """Lines that open with "Step", at most five, over five."""
    return min(5, len(re.findall(r"^Step \d", text, re.MULTILINE))) / 5


def english(text: str) -> float:
    """Share of ASCII letters among letters; 1 without letters."""
    letters = [c for c in text if c.isalpha()]
    return sum(c.isascii() for c in letters) / len(letters) if letters else 1.0


def starts_thinking(text: str) -> float:
    """Opens with <think>."""
    return float(text.startswith("<think>"))
