"""The answer of `toyrl calibrate`: what it says, draws and writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl import schemas
from toyrl.experiments.calibrate.handover import Forecast
from toyrl.experiments.core import Table
from toyrl.experiments.results import Answer
from toyrl.worlds.behaviour import prior
from toyrl.worlds.logged import artefact, statistics
from toyrl.worlds.logged.conditioning import UNSEEN, Conditioned
from toyrl.worlds.logged.reach import HALF, Reach

NAMES = {"accuracy": "accuracy", "length": "length", "form": "form", "cut": "truncated"}


@dataclass(frozen=True, repr=False)
class Calibration(Answer):
    """What a log supports, and worlds that look like it.

    source : the log's name, sha256, rows, prompts; rollouts : of a prompt, at most
    reward, estimator, group_size, beta : what was trained; None: groups as in the log
    tilt : speed of the log odds of a prompt's right rollouts, in steps of a feature
    units, flat : features with their spread within prompts, and those without
    reach : the log trained on itself; caused : change of accuracy at its end if every feature made
        answers right as it goes with them
    like : the worlds
    forecast : both joined, None where worlds can't have the reward: `silent` says why
    """

    source: Mapping[str, Any]
    reward: str
    estimator: str
    group_size: int | None
    beta: float
    tilt: float
    units: Mapping[str, float]
    flat: Sequence[str]
    reach: Reach
    caused: float
    rollouts: int
    like: Conditioned
    forecast: Forecast | None
    silent: str = ""
    notes: Sequence[str] = ()
    command: str = ""

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """1 where worlds don't show what the log does, else 0."""
        return int(bool(self.like.missed))

    def lines(self) -> list[str]:
        """What the log holds, how far it carries, what becomes of a run."""
        s = self.source
        held = f"{s['log']}: {s['prompts']} prompts, {s['rows']} rollouts"
        return [f"{held}; {self.reward} under {self.estimator}", self.supported(), self.ahead()]

    def supported(self) -> str:
        """How far the log carries, in a sentence."""
        r = self.reach
        if r.end == 0:
            return "No group of the log gives a signal under this reward: nothing moves."
        why = (
            "there its slope has faded to a fiftieth: what is left to learn is slow"
            if r.stopped
            else f"from there fewer than {HALF:.0%} of the rollouts would carry the answer"
        )
        most = np.log(self.rollouts)
        return (
            f"The log carries {r.end:.2f} nats from the base ({why}; {self.rollouts} rollouts hold "
            f"at most {most:.1f}): accuracy {self._points(-1)}, length x {self._factor(-1)}."
        )

    def _points(self, k: int) -> str:
        r = self.reach
        low, mid, high = (100 * x["accuracy"][k] for x in (r.low, r.change, r.high))
        return f"{mid:+.1f} points ({low:+.1f} to {high:+.1f})"

    def _factor(self, k: int) -> str:
        r = self.reach
        low, mid, high = (np.exp(x["length"][k]) for x in (r.low, r.change, r.high))
        return f"{mid:.2f} ({low:.2f} to {high:.2f})"

    def ahead(self) -> str:
        """The forecast of a whole run, in a sentence."""
        f = self.forecast
        if f is None:
            return f"No forecast beyond the log: {self.silent}."
        a, b = f.end["accuracy"], f.end["length"]
        points = [f"{100 * x:+.0f}" for x in a]
        behind = (
            "" if f.below_outcome is None else f", P(below correctness alone) {f.below_outcome:.2f}"
        )
        return (
            f"Forecast of a run, {f.nats_end:.1f} nats from the base: accuracy {points[0]} points "
            f"({points[1]} to {points[2]}), length x {b[0]:.2f} ({b[1]:.2f} to {b[2]:.2f}); P(ends "
            f"below the base) {f.below_base:.2f}{behind}."
        )

    def unknown_cause(self) -> str:
        """What the log can't say of its own path, in a sentence."""
        return (
            "Lengths and phrases are moved among rollouts that are right or wrong alike: siblings "
            "are often short because the prompt went well. If being so made them right, accuracy "
            f"would change by {100 * self.caused:+.1f} points; the log can't say."
        )

    def fit(self) -> list[str]:
        """How far the worlds look like the log, and what it can't tell, in sentences."""
        c = self.like
        missed = [statistics.SAYS[name] for name in c.missed]
        first = (
            "The worlds show all that was looked at."
            if not missed
            else f"The worlds don't show {'; '.join(missed)}: mistrust them beyond the log."
        )
        says = {r.name: r.says for r in prior.RANGES}
        open_ = [says[k] for k in c.open if k not in UNSEEN]
        never = "; ".join(says[k] for k in UNSEEN)
        out = [
            f"{c.near} of the prior's worlds are near the log, the nearest at distance "
            f"{c.nearest:.1f}; worlds weigh exp(-(distance/{c.bandwidth:.1f})^2/2). {first}",
            f"No log of one policy tells: {never}. They stay as the prior has them.",
        ]
        if c.edge:
            out.append(f"Pulled to the end of their range: {'; '.join(says[k] for k in c.edge)}.")
        if open_:
            out.append(f"As wide as before this log: {'; '.join(open_)}.")
        return out

    def path_table(self) -> Table:
        """What the log says, by distance."""
        r = self.reach
        rows = []
        for k in range(0, len(r.nats), 4):
            form, cut = (f"{100 * r.change[name][k]:+.1f}" for name in ("form", "cut"))
            rows.append(
                [f"{r.nats[k]:.2f}", self._points(k), self._factor(k), form, cut,
                 f"{r.idle[k]:.0%}"]
            )  # fmt: skip
        return Table(
            "log",
            ("nats", "accuracy", "length, x", "form, points", "truncated, points", "no signal"),
            rows if r.end > 0 else rows[:1],
            f"The log trained on itself; 5 % to 95 % over resampled prompts. Base: accuracy "
            f"{r.start['accuracy']:.3f}, length {r.start['length']:.0f}.",
        )

    def fit_table(self) -> Table:
        """Every statistic of the log beside what worlds show."""
        c, rows = self.like, []
        for name, (value, error) in c.told.statistics.items():
            scale = np.exp if name in statistics.LENGTHS else (lambda x: x)
            spread = error * (scale(value) if name in statistics.LENGTHS else 1.0)
            shown = "" if name not in c.tail else f"{c.tail[name]:.3f}"
            rows.append(
                [statistics.SAYS[name], _number(scale(value)), _number(spread),
                 *(_span(x.get(name), scale) for x in (c.before, c.after)), shown,
                 "missed" if name in c.missed else ""]
            )  # fmt: skip
        return Table(
            "fit",
            ("statistic", "log", "its error", "prior, 5 to 95 %", "worlds, 5 to 95 %", "tail", ""),
            rows,
            "Tail: share of what these worlds would show in a log of this size that lies beyond "
            "the log's value; missed below 0.025.",
        )

    def worlds(self) -> dict[str, Any]:
        """The document that `toyrl validate --worlds` reads."""
        return artefact.as_dict(self.like, self.source)

    def to_dict(self) -> dict[str, Any]:
        """The JSON document."""
        r, f = self.reach, self.forecast
        return {
            "schema": schemas.tag("calibrate"),
            "command": self.command,
            "source": dict(self.source),
            "reward": self.reward,
            "estimator": self.estimator,
            "group_size": self.group_size,
            "beta": self.beta,
            "tilt": self.tilt,
            "features": dict(self.units),
            "flat": list(self.flat),
            "log": {
                "nats": r.nats,
                "end": r.end,
                "stopped": r.stopped,
                "base": r.start,
                "change": {k: _band(r.change[k], r.low[k], r.high[k]) for k in r.change},
                "no_signal": r.idle,
                "accuracy_if_caused": self.caused,
                "theta": r.theta,
                "tilt": r.tilt,
            },
            "worlds": self.worlds(),
            "forecast": None if f is None else _forecast(f),
            "silent": self.silent,
            "notes": list(self.notes),
            "exit_code": self.exit_code,
        }

    def forms(self) -> dict[str, Callable[[], str]]:
        """.svg: the picture; .md: both tables."""
        from toyrl.experiments.calibrate.picture import svg
        from toyrl.experiments.render.folder import markdown_table

        return {
            ".svg": lambda: svg(self),
            ".md": lambda: "\n\n".join(map(markdown_table, (self.path_table(), self.fit_table()))),
        }

    def card(self) -> str:
        """The picture and the tables."""
        from toyrl.experiments.calibrate.picture import svg
        from toyrl.experiments.render.html import card

        tone = "fail" if self.exit_code else "pass"
        return svg(self) + card("table", tone=tone, answer=self, table=self.fit_table())


def _band(mid: np.ndarray, low: np.ndarray, high: np.ndarray) -> dict[str, list[float | None]]:
    rows = {"mid": mid, "low": low, "high": high}
    return {k: [float(v) if np.isfinite(v) else None for v in x] for k, x in rows.items()}


def _forecast(f: Forecast) -> dict[str, Any]:
    return {
        "nats": f.nats,
        "handover": f.handover,
        "change": {k: _band(f.mid[k], f.low[k], f.high[k]) for k in f.mid},
        "nats_end": f.nats_end,
        **{k: dict(zip(("mean", "low", "high"), v, strict=True)) for k, v in f.end.items()},
        "p_loss_base": f.below_base,
        "p_loss_outcome": f.below_outcome,
    }


def _number(x: float) -> str:
    return f"{x:.0f}" if abs(x) >= 10 else f"{x:.3f}"


def _span(three: tuple[float, float, float] | None, scale: Callable[[float], float]) -> str:
    return "" if three is None else f"{_number(scale(three[0]))} to {_number(scale(three[2]))}"
