"""Laws of rewards that pay token by token: what the tokens of a rollout add up to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper
from toyrl.testing import arrays


def total_is_constant(shaper: Shaper, r: Rollouts) -> str | None:
    """The discounted total is the same for all rollouts of a prompt (policy invariance).

    The potential of the prompt, before the first token, is the same for siblings; so is the
    discount, read from the shaper where it has one.
    """
    r = _common_start(r)
    discount = float(getattr(shaper, "discount", 1.0))
    parts = shaper.apply(r).parts
    total = np.zeros(r.shape)
    for value in parts.values():
        steps = discount ** np.arange(value.shape[-1]) if value.ndim == 3 else 1.0
        total = total + ((value * steps).sum(-1) if value.ndim == 3 else value)
    for b in range(r.shape[0]):
        rows = (r.w[b] > 0) & (r.length[b] > 0)
        if rows.any() and np.ptp(total[b, rows]) > arrays.TOLERANCE * max(1, np.abs(total).max()):
            return f"totals differ within a prompt: {np.round(total[b, rows], 6).tolist()}"
    return None


def _common_start(r: Rollouts) -> Rollouts:
    fields = {}
    for name, value in r.fields.items():
        value = value.copy()
        if value.ndim == 3:
            value[..., 0] = value[:, :1, 0]
        fields[name] = value
    return replace(r, fields=fields)
