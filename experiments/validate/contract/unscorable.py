"""Texts that a reward answers with None: prompts that aren't its own, or what it can't read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from toyrl.experiments.validate.contract.facts import DialectFacts
from toyrl.experiments.validate.findings import Finding
from toyrl.graders.base import TextRow


def findings(facts: Sequence[DialectFacts], rows: Mapping[str, Sequence[TextRow]]) -> list[Finding]:
    """Texts answered with None; a failure where that depends on what a completion says.

    A prompt that isn't a function's own to grade has None for all its completions. Where one
    completion is graded and another isn't, the policy chooses.
    """
    n = sum(len(f.values) for f in facts)
    none = sum(f.values.count(None) - f.failed for f in facts)
    if none <= 0:
        return []
    text = f"{none} of {n} ordinary texts are unscorable (None): they give no signal."
    chosen = _graded_by_text(facts, rows)
    if chosen is not None:
        more = (
            " Whether a completion is graded depends on what it says: another one for the same "
            "prompt has a value. None is for prompts that aren't this function's to grade; alone, "
            "None is 0 or NaN to a trainer."
        )
        fix = "return a number for a completion that can't be read, such as that of a wrong one"
        return [
            Finding(
                1,
                "contract/unscorable",
                "fail",
                text + more,
                none / n,
                counterexample=chosen.completion,
                fix=fix,
            )
        ]
    status = "warn" if none > 0.1 * n else "info"
    return [Finding(1, "contract/unscorable", status, text, value=none / n)]


def _graded_by_text(
    facts: Sequence[DialectFacts], rows: Mapping[str, Sequence[TextRow]]
) -> TextRow | None:
    """A row without a value whose prompt and columns have one with another completion."""
    sure = [f for f in facts if not f.errors]
    given = [(row, v) for f in sure for row, v in zip(rows[f.name], f.values, strict=True)]
    graded = {(row.prompt, repr(row.columns)) for row, v in given if v is not None}
    none = (row for row, v in given if v is None and (row.prompt, repr(row.columns)) in graded)
    return next(none, None)
