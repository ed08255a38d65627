"""How far a log carries: its path by distance from the base, with bands, up to where it ends.

Distance is KL a rollout, nats. Bands resample prompts and train again on each resample, so that
what training learns from few prompts is in them. Of a large log fewer prompts are drawn and the
spread is shrunk to the log's size (m out of n, Bickel, Götze, van Zwet 1997). Beyond `HALF` of the
effective sample size nothing is said: eight rollouts of a normal log length, tilted so far, have
moved by 9 % less than the law that they are from at the same distance, and would soon not move at
all. At most log n nats are in n rollouts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from toyrl.estimators.base import Estimator
from toyrl.objectives.surrogate import Surrogate
from toyrl.shapers.base import Shaper
from toyrl.worlds.logged.base import Array, Base
from toyrl.worlds.logged.training import Path, Plan, train

HALF = 0.5
"""Share of the effective sample size down to which the log is believed."""
STOP = 0.4
DRAWS, MOST = 48, 256
"""Resamples of the prompts, and how many prompts each holds at most."""
POINTS = 21
READ = ("accuracy", "length", "form", "cut")


@dataclass(frozen=True)
class Reach:
    """The path that a log supports.

    nats : (P,) distances from 0 to the end; end : nats there
    change : name -> (P,) change against the base, of the length its logarithm; names of `READ`
    low, high : name -> (P,) 5 % and 95 % over resampled prompts; NaN for a single prompt
    draws : (D, P) of the change of accuracy and of log length, for what is built on them
    idle : (P,) share of groups without signal; start : values of the base
    theta : name of a feature -> standard scores at the end; tilt : of right rollouts, mean
    stopped : whether the slope had faded (`training.FADED`) before the sample was used up
    """

    nats: Array
    end: float
    change: dict[str, Array]
    low: dict[str, Array]
    high: dict[str, Array]
    draws: dict[str, Array]
    idle: Array
    start: dict[str, float]
    theta: dict[str, float]
    tilt: float
    stopped: bool


def reach(
    base: Base,
    shaper: Shaper,
    estimator: Estimator,
    plan: Plan | None = None,
    *,
    objective: Surrogate | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Reach:
    """Train the log and `draws` resamples of its prompts; errors as `train`."""
    plan = replace(plan or Plan(), stop=STOP)
    path = train(base, shaper, estimator, plan, objective=objective)
    end, last, stopped = _end(path)
    grid = np.linspace(0.0, end, POINTS)
    mid = {name: _read(path, name, 0, grid) for name in READ}
    prompts = base.size[1]
    some = min(prompts, MOST)
    rng = np.random.default_rng([seed, 4])
    spread: dict[str, Array] = {}
    if prompts > 1 and end > 0:
        rows = rng.integers(0, prompts, (draws, some))
        again = train(base.take(rows), shaper, estimator, plan, objective=objective)
        for name in READ:
            each = np.stack([_read(again, name, k, grid) for k in range(draws)])
            spread[name] = (each - each.mean(0)) * np.sqrt(some / prompts)
    nothing = np.full((1, POINTS), 0.0 if end == 0 else np.nan)
    spread = {name: spread.get(name, nothing) for name in READ}
    return Reach(
        nats=grid,
        end=end,
        change=mid,
        low={name: mid[name] + np.quantile(spread[name], 0.05, axis=0) for name in READ},
        high={name: mid[name] + np.quantile(spread[name], 0.95, axis=0) for name in READ},
        draws={name: mid[name] + spread[name] for name in READ},
        idle=_idle(path, grid),
        start={name: float(getattr(path, name)[0, 0]) for name in READ},
        theta=dict(zip(base.names, path.theta[last, 0].tolist(), strict=True)),
        tilt=float(path.tilt[last, 0]),
        stopped=stopped,
    )


def _end(path: Path) -> tuple[float, int, bool]:
    """(nats at the end, place of it on the path, whether the sample was not used up)."""
    far = path.nats[:, 0].max()
    used = np.flatnonzero(path.support[:, 0] < HALF)
    if len(used) == 0:
        return float(far), int(path.nats[:, 0].argmax()), True
    i = int(used[0])
    a, b = path.support[i - 1, 0], path.support[i, 0]
    x, y = path.nats[i - 1, 0], path.nats[i, 0]
    return float(x + (a - HALF) / (a - b) * (y - x)), i, False


def _idle(path: Path, grid: Array) -> Array:
    known = np.isfinite(path.idle[:, 0])
    return np.interp(grid, np.maximum.accumulate(path.nats[known, 0]), path.idle[known, 0])


def _read(path: Path, name: str, k: int, grid: Array) -> Array:
    """A batch's change against its base at these distances; where it ends before, its last."""
    x = np.maximum.accumulate(path.nats[:, k])
    y = getattr(path, name)[:, k]
    y = np.log(np.maximum(y, 1e-9)) if name == "length" else y
    new = np.concatenate([[True], np.diff(x) > 0])  # a batch that has ended stands still
    return np.interp(grid, x[new], y[new]) - y[0]
