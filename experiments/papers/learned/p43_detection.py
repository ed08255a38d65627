"""A reward model as a detector of aligned texts: gap, AUROC, its ceiling, what training makes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from toyrl.experiments.core import Check, Mutant, Result, experiment
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import CLOSED, apart, deviation, missed, same
from toyrl.experiments.papers.learned.p43_training import (
    ANSWERS,
    CHAIN,
    STRONG,
    TILTED,
    by_pairs,
    trained,
    world,
)
from toyrl.theory.detection import pairs as dp
from toyrl.theory.detection import tilted as dt
from toyrl.theory.policies import kl, tilt
from toyrl.theory.preference.nash import jeffreys
from toyrl.theory.selection.best_of_k import best_of_k

TILTS = np.linspace(0, 5, 20)[1:]
GAP = "1: gap against beta x (KL + reverse KL), largest error"
VARIANCE = "1: gap against the integral of the reward's variance along the tilt, largest error"
MISMATCH = "4: gap of a mismatched reward against the integral of its covariance, largest error"
FALLS = "3: steps of beta at which AUROC falls"
START = "3: (AUROC(h) - 1/2)/h at h = 1e-3 against Gini's mean difference / 4"
END = "3: AUROC at beta = 1e-6 against 1 - P0(best)/2"
BINARY = "3: reward 0 or 1: AUROC by pairs against (1 + gap)/2, largest error"
NORMAL = "3: normal reward: AUROC of samples, standard errors from Phi(t s/sqrt(2))"
BEST = "3: best of n among 4,000 equal answers: AUROC against n/(n + 1), largest error"
CEILING = "4: scores of 5,000 at random whose AUROC is above that of the reward"
BELOW = "4: a reward model of correlation -0.3: AUROC"
CONCAVE = "4: places at which the reward's ROC curve bends upwards"
RATIO = "5: trained scores less log p1/p0, largest spread"
REACHED = "5: AUROC of trained scores below the ceiling, largest"
GAINED = "5: AUROC gained by training from a noisy reward model, least of 3"
ORDER = "6: mean log ratio of texts of 6 segments against enumeration, largest error"
MEDIAN = "6: mean of mixed text: least distance from a person's and a model's"
REPLAY = "7: replay weights at which the scores move further from the start"
REPLAYED = "7: scores at replay weight 1e-9 and 1e9 against their limits, largest error"
SUM = "2: released loss of a batch twice over: growth of its replay part"
THIRD = "2: released loss with (LM, HU) alone, no penalties: over the pair loss"


# -- 1, 3: gap and AUROC along the tilt ------------------------------------------------------------
def integral(p: np.ndarray, r: np.ndarray, s: np.ndarray, t: float, at_base: bool) -> float:
    """int_0^t Cov_u(s, r) du by Gauss and Legendre; at_base : the base's covariance throughout."""
    x, w = np.polynomial.legendre.leggauss(40)
    law = tilt(p, r, (x + 1) / 2 * t * (0 if at_base else 1))
    cov = (law * s * r).sum(-1) - (law * s).sum(-1) * (law * r).sum(-1)
    return float(w @ cov * t / 2)


def gaps(rng: Any, divergence: str, at_base: bool) -> Items:
    """The gap by three routes, for the reward and for a mismatched one."""
    p, r = world(rng)
    other = 0.6 * r + 0.8 * rng.standard_normal(ANSWERS)
    laws, gap = tilt(p, r, TILTS), dt.reward_gap(p, r, TILTS)
    both = pick({"both": [jeffreys(q, p) for q in laws], "forward": kl(laws, p)}, divergence)
    routes = ("rewards", "divergences")
    yield apart(GAP, gap, np.array(both) / TILTS, 1e-10, routes)
    by_parts = [[integral(p, r, s, t, at_base) for t in TILTS] for s in (r, other)]
    yield apart(VARIANCE, gap, by_parts[0], 1e-10, ("rewards", "quadrature"))
    yield apart(MISMATCH, dt.reward_gap(p, r, TILTS, other), by_parts[1], 1e-10,
                ("rewards", "quadrature"))  # fmt: skip
    yield lines("detect-gap", "Reward gained over the base", ("1/beta", "reward"),
                {"gap": gap, "beta x (KL + reverse KL)": np.array(both) / TILTS,
                 "beta x KL": kl(laws, p) / TILTS}, x=TILTS.tolist(),
                points=("beta x (KL + reverse KL)",),
                caption="Fifty answers, normal rewards: two routes to one number.")  # fmt: skip
    line = 0.5 + TILTS * dt.gini_mean_difference(p, r) / 4
    found = {name: [float(dt.auroc(q, p, s)) for q in laws] for name, s in
             (("the reward", r), ("a mismatched reward", other))}  # fmt: skip
    yield lines("detect-auroc", "Telling the aligned policy from the base", ("1/beta", "AUROC"),
                found | {"1/2 + GMD/(4 beta)": np.minimum(line, 1)}, x=TILTS.tolist(),
                dashed=("1/2 + GMD/(4 beta)",),
                caption="The reward is the best detector of the policy that it trained."
                )  # fmt: skip


