"""How long a run is and how large its steps are, out of a trainer's configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from toyrl.experiments.amounts import LEARNING_RATE, UPDATES
from toyrl.experiments.validate.trainers.files import TrainerFile, Unreadable
from toyrl.ranges import COUNT

PER_DEVICE, ACCUMULATED = "per_device_train_batch_size", "gradient_accumulation_steps"
TRL_DEFAULTS = {"max_steps": -1, PER_DEVICE: 8, ACCUMULATED: 1}
"""Of TRL 1.16's GRPOConfig; a test holds them against the installed one."""
TRL_READ = (*TRL_DEFAULTS, "learning_rate")
ACTOR = "actor_rollout_ref.actor"
STEPS, BATCH = "trainer.total_training_steps", "data.train_batch_size"
RATE, MINI, EPOCHS = f"{ACTOR}.optim.lr", f"{ACTOR}.ppo_mini_batch_size", f"{ACTOR}.ppo_epochs"
VERL_READ = (BATCH, MINI)

Said = tuple[dict[str, Any], list[str]]


def of_trl(file: TrainerFile) -> Said:
    """Fields of `Settings` that the file says, and notes; batches are taken as one device's."""
    given = {
        k: v for k, v in file.values.items()
        if k in (*TRL_READ, "use_peft") and v is not None and not isinstance(v, Unreadable)
    }  # fmt: skip
    values, notes = dict[str, Any](), list[str]()
    if given.get("max_steps", -1) != -1:
        values["updates"] = file.number("max_steps", given["max_steps"], UPDATES)
    if "learning_rate" in given and not given.get("use_peft"):
        rate = given["learning_rate"]
        values["learning_rate"] = file.number("learning_rate", rate, LEARNING_RATE)
    if PER_DEVICE in given or ACCUMULATED in given:
        size, times = (
            file.number(k, given.get(k, TRL_DEFAULTS[k]), COUNT) for k in (PER_DEVICE, ACCUMULATED)
        )
        if size * times > 1:
            values["completions"] = size * times
            notes.append(
                f"{size * times} completions an update are those of one device; with more give "
                "--completions, which the forecast's reach grows with"
            )
    return values, notes


def of_verl(file: TrainerFile, get: Callable[..., Any], size: int) -> Said:
    """The same of verl's keys; size : rollouts a prompt. A step is cut into mini-batches."""
    values = dict[str, Any]()
    prompts = _known(file, BATCH, get, COUNT)
    mini = _known(file, MINI, get, COUNT) or prompts
    if steps := _known(file, STEPS, get, UPDATES):
        epochs = _known(file, EPOCHS, get, COUNT) or 1
        several = max(prompts // mini, 1) if prompts and mini else 1
        values["updates"] = steps * several * epochs
    if rate := _known(file, RATE, get, LEARNING_RATE):
        values["learning_rate"] = rate
    if mini and mini * size > 1:
        values["completions"] = mini * size
    return values, []


def _known(file: TrainerFile, key: str, get: Callable[..., Any], allowed: Any) -> Any:
    value = get(key, None)
    return None if value is None else file.number(key, value, allowed)
