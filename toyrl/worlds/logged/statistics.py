"""What rollouts of an untrained policy show, as numbers that a world has too.

Each is a function of means over prompts of a few moments, so that logs of any group size and
worlds of any number of draws estimate the same thing, and prompts can be resampled by weights:

    accuracy        mean of right
    pass spread     sd over prompts of the success rate: E k(k-1)/n(n-1) - (E k/n)^2
    right, wrong    mean length of right, of wrong rollouts, tokens (compared as logarithms)
    correlation     of log length and right within prompts, from unbiased moments
    within          sd of log length within prompts
    between         sd over prompts of the mean log length, less what sampling makes of it
    cut, form       shares of truncated and of readable rollouts
"""

from __future__ import annotations

import numpy as np

from toyrl.worlds.logged.base import Array

NAMES = (
    "accuracy", "pass spread", "right", "wrong", "correlation", "within", "between", "cut", "form",
)  # fmt: skip
LENGTHS = ("right", "wrong")
SAYS = {
    "accuracy": "share of right rollouts",
    "pass spread": "sd of success rates over prompts",
    "right": "mean length of right rollouts (tokens)",
    "wrong": "mean length of wrong rollouts (tokens)",
    "correlation": "correlation of log length and right within prompts",
    "within": "sd of log length within prompts",
    "between": "sd of mean log length over prompts",
    "cut": "share of truncated rollouts",
    "form": "share of rollouts whose answer can be read",
}
UNITS = {
    "accuracy": 0.03, "pass spread": 0.05, "right": 0.1, "wrong": 0.1, "correlation": 0.07,
    "within": 0.05, "between": 0.1, "cut": 0.03, "form": 0.03,
}  # fmt: skip
"""What counts as one unit of distance beside a log's own standard error; lengths in logarithms."""
RESAMPLES = 200


def moments(right: Array, length: Array, cut: Array, form: Array, weight: Array) -> Array:
    """(..., B, 13) of each prompt, of (..., B, n) rollouts; weight 0 where there is none."""
    w = (weight > 0) * 1.0
    n = w.sum(-1)
    some, pair = n > 0, n > 1
    one, two = np.where(some, n, 1.0), np.where(pair, n * (n - 1), 1.0)

    def mean(x: Array) -> Array:
        return np.where(some, (w * x).sum(-1) / one, 0.0)

    def centred(x: Array) -> Array:
        return w * (x - mean(x)[..., None])

    log = np.log(np.maximum(length, 1.0))
    c, z = centred(right), centred(log)
    degrees = np.where(pair, n - 1, 1.0)
    k = (w * right).sum(-1)
    both = (k**2 - (w * right**2).sum(-1)) / two
    within = (z**2).sum(-1) / degrees
    rows = (
        some * 1.0,
        pair * 1.0,
        mean(right),
        pair * both,
        mean(right * length),
        mean((1 - right) * length),
        pair * (c * z).sum(-1) / degrees,
        pair * (c**2).sum(-1) / degrees,
        pair * within,
        mean(log),
        mean(log) ** 2 - np.where(pair, within / one, 0.0),
        mean(cut),
        mean(form),
    )
    return np.stack(rows, axis=-1)


def summary(found: Array) -> dict[str, Array]:
    """Statistics (...,) by name, of mean moments (..., 13); NaN where there is nothing of a kind.

    found : means (or sums) over prompts of `moments`; lengths as logarithms
    """
    m = np.moveaxis(found, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        some, pair = m[0], m[1]
        p = m[2] / some
        both, cov, var_c, var_z = (m[i] / pair for i in (3, 6, 7, 8))
        middle = m[9] / some
        out = {
            "accuracy": p,
            "pass spread": np.sqrt(np.maximum(both - p**2, 0.0)),
            "right": np.log(m[4] / m[2]),
            "wrong": np.log(m[5] / (some - m[2])),
            "correlation": cov / np.sqrt(var_c * var_z),
            "within": np.sqrt(var_z),
            "between": np.sqrt(np.maximum(m[10] / some - middle**2, 0.0)),
            "cut": m[11] / some,
            "form": m[12] / some,
        }
    return {name: np.where(np.isfinite(x), x, np.nan) for name, x in out.items()}


def with_errors(found: Array, *, seed: int = 0) -> dict[str, tuple[float, float]]:
    """name -> (value, standard error over resampled prompts), of moments (B, 13).

    Names without a value are left out; the error of a single prompt is infinite.
    """
    prompts = len(found)
    rng = np.random.default_rng([seed, 5])
    own = summary(found.mean(0))
    counts = rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=RESAMPLES)
    again = summary(counts @ found / prompts)
    out = {}
    for name in NAMES:
        value, rows = float(own[name]), again[name][np.isfinite(again[name])]
        if np.isfinite(value):
            known = prompts > 1 and len(rows) > 1
            out[name] = (value, float(rows.std()) if known else float("inf"))
    return out
