"""Rewards per segment: what their places are worth, and where they are worth nothing."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from toyrl.estimators.steps import StepReturns
from toyrl.estimators.tokens import Gae
from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.core.work import UPDATE, spend
from toyrl.experiments.lab.bandits import climb
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick, replaced
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import alone, apart, missed
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts
from toyrl.shapers.process.segments import FineGrained, ToxicityDrop
from toyrl.theory.process.credit import (
    best_segment_count,
    gae_credit_variance,
    holistic_credit_variance,
    segment_objective,
)

RAW = StepReturns("none")
TABLE = "T1: gradient variance of each segment, five placings, largest error"
HALVES = "T1: reward-to-go's part beyond the least, mean over segments, over the holistic one's"
IDENTICAL = "T1: exact critic: advantages of the holistic and the dense reward apart by at most"
SLOW = "T2: updates to 0.9, holistic over reward-to-go (L 100, G 2)"
FAST = "T2: updates to 0.9, reward-to-go over exact critic (L 100, G 2)"
ALIKE = "T2: updates to 0.9, largest over smallest of the three (L 20, G 8)"
TEACH = "T3: exact gradient of each error type's logit, largest error"
DROPPED = "T3: a model left out: gradient of its logit, and change of the others'"
DOUBLED = "T3: a weight doubled: its gradient over twice the old one, others over once, less 1"
COUNT = "T4: best number of sub-sentences, weights 0.4, 0.3, 0.2, largest error"
ORDER = "T4: a smaller weight of relevance makes longer texts, wrong steps"
DETOX = "T5: expected gradients, falls of toxicity and holistic, apart by at most"
TOTAL = "T5: falls of toxicity, total beside tox(empty) - tox(y), apart by at most"
trained = alone("simulation", "sampled paths to a threshold have no closed form; T1 has the "
                "variances that make the difference")  # fmt: skip


# -- broken rules ----------------------------------------------------------------------------------
def at_the_start(self: FineGrained, r: Rollouts, memory: Any) -> Parts:
    """Mutant: segments are paid on their first token (segments of two tokens)."""
    parts = FineGrained.parts(self, r, memory)
    return {k: np.roll(v, -1, -1) if v.ndim > 2 else v for k, v in parts.items()}


def standardised(self: FineGrained, r: Rollouts, memory: Any) -> Parts:
    """Mutant: every model's rewards are divided by their deviation in the group."""
    parts = FineGrained.parts(self, r, memory)
    spread = {k: np.std(v) for k, v in parts.items()}
    return {k: v / s if (s := spread[k]) > 0 else v for k, v in parts.items()}


def tied(self: FineGrained, r: Rollouts, memory: Any) -> Parts:
    """Mutant: all models get the mean of the weights."""
    mean = (self.relevance + self.factuality + self.completeness) / 3
    return FineGrained(mean, mean, mean).parts(r, memory)


def level(self: ToxicityDrop, r: Rollouts, memory: Any) -> Parts:
    """Mutant: every sentence pays for the toxicity of the whole text so far."""
    del memory
    return {"toxicity": -self.alpha * r.fields["toxicity"] * r.need("mask", by="mutant")}


RULES = {
    "as published": (FineGrained, ToxicityDrop),
    "at the start": (replaced(FineGrained, parts=at_the_start), ToxicityDrop),
    "standardised": (replaced(FineGrained, parts=standardised), ToxicityDrop),
    "tied": (replaced(FineGrained, parts=tied), ToxicityDrop),
    "level": (FineGrained, replaced(ToxicityDrop, parts=level)),
}


def rollouts(shape: tuple[int, ...], **fields: np.ndarray) -> Rollouts:
    """(B, G) rollouts of T tokens each."""
    length = np.full(shape[:2], float(shape[2]))
    return Rollouts(0 * length, length, float(shape[2]), mask=np.ones(shape), fields=fields)


def at_the_end(x: np.ndarray) -> np.ndarray:
    """The sum of (..., L) rewards on the last place."""
    return np.where(np.arange(x.shape[-1]) == x.shape[-1] - 1, x.sum(-1, keepdims=True), 0.0)


