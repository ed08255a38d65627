"""Exploration by maximising return alone: what structure, memory and credit are each needed for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from toyrl.experiments.core import Check, Curve, Mutant, Picture, Result, Table, experiment
from toyrl.experiments.lab.curves import lines, root
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.memory import belief_tree, noisy_blocks, played, trained
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import (
    CLOSED,
    ENUMERATED,
    SIMULATED,
    alone,
    apart,
    beyond,
    deviation,
    mean_error,
    missed,
    sampled,
)
from toyrl.theory.bandits.bayes_adaptive import bandit_rule_total, bayes_adaptive_value
from toyrl.theory.bandits.boxes import (
    boxes_ablated,
    boxes_total,
    corridor_search_total,
    corridor_total,
)
from toyrl.theory.bandits.safe_arm import (
    explore_first,
    gamma_star,
    lam_star,
    noisy_first_pull,
    safe_arm_total,
)
from toyrl.worlds.search.beliefs import Beliefs, bayes_q, greedy, total
from toyrl.worlds.search.hidden_tasks import BetaArms, HiddenBoxes, Prior, SafeArm

BOXES = "E1: hidden boxes, discounts 0 and 1: totals less the formula"
LOST = "E1: without memory, or the prize hidden anew: totals less n/G"
PLAYED = "E1: played blocks, deviation in standard errors"
STUCK = "E1 as a corridor: gamma_step = 0: total"
WALKED = "E1 as a corridor: gamma_episode 0, 0.5 and 1: totals less the nearest-first search"
INDEX = "E2: largest pay of the safe arm at which the other is tried, against lam_star"
FIFTHS = "E2: two and three pulls: that pay less 5/9 and 13/22"
FLIP = "E2: first pulls a millionth below and above gamma_star on the wrong side"
NEEDED = "E2: safe arm above 1/2, any condition removed: settings in which the other is tried"
TRIED = "E2: the same below lam_star with all three: settings in which it is not tried"
TOTALS = "E2: totals at 20 pulls, with credit and without"
TABLE = "E3: two arms: totals of Bayes and of the largest mean, two sweeps"
SAMPLING = "E3: Thompson sampling, played: deviation in standard errors"
ORDER = "E3: least step of oracle > Bayes >= largest mean >= Thompson >= no memory"
NEARLY = "E3: share of the Bayes value that the largest mean keeps, least"
NOISE = "E4: first pulls of noisy agents without credit: deviation in standard errors"
FEWER = "E4: the same falls with the samples averaged: least step, exact"
ALIVE = "E4: Thompson sampling without credit: total of 20 pulls over the safe arm's"
LEARNED = "E5: learned total over the Bayes value, least of the three worlds"
CREDIT = "E5: without credit: share of the value lost beside the safe arm"
SPARED = "E5: without credit: share lost elsewhere, most"
REST = "E5: without structure or without memory: share lost, least of the three worlds"
NEVER = "E5: safe arm, a condition removed: pulls of the other arm"
LAM, FEW, MANY = 0.6, 5, 20
LENGTHS = (2, 3, 5, 10, 20)
CONDITIONS: dict[str, dict[str, Any]] = {
    "all three": {},
    "no structure": {"repeats": False},
    "no memory": {"memory": 0},
    "no credit": {"gamma_episode": 0.0},
}
WORLDS: dict[str, Prior] = {
    "hidden boxes": HiddenBoxes(3),
    "safe arm": SafeArm(LAM),
    "two arms": BetaArms(2),
}
TIES = {
    "random": greedy,
    "first": lambda q: [np.eye(x.shape[1])[(x >= x.max(-1, keepdims=True) - 1e-10).argmax(-1)]
                        for x in q],
}  # fmt: skip


def acting(process: Beliefs, discount: float, ties: str = "random") -> list[np.ndarray]:
    """Chances (M_t, K) of the policy that is greedy for this discount."""
    return pick(TIES, ties)(bayes_q(process, discount))


def any_arm(process: Beliefs) -> list[np.ndarray]:
    """Chances of the agent that remembers nothing: all arms alike."""
    return [np.full(layer.mean.shape, 1 / process.prior.arms) for layer in process.layers[:-1]]


CREDITS: dict[str, Callable[[Any], Any]] = {
    "as told": lambda g: g,
    "always": np.ones_like,
    "never": np.zeros_like,
}


# -- E1: boxes -------------------------------------------------------------------------------------
def boxes(remembers: bool, forgets: bool, repeats: bool, cost: float, blocks: int, rng: Any
          ) -> Items:  # fmt: skip
    """remembers, forgets, repeats : False for mutants; cost : of a step in the corridor"""
    G, lengths = 5, (1, 2, 3, 4, 5, 8, 20)
    processes = [belief_tree(HiddenBoxes(G), n) for n in lengths]
    found, lost = [], []
    for process in processes:
        policies = [acting(process, g) if remembers else any_arm(process) for g in (0.0, 1.0)]
        found += [total(process, p, repeats=repeats) for p in policies]
        ablated = any_arm(process) if forgets else policies[1]
        lost += [total(process, ablated), total(process, policies[1], repeats=False)]
    n = np.repeat(lengths, 2)
    yield apart(BOXES, found, boxes_total(G, n), 1e-10, (ENUMERATED, CLOSED))
    yield apart(LOST, lost, boxes_ablated(G, n), 1e-10, (ENUMERATED, CLOSED))
    runs = [played(p, acting(p, 1.0), rng, blocks, repeats=repeats)[1].sum(-1)
            for p in processes[2::2]]  # fmt: skip
    means = np.array([mean_error(x) for x in runs])
    want = boxes_total(G, np.array(lengths[2::2]))
    yield deviation(PLAYED, means[:, 0], means[:, 1], want, (SIMULATED, CLOSED))
    yield alone(ENUMERATED, "an agent that never moves is paid nothing")(
        STUCK, corridor_total(4, 8, 0.0, 1.0, cost), 0.0, "==")  # fmt: skip
    totals = [corridor_total(4, 8, 1.0, g, cost, memory=remembers) for g in (0.0, 0.5, 1.0)]
    yield apart(WALKED, totals, [corridor_search_total(4, 8, 0.01)] * 3, 1e-10,
                (ENUMERATED, CLOSED))  # fmt: skip


# -- E2: a safe arm --------------------------------------------------------------------------------
def lead(lam: float, pulls: int, discount: float, by: Mapping[str, float]) -> float:
    """Q(B) - Q(A) at the first pull, from the enumerated beliefs."""
    first = bayes_q(belief_tree(SafeArm(lam, **by), pulls), discount)[0][0]
    return float(first[1] - first[0])


def safe(credit: str, prior: Mapping[str, float]) -> Items:
    """credit : one of `CREDITS`; prior : of the unknown arm in the enumeration, for a mutant"""
    told = pick(CREDITS, credit)
    edges = [root(lambda x, n=n: lead(x, n, 1.0, prior), 0.4, 0.999) for n in LENGTHS]
    own = [lam_star(n) for n in LENGTHS]
    yield apart(INDEX, edges, own, 1e-9, (ENUMERATED, "sweep and root"))
    yield apart(FIFTHS, edges[:2], [5 / 9, 13 / 22], 1e-9, (ENUMERATED, CLOSED))
    pays = np.linspace(0.505, 0.555, 6)
    beside = gamma_star(pays)[:, None] + np.array([-1e-6, 1e-6])
    flips = explore_first(pays[:, None], 2, told(beside))
    yield missed(FLIP, flips, np.tile([0.0, 1.0], (6, 1)), ("sweep", CLOSED))
    grid = np.linspace(0.51, 0.81, 16)
    once = explore_first(grid, 1, 1.0)
    myopic = explore_first(grid, MANY, told(np.zeros_like(grid)))
    yield missed(NEEDED, [once, myopic], [grid < 0.5] * 2, ("sweep", "mean of the prior"))
    yield missed(TRIED, explore_first(grid, MANY, told(np.ones_like(grid))), grid < edges[-1],
                 ("sweep", ENUMERATED))  # fmt: skip
    process = belief_tree(SafeArm(LAM, **prior), MANY)
    found = [total(process, acting(process, g)) for g in (1.0, 0.0)]
    want = [safe_arm_total(LAM, MANY, float(told(g))) for g in (1.0, 0.0)]
    yield apart(TOTALS, found, want, 1e-10, (ENUMERATED, "sweep"))
    yield from pictures_of_safe()


def pictures_of_safe() -> Items:
    """The index over the discount, and the first pull at one pay."""
    g = np.linspace(0, 1, 41)
    yield lines("threshold", "What a safe arm must pay to keep the agent from exploring",
                ("gamma_episode, credit across pulls", "pay of the safe arm"),
                {f"n = {n}": [lam_star(n, float(x)) for x in g] for n in (1, 2, 5, MANY)},
                x=g.tolist(), caption="Below its line an agent with n pulls of the same task tries "
                "the unknown arm first (uniform prior); on and above it never does.")  # fmt: skip
    step = np.linspace(0, 1, 201)
    yield lines("first", "Does the first pull explore?",
                ("gamma_episode, credit across pulls", "chance of the unknown arm"),
                {f"n = {n}": explore_first(0.53, n, step) + shift for n, shift in
                 zip((1, 2, 5, MANY), (0.0, 0.01, 0.02, 0.03), strict=True)},
                x=step.tolist(), most=201,
                caption="The safe arm pays 0.53. Lines are set apart by 0.01.")  # fmt: skip


# -- E3: two unknown arms --------------------------------------------------------------------------
def two_arms(ties: str, rivals: Mapping[str, str], blocks: int, rng: Any) -> Items:
    """ties : of `TIES`; rivals : rules that mutants put in the place of others"""
    myopic, sampling = (rivals.get(name, name) for name in ("greedy", "thompson"))
    found, want, gaps, kept, rows = [], [], [], [], []
    for n in LENGTHS:
        process = belief_tree(BetaArms(2), n)
        found += [total(process, acting(process, g, ties)) for g in (1.0, 0.0)]
        bayes, mean = bayes_adaptive_value(2, n), bandit_rule_total(myopic, 2, n)
        want += [bayes, bandit_rule_total("greedy", 2, n)]
        rule = [2 * n / 3, bayes, mean, bandit_rule_total("thompson", 2, n), n / 2]
        gaps.append(np.diff(rule[::-1]).min() + 1e-12)
        kept.append(mean / bayes)
        rows.append([n, *rule])
    yield apart(TABLE, found, want, 1e-10, (ENUMERATED, "ranked sweep"))
    _, pay = noisy_blocks(BetaArms(2), MANY, rng, blocks, 1)
    mean, error = mean_error(pay.sum(-1))
    yield deviation(SAMPLING, mean, error, bandit_rule_total(sampling, 2, MANY),
                    (SIMULATED, "ranked sweep"))  # fmt: skip
    exact = ("ranked sweep", ENUMERATED)
    yield Check(ORDER, float(min(gaps)), 0.0, ">=", routes=exact)
    yield Check(NEARLY, float(min(kept)), 0.99, ">", routes=exact)
    columns = ("n", "oracle", "Bayes", "largest mean", "Thompson", "no memory")
    yield Table("two Beta(1, 1) arms, expected totals", columns, rows)
    names = ("no memory", "Thompson", "largest mean", "Bayes", "oracle")
    share = [x / rows[-1][2] for x in rows[-1][:0:-1]]
    yield Picture("agents", "Two unknown arms, 20 pulls", "share of the Bayes value", "",
                  curves=(Curve("expected total", share, list(range(5))),), labels=names,
                  caption="The largest posterior mean, without any credit over repeats, keeps "
                  "over 99 %.")  # fmt: skip


# -- E4: noise in the place of credit --------------------------------------------------------------
def noise(extra: int, lam: float, blocks: int, rng: Any) -> Items:
    """extra : samples that the formula counts too many, for a mutant; lam : of the last check"""
    sizes, pays = (1, 2, 3, 8), (0.53, 0.6, 0.7)
    cells = [(pay, S) for pay in pays for S in sizes]
    arms = [noisy_blocks(SafeArm(pay), 1, rng, blocks, S)[0][:, 0] for pay, S in cells]
    means = np.array([mean_error(x) for x in arms])
    want = [noisy_first_pull(pay, S + extra) for pay, S in cells]
    yield deviation(NOISE, means[:, 0], means[:, 1], want, (SIMULATED, CLOSED))
    many = (1, 2, 4, 8, 16, 32, 64)
    curves = {f"safe arm pays {pay:g}": np.array([noisy_first_pull(pay, S) for S in many])
              for pay in (lam, 0.6, 0.7)}  # fmt: skip
    falls = [-np.diff(x).max() for x in curves.values()]
    yield alone(CLOSED, "the simulation above holds the formula; here it is compared with itself")(
        FEWER, float(min(falls)), 0.0, ">")  # fmt: skip
    _, pay = noisy_blocks(SafeArm(0.53), MANY, rng, blocks, 1)
    mean, error = mean_error(pay.sum(-1))
    yield beyond(ALIVE, mean, error, MANY * lam)
    yield sampled(
        "E4: the same against the sweep",
        pay.sum(-1),
        safe_arm_total(0.53, MANY, rule="thompson"),
        (SIMULATED, "sweep"),
        claim=False,
    )
    yield lines("noise", "A myopic agent explores by the noise of its estimates",
                ("samples averaged", "chance of the unknown arm at the first pull"), curves,
                x=list(many), log_x=True, caption="One sample is Thompson sampling; with many the "
                "agent acts on its posterior mean and never explores.")  # fmt: skip


# -- E5: meta-training -----------------------------------------------------------------------------
def learning(swap: Mapping[str, str], discount: float, blocks: int, seed: int) -> Items:
    """swap : conditions that a mutant exchanges; discount : of the agents with credit"""
    value = {w: total(p := belief_tree(prior, FEW), acting(p, 1.0)) for w, prior in WORLDS.items()}
    share, other = {}, []
    for i, (world, prior) in enumerate(WORLDS.items()):
        for j, name in enumerate(CONDITIONS):
            how = {"gamma_episode": discount, **CONDITIONS[swap.get(name, name)]}
            rng = draws(seed, 5, i, j)
            agent = trained(prior, FEW, rng, blocks, **how)
            repeats = how.get("repeats", True)
            share[world, name] = agent.total(repeats=repeats) / value[world]
            if world == "safe arm" and name != "all three":
                arms, _ = played(agent.process, agent.chances, rng, 1000, repeats=repeats)
                other.append(float((arms == 1).sum()))
    rest = [w for w in WORLDS if w != "safe arm"]
    both = ("learned, evaluated exactly", ENUMERATED)
    yield Check(LEARNED, min(share[w, "all three"] for w in WORLDS), 0.98, ">=", routes=both)
    yield apart(NEVER, other, [0.0] * 3, 0.0, ("learned, played", "argmax of the prior"))
    yield Check(CREDIT, 1 - share["safe arm", "no credit"], 0.02, ">", routes=both)
    yield Check(SPARED, 1 - min(share[w, "no credit"] for w in rest), 0.01, "<", routes=both)
    yield Check(REST, 1 - max(share[w, c] for w in WORLDS for c in ("no structure", "no memory")),
                0.02, ">", routes=both)  # fmt: skip
    grid = [[share[w, c] for c in CONDITIONS] for w in WORLDS]
    yield Picture("conditions", "What is left of the Bayes value", "", "", grid=grid,
                  labels=tuple(WORLDS), columns=tuple(CONDITIONS), grid_label="share of the value",
                  caption=f"Tables learned from {blocks} blocks of {FEW} pulls, evaluated exactly. "
                  "Credit over repeats decides beside the safe arm alone.")  # fmt: skip
    yield Table("learned totals over the Bayes value", ("world", *CONDITIONS, "Bayes value"),
                [[w, *row, value[w]] for w, row in zip(WORLDS, grid, strict=True)])  # fmt: skip


@experiment(
    "48",
    card="48",
    slug="emergent-exploration",
    claim="An agent that only maximises return explores if the task repeats, it remembers, and "
    "credit reaches over repeats. Without structure or memory exploration is gone everywhere; "
    "credit is needed beside a safe arm and not for hidden boxes or two unknown arms, and noisy "
    "estimates stand in for it.",
    source="conditions and pseudo-Thompson: abstract; worlds and numbers derived",
    provenance="derived",
    smoke={"blocks": 4000, "training": 20000},
    mutants=(
        Mutant("nothing is remembered", {"remembers": False, "parts": ("boxes",)},
               (BOXES, WALKED)),
        Mutant("the agent without memory remembers", {"forgets": False, "parts": ("boxes",)},
               (LOST,)),
        Mutant("another task at each pull", {"repeats": False, "parts": ("boxes",)},
               (BOXES, PLAYED)),
        Mutant("walking is free", {"cost": 0.0, "parts": ("boxes",)}, (STUCK, WALKED)),
        Mutant("credit whatever the discount", {"credit": "always", "parts": ("safe",)},
               (FLIP, NEEDED, TOTALS)),
        Mutant("another prior", {"prior": {"a0": 2.0}, "parts": ("safe",)},
               (INDEX, FIFTHS, TRIED, TOTALS)),
        Mutant("no credit whatever the discount", {"credit": "never", "parts": ("safe",)},
               (FLIP, TRIED, TOTALS)),
        Mutant("ties to the first arm", {"ties": "first", "parts": ("arms",)}, (TABLE,)),
        Mutant("the largest mean taken for Thompson sampling",
               {"rivals": {"thompson": "greedy"}, "parts": ("arms",)}, (SAMPLING,)),
        Mutant("any arm taken for the largest mean",
               {"rivals": {"greedy": "memoryless"}, "parts": ("arms",)}, (ORDER, NEARLY)),
        Mutant("one sample too many", {"extra": 1, "parts": ("noise",)}, (NOISE,)),
        Mutant("a safe arm below the mean", {"lam": 0.45, "parts": ("noise",)}, (FEWER,)),
        Mutant("a safe arm that pays more", {"lam": 0.6, "parts": ("noise",)}, (ALIVE,)),
        Mutant("credit taken for memory", {"swap": {"no memory": "no credit"},
               "parts": ("learning",)}, (REST,)),
        Mutant("no agent has credit", {"discount": 0.0, "parts": ("learning",)}, (LEARNED,)),
        Mutant("the condition stays", {"swap": {"no credit": "all three"},
               "parts": ("learning",)}, (CREDIT, NEVER)),
        Mutant("memory taken for credit", {"swap": {"no credit": "no memory"},
               "parts": ("learning",)}, (SPARED,)),
    ),
)  # fmt: skip
def run(
    *,
    blocks: int = 20000,
    training: int = 200000,
    remembers: bool = True,
    forgets: bool = True,
    repeats: bool = True,
    cost: float = 0.01,
    credit: str = "as told",
    prior: Mapping[str, float] | None = None,
    ties: str = "random",
    rivals: Mapping[str, str] | None = None,
    extra: int = 0,
    lam: float = 0.53,
    swap: Mapping[str, str] | None = None,
    discount: float = 1.0,
    parts: Sequence[str] = ("boxes", "safe", "arms", "noise", "learning"),
    seed: int = 0,
) -> Result:
    """blocks : played; training : blocks learned from; the others are broken by mutants."""
    work = {
        "boxes": partial(boxes, remembers, forgets, repeats, cost, blocks, draws(seed, 1)),
        "safe": partial(safe, credit, dict(prior or {})),
        "arms": partial(two_arms, ties, dict(rivals or {}), blocks, draws(seed, 3)),
        "noise": partial(noise, extra, lam, blocks, draws(seed, 4)),
        "learning": partial(learning, dict(swap or {}), discount, training, seed),
    }
    return run_parts(work, parts, (
        "The paper's agent is a transformer; here a table over counts, with exact values.",
        "In the corridor ties matter: an agent without credit within the episode stays at the "
        "start only if a step costs something; free steps tie with standing still.",
    ))  # fmt: skip
