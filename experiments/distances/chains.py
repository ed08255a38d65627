"""The chain of `validate` as a process, with the counters that rewards read, and its rewards.

A state carries every count that some reward reads (steps, fillers, checks, repeats), so that these
rewards are paid what each policy really does. Other fields that outcome classes lack come from the
toy's latents and are averaged within a class, which is what a policy's return sees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from toyrl.worlds.chain.model import COUNTERS, Chain
from toyrl.worlds.mdp.chain import ChainMDP, from_chain

KNOWN = {"correct", "length", "truncated"}
MOST = 2  # counters that the states carry; more would be millions of states
TWO = 8  # where two counters saturate; one alone never does


def counters_of(shaper: Any, chain: Chain) -> tuple[str, ...]:
    """Counters that make a reward a function of what a rollout did; () where latents are needed."""
    needs = shaper.all_needs()
    found = tuple(dict.fromkeys(n for n in needs if n in COUNTERS))
    exact = KNOWN.issuperset(set(needs) - set(found)) and shaper.all_scope() == "rollout"
    own = all(COUNTERS[n] in chain.actions for n in found)
    return found if exact and own and len(found) <= MOST else ()


def of_prompts(template: Chain, reference: Any) -> Chain:
    """The chain with the prompts of the reference policies."""
    return template.with_(
        difficulties=tuple(int(d) for d in reference.difficulties),
        shares=tuple(float(x) for x in reference.shares),
    )


def laid_out(chain: Chain, counters: Sequence[str] = (), *, discount: float = 1.0) -> ChainMDP:
    """The chain's process; correctness is its own reward."""
    return from_chain(chain, counters=counters, cap=_cap(chain, counters), discount=discount)


def _cap(chain: Chain, counters: Sequence[str]) -> int:
    return chain.H if len(counters) < 2 else min(TWO, chain.H)


def paid(law: Any, reference: Any, counters: Sequence[str] = ()) -> tuple[np.ndarray, str]:
    """(B, K) reward of each class for the prompts of the reference policies, and what was frozen.

    counters : that the process carries; K has a class for each of their values
    """
    if not counters:
        return _by_class(law, reference)
    from toyrl.worlds.chain.classes import ClassSpace  # loads JAX

    chain = of_prompts(law.chain, reference)
    own = counters_of(law.shaper, chain)
    space = ClassSpace(chain, tuple(counters), _cap(chain, counters))
    B, bins = len(reference.difficulties), space.layout.bins
    if own and set(own) <= set(counters):
        r = space.rollouts(np.full((B, space.n_classes), 1 / space.n_classes))
        table = np.asarray(law.shaper.reward(r.with_(max_length=law.limit)), dtype=float)
        note = f"counts above {TWO} are read as {TWO}" if len(counters) > 1 else ""
        return table, note
    table, note = _by_class(law, reference)
    return np.repeat(table, bins, axis=-1), note


def _by_class(law: Any, reference: Any) -> tuple[np.ndarray, str]:
    rows = np.asarray(reference.difficulties)
    if law.scope == "rollout":
        return law.table()[rows - 1], ""
    r = law.rollouts(rows.tolist(), reference.prob)
    found = law.fold(np.asarray(law.shaper.reward(r.with_(group_size=np.inf)), dtype=float), rows)
    return found, f"looks at its {law.scope}: siblings are frozen as the base policy writes them"


def truth(laid: ChainMDP) -> np.ndarray:
    """(B, K) 1 for a right answer."""
    chain = laid.chain
    right = np.repeat(chain.class_correct(), laid.n_classes // chain.n_classes)
    return np.repeat(right[None], len(chain.difficulties), axis=0)


def habits(laid: ChainMDP, taken: np.ndarray) -> tuple[float, float, float]:
    """Accuracy, mean length (tokens) and share cut off of an occupancy (S, A) of the process."""
    chain = laid.chain
    prob = laid.class_probabilities(taken)
    prob = prob.reshape(len(prob), chain.n_classes, -1).sum(-1)  # whatever the counters
    shares = np.asarray(chain.shares)
    tables = (chain.class_correct(), chain.class_length(), chain.class_truncated())
    right, length, cut = (float(shares @ (prob @ np.asarray(t, dtype=float))) for t in tables)
    return right, length, cut


def state_words(laid: ChainMDP) -> Callable[[int], str]:
    """Words for the states of a chain."""
    ends, hard = ("right", "wrong", "truncated"), laid.chain.difficulties

    def words(s: int) -> str:
        if s >= len(laid.labels):
            return ends[s - laid.mdp.n_states + 3]
        b, t, _, e, m, _, *counts = laid.labels[s]
        said = f"{hard[b]}-step prompt, token {t}, {m} steps done" + (", an error" if e else "")
        return said + (f", counts {', '.join(map(str, counts))}" if counts else "")

    return words
