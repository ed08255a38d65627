"""What a bounded transform of a judge's score does to hacking, and to the noise of preferences.

Three responses to a prompt: a reference at score 0, an honest one at g, a hack at R whose true
worth is below both. A transform f pays them f(0) < f(g) < f(R). Then

    susceptibility   chi = (f(R) - f(g))/(f(g) - f(0))

says how much more the hack is favoured over the honest response than that over the reference. It is
the same for a f + b, and so for every temperature, KL weight and normalisation by group: what
GRPO leaves of a reward's scale. In a group with n references, one honest response and h hacks
the honest one is pushed up exactly if chi < n/h.

The sigmoid of PAR is also a conditional mean: with Z ~ Bernoulli(sigmoid(r - r_ref)) a sampled
preference, E[Z | r] is what PAR pays. Paying Z instead leaves the expected policy gradient and adds
E[s (1 - s) psi psi^T] to its covariance, psi the score of the policy (Rao and Blackwell).

Formulas: docs/theory/judge.md.

Source: paper 23 (PAR), its design principles; all of it derived here, since the paper's own
theorems were read in a summary alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from toyrl.registry import entry

Array = Any


@entry(
    "hack_susceptibility",
    kind="theorem",
    cards=("23",),
    provenance="derived",
    formula="(f(R) - f(g))/(f(g) - f(0))",
)
def susceptibility(reference: Array, honest: Array, hack: Array) -> np.ndarray:
    """chi of what the three are paid; all broadcast, reference < honest.

    0: the hack is paid as the honest response is; inf: a hack without bound. Negative where the
    hack is paid less.

    Raises ValueError where the honest response isn't paid more than the reference.
    """
    low, mid, top = (np.asarray(x, dtype=float) for x in (reference, honest, hack))
    if not np.all(mid > low):
        msg = f"honest={mid.tolist()} must be paid more than the reference={low.tolist()}"
        raise ValueError(msg)
    return ((top - mid) / (mid - low))[()]


@entry(
    "sigmoid_susceptibility",
    kind="theorem",
    cards=("23",),
    provenance="derived",
    formula="(1 - s(k(g - c)))/(s(k(g - c)) - s(-k c)), s the sigmoid",
)
def sigmoid_susceptibility(gain: Array, steepness: Array = 1.0, shift: Array = 0.0) -> np.ndarray:
    """chi of mean sigmoid(k (r - r_ref - c)) for a hack without bound; all broadcast.

    gain : g > 0, the honest response's score above the reference's; steepness : k > 0
    shift : c; 0 is PAR (with k = 2 also tanh), 3 is sgfc. inf where the gain is lost in rounding.

    Raises ValueError for a gain or steepness that is not above 0.
    """
    g, k, c = (np.asarray(x, dtype=float) for x in (gain, steepness, shift))
    if not (np.all(g > 0) and np.all(k > 0)):
        msg = f"gain={g.tolist()}, steepness={k.tolist()}: both must be above 0"
        raise ValueError(msg)
    rise = expit(k * (g - c)) - expit(-k * c)
    some = rise > 0
    return np.where(some, expit(-k * (g - c)) / np.where(some, rise, 1.0), np.inf)[()]


@entry(
    "raw_susceptibility",
    kind="theorem",
    cards=("23",),
    provenance="derived",
    formula="R/g - 1",
)
def raw_susceptibility(gain: Array, hack: Array) -> np.ndarray:
    """chi of the score itself, and of every a r + b, a > 0: centred, mean-std, min-max; broadcast.

    gain : g > 0; hack : R, the hack's score above the reference's (inf allowed).

    Raises ValueError for a gain that is not above 0.
    """
    g, top = np.asarray(gain, dtype=float), np.asarray(hack, dtype=float)
    if not np.all(g > 0):
        msg = f"gain={g.tolist()} must be above 0: the honest response is better"
        raise ValueError(msg)
    return (top / g - 1)[()]


@entry(
    "hacks_tolerated",
    kind="theorem",
    cards=("23",),
    provenance="derived",
    formula="1/chi",
)
def hacks_tolerated(chi: Array) -> np.ndarray:
    """Hacks for each reference of a group below which its honest response is still pushed up.

    chi : >= 0, any shape; inf where it is 0. Of any estimator that subtracts the group's mean and
    divides by something positive.

    Raises ValueError for a negative chi.
    """
    x = np.asarray(chi, dtype=float)
    if not np.all(x >= 0):
        msg = f"chi={x.tolist()} must be at least 0: the hack is paid as much as the honest one"
        raise ValueError(msg)
    return np.where(x > 0, 1 / np.where(x > 0, x, 1.0), np.inf)[()]


@entry(
    "hack_odds_bound",
    kind="theorem",
    cards=("23",),
    provenance="derived",
    formula="odds_0 e^((sup f - f(g))/beta)",
)
def hack_odds_bound(odds: Array, honest: Array, limit: Array, beta: Array) -> np.ndarray:
    """The largest odds of hack against honest response under the tilt by f/beta, whatever R is.

    odds : pi_0(hack)/pi_0(honest) >= 0; honest : f(g); limit : sup f, inf where f has no bound
    beta : KL weight > 0. All broadcast.

    Raises ValueError for negative odds, a beta that is not above 0 and a limit below `honest`.
    """
    o, f, top, b = (np.asarray(x, dtype=float) for x in (odds, honest, limit, beta))
    if not (np.all(o >= 0) and np.all(b > 0) and np.all(top >= f)):
        msg = f"odds={o.tolist()} >= 0, beta={b.tolist()} > 0, limit={top.tolist()} >= honest="
        raise ValueError(msg + f"{f.tolist()}: one of them doesn't hold")
    with np.errstate(over="ignore"):
        factor = np.exp((top - f) / b)
    return np.where(o > 0, np.where(o > 0, o, 1.0) * factor, 0.0)[()]


@entry(
    "sampled_preference_excess",
    kind="theorem",
    cards=("23",),
    provenance="derived",
    formula="sum_i p_i s_i (1 - s_i)(e_i - p)(e_i - p)^T",
)
def sampled_preference_excess(policy: Array, chance: Array) -> np.ndarray:
    """(K, K) covariance that the policy gradient of a softmax gains by paying sampled preferences.

    policy : (K,) probabilities; chance : (K,) in [0, 1], that the response is preferred. The
    covariance of Z psi less that of E[Z] psi, psi = e_i - p; positive semidefinite, 0 only where
    every response is preferred always or never.

    Raises ValueError for chances outside [0, 1].
    """
    p, s = np.asarray(policy, dtype=float), np.asarray(chance, dtype=float)
    if not np.all((s >= 0) & (s <= 1)):
        msg = f"chance={s.tolist()} must lie in [0, 1]: it is that of being preferred"
        raise ValueError(msg)
    psi = np.eye(p.size) - p
    return (psi * (p * s * (1 - s))[:, None]).T @ psi


@entry(
    "reference_noise",
    kind="theorem",
    cards=("23",),
    provenance="derived",
    formula="Var s(k(r - Y))/M, Y ~ N(0, 1)",
)
def reference_noise(
    score: Array, references: Array, steepness: float = 1.0, *, nodes: int = 80
) -> tuple[np.ndarray, np.ndarray]:
    """(mean, variance) of PAR over sets of M references whose scores are standard normal.

    score : r, any shape; references : M >= 1, broadcast; nodes : of the Gauss-Hermite rule. The
    mean doesn't depend on M, the variance falls exactly as 1/M.

    Raises ValueError for less than one reference.
    """
    r, m = np.broadcast_arrays(np.asarray(score, float), np.asarray(references, float))
    if not np.all(m >= 1):
        msg = f"references={m.tolist()} must be at least 1"
        raise ValueError(msg)
    y, w = np.polynomial.hermite_e.hermegauss(nodes)
    w = w / w.sum()
    paid = expit(steepness * (r[..., None] - y))
    mean = paid @ w
    return mean[()], (((paid - mean[..., None]) ** 2) @ w / m)[()]


@entry(
    "bounded_return_variance",
    kind="theorem",
    cards=("23",),
    provenance="derived",
    formula="((b - a)/(2 (1 - gamma)))^2",
)
def bounded_return_variance(low: Array, high: Array, discount: Array = 0.0) -> np.ndarray:
    """The largest variance of a return whose rewards lie in [low, high] (Popoviciu); broadcast.

    discount : gamma in [0, 1). 1/4 for one reward in [0, 1]; 1/(1 - gamma)^2 for rewards in
    [-1, 1], which is what the paper states.

    Raises ValueError for a discount outside [0, 1) and a high below low.
    """
    a, b, g = (np.asarray(x, dtype=float) for x in (low, high, discount))
    if not (np.all((g >= 0) & (g < 1)) and np.all(b >= a)):
        msg = f"discount={g.tolist()} must lie in [0, 1), high={b.tolist()} be >= low={a.tolist()}"
        raise ValueError(msg)
    return (((b - a) / (2 * (1 - g))) ** 2)[()]
