"""Card 00: REINFORCE, RLOO, Dr. GRPO and GRPO on Bernoulli rewards, by three routes.

Closed forms (`toyrl.theory.group.variance`), the class engine
(`toyrl.dynamics.groups.class_weights`, enumerating multisets) and simulation of groups must give
one mean gradient in the logit bandit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from toyrl.dynamics.groups.class_weights import class_weights, signal
from toyrl.estimators.group import PRESETS, GroupEstimator
from toyrl.experiments.core import Check, Curve, Mutant, Picture, Result, Table, experiment
from toyrl.rollouts import Rollouts
from toyrl.shapers.outcome import Outcome
from toyrl.theory.group import variance

LABELS = {"reinforce": "REINFORCE", "rloo": "RLOO", "dr_grpo": "Dr. GRPO", "grpo": "GRPO"}
P_GRID = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
CURVE_P = np.linspace(0.02, 0.98, 49)
CURVE_G = (2, 4, 8, 16)
EXACT = 1e-12
CHUNK = 1 << 22  # rewards simulated at once

ENGINE = ("closed form", "class engine, compositions")
PER_GROUP = ("closed form", "the estimator on every group")


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
    mutants=(
        Mutant(
            "population std in place of the sample std",
            {"ddof": 0.0},
            ("GRPO: simulated mean gradient", "GRPO: gradient of every group"),
        ),
        Mutant(
            "baseline dropped",
            {"baseline": "none"},
            (
                "Dr. GRPO: simulated mean gradient",
                "RLOO: gradient of every group",
                "Dr. GRPO: gradient of every group",
            ),
        ),
    ),
)
def baselines(
    *,
    groups: int = 200_000,
    sizes: Sequence[int] = (2, 8, 16),
    success: Sequence[float] = P_GRID,
    ddof: float = 1.0,
    baseline: str = "",
    seed: int = 0,
) -> Result:
    """Mean gradients at each success rate and group size, `groups` simulated groups each.

    ddof : of GRPO's std in the simulation and per-group identities (0 is a mutant)
    baseline : replaces the baseline of the centred estimators there ("none" is a mutant)
    """
    p = np.asarray(success, dtype=float)
    rng = np.random.default_rng(seed)
    checks, rows = [], []
    for name, label in LABELS.items():
        estimator = _estimator(name, ddof, baseline)
        found = [_simulated(name, estimator, p, G, groups, rng) for G in sizes]
        rows += [[label, *row] for part in found for row in part]
        far = max(abs(mean - closed) / error for part in found for *_, closed, mean, error in part)
        checks += [
            Check(
                f"{label}: simulated mean gradient",
                far,
                4.0,
                "<",
                routes=("closed form", "simulation; in standard errors, the worst"),
            ),
            *_exact_checks(name, label, estimator, p, sizes),
        ]
    checks += [*_omega_checks(), *_difficulty_bias(sizes), *_zero_signal(p, sizes)]
    table = Table(
        "mean gradient",
        ("estimator", "G", "success rate", "closed form", "simulated", "standard error"),
        rows,
        "Expected gradient of the logit; an unbiased one is p(1-p).",
    )
    return Result(tuple(checks), _pictures(), (table, _variance_table()))


def _simulated(
    name: str,
    estimator: GroupEstimator,
    p: np.ndarray,
    G: int,
    groups: int,
    rng: np.random.Generator,
) -> list[list[float]]:
    """Rows (G, p, closed form, simulated mean, its standard error)."""
    closed = variance.gradient_weight(name, p, G) * p * (1 - p)
    mean, stderr = _simulate(estimator, p, G, groups, rng)
    columns = (p.tolist(), closed.tolist(), mean.tolist(), stderr.tolist())
    return [[G, *row] for row in zip(*columns, strict=True)]


def _estimator(name: str, ddof: float, baseline: str) -> GroupEstimator:
    """The library's estimator, or a mutant of it."""
    e = PRESETS["grpo_exact" if name == "grpo" else name]
    if name == "grpo":
        e = replace(e, ddof=ddof)
    return replace(e, baseline=baseline) if baseline and name != "reinforce" else e


def _gradients(estimator: GroupEstimator, reward: np.ndarray, p: float) -> np.ndarray:
    """(N,) gradient of the logit from each group of rewards (N, G)."""
    r = Rollouts(reward, np.ones_like(reward), 1.0)
    advantage, _ = estimator.apply({"outcome": reward}, r)
    return (advantage * np.where(reward > 0, 1 - p, -p)).mean(-1)


