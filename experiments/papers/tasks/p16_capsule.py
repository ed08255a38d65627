"""Capsules: a short prompt paid for the answers left in it, times its likeness to the long one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from toyrl.experiments.core import Check, Mutant, Picture, Result, Table, experiment
from toyrl.experiments.lab.bandits import follow, sigmoid
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.hacked import who_hacks_what
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import gather
from toyrl.experiments.lab.routes import ENUMERATED, alone, apart, same, sampled
from toyrl.experiments.lab.shared import shared
from toyrl.graders.likeness.compression import combined, masked_scores, score
from toyrl.theory.relevance import compression as law

Items = Iterator[Check | Table | Picture]
N_FACTS, KINDS, BUDGET = 8, 4, 12
FACTS = np.arange(N_FACTS)
PROMPT = np.array([x for f in FACTS for x in (*range(N_FACTS, N_FACTS + KINDS), f)])
"""40 tokens: the four fillers before each fact."""
PLACES = np.flatnonzero(PROMPT < N_FACTS)
EMBEDDING = np.eye(N_FACTS + KINDS)
BATCH, RATE = 64, 1.0
TRAINED = ("semantic", "utility", "product", "no cut-off")
WHOLE = np.sqrt(KINDS * N_FACTS**2 + N_FACTS)

OPTIMUM = "a: product at 12 tokens, best of all multisets"
SECOND = "a: the next best, with 7 facts"
LIKENESS = "a: semantic alone, best cosine"
EMPTY = "a: utility of it"
KEYWORDS = "a: cosine of the bare list of the 8 facts"
CUT = "a: utility of the prompt itself, cut at 12 tokens"
RANDOM = "a: utility of the prompt in a random order, cut at 12"
UNEQUAL = "a: best utility under unequal weights, over budgets 0 to 8, largest gap"
TAIL = "b: tokens behind the cut: change of reward over 20 tails, largest"
LISTS = "b: capsules as lists of tokens and as masks, largest gap"
WHO = "b: worth of what semantic, utility and product without cut-off like best, at worst, largest"
WORTH = "b: worth of what the product likes best"
PRODUCT_U = "c: trained on the product: utility, least of the seeds"
PRODUCT_S = "c: trained on the product: cosine less 0.7107, largest"
PRODUCT_N = "c: trained on the product: tokens kept, most"
SEMANTIC_U = "c: trained on semantics: utility, largest"
UTILITY_U = "c: trained on utility: utility, least"
UTILITY_S = "c: trained on utility: cosine, largest"
LONG = "c: trained without a cut-off: tokens kept, least"

enumerated = alone(ENUMERATED, "all capsules named are compared")
trained = alone("training", "where a sampled training ends has no closed form; its optimum has")


# -- rewards of keep-masks -------------------------------------------------------------------------
def rewarded(combine: str, read: float | None = None, like: float | None = None
             ) -> Callable[[Any, Any], np.ndarray]:  # fmt: skip
    """(keep (..., n), budget) -> rewards (...); other budgets for utility and semantics: None."""

    def reward(keep: np.ndarray, budget: Any) -> np.ndarray:
        seen = (budget if b is None else b for b in (read, like))
        (utility, *_), (_, semantic, _) = (
            masked_scores(PROMPT, keep, FACTS, EMBEDDING, b) for b in seen
        )
        return np.asarray(combined(utility, semantic, combine=combine))

    return reward


def by_dot(keep: np.ndarray, budget: Any) -> np.ndarray:
    """Mutant: dot product of the summed vectors instead of the cosine, over the prompt's own."""
    utility, semantic, _ = masked_scores(PROMPT, keep, FACTS, EMBEDDING, budget)
    read = keep & (np.cumsum(keep, -1) <= budget)
    counts = read @ EMBEDDING[PROMPT]
    return utility * semantic * np.linalg.norm(counts, axis=-1) / WHOLE


