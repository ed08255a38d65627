"""Prediction beside outcome: the rows, the scores, and the pictures of a finished transfer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from toyrl.dynamics.chain.observed import plain, shown
from toyrl.experiments.core import Curve, Picture, Table
from toyrl.experiments.transfer import score
from toyrl.experiments.transfer.ends import base_of, runs_of

TOY = "toy"
SCEPTICS = ("length sign", "one step", "tilted", "protected")
PREDICTORS = (TOY, *SCEPTICS)


@dataclass(frozen=True)
class Outcomes:
    """What the runs did, read at the same distance from the base: (n, seeds) each.

    accuracy, log_length : changes from the base; collapsed : 0 or 1; reached : whether the run
    got that far (else it is read at its end); end : change of accuracy at the last update
    """

    names: tuple[str, ...]
    families: tuple[str, ...]
    accuracy: np.ndarray
    log_length: np.ndarray
    collapsed: np.ndarray
    reached: np.ndarray
    end: np.ndarray
    base_accuracy: float
    base_length: float

    def only(self, names: Sequence[str]) -> Outcomes:
        """The same for some of the rewards."""
        rows = [self.names.index(name) for name in names]
        arrays = ("accuracy", "log_length", "collapsed", "reached", "end")
        chosen = {key: getattr(self, key)[rows] for key in arrays}
        families = tuple(self.families[i] for i in rows)
        return replace(self, names=tuple(names), families=families, **chosen)

    def predicted(self, predictions: Mapping[str, Any]) -> list[str]:
        """Names of the rewards that the toy could be trained on."""
        return [n for n in self.names if predictions["rewards"][n][TOY] is not None]


def outcomes(
    curves: Mapping[str, Sequence[Mapping[str, Any]]], families: Mapping[str, str], kl: float
) -> Outcomes:
    """Outcomes at `kl` nats of the rewards whose runs are all there.

    All runs start from one model, so their first evaluations are averaged into one base.
    """
    names, base, runs = tuple(curves), base_of(curves), runs_of(curves, kl)
    columns = {
        key: np.array([runs[n][key] for n in names])
        for key in ("accuracy", "log_length", "collapsed", "reached", "end")
    }
    return Outcomes(
        names,
        tuple(families[n] for n in names),
        **columns,
        base_accuracy=base["accuracy"],
        base_length=base["length"],
    )


def compare(predictions: Mapping[str, Any], found: Outcomes) -> dict[str, Any]:
    """Every number of the comparison, JSON-able; scores are over rewards that were predicted."""
    rewards = predictions["rewards"]
    whole, found = found, found.only(found.predicted(predictions))

    def column(predictor: str, key: str) -> np.ndarray:
        return np.array([rewards[n][predictor][key] for n in found.names], dtype=float)

    n = len(found.names)
    if n == 0:
        return {**_measured(whole), "predictors": {}, "ceiling": {}}
    toy = {k: column(TOY, k) for k in ("accuracy", "log_length", "collapse")}
    table = {}
    for name in PREDICTORS:
        own = {k: column(name, k) for k in toy}
        table[name] = {
            "tau_accuracy": score.agreement(own["accuracy"], found.accuracy),
            "tau_length": score.agreement(own["log_length"], found.log_length),
            "brier": score.brier(own["collapse"], found.collapsed),
            "within": score.within_families(own["accuracy"], found.accuracy, found.families),
        }
        if name != TOY:
            table[name]["against_toy"] = {
                "tau_accuracy": _gap(_tau(toy, own, "accuracy", found.accuracy), n),
                "tau_length": _gap(_tau(toy, own, "log_length", found.log_length), n),
                "brier": _gap(_brier(toy, own, found.collapsed), n),
            }
    share = float(found.collapsed.mean())
    return {
        **_measured(whole),
        "predictors": table,
        "ceiling": {
            "tau_accuracy": score.ceiling(found.accuracy),
            "tau_length": score.ceiling(found.log_length),
        },
        "collapse_share": share,
        "brier_of_share": score.brier(np.full(n, share), found.collapsed),
    }


def _measured(found: Outcomes) -> dict[str, Any]:
    """What the runs did, reward by reward."""
    names = ("accuracy", "log_length", "collapsed", "reached", "end")
    return {
        "rewards": {
            name: {key: getattr(found, key)[i].tolist() for key in names}
            for i, name in enumerate(found.names)
        },
        "base": {"accuracy": found.base_accuracy, "length": found.base_length},
        "runs": int(found.accuracy.size),
        "seeds": int(found.accuracy.shape[1]),
    }


Pair = tuple[Callable[[np.ndarray], float], Callable[[np.ndarray], float]]


def _tau(
    toy: Mapping[str, np.ndarray], own: Mapping[str, np.ndarray], key: str, truth: np.ndarray
) -> Pair:
    return (
        lambda rows: score.agreement(toy[key][rows], truth[rows]),
        lambda rows: score.agreement(own[key][rows], truth[rows]),
    )


def _brier(
    toy: Mapping[str, np.ndarray], own: Mapping[str, np.ndarray], happened: np.ndarray
) -> Pair:
    return (
        lambda rows: score.brier(toy["collapse"][rows], happened[rows]),
        lambda rows: score.brier(own["collapse"][rows], happened[rows]),
    )


def _gap(pair: Pair, n: int) -> dict[str, float]:
    found = score.paired(*pair, n)
    return {"value": found.value, "low": found.low, "high": found.high}


FEWEST = 4
"""Rewards below which agreement between orders is not shown."""


# -- tables ---------------------------------------------------------------------------------------
def rewards_table(predictions: Mapping[str, Any], found: Outcomes, kl: float) -> Table:
    """One row a reward."""
    rows = []
    for i, name in enumerate(found.names):
        said = predictions["rewards"][name]
        toy = said[TOY]
        seen = found.accuracy[i]
        spread = f" ± {seen.std(ddof=1):.3f}" if len(seen) > 1 else ""
        rows.append(
            [
                name,
                f"{said['weight']:.3g}",
                _predicted(toy, "{accuracy:+.3f} ({low:+.2f} to {high:+.2f})"),
                f"{seen.mean():+.3f}{spread}",
                _predicted(toy, "{collapse:.2f}"),
                f"{found.collapsed[i].mean():.2f}",
                "-" if toy is None else f"{np.exp(toy['log_length']):.2f}",
                f"{np.exp(found.log_length[i].mean()):.2f}",
                f"{int(found.reached[i].sum())} of {len(seen)}",
                f"{found.end[i].mean():+.3f}",
            ]
        )
    return Table(
        "rewards",
        (
            "reward",
            "weight",
            "accuracy change: predicted (5 to 95 % of worlds)",
            "measured (± over seeds)",
            "collapse: predicted",
            "measured",
            "length factor: predicted",
            "measured",
            f"runs that came {kl:g} nats far",
            "accuracy change at the last update",
        ),
        rows,
    )


def scores_table(result: Mapping[str, Any], *, earlier: Mapping[str, Any] | None = None) -> Table:
    """One row a predictor; earlier : scores of the toy as it was sealed before training."""
    rows = []
    for name in PREDICTORS:
        own = result["predictors"][name]
        gap = own.get("against_toy")
        rows.append(
            [
                name,
                _number(own["tau_accuracy"]),
                _interval(gap, "tau_accuracy"),
                _number(own["tau_length"]),
                _interval(gap, "tau_length"),
                _number(own["brier"]),
                _interval(gap, "brier"),
            ]
        )
    if earlier is not None:
        own = [_number(earlier[k]) for k in ("tau_accuracy", "tau_length", "brier")]
        rows.insert(1, ["toy, sealed before training", own[0], "", own[1], "", own[2], ""])
    top = result["ceiling"]
    rows.append(
        ["noise ceiling", _number(top["tau_accuracy"]), "", _number(top["tau_length"]), "", "", ""]
    )
    rows.append(["always the mean share", "", "", "", "", _number(result["brier_of_share"]), ""])
    return Table(
        "scores",
        (
            "predictor",
            "tau-b, accuracy",
            "toy less this (95 %)",
            "tau-b, length",
            "toy less this (95 %)",
            "Brier, collapse",
            "toy less this (95 %)",
        ),
        rows,
    )


def calibration_table(calibration: Mapping[str, Any]) -> Table:
    """What the toy was fitted to: the log's value and the mean over the worlds kept."""
    rows = [
        [shown(name), plain(name, seen), plain(name, calibration["fitted"][name])]
        for name, seen in calibration["seen"].items()
    ]
    return Table("calibration", ("statistic", "base rollouts", "calibrated worlds"), rows)


