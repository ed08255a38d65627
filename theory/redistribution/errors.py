"""How well step rewards can be learned from returns, by the number of factors.

N episodes of T steps, D factors that are independent standard normal, R = sum_t w.x_t + sigma e.
Least squares of R on the D sums of factors has a Gaussian design of covariance T I, so that

    E|w_hat - w|^2 = (sigma^2/T) D/(N - D - 1)

which is also the mean squared error of a step's reward. Formulas: docs/theory/redistribution.md.

Source: paper 41 states that fewer factors are better, with a bound whose constants are not known to
us; the law is derived (the mean of an inverse Wishart matrix).
"""

from __future__ import annotations

import math
from typing import Annotated

from toyrl.ranges import COUNT, FINITE, NOT_NEGATIVE, Range, checked
from toyrl.registry import entry

COSINE = Range("[-1, 1]")


@entry(
    "return_fit_error",
    kind="theorem",
    cards=("41",),
    provenance="derived",
    section="section 5 b",
    formula="E|w_hat - w|^2 = (sigma^2/T) D/(N - D - 1)",
)
@checked
def return_fit_error(
    episodes: Annotated[int, COUNT],
    factors: Annotated[int, COUNT],
    *,
    steps: Annotated[int, COUNT] = 1,
    sigma: Annotated[float, NOT_NEGATIVE] = 1.0,
) -> float:
    """Mean squared error of a step's reward from N episodes of T steps with D factors.

    episodes, factors, steps : N, D, T; sigma : deviation of the return's noise. inf for
    N <= D + 1: at N <= D the weights are not identified, at D + 1 their error has no mean. 0
    without noise, from N = D on.

    Raises ValueError for numbers out of their ranges.
    """
    if sigma == 0 and episodes >= factors:
        return 0.0
    left = episodes - factors - 1
    return math.inf if left <= 0 else sigma / steps * sigma * factors / left


@entry(
    "raw_latent_ratio",
    kind="theorem",
    cards=("41",),
    provenance="derived",
    section="section 5 b",
    formula="D (N - d - 1)/(d (N - D - 1))",
)
@checked
def raw_latent_ratio(
    episodes: Annotated[int, COUNT],
    raw: Annotated[int, COUNT],
    latent: Annotated[int, COUNT],
) -> float:
    """How many times the error with D raw factors is that with the d that matter.

    episodes, raw, latent : N, D and d. inf for N <= D + 1, where the raw error has no mean.

    Raises ValueError for d > D, for N <= d + 1, where the latent error has no mean either, and for
    numbers out of their ranges.
    """
    if latent > raw:
        msg = f"latent={latent} is more than raw={raw}; the factors that matter are among the raw"
        raise ValueError(msg)
    if episodes <= latent + 1:
        msg = f"episodes={episodes}: the error of {latent} factors has a mean from {latent + 2} on"
        raise ValueError(msg)
    left = episodes - raw - 1
    return math.inf if left <= 0 else raw * (episodes - latent - 1) / (latent * left)


@entry(
    "incomplete_fit_error",
    kind="theorem",
    cards=("41",),
    provenance="derived",
    section="section 5 b, misspecified",
    formula="m^2 + (sigma^2/T + m^2) d/(N - d - 1)",
)
@checked
def incomplete_fit_error(
    episodes: Annotated[int, COUNT],
    factors: Annotated[int, COUNT],
    missing: Annotated[float, FINITE],
    *,
    steps: Annotated[int, COUNT] = 1,
    sigma: Annotated[float, NOT_NEGATIVE] = 1.0,
) -> float:
    """Mean squared error of a step's reward where a factor of weight m is left out.

    episodes, factors, steps : N, the d factors that are kept, T; missing : m, the norm of the
    weights left out. Its share of the return is noise of variance T m^2 to the fit, and m^2 stays
    however many episodes there are. inf for N <= d + 1.

    Raises ValueError for numbers out of their ranges.
    """
    noise = math.hypot(sigma, math.sqrt(steps) * missing)
    return missing * missing + return_fit_error(episodes, factors, steps=steps, sigma=noise)


@entry(
    "incomplete_crossover",
    kind="theorem",
    cards=("41",),
    provenance="derived",
    section="section 5 b, misspecified",
    formula="N*: (sigma^2/T) D/(N - D - 1) = m^2 + (sigma^2/T + m^2) d/(N - d - 1)",
)
@checked
def incomplete_crossover(
    raw: Annotated[int, COUNT],
    factors: Annotated[int, COUNT],
    missing: Annotated[float, FINITE],
    *,
    steps: Annotated[int, COUNT] = 1,
    sigma: Annotated[float, NOT_NEGATIVE] = 1.0,
) -> float:
    """Episodes N* from which all D raw factors beat d of them that leave out a weight m.

    raw, factors, steps : D, d, T; not whole in general. inf for m = 0; D + 1 without noise.

    Raises ValueError for d >= D, where nothing could be left out, and numbers out of their ranges.
    """
    if factors >= raw:
        msg = f"factors={factors} must be fewer than raw={raw}: one of them is left out"
        raise ValueError(msg)
    m, s = missing * missing, sigma / steps * sigma
    if m == 0 or m <= 1e-300 * s:
        return math.inf
    # n = N - D - 1, k = D - d: n^2 + b n - c = 0, b = k + (s/m + 1) d - s D/m, c = s D k/m
    k, ratio = raw - factors, s / m
    b, c = k + (ratio + 1) * factors - ratio * raw, ratio * raw * k
    half = b / 2
    root = math.hypot(half, math.sqrt(c))
    return raw + 1 + (c / (half + root) if half > 0 else root - half)


@entry(
    "greedy_regret",
    kind="theorem",
    cards=("41",),
    provenance="derived",
    section="section 5 d",
    formula="(|w|/sqrt(pi)) (1 - cos(w, w_hat))",
)
@checked
def greedy_regret(
    cosine: Annotated[float, COSINE], norm: Annotated[float, NOT_NEGATIVE] = 1.0
) -> float:
    """Regret per step of taking, of two actions, the one that w_hat says is worth more.

    cosine : of the angle between w_hat and w; norm : |w|, factors standard normal. A coin has
    cosine 0.

    Raises ValueError for numbers out of their ranges.
    """
    return norm / math.sqrt(math.pi) * (1 - cosine)


@entry(
    "optimal_share",
    kind="theorem",
    cards=("41",),
    provenance="derived",
    section="section 5 d",
    formula="1 - arccos(cos(w, w_hat))/pi",
)
@checked
def optimal_share(cosine: Annotated[float, COSINE]) -> float:
    """Share of steps at which w_hat picks the better of two actions; cosine as in `greedy_regret`.

    Raises ValueError for numbers out of their ranges.
    """
    return 1 - math.acos(cosine) / math.pi
