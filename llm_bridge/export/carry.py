"""What a trainer's reward interface can carry, and the reason for everything that it can't.

    target      a reward is called on     tokens counted  update number  its own estimators
    trl         the generation batch      yes             yes            scale_rewards
    verl        one rollout               in the          no             any, registered (by uid,
                                          estimator                      correct and length)
    openrlhf    one rollout, text only    by a tokenizer  no             a fixed list
    verifiers   one rollout or one group  yes             no             reward - group mean

A reward that a trainer would centre or divide once more can still carry an estimator whose
advantages have mean 0 in every group: they are returned as rewards, and the trainer subtracts 0.
What an interface can't carry, `toyrl.bridge.training.trainer.ShapedGRPOTrainer` carries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from toyrl.estimators.base import Estimator
from toyrl.estimators.group import PRESETS, GroupEstimator
from toyrl.graders.traces import INPUT, TASK
from toyrl.messages import shortened
from toyrl.rollouts import FIELDS, Rollouts
from toyrl.shapers.base import Shaper
from toyrl.shapers.schedules import SCHEDULES
from toyrl.shapers.task import TaskParts

TARGETS = ("trl", "verl", "openrlhf", "verifiers")
TRAINER = "toyrl.bridge.training.trainer.ShapedGRPOTrainer carries it"
ALWAYS = ("correct", "length", "truncated", "mask")
FORWARD = ("logprobs", "ref_logprobs", "entropy", "sampling_logprobs")
"""Of a forward pass: no trainer hands them to a reward, and no data column can hold them."""
LOGITS = ("self_certainty",)
"""Of all logits of a token, which no trainer keeps."""
SEEN_BY_ESTIMATOR = ("correct", "length", "truncated", "mask")
ROUNDING = 1e-9
STAND_IN = (
    "conciseness: hand ServedReward.of a scorer, graders={'conciseness': ConcisenessModel(...)"
    ".graded}; without one, or a data column of that name, 1 - length/limit stands in, which "
    "charges long necessary work"
)


class CannotCarry(ValueError):
    """The target can't carry this reward; the message is the reason and what to do instead."""


@dataclass(frozen=True)
class Plan:
    """How a target carries a reward.

    mode : "rewards" (the trainer's own estimator follows), "advantages" (returned as rewards) or
        "estimator" (verl: correctness as score, everything else in the advantage estimator)
    group : the reward looks at its group
    settings : options that the run must have, by the target's own names
    notes : what is worth knowing
    """

    target: str
    mode: str
    group: bool
    settings: dict[str, Any]
    notes: tuple[str, ...] = ()


def plan(
    shaper: Shaper, estimator: Estimator | None, target: str, *, tokenizer: str | None = None
) -> Plan:
    """How `target` carries the reward, or CannotCarry with the reason.

    Raises CannotCarry with the reason, ValueError for another target.
    """
    if target not in TARGETS:
        msg = f"to={shortened(target)} is not one of {', '.join(TARGETS)}"
        raise ValueError(msg)
    if shaper.all_memory():
        names = ", ".join(m.name for m in shaper.all_memory())
        why = f"the reward keeps memory between visits ({names}), which {target} would neither"
        msg = f"{why} save with checkpoints nor keep still in evaluation; {TRAINER}"
        raise CannotCarry(msg)
    if isinstance(shaper, TaskParts):
        _refuse_found(shaper, target)
    by_step = isinstance(shaper, TaskParts) and shaper.by_step
    if target != "trl" and (
        by_step or scheduled(shaper) or (estimator and steps_matter(estimator))
    ):
        why = f"the reward changes with the update number, which {target} doesn't tell a reward"
        msg = f"{why}; {TRAINER}"
        raise CannotCarry(msg)
    if shaper.all_token_level() and not (target == "verl" and _seen(shaper)):
        why = f"credit per token does not fit into the one number a rollout that {target} takes"
        msg = f"{why} from a reward; {TRAINER}"
        raise CannotCarry(msg)
    reads = (*shaper.all_needs(), *(estimator.needs if estimator else ()))
    passed = [n for n in dict.fromkeys(reads) if n in FORWARD]
    if passed:
        why = f"the reward or its estimator reads {', '.join(passed)}, of a model's forward pass,"
        msg = f"{why} which {target} doesn't hand to a reward; {TRAINER}"
        raise CannotCarry(msg)
    logits = [n for n in dict.fromkeys(reads) if n in LOGITS]
    if logits:
        why = f"the reward or its estimator reads {', '.join(logits)}, of all logits of a token,"
        msg = (
            f"{why} which no trainer keeps; toyrl.bridge.training.trainer.ShapedGRPOTrainer takes "
        )
        raise CannotCarry(msg + "it from graders={...}")
    found = _PLANS[target](shaper, estimator, tokenizer)
    if "conciseness" in shaper.all_wants() and found.mode != "estimator":
        found = replace(found, notes=(*found.notes, STAND_IN))
    return _paired(found) if "view" in reads else found


