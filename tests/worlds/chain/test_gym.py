"""The Gymnasium environment: Gymnasium's own checker, and its law against the exact one."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from toyrl.shapers.base import Shaper
from toyrl.shapers.outcome import Outcome
from toyrl.worlds.chain.forward import class_probabilities
from toyrl.worlds.chain.gym import ID, ReasoningChain
from toyrl.worlds.chain.model import ACTIONS, HELLO_LOGITS, Chain

FULL = Chain(
    difficulties=(1, 3),
    shares=(0.5, 0.5),
    max_actions=8,
    actions=ACTIONS,
    slip=0.2,
    guess=0.2,
    flag_noise=0.2,
)


@dataclass(frozen=True)
class PaysRepeats(Shaper):
    needs = ("repeats", "length")

    def parts(self, r, memory):
        return {"repeats": r.fields["repeats"] + 0.01 * r.length}


@dataclass(frozen=True)
class RanksSiblings(Shaper):
    scope = "group"


@pytest.mark.parametrize("chain", [None, FULL])
def test_passes_gymnasiums_checker_without_warnings(chain):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(ID, chain=chain).unwrapped)
        check_env(gymnasium.make(ID, chain=chain, render_mode="ansi").unwrapped)


def test_gymnasium_finds_it_by_module():
    env = gymnasium.make(f"toyrl.worlds.chain.gym:{ID}")
    assert isinstance(env.unwrapped, ReasoningChain)


def play(env, pi, rng):
    """One episode under a policy table; returns reward, length, truncated."""
    obs, _ = env.reset()
    while True:
        m, phase, flag = obs
        action = int((np.cumsum(pi[phase, flag, m]) <= rng.random()).sum())
        obs, reward, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            return reward, info["length"], truncated


@pytest.mark.parametrize(("b", "d"), [(0, 1), (1, 3)])
def test_episodes_follow_the_exact_class_law(b, d):
    rng = np.random.default_rng(b)
    theta = rng.normal(0, 1, FULL.policy_shape)
    pi, n = FULL.policy(theta), 4000
    env = ReasoningChain(FULL, difficulty=d)
    env.reset(seed=b)
    found = np.zeros(FULL.n_classes)
    for _ in range(n):
        reward, length, truncated = play(env, pi, rng)
        k = 2 * FULL.H if truncated else length - 1 + (reward == 0) * FULL.H
        found[k] += 1 / n
    p = class_probabilities(FULL, theta)[b]
    sem = np.sqrt(p * (1 - p) / n)
    common = n * p > 20
    assert common.sum() >= 5
    assert np.all(np.abs(found - p)[common] <= 4 * sem[common])


def test_prompts_come_by_their_shares():
    env = ReasoningChain(FULL.with_(shares=(0.2, 0.8)))
    drawn = [env.reset(seed=0 if i == 0 else None)[1]["difficulty"] for i in range(2000)]
    assert abs(np.mean(np.array(drawn) == 1) - 0.2) <= 4 * np.sqrt(0.16 / 2000)
    assert env.reset(options={"difficulty": 2})[1]["difficulty"] == 2


def test_masks_name_the_legal_actions_and_illegal_ones_are_wasted():
    env = ReasoningChain(FULL.with_(progress=1.0, slip=0.0), difficulty=1)
    _, info = env.reset(seed=1)
    legal = [a for a, ok in zip(ACTIONS, info["action_mask"], strict=True) if ok]
    assert legal == ["STEP", "FILL", "CHECK", "END_THINK"]
    obs, reward, *_, info = env.step(ACTIONS.index("ANSWER"))  # not yet: think first
    assert (obs[0], obs[1], reward, info["length"]) == (0, 0, 0.0, 1)
    env.step(ACTIONS.index("STEP"))
    env.step(ACTIONS.index("END_THINK"))
    *_, terminated, truncated, info = env.step(ACTIONS.index("ANSWER"))
    assert (terminated, truncated, info["correct"], info["length"]) == (True, False, True, 4)


def test_the_limit_truncates():
    env = ReasoningChain(Chain(max_actions=2), difficulty=2)
    env.reset(seed=0)
    assert env.step(1)[2:4] == (False, False)
    _, reward, terminated, truncated, info = env.step(1)
    assert (reward, terminated, truncated, info["correct"]) == (0.0, False, True, False)


def test_a_shaper_pays_at_the_end():
    chain = FULL.with_(progress=1.0, slip=0.0, tokens_per_action=2.0)
    env = ReasoningChain(chain, shaper=Outcome() + PaysRepeats(), difficulty=1, render_mode="ansi")
    env.reset(seed=0)
    rewards = [env.step(ACTIONS.index(a))[1] for a in ("STEP", "REPEAT", "END_THINK", "ANSWER")]
    assert rewards[:3] == [0, 0, 0]
    assert rewards[3] == pytest.approx(1 + 1 + 0.01 * 4 * 2)
    assert env.render().endswith("STEP REPEAT END_THINK ANSWER")


def test_what_an_episode_cannot_pay_is_refused():
    with pytest.raises(ValueError, match="scope 'group'"):
        ReasoningChain(FULL, shaper=RanksSiblings())
    with pytest.raises(ValueError, match="difficulty=4"):
        ReasoningChain(FULL, difficulty=4)
    env = ReasoningChain(FULL)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action=6"):
        env.step(6)


def test_the_hello_policy_learns_nothing_from_a_missing_flag():
    env = ReasoningChain()
    obs, _ = env.reset(seed=3)
    seen = {int(obs[2])}
    for _ in range(10):
        obs, *_ = env.step(0)
        seen.add(int(obs[2]))
    assert seen == {0}
    assert env.chain.logits(**HELLO_LOGITS).shape == (1, 1, 9, 3)
