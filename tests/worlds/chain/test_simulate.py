"""Simulation: class laws at 4 standard errors, reproducibility, sampling within a class."""

from __future__ import annotations

from collections import Counter

import numba
import numpy as np
import pytest

from tests.chains import STRUCTURES, enumerate_paths, logits
from toyrl.worlds.chain.forward import class_probabilities
from toyrl.worlds.chain.model import ACTIONS, COUNTERS, HELLO, HELLO_LOGITS, Chain
from toyrl.worlds.chain.simulate import sample_trajectories

N = 40_000
FULL = Chain(
    difficulties=(1, 2),
    shares=(0.5, 0.5),
    max_actions=4,
    actions=ACTIONS,
    slip=0.2,
    guess=0.2,
    flag_noise=0.2,
    depth=3,
)


def example(i):
    s = dict(STRUCTURES[i])
    flag, D = s.pop("flag"), s["depth"]
    noise = 0.15 if flag else None
    numbers = {"progress": 0.7, "slip": 0.15, "repair": 0.6, "guess": 0.1}
    return Chain(difficulties=(1, D), shares=(0.3, 0.7), flag_noise=noise, **numbers, **s)


@pytest.mark.parametrize("i", range(len(STRUCTURES)))
@pytest.mark.parametrize("b", [0, 1])
def test_classes_have_their_exact_frequencies(i, b):
    chain = example(i)
    theta = logits(chain, i)
    drawn = sample_trajectories(chain, theta, chain.difficulties[b], N, seed=i)
    p = class_probabilities(chain, theta)[b]
    found = np.bincount(drawn.class_index(), minlength=chain.n_classes) / N
    assert np.all(found[p == 0] == 0)
    common = N * p > 20  # where counts are near normal
    sem = np.sqrt(p * (1 - p) / N)
    assert common.sum() >= 2
    assert np.all(np.abs(found - p)[common] <= 4 * sem[common])


def test_rewards_means_are_exact_in_the_hello_world():
    theta = HELLO.logits(**HELLO_LOGITS)
    for b, d in enumerate(HELLO.difficulties):
        drawn = sample_trajectories(HELLO, theta, d, 200_000, seed=b)
        p = class_probabilities(HELLO, theta)[b]
        for found, table in (
            (drawn.correct, HELLO.class_correct()),
            (drawn.length, HELLO.class_length()),
        ):
            sem = found.std(ddof=1) / np.sqrt(len(found))
            assert abs(found.mean() - p @ table) <= 4 * sem
            assert sem < 0.03


@pytest.mark.parametrize("d", [1, 2])
def test_paths_have_their_enumerated_counts(d):
    theta = logits(FULL, 3)
    drawn = sample_trajectories(FULL, theta, d, N, seed=5)
    r = drawn.to_rollouts()
    paths = enumerate_paths(FULL, theta, d)
    for name, action in COUNTERS.items():
        at = ACTIONS.index(action)
        values = np.array([counts[at] for *_, counts in paths])
        p = np.array(list(paths.values()))
        mean, var = p @ values, p @ values**2 - (p @ values) ** 2
        assert abs(r.fields[name].mean() - mean) <= 4 * np.sqrt(var / N)


@pytest.mark.parametrize("given", [(1, 3), (0, 4), (1, 4), (0, None)])
def test_within_a_class_sequences_follow_the_conditional_law(given):
    """Rejection from unconditional samples is the slow definition."""
    theta = logits(FULL, 4)
    many = sample_trajectories(FULL, theta, 2, 400_000, seed=6)
    kept = (many.correct == given[0]) & (many.truncated == (given[1] is None))
    if given[1] is not None:
        kept &= many.length == given[1]
    drawn = sample_trajectories(FULL, theta, 2, N, seed=7, given_class=given)
    wanted, found = (Counter(map(bytes, c)) for c in (many.codes[kept], drawn.codes))
    n, k = len(drawn), int(kept.sum())
    assert k > 2000
    for code, count in wanted.most_common(30):
        p = count / k
        sem = np.sqrt(p * (1 - p) * (1 / k + 1 / n))
        assert abs(found[code] / n - p) <= 4 * sem + 1e-12
    assert np.all(drawn.correct == given[0])
    assert np.all(drawn.truncated == (given[1] is None))