def _paired(plan: Plan) -> Plan:
    """What a run must have whose reward compares two wordings of a question (TRL alone)."""
    note = "each question is two rows of the data, next to each other, with its pair_id and view 0 "
    note += "and 1; a batch of generations holds an even number of prompts, on one process"
    settings = {**plan.settings, "shuffle_dataset": False}
    return replace(plan, settings=settings, notes=(*plan.notes, note))


# -- the four targets ---------------------------------------------------------------------------
def _trl(shaper: Shaper, estimator: Estimator | None, _tokenizer: str | None) -> Plan:
    grouped = shaper.all_scope() != "rollout"
    found = ()
    if isinstance(shaper, TaskParts) and shaper.of_text:
        named = ", ".join(shaper.of_text)
        found = (
            f"{named}: found of each text, so no column of the data; give the reward a model "
            f"in its place, or a rollout_func that returns {named} with the completions",
        )
    if estimator is None:
        left = "GRPOConfig's scale_rewards stays as set"
        return Plan("trl", "rewards", grouped, {}, (left, *found))
    for scale, name in (("group", "grpo"), ("none", "dr_grpo"), ("batch", "grpo_batch")):
        if estimator == PRESETS[name]:
            return Plan("trl", "rewards", grouped, {"scale_rewards": scale}, found)
    _refuse_tokens(estimator, "trl")
    _refuse_uncentred(estimator, "TRL")
    return Plan("trl", "advantages", True, {"scale_rewards": "none"}, (_AS_REWARDS, *found))


def _verl(shaper: Shaper, estimator: Estimator | None, _tokenizer: str | None) -> Plan:
    chosen = PRESETS["grpo_verl"] if estimator is None else estimator
    settings = {"algorithm.use_kl_in_reward": False}
    unseen = [n for n in chosen.needs if n not in SEEN_BY_ESTIMATOR]
    if unseen:
        why = f"the estimator reads {', '.join(unseen)}, which verl does not hand to estimators"
        msg = f"{why}; {TRAINER}"
        raise CannotCarry(msg)
    if _seen(shaper):
        notes = ["compute_score returns correctness; the estimator shapes it with exact lengths"]
        if shaper.all_wants():
            wants = ", ".join(shaper.all_wants())
            notes.append(f"{wants}: read where present, but verl's estimators don't get it")
        return Plan("verl", "estimator", True, settings, tuple(notes))
    reads = ", ".join(_columns(shaper))
    if shaper.all_scope() != "rollout":
        why = f"the reward looks at its group and at {reads}; verl's estimator gets no such column"
        msg = f"{why}, and its rewards see one rollout; {TRAINER}"
        raise CannotCarry(msg)
    if _reads_tokens(shaper):
        why = "the reward looks at the length in tokens, which verl gives the estimator, and at"
        msg = f"{why} {reads or 'the text'}, which only its reward function gets; {TRAINER}"
        raise CannotCarry(msg)
    if estimator is not None and parts_matter(estimator):
        why = f"the estimator normalises parts apart, but {reads} reach verl's reward function"
        msg = f"{why} only, which returns one number; {TRAINER}"
        raise CannotCarry(msg)
    if "trace_" in reads:  # read off the text, by the program that these two name
        reads = ", ".join([*(n for n in reads.split(", ") if "trace_" not in n), TASK, INPUT])
    own = isinstance(shaper, TaskParts) and len(shaper.reads) <= 1  # ground_truth stands for it
    asks = shaper.asks if isinstance(shaper, TaskParts) else ()
    held = [*([] if own else [reads]), *(["the prompt, as prompt"] if "prompt" in asks else [])]
    notes = (f"extra_info must hold {' and '.join(held)}",) if held else ()
    if "truncated" in asks:
        notes += ("verl doesn't tell a reward that a text was cut off: such texts count as ended",)
    if estimator is None and isinstance(shaper, TaskParts):
        notes += (_ABSENT,)
    return Plan("verl", "rewards", False, settings, notes)


def _columns(shaper: Shaper) -> list[str]:
    """Data columns that the reward reads."""
    reads = shaper.reads if isinstance(shaper, TaskParts) else shaper.all_needs()
    return [n for n in reads if n not in ALWAYS]


