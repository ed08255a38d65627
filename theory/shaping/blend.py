"""A learned blend of a trusted and a helpful reward, and its gradient without unrolling.

The inner learner ends where its expected update Delta(theta, phi) vanishes. There
d theta / d phi = -H^-1 A with H = d Delta / d theta and A = d Delta / d phi, so that the outer
gradient is -(dJ / d theta) H^-1 A. Softmax logits make H singular along a shift of the logits, to
which J is blind: the pseudo-inverse, or a damped H - mu I, is right. A Neumann series needs
products with H alone: H^-1 v ~ -c sum of (I + c H)^j v, whose error falls by max |1 + c h| a term.

For one prompt with entropy weight lam the inner optimum is softmax(r_phi / lam), and the gradient
is a covariance: a helpful reward is turned round exactly where it goes against the truth.

Formulas: docs/theory/shaping.md.

Source: BARFI (Gupta et al. 2023, arXiv 2310.19007), Sections 3 to 5, the identities derived. K
answers, n parts of the blend.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.ranges import NOT_NEGATIVE, POSITIVE
from toyrl.registry import entry

Array = Any


@entry(
    "blend_gradient",
    kind="theorem",
    cards=("46",),
    provenance="derived",
    section="bandit",
    formula="dJ/dphi_i = Cov_pi(r_p, f_i) / lam",
)
def blend_gradient(policy: Array, parts: Array, truth: Array, temperature: float) -> np.ndarray:
    """(..., n) gradient of E truth by the weights of a blend, at the inner optimum of one prompt.

    policy : (..., K) softmax(sum of phi_i parts_i / temperature); parts : (..., n, K);
    truth : (..., K); temperature : lam > 0, in units of the blend

    Raises ValueError for a temperature that is not above 0: there the optimum is one answer, and
    its gradient 0 or undefined.
    """
    _positive("temperature", temperature)
    pi, f = np.asarray(policy, dtype=float), np.asarray(parts, dtype=float)
    r = np.asarray(truth, dtype=float)
    centred = r - (pi * r).sum(-1, keepdims=True)
    return (pi[..., None, :] * f * centred[..., None, :]).sum(-1) / temperature


@entry(
    "inner_hessian",
    kind="theorem",
    cards=("46",),
    provenance="derived",
    section="bandit",
    formula="H = -lam (diag pi - pi pi^T)",
)
def inner_hessian(policy: Array, temperature: float) -> np.ndarray:
    """(K, K) derivative of the inner update by the logits at its optimum: -lam times Fisher's.

    policy : (K,). Raises ValueError for a temperature that is not above 0.
    """
    _positive("temperature", temperature)
    pi = np.asarray(policy, dtype=float)
    return -temperature * (np.diag(pi) - np.outer(pi, pi))


@entry(
    "implicit_gradient",
    kind="theorem",
    cards=("46",),
    provenance="second-hand",
    section="Section 4",
    formula="-(dJ/dtheta) (H - mu I)^-1 A",
)
def implicit_gradient(
    outer: Array, hessian: Array, mixed: Array, *, damping: float = 0.0
) -> np.ndarray:
    """(n,) outer gradient through the fixed point of an inner learner, by one linear solve.

    outer : (d,) dJ/dtheta; hessian : (d, d) dDelta/dtheta; mixed : (d, n) dDelta/dphi
    damping : mu >= 0; it shrinks the answer. 0 takes the pseudo-inverse where H is singular

    Raises ValueError for a damping below 0 and for arrays that are not finite.
    """
    if not NOT_NEGATIVE.allows(damping):
        raise ValueError(NOT_NEGATIVE.refusal("damping", damping))
    H, g = np.asarray(hessian, dtype=float), np.asarray(outer, dtype=float)
    if not (np.isfinite(H).all() and np.isfinite(g).all() and np.isfinite(mixed).all()):
        msg = "outer, hessian and mixed must be finite; has the inner learner diverged?"
        raise ValueError(msg)
    if damping:
        adjoint = np.linalg.solve(H.T - damping * np.eye(len(g)), g)
    else:
        adjoint = np.linalg.lstsq(H.T, g, rcond=1e-12)[0]
    return -adjoint @ np.asarray(mixed, dtype=float)


@entry(
    "neumann_gradient",
    kind="theorem",
    cards=("46",),
    provenance="second-hand",
    section="Section 4",
    formula="c sum over j = 0..n of (dJ/dtheta) (I + c H)^j A",
)
def neumann_gradient(
    outer: Array, hessian: Array, mixed: Array, *, terms: int, step: float = 1.0
) -> np.ndarray:
    """(n,) the same by a truncated series, which needs products with H alone.

    outer : (d,); hessian : (d, d), or a function of (d,) that gives H^T v; mixed : (d, n)
    terms : n >= 0, the last power; 0 takes the identity in the place of H^-1, which keeps signs at
        most
    step : c > 0; the series converges where |1 + c h| < 1 for all eigenvalues h that `outer` sees

    Raises ValueError for terms below 0, a step that is not above 0, and a series that diverges.
    """
    _positive("step", step)
    if terms < 0:
        msg = f"terms={terms} must be at least 0"
        raise ValueError(msg)
    product: Any = hessian if callable(hessian) else np.asarray(hessian, dtype=float).T.__matmul__
    v = np.asarray(outer, dtype=float)
    first, total = np.linalg.norm(v), v.copy()
    for _ in range(terms):
        v = v + step * np.asarray(product(v), dtype=float)
        if not np.linalg.norm(v) <= 1e3 * first:
            msg = f"the series diverges at step={step}: some |1 + c h| > 1; take a smaller step"
            raise ValueError(msg)
        total += v
    return step * total @ np.asarray(mixed, dtype=float)


@entry(
    "shaped_update_variance",
    kind="theorem",
    cards=("46", "56"),
    provenance="derived",
    section="claim (a)",
    formula="tr Var = E |psi|^2 (r - Phi)^2 - |E psi r|^2",
)
def shaped_variance(policy: Array, reward: Array, phi: Array) -> np.ndarray:
    """(...) trace of the variance of REINFORCE's one-sample update of K logits, the reward lowered
    by the potential Phi(s_0); its mean does not depend on it.

    policy, reward : (K,); phi : any shape (...). A parabola with its least value at
    `best_potential`: shaping hurts where |phi - b*| > |b*|.
    """
    pi, r = np.asarray(policy, dtype=float), np.asarray(reward, dtype=float)
    mean = pi * (r - (pi * r).sum())
    left = r - np.asarray(phi, dtype=float)[..., None]
    return (pi * _score_size(pi) * left * left).sum(-1) - (mean * mean).sum()


@entry(
    "best_constant_potential",
    kind="theorem",
    cards=("46", "56"),
    provenance="derived",
    section="claim (a)",
    formula="b* = E |psi|^2 r / E |psi|^2",
)
def best_potential(policy: Array, reward: Array) -> float:
    """The Phi(s_0) of the least variance; NaN for a policy that gives one answer alone.

    policy, reward : (K,)
    """
    pi = np.asarray(policy, dtype=float)
    weight = pi * _score_size(pi)
    return float((weight * reward).sum() / weight.sum()) if weight.sum() > 0 else float("nan")


def _score_size(pi: np.ndarray) -> np.ndarray:
    """(K,) |e_a - pi|^2, each answer's squared score."""
    return (pi * pi).sum() + 1 - 2 * pi


def _positive(name: str, value: float) -> None:
    if not POSITIVE.allows(value):
        raise ValueError(POSITIVE.refusal(name, value))
