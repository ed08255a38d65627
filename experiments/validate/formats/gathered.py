"""Candidates for a reward's format from everything that the user gave."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toyrl.experiments.validate.formats.own import of_prompts, of_rollouts
from toyrl.experiments.validate.formats.search import Candidate
from toyrl.experiments.validate.formats.search import candidates as by_origin
from toyrl.experiments.validate.formats.source import literals, source_of
from toyrl.experiments.validate.formats.templates import Hint, hints
from toyrl.rewards.specs import Term
from toyrl.rollouts.logs import Log
from toyrl.worlds.text.dialects import dialect_of


def candidates(terms: Sequence[Term], log: Log | None, mark: str | None = None) -> list[Candidate]:
    """From a log's right completions and prompts, the terms' source, and the known dialects.

    mark : a format that was told, which is then the only one
    """
    if mark is not None:
        return [Candidate(dialect_of(mark).name, "told")]
    own, asked = _of_log(log) if log is not None else ([], [])
    return by_origin(own, asked, of_source(terms))


def of_source(terms: Sequence[Term]) -> list[Hint]:
    """Layouts that the sources of all terms suggest, each once."""
    out: dict[str, Hint] = {}
    for term in terms:
        found = source_of(term)
        if found is not None:
            for hint in hints(literals(*found)):
                if hint.near or hint.template not in out:
                    out[hint.template] = hint
    return sorted(out.values(), key=lambda h: not h.near)


def _of_log(log: Log) -> tuple[list[Hint], list[Hint]]:
    r = log.rollouts
    right = np.asarray(r.correct, dtype=float)[np.asarray(r.w) > 0].tolist()
    return of_rollouts(log.rows, right), of_prompts(row.prompt for row in log.rows)
