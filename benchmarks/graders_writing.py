"""Rewards of writing and of reasoning patterns against the plain loops that say what they pay.

    python benchmarks/graders_writing.py [--rows 500] [--repeats 3]

"plain" is the released code, or the definition, read line by line in the same process. Before
anything is timed both must agree. Ratios within one run are what to read.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.mdp import in_turns
from benchmarks.timing import show
from toyrl.graders.base import TextRow
from toyrl.graders.likeness.repetition import jaccard
from toyrl.graders.patterns import PHRASES, ReasoningPatterns
from toyrl.graders.writing.long_form import Writing

PATTERNS, FORM = ReasoningPatterns(), Writing(model="none")


def plain_patterns(row: TextRow) -> float:
    """The released reward, read plainly."""
    text = row.completion.lower().partition("<think>")[2]
    score = 0.0
    for phrase in PHRASES:
        score += float(phrase in text)
    words = text.split()
    grams = Counter(tuple(words[i : i + 20]) for i in range(len(words) - 19))
    share = sum(1 for c in grams.values() if c > 1) / len(words[19:]) if words[19:] else 0.0
    return max(0.0, min(1.0, score / 20) - share - text.count("user: "))


def plain_copied(row: TextRow) -> float:
    """The share of copies by comparing every paragraph with all earlier ones."""
    body = row.completion.partition("<answer>")[2].partition("</answer>")[0]
    sets = [frozenset(re.findall(r"\w+", p.lower())) for p in re.split(r"\n\s*\n", body)]
    dup = [any(jaccard(s, t) >= 0.8 for t in sets[:j]) for j, s in enumerate(sets)]
    return sum(dup) / len(dup)


def rows(n: int, paragraphs: int = 20, words: int = 100) -> list[TextRow]:
    """Texts in the paper's layout; a tenth of the paragraphs is written again with a new word."""
    rng = random.Random(0)
    known = [f"word{i}" for i in range(3000)]
    out = []
    for _ in range(n):
        body: list[str] = []
        for _ in range(paragraphs):
            again = body and rng.random() < 0.1
            body.append(f"{rng.choice(body)} {rng.choice(known)}" if again
                        else " ".join(rng.choices(known, k=words)))  # fmt: skip
        thought = " so ".join(rng.choices(PHRASES, k=15))
        text = "\n\n".join(body)
        out.append(TextRow("", f"<think>{thought}</think><answer>{text}</answer>"))
    return out


def runs(n: int) -> dict[str, dict[str, Callable[[], Any]]]:
    """What is timed: title -> name -> call.

    Raises AssertionError where a reward differs from its plain loop.
    """
    some: Sequence[TextRow] = rows(n)
    copied = [g.facts["copied"] for g in FORM.grade_parts(some)]
    assert np.allclose(copied, [plain_copied(r) for r in some], atol=1e-12)
    assert np.allclose(PATTERNS.grade(some), [plain_patterns(r) for r in some], atol=1e-12)
    return {
        "writing, 20 paragraphs": {
            "ours": lambda: FORM.grade_parts(some),
            "plain copies alone": lambda: [plain_copied(r) for r in some],
        },
        "reasoning_patterns, 2,000 words": {
            "ours": lambda: PATTERNS.grade(some),
            "plain": lambda: [plain_patterns(r) for r in some],
        },
    }


def main() -> None:
    """Print rates and ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    told = parser.parse_args()
    for title, calls in runs(told.rows).items():
        times = in_turns(calls, told.repeats)
        show(f"{title}: {1000 * told.rows / times['ours']:,.0f} texts a second", times)


if __name__ == "__main__":
    main()
