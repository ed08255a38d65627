"""Rollouts out of texts: rows of one batch, grouped by prompt, with what is graded beside them.

One meaning of each: a rollout is *truncated* if it stopped at the completion limit without an end
of its own (`ran_out`); it is *answered* if its text marks an answer, and where no text can be read,
unless it was truncated; it has a thought if its text has a closed think block. Other fields are
data columns of the same name.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from toyrl.graders.base import TextRow
from toyrl.messages import shortened
from toyrl.rollouts.classes import token_mask, with_answered
from toyrl.rollouts.core import Rollouts
from toyrl.rollouts.fields import FIELDS, behind

Array = Any
Place = tuple[Array, Array]
OWN = ("correct", "length", "truncated", "mask", "weight")
"""Arrays that every batch of rollouts has by itself, or that a forward pass gives."""
SAID = ("answered", "thought", "words", "trace_prefix", "trace_states")
"""Fields that any text says (the last two where its prompt poses a program whose trace can be
verified, else NaN); a data column of that name comes first."""


def ran_out(tokens: Any, *, ended: Any = False, limit: float | None = None) -> Any:
    """True where a completion is truncated: as long as the limit, and not ended by itself.

    tokens : length, numbers or arrays; ended : its last token is an end token (False also where
        that can't be known); limit : None where it isn't known, then all that did not end ran out
    """
    full = True if limit is None else tokens >= limit
    if isinstance(ended, (bool, np.bool_)):
        return full if not ended else full & False
    return full & ~ended


def places(groups: Sequence[Hashable]) -> tuple[tuple[np.ndarray, np.ndarray], tuple[int, int]]:
    """((group, position) of each row, (number of groups, size of the largest)).

    group, position : (R,) whole numbers, one a row
    """
    order: dict[Hashable, int] = {}
    taken: list[int] = []
    group, position = [], []
    for key in groups:
        i = order.setdefault(key, len(order))
        if i == len(taken):
            taken.append(0)
        group.append(i)
        position.append(taken[i])
        taken[i] += 1
    index = (np.asarray(group, dtype=int), np.asarray(position, dtype=int))
    return index, (len(taken), max(taken, default=0))


def grouped(flat: Array, place: Place, shape: tuple[int, int], fill: float = 0.0) -> Array:
    """(N, ...) rows as (groups, largest group, ...), `fill` where a group is shorter."""
    xp = array_namespace(flat)
    out = xp.full((*shape, *flat.shape[1:]), fill, dtype=flat.dtype, device=flat.device)
    out[place] = flat
    return out


def flat_rollouts(
    groups: Sequence[Hashable],
    *,
    correct: Array,
    length: Array,
    truncated: Array,
    max_length: float,
    fields: Mapping[str, Array] | None = None,
    mask: Array | None = None,
    step: Any = 0,
) -> tuple[Rollouts, Place]:
    """Rollouts (groups, largest group) of N flat rows, and each row's place; NumPy or torch.

    groups : one key a row; groups stand in the order of their first row
    correct, length, truncated : (N,); fields : (N,) or (N, T); mask : (N, T)

    Short groups are padded with weight 0. Per-token fields bring a mask with them unless one is
    given. `answered` is 1 unless truncated where it is not among the fields.
    """
    found, shape = places(groups)
    xp = array_namespace(correct)
    place = tuple(xp.asarray(x, device=correct.device) for x in found)

    def table(x: Array) -> Array:
        return grouped(x, place, shape)

    own = {name: table(value) for name, value in (fields or {}).items()}
    known, long, cut = table(correct), table(length), table(truncated)
    whole = len(groups) == shape[0] * shape[1]
    rollouts = Rollouts(
        correct=known,
        length=long,
        max_length=max_length,
        truncated=cut,
        weight=None if whole else table(xp.ones_like(length)),
        mask=token_mask(own, long) if mask is None else table(mask),
        step=step,
        fields=with_answered(own, cut, known),
    )
    return rollouts, place


def text_rollouts(
    rows: Sequence[TextRow],
    groups: Sequence[Hashable],
    *,
    correct: Sequence[float],
    max_length: float,
    fields: Mapping[str, np.ndarray] | None = None,
    step: Any = 0,
) -> tuple[Rollouts, Place]:
    """Rollouts of graded texts: length and truncation from the rows, `fields` as (N,) or (N, T).

    correct : 1, 0 or NaN (unscorable) a row; see `text_fields` for the fields
    """
    return flat_rollouts(
        groups,
        correct=np.asarray(correct, dtype=float),
        length=np.array([float(r.tokens) for r in rows]),
        truncated=np.array([bool(r.truncated) for r in rows], dtype=bool),
        max_length=max_length,
        fields=fields,
        step=step,
    )


def text_fields(
    rows: Sequence[TextRow], needs: Iterable[str], wants: Iterable[str] = ()
) -> dict[str, np.ndarray]:
    """Fields that a reward reads, from the rows: name -> (N,), or (N, T) for per-token columns.

    needs : fields that must be there, or KeyError names the column; wants : read where all rows
    have the column. What is in `SAID` is read off the text where it is no column.
    """
    names = [n for n in dict.fromkeys(needs) if n not in OWN]
    for name in names:
        if name not in SAID and not all(name in r.columns for r in rows):
            spec = FIELDS.get(name)
            origin = f": {spec.origin}" if spec else ""
            msg = f"the reward reads {name!r}{origin}; give the data rows a column {name!r}"
            raise KeyError(msg)
    there = [n for n in wants if n not in OWN]
    there = [n for n in there if n in SAID or all(n in r.columns for r in rows)]
    return {name: _column(rows, name) for name in dict.fromkeys([*names, *there])}


def said(name: str, row: TextRow) -> float:
    """A field of `SAID`, read off the text: an answer marked, a think block closed, its words, how
    far it follows the program that the prompt poses."""
    from toyrl.graders.answers import is_answered
    from toyrl.graders.steps.phases import answer_words, is_thought
    from toyrl.graders.traces import trace_prefix, trace_states

    readers = (is_answered, is_thought, answer_words, trace_prefix, trace_states)
    named: dict[str, Any] = dict(zip(SAID, readers, strict=True))
    return float(named[name](row))


def _column(rows: Sequence[TextRow], name: str) -> np.ndarray:
    if behind(name) == "T":
        return _tokens(rows, name)
    if behind(name) == "M":
        return of_references(name, [row.columns[name] for row in rows])
    return np.array([_number(row, name) for row in rows], dtype=float)


def of_references(name: str, values: Sequence[Any]) -> np.ndarray:
    """(N, M) of a column that holds M numbers a row, or one (M = 1); NaN for None.

    Raises ValueError for what is no number, for no reference at all, and where rows have several M.
    """
    rows = []
    for i, value in enumerate(values):
        try:
            line = np.asarray(np.nan if value is None else value, dtype=float).reshape(-1)
        except (TypeError, ValueError) as error:
            msg = f"column {name!r} of row {i} holds {shortened(value)}, not numbers"
            raise ValueError(msg) from error
        rows.append(line)
    most = max((len(line) for line in rows), default=1)
    rows = [np.full(most, np.nan) if v is None else x for v, x in zip(values, rows, strict=True)]
    off = next((i for i, line in enumerate(rows) if len(line) != most or not most), None)
    if off is not None:
        msg = f"column {name!r} of row {off} has {len(rows[off])} references, another row {most}; "
        raise ValueError(msg + "give every row equally many, at least 1")
    return np.array(rows).reshape(len(rows), most)


def _number(row: TextRow, name: str) -> float:
    if name in SAID and name not in row.columns:
        return said(name, row)
    value = row.columns[name]
    if value is None:
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        msg = f"column {name!r} holds {shortened(value)}; the reward reads a number a row there"
        raise ValueError(msg) from error


def _tokens(rows: Sequence[TextRow], name: str) -> np.ndarray:
    """(N, T) of a per-token column: one sequence a row, as long as its tokens; 0 behind."""
    out = np.zeros((len(rows), max((r.tokens for r in rows), default=0)))
    for i, row in enumerate(rows):
        line = np.asarray(row.columns[name], dtype=float).reshape(-1)
        if len(line) != row.tokens:
            msg = f"column {name!r} of row {i} has {len(line)} numbers for {row.tokens} tokens"
            raise ValueError(msg)
        out[i, : row.tokens] = line
    return out
