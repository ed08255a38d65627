"""A base's card: what 512 of its rollouts show before any training, 8 of each held-out prompt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from toyrl.bridge.tasks import Task
from toyrl.bridge.training import evaluate
from toyrl.graders.answers import is_answered
from toyrl.graders.base import TextRow
from toyrl.worlds.text.scripts import read

PROMPTS, TIMES, SEED = 64, 8, 20_000
LONG = 1.8
"""A runaway is a rollout so many times as long as its prompt's median, or cut by the limit."""


@dataclass(frozen=True)
class Card:
    """What a base does; shares in [0, 1], lengths in tokens with the end token.

    parameters : of the network; rollouts : measured
    accuracy, accuracy_easy, accuracy_hard : of all, of the two kinds of prompts
    length, length_right, length_wrong : means
    spread : log-sd of length within a prompt, mean over prompts
    rank : mean correlation of length and correctness within prompts that have both
    marked : answers with their mark; truncated : cut by the limit
    always, never : prompts whose rollouts are all right, all wrong
    redundant : of the tokens of rollouts whose steps are all right, those after the last step,
        the answer left out
    runaway : rollouts `LONG` times as long as their prompt's median or cut; runaway_right : share
        of right ones among them
    guessed : rollouts that mark an answer without a single step
    entropy : nats a token
    What has no rollout to be measured on is NaN.
    """

    parameters: int
    rollouts: int
    accuracy: float
    accuracy_easy: float
    accuracy_hard: float
    length: float
    length_right: float
    length_wrong: float
    spread: float
    rank: float
    marked: float
    truncated: float
    always: float
    never: float
    redundant: float
    runaway: float
    runaway_right: float
    guessed: float
    entropy: float

    def to_dict(self) -> dict[str, Any]:
        """JSON form; NaN as null."""
        return {k: None if v != v else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Card:
        """The way back; TypeError for a field too few or too many."""
        made: dict[str, Any] = {k: math.nan if v is None else v for k, v in data.items()}
        return cls(**made)


def measure(
    network: Any, tokenizer: Any, task: Task, *, limit: int, times: int = TIMES, seed: int = SEED
) -> Card:
    """The card of a network on the task's held-out prompts."""
    drawn = evaluate.sample(network, tokenizer, task.held_out, times=times, limit=limit, seed=seed)
    _, entropy = evaluate.distance(network, network, drawn)
    right = [task.correct(row) for row in drawn.rows]
    size = sum(p.numel() for p in network.parameters())
    return of_rollouts(drawn.rows, right, times, parameters=size, entropy=entropy)


def of_rollouts(
    rows: Sequence[TextRow],
    right: Sequence[float],
    times: int,
    *,
    parameters: int,
    entropy: float,
) -> Card:
    """The card of rollouts whose difficulty is in their columns, `times` neighbours a prompt."""
    correct = np.asarray(right, dtype=float).reshape(-1, times)
    length = np.array([float(row.tokens or 0) for row in rows]).reshape(-1, times)
    cut = np.array([bool(row.truncated) for row in rows]).reshape(-1, times)
    marked = np.array([is_answered(row) for row in rows])
    kind = np.array([row.columns["difficulty"] for row in rows]).reshape(-1, times)
    said = [read(row.prompt, row.completion)[0] for row in rows]
    long = cut | (length >= LONG * np.median(length, axis=1, keepdims=True))
    after, whole = _after(rows, said)
    bare = np.array([s.answer is not None and s.steps == 0 for s in said])
    return Card(
        parameters=parameters,
        rollouts=len(rows),
        accuracy=float(correct.mean()),
        accuracy_easy=_mean(correct[kind == kind.min()]),
        accuracy_hard=_mean(correct[kind == kind.max()]),
        length=float(length.mean()),
        length_right=_mean(length[correct == 1]),
        length_wrong=_mean(length[correct == 0]),
        spread=float(np.log(length).std(axis=1, ddof=1).mean()),
        rank=_within(length, correct),
        marked=float(marked.mean()),
        truncated=float(cut.mean()),
        always=float((correct.mean(axis=1) == 1).mean()),
        never=float((correct.mean(axis=1) == 0).mean()),
        redundant=after / whole if whole else math.nan,
        runaway=float(long.mean()),
        runaway_right=_mean(correct[long]),
        guessed=float(bare.mean()),
        entropy=entropy,
    )


def _mean(x: np.ndarray) -> float:
    return float(x.mean()) if x.size else math.nan


def _within(length: np.ndarray, correct: np.ndarray) -> float:
    """Mean correlation over the prompts in which both vary."""
    both = (length.std(axis=1) > 0) & (correct.std(axis=1) > 0)
    found = [np.corrcoef(a, b)[0, 1] for a, b in zip(length[both], correct[both], strict=True)]
    return float(np.mean(found)) if found else math.nan


def _after(rows: Sequence[TextRow], said: Sequence[Any]) -> tuple[int, int]:
    """(characters between the last right step and the answer's line, all characters)."""
    after = whole = 0
    for row, found in zip(rows, said, strict=True):
        if found.solved is not None:
            last = row.completion.rstrip("\n").rfind("\n") + 1
            after += max(0, last - found.solved)
            whole += len(row.completion)
    return after, whole
