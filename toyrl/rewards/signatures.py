"""How people write reward functions: recognising the calling form from the signature.

Read by the library and by the sandboxed child, so it imports the standard library only.

| form             | recognised by                                   | one call takes      |
|------------------|-------------------------------------------------|---------------------|
| trl              | completions, completion_ids, prompts or only ** | the whole batch     |
| verl             | solution_str                                    | one completion      |
| verl_batch       | solution_strs                                   | the whole batch     |
| openrlhf         | queries                                         | lists of length 1   |
| verifiers_group  | completions with states, tasks or infos         | the whole batch     |
| verifiers        | completion with state, task, info or parser     | one completion      |
| areal            | prompt and completions                          | one completion      |
| plain            | text, completion, response, ...                 | one completion      |
| plain_batch      | texts, responses, outputs, ...                  | the whole batch     |

Sources: TRL 1.16 `GRPOTrainer` ("reward function"), verl 0.9 `reward.custom_reward_function`,
OpenRLHF 0.11 `--reward.remote_url`, verifiers 0.1 `Rubric`, AReaL 1.0 `RLVRWorkflow`.
"""

from __future__ import annotations

import dis
import inspect
import types
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

GOLD = ("answer", "solution", "ground_truth", "target", "label")
GOLD_SYNONYMS = (
    *GOLD,
    *(f"{name}s" for name in GOLD),
    *("gold", "golds", "gold_answer", "correct_answer", "expected", "expected_answer"),
    *("final_answer", "reference", "references", "reference_answer", "gt", "gts"),
)
TEXT = (
    *("text", "completion", "response", "output", "generation", "generated", "generated_text"),
    *("prediction", "pred", "model_output", "completion_text", "response_text", "candidate"),
)
TEXTS = tuple(f"{name}s" for name in TEXT if not name.endswith(("generated", "pred")))
PROMPT = ("prompt", "question", "query", "problem", "instruction", "input")
STAND_INS = ("trainer_state", "log_extra", "log_metric", "environments", "prompt_ids")
RUBRIC = ("state", "task", "info", "parser")
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
    chat_hint : its code names message keys ("content", "role")
    reads_state : asks for trainer_state (we pass a stand-in)
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


def recognise(function: Any, name: str) -> Signature:
    """The calling form of a user's object, or a Refusal of kind bad_signature."""
    if inspect.isclass(function):
        msg = f"{name} is a class, not a function; make an object of it: {name}(...)"
        raise Refusal(msg, "bad_signature")
    if not callable(function):
        msg = f"{name} is a {type(function).__name__}, not a function"
        raise Refusal(msg, "bad_signature")
    try:
        declared = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        msg = f"the signature of {name} can't be read ({error}); wrap it in a Python function"
        raise Refusal(msg, "bad_signature") from None
    named = [p for p in declared if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    extra = any(p.kind == p.VAR_KEYWORD for p in declared)
    names = tuple(p.name for p in named)
    required = tuple(p.name for p in named if p.default is p.empty)
    form = _form(names, extra)
    if form is None:
        form = _by_first_parameter(named, required)
    if form is None:
        raise _refusal(name, names, required)
    batch = form in ("trl", "verl_batch", "verifiers_group", "plain_batch")
    found = list(codes(function))
    # a gold name with a real default (target=100) is a setting, not a column
    served = {p.name for p in named if p.default is p.empty or p.default is None}
    gold = tuple(n for n in names if n in served and is_gold(n, form))
    return Signature(
        name=name,
        form=form,
        batch=batch,
        parameters=names,
        required=required,
        positional=tuple(p.name for p in named if p.kind == p.POSITIONAL_ONLY),
        extra=extra,
        is_async=_is_async(function),
        gold=gold,
        columns=tuple(n for n in required if _is_column(n, names, form)),
        reads_gold=_reads_gold(found, names, gold, extra),
        chat_hint=any(c in ("content", "role") for code in found for c in _constants(code)),
        reads_state="trainer_state" in names,
    )


def _form(names: tuple[str, ...], extra: bool) -> str | None:
    has = set(names)
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
    hint = f"If it makes a reward function, write the call: {name}({inside})."
    msg = f"{shown} names no parameter for the completion. {hint} Known forms: {FORMS}"
    return Refusal(msg, "bad_signature")


def is_gold(name: str, form: str) -> bool:
    """True if this parameter is served from the gold columns."""
    if name in TEXT or name in TEXTS or (form == "openrlhf" and name == "queries"):
        return False
    return name in GOLD_SYNONYMS


def text_parameter(signature: Signature) -> str | None:
    """The parameter of a plain function that takes the completion."""
    names = signature.parameters
    pool = TEXTS if signature.form == "plain_batch" else TEXT
    for candidate in ("completion", "completions", *pool):
        if candidate in names and candidate in pool:
            return candidate
    return names[0] if signature.form in ("plain", "plain_batch") else None


def _is_column(name: str, names: tuple[str, ...], form: str) -> bool:
    served = {*STAND_INS, *RUBRIC, *PROMPT, "prompts", "completions", "completion_ids", "queries"}
    served |= {"states", "tasks", "infos", "data_source", "data_sources", "extra_info"}
    served |= {"extra_infos", "solution_str", "solution_strs", "completion"}
    if name in served or is_gold(name, form):
        return False
    if form in ("plain", "plain_batch"):
        pool = TEXT if form == "plain" else TEXTS
        first = next((n for n in names if n in pool), names[0])
        return name != first
    return True


# -- reading the code --------------------------------------------------------------------------
def plain_function(function: Any) -> Any:
    """The Python function behind partials, decorators, methods and callable objects."""
    for _ in range(20):
        if hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif hasattr(function, "func") and not inspect.isfunction(function):
            function = function.func
        elif inspect.ismethod(function):
            function = function.__func__
        elif not inspect.isroutine(function) and callable(function):
            function = type(function).__call__
        else:
            break
    return function


def _is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        plain_function(function)
    )


def codes(function: Any, depth: int = 2) -> Iterator[types.CodeType]:
    """Code of a function, of functions inside it, and of module-level helpers that it names."""
    target = plain_function(function)
    code = getattr(target, "__code__", None)
    if code is None:
        return
    stack, names = [code], set()
    while stack:
        current = stack.pop()
        yield current
        names |= set(current.co_names)
        stack += [c for c in current.co_consts if isinstance(c, types.CodeType)]
    scope = getattr(target, "__globals__", {})
    for name in sorted(names) if depth else ():
        helper = scope.get(name)
        if inspect.isfunction(helper) and helper.__globals__ is scope and helper is not target:
            yield from codes(helper, depth - 1)


def _constants(code: types.CodeType) -> Iterator[Any]:
    for constant in code.co_consts:
        if isinstance(constant, (tuple, frozenset)):
            yield from constant
        else:
            yield constant


def _reads_gold(
    codes: list[types.CodeType], names: tuple[str, ...], gold: tuple[str, ...], extra: bool
) -> bool:
    if not codes:  # not written in Python: believe the signature
        return bool(gold)
    if set(gold) & _loaded(codes[0]):
        return True
    open_ended = extra or {"state", "states", "info", "infos"} & set(names)
    return bool(open_ended) and any(
        isinstance(c, str) and c in GOLD_SYNONYMS for code in codes for c in _constants(code)
    )


def _loaded(code: types.CodeType) -> set[str]:
    """Names of locals that the code reads."""
    found = set(code.co_cellvars)
    for step in dis.get_instructions(code):
        if step.opname.startswith("LOAD_FAST"):
            found |= set(step.argval) if isinstance(step.argval, tuple) else {step.argval}
    return found
