"""PAR's design principles for every transform; what GRPO leaves of them; noise, statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toyrl.estimators.group import GroupEstimator
from toyrl.experiments.core import Mutant, Result, Table, experiment
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick, replaced
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import alone, apart, deviation, missed, same, sampled
from toyrl.rollouts import Rollouts
from toyrl.rollouts.memory import Store
from toyrl.shapers.base import Shaper
from toyrl.shapers.judge.bounded import (
    JudgeCentred,
    JudgeRaw,
    JudgeSigmoid,
    JudgeTanh,
    Lsc,
    Par,
    ParArctan,
    ParPolynomial,
    ParTanh,
    Sgfc,
)
from toyrl.shapers.judge.running import (
    SEEN,
    SQUARES,
    SUM,
    JudgeClip,
    JudgeMeanStd,
    JudgeMinMax,
    mean_and_std,
)
from toyrl.theory.judge.bounded import (
    hacks_tolerated,
    reference_noise,
    sampled_preference_excess,
    susceptibility,
)

GRPO, MEAN = GroupEstimator(eps=0.0), GroupEstimator(scale="none")
ESTIMATORS = {"grpo": GRPO, "mean": MEAN, "bare": GroupEstimator(baseline="none", eps=0.0)}
# bounded, steep first, a function of the gap to the reference
HOLDS = {"raw": (0, 1, 0), "judge sigmoid": (1, 1, 0), "judge tanh": (1, 1, 0),
         "centred": (0, 1, 1), "par": (1, 1, 1), "tanh": (1, 1, 1), "arctan": (1, 1, 1),
         "polynomial": (1, 0, 1), "sgfc": (1, 0, 1), "lsc": (0, 1, 1)}  # fmt: skip
AFFINE = ("centred", "meanstd", "minmax")
BENT = ("par", "tanh", "arctan", "polynomial", "sgfc", "lsc", "clip", "ceiling", "length")
TRUTHS = (
    "T1: transforms and principles (bounded, steep first, centred) that differ from their table"
)
INVISIBLE = "T2: GRPO's advantages of centred, mean-std and min-max less those of the raw score"
VISIBLE = "T2: least largest difference from them of PAR, tanh, ..., clip, ceiling and length term"
TWO = "T2: two scores in a group: largest difference between any two transforms' advantages"
CAP = "T2: largest advantage, one hack among 8, raw at R 1e6 and PAR, beside 7/sqrt(8)"
FREE = "T2: the same by the mean alone: raw over PAR"
CENTRE = "T2: references at 3 and at 0: largest difference of the un-centred sigmoid's advantages"
KEPT = "T2: the same of PAR's"
PUSHED = "T2: groups of references, an honest response and hacks whose sign isn't that of n/h - chi"
UNBIASED = "T3: policy gradient by sampled preferences less that by PAR"
EXCESS = "T3: what sampling adds to its covariance, largest error"
SEEN_NOISE = "T3: the same in one entry, from sampled responses"
MEANS = "T4: mean of PAR over sets of 1, 3 and 10 references, largest deviation in standard errors"
SPREADS = "T4: its variance over sets, beside 1/M, largest deviation in standard errors"
TOGETHER = "T5: running mean and deviation after batches, beside all scores at once, largest error"
INSIDE = "T5: min-max rewards outside of [0, 1], over all batches"
CRUSHED = "T5: range of the last batch's rewards, long after one hack, min-max"
SMALL = "T5: spread of honest rewards behind the hack over that before it, min-max"
SPARED = "T5: the same for PAR"


# -- broken rules ----------------------------------------------------------------------------------
def of_the_mean(self: Par, score: Any, r: Rollouts) -> Any:
    """Mutant: the sigmoid of the gap to the mean reference."""
    mean = r.fields["judge_references"].mean(-1)
    return self.squash(score - mean, r)


def before_update(_: Any, score: Any, seen: Mapping[str, Any]) -> Any:
    """Mutant: the batch is transformed by what was seen before its largest score."""
    low, high = seen["judge_lowest"], np.minimum(seen["judge_highest"], 1.0)
    return (score - low) / np.where(high > low, high - low, 1.0)


BROKEN: dict[str, dict[str, Any]] = {
    "as published": {},
    "of the mean": {"par": replaced(Par, transform=of_the_mean)},
    "linear": {"par": JudgeCentred},
    "late": {"minmax": replaced(JudgeMinMax, scaled=before_update)},
    "uncentred": {"par": JudgeSigmoid},
    "squashed min-max": {"minmax": JudgeSigmoid},
    "min-max": {"par": JudgeMinMax},
}


def shapers(rule: str) -> dict[str, Shaper]:
    """All transforms by name, one of them broken by `rule`."""
    own = pick(BROKEN, rule)
    return {"raw": JudgeRaw(), "judge sigmoid": JudgeSigmoid(), "judge tanh": JudgeTanh(),
            "centred": JudgeCentred(), "meanstd": JudgeMeanStd(), "clip": JudgeClip(),
            "minmax": own.get("minmax", JudgeMinMax)(), "par": own.get("par", Par)(),
            "tanh": ParTanh(), "arctan": ParArctan(), "polynomial": ParPolynomial(),
            "sgfc": Sgfc(), "lsc": Lsc(), "ceiling": JudgeRaw(ceiling=1.0),
            "length": JudgeRaw(length_rate=0.01)}  # fmt: skip


def judged(scores: Any, references: Any, length: Any = 1.0) -> Rollouts:
    """Rollouts (B, G) with these scores, and references (B, M) of each prompt."""
    x = np.atleast_2d(np.asarray(scores, dtype=float))
    ref = np.broadcast_to(np.asarray(references, dtype=float)[..., None, :],
                          (*x.shape, np.shape(references)[-1]))  # fmt: skip
    return Rollouts(0 * x, 0 * x + length, 1000.0,
                    fields={"judge": x, "judge_references": ref})  # fmt: skip


def advantages(shaper: Shaper, r: Rollouts, estimator: GroupEstimator = GRPO) -> np.ndarray:
    """(B, G) advantages of one batch."""
    return np.asarray(estimator.apply(shaper.apply(r).parts, r)[0])


# -- T1 --------------------------------------------------------------------------------------------
def principles(rule: str) -> Items:
    """Bounded, steep first, centred: each transform of a single score against one reference."""
    own, gap = shapers(rule), np.linspace(0, 8, 801)
    found = {}
    for name in HOLDS:
        f = own[name].reward(judged([[-1e6, 1e6]], [[0.0]]))[0]
        rise = np.asarray(own[name].reward(judged([gap], [[0.0]])))[0]
        moved = np.asarray(own[name].reward(judged([gap + 3.0], [[3.0]])))[0]
        slopes = np.diff(rise)
        steep = slopes.min() >= -1e-12 and np.diff(slopes).max() <= 1e-12
        found[name] = (np.abs(f).max() < 10, steep, np.abs(moved - rise).max() < 1e-12)
    yield missed(TRUTHS, list(found.values()), np.array(list(HOLDS.values()), bool),
                 ("shape of the function", "shapers"))  # fmt: skip
    yield Table("principles", ("transform", "bounded", "steep first", "centred"),
                [[n, *("yes" if x else "no" for x in row)]
                 for n, row in found.items()])  # fmt: skip
    x = np.linspace(-6, 8, 141)
    drawn = {n.replace("par", "PAR"): np.asarray(own[n].reward(judged([x], [[0.0]])))[0]
             for n in ("par", "tanh", "arctan", "polynomial", "sgfc")}  # fmt: skip
    yield lines("transforms", "What a score above the reference is paid",
                ("score above the reference", "reward"), drawn, x=x.tolist(),
                dashed=("polynomial",))  # fmt: skip


# -- T2 --------------------------------------------------------------------------------------------
def normalised(rule: str, estimator: GroupEstimator, groups: int, seed: int) -> Items:
    """Which of the principles GRPO's normalisation makes void."""
    rng, own = draws(seed, 2), shapers(rule)
    r = judged(2 * rng.normal(size=(groups, 8)) + rng.normal(size=(groups, 1)),
               rng.normal(size=(groups, 3)), rng.integers(200, 600, (groups, 8)))  # fmt: skip
    raw = advantages(own["raw"], r, estimator)
    gaps = {n: float(np.abs(advantages(own[n], r, estimator) - raw).max()) for n in own}
    yield apart(INVISIBLE, [gaps[n] for n in AFFINE], [0] * 3, 1e-9, ("affine", "estimator"))
    one = alone("random groups", "a difference that is there, not a number")
    yield one(VISIBLE, min(gaps[n] for n in BENT), 0.1, ">")
    two = judged(np.where(rng.random((groups, 8)) < 0.4, 1.0, -0.5), np.zeros((groups, 1)))
    every = np.array([advantages(own[n], two, estimator) for n in ("raw", *AFFINE, "par", "tanh",
                                                                   "sgfc", "lsc")])  # fmt: skip
    yield apart(TWO, np.ptp(every, axis=0), 0 * every[0], 1e-9, ("two levels", "estimator"))
    hack = judged([[0.0] * 7 + [1e6]], [[0.0]])
    top = {n: [float(advantages(own[n], hack, e).max()) for e in (estimator, MEAN)]
           for n in ("raw", "par")}  # fmt: skip
    most = 7 / np.sqrt(8)  # of a standard deviation over G - 1
    yield apart(CAP, [top["raw"][0], top["par"][0]], [most, most], 1e-9,
                ("closed form", "estimator"))  # fmt: skip
    yield one(FREE, top["raw"][1] / top["par"][1], 1e5, ">")
    x = rng.normal(size=(groups, 8))
    for name, which in ((CENTRE, "judge sigmoid"), (KEPT, "par")):
        both = [advantages(own[which], judged(x + c, np.full((groups, 1), c)), estimator)
                for c in (0.0, 3.0)]  # fmt: skip
        far = float(np.abs(both[1] - both[0]).max())
        yield one(name, far, *((0.5, ">") if name == CENTRE else (1e-9, "<=")))
    yield from pushed(own, estimator)
    yield Table("difference from the raw score's GRPO advantages", ("transform", "largest"),
                [[n, x] for n, x in gaps.items()])  # fmt: skip


