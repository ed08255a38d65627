"""The Python functions behind the commands: validate, compare, distance, scaling and so on.

Each returns an object that shows itself in a notebook, says `.ok` as the command's exit code
does, and is written by `.save("report.html")` (the suffix decides). Nothing is printed unless
`progress` is given. A reward is any of

- a function, lambda, `functools.partial`, bound method or callable instance, in a trainer's
  calling form (`completions`, `solution_str`, `text`, ...) or over columns (`correct, length`)
- a shaper, or a catalogue expression ("outcome() - 0.3*linear_length()")
- text as on the command line ("my_rewards.py:brevity", "trl.rewards:think_format_reward")
- a pair (reward, weight), a mapping {reward: weight}, or a list of these, which are added

Functions of files run in a sandbox; objects of this process run here (`toyrl.rewards.live` says
what differs).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

from toyrl.experiments.amounts import refuse_outside
from toyrl.experiments.begin import Begin, nothing
from toyrl.experiments.calls import call_of
from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.options import Options, settings_of
from toyrl.experiments.validate.settings import Settings

if TYPE_CHECKING:
    from toyrl.experiments.distances.found import Distances
    from toyrl.experiments.exported import Exported
    from toyrl.experiments.grading.result import Grades
    from toyrl.experiments.reproduction import Reproduction
    from toyrl.experiments.scaling.result import Scaling
    from toyrl.experiments.validate.compare import Comparison
    from toyrl.experiments.validate.findings import Report

Progress = bool | Callable[[int, str], None]
"""False: silent; True: a line per section on standard error; or f(section number, message)."""


def validate(
    rewards: Any = None,
    settings: Settings | None = None,
    progress: Progress = False,
    *,
    worlds: int = 256,
    band: bool = False,
    command: str = "",
    **options: Unpack[Options],
) -> Report:
    """Is this reward safe to train on?

    rewards : see above; a list is one reward, the sum of its terms (`compare` sets them apart);
        None with `process=`, a function of steps among others: correctness plus the sum of scores
    settings : a `toyrl.Settings`; options : its fields by name, which win over it
        (`group_size=4`), and `trl_config=` or `verl_config=`, a trainer's file, which they win over
    worlds : worlds drawn from the prior, >= 1; fewer are quicker and say less
    band : predict the band of accuracy and length too (`report.band`), for `toyrl.watch`
    command : how it was called, for the page [default: this call]

    Never raises for what a reward does: one that fails on every text gives a report with verdict
    INCONCLUSIVE, `error` set and exit code 2. Raises UsageError for a reward that can't be loaded
    and for an option, setting or log that can't be used, MissingExtra for `model=` without the
    extra llm.
    """
    from toyrl.experiments.validate.api import judged

    chosen = settings_of(settings, options)
    refuse_outside(worlds=worlds)
    with _told(progress) as tell:
        report, pipeline = judged(rewards, chosen, tell, n_worlds=worlds)
        found = None
        if band and pipeline is not None and hasattr(pipeline, "facts"):
            from toyrl.experiments.validate.collapse.band import band as band_of

            found = band_of(pipeline)
    call = command or call_of("validate", [] if rewards is None else [rewards], options)
    return replace(report, command=call, band=found)


def compare(
    *rewards: Any,
    settings: Settings | None = None,
    progress: Progress = False,
    worlds: int = 256,
    command: str = "",
    **options: Unpack[Options],
) -> Comparison:
    """Which of these rewards is safest? Each is judged by itself, all in the same worlds.

    rewards : two or more, each as for `validate` (a list is a sum); or one mapping {name: reward};
        or one list of rewards. Otherwise as `validate`.

    Raises UsageError for fewer than two rewards or two of one name, else as `validate`.
    """
    from toyrl.experiments.validate.compare import compare as paired

    chosen = settings_of(settings, options)
    named = _named(rewards)
    refuse_outside(worlds=worlds)
    with _told(progress) as tell:
        found = paired(named, chosen, tell, n_worlds=worlds)
    return replace(found, command=command or call_of("compare", list(rewards), options))


def distance(
    *rewards: Any,
    env: Any = None,
    rollouts: Any = None,
    columns: str | Sequence[str] | None = None,
    discount: float | None = None,
    top: int = 10,
    seed: int = 0,
    command: str = "",
    begin: Begin = nothing,
) -> Distances:
    """Do these rewards order policies alike, and what can be lost by trusting the wrong one?

    rewards : each held against the first, one alone against the process's own. None or "own" (what
        the process pays), an array (S,), (S, A) or (S, A, S), a function of (state), (state,
        action) or (state, action, next state), file.npy, file.npz:NAME, file.py:function; on the
        chain anything that `validate` takes
    env : a Gymnasium environment with a table P or its id, file.npz, a
        `toyrl.worlds.mdp.model.MDP`, or "chain"
    rollouts : a log instead, whose `columns` are compared within prompts, with bands over prompts
    discount : of the process, in [0, 1]; top : states and actions told of those that differ most,
        >= 0; seed : of the bands; command : how it was called, for the page [default: this call]
    begin : hears (done, total, name) before each piece of the work

    Raises UsageError, with the reason, for a process, log or reward that can't be used.
    """
    from toyrl.experiments.distances.run import on_log, on_process

    options = {"env": env, "rollouts": rollouts, "columns": columns, "discount": discount}
    given = {k: v for k, v in options.items() if v is not None}
    call = command or call_of("distance", rewards, given)
    if (env is None) == (rollouts is None):
        msg = (
            "give env, a process (FrozenLake-v1, file.npz, chain), or rollouts, a log; one of them"
        )
        raise UsageError(msg)
    if rollouts is not None:
        if rewards:
            msg = f"rollouts compares a log's columns: columns={','.join(map(str, rewards))}"
            raise UsageError(msg)
        return on_log(rollouts, columns, seed=seed, command=call)
    if columns is not None:
        msg = "columns are those of a log, and env is a process; name the log with rollouts"
        raise UsageError(msg)
    return on_process(rewards, env, discount=discount, top=top, command=call, begin=begin)


def reproduce(
    *ids: str | Sequence[str],
    mutants: bool = True,
    seed: int = 0,
    smoke: bool = False,
    progress: bool | Callable[[Any], None] = False,
) -> Reproduction:
    """Does a published claim hold in the toy world?

    ids : numbers of papers ("03"), slugs ("drpo"), experiment ids, or "all"
    mutants : run the deliberately broken variants too, which the checks must catch
    seed : of what is sampled, >= 0; smoke : the small configuration of each experiment
    progress : True shows each outcome on standard error; or f(outcome)

    Raises UsageError for an unknown id; an experiment that raises counts as not holding.
    """
    from toyrl.experiments import reproduction

    listed = [i for part in ids for i in ([part] if isinstance(part, str) else part)]
    call = f"toyrl reproduce {' '.join(map(str, listed))}"

    def show(outcome: Any) -> None:
        from toyrl.experiments.render import terminal

        terminal.show_outcome(outcome, terminal.console(stderr=True))

    tell = progress if callable(progress) else show if progress else (lambda _: None)
    return reproduction.run(
        listed, mutants=mutants, seed=seed, smoke=smoke, tell=tell, command=call
    )


def scaling(
    log: str | Path,
    *,
    proxy: str | Sequence[str] = (),
    gold: str | None = None,
    answer: str | None = None,
    samples: int | None = None,
    x: Literal["draws", "tokens"] = "draws",
    temperature: float | None = None,
    level: float = 0.95,
    seed: int = 0,
    columns: Mapping[str, str] | str | None = None,
    skip_bad_rows: bool = False,
    command: str = "",
    begin: Begin = nothing,
) -> Scaling:
    """How many samples should I draw, and when does drawing more hurt?

    log : a file or folder with several scored samples a prompt; proxy : columns of scores that
        select, none: all logged rewards; gold : column of the truth, None: the one that says right
        or wrong; answer : column of what a sample answered, None: found by name or read off the
        completion
    samples : largest k, None: as many as 90 % of the prompts have; x : axis of the picture
    temperature : of softmax selection, > 0, None: the score's spread within prompts
    level : of the bands over prompts, in (0, 1); columns : as for `validate`'s rollouts
    begin : hears (done, total, name) before each curve

    Raises UsageError for a log, column or option that can't be used.
    """
    from toyrl.experiments.scaling.run import run

    chosen = (proxy,) if isinstance(proxy, str) else tuple(proxy)
    return run(
        log,
        gold=gold,
        proxy=chosen,
        answer=answer,
        samples=samples,
        x=x,
        temperature=temperature,
        level=level,
        seed=seed,
        columns=columns,
        skip_bad_rows=skip_bad_rows,
        command=command or f"toyrl.scaling({str(log)!r})",
        begin=begin,
    )


def grade(
    reward: Any,
    rows: str | Path | Sequence[Mapping[str, Any]],
    *,
    columns: Mapping[str, str] | str | None = None,
    skip_bad_rows: bool = False,
    step: float = 0.0,
    command: str = "",
    begin: Begin = nothing,
) -> Grades:
    """What does a published reward of a task pay my texts?

    reward : an expression of kind grader ("tool_calls(scale='max1')") or its object
    rows : a file or folder as for `validate`'s data, or dicts; each has a completion and the gold
        columns that the reward reads, and may have a prompt
    columns : where they have other names: "completion=output,ground_truth=calls"
    skip_bad_rows : leave out lines that are no rows instead of refusing the file
    step : number of the update, >= 0, for rewards whose scales change in training
    begin : hears (done, total, "rows") now and then

    Raises UsageError for a reward, file or column that can't be used.
    """
    from toyrl.experiments.grading.run import run

    refuse_outside(step=step)
    return run(
        reward,
        rows,
        columns=columns,
        skip_bad_rows=skip_bad_rows,
        step=step,
        command=command or f"toyrl.grade({str(reward)!r}, ...)",
        begin=begin,
    )


def export(
    reward: Any,
    to: Literal["trl", "verl", "openrlhf", "verifiers"],
    *,
    estimator: str | None = None,
    max_completion_length: int = 512,
    group_size: int | None = None,
    tokenizer: str | None = None,
) -> Exported:
    """A catalogue reward as a Python file that a trainer loads.

    reward : a catalogue expression or a shaper; to : the trainer
    estimator : by catalogue name, "grpo(ddof=0)" [default: the trainer's own]
    max_completion_length : the run's limit in tokens, >= 1
    group_size : the run's rollouts per prompt; needed on several processes
    tokenizer : the model's id or folder, where a trainer hands over text without its length

    Raises UsageError with the reason for what the trainer can't carry.
    """
    from toyrl.experiments.exported import write

    return write(
        reward,
        to,
        estimator=estimator,
        max_completion_length=max_completion_length,
        group_size=group_size,
        tokenizer=tokenizer,
    )


# -- shared --------------------------------------------------------------------------------------
@contextlib.contextmanager
def _told(progress: Progress) -> Iterator[Callable[[int, str], None]]:
    if callable(progress):
        yield progress
    elif not progress:
        yield lambda _section, _message: None
    else:
        from toyrl.experiments.render import terminal
        from toyrl.experiments.render.progress import Progress

        with Progress(terminal.console(stderr=True)) as shown:
            yield shown


def _named(rewards: Sequence[Any]) -> dict[str, Any]:
    """name -> reward of the candidates of a comparison."""
    from toyrl.rewards.specs import name_of

    only = rewards[0] if len(rewards) == 1 else None
    if isinstance(only, Mapping) and not any(isinstance(w, Real) for w in only.values()):
        out = {str(name): reward for name, reward in only.items()}
    else:
        listed = list(only) if isinstance(only, list | tuple) else list(rewards)
        out = {name_of(reward): reward for reward in listed}
        if len(out) < len(listed):
            msg = "two of the rewards have one name; give them as a mapping {name: reward}"
            raise UsageError(msg)
    if len(out) < 2:
        msg = "compare needs at least two rewards, each a candidate of its own"
        raise UsageError(msg)
    return out
