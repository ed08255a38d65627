"""Corners of the theorems about paying for steps, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.theory.process.pad_chain import SCHEMES

ENDS = {"alpha": (0.0, 0.3), "c_pad": (0.0, 1.0), "eta": (0.0, 1.0)}
CHAIN = {"scheme": SCHEMES, "u": (0.0, 0.5, 1.0), "horizon": (1, 4)}

SEGMENTS = {"q": (0.0, 1e-300, 0.5, 1.0), "segments": (1, 5)}
LENGTHS = {"completeness": (0.0, 3.0), "relevant": (0.0, 0.25, 0.5, 1.0)}

LEAVES = {
    "chance": (np.full(4, 0.25), np.array([0.0, 1, 0, 0]), np.zeros(4)),
    "prefixes": (1, 2, 4, 3),
}

PROCESS: dict[str, Any] = {
    "baseline_gap": {"tokens": ([0.5], [0.0, 1e300, -1e300], [[0.1, -0.2], [3.0, 4.0]]),
                     "K": (1, 2, 10**6)},
    "best_segment_count": LENGTHS | {"relevance": (0.0, 1e-300, 0.3, 1e300), "rate": (1e-9, 0.3)},
    "credited": {"scheme": SCHEMES, "score": (0.0, 1.0), "eta": (0.0, 1.0)},
    "dense_total": [{"means": m, "lengths": x} for m in ([0.0, 1.0], [[1e300, -1e300]], [0.5])
                    for x in ([1, 10**6], 0.0)],
    "explosion_weight": {"u": (0.0, 1e-300, 0.3, 1.0), "c_pad": (0.0, 1e-9, 1.0),
                         "beta": (0.0, 0.1)},
    "gae_credit_variance": SEGMENTS | {"lam": (0.0, 0.95, 1.0)},
    "holistic_credit_variance": SEGMENTS,
    "implicit_reward_cap": {"mass": (0.0, 1e-300, 0.4, 1.0), "beta": (0.05, 1e-300)},
    "key_chain_values": {"keys": ([1], [1, 2], [16], [0]), "T": (1, 16), "p": (0.0, 0.25, 1.0)},
    "learned_class_rewards": {"mass": (np.array([0.4, 0.6]), np.array([0.0, 1.0])),
                              "eta": (np.array([0.7, 0.2]), np.array([0.5, 1.0])),
                              "beta": (0.05, 1.0)},
    "pooled_vote": [{"answer": [0, 0, 1], "score": [0.0, 1e300, -1e300], "scale": x}
                    for x in (0.0, 1.0)],
    "prefix_mean": LEAVES | {"x": (np.arange(4.0), np.array([1e300, -1e300, 0, 1]))},
    "soft_prefix_value": LEAVES | {"reward": (np.arange(4.0), np.array([-np.inf, 0, 1e3, -1e3])),
                                   "beta": (1e-3, 1.0, 1e6)},
    "padded_total": ENDS | {"scheme": SCHEMES, "K": (0, 1, [1, 2, 10**9]), "c_sol": (0.0, 1.0)},
    "padding_gradient": CHAIN | ENDS,
    "padding_incentive": CHAIN | ENDS,
    "segment_objective": LENGTHS | {"n": (0.0, 1e6), "relevance": (0.0, 0.3), "rate": (0.0, 0.3)},
    "tilted_steps": CHAIN | ENDS | {"beta": (0.0, 1e-3, 1e6), "c_sol": (0.5,)},
    "unbounded_tilted_steps": {"u": (0.0, 1e-300, 0.3, 1.0), "alpha": (0.0, 0.1, 1e300),
                               "c_pad": (0.0, 1.0), "beta": (0.0, 1e-3, 1.0)},
    "value_ratio_reward": {"value": ([0.5, 0.5, 1.0], [0.0, 0.0], [1e-300, 1.0, 0.0]),
                           "beta": (0.05, 1.0)},
}  # fmt: skip
