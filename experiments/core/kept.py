"""Outcomes as JSON and back, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from toyrl import schemas
from toyrl.experiments.core.code import fingerprint
from toyrl.experiments.core.registry import Experiment
from toyrl.experiments.core.results import Check, Curve, Picture, Result, Table
from toyrl.experiments.core.running import Broken, Outcome, versions

CODE = ("core", "lab", "papers")
"""Folders of `experiments` that an outcome depends on, beside the library."""


def key_of(experiment: Experiment, *, seed: int, mutants: bool, smoke: bool) -> str:
    """A hash of what an outcome depends on: experiment, options, code and versions."""
    told = [experiment.id, seed, mutants, smoke, fingerprint(CODE), versions()]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def to_dict(outcome: Outcome, key: str) -> dict[str, Any]:
    """Everything that an experiment found, schema toyrl.outcome."""
    return {
        "schema": schemas.tag("outcome"),
        "id": outcome.experiment.id,
        "key": key,
        "result": asdict(outcome.result),
        "mutants": [asdict(m) for m in outcome.mutants],
        "seconds": outcome.seconds,
        "seed": outcome.seed,
        "work": outcome.work,
    }


def from_dict(data: Any, experiment: Experiment, key: str) -> Outcome | None:
    """The outcome of `to_dict`'s JSON; None where its key is another or it can't be read."""
    try:
        schemas.check(data, "outcome")
        if data["key"] != key:
            return None
        mutants = [Broken(m["name"], *(tuple(m[k]) for k in ("breaks", "failed")))
                   for m in data["mutants"]]  # fmt: skip
        told = (float(data["seconds"]), int(data["seed"]), float(data["work"]))
        return Outcome(experiment, _result(data["result"]), tuple(mutants), *told)
    except (schemas.SchemaError, KeyError, TypeError, ValueError):
        return None


def _result(data: dict[str, Any]) -> Result:
    return Result(
        tuple(map(_check, data["checks"])),
        tuple(map(_picture, data["pictures"])),
        tuple(Table(**t) for t in data["tables"]),
        tuple(data["notes"]),
    )


def _check(data: dict[str, Any]) -> Check:
    numbers = {k: float(data[k]) for k in ("value", "bound", "tolerance")}
    error = None if data["stderr"] is None else float(data["stderr"])
    return Check(**{**data, **numbers, "stderr": error, "routes": tuple(data["routes"])})


def _picture(data: dict[str, Any]) -> Picture:
    grid = None if data["grid"] is None else [_numbers(row) for row in data["grid"]]
    edges = {k: _numbers(data[k]) for k in ("grid_x", "grid_y")}
    curves = tuple(map(_curve, data["curves"]))
    return Picture(**{**data, **edges, "grid": grid, "curves": curves})


def _curve(data: dict[str, Any]) -> Curve:
    lines = {k: None if data[k] is None else _numbers(data[k]) for k in ("x", "y", "low", "high")}
    return Curve(**{**data, **lines})


def _numbers(values: Sequence[Any]) -> list[float]:
    """Numbers, of which those that JSON lacks are written as text."""
    return [float(v) for v in values]
