"""The answer of `toyrl scaling`: what it says, draws and writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from toyrl import schemas
from toyrl.experiments.core import Curve as Line
from toyrl.experiments.core import Picture, Table
from toyrl.experiments.results import Answer
from toyrl.experiments.scaling.curves import Curve


@dataclass(frozen=True, repr=False)
class Scaling(Answer):
    """Curves over k of one log.

    log, rows, prompts, samples : what was read, and the largest k; gold : column of the truth
    k : (K,); tokens : (K,) mean tokens that k draws cost, None without lengths
    curves : one for each way of selecting; level : of the bands
    axis : "draws" or "tokens", what the picture shows
    """

    log: str
    rows: int
    prompts: int
    samples: int
    gold: str
    k: np.ndarray
    tokens: np.ndarray | None
    curves: tuple[Curve, ...]
    level: float
    axis: Literal["draws", "tokens"] = "draws"
    notes: Sequence[str] = ()
    command: str = ""

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """1 where best of k by some proxy falls again within the k looked at, else 0."""
        return int(any(c.selector == "best of k" and c.hurts is not None for c in self.curves))

    def curve(self, selector: str, proxy: str | None = None) -> Curve:
        """The curve of a selector; KeyError where there is none."""
        for c in self.curves:
            if c.selector == selector and proxy in (None, c.proxy):
                return c
        msg = f"no curve {selector!r}; there are {', '.join(c.name for c in self.curves)}"
        raise KeyError(msg)

    def said(self, c: Curve) -> str:
        """What a curve says, in a sentence."""
        k = self.k
        text = f"{c.name}: {c.gold[0]:.3f} at k = 1, best {c.gold[c.best]:.3f} at k = {k[c.best]}"
        if c.hurts is not None:
            return f"{text}, lower from k = {k[c.hurts]} on: {c.gold[-1]:.3f} at k = {k[-1]}"
        if c.best < len(k) - 1 and c.loss > 0:
            return f"{text}; the fall to {c.gold[-1]:.3f} at k = {k[-1]} is within the band"
        return f"{text}, without a fall"

    def lines(self) -> list[str]:
        """What the log holds, then each way of selecting by a proxy."""
        some = f"{self.prompts} prompt{'s' * (self.prompts > 1)}, {self.rows} row"
        head = f"{self.log}: {some}{'s' * (self.rows > 1)}, k up to {self.samples}"
        chosen = [c for c in self.curves if c.selector in ("pass@k", "oracle", "best of k")]
        return [head, *(self.said(c) for c in chosen)]

    def table(self) -> Table:
        """A row for each way of selecting."""
        rows = []
        for c in self.curves:
            nats = "" if c.kl is None else f"{c.kl[c.best]:.3f} ({c.kl_kind})"
            band = "" if np.isnan(c.low[c.best]) else f"{c.low[c.best]:.3f}..{c.high[c.best]:.3f}"
            alike = f"{self.k[c.alike[0]]}..{self.k[c.alike[1]]}"
            hurts = "" if c.hurts is None else str(self.k[c.hurts])
            ends = f"{c.gold[0]:.3f}", f"{c.gold[-1]:.3f}"
            rows.append([c.name, ends[0], f"{c.gold[c.best]:.3f}", band, int(self.k[c.best]), alike,
                         hurts, ends[1], nats])  # fmt: skip
        return Table(
            "scaling",
            ("selection", "k = 1", "best gold", f"band, {self.level:.0%}", "best k", "as good",
             "hurts from k", f"k = {self.k[-1]}", "KL at the best k (nats)"),
            rows,
            "Gold of what is selected; bands are over prompts and hold for all k at once.",
        )  # fmt: skip

    def long_table(self) -> Table:
        """A row for each way of selecting and k."""
        rows = []
        for c in self.curves:
            for i, k in enumerate(self.k):
                optional = (c.proxy_mean, c.kl, self.tokens)
                paid, nats, tokens = ("" if x is None else float(x[i]) for x in optional)
                low, high = ("" if np.isnan(x[i]) else float(x[i]) for x in (c.low, c.high))
                rows.append([c.selector, c.proxy or "", int(k), tokens, float(c.gold[i]), low, high,
                             paid, nats, c.kl_kind])  # fmt: skip
        return Table(
            "scaling-curves",
            ("selector", "proxy", "k", "tokens", "gold", "low", "high", "mean proxy", "KL",
             "kind of KL"),
            rows,
        )  # fmt: skip

    def picture(self) -> Picture:
        """All curves over draws or tokens, with bands."""
        x = self.k if self.axis == "draws" or self.tokens is None else self.tokens
        drawn = []
        for c in self.curves:
            band = () if np.isnan(c.low).any() else (c.low.tolist(), c.high.tolist())
            style = "dashed" if c.selector in ("softmax", "weighted majority") else "line"
            drawn.append(Line(c.name, x.tolist(), c.gold.tolist(), *band, style=style))
        label = "draws a prompt, k" if x is self.k else "tokens a prompt"
        return Picture(
            "scaling", f"What more samples buy: {self.log}", label, f"gold ({self.gold})",
            curves=tuple(drawn), log_x=True,
            caption=f"Means over {self.prompts} prompts; bands of {self.level:.0%} for all k at "
            "once.",
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """The JSON document."""
        k = self.k

        def curve(c: Curve) -> dict[str, Any]:
            return {
                "selector": c.selector,
                "proxy": c.proxy,
                "temperature": c.temperature,
                "gold": c.gold,
                "low": _nulls(c.low),
                "high": _nulls(c.high),
                "mean_proxy": c.proxy_mean,
                "kl": c.kl,
                "kl_kind": c.kl_kind or None,
                "best_k": int(k[c.best]),
                "as_good": [int(k[i]) for i in c.alike],
                "hurts_from": None if c.hurts is None else int(k[c.hurts]),
                "loss_at_end": c.loss,
            }

        return {
            "schema": schemas.tag("scaling"),
            "command": self.command,
            "log": self.log,
            "rows": self.rows,
            "prompts": self.prompts,
            "samples": self.samples,
            "gold": self.gold,
            "level": self.level,
            "k": k,
            "tokens": self.tokens,
            "notes": list(self.notes),
            "curves": [curve(c) for c in self.curves],
            "exit_code": self.exit_code,
        }

    def forms(self) -> dict[str, Callable[[], str]]:
        """.csv: every k; .md: a row a way of selecting; .svg: the picture."""
        from toyrl.experiments.render.folder import csv_table, markdown_table
        from toyrl.experiments.render.svg.pictures import svg

        return {
            ".csv": lambda: csv_table(self.long_table()),
            ".md": lambda: markdown_table(self.table()),
            ".svg": lambda: svg(self.picture(), standalone=True),
        }

    def card(self) -> str:
        """The picture and the table."""
        from toyrl.experiments.render.html import card
        from toyrl.experiments.render.svg.pictures import svg

        words = {"answer": self, "table": self.table()}
        tone = "fail" if self.exit_code else "pass"
        return svg(self.picture()) + card("table", tone=tone, **words)


def _nulls(x: np.ndarray) -> list[float | None]:
    return [None if np.isnan(v) else float(v) for v in x]
