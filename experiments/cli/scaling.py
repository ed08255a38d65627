"""The arguments of `toyrl scaling`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from toyrl.experiments.amounts import Amounts
from toyrl.experiments.cli.app import JUDGE, OUTPUT, JsonTarget, command, ranged
from toyrl.ranges import said


@command(JUDGE, "toyrl scaling rollouts.jsonl --picture curves.svg")
@ranged(said(Amounts), "samples", "temperature", "level", "seed")
def scaling(
    log: Path,
    /,
    *,
    proxy: Annotated[list[str] | None, Parameter(negative="")] = None,
    gold: str | None = None,
    answer: str | None = None,
    samples: int | None = None,
    x: Annotated[Literal["draws", "tokens"], Parameter(name=["--x", "-x"])] = "draws",
    temperature: float | None = None,
    level: float = 0.95,
    seed: int = 0,
    columns: str | None = None,
    skip_bad_rows: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[JsonTarget, Parameter(group=OUTPUT)] = None,
    csv: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    picture: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    quiet: Annotated[bool, Parameter(group=OUTPUT, name=["--quiet", "-q"], negative="")] = False,
) -> int:
    """How many samples should I draw, and when does drawing more hurt?

    Reads a log with several scored samples a prompt: what pass@k, best of k by each score, softmax
    selection and votes gain, with bands over prompts, and the KL that is paid.

    Exit code 1 if best of k by a score falls again within the k looked at.

    Parameters
    ----------
    log
        JSONL, JSON, CSV or parquet, packed with gzip or not, or a folder of them.
    proxy
        Column of a score that selects; may be given several times [default: all logged rewards].
    gold
        Column of the truth, a number [default: the one that says right or wrong].
    answer
        Column of what a sample answered, for votes [default: found by name, or read off the text].
    samples
        Largest k [default: as many samples as 90 % of the prompts have].
    x
        What the picture's axis counts.
    temperature
        Of softmax selection, in units of the score [default: its spread within prompts].
    level
        Of the bands, which hold for all k at once.
    seed
        Of random orders and bands.
    columns
        Where the log has none of the usual names: prompt_id=problem,correct=score>0.5.
    skip_bad_rows
        Leave out rows that can't be used instead of refusing the log.
    json
        File for the result, or - for standard output.
    csv
        File for every curve, a row for each k.
    picture
        File for the picture, .svg or .png.
    quiet
        No tables.
    """
    from toyrl.experiments.commands.scaling import run

    return run(
        log,
        proxy=proxy or (),
        gold=gold,
        answer=answer,
        samples=samples,
        x=x,
        temperature=temperature,
        level=level,
        seed=seed,
        columns=columns,
        skip_bad_rows=skip_bad_rows,
        json=json,
        csv=csv,
        picture=picture,
        quiet=quiet,
    )
