"""STARC: what a distance says of the regret, in numbers, and what it is for a group of answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toyrl.estimators.group import PRESETS
from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import Draws, draws
from toyrl.experiments.lab.groups import advantages
from toyrl.experiments.lab.mdps import worst_case
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import apart, beyond, deviation, mean_error
from toyrl.theory.distance import (
    distance,
    optimisation_regret,
    order,
    range_bound,
    regret_bounds,
    standardise,
)
from toyrl.theory.distance.metric import Metric
from toyrl.theory.policies import kl, tilt
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.mdp.chain import from_chain
from toyrl.worlds.mdp.model import MDP
from toyrl.worlds.mdp.random import random_mdp
from toyrl.worlds.mdp.solve import occupancy

Array = Any
RIGHT, LENGTH = np.array([1.0, 1, 0, 0]), np.array([2.0, 6, 3, 5])
SANDWICH = "worst-case regret outside its bounds by a distance, by programme and by dual"
RANGE = "worst-case regret above the bound of VAL over the range of J"
SLACK = "bounds over the regret, median: at least"
CURVE = "length penalty: distance against its correlation, largest error"
LOSS = "length penalty: worst-case regret against its closed form, largest error"
SHARED = "length penalty: worst case where the optimal policy is the same, less its regret"
GRPO = "one prompt: standardised reward against GRPO's advantage, largest error"
EACH = "each prompt over its own std: distance against the pooled correlation"
COST = "each prompt over its own std: worst-case regret, by programme and dual, from 0.0670"
POOLED = "groups of four: pooled distance against the exact one, standard errors away"
BIASED = "groups of four: exact distance less the mean of single groups, lower limit"
VACUOUS = "chain: upper bound on the worst-case regret"
BALL = "chain: regret in balls of KL by the tilt against search over all tilts"


def bandit(prompts: int, answers: int) -> MDP:
    """A state a prompt, an action an answer, then the end."""
    P = np.zeros((prompts + 1, answers, prompts + 1))
    P[..., -1] = 1
    return MDP(P, np.zeros(prompts + 1), 0.9, terminal=np.arange(prompts + 1) == prompts)


def paid(rewards: Array) -> np.ndarray:
    """(prompts + 1, answers): nothing is paid at the end."""
    return np.concatenate([rewards, 0 * rewards[:1]])


# -- bounds ----------------------------------------------------------------------------------------
def bounds(rng: Draws, processes: int, width: float, mass: float) -> Items:
    """Distances, regrets, bounds on random processes; width, mass : factors on D0 and 2/(1-g)."""
    kept = []
    for k in range(processes):
        mdp = random_mdp(rng, 4, 2, discount=0.8, concentration=(0.2, 1.0)[k % 2])
        R, Q = rng.normal(size=(2, 4, 2, 4))
        Q = R + (0.1, 1.0, 10.0)[k % 3] * Q
        d, val = (distance(mdp, R, Q, m) for m in ("starc", "val"))
        low, high = regret_bounds(mdp, d)
        cap = mass * range_bound(mdp, R, Q)
        kept.append([d, *(worst_case(mdp, R, Q, m) for m in ("lp", "dual")), low / width,
                     high * width, cap, val])  # fmt: skip
    d, lp, dual, low, high, cap, val = np.array(kept).T
    outside = [(w < low - 1e-7) | (w > high + 1e-7) for w in (lp, dual)]
    above = [w > cap + 1e-7 for w in (lp, dual)]
    routes = ("linear programme", "dual")
    yield Check(SANDWICH, float(np.sum(outside)), 0, "==", routes=routes)
    yield Check(RANGE, float(np.sum(above)), 0, "==", routes=routes)
    slack = {"the regret over its lower bound": lp / low, "the upper bound over it": high / lp,
             "VAL's bound over it": cap / lp, "distance starc over val": d / val}  # fmt: skip
    yield Check(SLACK, min(float(np.median(x)) for x in list(slack.values())[:2]), 2.0, ">",
                claim=False)  # fmt: skip
    rows = [[name, *np.quantile(x, (0, 0.5, 1)).tolist()] for name, x in slack.items()]
    yield Table("slack", ("factor", "least", "median", "largest"), rows,
                f"{processes} random processes of 4 states and 2 actions at discount 0.8: the "
                "bounds hold on all, and are loose; any two sound and complete distances are "
                "within constant factors of each other.")  # fmt: skip
    at = np.argsort(d)
    yield lines("sandwich", "Worst-case regret and its bounds", ("distance", "share of the range"),
                {"worst case": lp[at], "at least": low[at], "at most": np.minimum(high, 1.0)[at],
                 "at most, by VAL": np.minimum(cap, 1.0)[at]},
                x=d[at].tolist(), points=("worst case", "at least", "at most", "at most, by VAL"),
                caption="Bounds above 1 are drawn at 1.")  # fmt: skip


# -- one prompt, several prompts -------------------------------------------------------------------
def penalty(metric: str, regret: str, points: int) -> Items:
    """A length penalty on one prompt: d and W against lambda, in closed form."""
    mdp, at = bandit(1, 4), np.linspace(0, 1, points + 1)[1:]
    mixed = [RIGHT - x * LENGTH for x in at]
    rho = np.array([np.corrcoef(RIGHT, q)[0, 1] for q in mixed])
    lose = pick({"worst case": worst_case, "of the optimum": optimisation_regret}, regret)
    truth, others = paid(RIGHT[None]), [paid(q[None]) for q in mixed]
    d = np.array([distance(mdp, truth, q, metric) for q in others])
    W, same = (np.array([f(mdp, truth, q) for q in others]) for f in (lose, optimisation_regret))
    closed = np.minimum(1, 4 * at / (1 + at))
    yield apart(CURVE, d, np.sqrt(2 * (1 - rho)), 1e-12, ("canonical forms", "closed form"))
    yield apart(LOSS, W, closed, 1e-7, ("linear programme", "closed form"))
    still = (same == 0) & (at < 1)
    yield Check(SHARED, float((W - same)[still].min()), 0.0, ">",
                routes=("linear programme", "optimal policies"))  # fmt: skip
    yield lines("length-penalty", "A length penalty of lambda a token",
                ("lambda (reward a token)", ""), {"distance": d, "worst-case regret": W,
                "regret of the optimal policy": same}, x=at.tolist(),
                caption="Answers paid (1, 1, 0, 0), of lengths 2, 6, 3, 5.")  # fmt: skip


def prompts(scale: str, estimator: str) -> Items:
    """Standardising is GRPO's advantage on one prompt; over several it is not equivalent."""
    one = standardise(bandit(1, 4), paid(RIGHT[None]), Metric("val", "l2"))[0, :, 0]
    own = advantages(PRESETS[estimator], RIGHT[None])[0]
    norm = np.linalg.norm(own)
    yield apart(GRPO, one / np.linalg.norm(one), own / norm, 1e-12, ("canonical form", "estimator"))
    a = np.array([[1.0, 0, 0, 0], [1, 1, 0, 0]])
    spread = pick({"own": a.std(-1, keepdims=True), "one": a.std()}, scale)
    b = a / spread
    centred = [x - x.mean(-1, keepdims=True) for x in (a, b)]
    rho = (centred[0] * centred[1]).sum() / np.prod([np.linalg.norm(x) for x in centred])
    found = distance(bandit(2, 4), paid(a), paid(b), "val")
    yield apart(EACH, [found, found], [np.sqrt(2 * (1 - rho)), 0.0717], 1e-4,
                ("canonical forms", "pooled correlation"))  # fmt: skip
    lost = [worst_case(bandit(2, 4), paid(a), paid(b), m) for m in ("lp", "dual")]
    yield apart(COST, lost, [0.0670, 0.0670], 1e-4, ("linear programme", "dual"))


