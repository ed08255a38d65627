"""Rewards that read their siblings: every text is graded in a whole group of its prompt.

The siblings are rollouts that a policy would draw: classes of the chain by their probabilities,
rendered on the same prompt. Who grades a text alone learns nothing about such a reward: the
shortest right answer of one is always the shortest.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.graders.base import TextRow
from toyrl.rewards.errors import RewardError
from toyrl.rewards.user import TextTerm, UserReward, same
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.text.problems import problem_of
from toyrl.worlds.text.render import class_rows

Siblings = Callable[[TextRow], Sequence[TextRow]]
Write = Callable[..., Sequence[Any]]
"""Writes texts of a class, as `toyrl.worlds.text.render.class_rows` does."""
SHORT, LONG = 0.3, 0.8  # of H, lengths in the group that dependence is looked for in


@dataclass(frozen=True)
class Company:
    """Grades texts one group at a time.

    grade : values of exactly these rows in one call; siblings : the rest of a row's group
    """

    grade: Callable[[Sequence[TextRow]], list[float | None]]
    siblings: Siblings

    def score(self, rows: Sequence[TextRow]) -> list[float | None]:
        """Every row's value in the company of its siblings."""
        return [self.grade([row, *self.siblings(row)])[0] for row in rows]


@dataclass(frozen=True)
class Posed:
    """A problem that a row is about, its difficulty, and what it is told from others by."""

    problem: Any
    difficulty: int
    key: str


def posed(row: TextRow) -> Posed | None:
    """The arithmetic problem of a row; None for a foreign prompt."""
    problem = problem_of(row.prompt)
    return None if problem is None else Posed(problem, problem.difficulty, row.prompt)


def drawn_siblings(
    chain: Chain,
    prob: np.ndarray,
    difficulties: Sequence[int],
    dialect: str,
    group_size: int,
    *,
    seed: int = 0,
    about: Callable[[TextRow], Posed | None] = posed,
    write: Write = class_rows,
) -> Siblings:
    """group_size - 1 rollouts of a row's prompt, as a policy draws them; none for a foreign prompt.

    prob : (B, K) class probabilities of the policy on prompts of these B difficulties; a prompt
        takes the nearest. The same prompt has the same siblings.
    about, write : a row's problem, and texts of it; arithmetic ones unless told
    """
    near = np.asarray(difficulties)
    kept: dict[str, tuple[TextRow, ...]] = {}

    def drawn(of: Posed) -> tuple[TextRow, ...]:
        rng = np.random.default_rng([seed, zlib.crc32(of.key.encode())])
        p = prob[int(np.argmin(np.abs(near - of.difficulty)))]
        classes = rng.choice(len(p), size=group_size - 1, p=p / p.sum())
        return tuple(
            of_class(chain, int(k), of, dialect, seed=seed + i, write=write)
            for i, k in enumerate(classes)
        )

    def siblings(row: TextRow) -> tuple[TextRow, ...]:
        of = about(row)
        if of is None:
            return ()
        if of.key not in kept:
            kept[of.key] = drawn(of)
        return kept[of.key]

    return siblings


def real_siblings(rows: Sequence[TextRow], group_size: int, *, otherwise: Siblings) -> Siblings:
    """Up to group_size - 1 other rollouts of a row's prompt in a log; else those of `otherwise`.

    rows : of the log
    """
    groups: dict[str, list[TextRow]] = {}
    for row in rows:
        groups.setdefault(row.prompt, []).append(row)

    def of(row: TextRow) -> Sequence[TextRow]:
        group = groups.get(row.prompt)
        if group is None:
            return otherwise(row)
        return [x for x in group if x.completion != row.completion][: group_size - 1]

    return of


def of_class(
    chain: Chain, k: int, of: Posed, dialect: str, *, seed: int = 0, write: Write = class_rows
) -> TextRow:
    """A rollout of the chain's class k on this problem; write : as for `drawn_siblings`."""
    return write(
        chain,
        of.difficulty,
        dialect,
        correct=k < chain.H,
        length_actions=chain.H if k == 2 * chain.H else k % chain.H + 1,
        truncated=k == 2 * chain.H,
        renderings=1,
        seed=seed,
        problem=of.problem,
    )[0].row


def mixed_group(
    chain: Chain, of: Posed, dialect: str, *, write: Write = class_rows
) -> list[TextRow]:
    """Two right and two wrong rollouts of one problem, a short and a long one of each; write : as
    for `drawn_siblings`."""
    lengths = [round(share * chain.H) for share in (SHORT, LONG)]
    classes = [side * chain.H + length for side in (0, 1) for length in lengths]
    return [of_class(chain, k, of, dialect, seed=k, write=write) for k in classes]


def depends(text: TextTerm, group: Sequence[TextRow]) -> bool:
    """Whether a text's value changes with its company: alone, in a pair, in the whole group.

    A function found to depend on it is graded group by group from then on.
    """
    if text.stable is False:
        return False
    try:
        whole = text.raw(group)
        alone = [text.raw([row])[0] for row in group]
        pairs = [v for i in (0, 2) for v in text.raw(list(group[i : i + 2]))]
    except RewardError as error:
        if error.kind not in ("raised", "bad_value", "wrong_count"):
            raise
        return False
    if same(whole, alone) and same(whole, pairs):
        return False
    text.batch_dependent = True
    text.cache.clear()
    return True


def look(reward: UserReward, group: Sequence[TextRow]) -> bool:
    """Whether any function of a reward reads its siblings; all are looked at."""
    return any([depends(text, group) for text in reward.texts])
