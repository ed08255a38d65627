"""Corners of the theorems about paying for steps, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from typing import Any

from toyrl.theory.process.pad_chain import SCHEMES

ENDS = {"alpha": (0.0, 0.3), "c_pad": (0.0, 1.0), "eta": (0.0, 1.0)}
CHAIN = {"scheme": SCHEMES, "u": (0.0, 0.5, 1.0), "horizon": (1, 4)}

PROCESS: dict[str, Any] = {
    "explosion_weight": {"u": (0.0, 1e-300, 0.3, 1.0), "c_pad": (0.0, 1e-9, 1.0),
                         "beta": (0.0, 0.1)},
    "padded_total": ENDS | {"scheme": SCHEMES, "K": (0, 1, [1, 2, 10**9]), "c_sol": (0.0, 1.0)},
    "padding_gradient": CHAIN | ENDS,
    "padding_incentive": CHAIN | ENDS,
    "tilted_steps": CHAIN | ENDS | {"beta": (0.0, 1e-3, 1e6), "c_sol": (0.5,)},
    "unbounded_tilted_steps": {"u": (0.0, 1e-300, 0.3, 1.0), "alpha": (0.0, 0.1, 1e300),
                               "c_pad": (0.0, 1.0), "beta": (0.0, 1e-3, 1.0)},
}  # fmt: skip
