"""Transfer from calibration to the result page: made worlds, made curves, one short real run."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from toyrl.dynamics.chain import exact, observed
from toyrl.experiments.cli import main
from toyrl.experiments.transfer import again, calibrate, graders, predict, result, rewards, score
from toyrl.experiments.validate.reward_law.law import RewardLaw
from toyrl.expressions import parse, parse_estimator
from toyrl.graders.base import TextRow
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.rollouts import Rollouts
from toyrl.worlds.text import shorthand

LIMIT = 96
CHAIN = calibrate.template(LIMIT, chain=True)
GRPO = parse_estimator("grpo")
OBJECTIVE = PolicyGradient(aggregation="grpo")


def made_log(seed: int = 0, group: int = 64) -> tuple[calibrate.BaseLog, exact.Batch, np.ndarray]:
    """A log drawn from a known world of two prompt types."""
    world = CHAIN.with_(
        difficulties=(2, 5), shares=(0.5, 0.5), progress=0.9, slip=0.1, guess=0.1, flag_noise=0.1
    )
    theta = world.logits(STEP=1.0, FILL=0.0, ANSWER=-2.0)
    theta[:, 1, :, world.actions.index("ANSWER")] += 3.0
    batch = exact.Batch.of(world)
    prob = exact.class_probabilities(batch, theta[None])[0]
    rng = np.random.default_rng(seed)
    index = np.stack([rng.choice(world.n_classes, size=group, p=prob[i % 2]) for i in range(16)])
    rollouts = Rollouts(
        correct=world.class_correct()[index],
        length=world.class_length()[index],
        truncated=index == 2 * world.H,
        max_length=float(LIMIT),
    )
    rows = []
    for i, line in enumerate(index):
        for k in line:
            right, cut = k < world.H, k == 2 * world.H
            made = shorthand.class_rows(
                world,
                world.difficulties[i % 2],
                "gsm8k",
                correct=bool(right),
                length_actions=world.H if cut else int(k) % world.H + 1,
                truncated=bool(cut),
                renderings=1,
                seed=int(k),
            )[0].row
            rows.append(made)
    difficulty = np.array([world.difficulties[i % 2] for i in range(16)], dtype=float)
    return calibrate.BaseLog(rollouts, rows, difficulty), batch, theta


@pytest.fixture(scope="module")
def log():
    return made_log()[0]


def calibrated(log, wanted: int):
    """Of worlds fitted 64 at a time: more than half of them are like the log."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(observed, "ROUND", 64)
        return calibrate.calibrate(log, CHAIN, wanted=wanted, most=256)


@pytest.fixture(scope="module")
def fitted(log):
    return calibrated(log, 32)


@pytest.mark.slow
def test_calibration_finds_worlds_like_the_one_that_made_the_log(fitted, log):
    assert fitted.within
    for name, seen in fitted.seen.items():
        assert abs(fitted.fitted[name] - seen) < 0.12, name
    np.testing.assert_array_equal(fitted.worlds.batch.difficulties, [[2, 5]] * 32)


@pytest.mark.slow
def test_calibration_without_difficulties(log):
    unknown = calibrate.BaseLog(log.rollouts, log.rows, np.full(16, np.nan))
    found = calibrated(unknown, 16)
    assert found.within
    assert abs(found.fitted["success all"] - log.success) < 0.05


def predicted(fitted, expression: str, kl: float = 2.0):
    law = RewardLaw(CHAIN, parse(expression))
    return predict.predict(predict.runner_of(law, GRPO, OBJECTIVE, 8), fitted.worlds, kl)


@pytest.mark.slow
def test_predictions_know_good_rewards_from_bad_ones(fitted):
    good, walked = predicted(fitted, "outcome()")
    bad, _ = predicted(fitted, "outcome() - 8*linear_length()")
    assert good.accuracy > 0.1
    assert good.collapse == 0.0
    assert bad.accuracy < -0.1
    assert bad.collapse > 0.5  # of the worlds; where guesses are often right, haste costs little
    inverted, _ = predicted(fitted, "-1*outcome()")
    assert inverted.collapse == 1.0
    assert bad.log_length < good.log_length
    assert bad.low <= bad.accuracy <= bad.high
    assert (walked.kl[:, 0] == 0).all()
    assert (walked.kl[:, 1:] > 0).all()


