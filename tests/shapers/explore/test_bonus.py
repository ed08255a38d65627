"""Intrinsic bonuses: by hand, on every backend, at their schedules' ends, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backends import to_strict, to_torch
from toyrl.expressions import parse
from toyrl.models.novelty import RULES, NoveltyLearner, Visits
from toyrl.rollouts import Rollouts
from toyrl.shapers.explore.bonus import CountBonus, Novelty, Rdd, Rnd, bonuses, ended
from toyrl.shapers.explore.distilled import distillation_bonus, drnd_bonus, visit_bonus
from toyrl.shapers.explore.oni import (
    Oni,
    caption_counts,
    classified_reward,
    mixed_reward,
    ranked_reward,
)
from toyrl.shapers.schedules import Decay, Linear
from toyrl.testing import assert_finds_new, repeats_pay_less
from toyrl.theory.exploration.captions import farming_total
from toyrl.theory.exploration.distillation import pathwise_bounds

RNG = np.random.default_rng(0)
FEW = st.lists(st.sampled_from("abc"), min_size=1, max_size=12)


def seen(visits, step=0, **fields):
    n = np.asarray([visits], dtype=float)
    return Rollouts(0 * n, 0 * n + 1, 4.0, step=step, fields={"visits": n, **fields})


def by_hand(name, n):
    return {
        "count_bonus": 0.1 / np.sqrt(n + 1),
        "rdd": 0.1 * (1 / n if n else 1.0),
        "rdd(step=0.5)": 0.1 * (0.25**n + (1 - 0.25**n) / 3),
        "rnd": 0.1 * 0.81**n,
    }[name]


@pytest.mark.parametrize("name", ["count_bonus", "rdd", "rdd(step=0.5)", "rnd"])
def test_bonuses_by_hand_on_every_backend(name):
    n = [0, 1, 2, 7]
    shaper, want = parse(name if "(" in name else f"{name}()"), [by_hand(name, k) for k in n]
    for move in (lambda r: r, to_strict, to_torch):
        found = np.asarray(shaper.reward(move(seen(n))))[0]
        assert found == pytest.approx(want, abs=1e-12)
    answered = np.array([[1.0, 0.0, 1.0, 0.0]])
    gated = np.asarray(shaper.reward(seen(n, answered=answered)))[0]
    assert gated == pytest.approx(want * answered[0], abs=1e-12)


def test_a_bonus_that_isnt_a_number_pays_nobody():
    b = np.array([[0.5, np.inf, np.nan, 0.0]])
    paid = Novelty(weight=1.0).reward(seen([1, 1, 1, 1], novelty=b))[0]
    assert np.isnan(paid[1:3]).all()
    assert paid[[0, 3]].tolist() == [0.5, 0]
    assert distillation_bonus(np.array([[np.nan, 1.0], [3.0, 1.0]]), np.ones(2)).tolist() == [0, 2]
    with pytest.raises(ValueError, match="step=0"):
        Rnd(step=0.0)


def test_schedules_end_and_only_those_of_bonuses():
    annealed = CountBonus(weight=Linear(1.0, 0.0, 10))
    assert annealed.reward(seen([0], step=5))[0, 0] == 0.5
    assert ended(annealed) == CountBonus(weight=0.0)
    whole = parse("outcome() - linear(0.5, 0.1, 100)*linear_length() + 2*oni(alpha_int="
                  "linear(0.2, 0.05, 9)) + linear(1, 0, 3)*rdd()")  # fmt: skip
    said = repr(ended(whole))
    assert "linear(0.5, 0.1, 100" in said
    assert "alpha_int=0.04999" in said  # 0.2 + (0.05 - 0.2), rounded
    assert "linear(1" not in said
    twice = parse("outcome() + linear(1, 0, 3)*(0.5*count_bonus()) + linear(1, 0, 3)*gated(rdd())")
    assert "linear" not in repr(ended(twice))
    assert [type(b) for b in bonuses(whole)] == [Oni, Rdd]
    assert ended(CountBonus(weight=Decay(1.0, 0.5, 7, least=0.25))).weight == 0.25
    plain = parse("outcome()")
    assert ended(plain) is plain


# -- captions --------------------------------------------------------------------------------------
@given(st.lists(FEW, min_size=1, max_size=4), st.integers(0, 99))
def test_counts_never_leak_across_episodes(episodes, seed):
    flat = [c for e in episodes for c in e]
    starts = np.cumsum([0, *map(len, episodes)])[:-1].tolist()
    want = np.concatenate([[e[: i + 1].count(c) for i, c in enumerate(e)] for e in episodes])
    assert caption_counts(flat, starts).tolist() == want.tolist()
    good = np.random.default_rng(seed).random(len(flat))
    total = mixed_reward(0 * good, good, want, alpha_int=0.3, beta=2.0)
    kinds = sum(len(set(e)) for e in episodes)
    assert total.sum() <= 0.3 * farming_total(np.inf, 2.0) * kinds + 1e-12


def test_edges_of_the_mixed_reward():
    ext, good, n = RNG.normal(size=5), RNG.random(5), np.array([1.0, 2, 3, 4, 0])
    assert (mixed_reward(ext, good, n, alpha_ext=0.7, alpha_int=0.0) == 0.7 * ext).all()
    assert (mixed_reward(ext, good, n, alpha_int=1.0, beta=0.0) == ext + good).all()
    assert np.isfinite(mixed_reward(ext, good, n)).all()
    assert classified_reward(np.array([0.5, 0.51, np.nan])).tolist() == [0, 1, 0]
    r = np.array([-2.0, 0.0, 1.0])
    assert ranked_reward(r, 0.0, 4.0).tolist() == [0, 0, 0.5]
    assert ranked_reward(np.array([-0.8]), 0.0, 4.0).tolist() == [-0.4]  # small ones survive
    assert ranked_reward(r, 0.0, 0.0).tolist() == [0, 0, 0]
    assert (ranked_reward(r, 9.0, 4.0, normalise=False) == r).all()


def test_the_shaper_is_the_mixed_reward_of_its_steps():
    good, n = RNG.random((2, 3, 6)), RNG.integers(0, 4, (2, 3, 6)) * 1.0
    mask, right = (RNG.random((2, 3, 6)) < 0.8) * 1.0, (RNG.random((2, 3)) < 0.5) * 1.0
    r = Rollouts(right, mask.sum(-1), 6.0, mask=mask, fields={"helpful": good, "caption_count": n})
    want = 2 * right + (0.5 * good * mask / np.maximum(n, 1) ** 3).sum(-1)
    for move in (lambda r: r, to_strict, to_torch):
        found = np.asarray(Oni(alpha_ext=2.0, alpha_int=0.5).reward(move(r)))
        np.testing.assert_allclose(found, want, atol=1e-12)


def test_repeats_never_pay_more_and_a_planted_fault_is_seen():
    for text in ("count_bonus()", "rdd()", "rdd(step=0.1, start=1)", "rnd()", "novelty()", "oni()"):
        assert repeats_pay_less(parse(text)) is None
    assert "more pays" in (repeats_pay_less(parse("-1*count_bonus()")) or "")


@pytest.mark.parametrize("rule", RULES)
def test_laws_of_novelty(rule):
    assert_finds_new(NoveltyLearner(rule, d=16, step=None if rule != "rnd" else 0.1))


def test_a_learner_that_learns_of_all_is_seen():
    class Blurred(NoveltyLearner):
        def update(self, model, x, rng):
            return super().update(model, np.ones_like(x), rng)

    with pytest.raises(AssertionError, match="others_stay_new"):
        assert_finds_new(Blurred("rdd", d=16))


# -- models of novelty -----------------------------------------------------------------------------
@given(st.lists(st.integers(0, 2), min_size=1, max_size=10), st.integers(0, 99))
def test_a_table_counts_and_leaves_others_alone(visits, seed):
    learner, eye = NoveltyLearner("rdd", d=16), np.eye(4)
    start = learner.start(4, np.random.default_rng(seed))
    model = learner.update(start, eye[visits], np.random.default_rng(seed))
    assert start.score(eye) == pytest.approx(np.ones(4))
    assert model.score(eye)[3] == 1
    n = np.bincount(visits, minlength=4)[:3]
    assert model.pseudo_count(eye)[:3] == pytest.approx(n, abs=2e-6)
    rnd = NoveltyLearner("rnd", d=16, step=0.3)
    first = rnd.start(4, np.random.default_rng(seed))
    later = rnd.update(first, eye[visits], np.random.default_rng(seed))
    assert later.score(eye)[:3] == pytest.approx(0.7 ** (2 * n) * first.score(eye)[:3], abs=1e-12)


def test_the_mean_of_the_draws_does_not_know_their_order_and_noise_scales():
    x = np.eye(2)[[0] * 6]
    rng = lambda: np.random.default_rng(3)  # noqa: E731
    small, large = (NoveltyLearner("rdd", d=8, sigma=s, step=0.4) for s in (1.0, 3.0))
    begin = small.start(2, rng())
    at_mean = [type(begin)(begin.targets[0], *[getattr(m, f) for f in ("targets", "inverse", "rule",
               "sigma")]) for m in (begin, large.start(2, rng()))]  # fmt: skip
    one, three = (w.update(m, x, rng()).score(np.eye(2))[0]
                  for w, m in zip((small, large), at_mean, strict=True))  # fmt: skip
    assert three == pytest.approx(9 * one)
    bad = np.array([[np.nan, 1.0]])
    assert small.update(begin, bad, rng()).weight.tolist() == begin.weight.tolist()
    assert begin.score(bad).tolist() == [0]
    assert np.isnan(begin.pseudo_count(bad)).all()
    with pytest.raises(ValueError, match=r"\(N, 2\)"):
        begin.score(np.ones((1, 3)))
    with pytest.raises(ValueError, match="rule='other'"):
        NoveltyLearner("other")
    assert set(RULES) == {"rdd", "rnd", "drnd", "elliptical"}


def test_drnd_by_hand_and_laws_of_the_distance():
    f, nets = np.array([1.0, 2.0]), np.array([[0.0, 2.0], [2.0, 2.0]])
    # first: mu 1, B2 2, |1 - 1|/1 -> 1e-6; second: all agree -> 1e-6
    assert drnd_bonus(f, nets) == pytest.approx(0.1 * 2e-3)
    for n in range(2, 12):  # all agree, on a number whose mean is rounded
        assert drnd_bonus(f, np.full((n, 2), 0.1)) == pytest.approx(0.9 * 4.42 + 0.1 * 2e-3)
    far = np.array([3.0, 0.0])
    assert drnd_bonus(far, nets) == pytest.approx(0.9 * 8 + 0.1 * (1 + 1e-3))
    a, b, mu = RNG.normal(size=(3, 50, 5))
    turn = np.linalg.qr(RNG.normal(size=(5, 5)))[0]
    base = distillation_bonus(a, mu)
    assert distillation_bonus(a @ turn + 1, mu @ turn + 1) == pytest.approx(base)
    assert (distillation_bonus(mu, mu) == 0).all()
    least, found, most, _ = pathwise_bounds(a, b, mu)
    assert ((least <= found + 1e-12) & (found <= most + 1e-12)).all()
    assert visit_bonus(np.array([0.0, 3.0]), step=1.0, sigma=2.0).tolist() == [1, 4]


def test_visits_are_of_a_prompts_answers_and_counted_after_the_call():
    from toyrl.graders.base import TextRow

    rows = [TextRow("q", rf"\boxed{{{a}}}", {}, 4, False) for a in (1, 1, 2)]
    rows.append(TextRow("q", "no answer", {}, 4, False))
    v = Visits()
    assert v.graded(rows) == [0, 0, 0, 0]
    assert v.graded(rows) == [2, 2, 1, 0]
    assert v.graded([TextRow("other", r"\boxed{1}", {}, 4, False)]) == [0]
