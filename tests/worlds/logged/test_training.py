"""Training on a log, each number by a second route: drift, tilted path, shares of idle groups."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from toyrl import parse, parse_estimator
from toyrl.experiments.forecast.facts import facts
from toyrl.experiments.forecast.logged import Logged
from toyrl.experiments.transfer.predict import tilted
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.rollouts import Rollouts
from toyrl.worlds.behaviour import prior
from toyrl.worlds.behaviour import training as worlds
from toyrl.worlds.behaviour.rollouts import noise, played
from toyrl.worlds.behaviour.worlds import fitted
from toyrl.worlds.logged.base import base_of
from toyrl.worlds.logged.training import Path, Plan, train

FREE = Plan(tilt=0.0, groups="redrawn", step=1e-3, steps=1)
REWARD = "outcome() - 0.3*linear_length()"


def log(prompts: int = 40, n: int = 8, seed: int = 0, heavy: float = 0.4) -> Rollouts:
    """Prompts of beta success rates; wrong answers are longer."""
    rng = np.random.default_rng(seed)
    p = rng.beta(heavy, heavy, (prompts, 1))
    right = (rng.random((prompts, n)) < p) * 1.0
    length = np.rint(200 * np.exp(0.3 * rng.standard_normal((prompts, n)) + 0.2 * (1 - right)))
    return Rollouts(right, length, 600.0, length >= 600)


def features(r: Rollouts) -> dict[str, np.ndarray]:
    return {"length": np.log(r.length), "noise": np.cos(np.arange(r.length.size)).reshape(r.shape)}


@pytest.mark.parametrize("groups", ["redrawn", "whole"])
@pytest.mark.parametrize("estimator", ["grpo", "rloo", "grpo_batch", "reinforce"])
def test_a_feature_a_rollout_starts_with_the_drift_of_one_update(groups, estimator):
    r, judged = log(), parse_estimator(estimator)
    shaper = parse(REWARD)
    plan = Plan(tilt=0.0, groups=groups, step=1e-4, steps=1)
    path = train(base_of(r, {}), shaper, judged, plan)
    one = Rollouts(r.correct[None], r.length[None], r.max_length, r.truncated[None])
    said = facts(Logged(one, np.asarray(shaper.reward(one)), judged))
    accuracy, length = (x[1, 0] - x[0, 0] for x in (path.accuracy, path.length))
    # The step's length in the policy's metric is 1e-4, so its rate is 1e-4 over the slope's size.
    a = np.asarray(judged.apply({"reward": shaper.reward(one)}, one)[0])[0]
    rate = 1e-4 / np.sqrt(((a - a.mean(-1, keepdims=True)) ** 2).mean())
    assert accuracy / rate == pytest.approx(said.drift_accuracy, abs=2e-3)  # second order: rate
    centred = r.length - r.length.mean(-1, keepdims=True)
    assert length / rate == pytest.approx((a * centred).mean(), rel=2e-3, abs=0.05)


def follow(path: Path, at: float) -> tuple[float, float]:
    """Changes of accuracy and log length at a distance."""
    accuracy = np.interp(at, path.nats[:, 0], path.accuracy[:, 0]) - path.accuracy[0, 0]
    length = np.interp(at, path.nats[:, 0], np.log(path.length[:, 0])) - np.log(path.length[0, 0])
    return accuracy, length


@pytest.mark.parametrize(
    ("estimator", "groups"),
    [("dr_grpo", "whole"), ("reinforce", "whole"), ("reinforce", "redrawn")],
)
def test_without_a_standard_deviation_it_is_the_tilted_path(estimator, groups):
    r, shaper = log(), parse(REWARD)
    plan = Plan(tilt=0.0, groups=groups, step=0.02, steps=100, stop=0.1)
    path = train(base_of(r, {}), shaper, parse_estimator(estimator), plan)
    # whole: z is r times the summed steps, whatever the steps; left is the interpolation between
    # points of the path. redrawn: a rollout's mean presence is known to 1 / (groups * steps).
    atol = 2e-3 if groups == "whole" else 1e-2
    for kl in (0.1, 0.4, 0.6):
        there = tilted(np.asarray(shaper.reward(r)), r.correct, r.length, kl)
        np.testing.assert_allclose(follow(path, kl), there, atol=atol)


def test_at_the_base_groups_are_the_logs_own():
    r = log(prompts=200)
    path = train(base_of(r, {}), parse("outcome()"), parse_estimator("grpo"), FREE)
    own = np.mean(np.ptp(r.correct, axis=-1) == 0)
    assert path.idle[0, 0] == pytest.approx(own, abs=1e-12)
    rng = np.random.default_rng(1)
    again = np.take_along_axis(r.correct, rng.integers(0, 8, r.shape), axis=-1)
    twice = np.mean(np.ptp(again, axis=-1) == 0)
    assert twice > own + 0.05  # the control: rows drawn with replacement


def test_idle_groups_are_those_of_the_beta_binomial_law_as_far_as_the_log_knows():
    """Odds of right answers raised alike, against groups that a beta law of rates samples.

    At the base the share is the law's within its sampling error. Away from it the log's is higher:
    a prompt whose eight rollouts are all wrong stays so in the log, and not in the law.
    """
    r = log(prompts=4000, heavy=1.0)
    base = base_of(r, {"right": r.correct})
    path = train(base, parse("outcome()"), parse_estimator("dr_grpo"),
                 Plan(tilt=0.0, steps=10, step=0.05))  # fmt: skip
    shift = path.theta[:, 0, 0] / base.units["right"]  # log odds
    rng, past = np.random.default_rng(2), []
    for k in (0, 4, 8):
        p = rng.beta(1.0, 1.0, 400_000)
        p = p * np.exp(shift[k]) / (1 - p + p * np.exp(shift[k]))
        past.append(path.idle[k, 0] - np.mean(p**8 + (1 - p) ** 8))
    assert abs(past[0]) < 4 * (0.22 * 0.78 / 4000) ** 0.5
    assert shift[8] == pytest.approx(1.0, abs=0.15)
    assert past[0] < past[1] < past[2] < 0.08  # 2/9 of the law's prompts start alike, up to half go


def test_without_signal_nothing_moves():
    r = Rollouts(np.ones((5, 4)), np.full((5, 4), 30.0), 100.0)
    path = train(base_of(r, features(r)), parse("outcome()"), parse_estimator("grpo"))
    assert np.all(path.nats == 0)
    assert np.all(path.idle == 1)


def test_batches_train_as_they_do_alone():
    r = log(prompts=30)
    base = base_of(r, features(r))
    rows = np.random.default_rng(0).integers(0, 30, (3, 30))
    plan = Plan(groups="whole", steps=10)
    given = (parse(REWARD), parse_estimator("grpo"), plan)
    together = train(base.take(rows), *given)
    for k in range(3):
        alone = train(base.take(rows[k : k + 1]), *given)
        np.testing.assert_allclose(together.accuracy[:, k], alone.accuracy[:, 0], rtol=1e-9)
        np.testing.assert_allclose(together.theta[:, k], alone.theta[:, 0], rtol=1e-7, atol=1e-12)


def test_the_kl_penalty_holds_the_path_near_the_base():
    r = log()
    base = base_of(r, features(r))
    given = (parse(REWARD), parse_estimator("dr_grpo"))
    free = train(base, *given, Plan(groups="whole"))
    held = train(base, *given, Plan(groups="whole", beta=1.0, steps=200))
    # Without features the fixed point of r - beta log ratio is the tilt r / beta.
    exact = train(base_of(r, {}), *given, Plan(groups="whole", tilt=0.0, beta=1.0, steps=200))
    z = np.asarray(given[0].reward(r))
    p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    far = float((p * np.log(p * 8)).sum(-1).mean())
    # it ends where a fiftieth of the slope is left: (1 - 0.02)^2 of the way in nats
    assert exact.nats[-1, 0] == pytest.approx(far, rel=0.05)
    assert held.nats[-1, 0] < exact.nats[-1, 0] * 1.001 < free.nats[-1, 0]


def test_an_objective_that_divides_by_length_weighs_short_rollouts_more():
    """By the first step on one feature beside another, in closed form."""
    r = log(prompts=100)
    base = base_of(r, {"length": np.log(r.length), "right": r.correct})
    given = (parse("outcome()"), parse_estimator("grpo"), Plan(tilt=0.0, groups="whole", steps=1))
    alike, divided = (
        train(base, *given, objective=PolicyGradient(aggregation=name)) for name in ("sum", "grpo")
    )
    np.testing.assert_allclose(alike.theta, train(base, *given).theta)
    a = np.asarray(parse_estimator("grpo").apply({"reward": r.correct}, r)[0]) / r.length
    f = base.features[0]
    fisher = np.einsum("bnj,bnk->jk", f, f)
    step = np.linalg.solve(fisher, np.einsum("bn,bnk->k", a, f))
    found = divided.theta[1, 0]
    np.testing.assert_allclose(
        found / np.linalg.norm(found), step / np.linalg.norm(step), rtol=1e-4
    )
    assert abs(divided.theta[1, 0, 0] - alike.theta[1, 0, 0]) > 1e-4  # of a step of 0.08


def test_a_tilt_is_slower_than_features_by_its_factor():
    r = log(prompts=50)
    plans = [Plan(tilt=x, groups="whole", steps=1, step=1e-4) for x in (0.2, 0.4)]
    shaper, judged = parse("outcome()"), parse_estimator("dr_grpo")
    one, two = (train(base_of(r, features(r)), shaper, judged, p) for p in plans)
    ratio = [path.tilt[1, 0] / path.theta[1, 0, 0] for path in (one, two)]
    assert ratio[1] == pytest.approx(2 * ratio[0], rel=1e-3)


def test_single_tokens_are_refused():
    r = log(prompts=5)
    with pytest.raises(ValueError, match="single tokens"):
        train(base_of(r, {}), parse("outcome()"), parse_estimator("gae"))


def test_what_is_moved_alike_leaves_the_odds_of_right_and_wrong():
    """A length term shortens both kinds; accuracy stays, and each kind has gone its tilted way."""
    r = log(prompts=30)
    paid = parse("-1.0*linear_length()")
    given = (paid, parse_estimator("dr_grpo"), Plan(tilt=0.0, groups="whole", steps=12, step=0.05))
    length = {"length": r.length}  # linear, as the reward: then the path is the tilted one
    apart = train(base_of(r, length, alike=("length",)), *given)
    np.testing.assert_allclose(apart.accuracy[:, 0], r.correct.mean(), atol=1e-9)
    free = train(base_of(r, length), *given)
    assert free.accuracy[-1, 0] > free.accuracy[0, 0] + 0.01  # the control: short ones are right
    unit = base_of(r, length).units["length"]
    z = apart.theta[-1, 0, 0] / unit * r.length
    said = 0.0
    for kind in (r.correct > 0.5, r.correct < 0.5):
        w = kind * np.exp(z - z.max(-1, keepdims=True))
        mean = (w * r.length).sum(-1) / np.maximum(w.sum(-1), 1e-300)
        said = said + (kind.mean(-1) * mean).mean()
    assert apart.length[-1, 0] == pytest.approx(said, rel=1e-9)


def written(kind: str, numbers: dict[str, float], reward: str) -> tuple[list[Rollouts], list]:
    """Logs that four untrained behaviour worlds write, and each world's own changes of accuracy
    while it is trained, as a function of nats."""
    n = prior.drawn(4, kind, 1000.0, 5)
    n |= {name: np.full(4, x) for name, x in numbers.items()}
    w = fitted(n, accuracy=0.5, length=1000.0, limit=2730.0, prompts=60)
    p = played(w, w.rest(), noise(w.size, 8, np.random.default_rng(3)))
    path = worlds.train(w, parse(reward), parse_estimator("grpo"), worlds.Plan(steps=30, looks=15))

    def change(i: int, at: float) -> float:
        return float(np.interp(at, path.kl[:, i], path.accuracy[:, i]) - path.accuracy[0, i])

    logs = [
        Rollouts(p.right[i], p.length[i], 2730.0, p.cut[i], fields={"answered": p.formed[i]})
        for i in range(4)
    ]
    return logs, [partial(change, i) for i in range(4)]


def promised(r: Rollouts, reward: str, alike: tuple[str, ...], at: float) -> float:
    """What the log says of accuracy at this distance."""
    read = np.where(r.truncated, np.nan, r.fields["answered"])
    base = base_of(r, {"length": np.log(r.length), "answered": read}, alike=alike)
    path = train(base, parse(reward), parse_estimator("grpo"), Plan(tilt=0.02, steps=20))
    return float(np.interp(at, path.nats[:, 0], path.accuracy[:, 0]) - path.accuracy[0, 0])


@pytest.mark.slow
def test_trouble_is_not_taken_for_length():
    """Worlds in which trouble makes long and wrong, trained on being short: their logs promise as
    little accuracy as there is to gain; without `alike` they promise points."""
    logs, worlds_own = written("thinking", {"distance": 6.0, "unread": 1e-3}, REWARD)
    true = np.mean([own(0.3) for own in worlds_own])
    apart, free = (
        np.mean([promised(r, REWARD, alike, 0.3) for r in logs]) for alike in (("length",), ())
    )
    assert abs(apart - true) < 0.02
    assert free - true > 2 * abs(apart - true)
    assert free - true > 0.02


def test_form_is_learnt_as_far_as_worlds_learn_it():
    """A fifth of the right answers can't be read, and training mends it at small distance."""
    logs, worlds_own = written("short", {"distance": 6.0, "unread": 0.15}, "outcome()")
    for r, own in zip(logs, worlds_own, strict=True):
        said, true = promised(r, "outcome()", ("length",), 0.05), own(0.05)
        assert true > 0.05
        assert said == pytest.approx(true, rel=0.35)  # one log of 480 rollouts, a tenth unreadable
