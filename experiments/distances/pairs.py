"""Two rewards on one process: distance, potentials, regret, and where they differ most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.experiments.distances.chains import habits
from toyrl.experiments.distances.rewards import Given
from toyrl.experiments.distances.worlds import World
from toyrl.theory.distance import distance, regret_bounds, worst_case_regret
from toyrl.theory.distance.canonical import Canonicaliser
from toyrl.theory.distance.metric import PRESETS
from toyrl.theory.distance.order import regret as ball_regret
from toyrl.theory.shaping.potential import MOST_ENDS, explained, potential_test
from toyrl.theory.shaping.regret import worst_regret
from toyrl.worlds.mdp.model import MDP
from toyrl.worlds.mdp.rewards import expected_reward
from toyrl.worlds.mdp.solve import occupancy

SAME = 1e-6
"""Distances below are 0: canonical forms of size 1 are known to about 1e-9, and a square root of
that is what a difference of two of them may show."""
NATS = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0)
EQUIVALENT, ENDS, OPPOSITE, APART, NOTHING = (
    "equivalent",
    "potential-based but for the terminal",
    "opposite",
    "different",
    "one orders nothing",
)


@dataclass(frozen=True, eq=False)
class Trusted:
    """What may be lost under one reward where the other is trusted.

    truth, trusted : names; share : of the range of J under the truth, at worst; lost : in its units
    least, most : what the distance says of `share`, [least, most]; most above 1 says nothing
    better, worse : (S, A) policies; the trusted reward calls `worse` no worse than `better`
    words : what these two are worth, for a reader
    ball : (nats, lost truth) within KL balls of the base policies, on the chain; else ()
    """

    truth: str
    trusted: str
    share: float
    lost: float
    least: float
    most: float
    better: np.ndarray
    worse: np.ndarray
    words: tuple[str, str]
    ball: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, eq=False)
class Pair:
    """Two rewards.

    kind : equivalent | potential-based but for the terminal | opposite | different | one orders
        nothing
    distances : metric -> number in [0, 2]
    share : multiple of the second that comes closest to the first, shaping aside
    residual : potential test of first - share * second by pairs; holds: only shaping is between
    transitions : the same by transitions, for all laws of the next state; None where not looked at
    worst : W, what first - share * second can cost at most where it is added to a reward
    forms : (2, S, A) canonical rewards of norm 1; most : places (state, action) by difference
    trusted : both ways round
    """

    first: str
    second: str
    kind: str
    distances: dict[str, float]
    share: float
    residual: float
    holds: bool
    transitions: bool | None
    worst: float | None
    forms: np.ndarray
    most: tuple[tuple[int, int], ...]
    trusted: tuple[Trusted, ...]

    @property
    def distance(self) -> float:
        """STARC's."""
        return self.distances["starc"]

    @property
    def sentence(self) -> str:
        """The answer in one line."""
        names = f"{self.first} and {self.second}"
        if self.kind == EQUIVALENT:
            return f"{names} are equivalent: they order all policies alike."
        if self.kind == OPPOSITE:
            return f"{names} order all policies the opposite way (distance 2)."
        if self.kind == NOTHING:
            idle = self.second if self.forms[0].any() else self.first
            return f"{idle} orders no policies here: it is at distance 1 from any reward that does."
        said = f"{names} are at distance {self.distance:.2f} (0 the same order, 2 the opposite)"
        if self.kind == ENDS:
            said += ", potential-based but for the terminal: they differ by what the end pays alone"
        worst = max(self.trusted, key=lambda t: t.share)
        return (
            f"{said}; whoever trusts {worst.trusted} can lose {worst.share:.0%} of the range "
            f"under {worst.truth}."
        )


def judged(world: World, one: Given, two: Given, *, top: int = 10) -> Pair:
    """Everything about two rewards; top : places that are kept."""
    mdp = world.mdp
    apart = {name: distance(mdp, one.reward, two.reward, name) for name in metrics(mdp)}
    forms = canonical(mdp, one.reward, two.reward)
    fit = explained(mdp, one.reward, [two.reward], reachable=True)
    share = float(fit.shares[0])
    kind = kind_of(mdp, one.reward, two.reward, apart["starc"])
    rest = expected_reward(mdp, one.reward) - share * expected_reward(mdp, two.reward)
    trusted = () if kind == EQUIVALENT else (
        trust(world, one, two, apart["starc"]), trust(world, two, one, apart["starc"]))  # fmt: skip
    gap = np.abs(forms[0] - forms[1])
    order = np.argsort(gap, axis=None, kind="stable")[::-1][:top]
    places = [tuple(int(i) for i in np.unravel_index(k, gap.shape)) for k in order]
    return Pair(
        one.name,
        two.name,
        kind,
        apart,
        share,
        float(np.abs(fit.residual).max()),
        fit.holds,
        _by_transitions(mdp, one.reward, two.reward, share),
        _cost(mdp, rest),
        forms,
        tuple((s, a) for s, a in places if gap[s, a] > SAME),
        trusted,
    )


