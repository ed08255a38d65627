"""Tables and pictures of docs/length.md, from what `toyrl reproduce length-pareto` runs.

`python -m docs.generate.length` takes a minute and writes docs/results/length-pareto.json and
docs/images/length-*.svg. The page takes its tables from that file (`rows`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docs.generate.modules import ROOT

RESULTS = ROOT / "docs" / "results" / "length-pareto.json"
IMAGES = ROOT / "docs" / "images"


def files() -> dict[Path, str]:
    """File -> its text, from a full run."""
    from toyrl.experiments.papers.length.length_pareto import run
    from toyrl.experiments.render.svg.pictures import svg

    found = run()
    kept = {
        "checks": {c.name: [c.value, c.op, c.bound] for c in found.checks},
        "tables": {t.name: [list(t.columns), *(_plain(r) for r in t.rows)] for t in found.tables},
    }
    out = {RESULTS: json.dumps(kept, indent=1) + "\n"}
    for p in found.pictures:
        out[IMAGES / f"length-{p.name}.svg"] = svg(p, name=p.name, standalone=True) + "\n"
    return out


def _plain(row: Any) -> list[Any]:
    return [round(x, 4) if isinstance(x, float) else x for x in row]


def rows(table: str, base: str) -> str:
    """A Markdown table of one base: `equal` or `published`, numbers rounded for reading.

    Raises KeyError for a table or a base that the file doesn't have.
    """
    heads, *found = json.loads(RESULTS.read_text(encoding="utf-8"))["tables"][table]
    own = [r for r in found if r[1] == base]
    if not own:
        msg = f"no base {base!r} in {RESULTS.name}"
        raise KeyError(msg)
    keep = [i for i, h in enumerate(heads) if h != "base"]
    lines = [[_head(heads[i]) for i in keep], ["---"] + ["---:"] * (len(keep) - 1)]
    lines += [[_cell(heads[i], r[i]) for i in keep] for r in own]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _head(head: str) -> str:
    for estimator in ("grpo_batch", "dr_grpo", "grpo"):
        head = head.replace(f"{estimator}: ", f"`{estimator}` ")
    return head.replace("accuracy over correctness (points)", "points").replace(
        "length over base's", "length"
    )


def _cell(head: str, value: Any) -> str:
    if not isinstance(value, float):
        return str(value) or "-"
    if "points" in head or "worlds" in head:
        return f"{value:+.1f}"
    return f"{value:.2f}" if "length over" in head else f"{value:.3g}"


def main() -> None:
    """Write them."""
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
