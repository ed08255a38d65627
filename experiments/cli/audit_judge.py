"""The arguments of `toyrl audit-judge`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from toyrl.experiments.cli.app import (
    DEPTH,
    GRADING,
    JUDGE,
    LIMITS,
    OUTPUT,
    RUN,
    JsonTarget,
    command,
)


@command(
    JUDGE,
    "toyrl audit-judge my_judge.py:score --noise noise.json",
    "toyrl audit-judge my_judge.py:compare --workers 8 --cache kept --max-calls 2000",
    "toyrl audit-judge rollouts.jsonl --score judge_score",
    name="audit-judge",
)
def audit_judge(
    judge: Annotated[str, Parameter(name="JUDGE")],
    /,
    *,
    against: Annotated[str | None, Parameter(group=DEPTH)] = None,
    pairs: Annotated[bool | None, Parameter(group=GRADING)] = None,
    data: Annotated[Path | None, Parameter(group=DEPTH)] = None,
    columns: Annotated[str | None, Parameter(group=DEPTH)] = None,
    score: Annotated[str | None, Parameter(group=GRADING)] = None,
    threshold: Annotated[float | None, Parameter(group=GRADING)] = None,
    prompts: Annotated[int | None, Parameter(group=DEPTH)] = None,
    answer_mark: Annotated[str, Parameter(group=GRADING)] = "gsm8k",
    max_calls: Annotated[int | None, Parameter(group=GRADING)] = None,
    timeout: Annotated[float, Parameter(group=GRADING)] = 60.0,
    workers: Annotated[int, Parameter(group=GRADING)] = 1,
    cache: Annotated[Path | None, Parameter(group=GRADING)] = None,
    accuracy: Annotated[float | None, Parameter(group=RUN)] = None,
    typical_length: Annotated[int | None, Parameter(group=RUN)] = None,
    max_completion_length: Annotated[int, Parameter(group=RUN)] = 512,
    estimator: Annotated[str, Parameter(group=RUN)] = "grpo",
    group_size: Annotated[int, Parameter(group=RUN)] = 8,
    beta: Annotated[float, Parameter(group=RUN)] = 0.0,
    worlds: Annotated[int, Parameter(group=DEPTH)] = 16,
    seed: Annotated[int, Parameter(group=DEPTH)] = 0,
    skip_bad_rows: Annotated[bool, Parameter(group=LIMITS, negative="")] = False,
    report: Annotated[Path | None, Parameter(group=OUTPUT, negative_none="no-")] = Path(
        "toyrl-judge.html"
    ),
    noise: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    json: Annotated[JsonTarget, Parameter(group=OUTPUT)] = None,
    quiet: Annotated[bool, Parameter(group=OUTPUT, name=["--quiet", "-q"], negative="")] = False,
) -> int:
    """Is a judge or reward model biased, and what would that do to training?

    Asks about texts of known truth and twins of them that differ in one thing: position, length,
    format, style, praise, a user's wrong claim, other words. Says what sways the judge, how often a
    right text wins, and what becomes of a run under it. The judge runs in this process.

    Exit code 0 for a usable judge, 1 for a biased or useless one and where too little was answered.

    Parameters
    ----------
    judge
        file.py:function of one text (a score, in any form that validate knows) or of two
        (prompt, first, second); the folder of a sequence-classification model (extra llm); or a log
        with scores (JSONL, JSON, CSV, parquet).
    against
        A second judge for the same questions, or another column of the log.
    pairs
        The function compares two texts [default: as its parameters say].
    data
        Rows with prompt, completion and correct to ask about, in the place of arithmetic texts.
    columns
        Which columns of the rows say what: correct=score,completion=output.
    score
        Column of the log with the judge's scores.
    threshold
        Score from which on a text counts as accepted [default: where verdicts are most often
        right].
    prompts
        Prompts to ask about [default: 64, or those of --data]; each takes 17 calls of a judge of
        texts and 42 of a judge of pairs.
    answer_mark
        How toyrl's own texts mark answers: tag, boxed, think_boxed, gsm8k, prose or text with {}.
    max_calls
        Calls of the judge at most; fewer prompts are asked about then.
    timeout
        Seconds that a call may take.
    workers
        Calls at a time, in threads.
    cache
        Folder where answers are kept: what was asked once is not asked again.
    accuracy
        Of the base that the run starts from [default: that of the log, else 0.4].
    typical_length
        Its mean completion in tokens [default: 150].
    max_completion_length
        The run's limit in tokens.
    estimator
        Advantage estimator of the run.
    group_size
        Rollouts a prompt.
    beta
        Weight of the KL penalty.
    worlds
        Worlds that runs are made in; 0 for none.
    seed
        Of texts and worlds.
    skip_bad_rows
        Leave out unusable rows instead of refusing the file.
    report
        Page with the answer; --no-report for none.
    noise
        File for the judge's errors by class, which validate and sweep take as --judge-noise.
    json
        File for the numbers, or - for standard output.
    quiet
        One line only.
    """
    from toyrl.experiments.commands.audit_judge import run

    return run(
        judge,
        against=against,
        pairs=pairs,
        data=data,
        columns=columns,
        score=score,
        threshold=threshold,
        prompts=prompts,
        dialect=answer_mark,
        max_calls=max_calls,
        timeout=timeout,
        workers=workers,
        cache=cache,
        accuracy=accuracy,
        typical_length=typical_length,
        max_completion_length=max_completion_length,
        estimator=estimator,
        group_size=group_size,
        beta=beta,
        worlds=worlds,
        seed=seed,
        skip_bad_rows=skip_bad_rows,
        report=report,
        noise=noise,
        json=json,
        quiet=quiet,
    )
