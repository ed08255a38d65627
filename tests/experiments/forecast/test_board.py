"""The board: cases know what the papers say, forecasters see no outcome, the page says who wins."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from functools import cache

import fastjsonschema
import pytest

from tests.experiments.forecast import drawings
from tests.golden.form import differences
from tests.places import ROOT
from toyrl import schemas
from toyrl.experiments.backtest import ledger
from toyrl.experiments.backtest.came import CAME
from toyrl.experiments.cli import main
from toyrl.experiments.commands.scoreboard import studies
from toyrl.experiments.errors import UsageError
from toyrl.experiments.forecast import measured, pictures, published, ranks
from toyrl.experiments.forecast.board import FORECASTERS, SILENT, Board, Study, _said, board
from toyrl.experiments.forecast.case import Case, Forecast, Forecaster, Outcome, Told
from toyrl.experiments.forecast.page import page
from toyrl.experiments.forecast.rivals import rules, simple
from toyrl.experiments.render.text import dumps

RESULTS = ROOT / "docs" / "results"
SMALL = (RESULTS / "transfer-small.json", RESULTS / "transfer-small-predictions.json")


# -- cases -----------------------------------------------------------------------------------------
def test_every_setting_has_its_numbers_and_they_agree_with_its_outcome():
    assert set(CAME) == {s.id for s in ledger.SETTINGS}
    for s in ledger.SETTINGS:
        came = CAME[s.id]
        if s.change is None:
            assert came.base is None, s.id
        elif s.against.startswith("base"):
            assert came.base == s.change, s.id
        else:
            assert came.correctness == s.change, s.id


def test_words_stand_for_numbers_that_are_missing():
    by_name = {c.told.name: c for c in published.cases()}
    assert by_name["04-uniform-penalty"].outcome.lost is True
    assert by_name["18-renorm"].outcome.lost is False
    assert by_name["05-truncation-4096"].outcome.base == pytest.approx(-0.075)
    assert by_name["05-truncation-4096"].told.limit == 16384


def test_what_is_told_holds_no_outcome():
    assert not {f.name for f in fields(Told)} & {f.name for f in fields(Outcome)} - {"length"}


def test_measured_runs_are_read_with_their_sealed_predictions():
    cases = {c.told.name: c for c in measured.cases(*SMALL)}
    assert len(cases) == 8
    data = json.loads(SMALL[0].read_text())
    ends = data["rewards"]["gated-4"]["end"]
    assert cases["gated-4"].outcome.base == pytest.approx(sum(ends) / len(ends))
    assert cases["gated-4"].told.rewards[0].startswith("outcome() - 5.9")
    assert cases["phrases-only"].told.seen is None
    with pytest.raises(UsageError, match="no file of toyrl transfer"):
        measured.cases(SMALL[1], SMALL[0])


# -- forecasters -----------------------------------------------------------------------------------
def told(reward: str = "outcome()", **more) -> Told:
    base = measured.cases(*SMALL)[0].told
    return replace(base, rewards=(reward,), **more)


def say(name: str, reward: str) -> Forecast:
    every = {f.name: f for f in (*simple.FORECASTERS, *rules.FORECASTERS)}
    answer = every[name].of(told(reward))
    assert answer is not None
    return answer


def test_each_rival_says_what_its_sentence_says():
    shorter = "outcome() - 0.5*linear_length()"
    assert say("length-sign", shorter).below_base == 1.0
    assert say("length-sign", "outcome()").below_base == 0.0
    assert say("pays-wrong-nothing", "outcome() - 0.5*gated(linear_length())").below_base == 0.0
    assert say("pays-wrong-nothing", shorter).below_base == 1.0
    assert say("one-step", "outcome(right=0, wrong=1)").below_base == 1.0
    assert say("tilted", "outcome()").accuracy > 0.2


def test_rules_fear_more_where_more_is_charged():
    risks = [say("rules", f"outcome() - {w}*linear_length()") for w in (0.0001, 0.5, 4.0)]
    assert risks[0].below_base < risks[1].below_base < risks[2].below_base
    assert risks[2].length < risks[0].length < 1
    assert say("rules", "outcome()").below_base < 0.1
    assert say("rules", "outcome() + 2*linear_length()").length > 1


def test_a_rule_left_out_costs_nothing():
    t = told("outcome() - 2*linear_length()")
    less = rules.forecast(t, costs=())
    assert less.accuracy > rules.forecast(t).accuracy


def test_the_mean_share_knows_other_sources_only():
    def case(name, source, base):
        return Case(replace(told(), name=name), Outcome(base=base), source, source)

    cases = [case("a", "x", -0.1), case("b", "x", -0.1), case("c", "y", 0.1), case("d", "y", -0.1)]
    share = simple.mean_share(cases)
    assert share.of(cases[0].told).below_base == 0.5  # of y's two
    assert share.of(cases[2].told).below_base == 1.0  # of x's two


# -- board, page, command --------------------------------------------------------------------------
def test_a_forecaster_of_ones_own_is_a_function_and_a_name():
    knows = {c.told.name: c.outcome for c in measured.cases(*SMALL)}

    def cheat(t: Told) -> Forecast:
        return Forecast(float(knows[t.name].base < 0), accuracy=knows[t.name].base)

    study = Study("runs", "Runs.", tuple(measured.cases(*SMALL)))
    found = board([study], (Forecaster("cheat", "knows", cheat), *simple.FORECASTERS[:2]))
    best = found.studies[0][1][0]
    assert best.scores.brier == 0.0
    assert best.scores.ordered == best.scores.contrasts > 20
    assert best.brier_against.apart
    text = page(found)
    assert "| `cheat` | - | 0.000 | 8 of 8 |" in text
    fastjsonschema.compile(schemas.document("scoreboard"))(json.loads(json.dumps(found.to_dict())))


def test_who_is_silent_scores_as_a_shrug():
    study = Study("runs", "Runs.", tuple(measured.cases(*SMALL)))
    line = board([study], (Forecaster("mute", "says nothing", lambda _: None),)).studies[0][1][0]
    assert line.silent == 8
    assert line.scores.brier == 0.25


def test_ours_are_set_against_the_best_baseline_alone():
    cases = measured.cases(*SMALL)
    by_name = {c.told.name: c for c in cases}
    right = Forecaster("behaviour", "knows", lambda t: _knows(by_name[t.name]))
    weak = Forecaster("weak", "the other way round", lambda t: _knows(by_name[t.name], -1))
    text = page(board([Study("runs", "Runs.", tuple(cases))], (right, weak)))
    _, _, rest = text.partition("| Against the best baseline |")
    row = next(line for line in rest.splitlines() if line.startswith("| `behaviour`"))
    assert rest.startswith(" Tau, accuracy (`weak`) | Brier (`weak`)")
    tau = ranks.tau([(c, _knows(c)) for c in cases], ranks.ACCURACY)
    assert row.split("|")[2].startswith(f" {2 * tau:+.2f} (")
    assert row.split("|")[3].startswith(" -1.00 (")
    assert "not told apart" not in row
    alone = page(board([Study("runs", "Runs.", tuple(cases))], (right,)))
    assert "Against the best baseline" not in alone


def _knows(case: Case, sign: int = 1) -> Forecast:
    """What came, or its opposite."""
    change = sign * (case.outcome.base or 0.0)
    return Forecast(below_base=float(change < 0), accuracy=change)


def test_a_ledger_that_is_not_there_is_refused(capsys):
    assert main(["scoreboard", "--ledger", "nowhere.json"]) == 2
    assert "nowhere.json" in capsys.readouterr().err


# -- the page of the docs --------------------------------------------------------------------------
KEPT = json.loads((RESULTS / "scoreboard.json").read_text())
EACH = 2


@cache
def docs_studies() -> list[Study]:
    measured = (SMALL[0], RESULTS / "zoo-dev", RESULTS / "zoo-test")
    return studies(ROOT / "docs" / "ledger.json", measured)


@cache
def docs_board() -> Board:
    """The page's board, of what the forecasters said for it."""
    return board(docs_studies(), [kept(f.name) for f in FORECASTERS])


