"""Meta-bandits: beliefs, trained agents and played blocks, with the work counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toyrl.dynamics.memory import meta_training, pseudo_thompson
from toyrl.experiments.core.work import COMPILED, UPDATE, spend
from toyrl.worlds.search import beliefs
from toyrl.worlds.search.hidden_tasks import Prior


def belief_tree(prior: Prior, pulls: int) -> beliefs.Beliefs:
    """`toyrl.worlds.search.beliefs.beliefs`: some 30 units a belief and arm."""
    found = beliefs.beliefs(prior, pulls)
    spend(pulls * UPDATE + 30 * found.states * prior.arms)
    return found


def trained(prior: Prior, pulls: int, rng: Any, blocks: int, **options: Any
            ) -> meta_training.MemoryPolicy:  # fmt: skip
    """`toyrl.dynamics.memory.meta_training.meta_train`, a few units a pull beside its draws."""
    spend(pulls * UPDATE + blocks * pulls * (1 + COMPILED * prior.arms))
    return meta_training.meta_train(prior, pulls, rng, blocks, **options)


def played(process: beliefs.Beliefs, chances: Sequence[np.ndarray], rng: Any, blocks: int,
           **options: Any) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """`toyrl.dynamics.memory.meta_training.played`; its draws count by themselves."""
    spend(process.pulls * UPDATE)
    return meta_training.played(process, chances, rng, blocks, **options)


def noisy_blocks(prior: Prior, pulls: int, rng: Any, blocks: int, samples: int
                 ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """`toyrl.dynamics.memory.pseudo_thompson.noisy_greedy`; its draws count by themselves."""
    spend(pulls * UPDATE)
    return pseudo_thompson.noisy_greedy(prior, pulls, rng, blocks, samples)
