"""Unit tests of a data row, in the shapes of public data sets, as statements that are run.

- MBPP: test_list, test_setup_code
- HumanEval: test with `def check(candidate)`, entry_point, prompt
- APPS, TACO: input_output, JSON of inputs, outputs and perhaps fn_name; or these as columns
- Open-R1: verification_info, JSON of language and test_cases
- KodCode: test with functions test_...
- toyrl's own: tests, a list of assert lines or one text
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from toyrl.graders.packed import listed
from toyrl.graders.parts import is_blank
from toyrl.messages import shortened
from toyrl.rewards.sandbox.programs import Limits, Outcome, Programs

SOURCES = ("tests", "test_list", "test", "test_code", "verification_info", "input_output", "inputs")
"""Columns that hold tests, the one that is read first first."""
ENTRIES = ("entry_point", "fn_name", "func_name")
GOLDS = ("ground_truth", "answer", "reward_model")
"""Columns that may hold the JSON of inputs and outputs."""
SHAPES = (
    "test_list or tests (assert lines), test with entry_point, input_output (JSON of inputs and "
    "outputs), verification_info, or inputs and outputs"
)
OF_SOLUTION = re.compile(r"^\s*from\s+\.?(?:solution|main|code)\w*\s+import\s.*$", re.MULTILINE)
MOST = 200
"""Tests of a row that are run; of more, the first ones."""


class TestsUnread(ValueError):
    """What is wrong with a row's tests, in one sentence."""

    __test__ = False  # no test of pytest's


@dataclass(frozen=True)
class Suite:
    """Tests of one row.

    tests : statements, each a test; setup : before them; entry : the function's name, or ""
    prelude : runs before a solution (HumanEval's prompt has imports and helpers)
    pairs : (stdin, stdout) of a whole program
    """

    tests: tuple[str, ...] = ()
    setup: str = ""
    entry: str = ""
    prelude: str = ""
    pairs: tuple[tuple[str, str], ...] = ()

    @property
    def count(self) -> int:
        """How many tests there are."""
        return len(self.tests) + len(self.pairs)


# -- reading ---------------------------------------------------------------------------------------
def suite_of(row: Mapping[str, Any]) -> Suite:
    """The tests of a row.

    Raises TestsUnread for a row without tests, and for tests that can't be read or don't parse.
    """
    entry = next((str(row[n]) for n in ENTRIES if not is_blank(row.get(n))), "")
    name = next((n for n in SOURCES if _there(row.get(n))), "")
    if not name:
        suite = _of_gold(row, entry)
        if suite is None:
            msg = f"no column holds tests; give {SHAPES}"
            raise TestsUnread(msg)
    elif name == "verification_info":
        suite = _verified(_json(row[name], name), entry)
    elif name == "input_output":
        suite = _paired(_json(row[name], name), entry)
    elif name == "inputs":
        suite = _paired({"inputs": listed(row[name]), "outputs": listed(row.get("outputs"))}, entry)
    else:
        suite = _stated(row, name, entry)
    _check(suite)
    return replace(suite, tests=suite.tests[:MOST], pairs=suite.pairs[:MOST])


def _there(value: Any) -> bool:
    return not is_blank(value) and not (hasattr(value, "__len__") and len(value) == 0)


def _json(value: Any, name: str) -> Mapping[str, Any]:
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError) as error:
        msg = f"{name}={shortened(value)} is no JSON: {error}"
        raise TestsUnread(msg) from error
    if not isinstance(found, Mapping):
        msg = f"{name}={shortened(value)} is no object with named entries"
        raise TestsUnread(msg)
    return found


def _of_gold(row: Mapping[str, Any], entry: str) -> Suite | None:
    """verl's rows hold inputs and outputs as the ground truth."""
    for name in GOLDS:
        held = row.get(name)
        if name == "reward_model" and isinstance(held, Mapping):
            held = held.get("ground_truth")
        if isinstance(held, str) and held.lstrip().startswith("{"):
            held = _json(held, name)
        if isinstance(held, Mapping) and "inputs" in held:
            return _paired(held, entry)
    return None


def _stated(row: Mapping[str, Any], name: str, entry: str) -> Suite:
    """Assert lines in a list, or a text of statements."""
    given = listed(row[name])
    setup = row.get("test_setup_code") or row.get("test_imports") or ""
    setup = "\n".join(map(str, setup)) if isinstance(setup, list) else str(setup)
    if isinstance(given, list) and all(isinstance(x, str) for x in given):
        return Suite(tuple(given), setup, entry)
    if not isinstance(given, str):
        msg = f"{name}={shortened(given)} is no list of assert lines and no text of them"
        raise TestsUnread(msg)
    text = OF_SOLUTION.sub("", given)
    if re.search(r"^def check\(", text, re.MULTILINE):
        if not entry:
            msg = f"{name} has check(candidate), and no entry_point says what that is"
            raise TestsUnread(msg)
        prompt = row.get("prompt")
        known = prompt if isinstance(prompt, str) and _parses(prompt) else ""
        return Suite((f"{text}\ncheck(candidate)",), setup, entry, known)
    return _split(text, name, Suite((), setup, entry))


