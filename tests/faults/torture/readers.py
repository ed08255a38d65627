"""Texts that were cut, doubled and mixed, through every reader: an answer, or its own error.

Expressions, trainers' configurations and logs of rollouts. An error is one of the reader's, is
short, and comes within a second.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.options import settings_of
from toyrl.expressions import ExpressionError, parse, parse_estimator, parse_objective
from toyrl.rollouts.logs import LogError, read_log

SECONDS, LONGEST = 1.0, 1000
PIECES = (
    *("", "(", ")", "[", "]", "{", "}", ",", ":", "=", "-", "*", "**", ".", "'", '"', "#", "%"),
    *("\\", "\n", "\t", " ", "\0", "\ufeff", "\ud83d\ude00", "\u202e", "é", "[[[[[[[[", "---"),
    *("nan", "inf", "-inf", "1e400", "1" * 400, "None", "True", "null", "&a [*a]", "lambda: 0"),
    *("!!python/object:os.system", "__import__('os')"),
)
SEEDS: dict[str, tuple[str, ...]] = {
    "reward": ("outcome() - 0.3*linear_length(unit=0.5)", "clipped(outcome(), 0, 1)",
               "laser(target=0.5, alpha=linear(1, 0, 5))", "gated(kimi(weight=1.0))"),
    "estimator": ("grpo(eps=1e-4, ddof=1)", "averaged(inner=grpo_population())", "rloo()"),
    "objective": ("grpo() + 0.1*kl_k3()", "dapo(low=0.2, high=0.28)"),
    "yaml": ("beta: 0.1\nnum_generations: 8\nloss_type: grpo\n", "x: &a [1, 2]\ny: *a\n"),
    "json": ('{"beta": 0.1, "num_generations": 8}',),
    "py": ("from trl import GRPOConfig\nargs = GRPOConfig(beta=0.1, num_generations=8)\n",),
    "jsonl": ('{"prompt":"p","completion":"c","length":3,"correct":0}\n'
              '{"prompt":"p","completion":"d","length":4,"correct":1}\n',
              '{"prompt":[{"role":"user","content":"p"}],"completion":"c","reward":0.5}\n' * 2),
}  # fmt: skip
"""Sound texts that are spoilt."""


def spoilt(text: str, rng: np.random.Generator) -> str:
    """The text after one to four accidents."""
    for _ in range(rng.integers(1, 5)):
        at = sorted(rng.integers(0, len(text) + 1, 2).tolist())
        piece = str(PIECES[rng.integers(len(PIECES))])
        way = rng.integers(5)
        if way == 0:
            text = text[: at[0]] + piece + text[at[0] :]
        elif way == 1:
            text = text[: at[0]] + text[at[1] :]
        elif way == 2:
            text = text[: at[1]] + text[at[0] :]
        elif way == 3:
            text = text[: at[0]] + piece + text[at[1] :]
        else:
            text = text[: at[0]] + text[at[0] : at[1]][::-1] + text[at[1] :]
    return text


def _file(suffix: str, read: Callable[[Path], Any]) -> Callable[[str], Any]:
    place = Path(tempfile.mkdtemp(prefix="toyrl-torture-")) / f"x.{suffix}"

    def through(text: str) -> Any:
        place.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            return read(place)
        finally:
            place.unlink(missing_ok=True)

    return through


def readers() -> dict[str, tuple[Callable[[str], Any], tuple[type[Exception], ...]]]:
    """Kind of text -> what reads it, and the errors that are its own."""
    return {
        "reward": (parse, (ExpressionError,)),
        "estimator": (parse_estimator, (ExpressionError,)),
        "objective": (parse_objective, (ExpressionError,)),
        **{k: (_file(k, lambda p: settings_of(None, {"trl_config": p})), (UsageError,))
           for k in ("yaml", "json", "py")},
        "jsonl": (_file("jsonl", read_log), (LogError,)),
    }  # fmt: skip


def problem(read: Callable[[str], Any], own: tuple[type[Exception], ...], text: str) -> str:
    """What is wrong with how a reader met a text, or ""."""
    start = time.process_time()
    try:
        read(text)
    except own as error:
        if len(str(error)) > LONGEST:
            return f"a message of {len(str(error))} characters"
    except BaseException as error:
        return f"{type(error).__name__}: {str(error)[:100]}"
    took = time.process_time() - start
    return f"{took:.1f} s" if took > SECONDS else ""


def shorter(read: Any, own: Any, text: str, wrong: str) -> str:
    """A smallest text that is met in the same wrong way: pieces are left out while it is."""
    kind, step = wrong.partition(":")[0], max(1, len(text) // 2)
    while step:
        at = 0
        while at < len(text):
            less = text[:at] + text[at + step :]
            if problem(read, own, less).partition(":")[0] == kind:
                text = less
            else:
                at += step
        step //= 2
    return text


def torture(n: int, seed: int = 0) -> tuple[Counter[str], list[tuple[str, str, str]]]:
    """(texts tried by kind, [(kind, smallest text, what was wrong)]); n texts of each kind."""
    counts: Counter[str] = Counter()
    found: list[tuple[str, str, str]] = []
    for i, (kind, (read, own)) in enumerate(readers().items()):
        rng = np.random.default_rng([seed, i])
        for _ in range(n):
            text = spoilt(str(SEEDS[kind][rng.integers(len(SEEDS[kind]))]), rng)
            counts[kind] += 1
            wrong = problem(read, own, text)
            if wrong:
                found.append((kind, shorter(read, own, text, wrong), wrong))
    return counts, found
