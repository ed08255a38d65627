"""Rows that come in pairs, both wordings of a question, kept in one batch of generations.

A reward that reads `view` pays each wording by the answers to the other, so that both have to be
there when it is paid. The trainer's own shuffling would part them. Source: paper 47.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from trl.trainer.utils import RepeatSampler

from toyrl.messages import shortened


def pairs_of(pair_id: Sequence[Any], view: Sequence[Any]) -> list[tuple[int, int]]:
    """Places (of view 0, of view 1) of every question, in the order of their first rows.

    Raises ValueError for a view that is neither 0 nor 1, and for a question without exactly one row
    of each.
    """
    places: dict[Any, dict[int, list[int]]] = {}
    for i, (name, side) in enumerate(zip(pair_id, view, strict=True)):
        if side not in (0, 1):
            msg = f"view={shortened(side)} in row {i}; 0 is the question, 1 its paraphrase"
            raise ValueError(msg)
        places.setdefault(name, {0: [], 1: []})[int(side)].append(i)
    for name, found in places.items():
        if [len(found[0]), len(found[1])] != [1, 1]:
            msg = (
                f"pair_id={shortened(name)} has {len(found[0])} rows of view 0 and {len(found[1])} "
            )
            raise ValueError(msg + "of view 1; give one of each, or leave the question out")
    return [(found[0][0], found[1][0]) for found in places.values()]


class PairSampler(RepeatSampler):
    """TRL's sampler over pairs: both rows of a question follow each other, shuffled together.

    pairs : of places in the data; batch_size : rows of a batch of generations, even

    Raises ValueError for an odd batch.
    """

    def __init__(self, pairs: Sequence[tuple[int, int]], *, mini_repeat_count: int, batch_size: int,
                 repeat_count: int, shuffle: bool, seed: int | None) -> None:  # fmt: skip
        if batch_size % 2:
            msg = (
                f"a batch of generations has {batch_size} prompts; two wordings of a question need "
            )
            raise ValueError(msg + "an even number: change the batch size or num_generations")
        super().__init__(pairs, mini_repeat_count=1, batch_size=batch_size // 2,
                         repeat_count=repeat_count, shuffle=shuffle, seed=seed)  # fmt: skip
        self.rows_of, self.copies = pairs, mini_repeat_count

    def __iter__(self) -> Iterator[int]:
        for pair in super().__iter__():
            for row in self.rows_of[pair]:
                yield from (row,) * self.copies

    def __len__(self) -> int:
        return super().__len__() * 2 * self.copies
