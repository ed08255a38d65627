"""`toyrl calibrate`: what it reads, says, writes and refuses."""

from __future__ import annotations

import json
from functools import lru_cache, partial

import numpy as np
import pytest

import toyrl
from tests.places import ROOT
from tests.test_schemas import VALIDATORS
from toyrl.experiments.calibrate import call
from toyrl.experiments.calibrate.features import features_of
from toyrl.experiments.calibrate.handover import joined
from toyrl.experiments.calibrate.run import tilt_speed
from toyrl.experiments.cli import main
from toyrl.experiments.errors import UsageError
from toyrl.rollouts.logs import read_log
from toyrl.worlds.logged.artefact import worlds_of

EXAMPLE = ROOT / "examples" / "data" / "smollm2-arithmetic-rollouts.jsonl"
REWARD = "outcome() - 0.3*linear_length()"


def rows(prompts: int = 24, n: int = 6, seed: int = 0) -> list[dict]:
    """A log of short chains: wrong ones a little longer, some unreadable."""
    rng = np.random.default_rng(seed)
    out = []
    for b in range(prompts):
        p, hard = rng.beta(0.5, 0.5), rng.normal()
        for _ in range(n):
            right = bool(rng.random() < p)
            length = int(np.exp(5.9 + 0.2 * hard + 0.13 * rng.normal() + 0.1 * (not right)))
            read = right or rng.random() < 0.8
            text = "Wait. " * int(rng.poisson(1.0)) + (
                "The answer is \\boxed{7}." if read else "So"
            )
            out.append(
                {"prompt_id": b, "prompt": f"question {b}", "completion": text, "correct": right,
                 "length": length, "style": float(rng.normal()), "reward": right - length / 2000,
                 "words": text}
            )  # fmt: skip
    return out


def write(path, lines) -> str:
    path.write_text("".join(json.dumps(x) + "\n" for x in lines), encoding="utf-8")
    return str(path)


@lru_cache(maxsize=1)
def example():
    return toyrl.calibrate(EXAMPLE, REWARD, worlds=64)


@pytest.mark.slow
def test_the_example_log():
    c = example()
    assert c.source["rows"] == 480
    assert c.source["prompts"] == 60
    assert 0.2 < c.reach.end <= np.log(8)
    assert c.reach.change["length"][-1] < 0  # it is paid for being short
    assert c.reach.theta["length"] < 0
    assert c.like.missed  # lengths of this log scatter as no world's do
    assert c.exit_code == 1
    assert "share of truncated rollouts" in " ".join(c.fit())
    assert "how fast right answers are learnt" in " ".join(c.fit())
    VALIDATORS["calibrate"](json.loads(json.dumps(c.to_dict(), default=lambda x: x.tolist())))
    VALIDATORS["worlds"](c.worlds())


def test_the_forecast_goes_on_from_where_the_log_ends():
    c = example()
    f, r = c.forecast, c.reach
    assert f is not None
    assert f.handover == pytest.approx(r.end)
    near = np.flatnonzero(f.nats <= r.end)
    np.testing.assert_allclose(
        f.mid["accuracy"][near], np.interp(f.nats[near], r.nats, r.change["accuracy"])
    )
    first = np.flatnonzero(f.nats > r.end)[0]
    step = abs(f.mid["length"][first] - r.change["length"][-1])
    assert step < 0.5  # on a grid of two nats, and no jump to the worlds' own level


