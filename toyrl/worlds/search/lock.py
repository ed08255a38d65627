"""A combination lock whose steps are told in captions, `toyrl/CombinationLock-v0`.

Levels 0..K, a hidden right bit at each. The right bit leads one level up, the wrong one back to the
start, `poke` stays. Reward 1 on reaching the top and nothing before: a random walk needs 2^K tries.
What happened is told in a caption: "depth3", "fell", "gold" (a poke at level 1), "nothing", each
with a tag "#17" drawn from `tags` where there are several. Gold can be poked for ever: a bonus that
pays it each time makes that the best of all.

    Lock(levels=20)                      the settings: kinds of captions, the exact process
    CombinationLock(Lock())              one lock, a Gymnasium environment
    VectorLock(64, Lock())               many at once, a Gymnasium vector environment

Source: paper 06 has NetHack; the lock is its counterpart here, derived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv

from toyrl.ranges import COUNT, Range, check_fields
from toyrl.registry import entry

if TYPE_CHECKING:
    from toyrl.worlds.mdp.model import MDP

ID = "toyrl/CombinationLock-v0"
POKE = 2
"""The action that stays; 0 and 1 are the bits."""
FELL, GOLD, NOTHING = 0, 1, 2
"""Kinds of captions; "depth<k>" has the kind 2 + k, k >= 1."""


@dataclass(frozen=True)
class Lock:
    """Settings of a lock.

    levels K : of the top; horizon : steps of an episode at most; tags : of every caption, 1 none
    gold_level : where a poke finds gold; seed : of the hidden bits

    Raises ValueError for settings out of their ranges, and for gold beyond the top.
    """

    levels: Annotated[int, Range("[2, 1000]", whole=True)] = 20
    horizon: Annotated[int, COUNT] = 60
    tags: Annotated[int, COUNT] = 1
    gold_level: Annotated[int, Range("[0, inf)", whole=True)] = 1
    seed: Annotated[int, Range("[0, inf)", whole=True)] = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if self.gold_level >= self.levels:
            msg = f"gold_level={self.gold_level} must lie below levels={self.levels}, the top"
            raise ValueError(msg)

    @property
    def bits(self) -> np.ndarray:
        """(K,) the right bit of each level below the top."""
        return np.random.default_rng(self.seed).integers(0, 2, self.levels)

    @property
    def kinds(self) -> int:
        """Kinds of captions, tags left out."""
        return self.levels + 3

    @property
    def helpful(self) -> np.ndarray:
        """(kinds,) bool, what an annotator calls helpful: every depth, and gold."""
        kind = np.arange(self.kinds)
        return (kind > NOTHING) | (kind == GOLD)

    def caption(self, kind: int, tag: int = 0) -> str:
        """A caption's text; "depth3#17" where there are several tags.

        Raises ValueError for a kind or tag that the lock does not have.
        """
        if not (0 <= kind < self.kinds and 0 <= tag < self.tags):
            msg = f"kind={kind}, tag={tag}: the lock has {self.kinds} kinds and {self.tags} tags"
            raise ValueError(msg)
        name = ("fell", "gold", "nothing")[kind] if kind <= NOTHING else f"depth{kind - NOTHING}"
        return name if self.tags == 1 else f"{name}#{tag}"

    def moved(self, level: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(next level (N,), kind of caption (N,)) of levels and actions (N,)."""
        poke = action == POKE
        right = action == np.append(self.bits, -1)[level]
        new = np.where(poke, level, np.where(right, level + 1, 0))
        poked = np.where(level == self.gold_level, GOLD, NOTHING)
        return new, np.where(poke, poked, np.where(right, NOTHING + new, FELL))

    def mdp(self, discount: float = 0.97) -> MDP:
        """The exact process of the levels, without the time limit; the top is terminal."""
        from scipy.sparse import csr_array

        from toyrl.worlds.mdp.model import MDP

        S = self.levels + 1
        level, action = np.repeat(np.arange(S), 3), np.tile(np.arange(3), S)
        after, _ = self.moved(level, action)
        top = level == self.levels
        after = np.where(top, level, after)
        moves: Any = csr_array((np.ones(3 * S), (np.arange(3 * S), after)), shape=(3 * S, S))
        paid = ((after == self.levels) & ~top) * 1.0
        terminal, start = np.arange(S) == self.levels, (np.arange(S) == 0) * 1.0
        return MDP(moves, paid.reshape(S, 3), discount, start=start, terminal=terminal,
                   improper=True)  # fmt: skip


