"""Predictions made again, by today's toy, beside runs that were measured before.

Nothing is trained and no model is needed: the sealed predictions hold what the base rollouts
showed and what the sceptic's rules said, the result holds the outcomes. Such predictions are made
after the fact and are called so in every file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toyrl import schemas
from toyrl.dynamics.chain.observed import Observed, two_types
from toyrl.experiments.errors import UsageError
from toyrl.experiments.transfer import calibrate, predict, result
from toyrl.experiments.transfer.rewards import MULTIPLES
from toyrl.experiments.transfer.suite import (
    BASE_PROMPTS,
    Plan,
    calibration,
    drawn_again,
    toy_of,
)
from toyrl.files import write_file

AFTER = "made after the fact: the outcomes were known"


@dataclass(frozen=True)
class Measured:
    """A finished transfer: its plan, its sealed predictions, and what its runs did."""

    plan: Plan
    predictions: dict[str, Any]
    result: dict[str, Any]
    seal: str


def read(measured: Path, predictions: Path) -> Measured:
    """From result.json and predictions.json; UsageError if they don't belong together."""
    found = _json(measured, "transfer-result")
    said = _json(predictions, "transfer")
    seal = found["predictions_sha256"]
    if predict.sealed(said)[1] != seal:
        msg = (
            f"predictions={str(predictions)!r} are not those that {measured.name} was measured "
            f"against (sha256 {seal[:16]}...); name the predictions.json of the same transfer"
        )
        raise UsageError(msg)
    plan = Plan(**{**found["plan"], "rewards": tuple(found["plan"]["rewards"])})
    if plan.suite not in MULTIPLES:
        own = plan.suite or "rewards named one by one"
        msg = f"measured={str(measured)!r} is of {own}; only {', '.join(MULTIPLES)} can be "
        msg += "predicted again"
        raise UsageError(msg)
    return Measured(plan, said, found, seal)


def _json(path: Path, schema: str) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        schemas.check(data, schema, str(path))
    except schemas.SchemaError as error:
        raise UsageError(str(error)) from error
    except (OSError, ValueError) as error:
        msg = f"{path} can't be read as JSON: {error}"
        raise UsageError(msg) from error
    return data


def predictions_again(
    known: Measured,
    *,
    wanted: int = calibrate.WANTED,
    most: int = calibrate.MOST,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Predictions of the measured rewards, at the weights they had; the sceptic's stay."""
    from toyrl.bridge.tasks import load_task

    plan, old = known.plan, known.predictions
    task = load_task(plan.task)
    chain = calibrate.template(int(plan.run["limit"]), chain=task.chain)
    fitted = calibrate.fit(seen_in(old, task, chain.D), chain, wanted=wanted, most=most)
    tell(fitted.describe())
    toy = toy_of(plan, task, chain, fitted)
    rewards = {}
    for reward in drawn_again(plan, old):
        tell(f"predicting {reward.name}")
        simple = {name: old["rewards"][reward.name][name] for name in result.SCEPTICS}
        rewards[reward.name] = {**toy.entry(reward, plan.kl), **simple}
    return {
        "schema": schemas.tag("transfer"),
        "note": AFTER,
        "earlier_sha256": known.seal,
        "base": old["base"],
        "calibration": calibration(fitted),
        "thresholds": old["thresholds"],
        "rewards": rewards,
    }


def seen_in(predictions: Mapping[str, Any], task: Any, depth: int) -> Observed:
    """What the base rollouts showed; their prompts were the task's first ones."""
    rows = [task.train[i % len(task.train)] for i in range(BASE_PROMPTS)]
    difficulty = np.array([row.get("difficulty", np.nan) for row in rows], dtype=float)
    pair, shares = two_types(difficulty, np.ones(len(rows)), depth=depth)
    values = predictions["calibration"]["seen"]
    if "success all" in values:
        pair, shares = (), ()
    return Observed(pair, shares, dict(values))


def outcomes_in(found: Mapping[str, Any], families: Mapping[str, str]) -> result.Outcomes:
    """Outcomes as a result keeps them."""
    names = tuple(found["rewards"])

    def column(key: str) -> np.ndarray:
        return np.array([found["rewards"][n][key] for n in names])

    return result.Outcomes(
        names,
        tuple(families[n] for n in names),
        *(column(k) for k in ("accuracy", "log_length", "collapsed", "reached", "end")),
        base_accuracy=found["base"]["accuracy"],
        base_length=found["base"]["length"],
    )


def refuse_taken(folder: Path) -> None:
    """UsageError if the folder holds predictions: sealed ones are never written over."""
    if (folder / "predictions.json").exists():
        msg = f"out={str(folder)!r} holds predictions already; name another folder"
        raise UsageError(msg)


def write_sealed(folder: Path, data: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Write predictions.json and its hash into a new folder; (as they are read back, hash)."""
    refuse_taken(folder)
    text, digest = predict.sealed(data)
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / "predictions.json", text)
    write_file(folder / "predictions.sha256", digest + "\n")
    return json.loads(text), digest
