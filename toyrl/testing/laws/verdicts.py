"""Laws of rewards that read a judge's verdict between two answers off its text.

Each takes `reward(text, label)`, label "model_a" or "model_b", and returns nothing where the law
holds and one sentence where it does not.
"""

from __future__ import annotations

from collections.abc import Callable

from toyrl.messages import shortened

Reward = Callable[[str, str], float]
FLIPPED = str.maketrans("AB", "BA")


def only_the_tail_counts(reward: Reward, text: str, label: str, before: str) -> str | None:
    """Whatever stands before an answer changes nothing: it can't be hedged by naming both early.

    For answers of 80 characters and more, or what else the reward reads.
    """
    alone, longer = reward(text, label), reward(before + text, label)
    if alone == longer:
        return None
    return f"{shortened(before)} before the answer moves the reward from {alone} to {longer}"


def places_swap(reward: Reward, text: str, label: str) -> str | None:
    """A and B exchanged in answer and label leave the reward: no place is favoured."""
    other = {"model_a": "model_b", "model_b": "model_a"}[label]
    here, there = reward(text, label), reward(text.translate(FLIPPED), other)
    return None if here == there else f"A and B exchanged move the reward from {here} to {there}"


def one_label_wins(reward: Reward, text: str) -> str | None:
    """No answer is paid under both labels: an answer that names both, or none, wins under none."""
    first, second = reward(text, "model_a"), reward(text, "model_b")
    if first + second <= 0:
        return None
    return f"{shortened(text)} is paid {first} under one label and {second} under the other"
