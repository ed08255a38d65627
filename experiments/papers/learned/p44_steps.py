"""Perceptual rewards: steps found in demonstrations, and the reward that is made of them."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from toyrl.experiments.core import Check, Curve, Mutant, Picture, Result, experiment
from toyrl.experiments.core.work import UPDATE, spend
from toyrl.experiments.lab.curves import lines, root
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import (
    CLOSED,
    SIMULATED,
    beyond,
    deviation,
    mean_error,
    missed,
    sampled,
)
from toyrl.experiments.lab.routes import apart as far_apart
from toyrl.experiments.lab.shared import shared
from toyrl.experiments.papers.learned.p44_learning import (
    SHAPED,
    SPARSE,
    learning,
)
from toyrl.experiments.papers.learned.p44_world import STEPS, demonstration, demonstrations, fitted
from toyrl.models.steps import discovery as sd
from toyrl.models.steps import rewards as sr
from toyrl.theory.learned.short_segments import segment_deviation

Array = Any
NOISES = (0.05, 0.10, 0.15, 0.20, 0.25, 0.30)
FOUND = "a: change points of noiseless demonstrations that are missed, of 50"
BRUTE = "a: least criterion against all admissible cuts, largest difference"
SEEN = "b: overlap with the true steps up to noise 0.15, least mean"
AHEAD = "b: overlap less that of uniform cuts up to noise 0.15, least mean"
LOST = "b: noise 0.2, equal weights: overlap"
BELOW = "b: noise 0.3, equal weights: overlap less that of uniform cuts"
LENGTH = "b: noise 0.2 to 0.3, weights by length: least mean overlap"
SAID = "b: noise 0.2, equal weights: overlap less that of uniform cuts, not told from 0"
SPREAD = "b: criterion of true, short and merged steps against its closed form, standard errors"
LEAVES = "b: noise at which the mean criterion prefers other cuts to steps of 8 frames"
SIDES = "b: noise 0.21 and 0.22: is it below or above that one, misses"
STAYS = "b: noises up to 1 at which weights by length prefer other cuts"
CHOSEN = "c: features of the steps that are missed, of 20"
NOISY = "c: features of deviation 3 that are selected"
RISES = "d: steps of new demonstrations after which the mean reward doesn't rise"
LATCH = "d: frames at which the latched reward falls"
END = "d: latched reward at the end over its maximum, mean over new demonstrations"
RANK = "d: rank correlation of the latched reward with the step, mean"
TOTAL = "d: potential differences, discount 1: total less R(end) - R(start), largest"
EARLY = "d: the last step alone, latched: largest share paid"
BACK = "d: demonstrations backwards, order by gate: mean share paid in the end"
STRICT = "d: demonstrations backwards, strict order: mean share paid in the end"


# -- a: exact --------------------------------------------------------------------------------------
def exact(rng: Any, min_size: int, search: str) -> Items:
    """Noiseless demonstrations, and short noisy ones against every admissible segmentation."""
    wrong = []
    for x, cuts in demonstrations(rng, 0.0, 50):
        spend(10 * UPDATE)
        fits = min(min_size, len(x) // STEPS)
        wrong.append((sd.discover(x, STEPS, min_size=fits, search=search).cuts != cuts).sum())
    yield missed(FOUND, wrong, np.zeros(50), ("dynamic programming", "change points as made"))
    gaps = []
    for weighting in sd.WEIGHTINGS:
        for T in (12, 13, 14):
            x = rng.standard_normal((T, 3))
            found = sd.discover(x, 3, min_size=2, weighting=weighting, search=search)
            best = min(sd.criterion(x, c, weighting=weighting)
                       for c in itertools.combinations(range(1, T), 2)
                       if min(np.diff([0, *c, T])) >= 2)  # fmt: skip
            gaps.append(found.value - best)
            spend(30 * UPDATE)
    yield Check(BRUTE, float(max(gaps)), 1e-12, routes=("dynamic programming", "all cuts"))


# -- b: noise --------------------------------------------------------------------------------------
@shared
def overlaps(seed: int, demos: int, weighting: str, min_size: int) -> tuple[np.ndarray, ...]:
    """Of each of `NOISES`, (demos, 2) overlap with the true steps: of the cuts found, of even ones.

    All noises are one answer: `shared` keeps too few to hold them one by one.
    """
    return tuple(_overlaps(seed, t, demos, weighting, min_size) for t in NOISES)


def _overlaps(seed: int, noise: float, demos: int, weighting: str, min_size: int) -> np.ndarray:
    rng, out = draws(seed, round(1000 * noise)), []
    for x, cuts in demonstrations(rng, noise, demos):
        found = sd.discover(x, STEPS, min_size=min_size, weighting=weighting).cuts
        both = (found, sd.uniform_cuts(len(x), STEPS))
        out.append([sd.overlap(c, cuts, len(x)) for c in both])
        spend(6 * UPDATE)
    return np.array(out)


def noisy(seed: int, demos: int, equal: str, length: str, min_size: int) -> Items:
    """equal, length : the weighting under each name, swapped by mutants."""
    found, by_length = (dict(zip(NOISES, overlaps(seed, demos, w, min_size), strict=True))
                        for w in (equal, length))  # fmt: skip
    ours = {t: x[:, 0].mean() for t, x in by_length.items()}
    routes = ("cuts found", "steps as made")
    low = [found[t] for t in NOISES[:3]]
    worst = min(low, key=lambda x: x[:, 0].mean())
    yield beyond(SEEN, *mean_error(worst[:, 0]), 0.97, routes=routes)
    worst = min(low, key=lambda x: (x[:, 0] - x[:, 1]).mean())
    ahead = worst[:, 0] - worst[:, 1]
    yield Check(AHEAD, float(ahead.mean()), 0.2, ">", stderr=mean_error(ahead)[1], routes=routes)
    yield Check(LOST, float(found[0.2][:, 0].mean()), 0.8, routes=routes,
                stderr=mean_error(found[0.2][:, 0])[1])  # fmt: skip
    yield beyond(BELOW, *mean_error(found[0.3] @ [1, -1]), 0.0, "<", routes=routes)
    yield sampled(SAID, found[0.2] @ [1, -1], 0.0, claim=False)
    yield Check(LENGTH, float(min(ours[t] for t in NOISES[3:])), 0.97, ">=",
                routes=routes)  # fmt: skip
    yield lines("steps-noise", "Steps found in noisy demonstrations", ("noise", "overlap"), {
        "equal weights": [found[t][:, 0].mean() for t in NOISES],
        "weights by length (ours)": list(ours.values()),
        "uniform cuts": [found[t][:, 1].mean() for t in NOISES],
    }, x=NOISES, dashed=("uniform cuts",),
        caption="Mean Jaccard index; what tells two steps apart is a jump of 1.")  # fmt: skip


def expected_costs(size: int, noise: float, weighting: str, ratio: Callable[..., float]
                   ) -> np.ndarray:  # fmt: skip
    """(T + 1, T + 1) mean of each segment's part of the criterion; four steps of `size` frames."""
    T, kept = STEPS * size, cache(lambda n, k: ratio(n, k, noise=noise))
    step, out = np.repeat(np.arange(STEPS), size), np.full((T + 1, T + 1), np.inf)
    for a, b in itertools.combinations(range(T + 1), 2):
        if b - a >= 3:
            raised = [int((step[a:b] == g).sum()) for g in range(STEPS)]
            spread = (sum(5 * kept(b - a, k) for k in raised) + 30 * kept(b - a, 0)) / 50
            out[a, b] = spread * ((b - a) / T if weighting == "length" else 1 / STEPS)
    spend(60 * UPDATE)
    return out


