"""Process rewards under `validate`: what copies are worth, who is asked, what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

import toyrl
from tests.places import ROOT
from tests.test_schemas import VALIDATORS, plain
from toyrl.experiments.errors import UsageError
from toyrl.experiments.render.html import report_page
from toyrl.experiments.render.once import page
from toyrl.experiments.render.svg.pictures import describe
from toyrl.experiments.validate.steps.edits import COPIES, OTHERS, best_step, copies, edited
from toyrl.experiments.validate.steps.paid import SCHEMES, Text, plan, tried
from toyrl.experiments.validate.steps.picture import data as numbers
from toyrl.experiments.validate.steps.say import edits, scores
from toyrl.expressions import parse
from toyrl.graders.base import TextRow
from toyrl.graders.steps.splits import steps as split
from toyrl.rewards.process import CORRECT
from toyrl.rewards.sandbox.modules import by_location
from toyrl.rollouts import Rollouts
from toyrl.testing.laws.steps import copies_never_pay
from toyrl.worlds.chain.latents.declared import DECLARED, StepLevels, instead
from toyrl.worlds.text.render import base_rows


def known(value: list[float], right: bool, name: str = "x") -> Text:
    lines = [f"line {k} of {name}" for k in range(len(value) - 1)]
    text = "\n".join([*lines, "The answer is 9."])
    return Text(TextRow("p", text, {CORRECT: float(right)}, 10 * len(value)), value, right)


TEXTS = [
    known([0.9, 0.4, 0.8, 0.7], True, "a"),
    known([0.5, 0.6, 0.7], True, "b"),
    known([0.9, 0.2, 0.3, 0.1, 0.2], False, "c"),
    known([0.4, 0.8], False, "d"),
]


def no_error(steps):
    """Likes every line; so copies of a line are liked too."""
    return [0.9 if "=" in s else 0.5 for s in steps]


def no_repeats(steps):
    """The first of equal lines is worth its score, the others and what says nothing 0."""
    return [0.6 * (s not in steps[:k] and s != "Okay.") for k, s in enumerate(steps)]


# -- edits -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("edit", plan(), ids=lambda e: f"{e.name}-{e.what}")
def test_an_edit_keeps_the_last_step_last_and_adds_no_work(edit):
    for t in TEXTS:
        found = edited(t.row, t.scores, edit, "line")
        if found is None:
            assert edit.name in ("step-order", "step-merges")  # which take two steps or three
            continue
        row, own = found
        spans = split(row.completion, "line")
        pieces = [row.completion[a:b].strip() for a, b in spans]
        assert pieces[-1] == "The answer is 9."
        words = set(t.row.completion.split())
        assert set(row.completion.split()) <= words | ({"Okay."} if edit.name else set())
        assert own is None or len(own) == len(pieces)


def test_the_best_step_is_the_best_paid_nearest_to_the_middle():
    assert best_step([0.9, 0.1, 0.9, 0.2, 0.9]) == 2
    assert best_step([0.1, 0.2]) == 1


# -- totals against closed forms -------------------------------------------------------------------
def test_copies_are_worth_what_the_closed_forms_say():
    """A scorer without memory: m copies of the best score c in a text of K scores s."""
    found = tried(TEXTS, plan(), "line", scores=None, judged=None, limit=1e9)
    assert [len(t.places) for t in found[:6]] == [4] * 6
    for m, t in zip((0, *COPIES), found, strict=False):
        s = [x.scores for x in TEXTS]
        c = np.array([max(x) for x in s])
        K, total = np.array([len(x) for x in s]), np.array([sum(x) for x in s])
        want = {
            "sum": total + m * c,
            "min": [min(x) for x in s],
            "mean": (total + m * c) / (K + m),
            "product": [np.prod(x) for x in s] * c**m,
            "Delta": [x[0] for x in s],
        }
        for name, value in want.items():
            np.testing.assert_allclose(t.paid[name], value, rtol=1e-12, err_msg=name)
        # Clip against the mean score of all steps of the group, in which the copies count too.
        for i, x in enumerate(s):
            own = [*x, *[max(x)] * m]
            eta = np.mean([v for k, y in enumerate(s) for v in (own if k == i else y)])
            assert t.paid["Clip"][i] == pytest.approx(sum(min(v - eta, 0) for v in own), abs=1e-12)
            assert t.paid["Clip-Delta"][i] == pytest.approx(min(x[0] - eta, 0), abs=1e-12)
    of = numbers(found, "line", "f")
    assert of["copies"] == [0, 1, 2, 4, 8, 16]
    assert np.diff(of["totals"]["sum"]) == pytest.approx(np.diff(of["copies"]) * c.mean())


def test_the_returns_that_copies_raise_are_those_that_break_the_law():
    """Another route: the law that users' own tests can call, on the same scores as rollouts."""
    found = tried(TEXTS, plan(), "line", scores=None, judged=None, limit=1e9)
    width = max(len(t.scores) for t in TEXTS)
    table = np.zeros((1, 4, width))
    for k, t in enumerate(TEXTS):
        table[0, k, : len(t.scores)] = t.scores
    length = np.array([[float(len(t.scores)) for t in TEXTS]])
    mask = (np.arange(width) < length[..., None]).astype(float)
    right = np.array([[float(t.right) for t in TEXTS]])
    r = Rollouts(
        correct=right, length=length, max_length=9.0, mask=mask, fields={"step_scores": table}
    )
    for name, shaper in SCHEMES.items():
        one = found[1].paid[name] - found[0].paid[name]
        for k in range(len(TEXTS)):
            broken = copies_never_pay(shaper, r, (0, k)) is not None
            assert broken == (one[k] > 1e-9), (name, k)


