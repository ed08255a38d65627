"""The arguments of `toyrl calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from toyrl.experiments.amounts import Amounts
from toyrl.experiments.cli.app import JUDGE, OUTPUT, RUN, JsonTarget, command, ranged
from toyrl.ranges import said


@command(
    JUDGE,
    "toyrl calibrate rollouts.jsonl",
    "toyrl calibrate rollouts.jsonl --reward my_rewards.py:brevity --out calibrated",
)
@ranged(said(Amounts), "group_size", "max_completion_length", "seed")
def calibrate(
    log: Path,
    /,
    *,
    reward: Annotated[
        list[str] | None, Parameter(group=RUN, negative="", consume_multiple=True)
    ] = None,
    estimator: Annotated[str | None, Parameter(group=RUN)] = None,
    group_size: Annotated[int | None, Parameter(group=RUN)] = None,
    beta: Annotated[float | None, Parameter(group=RUN)] = None,
    max_completion_length: Annotated[int | None, Parameter(group=RUN)] = None,
    trl_config: Annotated[Path | None, Parameter(group=RUN)] = None,
    verl_config: Annotated[Path | None, Parameter(group=RUN)] = None,
    features: Annotated[str | None, Parameter(group=RUN)] = None,
    columns: Annotated[str | None, Parameter(group=RUN)] = None,
    skip_bad_rows: Annotated[bool, Parameter(group=RUN, negative="")] = False,
    seed: Annotated[int, Parameter(group=RUN)] = 0,
    out: Annotated[Path | None, Parameter(group=OUTPUT, negative_none="no-")] = Path(
        "toyrl-calibrate"
    ),
    json: Annotated[JsonTarget, Parameter(group=OUTPUT)] = None,
    quiet: Annotated[bool, Parameter(group=OUTPUT, name=["--quiet", "-q"], negative="")] = False,
) -> int:
    """What does my log say of training on it, how far, and what lies beyond?

    Trains the policies that the log's own rollouts support, with bands over prompts, as far as
    they carry; beyond, behaviour worlds that look like the log take over.

    Exit code 1 if the worlds don't show what the log does.

    Parameters
    ----------
    log
        Rollouts of the policy before training, several a prompt: JSONL, JSON, CSV or parquet,
        packed with gzip or not, or a folder of them.
    reward
        As for toyrl validate, several are added; or logged:COLUMN, a reward that the log holds
        [default: outcome(), correctness alone].
    estimator
        Advantage estimator (toyrl list --kind estimator) [default: grpo].
    group_size
        Rollouts per prompt of the planned run [default: that of the log].
    beta
        Weight of the KL penalty, in reward per nat [default: 0].
    max_completion_length
        The run's limit in tokens [default: that of the log].
    trl_config
        GRPOConfig as YAML, JSON or the Python file that calls it; options given here win.
    verl_config
        verl's configuration as YAML.
    features
        Columns with a number a row that training can move, with commas: style,steps.
    columns
        Where the log has none of the usual names: prompt_id=problem,correct=score>0.5.
    skip_bad_rows
        Leave out rows that can't be used instead of refusing the log.
    seed
        Of groups, resamples and worlds.
    out
        Folder for the picture and worlds.json, which toyrl validate --worlds reads; --no-out
        writes neither.
    json
        File for the result, or - for standard output.
    quiet
        No lines, no tables.
    """
    from toyrl.experiments.commands.calibrate import run

    return run(
        log,
        reward=reward or "outcome()",
        estimator=estimator,
        group_size=group_size,
        beta=beta,
        max_completion_length=max_completion_length,
        trl_config=trl_config,
        verl_config=verl_config,
        features=features or "",
        columns=columns,
        skip_bad_rows=skip_bad_rows,
        seed=seed,
        out=out,
        json=json,
        quiet=quiet,
    )
