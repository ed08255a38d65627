"""A calibration in one picture: the log's path, and from the hand-over on the worlds'."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from toyrl.experiments.calibrate.result import Calibration

WIDTH, HEIGHT = 7.6, 3.4  # inches
TICKS = (0.0, 0.1, 0.5, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 150.0, 300.0)
LOG, WORLDS = "#1f68b0", "#b8540f"


def svg(c: Calibration) -> str:
    """Change of accuracy and factor of the length over the distance from the base."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "calibrate", "font.size": 9}):
        figure = Figure((WIDTH, HEIGHT), layout="constrained")
        panels: Any = figure.subplots(1, 2)
        _panel(panels[0], c, "accuracy", "accuracy against the base, points", 100.0)
        _panel(panels[1], c, "length", "mean length over the base's", None)
        figure.supxlabel("distance from the base, nats a rollout")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def _panel(axes: Axes, c: Calibration, name: str, label: str, points: float | None) -> None:
    def scaled(x: np.ndarray) -> np.ndarray:
        return np.exp(x) if points is None else points * x

    r, f = c.reach, c.forecast
    axes.axhline(1.0 if points is None else 0.0, color="0.6", linewidth=0.8)
    axes.fill_between(
        r.nats, scaled(r.low[name]), scaled(r.high[name]), color=LOG, alpha=0.2, linewidth=0
    )
    axes.plot(r.nats, scaled(r.change[name]), color=LOG, label="your log")
    if f is not None and f.nats[-1] > r.end:
        x = np.concatenate([[r.end], f.nats[f.nats > r.end]])
        low, mid, high = (
            scaled(np.concatenate([[own[name][-1]], row[name][f.nats > r.end]]))
            for own, row in ((r.low, f.low), (r.change, f.mid), (r.high, f.high))
        )
        axes.fill_between(x, low, high, color=WORLDS, alpha=0.15, linewidth=0)
        axes.plot(x, mid, color=WORLDS, linestyle="--", label="worlds like it")
    axes.axvline(r.end, color="0.3", linestyle=":", linewidth=1, label="hand-over")
    # Its square root is a distance, of which the log's part would else be a stroke.
    axes.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0.0)), np.square))
    last = r.end if f is None else float(f.nats[-1])
    axes.set_xlim(0.0, max(last, 0.1))
    axes.set_xticks([x for x in TICKS if x <= max(last, 0.1)])
    axes.set_ylabel(label)
    axes.spines[["top", "right"]].set_visible(False)
