"""Entropy as the signal for brevity: when it shortens, when it does nothing, when it goes wrong.

PEAR ("Phase Entropy Aware Reward for Efficient Reasoning") charges a right answer
P = max(0, H_think - alpha H_answer), the mean token entropies before and behind the closing tag in
nats; right pays s - P, wrong r_fmt. The paper states no theorem: all derived.

Formulas: docs/theory/length.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "pear_switch",
    kind="theorem",
    cards=("15",),
    section="derived from Eqs. 5-8",
    provenance="derived",
    formula="(s - P_c - r_fmt)/(s - P_v - r_fmt)",
)
def pear_switch(concise: Array, verbose: Array, right: Array = 1.0, wrong: Array = 0.0
                ) -> np.ndarray:  # fmt: skip
    """Ratio p_v/p_c of success rates below which the concise mode gains, under a mean baseline.

    A mode of accuracy p and charge P is worth r_fmt + p (s - P - r_fmt). inf where a right verbose
    answer is paid no more than a wrong one.

    concise, verbose : P_c < P_v in nats, any shape; right, wrong : s, r_fmt; they broadcast.
    """
    gains = [np.asarray(right, dtype=float) - p - wrong for p in (concise, verbose)]
    num, den = np.broadcast_arrays(*gains)
    return np.where(den > 0, num / np.where(den > 0, den, 1.0), np.inf)


@entry(
    "pear_free_alpha",
    kind="theorem",
    cards=("15",),
    section="derived from Eq. 7",
    provenance="derived",
    formula="H_think/H_answer",
)
def pear_free_alpha(think: Array, answer: Array) -> np.ndarray:
    """Alpha from which on this rollout is charged nothing; the largest of a group: plain GRPO.

    think, answer : nats >= 0, any shape; inf for a sure answer to unsure thinking, 0 for thinking
        without entropy.
    """
    h, e = np.broadcast_arrays(np.asarray(think, dtype=float), np.asarray(answer, dtype=float))
    some = np.where(e > 0, h / np.where(e > 0, e, 1.0), np.inf)
    return np.where(h > 0, some, 0.0)


@entry(
    "pear_dominant_alpha",
    kind="theorem",
    cards=("15",),
    section="derived from Eqs. 7 and 8",
    provenance="derived",
    formula="(H_think - s + r_fmt)/H_answer",
)
def pear_dominant_alpha(think: Array, answer: Array, right: Array = 1.0, wrong: Array = 0.0
                        ) -> np.ndarray:  # fmt: skip
    """Alpha above which this rollout, if right, is paid more than a wrong one.

    Below 0: for every alpha >= 0; inf: for none; without answer entropy the sign alone decides.
    Entropy is bounded by log |V| alone: no fixed s keeps right above wrong at alpha = 0.

    think, answer : nats >= 0, any shape; right, wrong : s > r_fmt; they broadcast.
    """
    gap = np.asarray(think, dtype=float) - right + wrong
    gap, e = np.broadcast_arrays(gap, np.asarray(answer, dtype=float))
    return np.where(e > 0, gap / np.where(e > 0, e, 1.0), np.where(gap < 0, -np.inf, np.inf))


@entry(
    "stop_entropy",
    kind="theorem",
    cards=("15",),
    section="derived",
    provenance="derived",
    formula="-q log q - (1 - q) log(1 - q) + (1 - q) log K",
)
def stop_entropy(stop: Array, fillers: Array) -> np.ndarray:
    """Token entropy of one state that stops with chance q or writes one of K fillers alike, nats.

    It has its maximum log(K + 1) at q = 1/(K + 1): lowering entropy shortens only above that chance
    of stopping. Below it entropy is least where the policy never stops.

    stop : q in [0, 1], fillers : K >= 1, any shape; they broadcast.
    """
    q = np.asarray(stop, dtype=float)
    more = 1 - q
    own = [-x * np.log(np.where(x > 0, x, 1.0)) for x in (q, more)]
    return own[0] + own[1] + more * np.log(np.asarray(fillers, dtype=float))


@entry(
    "stop_entropy_peak",
    kind="theorem",
    cards=("15",),
    section="derived",
    provenance="derived",
    formula="1/(K + 1)",
)
def stop_entropy_peak(fillers: Array) -> np.ndarray:
    """Chance of stopping above which lower entropy means shorter, and below which longer.

    fillers : K >= 1, any shape.
    """
    return 1 / (1 + np.asarray(fillers, dtype=float))
