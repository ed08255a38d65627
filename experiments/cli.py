"""The command `toyrl`: reads arguments, calls a command, turns errors into exit codes.

0 the answer is good, 1 it isn't, 2 the call was wrong, 3 we failed. Nothing heavy is imported
here: `toyrl --help` answers at once, and each command loads what it needs.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

from toyrl.experiments.errors import UsageError
from toyrl.extras import MissingExtra, missing

USAGE, INTERNAL, INTERRUPTED = 2, 3, 130
Kind = Literal["shaper", "estimator", "objective", "environment", "theorem", "grader", "experiment"]
# A lone hyphen is a value here: standard output.
JsonTarget = Annotated[str | None, Parameter(allow_leading_hyphen=True)]


def _version() -> str:
    from importlib import metadata

    return f"toyrl {metadata.version('toyrl')}"


app = App(
    name="toyrl",
    help="Is a reward safe to train a reasoning model on? Exact answers before the GPU run.",
    version=_version,
    result_action="return_value",
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)


@app.command
def validate(
    rewards: Annotated[list[str], Parameter(name="REWARD", negative="")],
    /,
    *,
    rollouts: Path | None = None,
    data: Path | None = None,
    model: str | None = None,
    compare: Annotated[bool, Parameter(negative="")] = False,
    trl_config: Path | None = None,
    verl_config: Path | None = None,
    max_completion_length: int | None = None,
    typical_length: int | None = None,
    estimator: str | None = None,
    group_size: int | None = None,
    beta: float | None = None,
    success_rates: str | None = None,
    report: Annotated[Path | None, Parameter(negative_none="no-")] = Path("toyrl-report.html"),
    json: JsonTarget = None,
    junit: Path | None = None,
    sarif: Path | None = None,
    band: Path | None = None,
    fail_on: Literal["risky", "unsafe"] = "unsafe",
    seed: int = 0,
    timeout: float = 10.0,
    cache: Path | None = None,
    max_calls: int | None = None,
    answer_mark: str | None = None,
    thorough: Annotated[bool, Parameter(negative="")] = False,
    skip_bad_rows: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False,
) -> int:
    """Is this reward safe to train on?

    Prints the verdict with its reasons and writes a report page. Exit code 0 below --fail-on, 1
    at or above it, 2 if the reward can't be loaded or used.

    Parameters
    ----------
    rewards
        my_rewards.py:brevity, a dotted path (trl.rewards:think_format_reward) or a catalogue
        expression ("laser(target=0.5)"); several are added, each with an optional weight:
        acc.py:correct:1.0 fmt.py:tags:0.2
    rollouts
        JSONL log of real rollouts, which are looked at first; the worlds are fitted to them.
    data
        JSONL rows with prompts and gold columns.
    model
        Folder or hub id of a model to sample rollouts from first (extra llm); its prompts are
        those of --data, else arithmetic of known difficulty.
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
        Success rates of the base policy, such as .1,.5,.9
    report
        The HTML page to write; --no-report writes none.
    json
        File for the report as JSON, or - for standard output.
    junit
        File for the findings as JUnit XML.
    sarif
        File for the findings as SARIF 2.1.0, which code scanning reads.
    band
        File for the predicted band of accuracy and length, which toyrl.watch holds a run against.
    fail_on
        Mildest verdict with exit code 1.
    seed
        Seed of what is sampled.
    timeout
        Seconds that one call of the reward may take.
    cache
        Folder that keeps the values of a slow reward by text; a later run goes on from there.
    max_calls
        Texts that the reward may be asked to grade; a verdict needs about 1,700.
    answer_mark
        How the reward wants answers marked, where it is none of the usual ways: text with {} for
        the answer, such as 'Final answer: {}'; <think></think> before it for working in tags.
    thorough
        More worlds and longer training.
    skip_bad_rows
        Leave out unusable rows instead of refusing the file.
    quiet
        One line only.
    """
    from toyrl.experiments.commands.validate import run

    values = {
        "rollouts": rollouts,
        "data": data,
        "model": model,
        "max_completion_length": max_completion_length,
        "typical_length": typical_length,
        "estimator": estimator,
        "group_size": group_size,
        "beta": beta,
        "success_rates": success_rates,
        "seed": seed,
        "timeout": timeout,
        "cache": cache,
        "max_calls": max_calls,
        "answer_mark": answer_mark,
        "thorough": thorough,
        "skip_bad_rows": skip_bad_rows,
        "fail_on": fail_on,
    }
    return run(
        rewards,
        values,
        configs={"trl_config": trl_config, "verl_config": verl_config},
        compare=compare,
        junit=junit,
        sarif=sarif,
        band=band,
        page=report,
        json=json,
        quiet=quiet,
    )


@app.command
def reproduce(
    ids: Annotated[list[str], Parameter(name="ID", negative="")],
    /,
    *,
    json: JsonTarget = None,
    out: Path | None = None,
    mutants: bool = True,
    seed: int = 0,
    smoke: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False,
) -> int:
    """Does a published claim hold in the toy world?

    Exit code 0 if every check holds and every broken variant is caught, 1 if not.

    Parameters
    ----------
    ids
        Card numbers (03), slugs (drpo), experiment names, or all.
    json
        File for the results, or - for standard output.
    out
        Folder for results, tables, pictures and a page.
    mutants
        Run the deliberately broken variants too, which the checks must catch.
    seed
        Seed of what is sampled.
    smoke
        The small configuration of each experiment.
    quiet
        One line only.
    """
    from toyrl.experiments.commands.reproduce import run

    return run(ids, json=json, out=out, mutants=mutants, seed=seed, smoke=smoke, quiet=quiet)


@app.command
def export(
    reward: Annotated[str, Parameter(name="SHAPER")],
    /,
    *,
    to: Literal["trl", "verl", "openrlhf", "verifiers"],
    out: Path | None = None,
    estimator: str | None = None,
    max_completion_length: int = 512,
    group_size: int | None = None,
    tokenizer: str | None = None,
) -> int:
    """A catalogue reward as a Python file that a trainer loads.

    The file imports toyrl and the trainer only. What the trainer can't carry is refused with the
    reason, exit code 2.

    Parameters
    ----------
    reward
        A catalogue expression, such as "outcome() - 0.3*linear_length()".
    to
        The trainer.
    out
        The file to write [default: standard output].
    estimator
        Advantage estimator (toyrl list --kind estimator) [default: the trainer's own].
    max_completion_length
        The run's limit in tokens.
    group_size
        The run's rollouts per prompt; needed on several processes.
    tokenizer
        The model's id or folder, where a trainer hands over text without its length in tokens.
    """
    from toyrl.experiments.commands.export import run

    return run(
        reward,
        to=to,
        out=out,
        estimator=estimator,
        max_completion_length=max_completion_length,
        group_size=group_size,
        tokenizer=tokenizer,
    )


@app.command
def transfer(
    rewards: Annotated[list[str] | None, Parameter(name="REWARD", negative="")] = None,
    /,
    *,
    suite: Literal["small", "full"] | None = None,
    model: str = "tiny",
    gguf: Path | None = None,
    task: str | None = None,
    out: Path = Path("toyrl-transfer"),
    steps: int | None = None,
    estimator: str | None = None,
    loss_type: Literal["grpo", "dapo", "dr_grpo"] | None = None,
    group_size: int | None = None,
    completions: int | None = None,
    max_completion_length: int | None = None,
    learning_rate: float | None = None,
    beta: float | None = None,
    seeds: int = 3,
    kl: float | None = None,
    warm_up: int = 0,
    workers: int = 1,
    measured: Path | None = None,
    predictions: Path | None = None,
    resume: Annotated[bool, Parameter(negative="")] = False,
    trust_remote_code: Annotated[bool, Parameter(negative="")] = False,
    json: JsonTarget = None,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False,
) -> int:
    """Train a small language model on rewards and set the outcome beside the prediction.

    Calibrates the toy on the base model's own rollouts, seals its predictions with a hash, trains
    with GRPO, and compares at equal distance from the base. Needs the extra llm.

    Parameters
    ----------
    rewards
        Rewards as for validate; or name a suite.
    suite
        small: 8 rewards; full: 35. Runs on the task shorthand.
    model
        tiny (built here in two minutes, then kept), smollm2, a folder, or an id on the hub.
    gguf
        GGUF file with the model's weights; converted once.
    task
        shorthand, chain, gym:NAME (reasoning-gym) or rows.jsonl; options as
        shorthand:easy=2,hard=5 [default: shorthand for tiny, else chain].
    out
        Folder of predictions, runs and results.
    steps
        Updates of a run [default: 80].
    estimator
        Advantage estimator (toyrl list --kind estimator) [default: grpo].
    loss_type
        How token losses are averaged, as TRL names it [default: grpo, or the estimator's own].
    group_size
        Rollouts per prompt [default: 8].
    completions
        Rollouts per update [default: 48].
    max_completion_length
        Limit in tokens [default: 96].
    learning_rate
        Of AdamW [default: 2e-4].
    beta
        Weight of the KL penalty [default: 0].
    seeds
        Runs of each reward.
    kl
        Distance from the base, in nats a completion, at which all is compared [default: 3].
    warm_up
        Supervised updates on rendered solutions first, for a model that solves nothing yet.
    workers
        Runs at a time.
    measured
        result.json of a finished suite: its rewards are predicted again, by today's toy and after
        the fact, and set beside those runs; nothing is trained.
    predictions
        The sealed predictions of that suite [default: predictions.json beside it].
    resume
        Go on with what the folder holds.
    trust_remote_code
        Run code that comes with a model from the hub.
    json
        File for the result, or - for standard output.
    quiet
        No progress and no tables.
    """
    from toyrl.experiments.commands.transfer import run

    return run(
        rewards or (),
        suite=suite,
        measured=measured,
        predictions=predictions,
        model=model,
        gguf=gguf,
        task=task,
        out=out,
        seeds=seeds,
        kl=kl,
        steps=steps,
        estimator=estimator,
        loss_type=loss_type,
        group_size=group_size,
        completions=completions,
        max_completion_length=max_completion_length,
        learning_rate=learning_rate,
        beta=beta,
        workers=workers,
        warm_up=warm_up,
        resume=resume,
        trust_remote_code=trust_remote_code,
        json=json,
        quiet=quiet,
    )


@app.command
def ledger(
    *,
    only: Annotated[list[str] | None, Parameter(negative="")] = None,
    out: Path | None = None,
    json: JsonTarget = None,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False,
) -> int:
    """How often was validate right about published training runs?

    Runs published settings with a known outcome and counts hits and misses; about 15 seconds for
    each reward.

    Parameters
    ----------
    only
        Only this setting; may be given several times.
    out
        Markdown page with every setting that has a verdict.
    json
        File that keeps the verdicts, read first so that a run is resumed; - for standard output.
    quiet
        One line only.
    """
    from toyrl.experiments.commands.ledger import run

    return run(only or (), out=out, json=json, quiet=quiet)


@app.command(name="list")
def list_(
    words: Annotated[list[str] | None, Parameter(name="WORD", negative="")] = None,
    /,
    *,
    kind: Kind | None = None,
    paper: str | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Every shaper, estimator, environment, theorem and experiment, with its paper.

    Parameters
    ----------
    words
        Only what has these words in its name, family, summary, formula or paper's title.
    kind
        Only this kind.
    paper
        Only what comes from this paper: its number (05), short name (laser) or arXiv number.
    json
        Print JSON.
    """
    from toyrl.experiments.commands.catalogue import run

    return run(kind, words=words or (), paper=paper, json=json)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code. Shows no traceback unless TOYRL_DEBUG is set."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal or pipe that isn't UTF-8 shows foreign signs escaped instead of failing.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    try:
        answer: Any = app(tokens or ["--help"], exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as error:
        return _complain(f"{error}", USAGE, hint=_help_hint(tokens))
    except (UsageError, MissingExtra) as error:
        return _complain(str(error), USAGE)
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # The reader has gone (such as `| head`); what follows would only fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if os.environ.get("TOYRL_DEBUG"):
            raise
        if name := missing(error):
            return _complain(f"this needs {name}: pip install 'toyrl[llm]'", USAGE)
        return _complain(
            f"toyrl itself failed, which is a bug: {type(error).__name__}: {error}",
            INTERNAL,
            hint="TOYRL_DEBUG=1 shows where",
        )
    return answer if isinstance(answer, int) else 0


def _help_hint(tokens: Sequence[str]) -> str:
    known = tokens and tokens[0] in ("validate", "reproduce", "transfer", "list", "export")
    return f"toyrl {tokens[0]} --help" if known else "toyrl --help"


def _complain(message: str, code: int, *, hint: str = "") -> int:
    from toyrl.experiments.render.text import visible

    text = " ".join(visible(message).split())
    print(f"toyrl: {text}" + (f" ({hint})" if hint else ""), file=sys.stderr)
    return code


def run() -> None:
    """Entry point of the installed command."""
    sys.exit(main())


if __name__ == "__main__":
    run()
