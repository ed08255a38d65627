"""The reasoning chain as a Gymnasium environment, `toyrl/ReasoningChain-v0`.

Importing this module registers the id; Gymnasium does so itself when the module is named:
`gymnasium.make("toyrl.worlds.chain.gym:toyrl/ReasoningChain-v0")`.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from toyrl.registry import entry
from toyrl.rollouts.classes import class_rollouts
from toyrl.worlds.chain.model import ANSWER_PHASE, COUNTERS, THINK, Chain

ID = "toyrl/ReasoningChain-v0"


@entry("ReasoningChain-v0", kind="environment")
class ReasoningChain(gymnasium.Env):
    """The reasoning chain, one action a step, the reward at the end.

    Observation: (m, phase, done flag as the policy sees it: noisy; 0 where the chain has none).
    Action: index into `chain.actions`. `info["action_mask"]` (A,) int8 marks the legal ones, as
    Gymnasium's `Discrete.sample(mask)` takes it; an illegal action is wasted: it costs one token
    and changes nothing. `terminated`: an ANSWER was given; `truncated`: the limit was passed.

    chain : the model (default: the hello-world chain)
    shaper : reward of the finished rollout (default: 1 if right); of scope `rollout`, not per
        token, reading nothing beyond correct, length, truncated and the counters
    difficulty : fix the prompt type; None draws it by the chain's shares. A reset's
        options={"difficulty": d} does so for one episode.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 4}

    def __init__(
        self,
        chain: Chain | None = None,
        *,
        shaper: Any = None,
        difficulty: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        self.chain = chain or Chain()
        self.shaper = shaper
        self.fixed = difficulty
        self.render_mode = render_mode
        if shaper is not None:
            _check_shaper(shaper)
        self.observation_space = spaces.MultiDiscrete([self.chain.D + 1, 2, 2])
        self.action_space = spaces.Discrete(len(self.chain.actions))
        self._allowed = self.chain.allowed().astype(np.int8)
        self._start(self._difficulty(difficulty or self.chain.difficulties[0]))

    def _difficulty(self, d: int) -> int:
        if not 1 <= d <= self.chain.D:
            msg = f"difficulty={d} must be in 1..{self.chain.D}, the chain's depth"
            raise ValueError(msg)
        return int(d)

    def _start(self, difficulty: int) -> None:
        self.difficulty = difficulty
        self.m, self.e, self.phase, self.flag = 0, 0, THINK, 0
        self.taken: list[str] = []

    def _observe(self) -> np.ndarray:
        if self.chain.flag_noise is not None:
            done = self.m >= self.difficulty and not self.e
            self.flag = int(done != (self.np_random.random() < self.chain.flag_noise))
        return np.array([self.m, self.phase, self.flag], dtype=np.int64)

    def _info(self) -> dict[str, Any]:
        mask = self._allowed[self.phase, self.m].copy()
        return {"action_mask": mask, "difficulty": self.difficulty, "length": len(self.taken)}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start a rollout of a new prompt."""
        super().reset(seed=seed)
        d = (options or {}).get("difficulty", self.fixed)
        if d is None:
            d = self.np_random.choice(self.chain.difficulties, p=self.chain.shares)
        self._start(self._difficulty(d))
        return self._observe(), self._info()

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Take one action."""
        index = int(action)
        if not 0 <= index < len(self.chain.actions):
            msg = f"action={action} must be in 0..{len(self.chain.actions) - 1}"
            raise ValueError(msg)
        name = self.chain.actions[index]
        legal = bool(self._allowed[self.phase, self.m, index])
        self.taken.append(name if legal else "illegal")
        answered = legal and name == "ANSWER"
        if legal:
            self._move(name)
        truncated = not answered and len(self.taken) >= self.chain.H
        reward, info = 0.0, self._info()
        if answered or truncated:
            right = answered and bool(
                self.np_random.random() < self.chain.right_law(self.difficulty)[self.e, self.m]
            )
            info["correct"] = right
            reward = self._reward(right, truncated)
        return self._observe(), reward, answered, truncated, info

    def _move(self, name: str) -> None:
        c, draw = self.chain, self.np_random.random
        if name == "STEP":
            self.m = min(self.m + int(draw() < c.progress), c.D)
            self.e |= int(draw() < c.slip)
        elif name == "CHECK" and self.e:
            self.e = int(draw() >= c.repair)
        elif name == "END_THINK":
            self.phase = ANSWER_PHASE

    def _reward(self, right: bool, truncated: bool) -> float:
        if self.shaper is None:
            return float(right)
        one = (1, 1)
        rollouts = class_rollouts(
            None,
            correct=np.full(one, float(right)),
            length=np.full(one, len(self.taken) * float(self.chain.tokens_per_action)),
            truncated=np.full(one, truncated),
            max_length=self.chain.max_length,
            fields={k: np.full(one, float(self.taken.count(a))) for k, a in COUNTERS.items()},
            group_size=None,
        )
        return float(self.shaper.reward(rollouts)[0, 0])

    def render(self) -> str | None:
        """The rollout so far as text."""
        if self.render_mode != "ansi":
            return None
        state = f"m={self.m}/{self.difficulty} error={self.e} phase={self.phase}"
        return f"[{state}] " + " ".join(self.taken)


def _check_shaper(shaper: Any) -> None:
    known = {"correct", "length", "truncated", *COUNTERS}
    missing = [n for n in shaper.all_needs() if n not in known]
    if shaper.all_scope() != "rollout" or shaper.all_token_level() or missing:
        msg = (
            f"shaper {type(shaper).__name__} has scope {shaper.all_scope()!r}, token_level="
            f"{shaper.all_token_level()}, and reads {shaper.all_needs()}; an episode is one "
            f"rollout, so give a shaper of scope 'rollout', not per token, that reads only "
            f"{sorted(known)}"
        )
        raise ValueError(msg)


def register() -> None:
    """Register `toyrl/ReasoningChain-v0` with Gymnasium (once)."""
    if ID not in gymnasium.registry:
        gymnasium.register(id=ID, entry_point="toyrl.worlds.chain.gym:ReasoningChain")


register()
