"""BARFI on processes of several steps: heuristics that mislead, and rules that are biased."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.bandits import ascend
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import apart
from toyrl.experiments.lab.tabular import SOLVES, discount_ascent, outer_ascent
from toyrl.theory.shaping.bilevel import Inner, inner_end, outer_value
from toyrl.worlds.mdp.model import MDP

Array = Any
DEPTH, STOP, ON = 6, 0, 1
CARD = "verbosity, J at weights (1, 1), (1, 0) and (2.997, -0.127), largest error"
LEARNED = "verbosity: J learned from (1, 1)"
HELPER = "verbosity: the helper's learned weight"
TRAP = "verbosity at lam 0.2: J after ascent from (1, 1)"
FREE = "verbosity at lam 0.2: J after ascent from (0.1, 0.1)"
AHEAD = "progress, 5 inner steps: J of the best blend over that of the primary reward"
VANISHES = "progress, 500 inner steps: that lead, less the lead after 50"
BASELINE = "progress shaped by a potential: J after any inner budget less primary's, largest gap"
BIASES = ("no discount on the steps", "old data without weights")
LOSES = {b: f"{b}: J of the primary reward, at best 1" for b in BIASES}
MENDS = {b: f"{b}: J of the learned blend, at best 1" for b in BIASES}
CHEAPER = "learned discount: the last less the first"
HOLDS = "learned discount: J with it less J with the first"
TWO = ("implicit gradient", "inner optimum in closed form")


# -- processes -------------------------------------------------------------------------------------
def token_chain(paid: Array, discount: float = 1.0) -> MDP:
    """A chain of depths with the actions stop and go on; paid (D, 2), the end comes after D."""
    depth, S = len(paid), len(paid) + 1
    moves = np.zeros((S, 2, S))
    moves[:depth, STOP, depth] = 1.0
    moves[np.arange(depth), ON, np.arange(depth) + 1] = 1.0
    return MDP(moves, np.vstack([paid, np.zeros(2)]), discount, start=np.eye(S)[0],
               terminal=np.arange(S) == depth)  # fmt: skip


def pays(action: int, depths: Any, size: float = 1.0) -> np.ndarray:
    """(DEPTH + 1, 2) what one action is paid at some depths."""
    out = np.zeros((DEPTH + 1, 2))
    out[depths, action] = size
    return out


def by_hand(lam: float, phi: Sequence[float]) -> float:
    """J of the verbosity chain's inner optimum at a temperature, by a recursion on numbers."""
    ahead, chance = 0.0, []
    for d in reversed(range(DEPTH)):
        stop, on = phi[0] * (d == 2), phi[1] + ahead
        top = max(stop, on)
        weights = [np.exp((x - top) / lam) for x in (stop, on)]
        chance.insert(0, weights[1] / sum(weights))
        ahead = top + lam * np.log(sum(weights))
    return float(chance[0] * chance[1] * (1 - chance[2]))


# -- the verbosity heuristic -----------------------------------------------------------------------
def verbosity(updates: int, sign: float, large: float, lam: float) -> Items:
    """r_p = 1 for stopping at depth 2, the helper 1 for each step on; ascent on the weights.

    sign : of the gradient; large : weights that the trapped ascent starts from; lam : by hand
    """
    primary, helper = pays(STOP, 2), pays(ON, slice(0, DEPTH))
    mdp = token_chain(primary[:DEPTH])
    warm, cold = (Inner(mdp, [primary, helper], lam) for lam in (0.5, 0.2))

    def at(phi: Sequence[float]) -> float:
        spend(SOLVES)
        return outer_value(warm, inner_end(warm, phi).theta)[0]

    given = {(1.0, 1.0): 0.0021, (1.0, 0.0): 0.5519, (2.997, -0.127): 0.9873}
    options: Any = {"rate": 0.3, "cap": 3, "turn": lambda g: sign * g}
    path, ends = outer_ascent(warm, (1, 1), updates, **options)
    _, stuck = outer_ascent(cold, (large, large), updates, **options)
    _, free = outer_ascent(cold, (0.1, 0.1), updates, **options)
    return [
        apart(CARD, [at(p) for p in given], [by_hand(lam, p) for p in given], 1e-10,
              ("soft policy iteration", "a recursion by hand")),
        Check(LEARNED, ends[-1], 0.95, ">=", routes=TWO),
        Check(HELPER, float(path[-1, 1]), 0.0, "<", routes=TWO),
        Check(TRAP, stuck[-1], 1e-5, "<", routes=TWO),
        Check(FREE, free[-1], 0.95, ">=", routes=TWO),
        Table("verbosity", ("weights", "J", "quoted"),
              [[str(p), at(p), want] for p, want in given.items()],
              "lam = 0.5; quoted numbers to four digits."),
        lines("barfi-verbosity", "Weights learned against a verbosity heuristic",
              ("outer step", "weight"), {"truth": path[:, 0], "helper": path[:, 1]},
              caption="lam = 0.5, norm at most 3: the helper ends below 0."),
    ]  # fmt: skip