def groups(rng: Draws, logs: int, size: int, centred: bool) -> Items:
    """The distance of two columns of a log: pooled over prompts, and averaged over groups.

    A rollout is right with chance 1/2; its judge's score adds a normal number of deviation 0.8 and
    a level of the prompt, which orders nothing, so that the correlation is known. size : rollouts a
    group; logs : of 250 groups each.
    """
    noise = 0.8
    exact = np.sqrt(2 * (1 - 0.5 / np.sqrt(0.25 + noise**2)))
    right = (rng.random((logs, 250, size)) < 0.5).astype(float)
    score = right + noise * rng.normal(size=right.shape) + rng.normal(size=(logs, 250, 1))
    spend(10 * right.size)
    pooled, single = [], []
    for r, q in zip(right, score, strict=True):
        # one prompt for all rollouts is what is left without centring by group
        rows = (250, size) if centred else (1, 250 * size)
        law, shares = np.full(rows, 1 / rows[1]), np.full(rows[0], 1 / rows[0])
        pooled.append(order.distance(law, q.reshape(rows), r.reshape(rows), shares))
        single.append([order.distance(np.full((1, size), 1 / size), b[None], a[None], np.ones(1))
                       for a, b in zip(r[:25], q[:25], strict=True)])  # fmt: skip
    none = np.isnan(single)  # all right or all wrong: no distance
    ways = {"left out": np.nanmean(single, 1), "at 1, as a reward that orders nothing":
            np.where(none, 1.0, single).mean(1), "at sqrt 2, as uncorrelated":
            np.where(none, np.sqrt(2), single).mean(1)}  # fmt: skip
    routes = ("simulation", "closed form")
    # the distance is a smooth function of sums over 250 groups: its bias is 1/250 of their size
    mean, error = mean_error(pooled)
    yield deviation(POOLED, mean, np.hypot(error, exact / 250), exact, routes)
    yield beyond(BIASED, *mean_error(exact - ways["left out"]), 0.05, routes=routes)
    rows = [["pooled over prompts", mean, mean - exact]]
    rows += [[f"mean of groups, those without spread {k}", float(x.mean()),
              float(x.mean()) - exact] for k, x in ways.items()]  # fmt: skip
    yield Table("from a log", ("estimate", "distance", "off by"), rows,
                f"Groups of {size}; the exact distance is {exact:.4f}.")  # fmt: skip


