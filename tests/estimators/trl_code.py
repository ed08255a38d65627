"""TRL's own trainer methods, run on given rewards and log-probabilities without a model.

The trainers are made without their constructors; generation, the reward functions and the forward
pass are replaced by what the test gives. Everything between (group statistics, the loss) is TRL's.
"""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("trl")

import torch
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.rloo_trainer import RLOOTrainer


def _accelerator() -> Any:
    return SimpleNamespace(
        device=torch.device("cpu"),
        num_processes=1,
        process_index=0,
        sync_gradients=True,
        is_main_process=True,
        gather=lambda x: x,
        gather_for_metrics=lambda x: x,
        pad_across_processes=lambda x, **_: x,
        reduce=lambda x, **_: x,
    )


class _Bare:
    """Attributes read by both methods under test; whatever else is missing raises."""

    given_logps: torch.Tensor
    given_entropies: torch.Tensor
    given_completions: list[list[int]]
    given_sampled: list[list[float]] | None = None
    order: range

    def start(self, **values: Any) -> Any:
        common = dict(
            accelerator=_accelerator(),
            model=SimpleNamespace(training=True, is_gradient_checkpointing=False),
            _tokenizer=SimpleNamespace(pad_token_id=0),
            pad_to_multiple_of=None,
            mask_truncated_completions=False,
            environment_factories=None,
            environments=None,
            tools=None,
            num_iterations=1,
            use_vllm=False,
            vllm_importance_sampling_correction=False,
            beta=0.0,
            reward_func_names=["reward"],
            reward_funcs=[None],
            log_multimodal=False,
            _pending_extra_logs={},
            _pending_metrics={},
            current_gradient_accumulation_steps=1,
            aux_loss_enabled=False,
            _entropy_bonus_enabled=False,
            top_entropy_quantile=1.0,
            off_policy_mask_threshold=None,
            _metrics={"train": defaultdict(list), "eval": defaultdict(list)},
            _logs=defaultdict(lambda: defaultdict(list)) | {n: [] for n in LISTS},
            _step=0,
        )
        self.__dict__.update(common | values)
        return self


LISTS = ("prompt", "completion", "advantages")
ARGS = dict(
    per_device_train_batch_size=8,
    per_device_eval_batch_size=8,
    steps_per_generation=1,
    gradient_accumulation_steps=1,
    gradient_checkpointing_kwargs=None,
    use_bias_correction_kl=True,
    delta=None,
    sapo_temperature_pos=1.0,
    sapo_temperature_neg=1.05,
    vespo_k_pos=2.0,
    vespo_lambda_pos=3.0,
    vespo_k_neg=3.0,
    vespo_lambda_neg=2.0,
)


class _Grpo(_Bare, GRPOTrainer):
    def __init__(self, **values: Any) -> None:
        self.start(**values)

    def _generate(self, prompts: list[str]) -> Any:
        ids = [[1, 2]] * len(prompts)
        made = self.__dict__.get("given_completions", ids)
        return ids, made, None, ["text"] * len(prompts), self.given_sampled, {}, None, None

    def _calculate_rewards(self, inputs, *_: Any) -> Any:
        return torch.stack([x["reward"] for x in inputs])

    def _get_per_token_logps_and_entropies(self, *_: Any, **__: Any) -> Any:
        none = torch.zeros_like(self.given_logps)
        return self.given_logps, self.__dict__.get("given_entropies", none), None


class _Rloo(_Bare, RLOOTrainer):
    def __init__(self, **values: Any) -> None:
        self.start(**values)

    def _generate(self, prompts: list[str]) -> Any:
        ids = [[1, 2]] * len(prompts)
        return ids, ids, ["text"] * len(prompts)

    def _calculate_rewards(self, inputs, *_: Any) -> Any:
        return torch.stack([x["reward"] for x in inputs])

    def _get_per_token_logps_and_entropies(self, model: Any, *_: Any, **__: Any) -> Any:
        shape = (len(self.order), 2)
        known = "given_ref" if model is self.__dict__.get("ref_model", "none") else "given_logps"
        logps = self.__dict__.get(known, torch.zeros(shape))
        return logps, torch.zeros_like(logps), None


