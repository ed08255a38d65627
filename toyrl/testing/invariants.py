"""Laws that rewards obey (contracts) or may be designed to obey (properties).

Each law is a function of a shaper and one drawn case; it returns nothing where the law holds and
one sentence where it does not. `CONTRACT` holds for every usable reward; `PROPERTIES` are
design goals that some published rewards break on purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from toyrl.rollouts import Rollouts
from toyrl.rollouts.fields import behind
from toyrl.shapers.base import Shaper
from toyrl.testing import arrays
from toyrl.testing.cases import Case, cases
from toyrl.testing.laws import judges as judge_laws
from toyrl.testing.laws import length as length_laws
from toyrl.testing.laws import memory as memory_laws
from toyrl.testing.laws import phases as phase_laws
from toyrl.testing.laws import steps as step_laws
from toyrl.testing.laws import tokens as token_laws

BOUND = 1e9
"""Rewards beyond this are taken for unbounded: the drawn inputs are below 10 units."""


Law = Callable[[Shaper, Case], "str | None"]


@dataclass(frozen=True)
class Invariant:
    """A law with its name; `weights` and `graded` say on which rollouts it is stated."""

    name: str
    statement: str
    law: Law
    contract: bool
    weights: str | None = None
    graded: bool | None = None
    applies: Callable[[Shaper], bool] = lambda _shaper: True

    def cases(self, shaper: Shaper) -> st.SearchStrategy[Case]:
        """Situations on which to try the law for this shaper."""
        needs = (*shaper.all_needs(), *shaper.all_wants())
        return cases(needs, weights=self.weights, graded=self.graded)


# -- contracts ---------------------------------------------------------------------------------
def finite(shaper: Shaper, case: Case) -> str | None:
    """Rewards of present rollouts are finite and of bounded size, absent rollouts get 0."""
    r = case.rollouts
    for name, value in shaper.apply(r).parts.items():
        value = np.asarray(value)
        absent = value[r.w == 0]
        if np.any(absent != 0):
            return f"part {name!r} gives an absent rollout (weight 0) {absent.ravel()[0]}"
        if not np.all(np.isfinite(value)):
            return f"part {name!r} is not finite: {value.tolist()}"
        if np.max(np.abs(value), initial=0.0) > BOUND:
            return f"part {name!r} reaches {np.max(np.abs(value)):.3g}"
    return None


def repeatable(shaper: Shaper, case: Case) -> str | None:
    """The same rollouts get the same rewards at every call."""
    first, again = shaper.apply(case.rollouts).parts, shaper.apply(case.rollouts).parts
    same = list(first) == list(again) and all(
        np.array_equal(first[k], again[k], equal_nan=True) for k in first
    )
    return None if same else "two calls on the same rollouts differ"


def adds_up(shaper: Shaper, case: Case) -> str | None:
    """`reward` is the sum of the parts, and every part has a row per rollout."""
    r = case.rollouts
    parts = shaper.apply(r).parts
    for name, value in parts.items():
        if value.shape[:2] != r.shape or value.ndim not in (2, 3):
            return f"part {name!r} has shape {value.shape} for rollouts {r.shape}"
    total = sum((v.sum(-1) if v.ndim == 3 else v for v in parts.values()), np.zeros(r.shape))
    gap = arrays.difference(total, shaper.reward(r))
    return None if gap <= 1 else f"the parts sum to {total.tolist()}, not to the reward"


def permutation(shaper: Shaper, case: Case) -> str | None:
    """Permuting the rollouts of a group permutes their rewards."""
    r, order = case.rollouts, list(case.order)
    before = {k: np.asarray(v)[:, order] for k, v in shaper.apply(r).parts.items()}
    after = shaper.apply(arrays.take(r, order)).parts
    gap = arrays.part_difference(before, after)
    return None if gap <= 1 else f"the order {order} of the group changes rewards"


def padding(shaper: Shaper, case: Case) -> str | None:
    """Adding rollouts of weight 0 changes nothing for the others."""
    r = case.rollouts
    before = shaper.apply(r).parts
    wide = shaper.apply(arrays.padded(r, case.order[:2], length=float(r.max_length))).parts
    after = {k: np.asarray(v)[:, : r.shape[1]] for k, v in wide.items()}
    gap = arrays.part_difference(before, after)
    return None if gap <= 1 else "rows of weight 0 at the end of the group change rewards"


def multiplicity(shaper: Shaper, case: Case) -> str | None:
    """A rollout of weight n is paid like n equal rollouts."""
    r = case.rollouts
    spelled, origin = arrays.repeated(r)
    before, after = shaper.apply(r).parts, shaper.apply(spelled).parts
    if list(before) != list(after):
        return "part names depend on the weights"
    for name in before:
        for b, rows in enumerate(origin):
            gap = arrays.difference(
                np.asarray(before[name])[b, rows], np.asarray(after[name])[b, : len(rows)]
            )
            if gap > 1:
                return f"part {name!r} of prompt {b} differs when weights are spelled out as rows"
    return None


def nan_row(shaper: Shaper, case: Case) -> str | None:
    """A rollout with NaN in an array the reward reads is NaN itself and absent for the others."""
    r, at = case.rollouts, case.at
    names = ["correct", "length", *(n for n in r.fields if r.has(n))]
    names = [n for n in names if _has_token(r, n, at)]
    if r.w[at] == 0:
        return None
    expected = shaper.apply(arrays.without(r, at)).parts
    for name in names:
        got = shaper.apply(arrays.spoiled(r, at, name)).parts
        if list(got) != list(expected):
            return f"part names change when {name} is NaN"
        for key, value in got.items():
            value, want = np.array(value), np.array(expected[key])
            if not np.all(np.isnan(value[at])):
                return f"NaN in {name} gives the reward {value[at]}, not NaN"
            value[at] = want[at] = 0.0
            if arrays.difference(value, want) > 1:
                return f"NaN in {name} of one rollout changes part {key!r} of others"
    return None


def _has_token(r: Rollouts, name: str, at: tuple[int, int]) -> bool:
    value = r.fields.get(name)
    return value is None or behind(name) != "T" or (r.mask is not None and r.mask[at][0] > 0)


def scope(shaper: Shaper, case: Case) -> str | None:
    """A reward of scope `group` ignores other prompts; of scope `rollout`, also its siblings."""
    r, (b, g) = case.rollouts, case.at
    whole = shaper.apply(r).parts
    alone = arrays.prompts(r, [b])
    if shaper.all_scope() == "rollout":
        alone = arrays.take(alone, [g])
        whole = {k: v[b : b + 1, g : g + 1] for k, v in whole.items()}
    else:
        whole = {k: v[b : b + 1] for k, v in whole.items()}
    gap = arrays.part_difference(whole, shaper.apply(alone).parts)
    return None if gap <= 1 else f"rewards look further than the declared scope {shaper.scope!r}"


# -- properties --------------------------------------------------------------------------------
def wrong_never_above_right(shaper: Shaper, case: Case) -> str | None:
    """Within a prompt no wrong rollout is paid more than a right one."""
    r = case.rollouts
    reward = np.asarray(shaper.reward(r))
    for b in range(r.shape[0]):
        right = (r.correct[b] == 1) & (r.w[b] > 0)
        wrong = (r.correct[b] == 0) & (r.w[b] > 0)
        if right.any() and wrong.any():
            low, high = reward[b, right].min(), reward[b, wrong].max()
            if high - low > arrays.TOLERANCE * max(1.0, abs(high)):
                return f"a wrong rollout is paid {high:.6g}, a right one of its prompt {low:.6g}"
    return None


def labels_unseen(shaper: Shaper, case: Case) -> str | None:
    """Right and wrong exchanged change no reward."""
    r = case.rollouts
    swapped = shaper.apply(r.with_(correct=1 - r.correct)).parts
    gap = arrays.part_difference(shaper.apply(r).parts, swapped)
    return None if gap <= 1 else "right and wrong exchanged change rewards"


def on(law: Callable[[Shaper, Rollouts], str | None]) -> Law:
    """A law of the rollouts alone, as one of a case."""
    return lambda shaper, case: law(shaper, case.rollouts)


def _remembers(shaper: Shaper) -> bool:
    return bool(shaper.all_memory())


def _reads_correct(shaper: Shaper) -> bool:
    return "correct" in shaper.all_needs()


def _reads_steps(shaper: Shaper) -> bool:
    return "step_scores" in shaper.all_needs()


def _reads_phases(shaper: Shaper) -> bool:
    return {"entropy", "think_end"} <= set(shaper.all_needs())


def _reads_judge(shaper: Shaper) -> bool:
    return "judge" in shaper.all_needs()


def _reads_references(shaper: Shaper) -> bool:
    return {"judge", "judge_references"} <= set(shaper.all_needs())


def _reads_pivot(shaper: Shaper) -> bool:
    return {"pivot", "in_language"} <= {*shaper.all_needs(), *shaper.all_wants()}


def _per_prompt(shaper: Shaper) -> bool:
    return shaper.all_scope() != "batch"


CONTRACT: tuple[Invariant, ...] = (
    Invariant("finite", "rewards are finite and bounded; absent rollouts get 0", finite, True),
    Invariant("repeatable", "the same rollouts get the same rewards", repeatable, True),
    Invariant("adds_up", "the reward is the sum of its named parts", adds_up, True),
    Invariant("permutation", "permuting a group permutes its rewards", permutation, True),
    Invariant("padding", "rollouts of weight 0 change nothing", padding, True),
    Invariant(
        "multiplicity",
        "weight n is paid like n equal rollouts",
        multiplicity,
        True,
        weights="multiplicity",
    ),
    Invariant("nan_row", "a NaN rollout is NaN and absent for its siblings", nan_row, True),
    Invariant("scope", "rewards look no further than declared", scope, True, applies=_per_prompt),
    Invariant(
        "memory_kept",
        "memory resumes from its file, knows no unseen prompt and stays within its capacity",
        on(memory_laws.memory_kept),
        True,
        applies=_remembers,
    ),
)
PROPERTIES: tuple[Invariant, ...] = (
    Invariant(
        "wrong_never_above_right",
        "no wrong rollout is paid more than a right one of its prompt",
        wrong_never_above_right,
        False,
        graded=False,
        applies=_reads_correct,
    ),
    Invariant(
        "shorter_right_never_below",
        "among right rollouts alike in all but length, longer is never paid more",
        on(length_laws.shorter_right_never_below),
        False,
        graded=False,
    ),
    Invariant(
        "longer_wrong_never_below",
        "among wrong rollouts alike in all but length, longer is never paid less",
        on(length_laws.longer_wrong_never_below),
        False,
        graded=False,
    ),
    Invariant(
        "length_unit",
        "lengths and limit in another unit change no reward",
        on(length_laws.length_unit),
        False,
        applies=lambda shaper: not shaper.all_token_level(),
    ),
    Invariant(
        "labels_unseen",
        "right and wrong exchanged change no reward",
        labels_unseen,
        False,
        applies=lambda shaper: not _reads_correct(shaper),
    ),
    Invariant(
        "memory_order",
        "prompts repeated in a batch or in another order leave the same memory",
        on(memory_laws.memory_order),
        False,
        applies=lambda shaper: _remembers(shaper) and memory_laws.merges_in_any_order(shaper),
    ),
    Invariant(
        "visits_commute",
        "what a visit adds to memory doesn't depend on the visits before",
        on(memory_laws.visits_commute),
        False,
        applies=_remembers,
    ),
    Invariant(
        "wrong_answers_leave_no_memory",
        "wrong rollouts change nothing in memory",
        on(memory_laws.wrong_answers_leave_no_memory),
        False,
        graded=False,
        applies=_remembers,
    ),
    Invariant(
        "total_is_constant",
        "the discounted total is the same for all rollouts of a prompt",
        on(token_laws.total_is_constant),
        False,
        applies=lambda shaper: shaper.all_token_level(),
    ),
    Invariant(
        "copies_never_pay",
        "a copy of a rollout's best step never raises what it collects",
        lambda shaper, case: step_laws.copies_never_pay(shaper, case.rollouts, case.at),
        False,
        applies=_reads_steps,
    ),
    Invariant(
        "steps_never_pay",
        "from no step on is anything left to collect token by token",
        on(step_laws.steps_never_pay),
        False,
        applies=lambda shaper: _reads_steps(shaper) and shaper.all_token_level(),
    ),
    Invariant(
        "phases_are_means",
        "of a phase only the mean entropy counts, of the closing tag nothing",
        on(phase_laws.phases_are_means),
        False,
        applies=_reads_phases,
    ),
    Invariant(
        "thinking_twice_costs_nothing",
        "the thinking tokens written a second time change no reward",
        on(phase_laws.thinking_twice_costs_nothing),
        False,
        applies=_reads_phases,
    ),
    *(
        Invariant(law.__name__, statement, on(law), False, applies=applies)
        for law, statement, applies in (
            (judge_laws.judge_is_bounded, "no score is paid more than 10", _reads_judge),
            (
                judge_laws.higher_score_never_below,
                "a higher score is never paid less, all else alike",
                _reads_judge,
            ),
            (judge_laws.common_shift, "the zero of the scores is free", _reads_references),
            (
                judge_laws.references_in_any_order,
                "the order of references doesn't matter",
                _reads_references,
            ),
            (
                judge_laws.copy_in_the_middle,
                "a copy of the exemplar is paid midway between worst and best",
                _reads_references,
            ),
            (
                judge_laws.off_pivot_ignores_quality,
                "outside of the pivot direction quality is not paid",
                _reads_pivot,
            ),
        )
    ),
)
INVARIANTS = {i.name: i for i in (*CONTRACT, *PROPERTIES)}
