"""Judges told a principle and judges that are not: laws, R_acc, silence, learning, steering."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toyrl.estimators.group import GroupEstimator
from toyrl.experiments.core import Check, Mutant, Result, experiment
from toyrl.experiments.lab.bandits import ascend, follow
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.groups import advantages, picked
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import apart, beyond, deviation, missed, same
from toyrl.experiments.papers.learned.p12_rewards import (
    AGREEMENTS,
    CONSTANT,
    COST,
    ENDS,
    LOST,
    MASKED,
    PERMUTED,
    SILENT,
    SOUND,
    THRESHOLD,
    USELESS,
    D,
    N,
    agreement,
    controls,
    silence,
)
from toyrl.graders.judged.rankings import grades
from toyrl.models.judges.principles import PrincipleBradleyTerry, with_principle
from toyrl.models.linear import BradleyTerry
from toyrl.shapers.judge.listwise import (
    pair_agreement,
)
from toyrl.theory.learned.principles import (
    angle_accuracy,
    blind_accuracy,
    chance_agreement,
    copied_accuracy,
    span_accuracy,
    steered_mean,
)
from toyrl.theory.policies import softmax, tilt

ANTONYM = "(a) blind judges: largest |acc(c) + acc(-c) - 1| on lists without ties"
FOLLOWS = "(a) a judge that is told c: least accuracy under c and -c"
ANGLE = "(b) accuracy at five random angles: largest deviation from 1 - angle/pi, in errors"
BEST = "(b) best blind judge of five attributes (0.6476)"
COPY = "(b) a blind judge that copies one attribute of five"
ARC = "(b) best blind judge of principles in a right angle (0.875)"
FOLLOWER = "(d) R_acc of the trained follower, by 4 errors"
BLIND = "(d) R_acc of the trained blind judge: deviation from its law, in errors"
GAP = "(d) follower less blind, by 4 errors"
STRICT = "(d) true ties: blind bound of lists graded in fifths less 1/2 + 1/(2D)"
MIXED = "(d) accuracy on unseen mixtures after one-attribute principles"
IDENTITY = "(d) angle of W c to c on mixtures: accuracy by the law less accuracy counted"
SHORTER = "(e) concise and detailed: sides on which the mean length moved"
SLOPE = "(e) slope of the mean length in 1/beta over its variance, beta = 20 sd, largest error"
SECOND = "(e) mean length beside its second order, largest error in 1/beta^3"
WHY = "what a fit to a sample reaches has no closed form"


def accuracy(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Share of pairs of lists (..., n) ordered alike, ties half."""
    i, j = np.triu_indices(truth.shape[-1], 1)
    turn = np.sign(scores[..., i] - scores[..., j]) * np.sign(truth[..., i] - truth[..., j])
    return (1 + turn).mean(-1) / 2


def features(rng: np.random.Generator, shape: tuple[int, ...], halo: float) -> np.ndarray:
    """Gaussian features (..., D), isotropic without a halo, the part that all attributes share."""
    x = rng.normal(size=shape)
    return x + halo * rng.normal(size=(*shape[:-1], 1)) if halo else x


# -- (a), (b) --------------------------------------------------------------------------------------
def antonyms(blind: bool, told: bool, seed: int) -> Items:
    """Random lists, judges with scores of any kind, a principle and its opposite."""
    rng = draws(seed, 1)
    phi, c = rng.normal(size=(200, N, D)), rng.normal(size=(200, D, 1))
    truth = (phi @ c)[..., 0]
    judges = [phi[..., 0], np.cos(3 * phi).sum(-1), rng.normal(size=truth.shape)]
    sums = [accuracy(s if blind else s + 9 * truth, truth)
            + accuracy(s if blind else s - 9 * truth, -truth) for s in judges]  # fmt: skip
    yield apart(ANTONYM, sums, np.ones((3, 200)), 1e-12, ("pair by pair", "theorem"))
    own = [accuracy(sign * truth if told else truth, sign * truth).min() for sign in (1, -1)]
    yield same(FOLLOWS, min(own), 1.0, 1e-12, ("pair by pair", "theorem"))