def grpo_advantages(
    rewards: np.ndarray,
    *,
    scale_rewards: str = "group",
    weights: Any = None,
    sum_first: bool = True,
) -> np.ndarray:
    """(B, G) advantages of GRPOTrainer; rewards (B, G) or (B, G, functions), NaN for None."""
    r = torch.from_numpy(np.array(rewards, dtype=np.float32))
    r = r[..., None] if r.ndim == 2 else r
    B, G, K = r.shape
    trainer = _Grpo(
        args=SimpleNamespace(**ARGS),
        num_generations=G,
        num_generations_eval=G,
        reward_weights=torch.ones(K) if weights is None else torch.tensor(weights),
        reward_func_names=[f"r{k}" for k in range(K)],
        reward_funcs=[None] * K,
        scale_rewards=scale_rewards,
        multi_objective_aggregation="sum_then_normalize" if sum_first else "normalize_then_sum",
    )
    inputs = [{"prompt": "q", "reward": x} for x in r.reshape(B * G, K)]
    return trainer._generate_and_score_completions(inputs)["advantages"].reshape(B, G).numpy()


def rloo_advantages(
    rewards: np.ndarray,
    *,
    normalize: bool = False,
    beta: float = 0.0,
    old: np.ndarray | None = None,
    ref: np.ndarray | None = None,
) -> np.ndarray:
    """(B, G) advantages of RLOOTrainer; log-probabilities (B G, 2) for its penalty."""
    r = torch.from_numpy(np.array(rewards, dtype=np.float32))
    B, G = r.shape
    zeros = np.zeros((B * G, 2))
    trainer = _Rloo(
        beta=beta,
        ref_model="reference",
        given_logps=torch.from_numpy(zeros if old is None else old).float(),
        given_ref=torch.from_numpy(zeros if ref is None else ref).float(),
        args=SimpleNamespace(**ARGS),
        num_generations=G,
        num_generations_eval=G,
        reward_weights=torch.ones(1),
        reward_clip_range=None,
        normalize_advantages=normalize,
        order=range(B * G),
    )
    inputs = [{"prompt": "q", "reward": x} for x in r.reshape(B * G, 1)]
    return trainer._generate_and_score_completions(inputs)["advantages"].reshape(B, G).numpy()


def grpo_gradient(
    loss_type: str,
    advantages: np.ndarray,
    logp: np.ndarray,
    old_logp: np.ndarray,
    mask: np.ndarray,
    *,
    max_length: int,
    ref: np.ndarray | None = None,
    level: str = "token",
    low: float = 0.2,
    high: float = 0.2,
    beta: float = 0.0,
    weights: np.ndarray | None = None,
    entropy: np.ndarray | None = None,
    quantile: float = 1.0,
    sampled: np.ndarray | None = None,
    off_policy: float | None = None,
    **args: Any,
) -> np.ndarray:
    """Minus the gradient by logp (N, T) of GRPOTrainer's loss: dJ/dlogp.

    quantile : top_entropy_quantile, with entropies (N, T); off_policy : off_policy_mask_threshold,
    by the sampler's log-probabilities (N, T) where given.
    """
    given = torch.from_numpy(logp.copy()).requires_grad_()
    trainer = _Grpo(
        top_entropy_quantile=quantile,
        given_entropies=torch.zeros_like(given) if entropy is None else torch.from_numpy(entropy),
        off_policy_mask_threshold=off_policy,
        args=SimpleNamespace(**(ARGS | args)),
        given_logps=given,
        loss_type=loss_type,
        importance_sampling_level=level,
        epsilon_low=low,
        epsilon_high=high,
        beta=beta,
        max_completion_length=max_length,
        use_vllm=weights is not None,
        vllm_importance_sampling_correction=weights is not None,
    )
    m = torch.from_numpy(mask)
    inputs = {
        "prompt_ids": torch.ones(len(m), 1),
        "prompt_mask": torch.ones(len(m), 1),
        "completion_ids": torch.ones_like(m),
        "completion_mask": m,
        "advantages": torch.from_numpy(advantages),
        "old_per_token_logps": torch.from_numpy(old_logp),
        "num_items_in_batch": m.sum(),
    }
    if ref is not None:
        inputs["ref_per_token_logps"] = torch.from_numpy(ref)
    if weights is not None:
        inputs["importance_sampling_ratio"] = torch.from_numpy(weights)
    if sampled is not None:
        inputs["sampling_per_token_logps"] = torch.from_numpy(sampled)
    trainer._compute_loss(trainer.model, inputs).backward()
    assert given.grad is not None
    return -given.grad.numpy()


