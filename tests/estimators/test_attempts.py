"""Credit across attempts: by hand, its two ends, libraries."""

from __future__ import annotations

import numpy as np
import pytest

from tests.backends import to_strict, to_torch
from tests.shapers.process.scored import scored
from toyrl.estimators.attempts import AttemptReturns
from toyrl.estimators.steps import StepReturns
from toyrl.expressions import parse_estimator
from toyrl.shapers.process.summaries import StepSum

VERDICTS = [[0.0, 1.0, 1.0], [0.0, 0.0, 1.0], [1.0]]
GAMMAS = (0.0, 0.5, 1.0)


def advantages(gamma: float, baseline: str = "step", tokens: int = 2) -> np.ndarray:
    r = scored(VERDICTS, [1.0, 1.0, 1.0], tokens=tokens)
    return AttemptReturns(baseline, gamma).apply(StepSum().apply(r).parts, r)[0][0]


@pytest.mark.parametrize("gamma", GAMMAS)
def test_by_the_definition(gamma):
    raw = [[sum(gamma ** (m - j) * v[m] for m in range(j, len(v))) for j in range(len(v))]
           for v in VERDICTS]  # fmt: skip
    found, less = advantages(gamma, "none"), advantages(gamma)
    for i, row in enumerate(raw):
        for j, g in enumerate(row):
            there = [other[j] for other in raw if len(other) > j]
            assert found[i, 2 * j : 2 * j + 2] == pytest.approx([g, g], abs=1e-14)
            mean = sum(there) / len(there)
            assert less[i, 2 * j : 2 * j + 2] == pytest.approx([g - mean] * 2, abs=1e-14)


def test_both_ends():
    """Full credit is `step_returns`; without any each attempt has its own verdict."""
    r = scored(VERDICTS, [1.0, 1.0, 1.0], tokens=3)
    parts = StepSum().apply(r).parts
    assert (parse_estimator("attempt_returns()").apply(parts, r)[0] == pytest.approx(
        StepReturns().apply(parts, r)[0], abs=1e-14))  # fmt: skip
    own = AttemptReturns("none", 0.0).apply(parts, r)[0][0]
    assert own[0].tolist()[:9] == [0, 0, 0, 1, 1, 1, 1, 1, 1]
    with pytest.raises(ValueError, match="gamma_episode"):
        AttemptReturns(gamma_episode=1.5)


@pytest.mark.parametrize("move", [to_strict, to_torch])
def test_libraries(move):
    r = scored(VERDICTS, [1.0, 1.0, 1.0])
    e, other = AttemptReturns(gamma_episode=0.5), move(r)
    want = e.apply(StepSum().apply(r).parts, r)[0]
    got = e.apply(StepSum().apply(other).parts, other)[0]
    assert np.asarray(got) == pytest.approx(want, abs=1e-14)
