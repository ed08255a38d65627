"""Bandits that are met again: one hidden task for a block of n pulls, the next block another.

A task is the arms' chances of success, drawn for each block from a prior of
`toyrl.worlds.search.hidden_tasks`: Beta arms, a safe arm beside an unknown one, hidden boxes.

`Blocks` plays many blocks at once; `toyrl/MetaBandit-v0` is the same for Gymnasium, one block an
episode, and `MetaBanditVector` its vector form, which steps all blocks in one call of NumPy. What
the agent sees is its memory of the block: the counts of successes and failures of each arm, the
last X pulls, or nothing but the clock. `toyrl.worlds.search.beliefs` has the exact values.

Source: Rentschler and Roberts 2025 (blocks, memory, two discounts), paper 48.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from toyrl.registry import entry
from toyrl.worlds.search.hidden_tasks import HiddenBoxes, Prior, noted

ID = "toyrl/MetaBandit-v0"
VECTOR = "toyrl.worlds.search.meta_bandits:MetaBanditVector"


# -- many blocks at once ---------------------------------------------------------------------------
class Blocks:
    """N blocks of n pulls, side by side; a plain simulator on NumPy arrays.

    prior : of the tasks; pulls : n; blocks : N
    memory : "counts" shows (N, 2K + 1) successes and failures of each arm and the pulls left;
        a number X shows (N, 2K X + 1): the last X pulls, latest first, one entry an arm and outcome
        (0 before the first pull), and the pulls left; 0 shows the pulls left alone
    repeats : False draws a new task for every pull: no structure, whatever is remembered

    Raises ValueError for numbers below 1 and an unknown memory.
    """

    def __init__(self, prior: Prior, pulls: int, blocks: int = 1, *, memory: str | int = "counts",
                 repeats: bool = True) -> None:  # fmt: skip
        if min(pulls, blocks) < 1:
            msg = f"pulls={pulls}, blocks={blocks} must be 1 or more"
            raise ValueError(msg)
        if memory != "counts" and not (isinstance(memory, int) and memory >= 0):
            msg = f"memory={memory!r} must be 'counts', or how many pulls are remembered (0: none)"
            raise ValueError(msg)
        self.prior, self.pulls, self.blocks = prior, int(pulls), int(blocks)
        self.memory, self.repeats = memory, repeats
        self.left = 0

    @property
    def width(self) -> int:
        """Numbers that are seen of each block."""
        K = self.prior.arms
        return 1 + 2 * K * (1 if self.memory == "counts" else int(self.memory))

    def reset(self, rng: np.random.Generator) -> np.ndarray:
        """Draw tasks, forget everything; (N, width) float32 what is seen."""
        self.theta = self.prior.draw(rng, self.blocks)
        self.counts = np.zeros((self.blocks, self.prior.arms, 2), dtype=np.int32)
        self.window = np.zeros((self.blocks, self.width - 1), dtype=np.float32)
        self.left = self.pulls
        return self.seen()

    def step(self, arm: Any, rng: np.random.Generator) -> np.ndarray:
        """(N,) pay of pulling arms (N,).

        Raises ValueError for an arm that isn't there, RuntimeError when no pull is left.
        """
        arm, K = np.asarray(arm), self.prior.arms
        if not ((arm >= 0) & (arm < K)).all():
            msg = f"arm={arm} must lie in 0..{K - 1}"
            raise ValueError(msg)
        if self.left < 1:
            msg = f"no pull is left of the block's {self.pulls}: call reset"
            raise RuntimeError(msg)
        if not self.repeats:
            self.theta = self.prior.draw(rng, self.blocks)
        won = rng.random(self.blocks) < self.theta[np.arange(self.blocks), arm]
        self.counts = noted(self.prior, self.counts, arm, won)
        if self.memory not in ("counts", 0):
            latest = np.eye(2 * K, dtype=np.float32)[2 * arm + ~won]
            self.window = np.concatenate([latest, self.window[:, : -2 * K]], -1)
        self.left -= 1
        return np.where(won, self.prior.pay[arm], 0.0)

    def seen(self) -> np.ndarray:
        """(N, width) float32: the memory, and the pulls left."""
        left = np.full((self.blocks, 1), self.left, dtype=np.float32)
        counted = self.memory == "counts"
        kept = self.counts.reshape(self.blocks, -1) if counted else self.window
        return np.concatenate([kept.astype(np.float32), left], -1)


# -- for Gymnasium ---------------------------------------------------------------------------------
@entry("MetaBandit-v0", kind="environment", cards=("48",))
class MetaBandit(gymnasium.Env):
    """A block of n pulls of one hidden task an episode; each pull pays at once.

    Observation: what the agent remembers of the block, and the pulls left (see `Blocks`), float32.
    Action: the arm. `terminated` after the last pull. `info["best"]`: what the best arm pays on
    average; the agent doesn't see it. The discount is the learner's: 0 removes the credit over
    repeats, `memory=0` the memory, `repeats=False` the structure.

    prior : of the tasks; None: five hidden boxes
    pulls, memory, repeats : as for `Blocks`
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 4}

    def __init__(self, prior: Prior | None = None, *, pulls: int = 10, memory: str | int = "counts",
                 repeats: bool = True, render_mode: str | None = None) -> None:  # fmt: skip
        self.core = Blocks(prior or HiddenBoxes(), pulls, memory=memory, repeats=repeats)
        self.render_mode = render_mode
        self.observation_space, self.action_space = _spaces(self.core)
        self.taken: list[str] = []

    def _info(self) -> dict[str, Any]:
        return {"best": float((self.core.theta * self.core.prior.pay).max())}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None
              ) -> tuple[np.ndarray, dict[str, Any]]:  # fmt: skip
        """Draw a task and forget the last."""
        super().reset(seed=seed)
        self.taken = []
        return self.core.reset(self.np_random)[0], self._info()

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Pull an arm; ValueError for one that isn't there."""
        paid = float(self.core.step(np.array([int(action)]), self.np_random)[0])
        self.taken.append(f"{int(action)}:{paid:g}")
        return self.core.seen()[0], paid, self.core.left == 0, False, self._info()

    def render(self) -> str | None:
        """The block so far, arm:pay."""
        if self.render_mode != "ansi":
            return None
        return " ".join(self.taken)


