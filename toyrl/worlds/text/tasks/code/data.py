"""A user's data rows as problems of the task, in the shapes of public data sets."""

from __future__ import annotations

import ast
import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from toyrl.graders.code.programs import FENCE, code_of
from toyrl.graders.code.unit_tests import Suite, TestsUnread, suite_of
from toyrl.graders.packed import listed
from toyrl.messages import shortened
from toyrl.rewards.sandbox.roles import unknown
from toyrl.worlds.text.tasks.base import Asked, Made, TaskError
from toyrl.worlds.text.tasks.code.answers import EACH, LAYOUTS, right, wrong
from toyrl.worlds.text.tasks.code.problems import WORK, Known, holds, tried, tried_right

QUESTIONS = ("question", "text", "problem", "problem_statement", "prompt")
CODES = ("code", "gold_standard_solution", "reference_solution", "solution", "answer",
         "ground_truth", "target", "label")  # fmt: skip
"""Columns that may hold a right program; before them `canonical_solution` and `solutions`."""
MOST = 24
"""Rows that become problems: each is run with its mistakes."""
LOOKED_AT = 100
"""Rows that are looked at: how many doesn't depend on the machine."""
ALTOGETHER = 60.0
"""Seconds after which no further row is looked at, for programs that are slow beyond all use."""
AT_ONCE = 4
MUTATIONS = 12
"""Changed programs that are tried for two that fail."""
SWAPS: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Lt: ast.LtE, ast.LtE: ast.Lt,
    ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.And: ast.Or,
    ast.Or: ast.And, ast.Mod: ast.FloorDiv, ast.FloorDiv: ast.Mod,
}  # fmt: skip


def of_rows(rows: Sequence[Mapping[str, Any]]) -> Made:
    """Code on a user's problems, at most `MOST`; each row is handed to the reward as it is.

    Truth is the row's own tests: there are no further ones.

    Raises TaskError with the row where tests or a right program can't be read, or fail.
    """
    kept = list(rows)[:MOST]
    made = _at_once(_problem, kept)
    slow = f"{len(made)} of {len(kept)} rows could be run in {ALTOGETHER:.0f} s"
    note = slow if len(made) < len(kept) else ""
    return Made("code", LAYOUTS, tuple(made), right, wrong, holds, each=EACH, note=note)


def check_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """TaskError for the first row that `check_row` refuses, of the first `LOOKED_AT`; they are
    looked at side by side."""
    _at_once(check_row, list(rows)[:LOOKED_AT])


def check_row(row: Mapping[str, Any]) -> None:
    """TaskError for tests that can't be read, don't parse, hang or write, and for a right program
    that fails its own tests; nothing where a row has neither."""
    try:
        suite = suite_of(row)
    except TestsUnread as error:
        if "no column holds tests" in str(error):
            return
        raise TaskError(str(error)) from error
    code = gold_of(row)
    if code:
        _refuse_failing(code, suite)


def _at_once(work: Any, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """What `work` gives for each row, in order; TaskError names the first that it refuses."""
    end = time.monotonic() + ALTOGETHER
    done: list[Any] = []

    def one(row: Mapping[str, Any]) -> Any:
        return work(row) if time.monotonic() < end else None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(one, row) for row in rows]
        for i, answer in enumerate(waiting):
            try:
                done.append(answer.result())
            except TaskError as error:
                for other in waiting:
                    other.cancel()
                msg = f"data row {i}: {error}"
                raise TaskError(msg) from error
    return [x for x in done if x is not None]


# -- reading ---------------------------------------------------------------------------------------
def gold_of(row: Mapping[str, Any]) -> str:
    """A right program of a row, "" where no column holds one."""
    whole = row.get("canonical_solution")
    if isinstance(whole, str) and whole.strip():
        begun = [f"{start}{whole}" for start in _starts(row.get("prompt"))]
        return next((x for x in (whole, *begun) if _parsed(x)), (*begun, whole)[0])
    several = listed(row.get("solutions"))
    for held in (*(several if isinstance(several, list) else ()), *(row.get(n) for n in CODES)):
        code = code_of(held) if isinstance(held, str) and held.strip() else ""
        if code and (tree := _parsed(code)) and _is_code(tree):
            return code
    return ""


def _starts(prompt: Any) -> list[str]:
    """What a solution without its first line may go on from: the prompt, or a block of code in it
    or in one of its messages."""
    said = prompt if isinstance(prompt, list) else [{"content": prompt}]
    texts = [m.get("content") for m in said if isinstance(m, Mapping)]
    return [x for t in texts if isinstance(t, str) for x in (t, *FENCE.findall(t))]


def _parsed(code: str) -> ast.Module | None:
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _is_code(tree: ast.Module) -> bool:
    """Whether it is more than a word or number that happens to be an expression."""
    return any(not isinstance(x, ast.Expr) or isinstance(x.value, ast.Call) for x in tree.body)