def sampler_weights(
    mode: str, old: np.ndarray, sampled: np.ndarray, length: np.ndarray, **clip: float | None
) -> np.ndarray:
    """(N, T) or (N, 1) weights of vllm_importance_sampling_mode; old and sampled (N, T)."""
    scored = _scored(
        length,
        given_logps=torch.from_numpy(old),
        given_sampled=[row[:n].tolist() for row, n in zip(sampled, length, strict=True)],
        use_vllm=True,
        vllm_importance_sampling_correction=True,
        vllm_importance_sampling_mode=mode,
        vllm_importance_sampling_clip_max=clip.get("cap"),
        vllm_importance_sampling_clip_min=clip.get("floor"),
    )
    return scored["importance_sampling_ratio"].numpy()


def truncation_masks(length: np.ndarray, cut: np.ndarray) -> np.ndarray:
    """(N, T) completion masks of mask_truncated_completions=True; True in `cut`: truncated."""
    scored = _scored(length, cut, mask_truncated_completions=True, eos_token_ids=[EOS])
    return scored["completion_mask"].numpy()


EOS = 9


def _scored(length: np.ndarray, cut: np.ndarray | None = None, **values: Any) -> Any:
    """What GRPOTrainer makes of one group with completions of these lengths."""
    ends = [2 if cut is not None and x else EOS for x in (length * 0 if cut is None else cut)]
    G = len(length)
    trainer = _Grpo(
        args=SimpleNamespace(**(ARGS | {"steps_per_generation": 1})),
        num_generations=G,
        num_generations_eval=G,
        reward_weights=torch.ones(1),
        scale_rewards="none",
        multi_objective_aggregation="sum_then_normalize",
        given_completions=[[1] * (n - 1) + [end] for n, end in zip(length, ends, strict=True)],
        **values,
    )
    inputs = [{"prompt": "q", "reward": torch.zeros(1)} for _ in range(G)]
    return trainer._generate_and_score_completions(inputs)


def rloo_gradient(
    advantages: np.ndarray, logp: np.ndarray, old_logp: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Minus the gradient by logp (N, T) of RLOOTrainer's loss."""
    given = torch.from_numpy(logp.copy()).requires_grad_()
    trainer = _Rloo(
        args=SimpleNamespace(**ARGS),
        given_logps=given,
        order=range(len(logp)),
        epsilon_low=0.2,
        epsilon_high=0.2,
    )
    m = torch.from_numpy(mask)
    inputs = {
        "prompt_ids": torch.ones(len(m), 1),
        "prompt_mask": torch.ones(len(m), 1),
        "completion_ids": torch.ones_like(m),
        "completion_mask": m,
        "advantages": torch.from_numpy(advantages),
        "old_logps": torch.from_numpy((old_logp * mask).sum(-1)),
    }
    trainer._compute_loss(trainer.model, inputs).backward()
    assert given.grad is not None
    return -given.grad.numpy()
