"""The nearest safe variant as code, with the command that judges it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

from toyrl.experiments.validate.collapse.variants import PAY
from toyrl.experiments.validate.findings import Report

FUNCTION = """def safer(completions, **columns):
    paid = {name}(completions, **columns)
    correct = is_right(completions, **columns)  # your own check: 1.0 for a right answer, else 0.0
    pairs = zip(correct, paid, strict=True)
    return [{formula} for right, reward in pairs]"""


@dataclass(frozen=True)
class Code:
    """code : lines of Python, or "" where the reward stays as it is; command : what judges it"""

    code: str
    command: str


def of(report: Report) -> Code | None:
    """The variant of a report; None where there is none."""
    if not report.safe_variant:
        return None
    found = next((f for f in report.findings if f.name == "verdict/variant"), None)
    formula = found.fix.removeprefix(PAY) if found is not None else ""
    if not formula:  # another estimator, which the words name
        other = re.search(r"\((\w+) for \w+\)", report.safe_variant)
        return Code("", f"toyrl validate {report.reward} --estimator {other[1]}") if other else None
    place, _, name = report.reward.partition(":")
    if not place.endswith(".py") or not name.isidentifier():
        code = FUNCTION.format(name="your_reward", formula=formula)
        return Code(code, "toyrl validate safer.py:safer")
    source = f"from {PurePath(place).stem} import {name}"
    code = f"{source}\n\n\n{FUNCTION.format(name=name, formula=formula)}"
    return Code(code, f"toyrl validate {(PurePath(place).parent / 'safer.py').as_posix()}:safer")