# -- the progress heuristic with a limited inner budget --------------------------------------------
def chain_values(pi: Array, paid: Array) -> tuple[Array, Array]:
    """Advantages (..., D, 2) and chances to be at each depth (..., D) of policies (..., D, 2)."""
    ahead, gains = np.zeros(pi.shape[:-2]), []
    for d in reversed(range(pi.shape[-2])):
        q = paid[..., d, :] + np.stack([np.zeros_like(ahead), ahead], axis=-1)
        ahead = (pi[..., d, :] * q).sum(-1)
        gains.insert(0, q - ahead[..., None])
    on = np.cumprod(pi[..., ON], axis=-1)
    here = np.concatenate([np.ones_like(on[..., :1]), on[..., :-1]], axis=-1)
    return np.stack(gains, axis=-2), here


def progress(budget: int, angles: int, charged: bool) -> Items:
    """r_p = 1 for stopping at depth 5, the helper 0.2 for each step on before; few inner steps.

    angles : blends of norm 1 that are tried; 1: the primary reward alone
    charged : whoever stops pays Phi(s) back; False forgets the last term
    """
    truth, helper = pays(STOP, 5)[:DEPTH], pays(ON, slice(0, 5), 0.2)[:DEPTH]
    turn = np.linspace(0, 2 * np.pi, angles, endpoint=False)
    grid = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    phi = 0.2 * np.arange(DEPTH + 1.0)  # a potential made of the helper: its sum so far
    shaping = np.stack([-phi[:DEPTH] * charged, phi[1:] - phi[:DEPTH]], axis=-1)
    shaping[-1, ON] = -phi[DEPTH - 1]
    blends = grid @ np.stack([truth, helper]).reshape(2, -1)
    paid = np.concatenate([blends.reshape(-1, DEPTH, 2),
                           [truth, (truth + helper) / np.sqrt(2), truth + shaping]])  # fmt: skip

    def change(pi: np.ndarray, _: int) -> np.ndarray:
        gain, here = chain_values(pi, paid)
        return 2 * here[..., None] * pi * gain  # the difference of both logits moves by 4

    path = ascend(change, np.zeros((len(paid), DEPTH, 2)), budget)
    _, here = chain_values(path, np.zeros((DEPTH, 2)))
    J = here[..., 5] * path[..., 5, STOP]  # (budget + 1, rewards)
    best, primary, added, shaped = J[:, :-3].max(1), J[:, -3], J[:, -2], J[:, -1]
    steps = [k for k in (1, 5, 50, 500) if k <= budget]
    late = best[budget] / primary[budget] - best[50] / primary[50]
    routes = ("exact inner steps", "grid over the angle")
    x = np.unique(np.geomspace(1, budget, 60).astype(int))
    curves = {"learned blend": best, "primary alone": primary, "naive sum of norm 1": added,
              "primary with a potential": shaped}  # fmt: skip
    return [
        Check(AHEAD, float(best[5] / primary[5]), 2.5, ">=", routes=routes),
        Check(VANISHES, float(late), 0.0, "<", routes=routes),
        apart(BASELINE, shaped, primary, 1e-9, ("with the potential", "without")),
        Table("inner-budget",
              ("inner steps", "learned blend", "primary alone", "naive sum of norm 1"),
              [[k, *(float(c[k]) for c in (best, primary, added))] for k in steps],
              "J after so many exact policy-gradient steps from the uniform policy (rate 4 on the "
              "logit of going on)."),
        lines("barfi-budget", "A progress heuristic under a limited inner budget",
              ("inner steps", "J"), {k: (x, y[x]) for k, y in curves.items()}, log_x=True,
              dashed=("primary with a potential",),
              caption="Best blend of norm 1; a potential changes nothing in expectation."),
    ]  # fmt: skip


# -- claim (c): biases of the inner rule -----------------------------------------------------------
def undiscounted(weighting: str) -> Inner:
    """Two steps that the policy cannot tell apart; at discount 0.5 the first decides."""
    moves, paid = np.zeros((3, 2, 3)), np.array([[1.0, 0.0], [0.0, 1.5], [0.0, 0.0]])
    moves[0, :, 1] = moves[1, :, 2] = 1.0
    mdp = MDP(moves, paid, 0.5, start=np.eye(3)[0], terminal=np.arange(3) == 2)
    alike = np.zeros((3, 2, 1))
    alike[:, 0] = 1.0
    each = [paid * (np.arange(3) == s)[:, None] for s in (0, 1)]
    return Inner(mdp, each, 0.1, alike, weighting)


