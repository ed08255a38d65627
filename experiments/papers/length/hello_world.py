"""Hello world: length penalties on the reasoning chain, with and without std normalisation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toyrl.estimators.group import GroupEstimator
from toyrl.experiments.core import Check, Curve, Mutant, Picture, Result, Table, experiment
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.worlds.chain.model import HELLO, HELLO_LOGITS, Chain

RATE = 0.3
DROP = 0.1
GATED_SHARES = (0.55, 0.7, 0.9)


@experiment(
    "hello-world",
    card="",
    slug="hello-world",
    claim="With group-std normalisation an additive length penalty keeps accuracy up to weight "
    "0.933 and then collapses to guessing, however long it trains; without normalisation the "
    "boundary is slow; a gated penalty does not collapse in an even mix, but does once most "
    "prompts are easy.",
    source="the project's own reference numbers; no paper",
    provenance="derived",
    smoke={"updates": 2000, "horizon": 2, "halvings": 12, "shares": (0.9,), "slow": False},
    mutants=(
        Mutant("no normalisation", {"scale": "none"}, ("group std: threshold does not move",)),
        Mutant("penalty on nothing", {"penalty": 0.0}, ("group std: collapses above",)),
    ),
)
def hello_world(
    *,
    updates: int = 4000,
    horizon: int = 4,
    halvings: int = 10,
    shares: Sequence[float] = GATED_SHARES,
    scale: str = "group",
    penalty: float = 1.0,
    slow: bool = True,
    seed: int = 0,
) -> Result:
    """Thresholds by bisection at `updates` and `horizon` times as many.

    penalty multiplies every length penalty (0 is the mutant that never collapses); `scale` is
    the normalisation of the first part; `slow` adds the runs without normalisation.
    """
    lab = _Lab(updates, horizon, halvings, penalty)
    grouped, plain = GroupEstimator(scale=scale), GroupEstimator(scale="none")
    checks, tables, pictures = [], [], []
    first, later = (lab.threshold(HELLO, "additive", grouped, t) for t in lab.times)
    checks += _group_checks(lab, grouped, first, later, reference=updates == 4000)
    pictures.append(lab.picture(grouped, first))
    rows = [["additive", "group std", 0.5, first, later]]
    if slow:
        a, b = (lab.threshold(HELLO, "additive", plain, t) for t in lab.times)
        rows.append(["additive", "none", 0.5, a, b])
        checks += [
            Check(
                "no normalisation: threshold at 4,000 updates",
                a,
                1.344,
                "~",
                1e-3,
                routes=("exact training",),
            ),
            Check(
                "no normalisation: threshold at 16,000 updates, above",
                b,
                1.39,
                ">",
                routes=("exact training",),
            ),
            Check(
                "no normalisation: threshold at 16,000 updates, below",
                b,
                1.40,
                "<",
                routes=("exact training",),
            ),
        ]
        even = lab.runs(HELLO, "gated", grouped, np.array([0.5, 1.0, 1.5]), updates)
        checks.append(
            Check(
                "gated, even mix: worst accuracy up to weight 1.5",
                float(even.accuracy.min()),
                0.99,
                ">",
                routes=("exact training",),
            )
        )
    known = dict(zip(GATED_SHARES, (1.65, 0.21, 0.013), strict=True))
    for rho in shares:
        mix = HELLO.with_(shares=(rho, 1 - rho))
        found = lab.threshold(mix, "gated", grouped, updates)
        rows.append(["gated", "group std", rho, found, float("nan")])
        if updates == 4000:
            # Half a unit of the last digit quoted; 1.65 is quoted as "about", to a twentieth.
            half = {1.65: 0.025, 0.21: 0.005, 0.013: 0.0005}[known[rho]]
            checks.append(
                Check(
                    f"gated, {rho:.0%} easy: threshold",
                    found,
                    known[rho],
                    "~",
                    half,
                    routes=("exact training",),
                )
            )
    tables.append(
        Table(
            "thresholds",
            (
                "penalty",
                "normalisation",
                "share of easy prompts",
                f"critical weight at {lab.times[0]} updates",
                f"critical weight at {lab.times[1]} updates",
            ),
            rows,
        )
    )
    checks += _routes(seed)
    return Result(tuple(checks), tuple(pictures), tuple(tables))


def _group_checks(
    lab: _Lab, estimator: GroupEstimator, first: float, later: float, *, reference: bool
) -> list[Check]:
    ends = lab.runs(HELLO, "additive", estimator, np.array([0.9, 0.99]), lab.times[0])
    hard, length = ends.accuracy[:, 1], ends.length.mean(-1)
    checks = [
        Check("group std: collapses above", float(hard[1]), 0.1, "<", routes=("exact training",)),
        Check(
            "group std: keeps accuracy below", float(hard[0]), 0.95, ">", routes=("exact training",)
        ),
        Check(
            "group std: threshold does not move",
            later,
            first,
            "~",
            1e-3,
            routes=("exact training",),
        ),
    ]
    if reference:
        checks += [
            Check("group std: threshold", first, 0.933, "~", 5e-4, routes=("exact training",)),
            Check(
                "group std: hard prompts end at the guessing rate",
                float(hard[1]),
                HELLO.guess,
                "~",
                5e-3,
                routes=("exact training",),
            ),
            Check(
                "group std: length before collapse",
                float(length[0]),
                11.0,
                "~",
                0.05,
                routes=("exact training",),
            ),
            Check(
                "group std: length after collapse",
                float(length[1]),
                3.5,
                "~",
                0.05,
                routes=("exact training",),
            ),
        ]
    return checks


class _Lab:
    """Runs and thresholds on variants of the hello-world chain."""

    def __init__(self, updates: int, horizon: int, halvings: int, penalty: float) -> None:
        self.times = (updates, horizon * updates)
        self.halvings, self.penalty = halvings, penalty

    def rewards(self, chain: Chain, kind: str, weights: np.ndarray) -> np.ndarray:
        """(W, 1, K): `correct - w L/H` or `correct (1 + w (1 - L/H))`."""
        correct, cost = chain.class_correct(), chain.class_length() / chain.max_length
        w = self.penalty * weights[:, None, None]
        return correct - w * cost if kind == "additive" else correct * (1 + w * (1 - cost))

    def runs(
        self, chain: Chain, kind: str, estimator: GroupEstimator, weights: np.ndarray, updates: int
    ):
        """Exact training at each weight."""
        from toyrl.dynamics.chain import exact

        return exact.train(
            exact.Batch.of(*[chain] * len(weights)),
            chain.logits(**HELLO_LOGITS),
            self.rewards(chain, kind, weights),
            updates=updates,
            rate=RATE,
            estimator=estimator,
            objective=PolicyGradient("sum"),
        )

    def threshold(self, chain: Chain, kind: str, estimator: GroupEstimator, updates: int) -> float:
        """Smallest weight at which hard prompts end 0.1 below outcome-only training; inf if none.

        Each pass trains a whole grid of 16 weights at once and keeps the bracket, so `halvings`
        passes of bisection are log2(15) = 3.9 times fewer runs of the kernel.
        """
        low, high = 1e-3, 3.0
        reference = self.runs(chain, kind, estimator, np.zeros(1), updates).accuracy[0, 1]
        for _ in range(max(1, round(self.halvings / np.log2(15)))):
            grid = np.geomspace(low, high, 16)
            bad = reference - self.runs(chain, kind, estimator, grid, updates).accuracy[:, 1] > DROP
            if not bad.any():
                return float("inf")
            i = int(np.argmax(bad))
            if i == 0:
                return float(grid[0])
            low, high = grid[i - 1], grid[i]
        return float(np.sqrt(low * high))

    def picture(self, estimator: GroupEstimator, threshold: float) -> Picture:
        """Accuracy on hard prompts over training, on both sides of the threshold."""
        centre = threshold if np.isfinite(threshold) else 1.0
        weights = centre * np.array([0.9, 0.99, 1.01, 1.1])
        times = np.unique(np.geomspace(1, self.times[0], 24).astype(int))
        ends = [
            self.runs(HELLO, "additive", estimator, weights, int(t)).accuracy[:, 1] for t in times
        ]
        curves = tuple(
            Curve(f"weight {w:.3f}", times.tolist(), [float(e[i]) for e in ends])
            for i, w in enumerate(weights)
        )
        return Picture(
            "accuracy",
            "Hard prompts under an additive length penalty",
            "updates",
            "accuracy",
            curves=curves,
            log_x=True,
            caption="Below the threshold hard prompts are learned; above it they fall to guessing.",
        )


def _routes(seed: int) -> list[Check]:
    """The base policy's accuracy and length by three routes: kernel, reference, simulation."""
    from toyrl.dynamics.chain import exact
    from toyrl.worlds.chain.forward import class_probabilities

    theta = HELLO.logits(**HELLO_LOGITS)
    reference = class_probabilities(HELLO, theta)
    kernel = exact.class_probabilities(exact.Batch.of(HELLO), theta)[0]
    n = 100_000
    rng = np.random.default_rng(seed)
    right, length = _simulate(HELLO, theta, n, rng)
    p = float((reference[1] * HELLO.class_correct()).sum())
    mean = float((reference[1] * HELLO.class_length()).sum())
    return [
        Check(
            "kernel equals reference",
            float(np.abs(kernel - reference).max()),
            1e-12,
            "<",
            routes=("compiled kernel", "NumPy dynamic program"),
        ),
        Check(
            "simulated accuracy, standard errors away",
            float(abs(right.mean() - p) / (right.std() / n**0.5)),
            4.0,
            "<",
            stderr=float(right.std() / n**0.5),
            routes=("simulation", "NumPy dynamic program"),
        ),
        Check(
            "simulated length, standard errors away",
            float(abs(length.mean() - mean) / (length.std() / n**0.5)),
            4.0,
            "<",
            stderr=float(length.std() / n**0.5),
            routes=("simulation", "NumPy dynamic program"),
        ),
    ]


def _simulate(
    chain: Chain, theta: np.ndarray, n: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """n rollouts of the hard prompt, step by step: right? and length."""
    pi = chain.policy(theta)[0, 0]
    m, length = np.zeros(n, dtype=int), np.full(n, chain.H)
    right, going = np.zeros(n), np.ones(n, dtype=bool)
    for t in range(chain.H):
        action = (rng.random(n)[:, None] > np.cumsum(pi[m], axis=-1)).sum(-1)
        ends = going & (action == chain.actions.index("ANSWER"))
        ok = (m >= chain.difficulties[1]) | (rng.random(n) < chain.guess)
        right[ends], length[ends] = ok[ends], t + 1
        going &= ~ends
        steps = going & (action == 0) & (rng.random(n) < chain.progress)
        m = np.minimum(m + steps, chain.D)
    return right, length
