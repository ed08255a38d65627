"""ACE-RL: a checklist of the instruction's own constraints, averaged with a length reward."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np

from toyrl.estimators.group import GroupEstimator
from toyrl.experiments.core import Mutant, Result, Table, experiment
from toyrl.experiments.lab.bandits import follow, sigmoid
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.groups import advantages, picked
from toyrl.experiments.lab.hacked import Hacked, who_hacks_what
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import CLOSED, ENUMERATED, SAMPLED, alone, apart, missed
from toyrl.experiments.lab.shared import shared
from toyrl.graders.writing.checklist import constraint_score, target_length_score
from toyrl.theory.group.spread import group_spread
from toyrl.theory.policies import softmax
from toyrl.theory.routed.checklists import (
    checklist_deviation,
    checklist_law,
    flip_correlation,
    flip_rate_matching,
    judge_correlation,
)

SECTIONS, FILLER, BLOCK, TARGET = 12, 12, 100.0, 500.0  # blocks of 100 words
ASKED = np.zeros((2, SECTIONS))
ASKED[0, [0, 1, 2, 3, 4]] = ASKED[1, [0, 5, 6, 7, 8]] = 1.0
NAMES = ("checklist and length", "checklist alone", "length alone", "one checklist, with length")
FULL, PART = np.array([0.5, 0.4, 0.6, 0.3, 0.5]), 0.2
KAPPA, NOISE, FLIP, GROUP = 0.4, 0.05, 0.05, 8
COUNTS = "a: documents that maximise each reward, against the counts by hand"
ONLY = "a: the sum's maximiser has R = 1, R_C = 1 and 500 words, largest error"
SINK = "a: the kitchen sink (all sections): R_C of A and B, R_L, R, largest error"
FILLED = "a: least R_C among the maximisers of the length alone"
EXCESS = "a: superfluous blocks among the maximisers of the checklist alone, most"
STATIC = "a: one checklist for both: its optimum and its maximisers' mean true R_C, largest error"
MEETS = "b: checklist and length: least true R_C of all runs"
KEEPS = "b: checklist and length: mean length off the target, most words of all runs"
LONG = "b: checklist alone: shortest mean length of all runs, words"
EMPTY = "b: length alone: true R_C, mean of all runs"
BLIND = "b: one checklist: true R_C, mean of all runs"
DEVIATION = "c: spread of R_C, closed form against sums and samples, largest error"
JUDGED = "c: correlation of a holistic judge, closed form against samples, error"
FLIPPED = "c: correlation after flips, closed form against samples, largest error over p, e, N"
CROSSING = "c: flip rate at which the judge is as good, against the closed forms' crossing"
LIVE = "c: groups with a signal, mean and all-or-nothing, against sums over laws, largest error"
LIVE_SAMPLED = "c: the same in samples, largest error"

trained = alone("sampled training", "the end of training has no closed form")


# -- documents -------------------------------------------------------------------------------------
def scores(has: np.ndarray, filler: np.ndarray, asked: np.ndarray, side: str = "both"
           ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """(R_C, R_L, words) of documents with sections (..., 12) and blocks of filler (...)."""
    words = BLOCK * (has.sum(-1) + filler)
    charged = np.minimum(words, TARGET) if side == "short" else words  # mutant: short texts alone
    return has @ asked / asked.sum(), np.asarray(target_length_score(charged, TARGET)), words


def rewarded(checks: np.ndarray, near: np.ndarray, static: np.ndarray, words: np.ndarray,
             combine: str) -> dict[str, np.ndarray]:  # fmt: skip
    """What each reward of `NAMES` pays; combine : "mean", or the mutant."""
    whole = {"checks": checks, "length": near}.get(combine, (checks + near) / 2)
    dense = np.minimum(1, TARGET / np.maximum(words, 1)) if combine == "dense" else 1.0
    length = checks * near if combine == "product" else near
    return dict(zip(NAMES, (whole, checks * dense, length, (static + near) / 2), strict=True))


@cache
def documents() -> tuple[np.ndarray, np.ndarray]:
    """All 2^12 x 13 documents: sections (K, 12), filler (K,)."""
    has = np.array(list(itertools.product((0.0, 1.0), repeat=SECTIONS)))
    return np.repeat(has, FILLER + 1, axis=0), np.tile(np.arange(FILLER + 1.0), len(has))


@cache
def spelled() -> list[str]:
    """Names of all documents: a 1 for each section that is there, + blocks of filler."""
    rows = ["".join(row) for row in itertools.product(".1", repeat=SECTIONS)]
    return [f"{row} +{f}" for row in rows for f in range(FILLER + 1)]


def found_by(which: int, combine: str, side: str, adaptive: bool) -> tuple[Hacked, np.ndarray]:
    """The documents under each reward, their worth that of Eq. 8; R_C of A and B (2, K)."""
    has, filler = documents()
    true = np.array([scores(has, filler, a)[0] for a in ASKED])
    checks, near, words = scores(has, filler, ASKED[which], side)
    paid = rewarded(checks, near, checks if adaptive else true.mean(0), words, combine)
    worth = (true[which] + scores(has, filler, ASKED[which])[1]) / 2
    return who_hacks_what(spelled(), paid, worth), true


def hacks(combine: str, side: str, adaptive: bool) -> Items:
    """Counts of maximisers and what goes wrong among them."""
    (f, true), (g, _) = (found_by(i, combine, side, adaptive) for i in (0, 1))
    has, filler = documents()
    blocks, hand = has.sum(-1) + filler, (ENUMERATED, "by hand")
    counts = np.array([f.count, g.count])
    yield missed(COUNTS, counts != np.array([1, 1664, 1586, 70]), np.zeros(counts.shape, bool),
                 hand)  # fmt: skip
    whole, checklist, length, static = f.best
    ends = [f.values[0].max(), true[0, whole].min(), *np.ptp(blocks[whole] - 5, keepdims=True)]
    yield apart(ONLY, [*ends, blocks[whole].max()], [1, 1, 0, 5], 1e-12, hand)
    full = [scores(np.ones((1, SECTIONS)), np.zeros(1), a, side) for a in ASKED]
    sum_of = rewarded(*full[0][:2], full[0][0], full[0][2], combine)[NAMES[0]]
    sink = np.concatenate([full[0][0], full[1][0], full[0][1], sum_of])
    yield apart(SINK, sink, [1, 1, 0, 0.5], 1e-12, hand)
    yield apart(FILLED, true[0, length].min(), 0, 0, hand)
    yield apart(EXCESS, (blocks - 5)[checklist].max(), 19, 0, hand)
    yield apart(STATIC, [f.values[3].max(), true[:, static].mean()], [0.8, 0.6], 1e-12, hand)
    yield f.table(caption="Instruction A: sections present, + blocks of filler.")
    yield who(f)


def who(f: Hacked) -> Any:
    """Eight telling documents under the four rewards."""
    shown = {
        "11111....... +0": "the five required", "111111111111 +0": "kitchen sink",
        "11111....... +12": "required, padded", "............ +5": "filler of 500 words",
        "111..11..... +0": "three of A, two of B", "1....1111... +0": "B's sections",
        "1........... +0": "one section", "............ +0": "nothing",
    }  # fmt: skip
    place = [f.arms.index(a) for a in shown]
    paid = dict(zip(f.rewards, f.values[:, place], strict=True))
    part = who_hacks_what(list(shown.values()), paid, f.utility[place])
    return part.picture("who", "Each half is hacked, their mean is not",
                        "Instruction A, eight of 53,248 documents.")  # fmt: skip


# -- training --------------------------------------------------------------------------------------
@shared
def runs(combine: str, side: str, adaptive: bool, seeds: int, updates: int, seed: int
         ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """(true R_C, mean words), each (updates + 1, 4 rewards, 2 instructions, seeds)."""
    rng, size = draws(seed), 32
    estimator = GroupEstimator(ddof=0.0, eps=1e-6)
    lead = (len(NAMES), 2, seeds)
    blocks = np.arange(FILLER + 1.0)

    def step(z: np.ndarray, _: int) -> np.ndarray:
        p, f = sigmoid(z[..., :SECTIONS]), softmax(z[..., SECTIONS:])
        has = (rng.random((*lead, size, SECTIONS)) < p[..., None, :]) * 1.0
        fill = picked(f, rng.random((*lead, size)))
        own, other = (has @ a / 5 for a in ASKED)
        checks = np.stack([own[:, 0], other[:, 1]], axis=1)
        near, words = scores(has, fill, ASKED[0], side)[1:]
        every = rewarded(checks, near, checks if adaptive else (own + other) / 2, words, combine)
        paid = np.stack([every[n][i] for i, n in enumerate(NAMES)])
        a = advantages(estimator, paid.reshape(-1, size)).reshape(paid.shape)[..., None]
        change = np.concatenate([(a * (has - p[..., None, :])).mean(-2),
                                 (a * ((fill[..., None] == blocks) - f[..., None, :])).mean(-2)],
                                axis=-1)  # fmt: skip
        return z + 0.5 * change

    path = follow(step, np.zeros((*lead, SECTIONS + FILLER + 1)), updates)
    p, f = sigmoid(path[..., :SECTIONS]), softmax(path[..., SECTIONS:])
    met = np.stack([p[:, :, i] @ a / 5 for i, a in enumerate(ASKED)], axis=2)
    return met, BLOCK * (p.sum(-1) + f @ blocks)


def training(combine: str, side: str, adaptive: bool, seeds: int, updates: int, seed: int
             ) -> Items:  # fmt: skip
    """Where sampled training of a policy for each instruction ends under the four rewards."""
    met, words = runs(combine, side, adaptive, seeds, updates, seed)
    end, size = met[-1].reshape(4, -1), words[-1].reshape(4, -1)
    yield trained(MEETS, float(end[0].min()), 0.95, ">=")
    yield trained(KEEPS, float(np.abs(size[0] - TARGET).max()), 60.0)
    yield trained(LONG, float(size[1].min()), 900.0, ">=")
    yield trained(EMPTY, float(end[2].mean()), 0.7)
    yield trained(BLIND, float(end[3].mean()), 0.7)
    yield Table("ends", ("reward", "true R_C", "least", "words", "fewest", "most"),
                [[n, *map(float, (e.mean(), e.min(), w.mean(), w.min(), w.max()))]
                 for n, e, w in zip(NAMES, end, size, strict=True)])  # fmt: skip
    for name, y, label in (("met", met, "true R_C"), ("words", words, "mean words")):
        yield lines(name, f"{label.capitalize()} in training", ("update", label),
                    {n: y[:, i].mean((1, 2)) for i, n in enumerate(NAMES)}, dashed=NAMES[1:],
                    caption="Means over two instructions and all seeds.")  # fmt: skip


# -- closed forms ----------------------------------------------------------------------------------
def judged(n: int, over: str, channel: str, seed: int) -> Items:
    """Spread, correlations and signal, against samples of verdicts."""
    rng = draws(seed, 1)
    u = rng.random((n, len(FULL)))
    s = np.where(u < FULL, 1.0, np.where(u < FULL + PART, 0.5, 0.0))
    checks = s.prod(-1) if over == "product" else s.mean(-1)
    law, value = checklist_law(FULL, PART), np.arange(2 * len(FULL) + 1) / (2 * len(FULL))
    v = float(checklist_deviation(FULL, PART))
    summed = float(np.sqrt(law @ value**2 - (law @ value) ** 2))
    # 2e5 samples: the deviation's error is v/sqrt(2n), 3e-4; a correlation's below 1/sqrt(n), 2e-3
    yield apart(DEVIATION, [v, v], [summed, checks.std()], 0.005, (CLOSED, *SAMPLED[1:]))
    rho = float(judge_correlation(KAPPA, NOISE, v))
    judge = KAPPA * checks + NOISE * rng.normal(size=n)
    grades = s.mean(-1)
    yield apart(JUDGED, rho, np.corrcoef(judge, grades)[0, 1], 0.005, SAMPLED)
    yield from flips(rho, n, channel, rng)
    paid = (checks.reshape(-1, GROUP), (s.min(-1) == 1).reshape(-1, GROUP))
    closed = [float(group_spread(law, value, GROUP)),
              float(group_spread(law, (value == 1) * 1.0, GROUP))]  # fmt: skip
    top = float(FULL.prod())
    yield apart(LIVE, closed, [1 - (law**GROUP).sum(), 1 - top**GROUP - (1 - top) ** GROUP], 1e-12,
                (CLOSED, ENUMERATED), claim=False)  # fmt: skip
    sampled = [float((np.ptp(x * 1.0, -1) > 0).mean()) for x in paid]
    # 25,000 groups: an error of 0.0022 on 0.135; 5 of them
    yield apart(LIVE_SAMPLED, closed, sampled, 0.011, SAMPLED)
    yield Table("checklist", ("quantity", "value"),
                [["std R_C", v], ["a group of 8 has a signal: mean", closed[0]],
                 ["a group of 8 has a signal: all or nothing", closed[1]],
                 ["R_C of labels, one unread",
                  constraint_score(["Fully Met", "Partially Met", "?", "Not Met"])]])  # fmt: skip


def counted(p: Any, e: Any, channel: str) -> np.ndarray:
    """Correlation of a verdict with itself after the channel, from their joint law."""
    miss = e if channel == "both ways" else 0 * e  # mutant: what is met is never missed
    both, q = p * (1 - miss), p * (1 - miss) + (1 - p) * e
    return (both - p * q) / np.sqrt(p * (1 - p) * q * (1 - q))


def flips(rho: float, n: int, channel: str, rng: Any) -> Items:
    """Verdicts turned round, at several p, e and N; where the judge is as good."""
    cases = [(0.5, FLIP, 5), (0.3, 0.2, 3), (0.8, 0.1, 1)]
    found = []
    for p, e, size in cases:
        true, turned = rng.random((n, size)) < p, rng.random((n, size)) < e
        seen = true ^ turned if channel == "both ways" else true | turned
        found.append(np.corrcoef(true.mean(-1), seen.mean(-1))[0, 1])
    want = [float(flip_correlation(np.array(p), np.array(e))) for p, e, _ in cases]
    yield apart(FLIPPED, want, found, 0.008, SAMPLED)
    e = np.linspace(0.0, 0.5, 101)
    curve = flip_correlation(np.array(0.5), e)
    star = float(flip_rate_matching(np.array(rho), np.array(0.5)))
    # at p = 1/2 the curve is a straight line, so that reading it off is exact
    crossing = float(np.interp(-rho, -counted(0.5, e, channel), e))
    yield apart(CROSSING, star, crossing, 1e-9, (CLOSED, ENUMERATED))
    sigma = np.linspace(0.0, 0.5, 101)
    yield lines("correlation", "A checklist that errs, a judge that is noisy",
                ("flip rate e, or noise sigma", "correlation with R_C"),
                {"checklist": curve,
                 "holistic judge": judge_correlation(KAPPA, sigma, checklist_deviation(FULL, PART)),
                 f"judge at sigma = {NOISE:g}": np.full_like(e, rho),
                 f"crossing, e = {star:.4f}": ([star], [rho])},
                x=e.tolist(), dashed=(f"judge at sigma = {NOISE:g}",),
                points=(f"crossing, e = {star:.4f}",))  # fmt: skip


@experiment(
    "55",
    card="55",
    slug="ace-rl",
    claim="A checklist of the instruction's own constraints and a length reward are each hacked "
    "alone, their mean is not; one checklist for all instructions loses 0.4. A checklist tells "
    "more than one grade for the whole as long as its verifier errs less than a closed form says.",
    source="Eqs. 6-8; documents, training and closed forms derived",
    provenance="second-hand",
    smoke={"updates": 200, "seeds": 5},
    mutants=[
        Mutant("the checklist for the sum", {"combine": "checks", "parts": "ab"},
               (COUNTS, ONLY, SINK, KEEPS)),
        Mutant("the length for the sum", {"combine": "length", "parts": "ab"},
               (COUNTS, ONLY, SINK, MEETS)),
        Mutant("only short texts are charged", {"side": "short", "parts": "ab"},
               (COUNTS, ONLY, SINK, KEEPS)),
        Mutant("the rival reads the instruction", {"adaptive": True, "parts": "ab"},
               (COUNTS, STATIC, BLIND)),
        Mutant("a length that is paid for what is met", {"combine": "product", "parts": "ab"},
               (COUNTS, FILLED, EMPTY)),
        Mutant("a checklist that charges for more", {"combine": "dense", "parts": "ab"},
               (COUNTS, EXCESS, LONG)),
        Mutant("all constraints or nothing", {"over": "product", "parts": "c"},
               (DEVIATION, JUDGED, LIVE_SAMPLED)),
        Mutant("flips one way", {"channel": "one way", "parts": "c"}, (FLIPPED, CROSSING)),
    ],
)  # fmt: skip
def run(
    *,
    combine: str = "mean",
    side: str = "both",
    adaptive: bool = False,
    over: str = "mean",
    channel: str = "both ways",
    parts: str = "abc",
    updates: int = 1500,
    seeds: int = 8,
    samples: int = 200_000,
    seed: int = 0,
) -> Result:
    """All documents enumerated, sampled training on two instructions, closed forms.

    updates, seeds : of training; samples : of verdicts
    combine : the two halves; side : of the target that is charged; adaptive : the rival checklist;
    over : the constraints; channel : of flips; parts : those run; all for mutants
    """
    # One checklist ends at any of 70 documents: R_C is 0.6 on average, 0.15 apart from run to run,
    # so that six seeds of two instructions stay below 0.7 by more than two standard errors.
    return run_parts(
        {
            "a": lambda: hacks(combine, side, adaptive),
            "b": lambda: training(combine, side, adaptive, seeds, updates, seed),
            "c": lambda: judged(samples, over, channel, seed),
        },
        parts,
    )
