"""Part D of paper 01: a conciseness model fitted to texts, and what its errors do to the reward."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.curves import lines, root
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.lengths import payments
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import alone, apart, missed
from toyrl.experiments.papers.length.p01_crf import expected_rewards, train
from toyrl.experiments.papers.length.p01_variance import Laws, paid
from toyrl.models import conciseness as texts
from toyrl.models.linear import BradleyTerry, LinearScorer, Ridge
from toyrl.shapers.length.absolute import LinearLength
from toyrl.shapers.outcome import Outcome
from toyrl.theory.length import conciseness as theory
from toyrl.theory.length.conciseness import LengthChain
from toyrl.theory.length.score_error import score_error_margin, score_error_noise
from toyrl.theory.length.score_moments import outcome_noise
from toyrl.worlds.text.problems import make_problem
from toyrl.worlds.text.render import RenderedRow, render

P, KAPPA, LIMIT = 0.6, 1.2, 400.0
NEEDED = (2, 16)  # steps of a problem
TEXT_WORK = 2_000.0
"""Units of a text: written, read and turned into features, about 0.2 ms."""
RHO = "A: rank correlation with the true score on unseen texts, the lower of two learners"
FAIR = "B: mean score of bare solutions, 16 steps less 4"
SKIPS = "B: where additive length penalty and CRF skip the work, misses"
MARGIN = "B: gain of accuracy below which CRF skips underrated work, largest error"
NOISE = "C: within-outcome noise of both rewards under the model's scores, largest error"
EXTRA = "C: what the model's error adds to it, largest error"
SPARED = "C: relative noise of CRF over the additive one's, under the model's scores"
WEIGHT = "C: weight at which the additive reward turns against the outcome, largest error"
GATED = "C: least gap between right and wrong under CRF, largest error of the formula"
LASTS = "D: accuracy under CRF with scores off by the model's errors, least"
FALLS = "D: accuracy under the additive reward with exact scores"


# -- A: the model ----------------------------------------------------------------------------------
def by_length(rows: list[RenderedRow]) -> np.ndarray:
    """Mutant: the length is all that is read."""
    return np.array([[len(r.row.completion.split())] for r in rows], dtype=float)


def by_words(rows: list[RenderedRow]) -> np.ndarray:
    """Mutant: how many different words, which grows with the problem."""
    return np.array([[len(set(r.row.completion.split()))] for r in rows], dtype=float)


READERS: dict[str, Any] = {"text": texts.table, "length": by_length, "words": by_words}


@cache
def written(n: int, seed: int) -> tuple[tuple[RenderedRow, ...], tuple[RenderedRow, ...]]:
    """(n to learn from, n unseen ones), other problems and other mixes of padding."""
    return tuple(tuple(texts.padded_rows(n, 2 * seed + k, needed=NEEDED)) for k in (0, 1))  # pyright: ignore[reportReturnType]


@dataclass(frozen=True)
class Learned:
    """Two scorers of the same texts, and how texts are read."""

    ridge: LinearScorer
    pairs: LinearScorer
    read: Any

    def scores(self, rows: Any) -> np.ndarray:
        """(N,) in [0.1, 1]."""
        spend(TEXT_WORK * len(rows))
        return np.clip(self.ridge.score(self.read(list(rows))), texts.LOWEST, 1.0)


def learn(reader: str, target: str, n: int, seed: int) -> Learned:
    """Fitted to a judge's labels in steps of 0.1; target : as mutants, labels at random."""
    rows, read = list(written(n, seed)[0]), pick(READERS, reader)
    y = texts.labels(rows)
    rng = draws(seed, 1)
    y = {"judge": y, "at random": rng.permutation(y)}[target]
    spend(TEXT_WORK * n)
    x = read(rows)
    return Learned(Ridge().fit(x, y), BradleyTerry().fit(x, texts.pairs(y, rng, 4 * n)), read)


def truth(rows: Any) -> np.ndarray:
    """(N,) true scores."""
    return np.array([texts.true_score(r) for r in rows])


