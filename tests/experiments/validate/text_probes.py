"""Small texts of right and wrong sums in four dialects, for tests of text rewards."""

from __future__ import annotations

import random

from toyrl.graders.base import TextRow

DIALECTS = {
    "tag": "<think>{work}</think>\n<answer>{answer}</answer>",
    "boxed": "{work} So the result is \\boxed{{{answer}}}.",
    "gsm8k": "{work}\n#### {answer}",
    "prose": "{work} The answer is {answer}.",
}


def probes(n: int = 12, *, seed: int = 0) -> dict[str, list[tuple[TextRow, bool]]]:
    """dialect -> n rows, right and wrong by turns, wrong ones of the same lengths as right ones."""
    return {name: _dialect(name, n, seed) for name in DIALECTS}


def _dialect(name: str, n: int, seed: int) -> list[tuple[TextRow, bool]]:
    rng = random.Random(seed)
    out = []
    for i in range(n):
        a, b = rng.randint(2, 49), rng.randint(2, 49)
        steps = 1 + (i // 2) % 4
        right = i % 2 == 0
        shown = a + b if right else a + b + rng.choice([-3, -2, -1, 1, 2, 3])
        work = " ".join(f"Step {k + 1}: {a} + {b} = {shown}." for k in range(steps))
        text = DIALECTS[name].format(work=work, answer=shown)
        gold = {"answer": str(a + b), "ground_truth": str(a + b), "solution": f"${a + b}$"}
        row = TextRow(f"What is {a} + {b}?", text, gold, 12 * steps + 8, written=True)
        out.append((row, right))
    return out


def rows(n: int = 12, *, dialect: str = "tag", seed: int = 0) -> list[TextRow]:
    """The rows of one dialect alone."""
    return [row for row, _ in _dialect(dialect, n, seed)]