RULES: dict[str, Callable[[Any, Any], np.ndarray]] = {
    "semantic": rewarded("semantic"),
    "utility": rewarded("utility"),
    "product": rewarded("product"),
    "sum": rewarded("sum"),
    "no cut-off": rewarded("utility", np.inf, np.inf),
    "product, no cut-off": rewarded("product", np.inf, np.inf),
    "semantics of the whole": rewarded("product", None, np.inf),
    "dot product": by_dot,
}


# -- (a) closed forms ------------------------------------------------------------------------------
def forms(budget: int, seed: int) -> Items:
    """Optima by enumeration of every multiset, and what comes of no training."""
    utility, semantic = law.every_capsule(budget).T
    product = np.unique(np.round(utility * semantic, 12))[::-1]
    yield same(OPTIMUM, product[0], 40 / np.sqrt(264 * 12), 1e-11)
    yield same(SECOND, product[1], 7 / 8 * law.capsule_cosine(7, (2, 1, 1, 1)), 1e-11)
    yield same(LIKENESS, semantic.max(), 64 / (np.sqrt(264) * 4), 1e-12, claim=False)
    most_like = utility[semantic > semantic.max() - 1e-12]
    yield enumerated(EMPTY, float(most_like.max()), 0.0, "==", claim=False)
    listed = score(PROMPT.tolist(), FACTS.tolist(), FACTS[:, None].tolist(), np.ones(N_FACTS),
                   EMBEDDING, budget=budget)  # fmt: skip
    yield same(KEYWORDS, listed.semantic, law.capsule_cosine(N_FACTS, [0] * KINDS), 1e-12,
               claim=False)  # fmt: skip
    everything = np.ones(PROMPT.size, dtype=bool)
    yield same(CUT, float(masked_scores(PROMPT, everything, FACTS, EMBEDDING, budget)[0]),
               2 / 8, 1e-12, claim=False)  # fmt: skip
    order = np.argsort(draws(seed, 1).random((1000, PROMPT.size)), -1)
    early = (np.argsort(order, -1)[:, PLACES] < budget).mean(-1)
    yield sampled(RANDOM, early, law.random_order_utility(BUDGET, PROMPT.size))
    weights = np.arange(1.0, N_FACTS + 1)
    subsets = (np.arange(2**N_FACTS)[:, None] >> FACTS) & 1
    best = [(subsets[subsets.sum(-1) <= b] @ weights).max() / weights.sum() for b in range(9)]
    yield apart(UNEQUAL, best, [law.budget_utility(b, weights) for b in range(9)], 1e-12,
                claim=False)  # fmt: skip


# -- (b) who hacks what ----------------------------------------------------------------------------
def mask(*places: Any) -> np.ndarray:
    """A keep-mask (n,) of these places."""
    return np.isin(np.arange(PROMPT.size), places)


FILLERS = [i for i in range(PROMPT.size) if i not in PLACES]
ARMS = {
    "8 facts, 4 fillers": mask(*PLACES, *FILLERS[:4]),
    "7 facts, 5 fillers": mask(*PLACES[:7], *FILLERS[:5]),
    "8 facts": mask(*PLACES),
    "12 fillers": mask(*FILLERS[:12]),
    "12 fillers, then facts": mask(*FILLERS[:12], *PLACES[2:]),
    "the first 12 tokens": mask(*range(12)),
    "the whole prompt": mask(*range(PROMPT.size)),
}
LANGUAGE = np.array([1, 1, 0.5, 1, 1, 1, 1])
"""A bare list of key words is worth half of its answers; ours, since the paper wants language."""


