"""Follow-ups as reward: order, what the contrast cancels, how many, pairs, preferences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.integrate import quad

from toyrl.experiments.core import Mutant, Result, Table, experiment
from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.bandits import follow
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import alone, apart, beyond, deviation, missed, sampled
from toyrl.experiments.papers.learned.p49_words import FORCED, TOLD, released, turned, words
from toyrl.models.follow_ups import (
    follow_up_contrast,
    mine_pairs,
    sides,
)
from toyrl.models.reward.implicit import paired_loss
from toyrl.theory.learned.follow_ups import (
    contrast_accuracy,
    follow_up_reward,
    follow_up_slope,
    mining_gap,
    positive_only_accuracy,
)
from toyrl.theory.policies import softmax, tilt

PRAISE, BLAME = (0.4, 0.1), (0.05, 0.3)
"""Chance of approval, of disapproval: if satisfied, if not."""
ORDER = "(a) pairs of 200 responses that FLR orders otherwise than satisfaction does"
LOGIT = "(a) b = c = 0: FLR beside logit(s) + log(a/d), largest error"
SLOPE = "(a) slope of FLR beside a difference quotient, largest error"
CANCELS = "(b) pairs that FLR misorders at any nuisance"
ALONE = "(b) approval alone beside Phi, largest deviation in standard errors"
BLIND = "(b) approval alone at a nuisance of three gaps: accuracy and 4 errors"
COUNT = "(c) accuracy beside Phi at 1 to 20 follow-ups a side, largest deviation"
SPREAD = "(d) E[best - worst] of 2 to 16 beside the integral, largest error"
MINED = "(d) mined gap at k = 8 beside 7/9"
NOISY = "(d) mined gap with noise of one nat, and 4 errors"
GUESS = "(d) mined gap where noise is all"
GAIN = "(e) smallest gain of E[s] over the seeds, pairs by FLR"
AHEAD = "(e) mean E[s], pairs by FLR less pairs by approval alone"
TILTED = "KL tilts by FLR and by satisfaction: pairs of log-ratios ordered otherwise"
ONE = "a preference loss after finitely many steps has no closed form"
sampled_only = alone("simulation", ONE)


def _summed(good: Sequence[Any], bad: Sequence[Any]) -> np.ndarray:
    return follow_up_contrast(good, [-np.asarray(x) for x in bad])


RULES = {
    "contrast": follow_up_contrast,
    "approval alone": lambda good, bad: sides(good, bad)[0],
    "added": _summed,
    "sides exchanged": lambda good, bad: follow_up_contrast(bad, good),
    "first follow-up": lambda good, bad: follow_up_contrast(
        [x[..., :1] for x in good], [x[..., :1] for x in bad]
    ),
}


def likelihoods(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log p(approval), log p(disapproval) of satisfaction s, behind a new axis of follow-ups."""
    (a, b), (c, d) = PRAISE, BLAME
    return np.log(s * a + (1 - s) * b)[..., None], np.log(s * c + (1 - s) * d)[..., None]


# -- (a) -------------------------------------------------------------------------------------------
def order(rule: str, seed: int) -> Items:
    """A scorer that mixes the words of satisfied and dissatisfied users."""
    s = draws(seed, 1).random(200)
    good, bad = likelihoods(s)
    score = pick(RULES, rule)([good], [bad])
    yield missed(ORDER, *turned(score, s), ("score of likelihoods", "satisfaction"))
    a, d = PRAISE[0], BLAME[1]
    limit = pick(RULES, rule)([np.log(a * s)[:, None]], [np.log(d * (1 - s))[:, None]])
    yield apart(LOGIT, limit, np.log(s / (1 - s)) + np.log(a / d), 1e-12)
    grid, h = np.linspace(0.02, 0.98, 49), 1e-5
    up, down = (pick(RULES, rule)(*([x] for x in likelihoods(grid + x))) for x in (h, -h))
    slope = follow_up_slope(grid, PRAISE, BLAME)
    yield apart(SLOPE, (up - down) / (2 * h), slope, 1e-6, ("slope", "difference quotient"))
    yield lines("FLR", "The reward against the chance that the user is satisfied", ("s", "nats"),
                {"FLR": follow_up_reward(grid, PRAISE, BLAME), "log p(approval)":
                 likelihoods(grid)[0][:, 0], "log p(disapproval)": likelihoods(grid)[1][:, 0]},
                x=grid.tolist(), dashed=("log p(approval)", "log p(disapproval)"),
                caption="Approval by 0.4 of satisfied and 0.1 of other users, disapproval by 0.05 "
                "and 0.3.")  # fmt: skip
    ours, true = (np.log(tilt(np.full(200, 1 / 200), x, 2.0)) for x in (score, s))
    yield missed(TILTED, *turned(ours, true), ("tilt by the score", "tilt by satisfaction"))


