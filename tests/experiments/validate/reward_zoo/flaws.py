"""Flaws: each a small change of one part of a sound reward, with calls that show it.

`flaws_pay.py` holds those that change what is paid; here are those that change what is read and
compared. A witness is written for the flaw, on a prompt whose answer is 42.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tests.experiments.validate.reward_zoo import readers as r
from tests.experiments.validate.reward_zoo.sound import Reward

PROMPT = "Start with 7. Multiply by 6. What is the result?"
GOLD = "42"
WORK = "Step 1: we take the first number.\nStep 2: we go on from there."
Calls = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Flaw:
    """One way to spoil a reward.

    change : the spoiled reward; what : what is wrong with it
    witness : a sound reward's dialect -> calls, each a list of texts (gold 42)
    fits : which sound rewards it can be applied to
    """

    name: str
    what: str
    change: Callable[[Reward], Reward]
    witness: Callable[[str], Calls]
    fits: Callable[[Reward], bool] = lambda _: True


def one(text: Callable[[str], str]) -> Callable[[str], Calls]:
    """A witness of one call on one text."""
    return lambda dialect: [[text(dialect)]]


def marked(*values: object, work: str = WORK, after: str = "") -> Callable[[str], Calls]:
    """A witness of one text with these answers."""
    return one(lambda dialect: r.write(dialect, work, *values, after=after))


def _equal(change: Callable[[r.Equal], r.Equal]) -> Callable[[Reward], Reward]:
    return lambda x: replace(x, equal=change(x.equal))


def _compare(equal: r.Equal) -> Callable[[Reward], Reward]:
    return lambda x: replace(x, equal=lambda said, gold: equal(said, r.gold_number(gold)))


def _read(reader: r.Marks) -> Callable[[Reward], Reward]:
    return lambda x: replace(x, marks=reader, every=True)


def _number(said: str) -> float | None:
    try:
        return float(said.strip().strip("$*").replace(",", ""))
    except ValueError:
        return None


def _near(distance: Callable[[float], float]) -> r.Equal:
    def equal(said: str, gold: str) -> bool:
        value = _number(said)
        return value is not None and abs(value - float(gold)) <= distance(float(gold))

    return equal


def _unsigned(said: str, gold: str) -> bool:
    value = _number(said)
    return value is not None and abs(value) == abs(float(gold))


def _leading(said: str, gold: str) -> bool:
    found = re.match(r"\s*\$?([+-]?\d+)", said)
    return found is not None and found[1] == gold


def _cut_decimals(said: str, gold: str) -> bool:
    value = _number(said)
    return value is not None and abs(value) < 1e15 and int(value) == int(float(gold))


def _digits_only(said: str, gold: str) -> bool:
    return re.sub(r"[^0-9]", "", said) == re.sub(r"[^0-9]", "", gold)


def _hedged(equal: r.Equal) -> r.Equal:
    return lambda said, gold: any(equal(x.strip(), gold) for x in re.split(r",|\bor\b|;", said))


def _last_number(x: Reward) -> Reward:
    def marks(text: str) -> list[str]:
        return x.marks(text) or re.findall(r"-?\d+", text)[-1:]

    return replace(x, marks=marks)


def _inside_think(x: Reward) -> Reward:
    def marks(text: str) -> list[str]:
        return [*x.marks(text), *x.marks(f"<think></think>{text.partition('</think>')[0]}")]

    return replace(x, marks=marks, every=True)


def _any_layout(x: Reward) -> Reward:
    """Every other dialect's marks count too, wherever they stand."""
    readers = (x.marks, r.tags, r.boxes, r.hashes, r.sentences)
    return replace(x, marks=lambda text: [s for f in readers for s in f(text)], every=True)


def _numbers(text: str) -> list[str]:
    return re.findall(r"-?\d+", text)


def _tail(text: str) -> list[str]:
    return re.findall(r"\d+", text[-40:])


READING: tuple[Flaw, ...] = (
    Flaw(
        "substring",
        "gold anywhere inside the mark is right",
        _compare(lambda said, gold: gold in said),
        marked("1420"),
    ),
    Flaw(
        "gold-anywhere",
        "gold anywhere in the text is right",
        lambda x: replace(
            x, marks=lambda t: [t], pick=r.last, equal=lambda s, g: r.gold_number(g) in s
        ),
        marked("7", work="Step 1: it could be 42, or not."),
    ),
    Flaw("any-number", "any number of the text equal to gold is right", _read(_numbers),
         marked("7", work="Step 1: it could be 42, or not.")),
    Flaw("any-of-several", "one right mark among several is right",
         lambda x: replace(x, every=True), marked("42", "7")),
    Flaw("first-mark", "the first mark counts, though later ones take it back",
         lambda x: replace(x, pick=lambda found: found[0] if found else None), marked("42", "7")),
    Flaw("last-number-fallback", "without a mark the last number of the text counts", _last_number,
         one(lambda d: r.write(d, f"{WORK}\nItem 42"))),
    Flaw("reads-think", "marks inside the reasoning count too", _inside_think,
         lambda d: [[r.write(d, f"{WORK}\n{r.mark(d, 42)}\nNo.", "7")]],
         fits=lambda x: x.dialect in r.THINKING),
    Flaw("tail", "gold among the numbers of the last 40 characters is right", _read(_tail),
         marked("7", after="(not 42)")),
    Flaw("every-dialect", "a right mark in any dialect counts, beside a wrong one", _any_layout,
         one(lambda d: r.write(d, f"{WORK}\n#### 42\nThe answer is 42.", "7"))),
    Flaw("starts-with", "an answer that begins with gold is right",
         _compare(lambda said, gold: said.startswith(gold)), marked("4207")),
    Flaw("ends-with", "an answer that ends in gold is right",
         _compare(lambda said, gold: said.endswith(gold)), marked("742")),
    Flaw("said-in-gold", "an answer that is part of gold is right",
         _compare(lambda said, gold: said in gold), marked("2")),
    Flaw("strips-too-much", "all but digits is dropped before comparing", _compare(_digits_only),
         marked("4 or 2")),
    Flaw("same-digits", "the digits in any order are right",
         _compare(lambda said, gold: sorted(said.strip()) == sorted(gold)), marked("24")),
    Flaw("off-by-one", "a number beside gold is right", _compare(_near(lambda _: 1.0)),
         marked("43")),
    Flaw("ten-percent", "a number within a tenth of gold is right",
         _compare(_near(lambda g: 0.1 * abs(g))), marked("45")),
    Flaw("ignores-sign", "minus gold is right", _compare(_unsigned), marked("-42")),
    Flaw("ignores-unit", "what follows the number is not read", _compare(_leading),
         marked("42 thousand")),
    Flaw("cuts-decimals", "decimals are cut off before comparing", _compare(_cut_decimals),
         marked("42.9")),
    Flaw("drops-points", "points are taken for thousands' signs",
         _compare(lambda said, gold: said.replace(".", "").replace(",", "") == gold),
         marked("4.2")),
    Flaw("hedged-list", "one right answer in a list is right", _equal(_hedged),
         marked("41, 42 or 43")),
)  # fmt: skip
