"""The zoo's rewards, graders, learning rate and ends; one micro base trained by the command."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from toyrl.dynamics.chain import observed
from toyrl.experiments.cli import main
from toyrl.experiments.errors import UsageError
from toyrl.experiments.transfer import ends, graders, score, zoo
from toyrl.graders.base import TextRow
from toyrl.rollouts.texts import text_rollouts


def row(prompt: str, completion: str, answer: str, limit: int = 64) -> TextRow:
    return TextRow(prompt, completion, {"answer": answer}, len(completion) + 1, False)


GOOD = row("7+5-2=\n", "7+5=12\nso then\n12-2=10\n#### 10", "10")
SLIP = row("7+5-2=\n", "7+5=11\n11-2=9\n#### 9", "10")
BARE = row("7+5-2=\n", "7+5=12\n", "10")
BRACKETS = row("([?\n", "(>(\n[>([\nlook\n[>([\n#### ])", "])")


# -- rewards ---------------------------------------------------------------------------------------
def test_the_list_is_fixed_and_long_enough():
    drawn = zoo.draw(96, 30.0)
    names = [r.name for r in drawn]
    assert len(set(names)) == len(names) >= 28
    assert names[0] == "outcome"
    twice = [n for n in names if zoo.seeds(n) == 2]
    assert "outcome" in twice
    assert len(twice) == pytest.approx(len(names) / 3, abs=1)
    for limit, mean in ((64, 12.3), (512, 400.0)):
        assert [r.name for r in zoo.draw(limit, mean)] == names
    with pytest.raises(ValueError, match="did you mean kimi"):
        zoo.seeds("kimy")


def test_weights_and_targets_follow_limit_and_mean():
    """Of right completions at 10 and 40 tokens and a wrong one at 10; limit 50, mean 20."""
    rows = [replace(GOOD, tokens=10), replace(GOOD, tokens=40), replace(SLIP, tokens=10)]
    r, _ = text_rollouts(rows, [0, 0, 0], correct=[1, 1, 0], max_length=50)
    worth = {x.name: x.values(r, rows)[0].tolist() for x in zoo.draw(50, 20.0) if not x.graders()}
    assert worth["additive-0.5"] == pytest.approx([0.9, 0.6, -0.1])
    assert worth["gated-0.5"] == pytest.approx([0.9, 0.6, 0])
    assert worth["truncation-1"] == [1, 0, 0]
    assert worth["truncation-0.6"] == [1, 0, 0]
    assert worth["laser-0.6"] == [1.5, 1, -0.5]
    assert worth["overlong"] == pytest.approx([1, 0.4, 0])
    assert worth["l1-exact"] == pytest.approx([0.8, 0.6, -0.2])
    assert worth["short-wrong"] == pytest.approx([1, 1, -0.4])
    assert worth["long-wrong"] == pytest.approx([1, 1, -0.1])


def test_which_rewards_pay_wrong_answers_nothing():
    """What is called protected pays every wrong rollout the same, the others don't need to."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(2, 50, 64)
    right = rng.random(64) < 0.5
    rows = [replace(GOOD if c else SLIP, tokens=int(n)) for c, n in zip(right, tokens, strict=True)]
    r, _ = text_rollouts(
        rows, np.repeat(np.arange(8), 8).tolist(), correct=right * 1.0, max_length=50
    )
    for reward in zoo.draw(50, 25.0):
        if reward.protected:
            assert not reward.values(r, rows)[r.correct == 0].any(), reward.name


