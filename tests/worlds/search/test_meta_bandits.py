"""Meta-bandits: Gymnasium's checker, the vector form, exact values, a learner of the extra."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

from toyrl.testing.laws import beliefs as laws
from toyrl.theory.bandits.boxes import boxes_total
from toyrl.theory.bandits.safe_arm import safe_arm_value
from toyrl.worlds.mdp.control import optimal
from toyrl.worlds.mdp.gym import TabularMDP
from toyrl.worlds.search.beliefs import bayes_q, beliefs, greedy, to_mdp, total
from toyrl.worlds.search.hidden_tasks import BetaArms, HiddenBoxes, SafeArm
from toyrl.worlds.search.meta_bandits import Blocks, MetaBandit, MetaBanditVector

PRIORS = [BetaArms(2), BetaArms(3, 2.0, 0.5), SafeArm(0.6), SafeArm(0.3, 0.5, 2.0), HiddenBoxes(4)]


@pytest.mark.parametrize("memory", ["counts", 0, 2])
def test_gymnasiums_checker(memory):
    made = gymnasium.make("toyrl.worlds.search.meta_bandits:toyrl/MetaBandit-v0", memory=memory)
    check_env(made.unwrapped, skip_render_check=True)
    env = MetaBandit(SafeArm(), pulls=3, memory=memory, render_mode="ansi")
    env.reset(seed=0)
    seen, paid, ended, cut, info = env.step(0)
    assert (paid, ended, cut) == (0.6, False, False)
    assert env.render() == "0:0.6"
    assert seen[-1] == 2
    assert info["best"] >= 0.6
    assert env.step(0)[2] is False
    assert env.step(0)[2] is True
    with pytest.raises(RuntimeError, match="no pull is left of the block's 3: call reset"):
        env.step(0)
    env.reset()
    with pytest.raises(ValueError, match=r"arm=\[2\] must lie in 0..1"):
        env.step(2)


def test_many_blocks_in_one_call():
    """The vector form: all blocks end at once, the next step resets; pay by the exact value."""
    env = gymnasium.make_vec("toyrl/MetaBandit-v0", num_envs=4000, prior=HiddenBoxes(3), pulls=2,
                             vectorization_mode="vector_entry_point")  # fmt: skip
    assert isinstance(env.unwrapped, MetaBanditVector)
    seen, info = env.reset(seed=0)
    assert env.observation_space.contains(seen)
    first = np.zeros(4000, dtype=int)
    found = np.zeros(4000)
    for arms in (first, None):
        won = seen[:, 0] > 0
        seen, paid, ended, _, info = env.step(np.where(won, 0, 1) if arms is None else arms)
        found += paid
    assert ended.all()
    assert (info["best"] == 1).all()
    assert abs(found.mean() - boxes_total(3, 2)) < 4 * found.std() / np.sqrt(4000)
    seen, paid, ended, _, _ = env.step(first)
    assert (seen[:, -1] == 2).all()
    assert not seen[:, :-1].any()
    assert not paid.any()
    assert not ended.any()


def test_what_is_remembered():
    rng = np.random.default_rng(0)
    core = Blocks(BetaArms(2), 3, 5, memory=2)
    core.reset(rng)
    won = [
        core.step(np.array([0, 1, 0, 1, 0]), rng) > 0,
        core.step(np.zeros(5, dtype=int), rng) > 0,
    ]
    seen = core.seen().reshape(5, -1)
    place = [np.where(won[1], 0, 1), np.array([0, 2, 0, 2, 0]) + ~won[0]]
    assert (seen[:, :4].argmax(1) == place[0]).all()
    assert (seen[:, 4:8].argmax(1) == place[1]).all()
    assert (seen.sum(1) == 2 + 1).all()  # two pulls, one left
    for bad in (-1, "all"):
        with pytest.raises(ValueError, match="must be 'counts', or how many pulls"):
            Blocks(BetaArms(2), 3, memory=bad)
    with pytest.raises(ValueError, match="pulls=0, blocks=1 must be 1 or more"):
        Blocks(BetaArms(2), 0)
    for make in (lambda: BetaArms(0), lambda: HiddenBoxes(0), lambda: SafeArm(np.nan),
                 lambda: BetaArms(2, -1.0)):  # fmt: skip
        with pytest.raises(ValueError, match="must be"):
            make()


# -- exact values ----------------------------------------------------------------------------------
@pytest.mark.parametrize("prior", PRIORS, ids=str)
def test_laws(prior):
    assert laws.mean_is_a_martingale(prior, 4) is None
    assert laws.value_grows(prior, 4) is None
    assert laws.no_policy_is_better(prior, 4) is None
    assert laws.one_pull_ignores_credit(prior) is None
    assert (laws.arms_are_alike(prior, 4) is None) == (not isinstance(prior, SafeArm))


@settings(max_examples=15)
@given(st.sampled_from(PRIORS), st.integers(0, 99))
def test_no_random_policy_is_better(prior, seed):
    rng = np.random.default_rng(seed)
    policy = [
        rng.dirichlet(np.ones(prior.arms), size=len(x)) for x in beliefs(prior, 3).layers[:-1]
    ]
    assert laws.no_policy_is_better(prior, 3, policy) is None


def test_laws_name_what_breaks_them():
    class Forgetful(HiddenBoxes):
        def mean(self, counts):
            return np.where(counts[..., 1] > 0, 0.0, 1 / self.boxes)

    class Costly(BetaArms):
        @property
        def pay(self):
            return -np.ones(self.arms)

    class Unknown(BetaArms):
        def mean(self, counts):
            return super().mean(counts) * np.nan

    for law in (laws.mean_is_a_martingale, laws.value_grows, laws.no_policy_is_better,
                laws.arms_are_alike):  # fmt: skip
        with np.errstate(invalid="ignore"):
            assert "nan" in str(law(Unknown(2), 2))
    assert "nan" in str(laws.one_pull_ignores_credit(Unknown(2)))
    assert "a pull moves a mean by" in str(laws.mean_is_a_martingale(Forgetful(3), 2))
    assert "with pulls" in str(laws.value_grows(Costly(2), 2))
    generous = [np.full((1, 2), 2.0)]  # two arms at once
    assert "a policy is paid 2.2" in str(laws.no_policy_is_better(SafeArm(0.6), 1, generous))


@pytest.mark.parametrize("discount", [0.5, 1.0])
@pytest.mark.parametrize("prior", PRIORS, ids=str)
def test_beliefs_as_a_tabular_process(prior, discount):
    process = beliefs(prior, 4)
    mdp = to_mdp(process, discount)
    value = bayes_q(process, discount)[0].max()
    assert mdp.start @ optimal(mdp).value == pytest.approx(value, abs=1e-9)
    check_env(TabularMDP(mdp), skip_render_check=True)
    if isinstance(prior, SafeArm):
        want = safe_arm_value(prior.lam, 4, discount, prior.a0, prior.b0)
        assert value == pytest.approx(want, abs=1e-12)


def test_beliefs_refuse():
    with pytest.raises(ValueError, match=r"beliefs after 3 of 9 pulls of 4 arms; the limit is"):
        beliefs(BetaArms(4), 9, most=100)
    with pytest.raises(ValueError, match="pulls=0 must be 1 or more"):
        beliefs(BetaArms(2), 0)
    with pytest.raises(ValueError, match="these beliefs have"):
        total(beliefs(BetaArms(2), 2), [])
    with pytest.raises(ValueError, match=r"discount=2 must lie in \[0, 1\]"):
        bayes_q(beliefs(BetaArms(2), 2), 2)


def test_without_structure_beliefs_mislead():
    """Every pull pays what the prior says, however the beliefs look."""
    process = beliefs(SafeArm(0.2), 3)
    assert total(process, greedy(bayes_q(process)), repeats=False) <= 3 * 0.5
    window = beliefs(HiddenBoxes(3), 3, window=1)
    assert bayes_q(window)[0].max() == pytest.approx(boxes_total(3, 3), rel=1e-12)


# -- a learner of the extra ------------------------------------------------------------------------
@pytest.mark.slow
def test_stable_baselines_learns_to_search():
    """PPO on two hidden boxes: 1 a block without memory, 1.5 with it."""
    sb3 = pytest.importorskip("stable_baselines3")
    env = MetaBandit(HiddenBoxes(2), pulls=2)
    agent = sb3.PPO("MlpPolicy", env, n_steps=256, batch_size=128, n_epochs=10, learning_rate=3e-3,
                    seed=0, device="cpu", policy_kwargs={"net_arch": [16]})  # fmt: skip
    agent.learn(1024)
    core, rng = Blocks(HiddenBoxes(2), 2, 2000), np.random.default_rng(0)
    seen, paid = core.reset(rng), np.zeros(2000)
    while core.left:
        arms, _ = agent.predict(seen, deterministic=True)
        paid += core.step(arms, rng)
        seen = core.seen()
    assert paid.mean() > 1.3  # 1.5 with a standard error of 0.011
