"""Rewards of relevance and compression, exported, loaded and called as a user's reward is."""

from __future__ import annotations

import runpy

import pytest

pytest.importorskip("torch", reason="needs the extra llm")
pytest.importorskip("sklearn", reason="needs the extra tasks")
from toyrl.bridge.export.write import export
from toyrl.expressions import parse_grader
from toyrl.graders.base import TextRow
from toyrl.rewards.user import load

pytestmark = pytest.mark.bridge
ROWS = [
    TextRow("Where do whales live?", "Whales live in the sea.", {
        "qtype": "CONSTRAINED", "reference": "In the sea.", "answers": ["sea"]}, 6),
    TextRow("Tell me of whales.", "whales whales whales whales", {
        "qtype": "OPENENDED", "reference": "", "answers": ["sea", "whales"]}, 4),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("expression", ["relevance(largest=0.25)", "capsule(budget=3)"])
def test_the_files_pay_what_the_reward_pays(tmp_path, expression):
    want = pytest.approx(parse_grader(expression).grade(ROWS))
    for target in ("trl", "verifiers"):
        made = export(expression, target, max_completion_length=64, estimator=None)
        (tmp_path / f"{target}.py").write_text(made.text)
    with load([f"{tmp_path / 'trl.py'}:toyrl_reward"]) as reward:
        assert reward.score_text(ROWS) == want
    function = runpy.run_path(str(tmp_path / "verifiers.py"))["toyrl_reward"]
    state = {"completion_tokens": 6}
    assert [function(r.prompt, r.completion, "", state, dict(r.columns)) for r in ROWS] == want
