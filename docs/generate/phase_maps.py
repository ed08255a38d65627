"""The phase maps of docs/length.md, from what `toyrl reproduce phase-maps` runs.

`python -m docs.generate.phase_maps` takes some minutes and writes docs/results/phase-maps.json and
docs/images/phase-*.svg: the maps of the additive penalty, and where every form turns.
"""

from __future__ import annotations

import json
from pathlib import Path

from docs.generate.modules import ROOT

RESULTS = ROOT / "docs" / "results" / "phase-maps.json"
IMAGES = ROOT / "docs" / "images"
SHOWN = "additive"
"""The form whose maps the page shows."""


def files() -> dict[Path, str]:
    """File -> its text, from a full run."""
    from toyrl.experiments.papers.length.phase_maps import run
    from toyrl.experiments.render.svg.pictures import svg

    found = run()
    kept = {
        "checks": {c.name: [c.value, c.op, c.bound, c.holds] for c in found.checks},
        "tables": {t.name: [list(t.columns), *map(list, t.rows)] for t in found.tables},
    }
    out = {RESULTS: json.dumps(kept, indent=1) + "\n"}
    for p in found.pictures:
        if p.name.endswith(SHOWN):
            out[IMAGES / f"phase-{p.name}.svg"] = svg(p, name=p.name, standalone=True) + "\n"
    return out


def rows(_: str = "maps") -> str:
    """Where every form turns, as Markdown."""
    heads, *found = json.loads(RESULTS.read_text(encoding="utf-8"))["tables"]["phase-maps"]
    lines = [heads, ["---"] * 2 + ["---:"] * (len(heads) - 2), *found]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def main() -> None:
    """Write them."""
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
