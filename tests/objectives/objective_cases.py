"""Off-policy, ragged batches for tests of objectives, and the objectives they are tried on."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.backends import default_for
from toyrl import registry
from toyrl.rollouts import Rollouts

B, G, T = 3, 4, 6
LIMIT = 8
OURS: dict[str, Any] = {
    e.name: default_for(e) for e in registry.entries("objective") if e.cards == ("00",)
}
POLICY = [n for n in OURS if not n.startswith("kl_k") and n != "kl_abs"]
NEED = ("ref_logprobs", "sampling_logprobs")


def case(seed: int = 0, *, apart: float = 0.3, empty: bool = True) -> tuple[Any, ...]:
    """(rollouts, advantages (B, G), logp, old_logp), ragged, off-policy, one row without tokens."""
    rng = np.random.default_rng(seed)
    length = rng.integers(1, T + 1, (B, G)).astype(float)
    length[0, 1] = 0.0 if empty else 1.0
    mask = (np.arange(T) < length[..., None]) * 1.0
    old = -rng.exponential(1.0, (B, G, T)) - 0.05
    logp = np.minimum(old + apart * rng.normal(size=old.shape), -0.01)
    extra = {n: np.minimum(old + 0.5 * rng.normal(size=old.shape), -0.01) for n in NEED}
    # Of few binary digits, so that float32 and float64 agree on quantiles; ties between tokens.
    extra["entropy"] = np.random.default_rng([seed, 1]).integers(0, 64, old.shape) / 16
    r = Rollouts((rng.random((B, G)) < 0.5) * 1.0, length, float(LIMIT), mask=mask, fields=extra)
    return r, rng.normal(size=(B, G)), logp, old
