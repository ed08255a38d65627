"""What a calibration on a log costs: CPU seconds to train it on itself and to condition worlds.

    python benchmarks/logged.py [--prompts 12500 --group 8]

One thread. Before the times, the same run again must give the same numbers.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from toyrl import parse, parse_estimator
from toyrl.rollouts import Rollouts
from toyrl.worlds.logged.base import base_of
from toyrl.worlds.logged.conditioning import DRAWN, conditioned, told_of
from toyrl.worlds.logged.reach import DRAWS, reach

REWARDS = (
    ("outcome()", "grpo"),
    ("outcome() - 0.3*linear_length()", "grpo"),
    ("efficient_reasoning(alpha=0.2)", "grpo"),
    ("kimi()", "rloo"),
)
T = TypeVar("T")


def log(prompts: int, group: int) -> Rollouts:
    """Rollouts of beta success rates, wrong ones longer."""
    rng = np.random.default_rng(0)
    p = rng.beta(0.4, 0.4, (prompts, 1))
    right = (rng.random((prompts, group)) < p) * 1.0
    drawn = 0.3 * rng.standard_normal(right.shape) + 0.2 * (1 - right) + 0.5 * (1 - p)
    length = np.minimum(np.rint(2000 * np.exp(drawn)), 8192.0)
    answered = np.where(right > 0, 1.0, (rng.random(right.shape) < 0.8) * 1.0)
    return Rollouts(right, length, 8192.0, length >= 8192, fields={"answered": answered})


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """CPU seconds and what it gave."""
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def times(prompts: int, group: int, draws: int = DRAWS, drawn: int = DRAWN) -> dict[str, float]:
    """Part -> CPU seconds."""
    r = log(prompts, group)
    made, base = timed(
        lambda: base_of(r, {"length": np.log(r.length), **r.fields}, alike=("length",))
    )
    out = {"base": made}
    for reward, estimator in REWARDS:
        shaper, judged = parse(reward), parse_estimator(estimator)
        _, one = timed(lambda: reach(base, shaper, judged, draws=draws))  # noqa: B023
        seconds, two = timed(lambda: reach(base, shaper, judged, draws=draws))  # noqa: B023
        np.testing.assert_array_equal(one.change["accuracy"], two.change["accuracy"])
        out[f"{reward} under {estimator}"] = seconds
    out["worlds like it"], _ = timed(lambda: conditioned(told_of(r), drawn=drawn))
    return out


def main() -> None:
    """Print the table."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--prompts", type=int, default=12_500)
    ask.add_argument("--group", type=int, default=8)
    given = ask.parse_args()
    print(f"{given.prompts * given.group} rollouts, with bands of {DRAWS} resamples")
    for name, seconds in times(given.prompts, given.group).items():
        print(f"    {name:<48} {seconds:8.2f} CPU s")


if __name__ == "__main__":
    main()