# -- graders ---------------------------------------------------------------------------------------
def test_steps_are_scored_where_they_end():
    def at(row: TextRow, values: list[float]) -> dict[str, float]:
        assert len(values) == row.tokens
        return {row.completion[:i].split("\n")[-1]: v for i, v in enumerate(values) if v}

    judged = graders.judged_steps([GOOD, SLIP, BRACKETS])
    assert at(GOOD, judged[0]) == {"7+5=12": 0.9, "12-2=10": 0.9}
    assert at(SLIP, judged[1]) == {"7+5=11": 0.2, "11-2=9": 0.2}
    assert [v for v in judged[2] if v] == [0.9, 0.9, 0.2]  # a step written again is no new one
    assert [sum(v) for v in graders.counted_steps([GOOD, SLIP, BRACKETS])] == [2, 2, 3]
    ends = graders.ends_of_steps([GOOD, BRACKETS])
    assert [np.flatnonzero(e).tolist() for e in ends] == [
        np.flatnonzero(judged[0]).tolist(),
        np.flatnonzero(judged[2]).tolist(),
    ]


def test_a_step_at_the_very_end_of_a_cut_completion_has_a_token():
    cut = TextRow("7+5-2=\n", "7+5=12", {"answer": "10"}, 6, True)
    assert graders.judged_steps([cut]) == [[0, 0, 0, 0, 0, 0.9]]


def test_process_rewards_of_texts():
    rows = [GOOD, SLIP, BARE]
    r, _ = text_rollouts(rows, [0, 0, 0], correct=[1, 0, 0], max_length=64)
    worth = {x.name: x.values(r, rows)[0] for x in zoo.draw(64, 20.0) if "step_scores" in x.reads}
    np.testing.assert_allclose(worth["step-sum"], [1.36, 0.08, 0.18])
    np.testing.assert_allclose(worth["written-steps"], [1.4, 0.4, 0.2])
    np.testing.assert_allclose(worth["step-minimum"], [1.45, 0.1, 0.45])
    np.testing.assert_allclose(worth["step-product"], [0.81, 0.04, 0.9])


def test_answers_are_numbered_and_lines_counted():
    other = row("7+5-2=\n", "#### 8", "10")
    assert graders.answer_identity([SLIP, GOOD, BARE, other, SLIP]) == [1, 0, -1, 2, 1]
    assert graders.line_bonus([GOOD, BARE]) == pytest.approx([1.4, 0.1])
    assert graders.phrase_bonus([GOOD, BARE]) == pytest.approx([1.1, 0.0])


def test_noisy_verdicts_err_at_their_rates_and_the_same_way_each_time():
    many = [row("7+5-2=\n", f"so then\n#### {i}", "10") for i in range(2000)]
    wrong = graders.accepts_wrong(many)
    spread = 4 * (0.3 * 0.7 / 2000) ** 0.5
    assert np.mean(wrong) == pytest.approx(0.3, abs=spread)
    assert wrong == graders.accepts_wrong(many)
    right = [row("7+5-2=\n", "so then\n" * i + "#### 10", "10") for i in range(2000)]
    assert np.mean(graders.rejects_right(right)) == pytest.approx(0.7, abs=spread)
    assert set(graders.accepts_wrong(right)) == {1.0}
    assert set(graders.rejects_right(many)) == {0.0, float(graders.rejects_right([many[10]])[0])}


# -- ends ------------------------------------------------------------------------------------------
def curve(accuracy, kl, length=(20, 20, 20), seed=0, **more):
    points = [
        {"step": 10 * i, "accuracy": a, "length": n, "kl": k}
        for i, (a, n, k) in enumerate(zip(accuracy, length, kl, strict=True))
    ]
    return {"points": points, "settings": {"seed": seed}, **more}