def test_joining_by_hand():
    """One world, one resample: the log's change at its end and the world's change since."""
    from types import SimpleNamespace

    nats = np.array([0.0, 0.5])
    log = SimpleNamespace(
        nats=nats, end=0.5,
        change={k: np.array([0.0, 0.1]) for k in ("accuracy", "length")},
        draws={k: np.array([[0.0, 0.1]]) for k in ("accuracy", "length")},
    )  # fmt: skip
    worlds = SimpleNamespace(
        kl=np.array([[0.0], [1.0], [2.0]]),
        accuracy=np.array([[0.5], [0.6], [0.4]]),
        length=np.exp(np.array([[0.0], [-0.2], [-0.6]])),
    )
    f = joined(log, worlds, None, 0.03)  # type: ignore[arg-type]
    assert f.end["accuracy"][0] == pytest.approx(0.1 + 0.4 - 0.55)
    assert f.end["length"][0] == pytest.approx(np.exp(0.1 - 0.6 + 0.1))
    assert np.interp(1.0, f.nats, f.mid["accuracy"]) == pytest.approx(0.1 + 0.6 - 0.55, abs=0.01)
    assert f.below_outcome is None
    # An end at -0.05 with a spread of 0.03: five thirds of it below the base
    assert f.below_base == pytest.approx(0.9522, abs=1e-4)


@pytest.mark.slow
def test_the_command_writes_what_validate_reads(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(call, "calibrate", partial(call.calibrate, worlds=64))
    log = write(tmp_path / "log.jsonl", rows())
    out, told = tmp_path / "new", tmp_path / "found.json"
    code = main(["calibrate", log, "--reward", REWARD, "--out", str(out), "--json", str(told)])
    shown = capsys.readouterr()
    data = json.loads(told.read_text(encoding="utf-8"))
    VALIDATORS["calibrate"](data)
    assert code == data["exit_code"]
    assert "The log carries" in shown.out
    assert "toyrl: training 144 rollouts of 24 prompts" in shown.err
    assert "24 prompts only" in shown.out
    assert (out / "calibrate.svg").read_text(encoding="utf-8").startswith("<?xml")
    read = worlds_of(out / "worlds.json")
    assert read.source == data["source"]
    assert read.accuracy == pytest.approx(data["worlds"]["told"]["accuracy"])
    assert json.loads((out / "worlds.json").read_text(encoding="utf-8")) == data["worlds"]


@pytest.mark.slow
def test_own_features_and_a_logged_reward(tmp_path):
    log = write(tmp_path / "log.jsonl", rows())
    c = toyrl.calibrate(log, "logged:reward", features="style", estimator="dr_grpo", group_size=4,
                        worlds=32)  # fmt: skip
    assert {"length", "answered", "phrases", "style"} == set(c.units)
    assert c.group_size == 4
    assert c.forecast is None
    assert "only its values in the log are known" in c.ahead()
    same = toyrl.calibrate(log, "outcome() - 0.5*linear_length()", estimator="dr_grpo", worlds=32)
    assert np.sign(same.reach.theta["length"]) == np.sign(c.reach.theta["length"]) == -1


def test_features_are_what_the_rows_say(tmp_path):
    lines = rows(4, 3)
    log = read_log(write(tmp_path / "log.jsonl", lines))
    found = features_of(log, ["style", "reward"])
    flat = [x["style"] for x in lines]
    np.testing.assert_allclose(found["style"].ravel(), flat)
    counts = [x["completion"].count("Wait") for x in lines]
    np.testing.assert_allclose(np.expm1(found["phrases"]).ravel(), counts)
    np.testing.assert_allclose(found["reward"].ravel(), [x["reward"] for x in lines])
    np.testing.assert_allclose(np.exp(found["length"]).ravel(), [x["length"] for x in lines])


@pytest.mark.slow
def test_a_users_own_function(tmp_path):
    log = write(tmp_path / "log.jsonl", rows())
    own = tmp_path / "mine.py"
    own.write_text("def brevity(completions, **_):\n    return [-len(c) for c in completions]\n")
    c = toyrl.calibrate(log, f"{own}:brevity", worlds=32)
    assert c.reach.theta["phrases"] < 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"features": "colour"}, "features='colour' is no column of every row; there are style"),
        ({"features": "words"}, "features='words': column 'words' holds"),
        ({"reward": "logged:stars"}, "the log has no such reward; there are reward"),
        ({"reward": "laser("}, "laser"),
        ({"reward": "think_length()"}, "think_length"),
        ({"group_size": 1}, "group_size=1"),
        ({"estimator": "gae"}, "estimator='gae'"),
        ({"colour": 1}, "colour is no option"),
    ],
)
def test_what_can_not_be_used_is_refused(tmp_path, options, said):
    log = write(tmp_path / "log.jsonl", rows(6, 4))
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        toyrl.calibrate(log, **options)