def _predicted(toy: Mapping[str, float] | None, form: str) -> str:
    """ "-" for a reward that the toy can't be trained on."""
    return "-" if toy is None else form.format(**toy)


def _number(x: float | None) -> str:
    return "-" if x is None or not np.isfinite(x) else f"{x:.3f}"


def _interval(gap: Mapping[str, Any] | None, key: str) -> str:
    if gap is None:
        return ""
    g = gap[key]
    if not np.isfinite(g["value"]):
        return "-"
    return f"{g['value']:+.2f} ({g['low']:+.2f} to {g['high']:+.2f})"


# -- pictures -------------------------------------------------------------------------------------
def scatter(predictions: Mapping[str, Any], found: Outcomes, *, note: str = "") -> Picture:
    """Measured against predicted change of accuracy, a point a reward.

    note : how the predictions were made, if not before training
    """
    found = found.only(found.predicted(predictions))
    curves = []
    for family in dict.fromkeys(found.families):
        rows = [i for i, f in enumerate(found.families) if f == family]
        x = [predictions["rewards"][found.names[i]][TOY]["accuracy"] for i in rows]
        y = [float(found.accuracy[i].mean()) for i in rows]
        curves.append(Curve(family, x, y, style="points"))
    values = [v for c in curves for v in (*c.x, *c.y)]
    ends = [min(values, default=0.0), max(values, default=0.0)]
    return Picture(
        "transfer-scatter",
        "Change of accuracy: predicted and measured",
        f"predicted by the toy, {note}" if note else "predicted by the toy before training",
        "measured, mean over seeds",
        curves=(*curves, Curve("equal", ends, ends, style="dashed")),
        caption="Each point is a reward, read at the same distance from the base model.",
    )


def paths(
    predictions: Mapping[str, Any], curves: Mapping[str, Sequence[Mapping[str, Any]]], name: str
) -> Picture:
    """Accuracy against distance from the base: the toy's mean world and every run."""
    said = predictions["rewards"][name].get("path")
    lines = []
    if said is not None:
        changes = [a - said["accuracy"][0] for a in said["accuracy"]]
        lines.append(Curve("toy", said["kl"], changes, style="dashed"))
    for seed, curve in enumerate(curves[name]):
        points = curve["points"]
        lines.append(
            Curve(
                f"seed {seed}",
                [p["kl"] for p in points],
                [p["accuracy"] - points[0]["accuracy"] for p in points],
            )
        )
    return Picture(
        f"transfer-{name}",
        f"{name}: accuracy on the way from the base",
        "distance from the base (nats a completion)",
        "change of accuracy",
        curves=tuple(lines),
    )