# -- T1: variance ----------------------------------------------------------------------------------
def variances(q: float, critic: bool) -> Items:
    """All outcomes of five segments, through the estimators."""
    L = 5
    x = np.array(list(itertools.product((0.0, 1.0), repeat=L)))
    weight = np.where(x == 1, q, 1 - q).prod(-1)
    left = np.broadcast_to((L - np.arange(L)) * q, x.shape) * critic

    def advantages(reward: np.ndarray, lam: float, values: np.ndarray) -> np.ndarray:
        r = rollouts((1, *x.shape), values=values[None])
        a, _ = Gae(lam=lam, whitened=False).apply({"reward": reward[None]}, r)
        return np.asarray(a[0])

    def variance(a: np.ndarray) -> np.ndarray:
        g = (x - q) * a
        return weight @ (g - weight @ g) ** 2

    known = (left + x.cumsum(-1) - x) * critic
    lams = {"reward-to-go": 1.0, "exact critic": 0.0, "GAE(0.95)": 0.95}
    whole = np.repeat(x.sum(-1, keepdims=True) - L * q, L, axis=-1)
    found = {"holistic": variance(whole)} | {
        name: variance(advantages(x, lam, left)) for name, lam in lams.items()
    }
    found["holistic, exact critic"] = variance(advantages(at_the_end(x), 0.0, known))
    want = [holistic_credit_variance(q, L), *(gae_credit_variance(q, L, v) for v in lams.values()),
            gae_credit_variance(q, L, 0.0)]  # fmt: skip
    yield apart(TABLE, list(found.values()), want, 1e-12)
    least = want[2][0]
    beyond = (found["reward-to-go"] - least).mean() / (found["holistic"] - least).mean()
    yield Check(HALVES, float(beyond), 0.5, "~", 1e-12, routes=("closed form", "enumeration"))
    gaps = [advantages(x, lam, left) - advantages(at_the_end(x), lam, known)
            for lam in (0.0, 0.95, 1.0)]  # fmt: skip
    yield apart(IDENTICAL, gaps, np.zeros(np.shape(gaps)), 1e-12, ("dense", "holistic"))
    yield lines("variance", "Noise of each segment's gradient", ("segment", "variance"), found,
                x=list(range(1, L + 1)), dashed=("holistic, exact critic",),
                caption=f"Five segments, right with chance {q}; an exact critic makes the holistic "
                "reward as good as the dense one.")  # fmt: skip
    yield Table("variance by segment", ("placing", *map(str, range(1, L + 1))),
                [[k, *v.tolist()] for k, v in found.items()])  # fmt: skip


# -- T2: learning ----------------------------------------------------------------------------------
def updates_to(L: int, G: int, rate: float, swaps: dict[str, str], seeds: int, most: int, seed: int
               ) -> dict[str, float]:  # fmt: skip
    """Median updates until the mean chance is 0.9, from 0.3; all rules on the same draws."""
    names = ("holistic", "reward-to-go", "exact critic")
    rules = [swaps.get(name, name) for name in names]
    start = np.full((len(names), seeds, L), np.log(3 / 7))
    done, rng, r = np.zeros((len(names), seeds), bool), draws(seed, L + G), rollouts((seeds, G, L))

    def change(chance: np.ndarray, _: int) -> np.ndarray:
        np.logical_or(done, chance.mean(-1) >= 0.9, out=done)
        if done.all():
            return np.zeros_like(chance)
        u = rng.random((seeds, G, L))
        spend(UPDATE * len(names) + u.size * len(names))
        return rate * np.stack([pull(rule, u, q[:, None])
                                for rule, q in zip(rules, chance, strict=True)])  # fmt: skip

    def pull(rule: str, u: np.ndarray, q: np.ndarray) -> np.ndarray:
        x = (u < q) * 1.0
        if rule == "exact critic":
            return ((x - q) * (x - q)).mean(1)
        paid = at_the_end(x) if rule == "holistic" else x
        a = np.asarray(StepReturns().apply({"reward": paid}, r)[0]) * G / (G - 1)
        return ((x - q) * a).mean(1)

    there = climb(change, start, most).mean(-1) >= 0.9
    reached = np.where(there.any(0), there.argmax(0), most)
    return dict(zip(names, np.median(reached, axis=-1).tolist(), strict=True))


