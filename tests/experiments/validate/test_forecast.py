"""The forecast beside the verdict: that of the score board, about the base that was told."""

from __future__ import annotations

from dataclasses import replace

import pytest

import toyrl
from tests.places import ROOT
from toyrl.experiments.forecast import published
from toyrl.experiments.forecast.answer import DIGITS
from toyrl.experiments.forecast.rivals import behaviour
from toyrl.experiments.forecast.word import LAGGING, PILOT, STOP, word
from toyrl.experiments.render import html, terminal
from toyrl.experiments.validate.forecast import beside, sentence
from toyrl.experiments.validate.verdict import foretold

WORLDS = 2  # of the chain; few assertions look at them, the forecast has its own
LOG = ROOT / "examples" / "data" / "smollm2-arithmetic-rollouts.jsonl"
WORDY = ROOT / "tests" / "data" / "wordy-chain-rollouts.jsonl"
"""128 rollouts of 16 prompts, of a base built by recipe (docs/results/zoo.md)."""
SHORT = "outcome() - 0.3*linear_length()"
WHERE = {"worlds": WORLDS, "only": "collapse"}  # where there is a forecast, beside what it reads


@pytest.fixture(scope="module")
def report():
    return toyrl.validate(SHORT, rollouts=LOG, **{**WHERE, "worlds": 8})


@pytest.mark.usefixtures("few_worlds")
@pytest.mark.slow
def test_it_is_the_board_s_forecast_of_a_published_run():
    [case] = [c for c in published.cases() if c.told.name == "05-laser-4096"]
    said = behaviour.forecast(case.told)
    assert said is not None
    own = toyrl.validate(case.told.rewards[0], **WHERE, **case.told.settings).forecast
    assert own["p_loss_base"] == pytest.approx(said.below_base, abs=10**-DIGITS)
    assert own["p_loss_outcome"] == pytest.approx(said.below_correctness, abs=10**-DIGITS)
    assert own["accuracy_change"]["mean"] == pytest.approx(said.accuracy, abs=10**-DIGITS)
    assert own["length_factor"]["mean"] == pytest.approx(said.length, abs=10**-DIGITS)


@pytest.mark.slow
def test_a_log_is_the_base(report):
    told = report.forecast["assumed"]
    assert told["own_rollouts"]
    assert told["length"] == pytest.approx(
        report.settings["typical_length"], abs=0.5
    )  # which is whole
    assert told["accuracy"] == pytest.approx(report.settings["success_rates"][0], abs=1e-4)
    assert told["limit"] == report.settings["max_completion_length"]


REWARDS = """
from collections import Counter

def form(completions, **kw):
    return [float("####" in c) for c in completions]

def vote(prompts, completions, **kw):
    said = [c.rpartition("####")[2].strip() if "####" in c else None for c in completions]
    counts = {p: Counter(s for q, s in zip(prompts, said) if q == p and s) for p in prompts}
    return [float(s is not None and counts[p][s] == max(counts[p].values()))
            for p, s in zip(prompts, said)]

def padding(completions, **kw):
    return [0.1 * len(c.splitlines()) for c in completions]
"""


@pytest.mark.slow
@pytest.mark.usefixtures("few_worlds")
def test_files_are_graded_on_the_base_s_own_rollouts(tmp_path):
    """A tiny base under form alone and under a vote lost 65 and 53 points (docs/results/zoo-dev);
    neither reads the right answer. A bonus a line fills the limit."""
    file = tmp_path / "rewards.py"
    file.write_text(REWARDS)
    for name, length in (("form", (0.4, 1.3)), ("vote", (0.4, 2.0)), ("padding", (1.4, 2.5))):
        found = toyrl.validate(f"{file}:{name}", worlds=WORLDS, rollouts=WORDY, only="collapse")
        f = found.forecast
        assert f["assumed"]["own_rollouts"]
        assert f["p_loss_base"] > 0.8, name
        assert length[0] < f["length_factor"]["mean"] < length[1], name
        assert found.verdict == "UNSAFE"


def test_the_word_follows_from_the_forecast(report):
    f = dict(report.forecast)
    for of_base, behind, said in (
        (0.0, 0.0, "SAFE"),
        (PILOT, 0.0, "RISKY"),
        (0.0, LAGGING, "RISKY"),
        (STOP, 0.0, "UNSAFE"),
    ):
        assert word({**f, "p_loss_5": of_base, "p_behind_10": behind}) == said
    assert 0 <= f["p_loss_5"] <= f["p_loss_base"]
    assert 0 <= f["p_behind_10"] <= f["p_loss_outcome"]
    [finding] = [x for x in report.findings if x.name == "forecast/loss"]
    assert finding.value == f["p_loss_5"]
    assert finding.status == {"SAFE": "pass", "RISKY": "warn", "UNSAFE": "fail"}[word(f)]
    assert all(x.status == "info" for x in report.findings if x.name == "collapse/probability")


def test_numbers_are_what_their_names_say(report):
    f = report.forecast
    assert 0 <= f["p_loss_base"] <= f["p_loss_outcome"] <= 1
    for part in ("accuracy_change", "length_factor"):
        assert f[part]["low"] < f[part]["mean"] < f[part]["high"]
    assert f["length_factor"]["mean"] < 1  # every token is charged
    assert f["horizon"]["updates"] > 0
    assert report.to_dict()["forecast"] == f


@pytest.mark.slow
def test_what_behaviours_cant_see_and_what_isn_t_trained_is_not_forecast():
    assert toyrl.validate("trust()", **WHERE).forecast is None
    assert toyrl.validate(SHORT, quick=True).forecast is None


def test_it_stands_on_the_terminal_and_on_the_page(report, capsys):
    said = foretold(report.forecast)
    assert said in report.reasons[0]
    terminal.show_report(report, terminal.console())
    assert " ".join(said.split()[:6]) in " ".join(capsys.readouterr().out.split())
    page = html.report_page(report)
    assert said in page
    assert page.index("Forecast: accuracy in training") < page.index('id="section-1"')
    cut = replace(report, reasons=("Another reason.",))
    assert beside(report) == ""
    assert beside(cut) == sentence(report.forecast)
    assert sentence(report.forecast) in html.report_page(cut)