def _problem(row: Mapping[str, Any]) -> Asked:
    try:
        suite = suite_of(row)
    except TestsUnread as error:
        raise TaskError(str(error)) from error
    code = gold_of(row)
    if not code:
        msg = "no column holds a right program (code, canonical_solution, solutions, solution, ...)"
        msg += ", from which wrong ones could be made"
        raise TaskError(msg)
    _refuse_failing(code, suite)
    entry = "" if suite.pairs else suite.entry or _entry(code, suite)
    mistakes = tuple(islice(_mistakes(code, suite), 2))
    if not mistakes:
        msg = f"its tests hold of every program that {MUTATIONS} changes of the right one give"
        raise TaskError(msg)
    told = next((str(row[n]) for n in QUESTIONS if isinstance(row.get(n), str)), "")
    prompt = row["prompt"] if isinstance(row.get("prompt"), str) else told
    pairs = pairs_of(suite, entry)
    shown = sum(f"{v}" in prompt and a.strip("(),") in prompt for a, v in pairs)
    facts = Known(suite, entry, code, tuple(_variants(code, entry)), mistakes, pairs,
                  shown if shown < len(pairs) else 0)  # fmt: skip
    return Asked(prompt or "Write the program.", dict(row), WORK, {"known": facts, "entry": entry})


def _refuse_failing(code: str, suite: Suite) -> None:
    found = tried_right(code, suite)
    if found.fault:
        msg = f"its tests can't be run: {found.problem}"
        raise TaskError(msg)
    if not all(found.passed):
        msg = (
            f"the right program fails its own tests ({sum(found.passed)} of {suite.count} hold; "
            f"{found.problem}): {shortened(code)}"
        )
        raise TaskError(msg)


def _entry(code: str, suite: Suite) -> str:
    """The function that tests call: the first of the program's names in them."""
    tree = _parsed(code)
    there = {x.name for x in ast.walk(tree) if isinstance(x, ast.FunctionDef)} if tree else set()
    for test in suite.tests:
        read = unknown([test]) & there
        if read:
            return min(read, key=test.index)
    return ""


def pairs_of(suite: Suite, entry: str) -> tuple[tuple[str, str], ...]:
    """(arguments, value) of tests that compare one call with a literal; of programs (in, out)."""
    if suite.pairs:
        return tuple((repr(a), repr(b.strip())) for a, b in suite.pairs)
    out = []
    for test in suite.tests:
        tree = _parsed(test)
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq):
                call, value = node.left, node.comparators[0]
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") in (
                    entry, "candidate",
                ):  # fmt: skip
                    given = ast.unparse(ast.Tuple(call.args, ast.Load()))
                    out += [(given, ast.unparse(value))] if _literal(given, value) else []
    return tuple(dict.fromkeys(out))


def _literal(given: str, value: ast.expr) -> bool:
    try:
        ast.literal_eval(given)
        ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, RecursionError):
        return False
    return True


# -- programs made of the right one ----------------------------------------------------------------
def _variants(code: str, entry: str) -> Iterator[tuple[str, str, str]]:
    """Notations of which the same tests hold, whatever the program is."""
    run = "run the code, whatever it looks like"
    tree = _parsed(code)
    assert tree is not None
    yield "comments", f"# What was asked for.\n{code}\n# That is all.", run
    yield "other-layout", ast.unparse(tree), run
    yield "helper-beside", f"{code}\n\n\ndef _not_needed(value):\n    return value", run
    if "__future__" not in code:
        yield "imports", f"import math\nimport re\n\n{code}", run
    if entry:
        yield "prints", f"{code}\n\n\nprint('an example')", "leave aside what the code prints"
        guard = 'if __name__ == "__main__":\n    print("try it")'
        yield "main-guard", f"{code}\n\n\n{guard}", run
        if any(getattr(x, "name", "") == entry for x in tree.body):  # no method of a class
            first = f"_first_{entry}"
            call = f"{entry} = lambda *args, **kwargs: {first}(*args, **kwargs)"
            yield "lambda", f"{code}\n\n\n{first} = {entry}\n{call}", run
    else:
        yield "blank-lines", f"\n\n{code}\n\n", run


def _mistakes(code: str, suite: Suite) -> Iterator[str]:
    """The program with one operator, comparison or number changed, where a test fails then. One
    that doesn't end is no ordinary mistake: a reward may hang on it."""
    tree = _parsed(code)
    assert tree is not None
    for changed in islice(_changed(tree), MUTATIONS):
        found = tried(changed, suite)
        if found.loaded and not (found.fault or found.late or all(found.passed)):
            yield changed


def _changed(tree: ast.Module) -> Iterator[str]:
    places = [n for n in ast.walk(tree) if _change(n, try_only=True)]
    for place in places:
        kept = copy.copy(vars(place))
        _change(place)
        yield ast.unparse(tree)
        vars(place).update(kept)
    for node in [n for n in ast.walk(tree) if isinstance(n, ast.Return)]:
        if (value := node.value) is not None:
            node.value = ast.Tuple([value], ast.Load())
            yield ast.unparse(tree)
            node.value = value


def _change(node: ast.AST, *, try_only: bool = False) -> bool:
    """Change one node in place; whether there is something to change."""
    if isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in SWAPS:
        if not try_only:
            node.op = SWAPS[type(node.op)]()
        return True
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        if not try_only:
            node.ops = [SWAPS[type(node.ops[0])](), *node.ops[1:]]
        return True
    if isinstance(node, ast.Constant) and type(node.value) is int:
        if not try_only:
            node.value += 1
        return True
    return False
