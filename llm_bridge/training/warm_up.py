"""A short supervised warm-up on rendered solutions, for a model that solves almost nothing yet.

At temperature 1 a small instruct model may answer no problem at all, and groups without a right
answer teach nothing. A few updates on solutions of the task give it the form of an answer.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from toyrl.bridge.models import tiny
from toyrl.bridge.tasks import Task, TaskError, for_model
from toyrl.bridge.training import evaluate
from toyrl.bridge.training.faults import TrainingFault, told
from toyrl.bridge.training.run import load
from toyrl.files import write_file

IGNORED = -100
REPORT = "warm-up.json"


def warm_up(
    model: str,
    task: Task,
    out: Path,
    *,
    steps: int,
    limit: int,
    batch: int = 8,
    rate: float = 2e-5,
    seed: int = 0,
    measured: int = 32,
    trust_remote_code: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Path:
    """The folder of the warmed-up model, made once; its warm-up.json says how it did.

    measured : held-out prompts that are answered before and after; 0: none
    Raises TaskError for a task without solutions, TrainingFault for a loss that isn't finite and
    where memory runs out.
    """
    import torch

    if task.solve is None:
        msg = f"task {task.name} has no solutions to warm up on; leave --warm-up out"
        raise TaskError(msg)
    about = {"model": model, "task": task.name, "steps": steps, "batch": batch, "rate": rate}
    if out.exists():
        if not tiny.damage(out) and tiny.about(out) == about:
            return out
        tell(f"{out} is damaged or of another warm-up; it is made anew")
        shutil.rmtree(out)
    network, tokenizer = load(model, trust_remote_code=trust_remote_code)
    task = for_model(task, tokenizer)
    before = _accuracy(network, tokenizer, task, limit, measured)
    rng = random.Random(seed)
    with torch.random.fork_rng(), told(f"the warm-up of {model}"):
        torch.manual_seed(seed)
        network.train()
        optimiser = torch.optim.AdamW(network.parameters(), lr=rate)
        losses = []
        for step in range(steps):
            rows = [rng.choice(task.train) for _ in range(batch)]
            ids, labels, mask = _batch(rows, task, tokenizer, rng)
            place = network.device
            loss = network(
                input_ids=ids.to(place), attention_mask=mask.to(place), labels=labels.to(place)
            ).loss
            if not bool(torch.isfinite(loss)):
                said = f"step {step + 1} of the warm-up has the loss {float(loss.detach())}"
                msg = f"{said}: nothing was kept; leave the warm-up out, or try another model"
                raise TrainingFault(msg)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            losses.append(float(loss.detach()))
            if (step + 1) % 10 == 0:
                tell(f"warm-up: step {step + 1} of {steps}, loss {losses[-1]:.3f}")
        network.eval()
    after = _accuracy(network, tokenizer, task, limit, measured)
    tell(f"warm-up: accuracy {before:.3f} before, {after:.3f} after {steps} updates")
    tiny.save(network, tokenizer, out, about)
    found = {"accuracy_before": before, "accuracy_after": after, "losses": losses}
    write_file(out / REPORT, json.dumps({**about, **found}, indent=1) + "\n")
    return out


def _accuracy(network: Any, tokenizer: Any, task: Task, limit: int, n: int) -> float:
    if n == 0:
        return float("nan")
    drawn = evaluate.sample(
        network, tokenizer, task.held_out[:n], times=2, limit=limit, seed=1, batch=32
    )
    return sum(task.correct(row) for row in drawn.rows) / len(drawn.rows)


def _batch(
    rows: list[dict[str, Any]], task: Task, tokenizer: Any, rng: random.Random
) -> tuple[Any, Any, Any]:
    """(ids, labels, mask), right-padded; only the solutions are learnt."""
    import torch

    made = [_tokens(row, task, tokenizer, rng) for row in rows]
    width = max(len(a) + len(b) for a, b in made)
    ids = torch.full((len(made), width), tokenizer.pad_token_id)
    labels = torch.full((len(made), width), IGNORED)
    mask = torch.zeros((len(made), width), dtype=torch.long)
    for i, (asked, answer) in enumerate(made):
        n = len(asked) + len(answer)
        ids[i, :n] = torch.tensor(asked + answer)
        labels[i, len(asked) : n] = torch.tensor(answer)
        mask[i, :n] = 1
    return ids, labels, mask


def _tokens(
    row: Mapping[str, Any], task: Task, tokenizer: Any, rng: random.Random
) -> tuple[list[int], list[int]]:
    assert task.solve is not None
    asked = evaluate.as_text(row["prompt"], tokenizer)
    answer = task.solve(row, rng)
    own = tokenizer(asked, add_special_tokens=False)["input_ids"]
    said = tokenizer(answer, add_special_tokens=False)["input_ids"]
    return own, [*said, tokenizer.eos_token_id]
