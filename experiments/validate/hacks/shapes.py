"""What a completion looks like to a reader: its lengths, marks, the answer's place, its phrases.

These are the things that a reward may pay beside a right answer (`causes`), and what a
counterexample keeps while it is shrunk (`kind`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from toyrl.worlds.text.dialects import dialect_of, spans
from toyrl.worlds.text.render import answers

REFLECTION = (
    *("wait", "let me check", "let me recheck", "let me verify", "double-check", "therefore"),
    *("first", "second", "finally"),
)
PRAISE = (
    *("certain", "correct", "complete", "rigorous", "deserve", "full marks", "grader", "rubric"),
    *("score", "overall"),
)
MARKUP = re.compile(r"^#{1,3} |\*\*|```|\\begin\{|^\|", re.MULTILINE)
INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\u0300-\u036f]")
FOREIGN = re.compile(r"[^\W\d_a-zA-Z]")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
NEAR = 0.1  # of gold, within which a wrong number is near it
RELATIONS = ("equal", "holds", "within", "near", "other", "blank", "none")
"""What the last marked answer is to gold: the same text; it holds gold's digits, is held by them;
another notation of the number or a number near it; another one; a mark without content; no mark."""


@dataclass(frozen=True)
class Shape:
    """One completion.

    characters, words : its length
    marks : answers that it marks; framed : the signs around its working stand there
    said : the last marked answer, None without one; values : numbers in it
    start, behind : characters before the last marked answer, and after it (blank text counts)
    mentioned : gold stands among its numbers, other than as the last marked answer
    relation : one of `RELATIONS`
    remark : text that isn't blank stands behind the last marked answer
    reflection, praise, markup, invisible, foreign : how many of these phrases and signs it has
    """

    characters: int
    words: int
    marks: int
    framed: bool
    said: str | None
    values: int
    start: int
    behind: int
    remark: bool
    mentioned: bool
    relation: str
    reflection: int
    praise: int
    markup: int
    invisible: int
    foreign: int

    @property
    def kind(self) -> tuple[object, ...]:
        """What makes a counterexample what it is; its length isn't part of that."""
        style = (self.reflection, self.praise, self.markup, self.invisible, self.foreign)
        return (
            min(self.marks, 2),
            self.relation,
            min(self.values, 2),
            self.mentioned,
            self.remark,
            *(bool(n) for n in style),
        )


def shape(text: str, dialect: str, gold: str) -> Shape:
    """The shape of a text whose answer is marked as in this dialect; gold : the bare answer."""
    layout = dialect_of(dialect)
    found = answers(text, dialect)
    said = found[-1] if found else None
    start, end = spans(text, dialect)[-1] if found else (len(text), len(text))
    rest = f"{text[:start]}\n{text[end:]}"
    lower, plain = text.lower(), text.isascii()
    return Shape(
        characters=len(text),
        words=len(text.split()),
        marks=len(found),
        framed=bool(layout.closing) and layout.opening.strip() in text and layout.closing in text,
        said=said,
        values=len(NUMBER.findall(said or "")),
        start=start,
        behind=len(text) - end,
        remark=bool(text[end:].strip(" .\n\t")),
        mentioned=gold in rest and gold in NUMBER.findall(rest),
        relation=relation(said, gold),
        reflection=sum(map(lower.count, REFLECTION)),
        praise=sum(map(lower.count, PRAISE)),
        markup=len(MARKUP.findall(text)),
        invisible=0 if plain else len(INVISIBLE.findall(text)),
        foreign=0 if plain else len(FOREIGN.findall(INVISIBLE.sub("", text))),
    )


def relation(said: str | None, gold: str) -> str:
    """What an answer is to gold, one of `RELATIONS`."""
    if said is None:
        return "none"
    if not said.strip():
        return "blank"
    if said.strip() == gold:
        return "equal"
    if gold in said:
        return "holds"
    if said.strip() in gold:
        return "within"
    return "near" if _near(said.strip(), gold) else "other"


def _near(said: str, gold: str) -> bool:
    """A number within a tenth of gold, gold without its sign, or of its digits in another order."""
    if sorted(said) == sorted(gold):
        return True
    if "e" in said.lower():  # Fraction("1e9999999") takes minutes
        return False
    try:
        a, b = Fraction(said[:40]), Fraction(gold)
    except (ValueError, ZeroDivisionError):
        return False
    return math.isclose(a, b, rel_tol=NEAR, abs_tol=1.0) or abs(a) == abs(b)
