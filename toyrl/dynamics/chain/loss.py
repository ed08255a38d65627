"""What a trainer's loss adds to the policy gradient of chains: a KL penalty, a truncation mask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

KL_FORMS = ("reverse", "forward")


@dataclass(frozen=True)
class LossOptions:
    """What a trainer's loss adds to the policy gradient.

    beta : weight of the KL per token to the reference policy, >= 0, in reward units per nat
    kl : "reverse", KL(policy || reference), what k1 in the reward and k3 times the ratio give (TRL
        with use_bias_correction_kl); "forward", KL(reference || policy), what k3 in the loss gives
        (TRL before, verl's low_var_kl). The states visited are not differentiated, as there.
    reference : (W, *policy_shape) its logits; None: where the run starts
    mask_truncated : truncated rollouts are left out of the loss (not of the group's statistics)

    Raises ValueError for another form or a negative beta.
    """

    beta: float = 0.0
    kl: str = "reverse"
    reference: np.ndarray | None = None
    mask_truncated: bool = False

    def __post_init__(self) -> None:
        if self.kl not in KL_FORMS:
            msg = f"kl={self.kl!r} is not one of {', '.join(KL_FORMS)}"
            raise ValueError(msg)
        if not self.beta >= 0:
            msg = f"beta={self.beta} is negative; a penalty has beta >= 0"
            raise ValueError(msg)

    def take(self, rows: Any) -> LossOptions:
        """The options for some of the runs."""
        reference = None if self.reference is None else self.reference[rows]
        return replace(self, reference=reference)


PLAIN = LossOptions()
