"""`toyrl.watch`: importable without the extra, which it needs only when it is called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toyrl.extras import needed_by

if TYPE_CHECKING:
    from toyrl.bands import Band
    from toyrl.bridge.monitor.callback import Watch


def watch(
    band: Band | str | Path | Mapping[str, Any],
    *,
    accuracy: str | None = None,
    patience: int = 3,
    halt: bool = False,
    warmup: int = 3,
    smoothing: float = 0.3,
) -> Watch:
    """A callback for TRL's trainers that alarms when the run leaves the predicted band.

    ::

        band = toyrl.validate("my_rewards.py:reward", band=True).band
        trainer = GRPOTrainer(..., callbacks=[toyrl.watch(band, accuracy="accuracy_reward")])

    band : a `Band`, or the file that `toyrl validate --band` wrote
    accuracy : name of the reward function that is 1 for right answers (as in the trainer's
        `rewards/NAME/mean`), or a full metric key; None: only lengths are watched
    patience : departures of one quantity in a row before it is an alarm, >= 1
    halt : stop the training at an alarm (its checkpoint is saved first)
    warmup : logs that are averaged into the starting point, >= 1
    smoothing : weight of the newest log in the running means, in (0, 1]

    Raises MissingExtra (an ImportError) without the extra llm, ValueError for other values.
    """
    with needed_by("watch"):
        from toyrl.bridge.monitor.callback import Watch

    return Watch(
        band,
        accuracy=accuracy,
        patience=patience,
        halt=halt,
        warmup=warmup,
        smoothing=smoothing,
    )
