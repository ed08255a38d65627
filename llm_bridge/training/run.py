"""One GRPO run of a small model with a reward of the catalogue, measured as it goes.

The folder of a run holds `curve.json` (settings, versions, one point per evaluation and what the
trainer logged) and checkpoints. A run that was broken off goes on from its last checkpoint and
gives the curve of an uninterrupted one: evaluations draw from generators of their own.
"""

from __future__ import annotations

import json
import math
import shutil
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from toyrl import schemas
from toyrl.bridge.tasks import Task, as_dataset, for_model
from toyrl.bridge.training import evaluate
from toyrl.files import write_file
from toyrl.graders.base import TextRow
from toyrl.messages import shortened

CURVE = "curve.json"
LOSS_TYPE = {"grpo": "grpo", "dapo": "dapo", "dr_grpo": "dr_grpo", "sum": "dr_grpo"}
"""TRL's name of each token aggregation; `sum` and Dr. GRPO differ by a constant factor."""
PACKAGES = ("toyrl", "torch", "transformers", "trl")


@dataclass(frozen=True)
class RunSettings:
    """What a run is like, apart from model, task and reward.

    steps : updates; completions : a step, in groups of group_size; limit : tokens a completion
    rate : learning rate; every : updates between evaluations, of `times` completions of each
    held-out prompt; keep : updates between checkpoints

    Raises ValueError for counts below 1, an aggregation that doesn't exist, and a group size that
    is 1 or doesn't divide the completions.
    """

    steps: int = 80
    completions: int = 48
    group_size: int = 8
    limit: int = 96
    rate: float = 2e-4
    beta: float = 0.0
    temperature: float = 1.0
    estimator: str = "grpo"
    aggregation: str = "grpo"
    every: int = 8
    times: int = 2
    keep: int = 40
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "completions", "limit", "every", "times", "keep"):
            if getattr(self, name) < 1:
                msg = f"{name}={getattr(self, name)} must be at least 1"
                raise ValueError(msg)
        if self.group_size < 2 or self.completions % self.group_size:
            msg = (
                f"group_size={self.group_size} must be at least 2 and divide "
                f"completions={self.completions}"
            )
            raise ValueError(msg)
        if self.aggregation not in LOSS_TYPE:
            msg = f"aggregation={shortened(self.aggregation)} is not one of {', '.join(LOSS_TYPE)}"
            raise ValueError(msg)


def finished(folder: Path, settings: RunSettings) -> dict[str, Any] | None:
    """The curve of a run that has reached its last step under these settings, or None."""
    data = read_curve(folder)
    if data is None or data["settings"] != asdict(settings):
        return None
    points = data["points"]
    return data if points and points[-1]["step"] == settings.steps else None


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
    resume : go on from the last checkpoint in the folder, if there is one

    Raises ModelError for a model that can't be loaded, TrainingFault for a run that can't go on
    (after a checkpoint).
    """
    from transformers.trainer_callback import PrinterCallback

    from toyrl.bridge.training.trainer import ShapedGRPOTrainer

    folder.mkdir(parents=True, exist_ok=True)
    last = _last_checkpoint(folder) if resume else None
    network, tokenizer = load(model, trust_remote_code=trust_remote_code)
    base, _ = load(model, trust_remote_code=trust_remote_code)
    task = for_model(task, tokenizer)
    curve = _Curve(folder, model, task, shaper, settings, base, tokenizer, tell)
    if last is not None:
        curve.continue_from(int(last.name.rpartition("-")[2]))
        tell(f"resuming from {last}")
    elif not resume:
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
        trainer.train(resume_from_checkpoint=None if last is None else str(last))
    return curve.done()


def load(model: str, *, trust_remote_code: bool = False) -> tuple[Any, Any]:
    """(network, tokenizer); float32 on the CPU, bfloat16 weights are left to the trainer.

    Raises ModelError for a model that can't be loaded.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    from toyrl.bridge.models.sampling import ModelError

    logging.disable_progress_bar()

    try:
        tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=trust_remote_code)
        network: Any = AutoModelForCausalLM.from_pretrained(
            model, trust_remote_code=trust_remote_code, dtype=torch.float32
        )
    except Exception as error:  # transformers raises OSError, ValueError, KeyError and others
        first = str(error).strip().split("\n")[0]
        hint = "name tiny, smollm2, a folder, or the id of a causal model on the hub"
        if "trust_remote_code" in str(error):
            hint = "the model comes with code of its own; --trust-remote-code runs it"
        msg = f"model={shortened(model)} can't be loaded: {first}; {hint}"
        raise ModelError(msg) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return network.to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer


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
        save_strategy="steps",
        save_steps=min(s.keep, s.steps),
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

    def continue_from(self, step: int) -> None:
        """Keep what was measured up to the checkpoint."""
        old = read_curve(self.folder)
        if old is None:
            return
        self.before = float(old["seconds"])
        for name in ("points", "logs"):
            self.data[name] = [p for p in old[name] if p["step"] <= step]

    def measure(self, step: int, model: Any) -> None:
        """Evaluate the policy after `step` updates, once."""
        if any(p["step"] == step for p in self.data["points"]):
            return
        s = self.settings
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
        self.data["points"].append(found.to_dict())
        self.tell(
            f"step {step}: accuracy {found.accuracy:.3f}, length {found.length:.1f}, "
            f"{found.kl:.2f} nats from the base"
        )
        self.write()

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
                s = curve.settings
                if state.global_step % s.every == 0 or state.global_step == s.steps:
                    curve.measure(state.global_step, kw["model"])

            def on_log(
                self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any
            ) -> None:
                curve.log(state.global_step, logs or {})

        return Measure()


def _device() -> str:
    import platform

    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU ({platform.machine()}), {torch.get_num_threads()} threads"


def _last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint of a run's folder."""
    found = [
        p
        for p in folder.glob("checkpoint-*")
        if (p / "trainer_state.json").is_file() and p.is_dir()
    ]
    return max(found, key=lambda p: int(p.name.rpartition("-")[2]), default=None)


def _clear(folder: Path, *, curve: bool = True) -> None:
    for place in folder.glob("checkpoint-*"):
        shutil.rmtree(place, ignore_errors=True)
    if curve:
        (folder / CURVE).unlink(missing_ok=True)
