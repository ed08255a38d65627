"""Learned scorers: a learner fits one to examples, it scores features, its state is arrays.

    scorer = Ridge(penalty=1.0).fit(x, y)          x (N, F) features, y (N,) what to predict
    scorer.score(x)                                (N,)
    save(scorer, "model.json"); load("model.json")

A file holds arrays and a name, as JSON or safetensors: loading it runs no code of the file's. A new
kind of scorer is a frozen dataclass of arrays under `@model("name")`; a new learner says in `fit`
what its target is: numbers, labels, or pairs of rows (winner, loser).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from toyrl.extras import needed_by
from toyrl.files import write_file
from toyrl.messages import shortened

Array = Any
FORMAT = "toyrl.model/1"
KINDS: dict[str, type] = {}
OWN = {
    "linear": "toyrl.models.linear",
    "step_rewards": "toyrl.models.steps.rewards",
    "caption_table": "toyrl.models.captions.table",
    "template_votes": "toyrl.models.captions.table",
    "running_moments": "toyrl.models.captions.ranking",
    "novelty": "toyrl.models.novelty",
}
"""Kinds of toyrl's own by the module that registers them, which is imported when a file asks."""
T = TypeVar("T", bound=type)


class Scorer(Protocol):
    """What every fitted model can do; the whole state is in its arrays."""

    def score(self, x: Array) -> np.ndarray:
        """(N,) scores of features (N, F)."""
        ...


class Learner(Protocol):
    """Settings of a fit; `fit` leaves them, and the arrays that it is given, as they were."""

    def fit(self, x: Array, target: Array, *, weight: Array | None = None) -> Scorer:
        """A scorer from features (N, F), the learner's own kind of target, and weights of rows."""
        ...


def model(name: str) -> Callable[[T], T]:
    """Register a frozen dataclass of arrays as a kind of scorer that files may name.

    Raises ValueError for a name that is taken.
    """

    def add(kind: T) -> T:
        if name in KINDS:
            msg = f"a model of the kind {name!r} is registered already; choose another name"
            raise ValueError(msg)
        KINDS[name] = kind
        return kind

    return add


def state(scorer: Any) -> dict[str, np.ndarray]:
    """The scorer's arrays by name, copied, float64."""
    return {f.name: np.array(getattr(scorer, f.name), dtype=float) for f in fields(scorer)}


def from_state(kind: str, arrays: Mapping[str, Array]) -> Any:
    """A scorer of this kind from its arrays.

    Raises ValueError for another kind, and for arrays that are missing or not its own.
    """
    if kind not in KINDS and kind in OWN:
        import_module(OWN[kind])
    if kind not in KINDS:
        msg = f"kind={shortened(kind)} is not one of {', '.join(sorted(KINDS))}; import the "
        msg += "module that registers it"
        raise ValueError(msg)
    own = [f.name for f in fields(KINDS[kind])]
    if sorted(own) != sorted(arrays):
        msg = f"a {kind} model has the arrays {', '.join(own)}, not {', '.join(arrays)}"
        raise ValueError(msg)
    return KINDS[kind](**{name: np.asarray(arrays[name], dtype=float) for name in own})


def save(scorer: Any, path: Path | str) -> None:
    """Write a scorer to a file, .json or .safetensors (which needs the extra llm).

    Raises ValueError for another ending, for a kind that is not registered, and for numbers that
    aren't finite.
    """
    kind = next((n for n, k in KINDS.items() if k is type(scorer)), "")
    if not kind:
        msg = f"{type(scorer).__name__} is no registered model; put @model(name) on its class"
        raise ValueError(msg)
    arrays = state(scorer)
    bad = [name for name, x in arrays.items() if not np.isfinite(x).all()]
    if bad:
        msg = f"{bad[0]} of the {kind} model holds numbers that aren't finite; fit it again"
        raise ValueError(msg)
    if _ending(path) == ".json":
        told = {
            n: {"shape": list(x.shape), "values": x.ravel().tolist()} for n, x in arrays.items()
        }
        write_file(path, json.dumps({"format": FORMAT, "kind": kind, "arrays": told}, indent=1))
        return
    with needed_by("a .safetensors file"):
        from safetensors.numpy import save as packed
    write_file(path, packed(arrays, metadata={"format": FORMAT, "kind": kind}))


def load(path: Path | str) -> Any:
    """The scorer that `save` wrote.

    Raises ValueError for another ending and for a file that is not such a model.
    """
    try:
        kind, arrays = _json(path) if _ending(path) == ".json" else _safetensors(path)
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        msg = f"{path} is no model of toyrl ({type(error).__name__}: {shortened(str(error))})"
        raise ValueError(msg) from error
    return from_state(kind, arrays)


def _json(path: Path | str) -> tuple[str, dict[str, np.ndarray]]:
    data = json.loads(Path(path).read_text(encoding="utf-8"))
    _check(data.get("format"), path)
    told = data["arrays"].items()
    return data["kind"], {n: np.array(x["values"], float).reshape(x["shape"]) for n, x in told}


def _safetensors(path: Path | str) -> tuple[str, dict[str, np.ndarray]]:
    with needed_by("a .safetensors file"):
        from safetensors import safe_open
    with safe_open(str(path), framework="np") as file:
        told = file.metadata() or {}
        _check(told.get("format"), path)
        return told["kind"], {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _check(found: Any, path: Path | str) -> None:
    if found != FORMAT:
        msg = f"{path} has the format {shortened(found)}, not {FORMAT}; save the model again"
        raise ValueError(msg)


def _ending(path: Path | str) -> str:
    ending = Path(path).suffix
    if ending not in (".json", ".safetensors"):
        msg = f"{path}: a model is saved as .json or .safetensors"
        raise ValueError(msg)
    return ending
