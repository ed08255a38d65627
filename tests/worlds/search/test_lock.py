"""The combination lock: Gymnasium's checks, one against many, its exact process, learners."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from toyrl.dynamics.tabular.lock_learning import CaptionBonus, LockLearner, learn_lock
from toyrl.experiments.lab.locks import random_reach
from toyrl.worlds.mdp.control import optimal
from toyrl.worlds.search.lock import POKE, CombinationLock, Lock, VectorLock


def test_gymnasium_accepts_it():
    env = gymnasium.make("toyrl.worlds.search.lock:toyrl/CombinationLock-v0", lock=Lock(levels=4))
    check_env(env.unwrapped, skip_render_check=True)
    assert CombinationLock(render_mode="ansi").render() == "[level 0/20] "


def test_captions_tell_what_happened():
    lock = Lock(levels=3, horizon=9, tags=5)
    env, (a, b, _) = CombinationLock(lock), lock.bits
    env.reset(seed=0)
    told = [env.step(x) for x in (POKE, 1 - a, a, POKE, POKE, b)]
    names = [x[4]["caption"].partition("#")[0] for x in told]
    assert names == ["nothing", "fell", "depth1", "gold", "gold", "depth2"]
    assert [x[0] for x in told] == [0, 0, 1, 1, 1, 2]
    assert all(0 <= int(x[4]["caption"].partition("#")[2]) < 5 for x in told)
    assert not any(x[1] or x[2] for x in told)
    level, reward, top, cut, info = env.step(lock.bits[2])
    assert (level, reward, top, cut) == (3, 1.0, True, False)
    assert info["kind"] == 5
    assert lock.helpful.tolist() == [False, True, False, True, True, True]
    with pytest.raises(ValueError, match="action=3"):
        env.step(3)
    with pytest.raises(ValueError, match="gold_level=3"):
        Lock(levels=3, gold_level=3)
    with pytest.raises(ValueError, match="6 kinds and 5 tags"):
        lock.caption(6)


def test_many_locks_move_as_one_does():
    lock, rng = Lock(levels=3, horizon=7), np.random.default_rng(1)
    many, single = VectorLock(6, lock), [CombinationLock(lock) for _ in range(6)]
    seen, _ = many.reset(seed=3)
    over = np.zeros(6, dtype=bool)
    for env in single:
        env.reset()
    for _ in range(60):
        action = rng.integers(0, 3, 6)
        seen, reward, top, cut, info = many.step(action)
        for i, env in enumerate(single):
            if over[i]:
                want = (*env.reset()[:1], 0.0, False, False, -1)
            else:
                level, paid, ended, stopped, more = env.step(int(action[i]))
                want = (level, paid, ended, stopped, more["kind"])
            assert (seen[i], reward[i], top[i], cut[i], info["kind"][i]) == want
        over = top | cut
    with pytest.raises(ValueError, match="must be 0 or 1"):
        many.step(np.array([0, 1, 2, 3, 0, 0]))
    made = gymnasium.make_vec("toyrl/CombinationLock-v0", num_envs=3, lock=lock)
    assert made.reset(seed=1)[0].tolist() == [0, 0, 0]


def test_the_exact_process():
    lock = Lock(levels=4, horizon=10)
    mdp = lock.mdp(0.9)
    found = optimal(mdp)
    assert mdp.start @ found.value == pytest.approx(0.9**3)
    assert found.actions[:4].tolist() == lock.bits.tolist()
    env, rng, hits = VectorLock(20000, lock), np.random.default_rng(0), 0.0
    env.reset(seed=0)
    done = np.zeros(20000, dtype=bool)
    for _ in range(10):
        _, _, top, _, _ = env.step(rng.integers(0, 3, 20000))
        done |= top
    hits, chance = done.mean(), random_reach(lock)
    assert hits == pytest.approx(chance, abs=4 * np.sqrt(chance / 20000))


def slow(lock, bonus, learner, rng):
    """The compiled learner's runs, spelled out for retrieval and classification."""
    table, labels = np.zeros((lock.levels + 1, 3)), {}
    waiting, flying, t = [], [], 0
    good, total = np.zeros(lock.kinds), np.zeros(lock.kinds)
    reached, gained = [], []
    for _ in range(learner.episodes):
        s, count, sum_paid, top = 0, {}, 0.0, False
        for _ in range(lock.horizon):
            if t % bonus.every == 0 and t > 0:
                for c in flying:
                    if c not in labels:
                        labels[c] = float(lock.helpful[c[0]])
                        good[c[0]] += labels[c]
                        total[c[0]] += 1
                waiting = [c for c in waiting if c not in labels]
                flying = waiting[-bonus.batch :][::-1]
                waiting = waiting[: -bonus.batch]
            a = int(rng.random() * 3)
            if rng.random() >= learner.epsilon:
                ties = 0
                for b in range(3):
                    if table[s, b] == table[s].max():
                        ties += 1
                        if rng.random() * ties < 1:
                            a = b
            (new,), (kind,) = lock.moved(np.array([s]), np.array([a]))
            c = (int(kind), int(rng.random() * lock.tags) if lock.tags > 1 else 0)
            key = c if bonus.counted == "exact" else c[0]
            count[key] = count.get(key, 0) + 1
            if c not in labels:
                waiting = [w for w in waiting if w != c] + [c]
            if bonus.model == "retrieval":
                judged = labels.get(c, 0.0)
            else:
                judged = float(2 * good[c[0]] > total[c[0]])
            extra = bonus.alpha_int * judged / count[key] ** bonus.beta
            sum_paid += extra
            top = new == lock.levels
            ahead = 0.0 if top else learner.discount * table[new].max()
            paid = bonus.alpha_ext * float(top) + extra
            table[s, a] += learner.step * (paid + ahead - table[s, a])
            s, t = int(new), t + 1
            if top:
                break
        reached.append(bool(top))
        gained.append(sum_paid)
    return np.array(reached), np.array(gained)


@pytest.mark.parametrize(("model", "counted", "tags"), [("retrieval", "exact", 1),
                                                        ("classification", "kind", 7)])  # fmt: skip
def test_the_compiled_learner_is_the_slow_one(model, counted, tags):
    lock = Lock(levels=3, horizon=15, tags=tags, seed=2)
    bonus, learner = CaptionBonus(model=model, counted=counted, beta=2.0), LockLearner(episodes=60)
    fast, want = (f(lock, bonus, learner, np.random.default_rng(5)) for f in (learn_lock, slow))
    assert fast[0].tolist() == want[0].tolist()
    assert fast[1] == pytest.approx(want[1], abs=1e-12)
    assert 0 < fast[0].mean() < 1


def test_an_outside_learner_trains_on_it():
    baselines = pytest.importorskip("stable_baselines3", reason="needs the extra search")
    lock = Lock(levels=2, horizon=6)
    model = baselines.PPO("MlpPolicy", CombinationLock(lock), n_steps=64, batch_size=64, n_epochs=8,
                          learning_rate=0.01, seed=0, device="cpu")  # fmt: skip
    model.learn(768)
    env, paid = CombinationLock(lock), 0.0
    level, _ = env.reset(seed=0)
    for _ in range(6):
        action, _ = model.predict(level, deterministic=True)
        level, reward, ended, cut, _ = env.step(int(action))
        paid += reward
        if ended or cut:
            break
    assert paid == 1
