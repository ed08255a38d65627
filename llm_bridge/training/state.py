"""What a shaped trainer adds to a checkpoint: memory and estimator state, as JSON."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from toyrl import schemas
from toyrl.expressions import to_expression
from toyrl.files import write_file
from toyrl.rollouts.memory import Store

FILE = "toyrl_state.json"


def save(
    folder: Path, reward: str, estimator: str, store: Store, state: Mapping[str, Any], step: int
) -> None:
    """Write the state into a checkpoint folder: a temporary file, then a rename."""
    data = {
        "schema": schemas.tag("trainer"),
        "step": step,
        "reward": reward,
        "estimator": estimator,
        "store": json.loads(store.to_json()),
        "state": {name: _plain(value) for name, value in state.items()},
    }
    write_file(folder / FILE, json.dumps(data))


def load(folder: Path, reward: str, estimator: str, device: Any) -> tuple[Store, dict[str, Any]]:
    """(memory, estimator state) of a checkpoint; ValueError for one of another reward."""
    path = folder / FILE
    if not path.is_file():
        msg = (
            f"{folder} has no {FILE}: it was not written by this trainer, or not completely; "
            "resume from another checkpoint"
        )
        raise ValueError(msg)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{path} is no JSON ({error}); resume from another checkpoint"
        raise ValueError(msg) from error
    schemas.check(data, "trainer", str(path))
    for name, now in (("reward", reward), ("estimator", estimator)):
        if data[name] != now:
            msg = (
                f"{folder} was trained with the {name} {data[name]}, not {now}; to change it, "
                "begin a new run from the checkpoint's model"
            )
            raise ValueError(msg)
    state = {name: _array(value, device) for name, value in data["state"].items()}
    return Store.from_json(json.dumps(data["store"])), state


def name_of(shaper: Any) -> str:
    """The catalogue expression of a shaper, or its repr."""
    try:
        return to_expression(shaper)
    except ValueError:
        return repr(shaper)


# -- random numbers -----------------------------------------------------------------------------
def random_states() -> dict[str, Any]:
    """States of all generators that a checkpoint holds."""
    out: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": np.random.get_state(),  # noqa: NPY002 - the generator that checkpoints hold
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        out["cuda"] = torch.cuda.get_rng_state_all()
    return out


def set_random_states(states: Mapping[str, Any]) -> None:
    """Put every generator back."""
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if "cuda" in states:
        torch.cuda.set_rng_state_all(states["cuda"])


def _plain(value: Any) -> dict[str, Any]:
    array = torch.as_tensor(value).detach().cpu()
    return {"dtype": str(array.dtype).removeprefix("torch."), "values": array.tolist()}


def _array(value: Mapping[str, Any], device: Any) -> torch.Tensor:
    return torch.tensor(value["values"], dtype=getattr(torch, value["dtype"]), device=device)
