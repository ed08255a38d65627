"""The answer of `toyrl credit`: what it says, draws and writes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toyrl import schemas
from toyrl.experiments.core import Curve as Line
from toyrl.experiments.core import Picture
from toyrl.experiments.core import Table as Shown
from toyrl.experiments.credit import advantages as tokens
from toyrl.experiments.credit.fit import Fitted
from toyrl.experiments.credit.identified import Unidentified
from toyrl.experiments.credit.table import Table
from toyrl.experiments.results import Answer
from toyrl.models.linear import LinearScorer

SIGMAS = 2.0
"""Standard errors by which held-out errors must differ to be called so."""
YES = {True: "yes", False: "no"}
SHOWN = 3
"""Right and wrong completions of the page, each."""


@dataclass(frozen=True)
class Example:
    """A completion of the page; pieces : (text, step reward, depth of its colour in -1..1)."""

    line: int
    prompt: str
    returned: float
    pieces: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True, repr=False)
class Credit(Answer):
    """Step rewards of one log.

    table : what was read; fitted : the models; unsure : what isn't identified
    by : whose step rewards are handed on, "ridge", "rrd" or "uniform"; residual : "end", "spread"
    or "drop"; steps : (S,) rewards and advantages of all steps
    """

    table: Table
    factors: str
    fitted: Fitted
    unsure: tuple[Unidentified, ...]
    by: str
    residual: str
    split: str
    penalty: float
    picked: int
    steps: tokens.Advantages
    notes: Sequence[str] = ()
    command: str = ""

    # -- what it says ----------------------------------------------------------------------------
    @property
    def tells(self) -> bool:
        """Held-out returns are predicted better than by equal parts, beyond two standard errors."""
        return self.fitted.gain - SIGMAS * self.fitted.gain_error > 0  # NaN: False

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """0 where the factors tell who earned the return on rollouts held out, else 1."""
        return int(not self.tells)

    @property
    def scorer(self) -> LinearScorer:
        """The model of step rewards that is handed on; of equal parts, ridge's."""
        return self.fitted.scorers.get(self.by, self.fitted.scorers["ridge"])

    def answer(self) -> str:
        """The answer, in a sentence."""
        f = self.fitted
        if math.isnan(f.gain):
            return "too few rollouts that differ to hold any out: what the fit is worth isn't known"
        size = f"{abs(f.gain):.1%} ± {f.gain_error:.1%}"
        if self.tells:
            where = " within prompts" * (self.table.baseline == "group")
            return f"the factors explain {size} of held-out differences of returns{where}"
        size = "-" * (f.gain < 0) + size
        return f"the factors explain no held-out returns ({size}): their credit is noise"

    def lines(self) -> list[str]:
        """What was read, what the factors tell, and the weights."""
        t = self.table
        head = f"{t.log.rollouts.shape[0]} prompts, {len(t.returns)} rollouts, {len(t.x)} steps"
        told = ", ".join(f"{n} {w:+.3g}" for n, w in zip(t.names, self.scorer.weight, strict=True))
        return [f"{self.answer()}", head, f"per step: {told}"]

    def groups(self) -> dict[str, int]:
        """Prompts by what they tell: told, right, wrong, alike (another return), alone."""
        t, G = self.table, int(self.table.groups.max()) + 1
        size, first = np.bincount(t.groups, minlength=G), np.zeros(G)
        first[t.groups] = t.returns
        told = np.zeros(G, dtype=bool)
        told[t.groups] = t.told
        tied = ~told & (size > 1)
        return {
            "told": int(told.sum()),
            "right": int((tied & (first == 1)).sum()),
            "wrong": int((tied & (first == 0)).sum()),
            "alike": int((tied & (first != 1) & (first != 0)).sum()),
            "alone": int((~told & (size == 1)).sum()),
        }

    def _weights(self) -> list[tuple[Any, ...]]:
        """(factor, ridge's weight, its error or None, RRD's, mean, identified) of each factor."""
        f, t = self.fitted, self.table
        unsure, mean = {n for u in self.unsure for n in u.factors}, t.x.mean(0)
        errors = [None if math.isnan(e) else e for e in f.error.tolist()]
        numbers = zip(t.names, f.weight.tolist(), errors, f.scorers["rrd"].weight.tolist(),
                      mean.tolist(), strict=True)  # fmt: skip
        return [(*row, row[0] not in unsure) for row in numbers]

    def weights(self) -> Shown:
        """A row for each factor, in four digits."""
        rows = [
            [
                name,
                *(None if x is None else float(f"{x:.4g}") for x in told),
                YES[sure],
            ]
            for name, *told, sure in self._weights()
        ]
        return Shown("weights", ("factor", "pays per unit", "standard error", "plain RRD", "mean",
                                 "identified"), rows)  # fmt: skip

    def doubts(self) -> list[str]:
        """What the returns don't tell, a sentence each."""
        g, out = self.groups(), [u.says for u in self.unsure]
        many = {"right": "all right", "wrong": "all wrong", "alike": "all of one return"}
        tied = [f"{g[k]} {said}" for k, said in many.items() if g[k]]
        if tied:
            out.append(f"{' and '.join(tied)} of {sum(g.values())} prompts say nothing about which "
                       "step earned it; their rollouts are not fitted to")  # fmt: skip
        if g["alone"] and self.table.baseline == "group":
            out.append(f"{g['alone']} prompts have one rollout: no sibling to differ from")
        return out

    # -- what it draws ---------------------------------------------------------------------------
    def picture(self) -> Picture | None:
        """Held-out error against N beside the law; None where nothing was held out."""
        c = self.fitted.curve
        if c is None:
            return None
        n = c.n.tolist()
        lines = (
            Line("ridge", n, c.ridge.tolist(), c.low.tolist(), c.high.tolist()),
            Line(f"plain RRD, K {self.picked}", n, c.rrd.tolist()),
            Line("the law σ²(1 + D/(N - D - 1))", n, c.law.tolist(), style="dashed"),
            Line("equal parts", n, [c.uniform] * len(n), style="dashed"),
        )
        return Picture("error", "How many rollouts are enough?", "differences of returns N",
                       "squared error of a held-out return", curves=lines, log_x=True,
                       caption="Band: two standard errors over random splits. The law takes the "
                       "factors' sums as normal.")  # fmt: skip

    def examples(self) -> list[Example]:
        """Right and wrong completions whose steps differ most, of different prompts."""
        t, start = self.table, np.append(0, np.cumsum(self.table.steps))
        paid = self.scorer.score(t.x) if self.by != "uniform" else self.steps.reward
        low, high = np.full(len(t.returns), np.inf), np.full(len(t.returns), -np.inf)
        np.minimum.at(low, t.which, paid)
        np.maximum.at(high, t.which, paid)
        spread = np.where(t.steps > 1, high - low, -1.0)
        middle, chosen, seen = (t.returns.min() + t.returns.max()) / 2, [], set()
        for side in (t.returns > middle, t.returns <= middle):
            mine: list[int] = []
            for i in np.argsort(-np.where(side, spread, -2.0), kind="stable")[: 50 * SHOWN]:
                if len(mine) < SHOWN and side[i] and t.steps[i] and t.groups[i] not in seen:
                    mine.append(int(i))
                    seen.add(t.groups[i])
            chosen += mine
        most = max((np.abs(paid[start[i] : start[i + 1]]).max() for i in chosen), default=0.0)
        most = float(most) or 1.0
        out = []
        for i in chosen:
            own, text = paid[start[i] : start[i + 1]], t.rows[i].completion
            pieces = [(text[a:b], float(x), float(x / most)) for (a, b), x in
                      zip(t.spans[i], own, strict=True)]  # fmt: skip
            out.append(Example(t.log.lines[i], t.rows[i].prompt, float(t.returns[i]), (*pieces,)))
        return out

    # -- what it writes --------------------------------------------------------------------------
    def save_advantages(self, path: str | Path, *, tokenizer: str | None = None) -> Path:
        """Write a (B, T) table of advantages, FILE.npz (padded) or FILE.jsonl (a row each).

        tokenizer : the model's id or folder, for the tokens' places; None: T equal parts

        Raises UsageError for another suffix and a place or tokenizer that can't be used.
        """
        from toyrl.experiments.commands.output import refuse_unwritable

        place = Path(path)
        refuse_kind(place)
        refuse_unwritable("advantages", place)
        offsets = None if tokenizer is None else tokens.offsets_by(tokenizer)
        tokens.save(self.table, self.steps, place, offsets)
        return place

    def to_dict(self) -> dict[str, Any]:
        """The JSON document."""
        f, t, c = self.fitted, self.table, self.fitted.curve
        keys = ("factor", "weight", "error", "rrd", "mean", "identified")
        weights = [dict(zip(keys, row, strict=True)) for row in self._weights()]
        curve = None if c is None else {
            "n": c.n, "ridge": c.ridge, "low": c.low, "high": c.high, "rrd": c.rrd,
            "law": [None if math.isinf(x) else x for x in c.law.tolist()], "uniform": c.uniform,
        }  # fmt: skip
        return {
            "schema": schemas.tag("credit"),
            "command": self.command,
            "log": t.name,
            "factors": self.factors,
            "returns": t.returned,
            "rollouts": len(t.returns),
            "steps": len(t.x),
            "split": self.split,
            "baseline": t.baseline,
            "prompts": self.groups(),
            "differences": f.free,
            "noise": f.sigma2,
            "penalty": self.penalty,
            "picked": self.picked,
            "by": self.by,
            "residual": self.residual,
            "weights": weights,
            "unidentified": [vars(u) | {"factors": list(u.factors)} for u in self.unsure],
            "gain": None if math.isnan(f.gain) else f.gain,
            "gain_error": None if math.isnan(f.gain_error) else f.gain_error,
            "curve": curve,
            "notes": list(self.notes),
            "exit_code": self.exit_code,
        }

    def forms(self) -> dict[str, Callable[[], str]]:
        """.html: the page; .csv and .md: the weights; .svg: the picture, where there is one."""
        from toyrl.experiments.render.folder import csv_table, markdown_table
        from toyrl.experiments.render.html import credit_page
        from toyrl.experiments.render.svg.pictures import svg

        drawn, out = self.picture(), {
            ".html": lambda: credit_page(self),
            ".csv": lambda: csv_table(self.weights()),
            ".md": lambda: markdown_table(self.weights()),
        }  # fmt: skip
        return out if drawn is None else {**out, ".svg": lambda: svg(drawn, standalone=True)}

    def card(self) -> str:
        """The weights."""
        from toyrl.experiments.render.html import card

        tone = "pass" if self.tells else "warn"
        return card("table", tone=tone, answer=self, table=self.weights())


def refuse_kind(path: Path) -> None:
    """UsageError for a file of advantages of another kind."""
    from toyrl.experiments.errors import UsageError

    if path.suffix.lower() not in tokens.KINDS:
        msg = f"advantages={str(path)!r}: the suffix must be one of {', '.join(tokens.KINDS)}"
        raise UsageError(msg)