def mismatched(r: np.ndarray, rng: Any) -> np.ndarray:
    """A reward model of correlation -0.3."""
    return -0.3 * r + np.sqrt(1 - 0.09) * rng.standard_normal(len(r))


def curve(rng: Any, statistic: str, ties: float, slope: float, root: float, among: bool, drawn: int
          ) -> Items:  # fmt: skip
    """AUROC along the tilt: monotone, its start, its end, and laws in closed form.

    ties : what an equal pair counts; slope : Gini's difference over the slope at 0; root : variance
    of a difference over the reward's; among : the draw compared with is one of the n
    """
    p, r = world(rng)
    own = pick({"reward": r, "mismatched": mismatched(r, rng)}, statistic)
    falls = np.diff(by_pairs(tilt(p, r, np.r_[0, TILTS]), p, own, ties)) < 0
    yield missed(FALLS, falls, dt.auroc_slope(p, r, TILTS) < 0, ("pairs", "covariance"))
    h = 1e-3
    start = float(by_pairs(tilt(p, r, h), p, r, 0.5) - 0.5) / h
    yield same(START, start, dt.gini_mean_difference(p, r) / slope, 1e-3, ("pairs", CLOSED))
    end = float(by_pairs(tilt(p, r, 1e6), p, r, ties))
    yield same(END, end, 1 - p[np.argmax(r)] / 2, 1e-9, ("pairs", CLOSED))
    base, pay, times = np.array([0.7, 0.3]), [0.0, 1.0], np.array([0.3, 1.0, 4.0])
    yield apart(BINARY, by_pairs(tilt(base, pay, times), base, pay, ties),
                (1 + dt.reward_gap(base, pay, times)) / 2, 1e-12, ("pairs", CLOSED))  # fmt: skip
    noise = 0.8 * rng.standard_normal((2, 2, drawn))
    got = np.array([dt.sampled_auroc(t * 0.8**2 + x, y)
                    for t, (x, y) in zip((0.5, 1.5), noise, strict=True)])  # fmt: skip
    yield deviation(NORMAL, got[:, 0], got[:, 1],
                    dt.gaussian_auroc(np.array([0.5, 1.5]) * np.sqrt(2 / root), 0.8))  # fmt: skip
    equal, score, n = np.full(4000, 1 / 4000), np.arange(4000.0), np.array([2, 4, 16])
    yield apart(BEST, dt.auroc(best_of_k(equal, score, n), equal, score),
                dt.best_of_n_auroc(n - among), 16 / 4000, ("classes", CLOSED))  # fmt: skip


