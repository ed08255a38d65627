"""`validate --compare`: several rewards in the same worlds, side by side, with paired differences.

Every candidate is judged by the whole pipeline with one seed, so all see the same worlds, texts
and base policies. Differences are taken world by world; their intervals are bootstraps over
worlds, which a shared hard world can't widen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from toyrl import schemas
from toyrl.experiments.core import Curve, Picture, Table
from toyrl.experiments.errors import UsageError
from toyrl.experiments.results import Answer
from toyrl.experiments.validate.api import judged
from toyrl.experiments.validate.collapse.section import TRIED, WEIGHTS, weight_words
from toyrl.experiments.validate.collapse.statistics import bootstrap
from toyrl.experiments.validate.findings import Report
from toyrl.experiments.validate.left_out import left_out
from toyrl.experiments.validate.settings import Settings
from toyrl.experiments.validate.verdict import severity
from toyrl.rewards.specs import Reward

COLUMNS = (
    "reward",
    "verdict",
    "worlds collapsed",
    "median critical weight",
    "exploit price (nats)",
    "signal / outcome-only",
    "worst regret (accuracy)",
)


@dataclass(frozen=True)
class Candidate:
    """One reward's report and what it did in each world (None where it could not be judged).

    collapsed, learnable (W,) bool; accuracy (W,) mean over the prompt mix at 4T
    """

    report: Report
    collapsed: np.ndarray | None = None
    learnable: np.ndarray | None = None
    accuracy: np.ndarray | None = None
    critical: np.ndarray | None = None
    price: float = float("nan")
    tried: tuple[float, float] = TRIED

    @property
    def name(self) -> str:
        """As written, without the folder."""
        return re.sub(r"[^\s*+]*/(?=[^/\s]*\.py)", "", self.report.reward)


@dataclass(frozen=True)
class Difference:
    """A candidate less the first one, over worlds where both can be judged.

    collapse, accuracy : (mean difference, low, high), 95 % paired bootstrap
    """

    name: str
    worlds: int
    collapse: tuple[float, float, float]
    accuracy: tuple[float, float, float]

    @property
    def sentence(self) -> str:
        """The difference in words."""
        share, low, high = (100 * x for x in self.collapse)
        gain, worst, best = self.accuracy
        return (
            f"{self.name}: share of collapsed worlds {share:+.1f} points ({low:+.1f} to "
            f"{high:+.1f}), accuracy {gain:+.3f} ({worst:+.3f} to {best:+.3f}), paired over "
            f"{self.worlds} worlds."
        )


@dataclass(frozen=True, repr=False)
class Comparison(Answer):
    """All candidates, in the order given, and the differences from the first.

    command : how it was called, for the page
    """

    candidates: tuple[Candidate, ...]
    differences: tuple[Difference, ...]
    command: str = ""

    @property
    def best(self) -> Candidate | None:
        """The mildest verdict, then the fewest collapsed worlds; None if none could be judged."""
        able = [c for c in self.candidates if c.collapsed is not None]
        if not able:
            return None
        return min(able, key=lambda c: (severity(c.report.verdict), float(np.mean(_hits(c)))))

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """2 if some reward can't be used, else that of the best candidate."""
        codes = [c.report.exit_code for c in self.candidates]
        return 2 if 2 in codes else min(codes)

    def lines(self) -> list[str]:
        """The best, then every verdict."""
        best = self.best
        head = (
            "None could be judged"
            if best is None
            else f"Best of {len(self.candidates)}: {best.name}"
        )
        return [head, "; ".join(f"{c.name}: {c.report.verdict}" for c in self.candidates)]

    def forms(self) -> dict[str, Callable[[], str]]:
        """.html: the page; .md, .csv: the rewards side by side."""
        from toyrl.experiments.render.folder import csv_table, markdown_table
        from toyrl.experiments.render.html import compare_page

        me: Any = self  # a type checker meets this file under two paths
        return {
            ".html": lambda: compare_page(me, command=self.command),
            ".md": lambda: markdown_table(self.table()),
            ".csv": lambda: csv_table(self.table()),
        }

    def card(self) -> str:
        """The best and the rewards side by side."""
        from toyrl.experiments.render.html import card
        from toyrl.experiments.render.words import TONES

        tone = "info" if self.best is None else TONES[self.best.report.verdict]
        return card("table", tone=tone, answer=self, table=self.table())

    def table(self) -> Table:
        """One row per reward."""
        return Table("comparison", COLUMNS, [_row(c) for c in self.candidates])

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "schema": schemas.tag("compare"),
            "rewards": [c.report.to_dict() for c in self.candidates],
            "differences": [
                {
                    "reward": d.name,
                    "against": self.candidates[0].name,
                    "worlds": d.worlds,
                    "collapse": list(d.collapse),
                    "accuracy": list(d.accuracy),
                }
                for d in self.differences
            ],
            "best": None if self.best is None else self.best.name,
        }

    def picture(self) -> Picture:
        """Share of worlds collapsed by weight, a curve each."""
        curves = []
        for c in self.candidates:
            if c.critical is None or not len(c.critical):
                continue
            finite = np.sort(c.critical[np.isfinite(c.critical)])
            x = np.concatenate([[WEIGHTS[0]], np.repeat(finite, 2), [WEIGHTS[-1]]])
            y = np.repeat(np.arange(len(finite) + 1) / len(c.critical), 2)
            curves.append(Curve(c.name, x.tolist(), y.tolist()))
        return Picture(
            "compare-critical",
            "How much of each reward collapses accuracy",
            "weight (times the reward as given)",
            "share of worlds collapsed",
            curves=tuple(curves),
            log_x=True,
            caption="Further right is safer.",
        )


