"""Corners of the theorems on search by populations, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

POINTS = (np.zeros((3, 2)), np.eye(2), np.ones((1, 1)), np.full((2, 2), np.nan))
SIGNED = (np.zeros(2), np.ones(6), np.ones(3), np.zeros(0))

POPULATION: dict[str, Any] = {
    "chen_product": {"first": SIGNED, "second": SIGNED},
    "disc_mass": {"centre": ((0.0, 0.0), (2.0, 2.0), (1.0, 1.0)), "radius": (0.0, 1e-9, 5.0),
                  "genes": (1, 8, 20)},
    "emitter_improvement": {"values": (np.zeros((1, 1)), np.ones((7, 6)), np.zeros((0, 6))),
                            "window": (0, 1, 9)},
    "emitter_step": {"genomes": POINTS[:3], "index": (0, 5), "number_of_std": (3.0,),
                     "sigma_default": (0.05,)},
    "expected_coverage": {"mass": ([0.0], [1.0, 0.0], [1e-300], []), "draws": (0, 1, 10**9)},
    "expected_front_size": {"n": (-1, 0, 1, 1000)},
    "expected_novelty": {"density": (0.0, 1e-300, 1e300), "k": (0, 1, 100), "dimension": (1, 40)},
    "hit_chance": {"mass": (0.0, 1e-300, 1.0, 1.5), "draws": (0, 1, 10**12)},
    "mean_of_genes_mass": {"low": (-2.0, 0.0, 1.0), "high": (0.0, 2.0), "genes": (0, 1, 8, 20)},
    "novelty_score": {"bd": POINTS[:2], "reference": POINTS[:2], "k": (0, 1, 9)},
    "path_signature": {"path": (*POINTS[:3], np.zeros((0, 2)), np.zeros(3))},
    "plane_surprise": {"noise": (0.0, 1.0, -1.0), "dimension": (0, 2, 40), "units": (0, 2),
                       "off_plane": (0.0, 1e6)},
    "signed_area": {"signature": SIGNED},
    "turn_bound": {"value": (0.0, -1.0), "pulls": (0, 1, 9), "total": (0, 1, 9), "c": (0.0, 1.0)},
    "untrained_scale": {"dimension": (1, 40), "units": (0, 1, 40)},
}  # fmt: skip
