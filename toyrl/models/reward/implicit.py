"""Losses for reward models whose reward is a log-ratio, r(y) = beta log pi_theta(y)/pi_ref(y).

Any loss of outcomes will do; the log-probabilities are summed over the response, never averaged.

    ce    -l log s(r) - (1 - l) log s(-r)                              labels, one by one
    kto   l (1 - s(r - z)) + (1 - l)(1 - s(z - r)), z = max(0, mean r)  labels; z is held fixed
    dpo   -log s(r_w - r_l)                                            pairs, right and wrong
    nca   -log s(r_w) - (log s(-r_w) + log s(-r_l))/2                  the same pairs

Source: paper 54 (Free Process Rewards), section 3; ce and dpo as in its code, kto and nca written
from their own papers' definitions, nca for two responses.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.messages import shortened

Array = Any
LABELLED, PAIRED = ("ce", "kto"), ("dpo", "nca")


def labelled_loss(kind: str, reward: Array, label: Array) -> tuple[np.ndarray, np.ndarray]:
    """(loss, d loss/d reward) of each response, the shape of `reward`.

    kind : "ce" or "kto"; reward : (N,); label : (N,) chance of being right, in [0, 1]

    Raises ValueError for another kind.
    """
    r, right = np.asarray(reward, dtype=float), np.asarray(label, dtype=float)
    if kind == "ce":
        value = right * np.logaddexp(0, -r) + (1 - right) * np.logaddexp(0, r)
        return value, _sigmoid(r) - right
    if kind == "kto":
        gap = r - max(0.0, float(r.mean()))
        up, steep = _sigmoid(gap), _sigmoid(gap) * _sigmoid(-gap)
        return right * (1 - up) + (1 - right) * up, (1 - 2 * right) * steep
    msg = f"kind={shortened(kind)} is not one of {', '.join(LABELLED)}; pairs have paired_loss"
    raise ValueError(msg)


def paired_loss(
    kind: str, right: Array, wrong: Array
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """(loss, (d loss/d right, d loss/d wrong)) of pairs of rewards, the shape of both.

    kind : "dpo" or "nca"

    Raises ValueError for another kind.
    """
    w, lo = np.asarray(right, dtype=float), np.asarray(wrong, dtype=float)
    if kind == "dpo":
        slope = -_sigmoid(lo - w)
        return np.logaddexp(0, lo - w), (slope, -slope)
    if kind == "nca":
        value = np.logaddexp(0, -w) + (np.logaddexp(0, w) + np.logaddexp(0, lo)) / 2
        return value, (_sigmoid(w) / 2 - _sigmoid(-w), _sigmoid(lo) / 2)
    msg = f"kind={shortened(kind)} is not one of {', '.join(PAIRED)}; labels have labelled_loss"
    raise ValueError(msg)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -x))