def angles(law: str, halo: float, size: int, seed: int) -> Items:
    """Accuracy of fixed directions, sampled, and the best one of them."""
    rng = draws(seed, 2)

    def hits(w: np.ndarray, c: np.ndarray) -> tuple[float, float]:
        x = features(rng, (size, D), halo)
        p = float(((x @ w > 0) == (x @ c > 0)).mean())
        return p, float(np.sqrt(p * (1 - p) / size))

    def formula(w: np.ndarray, c: np.ndarray) -> np.ndarray:
        cosine = (w * c).sum(-1) / np.sqrt((w**2).sum(-1) * (c**2).sum(-1))
        return (1 + cosine) / 2 if law == "cosine" else angle_accuracy(w, c)

    pairs = rng.normal(size=(2, 5, D))
    found = np.array([hits(*p) for p in pairs.swapaxes(0, 1)])
    yield deviation(ANGLE, found[:, 0], found[:, 1], formula(*pairs))
    # The best direction by ascent from many starts, beside the formula for equal weights.
    w, shift = np.abs(rng.normal(size=(30, D))) + 0.01, 1e-5

    def mean(v: np.ndarray) -> np.ndarray:
        return formula(v[..., None, :], np.eye(D)).mean(-1)

    def uphill(w: np.ndarray, _: int) -> np.ndarray:
        slope = mean(w[:, None] + shift * np.eye(D)) - mean(w[:, None] - shift * np.eye(D))
        moved = w + slope / (2 * shift)
        return moved / np.sqrt((moved**2).sum(-1, keepdims=True))

    w = follow(uphill, w, 300)[-1]
    yield same(BEST, mean(w).max(), blind_accuracy(D), 1e-6, ("ascent", "closed form"))
    one = np.array([hits(np.eye(D)[0], c) for c in np.eye(D)])
    yield Check(COPY, float(one[:, 0].mean()), copied_accuracy(D), "~",
                4 * float(np.sqrt((one[:, 1] ** 2).sum())) / D, float(one[:, 1].max()),
                ("simulation", "closed form"))  # fmt: skip
    turn = (np.arange(2000) + 0.5) / 2000 * np.pi / 2
    ways = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    arc = formula(ways[::40, None], ways).mean(-1)
    yield same(ARC, arc.max(), span_accuracy(np.pi / 2), 2e-4, ("grid", "closed form"))
    theta = np.linspace(0, np.pi, 13)
    w = np.stack([np.cos(theta), np.sin(theta), *np.zeros((3, 13))], axis=-1)
    named = {"sampled": [hits(v, np.eye(D)[0])[0] for v in w], "1 - angle/pi": 1 - theta / np.pi}
    yield lines("angle", "Accuracy of a judge that looks elsewhere", ("degrees", "accuracy"), named,
                x=np.degrees(theta).tolist(), points=("sampled",), dashed=("1 - angle/pi",),
                caption=f"{size} pairs of responses each, five isotropic attributes.")  # fmt: skip


