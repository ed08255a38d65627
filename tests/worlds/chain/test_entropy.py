"""Token entropies of the chain by phase: by enumerating its paths, by simulation, as a latent."""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
import pytest

from toyrl.expressions import parse
from toyrl.rollouts.phases import phase_entropies
from toyrl.worlds.chain.entropy import (
    PolicyEntropy,
    phase_entropy,
    sampled_entropy,
    token_entropy,
)
from toyrl.worlds.chain.forward import class_probabilities, step_matrix
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.chain.simulate import sample_trajectories

PHASED = Chain(
    difficulties=(1, 2), max_actions=5, actions=("STEP", "FILL", "END_THINK", "ANSWER"),
    slip=0.2, progress=0.7, guess=0.1,
)  # fmt: skip
CHAINS = {
    "two phases": PHASED,
    "one phase": PHASED.with_(actions=("STEP", "FILL", "ANSWER")),
    "flag": PHASED.with_(flag_noise=0.2, max_actions=4),
}


def logits(chain: Chain, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 1.0, chain.policy_shape)


def paths(chain: Chain, theta: np.ndarray, d: int):
    """(chance, k or None, right, cut, entropies) of every path, by walking them one by one."""
    pi, H = chain.policy(theta), chain.H
    flag, right = chain.flag_law(d), chain.right_law(d)

    def walk(chance, p, e, m, k, seen):
        if len(seen) == H:
            yield chance, k, False, True, seen
            return
        for z, (a, name) in itertools.product(range(chain.flags), enumerate(chain.actions)):
            q = chance * flag[e, m, z] * pi[p, z, m, a]
            if q == 0:
                continue
            row = pi[p, z, m][pi[p, z, m] > 0]
            now = [*seen, float(-(row * np.log(row)).sum())]
            if name == "ANSWER":
                yield q * right[e, m], k, True, False, now
                yield q * (1 - right[e, m]), k, False, False, now
            elif name == "END_THINK":
                yield from walk(q, 1, e, m, len(seen), now)
            else:
                move = step_matrix(chain, name)[e, m]
                for e2, m2 in zip(*np.nonzero(move), strict=True):
                    yield from walk(q * move[e2, m2], p, e2, m2, k, now)

    yield from walk(1.0, 0, 0, 0, None, [])


def mean(x: list[float]) -> float:
    return float(np.mean(x)) if x else 0.0


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("d", [1, 2])
def test_by_enumeration(name: str, d: int):
    chain = CHAINS[name]
    theta, H = logits(chain), chain.H
    found = phase_entropy(chain, theta, d)
    want = defaultdict(lambda: np.zeros(3))
    for q, k, right, cut, seen in paths(chain, theta, d):
        n = len(seen)
        place = (H if k is None else k, 2 * H if cut else n - 1 + H * (not right))
        think = seen[:-1] if k is None else seen[:k]
        answer = [] if k is None else seen[k + 1 :]
        want[place] += q * np.array([1.0, mean(think), mean(answer)])
    got = np.stack([found.chance, found.chance * found.thinking, found.chance * found.answering])
    table = np.zeros_like(got)
    for place, value in want.items():
        table[:, place[0], place[1]] = value
    np.testing.assert_allclose(got, table, atol=1e-14)
    own = class_probabilities(chain, theta)[chain.difficulties.index(d)]
    np.testing.assert_allclose(found.chance.sum(0), own, atol=1e-14)


def test_by_simulation():
    chain, d = PHASED.with_(max_actions=12), 2
    theta, n = logits(chain, 3), 40_000
    r = sampled_entropy(sample_trajectories(chain, theta, d, n, seed=1), theta)
    found = phase_entropy(chain, theta, d)
    drawn = phase_entropies(r, by="test")
    for own, table in zip(drawn, (found.thinking, found.answering), strict=True):
        want = (found.chance * table).sum()
        assert abs(own.mean() - want) < 4 * own.std() / np.sqrt(n)


def test_one_state_has_the_entropy_of_stopping_and_fillers():
    """h(q) + (1 - q) log K for a stop of chance q and K fillers alike."""
    chain = Chain(difficulties=(1,), shares=(1.0,), actions=("STEP", "FILL", "ANSWER"))
    q = np.exp(0.7) / (np.exp(0.7) + 2)
    want = -q * np.log(q) - (1 - q) * np.log(1 - q) + (1 - q) * np.log(2)
    got = token_entropy(chain, chain.logits(ANSWER=0.7))
    assert got == pytest.approx(np.full((1, 1, 2), want))


def test_a_reward_of_classes_is_that_of_trajectories():
    """A policy that looks at the phase alone: within k and class all rollouts are alike."""
    chain, d = PHASED.with_(max_actions=10, difficulties=(2,), shares=(1.0,)), 2
    theta = chain.logits(END_THINK=-0.5, ANSWER=0.3, FILL=-1.0)
    reward = parse("pear(alpha=0.4)")
    prob = class_probabilities(chain, theta)
    table, weight = PolicyEntropy.of(chain, theta, d).expand(chain, prob)
    r = table.rollouts(weight)
    exact = float((r.w * reward.reward(r)).sum())
    drawn = sampled_entropy(sample_trajectories(chain, theta, d, 40_000, seed=2), theta)
    paid = reward.reward(drawn)
    assert float(np.sum(weight)) == pytest.approx(1.0)
    assert abs(paid.mean() - exact) < 4 * paid.std() / 200


def test_refusals():
    with pytest.raises(ValueError, match="tokens_per_action=2"):
        PolicyEntropy.of(PHASED.with_(tokens_per_action=2.0), logits(PHASED), 1)
    flagged = CHAINS["flag"]
    drawn = sample_trajectories(flagged, logits(flagged), 1, 4, seed=0)
    with pytest.raises(ValueError, match="without the flag"):
        sampled_entropy(drawn, logits(flagged))
