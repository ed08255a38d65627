"""The arguments of `toyrl grade`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from toyrl.experiments.amounts import Amounts
from toyrl.experiments.cli.app import JUDGE, OUTPUT, JsonTarget, command, ranged
from toyrl.ranges import said


@command(JUDGE, "toyrl grade \"tool_calls(scale='max1')\" rows.jsonl --csv grades.csv")
@ranged(said(Amounts), "step")
def grade(
    grader: str,
    rows: Path,
    /,
    *,
    columns: str | None = None,
    step: float = 0.0,
    skip_bad_rows: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[JsonTarget, Parameter(group=OUTPUT)] = None,
    csv: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    parquet: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    picture: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    quiet: Annotated[bool, Parameter(group=OUTPUT, name=["--quiet", "-q"], negative="")] = False,
) -> int:
    """What does a published reward of a task pay my texts?

    Grades rows with a completion and the gold columns that the reward reads: every part, what
    couldn't be read and why, histograms, milliseconds a row.

    Exit code 1 if no row could be graded.

    Parameters
    ----------
    grader
        A reward of a task, as `toyrl list --kind grader` shows them.
    rows
        JSONL, JSON, CSV or parquet, packed with gzip or not, or a folder of them.
    columns
        Where columns have other names: completion=output,ground_truth=calls.
    step
        Number of the update, for rewards whose scales change in training.
    skip_bad_rows
        Leave out lines that are no rows instead of refusing the file.
    json
        File for the result, or - for standard output.
    csv
        File with a row for each text.
    parquet
        The same as a parquet file (pyarrow).
    picture
        File for the reward's histogram, .svg.
    quiet
        No tables.
    """
    from toyrl.experiments.commands.grading import run

    return run(
        grader,
        rows,
        columns=columns,
        step=step,
        skip_bad_rows=skip_bad_rows,
        json=json,
        csv=csv,
        parquet=parquet,
        picture=picture,
        quiet=quiet,
    )