class MetaBanditVector(VectorEnv):
    """N blocks of `MetaBandit` stepped in one call; all end at once, and the next step resets them.

    num_envs : N; other arguments as for `MetaBandit`
    """

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(self, num_envs: int = 1, prior: Prior | None = None, *, pulls: int = 10,
                 memory: str | int = "counts", repeats: bool = True) -> None:  # fmt: skip
        self.num_envs = num_envs
        self.core = Blocks(prior or HiddenBoxes(), pulls, num_envs, memory=memory, repeats=repeats)
        self.single_observation_space, self.single_action_space = _spaces(self.core)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def _info(self) -> dict[str, Any]:
        best = (self.core.theta * self.core.prior.pay).max(-1)
        return {"best": best, "_best": np.ones(self.num_envs, dtype=bool)}

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None
              ) -> tuple[np.ndarray, dict[str, Any]]:  # fmt: skip
        """Draw N tasks. A list of seeds seeds the one stream that all blocks share."""
        if seed is not None:
            self._np_random = np.random.default_rng(seed)
        return self.core.reset(self.np_random), self._info()

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Pull arms (N,); behind the end of the blocks arms are not read, and new blocks begin."""
        N = self.num_envs
        paid, cut = np.zeros(N), np.zeros(N, dtype=bool)
        if self.core.left == 0:
            self.core.reset(self.np_random)
        else:
            paid = self.core.step(actions, self.np_random)
        ended = np.full(N, self.core.left == 0)
        return self.core.seen(), paid, ended, cut, self._info()


def _spaces(core: Blocks) -> tuple[spaces.Box, spaces.Discrete]:
    top = np.full(core.width, core.pulls if core.memory == "counts" else 1, dtype=np.float32)
    top[-1] = core.pulls
    return spaces.Box(np.zeros_like(top), top, dtype=np.float32), spaces.Discrete(core.prior.arms)


def register() -> None:
    """Register `toyrl/MetaBandit-v0` with Gymnasium (once)."""
    if ID not in gymnasium.registry:
        place = "toyrl.worlds.search.meta_bandits:MetaBandit"
        gymnasium.register(id=ID, entry_point=place, vector_entry_point=VECTOR)


register()
