"""Where runs stand: at a distance from the base, at their best checkpoint, at their end.

The best checkpoint is the one with the highest accuracy among those measured after the base; of a
few noisy points it is too high on average, which the same number of `outcome()` shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toyrl.experiments.transfer.predict import first_crossing, threshold_drop

Curves = Mapping[str, Sequence[Mapping[str, Any]]]
CORRECTNESS = ("outcome", "outcome()")
"""Names of correctness alone."""


def base_of(curves: Curves) -> dict[str, float]:
    """Accuracy and length of the base: the mean over the first point of every run."""
    first = [c["points"][0] for group in curves.values() for c in group]
    return {k: float(np.mean([p[k] for p in first])) for k in ("accuracy", "length")}


def runs_of(curves: Curves, kl: float) -> dict[str, dict[str, Any]]:
    """reward -> lists with one entry a run, in the order of its curves.

    seeds; accuracy, log_length : changes from the base at `kl` nats (at the end where a run does
    not get so far: reached); collapsed : 1 where accuracy has fallen by min(0.1, half) there
    best, best_log_length, best_step : changes at the best checkpoint; end, end_log_length : at the
    last point; diverged : the run was lost before its last step, and `end` is its last point
    against_outcome : end less that of correctness alone with the same seed, mean over the seeds
    that both have; None where there is none
    """
    base = base_of(curves)
    out = {name: _together([_run(c, base, kl) for c in group]) for name, group in curves.items()}
    plain = next((out[name] for name in CORRECTNESS if name in out), None)
    for entry in out.values():
        entry["against_outcome"] = None if plain is None else _against(entry, plain)
    return out


def _run(curve: Mapping[str, Any], base: Mapping[str, float], kl: float) -> dict[str, Any]:
    points = curve["points"]
    far = [p["kl"] for p in points]
    accuracy = np.array([p["accuracy"] for p in points]) - base["accuracy"]
    length = np.log(np.array([p["length"] for p in points]) / base["length"])
    there = first_crossing(far, accuracy, kl)
    # Lengths are read between points, not their logarithms, as in earlier results.
    longer = float(np.log(first_crossing(far, [p["length"] for p in points], kl) / base["length"]))
    best = 1 + int(np.argmax(accuracy[1:])) if len(points) > 1 else 0
    return {
        "seeds": curve["settings"]["seed"] if "settings" in curve else None,
        "accuracy": there,
        "log_length": longer,
        "collapsed": float(-there >= threshold_drop(base["accuracy"])),
        "reached": bool(max(far) >= kl),
        "best": float(accuracy[best]),
        "best_log_length": float(length[best]),
        "best_step": points[best]["step"],
        "end": float(accuracy[-1]),
        "end_log_length": float(length[-1]),
        "diverged": "diverged" in curve,
    }


def _together(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {key: [run[key] for run in runs] for key in runs[0]}


def _against(entry: Mapping[str, Any], plain: Mapping[str, Any]) -> float | None:
    there = dict(zip(plain["seeds"], plain["end"], strict=True))
    gaps = [e - there[s] for s, e in zip(entry["seeds"], entry["end"], strict=True) if s in there]
    return float(np.mean(gaps)) if gaps else None
