"""E[(x - mean)/(s + eps) | x = r_k] over groups of G independent rewards, by a double integral.

With x_1 = r_k and a^2 = sum_i (x_i - mean)^2 = (G-1) s^2,

    Int (r_k - m) exp(-t sum_i (x_i - m)^2) dm = sqrt(pi/(G t)) exp(-t a^2) (r_k - mean),
    Int_0^inf t^(-1/2) exp(-t a^2) dt = sqrt(pi)/a,

so (r_k - mean)/s = sqrt(G(G-1))/pi Int Int (r_k - m) prod_i exp(-t (x_i - m)^2) dm dt, and the
expectation over siblings turns the product into exp(-t (r_k - m)^2) phi(t, m)^(G-1) with
phi = sum_j p_j exp(-t (r_j - m)^2). Here pi is the constant 3.14..., not a class probability.
Tied groups (a = 0) contribute an odd function of m - r_k; on a grid symmetric about r_k the two
sides cancel them exactly. With m = r_k + u/s and t = s^2 (s no longer the std):

    I_k = 2 Int_0^inf ds/s Int_0^inf u exp(-u^2) [phi(r_k - u/s)^(G-1) - phi(r_k + u/s)^(G-1)] du.

The u integral is a trapezoid sum, exponentially accurate for Gaussians; on its uniform grid
exp(-(d - i h)^2) = exp(-d^2) exp(2 d h)^i exp(-i^2 h^2), so each pair (j, k) costs three
exponentials. The s integral takes Gauss-Legendre panels that double, since scales from the
smallest gap between rewards to their range take part. For a trainer's eps > 0 the integrand gets
the factor 1 - sqrt(pi) z erfcx(z), z = eps sqrt(G-1) s, because
Int_0^inf 2 exp(-a^2 s^2) (1 - sqrt(pi) e s erfcx(e s)) ds = sqrt(pi)/(a + e).
"""

from __future__ import annotations

import math

import numba
import numpy as np

EDGE = 5.3  # exp(-EDGE^2) = 6e-13: where the u integral ends
NODES = 14  # Gauss-Legendre nodes in each doubling panel


def group_std_weights(
    reward: np.ndarray,
    prob: np.ndarray,
    group_size: int,
    *,
    eps: float = 0.0,
    ddof: float = 1.0,
) -> np.ndarray:
    """E[(x - mean)/(std + eps) | x = reward_k], (R,), for a group of `group_size` >= 2.

    reward : (R,) distinct finite values, any scale; prob : (R,) their probabilities, sum 1
    ddof : of the group's standard deviation; below `group_size`

    Raises ValueError for a group too small for its `ddof`.
    """
    G = int(group_size)
    if G < 2 or ddof >= G:
        msg = f"group_size={group_size} with ddof={ddof} has no standard deviation; use 2 or more"
        raise ValueError(msg)
    order = np.argsort(reward)
    r, p = np.asarray(reward, dtype=float)[order], np.asarray(prob, dtype=float)[order]
    # Halved first: a range of 2e308 would overflow.
    span = (r[-1] / 2 - r[0] / 2) * 2
    out = np.zeros(len(r))
    if len(r) < 2 or not span > 0:
        return out
    unit = (r - r[0]) / span
    # std with ddof = sample std / factor, so (x - mean)/(std + eps) = factor (..)/(s + factor eps)
    factor = math.sqrt((G - ddof) / (G - 1))
    e = factor * eps / span * math.sqrt(G - 1)
    s, weight = _scales(unit, G, e)
    h = math.pi / math.sqrt(30.0 * G)  # trapezoid error of exp(-G u^2): exp(-pi^2/(h^2 G)) = e^-30
    total = _integrate(unit, p, s, weight, h, math.ceil(EDGE / h), float(G - 1))
    out[order] = factor * math.sqrt(G * (G - 1)) / math.pi * 2 * total
    return out


def _scales(unit: np.ndarray, G: int, e: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes s and weights of ds/s (1 - sqrt(pi) e s erfcx(e s)), for rewards in [0, 1]."""
    from scipy.special import erfcx

    gap = float(np.diff(unit).min())
    # The least spread of an untied group is a^2 = gap^2 (G-1)/G >= gap^2/2; beyond, exp(-a^2 s^2)
    # is below exp(-30).
    last = math.sqrt(60.0) / gap
    first = min(2 / math.sqrt(G), 1 / e if e > 0 else math.inf)
    edges = [0.0, first]
    while edges[-1] < last:
        edges.append(2 * edges[-1])
    x, w = np.polynomial.legendre.leggauss(NODES)
    low, high = np.array(edges[:-1])[:, None], np.array(edges[1:])[:, None]
    s = (low + (high - low) * (x + 1) / 2).ravel()
    weight = ((high - low) / 2 * w).ravel() / s
    z = e * s
    # 1 - sqrt(pi) z erfcx(z) loses its digits for large z; there it is 1/(2 z^2) - 3/(4 z^4) + ...
    far = z > 1e3
    safe = np.where(far, z, 1.0)
    tail = (1 - 1.5 / safe**2 + 3.75 / safe**4) / (2 * safe**2)
    return s, weight * np.where(far, tail, 1 - math.sqrt(math.pi) * z * erfcx(z))


@numba.njit(cache=True, nogil=True)
def _integrate(r, p, s, weight, h, n, power):  # pragma: no cover - compiled
    """(R,) sum over nodes of weight times the u integral, rewards r sorted."""
    R = len(r)
    out = np.zeros(R)
    right, left = np.empty(n), np.empty(n)
    gauss = np.exp(-((h * np.arange(1, n + 1)) ** 2))
    reach = h * n + 6.5  # a term further off is below exp(-42) on the whole grid
    for q in range(len(s)):
        for k in range(R):
            right[:] = 0.0
            left[:] = 0.0
            lo = k
            while lo > 0 and s[q] * (r[k] - r[lo - 1]) < reach:
                lo -= 1
            hi = k
            while hi < R - 1 and s[q] * (r[hi + 1] - r[k]) < reach:
                hi += 1
            if lo == hi:  # only own ties within reach: the two sides cancel
                continue
            for j in range(lo, hi + 1):
                d = s[q] * (r[j] - r[k])
                up = p[j] * math.exp(-d * d)
                down = up
                grow = math.exp(2 * d * h)
                shrink = math.exp(-2 * d * h)
                for i in range(n):
                    up *= grow
                    down *= shrink
                    right[i] += up
                    left[i] += down
            value = 0.0
            for i in range(n):
                g = gauss[i]
                value += (i + 1) * g * ((left[i] * g) ** power - (right[i] * g) ** power)
            out[k] += weight[q] * value * h * h
    return out
