"""What copies of one's own best-paid step add up to, as a picture, a table and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toyrl.experiments.core import Curve, Picture, Table
from toyrl.experiments.validate.steps.edits import COPIES, OTHERS
from toyrl.experiments.validate.steps.paid import DRAWN, JUDGED, SCHEMES, Tried
from toyrl.experiments.validate.steps.say import COPIED, least, mean_gain

NAME = "step-copies"


def _common(found: Sequence[Tried]) -> list[Tried]:
    return [found[0], *(t for t in found if t.edit.name == COPIED)]


def mean_totals(found: Sequence[Tried], scheme: str) -> list[float]:
    """Mean total without and with 1, 2, 4, ... copies, over the texts that all of them fit."""
    shown = _common(found)
    places = set.intersection(*(set(map(int, t.places)) for t in shown))
    out = []
    for t in shown:
        own = np.array([k in places for k in t.places.tolist()], dtype=bool)
        out.append(float(np.nanmean(t.paid[scheme][own])) if own.any() else float("nan"))
    return out


def copies(found: Sequence[Tried], whose: str, *, asked: bool) -> Picture:
    """Total against the number of copies under the returns of the catalogue."""
    x = [0, *COPIES]
    scored = (
        "Copies are scored like any step."
        if asked
        else "A copy is taken to score what its step did, since a column can't be asked again."
    )
    shown = {name: mean_totals(found, name) for name in DRAWN}
    farmed = [n for n, y in shown.items() if y[-1] - y[0] > least(found, n)]
    held = [name for name in DRAWN if name not in farmed]
    rises = ", ".join(farmed) or "none"
    return Picture(
        NAME,
        "What copies of its best-paid step are worth",
        "copies inserted",
        "total of the step scores",
        tuple(
            Curve(name, x, y, style="dashed" if name == "Delta" else "line")
            for name, y in shown.items()
        ),
        caption=f"Mean over {whose}, weight 1, without the outcome. {scored} A line that rises is "
        f"farmed: {rises}. These don't rise: {', '.join(held) or 'none'}.",
    )


def table(found: Sequence[Tried]) -> Table:
    """What every edit adds under every return, and as judged."""
    shown = [t for t in found[1:] if t.edit.name != COPIED or t in _ends(found)]
    columns = ("return", "total", *(_column(t) for t in shown))
    names = [*SCHEMES, *([JUDGED] if JUDGED in found[0].paid else [])]
    rows = [
        [
            name,
            _round(float(np.nanmean(found[0].paid[name]))),
            *(_round(mean_gain(found, name, t)) for t in shown),
        ]
        for name in names
    ]
    caption = "What each edit of the steps adds to a text's total, in the mean; no work is in any."
    return Table("steps", columns, rows, caption)


def data(found: Sequence[Tried], how: str, name: str) -> dict[str, Any]:
    """The JSON form: totals by number of copies, and what the other edits add, by return."""
    names = [*SCHEMES, *([JUDGED] if JUDGED in found[0].paid else [])]
    others = {e.name: next(t for t in found if t.edit is e) for e in OTHERS}
    return {
        "source": name,
        "steps": how,
        "texts": len(found[0].places),
        "copies": [0, *COPIES],
        "totals": {n: mean_totals(found, n) for n in names},
        "added": {
            n: {e: mean_gain(found, n, t) for e, t in others.items() if len(t.places)}
            for n in names
        },
    }


def _ends(found: Sequence[Tried]) -> list[Tried]:
    own = [t for t in found if t.edit.name == COPIED]
    return [own[0], own[-1]]


def _column(t: Tried) -> str:
    if t.edit.name == COPIED:
        return t.edit.what.removeprefix("with ").removesuffix(" of its best-paid step")
    return t.edit.name.removeprefix("step-")


def _round(x: float) -> float:
    return round(x, 4)
