"""RLPrompt's rewards: a convex margin, ties that pay most, the best of segments, z-scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from toyrl.experiments.core import Mutant, Result, experiment
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.hacked import who_hacks_what
from toyrl.experiments.lab.mutants import pick, replaced
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import (
    CLOSED,
    ENUMERATED,
    SAMPLED,
    alone,
    apart,
    deviation,
    missed,
    same,
    sampled,
)
from toyrl.graders.base import TextRow
from toyrl.graders.learned.prompts import (
    PromptClassification,
    PromptStyle,
    bootstrapped_maximum,
    gap_reward,
    piecewise_reward,
)
from toyrl.graders.parts import Graded
from toyrl.theory.prompts import rewards as law

Array = Any
SLOPES = ((180.0, 200.0), (180.0, 180.0), (200.0, 180.0))
UNEVEN, EVEN = (0.3, -0.1), (0.1, 0.1)
PIECES = "a: reward of 200 random tables, grader against its two slopes, largest gap"
ORDER = "a: gaps 0.3, -0.1 and 0.1, 0.1 under three pairs of slopes, grader against 21 and 20, ..."
RIGHT = "a: accuracy of the prompt that the published slopes prefer"
BONUS = "a: pay for unevenness over a grid, grader against closed form, largest gap"
NORMAL = "a: reward of normal gaps, sampled, standard errors from the closed form"
TIED = "b: gap of a model undecided between t of C classes, grader against closed form, largest gap"
SOUND = "b: the same with the label alone left out, largest gap"
ABOVE = "b: pay of a two-class tie over that of a prompt that is sure and right"
WHO = "b: prompts taken wrongly for a maximiser, or not, over five rewards"
WORST = "b: utility of the worst prompt that the released reward likes best"
MEAN = "c: bootstrapped maximum of uniform scores, n = {}, k = 4"
SPREAD = "c: its variance, n = {}, sampled over closed"
LUCKY = "c: rewards of lucky outputs, sampled, standard errors from the closed form"
REWRITES = "c: rewrites taken wrongly for a maximiser, or not, over four rewards"
WIDTH = "d: standard deviation of z-scores by pooled maxima, sampled over closed, largest gap"
OFFSET = "d: z-scores with the inputs shifted apart less those without, largest"
ONE_INPUT = "d: sum of z-scores over the prompts of one input, largest"

enumerated = alone(ENUMERATED, "all the prompts are compared")
simulated = alone("grader", "an invariance: the same grader before and after the shift")


# -- graders, and broken ones ----------------------------------------------------------------------
def mean_first(self: PromptClassification, row: TextRow) -> tuple[Graded, np.ndarray]:
    """Mutant: the slopes are applied to the mean gap."""
    found, _ = PromptClassification.measured(self, row)
    paid = float(piecewise_reward(np.array(found.facts["gap"]), wrong=self.wrong,
                                  right=self.right))  # fmt: skip
    return Graded({"reward": paid}, found.facts), np.array([paid])


def prompts_alone(self: PromptStyle, row: TextRow) -> tuple[Graded, np.ndarray]:
    """Mutant: statistics over prompts' means instead of single maxima."""
    found, maxima = PromptStyle.measured(self, row)
    return found, maxima.mean(keepdims=True)


def whole_batch(self: PromptStyle, row: TextRow) -> str:
    """Mutant: one z-score over the whole batch."""
    del self, row
    return ""


CLASSIFIERS = {
    "released": PromptClassification,
    "mean first": replaced(PromptClassification, measured=mean_first),
}
REWRITERS = {
    "released": PromptStyle,
    "prompts alone": replaced(PromptStyle, measured=prompts_alone),
    "whole batch": replaced(PromptStyle, same_input=whole_batch),
}


def table(gaps: Sequence[float]) -> list[list[float]]:
    """Two classes' probabilities with these gaps, class 0 being right."""
    return [[(1 + g) / 2, (1 - g) / 2] for g in gaps]


def paid(kind: str, prompts: Mapping[str, Sequence[float]], **options: Any) -> np.ndarray:
    """(K,) rewards of prompts by their gaps."""
    rows = [TextRow("p", n, {"probs": table(g), "labels": [0] * len(g)})
            for n, g in prompts.items()]  # fmt: skip
    return np.array(pick(CLASSIFIERS, kind)(**options).grade(rows))


