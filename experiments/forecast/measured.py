"""Runs measured by `toyrl transfer` as cases: what was told, the sealed predictions, the ends."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from toyrl import schemas
from toyrl.experiments.errors import UsageError
from toyrl.experiments.forecast.case import Case, Forecast, Outcome, Told, Walk
from toyrl.experiments.forecast.evidence import Evidence, drawn
from toyrl.experiments.forecast.logged import Logged, rollouts_of

FORMULA = {
    "additive": "outcome() - {w:.12g}*linear_length()",
    "gated": "outcome() - {w:.12g}*gated(linear_length())",
}
"""Families of a suite that catalogue expressions can say; the others read texts."""


def files(place: Path) -> list[tuple[Path, Path]]:
    """Result and predictions of each study: of a folder of `toyrl transfer`, of each base in one
    of `toyrl transfer --zoo`, or X.json beside X-predictions.json."""
    if not place.is_dir():
        return [(place, _beside(place))]
    if (place / "result.json").is_file():
        return [(place / "result.json", place / "predictions.json")]
    return [(p, _beside(p)) for p in sorted(place.glob("*.json")) if _beside(p).is_file()] or [
        (place / "result.json", place / "predictions.json")  # refused by its name
    ]


def _beside(result: Path) -> Path:
    return result.with_name(f"{result.stem}-predictions.json")


def cases(result: Path, predictions: Path) -> list[Case]:
    """The rewards of a suite at the end of their runs, means over seeds.

    result, predictions : files that `toyrl transfer` wrote (`result.json`, `predictions.json`)

    Raises UsageError for a file of another kind, or where the two don't belong together.
    """
    found = _read(result, "transfer-result")
    said = _read(predictions, "transfer")
    unknown = set(found["rewards"]) - set(said["rewards"])
    if unknown:
        msg = f"{predictions} holds no prediction of {', '.join(sorted(unknown))}; name its own"
        raise UsageError(msg)
    if not 0 < found["base"]["accuracy"] < 1:
        msg = (
            f"{result}: accuracy={found['base']['accuracy']:g} of its base leaves nothing to "
            "forecast; a base has some right answers and some wrong ones: leave it out"
        )
        raise UsageError(msg)
    plan = found["plan"]
    return [
        _with_evidence(
            _case(name, run, said["rewards"][name], found["base"], plan),
            found,
            said["rewards"][name],
        )
        for name, run in found["rewards"].items()
    ]


def _read(path: Path, kind: str) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        schemas.check(data, kind, str(path))
    except (OSError, ValueError, schemas.SchemaError) as error:
        msg = f"{path} is no file of toyrl transfer: {error}"
        raise UsageError(msg) from error
    return data


def _case(
    name: str,
    run: Mapping[str, Any],
    said: Mapping[str, Any],
    base: Mapping[str, float],
    plan: Mapping[str, Any],
) -> Case:
    settings = plan["run"]
    formula = said.get("formula", "") if "formula" in said else FORMULA.get(said["family"], "")
    # What is read in texts is not what the expression alone says.
    rewards = (formula.format(w=said["weight"]),) if formula and not said.get("reads") else ()
    told = Told(
        name=name,
        rewards=rewards,
        accuracy=base["accuracy"],
        length=base["length"],
        limit=float(settings["limit"]),
        estimator=settings["estimator"],
        group_size=settings["group_size"],
        beta=settings["beta"],
        evidence=evidence,
        known=_known(said),
    )
    lengths = run.get("end_log_length", run["log_length"])
    outcome = Outcome(
        base=float(np.mean(run["end"])),
        correctness=run.get("against_outcome"),
        length=math.exp(float(np.mean(lengths))),
    )
    where = f"{plan['model']}, {plan['task']}"
    ends = tuple(zip(run["end"], lengths, strict=True))
    return Case(told, outcome, where, where, said["family"] == "outcome", ends)


def _known(said: Mapping[str, Any]) -> dict[str, Forecast]:
    """What was sealed: the toy's answer, and forecasters' by name, silent ones with nothing."""
    toy = {} if said["toy"] is None else {"toy": _prediction(said["toy"])}
    own = {name: Forecast(**(answer or {})) for name, answer in said.get("forecasts", {}).items()}
    return {**toy, **own}


def _with_evidence(case: Case, found: Mapping[str, Any], said: Mapping[str, Any]) -> Case:
    """The case with the runs' ways and the base's own rollouts, where the file has them; named by
    its base too, since all bases of a zoo have the same rewards."""
    name = case.told.name
    if "rollouts" not in found:
        return case
    told = replace(
        case.told,
        name=f"{found['plan']['model']}/{name}",
        evidence=_logged(found["rollouts"], name, said),
    )
    return replace(case, told=told, walks=tuple(map(_walk, found["ways"].get(name, ()))))


def _walk(way: Mapping[str, Any]) -> Walk:
    return Walk(*(tuple(way[key]) for key in ("updates", "accuracy", "length")))


def _logged(
    kept: Mapping[str, Any], reward: str, said: Mapping[str, Any]
) -> Callable[[Told], Evidence | None]:
    """Evidence from the base's own rollouts, whatever the reward reads."""

    def of(told: Told) -> Evidence:
        from toyrl.expressions import parse, parse_estimator
        from toyrl.worlds.behaviour import groups
        from toyrl.worlds.behaviour.rollouts import SERVED

        r = rollouts_of(kept, kept["group"], told.limit)
        values = np.array(kept["values"][reward], dtype=float).reshape(r.shape)
        formula = said.get("formula", "") if set(said.get("reads", ())) <= set(SERVED) else ""
        paid = kept.get("paid", {}).get(reward)
        return Logged(
            r,
            values,
            parse_estimator(told.estimator),
            parse(formula or told.rewards[0]) if formula or told.rewards else None,
            None if paid is None else groups.read(paid),
        )

    return of


def _prediction(p: Mapping[str, float]) -> Forecast:
    return Forecast(
        below_base=p["collapse"],
        below_correctness=p["collapse"],
        accuracy=p["accuracy"],
        length=math.exp(p["log_length"]),
        low=p["low"],
        high=p["high"],
    )


def evidence(told: Told) -> Evidence | None:
    """Groups of such a base under a catalogue reward; None for one that reads texts."""
    from toyrl.experiments.validate.reward_law import bench
    from toyrl.experiments.validate.reward_law.law import RewardLaw
    from toyrl.expressions import parse, parse_estimator

    if not told.rewards or not 0 < told.accuracy < 1:  # no base is drawn that knows nothing
        return None
    law = RewardLaw(bench.template(int(told.limit)), parse(told.rewards[0]))
    return drawn(told, law, parse_estimator(told.estimator))