def compare(
    rewards: Mapping[str, Reward],
    settings: Settings,
    tell: Callable[[int, str], None],
    *,
    n_worlds: int = 256,
) -> Comparison:
    """Judge each reward and pair the outcomes; rewards : name -> reward.

    Raises UsageError where sections are left out: the pairs are of whole verdicts.
    """
    if missing := [name for name in left_out(settings) if name != "verdict"]:
        msg = f"{', '.join(missing)}: left out by quick, only or skip, but rewards are compared "
        raise UsageError(msg + "by what all sections say; leave these options out")
    found = []
    for name, reward in rewards.items():
        report, pipeline = judged(reward, settings, tell, n_worlds=n_worlds)
        found.append(_candidate(replace(report, reward=name), pipeline))
    first = found[0]
    differences = tuple(
        d for c in found[1:] if (d := difference(first, c, seed=settings.seed)) is not None
    )
    return Comparison(tuple(found), differences)


def _candidate(report: Report, pipeline: Any) -> Candidate:
    facts = getattr(pipeline, "facts", None)
    if facts is None:
        return Candidate(report)
    j = facts.judged
    shares = pipeline.worlds.batch.shares[: len(j.accuracy)]
    return Candidate(
        report,
        j.collapsed,
        j.learnable,
        (j.accuracy * shares).sum(-1),
        facts.critical,
        pipeline.price,
        facts.tried,
    )


def difference(first: Candidate, other: Candidate, *, seed: int = 0) -> Difference | None:
    """Paired over the worlds that both were judged in; None where one was not judged."""
    if first.collapsed is None or other.collapsed is None:
        return None
    assert first.learnable is not None
    assert other.learnable is not None
    assert first.accuracy is not None
    assert other.accuracy is not None
    n = min(len(first.collapsed), len(other.collapsed))
    rows = np.flatnonzero(first.learnable[:n] & other.learnable[:n])
    if not len(rows):
        return None

    def paired(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
        d = b[rows].astype(float) - a[rows].astype(float)
        low, high = bootstrap(lambda c: c @ d / c.sum(-1), len(d), seed=seed)
        return float(d.mean()), float(low), float(high)

    return Difference(
        other.name,
        len(rows),
        paired(first.collapsed, other.collapsed),
        paired(first.accuracy, other.accuracy),
    )


def _hits(c: Candidate) -> np.ndarray:
    assert c.collapsed is not None
    assert c.learnable is not None
    return c.collapsed[c.learnable]


def _row(c: Candidate) -> list[Any]:
    if c.collapsed is None:
        return [c.name, c.report.verdict, *[c.report.error or "not judged"], "", "", "", ""]
    values = {f.name: f.value for f in c.report.findings}
    hits = _hits(c)
    middle = float(np.median(c.critical)) if c.critical is not None and len(c.critical) else np.inf
    return [
        c.name,
        c.report.verdict,
        f"{int(hits.sum())} of {len(hits)}",
        weight_words(middle, c.tried),
        "none" if np.isinf(c.price) else round(c.price, 3),
        values.get("signal/snr"),
        values.get("order/regret"),
    ]
