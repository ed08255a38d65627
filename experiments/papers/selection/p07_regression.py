"""Bayesian linear regression in growing dimension against its deterministic equivalents."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from toyrl.experiments.core import Check, Picture
from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.parts import Items
from toyrl.experiments.lab.routes import mean_error
from toyrl.theory.judge import regression as theory

NOISE, PRIOR, TEACHER, SHARE = 0.5, 1.0, 1.3, 0.5  # |w_T|/sqrt(d), features over examples
NAMES = SimpleNamespace(
    learned="7: share of the teacher learned, 200 features, 400 examples, over its equivalent",
    variance="7: variance of a draw, 200 features, 400 examples, over its equivalent",
    offset="7: mean squared offset, 200 features, 400 examples, over its equivalent",
    official="7: the offset over that of the official code",
)
ROUTES = ("deterministic equivalent", "regressions of random data")


def fitted(rng: Any, d: int, n: int) -> tuple[float, float, float]:
    """Share learned, mean variance of a draw, mean squared offset, of one regression.

    The means over a new input are exact: phi has the covariance I/d.
    """
    w = rng.standard_normal(d)
    w *= TEACHER * np.sqrt(d) / np.linalg.norm(w)
    phi = rng.standard_normal((n, d)) / np.sqrt(d)
    y = phi @ w + NOISE * rng.standard_normal(n)
    spread = np.linalg.inv(np.eye(d) / PRIOR**2 + phi.T @ phi / NOISE**2)
    mean = spread @ (phi.T @ y) / NOISE**2
    spend(d**3 / 50)
    return (float(mean @ w / (w @ w)), float(NOISE**2 + np.trace(spread) / d),
            float(((mean - w) ** 2).sum() / d))  # fmt: skip


def regression(rng: Any, fits: int, sizes: Sequence[int], renormalised: bool, estimate: bool
               ) -> Items:  # fmt: skip
    """The three numbers against their equivalents at d = 200, and as d and n grow together.

    renormalised : False takes the bare ridge d sigma^2/(n gamma^2); estimate : False the bias alone
    """
    given: Any = {"noise": NOISE, "prior": PRIOR}
    found = np.array([fitted(rng, 200, 400) for _fit in range(fits)])
    learned, variance = theory.predictive(200, 400, **given)
    if not renormalised:
        bare = SHARE * NOISE**2 / PRIOR**2
        learned, variance = 1 / (1 + bare), NOISE**2 + PRIOR**2 * bare / (1 + bare)
    offset, bias = (theory.squared_offset(200, 400, **given, teacher=TEACHER**2, official=x)
                    for x in (not estimate, True))  # fmt: skip
    for name, i, want in ((NAMES.learned, 0, learned), (NAMES.variance, 1, variance),
                          (NAMES.offset, 2, offset)):  # fmt: skip
        mean, error = mean_error(found[:, i] / want)
        # The equivalents' own error is of order 1/d.
        yield Check(name, mean, 1.0, "~", 4 * error + 2 / 200, error, ROUTES)
    yield Check(NAMES.official, float(found[:, 2].mean() / bias), 2.0, ">", claim=False)
    ratio = np.array([[fitted(rng, d, int(d / SHARE)) for _fit in range(fits)] for d in sizes])
    wants = np.array([[*theory.predictive(d, d / SHARE, **given),
                       theory.squared_offset(d, d / SHARE, **given, teacher=TEACHER**2)]
                      for d in sizes])  # fmt: skip
    ratio = ratio / wants[:, None]
    names = ("share learned", "variance of a draw", "squared offset")
    curves = {name: (list(sizes), ratio[..., i].mean(1), *np.quantile(ratio[..., i], (0.1, 0.9), 1))
              for i, name in enumerate(names)}  # fmt: skip
    yield lines("judge-equivalents", "Regressions over their equivalents, n = 2 d",
                ("features d", "ratio, mean and 10-90 %"), curves,
                caption="As the dimension grows a single regression agrees with the formula."
                )  # fmt: skip
    if len(sizes) > 2:
        yield offsets(rng, fits)


def offsets(rng: Any, fits: int) -> Picture:
    """The squared offset against n/d: both formulas and regressions."""
    ratio, d = np.geomspace(1, 30, 40), 100
    given: Any = {"noise": NOISE, "prior": PRIOR, "teacher": TEACHER**2}
    at = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    drawn = [np.mean([fitted(rng, d, int(d * x))[2] for _fit in range(fits)]) for x in at]
    return lines("judge-offset", "How far the mean draw is from the truth",
                 ("examples over features n/d", "mean squared offset"),
                 {"with the noise of the estimate": theory.squared_offset(d, d * ratio, **given),
                  "official code: the bias alone": theory.squared_offset(d, d * ratio, **given,
                                                                         official=True),
                  "regressions, d = 100": (at, np.array(drawn))}, x=ratio.tolist(),
                 points=("regressions, d = 100",), log_x=True, log_y=True,
                 caption="Noise 0.5, prior 1, teacher 1.3. Both vanish for many examples, the bias "
                 "far faster.")  # fmt: skip
