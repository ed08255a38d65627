"""Potentials in a learner: the same as a first table, potentials of actions, ones that change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from toyrl.dynamics.tabular.experience import Steps, random_steps
from toyrl.experiments.core import Mutant, Result, experiment
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import apart, missed
from toyrl.experiments.lab.tabular import learned
from toyrl.theory.shaping.episodes import dynamic_terms, look_back_terms, shaping_total
from toyrl.theory.shaping.potential import look_ahead_term
from toyrl.worlds.mdp.control import optimal
from toyrl.worlds.mdp.model import MDP
from toyrl.worlds.mdp.random import corridor, random_mdp
from toyrl.worlds.mdp.solve import policy_return, q_values

Array = Any
RULES = ("q_learning", "sarsa")
SAME = {rule: f"T6: {rule} with the term, plus Phi, less the one started at Phi" for rule in RULES}
GREEDY = "T6: states where the greedy actions of both differ"
AHEAD = "T4: Q with look-ahead advice less (Q - Phi(s, a)), largest"
PLAIN = "T4: states where argmax of Q' + Phi is not the best action of Q, misses"
BACK = "T4: total of look-back advice less discount^(n-1) Phi of the last action, largest"
MOVING = "T5: total of a potential that changes less -Phi(s_0, 0), largest"
STALE = "T5: total when Phi is computed anew between two terms less what that pays, largest"
TOGETHER = ("with the term", "started at Phi")


# -- T6 --------------------------------------------------------------------------------------------
def episodic(rng: Any, S: int, A: int) -> MDP:
    """A random process whose last state is terminal and entered from everywhere."""
    mdp = random_mdp(rng, S, A, reward="sa")
    moves, last = mdp.dense.copy(), np.arange(S) == S - 1
    moves[last] = 0.0
    return MDP(moves, np.where(last[:, None], 0.0, mdp.reward), 0.9, terminal=last)


def shaped(mdp: MDP, steps: Steps, phi: Array, kept: bool) -> Steps:
    """The same steps with discount Phi(s') - Phi(s) added; kept : the end's Phi too."""
    after = np.where(steps.ended & (not kept), 0.0, phi[steps.next_state])
    return replace(steps, reward=steps.reward + mdp.discount * after - phi[steps.state])


def equivalence(rng: Any, count: int, length: int, kept: bool, first: float) -> Items:
    """Two tables on the same random steps, at the same rates; Phi is not 0 where an episode ends.

    kept : the fault of T3; first : what the second table starts at, in units of Phi
    """
    gaps: dict[str, list[float]] = {rule: [] for rule in RULES}
    left, right = [], []
    for i in range(count):
        mdp = episodic(rng, 5 + i % 3, 2 + i % 2)
        S, A = mdp.n_states, mdp.n_actions
        phi, steps = rng.standard_normal(S), random_steps(mdp, rng, length)
        live, rate = ~mdp.is_terminal, rng.uniform(0.01, 0.5, length)
        for rule in RULES:
            with_term = learned(mdp, shaped(mdp, steps, phi, kept), rate=rate, rule=rule)
            start = first * np.repeat(phi[:, None], A, axis=1)
            plain = learned(mdp, steps, rate=rate, rule=rule, start=start)
            gaps[rule].append(np.abs(with_term + phi[:, None] - plain)[live].max())
            left.append(with_term[live].argmax(-1))
            right.append(plain[live].argmax(-1))
    return [
        *(apart(SAME[rule], gaps[rule], np.zeros(count), 1e-10, TOGETHER) for rule in RULES),
        missed(GREEDY, np.concatenate(left), np.concatenate(right), TOGETHER),
    ]


def speed(rng: Any, runs: int, length: int) -> Items:
    """How fast the greedy policy of a corridor becomes good, with and without a potential."""
    mdp = corridor(20, discount=0.95, slip=0.1, episodic=True)
    best = optimal(mdp)
    rough = 0.95 ** np.maximum(mdp.n_states - 2.0 - np.arange(mdp.n_states), 0)
    every = max(1, length // 40)
    curves: dict[str, list[np.ndarray]] = {"plain": [], "with the potential": []}
    for _i in range(runs):
        steps = random_steps(mdp, rng, length)
        pairs = zip(curves, (steps, shaped(mdp, steps, rough, False)), strict=True)
        for name, given in pairs:
            tables = learned(mdp, given, rate=0.3, every=every)
            curves[name].append(np.array([policy_return(mdp, t.argmax(-1)) for t in tables]))
    top = float(mdp.start @ best.value)
    drawn = {name: np.mean(x, axis=0) / top for name, x in curves.items()}
    return [
        lines("q-learning", "Q-learning on a corridor of 20 states",
              ("steps learned from", "greedy return / best"), drawn,
              x=(every * np.arange(1, len(drawn["plain"]) + 1)).tolist(),
              caption=f"Mean of {runs} runs on the same steps; Phi is the value without slips.")
    ]  # fmt: skip


# -- T4 and T5 -------------------------------------------------------------------------------------
def added(q: Array, phi: Array) -> np.ndarray:
    """The rule: Phi is added back before the greedy action is taken."""
    return (q + phi).argmax(-1)


GREEDIES: dict[str, Callable[[Array, Array], np.ndarray]] = {
    "added": added,
    "plain": lambda q, _: q.argmax(-1),
}


def actions(rng: Any, count: int, advised: str, greedy: str, back: str) -> Items:
    """Advice of actions: what it does to Q of a policy, to the greedy action, and to a path.

    advised : the policy that the advice is computed for, its "own" or "uniform"
    greedy : of `GREEDIES`; back : "divided" by the discount, or "not" for a mutant
    """
    gaps, hits, best, totals, wanted = [], [], [], [], []
    for i in range(count):
        mdp = random_mdp(rng, 4 + i % 3, 2 + i % 2, reward="sa")
        S, A = mdp.n_states, mdp.n_actions
        pi, phi = rng.dirichlet(np.ones(A), size=S), rng.standard_normal((S, A))
        q = q_values(mdp, pi)
        term = look_ahead_term(mdp, phi, pi if advised == "own" else None)
        moved = q_values(mdp, pi, mdp.pair_reward + term)
        gaps.append(np.abs(moved - (q - phi)).max())
        hits.append(pick(GREEDIES, greedy)(moved, phi))
        best.append(q.argmax(-1))
        path, n = rng.standard_normal(5 + i % 4), 5 + i % 4
        factor = 0.9 if back == "divided" else 1.0
        totals.append((look_back_terms(path, factor) * 0.9 ** np.arange(n)).sum())
        wanted.append(0.9 ** (n - 1) * path[-1])
    return [
        apart(AHEAD, gaps, np.zeros(count), 1e-10, ("linear system", "without, less Phi")),
        missed(PLAIN, np.concatenate(hits), np.concatenate(best), ("with advice", "without")),
        apart(BACK, totals, wanted, 1e-12, ("sum of the terms", "closed form")),
    ]  # fmt: skip


def moving(rng: Any, count: int, anew: float) -> Items:
    """Paths of a potential that changes at each step; anew : by how much between two terms."""
    n, g = 12, 0.9
    values = rng.standard_normal((count, n + 1))  # Phi(s_t, t), as the state is reached
    values[:, -1] = 0.0
    power = g ** np.arange(n)
    same = dynamic_terms(values[:, :-1] + anew, values[:, 1:], g) * power
    drift = rng.standard_normal((count, n))
    stale = dynamic_terms(values[:, :-1] + drift, values[:, 1:], g) * power
    paid = shaping_total(values, g) - (drift * power).sum(-1)
    return [
        apart(MOVING, same.sum(-1), -values[:, 0], 1e-12, ("sum of the terms", "closed form")),
        apart(STALE, stale.sum(-1), paid - anew, 1e-12, ("sum of the terms", "closed form")),
    ]


@experiment(
    "56-learning",
    card="56",
    slug="potential-based-learning",
    claim="In a tabular learner a potential is the same as a first table of that height, update "
    "by update; a potential of actions has to be added back before the greedy choice; one that "
    "changes still telescopes if both terms use the same number.",
    source="T4 to T6: Wiewiora 2003; Wiewiora, Cottrell and Elkan 2003; Devlin and Kudenko 2012",
    provenance="derived",
    smoke={"count": 6, "length": 2000, "runs": 4},
    mutants=(
        Mutant("the end keeps its potential", {"kept": True, "parts": ("equivalence",)},
               (*SAME.values(), GREEDY)),
        Mutant("the other table starts at 0", {"first": 0.0, "parts": ("equivalence",)},
               tuple(SAME.values())),
        Mutant("advice for another policy", {"advised": "uniform", "parts": ("actions",)},
               (AHEAD,)),
        Mutant("the greedy action of Q' alone", {"greedy": "plain", "parts": ("actions",)},
               (PLAIN,)),
        Mutant("look-back without the division", {"back": "not", "parts": ("actions",)}, (BACK,)),
        Mutant("Phi is computed anew between the terms", {"anew": 0.3, "parts": ("moving",)},
               (MOVING, STALE)),
    ),
)  # fmt: skip
def learning(
    *,
    count: int = 20,
    length: int = 5000,
    runs: int = 40,
    kept: bool = False,
    first: float = 1.0,
    advised: str = "own",
    greedy: str = "added",
    back: str = "divided",
    anew: float = 0.0,
    parts: Sequence[str] = ("equivalence", "speed", "actions", "moving"),
    seed: int = 0,
) -> Result:
    """count : processes; length : steps; runs : of the curves; the others are broken by mutants."""
    work = {
        "equivalence": lambda: equivalence(draws(seed, 1), count, length, kept, first),
        "speed": lambda: speed(draws(seed, 2), runs, length // 2),
        "actions": lambda: actions(draws(seed, 3), count, advised, greedy, back),
        "moving": lambda: moving(draws(seed, 4), count, anew),
    }
    return run_parts(work, parts)
