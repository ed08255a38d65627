"""R_acc by a double loop, its edges, other backends; the shapers where nothing was scored."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.expressions import parse
from toyrl.rollouts import Rollouts
from toyrl.shapers.judge.listwise import MISSING, pair_agreement
from toyrl.testing import assert_invariants

NAN = math.nan
GRADES = st.integers(1, 5).map(float)
MAYBE = st.one_of(GRADES, st.just(NAN))


def slow(scores, truth, missing: str) -> float:
    """R_acc pair by pair, as the sentences of paper 12 say it."""
    known = [k for k in range(len(truth)) if not math.isnan(scores[k])]
    if missing != "released" and len(truth) < 2:
        return NAN
    if len(known) < 2:
        return 1.0 if missing == "released" else 0.0
    cost = total = 0.0
    for i, j in itertools.combinations(range(len(truth)), 2):
        w = 1 + abs(truth[i] - truth[j])
        if i not in known or j not in known:
            if missing == "tie":
                total += w
                cost += w / 2 * (truth[i] != truth[j])
            continue
        total += w
        if (scores[i] - scores[j]) * (truth[i] - truth[j]) < 0:
            cost += w
        elif scores[i] == scores[j] and truth[i] != truth[j]:
            cost += w / 2
    paid = max(0.0, 1 - cost / total)
    return paid * len(known) / len(truth) if missing == "coverage" else paid


@given(st.lists(st.tuples(MAYBE, GRADES), min_size=1, max_size=6))
@pytest.mark.parametrize("missing", MISSING)
def test_r_acc_pair_by_pair(missing, pairs):
    scores, truth = np.array(pairs).T
    found = pair_agreement(scores, truth, missing=missing)
    # Sums of at most 15 whole and half numbers are exact; one division and one product round.
    assert found == pytest.approx(slow(scores, truth, missing), abs=1e-15, nan_ok=True)
    absent = np.append(truth, NAN), np.append(scores, 3.0)  # no such response: ignored
    assert pair_agreement(absent[1], absent[0], missing=missing) == pytest.approx(
        float(found), abs=1e-15, nan_ok=True
    )


def test_edges():
    g = np.array([5.0, 3.0, 1.0])
    assert pair_agreement(0 * g, g) == 0.5
    assert pair_agreement(g, 0 * g) == 1
    assert pair_agreement(-g, 0 * g) == 1
    assert pair_agreement(-g, g) == 0
    assert pair_agreement(1e-300 * g, g) == 1  # their products would be 0
    assert pair_agreement(g, 1e-300 * g) == 1
    named = np.array([True, True, False])
    nothing = np.full(3, NAN)
    assert pair_agreement(nothing, g, missing="released") == 1
    assert pair_agreement(nothing, g, missing="released", named=named) == 0
    with pytest.raises(ValueError, match="missing='skip' is not one of tie, coverage, released"):
        pair_agreement(g, g, missing="skip")


def test_on_other_backends_and_compiled():
    import array_api_strict
    import jax
    import jax.numpy as jnp
    import torch

    rng = np.random.default_rng(0)
    scores, truth = rng.integers(1, 6, (2, 4, 3, 5)).astype(float)
    scores[rng.random(scores.shape) < 0.2] = NAN
    truth[0, 0, 3:] = NAN
    for missing in MISSING:
        want = pair_agreement(scores, truth, missing=missing)
        for convert in (array_api_strict.asarray, torch.asarray):
            found = pair_agreement(convert(scores), convert(truth), missing=missing)
            assert np.asarray(found) == pytest.approx(want, nan_ok=True)
        jitted = jax.jit(lambda s, g, m=missing: pair_agreement(s, g, missing=m))
        assert np.asarray(jitted(jnp.asarray(scores), jnp.asarray(truth))) == pytest.approx(
            want, nan_ok=True
        )


def test_silence_is_paid_as_released_alone():
    one = np.array([[1.0, 0.0, 0.0]])
    fields = {"format": one, "agreement": 0.4 + 0 * one, "answered": one}
    r = Rollouts(one, 0 * one + 9, 9.0, fields=fields)
    assert parse("reward_anything()").reward(r).tolist() == [pytest.approx([0.52, 0, 0])]
    released = parse("reward_anything_released()").reward(r)
    assert released.tolist() == [pytest.approx([0.52, 0.8, 0.8])]
    with pytest.raises(KeyError, match="agreement"):
        parse("reward_anything()").reward(Rollouts(one, one, 9.0, fields={"format": one}))


def test_laws():
    assert_invariants("reward_anything()")
