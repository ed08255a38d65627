"""The pictures of docs/theory/selection.md, as the experiments of papers 57, 35 and 36 draw them.

`python -m docs.generate.selection` writes docs/images/selection-NAME.svg; a test holds the files
equal to what it would write. Only curves in closed form are taken, nothing sampled.
"""

from __future__ import annotations

from pathlib import Path

from docs.generate.modules import ROOT

FOLDER = ROOT / "docs" / "images"
WANTED = ("best-of-k-gold", "best-of-k-tilt", "goodhart", "trade-off", "saved")


def svgs() -> dict[Path, str]:
    """File -> its text."""
    from toyrl.experiments.papers.selection.p35_alignment import alignment
    from toyrl.experiments.papers.selection.p36_early_rejection import early_rejection
    from toyrl.experiments.papers.selection.p57_best_of_k import best_of_k
    from toyrl.experiments.render.svg.pictures import svg

    found = (
        *best_of_k(samples=400, parts=("law", "goodhart")).pictures,
        *alignment(parts=("trade-off",)).pictures,
        *early_rejection(parts=("pictures",)).pictures,
    )
    return {
        FOLDER / f"selection-{p.name}.svg": svg(p, name=p.name, standalone=True) + "\n"
        for p in found
        if p.name in WANTED
    }


def main() -> None:
    """Write the pictures."""
    for path, text in svgs().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
