"""How people write reward functions: recognising the calling form from the signature.

Read by the library and by the sandboxed child, so it imports the standard library only.

| form             | recognised by                                   | one call takes      |
|------------------|-------------------------------------------------|---------------------|
| trl              | completions, completion_ids, prompts or only ** | the whole batch     |
| verl             | solution_str                                    | one completion      |
| verl_batch       | solution_strs                                   | the whole batch     |
| verl_manager     | data (an object of a manager's class)           | the whole batch     |
| openrlhf         | queries                                         | lists of length 1   |
| verifiers_group  | completions with states, tasks or infos         | the whole batch     |
| verifiers        | completion with state, task, info or parser     | one completion      |
| areal            | prompt and completions                          | one completion      |
| easyr1           | reward_input                                    | one record          |
| easyr1_batch     | reward_inputs                                   | records of all rows |
| rllm             | task_info and action                            | one completion      |
| record           | an annotation whose class has a completion      | one record          |
| plain            | text, completion, response, ...                 | one completion      |
| plain_batch      | texts, responses, outputs, ...                  | the whole batch     |

Sources: TRL 1.16 `GRPOTrainer` ("reward function"), verl 0.9 `reward.custom_reward_function`,
OpenRLHF 0.11 `--reward.remote_url`, verifiers 0.1 `Rubric`, AReaL 1.0 `RLVRWorkflow`, EasyR1
`FunctionRewardManager`, rllm `RewardFunction`.
"""

from __future__ import annotations

import inspect
from dataclasses import asdict, dataclass
from typing import Any

from . import managers, records
from .evidence import wanted
from .source import codes, constants, is_async, reads_gold
from .trainers import refused_call

GOLD = ("answer", "solution", "ground_truth", "target", "label")
GOLD_SYNONYMS = (
    *GOLD,
    *(f"{name}s" for name in GOLD),
    *("gold", "golds", "gold_answer", "correct_answer", "expected", "expected_answer"),
    *("final_answer", "reference", "references", "reference_answer", "gt", "gts"),
    *("gold_answers", "golden_answer", "golden_answers", "correct_answers", "expected_answers"),
)
TEXT = (
    *("text", "completion", "response", "output", "generation", "generated", "generated_text"),
    *("prediction", "pred", "model_output", "completion_text", "response_text", "candidate"),
    *("predict", "predict_str", "llm_solution", "model_response", "generated_response"),
)
TEXTS = tuple(f"{name}s" for name in TEXT if not name.endswith(("generated", "pred")))
PROMPT = ("prompt", "question", "query", "problem", "instruction", "input")
RECORDS = ("reward_input", "reward_inputs", "task_info", "action")
STAND_INS = ("trainer_state", "log_extra", "log_metric", "environments", "prompt_ids")
RUBRIC = ("state", "task", "info", "parser")
TURNS = ("Assistant:", "<|im_start|>assistant", "<|start_header_id|>assistant<|end_header_id|>")
"""What stands between prompt and completion, for functions that are given both in one text."""
WATCHED = ("signal", "threading", "multiprocessing")
FORMS = (
    "TRL f(prompts, completions, **kwargs) -> list, "
    "verl compute_score(data_source, solution_str, ground_truth, extra_info=None) -> float, "
    "OpenRLHF reward_func(queries, prompts, labels), "
    "verifiers f(prompt, completion, answer, state) or plain f(text, answer) -> float"
)


class Refusal(Exception):
    """What is wrong with a user's function; becomes a `RewardError` on the library's side."""

    def __init__(self, message: str, kind: str, row: int | None = None, **detail: Any) -> None:
        super().__init__(message)
        self.kind, self.message, self.row, self.detail = kind, message, row, detail


