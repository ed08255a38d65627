"""Potential-based shaping on random processes: the test, the worst-case regret, the end."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np

from toyrl.experiments.core import Check, Mutant, Result, experiment
from toyrl.experiments.core.work import UPDATE, spend
from toyrl.experiments.lab.curves import lines, root
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import ENUMERATED, apart, missed
from toyrl.theory.shaping.episodes import end_reward
from toyrl.theory.shaping.potential import (
    expected_potential_term,
    free_choice,
    potential_term,
    potential_test,
)
from toyrl.theory.shaping.regret import witness, worst_regret
from toyrl.worlds.mdp.control import optimal
from toyrl.worlds.mdp.model import MDP
from toyrl.worlds.mdp.random import random_mdp
from toyrl.worlds.mdp.solve import advantage, occupancy, q_values

Array = Any
RECOVERED = "T1: potential found by the test less the one that was used, largest"
ADVANTAGES = "T1: advantages of random policies with shaping less without, largest"
SHIFTED = "T1: Q with shaping less (Q - Phi), largest"
LEVELS = "levels: noise of mean 0 on the next state passes by pairs alone, misses"
CHOSEN = "levels: what such noise can cost where the next state is chosen, least W"
ONE_PAIR = "T7: W of one pair's bonus against the spread of its visits, largest gap"
WITNESS = "T7: regret of the witness against its share of W, by enumeration, largest gap"
NEVER = "T7: regret over W, largest of random rewards"
NECESSARY = "T2: regret that a bonus on one pair costs some reward, least over processes"
END = "T3: margin at which the greedy policy turns round against discount^n, largest gap"
CURED = "T3: with Phi = 0 at the end the greedy policy turns round, processes"
SOLVED = ("linear system", "least squares")


# -- T1: what is harmless --------------------------------------------------------------------------
TERMS = {
    "discounted": potential_term,
    "undiscounted": lambda mdp, phi: potential_term(mdp.with_(discount=1 - 1e-12), phi),
}


def processes(rng: Any, count: int) -> list[MDP]:
    """Random processes of 3 to 6 states and 2 or 3 actions, rewards by transition."""
    return [random_mdp(rng, 3 + i % 4, 2 + i % 2, concentration=0.5) for i in range(count)]


def harmless(rng: Any, count: int, term: str, noisy: float, steps: str) -> list[Check]:
    """The potential is found, no advantage changes, Q moves by -Phi.

    term : how it is made; noisy : mean of the noise on the next state; steps : what is paid for the
    next state, "noise" or a "potential" for a mutant
    """
    found, wanted, gaps, shifts, passes, chosen = [], [], [], [], [], []
    for mdp in processes(rng, count):
        S, A = mdp.n_states, mdp.n_actions
        phi, pi = rng.standard_normal(S), rng.dirichlet(np.ones(A), size=S)
        shaping = pick(TERMS, term)(mdp, phi)
        paid = mdp.reward + shaping.toarray().reshape(S, A, S)
        for level in ("transitions", "pairs"):
            test = potential_test(mdp, shaping, level=level)
            found.append(np.concatenate([test.potential, [test.size]]))
            wanted.append(np.concatenate([phi, [0.0]]))
        gaps.append(np.abs(advantage(mdp, pi, paid) - advantage(mdp, pi)).max())
        q = q_values(mdp, pi, paid) - (q_values(mdp, pi) - phi[:, None])
        shifts.append(np.abs(q).max())
        noise = rng.standard_normal((S, A, S))
        noise -= (mdp.dense * noise).sum(-1, keepdims=True) - noisy * np.eye(A)[0][:, None]
        if steps == "potential":
            noise = shaping
        passes += [potential_test(mdp, noise, level=x).holds for x in ("pairs", "transitions")]
        chosen.append(worst_regret(*free_choice(mdp, noise)).value)
        spend(30 * UPDATE)
    recovered, used = (np.concatenate(x) for x in (found, wanted))
    return [
        apart(RECOVERED, recovered, used, 1e-10, ("the potential", "least squares")),
        apart(ADVANTAGES, gaps, np.zeros(count), 1e-10, ("with the term", "without")),
        apart(SHIFTED, shifts, np.zeros(count), 1e-10, ("with the term", "without, less Phi")),
        missed(LEVELS, passes, [True, False] * count, SOLVED),
        Check(CHOSEN, min(chosen), 0.1, ">", routes=("least squares", "optimal control")),
    ]


# -- T7: what the rest can cost --------------------------------------------------------------------
def by_optimum(mdp: MDP, term: Array) -> float:
    """W by two optimal controls."""
    return worst_regret(mdp, term).value


def by_norm(mdp: MDP, term: Array) -> float:
    """Mutant: the l2 residual as the size of the damage."""
    return float(np.linalg.norm(potential_test(mdp, term).residual))


def by_best(mdp: MDP, term: Array) -> float:
    """Mutant: the largest return of the term, without the smallest."""
    return float(mdp.start @ optimal(mdp, term).value)


SIZES = {"spread": by_optimum, "norm": by_norm, "largest alone": by_best}


def policies(mdp: MDP) -> list[np.ndarray]:
    """Every deterministic policy, (S,) actions."""
    return [np.array(p) for p in product(range(mdp.n_actions), repeat=mdp.n_states)]


def costly(rng: Any, count: int, rewards: int, size: str, shaped: bool, kind: str
           ) -> Items:  # fmt: skip
    """W against the enumeration of policies, its witness, and random rewards.

    size : of `SIZES`; kind : "pair", or "potential" for a mutant
    shaped : the learner sees R + f; False: R - 2 f, for a mutant
    """
    bonus, spread, lost, share, worst, least = [], [], [], [], 0.0, []
    drawn: dict[str, Any] = {}
    for i, mdp in enumerate(processes(rng, count)):
        S, A = mdp.n_states, mdp.n_actions
        term = np.zeros((S, A))
        s, a = int(rng.integers(S)), int(rng.integers(A))
        term[s, a] = 1.5
        if kind == "potential":
            term = expected_potential_term(mdp, term[:, a])
        every = np.array([occupancy(mdp, p) for p in policies(mdp)])  # (N, S, A)
        spend(len(every) * UPDATE)
        W = pick(SIZES, size)(mdp, term)
        bonus.append(W)
        spread.append(1.5 * np.ptp(every[:, s, a]))
        general = rng.standard_normal((S, A)) + expected_potential_term(mdp, rng.standard_normal(S))
        bound = pick(SIZES, size)(mdp, general)
        seen = witness(mdp, general)
        of_reward, of_term = (np.einsum("nsa,sa->n", every, x) for x in (seen.reward, general))
        reached = (of_reward + of_term).argmax()
        lost.append((of_reward.max() - of_reward[reached]) / 0.99)
        share.append(bound)
        least.append(witness(mdp, term).regret)
        base = rng.standard_normal((rewards, S, A)) * np.exp(rng.uniform(-3, 3, (rewards, 1, 1)))
        returns = np.einsum("nsa,ksa->kn", every, base)
        chosen = (returns + (of_term if shaped else -2 * of_term)).argmax(1)
        regret = returns.max(1) - returns[np.arange(rewards), chosen]
        worst = max(worst, float(regret.max() / bound))
        if i < 3:
            drawn[f"process {i + 1}"] = np.sort(regret / bound)[::-1]
    return [
        apart(ONE_PAIR, bonus, spread, 1e-8, ("optimal control", ENUMERATED)),
        apart(WITNESS, lost, share, 1e-8, (ENUMERATED, "optimal control")),
        Check(NEVER, worst, 1.0, routes=(ENUMERATED, "optimal control")),
        Check(NECESSARY, float(min(least)), 1e-6, ">", routes=("witness", "its two policies")),
        lines("regret-of-rewards", "Regret of random rewards under a shaping term",
              ("reward, by regret", "regret / W"), drawn,
              caption="W bounds all of them; its witness reaches 0.99."),
    ]  # fmt: skip


# -- T3: the end -----------------------------------------------------------------------------------
def forked(n: int, margin: float, end: float, discount: float) -> tuple[MDP, np.ndarray]:
    """Two ways of n steps from the start, and a potential (S,) of `end` where the second ends.

    The first way's return is larger by `margin`.
    """
    S = 2 * n + 1  # start, n - 1 inner states a way, two ends
    moves, paid = np.zeros((S, 2, S)), np.zeros((S, 2))
    ways = [[0, *range(1 + k * (n - 1), 1 + (k + 1) * (n - 1)), 2 * n - 1 + k] for k in (0, 1)]
    for k, way in enumerate(ways):
        for here, after in pairwise(way):
            moves[here, k if here == 0 else slice(None), after] = 1.0
    paid[0, 0] = margin
    phi = np.zeros(S)
    phi[2 * n] = end
    terminal = np.arange(S) >= S - 2
    return MDP(moves, paid, discount, start=np.eye(S)[0], terminal=terminal), phi


def lead(n: int, margin: float, end: float, discount: float, kept: bool) -> float:
    """Q of the first way less that of the second, with the term.

    kept : the end's potential is paid; False reads it as 0, as it must be
    """
    mdp, phi = forked(n, margin, end, discount)
    spend(UPDATE)
    paid = mdp.pair_reward + expected_potential_term(mdp, phi)
    if kept:
        paid = paid + np.where(mdp.usable, discount * (mdp.dense @ np.where(mdp.is_terminal, phi, 0)
                                                       ), 0.0)  # fmt: skip
    q = optimal(mdp, paid).q[0]
    return float(q[0] - q[1])


def ends(kept: bool, power: int) -> Items:
    """The margin below which a potential of 1 at an end turns the greedy policy round.

    kept : the fault is there; power : of the discount, in units of n
    """
    found, wanted, cured = [], [], 0
    lengths, discounts = (2, 3, 5, 9), (0.5, 0.9, 0.99)
    for discount in discounts:
        for n in lengths:
            found.append(root(lambda m, n=n, g=discount: lead(n, m, 1.0, g, kept), -2.0, 2.0))
            wanted.append(float(end_reward(1.0, power * n, discount)))
            cured += lead(n, 1e-6, 1.0, discount, not kept) < 0
    shown = {f"discount {g:g}": np.array(found).reshape(3, 4)[i] for i, g in enumerate(discounts)}
    return [
        apart(END, found, wanted, 1e-8, ("optimal control", "closed form")),
        Check(CURED, float(cured), 0.0, "==", routes=("optimal control", "closed form")),
        lines("end-potential", "A potential left at an end is a reward",
              ("steps to the end", "margin that it overturns"), shown, x=list(lengths)),
    ]  # fmt: skip


@experiment(
    "56",
    card="56",
    slug="potential-based-shaping",
    claim="discount Phi(s') - Phi(s) changes no advantage; any other term can be told from it by "
    "least squares, costs some reward a regret, and never more than W, the spread of its own "
    "return over policies; a potential left at an end is a reward of discount^n.",
    source="Theorem 1; the test and the exact regret are derived in theory/shaping",
    provenance="derived",
    smoke={"count": 12, "rewards": 300},
    mutants=(
        Mutant("the next potential without its discount",
               {"term": "undiscounted", "parts": ("harmless",)}, (RECOVERED, ADVANTAGES, SHIFTED)),
        Mutant("noise whose mean is not 0", {"noisy": 0.5, "parts": ("harmless",)}, (LEVELS,)),
        Mutant("a potential in the place of noise",
               {"steps": "potential", "parts": ("harmless",)}, (LEVELS, CHOSEN)),
        Mutant("the l2 residual for the regret", {"size": "norm", "parts": ("costly",)},
               (ONE_PAIR, WITNESS)),
        Mutant("the largest return alone", {"size": "largest alone", "parts": ("costly",)},
               (WITNESS,)),
        Mutant("a difference of potentials for the bonus",
               {"bonus": "potential", "parts": ("costly",)}, (ONE_PAIR, NECESSARY)),
        Mutant("the learner sees twice the term, turned round",
               {"shaped": False, "parts": ("costly",)}, (NEVER,)),
        Mutant("ends have no potential", {"kept": False, "parts": ("ends",)}, (END, CURED)),
        Mutant("twice the steps", {"power": 2, "parts": ("ends",)}, (END,)),
    ),
)  # fmt: skip
def potential(
    *,
    count: int = 60,
    rewards: int = 3000,
    term: str = "discounted",
    noisy: float = 0.0,
    steps: str = "noise",
    size: str = "spread",
    shaped: bool = True,
    bonus: str = "pair",
    kept: bool = True,
    power: int = 1,
    parts: Sequence[str] = ("harmless", "costly", "ends"),
    seed: int = 0,
) -> Result:
    """count : processes; rewards : random ones of each; the others are broken by mutants."""
    work = {
        "harmless": lambda: harmless(draws(seed, 1), count, term, noisy, steps),
        "costly": lambda: costly(draws(seed, 2), count, rewards, size, shaped, bonus),
        "ends": lambda: ends(kept, power),
    }
    return run_parts(work, parts)
