"""Token-level credit by enumeration: brute force, edge table, closed forms, sampling."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.chains import enumerate_paths as outcomes_of_paths
from tests.chains import logits
from toyrl import registry
from toyrl.dynamics.groups.token_quality import (
    BATCHES,
    linear_gradient,
    readable,
    state_values,
    token_fields,
    token_quality,
    truth,
)
from toyrl.experiments.papers.estimators.p00_tokens import OPTIONS, catalogue
from toyrl.expressions import parse_estimator
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.shapers.base import sum_parts
from toyrl.shapers.outcome import Outcome
from toyrl.worlds.chain.edges import edge_table
from toyrl.worlds.chain.forward import class_probabilities
from toyrl.worlds.chain.latents.base import StepScores
from toyrl.worlds.chain.model import ACTIONS, Chain
from toyrl.worlds.chain.paths import Paths, enumerate_paths, paths_of
from toyrl.worlds.chain.simulate import sample_trajectories

CHAINS = {
    "plain": Chain((2,), (1.0,), max_actions=3, slip=0.2, guess=0.1),
    "flag": Chain((1,), (1.0,), max_actions=2, slip=0.2, guess=0.1, flag_noise=0.2),
    "all": Chain(
        (1,), (1.0,), max_actions=3, actions=ACTIONS, slip=0.2, repair=0.6, guess=0.1, depth=2
    ),
}
TOKEN_LEVEL = [e.name for e in registry.entries("estimator") if parse_estimator(e.name).token_level]


@pytest.fixture(params=CHAINS, name="paths")
def _paths(request) -> Paths:
    chain = CHAINS[request.param]
    return enumerate_paths(chain, logits(chain, 3), chain.difficulties[0])


def some(paths: Paths, n: int) -> Paths:
    """n paths spread over all, right and wrong, with their probabilities rescaled."""
    kept = np.sort(np.argsort(-paths.correct, kind="stable")[:: len(paths) // n][:n])
    arrays = {k: v[kept] for k, v in vars(paths).items() if np.shape(v)[:1] == (len(paths),)}
    arrays["prob"] = arrays["prob"] / arrays["prob"].sum()
    whole = {"chain": paths.chain, "difficulty": paths.difficulty, "policy": paths.policy}
    return Paths(**{**whole, **arrays})


# -- paths -----------------------------------------------------------------------------------------
def test_paths_are_a_law_with_the_chains_class_probabilities(paths):
    chain = paths.chain
    assert paths.prob.sum() == pytest.approx(1.0, abs=1e-14)
    answered = np.where(paths.correct > 0, paths.length - 1, chain.H + paths.length - 1)
    index = np.where(paths.truncated, 2 * chain.H, answered)
    law = np.bincount(index, paths.prob, minlength=chain.n_classes)
    theta = logits(chain, 3)
    assert law == pytest.approx(class_probabilities(chain, theta)[0], abs=1e-14)


def test_paths_hold_the_outcomes_of_another_enumeration(paths):
    found: dict[tuple, float] = {}
    names = [ACTIONS.index(a) for a in paths.chain.actions]
    for i in range(len(paths)):
        taken = [names[a] for a in paths.action[i, : paths.length[i]]]
        counts = tuple(taken.count(k) for k in range(len(ACTIONS)))
        key = (bool(paths.correct[i]), int(paths.length[i]), bool(paths.truncated[i]), counts)
        found[key] = found.get(key, 0.0) + paths.prob[i]
    chain = paths.chain
    want = outcomes_of_paths(chain, logits(chain, 3), paths.difficulty)
    want = {k: v for k, v in want.items() if v > 0}
    assert found.keys() == want.keys()
    for key, p in want.items():
        assert found[key] == pytest.approx(p, abs=1e-14)


def test_paths_have_the_edge_tables_occupancy(paths):
    table = truth(paths)
    found = np.zeros((*table.occupancy.shape, len(paths.chain.actions)))
    step = np.broadcast_to(np.arange(paths.chain.H), paths.action.shape)
    where = (step, paths.phase, paths.error, paths.progress, paths.flag, paths.action)
    alive = paths.alive
    weight = np.broadcast_to(paths.prob[:, None], alive.shape)
    np.add.at(found, tuple(x[alive] for x in where), weight[alive])
    want = table.occupancy[..., None] * table.policy.transpose(0, 2, 1, 3)[:, None]
    assert np.abs(found - want).max() < 1e-14


def test_true_gradient_by_enumeration_is_the_edge_tables(paths):
    found = (paths.prob * paths.correct) @ paths.scores().sum(1)
    assert np.abs(found - truth(paths).gradient.ravel()).max() < 1e-14


def test_true_gradient_is_the_finite_difference(paths):
    chain, theta = paths.chain, logits(paths.chain, 3)
    direction, step = np.random.default_rng(0).normal(size=theta.shape), 1e-5

    def right(x: np.ndarray) -> float:
        return float(class_probabilities(chain, x)[0] @ chain.class_correct())

    slope = (right(theta + step * direction) - right(theta - step * direction)) / (2 * step)
    # Central differences: step^2 times a third derivative, and rounding/step.
    assert truth(paths).gradient.ravel() @ direction.ravel() == pytest.approx(slope, abs=1e-9)


def test_scores_have_mean_zero_and_critic_starts_at_the_success_rate(paths):
    assert np.abs(paths.prob @ paths.scores().sum(1)).max() < 1e-14
    values = state_values(truth(paths), paths.chain.flag_law(paths.difficulty))
    assert values[0, 0, 0, 0] == pytest.approx(paths.prob @ paths.correct, abs=1e-14)


@pytest.mark.parametrize("name", CHAINS)
def test_simulated_paths_have_the_enumerated_law(name):
    chain = CHAINS[name]
    theta, d, n = logits(chain, 3), chain.difficulties[0], 40_000
    exact = enumerate_paths(chain, theta, d)
    drawn = paths_of(sample_trajectories(chain, theta, d, n, 5), theta, seed=5)

    def keys(p: Paths) -> np.ndarray:
        tokens = (p.phase, p.error, p.progress, p.flag, p.error_after)
        own = [np.where(p.alive, x, 0) for x in tokens]
        ends = np.stack([p.correct, p.truncated, p.length], axis=-1)
        return np.concatenate([*own, p.action, ends], axis=-1).astype(int)

    place = {tuple(k): i for i, k in enumerate(keys(exact).tolist())}
    counts = np.zeros(len(exact))
    for k in keys(drawn).tolist():
        counts[place[tuple(k)]] += 1
    z = (counts - n * exact.prob) / np.sqrt(n * exact.prob * (1 - exact.prob))
    # chi^2 of about as many degrees of freedom as paths; rare paths make single z large.
    often = n * exact.prob > 20
    assert (z[often] ** 2).mean() < 1 + 5 * np.sqrt(2 / often.sum())


def test_too_many_paths_or_groups_are_refused():
    chain = CHAINS["all"].with_(max_actions=9)
    with pytest.raises(ValueError, match="max_actions=9 gives more than limit=100 paths"):
        enumerate_paths(chain, logits(chain, 0), 1, limit=100)
    paths = enumerate_paths(CHAINS["plain"], logits(CHAINS["plain"], 0), 2)
    with pytest.raises(ValueError, match="group_size=5 over"):
        token_quality(paths, parse_estimator("rloo"), group_size=5)
    with pytest.raises(ValueError, match="batch='all' is not one of group, many"):
        token_quality(paths, parse_estimator("rloo"), batch="all")


# -- quality ---------------------------------------------------------------------------------------
def brute_force(paths: Paths, name: str, G: int):
    """(mean, variance, silent, wrong sign) over all ordered groups, one estimator call each."""
    e, supplied, score = parse_estimator(name), token_fields(paths), paths.scores()
    true = paths.at_edges(truth(paths).advantage)
    total = np.zeros(score.shape[-1])
    second, silent, against, speaking = 0.0, 0.0, 0.0, 0.0
    for group in itertools.product(range(len(paths)), repeat=G):
        members, p = np.array(group), float(np.prod(paths.prob[list(group)]))
        needed = {k: v for k, v in supplied.items() if k in e.needs}
        r = paths.rollouts(members[None], **needed)
        a = np.asarray(e.apply(Outcome().apply(r).parts, r)[0])[0]
        a = (a if e.token_level else a[:, None]) * paths.alive[members]
        g = np.zeros_like(total)
        for i, m in enumerate(members):
            for t in range(paths.chain.H):
                g = g + a[i, t] * score[m, t] / G
        total, second = total + p * g, second + p * float(g @ g)
        a = np.where(np.abs(a) > 1e-12, a, 0.0)  # a mean of equal numbers may be off by rounding
        silent += p * (not a.any())
        heard = (a != 0) & (np.abs(true[members]) > 1e-12)
        speaking += p * heard.sum()
        against += p * (heard & (a * true[members] < 0)).sum()
    wrong = against / speaking if speaking else np.nan  # no group is kept
    return total, second - float(total @ total), silent, wrong


@pytest.mark.parametrize("name", [*TOKEN_LEVEL, "rloo", "grpo", "gae(lam=0.5, gamma=0.9)"])
@pytest.mark.parametrize(("chain", "G"), [("plain", 2), ("flag", 2), ("plain", 3)])
def test_enumeration_is_brute_force(name, chain, G):
    c = CHAINS[chain]
    paths = some(enumerate_paths(c, logits(c, 3), c.difficulties[0]), 12 if G == 2 else 6)
    if not readable(parse_estimator(name), token_fields(paths)):
        pytest.skip("reads a field that a chain cannot supply")
    q = token_quality(paths, parse_estimator(name), group_size=G)
    mean, variance, silent, wrong = brute_force(paths, name, G)
    assert q.method == "enumerated"
    assert q.mean[0] == pytest.approx(mean, abs=1e-13)
    assert q.variance[0] == pytest.approx(variance, abs=1e-12)
    assert q.silent[0] == pytest.approx(silent, abs=1e-13)
    assert q.wrong_sign[0] == pytest.approx(wrong, abs=1e-13, nan_ok=True)


@pytest.mark.parametrize("gamma", [1.0, 0.9])
@pytest.mark.parametrize("lam", [1.0, 0.6, 0.0])
def test_edge_table_knows_the_expected_update_of_gae(paths, gamma, lam):
    chain = paths.chain
    values = np.random.default_rng(1).normal(size=(chain.H, chain.phases, 2, chain.D + 1))
    e = parse_estimator(f"gae(whitened=False, gamma={gamma}, lam={lam})")
    supplied = token_fields(paths, values=values)
    got = token_quality(paths, e, group_size=1, fields=supplied).mean[0]
    want = linear_gradient(paths, values=values, gamma=gamma, lam=lam)
    assert np.abs(got - want).max() < 1e-13
    control = linear_gradient(paths, values=values, gamma=gamma, lam=0.3)
    assert np.abs(got - control).max() > 1e-3


def test_edge_table_knows_discounted_returns(paths):
    e = parse_estimator("reinforce_plus_plus_tokens(whitened=False, gamma=0.7)")
    got = token_quality(paths, e, group_size=1).mean[0]
    assert np.abs(got - linear_gradient(paths, gamma=0.7)).max() < 1e-13
    assert np.abs(got - linear_gradient(paths)).max() > 1e-3


def test_discounted_values_of_the_edge_table_are_those_of_a_walk():
    """Two steps and an answer, nothing random: value of the first edge is gamma^2, by hand."""
    chain = Chain((2,), (1.0,), max_actions=3, progress=1.0, guess=0.0)
    theta = np.zeros(chain.policy_shape)
    theta[..., :2, chain.actions.index("STEP")] = 60
    theta[..., 2, chain.actions.index("ANSWER")] = 60
    t = edge_table(chain, theta, 2, chain.class_correct(), discount=0.9)
    step, answer = chain.actions.index("STEP"), chain.actions.index("ANSWER")
    assert t.value[0, 0, 0, 0, step] == pytest.approx(0.81, abs=1e-12)
    assert t.value[1, 0, 0, 1, step] == pytest.approx(0.9, abs=1e-12)
    assert t.value[2, 0, 0, 2, answer] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", ["rloo", "grpo_exact", "reinforce", "renorm"])
def test_estimators_of_one_group_do_not_see_the_batch(name, batch):
    c = CHAINS["plain"]
    paths = enumerate_paths(c, logits(c, 3), 2)
    q = token_quality(paths, parse_estimator(name), batch=batch)
    one = token_quality(paths, parse_estimator(name), batch="group")
    assert q.mean == pytest.approx(one.mean, abs=1e-14)
    assert q.variance == pytest.approx(one.variance, abs=1e-13)


@pytest.mark.parametrize("name", TOKEN_LEVEL)
@pytest.mark.parametrize("batch", BATCHES)
def test_simulated_groups_agree(name, batch):
    c, n = CHAINS["plain"], 20_000
    theta = logits(c, 3)
    paths = enumerate_paths(c, theta, 2)
    drawn = paths_of(sample_trajectories(c, theta, 2, 2 * n, 9), theta)
    e = parse_estimator(name)
    q = token_quality(paths, e, batch=batch)
    got = token_quality(drawn, e, batch=batch, groups=np.arange(2 * n).reshape(n, 2))
    assert got.method == "sampled"
    assert np.linalg.norm(got.mean - q.mean) < 4 * np.sqrt(q.variance[0] / n)
    assert got.variance == pytest.approx(q.variance, rel=10 / np.sqrt(n))
    assert got.silent == pytest.approx(q.silent, abs=2 / np.sqrt(n))


def test_whitening_a_large_batch_only_scales():
    c = CHAINS["plain"]
    paths = enumerate_paths(c, logits(c, 3), 2)
    name = "reinforce_plus_plus_tokens"
    many = token_quality(paths, parse_estimator(name), batch="many")
    one = token_quality(paths, parse_estimator(name), batch="group")
    tokens = paths.prob * paths.length
    m = tokens @ paths.correct / tokens.sum()
    assert many.angle[0] == pytest.approx(0, abs=1e-5)
    assert many.norm_ratio[0] == pytest.approx((m * (1 - m) + 1e-8) ** -0.5, rel=1e-9)
    assert one.angle[0] > 1


def test_perfect_critic_at_lambda_zero_credits_the_edge_on_average(paths):
    """GAE(0) of the perfect critic is the edge's advantage plus noise of the step's outcome."""
    e = parse_estimator("gae(whitened=False, lam=0)")
    q = token_quality(paths, e, group_size=1)
    assert np.linalg.norm(q.mean - q.true) < 1e-13
    returns = token_quality(paths, parse_estimator("gae(whitened=False)"), group_size=1)
    assert q.variance[0] < returns.variance[0]


def test_residual_is_the_error_at_the_best_step():
    c = CHAINS["plain"]
    paths = enumerate_paths(c, logits(c, 3), 2)
    q = token_quality(paths, parse_estimator("gae(lam=0)"))
    true = q.true[0]
    second = float(q.mean[0] @ q.mean[0] + q.variance[0])
    steps = np.linspace(0, 2, 200_001)
    errors = steps**2 * second - 2 * steps * float(q.mean[0] @ true) + float(true @ true)
    assert errors.min() / (true @ true) == pytest.approx(q.residual[0], abs=1e-8)
    scaled = token_quality(paths, parse_estimator("gae(lam=0)"), objective=PolicyGradient("grpo"))
    assert scaled.residual[0] != pytest.approx(q.residual[0], abs=1e-3)


def test_fields_mean_what_their_names_say(paths):
    supplied = token_fields(paths)
    assert set(supplied) >= {"values", "step_scores", "logprobs", "ref_logprobs", "entropy"}
    # The actions' own probabilities; what the world then does can only make the path rarer.
    assert (paths.prob <= np.exp(supplied["logprobs"].sum(-1)) + 1e-12).all()
    judge = StepScores()
    i, t = 0, 0
    name = paths.chain.actions[paths.action[i, t]]
    want = judge.law[name][paths.error_after[i, t]]
    assert supplied["step_scores"][i, t] == want
    for value in supplied.values():
        assert np.all(value[~paths.alive] == 0)


def test_catalogue_is_the_registrys():
    names, refused = catalogue()
    bare = [n for n in names if "(" not in n]
    assert sorted([*bare, *(x.split(" ")[0] for x in refused)]) == sorted(TOKEN_LEVEL)
    assert len(bare) >= 3
    for n in names:
        assert parse_estimator(n).token_level
    assert {n.split("(")[1].split("=")[0] for n in names if "(" in n} <= set(OPTIONS)


def test_control_a_missing_field_is_named():
    c = CHAINS["plain"]
    paths = enumerate_paths(c, logits(c, 3), 2)
    with pytest.raises(KeyError, match="values"):
        token_quality(paths, parse_estimator("gae"), fields={})
    assert not readable(parse_estimator("gae"), {})
    r = paths.rollouts()
    assert sum_parts(Outcome().apply(r).parts, r).shape == (1, len(paths))
