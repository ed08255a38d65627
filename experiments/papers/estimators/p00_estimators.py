"""Card 00: every registered estimator in one table, on prompts of low, middle and high success.

Five outcome classes a prompt (right or wrong, short or long, and truncated), a softmax policy over
them, groups of eight. Mean and covariance of a group's gradient are enumerated over all multisets,
and held against closed forms and against sampled groups.
"""

from __future__ import annotations

import numpy as np

from toyrl import registry
from toyrl.dynamics.groups.gradient_quality import Quality, gradient_quality
from toyrl.estimators.base import Estimator
from toyrl.experiments.core import Check, Curve, Mutant, Picture, Result, Table, experiment
from toyrl.expressions import parse, parse_estimator
from toyrl.objectives.policy_gradient import AGGREGATIONS, PolicyGradient
from toyrl.rollouts import Rollouts
from toyrl.shapers.outcome import Outcome
from toyrl.theory.group import variance

SUCCESS = (0.1, 0.5, 0.9)
NAMES = ("right, short", "right, long", "wrong, short", "wrong, long", "truncated")
CORRECT = np.array([1.0, 1.0, 0.0, 0.0, 0.0])
LENGTH = np.array([20.0, 60.0, 20.0, 60.0, 100.0])
LIMIT = 100.0
SPEAKING = 400  # groups with a gradient behind a sampled variance
UNBIASED = ("reinforce", "reinforce_mean", "rloo")
CENTRED = ("rloo", "dr_grpo", "grpo", "grpo_exact", "grpo_population", "grpo_verl", "grpo_batch")
SCALED = {"grpo_exact": 1.0, "grpo_population": 0.0}
CLASS_FIELDS = ("correct", "length", "truncated")


def classes() -> Rollouts:
    """(3, 5) classes; weight = share times probability."""
    p = np.asarray(SUCCESS)[:, None]
    prob = np.concatenate([p * [0.6, 0.4], (1 - p) * [0.5, 0.4, 0.1]], axis=1)
    wide = np.ones_like(prob)
    return Rollouts(
        correct=CORRECT * wide,
        length=LENGTH * wide,
        max_length=LIMIT,
        truncated=np.broadcast_to(np.arange(5) == 4, prob.shape),
        weight=prob / len(p),
    )


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
    smoke={"groups": 20_000},
    mutants=(
        Mutant(
            "the leave-one-out baseline counts the rollout itself",
            {"loo": "dr_grpo"},
            ("rloo: norm of the mean gradient over the true one, error",),
        ),
        Mutant(
            "all multisets equally likely",
            {"flat": True},
            ("enumeration against sampled groups: worst mean, in standard errors",),
        ),
    ),
)
def estimators(
    *,
    group_size: int = 8,
    groups: int = 100_000,
    loo: str = "rloo",
    flat: bool = False,
    seed: int = 0,
) -> Result:
    """The table over all estimators.

    groups : sampled groups a prompt, the third route
    loo : the estimator behind the name rloo (another one is a mutant)
    flat : replace the class probabilities by equal ones in the enumeration (a mutant)
    """
    r = classes()
    known, refused = available(loo)
    exact = {
        n: gradient_quality(_even(r) if flat else r, Outcome(), e, group_size=group_size)
        for n, e in known.items()
    }
    drawn = {
        n: gradient_quality(r, Outcome(), e, group_size=group_size, samples=groups, seed=seed + i)
        for i, (n, e) in enumerate(known.items())
    }
    checks = [
        *_bias(exact, group_size),
        *_weights(exact, group_size),
        *_agreement(exact, drawn, groups),
        *_silence(exact, group_size),
        *_length(r, group_size),
    ]
    shaped = {n: _under_penalty(r, e, group_size) for n, e in known.items()}
    notes = (f"Not on classes: {'; '.join(refused)}.",) if refused else ()
    return Result(
        tuple(checks), (_picture(exact),), (_table(exact, shaped), _length_table(r)), notes
    )


def available(loo: str = "rloo") -> tuple[dict[str, Estimator], list[str]]:
    """Estimators that classes can be given to, and the others with the reason."""
    found: dict[str, Estimator] = {}
    refused = []
    for entry in registry.entries("estimator"):
        e = parse_estimator(loo if entry.name == "rloo" else entry.name)
        missing = [n for n in e.needs if n not in CLASS_FIELDS]
        if e.token_level:
            refused.append(f"{entry.name} (advantages by token)")
        elif missing:
            refused.append(f"{entry.name} (needs {', '.join(missing)})")
        else:
            found[entry.name] = e
    return found, refused


