"""Step rewards as advantages: per step, then on the tokens of each step, for a trainer.

Token t belongs to the step in which it begins. Where the log has no tokenizer's offsets, a text of
T tokens is cut into T equal parts.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toyrl.estimators.steps import StepReturns
from toyrl.experiments.credit.table import Table
from toyrl.experiments.errors import UsageError
from toyrl.extras import needed_by
from toyrl.files import write_file
from toyrl.graders.steps.scores import even_offsets
from toyrl.graders.steps.splits import token_ends
from toyrl.rollouts import Rollouts
from toyrl.shapers.process.redistribution import LatentReward, UniformRedistribution

KINDS = (".npz", ".jsonl")
MOST = 2**30
"""Numbers of a padded table, 4 GiB; beyond it the rows are written one by one."""
BLOCK = 2**22
"""Numbers of a table of steps that are worked on at once, of several prompts."""
RESIDUALS = ("end", "spread", "drop")


@dataclass(frozen=True)
class Advantages:
    """(S,) rewards of all steps and their advantages: rewards to go less the siblings' mean there.

    A reward holds what it was given of the return's rest (`residual`).
    """

    reward: np.ndarray
    advantage: np.ndarray


def advantages(t: Table, r_hat: np.ndarray | None, residual: str) -> Advantages:
    """Of step rewards r_hat (S,), None for equal parts.

    residual : what becomes of the return beside them: "end", on the last step (the expected
        gradient stays as it was); "spread", evenly (it does not); "drop", left out
    """
    start = np.append(0, np.cumsum(t.steps))
    parts = [_of(t, r_hat, residual, a, b, start) for a, b in _blocks(t)]
    own, told = (np.concatenate(x) for x in zip(*parts, strict=True))
    if t.baseline != "group":  # no siblings: the mean over all rollouts at the same step
        place = np.arange(len(told)) - np.repeat(start[:-1], t.steps)
        told = told - (np.bincount(place, told) / np.bincount(place))[place]
    return Advantages(own, told)


def _blocks(t: Table) -> list[tuple[int, int]]:
    """Prompts from a on and before b, in tables of `BLOCK` numbers: one endless completion doesn't
    make all of them as wide."""
    B, G = t.log.rollouts.w.shape
    longest = np.zeros(B, dtype=int)
    np.maximum.at(longest, t.groups, t.steps)
    out, a, wide = [], 0, 0
    for b in range(B):
        wide = max(wide, int(longest[b]))
        if b > a and (b + 1 - a) * G * wide > BLOCK:
            out.append((a, b))
            a, wide = b, int(longest[b])
    return [*out, (a, B)]


def _of(
    t: Table, r_hat: np.ndarray | None, residual: str, a: int, b: int, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rewards and advantages of the steps of prompts a to b, which no other prompt changes."""
    here = np.asarray(t.log.rollouts.w)[a:b] > 0
    first, last = np.searchsorted(t.groups, [a, b])
    own = slice(start[first], start[last])
    length, returns = t.steps[first:last], t.returns[first:last]
    K = max(int(length.max(initial=0)), 1)
    inside = np.arange(K) < length[:, None]

    def wide(x: np.ndarray) -> np.ndarray:
        table = np.zeros((*here.shape, K))
        rows = np.zeros((len(length), K))
        rows[inside] = x
        table[here] = rows
        return table

    mask, outcome, steps = (
        wide(np.ones(int(length.sum()))),
        np.zeros(here.shape),
        np.zeros(here.shape),
    )
    outcome[here], steps[here] = returns, length
    fields = {} if r_hat is None else {"step_rewards": wide(r_hat[own])}
    r = Rollouts(outcome, steps, float(K), mask=mask, weight=here * 1.0, fields=fields)
    shares = {} if residual == "drop" else {residual: 1.0}
    shaper = UniformRedistribution() if r_hat is None else LatentReward(**shares)
    parts = shaper.apply(r).parts
    estimator = StepReturns("step" if t.baseline == "group" else "none")
    told = np.asarray(estimator.apply(parts, r)[0])
    return np.asarray(parts["redistributed"])[here][inside], told[here][inside]


