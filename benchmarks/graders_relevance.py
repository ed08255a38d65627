"""Graded texts a second for the rewards of relevance and compression, beside scikit-learn alone.

    python benchmarks/graders_relevance.py [--rows 2000 --words 200]

The first peer is scikit-learn's `HashingVectorizer` on the same texts, with the same dot products:
the library call that both rewards wrap. The second does the rest too, written out plainly: tokens
and joined trigrams as the released code of paper 39 counts them, answers looked for in the text.
One thread, CPU seconds, the best of five; before the times all must give the same numbers.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn
from sklearn.feature_extraction.text import HashingVectorizer

from toyrl.graders.base import TextRow
from toyrl.graders.likeness.compression import Capsule
from toyrl.graders.likeness.embedded import TOKENS, cosines, dots
from toyrl.graders.likeness.relevance import Relevance


def rows(n: int, words: int, group: int = 8) -> list[TextRow]:
    """n texts of made-up words, a question for each group, answers planted in the first."""
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{i}" for i in rng.zipf(1.3, words) % 5000) for _ in range(n)]
    questions = [" ".join(texts[i - i % group].split()[:20]) + "?" for i in range(n)]
    return [
        TextRow(q, t, {"answers": q.split()[:4], "context": texts[i - i % group]})
        for i, (q, t) in enumerate(zip(questions, texts, strict=True))
    ]


def best(work: Callable[[], Any], times: int = 5) -> tuple[float, Any]:
    """Least CPU seconds and what it gave."""
    spent = []
    found = None
    for _ in range(times):
        start = time.process_time()
        found = work()
        spent.append(time.process_time() - start)
    return min(spent), found


def trigrams(texts: list[str]) -> list[float]:
    """RP of each text, by joined trigrams."""
    out = []
    for text in texts:
        tokens = TOKENS.findall(text)
        joined = [" ".join(tokens[i : i + 3]) for i in range(len(tokens) - 2)]
        out.append(len(set(joined)) / len(joined))
    return out


def answers(data: list[TextRow]) -> list[float]:
    """Share of the planted answers in each text, between word ends."""
    out = []
    for row in data:
        asked = row.columns["answers"]
        found = [re.search(rf"(?<!\w){re.escape(a)}(?!\w)", row.completion) for a in asked]
        out.append(sum(f is not None for f in found) / len(asked))
    return out


def times(n: int, words: int) -> dict[str, tuple[float, float, float]]:
    """Reward -> (texts a second, CPU time over scikit-learn's, over that of all of it)."""
    data = rows(n, words)
    texts = [r.completion for r in data]
    peer = HashingVectorizer(token_pattern=TOKENS.pattern, norm=None, alternate_sign=False)

    def product(left: list[str], of: Callable[..., np.ndarray]) -> np.ndarray:
        names = {t: i for i, t in enumerate(dict.fromkeys(left))}
        small = peer.transform(list(names))
        return of(small[[names[t] for t in left]], peer.transform(texts))

    sizes = np.array([[len(TOKENS.findall(t)) for t in (r.prompt, r.completion)] for r in data])
    work = {
        "relevance": (Relevance(), [r.prompt for r in data], dots, sizes.prod(-1),
                      ("relevance", "repetition_penalty"), lambda: trigrams(texts)),
        "capsule": (Capsule(budget=None), [r.columns["context"] for r in data], cosines, 1,
                    ("semantic", "utility"), lambda: answers(data)),
    }  # fmt: skip
    out = {}
    for name, (reward, left, of, scale, facts, rest) in work.items():
        alone, want = best(lambda: product(left, of))  # noqa: B023
        more, counted = best(rest)
        mine, found = best(lambda: reward.grade_parts(data))  # noqa: B023
        np.testing.assert_allclose(
            [[f.facts[fact] for f in found] for fact in facts], [want / scale, counted], rtol=1e-9
        )
        out[name] = n / mine, mine / alone, mine / (alone + more)
    return out


def main() -> None:
    """Print the table."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--rows", type=int, default=2000)
    ask.add_argument("--words", type=int, default=200)
    given = ask.parse_args()
    print(f"{given.rows} texts of {given.words} words; HashingVectorizer of {sklearn.__version__}")
    for name, (rate, alone, whole) in times(given.rows, given.words).items():
        print(f"    {name:<10} {rate:8,.0f} texts a second, {alone:5.2f} x scikit-learn's hashing, "
              f"{whole:5.2f} x all of it written out")  # fmt: skip


if __name__ == "__main__":
    main()
