"""The process on which rewards are compared: Gymnasium, a file of arrays, the chain, an `MDP`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toyrl.experiments.amounts import refuse_outside
from toyrl.experiments.errors import UsageError
from toyrl.files import there
from toyrl.messages import PATH, shortened
from toyrl.worlds.mdp.model import MDP

if TYPE_CHECKING:
    from toyrl.worlds.mdp.chain import ChainMDP

DISCOUNT = 0.99
"""Of a Gymnasium environment and a file that say nothing."""
KEYS = {
    "transitions": ("transitions", "P", "p"),
    "reward": ("reward", "rewards", "R", "r"),
    "discount": ("discount", "gamma"),
    "start": ("start", "initial", "mu"),
    "terminal": ("terminal", "terminals", "done"),
    "available": ("available", "mask"),
}
"""What a file's arrays are called, the first that is there."""
MOVES = {
    "FrozenLake": ("left", "down", "right", "up"),
    "CliffWalking": ("up", "right", "down", "left"),
    "Taxi": ("south", "north", "east", "west", "pick up", "drop off"),
}


@dataclass(frozen=True, eq=False)
class World:
    """A process with names for its parts.

    name : as it was asked for; mdp : the process
    state, action : number -> words
    rewards : further rewards by name, arrays that the file holds
    chain : the chain behind the process, with its reference policies, or None; counters : counts
        that its states carry
    """

    name: str
    mdp: MDP
    state: Callable[[int], str] = "state {}".format
    action: Callable[[int], str] = "action {}".format
    rewards: Mapping[str, Any] = field(default_factory=dict)
    chain: ChainMDP | None = None
    reference: Any = None
    counters: tuple[str, ...] = ()


def world_of(env: Any, *, discount: float | None = None, counters: Sequence[str] = ()) -> World:
    """The process that `env` names.

    env : "chain"; a file .npz; a Gymnasium id or environment; an `MDP`
    discount : in [0, 1], None: the file's own, 1 on the chain, else `DISCOUNT`
    counters : that the states of the chain carry

    Raises UsageError, with the reason, for what isn't a tabular process.
    """
    refuse_outside(discount=discount)
    try:
        if isinstance(env, MDP):
            return World("MDP", env if discount is None else env.with_(discount=discount))
        if not isinstance(env, str | Path):
            return _gymnasium(env, discount)
        text = str(env)
        if text == "chain":
            return _chain(discount, counters)
        if text.endswith((".npz", ".npy")) or there(Path(text)):
            return _file(Path(text), discount)
        return _made(text, discount)
    except UsageError:
        raise
    except (ValueError, TypeError) as error:  # laws of an MDP that are broken, with their places
        msg = f"env={shortened(str(env), PATH)}: {error}"
        raise UsageError(msg) from error


# -- Gymnasium -------------------------------------------------------------------------------------
def _made(name: str, discount: float | None) -> World:
    import gymnasium

    try:
        env = gymnasium.make(name)
    except (gymnasium.error.Error, ImportError) as error:
        msg = (
            f"env={shortened(name)}: Gymnasium can't make it ({error}); give the id of a tabular "
            "environment such as FrozenLake-v1, a file .npz, or chain"
        )
        raise UsageError(msg) from error
    return _gymnasium(env, discount)


def _gymnasium(env: Any, discount: float | None) -> World:
    from toyrl.worlds.mdp.gym import from_gymnasium

    inner = getattr(env, "unwrapped", None)
    if inner is None:
        msg = (
            f"env is a {type(env).__name__}; give a Gymnasium environment or its id, a file .npz, "
            "an MDP, or 'chain'"
        )
        raise UsageError(msg)
    mdp = from_gymnasium(env, discount=DISCOUNT if discount is None else discount)
    name = env.spec.id if getattr(env, "spec", None) is not None else type(inner).__name__
    names = next((v for k, v in MOVES.items() if name.startswith(k)), ())
    return World(name, mdp, _state_words(inner), _action_words(names))


def _action_words(names: tuple[str, ...]) -> Callable[[int], str]:
    return lambda a: names[a] if a < len(names) else f"action {a}"


def _state_words(inner: Any) -> Callable[[int], str]:
    """Row and column of a grid, the parts of a taxi's state, else the number."""
    width = getattr(inner, "ncol", None) or (getattr(inner, "shape", None) or (0, 0))[-1]
    count = len(inner.P)
    if hasattr(inner, "decode"):

        def decoded(s: int) -> str:
            row, column, passenger, goal = inner.decode(s)
            where = "in the taxi" if passenger == 4 else f"at {'RGYB'[passenger]}"
            return f"taxi {row},{column}, passenger {where}, to {'RGYB'[goal]}"

        known: Callable[[int], str] = decoded
    elif width:
        known = lambda s: f"row {s // width}, column {s % width}"  # noqa: E731
    else:
        known = "state {}".format
    end = "the end (state {})".format
    return lambda s: known(s) if s < count else end(s)


# -- files -----------------------------------------------------------------------------------------
def _file(path: Path, discount: float | None) -> World:
    if path.suffix != ".npz":
        msg = (
            f"env={shortened(str(path), PATH)}: a process is a file .npz with the arrays "
            "transitions (S, A, S), and reward, discount, start, terminal where there are any"
        )
        raise UsageError(msg)
    held = loaded(path)
    given = {name: next((k for k in keys if k in held), None) for name, keys in KEYS.items()}
    if given["transitions"] is None:
        msg = (
            f"{path} holds {', '.join(held) or 'no array'}; transitions (or P) of shape (S, A, S) "
            "is missing"
        )
        raise UsageError(msg)
    arrays = {name: held[k] for name, k in given.items() if k is not None}
    P = arrays["transitions"]
    own = float(np.asarray(arrays.get("discount", DISCOUNT)).reshape(()))
    mdp = MDP(
        P,
        arrays.get("reward", np.zeros(P.shape[-1])),
        own if discount is None else discount,
        start=arrays.get("start"),
        terminal=arrays.get("terminal"),
        available=arrays.get("available"),
    )
    rest = {k: v for k, v in held.items() if k == given["reward"] or k not in given.values()}
    return World(path.name, mdp, rewards=rest)


def loaded(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file .npz by name, or that of a file .npy under "".

    Raises UsageError for a file that is not there or holds something else.
    """
    try:
        found = np.load(path, allow_pickle=False)
        return dict(found) if path.suffix == ".npz" else {"": found}
    except (OSError, ValueError) as error:
        msg = f"{path} can't be read as NumPy arrays: {error}"
        raise UsageError(msg) from error


# -- the chain -------------------------------------------------------------------------------------
def _chain(discount: float | None, counters: Sequence[str]) -> World:
    """The chain of `validate` with its prompts: hard, middling and easy ones in equal shares."""
    from toyrl.experiments.distances import chains
    from toyrl.experiments.validate.reward_law import bench
    from toyrl.experiments.validate.settings import LIMIT, TYPICAL

    template = bench.template(LIMIT)
    reference, _ = bench.reference(template, bench.REFERENCE_SUCCESS, TYPICAL)
    chain = chains.of_prompts(template, reference)
    laid = chains.laid_out(chain, counters, discount=1.0 if discount is None else discount)
    return World("chain", laid.mdp, chains.state_words(laid), chain.actions.__getitem__, {}, laid,
                 reference, tuple(counters))  # fmt: skip
