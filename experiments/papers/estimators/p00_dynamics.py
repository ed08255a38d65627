"""What the inner loop, the clip, refilled batches and the KL penalty do to a training curve."""

from __future__ import annotations

from typing import cast

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.optimize import brentq

from toyrl.dynamics.bandit.exact import (
    expected_update,
    informative_share,
    mean_over_runs,
    train_expected,
)
from toyrl.dynamics.bandit.sampled import mean_and_error, train_sampled
from toyrl.dynamics.bandit.softmax import Bandit, Recipe
from toyrl.estimators.group import PRESETS
from toyrl.experiments.core import Check, Curve, Mutant, Picture, Result, Table, experiment
from toyrl.expressions import parse_estimator
from toyrl.objectives.compose import Sum
from toyrl.objectives.kl import KlPenalty
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.theory.policies import tilt

CLIP = (0.2, 0.28, 0.6)
CLIP_RATE = 0.1
LEVELS = (0.5, 0.6, 0.75, 0.9)
GROUP, INNER = 8, 8
RARE = Bandit(np.array([1.0, 1.0, 0.0, 0.0]))  # a rare and a common right answer
RARE_START = np.log([[0.03, 0.27, 0.4, 0.3]])
COIN, COIN_START = Bandit(np.array([1.0, 0.0])), np.log([[0.3, 0.7]])
GRADED = Bandit(np.array([1.0, 0.5, 0.0]))
REFERENCE = np.array([0.2, 0.3, 0.5])
SIDES = ("negative_only", "dr_grpo", "positive_only")
SAME = "clip: with one step a batch every upper clip gives the same curve, largest difference"
SOONER = "clip: reward after 5 updates, upper clip 0.6 less 0.2"
LESS = "clip: entropy at equal reward, upper clip 0.6 less 0.2, largest (DAPO expects more)"
BOUND = "clip: a right answer's growth in one batch stays below (1 + clip) e^(one step), slack"
REFILL = "refill: expected update over the plain one, distance from 1 / (1 - p^G - (1-p)^G)"
DRAWN = "refill: groups drawn for one kept, sampled, z score against that number"
PRICE = "refill: reward gained for each group drawn, over the plain run's"
TILT = "KL: end of training under k2 and k3_ratio against ref exp(r/beta)/Z, total variation"
FORWARD = "KL: end of training under k3 against beta ref/(beta + v - r), total variation"
APART = "KL: the two ends differ, total variation"
NO_PULL = "KL: under k1 as a loss the best answer's probability at the end"
SAMPLED = "KL: sampled end under k2, z score of the largest difference"
BACKWARD = "runs: mean reward and entropy over sampled runs against the exact mean, largest z score"
ORDER = "one-sided: share of the rarer right answer at reward 0.8, positive only less negative only"


@experiment(
    "dynamics",
    card="00",
    slug="inner-loop-dynamics",
    claim="A higher upper clip learns sooner but keeps no more entropy at equal reward; refilling "
    "batches rescales the update by a closed form and saves no rollouts; the KL penalty's end "
    "point depends on the estimate; sampled runs follow the exact mean.",
    works=("kl", "dapo"),
    source="sections 3.1, 3.2",
    provenance="derived",
    smoke={"runs": 400, "updates": 30},
    mutants=(
        Mutant("one step a batch, so that no clip acts", {"inner": 1}, (SOONER, LESS)),
        Mutant("batches are not refilled", {"refill": False}, (REFILL, DRAWN)),
        Mutant("k3 in place of k2", {"reverse": "k3"}, (TILT,)),
        Mutant("sampled runs at another rate", {"sampled_rate": 0.04}, (BACKWARD,)),
    ),
)
def dynamics(
    *,
    runs: int = 3000,
    updates: int = 60,
    inner: int = INNER,
    refill: bool = True,
    reverse: str = "k2",
    sampled_rate: float = 0.03,
    seed: int = 0,
) -> Result:
    """runs : sampled runs; updates : of the compared curves; mutants set the rest."""
    clip, clip_picture = _clip(inner)
    kl, kl_table = _kl(reverse, runs, seed)
    mean, bands = _runs(runs, updates, sampled_rate, seed)
    sides, side_table = _one_sided(runs, seed)
    checks = (*clip, *_refill(refill, runs, seed), *kl, *mean, *sides)
    return Result(checks, (clip_picture, bands), (kl_table, side_table))


def _curves(high: float, inner: int, updates: int = 100) -> np.ndarray:
    """(updates + 1, 1, K) logits under an upper clip, in the limit of many groups."""
    loss = PolicyGradient("sum", clip_low=0.2, clip_high=high)
    recipe = Recipe(PRESETS["grpo"], loss, GROUP, rate=CLIP_RATE, inner=inner)
    return train_expected(RARE, RARE_START, recipe, updates)