def test_what_was_not_asked_of_a_column_is_not_tested():
    found = tried(TEXTS, plan(), "line", scores=None, judged=None, limit=1e9)
    said = {f.name: f.status for f in edits(found, np.array([t.right for t in TEXTS]), asked=False)}
    assert said["hacks/step-copies"] == "fail"
    assert said["hacks/step-order"] == "pass"  # a sum doesn't move by order
    assert {said[f"hacks/{e.name}"] for e in OTHERS[:3]} == {"not tested"}


@pytest.mark.parametrize(
    ("values", "name", "status"),
    [
        ([[0.1, 0.9]], "steps/scores", "info"),
        ([[0.1, 1.5]], "steps/scores", "warn"),
        ([[-3.0, 0.2]], "steps/scores", "warn"),
        ([[0.1, float("nan")], [0.2, 0.3]], "steps/missing", "warn"),
    ],
)
def test_odd_scores_are_told(values, name, status):
    texts = [known(v, True) for v in values]
    assert (name, status) in [(f.name, f.status) for f in scores(texts, "prm")]


# -- the whole -------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def summed():
    return toyrl.validate(process=no_error, quick=True)


def test_step_scores_alone_are_judged_as_their_sum_beside_the_outcome(summed):
    assert summed.reward == "outcome() + step_sum()"
    assert summed.verdict == "UNSAFE"
    assert "of its best-paid step is paid" in summed.reasons[0]
    found = {f.name: f for f in summed.findings}
    assert found["hacks/step-copies"].status == "fail"
    assert found["hacks/step-empties"].status == "fail"
    assert "step_clip_delta()" in found["hacks/step-copies"].fix
    assert "step_sum()" not in found["hacks/step-copies"].fix
    assert summed.command == "toyrl.validate(process=no_error, quick=True)"
    assert summed.settings["process"] == "no_error"


def test_the_first_picture_is_that_of_the_copies_and_is_told_in_words(summed):
    first = page(summed).first[0]
    assert first.name == "step-copies"
    assert [c.label for c in first.curves] == ["sum", "min", "mean", "Clip", "Delta"]
    words = describe(first)
    assert "A line that rises is farmed: sum, mean." in words
    assert "These don't rise: min, Clip, Delta." in words
    html = report_page(summed)
    assert html.index("What copies of its best-paid step are worth") < html.index('id="section-1"')
    assert html.count("What copies of its best-paid step are worth</h3>") == 1


def test_the_json_has_the_totals(summed):
    said = plain(summed.to_dict())
    VALIDATORS["validate"](said)
    assert set(said["steps"]["totals"]) == {*SCHEMES, "as judged"}
    sums = np.array(said["steps"]["totals"]["sum"])
    judged = np.array(said["steps"]["totals"]["as judged"])
    assert judged - sums == pytest.approx(0.5)  # half of the texts are right
    assert np.diff(sums) == pytest.approx(0.9 * np.diff(said["steps"]["copies"]))


