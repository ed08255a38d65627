"""Comparisons of standard normals inside a group: CANON's halves and BRPO's reference.

A group of G rollouts has metrics (or qualities) z, independent standard normals; whoever compares a
rollout with the other half, or with one member of the group, sees their order alone.

Formulas: docs/theory/group.md.

Source: CANON (paper 34), Theorem 1; BRPO (paper 42); the closed forms are derived.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from toyrl.registry import entry
from toyrl.theory.order_statistics import order_means


@entry(
    "reference_gain",
    kind="theorem",
    cards=("42",),
    provenance="derived",
    formula="sum over kept k of (-2 (m_1 + ... + m_(k-1)) - m_k) / G^2",
)
def reference_gain(size: int, skew: float) -> tuple[float, float]:
    """P(kept) and E[sum_i R_i z_i] / G of signs R against a member drawn as the reference.

    With the reference at rank k the sum is that of the ranks above less those below, in
    expectation -2 (m_1 + ... + m_{k-1}) - m_k over normal order statistics m (they sum to 0). A
    group is kept where |G + 1 - 2k| <= skew G, and gives 0 where it is not; skew = inf keeps all,
    and the gain is then (G-1)/(G sqrt(pi)). For a clean judge.
    """
    m = order_means(size)
    ranks = [k for k in range(1, size + 1) if abs(size + 1 - 2 * k) <= skew * size]
    gain = sum(-2 * m[: k - 1].sum() - m[k - 1] for k in ranks) / size
    return len(ranks) / size, gain / size


@entry(
    "halves_moment",
    kind="theorem",
    cards=("34",),
    section="Theorem 1; derived",
    provenance="derived",
    formula="E[S^2], S = (1/G) sum_i sign_i z_i, signs 1 in the high half and -1 in the low one",
)
def halves_moment(size: int, *, nodes: int = 240) -> float:
    """E[S^2] of S = (1/G) sum_i sign_i z_i, G even: 1/2 for G = 2, 2/pi for large groups.

    CANON's gradient along the metric is slope (1 - 1/G + (2 mu - 1) E[S^2]).

    Given the two middle order statistics a < b, the other members of the halves are independent
    truncated normals, so E[S^2 | a, b] is closed; the joint density of (a, b) is integrated on a
    Gauss-Legendre grid that covers some 16 of their standard deviations, dense at gap 0.

    Raises ValueError for an odd group, whose halves are not of one size.
    """
    if size < 2 or size % 2:
        msg = f"size={size} has no two halves of one size; use an even number from 2 on"
        raise ValueError(msg)
    return _halves_moment(size, nodes)


@cache  # a grid of 240 x 240 that depends on the size of groups alone
def _halves_moment(size: int, nodes: int) -> float:
    from scipy.special import gammaln, roots_legendre
    from scipy.stats import norm

    x, weight = roots_legendre(nodes)
    width, gap = min(8.0, 20 / size**0.5), min(10.0, 200 / size)
    a, wa = width * x[:, None], width * weight[:, None]
    u, wu = (x + 1) / 2, weight / 2
    b, wb = a + gap * u**3, 3 * gap * u**2 * wu
    h = size // 2
    log_low, log_high = norm.logcdf(a), norm.logsf(b)
    log_p = gammaln(size + 1) - 2 * gammaln(h) + (h - 1) * (log_low + log_high)
    log_p = log_p + norm.logpdf(a) + norm.logpdf(b)
    up, down = np.exp(norm.logpdf(b) - log_high), np.exp(norm.logpdf(a) - log_low)
    mean = (b + (h - 1) * up) - (a - (h - 1) * down)
    spread = (h - 1) * ((1 + b * up - up**2) + (1 - a * down - down**2))
    return float((np.exp(log_p) * (mean**2 + spread) * wa * wb).sum() / size**2)