def _simulate(
    estimator: GroupEstimator, p: np.ndarray, G: int, groups: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mean gradient and its standard error at each p, (P,) each."""
    step = max(1, CHUNK // G)
    out = []
    for x in p:
        g = np.concatenate(
            [
                _gradients(estimator, (rng.random((min(step, groups - i), G)) < x) * 1.0, x)
                for i in range(0, groups, step)
            ]
        )
        out.append((g.mean(), g.std(ddof=1) / groups**0.5))
    mean, stderr = np.array(out).T
    return mean, stderr


def _bandit(p: np.ndarray) -> Rollouts:
    """Two classes, right and wrong, for prompts of success rates p."""
    correct = np.broadcast_to([1.0, 0.0], (len(p), 2)).copy()
    return Rollouts(correct, np.ones_like(correct), 1.0, weight=np.stack([p, 1 - p], axis=1))


def _engine_factor(name: str, p: np.ndarray, G: int) -> np.ndarray:
    """E[A | right] - E[A | wrong] by the class engine: the expected gradient over grad p."""
    e = _estimator(name, 1.0, "")
    w = class_weights(_bandit(p), Outcome(), e, group_size=G, method="compositions").w
    return w[:, 0] - w[:, 1]


def _exact_checks(
    name: str, label: str, estimator: GroupEstimator, p: np.ndarray, sizes: Sequence[int]
) -> list[Check]:
    """Closed form against the engine, and g and Var[g] against the estimator on every K."""
    engine = group = spread = 0.0
    for G in sizes:
        closed = variance.gradient_weight(name, p, G)
        engine = max(engine, float(np.abs(_engine_factor(name, p, G) - closed).max()))
        K = np.arange(G + 1)
        reward = (np.arange(G) < K[:, None]) * 1.0
        for x in p:
            g = variance.group_gradient(name, K, x, G)
            found = _gradients(estimator, reward, x)
            group = max(group, float(np.abs(found - g).max()))
            chance = variance.count_law(x, G)
            centred = g - chance @ g
            wanted = float(variance.gradient_variance(name, x, G))
            spread = max(spread, abs(float(chance @ centred**2) - wanted))
    return [
        Check(f"{label}: class engine", engine, EXACT, "<", routes=ENGINE),
        Check(f"{label}: gradient of every group", group, EXACT, "<", routes=PER_GROUP),
        Check(
            f"{label}: variance of the gradient",
            spread,
            EXACT,
            "<",
            routes=("closed form", "sum over the number of right rollouts"),
        ),
    ]


def _omega_checks() -> list[Check]:
    grid = np.linspace(0.001, 0.999, 999)
    middle = np.linspace(0.2, 0.8, 601)
    limit = np.abs(variance.omega(middle, 64) * np.sqrt(middle * (1 - middle)) - 1)
    return [
        Check(
            "omega_2 is constant",
            float(np.ptp(variance.omega(grid, 2))),
            EXACT,
            "<",
            routes=("closed form",),
        ),
        Check(
            "omega_64 is near 1/sqrt(p(1-p)) on [0.2, 0.8]",
            float(limit.max()),
            0.021,
            "<",
            routes=("closed form",),
        ),
    ]


def _difficulty_bias(sizes: Sequence[int]) -> list[Check]:
    """Two prompts, p = 0.05 and 0.5: how much more GRPO favours the hard one than RLOO does."""
    p = np.array([0.05, 0.5])
    checks = []
    for G in sizes:
        grpo, rloo = _engine_factor("grpo", p, G), _engine_factor("rloo", p, G)
        bias = float(grpo[0] / grpo[1] / (rloo[0] / rloo[1]))
        omega = variance.omega(p, G)
        checks.append(
            Check(
                f"hard over easy prompt, GRPO over RLOO, G = {G}",
                bias,
                float(omega[0] / omega[1]),
                "~",
                EXACT,
                routes=ENGINE,
            )
        )
        if G > 2:
            checks.append(
                Check(f"GRPO favours the hard prompt, G = {G}", bias, 1.0, ">", routes=ENGINE)
            )
    return checks


def _zero_signal(p: np.ndarray, sizes: Sequence[int]) -> list[Check]:
    r = _bandit(p)
    worst = 0.0
    for G in sizes:
        s = signal(r, Outcome(), PRESETS["grpo_exact"], G)
        worst = max(worst, float(np.abs(s.zero_signal - variance.zero_signal(p, G)).max()))
    return [Check("zero-signal groups", worst, EXACT, "<", routes=("closed form", "class engine"))]


# -- evidence ---------------------------------------------------------------------------------


def _pictures() -> tuple[Picture, ...]:
    x = CURVE_P.tolist()
    omega = [
        Curve("G = infinity" if np.isinf(G) else f"G = {G}", x, variance.omega(CURVE_P, G).tolist())
        for G in (*CURVE_G, np.inf)
    ]
    noise = [
        Curve(label, x, _relative_variance(CURVE_P, 8, name).tolist())
        for name, label in LABELS.items()
    ]
    zero = [Curve(f"G = {G}", x, variance.zero_signal(CURVE_P, G).tolist()) for G in CURVE_G]
    return (
        Picture(
            "omega",
            "What group-std normalisation multiplies the gradient by",
            "success rate",
            "omega_G(p)",
            curves=omega,
            caption="Flat at G = 2; for larger groups very hard and very easy prompts weigh more.",
        ),
        Picture(
            "noise",
            "Variance of the gradient over its squared mean, G = 8",
            "success rate",
            "Var[g] / E[g]^2",
            curves=noise,
            log_y=True,
            caption="RLOO and Dr. GRPO coincide: they differ by a constant factor.",
        ),
        Picture(
            "zero-signal",
            "Groups whose rewards are all equal",
            "success rate",
            "share of groups",
            curves=zero,
        ),
    )


def _relative_variance(p: np.ndarray, G: int, name: str) -> np.ndarray:
    return (
        variance.gradient_variance(name, p, G)
        / (variance.gradient_weight(name, p, G) * p * (1 - p)) ** 2
    )


def _variance_table() -> Table:
    p = np.array([0.05, 0.5, 0.95])
    rows = [
        [label, 8, float(x), float(y)]
        for name, label in LABELS.items()
        for x, y in zip(p, _relative_variance(p, 8, name), strict=True)
    ]
    return Table("relative variance", ("estimator", "G", "success rate", "Var[g] / E[g]^2"), rows)