def test_the_worlds_have_the_levels_that_were_found_and_nothing_stays_behind(summed):
    assumed = [f.message for f in summed.findings if "StepLevels" in f.message]
    assert len(assumed) == 1
    assert "step scores are 0.9," not in assumed[0]  # lines that hold no equation score 0.5
    assert DECLARED["step_scores"] == StepLevels()
    other = StepLevels(clean=0.1)
    with instead({"step_scores": other}):
        assert DECLARED["step_scores"] == other
    assert DECLARED["step_scores"] == StepLevels()


@pytest.mark.slow
def test_a_scorer_that_sees_repeats_is_not_farmed_by_copies():
    found = toyrl.validate("outcome() + 0.1*step_sum()", process=no_repeats, quick=True, search=0)
    status = {f.name: f.status for f in found.findings}
    assert status["hacks/step-copies"] == status["hacks/step-empties"] == "pass"
    assert status["hacks/step-splits"] in ("warn", "fail")  # new lines without new work


@pytest.mark.slow
def test_clip_delta_holds_and_the_part_not_run_is_said():
    found = toyrl.validate(
        "outcome() + 0.3*step_clip_delta()", process=no_error, quick=True, search=200
    )
    assert found.verdict == "SAFE SO FAR"
    assert {f.status for f in found.findings if f.name == "hacks/step-copies"} == {"pass"}


def totals_of(report):
    assert report.steps is not None
    return {name: np.array(values) for name, values in report.steps["totals"].items()}


def log_of(folder, how=lambda scores, _: scores, column="prm", **more):
    rows = []
    for x in base_rows("boxed", 16, 1):
        text = x.row.completion
        own = no_error([text[a:b] for a, b in split(text, "line")])
        rows.append(
            {
                "prompt": x.row.prompt,
                "completion": text,
                "answer": x.row.columns["answer"],
                "correct": x.correct,
                "length": x.row.tokens,
                "truncated": x.truncated,
                column: how(own, x),
                **more,
            }
        )
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.slow
def test_a_column_and_the_function_that_wrote_it_agree_on_the_log(tmp_path):
    log = log_of(tmp_path)
    by_column = toyrl.validate(process="prm", rollouts=log, quick=True, search=0)
    asked = toyrl.validate(process=no_error, rollouts=log, quick=True, search=0)
    for one, other in ((a, b) for a, b in zip(by_column.findings, asked.findings, strict=False)):
        if one.section == 0:
            assert one.message == other.message
    assert totals_of(by_column)["sum"] == pytest.approx(totals_of(asked)["sum"])
    status = {f.name: f.status for f in by_column.findings}
    assert status["hacks/step-splits"] == "not tested"


@pytest.mark.parametrize("column", ["step_scores", "step_rewards"])
def test_a_column_may_have_any_name(tmp_path, column):
    found = toyrl.validate(
        process=column, rollouts=log_of(tmp_path, column=column), quick=True, search=0
    )
    assert np.diff(totals_of(found)["sum"]) == pytest.approx(0.9 * np.diff([0, *COPIES]))


@pytest.mark.slow
def test_functions_of_texts_stand_beside_terms_of_steps():
    def right(completions, answer, **_):
        return [float(f"<answer>{a}</answer>" in c) for c, a in zip(completions, answer)]  # noqa: B905

    found = toyrl.validate(
        [right, (parse("step_sum()"), 0.3)], process=no_error, quick=True, search=0
    )
    totals = totals_of(found)
    share = (totals["as judged"] - 0.3 * totals["sum"]).round(12)
    assert set(share) == {0.5}  # half of the texts are right
    assert {f.status for f in found.findings if f.name == "hacks/step-copies"} == {"fail"}


