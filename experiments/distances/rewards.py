"""What users give for a reward on a process: arrays, functions of states, the chain's rewards."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toyrl.experiments.distances import chains
from toyrl.experiments.distances.worlds import World, loaded
from toyrl.experiments.errors import UsageError
from toyrl.messages import PATH, shortened
from toyrl.rewards.specs import name_of
from toyrl.shapers.base import Shaper
from toyrl.worlds.mdp.rewards import expected_reward, tabulated

OWN = ("own", "env")


@dataclass(frozen=True, eq=False)
class Given:
    """A reward on a process.

    name : as it is shown; reward : in a form that the process takes; note : what had to be frozen
    classes : (B, K) of the chain's outcome classes, where it is one and reads no counter
    """

    name: str
    reward: Any
    note: str = ""
    classes: np.ndarray | None = None


def reward_on(world: World, given: Any) -> Given:
    """One reward on a process, in a form that the process takes.

    given : None, "own": the process's; an array by state (S,), pair (S, A) or transition
        (S, A, S); a function of state, or of state, action (and next state); the name of an array
        in the file, file.npy, file.npz:name, file.py:function; on the chain anything that
        `validate` takes

    Raises UsageError with the reason.
    """
    if given is None or (isinstance(given, str) and given in OWN):
        classes = None
        if world.chain is not None and not world.counters:
            classes = chains.truth(world.chain)
        return Given("own", world.mdp.reward, classes=classes)
    if not isinstance(given, str) and hasattr(given, "shape"):
        return Given(f"array {tuple(given.shape)}", _checked(world, given, "the array"))
    text = given if isinstance(given, str) else ""
    if text in world.rewards:
        return Given(text, _checked(world, world.rewards[text], text))
    if ".npz" in text or text.endswith(".npy"):
        return _of_file(world, text)
    if world.chain is not None:
        return _on_chain(world, given)
    if ".py:" in text or text.endswith(".py"):
        function, name = _function(text)
        return Given(name, _called(world, function))
    if callable(given) and not isinstance(given, Shaper):
        name = name_of(given)
        return Given(name, _called(world, given))
    held = f", one of the file's arrays ({', '.join(world.rewards)})" if world.rewards else ""
    msg = (
        f"{shortened(name_of(given))} is no reward of {world.name}: it reads rollouts of text, "
        f"which only --env chain has; give own, an array (file.npy){held} or a function of state, "
        "action and next state (file.py:function)"
    )
    raise UsageError(msg)


def _checked(world: World, reward: Any, name: str) -> Any:
    try:
        expected_reward(world.mdp, reward)
    except (ValueError, TypeError) as error:
        msg = f"{name}: {error}"
        raise UsageError(msg) from error
    return reward


def _of_file(world: World, text: str) -> Given:
    place, _, name = text.rpartition(":") if ".npz:" in text else (text, "", "")
    held = loaded(Path(place))
    if not name and len(held) == 1:
        name = next(iter(held))
    if name not in held:
        msg = f"{shortened(text, PATH)}: name one of its arrays, {place}:NAME of {', '.join(held)}"
        raise UsageError(msg)
    return Given(text, _checked(world, held[name], shortened(text, PATH)))


# -- functions -------------------------------------------------------------------------------------
def _function(text: str) -> tuple[Callable[..., Any], str]:
    """The function of file.py:function, or the only one of the file."""
    place, _, name = text.partition(".py")
    path, name = Path(f"{place}.py"), name.removeprefix(":")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        msg = f"{shortened(str(path), PATH)} is not there"
        raise UsageError(msg)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        msg = f"{shortened(str(path), PATH)} can't be imported: {type(error).__name__}: {error}"
        raise UsageError(msg) from error
    own = {k: f for k, f in vars(module).items()
           if inspect.isfunction(f) and f.__module__ == path.stem and k[0] != "_"}  # fmt: skip
    if not name and len(own) == 1:
        name = next(iter(own))
    if name not in own:
        msg = f"{shortened(text, PATH)}: name one of its functions: {', '.join(own) or 'none'}"
        raise UsageError(msg)
    return own[name], f"{path.name}:{name}"


def _called(world: World, function: Callable[..., Any]) -> Any:
    try:
        return tabulated(world.mdp, function)
    except ValueError as error:
        raise UsageError(str(error)) from error


# -- the chain -------------------------------------------------------------------------------------
def counters_read(rewards: Sequence[Any]) -> tuple[str, ...]:
    """Counters that rewards of rollouts read, all together; () where they are too many."""
    from toyrl.experiments.validate.reward_law import bench
    from toyrl.experiments.validate.settings import LIMIT
    from toyrl.rewards.errors import RewardError
    from toyrl.rewards.specs import read

    chain, found = bench.template(LIMIT), []
    for given in rewards:
        if given is None or hasattr(given, "shape"):
            continue
        try:
            terms = read(given)
        except (RewardError, TypeError):
            continue  # told when it is read
        if terms and all(t.shaper is not None for t in terms):
            found += chains.counters_of(bench.as_shaper([(t.shaper, t.factor) for t in terms]),
                                        chain)  # fmt: skip
    found = list(dict.fromkeys(found))
    return tuple(found) if len(found) <= chains.MOST else ()


def _on_chain(world: World, given: Any) -> Given:
    """A reward of rollouts, by outcome class, as one of the chain's process."""
    from toyrl.experiments.validate.api import law_alone
    from toyrl.experiments.validate.settings import Settings
    from toyrl.rewards.errors import RewardError

    assert world.chain is not None
    try:
        name, law = law_alone(given, Settings())
    except RewardError as error:
        raise UsageError(str(error)) from error
    paid, note = chains.paid(law, world.reference, world.counters)
    classes = None if world.counters else paid
    return Given(name, world.chain.pair_reward(paid), note, classes)
