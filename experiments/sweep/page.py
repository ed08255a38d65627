"""A page of a sweep: the maps, and sliders over all axes that show any cell's numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from markupsafe import escape

from toyrl.experiments.render.svg.pictures import svg
from toyrl.experiments.sweep.cells import COLUMNS

if TYPE_CHECKING:
    from toyrl.experiments.sweep.result import Sweep

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#20242b;background:#fff}.maps{display:grid;gap:1rem;"
    "grid-template-columns:repeat(auto-fit,minmax(24rem,1fr))}label{display:block;margin:.4rem 0}"
    "input{width:18rem;vertical-align:middle}td,th{padding:.1rem .8rem .1rem 0;text-align:left}"
    "code{word-break:break-all}@media(prefers-color-scheme:dark){body{color:#e4e7ec;"
    "background:#171a20}}"
)
SCRIPT = """
const data = JSON.parse(document.getElementById('cells').textContent);
const sliders = data.axes.map((a, k) => document.getElementById('axis-' + k));
const said = v => typeof v === 'number' ? +v.toPrecision(4) : v;
function show() {
  let place = 0, stride = 1;
  data.axes.forEach((a, k) => {
    const i = Number(sliders[k].value), v = a.values[i];
    document.getElementById('at-' + k).textContent = said(v);
    place += i * stride; stride *= a.values.length;
  });
  const row = data.rows[place];
  data.heads.forEach((h, k) => {
    const v = row ? row[k] : 'not trained';
    document.getElementById('value-' + k).textContent = said(v);
  });
}
sliders.forEach(s => s.addEventListener('input', show));
show();
"""
NAMES = {
    "base_accuracy": "accuracy of the base",
    "accuracy": "accuracy at the end",
    "alone_accuracy": "accuracy under correctness alone",
    "base_length": "mean length of the base (tokens)",
    "length": "mean length at the end (tokens)",
    "kl": "distance from the base (nats a completion)",
    "p_loss_5": "chance of ending 5 points below the base",
    "p_loss_5_error": "its standard error",
    "p_behind_10": "chance of ending 10 points below correctness alone",
}


def page(found: Sweep) -> str:
    """The page, one file without anything from elsewhere."""
    maps = "".join(
        f"<figure>{svg(p, name=f'map-{k}')}</figure>" for k, p in enumerate(found.pictures())
    )
    from toyrl.experiments.render.svg.pictures import CSS

    axes = found.plan.axes
    sliders = "".join(
        f'<label><input type="range" id="axis-{k}" min="0" max="{len(a.values) - 1}" '
        f'value="{len(a.values) // 2}"> {escape(a.label)}: <b id="at-{k}"></b></label>'
        for k, a in enumerate(axes)
    )
    heads = [*(NAMES[c] for c in COLUMNS), "forecast"]
    rows = "".join(
        f'<tr><td>{escape(h)}</td><td id="value-{k}"></td></tr>' for k, h in enumerate(heads)
    )
    cells = [
        [*(round(float(found.columns[c][p]), 5) for c in COLUMNS), str(found.words[p])]
        if found.words[p]
        else None
        for p in found.plan.places()
    ]
    data = {"axes": [{"values": list(a.values)} for a in axes], "heads": heads, "rows": cells}
    text = json.dumps(data).replace("</", "<\\/")
    export = f"<p><code>{escape(found.export_line)}</code></p>" if found.export_line else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(found.plan.reward)}: phase diagram</title>"
        f"<style>{STYLE}{CSS}</style><h1>{escape(found.plan.reward)}</h1>"
        f"<p>{escape(found.sentence)} {escape(found.distance)}</p>{export}"
        f"<div class=maps>{maps}</div>"
        f"<h2>Any cell</h2>{sliders}<table>{rows}</table>"
        f'<script type="application/json" id="cells">{text}</script>'
        f"<script>{SCRIPT}</script></html>"
    )
