"""KL-regularised reward maximisation on finitely many answers, and regression onto it.

    pi* = ref exp(r/beta)/Z maximises J(pi) = E_pi r - beta KL(pi || ref),   J* = beta log Z,
    J* - J(pi) = beta KL(pi || pi*).

Reward difference prediction with pairs drawn from mu has the loss 2 Var_mu(log pi/ref - r/beta),
which is 2 Var_mu(log pi/pi*): log Z cancels. Its gradient with pairs from pi itself, the sampling
law held fixed, is -(4/beta) grad J (derived; PRDP, arXiv 2402.08714, section 3).

Formulas: docs/theory/preference.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.policies import kl, softmax

Array = Any


@entry(
    "regularised_objective",
    kind="theorem",
    cards=("40",),
    provenance="derived",
    formula="J(pi) = E_pi r - beta KL(pi || ref)",
)
def objective(pi: Array, ref: Array, reward: Array, beta: float) -> float:
    """J(pi) = E_pi r - beta KL(pi || ref).

    pi, ref, reward : (K,); beta >= 0 in reward units per nat. -inf where pi leaves the reference's
    answers, unless beta = 0.
    """
    price = beta * kl(pi, ref) if beta > 0 else 0.0
    return float(np.sum(pi * np.asarray(reward)) - price)


@entry(
    "difference_loss",
    kind="theorem",
    cards=("40",),
    provenance="derived",
    formula="2 Var_mu(log pi/ref - r/beta)",
)
def difference_loss(pi: Array, ref: Array, reward: Array, beta: float, mu: Array) -> float:
    """E over independent pairs from mu of the squared residual: 2 Var_mu(log pi/ref - r/beta).

    pi, ref, reward, mu : (K,), mu summing to 1; beta > 0.

    Raises ValueError for another beta, and where pairs are drawn whose log-ratio is no number.
    """
    u = _residual(pi, ref, reward, beta, mu)
    mean = np.sum(mu * u)
    return float(2 * np.sum(mu * (u - mean) ** 2))


@entry(
    "difference_gradient",
    kind="theorem",
    cards=("40",),
    provenance="derived",
    formula="grad of 2 Var_mu(log pi/ref - r/beta), mu held fixed",
)
def difference_gradient(
    theta: Array, ref: Array, reward: Array, beta: float, mu: Array
) -> np.ndarray:
    """(K,) gradient of `difference_loss` by softmax logits theta, mu held fixed.

    With u centred under mu, dL/dlog pi_k = 4 mu_k u_k, and grad log pi_k = e_k - pi.

    Raises ValueError as `difference_loss` does.
    """
    pi = softmax(theta)
    u = _residual(pi, ref, reward, beta, mu)
    g = 4 * mu * (u - np.sum(mu * u))
    return g - pi * g.sum()


@entry(
    "regularised_gradient",
    kind="theorem",
    cards=("40",),
    provenance="derived",
    formula="pi (f - E f), f = r - beta log pi/ref",
)
def objective_gradient(theta: Array, ref: Array, reward: Array, beta: float) -> np.ndarray:
    """(K,) gradient of J by softmax logits: pi (f - E f), f = r - beta log pi/ref.

    ref > 0 unless beta = 0. Raises ValueError for another ref, where J is -inf.
    """
    pi = softmax(theta)
    if beta == 0:
        f = np.asarray(reward, dtype=float)
    elif np.all(np.asarray(ref) > 0):
        f = np.asarray(reward) - beta * (np.log(pi) - np.log(ref))
    else:
        msg = f"ref={ref} must be positive everywhere: a softmax policy has infinite KL from it"
        raise ValueError(msg)
    return pi * (f - np.sum(pi * f))


def _residual(pi: Array, ref: Array, reward: Array, beta: float, mu: Array) -> np.ndarray:
    """(K,) log pi/ref - r/beta, 0 where no pair is drawn."""
    if not beta > 0:
        msg = f"beta={beta} must be above 0: rewards are divided by it"
        raise ValueError(msg)
    p, q, drawn = np.asarray(pi, dtype=float), np.asarray(ref, dtype=float), np.asarray(mu) > 0
    if not (np.minimum(p, q)[drawn] > 0).all():
        msg = f"pi={pi}, ref={ref}: both must be positive wherever mu={mu} draws pairs"
        raise ValueError(msg)
    ratio = np.where(drawn, p, 1.0) / np.where(drawn, q, 1.0)
    return np.where(drawn, np.log(ratio) - np.asarray(reward) / beta, 0.0)
