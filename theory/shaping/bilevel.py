"""Bi-level rewards on a tabular process: where an inner learner ends, and how that place moves.

The inner learner's expected update, as trainers make it (no factor discount^t unless asked for):

    Delta(theta) = sum over s of m(s) sum over a of beta(a|s) G(s, a) grad log pi(a|s)
    G = r_phi - lam log pi + g P V,   V = sum over a of beta G,   m = visits of beta

beta is the policy itself, or the policy of old data that is used without importance weights. All
derivatives, by theta, by the weights phi of the blend and by the discount g, are linear solves in
one factorised system each; nothing is unrolled. The outer objective is J = the return of the
process's own reward at its own discount.

Formulas: docs/theory/shaping.md.

Source: BARFI (Gupta et al. 2023, arXiv 2310.19007), Sections 3 to 5; the derivatives derived and
held to finite differences. S states, A actions, d parameters (d,), n parts (n, S, A); dense,
O(S^3 + d S^2 A).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.ranges import NOT_NEGATIVE, SHARE
from toyrl.registry import entry
from toyrl.theory.shaping.blend import implicit_gradient
from toyrl.worlds.mdp.model import MDP, policy_matrix

WEIGHTINGS = ("visits", "discounted")


@dataclass(frozen=True, eq=False)
class Inner:
    """An inner learner on a process.

    mdp : the process; its reward and discount are the outer objective
    parts : (n, S, A) rewards that are blended, by pair
    temperature : lam >= 0, weight of the entropy, in units of the blend
    features : (S, A, d) of each logit, None: a logit of its own for each pair
    weighting : "visits": each step counts once, as trainers do; "discounted": with g^t, the
        gradient of the discounted return
    behaviour : (S, A) policy of the data, None: on-policy

    Raises ValueError for other shapes, weightings and ranges.
    """

    mdp: MDP
    parts: Any
    temperature: float
    features: Any = None
    weighting: str = "visits"
    behaviour: Any = None

    def __post_init__(self) -> None:
        put, (S, A) = object.__setattr__, (self.mdp.n_states, self.mdp.n_actions)
        parts = np.asarray(self.parts, dtype=float)
        put(self, "parts", parts)
        x = np.eye(S * A).reshape(S, A, S * A) if self.features is None else self.features
        x = np.asarray(x, dtype=float)
        put(self, "features", x)
        if self.behaviour is not None:
            put(self, "behaviour", policy_matrix(self.mdp, self.behaviour))
        if parts.shape[-2:] != (S, A) or parts.ndim != 3:
            msg = f"parts has shape {parts.shape}; n parts by pair are (n, {S}, {A})"
            raise ValueError(msg)
        if x.shape[:2] != (S, A) or x.ndim != 3:
            msg = f"features has shape {x.shape}; it must be ({S}, {A}, d)"
            raise ValueError(msg)
        if self.weighting not in WEIGHTINGS:
            msg = f"weighting={self.weighting!r} is unknown; choose from {', '.join(WEIGHTINGS)}"
            raise ValueError(msg)
        if not NOT_NEGATIVE.allows(self.temperature):
            raise ValueError(NOT_NEGATIVE.refusal("temperature", self.temperature))

    def policy(self, theta: Any) -> np.ndarray:
        """(S, A) softmax of features theta over the actions that can be taken."""
        z = np.where(self.mdp.usable, self.features @ np.asarray(theta, dtype=float), -np.inf)
        top = z.max(-1, keepdims=True)
        weight = np.exp(z - np.where(np.isfinite(top), top, 0.0))
        return weight / np.maximum(weight.sum(-1, keepdims=True), 1e-300)


@dataclass(frozen=True, eq=False)
class Update:
    """The expected update and its derivatives.

    delta : (d,); by_theta : (d, d), column k the derivative by theta_k; by_phi : (d, n)
    by_discount : (d,)
    """

    delta: np.ndarray
    by_theta: np.ndarray
    by_phi: np.ndarray
    by_discount: np.ndarray


@entry(
    "inner_update",
    kind="theorem",
    cards=("46",),
    provenance="second-hand",
    section="Section 3",
    formula="Delta = E sum over t of psi_t sum over j >= t of g^(j-t) (r_phi - lam log pi)",
)
def inner_update(inner: Inner, theta: Any, phi: Any, discount: float | None = None) -> Update:
    """Expected update of a learner that is trained on sum of phi_i parts_i, and its derivatives.

    theta : (d,) parameters; phi : (n,) weights; discount : g in [0, 1], None: the process's

    Raises ValueError for a discount outside [0, 1], and where visits are counted without discount
    on a process that the policy never leaves.
    """
    g = inner.mdp.discount if discount is None else float(discount)
    if not SHARE.allows(g):
        raise ValueError(SHARE.refusal("discount", g))
    pi = inner.policy(theta)
    law = pi if inner.behaviour is None else inner.behaviour
    P, x = inner.mdp.dense, inner.features
    live = inner.mdp.usable
    score = np.where(live[..., None], x - np.einsum("sa,sad->sd", pi, x)[:, None], 0.0)
    Pb = np.einsum("sa,sat->st", law, P)
    Pb[:, inner.mdp.is_terminal] = 0.0  # nothing comes after an end
    after = np.where(inner.mdp.is_terminal, 0.0, P)
    w = g if inner.weighting == "discounted" else 1.0
    eye = np.eye(len(Pb))
    try:
        m = np.linalg.solve(eye - w * Pb.T, inner.mdp.start * ~inner.mdp.is_terminal)
    except np.linalg.LinAlgError:
        m = np.full(len(Pb), np.inf)
    if not (np.isfinite(m).all() and (m >= -1e-9).all()):
        msg = "the policy never ends, so its visits can't be counted; weighting='discounted' can"
        raise ValueError(msg)
    logp = np.where(live, np.log(np.where(pi > 0, pi, 1.0)), 0.0)
    paid = np.tensordot(np.asarray(phi, dtype=float), inner.parts, 1) - inner.temperature * logp
    V = np.linalg.solve(eye - g * Pb, (law * paid).sum(-1))
    G = np.where(live, paid + g * (after @ V), 0.0)

    def back(direct: np.ndarray) -> np.ndarray:
        """(k, S, A) change of G for a change (k, S, A) of what is paid or moved at once."""
        dV = np.linalg.solve(eye - g * Pb, (law * direct).sum(-1).T)
        return np.where(live, direct + g * np.moveaxis(after @ dV, -1, 0), 0.0)

    flow = m[:, None] * law
    delta = np.einsum("sa,sad->d", flow * G, score)
    by_theta = _by_theta(inner, pi, law, score, m, G, back, after, eye - w * Pb.T, w, g)
    by_phi = np.einsum("sa,nsa,sad->dn", flow, back(inner.parts), score)
    by_g = np.einsum("sa,sa,sad->d", flow, back((after @ V)[None])[0], score)
    if inner.weighting == "discounted":
        dm = np.linalg.solve(eye - w * Pb.T, Pb.T @ m)
        by_g = by_g + np.einsum("s,sa,sad->d", dm, law * G, score)
    return Update(delta, by_theta, by_phi, by_g)


def _by_theta(
    inner: Inner,
    pi: np.ndarray,
    law: np.ndarray,
    score: np.ndarray,
    m: np.ndarray,
    G: np.ndarray,
    back: Any,
    after: np.ndarray,
    forward: np.ndarray,
    w: float,
    g: float,
) -> np.ndarray:
    """(d, d) derivative of the update by theta: of scores, log-probabilities, law and visits."""
    by = np.moveaxis(score, -1, 0)  # (d, S, A) derivative of log pi by theta_k
    flow = m[:, None] * law
    dG = back(np.where(inner.mdp.usable, -inner.temperature * by, 0.0))
    # the mean feature under pi moves by its covariance; psi by minus that, whatever the action
    spread = np.einsum("sa,sad,sae->sde", pi, score, score)
    out = np.einsum("ksa,sad->dk", flow * dG, score)
    out -= np.einsum("s,sdk->dk", (flow * G).sum(-1), spread)
    if inner.behaviour is not None:
        return out
    dpi = pi * by
    onward = g * after
    moved = np.einsum("ksa,sa->ks", dpi, G)
    Pb = np.einsum("sa,sat->st", law, after)
    dV = np.linalg.solve(np.eye(len(Pb)) - g * Pb, moved.T)  # (S, d) of the law's change alone
    out += np.einsum("sa,sak,sad->dk", flow, onward @ dV, score)
    out += np.einsum("s,ksa,sa,sad->dk", m, dpi, G, score)
    dm = np.linalg.solve(forward, w * np.einsum("s,ksa,sat->tk", m, dpi, after))
    return out + np.einsum("sk,sa,sad->dk", dm, law * G, score)


@entry(
    "outer_gradient",
    kind="theorem",
    cards=("46",),
    provenance="second-hand",
    section="Section 4",
    formula="dJ/dphi = -(dJ/dtheta) H^-1 A",
)
def outer_gradient(
    inner: Inner, theta: Any, phi: Any, discount: float | None = None, *, damping: float = 0.0
) -> tuple[float, np.ndarray, float]:
    """J, its gradient (n + 1,) by the weights and, last, the discount, and the size of Delta.

    theta : (d,) where the inner learner ended; the formula is biased where the last answer, the
    largest |Delta|, is not 0. phi, discount, damping as for `inner_update`, `implicit_gradient`

    Raises ValueError as these do.
    """
    found = inner_update(inner, theta, phi, discount)
    value, by_theta = outer_value(inner, theta)
    mixed = np.concatenate([found.by_phi, found.by_discount[:, None]], axis=1)
    gradient = implicit_gradient(by_theta, found.by_theta, mixed, damping=damping)
    return value, gradient, float(np.abs(found.delta).max())


@entry(
    "outer_value",
    kind="theorem",
    cards=("46",),
    provenance="text",
    section="Sutton et al. 2000, Theorem 1",
    formula="dJ/dtheta = sum over s, a of d(s) pi Q_p grad log pi",
)
def outer_value(inner: Inner, theta: Any) -> tuple[float, np.ndarray]:
    """J, a scalar: the return of the process's own reward; and its gradient (d,) by theta (d,)."""
    from toyrl.worlds.mdp.solve import occupancy, q_values

    mdp, pi = inner.mdp, inner.policy(theta)
    taken = occupancy(mdp, pi)
    x = inner.features
    score = x - np.einsum("sa,sad->sd", pi, x)[:, None]
    gradient = np.einsum("sa,sad->d", taken * q_values(mdp, pi), score)
    return float((taken * mdp.pair_reward).sum()), gradient


