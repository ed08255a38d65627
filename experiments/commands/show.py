"""`toyrl show`: one entry of the catalogue with signature, formula, source, value over length."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toyrl import papers, registry
from toyrl.experiments.commands.catalogue import entry_row, rows
from toyrl.experiments.errors import UsageError
from toyrl.messages import shortened

BLOCKS = "▁▂▃▄▅▆▇█"
NARROW = 40  # lengths that a line of blocks has room for
LIMIT = 512.0
DIGITS = 12  # below which a value is rounding


Line = tuple[str, str]
"""A label, and what stands beside it."""


def run(name: str) -> int:
    """Print every entry of that name; UsageError with near names where there is none."""
    from rich.table import Table

    from toyrl.experiments.render import terminal

    out = terminal.console()
    for row in found(name):
        out.print(f"{row['name']}  ({', '.join(filter(None, (row['kind'], row['family'])))})")
        table = Table.grid(padding=(0, 2, 0, 0))
        for line in lines(row):
            table.add_row(*line)
        out.print(table)
    return 0


def found(name: str) -> list[dict[str, Any]]:
    """The catalogue's lines with this name, one a kind."""
    own = [entry_row(e) for e in registry.entries() if e.name == name]
    own = own or [row for row in rows("experiment") if row["name"] == name]
    if own:
        return own
    near = difflib.get_close_matches(name, [row["name"] for row in rows()], n=3, cutoff=0.6)
    hint = f"did you mean {', '.join(dict.fromkeys(near))}?" if near else "`toyrl list` shows all"
    msg = f"NAME={shortened(name)} is not in the catalogue; {hint}"
    raise UsageError(msg)


def lines(row: Mapping[str, Any]) -> list[Line]:
    """What is known of one entry."""
    out = [("", row["summary"]), *([("", row["formula"])] if row["formula"] else [])]
    if row["kind"] == "experiment":
        return [*out, _source(row), ("run it", f"toyrl reproduce {row['name']}")]
    out += [*_signature(row), _source(row)]
    module, _, target = row["path"].partition(":")
    out.append(("in Python", f"from {module} import {target}"))
    return [*out, *_of_shaper(row)] if row["kind"] == "shaper" else out


def _signature(row: Mapping[str, Any]) -> list[Line]:
    given = ", ".join(f"{k}={v}" if v else k for k, v in row["fields"].items())
    out = [("call", f"{row['name']}({given})")]
    return out + [("", f"{k}: {v}") for k, v in row["ranges"].items()]


def _source(row: Mapping[str, Any]) -> Line:
    cited = [papers.cite(number) for number in (*row["cards"], *row["works"])]
    said = "; ".join([*cited, row["section"]] if row["section"] else cited)
    return "source", f"{said or 'toyrl'} ({row['provenance']})"


# -- of a reward -----------------------------------------------------------------------------------
def _of_shaper(row: Mapping[str, Any]) -> list[Line]:
    """Its value over length and where it can be exported to, if it stands alone."""
    from toyrl import parse

    try:
        shaper = parse(f"{row['name']}()")
    except (TypeError, ValueError):  # it has to be given another reward, or a number
        return [("alone", "no: it takes other rewards or numbers that have no default")]
    return [*_values(shaper), *_exports(shaper)]


def _values(shaper: Any) -> list[Line]:
    values = over_length(shaper)
    if values is None:
        return [("value", "of what a length doesn't say")]
    length, right, wrong, cut = values
    low, high = np.nanmin([*right, *wrong, cut]), np.nanmax([*right, *wrong, cut])
    span = f"from {length[0]:.0f} to {length[-1]:.0f} of {LIMIT:.0f} tokens"
    return [
        ("value", span),
        *(
            (f"  {name}", f"{row[0]:<7.3g}{blocks(row, low, high)} {row[-1]:.3g}")
            for name, row in (("right", right), ("wrong", wrong))
        ),
        ("  cut off", f"{cut:.3g}"),
    ]


def over_length(shaper: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, float] | None:
    """(lengths, values of right, of wrong, of a cut rollout) in a group that has one of each; None
    where a length and being right don't give a value."""
    from toyrl.experiments.validate.reward_law import bench
    from toyrl.experiments.validate.reward_law.law import RewardLaw

    chain = bench.template(int(LIMIT))
    try:
        table = RewardLaw(chain, shaper).table()
    except (TypeError, ValueError, KeyError, NotImplementedError):
        return None
    mean, H = np.asarray(table).mean(0).round(DIGITS), chain.H
    return chain.class_length()[:H], mean[:H], mean[H : 2 * H], float(mean[2 * H])


def blocks(values: Sequence[float] | np.ndarray, low: float, high: float) -> str:
    """A line of block characters, `low` the smallest and `high` the tallest; a gap for NaN."""
    pick = np.linspace(0, len(values) - 1, min(NARROW, len(values))).round().astype(int)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(
        BLOCKS[round((v - low) * scale)] if math.isfinite(v) else " "
        for v in np.asarray(values, dtype=float)[pick]
    )


def _exports(shaper: Any) -> list[Line]:
    try:
        from toyrl.bridge.export.carry import TARGETS, CannotCarry, plan
    except ImportError:
        from toyrl.extras import install

        return [("export", f"known with {install()}")]
    out = []
    for k, target in enumerate(TARGETS):
        try:
            plan(shaper, None, target)
            said = f"{target}: yes"
        except CannotCarry as error:
            said = f"{target}: no, {error}"
        out.append(("export" if k == 0 else "", said))
    return out
