"""Hello world: length penalties on the reasoning chain, with and without std normalisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from toyrl.dynamics.chain import exact
from toyrl.estimators.group import GroupEstimator
from toyrl.experiments.core import Check, Mutant, Picture, Result, Table, experiment
from toyrl.experiments.lab import chains
from toyrl.experiments.lab.curves import lines, middle, threshold
from toyrl.experiments.lab.routes import alone, apart, deviation
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.worlds.chain.forward import class_probabilities
from toyrl.worlds.chain.model import HELLO, HELLO_LOGITS, Chain

RATE = 0.3
DROP = 0.1
PARTS = ("group", "other", "base")
GATED = {0.55: (1.65, 0.025), 0.7: (0.21, 0.005), 0.9: (0.013, 0.0005)}
"""Share of easy prompts -> critical weight of the gated penalty and half a unit of its last digit
(1.65 is quoted as "about", to a twentieth)."""
ABOVE, BELOW = "group std: collapses above", "group std: keeps accuracy below"
STAYS, VALUE = "group std: threshold does not move", "group std: threshold"
GUESSES = "group std: hard prompts end at the guessing rate"
SHORT = ("group std: length before collapse", "group std: length after collapse")
SLOW = ("no normalisation: accuracy that a weight costs at first",
        "no normalisation: accuracy that the same weight costs in the end")  # fmt: skip
EVEN = "gated, even mix: worst accuracy up to weight 1.5"
EASY = "gated, 90% easy: accuracy of hard prompts at weight 0.02"
KERNEL = "kernel equals reference"
SIMULATED = ("simulated accuracy, standard errors away", "simulated length, standard errors away")

Run = Callable[..., Any]
trained = alone("exact training", "the end of training has no closed form; the kernel is held "
                "against the dynamic program")  # fmt: skip


def trainer(chain: Chain, kind: str, scale: str, penalty: float) -> Run:
    """(weights (W,), updates) -> exact training, a run for each weight; at several times, too."""
    correct, cost = chain.class_correct(), chain.class_length() / chain.max_length

    def run(weights: Sequence[float], updates: Any) -> Any:
        w = penalty * np.asarray(weights, dtype=float)[:, None, None]
        reward = correct - w * cost if kind == "additive" else correct * (1 + w * (1 - cost))
        work: Any = chains.along if isinstance(updates, Sequence) else chains.train
        return work(
            chain, chain.logits(**HELLO_LOGITS), reward, updates, rate=RATE,
            estimator=GroupEstimator(scale=scale), objective=PolicyGradient("sum"),
        )  # fmt: skip

    return run


def critical(run: Run, updates: int, passes: int, near: tuple[float, float] | None = None
             ) -> tuple[float, float]:  # fmt: skip
    """Bracket of the weight at which hard prompts end 0.1 below outcome-only training.

    near : a bracket that may hold already; if it does not, it is looked for within a tenth
    """
    low, high = 1e-3, 3.0
    weights = [0.0] if near is None or not np.isfinite(near[1]) else [0.0, *near]
    end = run(weights, updates).accuracy[:, 1]
    if len(weights) > 1:
        if list(end[0] - end[1:] > DROP) == [False, True]:
            return weights[1], weights[2]
        low, high, passes = weights[1] / 1.1, 1.1 * weights[2], 1
    return threshold(lambda w: end[0] - run(w, updates).accuracy[:, 1] > DROP, low, high, passes)


def group_checks(run: Run, times: tuple[int, int], passes: int) -> tuple[list[Check], list[float]]:
    """Both sides of the threshold, and the threshold at both times."""
    ends = run([0.9, 0.99], times[0])
    hard, length = ends.accuracy[:, 1], ends.length.mean(-1)
    first = critical(run, times[0], passes)
    later = critical(run, times[1], passes, near=first)
    found = [middle(first), middle(later)]
    checks = [
        trained(ABOVE, float(hard[1]), 0.1, "<"),
        trained(BELOW, float(hard[0]), 0.95, ">"),
        trained(STAYS, found[1], found[0], "~", 1e-3),
        trained(VALUE, found[0], 0.933, "~", 5e-4),
        trained(GUESSES, float(hard[1]), HELLO.guess, "~", 5e-3),
        *(trained(name, float(x), want, "~", 0.05)
          for name, x, want in zip(SHORT, length, (11.0, 3.5), strict=True)),
    ]  # fmt: skip
    return checks, found


def other_checks(even: Run, easy: Run, plain: Run, times: tuple[int, int], slow: float
                 ) -> list[Check]:  # fmt: skip
    """The gated penalty in two mixes, and the slow boundary without normalisation."""
    at = [plain([0.0, slow], t).accuracy[:, 1] for t in times]
    lost = [float(x[0] - x[1]) for x in at]
    return [
        trained(EVEN, float(even([0.5, 1.0, 1.5], times[0]).accuracy.min()), 0.99, ">"),
        trained(EASY, float(easy([0.02], times[0]).accuracy[0, 1]), 0.1, "<"),
        trained(SLOW[0], lost[0], DROP, ">"),
        trained(SLOW[1], lost[1], DROP, "<"),
    ]


def base_checks(world: Mapping[str, float], seed: int, n: int = 100_000) -> list[Check]:
    """The base policy's accuracy and length by three routes: kernel, reference, simulation.

    world : what differs in the chain that the kernel and the simulation get
    """
    theta, other = HELLO.logits(**HELLO_LOGITS), HELLO.with_(**world)
    law = class_probabilities(HELLO, theta)
    kernel = exact.class_probabilities(exact.Batch.of(other), theta)[0]
    want = (law[1] @ HELLO.class_correct(), law[1] @ HELLO.class_length())
    program = "NumPy dynamic program"
    found = chains.simulated(other, theta, HELLO.difficulties[1], n, seed)
    return [
        apart(KERNEL, kernel, law, 1e-12, ("compiled kernel", program), claim=False),
        *(deviation(name, *drawn, exactly, ("simulation", program), claim=False)
          for name, drawn, exactly in zip(SIMULATED, found.values(), want, strict=True)),
    ]  # fmt: skip


def picture(run: Run, updates: int, threshold: float) -> Picture:
    """Accuracy on hard prompts over training, on both sides of the threshold."""
    centre = threshold if np.isfinite(threshold) else 1.0
    weights = centre * np.array([0.9, 0.99, 1.01, 1.1])
    times = np.unique(np.geomspace(1, updates, 12).astype(int)).tolist()
    ends = np.array([found.accuracy[:, 1] for found in run(weights, times)])
    return lines(
        "accuracy", "Hard prompts under an additive length penalty", ("updates", "accuracy"),
        {f"weight {w:.3f}": ends[:, i] for i, w in enumerate(weights)}, x=times, log_x=True,
        caption="Below the threshold hard prompts are learned; above it they fall to guessing.",
    )  # fmt: skip


def reference_checks(runs: Mapping[float, Run], plain: Run, times: tuple[int, int], passes: int
                     ) -> tuple[list[Check], list[list[object]]]:  # fmt: skip
    """The project's own numbers at 4,000 and 16,000 updates, and rows of the table."""
    slow = [middle(critical(plain, t, passes)) for t in times]
    quoted = partial(trained, claim=False)
    checks = [
        quoted("no normalisation: threshold at 4,000 updates", slow[0], 1.344, "~", 1e-3),
        quoted("no normalisation: threshold at 16,000 updates, above", slow[1], 1.39, ">"),
        quoted("no normalisation: threshold at 16,000 updates, below", slow[1], 1.40, "<"),
    ]
    rows: list[list[object]] = [["additive", "none", 0.5, *slow]]
    for rho, run in runs.items():
        found = middle(critical(run, times[0], passes))
        checks.append(quoted(f"gated, {rho:.0%} easy: threshold", found, GATED[rho][0], "~",
                             GATED[rho][1]))  # fmt: skip
        rows.append(["gated", "group std", rho, found, float("nan")])
    return checks, rows


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
    smoke={"updates": 1000, "horizon": 2, "halvings": 12, "slow": 1.283, "quoted": False},
    mutants=(
        Mutant("no normalisation", {"scale": "none", "parts": ("group",)},
               (ABOVE, STAYS, VALUE, GUESSES, SHORT[1])),
        Mutant("penalty on nothing", {"penalty": 0.0, "parts": ("group", "other")},
               (ABOVE, SHORT[0], EASY, SLOW[0])),
        Mutant("the penalty counts twice", {"penalty": 2.0, "parts": ("group",)}, (BELOW, VALUE)),
        Mutant("normalised after all", {"plain": "group", "parts": ("other",)}, (SLOW[1],)),
        Mutant("the gate is left out", {"kind": "additive", "parts": ("other",)}, (EVEN,)),
        Mutant("another guessing rate", {"world": {"guess": 0.1}, "parts": ("base",)},
               (KERNEL, SIMULATED[0])),
    ),
)  # fmt: skip
def hello_world(
    *,
    updates: int = 4000,
    horizon: int = 4,
    halvings: int = 10,
    slow: float = 1.37,
    quoted: bool = True,
    scale: str = "group",
    plain: str = "none",
    kind: str = "gated",
    penalty: float = 1.0,
    world: Mapping[str, float] | None = None,
    parts: Sequence[str] = PARTS,
    seed: int = 0,
) -> Result:
    """Thresholds by bisection at `updates` and `horizon` times as many.

    slow : a weight that without normalisation costs accuracy after `updates` and none in the end
    quoted : with the thresholds that are quoted for 4,000 updates
    scale, plain : normalisation of the first part, and of the one without; kind : the gated
    penalty; penalty : times every penalty; world : for `base_checks`
    parts : which of `PARTS` are run, for mutants
    """
    times, passes = (updates, horizon * updates), max(1, round(halvings / np.log2(15)))
    grouped = trainer(HELLO, "additive", scale, penalty)
    unscaled = trainer(HELLO, "additive", plain, penalty)
    gated = {rho: trainer(HELLO.with_(shares=(rho, 1 - rho)), kind, "group", penalty)
             for rho in (0.5, *GATED)}  # fmt: skip
    quoted = quoted and tuple(parts) == PARTS
    checks: list[Check] = []
    rows: list[list[object]] = []
    pictures: tuple[Picture, ...] = ()
    if "group" in parts:
        checks, found = group_checks(grouped, times, passes)
        rows = [["additive", "group std", 0.5, *found]]
        pictures = (picture(grouped, updates, found[0]),)
    even = gated.pop(0.5)
    if "other" in parts:
        checks += other_checks(even, gated[0.9], unscaled, times, slow)
    if quoted:
        more, others = reference_checks(gated, unscaled, times, passes)
        checks, rows = checks + more, rows + others
    if "base" in parts:
        checks += base_checks(world or {}, seed)
    columns = ("penalty", "normalisation", "share of easy prompts",
               *(f"critical weight at {t} updates" for t in times))  # fmt: skip
    return Result(tuple(checks), pictures, (Table("thresholds", columns, rows),))
