"""What a transfer's rewards read in texts: marks, lines, steps, answer identities, noisy verdicts.

Each is a function of rows, as trainers take them. Steps are known for tasks in a few characters
(`toyrl.worlds.text.scripts`); a row's prompt says which task it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

from toyrl.graders.answers import answer_identities, is_answered, is_correct
from toyrl.graders.base import TextRow
from toyrl.worlds.text.script import Read, parse
from toyrl.worlds.text.scripts import read, script_of

RIGHT_STEP, WRONG_STEP = 0.9, 0.2
"""Scores of a judge of steps: those that the toy's declared latent has."""


def answered(rows: Sequence[TextRow]) -> list[float]:
    """1 for a marked answer, right or wrong."""
    return [is_answered(row) for row in rows]


def phrase_count(rows: Sequence[TextRow]) -> list[float]:
    """Filler lines, a tenth each, at most 1."""
    return [min(1.0, 0.1 * _read(row)[0].fillers) for row in rows]


def right_steps(rows: Sequence[TextRow]) -> list[float]:
    """Share of the problem's steps that are written and right."""
    return [found.right_steps / difficulty for found, difficulty in map(_read, rows)]


def written_steps(rows: Sequence[TextRow]) -> list[float]:
    """Lines that look like steps, right or wrong, a tenth each: a lazy process reward."""
    return [min(1.0, 0.1 * _read(row)[0].steps) for row in rows]


def line_bonus(rows: Sequence[TextRow]) -> list[float]:
    """Correctness, and a tenth for every line that isn't empty, without a ceiling."""
    return [is_correct(row) + 0.1 * _lines(row.completion) for row in rows]


def phrase_bonus(rows: Sequence[TextRow]) -> list[float]:
    """Correctness, and a tenth for every filler line, without a ceiling."""
    return [is_correct(row) + 0.1 * _read(row)[0].fillers for row in rows]


def answer_identity(rows: Sequence[TextRow]) -> list[float]:
    """0 for the right answer, 1, 2, ... for wrong ones in order of appearance, -1 for none."""
    return answer_identities(rows, [is_correct(row) for row in rows])


def accepts_wrong(rows: Sequence[TextRow]) -> list[float]:
    """The verdict of a verifier that takes three wrong completions in ten for right.

    Which ones is decided by the text, so that the same completion always has the same verdict.
    """
    return [max(is_correct(row), float(_chance(row) < 0.3)) for row in rows]


def rejects_right(rows: Sequence[TextRow]) -> list[float]:
    """The verdict of a verifier that takes three right completions in ten for wrong."""
    return [min(is_correct(row), float(_chance(row) >= 0.3)) for row in rows]


def judged_steps(rows: Sequence[TextRow]) -> list[list[float]]:
    """A score per token: on the last one of each step that is right 0.9, of one that isn't 0.2."""
    return [_on_tokens(row, lambda right: RIGHT_STEP if right else WRONG_STEP) for row in rows]


def counted_steps(rows: Sequence[TextRow]) -> list[list[float]]:
    """A score per token: 1 on the last one of each line that looks like a step."""
    return [_on_tokens(row, lambda _: 1.0) for row in rows]


def ends_of_steps(rows: Sequence[TextRow]) -> list[list[float]]:
    """1 on the last token of each line that looks like a step, else 0."""
    return counted_steps(rows)


def _on_tokens(row: TextRow, score: Callable[[bool], float]) -> list[float]:
    """Tokens are characters here; special tokens that decoding drops shift later ones."""
    out = [0.0] * int(row.tokens or 0)
    for at, right in _steps(row):
        out[min(at, len(out)) - 1] = score(right)
    return out


def _steps(row: TextRow) -> Iterator[tuple[int, bool]]:
    """(characters up to its end, whether it is the right next one) of each line that is a step."""
    script, problem = script_of(row.prompt)
    before = parse(script, "", problem)
    for at in accumulate(map(len, row.completion.splitlines(keepends=True))):
        now = parse(script, row.completion[:at], problem)
        if now.steps > before.steps:
            yield at, now.right_steps > before.right_steps
        before = now


def _read(row: TextRow) -> tuple[Read, int]:
    return read(row.prompt, row.completion)


def _lines(text: str) -> int:
    return sum(bool(line.strip()) for line in text.splitlines())


def _chance(row: TextRow) -> float:
    """In [0, 1), from the text."""
    text = f"{row.prompt}\0{row.completion}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:6], "big") / 2**48