def learning(swaps: dict[str, str], small: tuple[int, int, float], seeds: int, seed: int) -> Items:
    """Where density helps, and where it does not."""
    large = updates_to(100, 2, 0.3, swaps, seeds, 450, seed)
    few = updates_to(*small, swaps, seeds, 450, seed)
    yield trained(SLOW, large["holistic"] / large["reward-to-go"], 1.4, ">=")
    yield trained(FAST, large["reward-to-go"] / large["exact critic"], 2, ">=")
    yield trained(ALIKE, max(few.values()) / min(few.values()), 1.2)
    yield Table("median updates to 0.9", ("setting", *large),
                [["L 100, G 2, rate 0.3", *large.values()],
                 [f"L {small[0]}, G {small[1]}, rate {small[2]}", *few.values()]])  # fmt: skip


# -- T3: which model teaches what ------------------------------------------------------------------
def teaching(rule: str) -> Items:
    """Two sub-sentences and two sentences of two tokens each, and the whole: all outcomes."""
    kind, _ = pick(RULES, rule)
    bits = np.array(list(itertools.product((0.0, 1.0), repeat=5)))
    q = np.array([0.3, 0.3, 0.6, 0.6, 0.4])
    weight, mean, std = np.where(bits == 1, q, 1 - q).prod(-1), -0.446777, 8.301161
    second = np.array([1, 3])
    scores = np.zeros((2, len(bits), 4))
    scores[0][:, second], scores[1][:, second] = 2 * bits[:, :2] - 1, 2 * bits[:, 2:4] - 1
    r = rollouts((1, len(bits), 4), relevance_scores=scores[:1], factuality_scores=scores[1:],
                 completeness=mean + std * (2 * bits[None, :, 4] - 1))  # fmt: skip
    # Each bit is decided on the last token of its segment, the whole on the last one.
    place = np.array([1, 3, 1, 3, 3])

    def gradient(*w: float) -> np.ndarray:
        paid = kind(*w).apply(r).parts
        to_go = np.asarray(RAW.apply(paid, r)[0][0])[:, place]
        each = weight @ ((bits - q) * to_go)
        return np.array([each[:2].sum(), each[2:4].sum(), each[4]])

    full = (0.3, 0.5, 0.3)
    base, slope = gradient(*full), 2 * q * (1 - q)
    yield apart(TEACH, base, np.array(full) * [slope[:2].sum(), slope[2:4].sum(), slope[4]], 1e-12)
    out, twice = [], []
    for k in range(3):
        own = np.arange(3) == k
        out.append(gradient(*np.where(own, 0, full)) - np.where(own, 0, base))
        twice.append(gradient(*np.where(own, 2, 1) * full) / (np.where(own, 2, 1) * base) - 1)
    yield apart(DROPPED, out, np.zeros((3, 3)), 1e-12, ("weights 0", "all weights"))
    yield apart(DOUBLED, twice, np.zeros((3, 3)), 1e-12, ("weights doubled", "all weights"))


# -- T4, T5 ----------------------------------------------------------------------------------------
def customised(summed: bool) -> Items:
    """The number of sub-sentences that pays most, by formula and on a grid."""
    at = {"completeness": 3.0, "rate": 0.3, "relevant": 0.25}
    n, weights = np.linspace(0.0, 20.0, 20_001), (0.4, 0.3, 0.2)
    curves = {}
    for w in weights:
        own = segment_objective(n, w, **at)
        mean = own + w * (1 - 2 * 0.25) * (n - 1)  # the verdicts averaged, n dropping out
        curves[f"weight {w}"] = own if summed else mean
    found = np.array([n[np.argmax(y)] for y in curves.values()])
    want = [best_segment_count(w, **at) for w in weights]
    yield apart(COUNT, found, want, 1e-3, ("closed form", "grid"))
    yield missed(ORDER, np.sign(np.diff(found)), [1, 1], ("closed form", "grid"))
    yield lines("customised", "Relevance sets the length", ("sub-sentences", "reward"), curves,
                x=n.tolist(), caption="Completeness 3 (1 - e^(-0.3 n)), sub-sentences "
                "relevant with chance 0.25.")  # fmt: skip