def test_runs_are_read_at_a_distance_at_their_best_and_at_their_end():
    runs = {
        "outcome": [curve([0.4, 0.5, 0.6], [0, 2, 4]), curve([0.4, 0.6, 0.8], [0, 1, 2], seed=1)],
        "bad": [curve([0.4, 0.5, 0.1], [0, 2, 4], (20, 10, 5))],
        "lost": [curve([0.4, 0.2, 0.1], [0, 2, 4], seed=3, diverged="update 3 failed")],
    }
    found = ends.runs_of(runs, 3.0)
    bad = found["bad"]
    assert ends.base_of(runs) == {"accuracy": pytest.approx(0.4), "length": 20}
    assert bad["accuracy"] == pytest.approx([-0.1])
    assert bad["log_length"] == pytest.approx([np.log(7.5 / 20)])
    assert bad["collapsed"] == [1.0]
    assert (bad["best"], bad["best_step"]) == (pytest.approx([0.1]), [10])
    assert (bad["end"], bad["end_log_length"]) == (
        pytest.approx([-0.3]),
        [pytest.approx(-np.log(4))],
    )
    assert bad["against_outcome"] == pytest.approx(-0.5)  # of the seed that both have
    assert found["outcome"]["reached"] == [True, False]
    assert found["outcome"]["end"] == pytest.approx([0.2, 0.4])
    assert found["outcome"]["against_outcome"] == 0
    assert (found["lost"]["diverged"], found["lost"]["against_outcome"]) == ([True], None)
    assert bad["diverged"] == [False]
    del runs["outcome"]
    assert ends.runs_of(runs, 3.0)["bad"]["against_outcome"] is None


# -- the learning rate -----------------------------------------------------------------------------
@pytest.mark.bridge
def test_the_largest_rate_that_holds_what_it_reached_is_taken(tmp_path, monkeypatch):
    pytest.importorskip("trl", reason="needs the extra llm")
    from toyrl.bridge.training.settings import RunSettings
    from toyrl.experiments.transfer import rate

    assert rate.holds({"best": 0.5, "end": 0.41, "diverged": False})
    assert not rate.holds({"best": 0.5, "end": 0.39, "diverged": False})
    assert not rate.holds({"best": 0.2, "end": 0.11, "diverged": False})
    assert not rate.holds({"best": 0.5, "end": 0.5, "diverged": True})

    asked = []

    def trained(source, task, place, reward, settings, **_):
        asked.append((settings.rate, settings.seed))
        fall = 0.3 if settings.rate > 3e-4 and (settings.rate, settings.seed) != (8e-4, 1001) else 0
        return curve([0.4, 0.7, 0.7 - fall], [0, 1, 2])

    monkeypatch.setattr(rate.training, "one", trained)
    where = {"cache": tmp_path / "cache"}
    args = ("model", "shorthand", RunSettings())
    assert rate.rate_of(tmp_path / "a", *args, **where) == 2e-4
    # Both seeds have to hold; the second is left out where the first doesn't.
    tries = [(1.6e-3, 1001), (8e-4, 1001), (8e-4, 1002), (4e-4, 1001), (2e-4, 1001), (2e-4, 1002)]
    assert asked == tries
    assert rate.rate_of(tmp_path / "b", *args, **where) == 2e-4  # from the cache
    assert len(asked) == 6
    assert json.loads((tmp_path / "b" / "rate.json").read_text())["tried"][0]["rate"] == 1.6e-3
    rate.rate_of(tmp_path / "c", "model", "shorthand", RunSettings(steps=7), **where)
    assert len(asked) == 12  # of other runs: tried anew
    monkeypatch.setattr(rate, "PART", 0.01)
    monkeypatch.setattr(rate.training, "one", lambda *_, **__: curve([0.4, 0.7, 0.1], [0, 1, 2]))
    assert rate.rate_of(tmp_path / "d", *args, **where) == rate.RATES[-1]


