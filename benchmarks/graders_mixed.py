"""Rewards of many tasks and of checklists, against the same formulas as plain loops and products.

    python benchmarks/graders_mixed.py [--rows 2000] [--repeats 3]

"plain" is what one would write by hand for one row; the product of matrices is what BMAS of a given
embedding wraps, the list of verdicts what a checklist does. Before anything is timed ours and the
plain forms must agree to rounding. Ratios within one run are what to read.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.mdp import in_turns
from benchmarks.timing import show
from toyrl.graders.base import TextRow
from toyrl.graders.likeness.overlap import TOKEN, TokenRows
from toyrl.graders.mixed import Mixed
from toyrl.graders.writing.checklist import Checklist

WORDS = [f"word{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(600)]
MATRIX = np.random.default_rng(0).normal(size=(len(WORDS), 64))


def rows(n: int) -> list[TextRow]:
    """A quarter of each kind; open texts of 40 to 80 words."""
    rng = random.Random(0)

    def text() -> str:
        return " ".join(rng.choices(WORDS[:200], k=rng.randint(40, 80)))

    made: list[Callable[[], tuple[str, str, str]]] = [
        lambda: ("match", rng.choice("ABCD"), "B"),
        lambda: ("chart", str(rng.randint(90, 120)), "107"),
        lambda: ("iou", f"[{rng.randint(0, 20)}, 20, 30, 40]", "[10, 20, 30, 40]"),
        lambda: ("open", text(), text()),
    ]
    out = []
    for i in range(n):
        kind, said, target = made[i % 4]()
        whole = f"<think>so</think>\n<answer>{said}</answer>"
        out.append(TextRow("", whole, {"task_type": kind, "target": target}))
    return out


def ids(text: str) -> list[int]:
    """Row numbers of the words."""
    return [PLACE[w] for w in text.split()]


PLACE = {w: i for i, w in enumerate(WORDS)}


def open_only(some: Sequence[TextRow]) -> list[TextRow]:
    """The rows of open text."""
    return [r for r in some if r.columns["task_type"] == "open"]


def said(row: TextRow) -> str:
    """What stands in the answer tag."""
    return row.completion.split("<answer>")[1].split("</answer>")[0]


def plain_words(some: Sequence[TextRow]) -> list[float]:
    """BMAS of words by sets, with the same tokens."""
    out = []
    for row in some:
        a, b = (TOKEN.findall(t.lower()) for t in (said(row), row.columns["target"]))
        mine, theirs = set(a), set(b)
        out.append((sum(t in theirs for t in a) / len(a) + sum(t in mine for t in b) / len(b)) / 2)
    return out


def plain_products(some: Sequence[TextRow]) -> list[float]:
    """BMAS of an embedding matrix: one product of matrices a row, nothing kept."""
    out = []
    for row in some:
        u, v = (MATRIX[ids(t)] for t in (said(row), row.columns["target"]))
        u, v = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (u, v))
        s = u @ v.T
        out.append(float(s.max(1).mean() + s.max(0).mean()) / 2)
    return out


def plain_checks(some: Sequence[TextRow]) -> list[float]:
    """Eq. 8 with labels, linear length."""
    worth = {"Fully Met": 1.0, "Partially Met": 0.5, "Not Met": 0.0}
    out = []
    for row in some:
        c = row.columns
        d = abs(len(row.completion.split()) - c["target_len"]) / c["target_len"]
        near = 1.0 if d <= 0.1 else max(0.0, 1 - (d - 0.1) / 0.9)
        out.append((near + sum(worth[v] for v in c["verdicts"]) / len(c["verdicts"])) / 2)
    return out


def listed(n: int) -> list[TextRow]:
    """Long texts with five verdicts."""
    rng = random.Random(1)
    labels = ["Fully Met", "Partially Met", "Not Met"]
    return [
        TextRow("", " ".join(rng.choices(WORDS, k=rng.randint(200, 900))),
                {"checklist": list("abcde"), "verdicts": rng.choices(labels, k=5),
                 "target_len": 500})
        for _ in range(n)
    ]  # fmt: skip


def runs(n: int) -> dict[str, dict[str, Callable[[], Any]]]:
    """What is timed: title -> name -> call.

    Raises AssertionError where ours differs from the plain form.
    """
    some, long = rows(n), listed(n)
    texts = open_only(some)
    words, table = Mixed(weight=0.0), Mixed(weight=0.0, embed=TokenRows(MATRIX, ids))
    checks = Checklist()
    for reward, plain, on in ((words, plain_words, texts), (table, plain_products, texts),
                              (checks, plain_checks, long)):  # fmt: skip
        assert np.abs(np.array(reward.grade(on)) - plain(on)).max() < 1e-12
    return {
        f"mixed, all four kinds: {n} rows": {"ours": lambda: words.grade(some)},
        f"mixed, open text by words: {len(texts)} rows": {
            "ours": lambda: words.grade(texts), "plain": lambda: plain_words(texts),
        },
        f"mixed, open text by an embedding matrix: {len(texts)} rows": {
            "ours": lambda: table.grade(texts), "products alone": lambda: plain_products(texts),
        },
        f"checklist: {n} rows": {
            "ours": lambda: checks.grade(long), "plain": lambda: plain_checks(long),
        },
    }  # fmt: skip


def main(n: int = 2000, repeats: int = 3) -> dict[str, float]:
    """Print rates and ratios; title -> rows a second of ours."""
    found = {}
    for title, calls in runs(n).items():
        times = in_turns(calls, repeats)
        count = int(title.rpartition(": ")[2].split()[0])
        found[title] = 1000 * count / times["ours"]
        show(f"{title}, {found[title]:,.0f} a second", times)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    told = parser.parse_args()
    main(told.rows, told.repeats)