def _clip(inner: int) -> tuple[list[Check], Picture]:
    paths = {high: _curves(high, inner) for high in CLIP}
    value = {h: RARE.value(p) for h, p in paths.items()}
    entropy = {h: RARE.entropy(p) for h, p in paths.items()}
    single = [RARE.value(_curves(h, 1)) for h in CLIP]
    same = max(float(np.abs(x - single[0]).max()) for x in single)

    def at(high: float) -> np.ndarray:
        # Straight lines between updates would lie below a concave curve, the more the fewer.
        return PchipInterpolator(value[high], entropy[high])(LEVELS)

    low, top = CLIP[0], CLIP[-1]
    policy = RARE.policy(paths[low])[:, 0]
    growth = (policy[1:, :2] / policy[:-1, :2]).max()
    # Inside the clip a step moves the log-probability by at most rate x coefficient; the last
    # step before the clip acts may carry it over by that much: A <= sqrt(G - 1).
    most = (1 + low) * np.exp(CLIP_RATE * np.sqrt(GROUP - 1))
    checks = [
        Check(SAME, same, 1e-12),
        Check(SOONER, float(value[top][5] - value[low][5]), 0.02, ">"),
        Check(LESS, float((at(top) - at(low)).max()), -1e-4, "<"),
        Check(BOUND, float(most - growth), 0.0, ">"),
    ]
    picture = Picture(
        "dynamics-clip",
        "Entropy against reward under three upper clips",
        "mean reward",
        "entropy (nats)",
        curves=tuple(
            Curve(f"upper clip {h:g}", value[h].tolist(), entropy[h].tolist()) for h in CLIP
        ),
        caption="Eight steps on each batch. At equal reward no clip keeps more entropy.",
    )
    return checks, picture


def _refill(refill: bool, runs: int, seed: int) -> list[Check]:
    plain = Recipe(PRESETS["dr_grpo"], group_size=GROUP, groups=4, rate=0.05)
    full = Recipe(PRESETS["dr_grpo"], group_size=GROUP, groups=4, rate=0.05, refill=refill)
    p = COIN.policy(COIN_START)[0, 0]
    kept = 1 - p**GROUP - (1 - p) ** GROUP
    assert abs(kept - informative_share(COIN, COIN_START, GROUP)[0]) < 1e-12
    moved = [expected_update(COIN, COIN_START, r) - COIN_START for r in (plain, full)]
    # A start that solves little: most groups are all wrong.
    hard = np.log([[0.03, 0.97]])
    share = float(informative_share(COIN, hard, GROUP)[0])
    drawn = [train_sampled(COIN, hard, r, 1, runs=4 * runs, seed=seed) for r in (plain, full)]
    count = drawn[1].drawn[0] / plain.groups
    error = count.std(ddof=1) / np.sqrt(len(count)) or 1e-12
    gain = [(r.value[-1] - r.value[0]).mean() / r.drawn.mean() for r in drawn]
    return [
        Check(REFILL, float(np.abs(moved[1] / moved[0] - 1 / kept).max()), 1e-9),
        Check(DRAWN, float(abs(count.mean() - 1 / share) / error), 4.0),
        Check(PRICE, float(gain[1] / gain[0]), 1.0, "~", tolerance=0.25),
    ]