@dataclass(frozen=True, eq=False)
class InnerEnd:
    """Where an inner learner ended.

    theta : (d,); delta : largest |Delta| left; steps : Newton steps; converged : |Delta| is at
    rounding
    """

    theta: np.ndarray
    delta: float
    steps: int
    converged: bool


@entry(
    "inner_end",
    kind="theorem",
    cards=("46",),
    provenance="derived",
    section="Section 3",
    formula="Delta(theta) = 0",
)
def inner_end(
    inner: Inner,
    phi: Any,
    discount: float | None = None,
    *,
    start: Any = None,
    tolerance: float = 1e-11,
    limit: int = 200,
) -> InnerEnd:
    """The fixed point of the inner learner, by damped Newton steps.

    phi : (n,) weights; discount : g, None: the process's
    start : (d,) None: the soft optimum, exact for logits by pair on-policy, as near as the
        features come to it otherwise; 0 for a temperature of 0
    tolerance : of the largest |Delta|, in units of the largest reward that is paid

    A state of failure is an answer: `converged` is False. Raises ValueError as `inner_update` does.
    """
    theta = _first(inner, phi, discount) if start is None else np.array(start, dtype=float)
    scale = float(np.abs(np.tensordot(np.asarray(phi, dtype=float), inner.parts, 1)).max())
    goal = tolerance * max(scale, inner.temperature, 1e-300)
    damping, now = 1e-3 * max(scale, inner.temperature), inner_update(inner, theta, phi, discount)
    for step in range(limit):
        size = float(np.abs(now.delta).max())
        if size <= goal:
            return InnerEnd(theta, size, step, True)
        H = now.by_theta - damping * np.eye(len(theta))
        move = -np.linalg.lstsq(H, now.delta, rcond=1e-13)[0]
        move *= min(1.0, 5.0 / max(float(np.abs(move).max()), 1e-300))
        tried = inner_update(inner, theta + move, phi, discount)
        # along the update the learner gains; a shorter Delta, or a step that goes uphill, is kept
        uphill = float(now.delta @ move) > 0
        if uphill and np.linalg.norm(tried.delta) <= 1.5 * np.linalg.norm(now.delta):
            theta, now, damping = theta + move, tried, damping / 5
        else:
            damping = max(4 * damping, 1e-12)
    return InnerEnd(theta, float(np.abs(now.delta).max()), limit, False)


def _first(inner: Inner, phi: Any, discount: float | None) -> np.ndarray:
    """(d,) parameters nearest to the soft optimum's logits."""
    x = inner.features
    if inner.temperature == 0:
        return np.zeros(x.shape[-1])
    from toyrl.dynamics.tabular.soft import soft_optimal

    g = inner.mdp.discount if discount is None else float(discount)
    paid = np.tensordot(np.asarray(phi, dtype=float), inner.parts, 1)
    paid = np.where(inner.mdp.usable, paid, 0.0)
    z = soft_optimal(inner.mdp.with_(discount=g), inner.temperature, paid).q / inner.temperature
    live = inner.mdp.usable
    if x.shape[-1] == z.size:
        own = np.eye(z.size).reshape(x.shape)
        if np.array_equal(x, own):
            return np.where(live, z - z.max(-1, keepdims=True, where=live, initial=-np.inf), 0.0
                            ).ravel()  # fmt: skip
    # logits count up to a shift of each state
    share = live / np.maximum(1, live.sum(-1, keepdims=True))
    centred = x - np.einsum("sa,sad->sd", share, x)[:, None]
    level = z - (share * z).sum(-1, keepdims=True)
    return np.linalg.lstsq(centred[live], level[live], rcond=1e-10)[0]
