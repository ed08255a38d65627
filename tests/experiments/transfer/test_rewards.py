"""Rewards of a transfer on sampled rollouts."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from toyrl.experiments.cli import main
from toyrl.experiments.errors import UsageError
from toyrl.experiments.transfer.own import own_rewards
from toyrl.graders.base import TextRow
from toyrl.rollouts import Rollouts


@pytest.mark.parametrize(
    ("spec", "field"),
    [("pear()", "entropy"), ("par()", "judge_references"), ("prime_process()", "logprob")],
)
def test_what_texts_dont_show_is_refused_by_name_before_a_model_is_built(
    spec, field, capsys, tmp_path, monkeypatch
):
    pytest.importorskip("trl", reason="needs the extra llm")
    from toyrl.bridge.models import choose

    monkeypatch.setattr(choose, "prepare", lambda *_, **__: pytest.fail("a model is built"))
    out = tmp_path / "out"
    assert main(["transfer", spec, "--out", str(out), "-q"]) == 2
    said = capsys.readouterr().err
    assert f"{spec} reads" in said
    assert field in said
    assert "with the trainer itself" in said
    assert not (out / "plan.json").exists()


def test_what_every_text_shows_is_read_off_it():
    with contextlib.ExitStack() as stack:
        (reward,) = own_rewards(["0.5*word_band(lower=2, upper=3, last=9)"], stack)
    rows = [TextRow("a", text, tokens=3) for text in ("so <answer>9</answer>", "one two three")]
    assert list(reward.graders()) == ["words"]
    r = Rollouts(np.ones((1, 2)), np.full((1, 2), 3.0), 8.0)
    paid = reward.values(r, rows)
    assert paid.shape == (1, 2)
    assert paid[0, 0] != paid[0, 1]


def test_a_trace_is_verified_where_the_task_poses_a_program():
    with contextlib.ExitStack() as stack:
        (reward,) = own_rewards(["trace_prefix()"], stack)
    rows = [TextRow("75 48:\n", text, {"answer": "132"}, 9) for text in ("750>21\n", "750>20\n")]
    r = Rollouts(np.zeros((1, 2)), np.full((1, 2), 9.0), 16.0)
    assert reward.values(r, rows).tolist() == [[0.5, 0.0]]
    with pytest.raises(UsageError, match="use --task traces:addition"):
        reward.values(r, [TextRow("7+5-2=\n", "7+5=12\n")] * 2)
