"""How concise is a line of reasoning: a small model of words in the place of a trained judge.

The paper's model is a language model of 3B parameters, trained on a judge's scores in steps of 0.1.
Here a linear scorer reads what repetition and idleness look like: shares of distinct n-grams,
entropy of words, compressibility, sentences that say something new. The length is no feature: work
that is long because the problem is hard must not count as padding.

    rows = padded_rows(400, seed=1)
    found = ConcisenessModel(Ridge().fit(table(rows), labels(rows)))
    found.scores([row.completion for row in ...])      in [0.1, 1]
    ShapedGRPOTrainer(..., "crf()", graders={"conciseness": found.graded})

Source: paper 01 (CRM); the stand-in, its texts and its features are ours.
"""

from __future__ import annotations

import math
import random
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.graders.base import TextRow
from toyrl.graders.likeness.repetition import distinct_share
from toyrl.models.base import Scorer
from toyrl.worlds.text.problems import make_problem
from toyrl.worlds.text.render import RenderedRow, render

LOWEST, STEP = 0.1, 0.1
REDUNDANT = ("FILL", "REPEAT", "CHECK")
MOST = 24  # redundant actions
FEATURES = (
    "distinct 1-grams", "distinct 2-grams", "distinct 3-grams", "distinct 4-grams",
    "word entropy", "compressed size", "sentences with a number", "sentences with a new number",
    "distinct sentences", "new words",
)  # fmt: skip
THOUGHT = re.compile(r"^\s*<think>|</think>.*\Z", re.DOTALL)
SENTENCE = re.compile(r"[.!?]\s+|\n+")
NUMBER = re.compile(r"\d+")


def text_features(text: str) -> np.ndarray:
    """(F,) what `FEATURES` names, each in [0, 1] or near, of the reasoning in a completion.

    NaN for a completion without reasoning.
    """
    work = THOUGHT.sub("", text).strip()
    words = re.findall(r"[a-z]+|\d+|[^\w\s]", work.lower())
    if not words:
        return np.full(len(FEATURES), np.nan)
    said = [s.strip().lower() for s in SENTENCE.split(work) if s.strip()]
    seen: set[str] = set()
    numbered = fresh = 0
    for sentence in said:
        own = set(NUMBER.findall(sentence))
        numbered += bool(own)
        fresh += bool(own - seen)
        seen |= own
    known: set[str] = set()
    new = 0
    for sentence in said:
        own = set(re.findall(r"[a-z]+", sentence))
        new += len(own - known) > 0
        known |= own
    n = len(said)
    count = np.array(list(Counter(words).values())) / len(words)
    entropy = -float(count @ np.log(count)) / max(math.log(len(words)), 1.0)
    packed = len(zlib.compress(work.encode(), 9)) / len(work.encode())
    grams = [distinct_share(words, k) for k in (1, 2, 3, 4)]
    return np.array([*grams, entropy, min(packed, 2.0), numbered / n, fresh / n,
                     len(set(said)) / n, new / n])  # fmt: skip


@dataclass(frozen=True)
class ConcisenessModel:
    """A scorer of `text_features` as scores c in [0.1, 1].

    A completion without reasoning, or one whose score is no number, gets 0.1, never 1.
    """

    scorer: Scorer

    def scores(self, texts: Sequence[str]) -> tuple[np.ndarray, int]:
        """((N,) scores, how many could not be read and were given 0.1)."""
        features = np.array([text_features(t) for t in texts]).reshape(-1, len(FEATURES))
        raw = self.scorer.score(features) if len(texts) else np.zeros(0)
        unread = ~np.isfinite(raw)
        return np.clip(np.where(unread, LOWEST, raw), LOWEST, 1.0), int(unread.sum())

    def graded(self, rows: Sequence[TextRow]) -> list[float]:
        """One score a row: the field `conciseness`."""
        return self.scores([row.completion for row in rows])[0].tolist()


# -- texts of known redundancy ---------------------------------------------------------------------
def padded_rows(n: int, seed: int, *, needed: tuple[int, int] = (2, 8), dialect: str = "tag",
                redundant: tuple[str, ...] = REDUNDANT, correct: bool = True
                ) -> list[RenderedRow]:  # fmt: skip
    """n right solutions (or wrong ones) with 0 to 24 redundant actions put between their steps.

    needed : fewest and most steps of a problem; redundant : kinds of action, a mix drawn a row
    """
    rng, out = random.Random(seed), []
    for i in range(n):
        d = rng.randint(*needed)
        # Scores spread evenly: the share of needed actions is drawn, not the number of others.
        k = min(round(d * (1 / rng.uniform(LOWEST, 1) - 1)), MOST)
        odds = [rng.random() for _ in redundant]
        actions = ["STEP", *_mixed(["STEP"] * (d - 1), rng.choices(redundant, odds, k=k), rng)]
        problem = make_problem(d, 10_000 * seed + i)
        out.append(render(problem, [*actions, "ANSWER"], dialect=dialect, correct=correct,
                          seed=rng.getrandbits(30), tokens_per_action=8.0))  # fmt: skip
    return out


def _mixed(steps: list[str], others: list[str], rng: random.Random) -> list[str]:
    both = steps + others
    rng.shuffle(both)
    return both


def true_score(row: RenderedRow) -> float:
    """max(0.1, D/(D + k)): the share of a text's actions that its problem needs."""
    steps = row.actions.count("STEP")
    rest = sum(row.actions.count(name) for name in REDUNDANT)
    return max(LOWEST, steps / (steps + rest)) if steps else LOWEST


def labels(rows: Sequence[RenderedRow]) -> np.ndarray:
    """(N,) true scores as a judge gives them, in steps of 0.1."""
    return np.array([round(true_score(r) / STEP) * STEP for r in rows])


def table(rows: Sequence[RenderedRow]) -> np.ndarray:
    """(N, F) features of their texts."""
    return np.array([text_features(r.row.completion) for r in rows])


def pairs(values: Any, rng: np.random.Generator, n: int) -> np.ndarray:
    """(n, 2) rows (winner, loser) of different values (N,), for a learner of pairs.

    Raises ValueError where all values are equal.
    """
    v, out = np.asarray(values, dtype=float), np.zeros((0, 2), dtype=int)
    while len(out) < n:
        both = rng.integers(0, len(v), (2 * n, 2))
        both = both[np.abs(v[both[:, 0]] - v[both[:, 1]]) > 1e-9]
        if not len(both):
            msg = "all values are equal: there is no pair to learn from"
            raise ValueError(msg)
        first = v[both[:, 0]] > v[both[:, 1]]
        out = np.concatenate([out, np.where(first[:, None], both, both[:, ::-1])])
    return out[:n]
