"""A log's scores, read and turned into curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from toyrl.experiments.amounts import refuse_outside
from toyrl.experiments.begin import Begin, nothing
from toyrl.experiments.errors import UsageError
from toyrl.experiments.scaling.curves import all_curves, sizes
from toyrl.experiments.scaling.result import Scaling
from toyrl.experiments.scaling.scores import Scores, read_scores

FEW = 10  # prompts below which bands are said to be too narrow


def run(
    log: Any,
    *,
    gold: str | None,
    proxy: Sequence[str],
    answer: str | None,
    samples: int | None,
    x: Literal["draws", "tokens"],
    temperature: float | None,
    level: float,
    seed: int,
    columns: Mapping[str, str] | str | None,
    skip_bad_rows: bool,
    command: str = "",
    begin: Begin = nothing,
) -> Scaling:
    """The curves of a log; begin : hears (done, total, name) before each curve.

    Raises UsageError for what can't be used.
    """
    refuse_outside(level=level, temperature=temperature, samples=samples, seed=seed)
    if x not in ("draws", "tokens"):
        msg = f"x={x!r} must be draws or tokens"
        raise UsageError(msg)
    scores = read_scores(log, gold=gold, proxies=proxy, answer=answer, columns=columns,
                         samples=samples, skip_bad=skip_bad_rows)  # fmt: skip
    if x == "tokens" and scores.length is None:
        msg = f"x=tokens: {scores.name} has no length for every row; name it: --columns "
        msg += "length=COLUMN"
        raise UsageError(msg)
    return scaled(
        scores, temperature=temperature, level=level, seed=seed, x=x, command=command, begin=begin
    )


def scaled(
    scores: Scores, *, temperature: float | None = None, level: float = 0.95, seed: int = 0,
    x: Literal["draws", "tokens"] = "draws", command: str = "", begin: Begin = nothing,
) -> Scaling:  # fmt: skip
    """The curves of scores that are there already."""
    k = sizes(scores.samples)
    curves = all_curves(scores, temperature=temperature, level=level, seed=seed, begin=begin)
    notes = list(scores.notes)
    if not scores.proxies:
        notes.append("no column of scores was found: name one with --proxy")
    if scores.prompts == 1:
        notes.append("one prompt: no band, and no fall can be told from chance")
    elif scores.prompts < FEW:
        notes.append(f"{scores.prompts} prompts only: bands over so few are too narrow")
    tokens = None
    if scores.length is not None:
        means = [scores.length[rows].mean(-1) for _, rows in scores.pools]
        tokens = k * float(np.concatenate(means).mean())
    return Scaling(scores.name, scores.rows, scores.prompts, scores.samples, scores.gold_column, k,
                   tokens, tuple(curves), level, x, tuple(notes), command)  # fmt: skip
