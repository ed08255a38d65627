"""docs/length.md: its tables hold every form, and the numbers in its text are theirs."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from docs.generate import length
from docs.generate.modules import ROOT
from toyrl import parse
from toyrl.experiments.papers.length import length_pareto as pareto
from toyrl.experiments.papers.length.pareto_families import FAMILIES
from toyrl.experiments.papers.length.pareto_lab import BASES
from toyrl.experiments.validate import learned
from toyrl.models.conciseness import ConcisenessModel, labels, padded_rows, table
from toyrl.models.linear import Ridge

KEPT = json.loads(length.RESULTS.read_text(encoding="utf-8"))
PAGE = (ROOT / "docs" / "length.md").read_text(encoding="utf-8")


def found(which: str, reward: str, base: str) -> dict[str, float]:
    heads, *rows = KEPT["tables"][which]
    return dict(zip(heads, next(r for r in rows if r[:2] == [reward, base]), strict=True))


def value(check: str) -> float:
    return KEPT["checks"][check][0]


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("table", ["equal", "published"])
def test_tables_hold_every_form(table: str, base: str):
    assert f"<!-- length: {table} {base} -->" in PAGE
    text = length.rows(table, base)
    assert all(f"| {name} |" in text for name in FAMILIES)
    assert "nan" not in text


def test_the_checks_are_those_of_the_experiment():
    wanted = {*pareto.PUBLISHED.values(), *pareto.UNSEEN.values(), pareto.LESS, pareto.SPARES,
              pareto.TIGHTER, pareto.STUCK, pareto.FIXED, pareto.MOVES, pareto.MET, pareto.STILL,
              pareto.ONE}  # fmt: skip
    assert set(KEPT["checks"]) == wanted


@pytest.mark.parametrize(
    ("says", "number"),
    [
        ("by {:.0f} % at most", 100 * math.expm1(value(pareto.FIXED))),
        ("by {:.0f} % at least", 100 * math.expm1(value(pareto.MOVES))),
        ("within {:.1f} points of each other", 100 * value(pareto.ONE)),
        ("{:.0f} % of the saving for about 2 points", 100 * value(pareto.SPARES)),
        ("the fixed one saves {:.0f} %", 100 * value(pareto.STUCK)),
        ("| {:.1f} points on the thinking base", 100 * value(pareto.STILL)),
        ("| {:.1f} points and more |", 100 * value(pareto.PUBLISHED["LASER less truncation"])),
        ("| {:.1f} points and more, in", 100 * value(pareto.PUBLISHED["gated less additive"])),
        ("| {:.1f} points and more, at", 100 * value(pareto.PUBLISHED["GRPO-lambda less uniform"])),
    ],
)
def test_numbers_in_the_text(says: str, number: float):
    assert says.format(number) in PAGE


def test_numbers_from_the_tables():
    points, long = "{}: accuracy over correctness (points)", "{}: length over base's"
    laser = found("published", "LASER", "thinking")
    saved = 100 * (1 - laser[long.format("dr_grpo")])
    assert f"saves {saved:.0f} % for {-laser[points.format('dr_grpo')]:.1f} points" in PAGE
    additive = found("published", "additive", "thinking")
    one, two = (-additive[points.format(e)] for e in ("grpo", "dr_grpo"))
    assert f"takes {one:.0f} points of accuracy instead of {two:.0f}" in PAGE
    cut = -found("published", "truncation", "short")[points.format("dr_grpo")]
    assert f"it costs {cut:.0f} points" in PAGE
    lost = [-found("equal", n, "short")["accuracy over correctness (points)"] for n in FAMILIES
            if found("equal", n, "short")["solved at"] != "-"]  # fmt: skip
    assert f"costs {min(lost):.1f} to {max(lost):.1f} points" in PAGE
    other = [-found("published", n, b)[points.format("grpo")] for b in BASES
             for n in ("additive", "gated", "uniform penalty", "GRPO-lambda", "Kimi")]  # fmt: skip
    assert f"lose {min(other):.0f} to {max(other):.0f}" in PAGE
    laser, crf = ([-found("published", n, b)[points.format("grpo")] for b in BASES]
                  for n in ("LASER", "CRF"))  # fmt: skip
    assert f"`crf` costs at most {max(crf):.1f} points here" in PAGE
    assert f"`laser` {min(laser):.0f} to {max(laser):.0f}; linear" in PAGE
    hapo = [found("published", "HAPO", b) for b in BASES]
    one, two = (sorted(-h[points.format(e)] for h in hapo) for e in ("grpo", "dr_grpo"))
    assert f"takes {one[0]:.0f} to {one[1]:.0f} points under division" in PAGE
    assert f"and {two[0]:.0f} to {two[1]:.0f} without" in PAGE


def test_an_unknown_base_is_refused():
    with pytest.raises(KeyError, match="no base 'long'"):
        length.rows("equal", "long")


def test_the_learned_score_s_table():
    """As the page's own code fits it, and with its labels shuffled."""
    rows = padded_rows(400, seed=1)
    x, y = table(rows), labels(rows)
    plans = (("`crf()`", "crf()", y), ("`conciseness_additive(alpha=3)`",) * 2 + (y,),
             ("the same, fitted to shuffled labels", "conciseness_additive(alpha=3)",
              np.random.default_rng(0).permutation(y)))  # fmt: skip
    for name, reward, target in plans:
        reward = reward.strip("`")
        seen = learned.unseen(ConcisenessModel(Ridge().fit(x, target)))
        told, tables = learned.findings(seen, "m", reward, [(parse(reward), 1.0)])
        (_, true, _), (_, own, _), (_, _, worst) = tables[0].rows
        rms = float(np.sqrt((seen.error**2).mean()))
        line = f"| {name} | {told[0].value:.2f} | {rms:.2g} | {true:.2g}, {own:.2g} | {worst:.2f} |"
        assert line in PAGE
