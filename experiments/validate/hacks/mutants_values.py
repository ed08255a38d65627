"""Metamorphic mutants that answer a wrong value near the right one, or one that holds its digits.

They are plain wrong answers in the right place: what they find is how values are compared.
"""

from __future__ import annotations

from collections.abc import Callable

from toyrl.experiments.validate.hacks.mutants import GIVEN, Mutant, retext
from toyrl.graders.base import TextRow
from toyrl.worlds.text.render import RenderedRow, compose, mark

BY_VALUE = "read the whole answer as one number, sign and decimals included, and compare values"
CLOSE = "compare exactly, or within a tolerance far below the distance to the next answer"
UNITS = "refuse what follows the number, or compare it with the gold answer's unit"

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


def _value(
    name: str,
    value: Value,
    fix: str,
    what: str,
    fits: Callable[[RenderedRow], bool] = lambda _: True,
    status: str = "fail",
) -> Mutant:
    apply = _answered(value)
    apply.__doc__ = what
    return Mutant(name, "value", apply, fix=fix, fits=fits, status=status)


VALUES: tuple[Mutant, ...] = (
    _value("next-number", lambda g: str(g + 1), CLOSE, "The number after gold"),
    _value("five-percent-off", lambda g: f"{1.05 * g:.2f}", CLOSE, "A number 5% above gold"),
    _value("decimals-added", lambda g: f"{g}.9", BY_VALUE, "Gold with nine tenths added"),
    _value("point-inserted", lambda g: f"{g // 10}.{g % 10}", BY_VALUE, "A tenth of gold"),
    _value("negated", lambda g: f"-{g}", BY_VALUE, "Minus gold"),
    _value("digit-appended", lambda g: f"{g}7", GIVEN, "Gold with a digit behind it"),
    _value("digit-prepended", lambda g: f"7{g}", GIVEN, "Gold with a digit before it"),
    _value("digits-turned", _turned, BY_VALUE, "Gold's digits in turned order",
           fits=_two_different_digits),
    _value("denied", lambda g: f"not {g}", GIVEN, "Gold, denied"),
    _value("with-a-unit", lambda g: f"{g} thousand", UNITS, "Gold, then a word that changes it",
           status="warn"),
)  # fmt: skip
