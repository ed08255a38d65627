"""CaRL: progress times what was kept has no trap; a sum of terms has one, and noise opens it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toyrl.dynamics.bandit import decisions
from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick, replaced
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import CLOSED, apart, deviation, missed, same
from toyrl.experiments.papers.exploration import p20_training as toy
from toyrl.experiments.papers.exploration.p20_training import INSIDE, OUTSIDE, SIZES, START
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper
from toyrl.shapers.explore.composite import (
    FACTORS,
    Carl,
    CarlAdditive,
    CarlProduct,
    CarlSurvival,
    Driving,
)
from toyrl.theory.composite import trap
from toyrl.theory.composite.batch import update_covariance
from toyrl.worlds.search.infractions import route_rewards
from toyrl.worlds.search.road import Road, outcome, plan

STEPS = "R1: pay of each step of random episodes, shaper against lists, largest error"
RANGE = "R1: total outside [0, route done] without a hint, episodes"
AFTER = "R1: steps behind the first hard infraction that are paid"
STANDING = "R2: what 1 to 150 steps of standing still collect, three forms, largest error"
IDLE = "R2: steps of standing that outrank a route finished in 50, as the sum pays"
GRADIENT = "M1: gradients of sum and product in both logits, largest error"
UPWARD = "M1: the product's gradients that aren't positive inside the square"
TURNS = "M1: sign of the sum's pull to go against that of q - (C+w)/(G+C), wrong ones"
EDGE = "M2: basin boundary at p = 0.3, formula against bisection of the flow"
QUOTED = "M2: basin boundary at p = 0.3"
KEPT = "M2: drift of I along the flow, over |I at the saddle|"
BASINS = "M2: where the flow ends (sum: q 0.24 in the trap, 0.29 not; product: neither), wrong ones"
MEAN = "M3: the mean update doesn't depend on B, largest error"
SPREAD = "M3: covariance of the update, formula against all batches, largest error"
ACROSS = "M3: chance that noise carries the first update out of the trap, in standard errors"
ESCAPES = "M4: sum, from the trap: success at B = 2, at least"
TRAPPED = "M4: sum, from the trap: success at B = 512, at most"
FALLS = "M4: sum, from the trap: largest rise of success from one size to a larger"
PRODUCT = "M4: product, all sizes and both starts: success, at least"
LIMIT = "M4: sum, from outside the trap: success at B = 512 less that at B = 2, at least"
ROAD = "D: means of an episode on the road, backward induction against cars, standard errors"
HURRY = "D: steps that the product's optimum takes, over those of the sum's"
LAST = "D: share of the horizon that the sums' optima use"


# -- what is paid ----------------------------------------------------------------------------------
def multiplied(self: Any, r: Rollouts, memory: Any) -> Any:
    """Mutant: the return times all factors, not each increment by its own."""
    bare = r.with_(fields={n: r.fields[n] for n in ("route", "hard")})
    kept = np.prod([r.fields[n] for n in FACTORS], axis=(0, -1))
    return {n: x * kept[..., None] for n, x in Carl.parts(self, bare, memory).items()}


def summed(self: Any, gain: Any, factors: Any, hard: Any, step: Any = 0) -> Any:
    """Mutant: penalties added up in the place of factors that multiply."""
    lost = sum(1 - v for v in factors.values())
    return Carl.paid(self, gain, {"all": 1 - lost}, hard, step)


def goes_on(self: Any, r: Rollouts, memory: Any) -> Any:
    """Mutant: the episode goes on behind a hard infraction."""
    return Carl.parts(self, r.with_(hard=np.zeros_like(r.fields["hard"])), memory)


PAID = {
    "as published": Carl,
    "return multiplied": replaced(Carl, parts=multiplied),
    "penalties summed": replaced(Carl, paid=summed),
    "goes on": replaced(Carl, parts=goes_on),
}
FORMS: dict[str, type[Driving]] = {
    "product": CarlProduct,
    "survival": CarlSurvival,
    "additive": CarlAdditive,
}


def episodes(route: np.ndarray, **fields: np.ndarray) -> Rollouts:
    """(1, N) episodes with these fields (N, T), a token a step, to the end of T."""
    n, T = route.shape
    own = {k: v[None] for k, v in {"route": route, **fields}.items()}
    one = np.ones((1, n))
    return Rollouts(one, one * T, float(T), mask=np.ones((1, n, T)), fields=own)


def pays(rule: str, n: int, seed: int) -> Items:
    """Random episodes, paid by the shaper and by the lists of the released form."""
    rng, T = draws(seed, 1), 12
    done = np.cumsum(rng.integers(0, 3, (n, T)), axis=-1) / (2 * T)
    factor = {k: rng.choice([0.0, 0.5, 0.75, 1.0], (n, T), p=[0.05, 0.1, 0.15, 0.7])
              for k in FACTORS}  # fmt: skip
    at = np.where(rng.random(n) < 0.6, rng.integers(0, T, n), T)
    hard = (np.arange(T) == at[:, None]) * 2.0
    r = episodes(done, hard=hard, **factor)
    found = {h: pick(PAID, rule)(hint=h).apply(r).parts for h in (0.0, 1.0)}
    paid = {h: np.asarray(sum(x.values()))[0] for h, x in found.items()}
    percent = np.concatenate([np.zeros((n, 1)), 100 * done], axis=-1)
    lists = np.stack(list(factor.values()), axis=-1)
    want = [route_rewards(percent[i].tolist(), lists[i].tolist(),
                          int(at[i]) if at[i] < T else None, terminal_hint=1.0).r
            for i in range(n)]  # fmt: skip
    routes = ("lists of one episode", "shaper")
    yield apart(STEPS, paid[1.0], want, 1e-10, routes)
    total = paid[0.0].sum(-1)
    outside = (total < -1e-9) | (total > 100 * done[:, -1] + 1e-9)
    yield missed(RANGE, outside, [False] * n, ("bound", "shaper"))
    behind = np.arange(T) > at[:, None]
    yield missed(AFTER, behind & (paid[1.0] != 0), np.zeros((n, T)), routes)


def standing(product: str, additive: str) -> Items:
    """Standing still and finishing, as the three forms of the released code pay them."""
    T, n = np.arange(1, 151), 150
    swaps = {"product": product, "additive": additive}
    forms = {f: pick(FORMS, swaps.get(f, f))() for f in FORMS}
    still = episodes(np.zeros((1, n)))
    found = {f: np.cumsum(np.asarray(sum(shaper.apply(still).parts.values()))[0, 0])
             for f, shaper in forms.items()}  # fmt: skip
    want = [100 * trap.standing_pay(f) * T / n for f in forms]
    yield apart(STANDING, list(found.values()), want, 1e-9, (CLOSED, "shapers"))
    quick = episodes(np.minimum(np.arange(1, 51) / 50, 1.0)[None])
    finished = {f: float(np.asarray(s.reward(quick))[0, 0]) for f, s in forms.items()}
    more = np.asarray(found["additive"]) > finished["additive"] + 1e-9
    share = trap.standing_pay("additive")
    steps = 50 + int(np.floor(trap.idling_steps(1 - share, share / n))) + 1
    yield same(IDLE, int(np.argmax(more)) + 1, steps, 0, (CLOSED, "shapers"))
    rows = [[f, float(x[-1]), finished[f]] for f, x in found.items()]
    yield Table("standing", ("form", "150 steps standing", "route finished in 50"), rows,
                "The pay of one episode, of at most 100.")  # fmt: skip


# -- the trap --------------------------------------------------------------------------------------
def closed(care: float, product: str, wage: float) -> Items:
    """Gradients, the conserved quantity and the boundary, against the flow and enumeration."""
    at, grid = {"w": wage, "c": care}, np.linspace(0.06, 0.94, 10)
    p, q = (x.ravel() for x in np.meshgrid(grid, grid))
    z = np.stack([toy.logit(p), toy.logit(q)], axis=-1)
    moves = {k: decisions.drift(v, z) for k, v in toy.REWARDS.items()}
    want = [trap.sum_gradient(p, q, **at).T, trap.product_gradient(p, q, c=0.1).T]
    yield apart(GRADIENT, [moves["sum"], moves[product]], want, 1e-12)
    yield missed(UPWARD, np.sign(moves[product]), np.ones((len(p), 2)), ("derived", "enumeration"))
    turn = np.sign(q - (1 + wage) / 2)
    yield missed(TURNS, np.sign(moves["sum"][:, 0]), turn, ("derived", "enumeration"))
    edge, found = trap.basin_boundary(START, **at), toy.flow_edge(toy.REWARDS["sum"])
    yield same(EDGE, edge, found, 2e-3, (CLOSED, "flow"))
    yield Check(QUOTED, edge, 0.26594, "~", 5e-6, claim=False)
    level = abs(float(trap.trap_invariant(*trap.trap_saddle())))
    short = toy.flow_path(toy.REWARDS["sum"], toy.start([INSIDE, OUTSIDE]), 0.1, 400)
    kept = trap.trap_invariant(*np.moveaxis(decisions.chances(short), -1, 0), **at)
    yield Check(KEPT, float(np.abs(kept - kept[0]).max()) / level, 0.01, "<",
                routes=(CLOSED, "flow"))  # fmt: skip
    yield from portrait(product)


def portrait(product: str) -> Items:
    """Both flows from both starts, and the boundary between the basins of the sum."""
    paid = [(k, toy.REWARDS[name], q) for k, name in (("sum", "sum"), ("product", product))
            for q in (INSIDE, OUTSIDE)]  # fmt: skip
    found = decisions.chances(toy.flow_path(
        np.array([v for _, v, _ in paid]), toy.start([q for *_, q in paid]), 1.0, 600))  # fmt: skip
    ends = (found[-1] > 0.5).all(-1).reshape(2, 2)
    inside = trap.reaches_the_end(START, np.array([INSIDE, OUTSIDE]))
    yield missed(BASINS, ends, [inside, [True, True]], (CLOSED, "flow"))
    p = np.linspace(0.005, 0.97, 80)
    border = np.array([trap.basin_boundary(float(x)) for x in p])
    curves: dict[str, Any] = {f"{k}, from q = {q}": tuple(found[:, i].T)
                              for i, (k, _, q) in enumerate(paid)}  # fmt: skip
    curves["boundary of the sum's basins"] = (p, border)
    curves["saddle"] = tuple(np.array(trap.trap_saddle())[:, None])
    yield lines("portrait", "Where training goes, without noise",
                ("chance p of going", "chance q of care"), curves, points=("saddle",),
                dashed=("boundary of the sum's basins",), most=300,
                caption="Gradient flow on two logits from p = 0.3. Below the boundary the sum ends "
                "standing still; the product has no boundary.")  # fmt: skip


# -- the noise of a batch --------------------------------------------------------------------------
def noise(baseline: str, runs: int, seed: int) -> Items:
    """What the batch size changes about one update: all batches against formula and draws."""
    z, R, few = toy.start(INSIDE), toy.REWARDS["sum"], (2, 4, 8)
    scale = {b: float(pick(toy.BASELINES, baseline)(b)) for b in SIZES}
    law = {b: decisions.update_law(R, z, b) for b in (*few, 32)}
    want = trap.sum_gradient(START, INSIDE)
    yield apart(MEAN, [scale[b] * m for b, (m, _) in law.items()], [want] * len(law), 1e-12)
    yield apart(SPREAD, [scale[b] ** 2 * v for b, (_, v) in law.items()],
                [update_covariance(R, START, INSIDE, b) for b in law], 1e-12)  # fmt: skip
    rng = draws(seed, 2)

    def beyond(x: np.ndarray) -> np.ndarray:
        return trap.reaches_the_end(*decisions.chances(x).T)

    exact = {b: decisions.chance_beyond(R, z, b, beyond) for b in (*few, 16, 32)}
    batch = np.repeat(few, runs)
    moved = decisions.sampled_update(R, np.repeat(z[None], len(batch), axis=0), batch, rng)
    wide = np.array([scale[b] for b in batch.tolist()])[:, None]
    seen = beyond(z + wide * moved).reshape(len(few), runs)
    p = np.array([exact[b] for b in few])
    yield deviation(ACROSS, seen.mean(-1), np.sqrt(p * (1 - p) / runs), p,
                    ("enumeration", "simulation"), sigmas=4.3)  # fmt: skip
    more = {b: [decisions.chance_beyond(R, z, b, beyond, updates=k) for k in (1, 2, 3)[:most]]
            for b, most in ((2, 3), (4, 2), (8, 2))}  # fmt: skip
    rows = [[b, float(np.sqrt(update_covariance(R, START, INSIDE, b)[1, 1])),
             *(more.get(b, [exact[b]]) + [None] * 3)[:3]] for b in exact]  # fmt: skip
    yield Table("out of the trap", ("B", "sd of the pull on care", "after 1 update", "after 2",
                "after 3"), rows, "Chance of standing beyond the boundary, over all batches; the "
                "start is (0.3, 0.24), the step 1.")  # fmt: skip


def training(product: str, inside: float, outside: float, sizes: Sequence[int], fixed: str,
             runs: int, seed: int) -> Items:  # fmt: skip
    """Success against the batch size: both rewards, both starts."""
    # At 0 of 600 the upper limit is 0.017, at 600 of 600 the lower one 0.983.
    many = [runs] * (len(sizes) - 1) + [max(600, runs)]
    few = [max(100, runs // 5)] * len(sizes)
    sure = [max(50, runs // 10)] * len(sizes)
    asked = [("sum", inside, many), ("sum", outside, few), (product, inside, sure),
             (product, outside, sure)]  # fmt: skip
    won = [toy.succeeded(k, q, sizes, n, fixed, "the others", seed + i)
           for i, (k, q, n) in enumerate(asked)]  # fmt: skip
    share = [w / n for w, (*_, n) in zip(won, asked, strict=True)]
    both = ("basin boundary", "simulation")
    low, high = toy.bounds(won[0][0], many[0])[0], toy.bounds(won[0][-1], many[-1])[1]
    yield Check(ESCAPES, low, 0.15, ">=", routes=both)
    yield Check(TRAPPED, high, 0.02, "<=", routes=both)
    yield Check(FALLS, float(np.diff(share[0]).max()), 0.08, "<=", routes=both)
    n = 2 * sum(sure)
    yield Check(PRODUCT, toy.bounds(float(won[2].sum() + won[3].sum()), n)[0], 0.98, ">=",
                routes=("no trap", "simulation"))  # fmt: skip
    gap = toy.bounds(won[1][-1], few[-1])[0] - toy.bounds(won[1][0], few[0])[1]
    yield Check(LIMIT, gap, 0.1, ">=", routes=both)
    names = [f"sum, from q = {inside}", f"sum, from q = {outside}",
             f"product, from q = {inside}", f"product, from q = {outside}"]  # fmt: skip
    yield lines("batch size", "Who reaches the end", ("rollouts an update", "share of runs"),
                dict(zip(names, share, strict=True)), x=list(SIZES), log_x=True,
                dashed=tuple(names[2:]),
                caption=f"{toy.UPDATES} updates of step 1 from p = 0.3; reached: p q > 0.8. The "
                "boundary of the sum's trap is at q = 0.266.")  # fmt: skip
    rows = [[name, *s.tolist()] for name, s in zip(names, share, strict=True)]
    yield Table("success", ("reward and start", *(f"B = {b}" for b in SIZES)), rows)


# -- the road --------------------------------------------------------------------------------------
def road(product: str, additive: str, discount: float, cars: int, seed: int) -> Items:
    """The best policies on the toy road, exactly and driven."""
    world = Road()
    forms: dict[str, Driving] = {"product": CarlProduct(),
             "survival": CarlSurvival(n_iter=world.horizon),
             "additive": CarlAdditive(n_iter=world.horizon)}  # fmt: skip
    forms |= {"product": forms[product], "additive": forms[additive]}
    exact, seen, error, rows = [], [], [], []
    for k, (name, reward) in enumerate(forms.items()):
        policy = plan(world, reward, discount)[0]
        exact.append(outcome(world, reward, policy))
        mean, sem = toy.driven(world, reward, policy, cars, seed + k)
        seen.append(mean)
        # A rare end may not be seen at all: one car's worth of each number on top.
        error.append(np.asarray(sem) + np.array([1, world.horizon, 1, 1, 100]) / cars)
        rows.append([name, *exact[-1]])
    yield deviation(ROAD, seen, error, exact, ("backward induction", "simulation"), claim=False)
    steps = [x.steps for x in exact]
    both = ("backward induction", "simulation")
    yield Check(HURRY, max(steps[0], seen[0].steps) / min(steps[2], seen[2].steps), 0.5, "<",
                routes=both)  # fmt: skip
    yield Check(LAST, min(*steps[1:], *(x.steps for x in seen[1:])) / world.horizon, 0.95, ">",
                routes=both)  # fmt: skip
    yield Table("road", ("form", "route", "steps", "collisions", "finished", "pay"), rows,
                f"Best policies at discount {discount:g}, {world.horizon} steps.")  # fmt: skip
    rows = []
    for gamma in (0.5, 0.7, 0.8, 0.9, 0.99):
        paid: tuple[Shaper, ...] = (Carl(), CarlProduct())
        ends = [outcome(world, x, plan(world, x, gamma)[0]).collisions for x in paid]  # type: ignore[arg-type]
        rows.append([gamma, *ends])
    yield Table("crashing", ("discount", "carl", "carl_product"), rows,
                "Chance of a collision under the best policy. carl pays the progress of the step "
                "that ends the episode, and a collision costs 1 of 100.")  # fmt: skip


@experiment(
    "20",
    card="20",
    slug="carl",
    claim="Under a weighted sum of terms a policy that starts in the basin of standing still "
    "leaves it only by the noise of small batches: success falls with the batch size. Progress "
    "times what was kept has no such basin, and trains at every size.",
    source="official code (both forms of the reward); the toy derived",
    provenance="code",
    smoke={"runs": 230, "episodes": 270, "draws": 16000, "cars": 850},
    mutants=[
        Mutant("the return multiplied", {"rule": "return multiplied", "parts": ("pays",)},
               (STEPS,)),
        Mutant("penalties summed", {"rule": "penalties summed", "parts": ("pays",)},
               (STEPS, RANGE)),
        Mutant("the agent goes on after a crash", {"rule": "goes on", "parts": ("pays",)},
               (STEPS, AFTER)),
        Mutant("a wage for surviving", {"product": "survival", "parts": ("standing", "road")},
               (STANDING, HURRY)),
        Mutant("the sum in the product's place",
               {"product": "sum", "parts": ("closed", "training")},
               (GRADIENT, UPWARD, BASINS, PRODUCT)),
        Mutant("care costs twice as much in the formulas", {"care": 0.2, "parts": ("closed",)},
               (GRADIENT, EDGE, KEPT)),
        Mutant("standing unpaid in the formulas", {"wage": 0.0, "parts": ("closed",)},
               (GRADIENT, TURNS, EDGE, KEPT)),
        Mutant("the batch's mean as baseline, own reward included",
               {"baseline": "own reward too", "parts": ("noise",)}, (MEAN, SPREAD, ACROSS)),
        Mutant("as many samples for all", {"fixed": "samples", "parts": ("training",)},
               (PRODUCT, LIMIT)),
        Mutant("started outside the trap", {"inside": OUTSIDE, "parts": ("training",)},
               (TRAPPED, FALLS)),
        Mutant("started inside it", {"outside": INSIDE, "parts": ("training",)}, (LIMIT,)),
        Mutant("no noise at any size", {"sizes": (512,) * 6, "parts": ("training",)}, (ESCAPES,)),
        Mutant("standing pays nothing in the sum", {"additive": "product", "parts": ("standing",
               "road")}, (STANDING, IDLE, LAST)),
    ],
)  # fmt: skip
def run(
    *,
    rule: str = "as published",
    product: str = "product",
    additive: str = "additive",
    care: float = 0.1,
    wage: float = 0.3,
    baseline: str = "the others",
    inside: float = INSIDE,
    outside: float = OUTSIDE,
    sizes: Sequence[int] = SIZES,
    fixed: str = "updates",
    runs: int = 2000,
    episodes: int = 2000,
    draws: int = 200000,
    cars: int = 20000,
    parts: Sequence[str] = ("pays", "standing", "closed", "noise", "training", "road"),
    seed: int = 0,
) -> Result:
    """What is paid, the trap in closed form, one batch's noise, training by batch size, the road.

    runs : trained from the trap at each batch size; episodes : random ones that are paid
    draws : of one update, for each of three batch sizes; cars : on the road, for each reward
    parts : which to run
    rule, product, additive : rewards; care, wage : of the formulas; baseline, fixed, sizes, inside,
    outside : of training; for mutants
    """
    own = {
        "pays": lambda: pays(rule, episodes, seed),
        "standing": lambda: standing(product, additive),
        "closed": lambda: closed(care, product, wage),
        "noise": lambda: noise(baseline, draws, seed),
        "training": lambda: training(product, inside, outside, sizes, fixed, runs, seed),
        "road": lambda: road(product, additive, 0.99, cars, seed),
    }
    note = ("The claim is about runs that start in the trap: from the other side of its boundary "
            "the sum, too, improves with the batch size.",)  # fmt: skip
    return run_parts(own, parts, note)
