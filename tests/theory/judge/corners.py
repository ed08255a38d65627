"""Corners of the theorems of the judge, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from math import inf as INF
from typing import Any

JUDGED = {"mean": (0.0,), "judge": (0.0, 2.0, -1e3), "truth": (0.0, 1.0)}
BAYES = {"features": (0, 1, 10**6), "examples": (0, 1, 10**6), "noise": (0.0, 1e-9, 1.0),
         "prior": (0.0, 1.0)}  # fmt: skip

JUDGE: dict[str, Any] = {
    "bounded_return_variance": {"low": (0.0, -1.0, 2.0), "high": (0.0, 1.0),
                                "discount": (-1.0, 0.0, 0.999, 1.0)},
    "hack_odds_bound": {"odds": (-1.0, 0.0, 1e-300, 1.0), "honest": (0.5,),
                        "limit": (0.5, 1.0, INF), "beta": (0.0, 1e-4, 1.0)},
    "hack_susceptibility": {"reference": (0.0, 1.0), "honest": (0.5, 1.0),
                           "hack": (-1.0, 1.0, INF)},
    "hacks_tolerated": {"chi": (-1.0, 0.0, 1e-300, 1.0, INF)},
    "raw_susceptibility": {"gain": (0.0, 1e-9, 2.0), "hack": (0.0, 40.0, INF)},
    "reference_noise": {"score": (-1e3, 0.0, 1e3), "references": (0, 1, 10**9),
                        "steepness": (0.0, 1.0, 1e3)},
    "sampled_preference_excess": {"policy": ([1.0, 0.0], [0.5, 0.5]),
                                  "chance": ([0.0, 1.0], [0.5, 0.5], [1.1, 0.0])},
    "sigmoid_susceptibility": {"gain": (0.0, 1e-300, 2.0, 1e3), "steepness": (0.0, 1.0, 1e3),
                               "shift": (-1e3, 0.0, 3.0, 1e3)},
    "finite_optimal_k": JUDGED | {"spread": (-1.0, 0.0, 1.0)},
    "judge_averaged_coefficient": {"difficulty": (-1.0, 0.0, 0.5, INF), "spread": (0.0, 1.0)},
    "judge_averaged_error": {"k": (0.5, 1, 10**9), "difficulty": (-1.0, 0.0, 1.0, 1e4),
                             "spread": (0.0, 1.0)},
    "judge_best_misspecification": {"temperature": (0.0, 1.0), "spread": (0.0, 1.0)},
    "judge_best_of_k": JUDGED | {"k": (0.5, 1, 2.5, 10**15), "spread": (-1.0, 0.0, 1e-9, 1.0)},
    "judge_difficulty_exponent": {"difficulty": (-1.0, 0.0, 0.5, 2.0, INF)},
    "judge_expansion": JUDGED | {"k": (0.5, 1, 10**9), "temperature": (0.0, 1.0, INF),
                                 "spread": (0.0, 1.0), "order": (0, 3, 4),
                                 "official": (False, True)},
    "judge_expansion_temperature": JUDGED | {"k": (0.5, 1, 2, 10**9), "spread": (0.0, 1.0)},
    "judge_general_ridge": {"eigenvalues": ([1.0, 1.0], [0.0, 0.0], [1e-9, 1e9], [-1.0], []),
                            "examples": (0, 1, 10**9), "noise": (0.0, 1e-4, 1.0),
                            "prior": (1.0,)},
    "judge_infinite_k": JUDGED | {"temperature": (-1.0, 0.0, 1.0, INF), "spread": (0.0, 1.0)},
    "judge_offset": BAYES | {"teacher": (-1.0, 0.0, 1.0), "official": (False, True)},
    "judge_optimal_k": JUDGED | {"spread": (-1.0, 0.0, 1.0)},
    "judge_optimal_temperature": JUDGED | {"spread": (-1.0, 0.0, 1.0)},
    "judge_predictive": BAYES,
    "judge_rate": JUDGED | {"spread": (0.0, 1.0)},
    "judge_ridge": BAYES,
    "judge_softmax_error": JUDGED | {"k": (0.5, 1, 2, 10**9), "spread": (0.0, 1.0),
                                     "temperature": (-1.0, 0.0, 1e-9, 0.5, 1e9, INF)},
}  # fmt: skip
JUDGE_UNDEFINED = {
    "judge_offset": "interpolation: neither noise nor prior decides between the solutions",
}