# -- (b), (c) --------------------------------------------------------------------------------------
def heard(rng: np.random.Generator, pairs: int, n: int, nuisance: float, noise: float,
          per: str = "response") -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """l (pairs, 2, n) of approving and disapproving follow-ups to a better and a worse response.

    per : whose the nuisance is: a "response"'s, a "prompt"'s, or a "side"'s of the follow-ups
    noise : of each response and follow-up; per = "template": of each follow-up alone
    """
    own = likelihoods(np.array([0.6, 0.5]))
    shape = {"prompt": (1, pairs, 1, 1), "side": (2, pairs, 2, 1)}.get(per, (1, pairs, 2, 1))
    shared = np.broadcast_to(nuisance * rng.normal(size=shape), (2, pairs, 2, 1))
    each = noise * rng.normal(size=(2, pairs, 1 if per == "template" else 2, n))
    spend(2 * pairs * (1 + 2 * n))
    return own[0] + shared[0] + each[0], own[1] + shared[1] + each[1]


def right(score: np.ndarray) -> tuple[float, float]:
    """Share of pairs whose better response scores higher, ties half, and its standard error."""
    won = (1 + np.sign(np.round(score[:, 0] - score[:, 1], 12))) / 2
    return float(won.mean()), float(np.sqrt(max(won.var(), 0.25 / len(won)) / len(won)))


def nuisance(rule: str, per: str, pairs: int, seed: int) -> Items:
    """A number that moves every follow-up of a response alike: fluency, length, register."""
    rng = draws(seed, 3)
    good = likelihoods(np.array([0.6, 0.5]))[0]
    gap = float(good[0, 0] - good[1, 0])
    scales = np.array([0.3, 1.0, 3.0, 10.0])
    both, only = [], []
    for scale in scales:
        up, down = heard(rng, pairs, 1, scale * gap, 0.0, per)
        both.append(right(pick(RULES, rule)([up], [down]))[0])
        only.append(right(sides([up], [down])[0]))
    rate, error = np.array(only).T
    want = positive_only_accuracy(gap, scales * gap)
    yield missed(CANCELS, both, np.ones(len(scales)), ("simulation", "cancellation"))
    yield deviation(ALONE, rate, error, want)
    yield beyond(BLIND, rate[2], error[2], 0.65, "<")
    yield lines("nuisance", "What moves all follow-ups of a response alike cancels",
                ("nuisance / gap", "pairs ordered right"),
                {"FLR": both, "approval alone": rate, "Phi": want}, x=scales.tolist(), log_x=True,
                dashed=("Phi",), caption=f"{pairs} pairs of responses that satisfy 0.6 and 0.5 of "
                "users.")  # fmt: skip


def number(rule: str, per: str, pairs: int, seed: int) -> Items:
    """Noise of single follow-ups, averaged over 1 to 20 a side."""
    rng, sizes, omega = draws(seed, 4), np.array([1, 2, 5, 10, 20]), 1.0
    gap = float(np.diff(follow_up_reward(np.array([0.5, 0.6]), PRAISE, BLAME))[0])
    found = []
    for n in sizes:
        up, down = heard(rng, pairs, int(n), 1.0, omega, per)
        found.append(right(pick(RULES, rule)([up], [down])))
    rate, error = np.array(found).T
    want = contrast_accuracy(gap, omega, sizes, sizes)
    yield deviation(COUNT, rate, error, want)
    yield lines("number", "More follow-ups, fewer misordered pairs",
                ("follow-ups a side", "pairs ordered right"), {"FLR": rate, "Phi": want},
                x=sizes.tolist(), log_x=True, dashed=("Phi",),
                caption=f"{pairs} pairs; noise of one nat per response and follow-up.")  # fmt: skip


