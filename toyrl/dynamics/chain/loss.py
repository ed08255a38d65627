"""What a trainer's loss adds to the policy gradient of chains: a KL penalty, a truncation mask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from toyrl.ranges import FLAG, NOT_NEGATIVE, check_fields, one_of

if TYPE_CHECKING:
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

    beta: Annotated[float, NOT_NEGATIVE] = 0.0
    kl: Annotated[str, one_of(*KL_FORMS)] = "reverse"
    reference: np.ndarray | None = None
    mask_truncated: Annotated[bool, FLAG] = False

    def __post_init__(self) -> None:
        check_fields(self)

    def take(self, rows: Any) -> LossOptions:
        """The options for some of the runs."""
        reference = None if self.reference is None else self.reference[rows]
        return replace(self, reference=reference)


PLAIN = LossOptions()
