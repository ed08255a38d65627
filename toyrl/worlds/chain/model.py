"""The reasoning chain: a token-level model of chain-of-thought with exact outcome classes.

A prompt needs d useful steps. State: progress m (0..D), error bit e, phase (think/answer). The
policy sees m, the phase and a noisy done flag; it is a table of logits (phases, flags, D+1, A)
shared by all difficulties. Length counts actions, END_THINK and ANSWER included; an ANSWER as
the H-th action is valid, past that the rollout is truncated (length H, no answer).

Without extra counters the outcome classes of one prompt are, in this order, K = 2H + 1:

    index k = 0 .. H-1        right answer with length k + 1
    index k = H .. 2H-1       wrong answer with length k - H + 1
    index k = 2H              truncated, length H

This module states the model (configuration, transitions, classes); the dynamic programs over it
are in `toyrl.dynamics`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np

from toyrl.ranges import COUNT, POSITIVE, SHARE, Range, faults, one_of
from toyrl.rollouts import Rollouts
from toyrl.rollouts.classes import class_rollouts

ACTIONS = ("STEP", "FILL", "CHECK", "REPEAT", "END_THINK", "ANSWER")
COUNTERS = {"steps": "STEP", "fillers": "FILL", "checks": "CHECK", "repeats": "REPEAT"}
THINK, ANSWER_PHASE = 0, 1


@dataclass(frozen=True)
class Chain:
    """Configuration of a reasoning chain (host object; all numbers are plain).

    difficulties : useful steps needed by each prompt type, each in 1..depth
    shares : their shares in the prompt mix, summing to 1
    max_actions : H, the completion limit in actions
    actions : the vocabulary, a subset of `ACTIONS` that holds STEP and ANSWER
    progress : q, the probability that a STEP makes progress
    slip : eps_step, the probability that a STEP makes an error (independent of progress, also
        after the prompt is done)
    repair : v, the probability that a CHECK clears an error
    guess : g, the probability that an unfinished or erroneous ANSWER is right
    flag_noise : eta in [0, 1/2], the probability that the done flag is flipped, redrawn at each
        step; None: the policy sees no flag (then its table has one flag row)
    tokens_per_action : real tokens per action, for penalties written per token
    depth : D, where progress saturates (None: the largest difficulty)

    Raises ValueError that lists everything that doesn't fit.
    """

    difficulties: Annotated[tuple[int, ...], COUNT.each] = (2, 8)
    shares: Annotated[tuple[float, ...], SHARE.each] = (0.5, 0.5)
    max_actions: Annotated[int, COUNT] = 40
    actions: Annotated[tuple[str, ...], one_of(*ACTIONS).each] = ("STEP", "FILL", "ANSWER")
    progress: Annotated[float, SHARE] = 0.8
    slip: Annotated[float, SHARE] = 0.0
    repair: Annotated[float, SHARE] = 0.5
    guess: Annotated[float, SHARE] = 0.05
    flag_noise: Annotated[float | None, Range("[0, 0.5]").or_none] = None
    tokens_per_action: Annotated[float, POSITIVE] = 1.0
    depth: Annotated[int | None, COUNT.or_none] = None

    def __post_init__(self) -> None:
        problems = faults(self) or list(self._problems())
        if problems:
            msg = "Chain: " + "; ".join(problems)
            raise ValueError(msg)

    def _problems(self) -> Iterator[str]:
        """What doesn't fit together, of fields that lie in their ranges."""
        if len(self.difficulties) != len(self.shares):
            yield (
                f"difficulties={self.difficulties} and shares={self.shares} must have the same"
                " positive length"
            )
        if abs(sum(self.shares) - 1) > 1e-9:
            yield f"shares={self.shares} must be non-negative and sum to 1; normalise them"
        if any(d > self.D for d in self.difficulties):
            yield f"difficulties={self.difficulties} must be integers in 1..depth={self.D}"
        if "ANSWER" not in self.actions or "STEP" not in self.actions:
            yield f"actions={self.actions} must hold STEP and ANSWER and come from {ACTIONS}"
        if len(set(self.actions)) != len(self.actions):
            yield f"actions={self.actions} repeats an action"

    # -- sizes --------------------------------------------------------------------------------
    @property
    def D(self) -> int:
        """Where progress saturates."""
        return self.depth if self.depth is not None else max(self.difficulties, default=1)

    @property
    def H(self) -> int:
        """The completion limit in actions."""
        return self.max_actions

    @property
    def phases(self) -> int:
        """2 with END_THINK (think, answer), else 1."""
        return 2 if "END_THINK" in self.actions else 1

    @property
    def flags(self) -> int:
        """2 if the policy sees the done flag, else 1."""
        return 1 if self.flag_noise is None else 2

    @property
    def policy_shape(self) -> tuple[int, int, int, int]:
        """(phases, flags, D+1, A): the shape of a table of logits."""
        return (self.phases, self.flags, self.D + 1, len(self.actions))

    @property
    def n_classes(self) -> int:
        """K without counters."""
        return 2 * self.H + 1

    @property
    def max_length(self) -> float:
        """The completion limit in tokens."""
        return self.H * self.tokens_per_action

    # -- the model -----------------------------------------------------------------------------
    def allowed(self) -> np.ndarray:
        """(phases, D+1, A) bool: which actions are legal.

        One phase: all but END_THINK. Two phases: ANSWER only after END_THINK; after it only
        ANSWER and FILL. REPEAT needs a finished step (m > 0).
        """
        ok = np.ones((self.phases, self.D + 1, len(self.actions)), dtype=bool)
        for i, name in enumerate(self.actions):
            if name == "REPEAT":
                ok[:, 0, i] = False
            if self.phases == 2:
                if name == "ANSWER":
                    ok[THINK, :, i] = False
                elif name != "FILL":
                    ok[ANSWER_PHASE, :, i] = False
        return ok

    def logits(self, **by_action: float) -> np.ndarray:
        """A table of constant logits by action name (absent actions 0), (phases, flags, D+1, A).

        Illegal entries hold 0 and are never read: probabilities are masked by `allowed`.
        """
        unknown = set(by_action) - set(self.actions)
        if unknown:
            msg = f"no action {sorted(unknown)} in this chain; it has {self.actions}"
            raise ValueError(msg)
        row = np.array([by_action.get(a, 0.0) for a in self.actions])
        return np.broadcast_to(row, self.policy_shape).copy()

    def policy(self, theta: Any) -> Any:
        """Softmax of logits over the legal actions, (phases, flags, D+1, A); any backend."""
        from array_api_compat import array_namespace

        xp = array_namespace(theta)
        ok = xp.asarray(self.allowed()[:, None])
        masked = xp.where(ok, theta, xp.full_like(theta, -xp.inf))
        top = xp.max(masked, axis=-1, keepdims=True)
        e = xp.where(ok, xp.exp(masked - top), xp.zeros_like(theta))
        return e / xp.sum(e, axis=-1, keepdims=True)

    def flag_law(self, difficulty: int) -> np.ndarray:
        """(2, D+1, flags): P(flag | error bit e, progress m) for a prompt of this difficulty."""
        out = np.ones((2, self.D + 1, self.flags))
        if self.flag_noise is not None:
            done = np.zeros((2, self.D + 1))
            done[0, difficulty:] = 1.0
            out[..., 1] = done * (1 - self.flag_noise) + (1 - done) * self.flag_noise
            out[..., 0] = 1 - out[..., 1]
        return out

    def right_law(self, difficulty: int) -> np.ndarray:
        """(2, D+1): P(ANSWER is right | e, m)."""
        out = np.full((2, self.D + 1), self.guess)
        out[0, difficulty:] = 1.0
        return out

    # -- classes ---------------------------------------------------------------------------------
    def class_correct(self) -> np.ndarray:
        """(K,) 1 for right answers."""
        return np.concatenate([np.ones(self.H), np.zeros(self.H + 1)])

    def class_length(self) -> np.ndarray:
        """(K,) length in tokens."""
        t = np.arange(1, self.H + 1)
        return self.tokens_per_action * np.concatenate([t, t, [self.H]]).astype(float)

    def class_truncated(self) -> np.ndarray:
        """(K,) bool."""
        return np.arange(self.n_classes) == 2 * self.H

    def rollouts(self, prob: Any, *, group_size: float = math.inf, step: Any = 0) -> Rollouts:
        """Class probabilities (..., B, K) as Rollouts, B = difficulties; any backend.

        Weights are share x probability, so that statistics pooled over the batch see the mix;
        statistics within a prompt are not affected by the factor.
        """
        return class_rollouts(
            prob,
            correct=self.class_correct(),
            length=self.class_length(),
            truncated=self.class_truncated(),
            max_length=self.max_length,
            shares=self.shares,
            group_size=group_size,
            step=step,
        )

    def with_(self, **changes: Any) -> Chain:
        """A copy with some settings replaced."""
        return replace(self, **changes)


HELLO = Chain()
HELLO_LOGITS = {"STEP": 0.0, "FILL": 0.5, "ANSWER": -1.5}
"""The hello-world chain and its initial logits by action."""