# -- (d) -------------------------------------------------------------------------------------------
def picked(score: np.ndarray, s: np.ndarray, mining: str) -> np.ndarray:
    """(prompts,) satisfaction of the chosen less that of the rejected response."""
    pairs = mine_pairs(score)
    low = pairs.rejected
    if mining == "runner-up rejected":
        low = np.argsort(score, axis=-1)[:, -2]
    row = np.arange(len(s))
    return s[row, pairs.chosen] - s[row, low]


def mining(how: str, heed_noise: bool, prompts: int, seed: int) -> Items:
    """Best and worst of k responses with satisfaction uniform on [0, 1]."""
    rng, sizes = draws(seed, 5), np.arange(2, 17)
    exact = [quad(lambda x, k=k: 1 - x**k - (1 - x) ** k, 0, 1)[0] for k in sizes]
    spend(300 * len(sizes))
    law = mining_gap(sizes if how != "runner-up rejected" else np.full(len(sizes), 2))
    yield apart(SPREAD, law, exact, 1e-12, ("closed form", "integral"))
    s = rng.random((prompts, 8))
    score = follow_up_reward(s, PRAISE, BLAME)
    noise = rng.normal(size=(2, prompts, 8)) * heed_noise
    clean, noisy, blind = (picked(x, s, how) for x in (
        score, score + noise[0], noise[1] + score * (not heed_noise)))  # fmt: skip
    yield sampled(MINED, clean, float(mining_gap(8)))
    yield beyond(NOISY, noisy.mean(), noisy.std() / np.sqrt(prompts), float(mining_gap(8)), "<")
    yield sampled(GUESS, blind, 0.0)
    yield Table("satisfaction of the chosen less the rejected, k = 8", ("score", "gap"),
                [["FLR", float(clean.mean())], ["with noise of a nat", float(noisy.mean())],
                 ["noise", float(blind.mean())]])  # fmt: skip


# -- (e) -------------------------------------------------------------------------------------------
def aligned(rule: str, turned_pairs: bool, seeds: int, updates: int, seed: int) -> Items:
    """A bandit of 20 responses, trained by DPO on 2,000 mined pairs of each rule."""
    m, pairs, k, beta, rate = 20, 2000, 8, 0.5, 2.0
    satisfied, counts = [], []
    for own in range(seeds):
        rng = draws(seed, 100 + own)
        s, u = rng.uniform(0.02, 0.98, m), 1.5 * rng.normal(size=m)
        good, bad = (x + u[:, None] for x in likelihoods(s))
        drawn = rng.integers(m, size=(pairs, k))
        for score in (pick(RULES, rule)([good], [bad]), RULES["approval alone"]([good], [bad])):
            mined, row = mine_pairs(score[drawn]), np.arange(pairs)
            ends = drawn[row, mined.chosen], drawn[row, mined.rejected]
            count = np.zeros((m, m))
            np.add.at(count, ends[::-1] if turned_pairs else ends, 1.0 * mined.kept)
            counts.append(count / mined.kept.sum())
        satisfied += [s, s]
    share, s = np.array(counts), np.array(satisfied)

    def step(z: np.ndarray, _: int) -> np.ndarray:
        # log pi/pi0 = z less a constant, which no difference sees.
        up, down = paired_loss("dpo", beta * z[:, :, None], beta * z[:, None, :])[1]
        spend(share.size)
        return z - rate * beta * ((share * up).sum(2) + (share * down).sum(1))

    value = (softmax(follow(step, np.zeros(s.shape), updates)[-1]) * s).sum(-1).reshape(seeds, 2)
    base = s.mean(-1).reshape(seeds, 2)[:, 0]
    yield sampled_only(GAIN, float((value[:, 0] - base).min()), 0.2, ">=")
    yield sampled_only(AHEAD, float((value[:, 0] - value[:, 1]).mean()), 0.15, ">=")
    yield Table("mean satisfaction after training on mined pairs",
                ("pairs by", "E[s]", "smallest gain of a seed"),
                [["base policy", float(base.mean()), 0.0],
                 *([name, float(x.mean()), float((x - base).min())]
                   for name, x in (("FLR", value[:, 0]), ("approval alone", value[:, 1])))]
                )  # fmt: skip


