"""One group's gradient: enumeration against ordered groups, closed forms, sampling."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from toyrl.dynamics.groups.gradient_quality import gradient_quality
from toyrl.estimators.group import PRESETS
from toyrl.expressions import ExpressionError, parse, parse_estimator
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.rollouts import Rollouts
from toyrl.shapers.outcome import Outcome

PENALISED = parse("outcome() - 0.4*linear_length()")


def rollouts(prob) -> Rollouts:
    prob = np.atleast_2d(np.asarray(prob, dtype=float))
    k = prob.shape[1]
    wide = np.ones_like(prob)
    correct = (np.arange(k) % 2 == 0) * wide
    return Rollouts(correct, (1.0 + np.arange(k)) * wide, float(k), weight=prob / len(prob))


def ordered(r: Rollouts, shaper, estimator, G: int):
    """(mean, trace of covariance, P(silent)) of one prompt, over all K^G ordered groups."""
    p, k = r.w[0] / r.w[0].sum(), r.w.shape[1]
    groups = np.array(list(itertools.product(range(k), repeat=G)))
    chance = p[groups].prod(-1)
    drawn = Rollouts(r.correct[0][groups], r.length[0][groups], r.max_length)
    a, _ = estimator.apply(shaper.apply(drawn).parts, drawn)
    score = np.eye(k)[groups] - p
    g = (np.asarray(a)[..., None] * score).mean(1)
    mean = chance @ g
    silent = chance @ np.all(np.asarray(a) == 0, axis=-1)
    return mean, chance @ (g**2).sum(-1) - (mean**2).sum(), silent


@pytest.mark.parametrize("name", ["reinforce", "rloo", "dr_grpo", "grpo", "grpo_verl"])
@pytest.mark.parametrize("shaper", [Outcome(), PENALISED])
@pytest.mark.parametrize("prob", [[0.2, 0.5, 0.3], [0.6, 0.0, 0.4]])
def test_enumeration_is_brute_force(name, shaper, prob):
    r = rollouts(prob)
    q = gradient_quality(r, shaper, PRESETS[name], group_size=4)
    mean, variance, silent = ordered(r, shaper, PRESETS[name], 4)
    assert q.method == "enumerated"
    assert q.mean[0] == pytest.approx(mean, abs=1e-14)
    assert q.variance[0] == pytest.approx(variance, abs=1e-14)
    assert q.silent[0] == pytest.approx(silent, abs=1e-14)


def test_sampled_groups_agree():
    r = rollouts([[0.2, 0.5, 0.3], [0.7, 0.1, 0.2]])
    exact = gradient_quality(r, PENALISED, PRESETS["grpo"], group_size=8)
    drawn = gradient_quality(r, PENALISED, PRESETS["grpo"], group_size=8, samples=50_000)
    error = np.sqrt(exact.variance / 50_000)
    assert (np.linalg.norm(drawn.mean - exact.mean, axis=-1) < 4 * error).all()
    assert drawn.variance == pytest.approx(exact.variance, rel=0.03)
    assert drawn.right_down == pytest.approx(exact.right_down, abs=0.01)


def test_loss_normalisation_turns_the_gradient():
    r = rollouts([[0.2, 0.5, 0.3]])
    plain = gradient_quality(r, Outcome(), PRESETS["dr_grpo"], group_size=4)
    by_row = gradient_quality(
        r, Outcome(), PRESETS["dr_grpo"], PolicyGradient("grpo"), group_size=4
    )
    assert plain.angle[0] == pytest.approx(0, abs=1e-5)
    assert by_row.angle[0] > 5


def test_solved_and_hopeless_prompts_teach_nothing():
    q = gradient_quality(
        rollouts([[1.0, 0.0], [0.0, 1.0]]), Outcome(), PRESETS["grpo"], group_size=4
    )
    assert (q.silent == 1).all()
    assert (q.variance == 0).all()
    assert np.isnan(q.angle).all()
    assert np.isnan(q.right_down[1])


def test_estimators_are_written_with_changed_fields():
    assert parse_estimator("grpo") == PRESETS["grpo"]
    assert parse_estimator(" grpo(ddof=0, eps=1e-6) ").ddof == 0
    with pytest.raises(ExpressionError, match="did you mean grpo"):
        parse_estimator("gpro")
    for text, said in {
        "grpo(dof=1)": "no argument 'dof'; did you mean 'ddof'. allowed: baseline",
        "grpo(1)": "is a preset: write its fields by name",
        "grpo(scale='x')": "scale='x'",
        "grpo + rloo": "cannot combine an estimator and an estimator",
        "grpo(": "not an expression",
    }.items():
        with pytest.raises(ExpressionError, match=said):
            parse_estimator(text)
