"""Laws of rewards for compressed prompts (paper 16), for the one here and for your own.

    from toyrl.testing.laws.capsules import CAPSULE_LAWS, CapsuleCase
    assert not CAPSULE_LAWS["tail"](my_score, case)

Each takes a function of the form of `toyrl.graders.likeness.compression.score` and a case, and
returns nothing where the law holds and one sentence where it doesn't.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from toyrl.graders.likeness.compression import Compressed

Array = Any
Score = Callable[..., Compressed]
TOLERANCE = 1e-9


@dataclass(frozen=True)
class CapsuleCase:
    """A prompt, a capsule of it and what is asked.

    prompt, capsule : token ids; need : ids a question, at least one; weights : (Q,), above 0
    matrix : (V, d) rows of all ids, not negative; budget : tokens read
    """

    prompt: Sequence[int]
    capsule: Sequence[int]
    need: Sequence[Sequence[int]]
    weights: Array
    matrix: Array
    budget: float

    def by(self, score: Score, **options: Any) -> Compressed:
        """What a reward says of it."""
        return score(self.prompt, self.capsule, self.need, self.weights, self.matrix,
                     budget=self.budget, **options)  # fmt: skip


def tail_is_not_read(score: Score, case: CapsuleCase) -> str | None:
    """Tokens behind the budget change nothing."""
    full = [*case.capsule, *case.prompt] * 2
    cut = full[: int(min(case.budget, len(full)))]
    one, two = (replace(case, capsule=c).by(score) for c in (full, cut))
    return _differ(one, two, "with a tail")


def shares_are_bounded(score: Score, case: CapsuleCase) -> str | None:
    """0 <= U <= 1, and the product is at most either factor."""
    u, s, r, *_ = case.by(score)
    ok = -TOLERANCE <= r <= min(u, s) + TOLERANCE and 0 <= u <= 1 + TOLERANCE and s <= 1 + TOLERANCE
    return None if ok else f"utility {u:.6g}, semantic {s:.6g}, reward {r:.6g}"


def more_never_costs_answers(score: Score, case: CapsuleCase) -> str | None:
    """A token added at the end, within the budget, lowers no utility."""
    short = list(case.capsule)[: max(int(min(case.budget, len(case.capsule))) - 1, 0)]
    u = replace(case, capsule=short).by(score).utility
    for token in set(case.prompt):
        more = replace(case, capsule=[*short, token], budget=len(short) + 1).by(score).utility
        if more < u - TOLERANCE:
            return f"token {token} at the end takes the utility from {u:.6g} to {more:.6g}"
    return None


def likeness_has_no_order(score: Score, case: CapsuleCase) -> str | None:
    """In reverse and twice over, what is read is as like as before; copies answer nothing more."""
    whole = replace(case, budget=np.inf)
    one = whole.by(score)
    back = replace(whole, capsule=list(case.capsule)[::-1]).by(score)
    twice = replace(whole, capsule=list(case.capsule) * 2).by(score)
    likes = np.array([one.semantic, back.semantic, twice.semantic])
    if np.ptp(likes) > TOLERANCE:
        return f"semantic {likes.tolist()} as it stands, in reverse, twice"
    if abs(twice.utility - one.utility) > TOLERANCE:
        return f"utility {one.utility:.6g}, twice over {twice.utility:.6g}"
    return None


def budget_beyond_the_text(score: Score, case: CapsuleCase) -> str | None:
    """From the capsule's length on the budget is nothing; a budget of 0 pays 0."""
    n = len(case.capsule)
    one, two = (replace(case, budget=b).by(score) for b in (n, n + 7))
    none = replace(case, budget=0).by(score).reward
    return _differ(one, two, "with more budget") or (f"no budget pays {none:.6g}" if none else None)


def weights_are_shares(score: Score, case: CapsuleCase) -> str | None:
    """Questions in another order with their weights, and weights times 3, change nothing."""
    w = np.asarray(case.weights, dtype=float)
    turned = replace(case, need=list(case.need)[::-1], weights=w[::-1])
    one = case.by(score)
    return _differ(one, turned.by(score), "questions in reverse") or _differ(
        one, replace(case, weights=3 * w).by(score), "weights times 3"
    )


def the_prompt_itself_is_best(score: Score, case: CapsuleCase) -> str | None:
    """The whole prompt has U = s = 1 where the prompt answers everything."""
    need = [q for q in case.need if set(q) <= set(case.prompt)]
    if not need or not case.prompt or not np.asarray(case.matrix)[list(case.prompt)].any():
        return None
    own = replace(case, capsule=case.prompt, need=need, weights=np.ones(len(need)), budget=np.inf)
    u, s, *_ = own.by(score)
    good = abs(u - 1) <= TOLERANCE and abs(s - 1) <= TOLERANCE
    return None if good else f"the prompt has utility {u:.6g}, semantic {s:.6g}"


def _differ(one: Compressed, two: Compressed, where: str) -> str | None:
    gap = max(abs(a - b) for a, b in zip(one[:3], two[:3], strict=True))
    return None if gap <= TOLERANCE else f"{where}: {tuple(one[:3])} became {tuple(two[:3])}"


CAPSULE_LAWS = {
    "tail": tail_is_not_read,
    "bounds": shares_are_bounded,
    "more": more_never_costs_answers,
    "order": likeness_has_no_order,
    "budget": budget_beyond_the_text,
    "weights": weights_are_shares,
    "whole": the_prompt_itself_is_best,
}
