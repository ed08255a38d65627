"""Corners of the theorems about redistributed returns, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from typing import Any

Q = {"q": (0.0, 1e-300, 0.5, 1.0)}
FIT = {"steps": (1, 10**6), "sigma": (0.0, 1.0, 1e300)}
MISSING = {"missing": (-1.0, 0.0, 1e-300, 0.5, 1e300)}

REDISTRIBUTION: dict[str, Any] = {
    "episodic_gradient_variance": Q | {"steps": (1, 2, 10**6)},
    "expected_rrd": {"r_hat": ([0.0], [1.0, -1.0, 1e100], [[1.0, 1.0]]), "total": (0.0, -1e100),
                     "picked": (1, 2, 10**9)},
    "greedy_regret": {"cosine": (-1.0, 0.0, 1.0), "norm": (0.0, 1e300)},
    "incomplete_crossover": FIT | MISSING | {"raw": (2, 50), "factors": (1, 2, 49)},
    "incomplete_fit_error": FIT | MISSING | {"episodes": (1, 3, 10**9), "factors": (1, 2)},
    "optimal_share": {"cosine": (-1.0, 0.0, 1.0)},
    "own_reward_variance": Q,
    "picking_penalty": {"r_hat": ([0.0], [1.0, -1.0, 1e100], [[1.0, 1.0]], []),
                        "picked": (1, 2, 10**9)},
    "raw_latent_ratio": {"episodes": (1, 2, 3, 52, 10**9), "raw": (1, 50), "latent": (1, 2, 50)},
    "residual_end_variance": Q | {"steps": (1, 5), "kept": (0.0, 0.5, 1.0)},
    "return_fit_error": FIT | {"episodes": (1, 2, 3, 10**9), "factors": (1, 2)},
    "spread_gradient_share": {"steps": (1, 5), "kept": (0.0, 0.5, 1.0)},
}  # fmt: skip