def _split(text: str, name: str, suite: Suite) -> Suite:
    """A text's asserts one by one, with what stands before each; functions test_... are called."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError) as error:
        msg = f"{name}={shortened(text)} does not parse: {error}"
        raise TestsUnread(msg) from error
    tests, before, called = [], [], []
    for node in body:
        before.append(ast.get_source_segment(text, node) or ast.unparse(node))
        if isinstance(node, ast.Assert):
            tests.append("\n".join(before))
            before = []
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            called.append(f"{node.name}()")
    if called:
        setup = "\n".join([suite.setup, *before])
        return replace(suite, setup=setup, tests=(*tests, *called))
    if not tests:
        msg = f"{name}={shortened(text)} has neither an assert nor a function test_..."
        raise TestsUnread(msg)
    return replace(suite, tests=tuple(tests))


def _paired(held: Mapping[str, Any], entry: str) -> Suite:
    """Inputs and outputs: of a function where one is named, else what is read and printed."""
    inputs, outputs = held.get("inputs"), held.get("outputs")
    name = next((str(held[n]) for n in ENTRIES if held.get(n)), entry)
    if not isinstance(inputs, list) or not isinstance(outputs, list) or len(inputs) != len(outputs):
        counts = [len(x) if isinstance(x, list) else shortened(x) for x in (inputs, outputs)]
        msg = f"inputs and outputs must be two lists of one length, not {counts[0]} and {counts[1]}"
        raise TestsUnread(msg)
    if not name:
        return Suite(pairs=tuple(zip(map(_lines, inputs), map(_lines, outputs), strict=True)))
    return Suite(tuple(map(_call, inputs, outputs)), entry=name)


def _call(given: Any, want: Any) -> str:
    """A test of one call; arguments are a list, or JSON a line as LiveCodeBench has them."""
    if isinstance(given, str):
        try:
            given = [json.loads(x) for x in given.splitlines() if x.strip()]
            want = json.loads(want) if isinstance(want, str) else want
        except ValueError:
            given = [given]
    places = given if isinstance(given, list) else [given]
    wanted = {repr(want): None}
    if isinstance(want, list) and len(want) == 1:
        wanted[repr(want[0])] = None  # APPS holds one answer in a list
    alike = " or ".join(f"_equal(found, {x})" for x in wanted)
    return f"found = candidate(*{places!r})\nassert {alike}"


def _lines(value: Any) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def _verified(held: Mapping[str, Any], entry: str) -> Suite:
    """Open-R1's test cases: of a program, or of a function that each case or the object names."""
    language, cases = held.get("language", "python"), held.get("test_cases")
    if str(language).lower() not in ("python", "python3", "py"):
        msg = f"verification_info is of the language {shortened(language)}; only Python is run"
        raise TestsUnread(msg)
    if not isinstance(cases, list) or not all(
        isinstance(c, Mapping) and {"input", "output"} <= set(c) for c in cases
    ):
        msg = f"test_cases={shortened(cases)} is no list of objects with input and output"
        raise TestsUnread(msg)
    named = next((str(c["fn_name"]) for c in cases if c.get("fn_name")), entry)
    both: dict[str, Any] = {k + "s": [c[k] for c in cases] for k in ("input", "output")}
    stdin = all(c.get("type", "stdin_stdout") == "stdin_stdout" for c in cases)
    if not stdin and not named:
        msg = "test_cases call a function, and no fn_name says which"
        raise TestsUnread(msg)
    if stdin:
        return _paired(both, "")
    return _paired({k: [*map(_value, both[k])] for k in both} | {"fn_name": named}, "")


def _value(text: Any) -> Any:
    """What a JSON text says; anything else as it is."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return text


def _parses(source: str) -> bool:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return False
    return True


def _check(suite: Suite) -> None:
    if not suite.count:
        msg = f"there is no test in the row; give {SHAPES}"
        raise TestsUnread(msg)
    for what, source in (("setup", suite.setup), *(("test", t) for t in suite.tests)):
        try:
            ast.parse(source)
        except (SyntaxError, ValueError, RecursionError) as error:
            msg = f"the {what} {shortened(source)} does not parse: {error}"
            raise TestsUnread(msg) from error


# -- running ---------------------------------------------------------------------------------------
_KEPT: dict[tuple[str, Suite, Limits], Outcome] = {}
KEPT = 4096


def held(programs: Programs, code: str, suite: Suite, limits: Limits) -> Outcome:
    """Which tests of a suite hold of a program; the time is for all of them.

    Equal programs are run once, but for those that ran out of time: that may be the machine's fault
    """
    key = (code, suite, limits)
    found = _KEPT.get(key)
    if found is None:
        found = _run(programs, code, suite, limits)
        if len(_KEPT) >= KEPT:
            _KEPT.clear()
        if not found.late:
            _KEPT[key] = found
    return found


def _run(programs: Programs, code: str, suite: Suite, limits: Limits) -> Outcome:
    if suite.pairs:
        return _printed(programs, code, suite, limits)
    return programs.test(code, suite.tests, setup=suite.setup, entry=suite.entry,
                         prelude=suite.prelude, limits=limits)  # fmt: skip


def _printed(programs: Programs, code: str, suite: Suite, limits: Limits) -> Outcome:
    """Each pair by a run of its own; those for which no time is left don't hold."""
    passed, problem, left, late = [], "", limits.seconds, False
    for i, (stdin, want) in enumerate(suite.pairs):
        if left <= 0:
            passed.append(False)
            continue
        found = programs.printed(code, stdin, limits=replace(limits, seconds=left))
        passed.append(found.text is not None and same_text(found.text, want))
        left -= found.seconds
        late = late or (found.text is None and left <= 0)
        if not passed[-1]:
            problem = problem or f"test {i}: {found.problem or 'it prints something else'}"
    return Outcome(tuple(passed), problem, late=late)


def same_text(found: str, want: str) -> bool:
    """Equal line by line, but for white space at ends of lines and empty lines at the end."""
    one, other = ([x.strip() for x in t.strip().splitlines()] for t in (found, want))
    return one == other
