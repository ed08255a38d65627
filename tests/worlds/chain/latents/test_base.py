"""Latents: product mixtures keep the chain's law, and sampling agrees with them."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.worlds.chain.classes import ClassSpace
from toyrl.worlds.chain.forward import class_probabilities
from toyrl.worlds.chain.latents.base import Answers, ClassTable, JudgeNoise, Mode, StepScores, Style
from toyrl.worlds.chain.model import ACTIONS, HELLO, HELLO_LOGITS, Chain
from toyrl.worlds.chain.simulate import sample_trajectories

EPS = float(np.finfo(float).eps)
THETA = HELLO.logits(**HELLO_LOGITS)
STYLE = Style(kept_right=0.9, kept_wrong=0.4, phrases=(0.5, 0.3, 0.2))
LATENTS = [STYLE, Answers(3, 1.5), JudgeNoise(sd=0.2, nodes=3)]


@pytest.fixture(scope="module")
def prob():
    return class_probabilities(HELLO, THETA)


@pytest.mark.parametrize("latent", LATENTS)
def test_expansion_refines_the_classes(latent, prob):
    table, wide = latent.expand(HELLO, prob)
    back = np.zeros_like(prob)
    for k, p in zip(table.parent, wide.T, strict=True):
        back[:, k] += p
    assert back == pytest.approx(prob, abs=16 * EPS)
    assert np.array_equal(table.correct, HELLO.class_correct()[table.parent])
    assert np.array_equal(table.length, HELLO.class_length()[table.parent])


@pytest.mark.parametrize("latent", LATENTS)
def test_sampling_has_the_expansions_law(latent, prob):
    n = 40_000
    drawn = sample_trajectories(HELLO, THETA, 8, n, seed=1).to_rollouts(counters=())
    r = latent.sample(drawn, np.random.default_rng(2))
    table, wide = latent.expand(HELLO, prob)
    for name, values in table.fields.items():
        found = r.fields[name].ravel()
        for f in (lambda x: x, lambda x: x**2):
            for c in (np.ones_like, lambda x: x):  # over all rollouts, and right ones only
                own, tab = f(found) * c(r.correct.ravel()), f(values) * c(table.correct)
                mean = wide[1] @ tab
                sem = own.std(ddof=1) / np.sqrt(n)
                assert abs(own.mean() - mean) <= 4 * sem + 1e-12


def test_latents_multiply(prob):
    space = ClassSpace(HELLO, ("fillers",), 4)
    table, wide = STYLE.expand(space, space.probabilities(THETA))
    table, wide = Answers(2).expand(table, wide)
    assert set(table.fields) == {"fillers", "format", "phrases", "answer", "answered"}
    assert wide.sum(-1) == pytest.approx(np.ones(2), abs=100 * EPS)
    r = table.rollouts(wide)
    assert r.weight.sum() == pytest.approx(1, abs=100 * EPS)
    # independent given the class: P(format, answer = 1 | wrong) factorises
    wrong = (table.correct == 0) & (table.fields["answered"] == 1)
    p = wide[1] * wrong / (wide[1] * wrong).sum()
    kept, first = table.fields["format"] == 1, table.fields["answer"] == 1
    assert p[kept & first].sum() == pytest.approx(0.4 * (1 / 1.5), abs=1e-12)


def test_answers_are_zipf_and_none_when_truncated(prob):
    table, wide = Answers(3, 1.0).expand(HELLO, prob)
    answer, p = table.fields["answer"], wide[1]
    wrong = np.array([p[answer == j].sum() for j in (1, 2, 3)])
    assert wrong / wrong.sum() == pytest.approx(np.array([6, 3, 2]) / 11, abs=1e-12)
    assert np.array_equal(answer == -1, table.truncated)
    assert np.array_equal(answer == 0, table.correct == 1)
    majority = Answers(1).expand(HELLO, prob)
    assert len(majority[0].correct) == HELLO.n_classes


def test_judges_noise_has_its_moments(prob):
    table, wide = JudgeNoise(right=0.8, wrong=0.3, sd=0.25, nodes=4).expand(HELLO, prob)
    p = wide[1] * table.correct / (wide[1] * table.correct).sum()
    judge = table.fields["judge"] - 0.8
    moments = [p @ judge**k for k in range(1, 8)]
    s = 0.25
    assert moments == pytest.approx([0, s**2, 0, 3 * s**4, 0, 15 * s**6, 0], abs=1e-12)


def test_modes_mix_two_policies():
    thetas = THETA, HELLO.logits(STEP=0.0, FILL=2.0, ANSWER=-2.0)
    probs = tuple(class_probabilities(HELLO, t) for t in thetas)
    mode = Mode(long=0.3)
    table, wide = mode.expand(HELLO, probs)
    assert wide.sum(-1) == pytest.approx(np.ones(2), abs=100 * EPS)
    longer = table.fields["mode"] == 1
    lengths = [(wide[0] * m) @ table.length / (wide[0] @ m) for m in (~longer, longer)]
    assert lengths == pytest.approx([p[0] @ HELLO.class_length() for p in probs], abs=1e-9)
    assert lengths[1] > lengths[0]
    short, long, drawn = mode.sample_trajectories(HELLO, thetas, 2, 20_000, seed=3)
    assert len(short) + len(long) == len(drawn) == 20_000
    assert abs(drawn.mean() - 0.3) <= 4 * np.sqrt(0.21 / 20_000)
    sem = long.length.std() / np.sqrt(len(long))
    assert abs(long.length.mean() - lengths[1]) <= 4 * sem
    with pytest.raises(TypeError, match="prob_short, prob_long"):
        mode.expand(HELLO, probs[0])


def test_expansion_follows_jax():
    import jax
    import jax.numpy as jnp

    with jax.enable_x64(True):
        prob = jnp.asarray(class_probabilities(HELLO, THETA))
        total = jax.jit(lambda p: (Answers(2).expand(HELLO, p)[1] ** 2).sum())
        slope = np.asarray(jax.grad(total)(prob))
    w = np.array([2 / 3, 1 / 3])
    p = np.asarray(prob)
    none = HELLO.class_truncated() | (HELLO.class_correct() == 1)
    assert slope == pytest.approx(np.where(none, 2 * p, 2 * p * (w**2).sum()), abs=1e-14)


def test_step_scores_follow_action_and_error():
    chain = Chain(actions=ACTIONS, slip=0.3, max_actions=12)
    drawn = sample_trajectories(chain, chain.logits(ANSWER=-1.0), 8, 2000, seed=4)
    exact = StepScores().sample(drawn, np.random.default_rng(5))
    step = chain.actions.index("STEP")
    assert np.all(exact[drawn.slipped] == 0.2)  # the wrong step itself is scored low
    clean = (drawn.actions == step) & ~drawn.error & ~drawn.slipped
    assert np.all(exact[clean] == 0.9)
    assert np.all(exact[drawn.repaired] == 0.8)
    assert np.all(exact[~drawn.alive] == 0)
    noisy = StepScores(sd=0.1).attach(drawn, np.random.default_rng(6), group_size=8)
    assert noisy.fields["step_scores"].shape == noisy.mask.shape == (250, 8, 12)
    scores = noisy.fields["step_scores"][noisy.mask > 0]
    assert scores.min() >= 0
    assert scores.max() <= 1
    with pytest.raises(ValueError, match="no score for"):
        StepScores({"STEP": (1.0, 0.0)}).table(chain)


def test_bad_laws_are_named():
    with pytest.raises(ValueError, match=r"kept_right=1\.5"):
        Style(kept_right=1.5)
    with pytest.raises(ValueError, match="phrases="):
        Style(phrases=(0.5, 0.4))
    with pytest.raises(ValueError, match="wrong=0"):
        Answers(0)
    with pytest.raises(ValueError, match=r"long=-0\.1"):
        Mode(-0.1)


def test_tables_are_kept_as_they_are():
    table = ClassTable.of(HELLO)
    assert ClassTable.of(table) is table
    assert table.n_classes == HELLO.n_classes
