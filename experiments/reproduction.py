"""Running experiments with their mutants, and the outcomes as one answer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toyrl import schemas
from toyrl.experiments import core
from toyrl.experiments.amounts import refuse_outside
from toyrl.experiments.begin import Begin, nothing
from toyrl.experiments.errors import UsageError
from toyrl.experiments.results import Answer


@dataclass(frozen=True, repr=False)
class Reproduction(Answer):
    """Outcomes of experiments, in the order asked for; a sequence of `core.Outcome`.

    command : how it was called, for the page
    """

    outcomes: tuple[core.Outcome, ...]
    command: str = ""

    @property
    def holds(self) -> bool:
        """Every check holds and every mutant that was run is caught."""
        return all(o.holds for o in self.outcomes)

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """0 if all hold, 1 if not."""
        return int(not self.holds)

    def __len__(self) -> int:
        return len(self.outcomes)

    def __iter__(self) -> Iterator[core.Outcome]:
        return iter(self.outcomes)

    def __getitem__(self, index: int) -> core.Outcome:
        return self.outcomes[index]

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of a run."""
        return {
            "schema": schemas.tag("reproduce"),
            "results": [o.to_dict() for o in self.outcomes],
        }

    def lines(self) -> list[str]:
        """How many hold, and the first that doesn't with its check."""
        kept = sum(o.holds for o in self.outcomes)
        bad = next((o for o in self.outcomes if not o.holds), None)
        out = [f"{kept} of {len(self.outcomes)} hold"]
        if bad is not None:
            checks = [c.name for c in bad.result.checks if not c.holds]
            uncaught = [f"broken variant {m.name}" for m in bad.mutants if not m.caught]
            out.append(f"{bad.experiment.id}: {'; '.join([*checks, *uncaught])}")
        elif len(self.outcomes) == 1:
            out[0] = f"{self.outcomes[0].experiment.id} holds"
            out.append(f"{self.outcomes[0].experiment.claim}")
        return out

    def forms(self) -> dict[str, Callable[[], str]]:
        """.html: the page; .md and .csv: the checks; a path without suffix: see `save`."""
        from toyrl.experiments.render.folder import checks_table, csv_table, summary
        from toyrl.experiments.render.html import reproduce_page

        return {
            ".html": lambda: reproduce_page(self.outcomes, self.to_dict(), command=self.command),
            ".md": lambda: summary(self.outcomes),
            ".csv": lambda: csv_table(checks_table(self.outcomes)),
        }

    def save(self, path: str | Path) -> Path:
        """Write a file by its suffix; without one, a folder with page, tables and pictures."""
        from toyrl.experiments.render.folder import write_folder

        place = Path(path)
        if place.suffix:
            return super().save(place)
        if place.exists() and not place.is_dir():
            msg = f"path={str(place)!r} is a file; name a folder, or a file with a suffix"
            raise UsageError(msg)
        write_folder(place, self.outcomes, self.to_dict(), command=self.command)
        return place

    def card(self) -> str:
        """The checks as a table."""
        from toyrl.experiments.render.folder import checks_table
        from toyrl.experiments.render.html import card

        words = {"answer": self, "table": checks_table(self.outcomes)}
        return card("table", tone="pass" if self.holds else "fail", **words)


def run(
    ids: Sequence[str],
    *,
    mutants: bool,
    seed: int,
    smoke: bool,
    tell: Callable[[core.Outcome], None] = lambda _: None,
    known: Callable[[core.Experiment], core.Outcome | None] = lambda _: None,
    keep: Callable[[core.Outcome], None] = lambda _: None,
    begin: Begin = nothing,
    command: str = "",
) -> Reproduction:
    """Run the chosen experiments. UsageError for bad input.

    tell : called with each outcome
    known : the outcome of an earlier run, which isn't run again, or None; keep : called with each
        new one that came to its end; begin : called with (done, total, name) before each
    """
    refuse_outside(seed=seed)
    outcomes: list[core.Outcome] = []
    chosen = _chosen(ids)
    for experiment in chosen:
        begin(len(outcomes), len(chosen), experiment.id)
        outcome = known(experiment)
        if outcome is None:
            outcome, ended = _outcome(experiment, seed=seed, mutants=mutants, smoke=smoke)
            if ended:
                keep(outcome)
        outcomes.append(outcome)
        tell(outcome)
    return Reproduction(tuple(outcomes), command)


def _chosen(ids: Sequence[str]) -> list[core.Experiment]:
    try:
        chosen = core.select(ids)
    except KeyError as error:
        raise UsageError(error.args[0]) from error
    if not chosen:
        msg = "no experiment is named; give numbers of papers, slugs, ids or all"
        raise UsageError(msg)
    return chosen


def _outcome(
    experiment: core.Experiment, *, seed: int, mutants: bool, smoke: bool
) -> tuple[core.Outcome, bool]:
    """Run one experiment: its outcome, and whether it came to its end.

    One that raises counts as not holding, and the others still run.
    """
    arguments = experiment.smoke if smoke else None
    try:
        return core.execute(experiment, seed=seed, mutants=mutants, arguments=arguments), True
    except Exception as error:
        if os.environ.get("TOYRL_DEBUG"):
            raise
        failed = core.Result(
            (core.Check("runs to its end", 0.0, 1.0, "=="),),
            notes=(f"{type(error).__name__}: {error}",),
        )
        return replace(core.Outcome(experiment, failed), seed=seed), False
