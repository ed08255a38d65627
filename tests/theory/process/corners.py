"""Corners of the theorems about paying for steps, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from typing import Any

from toyrl.theory.process.pad_chain import SCHEMES

ENDS = {"alpha": (0.0, 0.3), "c_pad": (0.0, 1.0), "eta": (0.0, 1.0)}
CHAIN = {"scheme": SCHEMES, "u": (0.0, 0.5, 1.0), "horizon": (1, 4)}

SEGMENTS = {"q": (0.0, 1e-300, 0.5, 1.0), "segments": (1, 5)}
LENGTHS = {"completeness": (0.0, 3.0), "relevant": (0.0, 0.25, 0.5, 1.0)}

PROCESS: dict[str, Any] = {
    "best_segment_count": LENGTHS | {"relevance": (0.0, 1e-300, 0.3, 1e300), "rate": (1e-9, 0.3)},
    "explosion_weight": {"u": (0.0, 1e-300, 0.3, 1.0), "c_pad": (0.0, 1e-9, 1.0),
                         "beta": (0.0, 0.1)},
    "gae_credit_variance": SEGMENTS | {"lam": (0.0, 0.95, 1.0)},
    "holistic_credit_variance": SEGMENTS,
    "padded_total": ENDS | {"scheme": SCHEMES, "K": (0, 1, [1, 2, 10**9]), "c_sol": (0.0, 1.0)},
    "padding_gradient": CHAIN | ENDS,
    "padding_incentive": CHAIN | ENDS,
    "segment_objective": LENGTHS | {"n": (0.0, 1e6), "relevance": (0.0, 0.3), "rate": (0.0, 0.3)},
    "tilted_steps": CHAIN | ENDS | {"beta": (0.0, 1e-3, 1e6), "c_sol": (0.5,)},
    "unbounded_tilted_steps": {"u": (0.0, 1e-300, 0.3, 1.0), "alpha": (0.0, 0.1, 1e300),
                               "c_pad": (0.0, 1.0), "beta": (0.0, 1e-3, 1.0)},
}  # fmt: skip
