"""The reward of tool calls, written for trainers: what the files pay is what the grader pays."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace

import pytest

pytest.importorskip("torch", reason="needs the extra llm")
from toyrl.bridge.export.write import export
from toyrl.graders.base import TextRow
from toyrl.graders.tools.calls import ToolCalls
from toyrl.graders.tools.texts import tool_text
from toyrl.rewards.user import load

pytestmark = pytest.mark.bridge
PARIS, ROME = ({"name": "weather", "parameters": {"city": c}} for c in ("Paris", "Rome"))
GOLD = tool_text([PARIS])
TEXTS = [GOLD, tool_text([ROME]), "hello"]
WANT = [4.0, 2.0, -3.0]  # of 1 + 2 for name and key, 2 are met: 6 * 2/3 - 3 + 1


def written(target: str, folder, reward: str = "tool_calls()"):
    made = export(reward, target, max_completion_length=512, group_size=None, estimator=None)
    path = folder / "reward.py"
    path.write_text(made.text)
    return path


@pytest.mark.parametrize(
    ("target", "function"), [("trl", "toyrl_reward"), ("verifiers", "toyrl_reward")]
)
def test_exported_files_pay_what_the_grader_pays(tmp_path, target, function):
    path = written(target, tmp_path)
    rows = [TextRow("p", text, {"ground_truth": GOLD, "answer": GOLD}, 30) for text in TEXTS]
    with load([f"{path}:{function}"]) as reward:
        assert reward.score_text(rows) == pytest.approx(WANT, abs=1e-6)
    assert ToolCalls().grade(rows) == pytest.approx(WANT)


def test_trl_hands_over_messages_and_the_step(tmp_path):
    path = written("trl", tmp_path, "tool_calls(scale='two_stage')")
    spec = importlib.util.spec_from_file_location("exported_tool_calls", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    call = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Paris"}}}
    said = [{"role": "assistant", "content": "<think></think>", "tool_calls": [call]}]
    for step, want in ((0, 2.0), (30, 3.5)):
        state = SimpleNamespace(global_step=step)
        found = module.toyrl_reward(["p"], [said], [[1] * 30], state, ground_truth=[[PARIS]])
        assert found == [want]


def test_who_is_not_told_the_step_is_refused():
    with pytest.raises(ValueError, match="update number, which verl doesn't tell"):
        export("tool_calls(scale='smooth')", "verl", max_completion_length=512, group_size=None,
               estimator=None)  # fmt: skip
