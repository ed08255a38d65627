"""Where parts of a sweep are trained: here, in processes of this machine, or on Ray.

What a worker gets is the solver (the reward's tables by outcome class, worlds' settings, seeds)
and the cells of a part; the user's code stays here, where it was graded once. A part is a pure
function of both, so that every engine gives the same numbers to the bit, and a part whose worker
dies is trained again.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from toyrl.experiments.errors import UsageError
from toyrl.extras import MissingExtra, install

LOCAL, RAY = "local", "ray"
ENGINES = (LOCAL, RAY)
AGAIN = 3
"""How often a worker may die before the engine gives up."""

Job = Callable[[Any], Any]


def each(
    job: Job,
    parts: Mapping[str, Any],
    *,
    engine: str = LOCAL,
    workers: int = 1,
    address: str | None = None,
) -> Iterator[tuple[str, Any]]:
    """(name, job(part)) of every part as it is done, in any order.

    job : picklable, and so are the parts; workers : processes, 1 of the local engine: this one
    address : of a Ray cluster; None: one is started here

    Raises UsageError where workers keep dying, and MissingExtra for ray without its package.
    """
    if engine == RAY:
        yield from _on_ray(job, parts, workers, address)
    elif workers == 1:
        for name, part in parts.items():
            yield name, job(part)
    else:
        yield from _in_processes(job, parts, workers)


def _in_processes(job: Job, parts: Mapping[str, Any], workers: int) -> Iterator[tuple[str, Any]]:
    import multiprocessing

    left = dict(parts)
    context = multiprocessing.get_context("spawn")  # threads and forks don't mix
    for _ in range(AGAIN):
        try:
            with concurrent.futures.ProcessPoolExecutor(
                workers, context, initializer=_begin, initargs=(job,)
            ) as pool:
                asked = {pool.submit(_work, part): name for name, part in left.items()}
                try:
                    for done in concurrent.futures.as_completed(asked):
                        value = done.result()
                        del left[asked[done]]
                        yield asked[done], value
                except GeneratorExit:
                    pool.shutdown(wait=True, cancel_futures=True)
                    raise
            return
        except BrokenProcessPool:
            continue
    raise _given_up(len(left))


_job: Job | None = None


def _begin(job: Job) -> None:
    """What a worker is given once, instead of with every part."""
    global _job
    _job = job


def _work(part: Any) -> Any:
    assert _job is not None
    return _job(part)


def _given_up(left: int) -> UsageError:
    return UsageError(
        f"workers died {AGAIN} times or their machine did, {left} parts are not trained; what is "
        "finished is kept: go on with fewer workers (memory is what most often ends them)"
    )


def _on_ray(
    job: Job, parts: Mapping[str, Any], workers: int, address: str | None
) -> Iterator[tuple[str, Any]]:
    ray = ray_here()
    began = not ray.is_initialized()
    if began:
        try:
            options: dict[str, Any] = {"log_to_driver": False, "include_dashboard": False}
            if address is None:
                options |= {"num_cpus": workers}
            ray.init(address=address, **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            msg = f"ray_address={address!r}: no Ray cluster answers there ({error})"
            raise UsageError(msg) from error
    try:
        yield from _tasks(ray, job, parts, workers)
    finally:
        if began:
            ray.shutdown()


def _tasks(ray: Any, job: Job, parts: Mapping[str, Any], workers: int) -> Iterator[tuple[str, Any]]:
    """Twice as many tasks as workers are on their way; Ray gives a dead worker's to another."""
    work = ray.remote(num_cpus=1, max_retries=AGAIN)(lambda shipped, part: shipped(part))
    shipped = ray.put(job)  # once for all parts
    waiting = list(parts.items())[::-1]
    going: dict[Any, str] = {}
    while waiting or going:
        while waiting and len(going) < 2 * workers:
            name, part = waiting.pop()
            going[work.remote(shipped, part)] = name
        done, _ = ray.wait(list(going), num_returns=1)
        for reference in done:
            name = going.pop(reference)
            try:
                value = ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                raise error.cause if isinstance(error.cause, Exception) else error from None
            except ray.exceptions.RayError as error:  # the worker again, or its whole machine
                raise _given_up(len(waiting) + len(going) + 1) from error
            yield name, value


def ray_here() -> Any:
    """Ray; MissingExtra where it is not installed."""
    try:
        import ray
    except ModuleNotFoundError as error:
        msg = f"engine='ray' needs ray: {install('sweep')}"
        raise MissingExtra(msg, name="ray") from error
    return ray


def refuse_engine(engine: str, address: str | None) -> None:
    """UsageError or MissingExtra for an engine that can't be had, before anything is trained."""
    if engine not in ENGINES:
        msg = f"engine={engine!r}; it is one of {', '.join(ENGINES)}"
        raise UsageError(msg)
    if address is not None and engine != RAY:
        msg = f"ray_address={address!r} goes with engine='ray'"
        raise UsageError(msg)
    if engine == RAY:
        ray_here()
