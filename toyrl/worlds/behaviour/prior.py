"""What is not known of a base, and from which range it is drawn: one row a number.

Nothing is told of a base but accuracy, mean length and limit. The rest has been measured on real
models, or follows from what has; each row says where. Three kinds of base:

    short      short chains of thought, base or instruction-tuned: 200 to 900 tokens
    thinking   raw distilled reasoners, wordy: 3,000 to 12,000 tokens
    efficient  reasoners already trained for brevity: no slack left
    tiny       models of under a million parameters, trained from nothing on a task of a few
               lines: under 100 tokens

`KINDS` names them, `shares` says how likely each is at a mean length, `drawn` draws worlds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import qmc

from toyrl.papers import cite

KINDS = ("short", "thinking", "efficient", "tiny")
SHORT_UP_TO, SHORT_FROM = 2000.0, 800.0
TINY_SURE, TINY_UP_TO = 60.0, 120.0
THINKING_FROM, THINKING_SURE = 1500.0, 5000.0

SM = f"{cite('short-m')}, tables by length rank"
OT = cite("overthinking")
BUDGETS = (
    "public token budgets of fine-tuned reasoners (Optimal-Reasoning-Efficiency): half of the top "
    "at 0.19 (AIME, 0.44 right) and 0.08 (AMC, 0.85) of the present length, a line through both"
)
SAMPLES = "public samples of Qwen2.5-Math, 100 MATH problems of 8 rollouts"
FORM = (
    f"{cite('02')}, table 3; {cite('dr-grpo')}, table 1: bases lose 10 to 40 points to form, "
    "instruction-tuned and distilled models little"
)
SURROGATE = f"{cite('02')}, table 3"
FOLD = "ThoughtFold table 1; MATH levels 1 to 5"
EARLY = "bases of the zoo; of large models nearly none do"
LUCK = "two seeds of the zoo's runs: 0.04, 0.05, 0.10; evaluations of a few hundred prompts: 0.03"
VOTES = "chosen so that the majority of 8 is right 2 to 10 points more often than one answer"
DRIFT = (
    "large models hardly lose under format alone (paper 02); tiny ones of the zoo lose most of it"
)
LOGS = (
    "KL per token times tokens in public training logs: 2 to 40 nats a rollout; set with the "
    "lengths of published runs in sight"
)
SKIP = "TokenSkip: 313 to 181 tokens at 93.1 to 92.7"
FACTS = "chosen so that untrained worlds show the measured correlation of length and success"


@dataclass(frozen=True)
class Range:
    """One number of a world.

    says : what it is, with its unit; source : where the range is from
    short, thinking, efficient, tiny : lowest and highest value by kind of base
    log : drawn evenly in the logarithm
    """

    name: str
    says: str
    source: str
    short: tuple[float, float]
    thinking: tuple[float, float]
    efficient: tuple[float, float]
    tiny: tuple[float, float]
    log: bool = False


RANGES: tuple[Range, ...] = (
    Range("heavy", "a + b of the beta law of success without trouble", f"{SAMPLES}; POLARIS",
          (0.2, 0.7), (0.2, 0.7), (0.2, 0.7), (0.5, 4.0)),
    Range("hard", "length of the hardest prompts over that of the easiest", FOLD,
          (1.6, 3.0), (2.0, 7.0), (2.0, 7.0), (1.2, 2.5)),
    Range("wording_spread", "sd of the log factor of all tokens", f"{SAMPLES}; {SM}",
          (0.03, 0.06), (0.06, 0.12), (0.05, 0.09), (0.005, 0.02)),
    Range("terse", "log factor at which wording turns costly: 20 to 40 % shorter is free", SKIP,
          (-0.5, -0.25), (-0.6, -0.35), (-0.4, -0.25), (-0.3, -0.1)),
    Range("depth_spread", "sd of the log factor of the work before the first solution",
          f"{SAMPLES}; {SM}",
          (0.02, 0.05), (0.06, 0.12), (0.06, 0.12), (0.02, 0.08)),
    Range("half_easy", "share of present work at which an easy prompt is half lost", BUDGETS,
          (0.2, 0.5), (0.08, 0.2), (0.1, 0.3), (0.3, 0.7), log=True),
    Range("half_hard", "the same of a hard prompt", BUDGETS,
          (0.8, 1.6), (0.8, 1.6), (1.0, 2.0), (0.4, 0.9), log=True),
    Range("budget_width", "width of the budget law in log tokens", BUDGETS,
          (0.25, 0.45), (0.35, 0.6), (0.3, 0.5), (0.1, 0.25)),
    Range("redundant", "share of tokens after the first complete solution", OT,
          (0.03, 0.15), (0.4, 0.55), (0.1, 0.25), (0.02, 0.4)),
    Range("repair", "logits of success that all re-checks are worth: 0 to 3 points", OT,
          (0.0, 0.3), (0.0, 0.3), (0.0, 0.3), (-0.4, 0.3)),
    Range("early", "share of answers that are given before the work is done", EARLY,
          (0.0002, 0.003), (0.0002, 0.003), (0.0002, 0.003), (0.005, 0.2), log=True),
    Range("runaway", "share of rollouts that run away", SM,
          (0.003, 0.02), (0.03, 0.12), (0.01, 0.05), (0.01, 0.14), log=True),
    Range("runaway_length", "length of a runaway over another", SM,
          (1.5, 2.5), (2.0, 3.0), (2.0, 3.0), (1.8, 3.0)),
    Range("unread", "accuracy that is lost because answers can't be read", FORM,
          (0.005, 0.4), (0.001, 0.02), (0.001, 0.02), (0.005, 0.3), log=True),
    Range("trouble_length", "log length of one sd of trouble", FACTS,
          (0.1, 0.14), (0.1, 0.17), (0.14, 0.22), (0.02, 0.15)),
    Range("trouble_success", "logits of success of one sd of trouble", FACTS,
          (1.5, 2.5), (1.0, 2.0), (1.2, 2.4), (0.3, 1.5)),
    Range("padding", "sentences for nothing in a completion", SAMPLES,
          (0.3, 3.0), (1.0, 6.0), (0.3, 3.0), (0.1, 2.0), log=True),
    Range("padding_length", "length of such a sentence over a completion", SAMPLES,
          (0.01, 0.03), (0.003, 0.01), (0.005, 0.015), (0.05, 0.3), log=True),
    Range("teachable", "how fast right answers are learnt, in steps of a behaviour",
          f"{cite('entropy')}: gains within 200 updates",
          (0.1, 0.4), (0.05, 0.2), (0.03, 0.15), (0.1, 0.4), log=True),
    Range("learnable", "logits of success that are left to learn",
          f"{SURROGATE}: 61.7 to 74.0, of which the form is half",
          (0.4, 1.5), (0.1, 0.5), (0.05, 0.3), (0.01, 0.15)),
    Range("distance", "summed steps of a run, in standard scores", LOGS,
          (100.0, 400.0), (100.0, 400.0), (100.0, 400.0), (50.0, 200.0), log=True),
    Range("agreed", "share of wrong answers that are a prompt's common one", VOTES,
          (0.2, 0.6), (0.2, 0.6), (0.2, 0.6), (0.2, 0.6)),
    Range("drift", "logits of success that noise takes where nothing holds them", DRIFT,
          (0.02, 0.3), (0.02, 0.3), (0.02, 0.3), (2.0, 8.0), log=True),
    Range("luck", "sd of a run's end about its world's: seeds, evaluation", LUCK,
          (0.02, 0.05), (0.02, 0.05), (0.02, 0.05), (0.05, 0.12)),
)  # fmt: skip


def shares(length: float) -> dict[str, float]:
    """How likely each kind is at a mean length in tokens; they sum to 1."""
    short = 1.0 - _ramp(length, SHORT_FROM, SHORT_UP_TO)
    thinking = _ramp(length, THINKING_FROM, THINKING_SURE)
    short, thinking = max(short - thinking / 2, 0.0), max(thinking - short / 2, 0.0)
    tiny = 1.0 - _ramp(length, TINY_SURE, TINY_UP_TO)
    return {
        "short": short - tiny,
        "thinking": thinking,
        "efficient": 1.0 - short - thinking,
        "tiny": tiny,
    }


def _ramp(x: float, low: float, high: float) -> float:
    return float(np.clip(np.log(x / low) / np.log(high / low), 0.0, 1.0))


def drawn(n: int, kind: str | None, length: float, seed: int = 0) -> dict[str, np.ndarray]:
    """Numbers (n,) of n worlds by name, and `kind` (n,) as places in `KINDS`.

    kind : one of `KINDS` for all worlds; None: by `length` in tokens, each as often as
        `shares` says

    Raises ValueError for a kind that is none of these.
    """
    if kind is not None and kind not in KINDS:
        msg = f"kind={kind!r} is no kind of base; it is one of {', '.join(KINDS)}, or None"
        raise ValueError(msg)
    points = qmc.Sobol(len(RANGES) + 1, rng=np.random.default_rng(seed)).random(n)
    own = shares(length) if kind is None else {kind: 1.0}
    edges = np.cumsum([own.get(k, 0.0) for k in KINDS])
    which = np.minimum(np.searchsorted(edges, points[:, -1], side="right"), len(KINDS) - 1)
    out: dict[str, np.ndarray] = {"kind": which}
    for i, row in enumerate(RANGES):
        ends = np.array([getattr(row, k) for k in KINDS])[which]
        low, high = np.log(ends.T) if row.log else ends.T
        value = low + (high - low) * points[:, i]
        out[row.name] = np.exp(value) if row.log else value
    return out


def table() -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Heads and rows of the prior as text, for pages and reports."""
    heads = ("number", *KINDS, "meaning", "source")
    return heads, [
        (r.name, *(f"{a:g} to {b:g}" for a, b in (r.short, r.thinking, r.efficient)), r.says,
         r.source)
        for r in RANGES
    ]  # fmt: skip


def without(numbers: Mapping[str, np.ndarray], mechanism: str) -> dict[str, np.ndarray]:
    """The same worlds with one mechanism off: a name of `OFF`.

    numbers : (n,) by name, as `drawn` gives them, and as the answer has them

    Raises ValueError for a mechanism that is none of these.
    """
    if mechanism not in OFF:
        msg = f"mechanism={mechanism!r}; it is one of {', '.join(OFF)}"
        raise ValueError(msg)
    return {n: np.full_like(v, OFF[mechanism].get(n, 0.0)) if n in OFF[mechanism] else v
            for n, v in numbers.items()}  # fmt: skip


OFF: Mapping[str, Mapping[str, float]] = {
    "trouble": {"trouble_length": 1e-9, "trouble_success": 0.0},
    "budget law": {"half_easy": 1e-9, "half_hard": 1e-9},
    "costly terseness": {"terse": -50.0},
    "re-checks": {"redundant": 1e-9},
    "early answers": {"early": 1e-9},
    "runaways": {"runaway": 1e-9},
    "form": {"unread": 1e-9},
    "skill": {"learnable": 1e-9},
    "drift": {"drift": 0.0},
}
"""Mechanisms of a world, and the numbers that leave each out."""
