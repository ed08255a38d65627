"""Phrases of reasoning as a reward: a peak, then a decline; loops; a reward model calibrated."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
from scipy.special import ndtr

from toyrl.experiments.core import Mutant, Result, Table, experiment
from toyrl.experiments.lab.bandits import follow
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import alone, apart, deviation, mean_error, missed, same
from toyrl.experiments.lab.shared import shared
from toyrl.graders.base import TextRow
from toyrl.graders.patterns import PHRASES, ReasoningPatterns, calibrate
from toyrl.theory.writing.patterns import (
    loop_share,
    loop_waste,
    phrase_accuracy,
    phrase_drift,
    phrase_pay,
    ranking_accuracy,
)

DIVISOR, LIMIT, GAIN, RATE, START = 20, 30, 0.15, 2.5, 1.0
TAU, ALPHA = 0.5, 0.1
M = np.arange(200)  # P(m >= 200) < 1e-60 for the means that are met
GRID = np.linspace(0, 1, 21)
COUNTS = (0, 1, 7, 19, 20, 21, 40)
ROUNDS = (1, 2, 5, 7, 8, 20, 400)
STATED = (0.6645, 0.770, 0.660, 0.761, 0.789, 0.758)
PAID = "e: texts of 0 to 40 phrases, said thrice: the grader's pay against min(1, m/20)"
FORMULA = "e: mean pay, its slope and accuracy against sums over m, largest error"
PEAK = "e: best accuracy on the way against the closed form's largest"
HIGH = "e: best accuracy on the way, at a mean of about 20 phrases"
FALLS = "e: accuracy at the end, over the best"
RISES = "e: updates in which the mean pay falls"
LOOPS = "g: released ratio of loops of 3 to 50 words against its closed form, largest error"
PASSES = "g: 20 phrases in a loop of 400 rounds are paid, released penalty"
STOPPED = "g: the same, penalty 1 - distinct/all"
INFORMED = "f: ranking of low pairs: gain by patterns that know something"
BLIND = "f: ranking of low pairs: gain by patterns that don't, distance from -0.005"
SAMPLED = "f: six accuracies, pairs drawn against quadrature, standard errors"
KEPT = "f: scores from tau on that calibration changes"
BOUNDED = "f: calibrated scores outside [score, min(1, score + alpha)]"
trained = alone("exact ascent", "the end of training has no closed form; its formulas are checked")
graded = alone("grader", "the number is the grader's own; LOOPS has its law")
by_quadrature = alone("quadrature", "pairs are drawn as a second route in SAMPLED")


# -- e: paid for phrases ---------------------------------------------------------------------------
def poisson(lam: np.ndarray) -> np.ndarray:
    """(..., 200) chances of m phrases."""
    log = M * np.log(lam[..., None]) - lam[..., None]
    return np.exp(log - np.concatenate([[0.0], np.cumsum(np.log(M[1:]))]))


def decline(limit: int, formula_limit: int, counted: str, overlong: str, updates: int) -> Items:
    """Gradient ascent of the mean pay in the mean number of phrases."""
    once = ReasoningPatterns(repetition="none")
    found = [once.grade([TextRow("", " | ".join(PHRASES[:m] * 3))])[0] for m in COUNTS]
    times = pick({"once": 1, "each time": 3}, counted)
    want = np.minimum(1, times * np.array(COUNTS) / DIVISOR)
    yield apart(PAID, found, want, 1e-15, ("grader", "by hand"))
    lam = np.array([1e-3, 0.7, 5.0, 20.0, 40.0])
    known = partial(phrase_accuracy, gain=GAIN, limit=formula_limit)
    step = 1e-4  # central differences: errors of step^2 and 1e-16/step, below 1e-8
    slope = (phrase_pay(lam + step) - phrase_pay(lam - step)) / (2 * step)
    pay, right = np.minimum(1, M / DIVISOR), (1 - np.exp(-GAIN * M)) * (limit >= M)
    law = poisson(lam)
    yield apart(FORMULA, np.r_[phrase_pay(lam), known(lam), slope],
                np.r_[law @ pay, law @ right, phrase_drift(lam)], 1e-8)  # fmt: skip
    path = follow(lambda x, _: x + RATE * phrase_drift(x), np.array([START]), updates)[:, 0]
    law = poisson(path)
    accuracy, paid = law @ right, law @ (pay * ((limit >= M) | (overlong == "paid")))
    best = int(accuracy.argmax())
    grid = np.linspace(0, 60, 60_001)
    yield same(PEAK, accuracy[best], known(grid).max(), 1e-4, ("exact ascent", "closed form"))
    yield trained(HIGH, float(accuracy[best]), 0.9, ">")
    yield trained(FALLS, float(accuracy[-1] / accuracy[best]), 0.5, "<")
    yield missed(RISES, np.diff(paid) < 0, np.zeros(updates, bool), ("sums over m", "slope"))
    yield lines("patterns-decline", "Paid for phrases of reasoning",
                ("update", "mean pay, accuracy"), {"pay": paid, "accuracy": accuracy},
                caption="More phrases help until thoughts run into the limit; the pay sees no end."
                )  # fmt: skip
    rows = [[said, int(i), float(path[i]), float(paid[i]), float(accuracy[i])]
            for said, i in (("start", 0), ("best", best), ("end", updates))]  # fmt: skip
    yield Table("phrases", ("where", "update", "mean phrases", "pay", "accuracy"), rows,
                f"Poisson phrases, {LIMIT} fit, full pay at {DIVISOR}.")  # fmt: skip


# -- g: loops --------------------------------------------------------------------------------------
def loops(released: str, sound: str) -> Items:
    """What repeats is charged, as released and soundly."""
    rules = {name: ReasoningPatterns(repetition=name) for name in ("released", "distinct")}
    mine, other = pick(rules, released), pick(rules, sound)
    cases = list(itertools.product((3, 19, 20, 50), ROUNDS))
    text = [" ".join(f"w{i}" for i in range(w)) for w, _ in cases]
    rows = [TextRow("", " ".join([t] * k)) for t, (_, k) in zip(text, cases, strict=True)]
    found = [[g.facts["repetition"] for g in rule.grade_parts(rows)] for rule in (mine, other)]
    want = [[law(w, k) for w, k in cases] for law in (loop_share, loop_waste)]
    yield apart(LOOPS, found, want, 1e-15, ("grader", "closed form"))
    thought = " ".join(p.strip() for p in PHRASES[:20])
    rounds = (*range(1, 41), 400)
    pay = [
        rule.grade([TextRow("", f"{thought} so " * k) for k in rounds]) for rule in (mine, other)
    ]
    yield graded(PASSES, pay[0][-1], 0.99, ">")
    yield graded(STOPPED, pay[1][-1], 0.01, "<")
    yield lines("patterns-loops", "A thought of 20 phrases, said again and again",
                ("times it is said", "pay"),
                {"released penalty": pay[0][:-1], "1 - distinct/all": pay[1][:-1]},
                x=rounds[:-1], caption="The released ratio counts distinct repeats over all "
                "20-grams: it is felt for a few rounds and vanishes in a loop.")  # fmt: skip


# -- f: a reward model calibrated ------------------------------------------------------------------
def cells(middle: float, spread: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and chances of a normal clipped to [0, 1]: atoms at both ends, n cells between."""
    edges = np.linspace(0, 1, n + 1)
    below = ndtr((edges - middle) / spread)
    points = np.r_[0.0, (edges[1:] + edges[:-1]) / 2, 1.0]
    return points, np.r_[below[0], np.diff(below), 1 - below[-1]]


