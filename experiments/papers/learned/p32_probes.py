"""Probing a reward model: normal laws, what a pairwise test can't see, a distance filter in RL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from toyrl.estimators.group import PRESETS
from toyrl.estimators.near import KeepNear
from toyrl.experiments.core import (
    Check,
    Curve,
    Mutant,
    Picture,
    Result,
    Table,
    experiment,
)
from toyrl.experiments.lab.bandits import ascend
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import SAMPLED, alone, beyond, deviation
from toyrl.models.reward.centroids import (
    DIMENSIONS,
    CentroidProbe,
    keep_at_random,
    keep_near,
    most_of,
    screened,
)
from toyrl.models.reward.probes import probe_report
from toyrl.rollouts import Rollouts
from toyrl.theory.learned import probes as law
from toyrl.theory.policies import tilt, tilt_to_kl

P = len(DIMENSIONS)
BEST = "a: best linear probe's accuracy, most standard errors from Phi(m/2)"
PAIRS = "a: accuracy of the scalar head on pairs, most standard errors from the law"
SIGNS = "a: telling x > 0, most standard errors from 1 - arccos(rho)/pi"
TIED = "b: pairwise accuracy of the two models, law, difference"
TIED_DRAWN = "b: pairwise accuracy of the two models, standard errors of the difference"
DIFFER = "b: mean probe accuracy, less that of the model of one attribute"
MISSING = "b: accuracy on the five missing attributes, most errors from 1/2"
GAIN = "c: gold gained by the tilt at equal KL, most standard errors from rho sd sqrt(2 kappa)"
MEAN = "c: correlation over models of mean probe accuracy and gold gained"
SINGLE = "c: the same of one dimension, strengths independent, largest"
SHARED = "c: the same of one dimension, strengths shared, least"
SHARE = "d: kept share around a centroid, most standard errors from the law"
ENDS = "d: gold of the strongest tilt, with the filter less without, least over seeds"
FILTER = "d: gold after training, with the filter less without, least over seeds"
SPEED = "e: expected gradient under random discard over the whole, most errors from the law"
SLOWER = "e: random discard at a quarter of the steps: reward model's score less that without"
SHIELD = "e: random discard at a quarter of the steps: gold less that without, by 4 errors"
SAME_END = "e: random discard at the end: far arms' share less that without, size"
BELOW = "e: random discard at the end: gold less that with the filter"
COSTS = "e: without far arms, gold at a quarter of the steps under discard less that without"
INSIDE = "f: gold at the best threshold less that at the two ends, smaller, by 4 errors"
PATH = "a sampled trainer's path has no closed form"
ARMS, FAR, GROUP, RATE = 40, 10, 8, 0.3
trained = alone("simulation", PATH)


# -- a ---------------------------------------------------------------------------------------------
def gaussian(rule: str, samples: int, seed: int) -> Items:
    """Two normal classes in four features, three strengths; attributes of three correlations."""
    rng, D = draws(seed, 1), 4
    root = rng.normal(size=(D, D))
    S = root @ root.T + 0.3 * np.eye(D)
    gap, head, rhos = rng.normal(size=D), rng.normal(size=D), np.array([-0.3, 0.2, 0.9])
    scale = np.array([0.3, 1.0, 2.5])
    found, want = np.zeros((2, 3)), np.zeros((2, 3))
    h = rng.normal(size=(samples, D)) @ np.linalg.cholesky(S).T
    for k, s in enumerate(scale):
        better = h[::2] + s * gap / 2
        worse = h[1::2] - s * gap / 2
        w = np.linalg.solve(S, gap)
        found[0, k] = ((better @ w > 0).mean() + (worse @ w < 0).mean()) / 2
        found[1, k] = ((better - worse) @ head > 0).mean()
        own = np.eye(D) if rule == "covariance ignored" else S
        want[0, k] = law.probe_accuracy(s * gap, own)
        want[1, k] = law.pairwise_accuracy(head, s * gap, own)
    if rule == "no half":
        want[0] = [ndtr(s * np.sqrt(gap @ np.linalg.solve(S, gap))) for s in scale]
        want[1] = ndtr(scale * (head @ gap) / np.sqrt(head @ S @ head))
    for k, (name, n) in enumerate(((BEST, samples), (PAIRS, samples // 2))):
        yield deviation(name, found[k], np.sqrt(want[k] * (1 - want[k]) / n), want[k])
    x, noise = rng.normal(size=(2, samples))
    right = np.array([((r * x + np.sqrt(1 - r**2) * noise > 0) == (x > 0)).mean() for r in rhos])
    p = ndtr(rhos) if rule == "no half" else law.sign_accuracy(rhos)
    yield deviation(SIGNS, right, np.sqrt(p * (1 - p) / samples), p)


# -- b ---------------------------------------------------------------------------------------------
def content(encoded: int, matched: bool, samples: int, seed: int) -> Items:
    """A model of six attributes and one of `encoded`; pairs differ in the first attribute alone."""
    rng, e, n = draws(seed, 2), 1.2, samples // 20
    strength = np.zeros((2, P))
    strength[0] = e
    head = np.zeros((2, P))
    head[0] = 1.0  # its noise is that of six features
    strength[1, 0], head[1, 0] = e / np.sqrt(P) if matched else e, 1.0
    strength[1, 1:encoded] = e
    gap = 2 * strength * np.eye(P)[0]  # the better of a pair has x = 1, the worse -1
    exact = [law.pairwise_accuracy(head[m], gap[m], np.eye(P)) for m in (0, 1)]
    yield Check(TIED, abs(exact[0] - exact[1]), 0.01, "<", routes=("law", "scale of the head"))
    x, y = rng.normal(size=(n, P)), rng.normal(size=(2, n, P))
    h = strength[:, None] * x + y
    pairs = [((rng.normal(size=(n, P)) - rng.normal(size=(n, P)) + gap[m]) @ head[m] > 0)
             for m in (0, 1)]  # fmt: skip
    own = np.array([q.mean() for q in pairs])
    error = float(np.sqrt((own * (1 - own)).sum() / n))
    yield deviation(TIED_DRAWN, own[0] - own[1], error, 0.0)
    labels = {name: (x[:, p] > 0) * 1.0 for p, name in enumerate(DIMENSIONS)}
    seen = np.array([list(probe_report(h[m], labels).values()) for m in (0, 1)])
    want = law.sign_accuracy(strength / np.sqrt(strength**2 + 1))
    held = np.sqrt(0.25 / (0.3 * n))
    found = min(float((k[0] - k[1]).mean()) for k in (seen, want))
    yield Check(DIFFER, found, 0.2, ">", routes=("law", "fitted probes, held out"))
    yield deviation(MISSING, seen[1, 1:], held, 0.5, SAMPLED)
    rows = [*DIMENSIONS, "pairwise test"]
    yield Picture(
        "content", "Equal on pairs, not in what they know", "accuracy", "",
        curves=[Curve(label, [*map(float, seen[m]), float(own[m])], list(range(len(rows))),
                      style="points" if m else "line")
                for m, label in enumerate(("encodes six attributes", "encodes one"))],
        labels=rows, caption=f"{n} texts, probes judged on the 30 % held out; pairs that differ in "
        "one attribute alone.",
    )  # fmt: skip


# -- c ---------------------------------------------------------------------------------------------
def alignment(quality: str, shuffled: bool, root: float, models: int, samples: int, seed: int
              ) -> Items:  # fmt: skip
    """Models that know six attributes more or less; gold gained by the tilt at one KL."""
    rng, kappa = draws(seed, 3), 0.2
    e = {"independent": rng.uniform(0, 1.5, (models, P))}
    shared = rng.uniform(0, 1.5, (models, 1)) + 0.2 * rng.normal(size=(models, P))
    e["shared"] = np.maximum(shared, 0)
    some = e["independent"][:4]
    gold, error = np.zeros(4), np.zeros(4)
    for m, own in enumerate(some):
        x = rng.normal(size=(80, samples // 200, P))  # 20 batches have a tail of their own
        r = (own * x + rng.normal(size=x.shape)) @ (own / (own**2 + 1))
        base = np.full(r.shape[-1], 1 / r.shape[-1])
        tilted = [tilt(base, k, tilt_to_kl(base, k, kappa)) for k in r]
        gains = [float(p @ R - R.mean()) for p, R in zip(tilted, x.sum(-1), strict=True)]
        gold[m], error[m] = np.mean(gains), np.std(gains) / np.sqrt(len(gains))
    want = law.tilted_gain(law.encoded_correlation(some), kappa, np.sqrt(P)) * root
    yield deviation(GAIN, gold, error, want)

    def found(kind: str) -> tuple[np.ndarray, np.ndarray, list[float]]:
        seen = e[kind]
        told = law.sign_accuracy(seen / np.sqrt(seen**2 + 1))
        told = told[rng.permutation(models)] if shuffled else told
        gain = law.tilted_gain(law.encoded_correlation(seen), kappa, np.sqrt(P))
        return told.mean(-1), gain, [float(np.corrcoef(t, gain)[0, 1]) for t in told.T]

    drawn = alone("law", "models are drawn at random; a, and the gain, check the law's parts")
    told, gain, single = found(quality)
    yield drawn(MEAN, float(np.corrcoef(told, gain)[0, 1]), 0.95, ">")
    yield drawn(SINGLE, max(single), 0.7, "<")
    yield drawn(SHARED, min(found("shared")[2]), 0.8, ">")
    yield lines("alignment", "Models whose probes do well gain more gold",
                ("mean probe accuracy", "gold gained"), {"a reward model": (told, gain)},
                most=models, points=("a reward model",),
                caption=f"{models} models of independent strengths; KL {kappa} nats.")  # fmt: skip


# -- d, e, f ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Bandits:
    """Arms (S, ARMS) of S seeds: the last `FAR` are far from every centroid and overpaid."""

    distance: np.ndarray
    score: np.ndarray
    gold: np.ndarray
    most: np.ndarray  # (S,) the filter's threshold


def bandits(seeds: int, centred_on: str, rng: Any) -> Bandits:
    """Centroids of 12 classes; 30 arms among them, 10 at 3 times the threshold and more."""
    near, distance, most = ARMS - FAR, [], []
    for _h in rng.normal(size=(seeds, 2000, P)):
        h = rng.normal(size=(near, P))
        away = rng.normal(size=(FAR, P))
        probe = CentroidProbe().fit(_h, np.where(_h > 0, 1.0, 0.0))
        limit = most_of(probe.novelty(h), 0.95)
        away *= (3 * limit + 2) / np.linalg.norm(away, axis=-1, keepdims=True)
        every = np.concatenate([h, away])
        if centred_on == "policy":
            probe = CentroidProbe().fit(every, np.where(np.eye(ARMS) > 0, 1.0, np.nan))
        distance.append(probe.novelty(every))
        most.append(limit)
    gold = np.concatenate([rng.uniform(-1, 1, (seeds, near)), np.full((seeds, FAR), -1.0)], -1)
    score = gold + 0.05 * rng.normal(size=gold.shape)
    score[:, near:] = score[:, :near].max(-1, keepdims=True) + 1
    return Bandits(np.array(distance), score, gold, np.array(most))


def train(world: Bandits, most: np.ndarray, dropped: np.ndarray, closed: np.ndarray, steps: int,
          rng: Any) -> np.ndarray:  # fmt: skip
    """(steps + 1, C, S, ARMS) policies of C settings, by sampled groups.

    most : (C, S) thresholds; dropped : (C,) chance of a random discard; closed : (C,) without far
    arms
    """
    C, S = most.shape
    with np.errstate(divide="ignore", invalid="ignore"):
        apart_ = world.distance / most[..., None]  # in thresholds: one estimator serves all
    rule, one = KeepNear(PRESETS["grpo"], 1.0), np.ones((C * S, GROUP))

    def change(policy: np.ndarray, _: int) -> np.ndarray:
        edge = policy.cumsum(-1)[..., :-1]
        arm = (rng.random((S, GROUP))[..., None] > edge[..., None, :]).sum(-1)

        def of(values: np.ndarray) -> np.ndarray:
            wide = np.broadcast_to(values, (C, S, ARMS))
            return np.take_along_axis(wide, arm, -1).reshape(C * S, GROUP)

        kept = np.stack([keep_at_random((S, GROUP), q, rng) for q in dropped])
        reward = screened(of(world.score), kept.reshape(C * S, GROUP))
        r = Rollouts(one, one, 1.0, fields={"probe_distance": of(apart_)})
        a = rule.apply({"reward": reward}, r)[0].reshape(C, S, GROUP)
        taken = np.zeros((C, S, ARMS))
        place = np.arange(C)[:, None, None], np.arange(S)[None, :, None], arm
        np.add.at(taken, place, a)
        return RATE / GROUP * (taken - policy * a.sum(-1, keepdims=True))

    start = np.zeros((C, S, ARMS))
    start[closed, :, ARMS - FAR :] = -1e9
    return ascend(change, start, steps)


def training(centred_on: str, discard: float, filtered: bool, seeds: int, steps: int, seed: int
             ) -> Items:  # fmt: skip
    """No filter, a distance filter, random discard; thresholds from none to all."""
    rng = draws(seed, 4)
    world = bandits(seeds, centred_on, rng)
    grid = np.array([0.0, 0.3, 0.5, 0.7, 0.85, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])
    own = [np.inf, 1.0 if filtered else np.inf, np.inf, np.inf, np.inf, *grid]
    most = np.array(own)[:, None] * world.most
    dropped = np.array([0.0, 0.0, discard, 0.0, discard, *(0 * grid)])
    closed = np.arange(len(own)) // 3 == 1
    closed[5:] = False
    path = train(world, most, dropped, closed, steps, rng)
    gold, score = (path * world.gold).sum(-1), (path * world.score).sum(-1)
    far = path[..., ARMS - FAR :].sum(-1)
    base = np.full(ARMS, 1 / ARMS)
    sharp, direct = [], []
    for d, r, g, m in zip(world.distance, world.score, world.gold, world.most, strict=True):
        kept = keep_near(d, m if filtered else np.inf)
        left = base * kept / (base * kept).sum()
        sharp.append(float((tilt(left, r, 500.0) - tilt(base, r, 500.0)) @ g))
        direct.append(float(g[np.where(kept, r, -np.inf).argmax()] - g[r.argmax()]))
    found = min(*sharp, *direct)
    yield Check(ENDS, found, 0.5, ">", routes=("tilt", "gold of the best-scored arm"))
    yield trained(FILTER, float((gold[-1, 1] - gold[-1, 0]).min()), 0.5, ">")
    early = steps // 4
    for name, values, side in ((SLOWER, score[early, 2] - score[early, 0], "<"),
                               (SHIELD, gold[early, 2] - gold[early, 0], ">"),
                               (COSTS, gold[early, 4] - gold[early, 3], "<")):  # fmt: skip
        mean, error = values.mean(), values.std() / np.sqrt(seeds)
        yield beyond(name, mean, error, 0.0, side, ("simulation",), why_one_route=PATH)
    end = far[-1].mean(-1)
    yield trained(SAME_END, abs(float(end[2] - end[0])), 0.05)
    yield trained(BELOW, float((gold[-1, 2] - gold[-1, 1]).max()), -1.0, "<")
    last = gold[-1, 5:]
    top = int(last.mean(-1).argmax())
    rise = [last[top] - last[k] for k in (0, -1)]
    least = min(float(x.mean() - 4 * x.std() / np.sqrt(seeds)) for x in rise)
    yield trained(INSIDE, least, 0.0, ">")
    names = ("no filter", "distance filter", "random discard")
    at = list(range(0, steps + 1, max(steps // 100, 1)))
    for key, title, y in (("gold", "Gold under three filters", gold),
                          ("far", "Share of far, overpaid arms", far)):  # fmt: skip
        yield lines(key, title, ("step", "gold" if key == "gold" else "share"),
                    {n: y[at, k].mean(-1) for k, n in enumerate(names)}, x=at,
                    caption=f"Means of {seeds} seeds.")  # fmt: skip
    yield lines(
        "threshold", "Too narrow learns nothing, too wide is hacked",
        ("threshold, in 95 % quantiles of the near arms", "gold at the end"),
        {"gold": last.mean(-1)}, x=grid.tolist(), caption=f"Means of {seeds} seeds.",
    )  # fmt: skip
    yield Table("filters", ("filter", "gold, quarter", "gold, end", "far share, quarter",
                            "far share, end"),
                [[n, *(float(x[t, k].mean()) for x in (gold, far) for t in (early, -1))]
                 for k, n in enumerate(names)])  # fmt: skip


def laws(rule: str, samples: int, seed: int) -> Items:
    """Kept shares around a centroid, and the speed of training under random discard."""
    rng, D, n = draws(seed, 5), P, samples // 4
    most, d = np.array([1.5, 2.5, 3.5]), np.array([0.0, 1.0, 3.0])
    h = rng.normal(size=(n, D))
    probe = CentroidProbe().fit(np.zeros((1, D)), np.zeros(1))
    seen = np.array([[keep_near(probe.novelty(h + x * np.eye(D)[0]), m).mean() for x in d]
                     for m in most])  # fmt: skip
    p = law.kept_share(most[:, None], 0 * d if rule == "all at the centroid" else d, D)
    yield deviation(SHARE, seen, np.sqrt(p * (1 - p) / n), p)
    q, runs = 0.4, samples // 10
    arm = rng.random((runs, GROUP)) < 0.5
    reward = screened(arm * 1.0, keep_at_random((runs, GROUP), q, rng))
    one, found, want = np.ones((runs, GROUP)), [], []
    whole = {"none": 0.25, "mean": 0.25 * (GROUP - 1) / GROUP, "leave_one_out": 0.25}
    for baseline, full in whole.items():
        scheme = {"none": "reinforce", "mean": "dr_grpo", "leave_one_out": "rloo"}[baseline]
        a = PRESETS[scheme].apply({"r": reward}, Rollouts(one, one, 1.0))[0]
        found.append((a * (arm - 0.5)).mean(-1) / full)
        want.append(law.discard_speed(q, GROUP, "none" if rule == "share alone" else baseline))
    mean, error = np.mean(found, -1), np.std(found, -1) / np.sqrt(runs)
    yield deviation(SPEED, mean, error, want)


@experiment(
    "32",
    card="32",
    slug="mrm-probing",
    claim="A linear probe says what a reward model knows where a pairwise test can't; models whose "
    "probes do well align better; dropping texts that lie far from what was probed keeps training "
    "from overpaid ones, which dropping as many at random does not.",
    source="sections 3 to 5 (second-hand for inference-time probing) and code wangclnlp/MRMBench; "
    "toys derived",
    provenance="second-hand",
    smoke={"samples": 150_000, "seeds": 5},
    mutants=(
        Mutant("the covariance ignored", {"rule": "covariance ignored", "parts": ["gaussian"]},
               (BEST, PAIRS)),
        Mutant("a text's own side for the gap of two", {"rule": "no half", "parts": ["gaussian"]},
               (BEST, PAIRS, SIGNS)),
        Mutant("both models know all", {"encoded": P, "parts": ["content"]}, (DIFFER, MISSING)),
        Mutant("the head's noise from six features forgotten", {"matched": False,
                                                                "parts": ["content"]},
               (TIED, TIED_DRAWN)),
        Mutant("probes of another model", {"shuffled": True, "parts": ["alignment"]},
               (MEAN, SHARED)),
        Mutant("one quality behind all", {"quality": "shared", "parts": ["alignment"]}, (SINGLE,)),
        Mutant("KL without its 2", {"root": 0.5**0.5, "parts": ["alignment"]}, (GAIN,)),
        Mutant("every text lies at its centroid", {"rule": "all at the centroid",
                                                   "parts": ["laws"]}, (SHARE,)),
        Mutant("discard slows by its share whatever the baseline", {"rule": "share alone",
                                                                    "parts": ["laws"]}, (SPEED,)),
        Mutant("centroids of what the policy writes", {"centred_on": "policy",
                                                       "parts": ["training"]},
               (ENDS, FILTER, BELOW, INSIDE)),
        Mutant("no filter", {"filtered": False, "parts": ["training"]}, (ENDS, FILTER, BELOW)),
        Mutant("nothing is discarded", {"discard": 0.0, "parts": ["training"]},
               (SLOWER, SHIELD, COSTS)),
        Mutant("nearly all is discarded", {"discard": 0.97, "parts": ["training"]}, (SAME_END,)),
    ),
)  # fmt: skip
def probes(
    *,
    rule: str = "published",
    encoded: int = 1,
    matched: bool = True,
    quality: str = "independent",
    shuffled: bool = False,
    root: float = 1.0,
    centred_on: str = "labelled",
    discard: float = 0.25,
    filtered: bool = True,
    models: int = 300,
    samples: int = 400_000,
    seeds: int = 20,
    steps: int = 500,
    parts: Sequence[str] = ("gaussian", "content", "alignment", "laws", "training"),
    seed: int = 0,
) -> Result:
    """Normal laws, equal pairwise tests, alignment, filters.

    models, samples, seeds, steps : how much is drawn and trained; discard : chance of the control;
    parts : which to run; the others are for mutants
    """
    own = {
        "gaussian": lambda: gaussian(rule, samples, seed),
        "content": lambda: content(encoded, matched, samples, seed),
        "alignment": lambda: alignment(quality, shuffled, root, models, samples, seed),
        "laws": lambda: laws(rule, samples, seed),
        "training": lambda: training(centred_on, discard, filtered, seeds, steps, seed),
    }
    return run_parts(own, parts, (
        "The published runs (PPO 57.3, random discard 54.3, distance filter 62.5 win rate) are not "
        "repeated: the toy shows the mechanism.",
    ))  # fmt: skip
