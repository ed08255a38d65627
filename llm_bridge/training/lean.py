"""A GRPOTrainer that spends little on small models: its own decoding, and no padding to speak of.

What is sampled and what is learnt stay the same. Completions come from `models.decoding` where the
network is a plain Llama in float32 and tokens are sampled from its softmax alone; otherwise TRL
generates. Log-probabilities are computed in a few passes over rows of like length, each without
the padding that the longest completion of the batch would need, and without a gradient where the
advantage is 0.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F
from trl.trainer.grpo_trainer import GRPOTrainer

from toyrl.bridge.models import decoding
from toyrl.bridge.models.padding import by_length

Tensor = torch.Tensor
ROWS = 12  # to a pass at least: below, a pass costs more than the padding that it saves


class LeanTrainer(GRPOTrainer):
    """GRPOTrainer with cheap generation and log-probabilities; losses and the rest are TRL's.

    Answers have TRL's shapes: a list of token ids a prompt, and (N, T) log-probabilities.
    """

    model: Any
    args: Any
    _still: Tensor | None = None

    def _generate_single_turn(
        self, prompt_ids: list, images: Any, multimodal_fields: Any, *args: Any, **options: Any
    ) -> tuple[list[list[int]], Any]:
        network = self.accelerator.unwrap_model(self.model_wrapped)
        limit = self.max_completion_length
        if limit is None or images or multimodal_fields or not self._plain(network):
            return super()._generate_single_turn(
                prompt_ids, images, multimodal_fields, *args, **options
            )
        made = decoding.complete(
            network,
            prompt_ids,
            limit=limit,
            ends=self.eos_token_ids,
            temperature=self.temperature,
        )
        return made, None

    def _plain(self, network: Any) -> bool:
        """Whether tokens are drawn from the softmax of a network that is decoded here."""
        a = self.args
        elsewhere = self.use_vllm or self.use_transformers_continuous_batching
        filtered = a.top_p != 1.0 or a.top_k or a.min_p is not None or a.repetition_penalty != 1.0
        narrow = a.bf16 or a.fp16
        if elsewhere or filtered or narrow or a.generation_kwargs:
            return False
        return not decoding.plain(network)

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        self._still = self._without_gradient(inputs)
        try:
            return super()._compute_loss(model, inputs)
        finally:
            self._still = None

    def _without_gradient(self, inputs: dict[str, Any]) -> Tensor | None:
        """(N,) rows whose loss is constant: no advantage, and no KL or entropy term beside it."""
        still = inputs["advantages"].reshape(len(inputs["advantages"]), -1) == 0
        alone = self.beta == 0.0 and not self._entropy_bonus_enabled
        return still.all(1) if alone and not still.all() else None

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        **options: Any,
    ) -> tuple[Any, Any, Any]:
        parent = super()._get_per_token_logps_and_entropies
        given = any(v is not None and not isinstance(v, bool) for v in options.values())
        rows = len(input_ids)
        few = rows < 2 * ROWS or (batch_size or rows) < rows
        if given or options.get("compute_aux_loss") or few:
            return parent(model, input_ids, attention_mask, logits_to_keep, batch_size, **options)
        asked = input_ids.shape[1] - logits_to_keep
        order, logps, entropies = [], [], []
        for own, grad in self._kinds(rows, input_ids.device):
            for part, first, last in by_length(
                attention_mask[own], asked, max(1, len(own) // ROWS)
            ):
                at, keep = own[part], last - asked
                with torch.set_grad_enabled(grad and torch.is_grad_enabled()):
                    found = parent(
                        model,
                        input_ids[at, first:last],
                        attention_mask[at, first:last],
                        keep,
                        **options,
                    )
                order.append(at)
                logps.append(F.pad(found[0], (0, logits_to_keep - keep)))
                if found[1] is not None:
                    entropies.append(F.pad(found[1], (0, logits_to_keep - keep)))
        back = torch.argsort(torch.cat(order))
        return torch.cat(logps)[back], torch.cat(entropies)[back] if entropies else None, None

    def _kinds(self, rows: int, device: Any) -> list[tuple[Tensor, bool]]:
        """Rows with and without a gradient."""
        every = torch.arange(rows, device=device)
        if self._still is None or len(self._still) != rows:
            return [(every, True)]
        parts = [(every[~self._still], True), (every[self._still], False)]
        return [(own, grad) for own, grad in parts if len(own)]
