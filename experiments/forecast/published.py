"""Published runs as cases: the ledger's settings with what came of them."""

from __future__ import annotations

from dataclasses import replace

from toyrl.experiments.backtest.came import CAME
from toyrl.experiments.backtest.data import Setting
from toyrl.experiments.backtest.ledger import SETTINGS, Entry
from toyrl.experiments.forecast.case import Case, Forecast, Outcome, Told
from toyrl.experiments.forecast.evidence import Evidence, drawn
from toyrl.experiments.forecast.horizon import horizon
from toyrl.experiments.validate.settings import LIMIT, TYPICAL, Settings
from toyrl.graders.base import TextRow

ACCURACY = 0.5
"""Of a base of which the paper says nothing, as in the middle of `validate`'s own prior."""
OF_LIMIT = TYPICAL / LIMIT
"""Mean length as a share of the limit where only the limit is known."""


TITLE = "Published runs"
"""Of their study on the score board."""


def cases(ledger: dict[str, Entry] | None = None) -> list[Case]:
    """The ledger's settings that have an outcome; ledger : verdicts, for those who quote them."""
    return [_case(s, (ledger or {}).get(s.id)) for s in SETTINGS]


def _case(s: Setting, entry: Entry | None) -> Case:
    came, own = CAME[s.id], Settings(**s.settings)
    rates = own.success_rates
    told = Told(
        name=s.id,
        rewards=s.rewards,
        accuracy=sum(rates) / len(rates) if rates else ACCURACY,
        length=float(own.typical_length or own.limit * OF_LIMIT),
        limit=float(own.limit),
        estimator=own.estimator,
        group_size=own.group_size,
        beta=own.beta,
        horizon=horizon(own.updates, own.learning_rate, own.completions),
        settings=s.settings,
        evidence=evidence,
        known={} if entry is None else {"chain": of_verdict(entry)},
    )
    points = (None if x is None else x / 100 for x in (came.base, came.correctness))
    said = True if s.said in ("lost", "collapsed") else False if s.said == "kept" else None
    outcome = Outcome(*points, length=came.length, below_base=said)
    return Case(told, outcome, came.family or s.id, s.paper.number, s.control)


def of_verdict(entry: Entry) -> Forecast:
    """What the ledger's verdict says: the share of worlds that end below their base, and of those
    that end below correctness-only training; a verdict without worlds warns or doesn't."""
    run = entry.run
    if not run.worlds or run.collapsed is None or run.below_base is None:
        p = 0.0 if run.verdict == "SAFE" else 1.0
        return Forecast(below_base=p, below_correctness=p)
    return Forecast(
        below_base=run.below_base / run.worlds, below_correctness=run.collapsed / run.worlds
    )


def evidence(told: Told) -> Evidence | None:
    """Groups of such a base with the reward's values; None for a reward that can't be graded."""
    from toyrl.experiments.validate.api import law_and_values
    from toyrl.expressions import parse_estimator
    from toyrl.rewards.errors import RewardError
    from toyrl.worlds.behaviour import texts

    cells: list[texts.Cell] = []

    def rows(dialect: str) -> list[TextRow]:
        cells.extend(texts.design(texts.arithmetic(dialect), told.length, told.limit))
        return [c.row for c in cells]

    try:
        _, law, values = law_and_values(told.rewards, Settings(**told.settings), rows)
    except RewardError:
        return None
    text = texts.graded(cells, values) if values else None
    return replace(drawn(told, law, parse_estimator(told.estimator)), text=text)