def pushed(own: Mapping[str, Shaper], estimator: GroupEstimator) -> Items:
    """The sign of an honest response's advantage among references and hacks."""
    signs, want = [], []
    for name in ("raw", "par", "tanh", "arctan", "sgfc", "lsc"):
        for g in (1.0, 2.0, 3.0):
            f = np.asarray(own[name].reward(judged([[0.0, g, 40.0]], [[0.0]])))[0]
            most = float(hacks_tolerated(susceptibility(*f)))
            for n, h in ((1, 1), (5, 2), (2, 5), (6, 1)):
                r = judged([[0.0] * n + [g] + [40.0] * h], [[0.0]])
                signs.append(np.sign(advantages(own[name], r, estimator)[0, n].round(12)))
                want.append(np.sign(n * most - h))
    yield missed(PUSHED, signs, want, ("susceptibility", "estimator"))


# -- T3, T4 ----------------------------------------------------------------------------------------
def noise(rule: str, exponent: float, replicas: int, seed: int) -> Items:
    """A sampled preference in the place of its chance: the same gradient, more noise."""
    rng, p, scores = draws(seed, 3), np.array([0.7, 0.3]), np.array([-0.4, 1.5])
    s = np.asarray(shapers(rule)["par"].reward(judged([scores], [[0.0]])))[0]
    z = s**exponent  # the chance with which a preference is sampled
    psi = np.eye(2) - p

    def moments(chance: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = (p * chance) @ psi
        return mean, (psi * (p * second)[:, None]).T @ psi - np.outer(mean, mean)

    drawn, own = moments(z, z), moments(s, s**2)  # Z^2 = Z
    yield apart(UNBIASED, drawn[0], own[0], 1e-12)
    excess = sampled_preference_excess(p, 1 / (1 + np.exp(-scores)))
    yield apart(EXCESS, drawn[1] - own[1], excess, 1e-12)
    arm = (rng.random(replicas) < p[1]) * 1
    Z = rng.random(replicas) < z[arm]
    both = psi[arm][:, 1] ** 2 * (Z - s[arm] ** 2)  # the second moments' difference
    yield sampled(SEEN_NOISE, both, float(excess[1, 1]))


def references(rule: str, replicas: int, seed: int) -> Items:
    """How many references: the mean stays, the variance between sets falls as 1/M."""
    rng, shaper, score = draws(seed, 4), shapers(rule)["par"], 1.0
    sizes, means, spreads = (1, 3, 10), [], []
    for M in sizes:
        x = np.asarray(shaper.reward(judged(np.full((replicas, 1), score),
                                            rng.normal(size=(replicas, M)))))[:, 0]  # fmt: skip
        mean, var = reference_noise(score, M)
        means.append([x.mean(), x.std() / np.sqrt(replicas), mean])
        square = (x - mean) ** 2
        spreads.append([square.mean(), square.std() / np.sqrt(replicas), var])
    yield deviation(MEANS, *np.array(means).T)
    yield deviation(SPREADS, *np.array(spreads).T)
    yield Table("PAR of a score of 1 over sets of references", ("M", "mean", "spread"),
                [[m, float(a[2]), float(np.sqrt(b[2]))]
                 for m, a, b in zip(sizes, means, spreads, strict=True)])  # fmt: skip


# -- T5 --------------------------------------------------------------------------------------------
def running(rule: str, forgets: bool, seed: int) -> Items:
    """Statistics over all scores, kept by the store, and one hack that they never forget."""
    rng, own = draws(seed, 5), shapers(rule)
    scores = rng.normal(size=(20, 2, 8))
    scores[10, 0, 0] = 100.0
    stores = {n: Store.of(own[n]) for n in ("meanstd", "minmax", "par")}
    ranges, outside, gaps, last = {n: [] for n in stores}, [], [], scores[0]
    for k, x in enumerate(scores):
        r = judged(x, np.zeros((2, 3)))
        prompts = [f"p{2 * k}", f"p{2 * k + 1}"]
        for name, store in stores.items():
            if forgets:
                store.shared.clear()
            shaped = own[name].apply(r, store.gather(prompts, like=r.correct))
            store.merge(prompts, shaped)
            reward = np.asarray(shaped.parts["judge"])
            ranges[name].append(float(reward.std()))
            if name == "minmax":
                last = reward
                outside.append((reward < 0) | (reward > 1))
        kept = stores["meanstd"].gather(["p"])
        mean, std = mean_and_std(*(kept[n] for n in (SEEN, SUM, SQUARES)))
        seen = scores[: k + 1]
        gaps.append([mean.item() - seen.mean(), std.item() - seen.std()])
    yield apart(TOGETHER, gaps, np.zeros((20, 2)), 1e-9, ("all at once", "store"))
    yield missed(INSIDE, outside, np.zeros((20, 2, 8), bool), ("definition", "shaper"))
    share = {n: float(np.mean(x[11:]) / np.mean(x[5:10])) for n, x in ranges.items()}
    yield same(CRUSHED, np.ptp(last), np.ptp(scores[-1]) / (100.0 - scores.min()), 1e-12,
               ("closed form", "store"))  # fmt: skip
    one = alone("random batches", "a side of a number that another check finds twice")
    yield one(SMALL, share["minmax"], 0.1, "<")
    yield one(SPARED, share["par"], 0.7, ">")
    yield lines("one hack", "Spread of a batch's rewards", ("batch", "standard deviation"),
                {"min-max": ranges["minmax"], "PAR": ranges["par"]}, log_y=True,
                caption="Standard normal scores; one of 100 in batch 10.")  # fmt: skip


@experiment(
    "23-principles",
    card="23",
    slug="par-principles",
    claim="Of bounded, steep first and centred PAR has all three. Under GRPO's normalisation a "
    "bound and a centre alone change nothing, and neither does any affine transform; the shape "
    "does, by the susceptibility. A preference's chance is its sampled value without the noise.",
    source="design principles (abstract); transforms of the code; the rest derived",
    provenance="derived",
    smoke={"groups": 300, "replicas": 20_000},
    mutants=[
        Mutant("the sigmoid of the gap to the mean reference",
               {"rule": "of the mean", "parts": ("references",)}, (MEANS, SPREADS)),
        Mutant("a linear PAR", {"rule": "linear", "parts": ("principles", "grpo")},
               (TRUTHS, VISIBLE, FREE)),
        Mutant("references not subtracted",
               {"rule": "uncentred", "parts": ("principles", "grpo")}, (TRUTHS, KEPT)),
        Mutant("a squashed min-max", {"rule": "squashed min-max", "parts": ("grpo", "running")},
               (INVISIBLE, CRUSHED, SMALL)),
        Mutant("advantages by the mean alone", {"estimator": "mean", "parts": ("grpo",)},
               (INVISIBLE, TWO, CAP, CENTRE)),
        Mutant("advantages without a baseline", {"estimator": "bare", "parts": ("grpo",)},
               (INVISIBLE, PUSHED)),
        Mutant("preferences sampled by a sharper judge", {"exponent": 2.0, "parts": ("noise",)},
               (UNBIASED, EXCESS, SEEN_NOISE)),
        Mutant("transformed before the update", {"rule": "late", "parts": ("running",)}, (INSIDE,)),
        Mutant("min-max in PAR's place", {"rule": "min-max", "parts": ("running",)}, (SPARED,)),
        Mutant("statistics of the batch alone", {"forgets": True, "parts": ("running",)},
               (TOGETHER, CRUSHED, SMALL)),
    ],
)  # fmt: skip
def run(
    *,
    rule: str = "as published",
    estimator: str = "grpo",
    exponent: float = 1.0,
    forgets: bool = False,
    groups: int = 2000,
    replicas: int = 200_000,
    parts: Sequence[str] = ("principles", "grpo", "noise", "references", "running"),
    seed: int = 0,
) -> Result:
    """Principles of every transform, GRPO's view of them, noise of preferences and references.

    groups : random ones; replicas : sampled responses, and sets of references; parts : which to run
    rule : "as published", or one of the broken ones in `BROKEN`; estimator : one of
    `ESTIMATORS`; exponent : of the sampled chance; forgets : statistics of a batch; all for mutants
    """
    own = {
        "principles": lambda: principles(rule),
        "grpo": lambda: normalised(rule, pick(ESTIMATORS, estimator), groups, seed),
        "noise": lambda: noise(rule, exponent, replicas, seed),
        "references": lambda: references(rule, replicas, seed),
        "running": lambda: running(rule, forgets, seed),
    }
    return run_parts(own, parts, (
        "Whether a transform is steep first is asked of gaps from 0 to 8; the fitted polynomial "
        "bends back from 3.9 on and jumps down at 5.",
    ))  # fmt: skip
