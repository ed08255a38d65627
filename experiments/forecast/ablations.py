"""What each mechanism of the behaviour worlds is worth, and the one fitted number left out.

Every mechanism is left out in turn and all runs are forecast again. How far runs go (`distance`)
was chosen with the published runs in sight; leaving out one paper at a time, choosing it on the
others and scoring the paper left out says what that was worth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from toyrl.experiments.forecast.board import SILENT
from toyrl.experiments.forecast.case import Case, Forecast, Told
from toyrl.experiments.forecast.rivals import behaviour
from toyrl.experiments.forecast.score import Row, Scores, score

WORLDS = 16
DISTANCES = ("half as far", "as it is", "twice as far")
LEFT_OUT = "as far as the other papers say"

Says = Callable[[Told, behaviour.Model], Forecast | None]


def forecasts(
    cases: Sequence[Case], worlds: int = WORLDS, says: Says = behaviour.forecast
) -> dict[str, list[Row]]:
    """Every run under the model as it is and with each mechanism left out."""
    models: Mapping[str, behaviour.Model] = {
        "as it is": behaviour.Model(),
        **behaviour.ABLATIONS,
    }
    out: dict[str, list[Row]] = {}
    for name, model in models.items():
        own = replace(model, worlds=worlds)
        out[name] = [(c, says(c.told, own) or SILENT) for c in cases]
    return out


def left_out(found: Mapping[str, Sequence[Row]]) -> list[Row]:
    """Each run under the distance that has the least Brier score on the papers of all others."""
    rows: list[Row] = []
    for i, (case, _) in enumerate(found[DISTANCES[1]]):
        briers = {
            name: score([r for r in found[name] if r[0].source != case.source]).brier
            for name in DISTANCES
        }
        rows.append(found[min(briers, key=briers.__getitem__)][i])
    return rows


def table(found: Mapping[str, Sequence[Row]]) -> str:
    """The scores as a Markdown table, the model as it is first."""
    rows = {**found, LEFT_OUT: left_out(found)}
    heads = "Worlds", "AUC", "Brier", "Hits", "Contrasts", "Length"
    head = [f"| {' | '.join(heads)} |", f"| {' | '.join('---' for _ in heads)} |"]
    return "\n".join([*head, *(_line(name, score(own)) for name, own in rows.items())])


def _line(name: str, s: Scores) -> str:
    return (
        f"| {name} | {s.auc:.2f} | {s.brier:.3f} | {s.hits} of {s.runs} | "
        f"{s.ordered:g} of {s.contrasts} | {s.log_length:.2f} ({s.lengths}) |"
    )
