"""Rewards with a model's score, written for trainers: what the files pay is what graders pay."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the extra llm")
from toyrl.bridge.export.write import export
from toyrl.expressions import parse_grader
from toyrl.graders.base import TextRow
from toyrl.rewards.user import load

pytestmark = pytest.mark.bridge
TEXTS = ("<think>wait</think><answer>one two\n\none two</answer>", "thus", "")
SCORES = (0.3, 0.7, 0.1)


@pytest.mark.parametrize(
    ("reward", "target"),
    [("writing(lower=2, upper=9)", "trl"), ("calibrated()", "trl"),
     ("reasoning_patterns()", "trl"), ("writing(model='none')", "verifiers")],
)  # fmt: skip
def test_exported_files_pay_what_the_grader_pays(tmp_path, reward, target):
    path = tmp_path / "reward.py"
    path.write_text(export(reward, target, max_completion_length=64).text)
    rows = [TextRow("p", text, {"score": s, "answer": "x"}, 9)
            for text, s in zip(TEXTS, SCORES, strict=True)]  # fmt: skip
    with load([f"{path}:toyrl_reward"]) as served:
        assert served.score_text(rows) == pytest.approx(parse_grader(reward).grade(rows), abs=1e-6)
