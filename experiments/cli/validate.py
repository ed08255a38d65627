"""The arguments of `toyrl validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

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
    ranged,
)
from toyrl.experiments.validate.settings import Settings
from toyrl.ranges import said

PAGE, QUICK_PAGE = Path("toyrl-report.html"), Path("toyrl-report-quick.html")


@command(
    JUDGE,
    "toyrl validate my_rewards.py:brevity --quick",
    "toyrl validate acc.py:correct:1.0 fmt.py:tags:0.2 --trl-config grpo.yaml",
)
@ranged(said(Settings))
def validate(
    rewards: Annotated[list[str] | None, Parameter(name="REWARD", negative="")] = None,
    /,
    *,
    rollouts: Annotated[Path | None, Parameter(group=RUN)] = None,
    calibrated: Annotated[Path | None, Parameter(name="--worlds", group=RUN)] = None,
    data: Annotated[Path | None, Parameter(group=RUN)] = None,
    columns: Annotated[str | None, Parameter(group=RUN)] = None,
    model: Annotated[str | None, Parameter(group=RUN)] = None,
    process: Annotated[str | None, Parameter(group=RUN)] = None,
    steps: Annotated[str | None, Parameter(group=RUN)] = None,
    compare: Annotated[bool, Parameter(group=DEPTH, negative="")] = False,
    trl_config: Annotated[Path | None, Parameter(group=RUN)] = None,
    verl_config: Annotated[Path | None, Parameter(group=RUN)] = None,
    max_completion_length: Annotated[int | None, Parameter(group=RUN)] = None,
    typical_length: Annotated[int | None, Parameter(group=RUN)] = None,
    estimator: Annotated[str | None, Parameter(group=RUN)] = None,
    group_size: Annotated[int | None, Parameter(group=RUN)] = None,
    beta: Annotated[float | None, Parameter(group=RUN)] = None,
    success_rates: Annotated[str | None, Parameter(group=RUN)] = None,
    updates: Annotated[int | None, Parameter(group=RUN)] = None,
    learning_rate: Annotated[float | None, Parameter(group=RUN)] = None,
    completions: Annotated[int | None, Parameter(group=RUN)] = None,
    report: Annotated[Path | None, Parameter(group=OUTPUT, negative_none="no-")] = PAGE,
    json: Annotated[JsonTarget, Parameter(group=OUTPUT)] = None,
    junit: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    sarif: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    band: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    fail_on: Annotated[Literal["risky", "unsafe"], Parameter(group=LIMITS)] = "unsafe",
    allow_inconclusive: Annotated[bool, Parameter(group=LIMITS, negative="")] = False,
    seed: Annotated[int, Parameter(group=DEPTH)] = 0,
    conciseness: Annotated[Path | None, Parameter(group=GRADING)] = None,
    judge_noise: Annotated[Path | None, Parameter(group=GRADING)] = None,
    timeout: Annotated[float, Parameter(group=GRADING)] = 10.0,
    cache: Annotated[Path | None, Parameter(group=GRADING)] = None,
    max_calls: Annotated[int | None, Parameter(group=GRADING)] = None,
    search: Annotated[int | None, Parameter(group=DEPTH)] = None,
    workers: Annotated[int, Parameter(group=GRADING)] = 1,
    task: Annotated[str | None, Parameter(group=GRADING)] = None,
    answer_mark: Annotated[str | None, Parameter(group=GRADING)] = None,
    text_parameter: Annotated[str | None, Parameter(group=GRADING)] = None,
    env: Annotated[list[str] | None, Parameter(group=GRADING, negative_iterable="no-")] = None,
    isolate: Annotated[bool, Parameter(group=GRADING, negative="")] = False,
    quick: Annotated[bool, Parameter(group=DEPTH, negative="")] = False,
    only: Annotated[str | None, Parameter(group=DEPTH)] = None,
    skip: Annotated[str | None, Parameter(group=DEPTH)] = None,
    thorough: Annotated[bool, Parameter(group=DEPTH, negative="")] = False,
    skip_bad_rows: Annotated[bool, Parameter(group=LIMITS, negative="")] = False,
    verbose: Annotated[
        bool, Parameter(group=OUTPUT, name=["--verbose", "-v"], negative="")
    ] = False,
    quiet: Annotated[bool, Parameter(group=OUTPUT, name=["--quiet", "-q"], negative="")] = False,
) -> int:
    """Is this reward safe to train on?

    Prints the verdict with its reasons and writes a report page. Exit code 0 below --fail-on
    where no check failed, 1 else and where it could not be judged, 2 if the reward can't be
    loaded or used.

    Parameters
    ----------
    rewards
        my_rewards.py:brevity, a dotted path (trl.rewards:think_format_reward) or a catalogue
        expression ("laser(target=0.5)"); several are added, each with an optional weight:
        acc.py:correct:1.0 fmt.py:tags:0.2. Functions are called as their trainers call them. May be
        left out with --process.
    rollouts
        Log of real rollouts, which are looked at first: what they show decides before any world
        does, and worlds, lengths, success rates and texts are theirs. JSONL, a JSON array, CSV or
        parquet, .gz of these, or a folder, as TRL (log_completions), verl (rollout_data_dir),
        OpenRLHF and verifiers write them.
    calibrated
        worlds.json of toyrl calibrate: the forecast takes its worlds, and lengths and success rates
        are those of its log where nothing else says them.
    data
        Rows with prompts and gold columns, of the same kinds of files; gold answers get their form.
    columns
        Which columns of the log say what, where they have none of the usual names:
        correct=score,completion=output; 'correct=score>0.5' sets a bound. Names: completion,
        correct, prompt, prompt_id, length, truncated, reward, advantage, difficulty.
    model
        Folder or hub id of a model to sample rollouts from first (extra llm); its prompts are
        those of --data, else arithmetic of known difficulty.
    process
        Scores of steps, which terms such as step_clip() pay: prm.py:score (a function of the list
        of steps that gives one score each), the folder of a token-classification model (extra llm),
        or the column of --rollouts with a list of scores a row. REWARD then says how they become
        a return [default: outcome() + step_sum()].
    steps
        How --process splits texts: line, blank_line, numbered, sentence, sub_sentence or whole
        [default: line].
    compare
        Judge each reward by itself in the same worlds, side by side, instead of their sum.
    trl_config
        GRPOConfig as YAML, JSON or the Python file that calls it; options given here win.
    verl_config
        verl's configuration as YAML.
    max_completion_length
        The run's limit in tokens [default: that of --rollouts, else 512].
    typical_length
        Mean completion length now, in tokens [default: that of --rollouts, else 150].
    estimator
        Advantage estimator (toyrl list --kind estimator); all compares them [default: grpo].
    group_size
        Rollouts per prompt [default: 8].
    beta
        Weight of the KL penalty, in reward per nat [default: 0].
    success_rates
        Success rates of the base policy, such as .1,.5,.9 [default: that of --rollouts].
    updates
        Updates of the run, which say with the next two how far the forecast goes [default: 200].
    learning_rate
        Adam's rate in full fine-tuning [default: 1e-6].
    completions
        Completions an update, all devices together [default: 1024].
    report
        The HTML page to write; --no-report writes none. Without a name `--quick` writes
        toyrl-report-quick.html, so that the page of a whole run stays.
    json
        File for the report as JSON, or - for standard output.
    junit
        File for the findings as JUnit XML.
    sarif
        File for the findings as SARIF 2.1.0, which code scanning reads.
    band
        File for the predicted band of accuracy and length, which toyrl.watch holds a run against.
    fail_on
        Mildest verdict with exit code 1; a check that failed is exit code 1 whatever the verdict.
    allow_inconclusive
        Exit code 0 where the reward could not be judged, instead of 1.
    seed
        Seed of what is sampled.
    conciseness
        Learned scorer (.json or .safetensors, see docs/length.md) whose scores are the field
        conciseness of a catalogue expression, such as crf(), in the place of an assumption; its
        error on texts of known redundancy is told and carried into noise and training.
    judge_noise
        File of a judge's measured errors (toyrl audit-judge JUDGE --noise FILE): its verdicts stand
        where the reward reads the right answer.
    timeout
        Seconds that one call of the reward may take.
    cache
        Folder that keeps the values of a slow reward by text; a later run goes on from there.
    max_calls
        Texts that the reward may be asked to grade; a verdict with its forecast needs about 2,300,
        and 750 more for every further format that the reward reads; the search for exploits takes
        up to 800 of the rest.
    workers
        Processes that grade texts side by side, for a reward of a file that looks at one text at
        a time and keeps no state; async functions get a whole call's texts at once anyway.
    task
        What the reward is for: arithmetic, choice, tools or sql, or a task of your own,
        file.py:NAME [default: found from its source, signature and data columns].
    answer_mark
        How the reward wants answers marked, where it is none of the usual ways: text with {} for
        the answer, such as 'Final answer: {}'; <think></think> before it for working in tags.
    text_parameter
        The reward function's parameter that takes the completion, where its name doesn't say so.
    env
        A variable that the reward gets, beside those that Python needs; may be repeated. --no-env:
        no other [default: all].
    isolate
        Run the reward without network and with read-only file systems (Linux).
    quick
        Own rollouts, contract and hacks alone, without training, in seconds. Where nothing speaks
        against the reward the verdict is SAFE SO FAR, exit code 0.
    only
        Sections to run beside the contract, by their names in the report: hacks,signal. Where
        some of those that decide are left out, the verdict is at best SAFE SO FAR.
    skip
        Sections to leave out, by name: own-rollouts, hacks, signal, collapse, order, selection,
        verdict (which here is the search for the nearest safe variant).
    search
        Texts that a search for exploits that no list holds may ask for, beside the listed ones; 0:
        no search [default: 800, of a reward that takes more than 0.2 s a text 100].
    thorough
        More worlds and longer training.
    skip_bad_rows
        Leave out unusable rows instead of refusing the file.
    verbose
        List the checks that passed and the notes too, which else are counted.
    quiet
        One line only.
    """
    from toyrl.experiments.commands.validate import run

    values = {
        "rollouts": rollouts,
        "calibrated": calibrated,
        "data": data,
        "columns": columns,
        "model": model,
        "process": process,
        "steps": steps,
        "max_completion_length": max_completion_length,
        "typical_length": typical_length,
        "estimator": estimator,
        "group_size": group_size,
        "beta": beta,
        "success_rates": success_rates,
        "updates": updates,
        "learning_rate": learning_rate,
        "completions": completions,
        "seed": seed,
        "conciseness": conciseness,
        "judge_noise": judge_noise,
        "timeout": timeout,
        "cache": cache,
        "max_calls": max_calls,
        "search": search,
        "workers": workers,
        "task": task,
        "answer_mark": answer_mark,
        "text_parameter": text_parameter,
        "env": env,
        "isolate": isolate,
        "quick": quick,
        "only": only,
        "skip": skip,
        "thorough": thorough,
        "skip_bad_rows": skip_bad_rows,
        "fail_on": fail_on,
        "allow_inconclusive": allow_inconclusive,
    }
    return run(
        rewards or [],
        values,
        configs={"trl_config": trl_config, "verl_config": verl_config},
        compare=compare,
        junit=junit,
        sarif=sarif,
        band=band,
        page=QUICK_PAGE if quick and report is PAGE else report,
        json=json,
        verbose=verbose,
        quiet=quiet,
    )
