"""Phase diagrams of length rewards: weight against prompts, base and trainer, with boundaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import alone, apart, missed
from toyrl.experiments.lab.shared import shared
from toyrl.experiments.papers.length.phase_lab import (
    FORMS,
    HIGH,
    LOW,
    PARTNERS,
    SCALES,
    STANDARD,
    Form,
    Size,
    given,
    shown_map,
    swept_map,
)
from toyrl.experiments.sweep.axes import Axis
from toyrl.experiments.sweep.parameters import BEHAVIOUR, CHAIN
from toyrl.experiments.sweep.plan import Plan
from toyrl.experiments.sweep.result import Sweep
from toyrl.experiments.validate.reward_law.bench import H
from toyrl.theory.length.thinking import thinking_weights
from toyrl.worlds.chain.model import Chain

THINKS = {"slip": 0.0, "progress": 0.9, "flag_noise": 0.5, "updates": 2000, "length": 180.0,
          "ability": 0.8}  # fmt: skip
"""Worlds of the closed forms: the policy sees its progress alone, and the base works already."""
SPREAD = 1e-4
"""eps of TRL's division, in the preset grpo."""
CLOSED = "guess: weight at which training turns to guessing, over the closed form, least"
NEVER = "guess: the same, most"
GIVES_UP = "easy: weight at which hard prompts are given up, over the closed form, worst"
BOUND = "ability: largest good weight over the optimum's, most"
SCALED = "group: log length under G at T/(1 - 1/G) updates less that of the limit at T, most"
FALLS = "flag: largest good weight, noisy over clear, most"
SPARED = "redundancy: chance of a loss at a large weight, least redundant less most"
FLAT = "normalisation: speed that 100 times the weight gains under the std, from 10 eps/spread on"
HALF = "normalisation: speed at weight eps/spread over that far above"
MOVES = "normalisation: the same under the mean alone"
MONOTONE = "chain maps of able bases: neighbours along the weight that end longer, additive"
trained = alone("exact training", "the path of a run has no closed form")
behaves = alone("behaviour worlds", "a path over sampled groups has no closed form")


# -- the maps --------------------------------------------------------------------------------------
def maps(size: Size, forms: Sequence[str], partners: Sequence[str]) -> Items:
    """Every form against every partner: a picture of each, and where it turns."""
    rows, longer = [], 0
    for partner in partners:
        for name in forms:
            found = shown_map(size, FORMS[name], partner)
            if found is None:
                rows.append([name, PARTNERS[partner][0], "-", "-", "-", "-"])
                continue
            if partner not in ("redundancy", "ability") and name == "additive":
                longer += int((np.diff(found.columns["length"], axis=0) > 0.5).sum())
            picture = found.pictures()[0]
            yield _named(picture, name, partner)
            rows.append([name, PARTNERS[partner][0], *_turns(found)])
    yield trained(MONOTONE, longer, 0, "==", claim=False)
    yield Table(
        "phase-maps", ("reward", "against", "largest good weight: low end", "high end",
                       "first that collapses: low end", "high end"), rows,
        f"Weights {LOW:g} to {HIGH:g}; at the low and the high end of the other axis (of "
        "normalisation: none and batch). none: not even the smallest; >: beyond the largest.",
    )  # fmt: skip


def _named(picture: Any, name: str, partner: str) -> Any:
    from dataclasses import replace

    label = f"weight of {name}"
    return replace(picture, name=f"{partner}-{name.split()[0].lower()}", x_label=label,
                   title=f"{name}: weight against {PARTNERS[partner][0]}")  # fmt: skip


def _turns(found: Sweep) -> list[str]:
    """Largest good and first collapsing weight at both ends of the other axis."""
    ends = (found.edges[0], found.edges[-1])
    most = f"> {HIGH:g}"
    good = ["none" if e.safe is None else most if e.safe >= HIGH * 0.999 else f"{e.safe:.2g}"
            for e in ends]  # fmt: skip
    lost = [most if e.lost is None else f"{e.lost:.2g}" for e in ends]
    return [*good, *lost]


# -- closed forms ----------------------------------------------------------------------------------
def chain_of(easy: float, guess: float) -> Chain:
    """The chain of `THINKS` with one prompt type or two."""
    own = {"difficulties": (8,), "shares": (1.0,)} if easy == 0 else {
        "difficulties": (2, 8), "shares": (easy, 1 - easy)}  # fmt: skip
    return Chain(**own, progress=0.9, slip=0.0, guess=guess, max_actions=H)