def hacks(swaps: Mapping[str, str], budget: int) -> Items:
    """Seven capsules under six rewards; worth: what is answered from 12 tokens, in language."""
    keep = np.array(list(ARMS.values()))
    worth = LANGUAGE * masked_scores(PROMPT, keep, FACTS, EMBEDDING, BUDGET)[0]
    names = ("semantic", "utility", "sum", "product", "no cut-off", "product, no cut-off")
    rewards = {n: pick(RULES, swaps.get(n, n))(keep, budget) for n in names}
    found = who_hacks_what(list(ARMS), rewards, worth)
    worst = dict(zip(names, found.worst, strict=True))
    hacked = max(worst[n] for n in ("semantic", "utility", "product, no cut-off"))
    yield enumerated(WHO, float(hacked), 0.5)
    yield enumerated(WORTH, float(worst["product"]), 1.0, "==")
    yield found.table(caption="Worth: share answered from 12 tokens, half of it for a bare list.")
    yield found.picture("capsules", "Which capsule is liked by which reward",
                        "Without a cut-off the whole prompt is as good as any.")  # fmt: skip


def tails(swaps: Mapping[str, str], budget: int, seed: int) -> Items:
    """What stands behind the cut, and one score by two routes."""
    rng = draws(seed, 2)
    more = rng.random((20, PROMPT.size)) < 0.5
    base = ARMS["8 facts, 4 fillers"].copy()
    base[PLACES[4:]] = False  # 8 tokens; the cut of 8 lies before whatever is added behind them
    last = np.flatnonzero(base)[-1]
    longer = np.where(np.arange(PROMPT.size) > last, more, base)
    rule = pick(RULES, swaps.get("product", "product"))
    yield enumerated(TAIL, float(np.ptp(rule(longer, 8))), 1e-12)
    masks = rng.random((50, PROMPT.size)) < 0.4
    listed = [
        score(PROMPT.tolist(), PROMPT[m].tolist(), FACTS[:, None].tolist(), np.ones(N_FACTS),
              EMBEDDING, budget=budget).reward
        for m in masks
    ]  # fmt: skip
    yield apart(LISTS, listed, rule(masks, budget), 1e-12, ("lists", "masks"))


# -- (c) training ----------------------------------------------------------------------------------
@shared
def train(rule: str, budgets: Sequence[int], seeds: int, steps: int, seed: int) -> np.ndarray:
    """(C, S, n) final masks of REINFORCE on keep probabilities, at each budget and seed."""
    reward, rng = pick(RULES, rule), draws(seed, 3)
    limit = np.array(budgets)[:, None, None, None]
    shape = (len(budgets), seeds, BATCH, PROMPT.size)

    def step(z: np.ndarray, _: int) -> np.ndarray:
        p = sigmoid(z)[:, :, None]
        keep = rng.random(shape) < p
        r = reward(keep, limit)
        a = (r - r.mean(-1, keepdims=True)) / (r.std(-1, keepdims=True) + 1e-6)
        moved = (a[..., None] * (keep - p)).mean(2)
        return np.clip(z + RATE * moved, -8, 8)

    return follow(step, np.zeros((*shape[:2], PROMPT.size)), steps)[-1] > 0


def trainings(rules: Sequence[str], swaps: Mapping[str, str], budgets: Sequence[int], seeds: int,
              steps: int, seed: int) -> Items:  # fmt: skip
    """Where training on each reward ends, judged at the budget."""
    ends: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
    limit = np.array(budgets)[:, None, None]
    for name in rules:
        keep = train(swaps.get(name, name), budgets, seeds, steps, seed)
        utility, semantic, _ = masked_scores(PROMPT, keep, FACTS, EMBEDDING, limit)
        ends[name] = utility, semantic, keep.sum(-1)
    at = list(budgets).index(BUDGET)
    here = {name: [x[at] for x in end] for name, end in ends.items()}
    if "product" in here:
        utility, semantic, kept = here["product"]
        best = law.best_capsule(BUDGET)[0]
        yield trained(PRODUCT_U, float(utility.min()), 0.95, ">=")
        yield trained(PRODUCT_S, float(np.abs(semantic - best).max()), 0.02)
        yield trained(PRODUCT_N, float(kept.max()), BUDGET)
    if "semantic" in here:
        yield trained(SEMANTIC_U, float(here["semantic"][0].max()), 0.15)
    if "utility" in here:
        yield trained(UTILITY_U, float(here["utility"][0].min()), 0.95, ">=")
        yield trained(UTILITY_S, float(here["utility"][1].max()), 0.25)
    if "no cut-off" in here:
        yield trained(LONG, float(here["no cut-off"][2].min()), 16, ">=")
    yield from drawn(ends, budgets)