def _even(r: Rollouts) -> Rollouts:
    return r.with_(weight=np.full(r.shape, 1 / np.prod(r.shape)))


def _under_penalty(r: Rollouts, e: Estimator, G: int) -> Quality:
    return gradient_quality(r, parse("outcome() - 0.3 * linear_length()"), e, group_size=G)


# -- checks ----------------------------------------------------------------------------------------
def _bias(exact: dict[str, Quality], G: int) -> list[Check]:
    checks = [
        Check(
            f"{n}: norm of the mean gradient over the true one, error",
            float(np.abs(exact[n].norm_ratio - 1).max()),
            1e-12,
            routes=("closed form", "enumeration"),
        )
        for n in UNBIASED
    ]
    ratio = (G - 1) / G
    checks.append(
        Check(
            "dr_grpo: norm ratio against (G-1)/G, error",
            float(np.abs(exact["dr_grpo"].norm_ratio - ratio).max()),
            1e-12,
            routes=("closed form", "enumeration"),
        )
    )
    checks.append(
        Check(
            "largest angle of centred estimators to the true gradient of a prompt, degrees",
            max(float(np.nanmax(exact[n].angle)) for n in CENTRED),
            1e-4,
            routes=("closed form", "enumeration"),
        )
    )
    return checks


def _weights(exact: dict[str, Quality], G: int) -> list[Check]:
    """Group-std normalisation gives each prompt the weight omega_G(p)."""
    p = np.asarray(SUCCESS)
    return [
        Check(
            f"{n}: norm ratio against omega_G(p), error",
            float(np.abs(exact[n].norm_ratio - variance.omega(p, G, ddof=int(ddof))).max()),
            1e-10,
            routes=("closed form", "enumeration"),
        )
        for n, ddof in SCALED.items()
    ]


def _agreement(exact: dict[str, Quality], drawn: dict[str, Quality], groups: int) -> list[Check]:
    worst, spread = 0.0, 0.0
    for n, q in exact.items():
        far = np.linalg.norm(drawn[n].mean - q.mean, axis=-1)
        error = np.sqrt(np.maximum(q.variance, 1e-30) / groups)
        worst = max(worst, float((far / error).max()))
        # A variance that rests on a handful of groups (one success among many) is not estimated.
        seen = (1 - q.silent) * groups >= SPEAKING
        ratio = np.where(seen, drawn[n].variance / np.where(q.variance > 0, q.variance, 1.0), 1.0)
        spread = max(spread, float(np.abs(ratio - 1).max()))
    routes = ("enumeration", "sampled groups")
    return [
        Check(
            "enumeration against sampled groups: worst mean, in standard errors",
            worst,
            4.0,
            routes=routes,
        ),
        Check(
            "enumeration against sampled groups: worst relative variance",
            spread,
            10 / np.sqrt(groups),
            routes=routes,
        ),
    ]


def _silence(exact: dict[str, Quality], G: int) -> list[Check]:
    p = np.asarray(SUCCESS)
    closed = p**G + (1 - p) ** G
    far = max(float(np.abs(exact[n].silent - closed).max()) for n in CENTRED)
    return [
        Check(
            "P(no signal) of centred estimators against p^G + (1-p)^G, error",
            far,
            1e-12,
            routes=("closed form", "enumeration"),
        ),
    ]


def _length(r: Rollouts, G: int) -> list[Check]:
    """Log-odds of a long against a short wrong answer, moved by one expected update."""
    moved = {a: _long_wrong(r, a, G) for a in AGGREGATIONS}
    return [
        Check(
            "grpo aggregation: long wrong answers gain on short ones, least gain",
            float(moved["grpo"].min()),
            0.0,
            ">",
        ),
        Check(
            "dr_grpo and sum aggregation: no such gain, largest",
            float(max(np.abs(moved[a]).max() for a in ("sum", "dr_grpo"))),
            1e-12,
        ),
    ]


def _long_wrong(r: Rollouts, aggregation: str, G: int) -> np.ndarray:
    """(B,) difference of the logit gradients per unit probability, scaled to a mean factor of 1."""
    e = parse_estimator("dr_grpo")
    q = gradient_quality(r, Outcome(), e, PolicyGradient(aggregation), group_size=G)
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
