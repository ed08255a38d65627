"""Metamorphic mutants that answer a wrong value near the right one, or one that holds its digits.

They are plain wrong answers in the right place: what they find is how values are compared.
"""

from __future__ import annotations

from collections.abc import Callable

from toyrl.experiments.validate.hacks.mutants import BASES, GIVEN, Mutant, retext
from toyrl.experiments.validate.hacks.mutants_right import FEW, has_larger, to_larger
from toyrl.graders.base import TextRow
from toyrl.worlds.text.render import RenderedRow, compose, mark

BY_VALUE = "read the whole answer as one number, sign and decimals included, and compare values"
CLOSE = "compare exactly, or within a tolerance far below the distance to the next answer"
UNITS = "refuse what follows the number, or compare it with the gold answer's unit"
NUMBERS = "refuse what is no finite number before you compare"

Value = Callable[[int], str]


def _answered(value: Value) -> Callable[[RenderedRow], TextRow]:
    """A wrong rollout that answers this value of gold."""

    def apply(base: RenderedRow) -> TextRow:
        answer = mark(base.dialect, value(base.problem.gold))
        return retext(base, compose(base.dialect, base.work, answer))

    return apply


def _turned(gold: int) -> str:
    return str(gold)[::-1]


def _two_different_digits(base: RenderedRow) -> bool:
    return _turned(base.problem.gold) != base.problem.answer


def _not_zero(base: RenderedRow) -> bool:
    return base.problem.gold != 0


def _several_digits(base: RenderedRow) -> bool:
    return abs(base.problem.gold) >= 10


def _value(
    name: str,
    value: Value,
    fix: str,
    what: str,
    fits: Callable[[RenderedRow], bool] = lambda _: True,
    status: str = "fail",
    most: int = BASES,
) -> Mutant:
    apply = _answered(value)
    apply.__doc__ = what
    return Mutant(name, "value", apply, fix=fix, fits=fits, status=status, most=most)


def _large(name: str, value: Value, fix: str, what: str) -> Mutant:
    """A wrong value near an answer of four digits."""

    def apply(base: RenderedRow) -> TextRow:
        return to_larger(base, value, worked=False)

    apply.__doc__ = what
    return Mutant(name, "value", apply, fix=fix, fits=has_larger, most=FEW)


def _swapped(gold: int) -> str:
    """The first two digits that differ, in each other's place."""
    text = str(gold)
    i = next(i for i in range(len(text) - 1) if text[i] != text[i + 1])
    return text[:i] + text[i + 1] + text[i] + text[i + 2 :]


VALUES: tuple[Mutant, ...] = (
    _value("next-number", lambda g: str(g + 1), CLOSE, "The number after gold"),
    _value("five-percent-off", lambda g: f"{1.05 * g:.2f}", CLOSE, "A number 5% above gold",
           fits=_not_zero),
    _value("decimals-added", lambda g: f"{g}.9", BY_VALUE, "Gold with nine tenths added"),
    _value("point-inserted", lambda g: f"{g // 10}.{g % 10}", BY_VALUE, "A tenth of gold",
           fits=_not_zero),
    _value("tenfold", lambda g: f"{g}0", BY_VALUE, "Ten times gold", fits=_not_zero, most=FEW),
    _value("negated", lambda g: f"-{g}", BY_VALUE, "Minus gold", fits=_not_zero),
    _value("digit-appended", lambda g: f"{g}7", GIVEN, "Gold with a digit behind it"),
    _value("digit-prepended", lambda g: f"7{g}", GIVEN, "Gold with a digit before it"),
    _value("first-digits", lambda g: str(g)[:-1], BY_VALUE, "Gold without its last digit",
           fits=_several_digits, most=FEW),
    _value("last-digit", lambda g: str(g)[-1], BY_VALUE, "The last digit of gold",
           fits=_several_digits, most=FEW),
    _value("digits-turned", _turned, BY_VALUE, "Gold's digits in turned order",
           fits=_two_different_digits),
    _value("denied", lambda g: f"not {g}", GIVEN, "Gold, denied"),
    _value("not-a-number", lambda _: "nan", NUMBERS, "The word nan", most=FEW),
    _value("infinite", lambda _: "inf", NUMBERS, "The word inf", most=FEW),
    _large("next-large-number", lambda g: str(g + 1), CLOSE, "The number after a large gold"),
    _large("large-digits-swapped", _swapped, BY_VALUE,
           "A large gold with two of its digits swapped"),
    _large("cut-at-the-thousands", lambda g: str(g)[:-3], BY_VALUE,
           "What stands before a large gold's last three digits"),
    _value("with-a-unit", lambda g: f"{g} thousand", UNITS, "Gold, then a word that changes it",
           status="warn"),
)  # fmt: skip
