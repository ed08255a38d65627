"""The score board as a Markdown page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from toyrl.experiments.forecast import published, ranks
from toyrl.experiments.forecast.board import AGAINST, Board, Line, Study
from toyrl.experiments.forecast.case import Case, Outcome
from toyrl.experiments.forecast.ranks import ACCURACY, tau_of
from toyrl.experiments.forecast.score import Interval, brier_of, paired

HEAD = """---
hide: [toc]
---

# Score board of forecasts

What each forecaster says of a run before it is trained, and how often that was right. Made by

    toyrl scoreboard --ledger docs/ledger.json --measured docs/results/transfer-small.json \\
        --measured docs/results/zoo-dev --measured docs/results/zoo-test \\
        --json docs/results/scoreboard.json --out docs/results/scoreboard.md

Edits belong into `experiments/forecast`, not here.

**AUC**: probability that a run which ended below its base got a higher probability of that than one
which didn't (0.5 is chance). **Brier**: mean squared error of that probability (a shrug gets 0.25).
**Hits**: right at a half. **Contrasts**: pairs of rewards on one base whose order is known, and how
many are ordered rightly; ties count half. **Tau**: Kendall's tau-b between what was said and what
came, over runs of one base of which there are four or more; differences within the standard error
over seeds are ties, and the last line has the agreement of one half of the seeds with the other,
which is as much as anybody can reach. **Length**: mean absolute error of the log of the length
factor. Controls, whose reward is correctness itself, are in the contrasts alone. A forecaster that
can't say anything of a run is scored as a shrug there. Intervals are 95 %, by a paired bootstrap
over bases and the runs of each, against `always-safe`; where one holds 0, the two can't be told
apart.
"""


def page(board: Board, pictures: Mapping[str, str] | None = None) -> str:
    """The whole page; deterministic in the board.

    pictures : base -> file beside the page
    """
    parts = [HEAD]
    for study, lines in board.studies:
        parts += [_study(study, lines), _told_apart(lines), _beaten(lines)]
        parts += [_picture(c, pictures or {}) for c in dict.fromkeys(c.family for c in study.cases)]
        parts.append(_runs(study, lines))
    parts.append(_who(board))
    return "\n".join(part for part in parts if part)


def _study(study: Study, lines: Sequence[Line]) -> str:
    families = len({c.family for c in study.cases})
    head = (
        f"## {study.name}\n\n{study.says} {len(study.cases)} runs of {families} bases.\n\n"
        "| Forecaster | AUC | Brier | Hits | AUC, correctness-only | Contrasts | Tau, accuracy | "
        "Tau, length | Length | Silent |\n" + "| --- " * 10 + "|"
    )
    reader = [READER] if study.name == published.TITLE else []
    rows = [head, *(_row(line) for line in lines), *reader, *_ceiling(study)]
    return "\n".join(rows) + "\n"


def _ceiling(study: Study) -> list[str]:
    """What one half of the seeds says of the other, where there are several."""
    taus = [ranks.ceiling(study.cases, what) for what in (ranks.ACCURACY, ranks.LENGTH)]
    if not any(math.isfinite(t) for t in taus):
        return []
    return [f"| *one half of the seeds* | | | | | | {_number(taus[0])} | {_number(taus[1])} | | |"]


def _row(line: Line) -> str:
    s = line.scores
    cells = (
        f"`{line.forecaster.name}`",
        _number(s.auc),
        _number(s.brier, 3),
        f"{s.hits} of {s.runs}",
        f"{_number(s.auc_correctness)} ({s.runs_correctness})",
        f"{s.ordered:g} of {s.contrasts}",
        _number(line.tau_accuracy),
        _number(line.tau_length),
        f"{_number(s.log_length)} ({s.lengths})" if s.lengths else "-",
        str(line.silent),
    )
    return "| " + " | ".join(cells) + " |"


def _told_apart(lines: Sequence[Line]) -> str:
    """Who differs from the constant, and by how much."""
    rows = [
        f"| `{line.forecaster.name}` | {_interval(line.brier_against)} | "
        f"{_interval(line.contrasts_against)} |"
        for line in lines
        if line.forecaster.name != AGAINST
    ]
    head = f"| Against `{AGAINST}` | Brier | Share of contrasts |\n| --- | --- | --- |"
    return "\n".join([head, *rows]) + "\n"


OURS = ("behaviour", "pooled")
"""What is meant to be better than any baseline."""
CONSTANT = ("always-safe", "always-risky", "mean-share")
READER = (
    "| *an experienced reader, of another set* | 0.81 | 0.167 | 29 of 37 | 0.90 | 14 of 17 | - | - "
    "| 0.21 | |"
)
"""Someone experienced in such training, told what forecasters are told, on 37 published runs that
are not among these: what can be had, not a rival."""


def _beaten(lines: Sequence[Line]) -> str:
    """How much better ours are than the best baseline, by the order of runs and by Brier score."""
    known = {line.forecaster.name: line for line in lines}
    rivals = [x for n, x in known.items() if n not in (*OURS, *CONSTANT)]
    by_tau = [x for x in rivals if math.isfinite(x.tau_accuracy)]
    if not by_tau:
        return ""
    best = max(by_tau, key=lambda x: x.tau_accuracy)
    least = min(rivals, key=lambda x: x.scores.brier)
    head = (
        f"| Against the best baseline | Tau, accuracy (`{best.forecaster.name}`) | Brier "
        f"(`{least.forecaster.name}`) |\n| --- | --- | --- |"
    )
    rows = [
        f"| `{name}` | "
        + _interval(paired(known[name].rows, best.rows, lambda r: tau_of(r, ACCURACY)))
        + f" | {_interval(paired(known[name].rows, least.rows, brier_of))} |"
        for name in OURS
        if name in known
    ]
    return "\n".join([head, *rows]) + "\n"


def _interval(x: Interval) -> str:
    if not math.isfinite(x.value):
        return "-"
    apart = "" if x.apart else ", not told apart"
    return f"{x.value:+.2f} ({x.low:+.2f} to {x.high:+.2f}){apart}"


def _runs(study: Study, lines: Sequence[Line]) -> str:
    """Each run with its outcome and the probabilities of a loss."""
    shown = [line for line in lines if not line.forecaster.name.startswith("always")]
    names = [line.forecaster.name for line in shown]
    head = "| Run | Against its base | Length | " + " | ".join(f"`{n}`" for n in names) + " |"
    rule = "| --- " * (3 + len(names)) + "|"
    rows = [
        f"| `{case.told.name}`{' (control)' if case.control else ''} | {_change(case.outcome)} | "
        f"{_times(case)} | " + " | ".join(_said(line, i) for line in shown) + " |"
        for i, case in enumerate(study.cases)
    ]
    return "\n".join(["P(ends below its base):\n", head, rule, *rows]) + "\n"


def _picture(base: str, pictures: Mapping[str, str]) -> str:
    if base not in pictures:
        return ""
    return (
        f"{base}: accuracy against the base over updates, a line a seed, and at the right what was "
        f"forecast.\n\n![Runs of {base} beside forecasts]({pictures[base]})\n"
    )


def _change(o: Outcome) -> str:
    if o.base is not None:
        return f"{100 * o.base:+.1f} points"
    return {True: "below, no number", False: "kept, no number", None: "not known"}[o.lost]


def _times(case: Case) -> str:
    return "-" if case.outcome.length is None else f"x {case.outcome.length:.2f}"


def _said(line: Line, i: int) -> str:
    p = line.rows[i][1].below_base
    return "-" if p is None else f"{p:.2f}"


def _who(board: Board) -> str:
    _, lines = board.studies[0]
    rows = [f"- `{line.forecaster.name}`: {line.forecaster.says}." for line in lines]
    return "\n".join(["## The forecasters\n", *rows, "", ADD])


def _number(x: float, digits: int = 2) -> str:
    return f"{x:.{digits}f}" if math.isfinite(x) else "-"


ADD = """A forecaster is a function from `Told` to `Forecast` (`experiments/forecast/case.py`) with
a name; one more is a `Forecaster(name, says, function)` in `experiments/forecast/rivals` and its
place in `FORECASTERS` of `board.py`. `told.seen` has rollouts of such a base with the reward's
values and advantages on them, `told.facts` what decides (shares of the signal in all-right, mixed
and all-wrong groups, pull on length and where it ends, what the easiest wrong answer is paid)."""