@entry("CombinationLock-v0", kind="environment", cards=("06",), provenance="derived")
class CombinationLock(gymnasium.Env):
    """A combination lock, one action a step.

    Observation: the level, 0..K. Actions 0 and 1: bits, 2: poke. Reward 1 on reaching the top,
    which ends the episode; `truncated` after the horizon. `info["caption"]` tells what happened,
    "" after a reset, `info["kind"]` its kind (-1 after a reset).

    lock : the settings, by default `Lock()`
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 4}

    def __init__(self, lock: Lock | None = None, *, render_mode: str | None = None) -> None:
        self.lock = lock or Lock()
        self.render_mode = render_mode
        self.observation_space = spaces.Discrete(self.lock.levels + 1)
        self.action_space = spaces.Discrete(3)
        self.level, self.steps, self.caption = 0, 0, ""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Back to level 0."""
        super().reset(seed=seed)
        self.level, self.steps, self.caption = 0, 0, ""
        return 0, {"caption": "", "kind": -1}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Take one action.

        Raises ValueError for an action other than 0, 1 and 2.
        """
        if action not in (0, 1, POKE):
            msg = f"action={action} must be 0 or 1 (a bit) or {POKE} (poke)"
            raise ValueError(msg)
        new, kind = self.lock.moved(np.array([self.level]), np.array([int(action)]))
        self.level, self.steps = int(new[0]), self.steps + 1
        tag = int(self.np_random.integers(self.lock.tags)) if self.lock.tags > 1 else 0
        self.caption = self.lock.caption(int(kind[0]), tag)
        top = self.level == self.lock.levels
        cut = not top and self.steps >= self.lock.horizon
        info = {"caption": self.caption, "kind": int(kind[0])}
        return self.level, float(top), top, cut, info

    def render(self) -> str | None:
        """Level and last caption as text."""
        if self.render_mode != "ansi":
            return None
        return f"[level {self.level}/{self.lock.levels}] {self.caption}"


class VectorLock(VectorEnv):
    """Many copies of one lock, stepped together; the step after an end is a reset.

    Observations, rewards and ends are (N,); `info["kind"]` (N,) are kinds of captions (-1 for a
    reset) and `info["tag"]` (N,) their tags: texts are `lock.caption(kind, tag)`.

    num_envs : N; lock : the settings, by default `Lock()`
    """

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(self, num_envs: int = 1, lock: Lock | None = None) -> None:
        self.lock, self.num_envs = lock or Lock(), int(num_envs)
        self.single_observation_space = spaces.Discrete(self.lock.levels + 1)
        self.single_action_space = spaces.Discrete(3)
        self.observation_space = spaces.MultiDiscrete(np.full(self.num_envs, self.lock.levels + 1))
        self.action_space = spaces.MultiDiscrete(np.full(self.num_envs, 3))
        table = self.lock.moved(np.repeat(np.arange(self.lock.levels), 3),
                                np.tile(np.arange(3), self.lock.levels))  # fmt: skip
        self._next, self._kind = table
        self._begin()

    def _begin(self) -> None:
        self.level = np.zeros(self.num_envs, dtype=np.int64)
        self.steps = np.zeros(self.num_envs, dtype=np.int64)
        self._over = np.zeros(self.num_envs, dtype=bool)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """All copies at level 0; a list of seeds counts by its first."""
        del options
        first = seed[0] if isinstance(seed, list) else seed
        if first is not None or self._np_random is None:
            super().reset(seed=first)
            self._np_random = np.random.default_rng(first)
        self._begin()
        none = np.zeros(self.num_envs, dtype=np.int64)
        return self.level.copy(), {"kind": none - 1, "tag": none}

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take one action in each copy (N,).

        Raises ValueError for actions other than 0, 1 and 2.
        """
        if not np.isin(actions, (0, 1, POKE)).all():
            msg = f"actions={actions!r} must be 0 or 1 (a bit) or {POKE} (poke)"
            raise ValueError(msg)
        cell = np.where(self._over, 0, self.level) * 3 + actions
        self.level = np.where(self._over, 0, self._next[cell])
        self.steps = np.where(self._over, 0, self.steps + 1)
        kind = np.where(self._over, -1, self._kind[cell])
        top = self.level == self.lock.levels
        cut = (self.steps >= self.lock.horizon) & ~top
        self._over = top | cut
        tags = self.lock.tags
        tag = self.np_random.integers(0, tags, self.num_envs) if tags > 1 else 0 * self.level
        return self.level.copy(), top * 1.0, top, cut, {"kind": kind, "tag": tag}


def register() -> None:
    """Register `toyrl/CombinationLock-v0` with Gymnasium (once)."""
    if ID not in gymnasium.registry:
        gymnasium.register(id=ID, entry_point="toyrl.worlds.search.lock:CombinationLock",
                           vector_entry_point="toyrl.worlds.search.lock:VectorLock")  # fmt: skip


register()