def test_bad_logs_are_refused_as_validate_refuses_them(tmp_path, capsys):
    assert main(["calibrate", str(tmp_path / "none.jsonl")]) == 2
    assert "does not exist" in capsys.readouterr().err
    lines = rows(6, 4)
    lines[3]["correct"] = "perhaps"
    log = write(tmp_path / "log.jsonl", lines)
    assert main(["calibrate", log, "--no-out"]) == 2
    assert "1 of 24 rows can't be used" in capsys.readouterr().err
    every = write(tmp_path / "right.jsonl", [x | {"correct": True} for x in rows(6, 4)])
    assert main(["calibrate", every, "--no-out"]) == 2
    assert "are all right" in capsys.readouterr().err


@pytest.mark.slow
def test_a_trainers_file_says_group_and_penalty(tmp_path):
    log = write(tmp_path / "log.jsonl", rows())
    config = tmp_path / "grpo.yaml"
    config.write_text("num_generations: 4\nbeta: 0.04\nmax_completion_length: 2048\n")
    c = toyrl.calibrate(log, trl_config=config, worlds=32)
    assert c.group_size == 4
    assert c.beta == 0.04
    assert c.like.told.limit == 2048


def test_a_tilt_is_as_slow_as_the_priors_bases_learn():
    assert tilt_speed(400.0) == pytest.approx(0.2**2)  # the middle of 0.1 to 0.4, in the logarithm
    assert tilt_speed(9000.0) == pytest.approx(0.1**2)  # of 0.05 to 0.2


@pytest.mark.slow
def test_validate_forecasts_in_the_worlds_of_the_file(tmp_path):
    """The same numbers as training the file's worlds by hand, and the log's accuracy and length."""
    from toyrl import parse, parse_estimator
    from toyrl.worlds.behaviour.training import Plan, train

    log = write(tmp_path / "log.jsonl", rows())
    c = toyrl.calibrate(log, REWARD, worlds=32)
    path = tmp_path / "worlds.json"
    path.write_text(json.dumps(c.worlds()), encoding="utf-8")
    from toyrl.experiments.validate import forecast
    from toyrl.experiments.validate.listening import heard
    from toyrl.experiments.validate.pipeline import Pipeline
    from toyrl.experiments.validate.settings import Settings

    p = Pipeline(REWARD, Settings(calibrated=path), heard(None))
    p._read_log()
    with p.loaded() as p.reward:
        p.contract()
        found = forecast.trained(p)
    assert found is not None
    said = forecast.answer(*found)
    told = c.like.told
    assert said["assumed"]["accuracy"] == pytest.approx(told.accuracy, abs=1e-4)
    assert said["assumed"]["length"] == pytest.approx(told.length, abs=0.5)
    assert said["assumed"]["limit"] == told.limit
    run = train(worlds_of(path).worlds, parse(REWARD), parse_estimator("grpo"), Plan())
    assert said["accuracy_change"]["mean"] == pytest.approx(run.change.mean(), abs=1e-4)


def test_other_files_are_no_worlds(tmp_path, capsys):
    nothing = tmp_path / "none.json"
    assert main(["validate", "outcome()", "--worlds", str(nothing), "--no-report"]) == 2
    assert "is no file" in capsys.readouterr().err
    other = tmp_path / "other.json"
    other.write_text('{"schema": "toyrl.band/1"}')
    assert main(["validate", "outcome()", "--worlds", str(other), "--no-report"]) == 2
    said = capsys.readouterr().err
    assert "other.json is toyrl.band/1" in said
    assert "toyrl calibrate LOG" in said
