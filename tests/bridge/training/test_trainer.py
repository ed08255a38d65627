"""The trainer against its own parts: what reaches the loss, memory, checkpoints, faults."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra llm")
pytest.importorskip("trl", reason="needs the extra llm")
import torch

from tests.bridge import tiny_lm
from toyrl.bridge.training import batches
from toyrl.bridge.training.faults import TrainingFault
from toyrl.estimators.base import Estimator
from toyrl.expressions import parse, parse_estimator
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper

if TYPE_CHECKING:
    from toyrl.bridge.training.trainer import ShapedGRPOTrainer

pytestmark = [
    pytest.mark.bridge,
    pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning"),
]


def length_parity(row) -> float:
    """A stand-in for correctness that a random model reaches now and then."""
    return float(len(row.completion) % 2)


def trainer(folder, shaper="outcome()", *, changes=None, options=None, **kw) -> ShapedGRPOTrainer:
    from toyrl.bridge.training.trainer import ShapedGRPOTrainer  # 5 s, on one worker alone

    settings = {"correct": length_parity, **kw}
    return ShapedGRPOTrainer(
        tiny_lm.model(),
        shaper,
        args=tiny_lm.config(folder, **(changes or {})),
        train_dataset=tiny_lm.data(**(options or {})),
        processing_class=tiny_lm.tokenizer(),
        **settings,
    )


def watched(made: ShapedGRPOTrainer) -> list[tuple]:
    """(batch, advantages) of every generation."""
    seen, own = [], made._advantages

    def look(batch):
        out = own(batch)
        seen.append((batch, out.clone()))
        return out

    made._advantages = look
    return seen


@pytest.mark.parametrize("estimator", ["grpo", "rloo", "dr_grpo", "reinforce_mean"])
def test_advantages_are_those_of_the_library_on_the_same_rollouts(tmp_path, estimator):
    expression = "outcome() - 0.5*linear_length()"
    made = trainer(tmp_path, expression, estimator=estimator, changes={"max_steps": 2})
    seen = watched(made)
    made.train()
    assert len(seen) == 2
    for batch, got in seen:
        r = Rollouts(
            correct=np.array([length_parity(row) for row in batch.rows]).reshape(2, 4),
            length=np.array([row.tokens for row in batch.rows], dtype=float).reshape(2, 4),
            max_length=12.0,
        )
        shaped = parse(expression).apply(r, {})
        want, _ = parse_estimator(estimator).apply(shaped.parts, r)
        np.testing.assert_allclose(got.numpy(), want.reshape(-1), atol=2e-5)


def test_a_judge_its_references_and_statistics_that_prompts_share(tmp_path):
    def judge(rows):
        return [float(len(row.completion)) for row in rows]

    columns = {"judge_references": [[0.0, 9.0]] * 8}
    made = trainer(tmp_path, "par() + judge_minmax()", graders={"judge": judge},
                   changes={"max_steps": 2}, options=columns)  # fmt: skip
    seen, scores = watched(made), []
    made.train()
    for batch, got in seen:
        x = np.array(judge(batch.rows)).reshape(2, 4)
        scores += x.ravel().tolist()
        par = (1 / (1 + np.exp(-np.subtract.outer(x, [0.0, 9.0])))).mean(-1)
        width = max(scores) - min(scores)
        a = par + (x - min(scores)) / (width or 1.0)
        want = (a - a.mean(-1, keepdims=True)) / (a.std(-1, ddof=1, keepdims=True) + 1e-4)
        assert batch.fields["judge_references"].shape == (8, 2)
        np.testing.assert_allclose(got.numpy(), want.reshape(-1), atol=2e-4)
    made._remember()
    assert made.memory.shared == {"judge_lowest": min(scores), "judge_highest": max(scores)}
    assert not made.memory.rows


def test_whether_an_answer_was_found_is_read_off_the_text(tmp_path):
    made = trainer(tmp_path, "laser()", correct=lambda _row: 0.0)
    seen = watched(made)
    made.train()
    (batch, _) = seen[0]
    assert batch.fields["answered"].tolist() == [0.0] * len(batch.rows)  # letters by chance
    r = batches.gathered(batch, made.accelerator)
    np.testing.assert_array_equal(made.shaper.reward(r).numpy(), np.full((2, 4), -1.0))


def test_what_reaches_the_loss_is_what_was_computed(tmp_path):
    made = trainer(tmp_path)
    seen, given = watched(made), []
    own = made._compute_loss

    def look(model, inputs):
        given.append(inputs["advantages"].clone())
        return own(model, inputs)

    made._compute_loss = look
    made.train()
    # The generation is shuffled before the loss; groups of equal values are told apart by sorting.
    torch.testing.assert_close(given[0].sort().values, seen[0][1].sort().values)


@dataclass(frozen=True)
class EveryOther(Estimator):
    """Token credit: 1 on even places, -1 on odd ones, whatever the reward."""

    def apply(self, parts, r, state=None):
        xp = torch
        width = r.mask.shape[-1]
        sign = 1.0 - 2.0 * (xp.arange(width) % 2)
        return sign * r.mask, {}

    needs: ClassVar[tuple[str, ...]] = ("mask",)


def test_token_credit_reaches_the_loss_token_by_token(tmp_path):
    made = trainer(tmp_path, estimator=EveryOther())
    given = []
    own = made._compute_loss

    def look(model, inputs):
        given.append((inputs["advantages"].clone(), inputs["completion_mask"].clone()))
        return own(model, inputs)

    made._compute_loss = look
    made.train()
    advantages, mask = given[0]
    assert advantages.shape == mask.shape
    width = mask.shape[1]
    want = (1.0 - 2.0 * (torch.arange(width) % 2)) * mask
    torch.testing.assert_close(advantages * mask, want)


@dataclass(frozen=True)
class Entropic(Shaper):
    """Pays the mean entropy of the policy."""

    needs: ClassVar[tuple[str, ...]] = ("entropy", "mask")

    def parts(self, r, memory):
        return {"entropy": (r.need("entropy", by="Entropic") * r.mask).sum(-1) / r.mask.sum(-1)}


@pytest.mark.slow
def test_entropies_come_from_the_pass_that_is_made_anyway(tmp_path):
    passes = {}
    for name, shaper in (("plain", "outcome()"), ("entropic", Entropic())):
        made = trainer(tmp_path / name, shaper)
        seen = watched(made)
        count, own = [0], made._get_per_token_logps_and_entropies

        def counted(*args, count=count, own=own, **kw):
            count[0] += 1
            return own(*args, **kw)

        made._get_per_token_logps_and_entropies = counted
        made.train()
        passes[name] = count[0]
        if name == "entropic":
            assert seen[0][0].fields["entropy"].shape[0] == 8
            assert float(seen[0][0].fields["entropy"].max()) <= math.log(60)
            assert bool((seen[0][1] != 0).any())
    assert passes["plain"] == passes["entropic"]


MEMORY = "grpo_lambda()"


def test_memory_advances_in_training_and_not_on_evaluation(tmp_path):
    made = trainer(tmp_path, MEMORY, changes={"max_steps": 2, "num_generations_eval": 4})
    made.train()
    before = made.memory.to_json()
    made.evaluate(tiny_lm.data(4))
    made._remember()
    assert made.memory.to_json() == before


@pytest.mark.slow
def test_checkpoints_hold_memory_and_a_resumed_run_ends_the_same(tmp_path):
    changes = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2}
    whole = trainer(tmp_path / "a", MEMORY, changes=changes)
    whole.train()
    kept = json.loads((tmp_path / "a" / "checkpoint-2" / "toyrl_state.json").read_text())
    assert kept["step"] == 2
    again = trainer(tmp_path / "b", MEMORY, changes=changes)
    again.train(resume_from_checkpoint=str(tmp_path / "a" / "checkpoint-2"))
    assert again.memory.to_json() == whole.memory.to_json()
    for one, other in zip(again.model.parameters(), whole.model.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    other = trainer(tmp_path / "c", "outcome()", changes=changes)
    with pytest.raises(ValueError, match="was trained with the reward"):
        other.train(resume_from_checkpoint=str(tmp_path / "a" / "checkpoint-2"))


def test_checkpoints_between_generations_are_refused_with_the_nearest_legal_value(tmp_path):
    from toyrl.bridge.training.trainer import check_save_steps

    args = tiny_lm.config(tmp_path, save_strategy="steps", save_steps=3, steps_per_generation=2)
    with pytest.raises(ValueError, match="nearest legal value is 4"):
        check_save_steps(args, 1)
    args.save_steps = 4
    check_save_steps(args, 1)


def test_a_raising_reward_is_named_with_its_completion_after_a_checkpoint(tmp_path):
    calls = []

    def fragile(row):
        calls.append(row)
        if len(calls) > 8:
            msg = "boom"
            raise RuntimeError(msg)
        return 1.0

    made = trainer(tmp_path, changes={"max_steps": 3}, correct=fragile)
    with pytest.raises(TrainingFault, match=r"update 2 failed.*boom.*completion.*checkpoint"):
        made.train()
    assert (tmp_path / "checkpoint-1" / "trainer_state.json").is_file()


def test_a_missing_column_is_said_before_anything_runs(tmp_path):
    with pytest.raises(ValueError, match="neither a grader nor a data column"):
        trainer(tmp_path, "trust()")
    trainer(tmp_path, "trust()", options={"judge": [0.5] * 8})


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path):
    made = trainer(tmp_path, changes={"max_steps": 2})
    own, calls = made._compute_loss, []

    def spoiled(model, inputs):
        calls.append(1)
        return own(model, inputs) * (float("nan") if len(calls) == 2 else 1.0)

    made._compute_loss = spoiled
    with pytest.raises(TrainingFault, match=r"the loss is nan; lower learning_rate"):
        made.train()


def test_a_full_device_gives_advice(tmp_path):
    made = trainer(tmp_path)

    def full(*_):
        raise torch.OutOfMemoryError

    made._compute_loss = full
    with pytest.raises(TrainingFault, match="lower per_device_train_batch_size"):
        made.train()


def test_reward_functions_are_not_taken(tmp_path):
    with pytest.raises(TypeError, match="the reward is the shaper"):
        trainer(tmp_path, reward_funcs=[len])


def test_phases_are_read_off_the_tokens_and_entropies_off_the_policy(tmp_path):
    made = trainer(tmp_path, "pear()", correct=lambda _: 1.0)
    seen = watched(made)
    made.train()
    batch, advantages = seen[0]
    assert batch.fields["think_end"].shape == batch.fields["entropy"].shape
    assert bool((advantages != 0).any())  # all are right, so that entropies alone tell them apart


def test_a_reward_model_is_trained_beside_the_policy(tmp_path):
    from toyrl.models.reward.cooper import Cooper
    from toyrl.models.reward.cooper_texts import CoTrained

    own = Cooper(rate=0.1)
    grader = CoTrained(
        lambda rows: np.array([[len(r.completion) / 10, r.completion.count("a")] for r in rows]),
        own,
        own.start(features=2),
        rewrite=lambda *_: "x",
        verdict=length_parity,
        told_apart=lambda *_: True,
    )
    made = trainer(
        tmp_path, "cooper()", graders={"judge": grader.graded}, changes={"max_steps": 3}
    )  # fmt: skip
    seen = watched(made)
    made.train()
    assert len(seen) == 3
    assert (seen[0][0].fields["judge"] == 0).all()  # scored before it learned anything
    assert float(grader.model.updates) >= 1
    assert abs(grader.model.weight[0]) > 0
