"""The answer of `toyrl audit-judge`: a word, tables, pictures, a page, JSON, a noise model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from toyrl import schemas
from toyrl.experiments.audit.calibration import Agreement, Reliability
from toyrl.experiments.audit.carry import ALL, NOISE, Base, Consequence
from toyrl.experiments.audit.measures import Bias, Share
from toyrl.experiments.audit.noise import Noise
from toyrl.experiments.core import Curve, Picture, Table
from toyrl.experiments.forecast.word import LAGGING, PILOT
from toyrl.experiments.results import Answer, tables

USABLE, BIASED, USELESS, INCONCLUSIVE = "USABLE", "BIASED", "USELESS", "INCONCLUSIVE"
TONES = {USABLE: "pass", BIASED: "warn", USELESS: "fail", INCONCLUSIVE: "warn"}
MEANINGS = {
    USABLE: "It tells right from wrong, and nothing that was looked at sways it by much.",
    BIASED: "It tells right from wrong, but something beside the truth sways it too.",
    USELESS: "Its answers say nothing of which text is right, or the contrary.",
    INCONCLUSIVE: "Too few answers could be read to say.",
}


@dataclass(frozen=True)
class Calls:
    """What was asked: calls planned, made, known from the cache; what came of them.

    unread : answers that could not be read; failed, late : calls that raised, that took too long
    first, example : the first failure and the first unread answer, in words
    """

    planned: int = 0
    made: int = 0
    known: int = 0
    answered: int = 0
    unread: int = 0
    failed: int = 0
    late: int = 0
    first: str = ""
    example: str = ""

    def said(self) -> list[str]:
        """In lines: what was lost, with its share."""
        out = []
        answers = self.made + self.known - self.failed - self.late
        if self.unread:
            part = 100 * self.unread / max(answers, 1)
            out.append(f"{self.unread} of {answers} answers ({part:.1f} %) could not be read; the "
                       f"first: {self.example}")  # fmt: skip
        if self.failed or self.late:
            out.append(f"{self.failed} calls failed and {self.late} took too long, of {self.made}; "
                       f"the first: {self.first}")  # fmt: skip
        return out


@dataclass(frozen=True, repr=False)
class Audit(Answer):
    """What a judge is like.

    judge, kind : its name; "scores", "pairs" or "log"; prompts : asked about
    accuracy : how often a right text wins over a wrong one; slices : by kind of pair
    biases, consistency, reliability, agreement : as measured (`toyrl.experiments.audit.measures`)
    examples : bias -> a text that won for it
    rings : an example of three texts that beat each other in a ring, or ""
    carried : runs under the judge's likings; needed : accuracy of verdicts at which a run on them
        is safe, runs : by accuracy
    noise : its errors by class; threshold : score from which on a text is accepted
    constant : it says the same of everything
    """

    judge: str
    kind: str
    prompts: int
    calls: Calls
    accuracy: Share
    slices: Mapping[str, Share]
    biases: tuple[Bias, ...]
    consistency: Mapping[str, Share]
    base: Base
    reliability: Reliability | None = None
    agreement: Agreement | None = None
    rings: str = ""
    examples: Mapping[str, str] = field(default_factory=dict)
    carried: Mapping[str, Consequence] = field(default_factory=dict)
    needed: float | None = None
    runs: Mapping[float, Consequence] = field(default_factory=dict)
    noise: Noise | None = None
    threshold: float = math.nan
    constant: bool = False
    notes: tuple[str, ...] = ()
    command: str = ""

    # -- the answer -------------------------------------------------------------------------------
    @property
    def word(self) -> str:
        """USABLE, BIASED, USELESS or INCONCLUSIVE."""
        low, high = self.accuracy.interval
        if self.constant or (self.accuracy.n and high <= 0.5):
            return USELESS
        if not self.accuracy.n or self.accuracy.n < FEW:
            return INCONCLUSIVE
        if low <= 0.5:
            coin = self.accuracy.value < 0.6 and high - low <= TELLING
            return USELESS if coin else INCONCLUSIVE
        return BIASED if self.swayed else USABLE

    @property
    def swayed(self) -> list[Bias]:
        """The biases that are clear, largest first."""
        clear = [b for b in self.biases if b.word == "biased"]
        return sorted(clear, key=lambda b: -abs(b.effect))

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """0 for a usable judge, else 1."""
        return 0 if self.word == USABLE else 1

    @property
    def slope(self) -> float:
        """2 a - 1: what is left of a label's signal in the judge's preferences."""
        return 2 * self.accuracy.value - 1

    def headline(self) -> str:
        """The word and why, in one line."""
        if self.constant:
            return f"{self.word}: it says the same of everything, so that no answer tells anything"
        if not self.accuracy.n:
            return f"{self.word}: no right text could be held against a wrong one"
        low, high = self.accuracy.interval
        said = (
            f"{self.word}: a right text wins over a wrong one in {100 * self.accuracy.value:.0f} % "
            f"({100 * low:.0f} to {100 * high:.0f}), usable slope {self.slope:+.2f}"
        )
        swayed = [f"{b.name} {b.effect:+.2f}" for b in self.swayed]
        return f"{said}; swayed by {', '.join(swayed)}" if swayed else said

    def need(self) -> str:
        """The accuracy that the reward needs, in one line; "" where no run was made."""
        if not self.runs or self.noise is None:
            return ""
        own = self.noise.accuracy
        start = f"Verdicts of this judge are right in {100 * own:.0f} %"
        if self.needed is None:
            return f"{start}; not even true labels are safe for such a base"
        if self.word == USELESS:
            turned = self.accuracy.interval[1] < 0.5
            what = "they teach the contrary" if turned else "they hold no signal to learn from"
            return (
                f"{start}: {what}; for a run on verdicts to be safe they would have to be right in "
                f"{100 * self.least:.0f} %"
            )
        if self.needed <= own + 1e-9:
            return f"{start}, which is accurate enough for a run on them to be safe"
        return (
            f"{start}; for a run on them to be safe it would need {100 * self.needed:.0f} %, with "
            "errors of the same shape"
        )

    @property
    def least(self) -> float:
        """`needed`, or the least accuracy above chance that was tried, for a judge of no signal."""
        tried = [a for a in self.runs if a > max(self.needed or 0.0, CHANCE) - 1e-9]
        return min(tried, default=1.0)

    def lines(self) -> list[str]:
        """The repr: word, what is needed, what was asked."""
        asked = f"{self.judge}: {self.prompts} prompts, {self.calls.answered} answers"
        return [x for x in (self.headline(), self.need(), asked) if x]

    # -- tables -----------------------------------------------------------------------------------
    def bias_table(self) -> Table:
        """Every bias with what it does to training."""
        rows: list[list[Any]] = []
        for b in self.biases:
            done = self.carried.get(b.name)
            rows.append([
                b.name, _signed(b.effect), _range(b.interval) if b.n else "", b.word,
                *(("", "") if done is None else self._against(done)), b.says,
            ])  # fmt: skip
        for name in (ALL, NOISE):
            if name in self.carried:
                done = self.carried[name]
                rows.append([name, "", "", done.word, *self._against(done, name == NOISE), ""])
        caption = (
            "Effect in [-1, 1]: how much more often what is named wins, between equally right "
            "texts. Accuracy and length: of a run on its scores, less one on its noise alone"
        )
        return Table("biases", ("bias", "effect", "95 %", "word", "accuracy (points)", "length",
                                "positive means"), rows, caption)  # fmt: skip

    def _against(self, done: Consequence, itself: bool = False) -> tuple[str, str]:
        plain = self.carried.get(NOISE)
        if itself or plain is None:
            return f"{100 * done.accuracy:+.1f} of the base", f"x {done.length:.2f}"
        moved = 100 * (done.accuracy - plain.accuracy)
        return f"{moved:+.1f}", f"x {done.length / plain.length:.2f}"

    def slice_table(self) -> Table:
        """Accuracy and usable slope by kind of pair."""
        rows = [[name, s.n, f"{s.value:.3f}", _range(s.interval), _signed(2 * s.value - 1)]
                for name, s in {"all": self.accuracy, **self.slices}.items() if s.n]  # fmt: skip
        heads = ("right against wrong", "prompts", "a", "95 %", "slope 2a - 1")
        return Table("slices", heads, rows, "How often the right text wins, a tie being half")

    def other_table(self) -> Table:
        """Consistency, calibration, agreement."""
        names = {
            "order": "the same verdict in both orders",
            "paraphrase": "the same verdict in other words",
            "rings": "triples of texts that beat each other in a ring",
        }
        rows: list[list[Any]] = [
            [names[k], f"{s.value:.3f}", _range(s.interval), s.n]
            for k, s in self.consistency.items()
            if s.n
        ]
        r, g = self.reliability, self.agreement
        if r is not None and r.probabilities:
            rows.append(["calibration error", f"{r.error:.3f}", _range(r.interval), sum(r.count)])
        if g is not None:
            rows.append([f"equal verdicts with {g.other}", f"{g.share:.3f}", "", g.n])
            rows.append(["Cohen's kappa of both", _number(g.kappa), _range(g.interval), g.n])
        return Table("others", ("measure", "value", "95 %", "n"), rows, "Consistency and agreement")

    def noise_table(self) -> Table:
        """Wrong verdicts by class."""
        rows: list[list[Any]] = []
        if self.noise is not None:
            ends = [0.0, *self.noise.edges, math.inf]
            for k, (missed, let) in enumerate(
                zip(self.noise.false_negative, self.noise.false_positive, strict=True)
            ):
                name = f"{ends[k]:g} to {ends[k + 1]:g} times the usual length"
                rows.append([name, _rate(missed), _rate(let)])
            rows.append(["answer without a mark", "", _rate(self.noise.unread)])
            rows.append(["cut off", "", _rate(self.noise.cut)])
        said = (
            ""
            if math.isnan(self.threshold)
            else f", accepting from a score of {self.threshold:.4g}"
        )
        return Table("errors", ("class", "false negatives", "false positives"), rows,
                     f"Wrong verdicts with 95 % intervals{said}")  # fmt: skip

    # -- pictures ---------------------------------------------------------------------------------
    def pictures(self) -> tuple[Picture, ...]:
        """Biases, reliability, accuracy needed."""
        drawn = [self._biases()] if any(b.n for b in self.biases) else []
        r = self.reliability
        if r is not None:
            label = "answer" if r.probabilities else "score"
            curves = [Curve("this judge", r.said, r.right, style="points")]
            if r.probabilities:
                curves.append(Curve("calibrated", [0.0, 1.0], [0.0, 1.0], style="dashed"))
            caption = f"{sum(r.count)} answers in {len(r.count)} bins."
            axes = (f"{label} (mean of a bin)", "share that is right")
            drawn.append(
                Picture("reliability", "Reliability", *axes, tuple(curves), caption=caption)
            )
        if self.runs:
            at = sorted(self.runs)
            ends = [self.runs[a] for a in at]
            curves = (
                Curve("5 points below the base", at, [e.p_loss_5 for e in ends]),
                Curve("10 points below true labels", at, [e.p_behind_10 for e in ends]),
                Curve("risky from (the first)", [at[0], at[-1]], [PILOT] * 2, style="dashed"),
                Curve("risky from (the second)", [at[0], at[-1]], [LAGGING] * 2, style="dashed"),
            )
            title = "How accurate its verdicts would have to be"
            axes = ("accuracy of verdicts, errors of the same shape", "chance that a run ends")
            drawn.append(Picture("needed", title, *axes, curves, caption=self.need()))
        return tuple(drawn)

    def _biases(self) -> Picture:
        shown = [b for b in self.biases if b.n]
        places = list(range(len(shown)))
        bars = Curve("effect", [b.effect for b in shown], places)
        ends = tuple(Curve(name, [b.interval[k] for b in shown], places, style="points")
                     for k, name in enumerate(("95 % from", "to")))  # fmt: skip
        return Picture("biases", "What sways the judge beside the truth",
                       "how much more often it wins, of equally right texts", "", (bars, *ends),
                       labels=[b.name for b in shown])  # fmt: skip

    # -- forms ------------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """JSON form, schema toyrl.audit-judge."""
        return {
            "schema": schemas.tag("audit-judge"),
            "judge": self.judge,
            "kind": self.kind,
            "word": self.word,
            "headline": self.headline(),
            "exit_code": self.exit_code,
            "prompts": self.prompts,
            "calls": vars(self.calls),
            "accuracy": self.accuracy.to_dict(),
            "slope": None if math.isnan(self.slope) else self.slope,
            "slices": {k: s.to_dict() for k, s in self.slices.items()},
            "biases": [b.to_dict() for b in self.biases],
            "consistency": {k: s.to_dict() for k, s in self.consistency.items()},
            "ring": self.rings,
            "examples": dict(self.examples),
            "reliability": None if self.reliability is None else self.reliability.to_dict(),
            "agreement": None if self.agreement is None else self.agreement.to_dict(),
            "base": vars(self.base),
            "consequences": {k: c.to_dict() for k, c in self.carried.items()},
            "needed_accuracy": self.needed,
            "runs": [{"accuracy": a, **c.to_dict()} for a, c in sorted(self.runs.items())],
            "noise": None if self.noise is None else self.noise.to_dict(),
            "threshold": None if math.isnan(self.threshold) else self.threshold,
            "constant": self.constant,
            "notes": list(self.notes),
            "command": self.command,
        }

    def all_tables(self) -> tuple[Table, ...]:
        """The tables that have rows."""
        made = (self.bias_table(), self.slice_table(), self.other_table(), self.noise_table())
        return tuple(t for t in made if t.rows)

    def forms(self) -> dict[str, Callable[[], str]]:
        """.html: the page; .csv, .md: the biases; .svg: the first picture."""
        from toyrl.experiments.render.html import audit_page
        from toyrl.experiments.render.svg.pictures import svg

        me: Any = self  # a type checker meets this file under two paths
        drawn = self.pictures()
        return {
            ".html": lambda: audit_page(me),
            **tables(self.bias_table()),
            **({".svg": lambda: svg(drawn[0], standalone=True)} if drawn else {}),
        }


CHANCE = 0.55
"""Accuracy of verdicts up to which they count as chance."""
FEW = 8
"""Prompts below which nothing is said of a judge."""
TELLING = 0.4
"""Width of the accuracy's interval up to which a judge near a half counts as a coin."""


def _signed(x: float) -> str:
    return "" if math.isnan(x) else f"{x:+.2f}"


def _number(x: float) -> str:
    return "undefined" if math.isnan(x) else f"{x:.3f}"


def _range(interval: tuple[float, float]) -> str:
    low, high = interval
    return "" if math.isnan(low) else f"{low:.2f} to {high:.2f}"


def _rate(r: Any) -> str:
    low, high = r.interval
    return "not seen" if not r.n else f"{r.value:.2f} ({low:.2f} to {high:.2f}, n={r.n})"
