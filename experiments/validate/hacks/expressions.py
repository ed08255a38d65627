"""Gold answers that are a target with numbers: are expressions paid that don't use these numbers?

An expression is right where it makes the target and uses every given number once. What only makes
the target is a wrong answer that any policy can write: the target itself is in the prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean, median

from toyrl.experiments.validate.findings import Finding
from toyrl.experiments.validate.hacks.findings import amount
from toyrl.experiments.validate.hacks.paid import EPS
from toyrl.graders.base import TextRow
from toyrl.rewards.user import UserReward
from toyrl.worlds.text.render import RenderedRow, compose, mark

EACH = 8  # right rollouts that each kind starts from
FIX = "compare the numbers of the expression with the given ones, each as often as it is given"
WRONG: dict[str, tuple[str, Callable[[int], str]]] = {
    "target-alone": ("the target in the place of the expression", str),
    "other-numbers": ("an expression of other numbers", lambda target: f"{target + 7} - 7"),
}


def findings(reward: UserReward, base: Sequence[RenderedRow]) -> list[Finding]:
    """Kinds of wrong expressions that are paid like right ones; nothing for other gold answers.

    base : honest rollouts of known truth in the reward's dialect
    """
    golds = next((t.golds for t in reward.texts if t.golds.countdown is not None), None)
    right = [x for x in base if x.correct and x.problem.gold > 1][:EACH]
    if golds is None or not right:
        return []

    def said(x: RenderedRow, expression: str) -> TextRow:
        text = compose(x.dialect, x.work, mark(x.dialect, expression))
        columns = golds.columns(x.row.columns)
        return replace(x.row, completion=text, columns=columns, written=False)

    def paid(rows: Sequence[TextRow]) -> list[float]:
        return [v for v in reward.score(rows) if v is not None]

    honest = paid([x.row for x in right])
    if not honest:
        return []
    out = []
    for name, (what, write) in WRONG.items():
        rows = [said(x, write(x.problem.gold)) for x in right]
        values = paid(rows)
        if values and fmean(values) >= median(honest) - EPS:
            text = (
                f"A wrong completion ({what}) is paid {amount(fmean(values))}; honest right ones "
                f"get {amount(median(honest))} in the median. No knowledge of the answer is needed "
                "for it: the target is in the prompt."
            )
            shown = rows[0].completion
            out.append(
                Finding(
                    2,
                    f"hacks/{name}",
                    "fail",
                    text,
                    fmean(values),
                    None,
                    median(honest),
                    shown,
                    FIX,
                )
            )
    return out
