"""`transfer` as a Python function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from toyrl.experiments.calls import call_of
from toyrl.experiments.errors import UsageError

if TYPE_CHECKING:
    from toyrl.experiments.transfer.run import Transferred
    from toyrl.experiments.transfer.zoo_run import ZooRuns


def transfer(
    *rewards: Any,
    out: str | Path = "toyrl-transfer",
    suite: Literal["small", "full"] | None = None,
    model: str = "tiny",
    gguf: str | Path | None = None,
    task: str | None = None,
    seeds: int = 3,
    kl: float | None = None,
    warm_up: int = 0,
    workers: int = 1,
    engine: Literal["local", "ray"] = "local",
    ray_address: str | None = None,
    resume: bool = False,
    trust_remote_code: bool = False,
    measured: str | Path | None = None,
    predictions: str | Path | None = None,
    zoo: Literal["dev", "test"] | None = None,
    bases: Sequence[str] = (),
    only: Sequence[str] = (),
    sealed: str | Path | None = None,
    predict_only: bool = False,
    progress: bool | Callable[[str], None] = False,
    command: str = "",
    **options: Any,
) -> Transferred | ZooRuns:
    """Train a small language model on rewards and set the outcome beside the prediction.

    rewards : each as for `validate`, one run a seed for each; or none, and `suite`
    out : folder of predictions, runs and results; resume : go on with what it holds
    engine, ray_address : as of `toyrl.sweep`; on Ray all machines have to see the folder
    measured : result.json of a finished suite, whose rewards are predicted again by today's toy;
        nothing is trained; predictions : its sealed predictions, None: beside it
    zoo : all rewards of `toyrl.experiments.transfer.zoo` on all bases of a split; bases, only :
        some bases, some rewards; sealed : predictions that were made before, which "test" needs;
        predict_only : makes and seals them, and trains nothing
    options : steps, estimator, loss_type, group_size, completions, max_completion_length,
        learning_rate, beta; all else as `toyrl transfer --help` says

    Raises MissingExtra without the extra llm, UsageError for what can't be used.
    """
    from toyrl.experiments.transfer.run import run, run_again

    def show(message: str) -> None:
        import sys

        print(message, file=sys.stderr, flush=True)

    tell = progress if callable(progress) else show if progress else (lambda _: None)
    named = options if zoo is None else {"zoo": zoo, **options}
    command = command or call_of("transfer", list(rewards), named)
    if predictions is not None and measured is None:
        msg = "predictions go with measured, the result.json of the same suite"
        raise UsageError(msg)
    if zoo is not None:
        from toyrl.experiments.transfer.zoo_run import run_zoo

        own = {"suite": suite, "gguf": gguf, "task": task, "measured": measured}
        other = [n for n, v in own.items() if v] + (["rewards"] if rewards else [])
        if other or model != "tiny" or warm_up:
            msg = f"zoo={zoo!r} has bases, tasks and rewards of its own; leave out "
            msg += other[0] if other else "model and warm_up"
            raise UsageError(msg)
        return run_zoo(
            zoo,
            bases=tuple(bases),
            only=tuple(only),
            sealed=None if sealed is None else Path(sealed),
            predict_only=predict_only,
            out=Path(out),
            kl=kl,
            options=options,
            workers=workers,
            engine=engine,
            ray_address=ray_address,
            resume=resume,
            tell=tell,
            command=command,
        )
    if bases or only or sealed or predict_only:
        msg = "bases, only, sealed and predict_only go with zoo"
        raise UsageError(msg)
    if measured is not None:
        if rewards or suite:
            msg = "measured names a finished suite, whose rewards are predicted again; leave out "
            msg += "rewards and suite"
            raise UsageError(msg)
        sealed = None if predictions is None else Path(predictions)
        return run_again(Path(measured), sealed, out=Path(out), tell=tell, command=command)
    return run(
        rewards,
        suite=suite,
        model=model,
        gguf=None if gguf is None else Path(gguf),
        task=task,
        out=Path(out),
        seeds=seeds,
        kl=kl,
        options=options,
        workers=workers,
        engine=engine,
        ray_address=ray_address,
        warm_up=warm_up,
        resume=resume,
        trust_remote_code=trust_remote_code,
        tell=tell,
        command=command,
    )