def detox(rule: str, seed: int) -> Items:
    """A chain of three toxicities, four sentences, all texts."""
    _, kind = pick(RULES, rule)
    rng, level_of = draws(seed, 5), np.array([0.05, 0.3, 0.9])
    text = np.array(list(itertools.product(range(3), repeat=4)))
    before = np.concatenate([np.zeros((len(text), 1), dtype=int), text[:, :-1]], axis=-1)
    p = rng.dirichlet(np.ones(3), (4, 3))
    chance = p[np.arange(4), before, text].prod(-1)
    tox = level_of[text]
    r = rollouts((1, *text.shape), toxicity=tox[None])
    fall = kind(start=0.1).apply(r).parts
    to_go = np.asarray(RAW.apply(fall, r)[0][0])
    whole = np.repeat(1 - tox[:, -1:], 4, axis=-1)
    hot = np.eye(3)
    score = np.zeros((len(text), 4, 3, 3))
    row, place = np.arange(len(text))[:, None], np.arange(4)
    score[row, place, before] = hot[text] - p[place, before]

    def moments(credit: np.ndarray) -> tuple[np.ndarray, float]:
        g = (score * credit[..., None, None]).reshape(len(text), -1)
        mean = chance @ g
        return mean, float((chance @ (g - mean) ** 2).sum())

    (dense, noise), (holistic, other) = moments(to_go), moments(whole)
    yield apart(DETOX, dense, holistic, 1e-12, ("falls", "holistic"))
    yield apart(TOTAL, np.asarray(fall["toxicity"][0]).sum(-1), 0.1 - tox[:, -1], 1e-12,
                ("closed form", "shaper"))  # fmt: skip
    yield Table("gradient variance", ("reward", "summed over logits"),
                [["fall of toxicity per sentence", noise],
                 ["1 - tox(y) at the end", other]])  # fmt: skip


@experiment(
    "51",
    card="51",
    slug="fine-grained",
    claim="Paying each segment by several reward models changes credit and not the total: less "
    "noise with rewards to go, most where segments are many and groups small, and none at all "
    "beside an exact critic; a model's weight teaches its own error type alone, and relevance's "
    "sets the length.",
    source="section 4, code allenai/FineGrainedRLHF; variances and toys derived",
    provenance="code",
    smoke={"seeds": 7},
    mutants=[
        Mutant("no critic", {"critic": False, "parts": ("variance",)}, (TABLE, HALVES, IDENTICAL)),
        Mutant("reward-to-go is the whole return", {"swaps": {"reward-to-go": "holistic"},
               "parts": ("learning",)}, (SLOW,)),
        Mutant("the critic is the siblings' mean", {"swaps": {"exact critic": "reward-to-go"},
               "parts": ("learning",)}, (FAST,)),
        Mutant("many segments, small groups", {"small": (100, 2, 0.3), "parts": ("learning",)},
               (ALIKE,)),
        Mutant("paid at the start", {"rule": "at the start", "parts": ("teaching",)}, (TEACH,)),
        Mutant("every model standardised", {"rule": "standardised", "parts": ("teaching",)},
               (TEACH, DOUBLED)),
        Mutant("one weight for all", {"rule": "tied", "parts": ("teaching",)}, (DROPPED,)),
        Mutant("verdicts averaged", {"summed": False, "parts": ("customised",)}, (COUNT, ORDER)),
        Mutant("toxicity itself is paid", {"rule": "level", "parts": ("detox",)}, (DETOX, TOTAL)),
    ],
)  # fmt: skip
def run(
    *,
    rule: str = "as published",
    critic: bool = True,
    swaps: dict[str, str] | None = None,
    small: tuple[int, int, float] = (20, 8, 0.5),
    summed: bool = True,
    seeds: int = 20,
    parts: Sequence[str] = ("variance", "learning", "teaching", "customised", "detox"),
    seed: int = 0,
) -> Result:
    """Variances by enumeration, updates to a threshold, gradients by model, lengths, toxicity.

    seeds : runs of each training; small : segments, group and rate of the easy setting
    rule : "as published", or one of the broken ones in `RULES`; critic : False, values of 0;
    swaps : rules of training exchanged for others; summed : False, verdicts averaged; all for
    mutants; parts : which to run
    """
    own = {
        "variance": lambda: variances(0.3, critic),
        "learning": lambda: learning(swaps or {}, (small[0], small[1], small[2]), seeds, seed),
        "teaching": lambda: teaching(rule),
        "customised": lambda: customised(summed),
        "detox": lambda: detox(rule, seed),
    }
    notes = ("Density is no gain by itself: with an exact critic the reward at the end gives the "
             "same advantages, to rounding.",)  # fmt: skip
    return run_parts(own, parts, notes)