def _openrlhf(shaper: Shaper, estimator: Estimator | None, tokenizer: str | None) -> Plan:
    _refuse_group(shaper, "openrlhf")
    extra = _columns(shaper)
    if len(extra) > isinstance(shaper, TaskParts):  # a task's one gold column is the label
        why = f"the reward reads {', '.join(extra)}; OpenRLHF hands over texts and one label only"
        msg = f"{why}; {TRAINER}"
        raise CannotCarry(msg)
    if _reads_tokens(shaper) and tokenizer is None:
        why = "the reward reads the length in tokens, but OpenRLHF hands over text only"
        msg = f"{why}; name the model's tokenizer (--tokenizer ID)"
        raise CannotCarry(msg)
    if estimator is None:
        return Plan("openrlhf", "rewards", False, {}, ("the estimator stays as set",))
    for option, same in _openrlhf_estimators():
        if estimator == same:
            return Plan("openrlhf", "rewards", False, {"algo.advantage.estimator": option})
    why = "OpenRLHF's estimators can't be replaced, and none of them is this one"
    names = ", ".join(f"{o} (here {n})" for o, n in _OPENRLHF_NAMES.items())
    msg = f"{why}: it has {names}; leave the estimator out or choose one of these"
    raise CannotCarry(msg)


def _verifiers(shaper: Shaper, estimator: Estimator | None, _tokenizer: str | None) -> Plan:
    if shaper.all_scope() == "batch":
        why = "the reward looks at the whole batch, but a rubric sees one group at a time"
        msg = f"{why}; {TRAINER}"
        raise CannotCarry(msg)
    grouped = shaper.all_scope() == "group"
    settings = {"verifiers": "<0.2"}
    if estimator is None or estimator == PRESETS["dr_grpo"]:
        note = "verifiers subtracts the group's mean reward: Dr. GRPO's advantage"
        return Plan("verifiers", "rewards", grouped, settings, (note,))
    _refuse_tokens(estimator, "verifiers")
    if looks_at_batch(estimator):
        why = "the estimator looks at the whole batch, but a rubric sees one group at a time"
        msg = f"{why}; {TRAINER}"
        raise CannotCarry(msg)
    _refuse_uncentred(estimator, "verifiers")
    return Plan("verifiers", "advantages", True, settings, (_AS_REWARDS,))


_PLANS: dict[str, Callable[[Shaper, Estimator | None, str | None], Plan]] = {
    "trl": _trl,
    "verl": _verl,
    "openrlhf": _openrlhf,
    "verifiers": _verifiers,
}
_ABSENT = (
    "a text that can't be graded is NaN, which verl's own estimators spread over its group; name "
    "an estimator, and this file registers one that leaves such texts out"
)
_AS_REWARDS = (
    "advantages are returned as rewards: their mean in a group is 0, so the trainer's own "
    "centring leaves them as they are; the reward itself is logged as toyrl/reward"
)
_OPENRLHF_NAMES = {
    "reinforce": "reinforce_openrlhf",
    "reinforce_baseline": "reinforce_baseline",
    "rloo": "rloo",
    "dr_grpo": "dr_grpo",
    "group_norm": "grpo_exact",
    "flash_reinforce": "reinforce_mean",
}


def _openrlhf_estimators() -> list[tuple[str, Any]]:
    from toyrl import registry

    pairs = [(o, registry.get("estimator", n).target) for o, n in _OPENRLHF_NAMES.items()]
    return [*pairs, ("group_norm", GroupEstimator(eps=1e-9))]


# -- properties ---------------------------------------------------------------------------------
def scheduled(node: Any) -> bool:
    """True if a number anywhere in a shaper is a schedule of the update number."""
    if isinstance(node, tuple(SCHEDULES.values())):
        return True
    if isinstance(node, (tuple, list)):
        return any(scheduled(v) for v in node)
    if is_dataclass(node) and not isinstance(node, type):
        return any(scheduled(getattr(node, f.name)) for f in fields(node))
    return False


def steps_matter(estimator: Estimator) -> bool:
    """True if the estimator's answer on random groups changes with the update number."""
    first = _probe(estimator, step=0)
    later = (_probe(estimator, step=s) for s in (1, 10, 100, 1000, 100_000))
    return any(not np.array_equal(first, a, equal_nan=True) for a in later)


