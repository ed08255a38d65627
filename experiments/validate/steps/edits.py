"""What a policy can do with the steps of a text that it has: copy, cut, join, fill up, turn round.

None of these edits does any work. A text stays right or wrong as it was: its last step, which
holds the answer, stays last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from toyrl.graders.base import TextRow
from toyrl.graders.steps.splits import steps as split

COPIES = (1, 2, 4, 8, 16)
EMPTY = 8  # steps that say nothing
DELIMITER = {"blank_line": "\n\n", "whole": ""}
NOTHING = {"numbered": "Step 0: Okay."}

Piece = tuple[str, int | None]
"""Text of a step, and the step of the original whose score it has where nobody can be asked; None:
that isn't known."""


@dataclass(frozen=True)
class Edit:
    """One way to change the steps of a text.

    name : of its finding, after "hacks/"; what : in words, after "A completion"
    change : (pieces of the text, their scores, what ends a step, a step that says nothing) ->
        pieces, or none where it doesn't fit
    """

    name: str
    what: str
    change: Callable[[list[str], Sequence[float], str, str], list[Piece]]


def copies(m: int) -> Edit:
    """m copies of the best-paid step behind it; of equals the one nearest to the middle."""

    def change(pieces: list[str], scores: Sequence[float], end: str, _: str) -> list[Piece]:
        k = best_step(scores)
        own = _kept(pieces)
        if k == len(pieces) - 1:  # the answer stays last
            return [*own[:-1], *[(_ended(pieces[k], end), k)] * m, own[-1]]
        return [*own[: k + 1], *[(pieces[k], k)] * m, *own[k + 1 :]]

    many = "a copy" if m == 1 else f"{m} copies"
    return Edit("step-copies", f"with {many} of its best-paid step", change)


def best_step(scores: Sequence[float]) -> int:
    """Place of the highest score; of equal ones the one nearest to the middle."""
    x = np.asarray(scores, dtype=float)
    best = np.flatnonzero(x == x.max())
    return int(best[np.argmin(np.abs(best - (len(x) - 1) / 2))])


def _splits(pieces: list[str], _s: Sequence[float], end: str, _: str) -> list[Piece]:
    out: list[Piece] = []
    for piece in pieces[:-1]:
        words = piece.split(" ")
        if len(words) < 2 or not end:
            out.append((piece, None))
            continue
        half = len(words) // 2
        out += [(" ".join(words[:half]) + end, None), (" ".join(words[half:]), None)]
    return [*out, (pieces[-1], None)] if len(out) + 1 > len(pieces) else []


def _merges(pieces: list[str], _s: Sequence[float], _e: str, _: str) -> list[Piece]:
    inner = pieces[:-1]
    pairs = [inner[i : i + 2] for i in range(0, len(inner), 2)]
    joined = [" ".join([*(p.rstrip() for p in pair[:-1]), pair[-1]]) for pair in pairs]
    return [*((text, None) for text in joined), (pieces[-1], None)] if len(inner) > 1 else []


def _empties(pieces: list[str], _s: Sequence[float], end: str, nothing: str) -> list[Piece]:
    own: list[Piece] = [(p, None) for p in pieces]
    return [*own[:-1], *[(f"{nothing}{end}", None)] * EMPTY, own[-1]] if end else []


def _reversed(pieces: list[str], _s: Sequence[float], _e: str, _: str) -> list[Piece]:
    own = _kept(pieces)
    return [*own[-2::-1], own[-1]] if len(own) > 2 else []


def _kept(pieces: list[str]) -> list[Piece]:
    return [(p, k) for k, p in enumerate(pieces)]


def _ended(piece: str, end: str) -> str:
    return piece if piece.endswith(end) else piece.rstrip() + end


OTHERS = (
    Edit("step-splits", "whose steps are cut in two", _splits),
    Edit("step-merges", "whose steps are joined in pairs", _merges),
    Edit("step-empties", f"with {EMPTY} more steps that say nothing", _empties),
    Edit("step-order", "whose steps stand in the opposite order", _reversed),
)


def edited(
    row: TextRow, scores: Sequence[float], edit: Edit, how: str
) -> tuple[TextRow, list[float] | None] | None:
    """The edited row, and its step scores where each step is one of the original's; or None where
    the edit doesn't fit, or the text doesn't fall into these steps.

    The length in tokens grows as the characters do.
    """
    spans = split(row.completion, how)
    if not spans:
        return None
    pieces = [row.completion[low:high] for low, high in spans]
    end = DELIMITER.get(how, "\n" if how in ("line", "numbered") else " ")
    changed = edit.change(pieces, scores, end, NOTHING.get(how, "Okay."))
    text = "".join(piece for piece, _ in changed)
    if not changed or len(split(text, how)) != len(changed):
        return None
    places = [k for _, k in changed]
    known = None if None in places else [scores[k] for k in places if k is not None]
    tokens = max(1, round(row.tokens * len(text) / len(row.completion)))
    return replace(row, completion=text, tokens=tokens), known
