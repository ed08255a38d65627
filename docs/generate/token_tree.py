"""The picture of docs/worlds/tree.md: a prefix tree whose tokens are coloured by their advantage.

`python -m docs.generate.token_tree` writes docs/images/token-tree.svg; a test holds the file equal
to what it would write.
"""

from __future__ import annotations

import numpy as np

from docs.generate.modules import ROOT

PICTURE = ROOT / "docs" / "images" / "token-tree.svg"
# A model was asked for 2*(3+4) some 20 times: what it wrote, how often, whether it was right.
TEXTS = {
    "3+4=7 2*7=14 14": (6, 1),
    "3+4=7 2*7=14 wait 7": (1, 0),
    "3+4=7 2+7=9 9": (2, 0),
    "2*3=6 6+4=10 10": (5, 0),
    "2*3=6 wait 3+4=7 14": (2, 1),
    "14": (1, 1),
    "12": (3, 0),
}
WIDE, HIGH, STEP, ROW, TOP, LEFT = 92, 34, 138, 52, 40, 8
RED, WHITE, BLUE = np.array([178, 40, 40]), np.array([255, 255, 255]), np.array([21, 67, 140])


def svg() -> str:
    """The picture as SVG."""
    from toyrl.worlds.tree.log import from_sequences
    from toyrl.worlds.tree.values import advantage, reach, success

    words = sorted({w for text in TEXTS for w in text.split()})
    counts, rewards = np.transpose(list(TEXTS.values()))
    lists = [[words.index(w) for w in text.split()] for text in TEXTS]
    tree = from_sequences(lists, rewards, counts=counts).tree
    a, share = advantage(tree), reach(tree)
    value = success(tree)
    place = _places(tree)
    size = (LEFT + tree.height * STEP + WIDE + 8, TOP + tree.n_leaves * ROW)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" '
        f'width="{size[0]}" font-family="sans-serif" font-size="13" text-anchor="middle">',
        "<title>A prefix tree, its tokens coloured by their advantage</title>",
        f'<rect width="{size[0]}" height="{size[1]}" fill="#fff"/>',
        f'<text x="{LEFT}" y="20" text-anchor="start" font-size="15">Token, and the chance of a '
        "right answer after it; colour: the advantage of the token</text>",
    ]
    for n in range(1, tree.n_nodes):
        (x, y), (u, v) = place[tree.parent[n]], place[n]
        thick = 1 + 7 * share[n]
        middle = (x + WIDE + u) / 2
        parts.append(
            f'<path d="M{x + WIDE:g},{y:g} C{middle:g},{y:g} {middle:g},{v:g} {u:g},{v:g}" '
            f'fill="none" stroke="#bbb" stroke-width="{thick:.1f}"/>'
        )
    for n in range(tree.n_nodes):
        word = words[tree.token[n]] if n else "2*(3+4)="
        parts += _box(*place[n], word, value[n], a[n] if n else None)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _places(tree) -> list[tuple[float, float]]:
    """Left edge and middle height of each box: leaves one below the other, parents between."""
    from toyrl.worlds.tree.values import reach

    row, heights, share = 0, {}, reach(tree)

    def put(n: int) -> float:
        nonlocal row
        below = sorted(np.flatnonzero(tree.parent == n), key=lambda c: (-share[c], c))
        if not below:
            heights[n] = TOP + ROW * (row + 0.5)
            row += 1
        else:
            each = [put(int(c)) for c in below]
            heights[n] = (each[0] + each[-1]) / 2
        return heights[n]

    put(0)
    return [(LEFT + STEP * int(tree.depth[n]), heights[n]) for n in range(tree.n_nodes)]


def _box(x: float, y: float, word: str, value: float, advantage: float | None) -> list[str]:
    """A node: its word, and the value behind it."""
    fill, ink = "#eee", "#000"
    if advantage is not None:
        size = min(1.0, abs(advantage))
        tone = np.rint(WHITE + ((BLUE if advantage > 0 else RED) - WHITE) * size).astype(int)
        fill, ink = "#{:02x}{:02x}{:02x}".format(*tone), "#fff" if size > 0.55 else "#000"
    told = f"{value:.2f}" if advantage is None else f"{value:.2f} ({advantage:+.2f})"
    middle = x + WIDE / 2
    return [
        f'<rect x="{x:g}" y="{y - HIGH / 2:g}" width="{WIDE}" height="{HIGH}" rx="5" '
        f'fill="{fill}" stroke="#777"/>',
        f'<text x="{middle:g}" y="{y - 3:g}" fill="{ink}" font-weight="bold">{word}</text>',
        f'<text x="{middle:g}" y="{y + 12:g}" fill="{ink}" font-size="11">{told}</text>',
    ]


if __name__ == "__main__":
    PICTURE.write_text(svg(), encoding="utf-8")
