"""Ablations: every mechanism has a line, and the paper left out has no say in its own forecast."""

from __future__ import annotations

from dataclasses import replace

from toyrl.experiments.forecast import ablations
from toyrl.experiments.forecast.case import Case, Forecast, Outcome, Told
from toyrl.experiments.forecast.rivals import behaviour

TOLD = Told("x", ("outcome()",), 0.5, 400.0, 1024.0)


def cases() -> list[Case]:
    """Paper a loses twice, paper b keeps twice."""
    rows = [("a1", "a", -0.1), ("a2", "a", -0.2), ("b1", "b", 0.1), ("b2", "b", 0.2)]
    return [
        Case(replace(TOLD, name=name), Outcome(base=base, length=0.5), paper, paper)
        for name, paper, base in rows
    ]


def says(_: Told, model: behaviour.Model) -> Forecast:
    """Far runs are feared, near ones not."""
    return Forecast(below_base=min(model.distance / 2, 1.0), accuracy=0.0, length=0.5)


def test_a_line_each():
    found = ablations.forecasts(cases(), says=says)
    assert list(found) == ["as it is", *behaviour.ABLATIONS]
    text = ablations.table(found)
    assert text.count("\n") == len(found) + 2
    assert ablations.LEFT_OUT in text


def test_a_paper_is_forecast_as_the_others_say():
    found = ablations.forecasts(cases(), says=says)
    by_name = {c.told.name: f.below_base for c, f in ablations.left_out(found)}
    assert by_name == {"a1": 0.25, "a2": 0.25, "b1": 1.0, "b2": 1.0}
