"""One GRPO run of a small model with a reward of the catalogue, measured as it goes.

The folder of a run holds `curve.json` (settings, versions, one point per evaluation and what the
trainer logged) and checkpoints. A run that was broken off goes on from its last checkpoint and
gives the curve of an uninterrupted one: evaluations draw from generators of their own.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from toyrl import schemas
from toyrl.bridge.tasks import Task, as_dataset, for_model
from toyrl.bridge.training import checkpoints, evaluate
from toyrl.bridge.training.faults import TrainingFault, told
from toyrl.bridge.training.settings import LOSS_TYPE, RunSettings
from toyrl.files import write_file
from toyrl.graders.base import TextRow
from toyrl.messages import shortened

CURVE = "curve.json"
BASES: dict[tuple[Any, ...], evaluate.Point] = {}
"""Bases measured in this process, by weights, task, and how they are measured."""
PACKAGES = ("toyrl", "torch", "transformers", "trl")


def finished(folder: Path, settings: RunSettings) -> dict[str, Any] | None:
    """The curve of a run that has ended under these settings, at its last step or diverged."""
    data = read_curve(folder)
    if data is None or data["settings"] != asdict(settings):
        return None
    points = data["points"]
    ended = points and ("diverged" in data or points[-1]["step"] == settings.steps)
    return data if ended else None


def diverged(folder: Path, why: str) -> dict[str, Any]:
    """Mark a run as ended by a policy that was lost; what was measured before stays."""
    data = {**(read_curve(folder) or {}), "diverged": why}
    write_file(folder / CURVE, json.dumps(data, indent=1))
    checkpoints.clear(folder)
    return data


def read_curve(folder: Path) -> dict[str, Any] | None:
    """`curve.json` of a run's folder, or None where there is none that can be read.

    A whole file of another schema is refused (SchemaError): going on would overwrite it.
    """
    try:
        data = json.loads((folder / CURVE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    schemas.check(data, "run", str(folder / CURVE))
    return data


def train(
    folder: Path,
    model: str,
    task: Task,
    shaper: Any,
    settings: RunSettings,
    *,
    graders: Mapping[str, Callable[[Sequence[TextRow]], Sequence[Any]]] | None = None,
    callbacks: Sequence[Any] = (),
    resume: bool = False,
    trust_remote_code: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Train and return the curve, which `folder/curve.json` holds too.

    model : folder or hub id of a causal language model
    graders : fields that the shaper reads beside correctness, as `ShapedGRPOTrainer` takes them
    callbacks : further callbacks of the trainer, such as `toyrl.watch(...)`
    resume : go on from the last whole checkpoint in the folder, if there is one

    Raises ModelError for a model that can't be loaded, TrainingFault for a run that can't go on
    (after a checkpoint) and for a folder that holds the run of another task, reward or settings.
    """
    from transformers.trainer_callback import PrinterCallback

    from toyrl.bridge.training.trainer import ShapedGRPOTrainer

    folder.mkdir(parents=True, exist_ok=True)
    network, tokenizer = load(model, trust_remote_code=trust_remote_code)
    base, _ = load(model, trust_remote_code=trust_remote_code)
    task = for_model(task, tokenizer)
    curve = _Curve(folder, model, task, shaper, settings, base, tokenizer, tell)
    last = curve.continued() if resume else None
    if last is None:
        _clear(folder)
    with warnings.catch_warnings():
        # TRL sets names that transformers has renamed; nothing that a user could mend.
        warnings.filterwarnings("ignore", ".*gradient_checkpointing", FutureWarning)
        trainer = ShapedGRPOTrainer(
            network,
            shaper,
            estimator=settings.estimator,
            correct=task.correct,
            graders=graders,
            args=config(folder, settings),
            train_dataset=as_dataset(task.train),
            processing_class=tokenizer,
            callbacks=[curve.callback(), *callbacks],
        )
        trainer.remove_callback(PrinterCallback)
        with told(f"the run in {folder}"):
            trainer.train(resume_from_checkpoint=None if last is None else str(last))
    return curve.done()


def load(model: str, *, trust_remote_code: bool = False) -> tuple[Any, Any]:
    """(network, tokenizer) as a run trains them: weights in float32.

    Raises ModelError for a model that can't be loaded or used.
    """
    import torch

    from toyrl.bridge.models import load as models

    return models.load(model, trust_remote_code=trust_remote_code, dtype=torch.float32)


def config(folder: Path, s: RunSettings) -> Any:
    """The run as TRL's GRPOConfig; bfloat16 on a GPU, float32 on the CPU."""
    import torch
    from trl.trainer.grpo_config import GRPOConfig

    gpu = torch.cuda.is_available()
    return GRPOConfig(
        output_dir=str(folder),
        max_steps=s.steps,
        per_device_train_batch_size=s.completions,
        num_generations=s.group_size,
        max_completion_length=s.limit,
        learning_rate=s.rate,
        lr_scheduler_type="constant",
        beta=s.beta,
        temperature=s.temperature,
        loss_type=LOSS_TYPE[s.aggregation],
        use_cpu=not gpu,
        bf16=gpu,
        gradient_checkpointing=False,
        logging_steps=s.every,
        report_to=[],
        save_strategy="steps" if s.keep < s.steps else "no",  # at its end a run has its curve
        save_steps=s.keep,
        save_total_limit=1,
        disable_tqdm=True,
        seed=s.seed,
        data_seed=s.seed,
    )


