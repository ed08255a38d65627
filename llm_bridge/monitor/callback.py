"""A TRL callback that alarms when a live run leaves the predicted band.

::

    toyrl validate my_rewards.py:reward --band band.json

    from toyrl import watch
    trainer = GRPOTrainer(..., callbacks=[watch("band.json", accuracy="accuracy_reward")])

It reads what the trainer logs anyway: the mean reward and its standard deviation, the mean length,
and the mean of the reward function that says what is right.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from toyrl.bands import Band, read_band

LOG = logging.getLogger("toyrl.watch")
LENGTHS = ("completions/mean_length", "completion_length", "mean_length")
SLACK = {"accuracy": 0.02, "length": 0.05}
"""Width added on either side: what a batch's own noise may do."""


@dataclass(frozen=True)
class Alarm:
    """One departure: quantity, step, what was seen and what was predicted."""

    quantity: str
    step: int
    gain: float
    seen: float
    low: float
    high: float

    def __str__(self) -> str:
        side = "above" if self.seen > self.high else "below"
        what = "accuracy has changed by" if self.quantity == "accuracy" else "length by a factor of"
        return (
            f"step {self.step}: {what} {self.seen:+.3g}, {side} the predicted {self.low:+.3g} to "
            f"{self.high:+.3g} at a reward gain of {self.gain:.2g} standard deviations"
        )


class Watch(TrainerCallback):
    """Compares each log of a run with a band.

    band : a `Band`, or the file that `toyrl validate --band` wrote
    accuracy : name of the reward function that is 1 for right answers (as in the trainer's
        `rewards/NAME/mean`), or a full metric key; None: only lengths are watched
    patience : departures of one quantity in a row before it is an alarm
    halt : stop the training at an alarm (its checkpoint is saved first)
    warmup : logs that are averaged into the starting point
    smoothing : weight of the newest log in the running means, 0..1

    alarms : what was found so far

    Raises ValueError for settings out of range, and later for an accuracy that the run doesn't log.
    """

    def __init__(
        self,
        band: Band | str | Path | Mapping[str, Any],
        *,
        accuracy: str | None = None,
        patience: int = 3,
        halt: bool = False,
        warmup: int = 3,
        smoothing: float = 0.3,
    ) -> None:
        if patience < 1 or warmup < 1 or not 0 < smoothing <= 1:
            msg = (
                f"patience={patience}, warmup={warmup}, smoothing={smoothing}: whole numbers of "
                "at least 1 and a weight in (0, 1] are allowed"
            )
            raise ValueError(msg)
        self.band = read_band(band)
        self.key = None if accuracy is None else _metric(accuracy)
        self.patience, self.halt = patience, halt
        self.warmup, self.smoothing = warmup, smoothing
        self.alarms: list[Alarm] = []
        self.start: dict[str, float] = {}
        self._first: list[dict[str, float]] = []
        self._mean: dict[str, float] = {}
        self._outside: dict[str, int] = {}

    # -- the trainer's hook ------------------------------------------------------------------------
    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> Any:
        """Look at one log; asks the trainer to save and stop if told to halt."""
        del args
        found = self.look(dict(logs or {}), int(getattr(state, "global_step", 0)))
        for alarm in found:
            LOG.warning("%s", alarm)
        if found and self.halt:
            control.should_save = True
            control.should_training_stop = True
        return control

    def look(self, logs: Mapping[str, Any], step: int) -> list[Alarm]:
        """New alarms of one log, a mapping of the trainer's metric names."""
        seen = self._read(logs)
        if seen is None:
            return []
        if len(self._first) < self.warmup:
            self._first.append(seen)
            names = self._first[0]
            self.start = {
                n: sum(x.get(n, math.nan) for x in self._first) / len(self._first) for n in names
            }
            self._mean = dict(self.start)
            return []
        for name, value in seen.items():
            old = self._mean.get(name, value)
            self._mean[name] = old + self.smoothing * (value - old)
        return self._compare(step)

    def _read(self, logs: Mapping[str, Any]) -> dict[str, float] | None:
        """reward, its std, length and accuracy of a training log; None for other logs."""
        if "reward" not in logs:
            return None
        out = {"reward": float(logs["reward"]), "std": float(logs.get("reward_std", math.nan))}
        length = next((logs[k] for k in LENGTHS if k in logs), None)
        if length is not None:
            out["length"] = float(length)
        if self.key is not None:
            if self.key not in logs:
                known = ", ".join(k for k in logs if k.startswith("rewards/")) or "none"
                msg = f"accuracy={self.key!r} is not logged; the run logs {known}"
                raise ValueError(msg)
            out["accuracy"] = float(logs[self.key])
        return out

    def _compare(self, step: int) -> list[Alarm]:
        std = self.start.get("std", math.nan)
        if not std > 0:
            return []
        gain = (self._mean["reward"] - self.start["reward"]) / std
        predicted = self.band.at(gain)
        seen = {}
        if "accuracy" in self._mean:
            seen["accuracy"] = self._mean["accuracy"] - self.start["accuracy"]
        if self.start.get("length", 0) > 0:
            seen["length"] = self._mean["length"] / self.start["length"]
        found = []
        for name, value in seen.items():
            low, high = predicted[name]
            out = value < low - SLACK[name] or value > high + SLACK[name]  # False for NaN
            self._outside[name] = self._outside.get(name, 0) + 1 if out else 0
            if self._outside[name] == self.patience:
                found.append(Alarm(name, step, gain, value, low, high))
        self.alarms += found
        return found


def _metric(name: str) -> str:
    return name if "/" in name else f"rewards/{name}/mean"
