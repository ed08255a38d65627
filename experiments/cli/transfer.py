"""The arguments of `toyrl transfer`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from toyrl.experiments.amounts import Amounts
from toyrl.experiments.cli.app import OUTPUT, RUN, TRAIN, JsonTarget, command, ranged
from toyrl.experiments.transfer.options import ALLOWED
from toyrl.ranges import said

MEASURED = Group("Suites, and runs there are", sort_key=3)


@command(
    TRAIN,
    'toyrl transfer "outcome() - 0.5*linear_length()" my_rewards.py:reward',
    "toyrl transfer --suite small --workers 2",
)
@ranged(said(Amounts), "seeds", "kl", "warm_up", "workers")
@ranged(ALLOWED)
def transfer(
    rewards: Annotated[list[str] | None, Parameter(name="REWARD", negative="")] = None,
    /,
    *,
    suite: Annotated[Literal["small", "full"] | None, Parameter(group=MEASURED)] = None,
    model: Annotated[str, Parameter(group=RUN)] = "tiny",
    gguf: Annotated[Path | None, Parameter(group=RUN)] = None,
    task: Annotated[str | None, Parameter(group=RUN)] = None,
    out: Annotated[Path, Parameter(group=OUTPUT)] = Path("toyrl-transfer"),
    steps: Annotated[int | None, Parameter(group=RUN)] = None,
    estimator: Annotated[str | None, Parameter(group=RUN)] = None,
    loss_type: Annotated[Literal["grpo", "dapo", "dr_grpo"] | None, Parameter(group=RUN)] = None,
    group_size: Annotated[int | None, Parameter(group=RUN)] = None,
    completions: Annotated[int | None, Parameter(group=RUN)] = None,
    max_completion_length: Annotated[int | None, Parameter(group=RUN)] = None,
    learning_rate: Annotated[float | None, Parameter(group=RUN)] = None,
    beta: Annotated[float | None, Parameter(group=RUN)] = None,
    seeds: Annotated[int, Parameter(group=RUN)] = 3,
    kl: Annotated[float | None, Parameter(group=RUN)] = None,
    warm_up: Annotated[int, Parameter(group=RUN)] = 0,
    workers: Annotated[int, Parameter(group=RUN)] = 1,
    engine: Annotated[Literal["local", "ray"], Parameter(group=RUN)] = "local",
    ray_address: Annotated[str | None, Parameter(group=RUN)] = None,
    measured: Annotated[Path | None, Parameter(group=MEASURED)] = None,
    predictions: Annotated[Path | None, Parameter(group=MEASURED)] = None,
    zoo: Annotated[Literal["dev", "test"] | None, Parameter(group=MEASURED)] = None,
    bases: Annotated[str | None, Parameter(group=MEASURED)] = None,
    only: Annotated[str | None, Parameter(group=MEASURED)] = None,
    sealed: Annotated[Path | None, Parameter(group=MEASURED)] = None,
    predict_only: Annotated[bool, Parameter(group=MEASURED, negative="")] = False,
    resume: Annotated[bool, Parameter(group=RUN, negative="")] = False,
    trust_remote_code: Annotated[bool, Parameter(group=RUN, negative="")] = False,
    json: Annotated[JsonTarget, Parameter(group=OUTPUT)] = None,
    quiet: Annotated[bool, Parameter(group=OUTPUT, name=["--quiet", "-q"], negative="")] = False,
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
        shorthand, brackets, edits, traces:addition, chain, gym:NAME (reasoning-gym), rows.jsonl; or
        as validate's, choice:rows.jsonl, file.py:NAME; options as shorthand:easy=2,hard=5, or
        choice:layout=boxed [default: shorthand for tiny, else chain].
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
        Of AdamW [default: the largest at which outcome() ends near its best checkpoint, tried once
        for a model and kept].
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
    engine
        local: processes of this machine; ray: a Ray cluster (extra sweep), all of whose machines
        see the folder.
    ray_address
        Of a Ray cluster, ray://HOST:10001 or auto [default: one is started here].
    measured
        result.json of a finished suite: its rewards are predicted again, by today's toy and after
        the fact, and set beside those runs; nothing is trained.
    predictions
        The sealed predictions of that suite [default: predictions.json beside it].
    zoo
        dev or test: some thirty rewards on each base of the zoo, built here; every third reward
        with a second seed. Steps, completions and limit are the zoo's own unless told.
    bases
        Of the zoo, some alone, as a,b.
    only
        Of the zoo's rewards, some alone, as outcome,kimi.
    sealed
        Predictions of the runs, made before; the zoo's test bases are trained only with them. Their
        sha256 goes into every plan.
    predict_only
        Of the zoo: make and seal predictions (sealed.sha256 in the folder), and train nothing.
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
        zoo=zoo,
        bases=_names(bases),
        only=_names(only),
        sealed=sealed,
        predict_only=predict_only,
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
        engine=engine,
        ray_address=ray_address,
        warm_up=warm_up,
        resume=resume,
        trust_remote_code=trust_remote_code,
        json=json,
        quiet=quiet,
    )


def _names(text: str | None) -> tuple[str, ...] | None:
    """Names between commas."""
    return None if text is None else tuple(filter(None, (n.strip() for n in text.split(","))))
