"""Card 00: every registered estimator in one table, on prompts of low, middle and high success.

Five outcome classes a prompt (right or wrong, short or long, and truncated), a softmax policy over
them, groups of eight. Mean and covariance of a group's gradient are enumerated over all multisets,
and held against closed forms and against sampled groups.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from toyrl import registry
from toyrl.dynamics.groups.gradient_quality import Quality
from toyrl.experiments.core import Check, Curve, Mutant, Picture, Result, Table, experiment
from toyrl.experiments.lab.quality import agreement, quality
from toyrl.experiments.lab.routes import EXACT, apart
from toyrl.experiments.lab.shared import sharing
from toyrl.expressions import parse, parse_estimator
from toyrl.objectives.policy_gradient import AGGREGATIONS, PolicyGradient
from toyrl.rollouts import Rollouts
from toyrl.rollouts.classes import class_rollouts
from toyrl.theory.group import variance

SUCCESS = (0.1, 0.5, 0.9)
NAMES = ("right, short", "right, long", "wrong, short", "wrong, long", "truncated")
CORRECT = np.array([1.0, 1.0, 0.0, 0.0, 0.0])
LENGTH = np.array([20.0, 60.0, 20.0, 60.0, 100.0])
LIMIT = 100.0
PENALISED = "outcome() - 0.3 * linear_length()"
SPEAKING = 400  # groups with a gradient behind a sampled variance
UNBIASED = ("reinforce", "reinforce_mean", "rloo")
CENTRED = ("rloo", "dr_grpo", "grpo", "grpo_exact", "grpo_population", "grpo_verl", "grpo_batch")
SCALED = {"grpo_exact": 1.0, "grpo_population": 0.0}
UNBIASED_NORM = {n: f"{n}: norm of the mean gradient over the true one, error" for n in UNBIASED}
DR_GRPO = "dr_grpo: norm ratio against (G-1)/G, error"
OMEGA = {n: f"{n}: norm ratio against omega_G(p), error" for n in SCALED}
ANGLE = "largest angle of centred estimators to the true gradient of a prompt, degrees"
FAR = "enumeration against sampled groups: worst mean, in standard errors"
SPREAD = "enumeration against sampled groups: worst relative variance"
SILENT = "P(no signal) of centred estimators against p^G + (1-p)^G, error"
GAINS = "grpo aggregation: long wrong answers gain on short ones, least gain"
NO_GAIN = "dr_grpo and sum aggregation: no such gain, largest"
CLASS_FIELDS = ("correct", "length", "truncated")


def classes() -> Rollouts:
    """(3, 5) classes; weight = share times probability."""
    p = np.asarray(SUCCESS)[:, None]
    prob = np.concatenate([p * [0.6, 0.4], (1 - p) * [0.5, 0.4, 0.1]], axis=1)
    cut = np.arange(5) == 4
    return class_rollouts(prob, correct=CORRECT, length=LENGTH, max_length=LIMIT, truncated=cut,
                          shares=np.full(len(p), 1 / len(p)), group_size=None)  # fmt: skip


@experiment(
    "estimators",
    card="00",
    slug="estimator-table",
    claim="REINFORCE, with or without a batch mean, and RLOO are unbiased; Dr. GRPO is (G-1)/G of "
    "it; group-std normalisation keeps the direction of each prompt and changes its weight; "
    "per-sequence length normalisation favours long wrong answers.",
    works=("grpo", "rloo", "dr-grpo"),
    source="section 3.1",
    provenance="derived",
    smoke={"groups": 5000},
    mutants=(
        Mutant(
            "baselines count the rollout itself, and Dr. GRPO's does not",
            {"swaps": dict.fromkeys(UNBIASED, "dr_grpo") | {"dr_grpo": "rloo"}, "drawn": False},
            (*UNBIASED_NORM.values(), DR_GRPO),
        ),
        Mutant(
            "the sample's and the population's std exchanged",
            {"swaps": {"grpo_exact": "grpo_population", "grpo_population": "grpo_exact"},
             "drawn": False},
            tuple(OMEGA.values()),
        ),
        Mutant(
            "a length penalty in the reward",
            {"reward": PENALISED, "drawn": False},
            (ANGLE, SILENT),
        ),
        Mutant("all multisets equally likely", {"flat": True}, (FAR, SPREAD)),
        Mutant("divided by the length after all", {"plain": "grpo", "drawn": False}, (NO_GAIN,)),
        Mutant("not divided by the length", {"normalised": "sum", "drawn": False}, (GAINS,)),
    ),
)  # fmt: skip
def estimators(
    *,
    group_size: int = 8,
    groups: int = 100_000,
    reward: str = "outcome()",
    swaps: Mapping[str, str] | None = None,
    flat: bool = False,
    normalised: str = "grpo",
    plain: str = "dr_grpo",
    drawn: bool = True,
    seed: int = 0,
) -> Result:
    """The table over all estimators.

    groups : sampled groups a prompt, the third route
    drawn : with that route; reward : what is learned from
    swaps : other estimators behind a name; flat : equal class probabilities in the enumeration;
    normalised, plain : the aggregations that favour length and that do not (for mutants)
    """
    r = classes()
    known, refused = available(swaps or {})
    exact = {n: enumerated(e, reward, group_size, flat) for n, e in known.items()}
    sampled = {n: simulated(e, reward, group_size, groups, seed + i)
               for i, (n, e) in enumerate(known.items()) if drawn}  # fmt: skip
    checks = _closed(exact, group_size)
    pairs = [(exact[n], q) for n, q in sampled.items()]
    routes = ("enumeration", "sampled groups")
    checks += (
        agreement((FAR, SPREAD), pairs, groups, least=SPEAKING, routes=routes) if drawn else []
    )
    checks += _length(r, group_size, normalised, plain)
    shaped = {n: enumerated(e, PENALISED, group_size, False) for n, e in known.items()}
    notes = (f"Not on classes: {'; '.join(refused)}.",) if refused else ()
    return Result(
        tuple(checks), (_picture(exact),), (_table(exact, shaped), _length_table(r)), notes
    )


def available(swaps: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Names of estimators that classes can be given to -> who stands behind, others with reason."""
    found: dict[str, str] = {}
    refused = []
    for entry in registry.entries("estimator"):
        own = swaps.get(entry.name, entry.name)
        e = parse_estimator(own)
        missing = [n for n in e.needs if n not in CLASS_FIELDS]
        if e.token_level:
            refused.append(f"{entry.name} (advantages by token)")
        elif missing:
            refused.append(f"{entry.name} (needs {', '.join(missing)})")
        else:
            found[entry.name] = own
    return found, refused


