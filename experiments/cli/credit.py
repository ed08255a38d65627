"""The arguments of `toyrl credit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from toyrl.experiments.amounts import Amounts
from toyrl.experiments.cli.app import JUDGE, OUTPUT, JsonTarget, command, ranged
from toyrl.ranges import said


@command(
    JUDGE,
    "toyrl credit rollouts.jsonl --factors my_factors.py:factors",
    "toyrl credit rollouts.jsonl --factors my_factors.py:factors --advantages advantages.npz",
)
@ranged(said(Amounts), "penalty", "picked", "seed")
def credit(
    log: Path,
    /,
    *,
    factors: str,
    steps: Literal["blank_line", "line", "numbered", "sentence", "sub_sentence", "whole"] = "line",
    returns: str | None = None,
    by: Literal["ridge", "rrd", "uniform"] = "ridge",
    residual: Literal["end", "spread", "drop"] = "end",
    penalty: float = 1.0,
    picked: int | None = None,
    seed: int = 0,
    columns: str | None = None,
    skip_bad_rows: Annotated[bool, Parameter(negative="")] = False,
    advantages: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    tokenizer: Annotated[str | None, Parameter(group=OUTPUT)] = None,
    model: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    report: Annotated[Path | None, Parameter(group=OUTPUT, negative_none="no-")] = Path(
        "toyrl-credit.html"
    ),
    json: Annotated[JsonTarget, Parameter(group=OUTPUT)] = None,
    csv: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    quiet: Annotated[bool, Parameter(group=OUTPUT, name=["--quiet", "-q"], negative="")] = False,
) -> int:
    """Which steps earned the return?

    Splits a log's completions into steps, asks your factors of each, fits step rewards to the
    returns within prompts, and writes advantages for the tokens of each step.

    Exit code 1 if the factors don't tell more about rollouts held out than equal parts do.

    Parameters
    ----------
    log
        JSONL, JSON, CSV or parquet, packed with gzip or not, or a folder of them.
    factors
        file.py:function of a completion's steps, which gives {name: one number a step}; it is run
        in this process.
    steps
        How completions are split.
    returns
        Column of what a rollout got [default: the one that says right or wrong].
    by
        Whose step rewards are handed on: least squares with a ridge, plain RRD, or equal parts.
    residual
        What becomes of the return beside them: on the last step (the gradient's mean stays), spread
        evenly, or dropped.
    penalty
        Of the ridge, in rollouts.
    picked
        Steps that plain RRD picks [default: half the mean number of steps].
    seed
        Of what is held out.
    columns
        Where the log has none of the usual names: prompt_id=problem,correct=score>0.5.
    skip_bad_rows
        Leave out rows that can't be used instead of refusing the log.
    advantages
        File for an advantage of every token, .npz (padded) or .jsonl.
    tokenizer
        The model's id or folder, for the tokens' places [default: as many equal parts as tokens].
    model
        File for the step rewards' weights, .json or .safetensors.
    report
        File for the page.
    json
        File for the result, or - for standard output.
    csv
        File for the weights.
    quiet
        The answer alone.
    """
    from toyrl.experiments.commands.credit import run

    return run(
        log,
        factors=factors,
        steps=steps,
        returns=returns,
        by=by,
        residual=residual,
        penalty=penalty,
        picked=picked,
        seed=seed,
        columns=columns,
        skip_bad_rows=skip_bad_rows,
        advantages=advantages,
        tokenizer=tokenizer,
        model=model,
        report=report,
        json=json,
        csv=csv,
        quiet=quiet,
    )