def test_predictions_are_read_at_equal_distance(fitted):
    _, walked = predicted(fitted, "outcome()", kl=0.2)
    near, far = walked.at(0.05)[0], walked.at(0.3)[0]
    assert (near > 0).all()
    assert near.mean() < far.mean()
    ends = walked.accuracy[:, -1] - walked.accuracy[:, 0]
    np.testing.assert_allclose(walked.at(1e9)[0], ends)


@pytest.mark.parametrize(
    ("level", "value"), [(0.0, 5.0), (0.5, 5.5), (1.0, 6.0), (1.5, 7.0), (9.0, 4.0)]
)
def test_first_crossing_takes_the_first_of_several(level, value):
    assert predict.first_crossing([0, 1, 2, 1.8], [5, 6, 8, 4], level) == pytest.approx(value)


@pytest.mark.slow
def test_thresholds_are_smaller_for_harmful_terms(fitted):
    args = (CHAIN, fitted.worlds, GRPO, OBJECTIVE, 8)
    used, measured = predict.family_thresholds(
        (rewards.ADDITIVE, rewards.STEPS), *args, dialect="gsm8k", rows=shorthand.class_rows
    )
    assert 0 < measured["additive"] < 8
    assert math.isinf(measured["right-steps"])
    assert used == {"additive": measured["additive"], "right-steps": predict.FALLBACK}


def test_the_suites_are_fixed():
    families = {"small": rewards.families("small", LIMIT), "full": rewards.families("full", LIMIT)}
    for name, size in (("small", 8), ("full", 35)):
        weights = {f.name: 0.5 for f in families[name]}
        drawn = rewards.draw(name, weights, LIMIT)
        assert len(drawn) == len({r.name for r in drawn}) == size
        assert {r.multiple for r in drawn} == {*rewards.MULTIPLES[name], None}
        for reward in drawn:
            if reward.multiple is not None:
                assert reward.weight == reward.multiple * 0.5
    with pytest.raises(ValueError, match="not one of"):
        rewards.draw("huge", {}, LIMIT)


def test_text_terms_count_what_they_say():
    problem = shorthand.problem_of("7+5-2=\n")
    row = TextRow("7+5-2=\n", "7+5=12\nso then\n12-2=9\n#### 9", {"answer": problem.answer})
    assert graders.phrase_count([row]) == [0.1]
    assert graders.right_steps([row]) == [0.5]
    assert graders.written_steps([row]) == [0.2]
    assert graders.answered([row]) == [1.0]


def test_the_sceptics_rules(log):
    pays_short = rewards.SuiteReward("s", "additive", parse("outcome() - linear_length()"), 1.0)
    found = predict.sceptic(pays_short, log, GRPO, 1.0)
    assert found["length sign"].accuracy == -1.0
    assert found["protected"].collapse == 1.0
    honest = rewards.SuiteReward("o", "outcome", parse("outcome()"), 1.0, protected=True)
    found = predict.sceptic(honest, log, GRPO, 1.0)
    assert found["length sign"].accuracy == 0.0
    assert found["protected"].collapse == 0.0
    assert found["one step"].accuracy > 0
    assert found["tilted"].accuracy > 0
    inverted = rewards.SuiteReward("i", "inverted", parse("-1*outcome()"), 1.0)
    found = predict.sceptic(inverted, log, GRPO, 1.0)
    assert found["tilted"].collapse == found["one step"].collapse == 1.0


def curve(accuracy, length, kl):
    points = [
        {"step": i, "accuracy": a, "length": n, "kl": k}
        for i, (a, n, k) in enumerate(zip(accuracy, length, kl, strict=True))
    ]
    return {"points": points}


