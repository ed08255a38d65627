"""Whitening as in paper 51's code and as usual, and the GAE around it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.estimators.tokens import FineGrainedGae, Gae, whiten
from toyrl.rollouts import Rollouts

SEED = st.integers(0, 2**32 - 1)


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    length = rng.integers(1, 6, (2, 3))
    return rng.normal(size=(2, 3, 6)), (np.arange(6) < length[..., None]) * 1.0


@pytest.mark.parametrize("variant", ["standard", "repo"])
@given(SEED, st.sampled_from([4.0, 0.25]))
def test_scale_and_mean(variant: str, seed: int, c: float):
    """The usual form has no scale; the released one goes with its square root."""
    a, mask = drawn(seed)
    one, scaled = (whiten(x, mask, variant=variant) for x in (a, c * a))
    factor = 1.0 if variant == "standard" else c**0.5
    live = mask > 0
    # 1e-8 is added to a variance or deviation of order 1.
    assert scaled[live] == pytest.approx(factor * one[live], abs=1e-6)
    assert one[live].mean() == pytest.approx(0, abs=1e-13)
    kept = whiten(a, mask, variant=variant, centred=False)
    assert kept[live] == pytest.approx(one[live] + a[live].mean(), abs=1e-13)
    assert not one[~live].any()
    assert not kept[~live].any()


def test_by_the_plain_formula():
    a, mask = drawn(3)
    x = a[mask > 0]
    apart = x - x.mean()
    assert whiten(a, mask)[mask > 0] == pytest.approx(apart / np.sqrt(x.var(ddof=1) + 1e-8))
    repo = whiten(a, mask, variant="repo")[mask > 0]
    assert repo == pytest.approx(apart / np.sqrt(x.std(ddof=1) + 1e-8))
    level = whiten(np.full(a.shape, 2.0), mask, centred=False)
    assert level.tolist() == (2 * mask).tolist()  # no spread: the mean alone
    with pytest.raises(ValueError, match="variant='mean'"):
        whiten(a, mask, variant="mean")


def test_rewards_are_scaled_before_gae_and_advantages_behind():
    a, mask = drawn(4)
    values = drawn(5)[0]
    zero = np.zeros((2, 3))
    r = Rollouts(zero, mask.sum(-1), 6.0, mask=mask, fields={"values": values})
    found = FineGrainedGae().apply({"x": a}, r)[0]
    scaled = whiten(a, mask, centred=False, variant="repo")
    inner = np.asarray(Gae(lam=0.95, whitened=False).apply({"x": scaled}, r)[0])
    assert found == pytest.approx(whiten(inner, mask, variant="repo"), abs=1e-13)
    plain = FineGrainedGae(whitened=False, lam=0.5).apply({"x": a}, r)[0]
    assert np.array_equal(plain, Gae(whitened=False, lam=0.5).apply({"x": a}, r)[0])
