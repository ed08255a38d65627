"""Length, success and limit come from the log and the trainer's configuration, or are said."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.experiments.validate.own_logs import rows, written
from toyrl.dynamics.chain import observed
from toyrl.dynamics.chain.observed import Observed
from toyrl.experiments.validate.collapse.worlds import drawn
from toyrl.experiments.validate.options import settings_of
from toyrl.experiments.validate.own import lengths
from toyrl.experiments.validate.pipeline import Pipeline
from toyrl.experiments.validate.reward_law import bench
from toyrl.experiments.validate.settings import Settings
from toyrl.rewards.user import load


def read(log, **options):
    """A pipeline whose log was read."""
    pipeline = Pipeline(("outcome()",), settings_of(None, {"rollouts": log, **options}), _quiet)
    pipeline._read_log()
    return pipeline


def _quiet(_section, _message):
    pass


def said(pipeline):
    s = pipeline.settings
    found = lengths.findings(pipeline.log, pipeline.asked, s, pipeline.worlds_limit)
    return {f.name: f for f in found}


def mean_41(folder, **changes):
    """Mean 41 tokens, success 1/2, the longest 66."""
    values = [22, 30, 46, 66]
    return written(folder, rows(length=lambda _b, g, _r: values[g], **changes))


def test_worlds_have_the_logs_length_and_success_and_the_configs_limit(tmp_path):
    config = tmp_path / "grpo.json"
    config.write_text(json.dumps({"max_completion_length": 64, "num_generations": 4}))
    found = rows(length=lambda _b, g, _r: 30 + 5 * g, correct=lambda _b, g, _r: g == 0)
    log = written(tmp_path, found)
    pipeline = read(log, trl_config=config)
    s = pipeline.settings
    assert (s.typical_length, s.max_completion_length, s.group_size) == (38, 64, 4)
    assert s.success_rates == (0.25,)
    assert pipeline.log.rollouts.max_length == 64  # the config's limit is the log's
    assert not any("longest row" in note for note in pipeline.log.notes)
    with load(("outcome()",)) as reward:
        pipeline.reward = reward
        reference = pipeline.reference
    assert reference.success == pytest.approx([0.25], abs=0.02)
    mean = reference.prob @ reference.chain.class_length()
    assert mean == pytest.approx([38], rel=0.05)
    assert "limit 64 as asked" in said(pipeline)["own/lengths"].message


@pytest.mark.slow
def test_options_win_over_the_log(tmp_path):
    log = mean_41(tmp_path)
    pipeline = read(log, typical_length=50, success_rates=".2,.4", max_completion_length=100)
    s = pipeline.settings
    assert (s.typical_length, s.max_completion_length) == (50, 100)
    assert s.success_rates == (0.2, 0.4)
    seen = pipeline.seen
    assert seen is not None
    assert seen.values["success all"] == pytest.approx(0.3)
    assert np.exp(seen.values["length all"]) == pytest.approx(50)
    found = drawn(pipeline.chain, s, 8, seen)
    assert np.median(found.worlds.success) == pytest.approx(0.3, abs=0.05)
    assert np.median(found.worlds.length) == pytest.approx(50, rel=0.1)


def test_a_limit_far_above_the_lengths_is_held_for_the_reward_and_said(tmp_path):
    """41 tokens under a limit of 2048: less than one of 40 actions of 51 tokens each."""
    pipeline = read(mean_41(tmp_path), max_completion_length=2048)
    assert pipeline.settings.max_completion_length == 2048
    assert pipeline.worlds_limit == 205
    finding = said(pipeline)["own/chain"]
    assert finding.status == "warn"
    assert "cut off at 205 tokens (0% of your rollouts are longer)" in finding.message
    with load(("outcome()",)) as reward:
        pipeline.reward = reward
        pipeline.contract()
        law = pipeline.law
    assert (law.chain.max_length, law.limit) == (pytest.approx(205), 2048)
    assert np.asarray(law.rollouts((1,)).max_length).max() == 2048
    assert np.asarray(law.rollouts((1,)).length).max() == pytest.approx(205)


@pytest.mark.slow
def test_eight_actions_hold_a_mean_length_and_two_do_not():
    """Why `ACTIONS_HELD` is 8: base policies at 41 tokens, right 0.42."""
    logs = {observed.RIGHT: 39.0, observed.WRONG: 42.5, "length all": 41.0}
    seen = Observed((), (), {"success all": 0.42} | {k: float(np.log(v)) for k, v in logs.items()})
    held, beyond = 41 * bench.H / bench.ACTIONS_HELD, 41 * bench.H / 2
    assert bench.limit_held(4096, 41) == round(held)
    for limit, good in ((held, True), (beyond, False)):
        chain = bench.template(round(limit))
        fitted = observed.worlds_like(seen, chain, 8, most=32)
        reference, notes = bench.reference(chain, (0.42,), 41)
        mean = float((reference.prob @ reference.chain.class_length())[0])
        near = abs(mean - 41) < 1 and abs(reference.success[0] - 0.42) < 0.01
        assert (fitted.within and not fitted.missed, near, not notes) == (good, good, good)


def test_a_chain_that_holds_the_lengths_is_left_alone(tmp_path):
    pipeline = read(mean_41(tmp_path), max_completion_length=100)
    assert pipeline.worlds_limit == 100
    assert pipeline.run_limit is None
    assert set(said(pipeline)) == {"own/lengths"}


def test_an_unknown_limit_is_said(tmp_path):
    pipeline = read(mean_41(tmp_path))
    assert pipeline.settings.max_completion_length == 140  # as far above 41 as 512 is above 150
    assert pipeline.log.rollouts.max_length == 66
    assert "limit isn't known: worlds take 140 tokens" in said(pipeline)["own/limit"].message
    marked = read(mean_41(tmp_path, truncated=lambda _b, g, _r: g == 3))
    assert marked.settings.max_completion_length == 66
    assert "own/limit" not in said(marked)


def test_lengths_near_or_above_the_limit_are_said(tmp_path):
    near = read(mean_41(tmp_path, truncated=lambda _b, g, _r: g == 3), typical_length=60)
    assert "near the limit of 66 (91%)" in said(near)["own/limit"].message
    above = read(mean_41(tmp_path), max_completion_length=30)
    assert above.settings.typical_length == 30
    assert "is above the limit of 30" in said(above)["own/limit"].message
    assert any("more than the limit of 30" in note for note in above.log.notes)


def test_without_a_log_what_the_prior_cannot_hold_is_said():
    far = drawn(
        bench.template(4096), Settings(max_completion_length=4096, typical_length=150), 16, None
    )
    assert [f.name for f in far.findings] == ["collapse/lengths"]
    assert far.findings[0].status == "warn"
    near = drawn(bench.template(512), Settings(typical_length=500), 16, None)
    assert "500" in near.findings[0].message
    assert drawn(bench.template(512), Settings(), 16, None).findings == ()
    chain = bench.template(512)
    assert any("too near the limit" in n for n in bench.reference(chain, (0.5,), 500)[1])