def population(n: int, raised: int, *, noise: float) -> float:
    """Mutant: as if a short segment's deviation were unbiased, sqrt of the mean variance."""
    return float(np.sqrt(noise**2 + raised * (n - raised) / n**2))


def bias(rng: Any, demos: int, length: str, ratio: str) -> Items:
    """The mean criterion in closed form, by simulation, and where its optimum leaves the truth."""
    rule = pick({"exact": segment_deviation, "unbiased": population}, ratio)
    cuts = ([8, 16, 24], [3, 6, 29], [3, 6, 9])
    made = demonstrations(rng, 0.2, demos, [8] * STEPS)
    got = [[sd.criterion(x, c) for c in cuts] for x, _ in made]
    spend(demos * 3 * UPDATE)
    cost = expected_costs(8, 0.2, "equal", rule)
    want = [sum(cost[a, b] for a, b in itertools.pairwise([0, *c, 32])) for c in cuts]
    mean, error = np.mean(got, axis=0), np.std(got, axis=0, ddof=1) / np.sqrt(demos)
    yield deviation(SPREAD, mean, error, want, (CLOSED, SIMULATED))
    true, rival = cuts[:2]  # the rival: three steps of 3 frames, all the rest in one

    def lead(noise: float) -> float:
        cost = expected_costs(8, noise, "equal", rule)
        worth = [sum(cost[a, b] for a, b in itertools.pairwise([0, *c, 32])) for c in (rival, true)]
        return worth[0] - worth[1]

    yield Check(LEAVES, root(lead, 0.05, 1.0), 0.25, "<", routes=(CLOSED, "search over all cuts"))
    left = [sd.least_cost_cuts(expected_costs(8, t, "equal", rule), STEPS) != true
            for t in (0.21, 0.22)]  # fmt: skip
    yield missed(SIDES, left, [False, True], (CLOSED, "search over all cuts"))
    moved = [sd.least_cost_cuts(expected_costs(8, t, length, rule), STEPS) != true
             for t in (0.2, 0.5, 1.0)]  # fmt: skip
    yield missed(STAYS, moved, [False] * 3, (CLOSED, "search over all cuts"))