class _Curve:
    """Points of a run, written after each evaluation."""

    def __init__(
        self,
        folder: Path,
        model: str,
        task: Task,
        shaper: Any,
        settings: RunSettings,
        base: Any,
        tokenizer: Any,
        tell: Callable[[str], None],
    ) -> None:
        from toyrl.bridge.training.state import name_of

        self.folder, self.task, self.settings = folder, task, settings
        self.base, self.tokenizer, self.tell = base, tokenizer, tell
        self.data: dict[str, Any] = {
            "schema": schemas.tag("run"),
            "model": model,
            "task": task.name,
            "reward": name_of(shaper),
            "settings": asdict(settings),
            "device": _device(),
            "versions": {name: metadata.version(name) for name in PACKAGES},
            "points": [],
            "logs": [],
            "seconds": 0.0,
        }
        self.before = 0.0
        self.start = time.perf_counter()

    def continued(self) -> Path | None:
        """The checkpoint to go on from, with what was measured before it; None: begin anew.

        Raises TrainingFault for another run's folder.
        """
        old = read_curve(self.folder)
        for name in ("task", "reward", "settings"):
            if old is not None and old[name] != self.data[name]:
                msg = (
                    f"{self.folder} holds a run with another {name} ({shortened(old[name])}); "
                    "name another folder, or begin anew (without resume)"
                )
                raise TrainingFault(msg)
        last = checkpoints.newest(self.folder, self.tell)
        if last is None:
            return None
        done = checkpoints.step_of(last)
        points = [] if old is None else [p for p in old["points"] if p["step"] <= done]
        if old is None or [p["step"] for p in points] != [*filter(self.due, range(done + 1))]:
            self.tell(f"{self.folder / CURVE} lacks points before {last}; the run begins anew")
            return None
        self.before = float(old["seconds"])
        self.data["points"] = points
        self.data["logs"] = [p for p in old["logs"] if p["step"] <= done]
        self.tell(f"resuming from {last}")
        return last

    def due(self, step: int) -> bool:
        """Whether the policy is measured after `step` updates."""
        return step % self.settings.every == 0 or step == self.settings.steps

    def measure(self, step: int, model: Any) -> None:
        """Evaluate the policy after `step` updates, once."""
        if any(p["step"] == step for p in self.data["points"]):
            return
        found = self._point(step, model)
        self.data["points"].append(found.to_dict())
        self.tell(
            f"step {step}: accuracy {found.accuracy:.3f}, length {found.length:.1f}, "
            f"{found.kl:.2f} nats from the base"
        )
        self.write()

    def _point(self, step: int, model: Any) -> evaluate.Point:
        """Where the policy stands; the base is measured once a process for runs that share it."""
        s = self.settings
        shared = (_digest(model), self.task.name, s.times, s.limit, s.seed) if step == 0 else ()
        if shared in BASES:
            return BASES[shared]
        with told(f"the evaluation after {step} updates"):
            found = evaluate.point(
                step,
                model,
                self.base,
                self.tokenizer,
                self.task.held_out,
                self.task.correct,
                times=s.times,
                limit=s.limit,
                seed=1_000_003 * (s.seed + 1) + step,
            )
        if step == 0:
            BASES[shared] = found
        return found

    def log(self, step: int, logs: Mapping[str, Any]) -> None:
        """Keep what the trainer logged."""
        kept = {k: v for k, v in logs.items() if isinstance(v, (int, float)) and math.isfinite(v)}
        self.data["logs"].append({"step": step, **kept})

    def write(self) -> None:
        """curve.json, whole or not at all."""
        self.data["seconds"] = self.before + time.perf_counter() - self.start
        write_file(self.folder / CURVE, json.dumps(self.data, indent=1))

    def done(self) -> dict[str, Any]:
        """The finished curve; its checkpoints are no longer needed."""
        self.write()
        _clear(self.folder, curve=False)
        return self.data

    def callback(self) -> Any:
        """The trainer's callback that measures and logs."""
        from transformers import TrainerCallback

        curve = self

        class Measure(TrainerCallback):
            def on_train_begin(self, args: Any, state: Any, control: Any, **kw: Any) -> None:
                if state.global_step == 0:  # a resumed run has measured where it stands, or won't
                    curve.measure(0, kw["model"])

            def on_step_end(self, args: Any, state: Any, control: Any, **kw: Any) -> None:
                if curve.due(state.global_step):
                    curve.measure(state.global_step, kw["model"])

            def on_log(
                self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any
            ) -> None:
                curve.log(state.global_step, logs or {})

        return Measure()


def _digest(network: Any) -> str:
    """Of the weights' numbers."""
    import torch

    made = hashlib.sha256()
    for p in network.parameters():
        made.update(p.detach().cpu().contiguous().view(torch.uint8).numpy())
    return made.hexdigest()


def _device() -> str:
    import platform

    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU ({platform.machine()}), {torch.get_num_threads()} threads"


def _clear(folder: Path, *, curve: bool = True) -> None:
    checkpoints.clear(folder)
    if curve:
        (folder / CURVE).unlink(missing_ok=True)
