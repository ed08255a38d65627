"""OREAL's pairs: by hand, against all draws of a pair, the direction of the update."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.estimators.paired import Paired
from toyrl.rollouts import Rollouts
from toyrl.theory.selection.bon_cloning import prompt_weight

SCHEMES = {"rloo": 0.5, "reshaped": 1.0, "grpo": 1.0}


def advantages(e: Paired, reward: list[float], weight: list[float] | None = None, **more: float):
    x = np.array([reward], dtype=float)
    w = None if weight is None else np.array([weight], dtype=float)
    r = Rollouts(x, np.ones_like(x), 1.0, weight=w, **more)  # type: ignore
    return np.asarray(e.apply({"outcome": x}, r)[0])[0]


def by_draws(scheme: str, eta: float, reward: list[float]) -> np.ndarray:
    """Mean over all pairs, times G: the rule as published."""
    x = np.array(reward)
    n, k = len(x), int((x > 0).sum())
    pm = np.where(x > 0, 1.0, -1.0)
    loo = pm - (pm.sum() - pm) / (n - 1)
    grpo = (x - x.mean()) / x.std()
    out = np.zeros(n)
    right, wrong = np.nonzero(x > 0)[0], np.nonzero(x == 0)[0]
    for i, j in itertools.product(right, wrong):
        up, down = {
            "rloo": (loo[i], loo[j]),
            "reshaped": (1.0, -(1 - k / n)),
            "grpo": (grpo[i], grpo[j]),
        }[scheme]
        out[i] += up / (len(right) * len(wrong))
        out[j] += eta * down / (len(right) * len(wrong))
    return n * out


@pytest.mark.parametrize("scheme", SCHEMES)
@given(reward=st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=7))
def test_the_mean_over_all_pairs(scheme: str, reward: list[float]):
    e = Paired(scheme, SCHEMES[scheme])
    got = advantages(e, reward)
    if len(set(reward)) == 1:
        assert np.all(got == 0)
    else:
        np.testing.assert_allclose(got, by_draws(scheme, e.eta, reward), atol=1e-12)


def test_worked_groups():
    assert advantages(Paired(), [1, 0, 0, 0]).tolist() == pytest.approx([8, -4 / 9, -4 / 9, -4 / 9])
    assert advantages(Paired("reshaped", 1.0), [1, 1, 0, 0]).tolist() == [2, 2, -1, -1]
    assert advantages(Paired(), [1.0]).tolist() == [0]
    assert advantages(Paired(), [1, 1, 1]).tolist() == [0, 0, 0]
    assert (
        advantages(Paired(), [1, 0, math.nan]).tolist()
        == advantages(Paired(), [1, 0, 5], [1, 1, 0]).tolist()
    )


@pytest.mark.parametrize("scheme", ["rloo", "reshaped", "grpo"])
@pytest.mark.parametrize("p", [0.02, 0.3, 0.9])
def test_the_population_updates_by_the_theorys_prompt_weight(scheme: str, p: float):
    """Sum of prob A (e_right - p) over the two outcomes is W(p) p (1 - p) in the log-odds."""
    e = Paired(scheme, SCHEMES[scheme])
    a = advantages(e, [1, 0], [p, 1 - p], group_size=math.inf)
    update = p * a[0] * (1 - p) - (1 - p) * a[1] * p
    name = {"rloo": "pair_rloo", "reshaped": "pair_1_p", "grpo": "pair_grpo"}[scheme]
    assert update == pytest.approx(float(prompt_weight(p, name)) * p * (1 - p))


def test_a_bad_scheme_is_named():
    with pytest.raises(ValueError, match="scheme='best'"):
        Paired("best")
