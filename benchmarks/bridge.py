"""What our reward and estimator cost a training step, and what grading costs.

    python benchmarks/bridge.py [--steps 30] [--threads 1]

Trains the model `tiny` with plain TRL and an equal Python reward, and with ShapedGRPOTrainer, in
turns in one process, and prints the median seconds a step and their ratio. Then grades 8,192
completions. Needs the extra llm.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

LIMIT, GROUP = 96, 8


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--completions", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=FutureWarning)
    import torch

    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        plain, ours = _trainers(Path(folder), options.completions)
        for trainer in (plain, ours):
            _steps(trainer, 3)  # warm
        times: dict[str, list[float]] = {"plain": [], "toyrl": []}
        rounds = max(1, options.steps // 5)
        for _ in range(rounds):  # in turns, so that the machine's mood is shared
            times["plain"] += _steps(plain, 5)
            times["toyrl"] += _steps(ours, 5)
    middle = {name: statistics.median(t) for name, t in times.items()}
    print(f"{options.completions} completions of at most {LIMIT} tokens, {options.threads} threads")
    for name, seconds in middle.items():
        print(f"  {name:6} {1e3 * seconds:7.1f} ms a step (median of {len(times[name])})")
    print(f"  ratio toyrl / plain: {middle['toyrl'] / middle['plain']:.3f}")
    own = _own(ours)
    print(f"  advantages of one batch: {1e3 * own:.2f} ms, {own / middle['plain']:.2%} of a step")
    _graders()


def _trainers(folder: Path, completions: int) -> tuple[Any, Any]:
    from trl.trainer.grpo_trainer import GRPOTrainer

    from toyrl.bridge.models import choose as models
    from toyrl.bridge.tasks import as_dataset, load_task
    from toyrl.bridge.training import run
    from toyrl.bridge.training.trainer import ShapedGRPOTrainer
    from toyrl.expressions import parse
    from toyrl.graders.answers import is_correct
    from toyrl.graders.base import TextRow

    source = models.prepare("tiny", tell=print)
    data = as_dataset(load_task("shorthand").train)

    def reward(prompts: list, completions: list, completion_ids: list, answer: list, **_: Any):
        return [
            is_correct(TextRow(p, c, {"answer": a})) - 0.5 * len(ids) / LIMIT
            for p, c, ids, a in zip(prompts, completions, completion_ids, answer, strict=True)
        ]

    settings = run.RunSettings(steps=10**6, completions=completions, limit=LIMIT, rate=1e-6)
    made = []
    for name, kind in (("plain", GRPOTrainer), ("toyrl", ShapedGRPOTrainer)):
        network, tokenizer = run.load(source)
        own = {"reward_funcs": reward} if name == "plain" else {}
        shaper = () if name == "plain" else (parse("outcome() - 0.5*linear_length()"),)
        trainer = kind(
            network,
            *shaper,
            args=run.config(folder / name, settings),
            train_dataset=data,
            processing_class=tokenizer,
            **own,
        )
        trainer.create_optimizer_and_scheduler(settings.steps)
        trainer.current_gradient_accumulation_steps = 1
        trainer._batches = iter(_forever(trainer))
        made.append(trainer)
    return made[0], made[1]


def _forever(trainer: Any) -> Any:
    while True:
        yield from trainer.get_train_dataloader()


def _steps(trainer: Any, n: int) -> list[float]:
    """Seconds of n updates."""
    out = []
    for _ in range(n):
        batch = next(trainer._batches)
        start = time.perf_counter()
        trainer.training_step(trainer.model, batch, None)
        trainer.optimizer.step()
        trainer.optimizer.zero_grad()
        out.append(time.perf_counter() - start)
        trainer.state.global_step += 1
    return out


def _own(trainer: Any) -> float:
    """Seconds of our own code inside a step, measured without generation's noise."""
    batch = trainer._batch
    start, n = time.perf_counter(), 50
    for _ in range(n):
        trainer._advantages(batch)
    return (time.perf_counter() - start) / n


def _graders() -> None:
    import random

    from toyrl.graders.answers import is_answered, is_correct
    from toyrl.graders.base import TextRow
    from toyrl.worlds.text import shorthand
    from toyrl.worlds.text.problems import make_problem

    rng = random.Random(0)
    rows = []
    for i in range(8192):
        problem = make_problem(1 + i % 5, i)
        text = shorthand.sample(problem, rng)
        rows.append(TextRow(shorthand.prompt(problem), text, {"answer": problem.answer}))
    for grader in (is_correct, is_answered):
        start = time.perf_counter()
        for row in rows:
            grader(row)
        seconds = time.perf_counter() - start
        print(f"  {grader.__name__}: 8,192 completions in {1e3 * seconds:.0f} ms")


if __name__ == "__main__":
    main()
