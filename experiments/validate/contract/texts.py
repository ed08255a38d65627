"""Texts for the contract: permuted gold answers, and the odd texts that policies produce."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from toyrl.graders.base import TextRow
from toyrl.rewards.signatures import GOLD_SYNONYMS

OF_TASKS = (
    *("sql", "gold_sql", "expected", "answer_index"),
    *("expected_calls", "expected_call", "tool_calls", "tool_call"),
    *("ref", "refs", "translation", "src", "source"),
    *("bbox", "bboxes", "boxes", "labels", "objects"),
    *("checklist", "rubric", "rubrics", "constraints", "instruction_id_list", "kwargs"),
)  # columns of `worlds.text.tasks`
CARRIERS = ("info", "extra_info", "metadata", "reward_model")  # columns that may hold gold inside
HUGE = 100_000  # characters
NON_ASCII = "答案是四十二。 Ответ ١٢٣ ½ x² ③ Ａ́ \u200b\u202e 🙂\u200d🚀 \x00 \ufffd"


def gold_columns(row: TextRow) -> dict[str, Any]:
    """The row's columns that hold, or may hold, the gold answer."""
    held = (*GOLD_SYNONYMS, *CARRIERS, *OF_TASKS)
    return {k: v for k, v in row.columns.items() if k in held}


def permute_gold(rows: Sequence[TextRow], *, seed: int = 0) -> list[TextRow]:
    """The same texts, each with the gold columns of a row whose gold differs.

    A row whose gold no other row contradicts keeps its own.
    """
    golds = [gold_columns(row) for row in rows]
    order = np.random.default_rng(seed).permutation(len(rows))
    place = {int(i): k for k, i in enumerate(order)}
    out = []
    for i, row in enumerate(rows):
        ring = [int(order[(place[i] + k) % len(rows)]) for k in range(1, len(rows))]
        other = next((golds[j] for j in ring if golds[j] != golds[i]), golds[i])
        out.append(replace(row, columns={**row.columns, **other}))
    return out


def edge_texts(base: TextRow) -> dict[str, list[TextRow]]:
    """Odd completions for one prompt: name -> rows."""

    def row(text: str, tokens: int, *, cut: bool = False) -> TextRow:
        return replace(base, completion=text, tokens=tokens, truncated=cut)

    half = base.completion[: max(1, len(base.completion) // 2)]
    words = (base.completion + " ") * (HUGE // (len(base.completion) + 1) + 1)
    return {
        "empty": [row("", 1), row(" \n", 2)],
        "truncated": [row(half, max(1, base.tokens // 2), cut=True), row("", 1, cut=True)],
        "huge": [row(words[:HUGE], HUGE // 4), row("a" * HUGE, HUGE // 4, cut=True)],
        "non-ASCII": [row(NON_ASCII, 40), row(base.completion + NON_ASCII, base.tokens + 40)],
    }
