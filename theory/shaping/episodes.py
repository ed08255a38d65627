"""Shaping along an episode: what is left of a total when the end or the discount is not as it must.

A path visits s_0, ..., s_n. Its terms are F_t = discount Phi(s_(t+1)) - Phi(s_t), t = 0..n-1, and a
trainer sums them with a weight w^t. For w = discount the total is discount^n Phi(s_n) - Phi(s_0):
the same for all answers to a prompt if and only if Phi(s_n) = 0 at every end, time-outs included.

Formulas: docs/theory/shaping.md.

Source: Ng, Harada and Russell 1999; Grzes 2017 (ends); Devlin and Kudenko 2012 (potentials that
change); Wiewiora, Cottrell and Elkan 2003 (actions). Arrays are paths (..., n+1) or (..., n).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.ranges import SHARE
from toyrl.registry import entry

Array = Any


@entry(
    "dynamic_terms",
    kind="theorem",
    cards=("56",),
    provenance="text",
    section="Devlin and Kudenko 2012, Theorem 1",
    formula="F_t = discount Phi(s_(t+1), arrived) - Phi(s_t, left)",
)
def dynamic_terms(left: Array, reached: Array, discount: float) -> np.ndarray:
    """(..., n) terms of a potential that may change on the way.

    left : (..., n) its value at s_0..s_(n-1), as it is when the state is left
    reached : (..., n) its value at s_1..s_n, as it is when the state is reached; 0 at an end
    discount : in [0, 1]

    The total is that of a fixed potential only if left[t] is the number reached[t-1]: a potential
    computed anew between the two pays the difference.

    Raises ValueError for a discount outside [0, 1].
    """
    _share(discount)
    return discount * np.asarray(reached, dtype=float) - np.asarray(left, dtype=float)


@entry(
    "look_back_terms",
    kind="theorem",
    cards=("56",),
    provenance="text",
    section="Wiewiora, Cottrell and Elkan 2003",
    formula="F_t = Phi(s_t, a_t) - Phi(s_(t-1), a_(t-1)) / discount",
)
def look_back_terms(phi: Array, discount: float) -> np.ndarray:
    """(..., n) look-back advice of a potential of actions along a path; its total is
    discount^(n-1) phi[n-1].

    phi : (..., n) of the actions taken; discount : in (0, 1]

    Raises ValueError for a discount outside (0, 1].
    """
    _share(discount)
    if discount == 0:
        msg = "discount=0 leaves look-back advice undefined: it divides by the discount"
        raise ValueError(msg)
    given = np.asarray(phi, dtype=float)
    before = np.concatenate([np.zeros_like(given[..., :1]), given[..., :-1]], axis=-1)
    return given - before / discount


@entry(
    "shaping_total",
    kind="theorem",
    cards=("56",),
    provenance="derived",
    section="T3",
    formula="sum over t of w^t (discount Phi(s_(t+1)) - Phi(s_t))",
)
def shaping_total(
    phi: Array, discount: float, *, weight: float | None = None, terminal: bool = True
) -> np.ndarray:
    """(...) what a state potential adds to the score of a path.

    phi : (..., n+1) potentials along the path, the end last
    discount : in [0, 1], in the terms; weight : with which the trainer sums steps, None: the same
    terminal : the end's potential is read as 0, as it must be; False keeps it

    Raises ValueError for a discount or weight outside [0, 1].
    """
    w = discount if weight is None else weight
    _share(discount)
    _share(w, "weight")
    path = np.array(phi, dtype=float)
    if terminal:
        path[..., -1] = 0.0
    terms = dynamic_terms(path[..., :-1], path[..., 1:], discount)
    return (terms * w ** np.arange(terms.shape[-1])).sum(-1)


@entry(
    "hidden_length_bias",
    kind="theorem",
    cards=("56",),
    provenance="derived",
    section="effect on groups",
    formula="-(1 - discount) sum over t = 1..n-1 of Phi(s_t)",
)
def hidden_bias(phi: Array, discount: float) -> np.ndarray:
    """(...) what terms with a discount add beside -phi[0] when they are summed without one.

    A sum over the states visited: with phi > 0 it grows with the length and penalises it.

    phi : (..., n+1) potentials along the path, the end last (read as 0); discount : in [0, 1]

    Raises ValueError for a discount outside [0, 1].
    """
    _share(discount)
    return -(1 - discount) * np.asarray(phi, dtype=float)[..., 1:-1].sum(-1)


@entry(
    "end_reward",
    kind="theorem",
    cards=("56",),
    provenance="text",
    section="Grzes 2017, T3",
    formula="discount^n Phi(s_n)",
)
def end_reward(phi_end: Array, length: Array, discount: float) -> np.ndarray:
    """(...) the reward in disguise that a potential of an end is: it ranks answers.

    phi_end : (...) potential of the last state; length : (...) steps n, broadcast
    discount : in [0, 1]

    Raises ValueError for a discount outside [0, 1].
    """
    _share(discount)
    return discount ** np.asarray(length, dtype=float) * np.asarray(phi_end, dtype=float)


def _share(value: float, name: str = "discount") -> None:
    if not SHARE.allows(value):
        raise ValueError(SHARE.refusal(name, value))