def drawn(ends: Any, budgets: Sequence[int]) -> Items:
    """Utility and likeness of the trained capsules over the budget."""
    best = [law.budget_utility(b, np.ones(N_FACTS)) for b in budgets]
    chance = [law.random_order_utility(b, PROMPT.size) for b in budgets]
    curves = {name: end[0].mean(-1) for name, end in ends.items()}
    yield lines("utility", "What is answered from the trained capsule",
                ("budget, tokens", "utility"),
                curves | {"best there is": best, "random order": chance}, x=list(budgets),
                dashed=("best there is", "random order"),
                caption="Mean over seeds; judged at the budget.")  # fmt: skip
    optimum = [law.best_capsule(b) for b in budgets]
    ideal = [value * N_FACTS / a for value, a, _ in optimum]
    yield lines("likeness", "Likeness of the trained capsule to the prompt",
                ("budget, tokens", "cosine"),
                {name: end[1].mean(-1) for name, end in ends.items()}
                | {"the product's optimum": ideal}, x=list(budgets),
                dashed=("the product's optimum",))  # fmt: skip


@experiment(
    "16",
    card="16",
    slug="nano-capsulator",
    claim="A capsule cut at a length and paid for answers times likeness keeps all facts in "
    "language; paid for likeness alone it keeps none, for answers alone a bare list, and without "
    "the cut-off nothing is compressed.",
    source="Eqs. 1 and 2, algebra reconstructed and unverified; toy prompt derived",
    provenance="reconstructed",
    smoke={"budgets": (BUDGET,)},
    mutants=[
        *(Mutant(name, {"swaps": {arm: rule}, "rules": (arm,) if arm in TRAINED else (),
                        "budgets": (BUDGET,)}, breaks)
          for name, arm, rule, breaks in (
              ("the whole capsule is read", "product", "product, no cut-off",
               (PRODUCT_N, PRODUCT_U, TAIL, LISTS, WORTH)),
              ("likeness of the whole capsule", "product", "semantics of the whole",
               (TAIL, LISTS)),
              ("dot product", "product", "dot product", (PRODUCT_S, LISTS)),
              ("answers kept in the name of likeness", "semantic", "product", (SEMANTIC_U, WHO)),
              ("likeness kept in the name of answers", "utility", "product", (UTILITY_S, WHO)),
              ("no answers in the name of answers", "utility", "semantic", (UTILITY_U,)),
              ("cut off after all", "no cut-off", "product", (LONG,)),
          )),
        Mutant("a budget one short", {"budget": 11, "rules": (), "budgets": (BUDGET,)},
               (OPTIMUM, SECOND, RANDOM)),
    ],
)  # fmt: skip
def run(
    *,
    swaps: Mapping[str, str] | None = None,
    rules: Sequence[str] = TRAINED,
    budget: int = BUDGET,
    budgets: Sequence[int] = (4, 8, 12, 16, 20),
    seeds: int = 3,
    steps: int = 400,
    seed: int = 0,
) -> Result:
    """Closed forms, seven capsules under six rewards, and training on keep-masks.

    rules : rewards that are trained on; budgets : tokens, 12 among them; seeds : runs of each
    steps : updates of 64 capsules; swaps, budget : of `RULES` and the cut, for mutants
    """
    swaps = swaps or {}
    parts = [forms(budget, seed), hacks(swaps, budget), tails(swaps, budget, seed)]
    if rules:
        parts.append(trainings(rules, swaps, budgets, seeds, steps, seed))
    return gather(chain.from_iterable(parts))
