"""Clip and Delta: step scores bounded so that repeating steps no longer pays."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from toyrl.estimators.steps import StepReturns
from toyrl.experiments.core import Check, Mutant, Result, experiment
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick, replaced
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import apart, missed
from toyrl.rollouts import Rollouts
from toyrl.rollouts.tokens import after
from toyrl.shapers.base import Shaper
from toyrl.shapers.length.absolute import LinearLength
from toyrl.shapers.outcome import Outcome
from toyrl.shapers.process.clip_delta import (
    StepClip,
    StepClipDelta,
    StepDelta,
    clipped_scores,
    score_differences,
)
from toyrl.shapers.process.summaries import StepMean, StepSum
from toyrl.theory.process.pad_chain import (
    SCHEMES,
    padded_total,
    padding_gradient,
)

PAYS, DELTAS = ("sum", "delta"), ("delta", "clip_delta")
RAW = StepReturns("none")
TOTALS = "T1: totals of 1 to 40 steps, all schemes, largest error"
BOUND = "T1: the most that Delta pays on top of the outcome, over alpha"
CLIPPED = "T1: the most that Clip and Clip-Delta pay on top of the outcome"
TO_GO = "T1: Delta and Clip-Delta, returns-to-go of random rollouts, largest error"
NEVER = "T1: steps from which Clip or Clip-Delta still pay more than the outcome"
LOWEST = "T1: steps from which Clip-Delta takes more than alpha eta"
COPIES = "T1: copies of a step: Delta's total moves, or the sum's by other than alpha m c"
CURES = "T1: where padding pays under the mean, and under a price per step, wrong signs"
GRADIENT = "T2: policy gradient in the logit of padding, largest error"
SIGNS = "T2: sign of the gradient (sum, Delta up; Clip, Clip-Delta not up), wrong ones"
HORIZON = "T2: first incentive of the sum over Delta's, u -> 1, over H - 1"
POTENTIAL = "T3: one step later, as potential: expected gradient beside the outcome's, difference"
CREDITS = "T3: Delta's expected gradient by rewards to go: each step its own score, error"
FIRST = "T3: gradient of Delta's total: the first step's score alone, error"
LIVE = "T3: what the first step's score alone misses of Delta's gradient"


# -- the schemes, and broken ones ------------------------------------------------------------------
def progress(_: Shaper, scores: Any, ends: Any, _r: Rollouts) -> Any:
    """Mutant: s_(k+1) - s_k, the progress."""
    return -score_differences(scores, ends)


def keeps_last(_: Shaper, scores: Any, ends: Any, _r: Rollouts) -> Any:
    """Mutant: the last step keeps its score."""
    return np.where(ends > 0, scores - after(scores, ends), 0.0)


def differences_first(self: StepClip, scores: Any, ends: Any, r: Rollouts) -> Any:
    """Mutant: Delta before Clip."""
    return clipped_scores(score_differences(scores, ends), ends, self.threshold(scores, ends, r))


def capped(self: StepClip, scores: Any, ends: Any, r: Rollouts) -> Any:
    """Mutant: min(s, eta), still positive."""
    return np.where(ends > 0, np.minimum(scores, self.threshold(scores, ends, r)), 0.0)


BROKEN: dict[str, dict[str, Any]] = {
    "as published": {},
    "progress": {"delta": replaced(StepDelta, paid=progress)},
    "last kept": {"delta": replaced(StepDelta, paid=keeps_last)},
    "delta first": {"clip_delta": replaced(StepClipDelta, paid=differences_first)},
    "capped": {"clip": replaced(StepClip, paid=capped)},
    "summed": {"delta": StepSum, "clip_delta": StepSum},
    "clipped": {"sum": StepClip},
}


def terms(rule: str, alpha: float, eta: float) -> dict[str, Shaper]:
    """The five schemes on top of the outcome, some of them broken by `rule`."""
    kinds = {"outcome": StepSum, "sum": StepSum, "clip": StepClip, "delta": StepDelta,
             "clip_delta": StepClipDelta} | pick(BROKEN, rule)  # fmt: skip
    weight = {"outcome": 0.0}
    return {name: Outcome() + kind(weight.get(name, alpha),
                                   **({"eta": eta} if issubclass(kind, StepClip) else {}))
            for name, kind in kinds.items()}  # fmt: skip


def rollouts(steps: np.ndarray, scores: np.ndarray, correct: Any = 1.0) -> Rollouts:
    """(1, N) rollouts of steps (N,) tokens, a step each, with scores (N, T)."""
    mask = (np.arange(scores.shape[-1]) < steps[:, None]) * 1.0
    right = np.broadcast_to(np.asarray(correct, dtype=float), steps.shape)
    return Rollouts(right[None], steps[None] * 1.0, float(scores.shape[-1]), mask=mask[None],
                    fields={"step_scores": scores[None]})  # fmt: skip


def padded(H: int, c_pad: float, c_sol: float) -> Rollouts:
    """One rollout of each number of steps 1..H: pads, then the solution."""
    steps = np.arange(1, H + 1)
    return rollouts(steps, np.where(np.arange(H) == steps[:, None] - 1, c_sol, c_pad))


def returns(shaper: Shaper, r: Rollouts) -> np.ndarray:
    """(N, T) returns-to-go, 0 behind the end."""
    return np.asarray(RAW.apply(shaper.apply(r).parts, r)[0][0])


# -- T1: what can be collected ---------------------------------------------------------------------
def farming(rule: str, alpha: float, eta: float, groups: int, seed: int) -> Items:
    """Totals against the number of steps, and returns-to-go of random rollouts."""
    c_pad, c_sol, H = 0.9, 0.7, 40
    K, r = np.arange(1, H + 1), padded(H, c_pad, c_sol)
    at = {"alpha": alpha, "c_pad": c_pad, "c_sol": c_sol, "eta": eta}
    found = {name: shaper.reward(r)[0] for name, shaper in terms(rule, alpha, eta).items()}
    yield apart(TOTALS, list(found.values()), [padded_total(s, K, **at) for s in found], 1e-12,
                ("closed form", "shapers"))  # fmt: skip
    best = {s: max(padded_total(s, K, **at).max(), x.max()) - 1 for s, x in found.items()}
    both = ("closed form", "shapers")
    # The bounds are reached with equality: one rounding of a number near 1.
    yield Check(BOUND, float(best["delta"]) / alpha, 1, "<=", 1e-12, routes=both)
    yield Check(CLIPPED, float(max(best["clip"], best["clip_delta"])), 0, "<=", 1e-12, routes=both)
    yield lines("farming", "What padding pays", ("steps", "return of a solved rollout"), found,
                x=K.tolist(), caption=f"Pads scored {c_pad}, the solution {c_sol}; alpha {alpha}, "
                f"threshold {eta}.")  # fmt: skip
    yield from random_checks(rule, alpha, eta, groups, draws(seed, 1))
    yield cure_check(alpha)


def random_checks(rule: str, alpha: float, eta: float, n: int, rng: Any) -> Items:
    """Returns-to-go, their bounds, and copies of a step, on random rollouts."""
    steps, c = rng.integers(2, 9, n), np.round(rng.random((n, 9)), 3)
    S = rng.integers(0, 2, n) * 1.0
    r, own = rollouts(steps, c, S), terms(rule, alpha, eta)
    live = np.arange(9) < steps[:, None]
    last = np.arange(9) == steps[:, None] - 1
    got = {s: returns(shaper, r) for s, shaper in own.items()}
    worth = {"delta": c, "clip_delta": np.minimum(c - eta, 0)}
    want = [np.where(live, alpha * np.where(last, 0, x) + S[:, None], 0) for x in worth.values()]
    yield apart(TO_GO, [got[s] for s in DELTAS], want, 1e-12, ("closed form", "estimator"))
    over = [live & (got[s] > S[:, None] + 1e-12) for s in ("clip", "clip_delta")]
    none = np.zeros(live.shape)
    bound = ("score <= threshold", "estimator")
    yield missed(NEVER, over, [none, none], bound)
    yield missed(LOWEST, live & (got["clip_delta"] < S[:, None] - alpha * eta - 1e-12), none, bound)
    copies, m = rng.random(n), 3
    longer = np.concatenate([c[:, :1], np.tile(copies[:, None], m), c[:, 1:]], axis=-1)
    more = rollouts(steps + m, longer, S)
    gain = [own[s].reward(more)[0] - own[s].reward(r)[0] for s in ("delta", "sum")]
    wrong = np.abs(np.array(gain) - [0 * copies, alpha * m * copies]) > 1e-12
    yield missed(COPIES, wrong, np.zeros(wrong.shape), ("closed form", "shapers"))


def cure_check(alpha: float) -> Check:
    """The mean rises by a pad above it; under a price per step a pad pays iff alpha c > price."""
    pad, price = np.linspace(0.05, 0.95, 10), np.linspace(0.03, 0.33, 7)
    signs, want = [], []
    for c in pad:
        r = padded(6, float(c), 0.5)
        signs += np.sign(np.diff(StepMean().reward(r)[0]).round(12)).tolist()
        want += [np.sign(round(c - 0.5, 12))] * 5
        for lam in price:
            paid = StepSum(alpha) + LinearLength(alpha=-float(lam), unit=1.0)
            signs += np.sign(np.diff(paid.reward(r)[0]).round(12)).tolist()
            want += [np.sign(round(alpha * c - lam, 12))] * 5
    return missed(CURES, signs, want, ("closed form", "shapers"), claim=False)


# -- T2, T3: gradients -----------------------------------------------------------------------------
def gradients(rule: str, alpha: float, c_pad: float, eta: float) -> Items:
    """The policy gradient by sums over rollouts, through shapers and estimator."""
    H, u = 20, np.array([0.05, 0.6, 0.99])
    at = {"alpha": alpha, "c_pad": c_pad, "eta": eta}
    r, K, place = padded(H, c_pad, 0.7), np.arange(1, H + 1), np.arange(H)
    chance = u[:, None] ** (K - 1) * np.where(K < H, 1 - u[:, None], 1.0)
    solves, pads = place == K[:, None] - 1, place < K[:, None] - 1
    score = np.where(pads, 1 - u[:, None, None], -u[:, None, None] * (solves & (place < H - 1)))
    own = terms(rule, alpha, eta)
    found = np.array([(chance[:, :, None] * score * returns(own[s], r)).sum((1, 2))
                      for s in SCHEMES])  # fmt: skip
    want = np.array([padding_gradient(s, u, H, **at) for s in SCHEMES])
    yield apart(GRADIENT, found, want, 1e-12)
    signs = {"outcome": 0, "sum": 1, "clip": -1, "delta": 1, "clip_delta": -1}
    yield missed(SIGNS, np.sign(found.round(12)), [[signs[s]] * len(u) for s in SCHEMES],
                 ("derived", "enumeration"))  # fmt: skip
    first = {s: returns(own[s], r)[:, 0] for s in PAYS}
    law = 0.9999 ** np.arange(H - 1) * np.where(np.arange(H - 1) < H - 2, 1e-4, 1.0)
    gain = {s: float(law @ x[1:] - x[0]) for s, x in first.items()}  # of padding at step 1
    yield Check(HORIZON, gain["sum"] / gain["delta"] / (H - 1), 1, "~", 0.01,
                routes=("limit u -> 1", "enumeration"))  # fmt: skip


def later(rule: str, alpha: float, per_step: bool, seed: int) -> Items:
    """Three decisions with scores by prefix: Delta as it is, and moved one step later."""
    rng, acts = draws(seed, 2), np.array(list(itertools.product((0, 1), repeat=4)))
    p = rng.uniform(0.2, 0.8, 4)
    index = [(acts[:, : k + 1] @ 2 ** np.arange(k, -1, -1)) for k in range(4)]
    c = np.stack([rng.random(2 ** (k + 1))[i] for k, i in enumerate(index)], axis=-1)
    S = rng.integers(0, 2, len(acts)) * 1.0
    r = rollouts(np.full(len(acts), 4), c, S)
    chance = np.where(acts == 1, p, 1 - p).prod(-1)
    score = acts - p

    def gradient(credit: np.ndarray) -> np.ndarray:
        return (chance[:, None] * score * credit).sum(0)

    own = terms(rule, alpha, 1.0)["delta"]
    paid = np.asarray(own.apply(r).parts["process"][0])
    moved = np.concatenate([-alpha * c[:, :1], paid[:, :-1]], axis=-1)
    to_go = np.flip(np.flip(moved, -1).cumsum(-1), -1) + S[:, None]
    outcome = gradient(np.repeat(S[:, None], 4, axis=-1))
    yield apart(POTENTIAL, gradient(to_go), outcome, 1e-12, ("potential", "outcome"))
    each = np.where(np.arange(4) < 3, alpha * c, 0)
    whole = np.repeat(np.asarray(own.reward(r)[0])[:, None], 4, axis=-1)
    delta = gradient(returns(own, r) if per_step else whole)
    yield apart(CREDITS, delta, outcome + gradient(each), 1e-12)
    slope = alpha * p[0] * (1 - p[0]) * (c[acts[:, 0] == 1][0, 0] - c[acts[:, 0] == 0][0, 0])
    alone = outcome + slope * (np.arange(4) == 0)
    yield apart(FIRST, gradient(whole), alone, 1e-12)
    yield Check(
        LIVE,
        float(np.abs(delta - alone).max()),
        1e-3,
        ">",
        routes=("enumeration",),
        why_one_route="a lower bound on a number that two checks above give exactly",
    )


@experiment(
    "09",
    card="09",
    slug="clip-delta",
    claim="Summed step scores pay for every step that is repeated. Cut at a threshold (Clip) no "
    "step pays; replaced by differences (Delta) what a rollout collects is bounded; Delta is no "
    "potential-based shaping and needs credit per step.",
    source="section 4 (Clip, Delta), from two summaries that agree; the padded chain derived",
    provenance="second-hand",
    smoke={"groups": 400},
    mutants=[
        Mutant("progress in the place of its fall", {"rule": "progress"},
               (TOTALS, TO_GO, GRADIENT, SIGNS, CREDITS, FIRST)),
        Mutant("the last step keeps its score", {"rule": "last kept"},
               (TOTALS, TO_GO, POTENTIAL, CREDITS)),
        Mutant("Delta before Clip", {"rule": "delta first"},
               (TO_GO, LOWEST, GRADIENT)),
        Mutant("a cap instead of a threshold", {"rule": "capped"},
               (CLIPPED, NEVER, SIGNS)),
        Mutant("scores summed", {"rule": "summed"},
               (BOUND, COPIES, HORIZON, FIRST)),
        Mutant("the total as everybody's credit", {"per_step": False, "parts": ("potential",)},
               (CREDITS, LIVE)),
    ],
)  # fmt: skip
def run(
    *,
    rule: str = "as published",
    per_step: bool = True,
    alpha: float = 0.3,
    eta: float = 0.95,
    groups: int = 4000,
    parts: Sequence[str] = ("farming", "gradient", "potential"),
    seed: int = 0,
) -> Result:
    """What padding collects, policy gradients on the padded chain, and Delta beside a potential.

    alpha : weight of the step scores (the paper's is not known); eta : threshold, above the score
    of a pad; groups : random rollouts; parts : which to run
    rule : "as published", or one of the broken ones in `BROKEN`; per_step : credit by rewards to
    go; both for mutants
    """
    own = {
        "farming": lambda: farming(rule, alpha, eta, groups, seed),
        "gradient": lambda: gradients(rule, alpha, 0.9, eta),
        "potential": lambda: later(rule, alpha, per_step, seed),
    }
    note = ("A trainer that takes one number a rollout is left with alpha times the first step's "
            "score: Delta has to be carried per step.",)  # fmt: skip
    return run_parts(own, parts, note)
