"""Section 1 for a catalogue shaper: the same questions, asked on arrays instead of texts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiments.core import Curve, Picture
from experiments.validate.findings import Finding, Section
from experiments.validate.law import RewardLaw
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper


@dataclass(frozen=True)
class Facts:
    """What later sections need from the contract.

    constant : one value on every probe
    reads_gold : depends on correctness
    separates : pays right above wrong at equal length somewhere
    """

    dialect: str
    constant: bool
    reads_gold: bool
    separates: bool


def probes(law: RewardLaw, *, groups: int = 32, group_size: int = 8, seed: int = 0) -> Rollouts:
    """Random groups of classes, all fields that the law knows filled in."""
    rng = np.random.default_rng(seed)
    chain = law.chain
    index = rng.integers(0, chain.n_classes, size=(groups, group_size))
    length = chain.class_length()[index]
    fields = {"conciseness": np.clip(1 - length / chain.max_length, 0.1, 1.0)}
    return Rollouts(
        correct=chain.class_correct()[index],
        length=length,
        truncated=index == chain.n_classes - 1,
        max_length=chain.max_length,
        fields=fields,
    )


def run(law: RewardLaw, *, seed: int = 0) -> tuple[Section, Facts]:
    """Finite values, equivariance under permutation, declared scope, use of correctness."""
    shaper, r = law.shaper, probes(law, seed=seed)
    reward = np.asarray(shaper.reward(r))
    swapped = np.asarray(shaper.reward(r.with_(correct=1 - r.correct)))
    constant = bool(np.ptp(reward) == 0 and np.ptp(swapped) == 0)
    reads_gold = not np.array_equal(reward, swapped)
    by_length = _at_equal_length(law)
    separates = bool((by_length > 0).any())
    findings = (
        _finite(reward),
        _permutation(shaper, r, reward),
        Finding(
            1,
            "contract/scope",
            "info",
            f"Scope {law.scope}: the reward of a rollout depends on "
            + {
                "rollout": "that rollout alone.",
                "group": "its siblings of the same prompt.",
                "batch": "the whole batch.",
            }[law.scope],
        ),
        Finding(
            1,
            "contract/separates",
            "pass" if separates or not reads_gold else "warn",
            f"At equal length right answers are paid {float(np.mean(by_length)):+.3f} more "
            "than wrong ones on average."
            if reads_gold
            else "The reward does not read correctness: it is an auxiliary term.",
            value=float(np.mean(by_length)),
            bound=0.0,
        ),
    )
    summary = (
        "A catalogue shaper: finite, equivariant and deterministic on random groups."
        if all(f.status in ("pass", "info") for f in findings)
        else "The shaper breaks a part of its contract; see the findings."
    )
    return Section(1, summary, findings, (_picture(law),)), Facts(
        "arrays", constant, reads_gold, separates
    )


def _at_equal_length(law: RewardLaw) -> np.ndarray:
    table, H = law.table(), law.chain.H
    return table[:, :H] - table[:, H : 2 * H]


def _finite(reward: np.ndarray) -> Finding:
    bad = int((~np.isfinite(reward)).sum())
    return Finding(
        1,
        "contract/finite",
        "fail" if bad else "pass",
        f"{bad} of {reward.size} rewards are not finite."
        if bad
        else f"All {reward.size} rewards on random groups are finite.",
        value=bad,
        bound=0,
    )


def _permutation(shaper: Shaper, r: Rollouts, reward: np.ndarray) -> Finding:
    order = np.random.default_rng(1).permutation(r.shape[-1])
    fields = {k: v[:, order] for k, v in r.fields.items()}
    mixed = r.with_(
        correct=r.correct[:, order],
        length=r.length[:, order],
        truncated=r.cut[:, order],
        fields=fields,
    )
    worst = float(np.max(np.abs(np.asarray(shaper.reward(mixed)) - reward[:, order])))
    ok = worst <= 1e-9 * max(1.0, float(np.abs(reward).max()))
    return Finding(
        1,
        "contract/order",
        "pass" if ok else "fail",
        "Permuting siblings permutes rewards."
        if ok
        else f"Permuting siblings changes rewards by up to {worst:.3g}.",
        value=worst,
        bound=0.0,
        fix="" if ok else "reward rollouts independently of their place",
    )


def _picture(law: RewardLaw) -> Picture:
    """Reward against length, right and wrong, at difficulty 5."""
    table, H = law.table()[4], law.chain.H
    length = law.chain.class_length()[:H]
    return Picture(
        "contract-reward",
        "Reward by length",
        "length (tokens)",
        "reward",
        curves=(
            Curve("right", length.tolist(), table[:H].tolist()),
            Curve("wrong", length.tolist(), table[H : 2 * H].tolist()),
        ),
        caption="The reward on the outcome classes."
        if law.scope == "rollout"
        else "The reward with one sibling of every class: group terms move with the siblings.",
    )
