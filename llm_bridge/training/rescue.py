"""A GRPOTrainer whose run can be gone on from: checkpoints, and one before a fault ends it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from toyrl.bridge.training import batches
from toyrl.bridge.training import state as trainer_state
from toyrl.bridge.training.boundaries import boundary
from toyrl.bridge.training.checkpoints import newest, unwritten
from toyrl.bridge.training.faults import (
    NO_NUMBERS,
    Diverged,
    RewardFault,
    TrainingFault,
    advice,
    fault,
)
from toyrl.bridge.training.lean import LeanTrainer
from toyrl.estimators.base import Estimator
from toyrl.rollouts.memory import Store
from toyrl.shapers.base import Shaper

Tensor = torch.Tensor


class RescuedTrainer(LeanTrainer):
    """Memory and estimator state in checkpoints; what ends a run is a `TrainingFault`.

    A batch joins memory when its updates are done (`_unmerged` waits for that), so that the state
    at a checkpoint is that of whole updates.
    """

    model: Any
    args: Any
    shaper: Shaper
    estimator: Estimator
    memory: Store
    estimator_state: Mapping[str, Any]
    _unmerged: batches.Outcome | None
    _random: dict[str, Any] | None

    def _remember(self) -> None:
        """Let memory and estimator state advance by the last batch, whose updates are done."""
        outcome, self._unmerged = self._unmerged, None
        if outcome is None:
            return
        if outcome.memory is not None:
            self.memory.merge(*_on_host(*outcome.memory))
        self.estimator_state = outcome.state

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self._remember()
        try:
            self._write_checkpoint(model, trial)
        except Exception as error:  # OSError, or errors of safetensors' and torch's own
            done = self.state.global_step
            place = Path(self._get_output_dir(trial=trial)) / f"checkpoint-{done}"
            said = unwritten(place, error)
            shutil.rmtree(place, ignore_errors=True)
            msg = f"update {done} is done, but its checkpoint {said}. {self._kept()}"
            raise TrainingFault(msg) from error

    def _write_checkpoint(self, model: Any, trial: Any = None) -> None:
        """Ours first: a checkpoint counts as complete with Hugging Face's own state file."""
        if self.args.should_save:
            trainer_state.save(
                Path(self._get_output_dir(trial=trial)) / f"checkpoint-{self.state.global_step}",
                trainer_state.name_of(self.shaper),
                repr(self.estimator),
                self.memory,
                self.estimator_state,
                self.state.global_step,
            )
        super()._save_checkpoint(model, trial)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        name = trainer_state.name_of(self.shaper)
        self.memory, self.estimator_state = trainer_state.load(
            Path(resume_from_checkpoint), name, repr(self.estimator), self.accelerator.device
        )

    # -- faults -----------------------------------------------------------------------------------
    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        try:
            loss = super().training_step(model, inputs, num_items_in_batch)
        except RewardFault as error:
            raise TrainingFault(self._fault(str(error))) from error
        except Exception as error:
            problem = advice(error)
            if not problem:
                raise
            raise fault(problem)(self._fault(problem)) from error
        if not bool(torch.isfinite(loss).all()):
            problem = (
                f"the loss is {float(loss.mean())}; lower learning_rate or max_grad_norm, or train "
                "in float32"
            )
            raise Diverged(self._fault(problem))
        return loss

    def _fault(self, problem: str) -> str:
        """What ended the run, and where its checkpoint is, which is written now if it can be."""
        step = self.state.global_step + 1
        saved = self._kept() if problem == NO_NUMBERS else self._rescue()
        return f"update {step} failed: {problem}. {saved}"

    def _kept(self) -> str:
        """Where the last checkpoint is that was written before."""
        folder = Path(self._get_output_dir(trial=None))
        last = newest(folder)
        return f"No checkpoint is in {folder}" if last is None else f"The last checkpoint is {last}"

    def _rescue(self) -> str:
        """Save the last whole update, as if the failed one had not begun; what was saved, where."""
        done = self.state.global_step
        place = Path(self._get_output_dir(trial=None)) / f"checkpoint-{done}"
        if (place / "trainer_state.json").is_file():
            return f"The checkpoint of update {done} is {place}"
        if self.accelerator.num_processes > 1:
            return f"On several processes only regular checkpoints are kept, in {place.parent}"
        if not all(bool(torch.isfinite(p).all()) for p in self.model.parameters()):
            return f"The model's weights are not finite, so none was saved; see {place.parent}"
        every = boundary(self.args, self.num_iterations)
        if done % every:
            before = done - done % every
            return f"No checkpoint: update {done} is amid a generation batch begun at {before}"
        self._unmerged = None
        if self._random is not None:
            trainer_state.set_random_states(self._random)
        try:
            self._write_checkpoint(self.model)
        except Exception as error:  # a full disk must not hide what happened
            said = unwritten(place, error)
            shutil.rmtree(place, ignore_errors=True)
            return f"No checkpoint: {said}. {self._kept()}"
        return f"A checkpoint of update {done} was written to {place}"


def _on_host(keys: list[str], shaped: Any) -> tuple[list[str], Any]:
    memory = {n: v.detach().cpu().double().numpy() for n, v in shaped.memory.items()}
    return keys, type(shaped)(parts={}, memory=memory)
