"""Small logs of one's own: what they hold is said in each call."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def boxed(value: int, steps: int) -> str:
    """A completion in a format of its own: boxed, inside tags, the working before it."""
    work = " ".join(f"Digit {i} is fine." for i in range(steps))
    return f"<think>\nWe add. {work}\n</think>\n<answer>\n\\boxed{{{value}}}\n</answer>"


def rows(
    prompts: int = 6, group: int = 4, *, write: Callable[[int, int], str] = boxed, **changes: Any
) -> list[Row]:
    """Half of each group right; changes : name -> value or function of (prompt, place, right)."""
    out = []
    for b in range(prompts):
        for g in range(group):
            right = (b + g) % 2
            gold = 11 + 7 * b
            row: Row = {
                "prompt_id": b,
                "prompt": f"What is {gold - 5} + 5?",
                "completion": write(gold if right else gold + 3, 1 + (b + g) % 5),
                "answer": str(gold),
                "correct": right,
                "length": 30 + 5 * ((b + g) % 5),
            }
            row |= {k: v(b, g, right) if callable(v) else v for k, v in changes.items()}
            out.append({k: v for k, v in row.items() if v is not None})
    return out


def written(folder: Path, found: list[Row], name: str = "log.jsonl") -> Path:
    """A JSONL file of these rows."""
    file = folder / name
    file.write_text("\n".join(json.dumps(row) for row in found) + "\n", encoding="utf-8")
    return file


REWARDS = r"""
import json
import re

def boxed(completion, answer):
    found = re.findall(r"\\boxed\{(.*?)\}", completion)
    return float(bool(found) and found[-1] == answer)

def inverted(completion, answer):
    return 1.0 - boxed(completion, answer)

def hashes(completion, answer):
    return float(completion.rpartition("#### ")[2] == answer)

def tail(completion, answer):
    return float(completion.strip().endswith("{" + answer + "}\n</answer>"))

def anywhere(completion, answer):
    return float(answer in re.findall(r"\d+", completion))

def judge(completions, **kwargs):
    return [None if "Digit" in text else 1.0 for text in completions]

def record(completion, ground_truth):
    return float(ground_truth["tens"] + ground_truth["ones"] in completion)

def by_prompt(completion, prompt):
    return float(len(prompt))
"""


def rewards(folder: Path) -> Path:
    """A file of small rewards for these logs."""
    file = folder / "own_rewards.py"
    file.write_text(REWARDS)
    return file
