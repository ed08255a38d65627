"""Implicit process rewards: by hand, regrouping, swapped models, zero chances, laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backends import to_strict, to_torch
from toyrl.rollouts import Rollouts
from toyrl.shapers.process.implicit import ImplicitMin, ImplicitProcess, per_step
from toyrl.testing import assert_invariants


def drawn(seed: int) -> Rollouts:
    """Log-probabilities on a grid of 1/8, so that sums are exact; random steps."""
    rng = np.random.default_rng(seed)
    length = rng.integers(1, 7, (2, 3))
    mask = (np.arange(6) < length[..., None]) * 1.0
    ours, ref = (-rng.integers(0, 17, (2, 3, 6)) / 8 for _ in range(2))
    ends = (rng.integers(0, 2, (2, 3, 6)) > 0) | (np.arange(6) == length[..., None] - 1)
    fields = {"prm_logprobs": ours, "ref_logprobs": ref, "step_ends": ends * mask}
    return Rollouts(np.zeros((2, 3)), length * 1.0, 6.0, mask=mask, fields=fields)


@given(st.integers(0, 2**32 - 1))
def test_sums_steps_and_swapped_models(seed: int):
    r = drawn(seed)
    tokens = np.asarray(ImplicitProcess(0.5).apply(r).parts["implicit"])
    total = ImplicitProcess(0.5).reward(r)
    ratio = (r.fields["prm_logprobs"] - r.fields["ref_logprobs"]) * r.mask
    assert total.tolist() == (0.5 * ratio.sum(-1)).tolist()
    assert np.asarray(per_step(tokens, r.fields["step_ends"])).sum(-1).tolist() == total.tolist()
    swapped = r.with_(prm_logprobs=r.fields["ref_logprobs"], ref_logprobs=r.fields["prm_logprobs"])
    assert (-ImplicitProcess(0.5).reward(swapped)).tolist() == total.tolist()
    same = r.with_(prm_logprobs=r.fields["ref_logprobs"])
    assert not ImplicitProcess().reward(same).any()
    assert not ImplicitMin().reward(same).any()


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_the_lowest_step_by_a_loop(seed: int, accumulative: bool):
    r = drawn(seed)
    ratio = r.fields["prm_logprobs"] - r.fields["ref_logprobs"]
    found = ImplicitMin(2.0, accumulative).reward(r)
    for b, g in np.ndindex(2, 3):
        sums, now = [], 0.0
        for t in range(int(r.length[b, g])):
            now += 2 * ratio[b, g, t]
            if r.fields["step_ends"][b, g, t]:
                sums.append(now)
                now = now if accumulative else 0.0
        assert found[b, g] == min(sums)


def test_a_token_that_the_reference_can_not_write():
    r = drawn(1)
    ref = r.fields["ref_logprobs"].copy()
    ref[0, 0, 0] = -math.inf
    for shaper in (ImplicitProcess(), ImplicitMin()):
        got = shaper.reward(r.with_(ref_logprobs=ref))
        assert math.isnan(got[0, 0])
        assert np.isfinite(got.ravel()[1:]).all()
    # Padding is nobody's token.
    behind = np.where(np.asarray(r.mask) > 0, r.fields["ref_logprobs"], -math.inf)
    assert np.isfinite(ImplicitProcess().reward(r.with_(ref_logprobs=behind))).all()


@pytest.mark.parametrize("name", ["implicit_process()", "implicit_min(accumulative=True)"])
def test_laws(name: str):
    assert_invariants(name, max_examples=60)


def test_other_libraries():
    r = drawn(2)
    for shaper in (ImplicitProcess(), ImplicitMin()):
        for to in (to_torch, to_strict):
            assert np.asarray(shaper.reward(to(r))) == pytest.approx(shaper.reward(r), abs=1e-15)
