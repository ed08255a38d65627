"""What speaks for a task: names of parameters and columns, modules, strings. Nothing is run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from toyrl.experiments.validate.formats.source import literals, reached
from toyrl.messages import shortened
from toyrl.worlds.text.tasks.find import ARITHMETIC, KNOWN

ENOUGH = 2
"""Weight from where a task is taken without being told."""
COLUMNS = {
    "tools": (
        "tools",
        "tool_calls",
        "tool_call",
        "available_tools",
        "expected_calls",
        "function",
        "functions",
    ),
    "sql": ("sql", "SQL", "gold_sql", "gold_query", "sql_context", "sql_prompt", "db_path", "db_id",
            "db_file", "db_root", "database"),
    "code": (
        "test_list",
        "test_setup_code",
        "entry_point",
        "canonical_solution",
        "unit_tests",
        "verification_info",
        "input_output",
        "test_cases",
    ),
    "choice": ("choices", "options", "answer_index", "answerKey", "answer_idx", "cop"),
    "translation": ("lp", "lang_pair", "language_pair", "src_lang", "tgt_lang", "source_lang",
                    "target_lang", "source_language", "target_language", "translation"),
    "boxes": ("bbox", "bboxes", "boxes", "bbox_2d", "gt_bbox", "gt_bboxes", "gt_boxes",
              "bbox_xyxy", "bbox_xywh", "boxes_xyxy", "boxes_xywh", "image_size"),
    "open": ("checklist", "rubric", "rubrics", "constraints", "instruction_id_list", "criteria"),
}  # fmt: skip
"""Names of parameters and data columns; each weighs 2."""
MODULES = {"sql": ("sqlite3", "sqlglot", "sqlparse", "duckdb"), "code": ("subprocess",),
           "translation": ("sacrebleu", "comet"),
           "boxes": ("pycocotools",)}  # fmt: skip
"""Modules that its code names; each weighs 2."""
NAMES = {"boxes": re.compile(r"(?:\A|_)[gdc]?ious?(?:_|\Z)|I[oO]U")}
"""Patterns of names that its code uses; the first that fits weighs 2."""
TEXTS = {
    "tools": ((re.compile(r"</?tool_calls?>|\Atool_calls\Z"), 2), (re.compile(r"\Aarguments\Z"), 1),
              (re.compile(r"\Aparameters\Z"), 1)),
    "sql": ((re.compile(r"```sql|<sql>"), 2), (re.compile(r"\bSELECT\b.*\bFROM\b"), 1)),
    "code": ((re.compile(r"```(?:python|py|\(\?:python)"), 2), (re.compile(r"\bassert "), 1)),
    "translation": ((re.compile(r"<translat(e|ion)>"), 2), (re.compile(r"\b(chrF|BLEU)\b"), 1)),
    "boxes": ((re.compile(r"bbox|\bIoU\b"), 2),),
    "choice": ((re.compile(r"\[\(?A-[DEJ]|\bABCD\b"), 1),),
    "open": ((re.compile(r"\b(?:detectable_(?:format|content)|length_constraints|startend|keywords"
                         r"|change_case):\w"), 2),
             (re.compile(r"\Ainstruction_id(?:_list)?\Z"), 2), (re.compile(r"\Acriterion\Z"), 1)),
}  # fmt: skip
"""Patterns of strings that its code names, with their weights."""
COLUMN, MODULE = 2, 2


@dataclass(frozen=True)
class Clue:
    """One thing that speaks for a task: which, how much, and what it is in words."""

    task: str
    weight: int
    said: str


def winner(clues: Sequence[Clue]) -> str:
    """The task that most speaks for, where that is enough and no other has as much."""
    weights = {t: sum(c.weight for c in clues if c.task == t) for t in KNOWN}
    best = max(weights, key=lambda t: weights[t])
    alone = sum(w == weights[best] for w in weights.values()) == 1
    return best if weights[best] >= ENOUGH and alone else ARITHMETIC


def of_columns(names: Sequence[str], what: str) -> Iterator[Clue]:
    """What names of columns or parameters say."""
    for name in names:
        for task, known in COLUMNS.items():
            if name in known:
                yield Clue(task, COLUMN, f"the {what} `{name}`")


def of_source(source: str, name: str) -> Iterator[Clue]:
    """What a function's parameters, the modules that it reaches and its strings say."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    for f in functions:
        if f.name == name:
            asked = [a.arg for a in (*f.args.posonlyargs, *f.args.args, *f.args.kwonlyargs)]
            yield from of_columns(asked, "parameter")
    own = reached(tree, name) or [tree]  # another reward of the file says nothing of this one
    used = {n.id for node in own for n in ast.walk(node) if isinstance(n, ast.Name)}
    for task, modules in MODULES.items():
        for module in modules:
            if module in used:
                yield Clue(task, MODULE, f"the module {module}")
    used |= {n.attr for node in own for n in ast.walk(node) if isinstance(n, ast.Attribute)}
    for task, named in NAMES.items():
        for called in sorted(filter(named.search, used))[:1]:
            yield Clue(task, MODULE, f"the name `{called}`")
    for found in literals(_alone(source, tree), name):
        if not found.near:
            continue
        for task, patterns in TEXTS.items():
            for pattern, weight in patterns:
                if pattern.search(found.text):
                    yield Clue(task, weight, f"{shortened(found.text)} in line {found.line}")


def _alone(source: str, tree: ast.Module) -> str:
    """The source without its imports, line by line as it was: what a library names says nothing."""
    lines = source.splitlines()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            first, last = node.lineno - 1, node.end_lineno or node.lineno
            lines[first:last] = [" " * node.col_offset + "pass", *[""] * (last - first - 1)]
    return "\n".join(lines)