def looks_at_batch(estimator: Estimator) -> bool:
    """True if a group's advantages change with the other groups of the batch."""
    together = _probe(estimator)
    alone = _probe(estimator, groups=1)
    return not np.allclose(together[:1], alone, rtol=ROUNDING, atol=ROUNDING)


def parts_matter(estimator: Estimator) -> bool:
    """True if two reward parts give other advantages than their sum as one part."""
    rng = np.random.default_rng(0)
    x, y = rng.random((8, 4)), 10 * rng.random((8, 4))
    r = Rollouts(
        correct=np.ones((8, 4)),
        length=np.ones((8, 4)),
        max_length=50.0,
        mask=np.ones((8, 4, 2)),
        fields={
            n: rng.random((8, 4, 2) if FIELDS[n].axes else (8, 4))
            for n in estimator.needs
            if n in FIELDS
        },
    )
    apart = np.asarray(estimator.apply({"x": x, "y": y}, r)[0])
    summed = np.asarray(estimator.apply({"reward": x + y}, r)[0])
    return not np.allclose(apart, summed, rtol=ROUNDING, atol=ROUNDING)


def uncentred(estimator: Estimator) -> float:
    """The largest |mean advantage| of a group over random groups, relative to the largest one."""
    a = np.concatenate([_probe(estimator, seed=s) for s in range(4)])
    return float(np.max(np.abs(a.mean(axis=-1))) / max(np.max(np.abs(a)), 1e-300))


def _probe(estimator: Estimator, *, groups: int = 8, step: float = 0, seed: int = 0) -> np.ndarray:
    """(groups, 4) advantages of random rewards in [0, 2], tied and lopsided groups among them."""
    rng = np.random.default_rng(seed)
    shape = (8, 4)
    correct = (rng.random(shape) < 0.5).astype(float)
    correct[-1] = 1.0
    length = rng.integers(1, 50, shape).astype(float)
    wide = (*shape, 3)
    names = [n for n in estimator.needs if n in FIELDS]
    drawn = {n: rng.random(wide if FIELDS[n].axes else shape) for n in names}
    reward = correct + rng.random(shape) * (np.arange(8)[:, None] < 4)
    cut = slice(0, groups)
    r = Rollouts(
        correct=correct[cut],
        length=length[cut],
        max_length=50.0,
        mask=np.ones((*shape, 3))[cut],
        step=step,
        fields={n: v[cut] for n, v in drawn.items()},
    )
    with np.errstate(all="ignore"):
        return np.asarray(estimator.apply({"reward": reward[cut]}, r)[0])


def _seen(shaper: Shaper) -> bool:
    """True if correctness and length are all that the shaper reads."""
    return set(shaper.all_needs()) <= set(SEEN_BY_ESTIMATOR)


def _reads_tokens(shaper: Shaper) -> bool:
    return bool({"length", "truncated", "mask"} & set(shaper.all_needs()))


def _refuse_group(shaper: Shaper, target: str) -> None:
    if shaper.all_scope() != "rollout":
        why = f"the reward looks at its {shaper.all_scope()}, but {target} calls a reward once"
        msg = f"{why} per rollout, with no view of the others; {TRAINER}"
        raise CannotCarry(msg)


def _refuse_found(shaper: TaskParts, target: str) -> None:
    """Refuse a task's reward that reads what was found of each text, but under TRL."""
    if shaper.of_text and target != "trl":
        named = ", ".join(shaper.of_text)
        why = f"the reward reads {named}, found of each text: texts in training are new, and"
        msg = (
            f"{why} {target} hands over columns of the data alone; give the reward a model or a "
            "function in its place, where it takes one (model=FOLDER), or grade logs with `toyrl "
            "grade`"
        )
        raise CannotCarry(msg)


def _refuse_tokens(estimator: Estimator, target: str) -> None:
    per_token = [n for n in estimator.needs if n == "mask" or _axes(n) == "T"]
    if estimator.token_level or per_token:
        why = "the estimator works per token"
        why += f" (reads {', '.join(per_token)})" if per_token else ""
        msg = f"{why}, but {target} takes one number a rollout; {TRAINER}"
        raise CannotCarry(msg)


def _axes(name: str) -> str:
    return FIELDS[name].axes if name in FIELDS else ""


def _refuse_uncentred(estimator: Estimator, target: str) -> None:
    off = uncentred(estimator)
    if off > ROUNDING:
        why = f"{target} subtracts the group's mean from what a reward returns, and this"
        why += f" estimator's advantages have group means other than 0 (up to {off:.2g} of the"
        msg = f"{why} largest): centring would change them; {TRAINER}"
        raise CannotCarry(msg)