def hull(chain: Chain) -> float:
    """The weight at which the best policy first gives something up."""
    return float(thinking_weights(chain)[1][0])


def by_whole_length(chain: Chain) -> float:
    """Mutant: a guess is taken to cost nothing, though it is one action too."""
    k, q = chain.difficulties[-1], chain.progress
    return (1 - chain.guess) * chain.H / (k / q + 1)


def never_right(chain: Chain) -> float:
    """Mutant: a guess is taken to be never right."""
    return chain.progress * chain.H / chain.difficulties[-1]


def by_mean(chain: Chain) -> float:
    """Mutant: the mean difficulty in the place of the step from one prompt type to the next."""
    k = float(np.dot(chain.shares, chain.difficulties))
    return (1 - chain.guess) * chain.progress * chain.H / k


CLOSED_FORMS = {
    "hull": hull,
    "whole length": by_whole_length,
    "never right": never_right,
    "mean difficulty": by_mean,
}
NEAR = np.linspace(0.75, 1.15, 17)
"""Weights around the closed form, over it."""


def turn(found: Sweep, row: int) -> float:
    """Where accuracy crosses the middle between its first and its last value, in log weight."""
    x = np.log(np.asarray(found.plan.axes[0].values))
    y = found.columns["accuracy"][:, row]
    middle = (y[0] + y[-1]) / 2
    k = int(np.argmax(y < middle))
    if not k:
        return float("nan")
    share = (y[k - 1] - middle) / (y[k - 1] - y[k])
    return float(np.exp(x[k - 1] + share * (x[k] - x[k - 1])))


def thresholds(form: str, cases: Sequence[tuple[float, float]], formula: str) -> list[float]:
    """The trained turn over the closed form, for (share of easy prompts, guessing rate)."""
    return [trained_turn(form, easy, guess) / CLOSED_FORMS[formula](chain_of(easy, guess))
            for easy, guess in cases]  # fmt: skip


@shared
def trained_turn(form: str, easy: float, guess: float) -> float:
    """The weight at which training turns, for a share of easy prompts and a guessing rate."""
    own = hull(chain_of(easy, guess))
    at = {**THINKS, "easy": max(easy, 1e-6)}
    return turn(swept_map(FORMS[form], own * NEAR, "guess", (guess,), at), 0)


BY_TRAINING = ("closed form", "exact training")


def guessed(form: str, guesses: Sequence[float], formula: str) -> Items:
    """A run gives up a little before the optimum does (the longer it is the less), never after."""
    found = thresholds(form, [(0.0, g) for g in guesses], formula)
    yield Check(CLOSED, min(found), 0.9, ">", routes=BY_TRAINING)
    yield Check(NEVER, max(found), 1.0, "<", routes=BY_TRAINING)


def given_up(form: str, shares: Sequence[float], formula: str) -> Items:
    """With two kinds of prompts the hard ones go first, at their own price."""
    found = thresholds(form, [(e, 0.1) for e in shares], formula)
    yield apart(GIVES_UP, np.log(found), np.zeros(len(found)), 0.05, routes=BY_TRAINING)


def bound(form: str, abilities: Sequence[float], n: int) -> Items:
    """No base has a good weight beyond the optimum's threshold, however able."""
    limit = hull(chain_of(0.0, 0.1))
    at = {**THINKS, "easy": 1e-6}
    del at["ability"]
    m = swept_map(FORMS[form], np.geomspace(limit / 8, 2 * limit, n), "ability", abilities, at)
    most = max((e.safe or 0.0) for e in m.edges)
    yield missed(BOUND, [most > 1.02 * limit], [False], routes=BY_TRAINING)


def scaled(sizes: Sequence[int], rescaled: bool) -> Items:
    """Mean-only groups of G make a run slower by 1 - 1/G, and nothing else."""
    updates = 300
    limit = final_lengths(updates)
    off = [np.log(final_lengths(round(updates / (1 - 1 / g)) if rescaled else updates, g) / limit)
           for g in sizes]  # fmt: skip
    yield apart(SCALED, np.array(off), np.zeros(np.shape(off)), 0.05,
                routes=("exact training", "sampled groups"))  # fmt: skip


