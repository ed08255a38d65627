"""The class table of a reward: laws of classes, population and finite groups from one table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from toyrl import registry, stats
from toyrl.dynamics.groups.class_weights import class_weights
from toyrl.dynamics.groups.siblings import frozen_uniforms, sibling_weights
from toyrl.estimators.group import PRESETS
from toyrl.expressions import parse
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.rollouts import FIELDS
from toyrl.rollouts.classes import class_rollouts
from toyrl.shapers.base import Shaper
from toyrl.worlds.chain.latents import declared
from toyrl.worlds.chain.latents.base import JudgeNoise, Kinds, Style, spread
from toyrl.worlds.chain.latents.declared import (
    DECLARED,
    KNOWN,
    UndeclaredError,
    latents_of,
    supplied,
)
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.chain.reward_table import DIFFICULTIES, RewardTable, two_points

CHAIN = Chain(max_actions=4, depth=8, tokens_per_action=16.0)
K = CHAIN.n_classes
RIGHT = CHAIN.class_correct()
PROB = np.random.default_rng(0).dirichlet(np.ones(K), size=(1, 2))
DIFFICULTY = np.array([[2, 7]])
GRPO, SUM = PRESETS["grpo"], PolicyGradient("sum")


@dataclass(frozen=True)
class Text(Shaper):
    """A graded text reward."""

    needs: ClassVar[tuple[str, ...]] = ("user_reward",)

    def parts(self, r, memory):
        return {"text": r.need("user_reward", by="Text")}


@dataclass(frozen=True)
class Reads(Shaper):
    """A judge's score of what is long in its group."""

    needs: ClassVar[tuple[str, ...]] = ("judge", "length")
    scope: ClassVar[str] = "group"

    def parts(self, r, memory):
        longest = r.length == stats.maximum(r.length, r.w)
        return {"reads": r.need("judge", by="Reads") * longest}


def noisy(variance: float, shaper: Shaper = Text()) -> RewardTable:
    mean = np.broadcast_to(RIGHT, (8, K)) + np.arange(8.0)[:, None]
    return RewardTable(CHAIN, shaper, mean, np.full((8, K), variance))


# -- laws of classes ---------------------------------------------------------------------------
def test_without_noise_a_class_is_a_number():
    table = RewardTable(CHAIN, parse("outcome() - 0.3*linear_length()"))
    assert table.n_points == 1
    assert table.variance() is None
    expected = RIGHT - 0.3 * CHAIN.class_length() / CHAIN.max_length
    np.testing.assert_allclose(table.table(), [expected] * 8, atol=1e-15)


def test_a_texts_variance_follows_the_weight_and_the_gate():
    table = noisy(4.0, 0.5 * Text())
    np.testing.assert_allclose(table.variance(), np.full((8, K), 1.0))
    np.testing.assert_allclose(table.table()[2], 0.5 * (RIGHT + 2))
    gated = noisy(4.0, parse("gated(outcome())") + Text())
    np.testing.assert_allclose(gated.variance(), np.full((8, K), 4.0))


def test_a_judges_noise_has_its_exact_moments():
    table = RewardTable(CHAIN, parse("trust(horizon=inf)"), latents=(JudgeNoise(1.0, 1.0, 0.2),))
    # Without a gap between right and wrong, trust is about 1 and the judge counts 0.3.
    single = replace(table, shaper=JudgeOnly())
    np.testing.assert_allclose(single.table(), np.ones((8, K)))
    np.testing.assert_allclose(single.variance(), np.full((8, K), 0.2**2))


@dataclass(frozen=True)
class JudgeOnly(Shaper):
    """The judge's score."""

    needs: ClassVar[tuple[str, ...]] = ("judge",)

    def parts(self, r, memory):
        return {"judge": r.need("judge", by="JudgeOnly")}


