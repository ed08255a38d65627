"""Pictures, each with the command that draws it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docs.generate.text import escaped

PATH = "gallery.md"
HEAD = """# Gallery

Every picture here is drawn by the command under it.
"""
LENGTH = "python -m docs.generate.length"
PHASE = "python -m docs.generate.phase_maps"
KEPT = {
    "report.png": ("A report", "toyrl validate examples/rewards/correct_minus_length.py:reward"),
    "forecast-ways.svg": ("Four rewards on one base", "python -m docs.generate.forecast"),
    "calibrate.svg": (
        "A log's path, and beyond it",
        "toyrl calibrate rollouts.jsonl --out calibrated",
    ),
    **{
        f"length-{law}-{kind}.svg": (f"Length penalties, {law}: {kind}", LENGTH)
        for law in ("short", "thinking")
        for kind in ("all", "limits", "right")
    },
    **{
        f"phase-{partner}-additive.svg": (f"Additive penalty: weight and {partner}", PHASE)
        for partner in ("easy", "redundancy", "ability", "group", "guess", "flag", "normalisation")
    },
    "mdp-gridworld.svg": ("A walk to the goal", "python -m docs.generate.gridworld"),
    "token-tree.svg": ("Texts as a tree", "python -m docs.generate.token_tree"),
    "selection-best-of-k-gold.svg": ("Best of k", "python -m docs.generate.selection"),
    "selection-best-of-k-tilt.svg": ("Best of k and the tilt", "python -m docs.generate.selection"),
    "selection-goodhart.svg": ("Four ways to go wrong", "python -m docs.generate.selection"),
    "selection-saved.svg": ("Rejecting early", "python -m docs.generate.selection"),
    "selection-trade-off.svg": ("Gain against cost", "python -m docs.generate.selection"),
    "transfer-scatter.svg": ("Predicted and measured", "toyrl transfer --suite small --out small"),
    "transfer-additive.svg": ("The toy and three runs", "toyrl transfer --suite small --out small"),
    "transfer-scatter-refit.svg": (
        "The same, predicted again",
        "toyrl transfer --measured docs/results/transfer-small.json --out again",
    ),
}
"""Pictures that lie in docs/images: what each shows, and its command."""


def page(results: Mapping[str, Any]) -> str:
    """The page; results : experiment id -> result of its quick configuration."""
    lines = [HEAD]
    for name, (title, command) in KEPT.items():
        lines += _shown(title, f"images/{name}", command)
    lines.append("## Claims\n")
    for experiment, result in results.items():
        for p in result.pictures:
            command = f"toyrl reproduce {experiment} --smoke --out results"
            lines += _shown(p.title, f"papers/images/{experiment}-{p.name}.svg", command)
    return "\n".join(lines)


def _shown(title: str, path: str, command: str) -> list[str]:
    return [f"![{escaped(title)}]({path})", "", f"{escaped(title)}:", "", f"    {command}", ""]