@shared
def final_lengths(updates: int, group_size: int | None = None) -> np.ndarray:
    """(weights, 1) mean lengths after so many updates; None: groups without end."""
    at = {"updates": updates} | ({} if group_size is None else {"group_size": group_size})
    m = swept_map(FORMS["additive"], (0.3, 1.0, 2.0), "easy", (0.5,), at)
    return m.columns["length"]


def noisy(form: str, n: int) -> Items:
    """What a noisy done flag takes from the largest good weight."""
    m = swept_map(FORMS[form], np.geomspace(0.5, 8, n), "flag", (0.0, 0.25, 0.5), STANDARD)
    good = [np.nan if e.lost is None and e.safe == m.plan.axes[0].values[-1] else e.safe or 0.0
            for e in m.edges]  # fmt: skip
    yield trained(FALLS, float(max(good[1] / good[0], good[2] / good[1])), 1.0, "<=")


def spared(form: str, size: Size) -> Items:
    """Redundant tokens are what a penalty takes first."""
    at = {"length": 600.0, "limit": 2048, "ability": 0.5}
    m = swept_map(FORMS[form], (HIGH / 4,), "redundancy", (0.02, 0.6), at, worlds=size.worlds,
                  kind=BEHAVIOUR)  # fmt: skip
    few, many = m.columns["p_loss_5"][0]
    yield behaves(SPARED, float(few - many), 0.02, ">")


SOLVED = Form("outcome(wrong=1) - linear_length()", "reward.linear_length.alpha", 0.3)
"""A group that is always solved: length is all that varies."""


@shared
def first_steps(knee: float) -> np.ndarray:
    """(4, scales) change of log length in one update, at four weights in units of eps/spread.

    The weights are the knee, 1e4, 10 and 1,000; the spread is that of lengths.
    """
    at = {"length": 60.0, "easy": 0.5, "updates": 1}
    base = swept_map(SOLVED, (1e-9,), "guess", (0.1,), at, estimator="grpo")
    spread = spread_of_lengths(at)
    high = (10 * SPREAD / spread, 1000 * SPREAD / spread)
    weights = (knee * SPREAD / spread, 1e4 * SPREAD / spread, *high)
    m = swept_map(SOLVED, weights, "normalisation", SCALES, at, estimator="grpo")
    return np.log(m.columns["length"] / base.columns["length"][0, 0])


def flat(divided: str, plain: str, knee: float) -> Items:
    """Above eps over the spread of lengths a weight does nothing under the std; half-way at it."""
    change = first_steps(knee)
    of = {s: change[:, SCALES.index(s)] for s in SCALES}
    # a first step is as long as w/(w spread + eps), which is flat but for 1/11; or as w
    yield apart(FLAT, np.log(of[divided][3] / of[divided][2]), np.log(1.1 / 1.001), 0.01,
                routes=BY_TRAINING)  # fmt: skip
    yield apart(HALF, of["group"][0] / of["group"][1], 0.5, 0.01, routes=BY_TRAINING)
    yield apart(MOVES, np.log(of[plain][3] / of[plain][2]), np.log(100), 0.05, routes=BY_TRAINING)


def spread_of_lengths(at: Mapping[str, Any]) -> float:
    """Standard deviation of L/N under the base: of the class law that the sweep's world has."""
    from toyrl.dynamics.chain import exact
    from toyrl.experiments.sweep.chains import Chains

    plan = Plan(SOLVED.text, (SOLVED.text,), (Axis("guess", (0.1,)),), CHAIN, 1, at)
    worlds, _ = Chains({512: given(SOLVED.text)}).bases([plan.cell((0,))], 512)
    prob = exact.class_probabilities(worlds.batch, worlds.theta)[0]
    x = worlds.batch.chain.class_length() / worlds.batch.chain.max_length
    mean = prob @ x
    return float(np.sqrt(prob @ x**2 - mean**2).mean())


ALL = ("easy", "redundancy", "ability", "group", "guess", "flag", "normalisation")
PARTS = ("maps", "guess", "easy", "ability", "group", "flag", "redundancy", "normalisation")


