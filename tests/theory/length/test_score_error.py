"""What a conciseness model's error costs, by draws of classes and by the two arms' rewards."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.theory.length.conciseness import crf_prefers_short
from toyrl.theory.length.score_error import score_error_margin, score_error_noise


@pytest.mark.parametrize("p", [0.2, 0.9])
@pytest.mark.parametrize("kappa", [0.5, 3.0])
def test_noise_by_its_definition(p: float, kappa: float):
    rng = np.random.default_rng(0)
    c, e = rng.random((2, 50)), rng.normal(0, 0.1, (2, 50))  # wrong, right
    chance = (1 - p, p)

    def within(score: np.ndarray, gated: bool) -> float:
        paid = [o + kappa * s * (o if gated else 1) for o, s in zip((0.0, 1.0), score, strict=True)]
        return sum(q * float(np.var(x)) for q, x in zip(chance, paid, strict=True))

    w0, w1 = (np.var(y) + 2 * np.cov(x, y, bias=True)[0, 1] for x, y in zip(c, e, strict=True))
    want = [within(c + e, gated) - within(c, gated) for gated in (False, True)]
    assert score_error_noise(p, kappa, w1, w0) == pytest.approx(want, abs=1e-14)


@pytest.mark.parametrize("score", [1.0, 0.6])
@pytest.mark.parametrize("delta", [0.05, 0.3])
def test_margin_is_where_crf_is_indifferent(score: float, delta: float):
    margin = float(score_error_margin(1.2, delta, score))
    for gain, skips in ((0.99 * margin, True), (1.01 * margin, False)):
        long = 0.3 / (1 - gain)
        assert bool(crf_prefers_short(0.3, long, score, score - delta, 1.2)) is skips
    assert score_error_margin(0.0, 0.3) == 0