def ranking(model: Learned, n: int, seed: int) -> Items:
    """Held-out rank correlation of both learners."""
    from scipy.stats import rankdata

    unseen = list(written(n, seed)[1])
    x, c = model.read(unseen), truth(unseen)
    rho = [
        float(np.corrcoef(rankdata(m.score(x)), rankdata(c))[0, 1])
        for m in (model.ridge, model.pairs)
    ]
    yield Check(RHO, min(rho), 0.8, ">=", routes=("least squares", "Bradley-Terry on pairs"))
    got, order = model.scores(unseen), np.argsort(c)
    off = got - c
    yield Table("error", ("rank correlation", "of pairs", "bias", "root mean square error"),
                [[*rho, float(off.mean()), float(np.sqrt((off**2).mean()))]])  # fmt: skip
    yield lines("scores", "Learned against true scores", ("true score", "learned"),
                {"unseen texts": got[order]}, x=c[order].tolist(),
                points=("unseen texts",))  # fmt: skip


# -- B: hard prompts -------------------------------------------------------------------------------
def bare(steps: int, n: int, seed: int) -> list[RenderedRow]:
    """Solutions of that many steps and nothing else."""
    actions = ["STEP"] * steps + ["ANSWER"]
    return [render(make_problem(steps, 997 * seed + i), actions, dialect="tag", correct=True,
                   seed=i, tokens_per_action=8.0) for i in range(n)]  # fmt: skip


def hard_prompts(model: Learned, form: str, seed: int) -> Items:
    """Who skips the work on problems of 4 and 16 steps: a guess of one line, right with 0.3."""
    means = {d: float(model.scores(bare(d, 20, seed)).mean()) for d in (4, 16)}
    only = alone("learned score", "both true scores are 1: the number is the model's own error")
    yield only(FAIR, abs(means[16] - means[4]), 0.1)
    guess, beta = 1.0, np.linspace(0.05, 0.95, 19)
    found, want = [], []
    for d, gain in ((d, g) for d in (4, 16) for g in (0.005, 0.1, 0.3, 0.6)):
        length, p = np.array([10.0, 20.0 * d]), np.array([0.3, 0.3 + gain])
        for b in beta:
            r_len = payments(Outcome() - float(b) * LinearLength(), length, LIMIT)
            found.append(np.diff(p * r_len[0] + (1 - p) * r_len[1])[0] < 0)
            want.append(b * (length[1] - length[0]) / LIMIT > gain)
        found.append(value_gap(form, p, np.array([guess, means[d]])) > 0)
        want.append(bool(theory.crf_prefers_short(p[0], p[1], guess, means[d], KAPPA)))
    yield missed(SKIPS, found, want, ("boundary", "shapers"))
    off = np.array([0.02, 0.05, 0.1, 0.3])

    def worth(gain: float, error: float) -> float:
        return value_gap(form, np.array([0.3, 0.3 / (1 - gain)]), np.array([1.0, 1 - error]))

    turn = [root(lambda g, e=e: worth(g, e), 1e-9, 0.6) for e in off]
    yield apart(MARGIN, turn, score_error_margin(KAPPA, off), 1e-9, ("closed form", "bisected"))
    rows = [[d, means[d], float(score_error_margin(KAPPA, max(0.0, 1 - means[d])))] for d in means]
    yield Table("hard", ("steps", "learned score", "gain below which CRF skips"), rows)


def value_gap(form: str, p: np.ndarray, score: np.ndarray) -> float:
    """What the guess is worth above the work, through the shaper at weight kappa."""
    share = float(p.mean())
    mass = np.concatenate([p, 1 - p])[None] / 2  # right guess, right work, wrong guess, wrong work
    law = Laws(np.array([[share]]), np.array([[KAPPA]]), np.tile(score, 2)[None], mass)
    guess, work = (mass * law.reward(paid(form, KAPPA, share)))[0].reshape(2, 2).sum(0)
    return float(guess - work)


# -- C: error in the variance ----------------------------------------------------------------------
def law_of(score: np.ndarray) -> Laws:
    """Scores (2J,) of J right and J wrong texts, all alike in chance."""
    half = score.size // 2
    mass = np.concatenate([np.full(half, P / half), np.full(half, (1 - P) / half)])
    return Laws(np.array([[P]]), np.array([[KAPPA]]), score[None], mass[None])


