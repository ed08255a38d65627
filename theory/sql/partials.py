"""Partial rewards beside a sparse one: what order they keep, what they see, when they teach.

All derived, for paper 38. Formulas: docs/theory/sql.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "guaranteed_margin",
    kind="theorem",
    cards=("38",),
    section="dominance condition; derived",
    provenance="derived",
    formula="w_ex - w_J - w_sl - w_ng",
)
def guaranteed_margin(w_execution: float, w_judge: float, w_schema: float, w_ngram: float) -> float:
    """Least reward of a right query less the largest of a wrong one, whatever the queries are.

    A right query runs, so that its syntax is paid, and may share no name and no n-gram with the
    gold one; a wrong one may have all of them and the judge's full number. Weights >= 0. From 0 on
    no wrong query is above a right one; the bound is attained.
    """
    return float(w_execution) - w_judge - w_schema - w_ngram


@entry(
    "execution_threshold",
    kind="theorem",
    cards=("38",),
    section="sweep of w_ex; derived",
    provenance="derived",
    formula="max over wrong of partials - min over right of partials",
)
def execution_threshold(partials: Array, right: Array) -> float:
    """Weight of execution above which every right query of a set outranks every wrong one.

    partials : (K,) sum of all else that is paid; right : (K,) 0 or 1

    -inf where all are right, or none.
    """
    paid, good = np.asarray(partials, dtype=float), np.asarray(right) > 0
    if good.all() or not good.any():
        return float("-inf")
    return float(paid[~good].max() - paid[good].min())


@entry(
    "link_scores",
    kind="theorem",
    cards=("38",),
    section="schema linking; definition",
    provenance="derived",
    formula="(m/g, m/(g + e))",
)
def link_scores(gold: float, found: float, extra: float) -> np.ndarray:
    """(2,) recall and Jaccard of a query that names `found` of `gold` names and `extra` others.

    gold : >= 1; found : 0 to gold; extra : >= 0. Extra names cost recall nothing.

    Raises ValueError for numbers out of these ranges.
    """
    if not (gold >= 1 and 0 <= found <= gold and extra >= 0):
        msg = f"gold={gold}, found={found}, extra={extra}: want gold >= 1, found in [0, gold] and "
        raise ValueError(msg + "extra >= 0")
    return np.array([found / gold, found / (gold + extra)])


@entry(
    "ngram_after_edit",
    kind="theorem",
    cards=("38",),
    section="n-gram similarity; derived",
    provenance="derived",
    formula="(N - k)/(N + k)",
)
def ngram_after_edit(size: float, broken: float) -> float:
    """Jaccard score of a query in which `broken` of the gold one's `size` n-grams became new ones.

    size : > 0; broken : 0 to size. A word changed breaks n of them, at the end of the query one;
    a comparison turned round breaks none, because < and > are no words.

    Raises ValueError for numbers out of these ranges.
    """
    if not (size > 0 and 0 <= broken <= size):
        msg = f"size={size}, broken={broken}: want size > 0 and broken in [0, size]"
        raise ValueError(msg)
    return float((size - broken) / (size + broken))


@entry(
    "updates_to_first_signal",
    kind="theorem",
    cards=("38",),
    section="sparsity; derived",
    provenance="derived",
    formula="1/(1 - (1 - s)^M)",
)
def updates_to_first_signal(signal: float, groups: float) -> float:
    """Mean number of updates up to the first in which one of `groups` groups has a spread.

    signal : P(a group's rewards differ), in [0, 1] (`group_spread`), under the policy that waits;
    groups : >= 1 an update. inf for a signal of 0.

    Raises ValueError for numbers out of these ranges.
    """
    if not (0 <= signal <= 1 and groups >= 1):
        msg = f"signal={signal}, groups={groups}: want signal in [0, 1] and groups >= 1"
        raise ValueError(msg)
    if signal in (0, 1):
        return 1.0 if signal else float("inf")
    return float(-1 / np.expm1(groups * np.log1p(-float(signal))))
