"""Rows of a small log in the forms that trainers give them, for tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

RIGHT = [[1.0, 0.0], [0.0, 1.0]]


def rows(**changes):
    """Two prompts with two rollouts each; values of `changes` are functions of (i, right)."""
    out = []
    for i, group in enumerate(RIGHT):
        for right in group:
            row = {
                "prompt": f"{i} + 1?",
                "completion": f"<answer>{i + 1 if right else 9}</answer>",
                "answer": str(i + 1),
                "correct": int(right),
                "length": 12 + i,
            }
            row |= {k: f(i, right) for k, f in changes.items()}
            out.append({k: v for k, v in row.items() if v != "absent"})
    return out


def gone(*names):
    return {name: lambda *_: "absent" for name in names}


def lines(found) -> str:
    return "\n".join(json.dumps(row) for row in found) + "\n"


def parquet(file: Path, found) -> Path:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(found), file)
    return file


def verl_rows(step: int = 1, **changes):
    new = {
        "input": lambda i, _: f"user\n{i} + 1?\nassistant\n",
        "output": lambda i, right: f"#### {i + 1 if right else 9}",
        "gts": lambda i, _: str(i + 1),
        "score": lambda _, right: right,
        "step": lambda *_: step,
    }
    return rows(**gone("prompt", "completion", "answer", "correct", "length"), **{**new, **changes})
