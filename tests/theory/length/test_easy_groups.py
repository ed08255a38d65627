"""The penalty of the prompts solved most, by draws of groups and by every batch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from toyrl.estimators.group import PRESETS
from toyrl.rollouts import Rollouts
from toyrl.shapers.length.relative import GrpoLambda
from toyrl.theory.group.variance import count_law
from toyrl.theory.length.easy_groups import outlier_weight, penalty_safe_share, selection_chance


def advantages(alpha: float, right: np.ndarray, length: np.ndarray) -> np.ndarray:
    r = Rollouts(right * 1.0, length, 1e3)
    return PRESETS["dr_grpo"].apply(GrpoLambda(lam=1.0, alpha=alpha).apply(r).parts, r)[0]


@pytest.mark.parametrize("right", [2, 5, 7])
def test_an_outlier_turns_at_its_weight_and_no_other_lengths_turn_before(right: int):
    rng, correct = np.random.default_rng(0), np.tile(np.arange(8) < right, (4000, 1))
    length = np.exp(rng.normal(0, 2, correct.shape))
    length[0] = [99.0, *[3.0] * 7]
    turn = float(outlier_weight(right, 8))
    below, above = (advantages(f * turn, correct, length) for f in (0.999, 1.001))
    assert not ((below < 0) & correct).any()
    assert above[0, 0] < 0
    assert right / 8 > penalty_safe_share(turn)  # the bound holds below the exact weight
    assert outlier_weight(8, 8) == 0
    with pytest.raises(ValueError, match="right=9"):
        outlier_weight(9, 8)


def test_chances_of_selection_by_every_batch():
    success, count, size, keep = (0.9, 0.4), (2, 2), 3, 2
    law = count_law(np.array(success), size)
    kinds = np.repeat([0, 1], count)
    want = np.zeros(2)
    for solved in itertools.product(range(size + 1), repeat=4):
        chance = np.prod([law[k, m] for k, m in zip(kinds, solved, strict=True)])
        for kind in (0, 1):
            own = solved[list(kinds).index(kind)]
            ahead, level = (sum(f(x, own) for x in solved) for f in (int.__gt__, int.__eq__))
            want[kind] += chance * np.clip((keep - ahead) / level, 0, 1)
    found = selection_chance(success, count, size, keep)
    assert found == pytest.approx(want, abs=1e-14)
    assert found @ count == pytest.approx(keep)
    with pytest.raises(ValueError, match="keep=5"):
        selection_chance(success, count, size, 5)