def test_outcomes_are_read_at_the_level_and_collapse_is_a_fall(monkeypatch):
    monkeypatch.setitem(score.paired.__kwdefaults__, "draws", 100)  # values alone are looked at
    runs = {
        "good": [curve([0.4, 0.6, 0.8], [20, 20, 20], [0, 2, 4])] * 2,
        "bad": [curve([0.4, 0.2, 0.0], [20, 10, 5], [0, 2, 4])] * 2,
        "still": [curve([0.4, 0.4, 0.41], [20, 20, 20], [0, 0.1, 0.2])] * 2,
    }
    found = result.outcomes(runs, {"good": "a", "bad": "a", "still": "b"}, 3.0)
    np.testing.assert_allclose(found.accuracy[:, 0], [0.3, -0.3, 0.01])
    np.testing.assert_array_equal(found.collapsed[:, 0], [0, 1, 0])
    np.testing.assert_array_equal(found.reached[:, 0], [True, True, False])
    assert found.log_length[1, 0] == pytest.approx(math.log(7.5 / 20))

    def says(accuracy, collapse):
        one = {"accuracy": accuracy, "log_length": 0.0, "collapse": collapse, "low": 0, "high": 0}
        other = {**one, "accuracy": -accuracy, "collapse": 1 - collapse}
        path = {"kl": [0, 1], "accuracy": [0.4, 0.4 + accuracy], "length": [20, 20]}
        sceptics = dict.fromkeys(result.SCEPTICS, other)
        return {"weight": 1.0, "toy": one, "path": path, **sceptics}

    said = {"rewards": {"good": says(0.3, 0), "bad": says(-0.3, 1), "still": says(0.0, 0)}}
    numbers = result.compare(said, found)
    toy, other = numbers["predictors"]["toy"], numbers["predictors"]["tilted"]
    assert toy["tau_accuracy"] == pytest.approx(1.0)
    assert toy["brier"] == 0.0
    assert other["tau_accuracy"] == pytest.approx(-1.0)
    assert other["brier"] == 1.0
    assert other["against_toy"]["tau_accuracy"]["value"] == pytest.approx(2.0)
    assert numbers["ceiling"]["tau_accuracy"] == pytest.approx(1.0)
    assert result.rewards_table(said, found, 3.0).rows[1][0] == "bad"
    assert result.scores_table(numbers).rows[0][0] == "toy"
    fitted = {
        "seen": {"length easy": math.log(20), "success": 0.4},
        "fitted": {"length easy": math.log(25), "success": 0.5},
    }
    assert result.calibration_table(fitted).rows[0][1:] == ["20.0", "25.0"]
    assert result.scatter(said, found).curves
    assert result.paths(said, runs, "bad").curves


# -- predicted again, after the fact -----------------------------------------------------------
STUDY = Path(__file__).parent.parent.parent.parent / "docs" / "results"
MEASURED, SEALED = STUDY / "transfer-small.json", STUDY / "transfer-small-predictions.json"


@pytest.mark.bridge
@pytest.mark.slow
def test_a_measured_suite_is_predicted_again_at_its_weights(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(observed, "ROUND", 32)
    monkeypatch.setattr(predict, "UPDATES", 30)
    monkeypatch.setitem(score.paired.__kwdefaults__, "draws", 100)  # values alone are looked at
    known = again.read(MEASURED, SEALED)
    made = again.predictions_again(known, wanted=4, most=64)
    old, new = known.predictions["rewards"], made["rewards"]
    assert set(new) == set(old) == set(known.result["rewards"])
    for name, entry in new.items():
        assert entry["weight"] == pytest.approx(old[name]["weight"], rel=1e-12)
        assert entry["tilted"] == old[name]["tilted"]
        assert entry["toy"] != old[name]["toy"]
    assert made["calibration"]["distance"] <= 1
    kept, digest = again.write_sealed(tmp_path / "o", made)
    assert predict.sealed(kept)[1] == digest
    found = again.outcomes_in(known.result, {n: e["family"] for n, e in new.items()})
    numbers = result.compare(known.predictions, found)  # the old scores come out again
    for name in result.PREDICTORS:
        for which in ("tau_accuracy", "brier"):
            was = known.result["predictors"][name][which]
            assert numbers["predictors"][name][which] == pytest.approx(was, rel=1e-9)
    line = ["transfer", "--measured", str(MEASURED), "--predictions", str(SEALED)]
    assert main([*line, "--out", str(tmp_path / "o"), "--quiet"]) == 2
    assert "holds predictions already" in capsys.readouterr().err


@pytest.mark.bridge
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["outcome()", "--measured", str(MEASURED)], "leave out rewards"),
        (["outcome()", "--predictions", str(SEALED)], "go with measured"),
        (["--measured", str(SEALED), "--predictions", str(SEALED)], "toyrl.transfer-result/1"),
        (["--measured", str(MEASURED)], "can't be read"),
        (["--measured", str(MEASURED), "--predictions", "changed"], "are not those"),
    ],
)
def test_what_cannot_be_predicted_again_is_refused(tmp_path, capsys, arguments, words):
    if arguments[-1] == "changed":
        arguments[-1] = str(tmp_path / "changed.json")
        text = SEALED.read_text().replace('"multiple": 0.7', '"multiple": 0.8')
        Path(arguments[-1]).write_text(text)
    assert main(["transfer", *arguments, "--out", str(tmp_path / "o"), "--quiet"]) == 2
    assert words in capsys.readouterr().err