def kept(name: str) -> Forecaster:
    """A forecaster that says again what it said for the page."""
    said = {n: f for s in KEPT["studies"] for n, f in s["forecasters"][name]["said"].items()}

    def of(told: Told) -> Forecast | None:
        found = Forecast(**said[told.name])
        return None if found == SILENT else found

    says = next((f.says for f in FORECASTERS if f.name == name), "")
    return Forecaster(name, says, of)


@pytest.mark.slow
def test_the_page_of_the_docs_is_made_of_what_is_kept():
    cases = [case for s in docs_studies() for case in s.cases]
    assert len({c.told.name for c in cases}) == len(cases)
    found, place = docs_board(), RESULTS / "scoreboard.md"
    bases = [base for study, _ in found.studies for base in pictures.walked(study)]
    names = {base: pictures.place_of(base, place).name for base in bases}
    assert page(found, names) == place.read_text()
    assert not list(differences(KEPT, json.loads(dumps(found.to_dict()))))
    assert set(names.values()) == {p.name for p in RESULTS.glob("scoreboard-*.svg")}


@pytest.mark.slow
def test_the_pictures_of_the_docs_show_what_is_kept():
    """One is drawn again; the others are read: drawing all of them takes a minute."""
    place, again = RESULTS / "scoreboard.md", 0
    for study, lines in docs_board().studies:
        for base in pictures.walked(study):
            text = pictures.place_of(base, place).read_text()
            drawings.assert_shows(text, study, lines, base)
            if base.startswith("lean-chain"):
                assert pictures.svg(study, lines, base) == text
                again += 1
    assert again == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (">laser-1, length", ">laser-2, length"),
        (">measured<", ">drawn<"),
        ("\nL ", "\nL 1"),
    ],
)
def test_a_picture_of_other_numbers_is_told(old, new):
    study, lines = docs_board().studies[2]
    base = pictures.walked(study)[0]
    text = pictures.place_of(base, RESULTS / "scoreboard.md").read_text()
    assert old in text
    with pytest.raises(AssertionError):
        drawings.assert_shows(text.replace(old, new), study, lines, base)
    other = replace(lines[-2], rows=lines[-2].rows[::-1])
    with pytest.raises(AssertionError):
        drawings.assert_shows(text, study, [*lines[:-2], other, lines[-1]], base)


@pytest.mark.slow
@pytest.mark.parametrize("i", range(4))
def test_what_is_kept_is_what_is_said_now(i):
    """Of some runs of each study, every forecaster."""
    study = docs_studies()[i]
    for case in study.cases[i :: -(-len(study.cases) // EACH)]:
        for f in FORECASTERS:
            said = _said(f, case) or SILENT
            stored = KEPT["studies"][i]["forecasters"][f.name]["said"][case.told.name]
            assert not list(differences(stored, asdict(said))), (f.name, case.told.name)