# -- (a) a convex margin ---------------------------------------------------------------------------
def margins(kind: str, right: float, draw: int, seed: int) -> Items:
    """Two slopes; what they pay for spread."""
    rng = draws(seed, 0)
    probs = rng.dirichlet(np.ones(4), (200, 6))
    labels = rng.integers(0, 4, (200, 6))
    rows = [TextRow("p", "", {"probs": p, "labels": y}) for p, y in zip(probs, labels, strict=True)]
    found = pick(CLASSIFIERS, kind)(right=right).grade(rows)
    own = np.take_along_axis(probs, labels[..., None], -1)[..., 0]
    gap = own - np.where(np.eye(4)[labels] > 0, -1, probs).max(-1)
    by_hand = 180 * gap.clip(max=0) + 200 * gap.clip(min=0)
    yield apart(PIECES, found, by_hand.mean(-1), 1e-10)
    pairs = {"uneven": UNEVEN, "even": EVEN}
    slopes = [(w, right if r == 200 else r) for w, r in SLOPES]
    each = [paid(kind, pairs, wrong=w, right=r) for w, r in slopes]
    yield apart(ORDER, each, [[21, 20], [18, 18], [17, 18]], 1e-9, ("grader", "by hand"))
    yield enumerated(RIGHT, float(np.mean(np.array((UNEVEN, EVEN)[int(each[0].argmax())]) > 0)),
                     0.5, "==")  # fmt: skip
    grid = [(m, s) for m in (-0.3, 0.0, 0.1, 0.3) for s in (0.0, 0.1, 0.2, 0.5)]
    how: dict[str, Any] = {"right": right, "others": "label"}  # a gap of 0 is a tie
    apart_by = paid(kind, {str(x): (x[0] + x[1], x[0] - x[1]) for x in grid}, **how)
    flat = paid(kind, {str(x): (x[0], x[0]) for x in grid}, **how)
    yield apart(BONUS, apart_by - flat, [law.uneven_gap_bonus(*x) for x in grid], 1e-10)
    some = [(0.1, 0.1), (0.1, 0.2), (-0.1, 0.2)]
    drawn = np.array([piecewise_reward(rng.normal(m, s, draw), right=right) for m, s in some])
    yield deviation(NORMAL, drawn.mean(-1), drawn.std(-1) / np.sqrt(draw),
                    [law.normal_gap_reward(*x) for x in some], sigmas=4.5)  # fmt: skip
    s = np.linspace(0, 0.6, 61)
    curves = {f"slopes {w:g}, {r:g}": [w * 0.1 + (r - w) * 0.1 + law.uneven_gap_bonus(
        0.1, x, wrong=w, right=r) for x in s] for w, r in SLOPES}  # fmt: skip
    yield lines("spread", "A prompt is paid for being uneven",
                ("s: gaps of 0.1 + s and 0.1 - s, half the inputs each", "reward"), curves,
                x=s.tolist(), caption="Beyond s = 0.1 half the inputs are wrong.")  # fmt: skip


# -- (b) ties, and who hacks what ------------------------------------------------------------------
ARMS = {
    "sure and right": (0.9, 0.9, 0.9, 0.9), "right by a little": (0.1, 0.1, 0.1, 0.1),
    "loud on half": (0.5, -0.1, 0.5, -0.1), "always the first class": (0.9, -0.9, 0.9, -0.9),
    "undecided": (0.0, 0.0, 0.0, 0.0),
}  # fmt: skip
REWARDS = {
    "released": {}, "label alone": {"others": "label"},
    "label alone, equal slopes": {"others": "label", "right": 180.0},
    "accuracy, released mask": {}, "accuracy, label alone": {"others": "label"},
}  # fmt: skip
LIKED = ([4], [0], [0], [0, 1, 4], [0, 1])


def undecided(tied: int, classes: int) -> list[float]:
    """Probabilities shared between the label, class 0, and the next tied - 1."""
    return [1 / tied] * tied + [0.0] * (classes - tied)