@dataclass(frozen=True)
class Signature:
    """How a reward function is called.

    form : see the table above; batch : one call takes all rows
    parameters, required : names it declares, and those without a default
    positional : positional-only names, passed in order
    extra : takes **kwargs; is_async : a coroutine function
    gold : gold columns asked for by name; columns : other data columns without a default
    reads_gold : its code loads one of them, or names one and takes **kwargs
    chat_hint : its code names message keys ("content", "role"); calls_hint : "tool_calls"
    reads_state : asks for trainer_state (we pass a stand-in)
    text : the parameter that takes the completion, where the user named it
    named : gold columns that it asks for or whose names its code holds
    keys, does : what its source does with the gold answer (`toyrl.rewards.evidence.Wanted`)
    typed : its gold parameters have annotations
    refuses : the trainer's call and why it raises TypeError, or ""
    uses : of the modules signal, threading, multiprocessing, those that its code names
    after : the mark behind which a verl function reads, for it expects the prompt before it; or ""
    """

    name: str
    form: str
    batch: bool
    parameters: tuple[str, ...]
    required: tuple[str, ...]
    positional: tuple[str, ...] = ()
    extra: bool = False
    is_async: bool = False
    gold: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    reads_gold: bool = False
    chat_hint: bool = False
    reads_state: bool = False
    text: str = ""
    named: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    does: tuple[str, ...] = ()
    typed: bool = False
    refuses: str = ""
    uses: tuple[str, ...] = ()
    after: str = ""
    calls_hint: bool = False

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Signature:
        """Inverse of `to_dict`."""
        kept: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        return cls(**kept)

    def __str__(self) -> str:
        stars = ", **kwargs" if self.extra else ""
        start = "async " if self.is_async else ""
        return f"{start}{self.name}({', '.join(self.parameters)}{stars}) [{self.form}]"


