"""REINFORCE, RLOO, Dr. GRPO and GRPO on right and wrong rewards: who is biased, and how.

In the logit bandit the gradient of the success rate p is p(1-p), and an estimator's mean gradient
is a factor times that: by closed form, by the class engine, by the estimator on every group, and
by simulation of groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from toyrl.estimators.group import PRESETS, GroupEstimator
from toyrl.experiments.core import Check, Mutant, Picture, Result, Table, experiment
from toyrl.experiments.lab import quality
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import Draws, draws
from toyrl.experiments.lab.groups import advantages, every_count
from toyrl.experiments.lab.routes import CLOSED, deviation, same
from toyrl.rollouts import Rollouts
from toyrl.shapers.outcome import Outcome
from toyrl.theory.group import variance

LABELS = {"reinforce": "REINFORCE", "rloo": "RLOO", "dr_grpo": "Dr. GRPO", "grpo": "GRPO"}
P_GRID = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
CURVE_P = np.linspace(0.02, 0.98, 49)
CURVE_G = (2, 4, 8, 16)
EXACT = 1e-12
CHUNK = 1 << 22  # rewards simulated at once
ENGINE = (CLOSED, "class engine, compositions")
FAMILIES = ("simulated mean gradient", "class engine", "gradient of every group",
            "variance of the gradient")  # fmt: skip
CONSTANT, LIMIT = "omega_2 is constant", "omega_64 is near 1/sqrt(p(1-p)) on [0.2, 0.8]"
RATIO = "hard over easy prompt, GRPO over RLOO, G = "
FAVOURS, ZERO = "GRPO favours the hard prompt, G = ", "zero-signal groups"


def named(label: str, *families: int) -> tuple[str, ...]:
    """Names of an estimator's checks, of all families or of these."""
    return tuple(f"{label}: {FAMILIES[i]}" for i in families or range(len(FAMILIES)))


# -- the routes ------------------------------------------------------------------------------------
def gradients(estimator: GroupEstimator, reward: np.ndarray, p: Any, centre: float) -> np.ndarray:
    """(..., N) gradient of the logit from each group of rewards (N, G), at success rates p (...).

    centre : 1 for the score of the logit, [right] - centre p
    """
    score = (reward > 0) - centre * np.asarray(p)[..., None, None]
    return (advantages(estimator, reward) * score).mean(-1)


