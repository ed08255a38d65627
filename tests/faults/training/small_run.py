"""A run of a few updates of a model of a few parameters, and a process that dies in it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from toyrl.bridge.models import tiny
from toyrl.bridge.tasks import load_task
from toyrl.bridge.training import run
from toyrl.expressions import parse

RECIPE = tiny.Recipe(hidden=16, layers=1, heads=2, feed_forward=32, steps=20, batch=8)
SETTINGS = run.RunSettings(
    steps=4, completions=8, group_size=4, limit=12, every=2, keep=2, times=1, rate=1e-2
)


def start(place: Path, model: str, settings: run.RunSettings = SETTINGS, **options: Any) -> Any:
    """The curve of a run with a reward of the catalogue."""
    torch.set_num_threads(1)  # other numbers of threads round otherwise
    task = load_task("shorthand:easy=1,hard=2", prompts=16, held_out=8)
    return run.train(
        place, model, task, parse("outcome() - 0.5*linear_length()"), settings, **options
    )


def die(place: str, model: str) -> None:
    """Start a run that ends itself by SIGKILL when half of the checkpoint of update 2 is there."""
    import os
    import signal

    from toyrl.bridge.training.rescue import RescuedTrainer

    def kill(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    RescuedTrainer._save_rng_state = kill  # after the weights and the optimizer
    start(Path(place), model)


if __name__ == "__main__":
    die(*sys.argv[1:])