@sharing(128)
def enumerated(estimator: str, reward: str, G: int, flat: bool) -> Quality:
    """An estimator over all groups; flat : every multiset of classes equally likely."""
    r = _even(classes()) if flat else classes()
    return quality(r, parse(reward), parse_estimator(estimator), group_size=G)


@sharing(128)
def simulated(estimator: str, reward: str, G: int, groups: int, seed: int) -> Quality:
    """An estimator over sampled groups."""
    return quality(classes(), parse(reward), parse_estimator(estimator), group_size=G,
                   samples=groups, seed=seed)  # fmt: skip


def _even(r: Rollouts) -> Rollouts:
    return r.with_(weight=np.full(r.shape, 1 / np.prod(r.shape)))


# -- checks ----------------------------------------------------------------------------------------
def _closed(exact: dict[str, Quality], G: int) -> list[Check]:
    """Norm ratios, directions and silent groups; group-std normalisation weighs by omega_G(p)."""
    p = np.asarray(SUCCESS)
    ratio = {n: exact[n].norm_ratio for n in exact}
    angle = max(float(np.nanmax(exact[n].angle)) for n in CENTRED)
    silent = np.stack([exact[n].silent for n in CENTRED])
    return [
        *(apart(UNBIASED_NORM[n], ratio[n], 1.0, 1e-12) for n in UNBIASED),
        apart(DR_GRPO, ratio["dr_grpo"], (G - 1) / G, 1e-12),
        Check(ANGLE, angle, 1e-4, routes=EXACT),
        *(apart(OMEGA[n], ratio[n], variance.omega(p, G, ddof=int(ddof)), 1e-10)
          for n, ddof in SCALED.items()),
        apart(SILENT, silent, p**G + (1 - p) ** G, 1e-12),
    ]  # fmt: skip


def _length(r: Rollouts, G: int, normalised: str, plain: str) -> list[Check]:
    """Log-odds of a long against a short wrong answer, moved by one expected update."""
    moved = {a: _long_wrong(r, a, G) for a in AGGREGATIONS}
    least = float(moved[normalised].min())
    return [
        Check(GAINS, least, 0.0, ">", routes=("enumeration",),
              why_one_route="a sign; the size depends on the lengths"),
        apart(NO_GAIN, [moved["sum"], moved[plain]], 0.0, 1e-12),
    ]  # fmt: skip


def _long_wrong(r: Rollouts, aggregation: str, G: int) -> np.ndarray:
    """(B,) difference of the logit gradients per unit probability, scaled to a mean factor of 1."""
    e = parse_estimator("dr_grpo")
    q = quality(r, parse("outcome()"), e, PolicyGradient(aggregation), group_size=G)
    prob = r.w / r.w.sum(-1, keepdims=True)
    force = q.mean / prob
    scale = np.abs(force).max(-1)
    return (force[:, 3] - force[:, 2]) / scale


# -- what is shown ---------------------------------------------------------------------------------
def _table(exact: dict[str, Quality], shaped: dict[str, Quality]) -> Table:
    rows = []
    for n, q in exact.items():
        for b, p in enumerate(SUCCESS):
            rows.append(
                [
                    n,
                    p,
                    q.angle[b],
                    q.norm_ratio[b],
                    q.variance[b],
                    q.mse[b],
                    q.snr[b],
                    q.silent[b],
                    shaped[n].angle[b],
                    shaped[n].right_down[b],
                ]
            )
    return Table(
        "estimators",
        (
            "estimator",
            "success rate",
            "angle (degrees)",
            "norm ratio",
            "variance",
            "MSE",
            "SNR per rollout",
            "P(no signal)",
            "angle under a length penalty",
            "right rollouts pushed down under it",
        ),
        rows,
        "One group's gradient against that of P(right), enumerated; the penalty is 0.3 length / "
        "limit.",
    )


def _length_table(r: Rollouts) -> Table:
    rows = [[a, *_long_wrong(r, a, 8)] for a in AGGREGATIONS]
    return Table(
        "loss normalisation",
        ("aggregation", *(f"success {p:g}" for p in SUCCESS)),
        rows,
        "How much a long wrong answer gains on a short one in an expected update on correctness "
        "alone, relative to the largest force on any class.",
    )


def _picture(exact: dict[str, Quality]) -> Picture:
    return Picture(
        "estimators-snr",
        "Signal to noise of each estimator",
        "success rate",
        "SNR per rollout",
        curves=tuple(Curve(n, SUCCESS, q.snr.tolist()) for n, q in exact.items() if n in SHOWN),
        log_y=True,
        caption="Enumerated, groups of eight, correctness as the reward.",
    )


SHOWN = ("reinforce", "reinforce_mean", "rloo", "grpo")
