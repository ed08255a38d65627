"""Bounded transforms of a judge's score: by hand, edges, laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backends import to_torch
from toyrl.expressions import parse, parse_estimator
from toyrl.graders.base import TextRow
from toyrl.rollouts import Rollouts
from toyrl.rollouts.texts import of_references, text_fields
from toyrl.serving import ServedReward
from toyrl.shapers.judge.bounded import (
    FIT,
    JudgeCentred,
    JudgeRaw,
    JudgeSigmoid,
    Lsc,
    Par,
    ParArctan,
    ParPolynomial,
    ParTanh,
    Sgfc,
    fitted_sigmoid,
    log_sigmoid,
)
from toyrl.stats import sigmoid
from toyrl.testing import check_invariants

SCORES = st.lists(st.floats(-30, 30), min_size=1, max_size=4)
REFERENCES = st.lists(st.floats(-30, 30), min_size=1, max_size=4)
LAWS = ["judge_is_bounded", "higher_score_never_below", "common_shift", "references_in_any_order"]


def judged(scores, references=(0.0,), length=1.0) -> Rollouts:
    x = np.array([scores], dtype=float)
    ref = np.broadcast_to(np.asarray(references, dtype=float), (*x.shape, len(references)))
    return Rollouts(np.zeros_like(x), np.full_like(x, length), 1000.0,
                    fields={"judge": x, "judge_references": ref.copy()})  # fmt: skip


def paid(shaper, *given, **options) -> np.ndarray:
    return np.asarray(shaper.reward(judged(*given, **options)))[0]


@settings(max_examples=30)
@given(SCORES, REFERENCES, st.floats(0.1, 3))
def test_each_by_its_formula(scores, references, k):
    gap = np.subtract.outer(scores, references)
    s = 1 / (1 + np.exp(-k * gap))
    want = {
        Par(k): s.mean(-1), JudgeCentred(): gap.mean(-1), ParTanh(): np.tanh(gap).mean(-1),
        ParArctan(): np.arctan(gap).mean(-1), JudgeRaw(): np.array(scores),
        Sgfc(k): (1 / (1 + np.exp(-k * (gap - 3)))).mean(-1),
        JudgeSigmoid(k): 1 / (1 + np.exp(-k * np.array(scores))),
        Par(k, references=1): s[:, 0],
    }  # fmt: skip
    for shaper, value in want.items():
        assert paid(shaper, scores, references) == pytest.approx(value, rel=1e-12, abs=1e-12)
    sd = np.std(references, ddof=1) if len(references) > 1 else 0.0
    q = np.mean(references) + 1.0364334 * (sd + 1e-5)
    lsc = paid(Lsc(), scores, references)
    assert lsc == pytest.approx(-np.logaddexp(0, q - np.array(scores)), rel=1e-9, abs=1e-12)
    mirrored = paid(Par(k), [-x for x in scores], [-x for x in references])
    assert paid(Par(k), scores, references) + mirrored == pytest.approx(1, rel=1e-12)
    assert paid(ParTanh(), scores, references) == pytest.approx(
        2 * paid(Par(2.0), scores, references) - 1, abs=1e-12
    )


def test_at_a_reference_in_the_tails_and_the_mean_of_references():
    assert paid(Par(), [0.7], [0.7]).tolist() == [0.5]
    assert paid(Par(), [-800.0, 800.0]).tolist() == [0.0, 1.0]
    assert sigmoid(np.array([-745.0]))[0] > 0
    assert log_sigmoid(np.array([-1e6, 0.0, 1e6])).tolist() == [-1e6, -math.log(2), 0.0]
    q = paid(Lsc(), [-1e4], [0.0])[0]
    assert q == pytest.approx(-1e4 - 1.0364334e-5, rel=1e-12)
    whole, of_mean = paid(Par(), [1.0], [-3.0, 3.0])[0], paid(Par(), [1.0], [0.0])[0]
    assert whole == pytest.approx((1 / (1 + math.exp(-4)) + 1 / (1 + math.exp(2))) / 2)
    assert abs(whole - of_mean) > 0.1  # Jensen


def test_a_saturated_group_is_left_alone_by_an_epsilon_only():
    r = judged([15.0, 16.0, 17.0, 20.0])
    parts = Par().apply(r).parts
    assert np.ptp(parts["judge"]) < 1e-6
    soft, bare = (np.abs(parse_estimator(n).apply(parts, r)[0]).max()
                  for n in ("grpo", "grpo_exact"))  # fmt: skip
    assert soft < 0.01 < 1 < bare


def test_the_fitted_polynomial_is_the_least_squares_fit_and_jumps_at_its_end():
    x = np.linspace(-5, 5, 100)
    assert np.polyfit(x, 1 / (1 + np.exp(-x)), 5) == pytest.approx(FIT, rel=1e-5, abs=1e-12)
    inside = np.linspace(-4.999, 4.999, 999)
    assert np.polyval(FIT, inside) == pytest.approx(fitted_sigmoid(inside), abs=1e-14)
    assert fitted_sigmoid(np.array([-5.0, 5.0, 9.0])).tolist() == [0, 1, 1]
    assert fitted_sigmoid(np.array([4.99]))[0] == pytest.approx(1.0109, abs=1e-3)
    assert paid(ParPolynomial(), [4.99, 5.0]).argmax() == 0


def test_ceiling_and_charge_come_first():
    shaper = Par(ceiling=1.0, length_rate=0.01)
    short, long = (paid(shaper, [5.0], [0.0], length=n)[0] for n in (300, 400))
    assert short == pytest.approx(1 / (1 + math.exp(-1)))
    assert long == pytest.approx(0.5, abs=1e-15)  # min(5, 1) - 0.01 * 100
    assert "length" in shaper.all_needs()
    assert "length" not in Par().all_needs()


@pytest.mark.parametrize("shaper", [Par(), ParTanh(), Sgfc(), Lsc(), JudgeRaw()])
def test_missing_and_infinite_scores_are_unscorable_and_equal_ones_alike(shaper):
    scores = [1.0, math.nan, math.inf, -math.inf, 1.0]
    value = paid(shaper, scores)
    assert np.isnan(value).tolist() == [False, True, True, True, False]
    assert value[0] == value[4] == paid(shaper, [1.0])[0]
    if "judge_references" in shaper.needs:
        r = judged([1.0, 1.0], [0.0, 0.0])
        r.fields["judge_references"][0, 0, 1] = math.inf
        assert np.isnan(shaper.reward(r)).tolist() == [[True, False]]


def test_no_reference_and_columns_of_references():
    with pytest.raises(ValueError, match=r"\(references,\), 1 or more"):
        Par().reward(judged([1.0], []))
    x = np.ones((1, 1))
    with pytest.raises(KeyError, match="judge_references"):
        Par().reward(Rollouts(x, x, 1.0, fields={"judge": x}))
    rows = [
        TextRow("p", "x", {"judge": 1.0, "judge_references": v, "correct": 0.0}, 1)
        for v in ([0, 1], None)
    ]
    found = text_fields(rows, ("judge", "judge_references"))["judge_references"]
    assert found.tolist()[0] == [0, 1]
    assert np.isnan(found[1]).all()
    assert of_references("judge_references", [0.5, 1]).tolist() == [[0.5], [1.0]]
    for bad, said in (([[1, 2], [1]], "row 1 has 1 references, another row 2"),
                      ([[]], "at least 1"), ([["a"]], "not numbers")):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            of_references("judge_references", bad)
    served = ServedReward.of("par()", max_completion_length=8)(rows[:1], ["p"])
    want = (1 / (1 + math.exp(-1)) + 0.5) / 2
    assert served.rewards[0] == pytest.approx(want)


def test_references_are_no_tokens_though_there_be_as_many():
    r = judged([1.0, 2.0], [0.0, 4.0]).with_(mask=np.array([[[1.0, 0], [1, 0]]]))
    assert np.asarray(Par().reward(r)).tolist() == [paid(Par(), [1.0, 2.0], [0.0, 4.0]).tolist()]
    assert np.asarray(Par().reward(to_torch(r))) == pytest.approx(np.asarray(Par().reward(r)))


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("par()", set()),
        ("par_tanh()", set()),
        ("par_arctan()", set()),
        ("sgfc(k=3)", set()),
        ("lsc()", {"judge_is_bounded"}),
        ("judge_centred()", {"judge_is_bounded"}),
        ("par(ceiling=1)", {"common_shift"}),
        ("par(references=1)", {"references_in_any_order"}),
    ],
)
def test_laws(text, broken):
    assert set(check_invariants(parse(text), invariants=LAWS, max_examples=25).broken()) == broken
