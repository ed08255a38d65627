"""Reward models beside PAR: small scores (Reg), averaged parameters (WARM), two heads (ODIN)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from toyrl.experiments.core import Mutant, Result, Table, experiment
from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import alone, apart, deviation, jackknife
from toyrl.models.linear import BradleyTerry, LinearScorer, averaged
from toyrl.models.reward.two_heads import Odin

REG = 0.005
MODELS = 5
SHARP = (1.0, 2.0, 4.0, 8.0)  # steepness of the annotators' preferences
SMALLER = "T1: mean squared score with Reg over without, sharpest annotators, largest"
SOFT = "T1: the same of the most doubtful annotators, least"
ACCURATE = "T1: accuracy on new pairs, Reg less without, largest difference"
LOSS = "T1: slope of the loss of Reg at its scorer, largest entry"
AVERAGE = "T2: score of averaged parameters less average of scores, largest"
FIFTH = (
    "T2: variance of the averaged scorer over that of one, deviation in standard errors from 1/5"
)
LONG = "T3: correlation of Bradley-Terry's scores with length, least of the worlds"
FREE = "T3: the same of ODIN's quality head, largest absolute"
OTHER = "T3: the same of ODIN's other head, least"
PICKED = "T3: length of the best of 16, in deviations: ODIN, largest absolute mean"
fitted = alone("fits", "scores fitted to a sample of pairs have no closed form")


def unscaled(scorers: Sequence[LinearScorer]) -> LinearScorer:
    """Mutant: the arrays are averaged as they stand, each in units of its own."""
    parts = [[getattr(s, name) for s in scorers] for name in ("weight", "mean", "scale", "bias")]
    return LinearScorer(*(np.mean(x, axis=0) for x in parts))


AVERAGES: dict[str, Callable[[Sequence[LinearScorer]], LinearScorer]] = {
    "parameters": averaged, "arrays": unscaled, "first": lambda scorers: scorers[0],
}  # fmt: skip


def world(rng: np.random.Generator, pairs: int, liking: float, scale: float
          ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """(features (N, 5), pairs (M, 2) winner first, quality (N,), length (N,)) of one annotator.

    Quality and length correlate by 0.5; the annotator likes `liking` times the length besides.
    """
    n = pairs
    quality = rng.normal(size=n)
    length = 0.5 * quality + np.sqrt(0.75) * rng.normal(size=n)
    x = np.column_stack([quality + 0.3 * rng.normal(size=n), length + 0.1 * rng.normal(size=n),
                         0.5 * quality + rng.normal(size=n), rng.normal(size=(n, 2))])  # fmt: skip
    left = rng.integers(0, n, pairs)
    both = np.stack([left, (left + rng.integers(1, n, pairs)) % n], axis=-1)
    worth = scale * (quality + liking * length)
    wins = rng.random(pairs) < 1 / (1 + np.exp(-(worth[both[:, 0]] - worth[both[:, 1]])))
    spend(pairs * 50)  # Newton's steps on them
    return x, np.where(wins[:, None], both, both[:, ::-1]), quality, length


# -- T1 --------------------------------------------------------------------------------------------
def held(magnitude: float, clipped: bool, worlds: int, pairs: int, seed: int) -> Items:
    """Scores of annotators from doubtful to sharp: how large they are, and what they still tell."""
    rng, found, slope = draws(seed, 1), [], 0.0
    for sharp in np.repeat(SHARP, worlds):
        x, own, *_ = world(rng, pairs, 0.0, float(sharp))
        new, asked, *_ = world(rng, pairs, 0.0, float(sharp))
        plain, reg = BradleyTerry().fit(x, own), BradleyTerry(magnitude=magnitude).fit(x, own)
        scores = [s.score(new) for s in (plain, reg)]
        if clipped:
            scores[1] = np.clip(scores[0], -1, 1)
        right = [float((s[asked[:, 0]] > s[asked[:, 1]]).mean()) for s in scores]
        found.append([float((s**2).mean()) for s in scores] + right)
        slope = max(slope, float(np.abs(_slope(reg, x, own)).max()))
    found = np.array(found).reshape(len(SHARP), worlds, 4)
    share, gap = found[..., 1] / found[..., 0], found[..., 3] - found[..., 2]
    yield fitted(SMALLER, float(share[-1].max()), 0.5, "<")
    yield fitted(ACCURATE, float(np.abs(gap).max()), 0.01)
    yield fitted(SOFT, float(share[0].min()), 0.8, ">", claim=False)
    yield apart(LOSS, [slope], [0], 1e-8, ("gradient", "Newton"))
    columns = ("sharpness", "mean squared score", "with Reg", "accuracy", "with Reg, accuracy")
    yield Table("scores and accuracy", columns,
                [[s, *x.mean(0).tolist()] for s, x in zip(SHARP, found, strict=True)])  # fmt: skip
    grid, x = np.geomspace(1e-4, 0.1, 13), world(rng, pairs, 0.0, 4.0)
    size = [
        float((BradleyTerry(magnitude=m).fit(x[0], x[1]).score(x[0]) ** 2).mean()) for m in grid
    ]
    yield lines("magnitude", "What the penalty on scores leaves", ("weight", "mean squared score"),
                {"training rows": size}, x=grid.tolist(), log_x=True,
                caption="Annotator of sharpness 4; the released weight is 0.005.")  # fmt: skip


def _slope(s: LinearScorer, x: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """(F + 1,) of the mean loss of Reg, with the ridge, in weights and bias."""
    z, r, m = (x - s.mean) / s.scale, s.score(x), len(pairs)
    gap = z[pairs[:, 0]] - z[pairs[:, 1]]
    lose = np.exp(-np.logaddexp(0, r[pairs[:, 0]] - r[pairs[:, 1]]))
    push = 2 * REG * r[pairs.ravel()]
    weights = -gap.T @ lose + z[pairs.ravel()].T @ push + s.weight
    return np.append(weights, push.sum()) / m


# -- T2 --------------------------------------------------------------------------------------------
def soup(average: str, shared: bool, sets: int, pairs: int, seed: int) -> Items:
    """Five scorers each of its own pairs, their parameters averaged; many times over."""
    mean, test = pick(AVERAGES, average), world(draws(seed, 2), 200, 0.5, 1.0)[0]
    single, whole, gap = [], [], 0.0
    for number in range(sets):
        rng = draws(seed, 2, number)
        given = [world(rng, pairs, 0.5, 1.0)[:2] for _ in range(MODELS)]
        fits = [BradleyTerry().fit(*(given[0] if shared else g)) for g in given]
        scores = np.array([s.score(test) for s in fits])
        both = mean(fits).score(test)
        gap = max(gap, float(np.abs(both - scores.mean(0)).max()))
        single.append(scores)
        whole.append(both)
    one, all_ = np.array(single), np.array(whole)

    def ratio(units: np.ndarray) -> float:
        own = one[units].reshape(-1, one.shape[-1]).var(0, ddof=1).mean()
        return float(all_[units].var(0, ddof=1).mean() / own)

    found, error = jackknife(ratio, sets)
    yield apart(AVERAGE, [gap], [0], 1e-12, ("linearity", "fits"))
    yield deviation(FIFTH, found, error, 1 / MODELS)
    yield Table("variance of the averaged scorer over that of one", ("models", "found", "error"),
                [[MODELS, found, error]])  # fmt: skip


# -- T3 --------------------------------------------------------------------------------------------
def lengths(tie: float, swapped: bool, liking: float, worlds: int, pairs: int, seed: int
            ) -> Items:  # fmt: skip
    """An annotator who likes length: who learns it, and how long the best of 16 are."""
    found = []
    for number in range(worlds):
        rng = draws(seed, 3, number)
        x, own, _, long = world(rng, pairs, liking, 1.0)
        plain, heads = BradleyTerry().fit(x, own), Odin(tie).fit(x, own, length=long)
        new, _, truth, size = world(rng, pairs, liking, 1.0)
        row = []
        own_heads = (heads.score, heads.length_score)[:: -1 if swapped else 1]
        for score in (plain.score(new), *(h(new) for h in own_heads)):
            groups = score[: pairs // 16 * 16].reshape(-1, 16)
            best = groups.argmax(-1) + 16 * np.arange(len(groups))
            row.append([np.corrcoef(score, v)[0, 1] for v in (size, truth)]
                       + [v[best].mean() for v in (size, truth)])  # fmt: skip
        found.append(row)
    found = np.array(found)
    yield fitted(LONG, float(found[:, 0, 0].min()), 0.5, ">")
    yield fitted(FREE, float(np.abs(found[:, 1, 0]).max()), 0.1)
    yield fitted(OTHER, float(found[:, 2, 0].min()), 0.5, ">")
    yield fitted(PICKED, float(np.abs(found[:, 1, 2].mean())), 0.15)
    names = ("Bradley-Terry", "ODIN, quality head", "ODIN, length head")
    columns = ("scores", "corr. length", "corr. quality", "length of best of 16", "its quality")
    yield Table("an annotator who likes length", columns,
                [[n, *found[:, i].mean(0).tolist()] for i, n in enumerate(names)])  # fmt: skip


@experiment(
    "23-models",
    card="23",
    slug="par-models",
    claim="A small penalty on squared scores halves those of sharp annotators at the same accuracy "
    "on pairs and leaves those of doubtful ones nearly alone; averaging "
    "the parameters of five linear models leaves a fifth of their variance; with two heads, one "
    "tied to the length, the other tells next to nothing of it.",
    source="baselines Reg, WARM and ODIN; code PorUna-byte/PAR; linear models and annotators ours",
    provenance="code",
    smoke={"worlds": 3, "pairs": 1500, "sets": 40},
    mutants=[
        Mutant("no penalty", {"magnitude": 0.0, "parts": ("reg",)}, (SMALLER, LOSS)),
        Mutant("scores clipped instead", {"clipped": True, "parts": ("reg",)}, (ACCURATE,)),
        Mutant("arrays averaged as they stand", {"average": "arrays", "parts": ("warm",)},
               (AVERAGE,)),
        Mutant("the first model alone", {"average": "first", "parts": ("warm",)},
               (AVERAGE, FIFTH)),
        Mutant("five models of the same pairs", {"shared": True, "parts": ("warm",)}, (FIFTH,)),
        Mutant("heads not tied to the length", {"tie": 0.0, "parts": ("odin",)}, (FREE, PICKED)),
        Mutant("the other head is read", {"swapped": True, "parts": ("odin",)},
               (FREE, OTHER, PICKED)),
        Mutant("an annotator who dislikes length", {"liking": -1.0, "parts": ("odin",)},
               (LONG,)),
    ],
)  # fmt: skip
def run(
    *,
    magnitude: float = REG,
    clipped: bool = False,
    average: str = "parameters",
    shared: bool = False,
    tie: float = 1.0,
    swapped: bool = False,
    liking: float = 1.0,
    worlds: int = 8,
    pairs: int = 3000,
    sets: int = 100,
    parts: Sequence[str] = ("reg", "warm", "odin"),
    seed: int = 0,
) -> Result:
    """Reg, WARM and ODIN on linear reward models of sampled pairs.

    worlds : annotators of Reg and ODIN, each with so many `pairs`; sets : of five models;
    parts : which to run
    magnitude : of Reg; clipped : scores at 1 instead; average : one of `AVERAGES`; shared : all
    models see the same pairs; tie : of ODIN; swapped : its heads; liking : of the annotator, for
    length; all for mutants
    """
    own = {
        "reg": lambda: held(magnitude, clipped, worlds, pairs, seed),
        "warm": lambda: soup(average, shared, sets, pairs // 3, seed),
        "odin": lambda: lengths(tie, swapped, liking, worlds, pairs, seed),
    }
    return run_parts(own, parts, (
        "What length truly says of quality is lost to ODIN's quality head too: its correlation "
        "with quality is below Bradley-Terry's where quality and length correlate.",
    ))  # fmt: skip