def simulate(estimator: GroupEstimator, p: float, G: int, groups: int, centre: float, rng: Draws
             ) -> tuple[float, float]:  # fmt: skip
    """Mean gradient of `groups` groups and its standard error."""
    step = max(1, CHUNK // G)
    sizes = [min(step, groups - i) for i in range(0, groups, step)]
    g = np.concatenate(
        [gradients(estimator, (rng.random((n, G)) < p) * 1.0, p, centre) for n in sizes]
    )
    return float(g.mean()), float(g.std(ddof=1) / groups**0.5)


def classes(p: np.ndarray) -> Rollouts:
    """Two classes, right and wrong, for prompts of success rates p."""
    correct = np.broadcast_to([1.0, 0.0], (len(p), 2)).copy()
    return Rollouts(correct, np.ones_like(correct), 1.0, weight=np.stack([p, 1 - p], axis=1))


def factor(estimator: GroupEstimator, p: np.ndarray, G: int) -> np.ndarray:
    """E[A | right] - E[A | wrong] by the class engine: the expected gradient over grad p."""
    w = quality.weights(classes(p), Outcome(), estimator, group_size=G).w
    return w[:, 0] - w[:, 1]


# -- the checks ------------------------------------------------------------------------------------
def estimator_checks(name: str, estimator: GroupEstimator, p: np.ndarray, sizes: Sequence[int],
                     infinite: bool, groups: int, centre: float, rng: Draws
                     ) -> tuple[list[Check], list[list[Any]]]:  # fmt: skip
    """Closed form against simulation, engine and the estimator on every group; table rows."""
    rows, worst = [], np.zeros(3)
    for G in sizes:
        closed = variance.gradient_weight(name, p, np.inf if infinite else G)
        sampled = (simulate(estimator, float(x), G, groups, centre, rng) for x in p)
        rows += [[LABELS[name], G, float(x), float(c), *s]
                 for x, c, s in zip(p, closed * p * (1 - p), sampled, strict=True)]  # fmt: skip
        found = gradients(estimator, every_count(G), p, centre)
        g = variance.group_gradient(name, np.arange(G + 1), p[:, None], G)
        chance = variance.count_law(p, G)
        mean = (chance * found).sum(-1, keepdims=True)
        spread = (chance * (found - mean) ** 2).sum(-1)
        gaps = (factor(estimator, p, G) - closed, found - g,
                spread - variance.gradient_variance(name, p, G))  # fmt: skip
        worst = np.maximum(worst, [np.abs(x).max() for x in gaps])
    simulated, *exact = named(LABELS[name])
    _, _, _, closed, mean, error = zip(*rows, strict=True)
    routes = (ENGINE, (CLOSED, "the estimator on every group"),
              (CLOSED, "the estimator on every group, by their chance"))  # fmt: skip
    checks = [
        deviation(simulated, mean, error, closed, op="<", stderr=None,
                  routes=(CLOSED, "simulation; in standard errors, the worst")),
        *(Check(check, float(x), EXACT, "<", routes=r)
          for check, x, r in zip(exact, worst, routes, strict=True)),
    ]  # fmt: skip
    return checks, rows


def omega_checks(grpo: GroupEstimator, infinite: bool) -> list[Check]:
    """The weight of a prompt at G = 2 and at G = 64; the engine looks at every tenth point."""
    wide, middle = np.linspace(0.001, 0.999, 999), np.linspace(0.2, 0.8, 601)

    def both(p: np.ndarray, G: int) -> tuple[np.ndarray, np.ndarray]:
        closed = variance.omega(p, np.inf if infinite else G)
        return np.concatenate([closed, factor(grpo, p[::10], G)]), np.concatenate([p, p[::10]])

    omega, p = both(middle, 64)
    far = np.abs(omega * np.sqrt(p * (1 - p)) - 1).max()
    return [
        Check(CONSTANT, float(np.ptp(both(wide, 2)[0])), EXACT, "<", routes=ENGINE),
        Check(LIMIT, float(far), 0.021, "<", routes=ENGINE),
    ]


def difficulty_bias(grpo: GroupEstimator, rloo: GroupEstimator, sizes: Sequence[int],
                    infinite: bool) -> list[Check]:  # fmt: skip
    """Two prompts, p = 0.05 and 0.5: how much more GRPO favours the hard one than RLOO does."""
    p, checks = np.array([0.05, 0.5]), []
    for G in sizes:
        hard, easy = factor(grpo, p, G) / factor(rloo, p, G)
        omega = variance.omega(p, np.inf if infinite else G)
        checks.append(same(f"{RATIO}{G}", hard / easy, omega[0] / omega[1], EXACT, ENGINE))
        if G > 2:
            least = float(min(hard / easy, omega[0] / omega[1]))
            checks.append(Check(f"{FAVOURS}{G}", least, 1 + EXACT, ">", routes=ENGINE))
    return checks


def zero_signal(rules: Mapping[str, GroupEstimator], p: np.ndarray, sizes: Sequence[int]) -> Check:
    """Groups without any advantage; of every centred estimator they are the tied ones."""
    worst = 0.0
    for G in sizes:
        found = [quality.signal(classes(p), Outcome(), rules["grpo"], G).zero_signal]
        silent = [(advantages(e, every_count(G)) == 0).all(-1)
                  for name, e in rules.items() if name != "reinforce"]  # fmt: skip
        found += [variance.count_law(p, G) @ x for x in silent]
        worst = max(worst, float(np.abs(np.array(found) - variance.zero_signal(p, G)).max()))
    routes = (CLOSED, "class engine", "the estimators on every group")
    return Check(ZERO, worst, EXACT, "<", routes=routes)


# -- evidence --------------------------------------------------------------------------------------
def relative_variance(name: str, p: np.ndarray, G: int = 8) -> np.ndarray:
    """Var[g] / E[g]^2."""
    mean = variance.gradient_weight(name, p, G) * p * (1 - p)
    return variance.gradient_variance(name, p, G) / mean**2


def pictures() -> tuple[Picture, ...]:
    """omega_G, relative variance and share of groups without signal over the success rate."""
    x, rate = CURVE_P.tolist(), "success rate"
    sizes = {f"G = {G}": G for G in CURVE_G}
    omega = {k: variance.omega(CURVE_P, G) for k, G in {**sizes, "G = infinity": np.inf}.items()}
    noise = {label: relative_variance(name, CURVE_P) for name, label in LABELS.items()}
    zero = {k: variance.zero_signal(CURVE_P, G) for k, G in sizes.items()}
    return (
        lines("omega", "What group-std normalisation multiplies the gradient by",
              (rate, "omega_G(p)"), omega, x=x,
              caption="Flat at G = 2; for larger groups very hard and very easy prompts weigh "
              "more."),
        lines("noise", "Variance of the gradient over its squared mean, G = 8",
              (rate, "Var[g] / E[g]^2"), noise, x=x, log_y=True,
              caption="RLOO and Dr. GRPO coincide: they differ by a constant factor."),
        lines("zero-signal", "Groups whose rewards are all equal", (rate, "share of groups"),
              zero, x=x),
    )  # fmt: skip


def variance_table() -> Table:
    """Relative variance of every estimator at three success rates."""
    p = np.array([0.05, 0.5, 0.95])
    rows = [[label, 8, float(x), float(y)] for name, label in LABELS.items()
            for x, y in zip(p, relative_variance(name, p), strict=True)]  # fmt: skip
    return Table("relative variance", ("estimator", "G", "success rate", "Var[g] / E[g]^2"), rows)


@experiment(
    "00",
    card="00",
    slug="grpo-baselines",
    claim="REINFORCE and RLOO are unbiased, Dr. GRPO scales the gradient by (G-1)/G, and GRPO by "
    "omega_G(p), which favours very easy and very hard prompts except at G = 2.",
    works=("grpo", "dr-grpo"),
    source="sections 4.1 and 3; closed forms derived in theory/group/variance.py",
    provenance="derived",
    smoke={"groups": 20_000, "sizes": (2, 8)},
    mutants=[
        Mutant("population std in place of the sample std",
               {"fields": {"ddof": 0.0}, "estimators": ("grpo",)}, named("GRPO")),
        Mutant("the baseline counts the own rollout",
               {"fields": {"baseline": "mean"}, "estimators": ("reinforce", "rloo")},
               (*named("REINFORCE"), *named("RLOO"))),
        Mutant("the own rollout left out of the mean",
               {"fields": {"baseline": "leave_one_out"}, "estimators": ("dr_grpo", "grpo")},
               (*named("Dr. GRPO"), *named("GRPO"))),
        Mutant("baseline dropped",
               {"fields": {"baseline": "none"}, "estimators": ("rloo", "dr_grpo")},
               (*named("RLOO", 2, 3), *named("Dr. GRPO"), ZERO)),
        Mutant("not divided by the std", {"fields": {"scale": "none"}, "estimators": ("grpo",)},
               (*named("GRPO"), LIMIT, f"{RATIO}8", f"{FAVOURS}8")),
        Mutant("formulas of an infinite group",
               {"infinite": True, "estimators": ("dr_grpo", "grpo")},
               (*named("Dr. GRPO", 0, 1), *named("GRPO", 0, 1), CONSTANT, f"{RATIO}2",
                f"{RATIO}8")),
        Mutant("the score of a wrong answer is 0", {"centre": 0.0, "estimators": ("reinforce",)},
               named("REINFORCE", 0, 2, 3)),
    ],
)  # fmt: skip
def baselines(
    *,
    groups: int = 200_000,
    sizes: Sequence[int] = (2, 8, 16),
    success: Sequence[float] = P_GRID,
    estimators: Sequence[str] = tuple(LABELS),
    fields: Mapping[str, Any] | None = None,
    infinite: bool = False,
    centre: float = 1.0,
    seed: int = 0,
) -> Result:
    """Mean gradients at each success rate and group size, `groups` simulated groups each.

    estimators : whose gradient is simulated and compared; fields : set in every estimator;
    infinite : closed forms of an infinite group; centre : of the score; these are for mutants
    """
    p, rng = np.asarray(success, dtype=float), draws(seed)
    rules = {name: replace(PRESETS["grpo_exact" if name == "grpo" else name], **(fields or {}))
             for name in LABELS}  # fmt: skip
    checks, rows = [], []
    for name in estimators:
        own, part = estimator_checks(name, rules[name], p, sizes, infinite, groups, centre, rng)
        checks += own
        rows += part
    checks += [
        *omega_checks(rules["grpo"], infinite),
        *difficulty_bias(rules["grpo"], rules["rloo"], sizes, infinite),
        zero_signal(rules, p, sizes),
    ]
    table = Table(
        "mean gradient",
        ("estimator", "G", "success rate", "closed form", "simulated", "standard error"),
        rows,
        "Expected gradient of the logit; an unbiased one is p(1-p).",
    )
    return Result(tuple(checks), pictures(), (table, variance_table()))