def _kl(reverse: str, runs: int, seed: int, beta: float = 0.4) -> tuple[list[Check], Table]:
    start = np.log(REFERENCE)[None]

    def loss(kind: str) -> Sum:
        return Sum((PolicyGradient("sum"), KlPenalty("sum", kind=kind, beta=beta)))

    def end(kind: str) -> np.ndarray:
        recipe = Recipe(PRESETS["dr_grpo"], loss(kind), np.inf, rate=0.5)
        path = train_expected(GRADED, start, recipe, 3000, reference=start)
        return GRADED.policy(path[-1])[0]

    reward = GRADED.mean_reward[0]
    want = np.asarray(tilt(REFERENCE, reward, 1 / beta))
    forward = _forward_end(REFERENCE, reward, beta)
    found = {kind: end(kind) for kind in (reverse, "k3_ratio", "k3", "k1")}
    recipe = Recipe(PRESETS["dr_grpo"], loss("k2"), GROUP, groups=64, rate=0.02)
    sampled = train_sampled(GRADED, start, recipe, 400, runs=max(64, runs // 20), seed=seed,
                            reference=start)  # fmt: skip
    exact = train_expected(GRADED, start, recipe, 400, reference=start)[-1]
    mean, error = mean_and_error(np.moveaxis(GRADED.policy(sampled.logits)[:, 0], 0, -1))
    z = np.abs(mean - GRADED.policy(exact)[0]) / error
    checks = [
        Check(TILT, max(_tv(found[k], want) for k in (reverse, "k3_ratio")), 1e-9),
        Check(FORWARD, _tv(found["k3"], forward), 1e-9),
        Check(APART, _tv(want, forward), 0.01, ">"),
        Check(NO_PULL, float(found["k1"][0]), 0.99, ">"),
        Check(SAMPLED, float(z.max()), 4.0),
    ]
    rows = [["ref exp(r/beta)/Z", *want], ["beta ref/(beta + v - r)", *forward]]
    rows += [[f"trained under {kind}", *p] for kind, p in found.items()]
    names = ("end point", *(f"P(answer paying {r:g})" for r in reward))
    return checks, Table("kl-end-points", names, rows)


def _forward_end(reference: np.ndarray, reward: np.ndarray, beta: float) -> np.ndarray:
    """Where pi (r - v) = beta (pi - ref): the end under a penalty on KL(ref || pi)."""

    def policy(v: float) -> np.ndarray:
        return beta * reference / (beta + v - reward)

    low = float(reward.max()) - beta + 1e-12
    v = brentq(lambda v: policy(v).sum() - 1, low, float(reward.max()) + beta, xtol=1e-15)
    return policy(cast("float", v))


def _tv(p: np.ndarray, q: np.ndarray) -> float:
    return float(np.abs(p - q).sum() / 2)


def _runs(runs: int, updates: int, rate: float, seed: int) -> tuple[list[Check], Picture]:
    loss = PolicyGradient("sum")
    recipe = Recipe(PRESETS["grpo_exact"], loss, GROUP, rate=0.03, inner=4)

    def both(second: np.ndarray) -> np.ndarray:
        q = np.clip(np.stack([1 - second, second]), 1e-300, 1.0)
        return np.stack([q[0], -(q * np.log(q)).sum(0)], -1)

    exact = mean_over_runs(COIN, COIN_START, recipe, updates, both, points=2801)
    drawn = Recipe(PRESETS["grpo_exact"], loss, GROUP, rate=rate, inner=4)
    found = train_sampled(COIN, COIN_START, drawn, updates, runs=runs, seed=seed)
    z = 0.0
    for seen, want in ((found.value, exact[:, 0]), (found.entropy, exact[:, 1])):
        mean, error = mean_and_error(seen)
        z = max(z, float((np.abs(mean - want)[1:] / error[1:]).max()))
    steps = list(range(updates + 1))
    low, high = np.quantile(found.value, [0.05, 0.95], axis=1)
    picture = Picture(
        "dynamics-runs",
        "Single groups: runs and their exact mean",
        "update",
        "mean reward",
        curves=(
            Curve("sampled mean, 5 to 95 % of runs", steps, found.value.mean(1).tolist(),
                  low.tolist(), high.tolist()),
            Curve("exact mean", steps, exact[:, 0].tolist(), style="dashed"),
        ),
    )  # fmt: skip
    # The largest of 2 x updates correlated scores: 4.5 is passed by chance once in 2,000 or less.
    return [Check(BACKWARD, z, 4.5)], picture


def _one_sided(runs: int, seed: int) -> tuple[list[Check], Table]:
    bandit = Bandit(np.array([1.0, 1.0, 0.0, 0.0, 0.0]))
    start = np.log([[0.2, 0.1, 0.25, 0.25, 0.2]])
    rows, minor = [], {}
    for name in SIDES:
        recipe = Recipe(parse_estimator(name), PolicyGradient("sum"), GROUP, rate=0.5)
        found = train_sampled(
            bandit, start, recipe, 120, runs=max(200, runs // 3), seed=seed, keep_path=True
        )
        assert found.path is not None
        policy = bandit.policy(found.path)[:, :, 0]
        share = policy[..., :2].min(-1) / policy[..., :2].sum(-1)
        value = found.value.mean(1)
        minor[name] = float(np.interp(0.8, value, share.mean(1)))
        entropy = float(np.interp(0.8, value, found.entropy.mean(1)))
        rows.append([name, float(value[20]), float(value[-1]), entropy, minor[name]])
    names = ("advantages", "reward after 20 updates", "at the end", "entropy at reward 0.8",
             "share of the rarer right answer there")  # fmt: skip
    gap = minor["positive_only"] - minor["negative_only"]
    return [Check(ORDER, gap, 0.0, ">")], Table("one-sided", names, rows)
