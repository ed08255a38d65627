"""Follow-ups that two users say word by word, read word by word by a scorer that mixes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import kendalltau

from toyrl.experiments.core import Table
from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.parts import Items
from toyrl.experiments.lab.routes import apart, missed
from toyrl.models.follow_ups import (
    follow_up_contrast,
    follow_up_likelihood,
    released_score,
    token_logprobs,
)

WORDS, LONGEST = 12, 6
FORCED = "words: teacher forcing beside the mixture of two users, largest error"
TOLD = "words: pairs of responses that FLR orders otherwise than satisfaction does"


def turned(score: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Signs of all pairs' differences, of the score and of s."""
    i, j = np.triu_indices(len(s), 1)
    return np.sign(score[i] - score[j]), np.sign(s[i] - s[j])


class Users:
    """Two users, satisfied or not, who speak by bigrams of 12 words; the scorer mixes them."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.start = np.log(rng.dirichlet(np.full(WORDS, 0.5), 2))
        self.next = np.log(rng.dirichlet(np.full(WORDS, 0.5), (2, WORDS)))

    def log_chance(self, f: np.ndarray) -> np.ndarray:
        """(2,) log-probability of a follow-up's words by each user."""
        return self.start[:, f[0]] + self.next[:, f[:-1], f[1:]].sum(-1)

    def say(self, user: int, n: int) -> list[np.ndarray]:
        """n follow-ups of 3 to 6 words that this user says likelier than the other."""
        found: list[np.ndarray] = []
        while len(found) < n:
            size = int(self.rng.integers(3, LONGEST + 1))
            said = [self.rng.choice(WORDS, p=np.exp(self.start[user]))]
            while len(said) < size:
                said.append(self.rng.choice(WORDS, p=np.exp(self.next[user, said[-1]])))
            f = np.array(said)
            by = self.log_chance(f)
            spend(LONGEST)
            if by[user] > by[1 - user]:
                found.append(f)
        return found

    def logits(self, f: np.ndarray, s: np.ndarray, free: float = 1.0) -> np.ndarray:
        """(responses, 1 + L, words) rows of logits: the word behind the response, then behind f.

        By filtering: the chance of each user is updated by every word. A row's constant is free:
        normal here, with the deviation `free`.
        """
        belief = np.log(np.stack([s, 1 - s], axis=-1))
        rows = [np.logaddexp(*(belief[:, u, None] + self.start[u] for u in (0, 1)))]
        belief = belief + self.start[:, f[0]]
        for t, word in enumerate(f):
            known = belief - np.logaddexp(belief[:, :1], belief[:, 1:])
            rows.append(np.logaddexp(*(known[:, u, None] + self.next[u, word] for u in (0, 1))))
            if t + 1 < len(f):
                belief = belief + self.next[:, word, f[t + 1]]
        out = np.stack(rows, axis=1)
        return out + free * self.rng.normal(size=(*out.shape[:2], 1))


def read(rows: np.ndarray, f: np.ndarray, reading: str) -> np.ndarray:
    """l of a follow-up behind every response, by teacher forcing or by a faulty reading."""
    ids = np.append(0, f)  # the response ends in some token
    if reading == "shifted":
        rows = np.concatenate([rows[:, 1:], rows[:, -1:]], axis=1)
    if reading == "raw logits":
        return np.array([np.take_along_axis(x[:-1], f[:, None], -1).mean() for x in rows])
    if reading == "released":
        turn = np.concatenate([rows, rows[:, -1:]], axis=1)  # and the token that ends the turn
        return np.array([released_score(x, f, special=(0,)) for x in turn])
    own = np.array([token_logprobs(x, ids, start=1) for x in rows])
    return own.sum(-1) if reading == "summed" else follow_up_likelihood(own)


def words(reading: str, responses: int, follow_ups: int, seed: int) -> Items:
    """Follow-ups that users say word by word, and a scorer that reads them word by word."""
    rng = draws(seed, 2)
    users, s = Users(rng), rng.uniform(0.02, 0.98, responses)
    said = [users.say(user, follow_ups) for user in (0, 1)]
    gaps, found = [], []
    for side in said:
        own = np.stack([read(users.logits(f, s), f, reading) for f in side], -1)
        mixed = [np.logaddexp(np.log(s) + x[0], np.log(1 - s) + x[1]) / len(f)
                 for f in side for x in [users.log_chance(f)]]  # fmt: skip
        gaps.append(own - np.stack(mixed, -1))
        found.append(own)
    gap = np.concatenate(gaps, axis=-1)
    yield apart(FORCED, gap, 0 * gap, 1e-12, ("teacher forcing", "mixture"))
    flr = follow_up_contrast([found[0]], [found[1]])
    yield missed(TOLD, *turned(flr, s), ("teacher forcing", "satisfaction"))


def tau(score: np.ndarray, s: np.ndarray) -> float:
    """Kendall's rank correlation."""
    found: Any = kendalltau(score, s)
    return float(found.statistic)


def released(responses: int, follow_ups: int, worlds: int, seed: int) -> Items:
    """How well the released score orders responses that FLR orders without a fault."""
    scores = {"flr": ("teacher forcing", 1.0), "flr_released, rows normalised": ("released", 0.0),
              "flr_released, rows with a free constant": ("released", 1.0)}  # fmt: skip
    found = np.empty((worlds, len(scores)))
    for w in range(worlds):
        users = Users(draws(seed, 200 + w))
        s = users.rng.uniform(0.02, 0.98, responses)
        said = [users.say(user, follow_ups) for user in (0, 1)]
        for j, (reading, free) in enumerate(scores.values()):
            own = [np.stack([read(users.logits(f, s, free), f, reading) for f in x], -1)
                   for x in said]  # fmt: skip
            found[w, j] = tau(follow_up_contrast(own[:1], own[1:]), s)
    rows = [[k, float(x.mean()), float(x.min()), float((x > 1 - 1e-9).mean())]
            for k, x in zip(scores, found.T, strict=True)]  # fmt: skip
    yield Table("order of responses by satisfaction, Kendall's tau",
                ("score", "mean over worlds", "smallest", "without a fault"), rows)  # fmt: skip
