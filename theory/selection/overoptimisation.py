"""Over-optimisation of a proxy: what gold does while the proxy rises, in closed form.

Goodhart's kinds, each as a law in which the gold of the best of k by the proxy is known:

regressional  proxy = gold + noise, jointly normal: gold keeps rising, by rho of what it could
extremal      beyond the usual range they part: a normal proxy with a bent gold, or a rare class of
              hacks at the top of the proxy
causal        a feature without merit (length) moves the proxy: gold goes where it points
adversarial   a policy manufactures hacks: all of its KL is spent on them

and the two curves that Gao et al. fit against d = sqrt(KL), with intervals. Both are linear in
(alpha, beta), so that the fit is a least-squares line; where gold turns is a ratio of the two,
whose interval is Fieller's.

Formulas: docs/theory/selection.md.

Source: Manheim and Garrabrant 2018 (arXiv 1803.04585) for the kinds; Gao, Schulman and Hilton 2022
(arXiv 2210.10760) for the forms; the closed forms are derived.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.order_statistics import normal_maximum
from toyrl.theory.policies import tilt, tilt_to_kl

Array = Any
FORMS = {"best_of_n": lambda d: d, "rl": np.log}
"""Form -> f in gain = d (alpha - beta f(d))."""


@entry(
    "gaussian_gold",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="E gold = rho M_k, Var gold = 1 - rho^2 (1 - V_k)",
)
def gaussian_gold(k: Array, rho: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of the gold of the best of k, in units of its standard deviation.

    k : any shape, at least 1; rho : correlation of proxy and gold, in [-1, 1]; both answers have
    the shape of k. With rho > 0 gold rises in k for ever: regression alone never over-optimises.

    Raises ValueError for another rho.
    """
    if not -1 <= rho <= 1:
        msg = f"rho={rho} must lie in [-1, 1]: a correlation"
        raise ValueError(msg)
    mean, variance = normal_maximum(k)
    return rho * mean, 1 - rho**2 * (1 - variance)


@entry(
    "winners_curse",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="E[proxy - gold of the best of k] = (1 - b) M_k sd_u, b = cov(u, g)/var(u)",
)
def winners_curse(k: Array, noise: float) -> np.ndarray:
    """How far the best of k falls short of its proxy, proxy = gold + noise, gold of deviation 1.

    k : any shape, at least 1; noise : its standard deviation, at least 0; the answer has the shape
    of k and the unit of gold.

    Raises ValueError for a negative noise.
    """
    if not noise >= 0:
        msg = f"noise={noise} must be at least 0: a standard deviation"
        raise ValueError(msg)
    return normal_maximum(k)[0] * noise * (noise / math.hypot(1, noise))


@entry(
    "bent_gold",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="E gold = a M_k - b (E max_k^2 - 1), gold = a u - b (u^2 - 1)",
)
def bent_gold(k: Array, a: float, b: float) -> np.ndarray:
    """Gold of the best of k by a normal proxy u, where gold = a u - b (u^2 - 1) + noise.

    k : any shape, at least 1, whose shape the answer has; a, b : in the unit of gold. Rises, then
    falls for a, b > 0; against sqrt(KL) nearly d (alpha - beta d), since M_k/d is nearly constant.
    """
    mean, variance = normal_maximum(k)
    return a * mean - b * (variance + mean**2 - 1)


@entry(
    "hacked_gold",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="A^k - B^k - loss (1 - A^k), A = 1 - eps, B = (1 - eps)(1 - p)",
)
def hacked_gold(k: Array, eps: float, p: float, loss: float) -> np.ndarray:
    """Gold of the best of k where a share eps are hacks: paid most, gold -loss.

    Of the others a share p is right (gold 1) and paid above the wrong (gold 0). k : any shape, at
    least 1, whose shape the answer has; eps, p in [0, 1].

    Raises ValueError for another eps or p.
    """
    _shares(eps, p)
    k = np.asarray(k, dtype=float)
    with np.errstate(divide="ignore"):
        clean, wrong = np.log1p(-eps), np.log1p(-p)
        no_hack = np.exp(k * clean)
        return no_hack * -np.expm1(k * wrong) - loss * -np.expm1(k * clean)


@entry(
    "hacked_best_k",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="k* = ln[ln B/((1 + loss) ln A)] / ln(A/B)",
)
def hacked_best_k(eps: float, p: float, loss: float) -> float:
    """The real k of at least 1 at which `hacked_gold` is largest.

    inf without hacks (eps = 0) or a loss of at most -1; 1 where more draws only do harm (p = 0, or
    hacks that are frequent). eps, p in [0, 1].

    Raises ValueError for another eps or p.
    """
    _shares(eps, p)
    if eps == 0 or loss <= -1:
        return math.inf
    if p == 0 or eps == 1:
        return 1.0
    if p == 1:  # B = 0: all that is no hack is right at once
        return 1.0
    log_a, log_b = math.log1p(-eps), math.log1p(-eps) + math.log1p(-p)
    return max(1.0, math.log(log_b / ((1 + loss) * log_a)) / -math.log1p(-p))


@entry(
    "causal_gold",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="E gold = M_k (1 - w h)/sqrt(1 + w^2), proxy = q + w l, gold = q - h l",
)
def causal_gold(k: Array, weight: float, harm: float) -> np.ndarray:
    """Gold of the best of k where the proxy pays a feature without merit, such as length.

    Quality q and the feature l are independent standard normals; proxy = q + weight l, gold = q -
    harm l. k : any shape, at least 1, whose shape the answer has. Falls from k = 1 on where weight
    times harm is above 1.
    """
    return normal_maximum(k)[0] * (1 - weight * harm) / math.hypot(1, weight)


