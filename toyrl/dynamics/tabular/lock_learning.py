"""Q-learning on the combination lock, paid for captions that are judged as it goes (compiled).

The learner sees the level alone and acts epsilon-greedily, ties at random, values going on through
the time limit. Each step's caption is paid alpha_int r_hat/N^beta beside alpha_ext times the task's
reward, r_hat by what has been labelled so far:

    retrieval        this very caption's label, 0 without one
    classification   1 where over half of the labelled captions of its kind are helpful
    ranking          a score of its kind, learned from pairs; running moments, a threshold

The annotator takes the newest `batch` captions that wait (pairs of captions seen so far for the
ranker) every `every` steps and answers one such span later; nobody waits for it.

Source: paper 06, sections 2 and 5; the lock and its learner are the toy's. Derived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numba
import numpy as np

from toyrl.ranges import COUNT, FINITE, FLAG, NOT_NEGATIVE, PART, SHARE, Range, check_fields
from toyrl.worlds.search.lock import FELL, GOLD, NOTHING, POKE, Lock

__all__ = ["CaptionBonus", "LockLearner", "learn_lock"]

MODELS = ("none", "retrieval", "classification", "ranking")


@dataclass(frozen=True)
class CaptionBonus:
    """How captions are judged and paid.

    model : one of `MODELS`; alpha_ext, alpha_int, beta : as in `toyrl.shapers.explore.oni`
    counted : N by "kind" (tags left out), or "exact" captions
    batch, every : captions or pairs that the annotator takes, and steps between two takes
    flip : chance that a label is turned; newest : False serves the oldest first
    normalise, eps_thr, rate : of the ranker: as in `ranked_reward`, and the step on its scores
    recent : captions that its pairs are drawn from, the last so many (the paper keeps all that it
        has sampled; the number is ours)

    Raises ValueError for settings out of their ranges.
    """

    model: Annotated[str, Range(words=MODELS)] = "retrieval"
    alpha_ext: Annotated[float, FINITE] = 10.0
    alpha_int: Annotated[float, FINITE] = 0.1
    beta: Annotated[float, NOT_NEGATIVE] = 3.0
    counted: Annotated[str, Range(words=("exact", "kind"))] = "exact"
    batch: Annotated[int, COUNT] = 2
    every: Annotated[int, COUNT] = 20
    flip: Annotated[float, SHARE] = 0.0
    newest: Annotated[bool, FLAG] = True
    normalise: Annotated[bool, FLAG] = True
    eps_thr: Annotated[float, FINITE] = -0.5
    rate: Annotated[float, PART] = 0.5
    recent: Annotated[int, COUNT] = 1000

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class LockLearner:
    """Tabular Q-learning: episodes, epsilon, step size and discount.

    Raises ValueError for settings out of their ranges.
    """

    episodes: Annotated[int, COUNT] = 1500
    epsilon: Annotated[float, SHARE] = 0.1
    step: Annotated[float, PART] = 0.5
    discount: Annotated[float, SHARE] = 0.97

    def __post_init__(self) -> None:
        check_fields(self)


def learn_lock(lock: Lock, bonus: CaptionBonus, learner: LockLearner, rng: np.random.Generator
               ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """(reached, paid) of one run, each (E,) for E episodes: bool, and sums of the captions' pay.

    rng : of everything that is drawn: actions, tags, pairs, flips
    """
    b, q = bonus, learner
    return _learn(lock.bits, lock.levels, lock.horizon, lock.tags, lock.gold_level, lock.helpful,
                  MODELS.index(b.model), b.alpha_ext, b.alpha_int, b.beta, b.counted == "exact",
                  b.batch, b.every, b.flip, b.newest, b.normalise, b.eps_thr, b.rate, b.recent,
                  q.episodes, q.epsilon, q.step, q.discount, rng)  # fmt: skip


@numba.njit(cache=True)
def _judged(model, kind, caption, labels, good, total, score, moments, normalise,
            eps_thr):  # pragma: no cover (compiled)  # fmt: skip
    if model == 1:
        return 1.0 if labels[caption] == 1 else 0.0
    if model == 2:
        return 1.0 if 2 * good[kind] > total[kind] else 0.0
    if model == 3:
        if not normalise:
            return score[kind]
        if moments[1] <= 0:
            return 0.0
        unit = (score[kind] - moments[0]) / np.sqrt(moments[1])
        return unit if unit > eps_thr else 0.0
    return 0.0


@numba.njit(cache=True)
def _label(helpful, kind, flip, rng):  # pragma: no cover (compiled)
    yes = helpful[kind]
    if flip > 0 and rng.random() < flip:
        yes = not yes
    return 1 if yes else 0


@numba.njit(cache=True)
def _moved_on(moments, values):  # pragma: no cover (compiled)
    """Running mean, variance and count (paper 06, (4)), in place."""
    n = len(values)
    mean, spread = values.mean(), 0.0
    if n > 1:
        spread = ((values - mean) ** 2).sum() / (n - 1)
    total, delta = moments[2] + n, mean - moments[0]
    moments[1] = (moments[1] * moments[2] + spread * n + delta**2 * moments[2] * n / total) / total
    moments[0] += delta * n / total
    moments[2] = total


@numba.njit(cache=True)
def _ranked(score, helpful, flying, flip, rate, rng):  # pragma: no cover (compiled)
    """One step of the scores (paper 06, (2)) on each pair of captions seen."""
    for i in range(flying.shape[0]):
        a, b = flying[i]
        one, two = _label(helpful, a, flip, rng), _label(helpful, b, flip, rng)
        y = 0.5 if one == two else (0.0 if one > two else 1.0)  # 1: the second is better
        p = 1 / (1 + np.exp(score[a] - score[b]))
        score[a] += rate * (p - y)
        score[b] -= rate * (p - y)


@numba.njit(cache=True)
def _picked(stack, top, bottom, stamp, labels, batch, newest, out):  # pragma: no cover (compiled)
    """Take captions that wait into `out`; (taken, top, bottom). A stamp says which entry counts."""
    taken = 0
    while taken < batch and top > bottom:
        if newest:
            top -= 1
            at = top
        else:
            at = bottom
            bottom += 1
        c = stack[at]
        if stamp[c] == at and labels[c] < 0:
            stamp[c] = -1
            out[taken] = c
            taken += 1
    return taken, top, bottom


@numba.njit(cache=True)
def _arrived(
    out, flying, tags, labels, good, total, helpful, flip, rng
):  # pragma: no cover (compiled)
    """The answers that were under way reach the table of labels and the votes of kinds."""
    for k in range(flying):
        c = out[k]
        if labels[c] < 0:
            labels[c] = _label(helpful, c // tags, flip, rng)
            good[c // tags] += labels[c]
            total[c // tags] += 1


@numba.njit(cache=True)
def _pairs(seen, t, recent, batch, rng):  # pragma: no cover (compiled)
    """(batch, 2) kinds of captions, drawn from the last `recent` of t."""
    out = np.zeros((batch, 2), np.int64)
    for k in range(batch):
        for j in range(2):
            out[k, j] = seen[t - 1 - int(rng.random() * min(t, recent))]
    return out


@numba.njit(cache=True)
def _best(table, s):  # pragma: no cover (compiled)
    return max(table[s, 0], table[s, 1], table[s, 2])


@numba.njit(cache=True)
def _chosen(table, s, epsilon, rng):  # pragma: no cover (compiled)
    """Epsilon-greedy, ties at random."""
    a = int(rng.random() * 3)
    if rng.random() >= epsilon:
        ties, best = 0, _best(table, s)
        for b in range(3):
            if table[s, b] == best:
                ties += 1
                if rng.random() * ties < 1:
                    a = b
    return a


@numba.njit(cache=True)
def _moved(bits, gold, s, a):  # pragma: no cover (compiled)
    """(next level, kind of caption), as `Lock.moved`."""
    if a == POKE:
        return s, (GOLD if s == gold else NOTHING)
    if a == bits[s]:
        return s + 1, NOTHING + s + 1
    return 0, FELL


@numba.njit(cache=True)
def _learn(bits, levels, horizon, tags, gold, helpful, model, alpha_ext, alpha_int, beta, exact,
           batch, every, flip, newest, normalise, eps_thr, rate, recent, episodes, epsilon, step,
           discount, rng):  # pragma: no cover (compiled)  # fmt: skip
    kinds, captions, steps = levels + 3, (levels + 3) * tags, episodes * horizon
    table, reached, gained = np.zeros((levels + 1, 3)), np.zeros(episodes) > 1, np.zeros(episodes)
    labels, stamp = np.full(captions, -1, np.int8), np.full(captions, -1, np.int64)
    good, total, score = np.zeros(kinds), np.zeros(kinds), np.zeros(kinds)
    count, last = np.zeros(captions, np.int64), np.full(captions, -1, np.int64)
    moments, block = np.array([0.0, 1.0, 1e-4]), np.zeros(every)
    stack, seen = np.zeros(steps + 1, np.int64), np.zeros(steps, np.int64)
    flying, pairs, out = 0, np.zeros((0, 2), np.int64), np.zeros(batch, np.int64)
    top, bottom, t = 0, 0, 0
    for i in range(episodes):
        s = 0
        for _ in range(horizon):
            if t % every == 0 and t > 0 and model == 3:
                _ranked(score, helpful, pairs, flip, rate, rng)
                _moved_on(moments, block)
                pairs = _pairs(seen, t, recent, batch, rng)
            elif t % every == 0 and t > 0:
                _arrived(out, flying, tags, labels, good, total, helpful, flip, rng)
                flying, top, bottom = _picked(stack, top, bottom, stamp, labels, batch, newest, out)
            a = _chosen(table, s, epsilon, rng)
            new, kind = _moved(bits, gold, s, a)
            caption = kind * tags + (int(rng.random() * tags) if tags > 1 else 0)
            key = caption if exact else kind
            if last[key] != i:
                last[key], count[key] = i, 0
            count[key] += 1
            if labels[caption] < 0 and model != 3:  # offered: the newest that waits
                stack[top], stamp[caption] = caption, top
                top += 1
            seen[t], block[t % every] = kind, score[kind]
            judged = _judged(model, kind, caption, labels, good, total, score, moments, normalise,
                             eps_thr)  # fmt: skip
            extra = alpha_int * judged / count[key] ** beta
            gained[i] += extra
            done = new == levels
            paid = alpha_ext * done + extra + (0.0 if done else discount * _best(table, new))
            table[s, a] += step * (paid - table[s, a])
            s, t = new, t + 1
            if done:
                reached[i] = True
                break
    return reached, gained