def laws(kind: str, right: int) -> tuple[np.ndarray, ...]:
    """(N, 1) scores, (1, M) pattern scores, and their chances (N, 1), (1, M)."""
    score, chance = cells(0.4 + 0.2 * right, 0.2, 1000)
    middle, spread = {"informed": (0.3 + 0.5 * right, 0.15), "blind": (0.5, 0.25)}[kind]
    pattern, weight = cells(middle, spread, 100)
    return score[:, None], pattern[None], chance[:, None], weight[None]


def exact(kind: str, alpha: float, low: bool) -> float:
    """Ranking accuracy by quadrature; low : of pairs below tau alone."""
    found = []
    for right in (1, 0):
        score, pattern, chance, weight = laws(kind, right)
        keep = (score < TAU) | (not low)
        value = calibrate(score, pattern, tau=TAU, alpha=alpha)
        found.append((value.ravel(), (chance * keep * weight).ravel()))
    (a, u), (b, v) = found
    return ranking_accuracy(a, b, u, v)


@shared
def before_and_after(informed: str, blind: str) -> list[float]:
    """Accuracies of pairs below tau and of all pairs: plain, and raised by either pattern."""
    cases = ((informed, 0.0), (informed, ALPHA), (blind, ALPHA))
    return [exact(kind, strength, low) for low in (True, False) for kind, strength in cases]