def metrics(mdp: MDP) -> tuple[str, ...]:
    """Distances that are told: EPIC and DARD read impossible transitions, on small tables only."""
    return ("starc", "val", "epic", "dard") if mdp.n_states <= 1000 else ("starc", "val")


def kind_of(mdp: MDP, one: Any, two: Any, apart: float) -> str:
    """How two rewards stand to each other."""
    if apart <= SAME:
        return EQUIVALENT
    if apart >= 2 - SAME:
        return OPPOSITE
    if not canonical(mdp, one, two).any((1, 2)).all():
        return NOTHING
    if 0 < mdp.is_terminal.sum() <= MOST_ENDS:
        # both ways round: a reward of the end alone is a multiple 0 of anything, and an end
        both = ((one, [two]), (two, [one]))
        fits = (explained(mdp, *x, ends=True, reachable=True) for x in both)
        if all(f.holds and f.shares[0] >= 0 for f in fits):  # the second only after the first
            return ENDS
    return APART


def canonical(mdp: MDP, *rewards: Any) -> np.ndarray:
    """(n, S, A) canonical rewards of norm 1, 0 for one that orders nothing."""
    metric = PRESETS["starc"]
    out = []
    for c in Canonicaliser(mdp, metric.canonical)(rewards):
        size = float(c.norm(metric.norm))
        out.append(np.asarray(c.pairs()) / size if size else np.zeros(mdp.usable.shape))
    return np.array(out)


def trust(world: World, truth: Given, trusted: Given, apart: float) -> Trusted:
    """What may be lost under one reward by going along with the other."""
    mdp = world.mdp
    worst = worst_case_regret(mdp, truth.reward, trusted.reward)
    least, most = regret_bounds(mdp, apart)
    words = (
        policy_words(world, worst.better, truth, trusted),
        policy_words(world, worst.worse, truth, trusted),
    )
    ball: tuple[tuple[float, float], ...] = ()
    if truth.classes is not None and trusted.classes is not None:
        prob, shares = world.reference.prob, world.reference.shares
        lost = ball_regret(prob, trusted.classes, truth.classes, shares, np.array(NATS)).regret
        lost = np.maximum(lost, 0.0)  # a bisection's rounding
        ball = tuple(zip(NATS, lost.tolist(), strict=True))
    return Trusted(truth.name, trusted.name, worst.regret, worst.lost, float(least), float(most),
                   worst.better, worst.worse, words, ball)  # fmt: skip


def policy_words(world: World, policy: np.ndarray, truth: Given, trusted: Given) -> str:
    """What a policy is worth under both rewards, on the chain its accuracy and length too."""
    taken = occupancy(world.mdp, policy)
    worth = [float((taken * expected_reward(world.mdp, x.reward)).sum()) for x in (truth, trusted)]
    said = f"{worth[0]:.3g} under {truth.name}, {worth[1]:.3g} under {trusted.name}"
    if world.chain is None or world.mdp.discount < 1:
        return said
    right, length, cut = habits(world.chain, taken)
    return f"{said} ({right:.0%} right, {length:.0f} tokens, {cut:.0%} cut off)"


def _cost(mdp: MDP, rest: np.ndarray) -> float | None:
    """W of what is between both, None where the process has policies that never end."""
    try:
        found = worst_regret(mdp, rest)
    except ValueError:
        return None
    return found.value if found.value > found.error else 0.0


def _by_transitions(mdp: MDP, one: Any, two: Any, share: float) -> bool | None:
    """Whether only shaping is between both, step by step; None for many steps."""
    if mdp.pairs.nnz > 20_000:
        return None
    from toyrl.theory.shaping.potential import on_transitions

    places, first = on_transitions(mdp, one)
    rest = first - share * on_transitions(mdp, two)[1]
    from scipy.sparse import csr_array

    row = places[:, 0] * mdp.n_actions + places[:, 1]
    term = csr_array((rest, (row, places[:, 2])), shape=mdp.pairs.shape)
    return potential_test(mdp, term, level="transitions", reachable=True).holds