@experiment(
    "phase-maps",
    card="",
    slug="phase-maps",
    claim="A length reward turns bad along lines: at the closed form's weight where guessing or "
    "giving up hard prompts pays, earlier with a less able base or a noisy done flag, later with "
    "redundant tokens; under mean-only advantages groups of G are the limit slowed down; divided "
    "by the group's standard deviation the weight of prompts that are always solved stops being a "
    "knob above eps over the spread of lengths.",
    source="docs/theory/length.md; worlds of the chain and of behaviours",
    provenance="derived",
    smoke={"x": 8, "y": 3, "worlds": 4, "forms": ("additive",), "partners": ("easy",),
           "guesses": (0.1, 0.3), "shares": (0.5,), "abilities": (0.3, 0.8), "sizes": (4,)},
    mutants=(
        Mutant("a guess costs nothing", {"formula": "whole length", "parts": ("guess",)},
               (NEVER,)),
        Mutant("a guess is never right", {"formula": "never right", "parts": ("guess",)},
               (CLOSED,)),
        Mutant("priced by the mean difficulty",
               {"formula": "mean difficulty", "parts": ("easy",)}, (GIVES_UP,)),
        Mutant("a penalty near the limit alone",
               {"form": "DAPO overlong", "parts": ("ability", "flag")}, (BOUND, FALLS)),
        Mutant("no allowance for the own share of the mean",
               {"rescaled": False, "parts": ("group",), "sizes": (4,)}, (SCALED,)),
        Mutant("no length is charged", {"form": "DAPO overlong", "parts": ("redundancy",),
                                        "worlds": 4}, (SPARED,)),
        Mutant("mean-only in the place of the std",
               {"divided": "none", "parts": ("normalisation",)}, (FLAT,)),
        Mutant("the std in the place of mean-only",
               {"plain": "group", "parts": ("normalisation",)}, (MOVES,)),
        Mutant("eps ten times as large", {"knee": 0.1, "parts": ("normalisation",)}, (HALF,)),
    ),
)  # fmt: skip
def run(
    *,
    x: int = 25,
    y: int = 12,
    worlds: int = 8,
    forms: Sequence[str] = tuple(FORMS),
    partners: Sequence[str] = ALL,
    guesses: Sequence[float] = (0.05, 0.1, 0.2, 0.3),
    shares: Sequence[float] = (0.35, 0.5, 0.65),
    abilities: Sequence[float] = (0.2, 0.4, 0.6, 0.8),
    sizes: Sequence[int] = (4, 8, 16),
    form: str = "additive",
    formula: str = "hull",
    rescaled: bool = True,
    divided: str = "group",
    plain: str = "none",
    knee: float = 1.0,
    parts: Sequence[str] = PARTS,
    seed: int = 0,
) -> Result:
    """Maps of five length rewards over seven planes, with what theory says of their boundaries.

    x, y, worlds : cells along the weight and the other axis, and behaviour worlds of each
    forms, partners : that are drawn; guesses, shares, abilities, sizes : of the checks
    The others : the mechanism, or broken ones
    """
    del seed  # everything that is drawn is frozen
    size = Size(x, y, worlds)
    each = {
        "maps": lambda: maps(size, forms, partners),
        "guess": lambda: guessed(form, guesses, formula),
        "easy": lambda: given_up(form, shares, formula),
        "ability": lambda: bound(form, abilities, 13),
        "group": lambda: scaled(sizes, rescaled),
        "flag": lambda: noisy(form, 17),
        "redundancy": lambda: spared(form, size),
        "normalisation": lambda: flat(divided, plain, knee),
    }
    return run_parts(each, parts, notes=(
        "A cell is one exact world of the chain (difficulties 2 and 8); those against redundancy "
        "are behaviour worlds of a base of accuracy 0.5 and 600 tokens.",
        "The best policy gets no longer with the weight, nor does a run here, but for one place: "
        "from an accuracy of 0.1 a run at weight 0.05 ends 3 tokens shorter than at the next "
        "weight; it is far from its end after 1,000 updates.",
        "The weight is no flat axis in the map against normalisation: its prompts have right and "
        "wrong answers, and correctness varies with the length. Flat it is on prompts that are "
        "always solved.",
        "Group rewards (Kimi) are trained with groups of 8 sampled siblings. Groups of 2 are "
        "sampled too thinly here to be held against the limit: 7 % in length.",
    ))  # fmt: skip
