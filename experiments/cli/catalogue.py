"""The arguments of `toyrl list`, `show`, `explain` and `export`: what there is, seen and taken
along."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from toyrl.experiments.amounts import Amounts
from toyrl.experiments.cli.app import LOOK, TRAIN, Kind, command, ranged
from toyrl.ranges import said


@command(TRAIN, 'toyrl export "outcome() - 0.3*linear_length()" --to trl --out reward.py')
@ranged(said(Amounts), "max_completion_length", "group_size")
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


@command(LOOK, "toyrl list length", "toyrl list --paper 05", name="list")
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


@command(LOOK, "toyrl show laser")
def show(name: Annotated[str, Parameter(name="NAME")], /) -> int:
    """One entry of the catalogue: how it is called, its formula and source, its value over length.

    Parameters
    ----------
    name
        As toyrl list has it: laser, grpo, omega, 03.
    """
    from toyrl.experiments.commands.show import run

    return run(name)


@command(LOOK, "toyrl explain RISKY", "toyrl explain hacks/inside-a-number")
def explain(finding: Annotated[str | None, Parameter(name="FINDING")] = None, /) -> int:
    """What does a finding, a verdict or a word of the report mean, and what is to be done?

    Parameters
    ----------
    finding
        As it is printed: hacks/inside-a-number, RISKY, nats; without it all names are listed.
    """
    from toyrl.experiments.commands.explain import run

    return run(finding)