def ties(mask: str, sound: str) -> Items:
    """An undecided model's gap, and which prompts each reward likes best."""
    grid = [(t, c) for c in range(2, 7) for t in range(2, c + 1)]
    both = [[float(gap_reward(np.array([undecided(*x)]), np.zeros(1), others=m)[0][0])
             for x in grid] for m in (mask, sound)]  # fmt: skip
    yield apart(TIED, both[0], [law.tied_gap(*x) for x in grid], 1e-12)
    yield apart(SOUND, both[1], np.zeros(len(grid)), 0.0, ("grader", "definition"))
    top = paid("released", {"tie": (0.0,), "sure": (1.0,)}, others=mask)
    yield same(ABOVE, top[0] - top[1], 200 * (law.tied_gap(2, 2) - 1), 1e-9, (CLOSED, "grader"))
    swapped = {"equality": mask, "label": sound}
    values = {}
    for name, options in REWARDS.items():
        options = options | {"others": swapped[str(options.get("others", "equality"))]}
        if name.startswith("accuracy"):
            values[name] = [np.mean(gap_reward(np.array(table(g)), np.zeros(4),
                                               others=str(options["others"]))[2])
                            for g in ARMS.values()]  # fmt: skip
        else:
            values[name] = paid("released", ARMS, **options)
    right = np.array([np.mean(np.array(g) > 0) for g in ARMS.values()])
    found = who_hacks_what(tuple(ARMS), values, right, tie=1e-9)
    want = np.array([[i in liked for i in range(len(ARMS))] for liked in LIKED])
    yield missed(WHO, found.best, want, (ENUMERATED, "by hand"))
    yield enumerated(WORST, float(found.worst[0]), 0.0, "==")
    yield found.table(caption="Two classes, four inputs; utility: share with the label on top.")
    yield found.picture("who", "The released mask prefers a model left undecided",
                        "True utility: share of inputs whose label is on top, alone.")  # fmt: skip


# -- (c) the best of segments ----------------------------------------------------------------------
def steady(rng: Any) -> dict[str, np.ndarray]:
    """(128,) scores of prompts' rewrites: of 70 all, of 100 or 0, of one lucky one, of a copy."""
    lucky, one = np.zeros(128), np.zeros(128)
    lucky[rng.permutation(32)[:1] + 32 * np.arange(4)] = 100.0
    one[rng.integers(0, 128, 1)] = 100.0
    return {"steady": np.full(128, 70.0), "lucky in each segment": lucky, "lucky once": one,
            "copies the source": np.full(128, 50.0)}  # fmt: skip


