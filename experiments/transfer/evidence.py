"""What is kept for forecasters: the base's rollouts with every reward, and the runs' ways."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toyrl.experiments.transfer.calibrate import BaseLog
from toyrl.experiments.transfer.rewards import SuiteReward
from toyrl.graders.answers import answer_identities
from toyrl.graders.base import TextRow
from toyrl.rollouts.texts import text_rollouts
from toyrl.worlds.behaviour import groups, own_texts, texts
from toyrl.worlds.behaviour.groups import GroupReward
from toyrl.worlds.behaviour.rollouts import SERVED
from toyrl.worlds.behaviour.texts import TextReward

DIGITS = 5  # significant, of a reward's value
LOOKED_AT = 3  # groups in which it shows whether a reward reads siblings
PLACES = 5  # behind the point, of a measured accuracy


def rollouts_of(log: BaseLog, rewards: Sequence[SuiteReward]) -> dict[str, Any]:
    """The base's rollouts, group by group, and what each reward pays them; None: unscorable.

    group : rollouts a prompt; correct, length, truncated, answered, answer : lists; values :
    reward -> list; paid : what rewards of texts pay for behaviours (`TextReward.to_dict`)
    """
    r = log.rollouts
    of_texts = {reward.name: paid(reward, log) for reward in rewards}
    return {
        "group": int(r.shape[-1]),
        "correct": [int(x) for x in np.ravel(r.correct)],
        "length": [int(x) for x in np.ravel(r.length)],
        "truncated": [int(x) for x in np.ravel(r.cut)],
        "answered": [int(x) for x in formed(log)],
        "answer": [int(x) for x in identities(log)],
        "values": {
            reward.name: [_number(x) for x in np.ravel(reward.values(r, log.rows)).tolist()]
            for reward in rewards
        },
        "paid": {name: text.to_dict() for name, text in of_texts.items() if text is not None},
    }


def paid(reward: SuiteReward, log: BaseLog) -> TextReward | GroupReward | None:
    """What a reward of texts pays for behaviours, graded on the base's own texts and on edits of
    them, in whole groups where it reads siblings; None for one that behaviours serve as it stands,
    and for a shaper that looks at whole groups."""
    needs = set(reward.graders()) - set(SERVED)
    if not needs or reward.shaper.all_scope() != "rollout":
        return None
    r = log.rollouts
    right = np.ravel(r.correct) > 0.5
    if reads_siblings(reward, log):
        n, size = r.shape
        each = [slice(i * size, (i + 1) * size) for i in range(n)]
        prompts = [(log.rows[at], np.ravel(r.correct)[at]) for at in each]
        made = groups.logged(prompts, r.max_length, size, reading=log.reading)
        return groups.graded(made, lambda rows: _of_group(reward, rows, log))
    cells = own_texts.design(log.rows, right, formed(log), r.max_length, reading=log.reading)
    rows = [c.row for c in cells]
    truth = [float(c.right) for c in cells]
    made, _ = text_rollouts(rows, range(len(rows)), correct=truth, max_length=r.max_length)
    return texts.graded(cells, np.ravel(reward.values(made, rows)).tolist())


def reads_siblings(reward: SuiteReward, log: BaseLog) -> bool:
    """Whether it pays a text alone otherwise than in its group, and a group the same twice; looked
    at in the first groups that have both kinds of answers."""
    size = log.rollouts.shape[-1]
    mixed = np.flatnonzero(np.ptp(log.rollouts.correct, axis=-1) > 0)[:LOOKED_AT]
    for i in mixed.tolist():
        rows = log.rows[i * size : (i + 1) * size]
        one, two = (_of_group(reward, rows, log) for _ in range(2))
        alone = [_of_group(reward, [row], log)[0] for row in rows]
        if one == two and not np.allclose(one, alone, equal_nan=True):
            return True
    return False


def _of_group(reward: SuiteReward, rows: Sequence[TextRow], log: BaseLog) -> list[float]:
    truth = [log.truth(row) for row in rows]
    limit = log.rollouts.max_length
    made, _ = text_rollouts(rows, [0] * len(rows), correct=truth, max_length=limit)
    return np.ravel(reward.values(made, list(rows))).tolist()


def formed(log: BaseLog) -> np.ndarray:
    """(N,) whether an answer can be read."""
    return own_texts.readable(log.rows, np.ravel(log.rollouts.correct), log.reading)


def identities(log: BaseLog) -> list[float]:
    """(N,) of the answers within each group, read as the log's task marks them."""
    G = log.rollouts.shape[-1]
    right = np.ravel(log.rollouts.correct).tolist()
    groups_ = [slice(i, i + G) for i in range(0, len(log.rows), G)]
    read = log.reading.answer
    return [x for at in groups_ for x in answer_identities(log.rows[at], right[at], read=read)]


def ways_of(curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """reward -> the measured way of each run: updates, accuracy, length and KL at each look."""
    return {name: [_way(curve["points"]) for curve in group] for name, group in curves.items()}


def _way(points: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    return {
        "updates": [int(p["step"]) for p in points],
        **{
            key: [round(float(p[key]), PLACES) for p in points]
            for key in ("accuracy", "length", "kl")
        },
    }


def _number(x: float) -> float | None:
    return float(f"{x:.{DIGITS}g}") if math.isfinite(x) else None