def recognise(function: Any, name: str, text: str = "") -> Signature:
    """The calling form of a user's object, or a Refusal of kind bad_signature.

    text : the parameter that takes the completion, "" to guess it; a function without it is
        recognised as ever
    """
    if inspect.isclass(function):
        msg = f"{name} is a class, not a function; make an object of it: {name}(...)"
        raise Refusal(msg, "bad_signature")
    if managers.is_manager(function):
        entry = managers.entry(function)
    elif callable(function):
        entry = function
    else:
        msg = f"{name} is a {type(function).__name__}, not a function"
        raise Refusal(msg, "bad_signature")
    try:
        declared = list(inspect.signature(entry).parameters.values())
    except (TypeError, ValueError) as error:
        msg = f"the signature of {name} can't be read ({error}); wrap it in a Python function"
        raise Refusal(msg, "bad_signature") from None
    named = [p for p in declared if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    extra = any(p.kind == p.VAR_KEYWORD for p in declared)
    names = tuple(p.name for p in named)
    required = tuple(p.name for p in named if p.default is p.empty)
    text = text if text in names else ""
    if managers.is_manager(function):
        form = managers.FORM
    else:
        form = _told(named, text) if text else _form(names, extra)
    if form is None and records.record_class(function, TEXT) is not None:
        form = records.FORM
    if form is None:
        form = _by_first_parameter(named, required)
    if form is None:
        raise _refusal(name, names, required)
    batch = form in ("trl", "verl_batch", "verifiers_group", "plain_batch", "easyr1_batch")
    batch |= form == managers.FORM
    found = list(codes(entry))
    # a gold name with a real default (target=100) is a setting, not a column
    served = {p.name for p in named if p.default is p.empty or p.default is None}
    gold = tuple(n for n in names if n in served and n != text and is_gold(n, form))
    inside = {c for code in found for c in constants(code) if isinstance(c, str)}
    inside |= {n for c in found for n in c.co_names} if form == records.FORM else set()
    loose = extra or form == records.FORM or bool({*RECORDS, "data"} & set(names))
    open_ended = loose or {*RUBRIC, "states", "infos", "extra_info"} & set(names)
    named_in_code = {n for code in found for n in code.co_names}
    evidence = wanted(entry, gold, GOLD_SYNONYMS, batch=batch)
    looked_up = (n for n in GOLD_SYNONYMS if n in inside and n not in evidence.keys)
    known = tuple(dict.fromkeys((*gold, *looked_up)))
    columns = tuple(n for n in required if n != text and _is_column(n, names, form, text))
    return Signature(
        name=name,
        form=form,
        batch=batch,
        parameters=names,
        required=required,
        positional=tuple(p.name for p in named if p.kind == p.POSITIONAL_ONLY),
        extra=extra,
        is_async=is_async(entry),
        gold=gold,
        columns=columns,
        reads_gold=reads_gold(found, names, gold, extra=loose, known=GOLD_SYNONYMS),
        chat_hint=bool(inside & {"content", "role"}),
        calls_hint="tool_calls" in inside,
        reads_state="trainer_state" in names,
        text=text,
        named=known if open_ended else gold,
        keys=tuple(evidence.keys),
        does=tuple(sorted(evidence.does)),
        typed=any(p.annotation is not p.empty for p in named if p.name in gold),
        uses=tuple(n for n in WATCHED if n in named_in_code),
        after=next((t for t in TURNS if t in inside), "") if form == "verl" else "",
        refuses=refused_call(function, form, (*columns, *(g for g in gold if g in required))),
    )


def _form(names: tuple[str, ...], extra: bool) -> str | None:
    has = set(names)
    if "reward_inputs" in has:
        return "easyr1_batch"
    if "reward_input" in has:
        return "easyr1"
    if {"task_info", "action"} <= has:
        return "rllm"
    if "solution_strs" in has:
        return "verl_batch"
    if "solution_str" in has:
        return "verl"
    if "queries" in has:
        return "openrlhf"
    if "completions" in has and has & {"states", "tasks", "infos"}:
        return "verifiers_group"
    if "completions" in has and "prompt" in has and "prompts" not in has:
        return "areal"
    if has & {"completions", "completion_ids"} or ("prompts" in has and extra):
        return "trl"
    if "completion" in has and has & set(RUBRIC):
        return "verifiers"
    if has & set(TEXT):
        return "plain"
    if has & set(TEXTS):
        return "plain_batch"
    if has & {"state", "parser"}:
        return "verifiers"
    return "trl" if extra and not has - {*STAND_INS, *GOLD} else None


def _told(named: list[inspect.Parameter], text: str) -> str:
    """The plain form of a function whose completion the user named: a list by type or name."""
    note = next(p.annotation for p in named if p.name == text)
    typed = note if isinstance(note, str) else getattr(note, "__name__", str(note))
    many = typed.lower().startswith(("list", "sequence")) or text in ("completions", *TEXTS)
    return "plain_batch" if many else "plain"


def _by_first_parameter(named: list[inspect.Parameter], required: tuple[str, ...]) -> str | None:
    """A lone parameter of any name is the text, unless its annotation says otherwise."""
    unknown = [n for n in required if n not in (*GOLD_SYNONYMS, *PROMPT)]
    if len(unknown) != 1 or (named and named[0].name != unknown[0]):
        return None
    note = named[0].annotation
    text = note if isinstance(note, str) else getattr(note, "__name__", str(note))
    if note is inspect.Parameter.empty or text == "str":
        return "plain"
    return "plain_batch" if text.lower().startswith(("list", "sequence")) else None


def _refusal(name: str, names: tuple[str, ...], required: tuple[str, ...]) -> Refusal:
    shown = f"{name}({', '.join(names)})"
    inside = ", ".join(f"{n}=..." for n in required)
    hint = (
        "Say which one takes it (--text-parameter NAME); or, if it makes a reward function, write "
        f"the call: {name}({inside})."
    )
    msg = f"{shown} names no parameter for the completion. {hint} Known forms: {FORMS}"
    return Refusal(msg, "bad_signature")


def is_gold(name: str, form: str) -> bool:
    """True if this parameter is served from the gold columns."""
    if name in TEXT or name in TEXTS or (form == "openrlhf" and name == "queries"):
        return False
    return name in GOLD_SYNONYMS


def text_parameter(signature: Signature) -> str | None:
    """The parameter of a plain function that takes the completion."""
    if signature.text:
        return signature.text
    names = signature.parameters
    pool = TEXTS if signature.form == "plain_batch" else TEXT
    for candidate in ("completion", "completions", *pool):
        if candidate in names and candidate in pool:
            return candidate
    return names[0] if signature.form in ("plain", "plain_batch") else None


def _is_column(name: str, names: tuple[str, ...], form: str, text: str) -> bool:
    served = {*STAND_INS, *RUBRIC, *PROMPT, "prompts", "completions", "completion_ids", "queries"}
    served |= {"states", "tasks", "infos", "data_source", "data_sources", "extra_info"}
    served |= {
        "extra_infos",
        "solution_str",
        "solution_strs",
        "completion",
        *RECORDS,
        "data",
        "return_dict",
    }
    if name in served or is_gold(name, form):
        return False
    if form in ("plain", "plain_batch"):
        pool = TEXT if form == "plain" else TEXTS
        first = text or next((n for n in names if n in pool), names[0])
        return name != first
    return True