# -- (d) -------------------------------------------------------------------------------------------
def bandit(context: bool, honest: bool, updates: int, runs: int, seed: int) -> Items:
    """A softmax over lenses for each principle, and one for all of them, by GRPO in groups of 8."""
    rng, size = draws(seed, 4), 8
    row = np.arange(D)
    truth_of = np.array(grades(list(range(N))), dtype=float)

    def table(count: int) -> np.ndarray:
        """(count, principle, lens) R_acc of lists drawn, graded in fifths."""
        rank = rng.random((count, D, N)).argsort(-1).argsort(-1)
        g = truth_of[rank]
        scores = g if honest else -g
        return pair_agreement(scores[:, None, :, :], g[:, :, None, :])

    def train(shared: bool) -> np.ndarray:
        def change(pi: np.ndarray, _: int) -> np.ndarray:
            lens = picked(pi, rng.random((runs, D, size)))
            pay = table(runs)[np.arange(runs)[:, None, None], row[:, None], lens]
            a = advantages(GroupEstimator(eps=1e-4), pay)
            took = (a[..., None] * (lens[..., None] == row)).mean(-2)
            step = took - pi * a.mean(-1, keepdims=True)
            return 0.3 * (step.mean(1, keepdims=True) + 0 * step if shared else step)

        return ascend(change, np.zeros((runs, D, D)), updates)

    follower, blind = train(not context), train(True)
    test = table(2000)
    mean_pay, by_list = test.mean(0), test.reshape(len(test), -1)
    paths = [(p * mean_pay).sum(-1).mean(-1) for p in (follower, blind)]
    good, poor = paths[0][-1], paths[1][-1]
    error = [float(x.std() / np.sqrt(runs)) for x in (good, poor, good - poor)]
    yield beyond(FOLLOWER, float(good.mean()), error[0], 0.95, ">", ("simulation",),
                 why_one_route="an inequality about a training")  # fmt: skip
    bound = copied_accuracy(D, float(chance_agreement(truth_of)))
    last = (blind[-1].mean(0) * mean_pay).sum(-1).mean()
    use = blind[-1].mean(0).ravel() / D
    yield deviation(BLIND, last, (by_list @ use).std() / np.sqrt(len(test)), bound)
    yield beyond(GAP, float((good - poor).mean()), error[2], 0.3, ">", ("simulation",),
                 why_one_route="an inequality about a training")  # fmt: skip
    yield Check(STRICT, bound - copied_accuracy(D), 0.0, ">", claim=False)
    every = max(1, updates // 100)
    yield lines("training", "Told and blind judges", ("update", "mean R_acc"),
                {"told the principle": paths[0].mean(-1)[::every],
                 "blind": paths[1].mean(-1)[::every],
                 "blind at best": np.full(len(paths[0][::every]), bound)},
                x=list(range(0, updates + 1, every)), dashed=("blind at best",),
                caption=f"{runs} runs, groups of {size}, lists of {N}.")  # fmt: skip


def mixtures(told: bool, trained: int, halo: float, pairs: int, seed: int) -> Items:
    """Bradley-Terry on one-attribute principles, asked about mixtures."""
    rng = draws(seed, 5)
    c = np.eye(D)[rng.integers(0, trained, pairs)]
    phi = rng.normal(size=(2, pairs, D))
    margin = ((phi[0] - phi[1]) * c).sum(-1)
    rows = np.concatenate([with_principle(x, c) for x in phi])
    first = np.arange(pairs)
    target = np.where((margin > 0)[:, None], np.stack([first, first + pairs], -1),
                      np.stack([first + pairs, first], -1))  # fmt: skip
    mixed = rng.dirichlet(np.ones(D), 2000)
    if told:
        way = mixed @ PrincipleBradleyTerry(D).fit(rows, target).weight.T
    else:
        way = np.tile(BradleyTerry().fit(rows[:, :D], target).weight, (len(mixed), 1))
    x = features(rng, (len(mixed), 20, D), halo)
    found = (((x * way[:, None]).sum(-1) > 0) == ((x * mixed[:, None]).sum(-1) > 0)).mean(-1)
    error = float(found.std() / np.sqrt(len(found)))
    yield beyond(MIXED, float(found.mean()), error, 0.95, ">", ("simulation",), why_one_route=WHY)
    law = angle_accuracy(way, mixed)
    yield deviation(IDENTITY, found.mean(), error, law.mean())


# -- (e) -------------------------------------------------------------------------------------------
def steering(one_way: bool, beta: float) -> Items:
    """A policy over lengths, tilted by one judge under two principles."""
    length = np.arange(1.0, 41)
    ref = softmax(-0.5 * ((np.log(length) - 2.2) / 0.6) ** 2 - np.log(length))
    mean, var = float(ref @ length), float(ref @ (length - ref @ length) ** 2)
    signs = np.array([1.0, 1.0]) if one_way else np.array([-1.0, 1.0])
    inverse = np.arange(0.5, 16.1, 0.5) / (beta * np.sqrt(var))
    moved = np.array([tilt(ref, s * length, inverse) @ length for s in signs])
    yield missed(SHORTER, np.sign(moved[:, 1] - mean), [-1, 1], ("tilt", "theorem"))
    slope = (moved[:, 1] - mean) / inverse[1] / (np.array([-1, 1]) * var)
    yield apart(SLOPE, slope, [1, 1], 0.05, ("tilt", "closed form"))
    second = np.array([[steered_mean(ref, length, float(s), beta=1 / float(t)) for t in inverse]
                       for s in (-1, 1)])  # fmt: skip
    # The next term is kappa_4/(6 beta^3): held against it, twice.
    kappa = float(ref @ (length - mean) ** 4) - 3 * var**2
    off = np.abs(moved - second)[:, :2] / (abs(kappa) / 6 * inverse[:2] ** 3)
    yield Check(SECOND, float(off.max()), 2.0, routes=("tilt", "closed form"))
    yield lines("steering", "One judge, two principles", ("1/beta", "mean length"),
                {"concise": moved[0], "detailed": moved[1], "concise, first order":
                 mean - var * inverse, "detailed, first order": mean + var * inverse},
                x=inverse.tolist(),
                dashed=("concise, first order", "detailed, first order"))  # fmt: skip


@experiment(
    "12",
    card="12",
    slug="principles",
    claim="A judge that isn't told the principle is right half the time over a principle and its "
    "opposite, and at most 0.6476 over five; one that is told generalises and steers. Paid by "
    "weighted pairs a judge learns to follow, unless an empty answer is paid in full.",
    source="Code zhuohaoyu/RewardAnything, rewardanything/processing.py; laws and toys derived",
    provenance="code",
    smoke={"size": 60_000, "runs": 8, "pairs": 2000},
    mutants=[
        Mutant("judges that see the principle", {"blind": False, "parts": ("antonyms",)},
               (ANTONYM,)),
        Mutant("a follower that is not told", {"told": False, "parts": ("antonyms", "mixtures")},
               (FOLLOWS, MIXED)),
        Mutant("accuracy linear in the cosine", {"law": "cosine", "parts": ("angles",)},
               (ANGLE, BEST, ARC)),
        Mutant("a halo: attributes rise together", {"halo": 2.0, "parts": ("angles", "mixtures")},
               (ANGLE, COPY, IDENTITY)),
        Mutant("Kendall's tau, ties free", {"rule": "kendall", "parts": ("agreement",)},
               (CONSTANT, COST)),
        Mutant("pairs counted one way", {"rule": "one side", "parts": ("agreement",)},
               (PERMUTED, ENDS)),
        Mutant("silence paid as released", {"rule": "released", "parts": ("agreement",)},
               (SILENT,)),
        Mutant("released reward without format", {"form": 0.0, "parts": ("silence",)},
               (THRESHOLD,)),
        Mutant("silence repaired", {"repaired": True, "parts": ("silence",)}, (THRESHOLD, LOST)),
        Mutant("stopped early", {"silent_updates": 5, "parts": ("silence",)}, (SOUND, LOST)),
        Mutant("one softmax for all", {"context": False, "parts": ("bandit",), "updates": 100},
               (FOLLOWER, GAP)),
        Mutant("grades turned over", {"honest": False, "parts": ("bandit",), "updates": 100},
               (FOLLOWER, BLIND)),
        Mutant("a principle never trained", {"trained": D - 1, "parts": ("mixtures",)}, (MIXED,)),
        Mutant("one principle for both", {"one_way": True, "parts": ("steering",)},
               (SHORTER, SLOPE, SECOND)),
        Mutant("a tilt of one sd", {"beta": 1.0, "parts": ("steering",)}, (SLOPE,)),
        Mutant("names not unmasked", {"unmask": False, "parts": ("controls",)}, (MASKED,)),
        Mutant("ties taken as the truth has them", {"ties": "as right", "parts": ("controls",)},
               (USELESS,)),
    ],
)  # fmt: skip
def run(
    *,
    blind: bool = True,
    told: bool = True,
    law: str = "angle",
    halo: float = 0.0,
    rule: str = "sound",
    form: float = 0.2,
    repaired: bool = False,
    silent_updates: int = 400,
    context: bool = True,
    honest: bool = True,
    trained: int = D,
    one_way: bool = False,
    beta: float = 20.0,
    unmask: bool = True,
    ties: str = "half",
    size: int = 100_000,
    updates: int = 400,
    runs: int = 32,
    pairs: int = 4000,
    parts: Sequence[str] = (
        "antonyms", "angles", "agreement", "silence", "bandit", "mixtures", "steering", "controls",
    ),
    seed: int = 0,
) -> Result:  # fmt: skip
    """Blind and told judges, R_acc by enumeration, silence, learning, steering, controls.

    size : draws an angle; updates, runs : of the bandit; pairs : of the mixtures; parts : to run
    rule : one of `AGREEMENTS`; form : w_f of the silence part; silent_updates : of its training;
    trained : principles that are trained; beta : in standard deviations; all others for mutants
    """
    own = {
        "antonyms": lambda: antonyms(blind, told, seed),
        "angles": lambda: angles(law, halo, size, seed),
        "agreement": lambda: agreement(pick(AGREEMENTS, rule)),
        "silence": lambda: silence(form, repaired, silent_updates),
        "bandit": lambda: bandit(context, honest, updates, runs, seed),
        "mixtures": lambda: mixtures(told, trained, halo, pairs, seed),
        "steering": lambda: steering(one_way, beta),
        "controls": lambda: controls(unmask, ties, seed),
    }
    return run_parts(own, parts, (
        "Graded in fifths, six responses hold a true tie, which costs nothing: an order without "
        "any knowledge is paid 46/90 and a blind judge up to 0.6089, above 1/2 + 1/(2D) = 0.6.",
    ))  # fmt: skip