# -- tokens ----------------------------------------------------------------------------------------
def offsets_by(name: str) -> Any:
    """(text -> (T, 2) offsets) of a tokenizer by its id or folder.

    Raises MissingExtra without transformers, UsageError for a tokenizer that can't be loaded or
    says no offsets.
    """
    with needed_by("--tokenizer"):
        from transformers import AutoTokenizer
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        tokenizer("a", return_offsets_mapping=True)
    except (OSError, ValueError, NotImplementedError) as error:
        msg = f"tokenizer={name!r} is no fast tokenizer that can be loaded; give a model's id or "
        msg += f"folder ({str(error).splitlines()[0]})"
        raise UsageError(msg) from error

    def of(text: str) -> np.ndarray:
        found = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
        return np.asarray(found["offset_mapping"], dtype=int).reshape(-1, 2)

    return of


def token_rows(t: Table, found: Advantages, offsets: Any = None) -> Iterator[dict[str, Any]]:
    """One row a rollout: line and prompt, its steps, and an advantage for each of its tokens."""
    start = np.append(0, np.cumsum(t.steps))
    for i, row in enumerate(t.rows):
        mine = slice(start[i], start[i + 1])
        own = found.advantage[mine]
        tokens = max(int(row.tokens), 1)
        place = even_offsets(len(row.completion), tokens) if offsets is None else (
            offsets(row.completion))  # fmt: skip
        if len(own) and len(place):
            ends = token_ends(t.spans[i], place)
            each = own[np.minimum(np.searchsorted(ends, np.arange(len(place))), len(own) - 1)]
        else:
            ends, each = np.zeros(0, dtype=int), np.zeros(len(place))
        yield {
            "line": t.log.lines[i],
            "prompt_id": t.log.prompt_ids[t.groups[i]],
            "return": float(t.returns[i]),
            "spans": [list(s) for s in t.spans[i]],
            "step_rewards": found.reward[mine],
            "step_advantages": own,
            "step_ends": ends,
            "advantages": each,
        }


def save(t: Table, found: Advantages, path: Path, offsets: Any = None) -> None:
    """Write (B, T) advantages: .npz padded, .jsonl a row each.

    Raises UsageError for a table too large to be padded, WriteError where writing fails.
    """
    if path.suffix.lower() == ".jsonl":
        lines = (json.dumps({k: _plain(v) for k, v in row.items()}) for row in
                 token_rows(t, found, offsets))  # fmt: skip
        write_file(path, "\n".join(lines) + "\n")
        return
    rows = list(token_rows(t, found, offsets))
    longest = max(len(r["advantages"]) for r in rows)
    if len(rows) * longest > MOST:
        msg = f"advantages={str(path)!r}: {len(rows)} rows of up to {longest} tokens don't fit into"
        raise UsageError(msg + " one padded table; write FILE.jsonl")
    out = {
        "advantages": np.zeros((len(rows), longest), dtype=np.float32),
        "mask": np.zeros((len(rows), longest), dtype=np.uint8),
        "step_ends": np.zeros((len(rows), longest), dtype=np.uint8),
        "step_rewards": np.zeros((len(rows), longest), dtype=np.float32),
    }
    for i, row in enumerate(rows):
        n = len(row["advantages"])
        out["advantages"][i, :n], out["mask"][i, :n] = row["advantages"], 1
        out["step_ends"][i, row["step_ends"]] = 1
        np.add.at(out["step_rewards"][i], row["step_ends"], row["step_rewards"])
    held = io.BytesIO()
    np.savez_compressed(
        held, line=np.array([r["line"] for r in rows]),
        prompt_id=np.array([r["prompt_id"] for r in rows]), **out,
    )  # fmt: skip
    write_file(path, held.getvalue())


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [round(x, 6) for x in value.tolist()] if value.dtype.kind == "f" else value.tolist()
    return value if not isinstance(value, Mapping) else dict(value)
