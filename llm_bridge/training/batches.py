"""One generation batch of a trainer as `Rollouts` on torch, and advantages back in row order.

Rows are prompt-major: G consecutive rows share a prompt. On several processes each holds a slice
of the rows; everything is gathered, shaped alike everywhere, and sliced again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from toyrl.bridge.training.faults import unusable
from toyrl.graders.base import TextRow
from toyrl.messages import shortened
from toyrl.rollouts import Rollouts
from toyrl.rollouts.fields import behind
from toyrl.rollouts.memory import Store
from toyrl.rollouts.texts import flat_rollouts, of_references

Tensor = torch.Tensor


@dataclass
class Batch:
    """This process's rows of a generation batch.

    rows : graded texts; keys : one memory key a row
    correct : (N,) 1, 0 or NaN; fields : name -> (N,) or (N, T), on the trainer's device
    group : rollouts a prompt; max_length : the completion limit in tokens
    step : the update number; training : memory may advance
    """

    rows: list[TextRow]
    keys: list[str]
    correct: Tensor
    fields: dict[str, Tensor]
    group: int
    max_length: float
    step: int
    training: bool

    @property
    def length(self) -> Tensor:
        """(N,) tokens of each completion, the end token included."""
        return _floats([float(r.tokens) for r in self.rows], self.correct.device)

    @property
    def truncated(self) -> Tensor:
        """(N,) bool."""
        cut = [float(r.truncated) for r in self.rows]
        return _floats(cut, self.correct.device) > 0


@dataclass(frozen=True)
class Outcome:
    """What became of a batch.

    advantages : (N,) or (N, T) of this process's rows, 0 where unscorable
    everywhere : the same for all processes' rows
    metrics : name -> mean over scorable rollouts
    memory : what the store merges, or None; state : the estimator's next state
    """

    advantages: Tensor
    everywhere: Tensor
    metrics: dict[str, float]
    memory: tuple[list[str], Any] | None
    state: Mapping[str, Any]


def numbers(name: str, values: Sequence[Any], rows: Sequence[TextRow], device: Any) -> Tensor:
    """(N,) float32 from numbers and None; a RewardFault for what is neither."""
    out = []
    for i, value in enumerate(values):
        try:
            number = math.nan if value is None else float(value)
        except (TypeError, ValueError) as error:
            raise unusable(name, f"gave {shortened(value)}, no number,", rows, i) from error
        if math.isinf(number):
            raise unusable(name, f"gave {number}", rows, i)
        out.append(number)
    return _floats(out, device)


def token_numbers(name: str, values: Sequence[Any], rows: Sequence[TextRow], device: Any) -> Tensor:
    """(N, T) float32 from one sequence of numbers a row, as long as the completion has tokens."""
    width = max((r.tokens for r in rows), default=0)
    out = torch.zeros((len(rows), width), device=device)
    for i, (value, row) in enumerate(zip(values, rows, strict=True)):
        line = torch.as_tensor(value, dtype=torch.float32, device=device).reshape(-1)
        if len(line) != row.tokens:
            problem = f"gave {len(line)} values for {row.tokens} tokens"
            raise unusable(name, problem, rows, i)
        out[i, : row.tokens] = line
    return out


def reference_numbers(
    name: str, values: Sequence[Any], rows: Sequence[TextRow], device: Any
) -> Tensor:
    """(N, M) float32 from M numbers a row, as many in every row."""
    try:
        found = of_references(name, values)
    except ValueError as error:
        raise unusable(name, f"can't be read ({error}),", rows, 0) from error
    return torch.as_tensor(found, dtype=torch.float32, device=device)


def shape(
    batch: Batch, shaper: Any, estimator: Any, store: Store, state: Mapping[str, Any], gang: Any
) -> Outcome:
    """Rewards and advantages of a batch; nothing is remembered yet.

    gang : an accelerate `Accelerator`, through which the processes' rows meet
    """
    here, width = (
        len(batch.rows),
        max((v.shape[1] for n, v in batch.fields.items() if _wide(n, v)), default=0),
    )
    rollouts = gathered(batch, gang)
    keys = _all_keys(batch.keys, gang)[:: batch.group]
    memory = store.gather(keys, like=rollouts.correct)
    shaped = shaper.apply(rollouts, memory)
    advantages, after = estimator.apply(shaped.parts, rollouts, state)
    flat = advantages.reshape(-1, *advantages.shape[2:])
    own = slice(gang.process_index * here, (gang.process_index + 1) * here)
    mine = flat[own] if flat.ndim == 1 else flat[own][:, :width]
    bad = (~torch.isfinite(mine)).reshape(here, -1).any(dim=1)
    if bool(bad.any()):
        place = int(bad.nonzero()[0, 0])
        raise unusable(str(shaper), "gives an advantage that is not finite", batch.rows, place)
    return Outcome(
        advantages=mine,
        everywhere=flat,
        metrics=_metrics(shaped.parts, rollouts, advantages),
        memory=(keys, shaped) if batch.training and shaped.memory else None,
        state=after if batch.training else state,
    )


def gathered(batch: Batch, gang: Any) -> Rollouts:
    """All processes' rows as Rollouts (prompts, group).

    Raises ValueError for rows that are not whole groups.
    """
    correct = _whole(batch.correct, gang)
    if len(correct) % batch.group:
        msg = f"{len(correct)} completions are not whole groups of {batch.group}"
        raise ValueError(msg)

    length = _whole(batch.length, gang)
    fields = {n: _whole(v, gang) for n, v in batch.fields.items() if n != "mask"}
    wide = [v for n, v in fields.items() if _wide(n, v)]
    width = max([v.shape[1] for v in wide], default=int(length.max()))
    mask = (torch.arange(width, device=length.device) < length[:, None]).to(length.dtype)
    return flat_rollouts(
        [i // batch.group for i in range(len(correct))],
        correct=correct,
        length=length,
        truncated=_whole(batch.truncated.float(), gang) > 0,
        max_length=batch.max_length,
        fields=fields,
        mask=mask if "mask" in batch.fields or wide else None,
        step=batch.step,
    )[0]


def _wide(name: str, value: Tensor) -> bool:
    return value.ndim > 1 and behind(name) != "M"


def _whole(x: Tensor, gang: Any) -> Tensor:
    if gang.num_processes == 1:
        return x
    if x.ndim > 1:
        x = gang.pad_across_processes(x, dim=1)
    return gang.gather(x)


def _all_keys(keys: list[str], gang: Any) -> list[str]:
    if gang.num_processes == 1:
        return keys
    from accelerate.utils import gather_object

    return gather_object(keys)


def _metrics(parts: Mapping[str, Tensor], r: Rollouts, advantages: Tensor) -> dict[str, float]:
    per_rollout = {n: v.sum(-1) if v.ndim > r.correct.ndim else v for n, v in parts.items()}
    total = sum(per_rollout.values(), torch.zeros_like(r.correct))
    shown = {"reward": total, **(per_rollout if len(parts) > 1 else {})}
    out = {n: float(torch.nanmean(v)) for n, v in shown.items()}
    out["accuracy"] = float(torch.nanmean(r.correct))
    out["length_if_correct"] = _mean(r.length, r.correct == 1)
    out["length_if_wrong"] = _mean(r.length, r.correct == 0)
    flat = advantages.reshape(r.correct.numel(), -1)
    out["zero_advantage_rows"] = float((flat == 0).all(dim=1).float().mean())
    return out


def _mean(x: Tensor, where: Tensor) -> float:
    return float(x[where].mean()) if bool(where.any()) else math.nan


def _floats(values: Sequence[float], device: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device)
