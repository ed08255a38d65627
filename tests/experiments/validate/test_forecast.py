"""The forecast beside the verdict: that of the score board, about the base that was told."""

from __future__ import annotations

import pytest

import toyrl
from tests.places import ROOT
from toyrl.experiments.forecast import published
from toyrl.experiments.forecast.rivals import behaviour
from toyrl.experiments.render import html, terminal
from toyrl.experiments.validate.forecast import DIGITS, sentence

WORLDS = 8
LOG = ROOT / "examples" / "data" / "smollm2-arithmetic-rollouts.jsonl"
SHORT = "outcome() - 0.3*linear_length()"
WHERE = {"worlds": WORLDS, "only": "collapse"}  # where there is a forecast, beside what it reads


@pytest.fixture(scope="module")
def report():
    return toyrl.validate(SHORT, rollouts=LOG, **WHERE)


def test_it_is_the_board_s_forecast_of_a_published_run():
    [case] = [c for c in published.cases() if c.told.name == "05-laser-4096"]
    said = behaviour.forecast(case.told)
    assert said is not None
    own = toyrl.validate(case.told.rewards[0], **WHERE, **case.told.settings).forecast
    assert own["p_loss_base"] == pytest.approx(said.below_base, abs=10**-DIGITS)
    assert own["p_loss_outcome"] == pytest.approx(said.below_correctness, abs=10**-DIGITS)
    assert own["accuracy_change"]["mean"] == pytest.approx(said.accuracy, abs=10**-DIGITS)
    assert own["length_factor"]["mean"] == pytest.approx(said.length, abs=10**-DIGITS)


def test_a_log_is_the_base(report):
    told = report.forecast["assumed"]
    assert told["length"] == report.settings["typical_length"]
    assert told["accuracy"] == pytest.approx(report.settings["success_rates"][0], abs=1e-4)
    assert told["limit"] == report.settings["max_completion_length"]


def test_numbers_are_what_their_names_say(report):
    f = report.forecast
    assert 0 <= f["p_loss_base"] <= f["p_loss_outcome"] <= 1
    for part in ("accuracy_change", "length_factor"):
        assert f[part]["low"] < f[part]["mean"] < f[part]["high"]
    assert f["length_factor"]["mean"] < 1  # every token is charged
    assert f["horizon"]["updates"] > 0
    assert report.to_dict()["forecast"] == f


def test_what_behaviours_cant_see_and_what_isn_t_trained_is_not_forecast():
    assert toyrl.validate("trust()", **WHERE).forecast is None
    assert toyrl.validate(SHORT, quick=True).forecast is None


def test_it_stands_on_the_terminal_and_on_the_page(report, capsys):
    said = sentence(report.forecast)
    terminal.show_report(report, terminal.console())
    assert " ".join(said.split()[:6]) in " ".join(capsys.readouterr().out.split())
    assert said in html.report_page(report)
