"""A sweep's progress on standard error: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from toyrl.experiments.render.left import Left


@contextmanager
def shown(wanted: bool, reward: str) -> Iterator[Callable[[int, int, int], None]]:
    """f(cells done, of how many, there before), which shows them with the time left."""
    if not wanted:
        yield lambda *_: None
        return
    from toyrl.experiments.render.progress import bar_of
    from toyrl.experiments.render.terminal import console
    from toyrl.experiments.render.text import visible

    out, left, state = console(stderr=True), Left(), {"begun": -1}
    bar = bar_of(out) if out.is_terminal else None
    task = None
    if bar is not None:
        name = visible(reward)
        task = bar.add_task("training", total=None, reward=name[:32], amount="")
        bar.start()

    def moved(done: int, total: int, before: int) -> None:
        if before != state["begun"]:
            state["begun"] = before
            left.begin(before)
            if before and bar is None and done < total:
                out.print(f"toyrl: {before:,} of {total:,} cells were there already", markup=False)
        words = left.words(done, total, "cells")
        if bar is not None and task is not None:
            bar.update(task, completed=done, total=total, amount=words)
        elif left.due() or (done == total and done > before):
            out.print(f"toyrl: {words}", markup=False, soft_wrap=True)

    try:
        yield moved
    finally:
        if bar is not None:
            bar.stop()
