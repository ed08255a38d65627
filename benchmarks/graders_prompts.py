"""Graders of prompts, translations and formats: completions per second, and against sacrebleu.

    python benchmarks/graders_prompts.py [--rows 512] [--group 8] [--repeats 5]

The translation reward is held against the calls that it wraps, made in the same process on the same
texts: sacrebleu's for each text and once for each exemplar, and py3langid's where the language is
told. Ratios within one run are what to read; no more than 1.2 is asked for.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from toyrl.expressions import parse_grader
from toyrl.graders.base import TextRow
from toyrl.graders.judged import translation

WORDS = ("the", "old", "cat", "sat", "on", "a", "warm", "mat", "near", "fire", "while", "rain")


def drawn(rows: int, group: int, seed: int) -> list[TextRow]:
    """Translations of 40 words, a reference and an exemplar for each group."""
    rng = np.random.default_rng(seed)

    def text() -> str:
        return " ".join(rng.choice(WORDS, 40))

    gold = [(text(), text()) for _ in range(rows // group)]
    return [
        TextRow("p", f"<think>hm</think>{text()}",
                {"reference": gold[i // group][0], "exemplar": gold[i // group][1]})
        for i in range(rows)
    ]  # fmt: skip


def least(call: Callable[[Any], Any], batches: Sequence[Any]) -> float:
    """Least CPU seconds of a call, each time on other texts, since sacrebleu keeps their tokens."""
    found = []
    for batch in batches:
        before = time.process_time()
        call(batch)
        found.append(time.process_time() - before)
    return min(found)


def wrapped(rows: list[TextRow], metric: Any) -> None:
    """The library's calls alone."""
    seen = set()
    for row in rows:
        gold = [row.columns["reference"]]
        metric.sentence_score(row.completion.partition("</think>")[2], gold)
        if gold[0] not in seen:
            seen.add(gold[0])
            metric.sentence_score(row.columns["exemplar"], gold)


def main() -> None:
    """Print a line a grader."""
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("rows", 512), ("group", 8), ("repeats", 5)):
        given.add_argument(f"--{name}", type=int, default=value)
    a = given.parse_args()
    n, seeds = a.group * (a.rows // a.group), iter(range(10**6))

    def batches() -> list[list[TextRow]]:
        return [drawn(n, a.group, next(seeds)) for _ in range(a.repeats)]

    metrics = {
        "translation()": CHRF(),
        "translation(metric='bleu')": BLEU(effective_order=True),
        "translation(metric='bleu', tokenize='char')": BLEU(effective_order=True, tokenize="char"),
    }
    for name, metric in metrics.items():
        ours = least(parse_grader(name).grade, batches())
        own = least(lambda rows, m=metric: wrapped(rows, m), batches())
        print(f"{name:45} {n / ours:9.0f} a second, {ours / own:.2f} times sacrebleu's own")
    told = [[replace(r, columns={**r.columns, "direction": "de-en"}) for r in b] for b in batches()]
    translation.language("")
    ours = least(parse_grader("translation()").grade, told)
    own = least(lambda rows: [translation.language(r.completion[17:]) for r in rows], told)
    print(f"{'translation(), its language alone':45} {n / ours:9.0f} a second, "
          f"{ours / own:.2f} times py3langid's own")  # fmt: skip
    rng = np.random.default_rng(1)
    asked = {
        "prompt_classification()": {"probs": rng.dirichlet(np.ones(4), 16), "labels": [1] * 16},
        "prompt_style()": {"scores": rng.random(128)}, "text_format()": {},
    }  # fmt: skip
    for name, columns in asked.items():
        own_rows = [TextRow("p", "<think>x</think><answer>\\frac{1}{2}</answer>", columns, 9)] * n
        ours = least(parse_grader(name).grade, [own_rows] * a.repeats)
        print(f"{name:45} {n / ours:9.0f} a second")


if __name__ == "__main__":
    main()
