"""The picture of docs/worlds/mdp.md: a grid's optimal value and where its policy goes.

`python -m docs.generate.gridworld` writes docs/images/mdp-gridworld.svg; a test holds the file
equal to what it would write.
"""

from __future__ import annotations

import numpy as np

from docs.generate.modules import ROOT

PICTURE = ROOT / "docs" / "images" / "mdp-gridworld.svg"
ROWS = ["S....", ".##..", ".#.X.", "....G"]
SLIP, DISCOUNT = 0.2, 0.95
CELL, GAP, TOP = 64, 40, 34
ARROWS = ((0, -1), (0, 1), (-1, 0), (1, 0))  # up, down, left, right as (dx, dy)


def svg() -> str:
    """The picture as SVG."""
    from toyrl.worlds.mdp.control import optimal
    from toyrl.worlds.mdp.random import gridworld
    from toyrl.worlds.mdp.solve import visits

    mdp = gridworld(ROWS, discount=DISCOUNT, slip=SLIP)
    best = optimal(mdp)
    taken = visits(mdp, best.actions)
    wide = len(ROWS[0]) * CELL
    size = (2 * wide + GAP, TOP + len(ROWS) * CELL)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-4 0 {size[0] + 8} {size[1] + 4}" '
        f'width="{size[0] + 8}" font-family="sans-serif" font-size="13" text-anchor="middle">'
    )
    parts = [head, "<title>Optimal value and discounted visits of a grid</title>"]
    parts.append(f'<rect x="-4" width="{size[0] + 8}" height="{size[1] + 4}" fill="#fff"/>')
    parts += _panel(0, "Optimal value, and an optimal action", best.value, best.actions, mdp)
    parts += _panel(wide + GAP, "Discounted visits of that policy", taken, None, mdp)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(left, title, numbers, actions, mdp) -> list[str]:
    """One grid, shaded by the numbers."""
    high = max(float(np.max(numbers)), 1e-12)
    out = [f'<text x="{left + len(ROWS[0]) * CELL / 2:g}" y="20" font-size="15">{title}</text>']
    s = -1
    for i, row in enumerate(ROWS):
        for j, kind in enumerate(row):
            x, y = left + j * CELL, TOP + i * CELL
            if kind == "#":
                out.append(_square(x, y, "#555"))
                continue
            s += 1
            if mdp.is_terminal[s]:
                out.append(_square(x, y, "#fff"))
                word = {"G": "goal +1", "X": "trap -1"}[kind]
                out.append(f'<text x="{x + CELL / 2:g}" y="{y + CELL / 2 + 5:g}">{word}</text>')
                continue
            share = max(0.0, float(numbers[s])) / high
            out.append(_square(x, y, _shade(share)))
            ink = "#fff" if share > 0.6 else "#000"
            told = f"{numbers[s]:.2f}" + (" start" if kind == "S" else "")
            out.append(f'<text x="{x + CELL / 2:g}" y="{y + 18}" fill="{ink}">{told}</text>')
            if actions is not None:
                out.append(_arrow(x + CELL / 2, y + CELL / 2 + 9, ARROWS[actions[s]], ink))
    return out


def _square(x, y, fill) -> str:
    return f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" fill="{fill}" stroke="#999"/>'


def _shade(share) -> str:
    """White to a dark blue."""
    low, high = np.array([255, 255, 255]), np.array([21, 67, 140])
    red, green, blue = np.rint(low + (high - low) * share).astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"


def _arrow(x, y, way, ink) -> str:
    dx, dy = way
    tip, side = (x + 14 * dx, y + 14 * dy), 6
    back = (tip[0] - 9 * dx, tip[1] - 9 * dy)
    ends = [(back[0] + side * dy, back[1] + side * dx), (back[0] - side * dy, back[1] - side * dx)]
    points = " ".join(f"{a:g},{b:g}" for a, b in [tip, *ends])
    line = f'x1="{x - 14 * dx:g}" y1="{y - 14 * dy:g}" x2="{back[0]:g}" y2="{back[1]:g}"'
    shaft = f'<line {line} stroke="{ink}" stroke-width="2"/>'
    return f'{shaft}<polygon points="{points}" fill="{ink}"/>'


if __name__ == "__main__":
    PICTURE.write_text(svg(), encoding="utf-8")