def from_old_data(behaviour: Array | None) -> Inner:
    """One choice of three; the data mostly take the second best. Parts: the truth and 1."""
    moves, paid = np.zeros((2, 3, 2)), np.array([[0.5, 1.0, 0.0], [0.0, 0.0, 0.0]])
    moves[0, :, 1] = 1.0
    mdp = MDP(moves, paid, 1.0, start=np.eye(2)[0], terminal=[False, True])
    return Inner(mdp, [paid, [[1.0] * 3, [0.0] * 3]], 0.05, behaviour=behaviour)


def biases(updates: int, rate: float, biased: bool) -> list[Check]:
    """The primary reward by a biased rule, and a learned blend; J is 1 at best.

    rate : of the weights; biased : False takes the right rule, for a mutant
    """
    data = np.tile([0.7, 0.1, 0.2], (2, 1)) if biased else None
    rules = {BIASES[0]: (undiscounted("visits" if biased else "discounted"), (1, 1)),
             BIASES[1]: (from_old_data(data), (1, 0))}  # fmt: skip
    checks = []
    for name, (inner, start) in rules.items():
        _, ends = outer_ascent(inner, start, updates, rate=rate, cap=2)
        checks += [Check(LOSES[name], ends[0], 0.85, "<", routes=TWO),
                   Check(MENDS[name], ends[-1], 0.95, ">", routes=TWO)]  # fmt: skip
    return checks


# -- a learned discount ----------------------------------------------------------------------------
def discounts(updates: int, sign: float) -> Items:
    """A late reward distracts from stopping at depth 2; the inner learner's discount is learned.

    sign : of the gradient
    """
    truth, late = pays(STOP, 2), pays(STOP, 5, 1.2)
    inner = Inner(token_chain(truth[:DEPTH]), [truth, late], 0.1)
    path, ends = discount_ascent(inner, (1, 1), 0.95, updates, rate=2 * sign, price=0.05)
    return [
        Check(CHEAPER, float(path[-1] - path[0]), 0.0, "<", routes=TWO),
        Check(HOLDS, float(ends[-1] - ends[0]), -1e-3, ">=", routes=TWO),
        lines("barfi-discount", "The discount that is learned", ("outer step", "discount"),
              {"learned": path}, caption=f"J from {ends[0]:.3f} to {ends[-1]:.3f}."),
    ]  # fmt: skip


@experiment(
    "46-steps",
    card="46",
    slug="barfi-steps",
    claim="On processes of several steps the implicit gradient turns a misleading heuristic round, "
    "uses a helpful one where the inner learner has few steps, makes up for a dropped discount and "
    "for old data without weights, and shortens the horizon.",
    source="Sections 3 to 5, from memory; derivatives in theory/shaping/bilevel.py",
    provenance="second-hand",
    smoke={"updates": 80, "angles": 90},
    mutants=(
        Mutant("ascent with the wrong sign", {"sign": -1.0, "parts": ("verbosity", "discounts")},
               (LEARNED, HELPER, FREE, CHEAPER, HOLDS)),
        Mutant("the trapped ascent starts from small weights",
               {"large": 0.1, "updates": 60, "parts": ("verbosity",)}, (TRAP,)),
        Mutant("another temperature by hand", {"lam": 0.2, "updates": 1, "parts": ("verbosity",)},
               (CARD,)),
        Mutant("no helper in the blend", {"angles": 1, "parts": ("progress",)}, (AHEAD, VANISHES)),
        Mutant("the last term is forgotten", {"charged": False, "parts": ("progress",)},
               (BASELINE,)),
        Mutant("rules without a bias", {"biased": False, "updates": 1, "parts": ("biases",)},
               tuple(LOSES.values())),
        Mutant("naive addition kept", {"rate": 0.0, "updates": 1, "parts": ("biases",)},
               tuple(MENDS.values())),
    ),
)  # fmt: skip
def steps(
    *,
    updates: int = 800,
    budget: int = 500,
    angles: int = 720,
    sign: float = 1.0,
    large: float = 1.0,
    lam: float = 0.5,
    charged: bool = True,
    rate: float = 0.5,
    biased: bool = True,
    parts: Sequence[str] = ("verbosity", "progress", "biases", "discounts"),
    seed: int = 0,
) -> Result:
    """updates : outer steps, a quarter of them for biases and discount; budget : inner steps at
    most; angles : blends that are tried; the others are broken by mutants; no number is drawn
    """
    del seed
    some = max(1, updates // 4)
    work = {
        "verbosity": lambda: verbosity(updates, sign, large, lam),
        "progress": lambda: progress(budget, angles, charged),
        "biases": lambda: biases(max(some, 60) if rate else 1, rate, biased),
        "discounts": lambda: discounts(some, sign),
    }
    return run_parts(work, parts)
