"""The score board: every forecaster on every study, with what can and can't be told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from toyrl import schemas
from toyrl.experiments.begin import Begin, nothing
from toyrl.experiments.forecast import ranks
from toyrl.experiments.forecast.case import Case, Forecast, Forecaster
from toyrl.experiments.forecast.rivals import behaviour, rules, simple
from toyrl.experiments.forecast.score import (
    Interval,
    Row,
    Scores,
    brier_of,
    ordered_of,
    paired,
    score,
)

FORECASTERS: tuple[Forecaster, ...] = (
    *simple.FORECASTERS,
    *rules.FORECASTERS,
    *behaviour.FORECASTERS,
)
SILENT = Forecast(below_base=0.5, below_correctness=0.5)
"""What stands for a forecaster that can't say anything of a run: it scores, as a shrug."""
AGAINST = "always-safe"


@dataclass(frozen=True)
class Study:
    """Runs that are scored together.

    name, says : what they are
    """

    name: str
    says: str
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Line:
    """One forecaster on one study.

    silent : runs of which it had nothing to say
    tau_accuracy, tau_length : tau-b of what it said with what came, over runs of one base
    brier_against, contrasts_against : differences from `AGAINST`, with 95 % intervals; below 0 is
        better for the first, above 0 for the second
    """

    forecaster: Forecaster
    rows: tuple[Row, ...]
    silent: int
    scores: Scores
    tau_accuracy: float
    tau_length: float
    brier_against: Interval
    contrasts_against: Interval


@dataclass(frozen=True)
class Board:
    """Studies with a line for each forecaster."""

    studies: tuple[tuple[Study, tuple[Line, ...]], ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON form: scores, and each forecast beside its outcome."""
        return {
            "schema": schemas.tag("scoreboard"),
            "studies": [
                {
                    "name": study.name,
                    "runs": [_outcome(case) for case in study.cases],
                    "ceiling": {
                        "tau_accuracy": ranks.ceiling(study.cases, ranks.ACCURACY),
                        "tau_length": ranks.ceiling(study.cases, ranks.LENGTH),
                    },
                    "forecasters": {line.forecaster.name: _line(line) for line in lines},
                }
                for study, lines in self.studies
            ],
        }


def board(
    studies: Sequence[Study],
    forecasters: Sequence[Forecaster] = FORECASTERS,
    *,
    begin: Begin = nothing,
) -> Board:
    """Every forecaster, and the mean share over the other sources, on every study.

    begin : hears (done, total, name) before each run
    """
    runs = [c for s in studies for c in s.cases]
    all_of_them = (*forecasters, simple.mean_share(runs))
    said, done = [], 0
    for study in studies:
        answers: dict[str, list[tuple[Case, Forecast | None]]] = {f.name: [] for f in all_of_them}
        for case in study.cases:
            begin(done, len(runs), case.told.name)
            done += 1
            for f in all_of_them:
                answers[f.name].append((case, _said(f, case)))
        said.append(tuple(_lines(study, all_of_them, answers)))
    return Board(tuple(zip(studies, said, strict=True)))


def _lines(
    study: Study,
    forecasters: Sequence[Forecaster],
    said: Mapping[str, Sequence[tuple[Case, Forecast | None]]],
) -> list[Line]:
    rows = {name: [(c, a or SILENT) for c, a in those] for name, those in said.items()}
    constant = rows.get(AGAINST) or [(c, Forecast(0.0, 0.0, 0.0, 1.0)) for c in study.cases]
    return [
        Line(
            f,
            tuple(rows[f.name]),
            sum(a is None for _, a in said[f.name]),
            score(rows[f.name]),
            ranks.tau(rows[f.name], ranks.ACCURACY),
            ranks.tau(rows[f.name], ranks.LENGTH),
            paired(rows[f.name], constant, brier_of),
            paired(rows[f.name], constant, ordered_of),
        )
        for f in forecasters
    ]


def _said(f: Forecaster, case: Case) -> Forecast | None:
    """What was sealed before the run, else what the forecaster says now; None where silent."""
    answer = case.told.known[f.name] if f.name in case.told.known else f.of(case.told)
    return None if answer == Forecast() else answer


def _outcome(case: Case) -> dict[str, Any]:
    return {
        "name": case.told.name,
        "source": case.source,
        "family": case.family,
        "control": case.control,
        "rewards": list(case.told.rewards),
        **asdict(case.outcome),
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "silent": line.silent,
        "scores": asdict(line.scores),
        "tau_accuracy": line.tau_accuracy,
        "tau_length": line.tau_length,
        "brier_against": asdict(line.brier_against),
        "contrasts_against": asdict(line.contrasts_against),
        "said": {c.told.name: asdict(f) for c, f in line.rows},
    }