@entry(
    "manufactured_gold",
    kind="theorem",
    cards=("57", "35"),
    provenance="derived",
    formula="p (1 - m) - loss m, m log(m/eps) + (1-m) log((1-m)/(1-eps)) = nats",
)
def manufactured_gold(nats: Array, eps: float, p: float, loss: float) -> np.ndarray:
    """Gold of a policy that spends `nats` of KL on writing hacks, of which the base writes eps.

    What isn't a hack stays right with probability p. nats : any shape, at least 0, whose shape the
    answer has; from -log eps on all is hacks.

    Raises ValueError for eps or p outside of [0, 1] and negative nats.
    """
    _shares(eps, p)
    nats = np.asarray(nats, dtype=float)
    base, paid = np.array([1 - eps, eps]), np.array([0.0, 1.0])
    if eps in (0.0, 1.0):
        return np.full(nats.shape, p if eps == 0 else -loss)
    mass = [tilt(base, paid, tilt_to_kl(base, paid, x))[1] for x in nats.ravel()]
    m = np.reshape(mass, nats.shape)
    return p * (1 - m) - loss * m


def _shares(eps: float, p: float) -> None:
    if not (0 <= eps <= 1 and 0 <= p <= 1):
        msg = f"eps={eps} and p={p} must lie in [0, 1]: shares of the base's rollouts"
        raise ValueError(msg)


@dataclass(frozen=True)
class ScalingFit:
    """gain = d (alpha - beta f(d)), f(d) = d for best of n and log d for RL, by least squares.

    logarithmic : the form of RL
    alpha, beta : estimates, each with its interval (low, high)
    best : where the fitted gold is largest, in sqrt(nats), inf where it isn't; its interval may
        have no end, and is (nan, nan) where beta can't be told from 0
    gain : the fitted gold there; r2 : share of the variance that is explained
    """

    logarithmic: bool
    alpha: float
    beta: float
    alpha_interval: tuple[float, float]
    beta_interval: tuple[float, float]
    best: float
    best_interval: tuple[float, float]
    gain: float
    r2: float

    def at(self, d: Array) -> np.ndarray:
        """The fitted gain at d, same shape."""
        d = np.asarray(d, dtype=float)
        return d * (self.alpha - self.beta * (np.log(d) if self.logarithmic else d))


@entry(
    "scaling_law_fit",
    kind="theorem",
    cards=("57",),
    provenance="second-hand",
    formula="R_bon = d (alpha - beta d), R_RL = d (alpha - beta ln d), d = sqrt(KL)",
)
def fit_scaling_law(
    d: Array, gain: Array, form: str = "best_of_n", *, error: Array | None = None,
    level: float = 0.95,
) -> ScalingFit:  # fmt: skip
    """Fit what Gao et al. fit to gold over the base against d, with intervals.

    d, gain : (N,), N >= 3, d > 0; error : (N,) standard errors of the gains, None: all alike
    form : "best_of_n" or "rl", whose slope is infinite at 0: leave small d out

    Intervals are Student's with N - 2 degrees of freedom, for independent errors; of the ratio in
    `best` Fieller's.

    Raises ValueError for another form, fewer points or a d that is not above 0.
    """
    from scipy.stats import t as student

    d, y = np.asarray(d, dtype=float), np.asarray(gain, dtype=float)
    if form not in FORMS:
        msg = f"form={form!r} is not one of {', '.join(FORMS)}"
        raise ValueError(msg)
    if d.ndim != 1 or d.shape != y.shape or len(d) < 3 or not (d > 0).all():
        msg = f"d must be (N,) numbers above 0 for N >= 3 gains; their shapes are {d.shape}, "
        msg += f"{y.shape}"
        raise ValueError(msg)
    weight = np.ones(len(d)) if error is None else 1 / np.asarray(error, dtype=float)
    X = np.stack([d, -d * FORMS[form](d)], -1)
    root = np.linalg.pinv(X * weight[:, None])
    alpha, beta = root @ (y * weight)
    left = (y - X @ [alpha, beta]) * weight
    cov = root @ root.T * (left @ left) / (len(d) - 2)
    q = float(student.ppf((1 + level) / 2, len(d) - 2))
    half = q * np.sqrt(np.diag(cov))
    ratio, low, high = _fieller(alpha, beta, cov, q)
    turn = {"best_of_n": lambda x: x / 2, "rl": lambda x: math.exp(min(x - 1, 700.0))}[form]
    best = turn(ratio) if beta > 0 else math.inf
    total = ((y - np.average(y, weights=weight**2)) * weight) ** 2
    top = {"best_of_n": alpha * best / 2, "rl": beta * best}[form] if beta > 0 else math.inf
    return ScalingFit(
        form == "rl",
        float(alpha),
        float(beta),
        (float(alpha - half[0]), float(alpha + half[0])),
        (float(beta - half[1]), float(beta + half[1])),
        float(best),
        (turn(low), turn(high)) if not math.isnan(low) else (math.nan, math.nan),
        float(top),
        float(1 - left @ left / total.sum()) if total.sum() > 0 else 1.0,
    )


def _fieller(a: float, b: float, cov: np.ndarray, q: float) -> tuple[float, float, float]:
    """a/b and the r with (a - r b)^2 <= q^2 Var(a - r b), NaN where they are no interval."""
    A, B, C = b**2 - q**2 * cov[1, 1], a * b - q**2 * cov[0, 1], a**2 - q**2 * cov[0, 0]
    ratio = a / b if b else math.inf
    if A <= 0 or b <= 0:
        return ratio, math.nan, math.nan
    half = math.sqrt(max(B**2 - A * C, 0.0))
    return ratio, (B - half) / A, (B + half) / A