# -- c: features -----------------------------------------------------------------------------------
def features(rng: Any, alpha: float) -> Items:
    """Selected features against the raised ones; and beside features of deviation 3."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of mutants: nothing tells their steps
        model, x, step = fitted(rng, alpha=alpha)
        wide = np.concatenate([x, 3 * rng.standard_normal((len(x), 20))], axis=1)
        learner = sr.StepDiscovery(STEPS, features=5, alpha=alpha)
        picked = learner.fit_steps(wide, step).selected
    raised = np.arange(5) + 5 * np.arange(STEPS)[:, None]
    kept = [len(np.setdiff1d(want, got))
            for want, got in zip(raised, model.selected, strict=True)]  # fmt: skip
    yield missed(CHOSEN, np.sum(kept), 0, ("z of the steps found", "features as made"))
    yield missed(NOISY, (picked >= x.shape[1]).sum(), 0, ("z of the steps", "features as made"))
    spend(200 * UPDATE)


# -- d: reward -------------------------------------------------------------------------------------
def reward(rng: Any, fresh: int, weights: str, order: str, pays: str) -> Items:
    """New demonstrations of 6 frames a step; weights, order, pays : broken by mutants."""
    model, _, _ = fitted(rng)
    shape = pick({"powers": sr.combined, "equal": lambda s: s[..., 1:].sum(-1)}, weights)
    scores = np.array([model.step_scores(demonstration(rng, 0.1, [6] * STEPS)[0])
                       for _ in range(fresh)])  # fmt: skip
    spend(fresh * UPDATE)
    R, step = shape(scores), np.repeat(np.arange(STEPS), 6)
    by_step = R.reshape(fresh, STEPS, 6).mean(-1)
    yield missed(RISES, np.diff(by_step) <= 0, np.zeros((fresh, 3)),
                 ("frames of the steps", "weights 2, 4, 8"))  # fmt: skip
    kept = {"running": lambda s: sr.latched(s, order="gate"), "frame": sr.combined,
            "no order": lambda s: sr.latched(s, order="none"),
            "no reset": lambda s: sr.latched(s.reshape(-1, 4)).reshape(s.shape[:2])}  # fmt: skip
    latch = pick(kept, order)
    held = latch(scores)
    routes = ("frames in turn", "maximum of the weights")
    yield missed(LATCH, np.diff(held) < 0, np.zeros((fresh, 23)), routes)
    yield beyond(END, *mean_error(held[:, -1] / model.most), 0.98, routes=routes)
    from scipy.stats import spearmanr

    rank = [np.asarray(spearmanr(row, step))[0] if np.ptp(row) > 0 else 0.0 for row in held]
    yield beyond(RANK, *mean_error(rank), 0.95, routes=("frames in turn", "steps as made"))
    paid = pick({"differences": np.diff(R).sum(-1), "every frame": R[:, 1:].sum(-1)}, pays)
    yield far_apart(TOTAL, paid, R[:, -1] - R[:, 0], 1e-12, ("sum", "ends"))
    yield Check(EARLY, float(latch(scores[:, 18:]).max() / model.most), 0.1,
                routes=("frames in turn", "steps 2 and 3 are not there"))  # fmt: skip
    back = scores[:, ::-1]
    yield beyond(BACK, *mean_error(sr.latched(back)[:, -1] / model.most), 0.95, claim=False)
    strict = pick(
        {"running": "strict", "frame": "gate", "no order": "none", "no reset": "strict"}, order
    )
    share = sr.latched(back, order=strict)[:, -1] / model.most
    yield beyond(STRICT, *mean_error(share), 0.3, "<", ("frames in turn", "step 2 comes last"))
    yield lines("steps-reward", "Reward along a new demonstration", ("frame", "reward"),
                {"R of each frame": R[0], "latched": held[0], "step, from 0": step},
                dashed=("step, from 0",),
                caption="Four steps of six frames; weights 0, 2, 4, 8.")  # fmt: skip


def drawn(rng: Any) -> Items:
    """One demonstration with the cuts found in it."""
    x, _ = demonstration(rng, 0.15)
    T, F = x.shape
    cuts = sd.discover(x, STEPS).cuts
    spend(40 * UPDATE)
    yield Picture("steps-cuts", "A demonstration and the cuts found in it", "frame", "feature",
                  tuple(Curve(f"cut {i + 1}", [float(c)] * 2, [0.0, 20.0])
                        for i, c in enumerate(cuts)),
                  grid=x.T[:20].tolist(), grid_x=list(range(T + 1)), grid_y=list(range(21)),
                  grid_label="value", caption=f"20 of {F} features, noise 0.15.")  # fmt: skip


@experiment(
    "44",
    card="44",
    slug="perceptual-rewards",
    claim="Steps are found in a few demonstrations as the cuts that leave features most alike, few "
    "features tell each step, and their weighted, latched scores are a dense reward that teaches "
    "what a sparse one doesn't; steps of equal weight shrink under noise, weighted by length not.",
    source="step discovery, feature selection and reward, from memory of the paper; its robot and "
    "its videos are not here",
    provenance="reconstructed",
    smoke={"demos": 32, "episodes": 1100},
    mutants=(
        Mutant("steps of 5 frames or more", {"min_size": 5, "parts": ["exact"]}, (FOUND,)),
        Mutant("one best cut after another", {"search": "greedy", "parts": ["exact"]}, (BRUTE,)),
        Mutant("steps of one frame allowed", {"min_size": 1, "parts": ["noisy"], "demos": 16},
               (SEEN, AHEAD)),
        Mutant("weights exchanged", {"equal": "length", "length": "equal", "parts": ["noisy"]},
               (LOST, BELOW, LENGTH)),
        Mutant("deviation of few frames taken as unbiased",
               {"ratio": "unbiased", "parts": ["bias"]}, (SPREAD, LEAVES, SIDES)),
        Mutant("equal weights in the bias", {"length": "equal", "parts": ["bias"]}, (STAYS,)),
        Mutant("gap of means forgotten", {"alpha": 0.0, "parts": ["features"]}, (CHOSEN,)),
        Mutant("deviations forgotten", {"alpha": 1e9, "parts": ["features"]}, (NOISY,)),
        Mutant("every step counts alike", {"weights": "equal", "parts": ["reward"]}, (RISES,)),
        Mutant("no latch", {"order": "frame", "parts": ["reward"]},
               (LATCH, END, EARLY, STRICT)),
        Mutant("latch kept from one episode to the next",
               {"order": "no reset", "parts": ["reward"]}, (RANK,)),
        Mutant("no order", {"order": "no order", "parts": ["reward"]}, (EARLY, STRICT)),
        Mutant("paid on every frame", {"pays": "every frame", "parts": ["reward", "learning"]},
               (TOTAL, SHAPED)),
        Mutant("a way of one step", {"per_step": 1, "parts": ["learning"]}, (SPARSE,)),
    ),
)  # fmt: skip
def steps(
    *,
    parts: tuple[str, ...] | list[str] = ("exact", "noisy", "bias", "features", "reward",
                                          "learning", "drawn"),
    demos: int = 150,
    episodes: int = 1500,
    min_size: int = 3,
    search: str = "exhaustive",
    equal: str = "equal",
    length: str = "length",
    ratio: str = "exact",
    alpha: float = 5.0,
    weights: str = "powers",
    order: str = "running",
    pays: str = "differences",
    per_step: int = 3,
    seed: int = 0,
) -> Result:  # fmt: skip
    """demos : demonstrations of each noise; episodes : of the learner; per_step : states.

    parts : what is run; the others are broken by mutants.
    """
    made = {
        "exact": lambda: exact(draws(seed, 1), min_size, search),
        "noisy": lambda: noisy(seed, demos, equal, length, min_size),
        "bias": lambda: bias(draws(seed, 2), 400, length, ratio),
        "features": lambda: features(draws(seed, 3), alpha),
        "reward": lambda: reward(draws(seed, 4), 20, weights, order, pays),
        "learning": lambda: learning(seed, episodes, pays, per_step),
        "drawn": lambda: drawn(draws(seed, 6)),
    }
    return run_parts(made, parts, notes=(
        "At noise 0.2 equal weights are about as good as uniform cuts, not worse: they fall below "
        "at 0.25.",
        "The latch by gate pays a demonstration played backwards in full; a strict order doesn't.",
        "The door task, its videos and its image features are not reproduced.",
    ))  # fmt: skip
