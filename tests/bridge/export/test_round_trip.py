"""There and back: a file exported for a trainer, read as a user's reward by `validate`'s loader."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the extra llm")
from toyrl.bridge.export.write import export
from toyrl.experiments.validate.hacks.mutants import retext
from toyrl.rewards.user import load
from toyrl.worlds.text.render import base_rows

pytestmark = pytest.mark.bridge
EXPRESSION = "outcome() - 0.3*linear_length()"


@pytest.mark.parametrize(
    ("target", "function", "expression", "group_size"),
    [
        ("trl", "toyrl_reward", EXPRESSION, None),
        ("trl", "toyrl_reward", EXPRESSION, 8),
        ("verifiers", "toyrl_reward", EXPRESSION, 8),
        ("openrlhf", "reward_func", "outcome()", 8),
    ],
)
def test_exported_rewards_are_graders_here(tmp_path, target, function, expression, group_size):
    made = export(
        expression, target, max_completion_length=512, group_size=group_size, estimator=None
    )
    (tmp_path / "reward.py").write_text(made.text)
    rows = base_rows("tag", 12, 0, typical_tokens=150, max_tokens=512)
    with load([f"{tmp_path / 'reward.py'}:{function}"]) as reward:
        values = reward.score_text([row.row for row in rows])
    weight = 0.3 if "length" in expression else 0.0
    for row, value in zip(rows, values, strict=True):
        want = float(row.correct) - weight * row.row.tokens / 512
        assert value == pytest.approx(want, abs=1e-6)


def test_changed_texts_stay_within_the_runs_limit():
    row = base_rows("tag", 12, 0, typical_tokens=150, max_tokens=512)[-1]
    assert row.truncated
    assert retext(row, row.row.completion + " and on" * 50).tokens == 512
    assert retext(row, "short").tokens < 512
