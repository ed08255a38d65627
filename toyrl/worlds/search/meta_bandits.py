"""Bandits that are met again: one hidden task for a block of n pulls, the next block another.

A task is the arms' chances of success, drawn anew for each block from a prior:

    BetaArms(arms, a0, b0)      independent Beta(a0, b0)
    SafeArm(lam, a0, b0)        arm 0 pays lam surely, arm 1 is Beta(a0, b0)
    HiddenBoxes(boxes)          one arm pays always, the others never

`Blocks` plays many blocks at once; `toyrl/MetaBandit-v0` is the same for Gymnasium, one block an
episode, and `MetaBanditVector` its vector form, which steps all blocks in one call of NumPy. What
the agent sees is its memory of the block: the counts of successes and failures of each arm, the
last X pulls, or nothing but the clock. `toyrl.worlds.search.beliefs` has the exact values.

Source: Rentschler and Roberts 2025 (blocks, memory, two discounts); the priors are those of E1 to
E3 of our notes on paper 48.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from toyrl.registry import entry

ID = "toyrl/MetaBandit-v0"
VECTOR = "toyrl.worlds.search.meta_bandits:MetaBanditVector"


# -- priors ----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class BetaArms:
    """K arms with independent Beta(a0, b0) chances of paying 1.

    Raises ValueError for fewer than one arm or a prior that isn't above 0.
    """

    arms: int = 2
    a0: float = 1.0
    b0: float = 1.0
    most: ClassVar[int | None] = None  # counts above it say nothing more

    def __post_init__(self) -> None:
        if not int(self.arms) == self.arms >= 1:
            msg = f"arms={self.arms} must be a whole number from 1 on"
            raise ValueError(msg)
        _beta(self.a0, self.b0)

    @property
    def pay(self) -> np.ndarray:
        """(K,) what a success of each arm pays."""
        return np.ones(self.arms)

    @property
    def learns(self) -> np.ndarray:
        """(K,) whether a pull of the arm tells anything."""
        return np.ones(self.arms, dtype=bool)

    def draw(self, rng: np.random.Generator, tasks: int) -> np.ndarray:
        """(tasks, K) chances of success."""
        return rng.beta(self.a0, self.b0, size=(tasks, self.arms))

    def mean(self, counts: np.ndarray) -> np.ndarray:
        """(..., K) posterior means of the chances, of counts (..., K, 2): successes, failures."""
        return (self.a0 + counts[..., 0]) / (self.a0 + self.b0 + counts.sum(-1))

    def sample(self, rng: np.random.Generator, counts: np.ndarray) -> np.ndarray:
        """(..., K) chances drawn from the posterior of counts (..., K, 2)."""
        return rng.beta(self.a0 + counts[..., 0], self.b0 + counts[..., 1])


@dataclass(frozen=True)
class SafeArm:
    """Arm 0 pays lam surely; arm 1 pays 1 with a chance from Beta(a0, b0).

    Raises ValueError for a pay that isn't finite or a prior that isn't above 0.
    """

    lam: float = 0.6
    a0: float = 1.0
    b0: float = 1.0
    arms: ClassVar[int] = 2
    most: ClassVar[int | None] = None

    def __post_init__(self) -> None:
        if not np.isfinite(self.lam):
            msg = f"lam={self.lam} must be finite: it is the safe arm's pay"
            raise ValueError(msg)
        _beta(self.a0, self.b0)

    @property
    def pay(self) -> np.ndarray:
        """(2,) lam and 1."""
        return np.array([self.lam, 1.0])

    @property
    def learns(self) -> np.ndarray:
        """(2,) the safe arm tells nothing."""
        return np.array([False, True])

    def draw(self, rng: np.random.Generator, tasks: int) -> np.ndarray:
        """(tasks, 2) chances, the safe arm's 1."""
        theta = np.ones((tasks, 2))
        theta[:, 1] = rng.beta(self.a0, self.b0, size=tasks)
        return theta

    def mean(self, counts: np.ndarray) -> np.ndarray:
        """(..., 2) posterior means of the chances, of counts (..., 2, 2)."""
        known = (self.a0 + counts[..., 1, 0]) / (self.a0 + self.b0 + counts[..., 1, :].sum(-1))
        return np.stack([np.ones_like(known), known], -1)

    def sample(self, rng: np.random.Generator, counts: np.ndarray) -> np.ndarray:
        """(..., 2) chances drawn from the posterior of counts (..., 2, 2)."""
        drawn = rng.beta(self.a0 + counts[..., 1, 0], self.b0 + counts[..., 1, 1])
        return np.stack([np.ones_like(drawn), drawn], -1)


@dataclass(frozen=True)
class HiddenBoxes:
    """One of G boxes holds the prize for the whole block; opening it pays 1, the others 0.

    Raises ValueError for fewer than one box.
    """

    boxes: int = 5
    most: ClassVar[int | None] = 1

    def __post_init__(self) -> None:
        if not int(self.boxes) == self.boxes >= 1:
            msg = f"boxes={self.boxes} must be a whole number from 1 on"
            raise ValueError(msg)

    @property
    def arms(self) -> int:
        """G."""
        return self.boxes

    @property
    def pay(self) -> np.ndarray:
        """(G,) ones."""
        return np.ones(self.boxes)

    @property
    def learns(self) -> np.ndarray:
        """(G,) every box tells something."""
        return np.ones(self.boxes, dtype=bool)

    def draw(self, rng: np.random.Generator, tasks: int) -> np.ndarray:
        """(tasks, G) chances, 1 for the box with the prize."""
        return np.eye(self.boxes)[rng.integers(self.boxes, size=tasks)]

    def mean(self, counts: np.ndarray) -> np.ndarray:
        """(..., G) chances that a box holds the prize, of counts (..., G, 2).

        Counts that no block can show, all boxes empty, give the prior.
        """
        found, empty = counts[..., 0] > 0, counts[..., 1] > 0
        closed = (~empty).sum(-1, keepdims=True)
        search = np.where(closed > 0, ~empty / np.maximum(closed, 1), 1 / self.boxes)
        return np.where(found.any(-1, keepdims=True), found, search)

    def sample(self, rng: np.random.Generator, counts: np.ndarray) -> np.ndarray:
        """(..., G) chances drawn from the posterior: 1 for one box, of counts (..., G, 2)."""
        upto = np.cumsum(self.mean(counts), -1)
        box = (rng.random((*upto.shape[:-1], 1)) * upto[..., -1:] >= upto).sum(-1)
        return np.eye(self.boxes)[np.minimum(box, self.boxes - 1)]


Prior = BetaArms | SafeArm | HiddenBoxes


def noted(prior: Prior, counts: np.ndarray, arm: np.ndarray, won: np.ndarray) -> np.ndarray:
    """Counts (N, K, 2) after a pull of arms (N,) that won (N,) bool or not; what tells nothing is
    not counted."""
    out = counts.copy()
    out[np.arange(len(arm)), arm, np.where(won, 0, 1)] += prior.learns[arm]
    return out if prior.most is None else np.minimum(out, prior.most)


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


def _beta(a: float, b: float) -> None:
    if not (0 < a < np.inf and 0 < b < np.inf):
        msg = f"a0={a}, b0={b} must be finite and above 0: they are a Beta prior"
        raise ValueError(msg)


def register() -> None:
    """Register `toyrl/MetaBandit-v0` with Gymnasium (once)."""
    if ID not in gymnasium.registry:
        place = "toyrl.worlds.search.meta_bandits:MetaBandit"
        gymnasium.register(id=ID, entry_point=place, vector_entry_point=VECTOR)


register()
