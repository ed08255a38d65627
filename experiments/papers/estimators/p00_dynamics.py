"""What the inner loop, the clip, refilled batches and the KL penalty do to a training curve."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from scipy.interpolate import PchipInterpolator

from toyrl.dynamics.bandit.sampled import mean_and_error
from toyrl.dynamics.bandit.softmax import Recipe, entropy
from toyrl.estimators.group import PRESETS
from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.lab import answers
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import alone, apart, deviation
from toyrl.experiments.lab.shared import shared
from toyrl.expressions import parse_estimator
from toyrl.objectives.compose import Sum
from toyrl.objectives.kl import KlPenalty
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.theory.policies import forward_tilt, softmax, tilt, total_variation

CLIP, CLIP_LOW, CLIP_RATE = (0.2, 0.28, 0.6), 0.2, 0.1
LEVELS = (0.5, 0.6, 0.75, 0.9)
GROUP, INNER, MANY_STEPS, BETA = 8, 8, 24, 0.4
RARE, RARE_START = np.array([1.0, 1.0, 0.0, 0.0]), np.log([0.03, 0.27, 0.4, 0.3])
COIN, COIN_START = np.array([1.0, 0.0]), np.log([0.3, 0.7])
HARD_START = np.log([0.03, 0.97])  # most groups are all wrong
GRADED, REFERENCE = np.array([1.0, 0.5, 0.0]), np.array([0.2, 0.3, 0.5])
FIVE, FIVE_START = np.array([1.0, 1.0, 0.0, 0.0, 0.0]), np.log([0.2, 0.1, 0.25, 0.25, 0.2])
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
TRAINED = ("closed form", "expected updates")
path_alone = alone("expected updates", "a path of expected updates, clipped, has no closed form")


# -- the clip --------------------------------------------------------------------------------------
@shared
def clipped(high: Any, inner: int, updates: int = 100) -> np.ndarray:
    """(updates + 1, N, K) policies under N upper clips, in the limit of many groups.

    high : a sequence of numbers
    """
    high = np.reshape(high, (-1, 1, 1, 1))
    loss = PolicyGradient("sum", clip_low=CLIP_LOW, clip_high=high)  # pyright: ignore
    recipe = Recipe(PRESETS["grpo"], loss, GROUP, rate=CLIP_RATE, inner=inner)
    return softmax(answers.expected(RARE, np.tile(RARE_START, (len(high), 1)), recipe, updates))


def clip_checks(inner: int, single: int, ignored: bool) -> Items:
    """Curves under three upper clips; single : steps where there should be one."""
    paths, ends = clipped(CLIP, inner), clipped(CLIP, single) @ RARE
    value, spread = (paths @ RARE).T, entropy(paths).T
    # Straight lines between updates would lie below a concave curve, the more the fewer.
    low, _, top = (PchipInterpolator(v, s)(LEVELS) for v, s in zip(value, spread, strict=True))
    policy = clipped((np.inf if ignored else CLIP[0],), MANY_STEPS, 15)[:, 0]
    growth = (policy[1:, :2] / policy[:-1, :2]).max()
    # Inside the clip a step moves the log-probability by at most rate x coefficient; the last
    # step before the clip acts may carry it over by that much: A <= sqrt(G - 1).
    most = (1 + CLIP[0]) * np.exp(CLIP_RATE * np.sqrt(GROUP - 1))
    curves = {f"upper clip {h:g}": (v, s) for h, v, s in zip(CLIP, value, spread, strict=True)}
    return [
        path_alone(SAME, float(np.ptp(ends, axis=1).max()), 1e-12),
        path_alone(SOONER, float(value[-1, 5] - value[0, 5]), 0.02, ">"),
        path_alone(LESS, float((top - low).max()), -1e-4, "<"),
        Check(BOUND, float(most - growth), 0.0, ">", routes=("bound", "expected updates")),
        lines("dynamics-clip", "Entropy against reward under three upper clips",
              ("mean reward", "entropy (nats)"), curves,
              caption="Eight steps on each batch. At equal reward no clip keeps more entropy."),
    ]  # fmt: skip


# -- refilled batches ------------------------------------------------------------------------------
def refill_checks(refill: bool, counted: bool, runs: int, seed: int) -> Items:
    """counted : groups that are drawn and not kept count as drawn."""
    both = [Recipe(PRESETS["dr_grpo"], PolicyGradient("sum"), GROUP, groups=4, rate=0.05, refill=on)
            for on in (False, refill)]  # fmt: skip

    def kept(start: np.ndarray) -> float:
        p = softmax(start)[0]
        return float(1 - p**GROUP - (1 - p) ** GROUP)

    moved = [answers.expected(COIN, COIN_START[None], r, 1)[1, 0] - COIN_START for r in both]
    found = [answers.sampled(COIN, HARD_START, r, 1, runs, draws(seed, i))
             for i, r in enumerate(both)]  # fmt: skip
    count = found[1][1][0] / both[1].groups
    mean, error = mean_and_error(count)
    routes = ("closed form", "simulation")
    gain = [np.diff(softmax(path)[..., 0].mean(1))[0] / (drawn.mean() if counted else 4)
            for path, drawn in found]  # fmt: skip
    return [
        apart(REFILL, moved[1] / moved[0], 1 / kept(COIN_START), 1e-9, TRAINED),
        deviation(DRAWN, mean, error or 1e-12, 1 / kept(HARD_START)),
        Check(PRICE, float(gain[1] / gain[0]), 1.0, "~", 0.25, routes=routes),
    ]


# -- the KL penalty --------------------------------------------------------------------------------
def kl_recipe(kind: str, group: float = np.inf, **options: Any) -> Recipe:
    """The mean baseline under a penalty with that estimate."""
    loss = Sum((PolicyGradient("sum"), KlPenalty("sum", kind=kind, beta=BETA)))
    return Recipe(PRESETS["dr_grpo"], loss, group, **options)


@shared
def kl_end(kind: str) -> np.ndarray:
    """(K,) policy at the end of expected updates under that estimate."""
    start = np.log(REFERENCE)
    recipe = kl_recipe(kind, rate=4.0)
    return softmax(answers.expected(GRADED, start[None], recipe, 150, reference=start)[-1, 0])


SMALL: dict[str, Any] = {"groups": 64, "rate": 0.08}
"""Batches and rate of the run that is held against its expected updates."""


@shared
def expected_end(kind: str) -> np.ndarray:
    """(K,) the policy at the end of 100 expected updates of groups."""
    start = np.log(REFERENCE)
    recipe = kl_recipe(kind, GROUP, **SMALL)
    return softmax(answers.expected(GRADED, start[None], recipe, 100, reference=start)[-1, 0])


@shared
def sampled_ends(kind: str, runs: int, seed: int) -> np.ndarray:
    """(K, runs) policies at the end of 100 sampled updates of groups."""
    start = np.log(REFERENCE)
    path, _ = answers.sampled(GRADED, start, kl_recipe(kind, GROUP, **SMALL), 100, runs,
                              draws(seed, 2), reference=start)  # fmt: skip
    return softmax(path[-1]).T


def kl_checks(kinds: tuple[str, str, str], drawn: str, runs: int, seed: int) -> Items:
    """kinds : the estimates that stand for k2, k3 and k1; drawn : for k2 in the sampled run."""
    found = {kind: kl_end(kind) for kind in dict.fromkeys((*kinds, "k3_ratio"))}
    reverse, ahead, free = (found[k] for k in kinds)
    want, forward = tilt(REFERENCE, GRADED, 1 / BETA), forward_tilt(REFERENCE, GRADED, BETA)
    mean, error = mean_and_error(sampled_ends(drawn, max(64, runs // 20), seed))
    gaps = total_variation(
        [reverse, found["k3_ratio"], forward, reverse], [want, want, ahead, ahead]
    )
    rows = [["ref exp(r/beta)/Z", *want], ["beta ref/(beta + v - r)", *forward]]
    rows += [[f"trained under {kind}", *p] for kind, p in found.items()]
    names = ("end point", *(f"P(answer paying {r:g})" for r in GRADED))
    return [
        Check(TILT, float(gaps[:2].max()), 1e-9, routes=TRAINED),
        Check(FORWARD, float(gaps[2]), 1e-9, routes=TRAINED),
        Check(APART, float(min(total_variation(want, forward), gaps[3])), 0.01, ">",
              routes=TRAINED),
        Check(NO_PULL, float(free[0]), 0.99, ">", routes=("limit 1", "expected updates")),
        deviation(SAMPLED, mean, error, expected_end("k2"), ("expected updates", "simulation")),
        Table("kl-end-points", names, rows),
    ]  # fmt: skip


# -- sampled runs ----------------------------------------------------------------------------------
single_groups = partial(Recipe, PRESETS["grpo_exact"], PolicyGradient("sum"), GROUP, inner=4)


def observed(second: np.ndarray) -> np.ndarray:
    """(..., 2) reward and entropy of a policy that gives the second answer with this chance."""
    return np.stack([1 - second, entropy(np.stack([1 - second, second], -1))], -1)


@shared
def exact_mean(updates: int) -> np.ndarray:
    """(updates + 1, 2) mean of what is observed, over all runs."""
    start = float(COIN_START[1] - COIN_START[0])
    return answers.mean_over_runs(COIN, start, single_groups(rate=0.03), updates, observed)


def run_checks(runs: int, updates: int, rate: float, seed: int) -> Items:
    """Single groups, clipped, four steps each: the mean over runs, exactly and sampled."""
    exact, recipe = exact_mean(updates), single_groups(rate=rate)
    path, _ = answers.sampled(COIN, COIN_START, recipe, updates, runs, draws(seed, 3))
    seen = observed(softmax(path)[..., 1])
    mean, error = mean_and_error(np.moveaxis(seen, 1, -1))
    low, high = np.quantile(seen[..., 0], [0.05, 0.95], axis=1)
    curves = {"sampled mean, 5 to 95 % of runs": (range(updates + 1), mean[:, 0], low, high),
              "exact mean": exact[:, 0]}  # fmt: skip
    # The largest of 2 x updates correlated scores: 4.5 is passed by chance once in 2,000 or less.
    routes = ("backward equation", "simulation")
    return [
        deviation(BACKWARD, mean[1:], error[1:], exact[1:], routes, sigmas=4.5),
        lines("dynamics-runs", "Single groups: runs and their exact mean",
              ("update", "mean reward"), curves, dashed=("exact mean",)),
    ]  # fmt: skip


def one_sided(sides: tuple[str, ...], runs: int, seed: int) -> Items:
    """Diversity at equal reward, for what each side's advantages alone teach."""
    rows, minor = [], []
    for place, name in enumerate(sides):
        recipe = Recipe(parse_estimator(name), PolicyGradient("sum"), GROUP, rate=0.5)
        policy = softmax(answers.sampled(FIVE, FIVE_START, recipe, 120, max(200, runs // 3),
                                         draws(seed, 4 + place))[0])  # fmt: skip
        share = policy[..., :2].min(-1) / policy[..., :2].sum(-1)
        value = (policy @ FIVE).mean(1)
        at = [float(np.interp(0.8, value, x.mean(1))) for x in (entropy(policy), share)]
        minor.append(at[1])
        rows.append([name, float(value[20]), float(value[-1]), *at])
    names = ("advantages", "reward after 20 updates", "at the end", "entropy at reward 0.8",
             "share of the rarer right answer there")  # fmt: skip
    trained = alone("simulation", "the end of a path of sampled groups has no closed form")
    return [trained(ORDER, minor[-1] - minor[0], 0.0, ">"), Table("one-sided", names, rows)]


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
        Mutant("one step a batch, so that no clip acts", {"inner": 1, "parts": ("clip",)},
               (SOONER, LESS)),
        Mutant("several steps where one is meant", {"single": INNER, "parts": ("clip",)}, (SAME,)),
        Mutant("the clip is left out", {"ignored": True, "parts": ("clip",)}, (BOUND,)),
        Mutant("batches are not refilled", {"refill": False, "parts": ("refill",)},
               (REFILL, DRAWN)),
        Mutant("only kept groups are counted", {"counted": False, "parts": ("refill",)}, (PRICE,)),
        Mutant("k3 in place of k2", {"kinds": ("k3", "k3", "k1"), "drawn": "k3", "parts": ("kl",)},
               (TILT, APART, SAMPLED)),
        Mutant("k2 in place of k3 and k1", {"kinds": ("k2", "k2", "k2"), "parts": ("kl",)},
               (FORWARD, APART, NO_PULL)),
        Mutant("sampled runs at another rate", {"sampled_rate": 0.04, "parts": ("runs",)},
               (BACKWARD,)),
        Mutant("the other side's advantages are masked",
               {"sides": SIDES[::-1], "parts": ("sides",)}, (ORDER,)),
    ),
)  # fmt: skip
def dynamics(
    *,
    runs: int = 3000,
    updates: int = 60,
    inner: int = INNER,
    single: int = 1,
    ignored: bool = False,
    refill: bool = True,
    counted: bool = True,
    kinds: tuple[str, str, str] = ("k2", "k3", "k1"),
    drawn: str = "k2",
    sampled_rate: float = 0.03,
    sides: tuple[str, ...] = SIDES,
    parts: tuple[str, ...] = ("clip", "refill", "kl", "runs", "sides"),
    seed: int = 0,
) -> Result:
    """runs : sampled runs; updates : of the compared curves; parts : which to run; mutants set
    the rest."""
    made = {
        "clip": lambda: clip_checks(inner, single, ignored),
        "refill": lambda: refill_checks(refill, counted, 4 * runs, seed),
        "kl": lambda: kl_checks(kinds, drawn, runs, seed),
        "runs": lambda: run_checks(runs, updates, sampled_rate, seed),
        "sides": lambda: one_sided(sides, runs, seed),
    }
    return run_parts(made, parts)
