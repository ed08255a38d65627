"""Section 5, token by token: the reward against correctness on the chain laid out as a process.

At the level of outcomes a reward is held against correctness under the base policies alone. Here
every policy counts, also those that look at each step: is the reward equivalent to correctness,
does it differ by what an end pays, or which policies does it put in the wrong order?
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from toyrl.experiments.core import Table
from toyrl.experiments.distances import chains
from toyrl.experiments.distances.pairs import (
    ENDS,
    EQUIVALENT,
    NOTHING,
    OPPOSITE,
    kind_of,
)
from toyrl.experiments.validate.findings import NOT_TESTED, Finding
from toyrl.theory.distance import distance, worst_case_regret
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.mdp.chain import ChainMDP
from toyrl.worlds.mdp.solve import occupancy

NAME = "order/policies"


def run(law: Any, reference: Any) -> tuple[list[Finding], list[Table]]:
    """Kind, distance, and the pair of policies that the reward orders wrongly."""
    try:
        return _run(law, reference)
    except RuntimeError as error:  # a solver that says that it didn't get there
        text = f"Not known over all policies: {error}."
        return [Finding(5, NAME, NOT_TESTED, text)], []


def _run(law: Any, reference: Any) -> tuple[list[Finding], list[Table]]:
    chain = chains.of_prompts(law.chain, reference)
    counters = chains.counters_of(law.shaper, chain)
    laid = _laid_out(chain, counters)
    paid, note = chains.paid(law, reference, counters)
    if not np.isfinite(paid).all():
        return [], []
    mdp, reward = laid.mdp, laid.pair_reward(paid)
    apart = float(distance(mdp, reward))
    kind = kind_of(mdp, reward, mdp.reward, apart)
    frozen = f" It {note}." if note else ""
    if kind == EQUIVALENT:
        text = "Equivalent: it orders all policies of the chain as correctness does, step by step."
        return [_finding(text + frozen, apart)], []
    if kind == NOTHING:
        text = "It orders no policies of the chain, step by step: all of them are paid alike."
        return [_finding(text + frozen, apart)], []
    if kind == OPPOSITE:
        return [_finding(f"It orders all policies the opposite way.{frozen}", apart)], []
    worst = worst_case_regret(mdp, mdp.reward, reward)
    pair = [occupancy(mdp, p) for p in (worst.better, worst.worse)]
    right = [chains.habits(laid, taken) for taken in pair]
    said = f"Distance {apart:.2f} from correctness over all policies (0 the same order, 2 opposite)"
    if kind == ENDS:
        said += ", potential-based but for the terminal: they differ by what an end pays alone"
    text = (
        f"{said}; it calls a policy that is right {right[1][0]:.0%} of the time "
        f"({right[1][1]:.0f} tokens) no worse than one that is right {right[0][0]:.0%} "
        f"({right[0][1]:.0f} tokens).{frozen}"
    )
    worth = [float((taken * reward).sum()) for taken in pair]
    rows = [
        [name, *habit, pay]
        for name, habit, pay in zip(("better", "called no worse"), right, worth, strict=True)
    ]
    columns = ("policy", "right", "length (tokens)", "cut off", "reward")
    caption = "Two policies that the reward puts in the wrong order, the worst pair there is."
    return [_finding(text, apart)], [Table("order-policies", columns, rows, caption)]


def _finding(message: str, value: float) -> Finding:
    return Finding(5, NAME, "info", message, value=value, bound=0.0)


@lru_cache(maxsize=4)
def _laid_out(chain: Chain, counters: tuple[str, ...]) -> ChainMDP:
    """The chain's process, made once for all rewards that read the same counters."""
    return chains.laid_out(chain, counters)