def within(law: Laws, form: str) -> float:
    """E[Var(R | o)] by the definition, from what the shaper pays each text."""
    value = law.reward(paid(form, KAPPA, P))[0]
    sides = np.split(value, 2)
    return P * float(sides[0].var()) + (1 - P) * float(sides[1].var())


def variance(model: Learned, pair: tuple[str, str], n: int, seed: int) -> Items:
    """The moments with the model's error in them; wrong texts are the more concise ones."""
    rows = sorted(written(n, seed)[1], key=texts.true_score)
    rows = rows[: n // 2] + rows[n // 2 : 2 * (n // 2)]  # right: padded; wrong: concise
    true, learned = truth(rows), model.scores(rows)
    laws = [law_of(x) for x in (true, learned)]
    found = np.array([[within(law, form) for form in pair] for law in laws])
    closed = np.array(
        [[float(np.squeeze(x)) for x in outcome_noise(law.moments())] for law in laws]
    )
    yield apart(NOISE, found, closed, 1e-12, ("moments", "shapers"))
    error = [(e.var() + 2 * np.cov(c, e, bias=True)[0, 1]) for c, e in
             zip(np.split(true, 2), np.split(learned - true, 2), strict=True)]  # fmt: skip
    yield apart(EXTRA, found[1] - found[0], score_error_noise(P, KAPPA, *error), 1e-12,
                ("moments of the error", "shapers"))  # fmt: skip
    moments = laws[1].moments()
    nu = [float(np.squeeze(x)) for x in theory.relative_gradient_variances(moments)]
    o = laws[1].outcome[0]
    sampled_nu = []
    for form in pair:
        g = (o - P) * laws[1].reward(paid(form, KAPPA, P))[0]
        mean, square = (float(laws[1].mass[0] @ x) for x in (g, g**2))
        sampled_nu.append(square / mean**2 - 1)
    ratio = max(nu[1] / nu[0], sampled_nu[1] / sampled_nu[0])
    yield Check(SPARED, ratio, 1.0, "<", routes=("closed form", "shapers"))
    means = [[float(x[: n // 2].mean()), float(x[n // 2 :].mean())] for x in (true, learned)]
    turn = [root(lambda k, law=law: gap(law, pair[0], k), 1e-6, 40.0) for law in laws]
    want = [float(theory.collapse_weight(*m)) for m in means]
    yield apart(WEIGHT, turn, want, 1e-9, ("closed form", "bisected gap"))
    gaps = [gap(law, pair[1], KAPPA) for law in laws]
    yield apart(GATED, gaps, [1 + KAPPA * m[0] for m in means], 1e-12, ("closed form", "shapers"))
    rows = [[s, *f.tolist(), w] for s, f, w in zip(("true", "learned"), found, want, strict=True)]
    columns = ("scores", "noise of additive", "of CRF", "weight at which the additive one turns")
    yield Table("noise", columns, rows)


def gap(law: Laws, form: str, kappa: float) -> float:
    """Mean reward of right texts less that of wrong ones."""
    right, wrong = np.split(law.reward(paid(form, kappa, P))[0], 2)
    return float(right.mean() - wrong.mean())


# -- D: error in the collapse ----------------------------------------------------------------------
@dataclass(frozen=True)
class Misjudged(LengthChain):
    """A chain of lengths whose scores are off: by `short` at length 1, by `long` at the limit."""

    short: float = 0.0
    long: float = 0.0

    def score(self, n: Any) -> Any:
        """c(n) plus the error, in [0.1, 1]."""
        share = (n - 1) / (self.limit - 1)
        off = self.short * (1 - share) + self.long * share
        return np.clip(LengthChain.score(self, n) + off, texts.LOWEST, 1.0)


def collapse(model: Learned, pair: tuple[str, str], n: int, seed: int, steps: int) -> Items:
    """Training on lengths with scores off by the model's 95 % quantile error, either way."""
    rows = list(written(n, seed)[1])
    off = float(np.quantile(np.abs(model.scores(rows) - truth(rows)), 0.95))
    best, last = {name: [] for name in ("additive", "CRF")}, []
    for short, long in itertools.product((-off, 0.0, off), repeat=2):
        chain = Misjudged(short=short, long=long)
        value = dict(zip(best, (expected_rewards(f, chain, 8.0) for f in pair), strict=True))
        for name, x in value.items():
            best[name].append(float(chain.accuracy(1.0 + np.argmax(x))))
        last.append(float(train(value["CRF"], chain, steps)["accuracy"][-1]))
    exact = LengthChain()
    fallen = train(expected_rewards(pair[0], exact, 8.0), exact, steps)["accuracy"][-1]
    both = ("updates", "best length by enumeration")
    yield Check(LASTS, min(*last, *best["CRF"]), 0.75, ">", routes=both)
    yield Check(FALLS, max(float(fallen), best["additive"][4]), 0.2, "<", routes=both)
    yield Table("collapse", ("error", "CRF, least", "additive, least", "additive, most"),
                [[off, min(best["CRF"]), min(best["additive"]), max(best["additive"])]],
                "Accuracy of the best length at weight 8, nine ways to be off by that much. Errors "
                "can keep the additive reward from collapse; exact scores don't.")  # fmt: skip


def blind_spot(model: Learned, seed: int) -> Items:
    """Padding that says something new each time: idle sums, which the features take for work."""
    rng = draws(seed, 4)
    rows = bare(4, 10, seed)
    idle = []
    for r in rows:
        a = rng.integers(10, 99, (16, 2))
        more = "\n".join(f"Note {i}: {x} + {y} = {x + y}." for i, (x, y) in enumerate(a.tolist()))
        idle.append(r.row.completion.replace("</think>", more + "\n</think>"))
    features = np.array([texts.text_features(t) for t in idle])
    got = float(np.clip(model.ridge.score(features), texts.LOWEST, 1).mean())
    yield alone("learned score", "a fact about this model and these texts")(
        "D: score of texts of which four fifths are idle sums (true: 0.2)", got, 0.5, ">",
        claim=False)  # fmt: skip


@experiment(
    "01-model",
    card="01",
    slug="crf-model",
    claim="A small model of words ranks unseen texts by redundancy and leaves long necessary work "
    "alone; its errors on wrong answers reach the additive reward and not CRF, which stays clear "
    "of collapse under any error of that size.",
    source="part D of the toy; the stand-in for the trained model is ours, all derived",
    provenance="derived",
    smoke={"n": 200, "steps": 600},
    mutants=[
        Mutant("labels at random", {"target": "at random", "parts": "A"}, (RHO,)),
        Mutant("the length is all that is read", {"reader": "length", "parts": "B"}, (FAIR,)),
        Mutant("different words are counted", {"reader": "words", "parts": "A"}, (RHO,)),
        Mutant("additive in the place of CRF", {"form": "additive", "parts": "BCD"},
               (SKIPS, MARGIN, NOISE, EXTRA, SPARED, GATED, LASTS)),
        Mutant("CRF in the place of the additive one", {"rival": "crf", "parts": "CD"},
               (NOISE, EXTRA, WEIGHT, FALLS)),
    ],
)  # fmt: skip
def run(
    *,
    reader: str = "text",
    target: str = "judge",
    form: str = "crf",
    rival: str = "additive",
    n: int = 400,
    steps: int = 600,
    parts: str = "ABCD",
    seed: int = 0,
) -> Result:
    """A model fitted to texts; hard prompts; its error in variances and in the collapse of length.

    n : texts to learn from, and as many unseen; steps : of training; parts : which to run; the
    others but `seed` are for mutants
    """
    model = learn(reader, target, n, seed)
    pair = (rival, form)
    each = {
        "A": lambda: ranking(model, n, seed),
        "B": lambda: hard_prompts(model, form, seed),
        "C": lambda: variance(model, pair, n, seed),
        "D": lambda: [*collapse(model, pair, n, seed, steps), *blind_spot(model, seed)],
    }
    return run_parts(each, parts, notes=(
        "The paper's model is a language model trained on a judge's scores; this one reads ten "
        "features of words, and what it can't tell apart can be exploited.",
    ))  # fmt: skip
