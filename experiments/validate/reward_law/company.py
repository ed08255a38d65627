"""Rewards that read their siblings: every text is graded in a whole group of its prompt.

The siblings are rollouts that a policy would draw: classes of the chain by their probabilities,
rendered on the same prompt. Who grades a text alone learns nothing about such a reward: the
shortest right answer of one is always the shortest.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from toyrl.graders.base import TextRow
from toyrl.rewards.errors import RewardError
from toyrl.rewards.user import TextTerm, UserReward, same
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.text.problems import Problem, problem_of
from toyrl.worlds.text.render import RenderedRow, class_rows

Siblings = Callable[[TextRow], Sequence[TextRow]]
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


def drawn_siblings(
    chain: Chain,
    prob: np.ndarray,
    difficulties: Sequence[int],
    dialect: str,
    group_size: int,
    *,
    seed: int = 0,
) -> Siblings:
    """group_size - 1 rollouts of a row's prompt, as a policy draws them; none for a foreign prompt.

    prob : (B, K) class probabilities of the policy on prompts of these B difficulties; a prompt
        takes the nearest. The same prompt has the same siblings.
    """
    near = np.asarray(difficulties)

    @lru_cache(maxsize=4096)
    def of(prompt: str) -> tuple[TextRow, ...]:
        problem = problem_of(prompt)
        if problem is None:
            return ()
        rng = np.random.default_rng([seed, zlib.crc32(prompt.encode())])
        p = prob[int(np.argmin(np.abs(near - problem.difficulty)))]
        drawn = rng.choice(len(p), size=group_size - 1, p=p / p.sum())
        return tuple(
            of_class(chain, int(k), problem, dialect, seed=seed + i).row
            for i, k in enumerate(drawn)
        )

    return lambda row: of(row.prompt)


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


def of_class(chain: Chain, k: int, problem: Problem, dialect: str, *, seed: int = 0) -> RenderedRow:
    """A rollout of the chain's class k on this prompt."""
    return class_rows(
        chain,
        problem.difficulty,
        dialect,
        correct=k < chain.H,
        length_actions=chain.H if k == 2 * chain.H else k % chain.H + 1,
        truncated=k == 2 * chain.H,
        renderings=1,
        seed=seed,
        problem=problem,
    )[0]


def mixed_group(chain: Chain, problem: Problem, dialect: str) -> list[TextRow]:
    """Two right and two wrong rollouts of one prompt, a short and a long one of each."""
    lengths = [round(share * chain.H) for share in (SHORT, LONG)]
    classes = [side * chain.H + length for side in (0, 1) for length in lengths]
    return [of_class(chain, k, problem, dialect, seed=k).row for k in classes]


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
