"""The call that each trainer makes, held against a function's signature without calling it.

Sources: TRL 1.16 `GRPOTrainer._calculate_rewards`, verl 0.9 `NaiveRewardManager` and
`BatchRewardManager`, OpenRLHF 0.11, AReaL 1.0 `RLVRWorkflow`, EasyR1 `FunctionRewardManager`, rllm.
verifiers hands over what a function names and nothing else, so nothing can be refused there.
Read inside the sandboxed child: standard library only.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Call:
    """How a trainer calls.

    places, keywords : arguments by place and by name; columns : those of the data set follow
    certain : no other way of calling such a function is known
    threads : it is called in worker threads or processes
    """

    trainer: str
    places: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    columns: bool = False
    certain: bool = True
    threads: bool = False


TRL = ("prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric")
VERL = ("data_source", "solution_str", "ground_truth", "extra_info")
CALLS = {
    "trl": Call("TRL", keywords=TRL, columns=True),
    "verl": Call("verl", keywords=VERL, certain=False, threads=True),
    "verl_batch": Call("verl", keywords=tuple(f"{n}s" for n in VERL), certain=False),
    "openrlhf": Call("OpenRLHF", ("queries", "prompts", "labels")),
    "areal": Call(
        "AReaL",
        ("prompt", "completions", "prompt_ids", "completion_ids"),
        columns=True,
        threads=True,
    ),
    "easyr1": Call("EasyR1", ("reward_input",)),
    "easyr1_batch": Call("EasyR1", ("reward_inputs",)),
    "rllm": Call("rllm", keywords=("task_info", "action"), threads=True),
    "verifiers": Call("verifiers"),
    "verifiers_group": Call("verifiers"),
}


def refused_call(function: Any, form: str, columns: Sequence[str]) -> str:
    """The trainer's call and why it raises TypeError; "" where the signature takes it."""
    call = CALLS.get(form)
    if call is None or call.trainer == "verifiers":
        return ""
    named = dict.fromkeys((*call.keywords, *(columns if call.columns else ())))
    for place in call.places:
        named.pop(place, None)
    try:
        inspect.signature(function).bind(*call.places, **named)
    except TypeError as error:
        shown = ", ".join((*call.places, *(f"{n}=..." for n in named)))
        name = getattr(function, "__name__", type(function).__name__)
        return f"{call.trainer} calls {name}({shown}), which raises TypeError: {error}"
    return ""