@experiment(
    "49",
    card="49",
    slug="flr",
    claim="Approving against disapproving follow-ups order responses by the user's satisfaction, "
    "whatever moves all follow-ups of a response alike; approval alone does not. Pairs mined by "
    "the contrast align a policy, pairs mined by approval alone hardly do.",
    source="abstract, code e0397123/FLR; aggregation reconstructed; toys derived",
    provenance="reconstructed",
    smoke={"pairs": 4000, "worlds": 3},
    mutants=[
        Mutant("approval alone", {"rule": "approval alone", "parts": ("order", "nuisance", "dpo")},
               (LOGIT, SLOPE, CANCELS, AHEAD)),
        Mutant("sides exchanged", {"rule": "sides exchanged", "parts": ("order", "dpo")},
               (ORDER, TILTED, GAIN)),
        Mutant("a side's own nuisance", {"per": "side", "parts": ("nuisance",)}, (CANCELS,)),
        Mutant("nuisance of the prompt", {"per": "prompt", "parts": ("nuisance",)},
               (ALONE, BLIND)),
        Mutant("logits one place late", {"reading": "shifted", "parts": ("words",)},
               (FORCED, TOLD)),
        Mutant("summed over tokens", {"reading": "summed", "parts": ("words",)}, (FORCED,)),
        Mutant("no softmax", {"reading": "raw logits", "parts": ("words",)}, (FORCED, TOLD)),
        Mutant("the released score", {"reading": "released", "parts": ("words",)},
               (FORCED, TOLD)),
        Mutant("the first follow-up speaks for all", {"rule": "first follow-up",
                                                      "parts": ("number",)}, (COUNT,)),
        Mutant("one noise for both responses", {"per": "template", "parts": ("number",)},
               (COUNT,)),
        Mutant("the runner-up is rejected", {"how": "runner-up rejected", "parts": ("mining",)},
               (SPREAD, MINED)),
        Mutant("noise left out", {"heed_noise": False, "parts": ("mining",)}, (NOISY, GUESS)),
        Mutant("chosen and rejected exchanged", {"turned_pairs": True, "parts": ("dpo",)},
               (GAIN, AHEAD)),
    ],
)  # fmt: skip
def run(
    *,
    rule: str = "contrast",
    reading: str = "teacher forcing",
    per: str = "response",
    how: str = "best and worst",
    heed_noise: bool = True,
    turned_pairs: bool = False,
    responses: int = 40,
    follow_ups: int = 10,
    pairs: int = 20000,
    prompts: int = 20000,
    seeds: int = 20,
    updates: int = 300,
    worlds: int = 20,
    parts: Sequence[str] = ("order", "words", "released", "nuisance", "number", "mining", "dpo"),
    seed: int = 0,
) -> Result:
    """Order by satisfaction, follow-ups of words, nuisance, noise, mined pairs, DPO on them.

    responses, follow_ups : of the part "words"; pairs : of (b) and (c); prompts : of (d)
    seeds, updates : of (e); worlds : of the table on the released score; parts : which to run
    rule : one of `RULES`; reading, per, how, heed_noise, turned_pairs : for mutants
    """
    own = {
        "order": lambda: order(rule, seed),
        "words": lambda: words(reading, responses, follow_ups, seed),
        "released": lambda: released(responses // 2, follow_ups, worlds, seed),
        "nuisance": lambda: nuisance(rule, per, pairs, seed),
        "number": lambda: number(rule, per, pairs, seed),
        "mining": lambda: mining(how, heed_noise, prompts, seed),
        "dpo": lambda: aligned(rule, turned_pairs, seeds, updates, seed),
    }
    return run_parts(own, parts, (
        "The released scorer averages raw logits of one row, no likelihood: the published numbers "
        "may rest on it. A table has both.",
    ))  # fmt: skip