def maxima(segments: int, draw: int, seed: int) -> Items:
    """The law of bootstrapped maxima, and prompts that live on luck."""
    rng = draws(seed, 1)
    for n in (32, 8):
        reward = bootstrapped_maximum(rng.random((draw // n, 4 * n)), segments)[1]
        mean, variance = law.bootstrapped_maximum_law(n, 4)
        yield sampled(MEAN.format(n), reward, mean)
        # An error of the variance of about sqrt(6/N), for a skewed law: 4 of them.
        yield same(SPREAD.format(n), reward.var() / variance, 1, 10 / np.sqrt(draw / n), SAMPLED)
    chances = (0.01, 0.05, 0.2)
    hit = np.array([bootstrapped_maximum(1.0 * (rng.random((draw // 32, 128)) < p), segments)[1]
                    for p in chances])  # fmt: skip
    yield deviation(LUCKY, hit.mean(-1), hit.std(-1) / np.sqrt(draw // 32),
                    [law.lucky_segments(p, 32) for p in chances], sigmas=4.5)  # fmt: skip
    arms = steady(rng)
    rows = [TextRow("p", n, {"scores": x}) for n, x in arms.items()]
    values = {
        "mean": [x.mean() for x in arms.values()],
        "best of all": PromptStyle(segments=1).grade(rows),
        "best of segments": PromptStyle(segments=segments).grade(rows),
        "segments of one": PromptStyle(segments=128).grade(rows),
    }
    found = who_hacks_what(tuple(arms), values, [x.mean() / 100 for x in arms.values()], tie=1e-9)
    want = np.array([[1, 0, 0, 0], [0, 1, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]], bool)
    yield missed(REWRITES, found.best, want, (ENUMERATED, "by hand"))
    yield found.table("rewrites", "128 rewrites a prompt; utility: what one of them scores.")
    p = np.geomspace(1e-3, 1, 61)
    curves = {f"n = {n}": [law.lucky_segments(x, n) for x in p] for n in (1, 8, 32)}
    yield lines("luck", "The best of n pays for luck",
                ("chance of an output that scores 1", "reward"), curves, x=p.tolist(), log_x=True,
                dashed=["n = 1"], caption="n = 1 is what an output is worth.")  # fmt: skip


# -- (d) z-scores within inputs --------------------------------------------------------------------
def z_scores(kind: str, seed: int) -> Items:
    """Pooled statistics, and what they are blind to."""
    rng, size = draws(seed, 2), 400
    grader = pick(REWRITERS, kind)(zscore=True, eps=1e-9, low=0.0, high=1.0)
    cases, found = [(1.0, 1.0), (0.1, 1.0), (1.0, 0.01)], []
    for between, within in cases:
        m = np.sqrt(between) * rng.normal(size=(size, 1)) + np.sqrt(within) * rng.normal(
            size=(size, 4)
        )
        found.append(np.std(grader.grade([TextRow("x", "", {"scores": x}) for x in m])))
    want = np.array([law.pooled_spread(*x, 4) for x in cases])
    # A standard deviation of 400 prompts has an error of about 1/sqrt(800), here relative.
    yield apart(WIDTH, np.array(found) / want, np.ones(3), 4 / np.sqrt(2 * size), SAMPLED)
    scores, shift = rng.normal(size=(3, 8, 4)), np.array([0.0, 50.0, -20.0])[:, None, None]
    rows = [[TextRow(str(i), "", {"scores": x}) for i, own in enumerate(given) for x in own]
            for given in (scores, scores + shift)]  # fmt: skip
    plain, moved = (np.array(grader.grade(r)) for r in rows)
    yield simulated(OFFSET, float(np.abs(plain - moved).max()), 1e-9)
    yield simulated(ONE_INPUT, float(np.abs(moved.reshape(3, 8).sum(-1)).max()), 1e-9)


@experiment(
    "37-rewards",
    card="37",
    slug="prompt-rewards",
    claim="The published slopes prefer an uneven prompt that is right on half the inputs to an "
    "even one that is always right, 21 to 20. The released mask pays a model that is undecided "
    "most of all. A bootstrapped maximum has the mean n/(n + 1) for uniform scores and pays luck. "
    "Pooled z-scores within an input are blind to its offset.",
    source="code fsc_reward.py, tst_reward.py, output_selector.py; closed forms derived",
    provenance="code",
    smoke={"draw": 100_000},
    mutants=[
        Mutant("the mean gap is paid", {"kind": "mean first", "parts": "a"},
               (PIECES, ORDER, BONUS)),
        Mutant("equal slopes", {"right": 180.0, "parts": "a"}, (ORDER, RIGHT, BONUS, NORMAL)),
        Mutant("the label alone is left out", {"mask": "label", "parts": "b"},
               (TIED, ABOVE, WHO, WORST)),
        Mutant("equals are left out in the sound mask", {"sound": "equality", "parts": "b"},
               (SOUND, WHO)),
        Mutant("best of all outputs", {"segments": 1, "parts": "c"},
               (MEAN.format(32), MEAN.format(8), SPREAD.format(32), SPREAD.format(8), LUCKY,
                REWRITES)),
        Mutant("statistics over prompts", {"rewriter": "prompts alone", "parts": "d"}, (WIDTH,)),
        Mutant("one z-score over the batch", {"rewriter": "whole batch", "parts": "d"},
               (OFFSET, ONE_INPUT)),
    ],
)  # fmt: skip
def run(
    *,
    kind: str = "released",
    right: float = 200.0,
    mask: str = "equality",
    sound: str = "label",
    segments: int = 4,
    rewriter: str = "released",
    draw: int = 1_000_000,
    parts: str = "abcd",
    seed: int = 0,
) -> Result:
    """Margins and their spread, ties, bootstrapped maxima, z-scores within inputs.

    draw : numbers drawn for each sampled law; parts : which of a to d are run
    kind, right, mask, sound, segments, rewriter : the mechanism, or a broken one; for mutants
    """
    todo: dict[str, Callable[[], Items]] = {
        "a": lambda: margins(kind, right, draw, seed),
        "b": lambda: ties(mask, sound),
        "c": lambda: maxima(segments, draw, seed),
        "d": lambda: z_scores(rewriter, seed),
    }
    return run_parts(todo, parts)
