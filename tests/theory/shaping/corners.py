"""Corners of the theorems of shaping, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.estimators.group import PRESETS
from toyrl.theory.shaping.bilevel import Inner
from toyrl.worlds.mdp.model import MDP
from toyrl.worlds.tree.build import complete_tree


def shaping_corners(tiny: MDP, ending: MDP) -> dict[str, Any]:
    """name -> corners; tiny : one state, no discount, no end; ending : discount 1, with an end."""
    processes = (tiny, ending)
    paths = (np.zeros(2), np.array([1.0, -2.0, 3.0]))
    laws = (np.array([1.0]), np.array([1.0, 0.0]), np.array([0.3, 0.7]))
    terms = [{"mdp": m, "term": x} for m in processes
             for x in (np.zeros(m.n_states), np.ones((m.n_states, 2)))]  # fmt: skip
    inner = Inner(ending, np.zeros((1, 3, 2)), 0.5)
    cold = Inner(ending, np.zeros((1, 3, 2)), 0.0)
    learners = [{"inner": x, "theta": t, "phi": [1.0]} for x in (inner, cold)
                for t in (np.zeros(6), np.full(6, 800.0))]  # fmt: skip
    tree = complete_tree(np.array([0.0, -np.inf]), height=2)
    solves = [{"outer": g, "hessian": H, "mixed": np.ones((2, 1))}
              for g in (np.zeros(2), np.array([1.0, -1.0]))
              for H in (np.zeros((2, 2)), -np.eye(2))]  # fmt: skip
    return {
        "advantage_change": {"estimator": (PRESETS["grpo"], PRESETS["rloo"]),
                             "reward": (np.ones((1, 1)), np.array([[0.0, 1.0]])),
                             "term": (0.0, 5.0)},
        "batch_scale_ratio": {"reward": (np.ones((2, 2)), np.array([[0.0, 1.0], [1.0, 1.0]])),
                              "phi": (np.zeros(2), np.array([0.0, 9.0]))},
        "best_constant_potential": {"policy": laws[1:], "reward": (np.zeros(2), np.ones(2))},
        "blend_gradient": {"policy": laws[1:], "parts": (np.zeros((1, 2)), np.eye(2)),
                           "truth": (np.ones(2),), "temperature": (0.0, 1e-300, 1.0, 1e300)},
        "dynamic_terms": {"left": (np.zeros(2),), "reached": (np.ones(2),),
                          "discount": (0.0, 1.0, 2.0)},
        "end_reward": {"phi_end": (0.0, 1.0), "length": (0, 1, 10**6), "discount": (0.0, 0.5, 1.0)},
        "expected_potential_term": [{"mdp": m, "phi": np.ones(m.n_states)} for m in processes],
        "free_choice_process": terms,
        "hidden_length_bias": {"phi": paths, "discount": (0.0, 1.0, -1.0)},
        "implicit_gradient": solves,
        "inner_end": [{"inner": x, "phi": p} for x in (inner, cold) for p in ([0.0], [1e3])],
        "inner_hessian": {"policy": laws, "temperature": (0.0, 1e-300, 1.0)},
        "inner_update": learners,
        "look_ahead_term": [{"mdp": m, "phi": np.ones((m.n_states, 2))} for m in processes],
        "look_back_terms": {"phi": paths, "discount": (0.0, 1e-3, 1.0)},
        "neumann_gradient": [{**x, "terms": n} for x in solves[2:] for n in (0, 1, 50)],
        "outer_gradient": learners,
        "outer_value": [{k: v for k, v in x.items() if k != "phi"} for x in learners],
        "potential_and_others": terms,
        "potential_term": [{"mdp": m, "phi": np.ones(m.n_states)} for m in processes],
        "potential_test": [{**x, "level": y, "reachable": z} for x in terms
                           for y in ("pairs", "transitions") for z in (True, False)],
        "shaped_update_variance": {"policy": laws[1:], "reward": (np.zeros(2), np.ones(2)),
                                   "phi": (0.0, np.array([-1e3, 1.0]))},
        "shaping_total": {"phi": paths, "discount": (0.0, 0.5, 1.0), "weight": (None, 0.0, 1.0)},
        "shaping_witness": [{**x, "share": c} for x in terms for c in (1e-9, 0.99, 1.0)],
        "spread_of_totals": {"total": (np.zeros(1), np.array([1.0, np.nan]), np.full(2, np.nan))},
        "term_on_transitions": terms,
        "tree_worst_regret": {"tree": (tree,), "term": (np.zeros(tree.n_nodes),)},
        "worst_regret": terms,
    }  # fmt: skip


UNDEFINED = {
    "batch_scale_ratio": "a batch of equal rewards has no spread",
    "best_constant_potential": "a policy of one answer has no update",
    "spread_of_totals": "no answer is there",
}