# -- the chain -------------------------------------------------------------------------------------
def chain_part(actions: int) -> Items:
    """On the reasoning chain the sandwich says nothing; the regret in a ball of KL does."""
    chain = Chain(max_actions=actions)
    laid = from_chain(chain)
    at_most = float(regret_bounds(laid.mdp, 1e-3)[1])
    prob = laid.class_probabilities(occupancy(laid.mdp))
    steps = np.arange(1, actions + 1)
    lengths = np.concatenate([steps, steps, [actions]]).astype(float)
    truth = np.broadcast_to(chain.class_correct(), prob.shape)
    reward, shares = truth - 0.1 * lengths, np.asarray(chain.shares)
    nats = np.array([0.05, 0.2, 0.5, 1.0, 2.0])
    found = order.regret(prob, reward, truth, shares, nats)
    # every tilt of a fine grid, and the accuracy where its KL passes each radius
    spend(400 * prob.size * 10)
    grid = tilt(prob, reward, np.geomspace(1e-3, 1e3, 400))
    reached = np.interp(nats, kl(grid, prob) @ shares, (grid * truth).sum(-1) @ shares)
    yield Check(VACUOUS, at_most, 1.0, ">", claim=False)
    yield apart(BALL, found.reached, reached, 5e-3, ("bisection", "grid of tilts"), claim=False)
    yield lines("chain-regret", "Accuracy in balls of KL around the uniform policy",
                ("KL from the base (nats)", "accuracy"),
                {"best for the truth": found.best, "best for the reward": found.reached},
                x=nats.tolist(), caption="A penalty of 0.1 an action. At a distance of 0.001 the "
                f"sandwich allows a worst-case regret of {at_most:.1e}: nothing.")  # fmt: skip


@experiment(
    "27-regret",
    card="27",
    slug="starc-regret",
    claim="A distance that is sound and complete bounds the worst-case regret from both sides, "
    "with constants that can be written down; on one prompt it is a correlation of rewards, and "
    "its standardised reward is GRPO's advantage.",
    source="sections 2 and 3, Definitions of soundness and completeness; the constants and the "
    "closed forms are derived",
    provenance="derived",
    smoke={"processes": 50, "points": 17, "logs": 50},
    mutants=(
        Mutant("the diameter of one step", {"width": 0.02, "parts": ("bounds",), "processes": 12},
               (SANDWICH,)),
        Mutant("the mass of one step", {"mass": 0.2, "parts": ("bounds",), "processes": 12},
               (RANGE,)),
        Mutant("rewards are compared as they stand", {"metric": "none", "parts": ("penalty",)},
               (CURVE,)),
        Mutant("the optimal policy's regret", {"regret": "of the optimum", "parts": ("penalty",)},
               (LOSS, SHARED)),
        Mutant("one std for all prompts", {"scale": "one", "parts": ("prompts",)}, (EACH, COST)),
        Mutant("rewards are not centred", {"estimator": "reinforce", "parts": ("prompts",)},
               (GRPO,)),
        Mutant("groups of 64", {"group": 64, "parts": ("groups",)}, (BIASED,)),
        Mutant("groups are not centred", {"centred": False, "parts": ("groups",)}, (POOLED,)),
    ),
)  # fmt: skip
def starc_regret(
    *,
    processes: int = 400,
    points: int = 40,
    logs: int = 400,
    actions: int = 20,
    width: float = 1.0,
    mass: float = 1.0,
    metric: str = "val",
    regret: str = "worst case",
    scale: str = "own",
    estimator: str = "grpo",
    group: int = 4,
    centred: bool = True,
    parts: Sequence[str] = ("bounds", "penalty", "prompts", "groups", "chain"),
    seed: int = 0,
) -> Result:
    """processes : of the bounds; points : of lambda; logs : of 250 groups; actions : of the chain
    width, mass, metric, regret, scale, estimator, group, centred : mutants break them
    parts : that are run
    """
    work = {
        "bounds": lambda: bounds(draws(seed), processes, width, mass),
        "penalty": lambda: penalty(metric, regret, points),
        "prompts": lambda: prompts(scale, estimator),
        "groups": lambda: groups(draws(seed, 1), logs, group, centred),
        "chain": lambda: chain_part(actions),
    }
    return run_parts(work, parts)
