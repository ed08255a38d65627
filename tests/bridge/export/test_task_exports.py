"""Rewards of tasks in files for trainers: what can't work there is refused, the rest is paid."""

from __future__ import annotations

import runpy
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra llm")
from toyrl.bridge.export.carry import CannotCarry
from toyrl.bridge.export.write import export
from toyrl.graders.base import TextRow
from toyrl.serving import ServedTask

pytestmark = pytest.mark.bridge
FOUND = {"writing()": "score", "calibrated(column='rm')": "rm", "checklist()": "verdicts",
         "prompt_classification()": "probs", "prompt_style()": "scores"}  # fmt: skip


@pytest.mark.parametrize("reward", FOUND)
def test_what_was_found_of_each_text_is_no_column_of_the_data(reward):
    for target in ("verl", "openrlhf", "verifiers"):
        with pytest.raises(CannotCarry, match=rf"reads {FOUND[reward]}, found of each text"):
            export(reward, target, tokenizer="t")
    assert f"rollout_func that returns {FOUND[reward]}" in " ".join(
        export(reward, "trl").plan.notes
    )
    assert export("writing(model='models/rm')", "openrlhf").plan.mode == "rewards"
    assert export("checklist(verifier='constraints')", "openrlhf").plan.mode == "rewards"


def test_tokens_are_counted_or_the_reward_is_refused(monkeypatch, tmp_path):
    with pytest.raises(CannotCarry, match="length in tokens, which verl gives the estimator"):
        export("text_format()", "verl")
    with pytest.raises(CannotCarry, match="name the model's tokenizer"):
        export("text_format()", "openrlhf")
    assert export("text_format(kind='only')", "verl").plan.mode == "rewards"

    class Words:
        def __call__(self, text: str, **_: Any) -> dict[str, list[str]]:
            return {"input_ids": text.split()}

    monkeypatch.setitem(sys.modules["toyrl.serving"]._tokenizers, "words", Words())
    reward = "text_format(limit=8)"
    path = tmp_path / "reward.py"
    path.write_text(export(reward, "openrlhf", tokenizer="words").text)
    paid = runpy.run_path(str(path))["reward_func"](
        ["p <think>a</think> <answer>1</answer></s>"], ["p"], ["1"])  # fmt: skip
    want = ServedTask.of(reward, max_completion_length=512).task.grade(
        [TextRow("p", "<think>a</think> <answer>1</answer>", {}, 2)]
    )
    assert paid["rewards"] == pytest.approx(want[0])
    path.write_text(export(reward, "verifiers").text)
    with pytest.raises(ValueError, match="neither usage nor token ids"):
        runpy.run_path(str(path))["toyrl_reward"]("p", "x", "1", {})


def test_verl_is_told_the_prompt_in_its_extra_info(monkeypatch, tmp_path):
    pytest.importorskip("sklearn", reason="needs the extra tasks")
    monkeypatch.setitem(sys.modules, "verl", ModuleType("verl"))
    made = export("relevance()", "verl")
    assert "extra_info must hold the prompt, as prompt" in made.plan.notes
    path = tmp_path / "reward.py"
    path.write_text(made.text)
    score = runpy.run_path(str(path))["compute_score"]
    with pytest.raises(KeyError, match="put it in extra_info"):
        score("d", "whales swim", "", {})
    chat = np.array([{"role": "user", "content": "whales"}, {"role": "user", "content": "swim"}])
    asked = [{"prompt": "whales swim"}, {"query": "whales swim"}, {"prompt": chat}]
    assert {score("d", "whales swim", "", extra)["score"] for extra in asked} == {0.01}
