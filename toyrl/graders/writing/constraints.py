"""Constraints that a machine can decide, one line of text each, with the middle level of a verdict.

    contains: kite|bay|dusk     all of these texts: 1; at least half of them: 0.5; fewer: 0
    forbids: sorry|as an AI     none of these texts
    begins: / ends: TEXT        the text begins or ends so, up to outer white space
    headings: 3                 so many lines that begin with #; half as many: 0.5
    bullets: 3                  so many lines that begin with -, * or a number; half as many: 0.5
    paragraphs: 4               so many blocks between empty lines; half as many: 0.5

Texts are compared in lower case. Nothing is a pattern: no constraint takes long.

Source: paper 55 pays a model's verdicts; deciding constraints by rule is ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from toyrl.messages import shortened

BULLET = re.compile(r"\s{0,8}(?:[-*•]|\d{1,3}[.)])\s")


def met(text: str, constraint: str) -> float:
    """1 fully, 0.5 partially, 0 not met.

    Raises ValueError for a constraint of another form.
    """
    name, colon, asked = constraint.partition(":")
    decide = DECIDED.get(name.strip().lower())
    if decide is None or not colon or not asked.strip():
        msg = (
            f"{shortened(constraint)} can't be decided by rule; write NAME: VALUE with one of "
            f"{', '.join(DECIDED)}, or give a verifier or a column of verdicts"
        )
        raise ValueError(msg)
    asked = asked.strip().lower()
    if decide in (_contains, _forbids) and not _pieces(asked):
        msg = f"{shortened(constraint)} names no text; write {name.strip()}: TEXT|TEXT"
        raise ValueError(msg)
    return decide(text.lower(), asked)


def level(share: float) -> float:
    """A share as a verdict: 1 from 1 on, 0.5 from a half on, else 0."""
    return 1.0 if share >= 1 else 0.5 if share >= 0.5 else 0.0


def _pieces(asked: str) -> list[str]:
    return [p.strip() for p in asked.split("|") if p.strip()]


def _contains(text: str, asked: str) -> float:
    pieces = _pieces(asked)
    return level(sum(p in text for p in pieces) / len(pieces))


def _forbids(text: str, asked: str) -> float:
    return float(not any(p in text for p in _pieces(asked)))


def _number(asked: str) -> int:
    if not (asked.isascii() and asked.isdigit() and 0 < len(asked) < 10 and int(asked) > 0):
        msg = f"{shortened(asked)} is no whole number above 0"
        raise ValueError(msg)
    return int(asked)


def _lines(holds: Callable[[str], object]) -> Callable[[str, str], float]:
    return lambda text, asked: level(
        sum(bool(holds(line)) for line in text.splitlines()) / _number(asked)
    )


def _paragraphs(text: str, asked: str) -> float:
    blank = [not line.strip() for line in text.splitlines()]
    before = [True, *blank][: len(blank)]
    begins = sum(not here and gap for here, gap in zip(blank, before, strict=True))
    return level(begins / _number(asked))


DECIDED: dict[str, Callable[[str, str], float]] = {
    "contains": _contains,
    "forbids": _forbids,
    "begins": lambda text, asked: float(text.lstrip().startswith(asked)),
    "ends": lambda text, asked: float(text.rstrip().endswith(asked)),
    "headings": _lines(lambda line: line.lstrip().startswith("#")),
    "bullets": _lines(BULLET.match),
    "paragraphs": _paragraphs,
}
