"""TRL's GRPOTrainer with rewards and advantages of the toyrl catalogue.

    trainer = ShapedGRPOTrainer(model, "laser(target=0.5)", estimator="dr_grpo",
                                args=GRPOConfig(...), train_dataset=data)

Everything that TRL does stays: generation, loss, clipping, KL, logging. Replaced are the
advantages, (N,) or (N, T), which a shaper and an estimator make of correctness, lengths and
fields on torch, by the same code that `toyrl validate` runs. Written against TRL 1.16.

Costs no further forward pass: a shaper or estimator that reads `entropy` or `logprobs` gets them
from TRL's own pass for the old log-probabilities where TRL makes one, else from the loss's pass,
during which the advantages are then filled in. The one exception: several micro-batches to a
generation batch and no pass of TRL's own, so that no pass sees whole groups in time (warned).
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from transformers.utils import logging
from trl.trainer.grpo_config import GRPOConfig

from toyrl.bridge.training import batches
from toyrl.bridge.training import state as trainer_state
from toyrl.bridge.training.boundaries import check_save_steps
from toyrl.bridge.training.faults import by_row, graded
from toyrl.bridge.training.pairs import PairSampler, pairs_of
from toyrl.bridge.training.rescue import RescuedTrainer
from toyrl.bridge.training.steps import StepGraders
from toyrl.estimators.base import Estimator
from toyrl.expressions import parse, parse_estimator
from toyrl.graders.answers import is_answered, is_correct
from toyrl.graders.base import TextRow
from toyrl.graders.steps.phases import think_end
from toyrl.graders.steps.splits import Splitter
from toyrl.rewards.process import step_scorer
from toyrl.rollouts import FIELDS
from toyrl.rollouts.fields import behind
from toyrl.rollouts.memory import Store
from toyrl.rollouts.texts import SAID, ran_out, said
from toyrl.serving import text_of
from toyrl.shapers.base import Shaper

Tensor = torch.Tensor
Grader = Callable[[Sequence[TextRow]], Sequence[Any]]
POLICY = ("logprobs", "entropy")
OWN = ("correct", "length", "truncated", "mask", "weight")
ROWS = "toyrl_rows"

logger = logging.get_logger(__name__)


class ShapedGRPOTrainer(RescuedTrainer):
    """GRPOTrainer whose advantages come from a toyrl shaper and estimator.

    shaper, estimator : objects, or as written in the catalogue
    correct : row -> 1, 0 or None (unscorable); by default the marked answer against gold columns
    graders : field name -> function of rows, one number (or None) a row; for per-token fields
        one sequence a row, as long as its tokens (ids in the row's column completion_ids). By
        default `answered`, `thought` and `think_end` (</think>) are read off the text
    step_scores : who scores steps: a function of the list of steps, file.py:function, or the folder
        of a token-classification model; fields `step_scores` and `step_ends` come from it, for
        rewards such as step_clip_delta() and estimators that give credit per step (step_returns)
    steps : where steps end, as for `toyrl.graders.steps.splits.steps`
    memory_capacity : prompts kept in the shaper's memory (None: all)

    Fields that no grader gives are read from data columns of their name. A data column
    `prompt_id` names the prompt in the shaper's memory, else the prompt itself does. TRL's logged
    "reward" is correctness; `toyrl/reward` is what the shaper pays. A NaN loss, a raising reward
    or a full device memory ends the run with a `TrainingFault`, after a checkpoint.

    Raises TypeError for reward functions, ValueError for a reward whose fields nothing supplies.
    """

    model: Any
    args: Any

    def __init__(
        self,
        model: Any,
        shaper: Shaper | str,
        *,
        estimator: Estimator | str = "grpo",
        correct: Callable[[TextRow], float | None] = is_correct,
        graders: Mapping[str, Grader] | None = None,
        step_scores: str | Callable[..., Any] | None = None,
        steps: str | re.Pattern[str] | Splitter = "line",
        memory_capacity: int | None = None,
        args: GRPOConfig | None = None,
        **options: Any,
    ) -> None:
        refuse = {"reward_funcs", "reward_processing_classes"} & set(options)
        if refuse:
            msg = (
                f"{refuse.pop()} is not taken: the reward is the shaper; texts are read by graders"
            )
            raise TypeError(msg)
        self.shaper = parse(shaper) if isinstance(shaper, str) else shaper
        self.estimator = parse_estimator(estimator) if isinstance(estimator, str) else estimator
        self.graders: dict[str, Grader] = {"correct": by_row(correct), **(graders or {})}
        self.graders.setdefault("answered", by_row(is_answered))
        self.graders.setdefault("think_end", self._think_end)
        scorer = None if step_scores is None else step_scorer(step_scores)
        self.memory = Store.of(self.shaper, capacity=memory_capacity)
        self.estimator_state: Mapping[str, Any] = {}
        self._unmerged: batches.Outcome | None = None  # joins memory when its update is done
        self._batch: batches.Batch | None = None
        self._late: batches.Batch | None = None  # waits for the loss's forward pass
        self._late_inputs: dict[str, Any] | None = None
        self._capture: list[tuple[Tensor, Tensor]] | None = None
        self._random: dict[str, Any] | None = None
        super().__init__(model, reward_funcs=_correctness(self), args=args, **options)
        if scorer is not None:
            self._warn_of_totals()
            self.graders |= StepGraders(self._tokenizer, scorer, steps).graders()
        if options.get("rollout_func") is None:  # which may add columns
            self._check_fields(self.train_dataset)
        check_save_steps(self.args, self.num_iterations)

    def _warn_of_totals(self) -> None:
        if self.shaper.all_token_level() and not self.estimator.token_level:
            logger.warning(
                f"the estimator {self.estimator!r} gives one number a rollout, so of what "
                f"{self.shaper!r} pays by step only the total counts (of Delta's, the first step's "
                "score); estimator='step_returns' gives credit per step"
            )

    # -- rewards ----------------------------------------------------------------------------------
    def _grade(
        self, prompts: list, completions: list, completion_ids: list, columns: dict[str, list]
    ) -> list[float | None]:
        """Grade a batch of texts; correctness per row goes back to TRL."""
        training = bool(self.model.training)
        group: Any = self.num_generations if training else self.num_generations_eval
        ends = [*self.eos_token_ids, self._tokenizer.pad_token_id]
        rows, keys = [], []
        for i, (prompt, text, ids) in enumerate(
            zip(prompts, completions, completion_ids, strict=True)
        ):
            own = {name: values[i] for name, values in columns.items()}
            key = own.get("prompt_id") or hashlib.sha256(repr(prompt).encode()).hexdigest()[:16]
            own["completion_ids"] = ids
            cut = ran_out(
                len(ids), ended=bool(ids) and ids[-1] in ends, limit=self.max_completion_length
            )
            rows.append(TextRow(text_of(prompt), text_of(text), own, len(ids), cut))
            keys.append(str(key))
        device = self.accelerator.device
        correct = graded("correct", self.graders["correct"], rows)
        self._batch = batches.Batch(
            rows=rows,
            keys=keys,
            correct=batches.numbers("correct", correct, rows, device),
            fields={n: self._field(n, rows) for n in self._text_fields(columns)},
            group=group,
            max_length=float(self.max_completion_length or math.inf),
            step=self.state.global_step,
            training=training,
        )
        return [None if math.isnan(v) else v for v in self._batch.correct.tolist()]

    def _field(self, name: str, rows: Sequence[TextRow]) -> Tensor:
        device = self.accelerator.device
        if name in self.graders:
            values = graded(name, self.graders[name], rows)
        elif name in SAID and not all(name in row.columns for row in rows):
            values = [said(name, row) for row in rows]
        else:
            values = [row.columns[name] for row in rows]
        make = {"T": batches.token_numbers, "M": batches.reference_numbers}
        return make.get(behind(name), batches.numbers)(name, values, rows, device)

    def _think_end(self, rows: Sequence[TextRow]) -> list[list[float]]:
        """Marks on the tokens of the tag that closes the thinking."""
        decode = self._tokenizer.decode
        texts = [[str(decode([i])) for i in row.columns["completion_ids"]] for row in rows]
        return [think_end(pieces).tolist() for pieces in texts]

    def _needed(self) -> list[str]:
        """Arrays beyond correctness and length that the shaper and the estimator read."""
        names = (*self.shaper.all_needs(), *self.estimator.needs)
        return [n for n in dict.fromkeys(names) if n not in ("correct", "length", "truncated")]

    def _text_fields(self, columns: Collection[str]) -> list[str]:
        given = {*self.graders, *columns, *SAID}  # which any text says
        wanted = [n for n in self.shaper.all_wants() if n in given and n not in OWN]
        needed = [n for n in self._needed() if n not in (*OWN, *POLICY, "ref_logprobs")]
        if "step_scores" in needed and "step_ends" in self.graders:
            wanted.append("step_ends")  # which estimators read too
        return list(dict.fromkeys([*needed, *wanted]))

    def _check_fields(self, data: Any) -> None:
        """Refuse, before anything runs, a reward whose fields nobody gives."""
        columns = list(getattr(data, "column_names", None) or [])
        if not columns:
            return
        for name in self._text_fields(columns):
            if name not in (*self.graders, *columns, *SAID):
                origin = FIELDS[name].origin if name in FIELDS else "unknown"
                msg = (
                    f"the reward reads {name!r} ({origin}), which is neither a grader nor a data "
                    f"column (columns: {', '.join(columns)}); pass graders={{{name!r}: function}}"
                )
                raise ValueError(msg)
        if "ref_logprobs" in self._needed() and self.beta == 0.0:
            msg = "the reward reads 'ref_logprobs', but beta=0 keeps no reference model; set beta"
            raise ValueError(msg)

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        """TRL's, or pairs of rows for a reward that compares two wordings of a question."""
        rows: Any = self.train_dataset if dataset is None else dataset
        each = int(self.num_generations or 1)
        if "view" not in self._needed():
            return super()._get_train_sampler(dataset)
        missing = {"pair_id", "view"} - set(getattr(rows, "column_names", None) or [])
        if missing:
            msg = f"the reward compares two wordings; the data lacks {', '.join(sorted(missing))}"
            raise ValueError(msg + ": the question's number, and 0 or 1 for its wording")
        return PairSampler(
            pairs_of(rows["pair_id"], rows["view"]),
            mini_repeat_count=each,
            batch_size=int(self.args.generation_batch_size or 0) // each,
            repeat_count=self.num_iterations * self.args.steps_per_generation,
            shuffle=bool(self.shuffle_dataset),
            seed=self.args.seed,
        )

    # -- advantages -------------------------------------------------------------------------------
    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        training = self.model.training
        if training:
            self._remember()
            self._random = trainer_state.random_states()
        policy = [n for n in POLICY if n in self._needed()]
        self._late, self._late_inputs = None, None
        self._capture = [] if policy else None
        try:
            out = super()._generate_and_score_completions(inputs)
            passes, self._capture = self._capture, None
        finally:
            self._capture = None
        batch = self._batch
        assert batch is not None  # _grade ran inside
        if "mask" in self._needed():
            batch.fields["mask"] = out["completion_mask"].float()
        if "ref_logprobs" in self._needed():
            batch.fields["ref_logprobs"] = out["ref_per_token_logps"].float()
        if policy and not passes:
            if self.args.steps_per_generation == 1 or not training:
                self._late = batch
                out[ROWS] = torch.arange(len(batch.rows), device=out["advantages"].device)
                return out
            passes = [self._extra_pass(out)]
        if policy:
            self._add_policy(batch, *(passes or [])[0])
        out["advantages"] = self._advantages(batch).to(out["advantages"].device)
        return out

    def _advantages(self, batch: batches.Batch) -> Tensor:
        """Advantages of this process's rows; memory and state wait for the update to be done."""
        with torch.no_grad():
            outcome = batches.shape(
                batch,
                self.shaper,
                self.estimator,
                self.memory,
                self.estimator_state,
                self.accelerator,
            )
        if batch.training:
            self._unmerged = outcome
        mode = "train" if batch.training else "eval"
        for name, value in outcome.metrics.items():
            self._metrics[mode][f"toyrl/{name}"].append(value)
        self._show(outcome.everywhere)
        return outcome.advantages

    def _show(self, everywhere: Tensor) -> None:
        """Put our advantages (means over tokens) where TRL logged its own."""
        log = self._logs["advantages"]
        values = everywhere.reshape(len(everywhere), -1).mean(dim=1).tolist()
        for _ in range(min(len(values), len(log))):
            log.pop()
        log.extend(values)

    # -- the policy's own arrays ------------------------------------------------------------------
    def _get_per_token_logps_and_entropies(self, model: Any, *args: Any, **options: Any) -> Any:
        if self._capture is not None and model is self.model and not self._capture:
            options["compute_entropy"] = True
            answer = super()._get_per_token_logps_and_entropies(model, *args, **options)
            self._capture.append((answer[0], answer[1]))
            return answer
        answer = super()._get_per_token_logps_and_entropies(model, *args, **options)
        if self._late_inputs is not None and self._late is not None:
            self._fill(answer[0].detach(), answer[1].detach())
        return answer

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        self._late_inputs = inputs if ROWS in inputs else None
        try:
            return super()._compute_loss(model, inputs)
        finally:
            self._late_inputs = None

    def _without_gradient(self, inputs: dict[str, Any]) -> Tensor | None:
        """None as well where the advantages are not there yet."""
        return None if ROWS in inputs else super()._without_gradient(inputs)

    def _fill(self, logps: Tensor, entropies: Tensor) -> None:
        """Advantages from the loss's own forward pass, whose rows were shuffled, put in place."""
        inputs, batch = self._late_inputs, self._late
        assert inputs is not None
        assert batch is not None
        rows = inputs.pop(ROWS)
        back = torch.argsort(rows)
        self._late, self._late_inputs = None, None
        self._add_policy(batch, logps[back], entropies[back])
        inputs["advantages"] = self._advantages(batch)[rows].to(inputs["advantages"].device)

    def _add_policy(self, batch: batches.Batch, logps: Tensor, entropies: Tensor) -> None:
        given = {"logprobs": logps, "entropy": entropies}
        batch.fields |= {n: given[n].float() for n in POLICY if n in self._needed()}

    def _extra_pass(self, out: dict[str, Any]) -> tuple[Tensor, Tensor]:
        logger.warning_once(
            "the reward reads the policy's entropies or log-probabilities, and "
            f"steps_per_generation={self.args.steps_per_generation} splits groups before the loss "
            "sees them: one further forward pass is made; steps_per_generation=1 saves it"
        )
        with torch.no_grad():
            logps, entropies, _ = super()._get_per_token_logps_and_entropies(
                self.model,
                torch.cat([out["prompt_ids"], out["completion_ids"]], dim=1),
                torch.cat([out["prompt_mask"], out["completion_mask"]], dim=1),
                out["completion_ids"].shape[1],
                batch_size=self.args.per_device_train_batch_size,
                compute_entropy=True,
            )
        return logps, entropies


def _correctness(trainer: ShapedGRPOTrainer) -> Callable[..., list[float | None]]:
    """TRL's one reward function: grades, and answers with correctness."""

    def correct(
        prompts: list, completions: list, completion_ids: list, **columns: Any
    ) -> list[float | None]:
        lists = {k: v for k, v in columns.items() if isinstance(v, list) and len(v) == len(prompts)}
        return trainer._grade(prompts, completions, completion_ids, lists)

    return correct
