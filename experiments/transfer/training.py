"""The runs of a transfer, one after another or in processes of their own."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

from toyrl.experiments.errors import UsageError
from toyrl.experiments.render.left import Left
from toyrl.experiments.sweep.engines import LOCAL, each
from toyrl.experiments.transfer.rewards import SuiteReward

Job = tuple[Path, SuiteReward, Any]
"""A run's folder, its reward, its settings."""
LOOK = 0.5  # seconds between two looks at whether the parent still lives


def one(
    source: str,
    task: str,
    place: Path,
    reward: SuiteReward,
    settings: Any,
    *,
    trust_remote_code: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """The curve of one run, trained from its last checkpoint on where it isn't finished.

    One that diverges is marked, and its curve ends where it was measured last.
    """
    from toyrl.bridge.tasks import load_task
    from toyrl.bridge.training import run
    from toyrl.bridge.training.faults import Diverged

    done = run.finished(place, settings)
    if done is not None:
        return done
    try:
        return run.train(
            place,
            source,
            load_task(task, seed=settings.seed),
            reward.shaper,
            settings,
            graders=reward.graders(),
            resume=True,
            trust_remote_code=trust_remote_code,
            tell=tell,
        )
    except Diverged as error:
        tell(f"{reward.name}, seed {settings.seed} diverged: {error}")
        return run.diverged(place, str(error))


def every(
    train: Callable[..., Any],
    jobs: Sequence[Job],
    workers: int,
    tell: Callable[[str], None],
    *,
    engine: str = LOCAL,
    address: str | None = None,
) -> None:
    """All jobs, `workers` at a time. Raises UsageError where a process was ended from outside.

    engine, address : as `toyrl.experiments.sweep.engines.each` takes them; on Ray the folders have
        to be ones that all its machines see, as runs are kept there
    """
    left = Left()
    if engine != LOCAL:
        _elsewhere(train, jobs, workers, tell, engine, address)
        return
    if workers <= 1:
        for number, job in enumerate(jobs):
            done = left.words(number, len(jobs), "runs done")
            tell(f"{done}; now {job[1].name}, seed {job[2].seed}")
            train(*job, tell=tell)
        return
    threads = max(1, (os.cpu_count() or 1) // workers)
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=begin, initargs=(threads,)
    ) as pool:
        waiting = {pool.submit(train, *job): job for job in jobs}
        try:
            for done, future in enumerate(as_completed(waiting)):
                future.result()
                _, reward, settings = waiting[future]
                said = left.words(done + 1, len(jobs), "runs done")
                tell(f"{said}: {reward.name}, seed {settings.seed}")
        except BrokenProcessPool as error:
            msg = (
                "a process that trained was ended from outside, as the system does where memory "
                "runs out; what was finished is kept: --resume goes on, with fewer --workers"
            )
            raise UsageError(msg) from error
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            if not isinstance(error, Exception):  # interrupted: nobody waits for the runs' ends
                for child in active_children():
                    child.terminate()
            raise


def _elsewhere(
    train: Callable[..., Any],
    jobs: Sequence[Job],
    workers: int,
    tell: Callable[[str], None],
    engine: str,
    address: str | None,
) -> None:
    left, by_name = Left(), {f"{k:06d}": job for k, job in enumerate(jobs)}
    absolute = {n: (place.resolve(), *rest) for n, (place, *rest) in by_name.items()}
    asked = each(Applied(train), absolute, engine=engine, workers=workers, address=address)
    for done, (name, _) in enumerate(asked):
        _, reward, settings = by_name[name]
        said = left.words(done + 1, len(jobs), "runs done")
        tell(f"{said}: {reward.name}, seed {settings.seed}")


@dataclass(frozen=True)
class Applied:
    """A function of several arguments as one of a tuple of them."""

    function: Callable[..., Any]

    def __call__(self, job: Sequence[Any]) -> Any:
        """The function's answer."""
        return self.function(*job)


def begin(threads: int) -> None:
    """A worker's first steps: its share of the cores, and an end with its parent's."""
    import torch

    torch.set_num_threads(threads)
    parent = os.getppid()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """Leave when the parent is gone: killed, it can no longer say so."""
    while os.getppid() == parent:
        time.sleep(LOOK)
    os._exit(1)
