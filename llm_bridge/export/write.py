"""A catalogue reward written as a Python file that a trainer loads.

The file imports `toyrl` and its target only: it is the adapter's own source with the reward, the
estimator and the limit filled in, so what is tested here is what runs there.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toyrl import registry
from toyrl.bridge.export.carry import Plan, looks_at_batch, plan
from toyrl.expressions import parse, parse_estimator, parse_grader
from toyrl.serving import task_parts

ESTIMATOR_NAME = "toyrl"


@dataclass(frozen=True)
class Export:
    """A file's text and how its target is told to use it."""

    text: str
    plan: Plan


def export(
    reward: str,
    target: str,
    *,
    estimator: str | None = None,
    max_completion_length: int = 512,
    group_size: int | None = None,
    tokenizer: str | None = None,
) -> Export:
    """The file that carries `reward` (a catalogue expression) into `target`.

    A reward of a task, such as tool_calls(), is carried with its parts set apart.

    target : one of `toyrl.bridge.export.carry.TARGETS`
    estimator : name(field=value), None = the trainer's own
    max_completion_length : the run's limit in tokens; group_size : TRL's num_generations
    tokenizer : id or folder, where a trainer hands over text only (OpenRLHF)

    Raises CannotCarry with the reason, ExpressionError or KeyError for what can't be read.
    """
    _check_count("max_completion_length", max_completion_length)
    _check_count("group_size", group_size)
    known = registry.find("grader", reward.partition("(")[0].strip())
    task = None if known is None else parse_grader(reward)
    shaper = parse(reward) if task is None else task_parts(task)
    chosen = None if estimator is None else parse_estimator(estimator)
    way = plan(shaper, chosen, target, tokenizer=tokenizer)
    values = {
        "REWARD": reward.strip(),
        "ESTIMATOR": _estimator_text(way, estimator),
        "MAX_COMPLETION_LENGTH": max_completion_length,
        "TOKENIZER": tokenizer,
    }
    batch = shaper.all_scope() == "batch"
    if target == "trl" and way.mode == "advantages" and chosen is not None:
        batch = batch or looks_at_batch(chosen)
    options = f"group_size={group_size!r}, batch={batch!r}"
    text = _page(way, values, _tail(way, options, values["ESTIMATOR"] is not None), task=task)
    ast.parse(text)
    return Export(text, way)


def _check_count(name: str, value: int | None) -> None:
    if value is not None and value < 1:
        msg = f"{name}={value} must be at least 1"
        raise ValueError(msg)


def _estimator_text(way: Plan, estimator: str | None) -> str | None:
    if way.target == "verl":
        return estimator or ("grpo_verl" if way.mode == "estimator" else None)
    return estimator if way.mode == "advantages" else None


def _page(way: Plan, values: Mapping[str, Any], tail: str, *, task: Any = None) -> str:
    from toyrl import __version__

    doc = [
        f"A reward of the toyrl catalogue for {way.target}, written by toyrl {__version__}.",
        "",
        *textwrap.wrap(_USE[way.target], 96),
    ]
    if way.settings:
        doc += ["", "Settings that belong to it:"]
        doc += [f"    {name} = {value!r}" for name, value in way.settings.items()]
    for note in way.notes:
        doc += ["", *textwrap.wrap(f"Note: {note}.", 96)]
    doc += ["", *textwrap.wrap(_CORRECT if task is None else _reads(task), 96)]
    head = '"""' + "\n".join(doc) + '\n"""\n'
    served_by = "ServedReward" if task is None else "ServedTask"
    constants = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    served = (
        f"served = {served_by}.of(\n"
        "    REWARD,\n"
        "    max_completion_length=MAX_COMPLETION_LENGTH,\n"
        f"    estimator={'ESTIMATOR' if way.mode == 'advantages' else 'None'},\n"
        "    tokenizer=TOKENIZER,\n"
        ")"
    )
    source = _adapter_source(way.target)
    if task is not None:
        source = source.replace("ServedReward", "ServedTask")
    return "\n".join([head, source, "", constants, "", served, tail, ""])


def _adapter_source(target: str) -> str:
    """The adapter module without its docstring."""
    module = importlib.import_module(f"toyrl.bridge.export.{target}")
    lines = inspect.getsource(module).splitlines()
    first = ast.parse("\n".join(lines)).body[0]
    return "\n".join(lines[first.end_lineno :]).strip() + "\n"


def _tail(way: Plan, options: str, has_estimator: bool) -> str:
    """The names that the target looks for, made from `served`."""
    if way.target == "trl":
        return f"toyrl_reward = reward_function(served, {options})\nSETTINGS = {way.settings!r}"
    if way.target == "openrlhf":
        return "reward_func = reward_function(served)"
    if way.target == "verifiers":
        return f"toyrl_reward = {'group' if way.group else 'reward'}_function(served)"
    from_score = way.mode == "rewards"
    tail = f"compute_score = score_function(served, shaped={from_score})"
    if from_score and not has_estimator:
        return tail
    shaper = "None" if from_score else "served.shaper"
    arguments = f"{shaper}, ESTIMATOR, max_completion_length=MAX_COMPLETION_LENGTH"
    return f'{tail}\nregister("{ESTIMATOR_NAME}", advantage_estimator({arguments}))'


_USE = {
    "trl": "from THIS_FILE import SETTINGS, toyrl_reward; GRPOTrainer(..., reward_funcs="
    "toyrl_reward, args=GRPOConfig(**SETTINGS, ...)).",
    "verl": "reward.custom_reward_function.path=THIS_FILE "
    f"algorithm.adv_estimator={ESTIMATOR_NAME} (if ESTIMATOR is not None), with this file's "
    "module name in the environment variable VERL_USE_EXTERNAL_MODULES, so that the trainer's "
    "process registers the estimator.",
    "openrlhf": "--reward.remote_url THIS_FILE. OpenRLHF drops the reward of a call that raises: "
    "try the file on a few rows first.",
    "verifiers": "from THIS_FILE import toyrl_reward; vf.Rubric(funcs=[toyrl_reward]). A rubric "
    "scores a function that raises 0.0: try the file on a few rows first.",
}
_CORRECT = (
    "Right or wrong is decided by the last marked answer (<answer>, \\\\boxed{}, #### or 'The "
    "answer is') against the gold column, unless the rows have a column named correct; for "
    "another rule hand ServedReward.of a function correct=row -> 1.0, 0.0 or None."
)


def _reads(task: Any) -> str:
    """Which columns a task's reward takes from the data."""
    if not task.reads:
        return "The reward reads the completion alone."
    named = ", ".join(task.reads)
    other = " (or a trainer's own name for its gold column)" if len(task.reads) == 1 else ""
    other += f" and one of {', '.join(task.any_of)}" if task.any_of else ""
    return f"The rows need the column {named}{other}; a row without it is an error, not a 0."