def test_laws_multiply():
    table = replace(noisy(4.0, JudgeOnly() + Text()), latents=(JudgeNoise(nodes=3), Style()))
    assert table.n_points == 3 * 2 * 2
    expected = np.broadcast_to(JudgeNoise().sd ** 2 + 4.0, (8, K))
    np.testing.assert_allclose(table.variance(), expected)
    prob = table.expand(PROB, DIFFICULTY)
    np.testing.assert_allclose(prob.reshape(1, 2, 12, K).sum(2), PROB)
    np.testing.assert_allclose(table.fold(np.ones_like(prob), DIFFICULTY), np.ones_like(PROB))


def test_an_unscorable_class_stays_unscorable():
    mean = np.broadcast_to(np.where(RIGHT > 0, np.nan, 1.0), (8, K))
    table = RewardTable(CHAIN, Text(), mean, np.ones((8, K)))
    assert np.isnan(table.table()[:, RIGHT > 0]).all()
    np.testing.assert_allclose(table.table()[:, RIGHT == 0], 1.0)


# -- finite groups -----------------------------------------------------------------------------
def finite(table: RewardTable, uniforms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class weights of sampled groups, and their standard errors (both (2, K))."""
    S = uniforms.shape[1]
    prompts = np.repeat(DIFFICULTY, S, axis=1)[..., None]

    def gather(index):
        where = index.reshape(1, 2 * S, -1)
        r = table.drawn(where, prompts)
        return {"reward": table.rewards(r, where, prompts)}, r

    points = table.expand(PROB, DIFFICULTY)
    w, error = sibling_weights(points, gather, GRPO, SUM, uniforms)
    return table.fold(w, DIFFICULTY)[0], np.sqrt(table.fold(error**2, DIFFICULTY)[0])


def exact(table: RewardTable, size: int) -> np.ndarray:
    """(2, K) class weights from the points of the table."""
    r = table.rollouts(DIFFICULTY[0], weight=PROB[0])
    w = class_weights(r, table.shaper, GRPO, SUM, group_size=size).w
    return table.fold(w, DIFFICULTY[0])


@pytest.mark.parametrize("variance", [0.0, 4.0])
def test_finite_groups_have_the_noise_of_the_table(variance):
    table = noisy(variance)
    w, error = finite(table, frozen_uniforms(2, 20_000, 3, seed=1))
    assert np.abs((w - exact(table, 3)) / error).max() < 4


def test_finite_groups_without_the_noise_would_be_seen():
    w, error = finite(noisy(0.0), frozen_uniforms(2, 20_000, 3, seed=1))
    assert np.abs((w - exact(noisy(4.0), 3)) / error).max() > 20


def test_a_group_reward_of_a_noisy_field_is_right_in_finite_groups():
    table = RewardTable(CHAIN, Reads(), latents=(JudgeNoise(nodes=2),))
    w, error = finite(table, frozen_uniforms(2, 20_000, 2, seed=2))
    r = table.rollouts(DIFFICULTY[0], weight=PROB[0])
    counted = class_weights(r, table.shaper, GRPO, SUM, group_size=2)
    assert counted.method == "compositions"
    gap = w - table.fold(counted.w, DIFFICULTY[0])
    assert np.abs(gap / np.where(error > 0, error, 1)).max() < 4


# -- declared latents --------------------------------------------------------------------------
def kinds(n: int = 6) -> Kinds:
    rng = np.random.default_rng(3)
    length = rng.integers(1, 65, n).astype(float)
    return Kinds(rng.integers(0, 2, n) * 1.0, length, np.zeros(n, bool), 64.0, np.full(n, 3.0))


@pytest.mark.parametrize("name", list(DECLARED))
def test_a_declared_latent_gives_its_field_within_its_range(name):
    weight, fields = DECLARED[name].law(kinds())
    np.testing.assert_allclose(weight.sum(-1), 1)
    for field, value in fields.items():
        spec, wide = FIELDS[field], spread(field, value, weight.shape)
        assert wide.min() >= spec.low
        assert wide.max() <= spec.high
    assert name in fields


@pytest.mark.parametrize("name", [e.name for e in registry.entries("shaper")])
def test_every_registered_shaper_has_its_fields(name):
    from tests.backends import default_for

    entry = next(e for e in registry.entries("shaper") if e.name == name)
    shaper = default_for(entry)
    r = class_rollouts(
        None,
        correct=np.array([[1.0, 0.0]]),
        length=np.array([[3.0, 5.0]]),
        max_length=8.0,
        group_size=None,
    )
    ready = supplied(r, shaper)
    assert {n for n in shaper.all_needs() if n not in KNOWN} <= set(ready.fields)
    assert np.isfinite(shaper.reward(ready)).all()


def test_what_is_assumed_is_said_with_its_numbers():
    (said,) = RewardTable(CHAIN, parse("trust()")).stated()
    assert said["fields"] == ["judge"]
    assert said["latent"] == "JudgeNoise"
    assert said["numbers"] == {"right": 1.0, "wrong": 0.0, "sd": 0.3, "nodes": 5}
    assert "right answers 1 and wrong ones 0" in said["says"]
    assert RewardTable(CHAIN, parse("laser()")).stated() == []


@pytest.mark.parametrize("latent", list(dict.fromkeys(DECLARED.values())))
def test_every_latent_says_what_it_assumes(latent):
    (said,) = declared.stated([latent], DECLARED)
    assert said["says"]
    assert "{" not in said["says"]


@dataclass(frozen=True)
class Critic(Shaper):
    """Reads a field that no class has."""

    needs: ClassVar[tuple[str, ...]] = ("greedy_reward",)

    def parts(self, r, memory):
        return {"critic": r.need("greedy_reward", by="Critic")}


def test_a_field_without_a_latent_is_refused_with_the_way_out(monkeypatch):
    registry.load()
    with pytest.raises(UndeclaredError, match=r"declare\('greedy_reward', latent\)"):
        latents_of(Critic())
    with pytest.raises(KeyError, match="'no_such' is not registered"):
        declared.declare("no_such", JudgeNoise())
    monkeypatch.setattr(declared, "DECLARED", dict(DECLARED))
    declared.declare("greedy_reward", JudgeNoise())
    assert latents_of(Critic()) == (JudgeNoise(),)


def test_difficulties_are_those_of_the_prior():
    assert RewardTable(CHAIN, parse("outcome()")).table().shape == (len(DIFFICULTIES), K)


def test_two_points_keep_the_moments_and_the_range():
    mean = np.array([0.5, 0.9, 0.1, 0.0, 1.0, 0.5])
    variance = np.array([0.01, 0.05, 0.05, 0.0, 0.0, 0.25])
    for low, high in ((0.0, 1.0), (-np.inf, np.inf), (0.0, np.inf), (-np.inf, 1.0)):
        weight, at = two_points(mean, variance, low, high)
        assert weight.sum(-1) == pytest.approx(np.ones(6))
        assert (weight * at).sum(-1) == pytest.approx(mean)
        assert (weight * (at - mean[:, None]) ** 2).sum(-1) == pytest.approx(variance, abs=1e-15)
        assert at.min() >= low
        assert at.max() <= high
    inner = two_points(mean[:1], variance[:1], 0.0, 1.0)
    assert inner[1].tolist() == [[0.6, 0.4]]


def test_a_variance_that_no_law_within_the_range_has_is_cut():
    # 0, 0 and 1: with n - 1 the variance is 1/3, and no law on [0, 1] of mean 1/3 is above 2/9
    weight, at = two_points(np.array([1 / 3]), np.array([1 / 3]), 0.0, 1.0)
    assert at == pytest.approx(np.array([[1.0, 0.0]]))
    assert weight == pytest.approx(np.array([[1 / 3, 2 / 3]]))
    assert two_points(np.array([1.0]), np.array([0.2]), 0.0, 1.0)[1].tolist() == [[1.0, 1.0]]