def test_a_missing_score_takes_its_rollout_out_of_the_log(tmp_path):
    log = log_of(tmp_path, lambda s, x: [*s[:-1], None] if x.correct else s)
    found = toyrl.validate(process="prm", rollouts=log, quick=True, search=0)
    assert any(f.name == "own/unscorable" for f in found.findings)
    log = log_of(tmp_path, lambda s, _: json.dumps(s))  # CSV and parquet hold lists as text
    assert toyrl.validate(process="prm", rollouts=log, quick=True, search=0).steps is not None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"process": "prn"}, "process='prn' is no file, no folder and no column of the log; did"),
        ({"process": "none.py:f"}, "process='none.py:f' does not exist; give file.py:function"),
        ({"process": "prm", "steps": "lines"}, "steps='lines' is no splitter; did you mean line?"),
        (
            {"process": "prm", "steps": "sentence"},
            r"line 1 of the log: column 'prm' \(steps='sentence'\) gave .* scores for .* steps; "
            "give one a step",
        ),
        ({"process": "word"}, "line 1 of the log: column 'word' holds 'good', no list of numbers"),
    ],
)
def test_a_source_that_cant_be_used_is_refused(tmp_path, options, said):
    with pytest.raises(UsageError, match=said):
        toyrl.validate(rollouts=log_of(tmp_path, word="good"), quick=True, **options)


def test_a_source_needs_a_term_and_a_column_its_log():
    with pytest.raises(UsageError, match=r"no term of the reward says what they pay: add one of"):
        toyrl.validate("outcome()", process=no_error, quick=True, search=0)
    with pytest.raises(UsageError, match="so it names a column, and there is no log"):
        toyrl.validate(process="prm", quick=True, search=0)
    with pytest.raises(UsageError, match="so it names a column, and there is no log"):
        toyrl.Settings(process="prm", model="some/model")
    with pytest.raises(UsageError, match="steps='sentence' splits texts for process, which is not"):
        toyrl.validate("outcome()", steps="sentence", quick=True, search=0)
    with pytest.raises(UsageError, match="REWARD is missing"):
        toyrl.validate(quick=True, search=0)


def test_a_scorer_that_fails_or_miscounts_is_told_and_the_rest_goes_on():
    def raises(steps):
        raise RuntimeError("no GPU")

    found = toyrl.validate(process=raises, quick=True, search=0)
    assert any("no GPU" in f.message for f in found.findings if f.name == "steps/return")
    assert (found.verdict, found.exit_code) == ("INCONCLUSIVE", 1)
    assert "no GPU" in found.reasons[0]
    short = toyrl.validate(process=lambda steps: steps[:0], quick=True, search=0)
    said = next(f.message for f in short.findings if f.name == "steps/return")
    assert "gave 0 scores for" in said
    assert "give one a step, None where it is missing" in said


def test_scores_that_are_missing_everywhere_leave_the_verdict_open():
    found = toyrl.validate(process=lambda steps: [None for _ in steps])
    assert found.verdict == "INCONCLUSIVE"
    assert {s.number for s in found.sections} == {1, 2}, "worlds would train on nobody's scores"
    assert "0 right and 0 wrong ones have a score for every step" in found.reasons[0]
    assert any(f.name == "steps/missing" and f.value == 1.0 for f in found.findings)


def test_texts_of_one_step_say_so():
    found = toyrl.validate(process=no_error, steps="blank_line", quick=True, search=0)
    said = next(f for f in found.findings if f.name == "steps/return")
    assert said.status == "not tested"
    assert "have two steps or more (steps=blank_line)" in said.message
    assert found.verdict == "INCONCLUSIVE"


@pytest.mark.slow
def test_the_example_of_the_page_is_asked_in_the_sandbox():
    """docs/steps.md: 0.9 a copy under the sum, a mean that creeps towards 0.9, the others don't."""
    file = ROOT / "examples" / "process" / "equations.py"
    found = toyrl.validate(process=f"{file}:score", quick=True, search=0)
    mine = toyrl.validate(process=by_location(file).score, quick=True, search=0)
    totals = totals_of(found)
    for name, values in totals_of(mine).items():
        np.testing.assert_array_equal(totals[name], values)
    assert np.diff(totals["sum"]) == pytest.approx(0.9 * np.diff([0, *COPIES]))
    assert (np.diff(totals["mean"]) > 0).all()
    assert totals["mean"][-1] < 0.9
    for name in ("min", "product", "Clip", "Delta", "Clip-Delta"):
        assert (np.diff(totals[name]) <= 1e-12).all(), name


def test_copies_reach_no_further_than_the_limit():
    found = tried(TEXTS, [plan()[0], copies(16)], "line", scores=None, judged=None, limit=60)
    assert not found[1].fits.any()
    assert found[0].fits.all()