def test_events_are_consistent_with_the_rules():
    drawn = sample_trajectories(FULL, logits(FULL, 8), 2, 5000, seed=9)
    actions, m, e = drawn.actions, drawn.progress, drawn.error
    step, check = FULL.actions.index("STEP"), FULL.actions.index("CHECK")
    assert np.all(actions[drawn.gained] == step)
    assert np.all(actions[drawn.slipped] == step)
    assert not np.any(e[drawn.slipped])  # a slip is reported where there was no error yet
    assert np.all(actions[drawn.repaired] == check)
    assert np.all(e[drawn.repaired])
    assert np.all(m[actions == FULL.actions.index("REPEAT")] > 0)
    last = actions[np.arange(len(drawn)), drawn.length - 1]
    assert np.all(last[~drawn.truncated] == FULL.actions.index("ANSWER"))
    assert np.all(drawn.correct[~drawn.truncated & ~drawn.guessed] == 1)
    assert np.all(drawn.alive.sum(1) == drawn.length)
    i = int(np.argmax(drawn.length == 3))
    assert drawn.names(i) == [FULL.actions[a] for a in actions[i, :3]]


def test_guesses_are_right_at_the_guessing_rate():
    drawn = sample_trajectories(FULL, logits(FULL, 8), 2, N, seed=10)
    right = drawn.correct[drawn.guessed]
    sem = np.sqrt(FULL.guess * (1 - FULL.guess) / len(right))
    assert abs(right.mean() - FULL.guess) <= 4 * sem


def test_a_trajectory_depends_on_seed_and_place_only():
    theta = HELLO.logits(**HELLO_LOGITS)
    many = sample_trajectories(HELLO, theta, 8, 1000, seed=11)
    few = sample_trajectories(HELLO, theta, 8, 10, seed=11)
    other = sample_trajectories(HELLO, theta, 8, 10, seed=12)
    assert np.array_equal(few.codes, many.codes[:10])
    assert not np.array_equal(few.codes, other.codes)
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone = sample_trajectories(HELLO, theta, 8, 1000, seed=11)
    finally:
        numba.set_num_threads(threads)
    assert np.array_equal(alone.codes, many.codes)


def test_standard_errors_shrink_like_root_n():
    theta = HELLO.logits(**HELLO_LOGITS)
    p = class_probabilities(HELLO, theta)[1] @ HELLO.class_length()

    def rms(n):
        means = [sample_trajectories(HELLO, theta, 8, n, seed=s).length.mean() for s in range(200)]
        return np.sqrt(np.mean((np.array(means) - p) ** 2))

    # The rms of 200 means has relative error 1 / sqrt(400) = 5%: 4 s.e. of the ratio is 28%.
    assert rms(100) / rms(1600) == pytest.approx(4, rel=0.28)


def test_rollouts_are_grouped_and_in_tokens():
    chain = HELLO.with_(tokens_per_action=25.0)
    drawn = sample_trajectories(chain, chain.logits(**HELLO_LOGITS), 2, 24, seed=13)
    r = drawn.to_rollouts(group_size=8)
    assert r.shape == (3, 8)
    assert np.array_equal(r.length.ravel(), 25 * drawn.length)
    assert np.all(r.fields["checks"] == 0)  # this chain has no CHECK
    with pytest.raises(ValueError, match="group_size=7 does not divide the 24"):
        drawn.to_rollouts(group_size=7)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((1, 41), "up to 40 tokens"),
        ((1, 2.5), "multiple of 1 "),
        ((1, None), "correct=0 for truncation"),
    ],
)
def test_impossible_classes_are_refused(given, said):
    with pytest.raises(ValueError, match=r"given_class=") as caught:
        sample_trajectories(HELLO, HELLO.logits(), 2, 5, seed=0, given_class=given)
    assert said in str(caught.value)


def test_a_class_of_probability_zero_is_refused():
    chain = HELLO.with_(guess=0.0)
    with pytest.raises(ValueError, match="has probability 0"):
        sample_trajectories(chain, chain.logits(), 8, 5, seed=0, given_class=(1, 8))
    with pytest.raises(ValueError, match="difficulty=9"):
        sample_trajectories(chain, chain.logits(), 9, 5, seed=0)


def test_benchmark_runs_and_checks_its_means():
    from benchmarks.simulate import check_mean, measure

    got = measure(n=512, actions=12, repeats=2)
    assert abs(got["ours_z"]) <= 4
    assert got["ours"] > 0
    with pytest.raises(AssertionError, match=r"s\.e\. from the exact"):
        check_mean("a biased sampler", np.ones(100), 0.5)