# -- 4: no better score ----------------------------------------------------------------------------
def ceiling(rng: Any, statistic: str, tries: int) -> Items:
    """Random scores against the reward; a mismatched reward; the curve's shape."""
    p, r = world(rng)
    law = tilt(p, r, STRONG)
    off = mismatched(r, rng)
    own = pick({"reward": r, "mismatched": off}, statistic)
    top = float(dt.auroc(law, p, own))
    near = r + rng.standard_normal((tries // 2, ANSWERS)) * rng.random((tries // 2, 1))
    scores = np.concatenate([near, rng.standard_normal((tries - tries // 2, ANSWERS))])
    others = [float(dt.auroc(law, p, s)) for s in scores]
    routes = ("Neyman and Pearson", "scores drawn at random")
    yield Check(CEILING, float((np.array(others) > top + 1e-12).sum()), 0, "==", routes=routes)
    yield Check(BELOW, float(dt.auroc(law, p, off)), 0.5, "<", claim=False)
    x, y = dt.roc_curve(law, p, own)
    slope = np.diff(y) / np.diff(x)
    yield Check(CONCAVE, float((np.diff(slope) > 1e-9).sum()), 0, "==",
                routes=("Neyman and Pearson", "slopes of the curve"))  # fmt: skip


# -- 2, 5, 7: training -----------------------------------------------------------------------------
def training(rng: Any, labels: str) -> Items:
    """Tabular scores trained on pairs, from a noisy reward model: three worlds."""
    spread, below, gained = [], [], []
    paths: dict[str, np.ndarray] = {}
    for k in range(3):
        p, r = world(rng)
        law, start = tilt(p, r, STRONG), r + rng.standard_normal(ANSWERS)
        pair = pick({"right": (law, p), "reversed": (p, law), "ignored": (p, p)}, labels)
        scores = start if labels == "ignored" else dp.trained_detector(*pair, start)
        spread.append(np.ptp(scores - np.log(law / p)))
        best, after = dt.best_auroc(law, p), float(dt.auroc(law, p, scores))
        below.append(best - after)
        gained.append(after - float(dt.auroc(law, p, start)))
        weights = np.geomspace(1e2, 1e-6, 25)
        path = [float(dt.auroc(law, p, dp.trained_detector(*pair, start, replay=a)))
                for a in weights] if k == 0 else []  # fmt: skip
        if path:
            paths = {"trained": np.array(path), "before": np.full(25, after - gained[0]),
                     "best of any score": np.full(25, best)}  # fmt: skip
            yield lines("detect-training", "A detector trained with less and less replay",
                        ("1/replay weight", "AUROC"), paths, x=(1 / weights).tolist(), log_x=True,
                        dashed=("before", "best of any score"),
                        caption="One score an answer, all pairs.")  # fmt: skip
    routes = ("Newton's method", "log density ratio")
    yield Check(RATIO, float(max(spread)), 1e-3, routes=routes)
    yield Check(REACHED, float(max(below)), 1e-6, routes=routes)
    yield Check(GAINED, float(min(gained)), 0.02, ">=", routes=routes)


def replayed(rng: Any, form: str, pulled: str) -> Items:
    """Replay: its two limits, its order, and how the released loss counts it.

    pulled : what replay draws the scores to, the "start" or "zero"
    """
    p, r = world(rng)
    law, start = tilt(p, r, STRONG), r + rng.standard_normal(ANSWERS)
    to = pick({"start": start, "zero": 0 * start}, pulled)
    weights = np.geomspace(1e-5, 1e3, 12)
    far = [np.linalg.norm(dp.trained_detector(law, p, to, replay=a) - start) for a in weights]
    yield missed(REPLAY, np.diff(far) > 1e-9, np.zeros(11, bool), ("Newton's method", "convexity"))
    want = np.log(law / p)
    ends = [dp.trained_detector(law, p, to, replay=a) for a in (1e-9, 1e9)]
    yield apart(REPLAYED, [ends[0] - ends[0].mean(), ends[1]], [want - want.mean(), start], 1e-3,
                ("Newton's method", "limits"))  # fmt: skip
    lm, mix, hu = rng.standard_normal((3, 8))
    own, teacher = rng.standard_normal((2, 5))
    plain = dp.detector_loss(lm, mix, hu, form=form)
    twice = [dp.detector_loss(lm, mix, hu, np.tile(own, n), np.tile(teacher, n), form=form) - plain
             for n in (1, 2)]  # fmt: skip
    yield same(SUM, twice[1] / twice[0], 2.0, 1e-9, ("loss of batches", "sum over the batch"))
    single = dp.detector_loss(lm, mix, hu, weights=(0, 1, 0), logit_l2=0.0, form=form)
    yield same(THIRD, single / np.logaddexp(0, hu - lm).mean(), 1 / 3, 1e-12,
               ("loss", "mean of three pairs"))  # fmt: skip


# -- 6: mixed text ---------------------------------------------------------------------------------
def mixed(rng: Any, reverse: bool, segments: int) -> Items:
    """Short texts, enumerated by segments; reverse : one divergence for both directions."""
    q1, q0 = rng.dirichlet(np.ones(3), 2)
    ratio, found = np.log(q1 / q0), []
    for model in range(segments + 1):
        laws = [q1] * model + [q0] * (segments - model)
        found.append(sum(float(np.prod([law[i] for law, i in zip(laws, text, strict=True)]))
                         * ratio[list(text)].sum()
                         for text in itertools.product(range(3), repeat=segments)))  # fmt: skip
    rho = np.arange(segments + 1) / segments
    up = segments * float(kl(q1, q0))
    want = up * (2 * rho - 1) if reverse else dp.mixed_text_score(q1, q0, segments, rho)
    yield apart(ORDER, found, want, 1e-10)
    half = want[segments // 2]
    yield Check(MEDIAN, float(min(half - found[0], found[-1] - half)), 1e-9, ">",
                routes=("closed form", "enumeration"))  # fmt: skip


@experiment(
    "43",
    card="43",
    slug="remodetect",
    claim="A reward tells the policy that it trained from the base: the gap is beta times both "
    "KLs, its AUROC rises with 1/beta and no score has a larger one; training on pairs finds the "
    "density ratio, and mixed text lies between.",
    source="section 3 and released code hyunseoklee-ai/ReMoDetect, scripts/train.py; theory "
    "derived in theory/detection",
    provenance="code",
    smoke={"tries": 1000, "drawn": 50_000, "updates": 3000},
    mutants=(
        Mutant("one KL in the place of both", {"divergence": "forward", "parts": ["gaps"]}, (GAP,)),
        Mutant("the base's variance all along", {"at_base": True, "parts": ["gaps"]},
               (VARIANCE, MISMATCH)),
        Mutant("ties count nothing", {"ties": 0.0, "parts": ["curve", "trained"]},
               (END, BINARY, CHAIN)),
        Mutant("Gini's difference over 2", {"slope": 2.0, "parts": ["curve"]}, (START,)),
        Mutant("the draw compared with is one of the n", {"among": True, "parts": ["curve"]},
               (BEST,)),
        Mutant("the other draw's noise is forgotten", {"root": 1.0, "parts": ["curve"]}, (NORMAL,)),
        Mutant("a mismatched reward as the best score",
               {"statistic": "mismatched", "parts": ["curve", "ceiling"]},
               (FALLS, CEILING, CONCAVE)),
        Mutant("labels reversed", {"labels": "reversed", "parts": ["training"]},
               (RATIO, REACHED, GAINED)),
        Mutant("pairs ignored", {"labels": "ignored", "parts": ["training"]},
               (RATIO, REACHED, GAINED)),
        Mutant("replay as a mean, pairs as a sum", {"form": "paper", "parts": ["replayed"]},
               (SUM, THIRD)),
        Mutant("replay draws to 0", {"pulled": "zero", "parts": ["replayed"]},
               (REPLAY, REPLAYED)),
        Mutant("one divergence for both directions", {"reverse": True, "parts": ["mixed"]},
               (ORDER,)),
        Mutant("texts of one sentence, of which none is rephrased",
               {"segments": 1, "parts": ["mixed"]}, (MEDIAN,)),
        Mutant("no KL in training", {"anchor": 0.0, "parts": ["trained"]}, (TILTED,)),
    ),
)  # fmt: skip
def remodetect(
    *,
    parts: tuple[str, ...] | list[str] = ("gaps", "curve", "ceiling", "training", "replayed",
                                          "mixed", "trained"),
    tries: int = 5000,
    drawn: int = 200_000,
    updates: int = 5000,
    divergence: str = "both",
    at_base: bool = False,
    ties: float = 0.5,
    slope: float = 4.0,
    root: float = 2.0,
    among: bool = False,
    statistic: str = "reward",
    labels: str = "right",
    form: str = "released",
    pulled: str = "start",
    reverse: bool = False,
    segments: int = 6,
    anchor: float = 1.0,
    seed: int = 0,
) -> Result:  # fmt: skip
    """tries : random scores; drawn : from normal rewards; updates : of the bandit.

    parts : what is run; the others are broken by mutants.
    """
    made = {
        "gaps": lambda: gaps(draws(seed), divergence, at_base),
        "curve": lambda: curve(draws(seed, 1), statistic, ties, slope, root, among, drawn),
        "ceiling": lambda: ceiling(draws(seed, 2), statistic, tries),
        "training": lambda: training(draws(seed, 3), labels),
        "replayed": lambda: replayed(draws(seed, 4), form, pulled),
        "mixed": lambda: mixed(draws(seed, 5), reverse, segments),
        "trained": lambda: trained(draws(seed, 6), anchor, updates, ties),
    }
    return run_parts(made, parts, notes=(
        "Detection is no measure of quality: a policy that hacks its reward is the easier to tell.",
        "Inside the release the pair weights contradict each other: 0.3, 1, 0.3 in the argument "
        "parser, 0.35, 1, 0.35 in the script.",
    ))  # fmt: skip
