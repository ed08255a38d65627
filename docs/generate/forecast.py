"""Picture and tables of docs/forecast.md, made anew by

python -m docs.generate.forecast            the picture, seconds
python -m docs.generate.forecast --tables   docs/results/behaviour.md too, minutes
"""

from __future__ import annotations

import io
import sys
from typing import Any

from docs.generate.modules import ROOT

PICTURE = ROOT / "docs" / "images" / "forecast-ways.svg"
TABLES = ROOT / "docs" / "results" / "behaviour.md"
STUDY, ZOO = "transfer-small", "zoo-dev"
BASE = {"accuracy": 0.569, "length": 10177.0, "limit": 16384.0}
WAYS = {
    "correctness alone": ("outcome()", None),
    "bonus within 4096": ("laser(target=4096, alpha=0.5)", "05-laser-4096"),
    "nothing beyond 4096": ("truncation(target=4096, wrong=-0.5)", "05-truncation-4096"),
    "shorter than siblings": (
        "efficient_reasoning(alpha=0.2, ddof=1, eps=1e-6)",
        "05-group",
    ),
}
POINTS = 100.0


def picture() -> str:
    """Accuracy and length on the way, bands over worlds, published ends beside them."""
    import matplotlib as mpl
    import numpy as np
    from matplotlib.figure import Figure

    from toyrl.experiments.backtest.came import CAME
    from toyrl.expressions import parse, parse_estimator
    from toyrl.worlds.behaviour import prior
    from toyrl.worlds.behaviour.training import Plan, train
    from toyrl.worlds.behaviour.worlds import fitted

    w = fitted(prior.drawn(32, None, BASE["length"]), **BASE)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "forecast", "font.size": 8}):
        figure = Figure((8.0, 4.2), layout="constrained")
        panels: Any = figure.subplots(2, len(WAYS), sharex=True, sharey="row")
        for k, (name, (reward, came)) in enumerate(WAYS.items()):
            path = train(w, parse(reward), parse_estimator("grpo_verl"), Plan(beta=1e-3, looks=10))
            change = POINTS * (path.accuracy - path.accuracy[0])
            factor = path.length / path.length[0]
            ends = (None, None) if came is None else (CAME[came].base, CAME[came].length)
            for row, values, level, end in (
                (0, change, 0.0, ends[0]),
                (1, factor, 1.0, ends[1]),
            ):
                axes = panels[row, k]
                low, middle, high = np.quantile(values, [0.05, 0.5, 0.95], axis=1)
                axes.axhline(level, color="0.6", linewidth=0.8)
                axes.fill_between(path.step, low, high, color=f"C{k}", alpha=0.25, linewidth=0)
                axes.plot(path.step, middle, color=f"C{k}")
                if end is not None:
                    axes.plot([1.0], [end], "D", color="0.15", markersize=5, clip_on=False)
                axes.spines[["top", "right"]].set_visible(False)
            panels[0, k].set_title(name, fontsize=8)
        panels[0, 0].set_ylabel("accuracy, points")
        panels[1, 0].set_ylabel("length over the base's")
        figure.supxlabel("share of the run")
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def tables() -> str:
    """The page of ablations."""
    from toyrl.experiments.backtest import ledger
    from toyrl.experiments.forecast import ablations, measured, published

    results = ROOT / "docs" / "results"
    files = (results / f"{STUDY}.json", results / f"{STUDY}-predictions.json")
    kept = ledger.load(ROOT / "docs" / "ledger.json")
    parts = [HEAD]
    dev = [c for pair in measured.files(results / ZOO) for c in measured.cases(*pair)]
    for title, cases in (
        ("Published runs", published.cases(kept)),
        (f"Measured: {STUDY}", measured.cases(*files)),
        (f"Measured: {ZOO}, the development bases", dev),
    ):
        parts.append(f"## {title}\n\n{ablations.table(ablations.forecasts(cases))}\n")
    return "\n".join(parts)


HEAD = """# Behaviour worlds: what each mechanism is worth

Every mechanism of the [model of real rollouts](../forecast.md) left out in turn, the same runs as
on the [score board](scoreboard.md), whose page says what the columns mean. Made by
`python -m docs.generate.forecast --tables`. *Without*: the worlds don't have it; *held*: training
doesn't move it. The last line chooses how far runs go on the other papers and scores the one left
out. With so few runs differences of 0.02 in the Brier score say nothing.
"""


def main() -> None:
    """Write what the arguments ask for."""
    PICTURE.write_text(picture(), encoding="utf-8")
    if "--tables" in sys.argv[1:]:
        TABLES.write_text(tables(), encoding="utf-8")


if __name__ == "__main__":
    main()
