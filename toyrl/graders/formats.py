"""Is there a thought and an answer that reads as an expression? Format rewards for any text.

    reward = parse_grader("text_format(kind='length')")           # whole, no gold column
    ServedReward.of("format_length()", max_completion_length=3072,
                    graders={"answered": parsed_answers})         # the shaper, strict about answers

The shapers `format_only` and `format_length` pay the same for an answer that is marked at all; the
released rewards ask that it parses. Truncated texts need no grader: `stop_properly`, `truncation`
and `soft_overlong` read off the row whether it was cut off, and its tokens.

Source: paper 02 (Surrogate Signals from Format and Length), code math_reward.py. The released
normalisation of LaTeX and sympy's parser are stood in for by rules that evaluate nothing.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from toyrl.graders.base import TextRow
from toyrl.graders.parts import Graded, TaskReward
from toyrl.graders.steps.phases import TAG, is_thought, last_answer
from toyrl.ranges import COUNT, FINITE, one_of
from toyrl.registry import entry
from toyrl.shapers.label_free.format_length import INSIDE, bump

BRACES = re.compile(r"\\boxed\{|[{}]")
LONGEST = 1000
"""Characters of an answer that are looked at; a longer one is no answer."""
FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
ROOT = re.compile(r"\\sqrt\s*\{([^{}]*)\}")
WORDS = re.compile(r"\\(?:text|mathrm|mathbf)\s*\{([^{}]*)\}")
COMMAND = re.compile(r"\\([A-Za-z]+)")
LONE = re.compile(r"(?<![=<>!])=(?!=)")
DROPPED = ("\\left", "\\right", "\\!", "\\,", "\\;", "\\ ", "$", "\\%", "%")
OPERATORS = {"\\cdot": "*", "\\times": "*", "\\div": "/", "^": "**", "\\leq": "<=", "\\geq": ">="}
NODES = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Call, ast.Tuple, ast.List, ast.Set,
    ast.Name, ast.Constant, ast.operator, ast.unaryop, ast.cmpop, ast.expr_context,
)  # fmt: skip


def last_boxed(text: str) -> str | None:
    """What stands in the last box whose braces are balanced; None without one."""
    held: list[tuple[int, bool]] = []
    found = None
    for mark in BRACES.finditer(text):
        if mark[0] != "}":
            held.append((mark.end(), mark[0] != "{"))
        elif held:
            start, box = held.pop()
            if box and (found is None or start > found[0]):
                found = (start, mark.start())
    return None if found is None else text[found[0] : found[1]]


def stated_answer(text: str) -> str:
    """The answer that the released reward reads off a text; "" for none.

    In the last answer tag the last balanced box, else the last \\( \\), else all that stands there;
    without such a tag the last box behind the thinking.
    """
    tagged = last_answer(text)
    if tagged is None:
        return (last_boxed(text.rpartition(TAG)[2]) or "").strip()
    boxed = last_boxed(tagged)
    if boxed is None:
        boxed = _last_between(tagged, "\\(", "\\)")
    return (tagged if boxed is None else boxed).strip()


def _last_between(text: str, left: str, right: str) -> str | None:
    end = text.rfind(right)
    start = text.rfind(left, 0, end) if end >= 0 else -1
    return None if start < 0 else text[start + len(left) : end]


def is_expression(answer: str) -> bool:
    """True if an answer, in LaTeX or plain, reads as numbers, names, operators and calls.

    Nothing is evaluated. A single = counts as a comparison; words side by side don't read, nor does
    "2x". Longer answers than `LONGEST` characters don't.
    """
    if not answer.strip() or len(answer) > LONGEST:
        return False
    text = LONE.sub("==", _plain(answer)).strip()
    try:
        tree = ast.parse(text, mode="eval")
        return all(isinstance(node, NODES) for node in ast.walk(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def parsed_answers(rows: Sequence[TextRow]) -> list[float]:
    """1.0 for each row whose stated answer reads as an expression, else 0.0: `answered`."""
    return [float(is_expression(stated_answer(row.completion))) for row in rows]


def _plain(text: str) -> str:
    for mark in DROPPED:
        text = text.replace(mark, "")
    before = ""
    while before != text:  # from the innermost outwards
        before = text
        text = FRACTION.sub(r"((\1)/(\2))", text)
        text = WORDS.sub(r"\1", ROOT.sub(r"sqrt(\1)", text))
    for mark, sign in OPERATORS.items():
        text = text.replace(mark, sign)
    return COMMAND.sub(r"\1", text).replace("{", "(").replace("}", ")")


@entry(
    "text_format",
    kind="grader",
    cards=("02",),
    formula="(thought + parsed)/2, and with length f(tokens/limit) if parsed, else min(0, f)",
    section="code math_reward.py; what parses is reconstructed",
    provenance="reconstructed",
)
@dataclass(frozen=True)
class TextFormat(TaskReward):
    """A text's format, and in `kind` "length" a bump in its length; nothing asks for the answer.

    kind : "only" or "length" (released: the class used in training)
    turn : share of `limit` that is paid most; limit : tokens of a completion at most
    thought, answer : weights of a closed think block, and of an answer that parses

    In [-1, 2] up to the limit at the released weights. Tokens are the row's, else those of the
    column `completion_ids`; a row without either has no reward in `kind` "length".

    Raises ValueError for a field out of its range.
    """

    kind: Annotated[str, one_of("only", "length")] = "length"
    turn: Annotated[float, INSIDE] = 0.5
    limit: Annotated[int, COUNT] = 3072
    thought: Annotated[float, FINITE] = 0.5
    answer: Annotated[float, FINITE] = 0.5
    parts: ClassVar[tuple[str, ...]] = ("thought", "answered", "bump")
    facts: ClassVar[tuple[str, ...]] = ("tokens",)

    @property
    def asks(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Tokens, if the length is paid."""
        return ("tokens",) if self.kind == "length" else ()

    def graded(self, row: TextRow, step: float = 0.0) -> Graded:
        """One text's parts."""
        there, thought = parsed_answers([row])[0], is_thought(row)
        n = tokens_of(row)
        parts = {"thought": self.thought * thought, "answered": self.answer * there, "bump": 0.0}
        if self.kind == "only":
            return Graded(parts, {"tokens": n})
        f = math.nan if math.isnan(n) else float(bump(np.asarray(n / self.limit), self.turn))
        parts["thought"] *= there
        parts["bump"] = f if there or math.isnan(f) else min(0.0, f)
        problem = "no count of tokens" if math.isnan(n) else "" if there else "no answer parses"
        return Graded(parts, {"tokens": n}, problem)


def tokens_of(row: TextRow) -> float:
    """Tokens of a completion, the row's own count or that of `completion_ids`; NaN without."""
    ids: Any = row.columns.get("completion_ids")
    if row.tokens or ids is None:
        return float(row.tokens) or math.nan
    return float(len(ids))