# -- the command --------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def model(tmp_path_factory):
    pytest.importorskip("trl", reason="needs the extra llm")
    from toyrl.bridge.models import tiny

    recipe = tiny.Recipe(hidden=16, layers=1, heads=2, feed_forward=32, steps=30, batch=8)
    return str(tiny.folder(recipe, cache=tmp_path_factory.mktemp("model")))


def cheap(monkeypatch) -> None:
    """Few worlds and few draws of the intervals: no assertion looks at either."""
    monkeypatch.setattr(observed, "ROUND", 32)
    monkeypatch.setattr(calibrate, "WANTED", 8)
    monkeypatch.setitem(score.paired.__kwdefaults__, "draws", 100)


SHORT = ["--seeds", "2", "--steps", "2", "--completions", "8", "--group-size", "4", "--quiet",
         "--learning-rate", "2e-4"]  # fmt: skip
TASK = ["--task", "shorthand", "--max-completion-length", "16"]


@pytest.mark.slow
@pytest.mark.bridge
def test_transfer_from_prediction_to_result(tmp_path, model, capsys, monkeypatch):
    cheap(monkeypatch)
    own = tmp_path / "mine.py"
    own.write_text("def short(text, answer):\n    return -len(text) / 100\n")
    out = tmp_path / "out"
    line = ["transfer", "outcome()", "kimi()", f"{own}:short", "--model", model, *TASK, *SHORT]
    line += ["--out", str(out)]
    assert main(line) == 0, capsys.readouterr().err
    made = {p.name for p in out.iterdir()}
    assert {"plan.json", "predictions.json", "predictions.sha256", "result.md"} <= made
    data = json.loads((out / "result.json").read_text())
    assert data["runs"] == 6
    said = json.loads((out / "predictions.json").read_text())["rewards"]["kimi()"]
    assert said["toy"] is None
    assert "no population limit" in said["unpredicted"]
    assert data["rewards"]["kimi()"]["seeds"] == [0, 1]
    assert data["rewards"]["outcome()"]["against_outcome"] == 0.0
    assert data["predictions_sha256"] in (out / "result.md").read_text()
    before = {p: p.stat().st_mtime_ns for p in out.rglob("curve.json")}
    assert len(before) == 6

    assert main(line) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*line, "--resume"]) == 0
    assert before == {p: p.stat().st_mtime_ns for p in out.rglob("curve.json")}
    assert main([*line, "--resume", "--kl", "1"]) == 2
    assert "other settings" in capsys.readouterr().err

    sealed = out / "predictions.json"
    sealed.write_text(sealed.read_text().replace('"weight": 1.0', '"weight": 2.0'))
    assert main([*line, "--resume"]) == 2
    assert "changed after it was sealed" in capsys.readouterr().err
    sealed.unlink()
    assert main([*line, "--resume"]) == 2
    assert "prove nothing" in capsys.readouterr().err


@pytest.mark.bridge
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "or a suite"),
        (["outcome()", "--suite", "small"], "or a suite"),
        (["outcome()", "--task", "sums"], "task='sums' is unknown"),
        (["outcome()", "--seeds", "0"], "seeds=0 is not a whole number >= 1"),
        (["outcome()", "--steps", "0"], "steps=0"),
        (["outcome()", "--model", "/no/such/model"], "can't be loaded"),
        (["nonsense()"], "nonsense"),
        (["--suite", "small", "--task", "chain"], "drawn for the task shorthand"),
        (["outcome()", "--estimator", "nope"], "nope"),
    ],
)
def test_calls_that_cannot_work_are_refused(tmp_path, model, capsys, arguments, words):
    if "--model" not in arguments:
        arguments = [*arguments, "--model", model]
    if "--task" not in arguments:
        arguments += ["--task", "shorthand"]
    assert main(["transfer", *arguments, "--out", str(tmp_path / "o"), "--quiet"]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.bridge
def test_a_folder_that_cannot_be_written(tmp_path, model, capsys):
    (tmp_path / "file").write_text("x")
    line = ["transfer", "outcome()", "--model", model, *TASK, *SHORT]
    assert main([*line, "--out", str(tmp_path / "file" / "o")]) == 2
    assert "the folder can't be made" in capsys.readouterr().err