@shared
def by_alpha(kind: str) -> list[float]:
    """Accuracy of pairs below tau along `GRID`."""
    return [exact(kind, a, True) for a in GRID]


def drawn(rng: Any, kind: str, pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """(2, pairs) scores and pattern scores of right and wrong answers."""
    right = np.array([[1.0], [0.0]])
    score = np.clip(0.4 + 0.2 * right + 0.2 * rng.standard_normal((2, pairs)), 0, 1)
    middle, spread = (0.3 + 0.5 * right, 0.15) if kind == "informed" else (0.5, 0.25)
    return score, np.clip(middle + spread * rng.standard_normal((2, pairs)), 0, 1)


def order(value: np.ndarray) -> np.ndarray:
    """1, 0, or a half for ties, of each pair (2, pairs)."""
    return (np.sign(value[0] - value[1]) + 1) / 2


def calibration(rng: Any, pairs: int, informed: str, blind: str, tau: float, alpha: float
                ) -> Items:  # fmt: skip
    """Ranking before and after, of pairs whose scores are both low, and of all."""
    kinds = {"informed": informed, "blind": blind}
    want, mean, error = before_and_after(kinds["informed"], kinds["blind"]), [], []
    for low in (True, False):
        for kind, strength in (("informed", 0.0), ("informed", ALPHA), ("blind", ALPHA)):
            score, pattern = drawn(rng, kind, pairs)
            after = calibrate(score, pattern, tau=TAU, alpha=strength * alpha / ALPHA)
            both = order(after)[(score < TAU).all(0) | (not low)]
            for found, x in zip((mean, error), mean_error(both), strict=True):
                found.append(x)
    yield by_quadrature(INFORMED, want[1] - want[0], 0.08, ">")
    yield by_quadrature(BLIND, abs(want[2] - want[0] + 0.005), 0.01)
    # The largest of six: 4.5 errors are exceeded by chance once in 25,000 runs.
    yield deviation(SAMPLED, mean, error, want, ("quadrature", "simulation"), sigmas=4.5)
    names = [f"{which}, {said}" for which in ("both below 0.5", "all pairs")
             for said in ("plain", "patterns that know", "patterns that don't")]  # fmt: skip
    rows = [list(row) for row in zip(names, want, mean, error, STATED, strict=True)]
    yield Table("calibration", ("pairs", "quadrature", "drawn", "its error", "stated"), rows,
                "Ranking accuracy of right over wrong; stated: the notes on paper 25, sampled."
                )  # fmt: skip
    score, pattern = drawn(rng, "informed", 10_000)
    after = calibrate(score, pattern, tau=tau, alpha=alpha)
    yield missed(KEPT, after[score >= TAU], score[score >= TAU], ("calibrated", "as it was"))
    outside = (after < score) | (after > np.minimum(1, score + ALPHA))
    yield missed(BOUNDED, outside, np.zeros_like(outside), ("calibrated", "bounds"))
    curves = {"patterns that know": by_alpha("informed"),
              "patterns that don't": by_alpha("blind")}  # fmt: skip
    yield lines("patterns-calibration", "A reward model's low scores, raised by patterns",
                ("alpha", "ranking accuracy, both scores below 0.5"), curves, x=GRID.tolist(),
                caption="What patterns know is gained; what they don't know costs little at "
                "alpha = 0.1, more later.")  # fmt: skip


@experiment(
    "25-patterns",
    card="25",
    slug="reasoning-patterns",
    claim="Paying for phrases of reasoning raises accuracy to a peak and then lowers it while the "
    "pay goes on rising; the released penalty does not stop loops; added to a reward model's low "
    "scores, patterns that know something improve its ranking and others hardly harm it.",
    source="section 3, figure 9; code trestad/Noisy-Rewards-in-Learning-to-Reason, "
    "math_score.py, fsdp_workers.py; toy models derived",
    provenance="derived",
    smoke={"pairs": 17_000},
    mutants=(
        Mutant("phrases are counted each time", {"counted": "each time", "parts": ["e"]}, (PAID,)),
        Mutant("the limit is left out of the formula", {"formula_limit": 10**6, "parts": ["e"]},
               (FORMULA, PEAK)),
        Mutant("10 phrases fill a thought", {"limit": 10, "parts": ["e"]}, (HIGH,)),
        Mutant("thoughts of any length fit", {"limit": 10**6, "parts": ["e"]}, (FALLS,)),
        Mutant("thoughts that are too long are not paid", {"overlong": "unpaid", "parts": ["e"]},
               (RISES,)),
        Mutant("the sound penalty in the place of the released", {"released": "distinct",
               "parts": ["g"]}, (LOOPS, PASSES)),
        Mutant("the released penalty in the place of the sound", {"sound": "released",
               "parts": ["g"]}, (LOOPS, STOPPED)),
        Mutant("patterns know nothing", {"informed": "blind", "parts": ["f"]},
               (INFORMED, SAMPLED)),
        Mutant("patterns always know", {"blind": "informed", "parts": ["f"]}, (BLIND, SAMPLED)),
        Mutant("every score is raised", {"tau": 2.0, "parts": ["f"]}, (KEPT,)),
        Mutant("patterns added twice", {"alpha": 0.2, "parts": ["f"]}, (BOUNDED, SAMPLED)),
    ),
)  # fmt: skip
def reasoning_patterns(
    *,
    parts: tuple[str, ...] | list[str] = ("e", "g", "f"),
    updates: int = 3000,
    pairs: int = 100_000,
    limit: int = LIMIT,
    formula_limit: int = LIMIT,
    counted: str = "once",
    overlong: str = "paid",
    released: str = "released",
    sound: str = "distinct",
    informed: str = "informed",
    blind: str = "blind",
    tau: float = TAU,
    alpha: float = ALPHA,
    seed: int = 0,
) -> Result:
    """updates : of the mean number of phrases; pairs : drawn; the others are broken by mutants.

    parts : e training on phrases, g loops, f calibration
    """
    made = {
        "e": lambda: decline(limit, formula_limit, counted, overlong, updates),
        "g": lambda: loops(released, sound),
        "f": lambda: calibration(draws(seed), pairs, informed, blind, tau, alpha),
    }
    return run_parts(made, parts, notes=(
        "The toy's accuracy is 0.130 at its start of one phrase; 0.145 is that after one update.",
        "The peak is the toy's: where it lies depends on how many phrases fit below the limit.",
    ))  # fmt: skip