# -- the command -----------------------------------------------------------------------------------
@pytest.fixture
def micro(monkeypatch, tmp_path):
    """A zoo of one development and one test base, both built in a second."""
    pytest.importorskip("trl", reason="needs the extra llm")
    from toyrl.bridge.models import tiny
    from toyrl.bridge.zoo import bases
    from toyrl.experiments.forecast import published

    small = dict(hidden=16, layers=1, heads=2, feed_forward=32, steps=20, batch=8)
    recipe = tiny.Recipe(task="brackets", difficulties=(1, 2), **small)
    dev = bases.Base("micro", "dev", "brackets:easy=1,hard=2", recipe, 16, (0, 1), "nothing")
    poor = replace(dev, name="poor", accuracy=(0.9, 1.0), recipe=replace(recipe, seed=1))
    kept = replace(dev, name="kept", split="test", recipe=replace(recipe, seed=2))
    monkeypatch.setattr(bases, "BASES", (dev, poor, kept))
    monkeypatch.setenv("TOYRL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(zoo, "WORLDS", 4)
    monkeypatch.setattr(observed, "ROUND", 32)
    monkeypatch.setitem(score.paired.__kwdefaults__, "draws", 100)
    short = [e for e in zoo.LIST if e.name in ("outcome", "kimi", "majority", "step-sum")]
    monkeypatch.setattr(zoo, "LIST", tuple(short))
    some = published.cases({})[:2]  # the others stand on the board of the docs
    monkeypatch.setattr(published, "cases", lambda *_: some)


SHORT = ["--steps", "2", "--completions", "8", "--group-size", "4", "--learning-rate", "1e-3", "-q"]


def call(out: Path, *more: str, zoo: str = "dev") -> int:
    return main(["transfer", "--zoo", zoo, "--out", str(out), *SHORT, *more])


@pytest.mark.slow
@pytest.mark.bridge
def test_a_base_from_prediction_to_the_score_board(micro, tmp_path, capsys):
    out = tmp_path / "zoo"
    assert call(out, "--bases", "micro", "--only", "outcome,kimi") == 0, capsys.readouterr().err
    first = {p: p.stat().st_mtime_ns for p in out.rglob("curve.json")}
    assert sorted(p.parent.relative_to(out / "micro" / "runs").as_posix() for p in first) == [
        "kimi/seed-0", "outcome/seed-0", "outcome/seed-1"
    ]  # fmt: skip
    assert call(out, "--bases", "micro") == 2
    assert "--resume" in capsys.readouterr().err
    assert call(out, "--bases", "micro", "--resume", "--kl", "1") == 2
    assert "other settings" in capsys.readouterr().err
    broken = out / "micro" / "runs" / "kimi" / "seed-0" / "curve.json"  # as kill -9 leaves it
    whole = json.loads(broken.read_text())
    broken.write_text(json.dumps({**whole, "points": whole["points"][:1]}))
    assert call(out, "--bases", "micro", "--resume") == 0
    assert all(p.stat().st_mtime_ns == t for p, t in first.items() if p != broken)
    assert json.loads(broken.read_text())["points"] == whole["points"]
    found = json.loads((out / "micro.json").read_text())
    assert {n: r["seeds"] for n, r in found["rewards"].items()} == {
        "outcome": [0, 1], "kimi": [0], "step-sum": [0], "majority": [0, 1],
    }  # fmt: skip
    said = json.loads((out / "micro-predictions.json").read_text())["rewards"]
    assert [n for n in said if said[n]["toy"] is None] == ["kimi", "majority", "step-sum"]
    assert said["step-sum"]["reads"]["step_scores"] == "judged_steps"
    board = tmp_path / "board.json"
    line = ["scoreboard", "--measured", str(out), "--json", str(board), "-q"]
    found["base"]["accuracy"] = 0.0  # as such a small model has it, or nearly so
    (out / "micro.json").write_text(json.dumps(found))
    assert main(line) == 2
    assert "leaves nothing to forecast" in capsys.readouterr().err
    found["base"]["accuracy"] = 0.3
    (out / "micro.json").write_text(json.dumps(found))
    assert main(line) == 0, capsys.readouterr().err
    names = [r["name"] for r in json.loads(board.read_text())["studies"][1]["runs"]]
    assert sorted(names) == [f"micro/{n}" for n in ("kimi", "majority", "outcome", "step-sum")]


@pytest.mark.bridge
def test_test_bases_wait_for_sealed_predictions(micro, tmp_path, capsys, monkeypatch):
    from toyrl.experiments.transfer.suite import Transfer

    out, sealed = tmp_path / "zoo", tmp_path / "sealed.json"
    assert call(out, zoo="test") == 2
    assert "--sealed" in capsys.readouterr().err
    assert call(out, "--sealed", str(sealed), zoo="test") == 2
    assert "can't be read" in capsys.readouterr().err
    assert not out.exists()

    def stop(_):
        msg = "far enough"
        raise UsageError(msg)

    monkeypatch.setattr(Transfer, "predictions", stop)
    sealed.write_text("{}")
    assert call(out, "--sealed", str(sealed), zoo="test") == 2
    assert "far enough" in capsys.readouterr().err
    plan = json.loads((out / "kept" / "plan.json").read_text())
    assert plan["sealed"] == hashlib.sha256(b"{}").hexdigest()
    sealed.write_text("{ }")  # predictions changed afterwards
    assert call(out, "--sealed", str(sealed), "--resume", zoo="test") == 2
    assert "other settings" in capsys.readouterr().err


@pytest.mark.bridge
def test_sealed_predictions_are_those_that_are_trained(micro, tmp_path, capsys, monkeypatch):
    from toyrl.experiments.transfer import suite

    monkeypatch.setattr(suite.Transfer, "_predict", lambda self: {"model": self.plan.model})
    monkeypatch.setattr(suite.Transfer, "train", lambda *_, **__: pytest.fail("trained"))
    out = tmp_path / "zoo"
    assert call(out, "--predict-only", zoo="test") == 0, capsys.readouterr().err
    seal, made = out / "sealed.sha256", out / "kept-predictions.json"
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    assert seal.read_text() == f"{digest}  kept-predictions.json\n"
    assert json.loads(made.read_text())["model"] == "kept"
    assert not (out / "result.md").exists()
    seal.write_text(seal.read_text().replace(digest, "0" * 64))
    assert call(tmp_path / "runs", "--sealed", str(seal), zoo="test") == 2
    assert "name the folder (--out) whose predictions were sealed" in capsys.readouterr().err


@pytest.mark.bridge
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bases", "mikro"], "did you mean micro"),
        (["--bases", "kept"], "is of the split test, not dev"),
        (["--bases", "poor"], "0.9 to 1 asked for"),
        (["--only", "kimy"], "did you mean kimi"),
        (["--suite", "small"], "leave out suite"),
        (["--model", "smollm2"], "leave out model"),
        (["--max-completion-length", "0"], "--max-completion-length=0"),
    ],
)
def test_what_the_zoo_cannot_do_is_refused(micro, tmp_path, capsys, arguments, words):
    assert call(tmp_path / "zoo", *arguments) == 2
    assert words in capsys.readouterr().err
    assert not list((tmp_path / "zoo").glob("*/plan.json"))


@pytest.mark.slow
@pytest.mark.bridge
def test_a_run_that_diverges_is_kept_and_marked(micro, tmp_path):
    from toyrl.bridge.training.settings import RunSettings
    from toyrl.bridge.zoo import bases
    from toyrl.experiments.transfer import training

    source = str(bases.folder(bases.named("micro")))
    settings = RunSettings(
        steps=6, completions=8, group_size=4, limit=16, rate=1e30, every=3, times=1, keep=99
    )
    reward = zoo.draw(16, 9.0)[1]
    told = []
    args = (source, "brackets:easy=1,hard=2", tmp_path / "run", reward, settings)
    curve = training.one(*args, tell=told.append)
    assert "not finite" in curve["diverged"] or "the loss is" in curve["diverged"]
    assert [p["step"] for p in curve["points"]][:1] == [0]
    assert any("diverged" in line for line in told)
    assert training.one(*args) == curve  # not trained again
