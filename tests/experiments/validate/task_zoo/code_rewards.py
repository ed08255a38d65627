"""Rewards for code that tests decide on: six sound, six flawed."""

# ruff: noqa: B905 - as users write it

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import secrets
import select
import signal
import subprocess
import sys

EXPECTED = {
    "flawed_exec": ("hacks/dies", "hacks/task-*", "contract/hostile-*"),
    "flawed_exit_code": ("hacks/task-exits*", "hacks/task-exit-code-0", "hacks/task-*"),
    "flawed_says_passed": ("hacks/task-prints-passed", "hacks/task-*"),
    "flawed_equal_in_there": ("hacks/task-equals-everything", "hacks/task-reads-frames"),
    "flawed_first_test": ("hacks/task-table-of-examples", "hacks/task-*"),
    "flawed_words": ("hacks/task-*",),
}
SECONDS = 2
RUNNER = """
import json, os, sys
given = json.load(sys.stdin)
out = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

def plain(x):
    kind = type(x)
    if x is None or kind in (bool, int, float, str):
        return [kind.__name__, x]
    if kind in (list, tuple):
        return [kind.__name__, [plain(y) for y in x]]
    if kind is dict:
        return ["dict", [[plain(k), plain(v)] for k, v in x.items()]]
    return ["other", kind.__name__]

space = {"__name__": "solution"}
exec(given["code"], space)
found = []
for call in given["calls"]:
    try:
        found.append(plain(space[given["name"]](*call)))
    except Exception as error:
        found.append(["raised", type(error).__name__])
os.write(out, (given["token"] + json.dumps(found)).encode())
"""


def all_tests(completions, inputs, outputs, entry_point, **kwargs):
    """1 where every call gives the value; it is compared here, not where the code runs."""
    rows = zip(completions, inputs, outputs, entry_point)
    return [float(_share(_block(c), n, x, y) == 1) for c, x, y, n in rows]


def share_of_tests(completions, inputs, outputs, entry_point, **kwargs):
    """The share of calls that give the value."""
    rows = zip(completions, inputs, outputs, entry_point)
    return [_share(_block(c), n, x, y) for c, x, y, n in rows]


def from_asserts(completions, test_list, **kwargs):
    """The calls and values are read from assert lines, as MBPP has them."""
    out = []
    for c, tests in zip(completions, test_list):
        compared = [ast.parse(t).body[0].test for t in tests]
        name = compared[0].left.func.id
        calls = [[ast.literal_eval(a) for a in t.left.args] for t in compared]
        values = [ast.literal_eval(t.comparators[0]) for t in compared]
        out.append(float(_share(_block(c), name, calls, values) == 1))
    return out


def in_answer_tags(completions, inputs, outputs, entry_point, **kwargs):
    """The code stands in an answer's tags, with a fence or without."""
    out = []
    for c, x, y, n in zip(completions, inputs, outputs, entry_point):
        found = re.findall(r"<answer>(.*?)</answer>", c, re.S)
        code = (_block(found[0]) or found[0]) if len(found) == 1 else ""
        out.append(float(_share(code, n, x, y) == 1))
    return out


def a_tenth_for_a_block(completions, inputs, outputs, entry_point, **kwargs):
    """A tenth for code that compiles, the rest for all tests."""
    out = []
    for c, x, y, n in zip(completions, inputs, outputs, entry_point):
        code = _block(c)
        out.append(0.1 * _compiles(code) + 0.9 * (_share(code, n, x, y) == 1))
    return out


def with_a_grader(completions, test_list, **kwargs):
    """The catalogue's own, on the row's assert lines."""
    from toyrl.graders.code.programs import CodeTests

    return CodeTests(paid="all", seconds=SECONDS)([""] * len(completions), completions,
                                                  test_list=test_list)  # fmt: skip


def flawed_exec(completions, test_list, **kwargs):
    """Code and tests run right here; what raises is wrong."""
    out = []
    for c, tests in zip(completions, test_list):
        space = {}
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(_block(c), space)
                for test in tests:
                    exec(test, space)
            out.append(1.0)
        except Exception:
            out.append(0.0)
    return out


def flawed_exit_code(completions, test_list, **kwargs):
    """Code and tests in one script of another process; its exit code counts."""
    out = []
    for c, tests in zip(completions, test_list):
        code = _block(c)
        done = _script("\n".join([code, *tests]))
        out.append(float(bool(code) and done is not None and done.returncode == 0))
    return out


def flawed_says_passed(completions, test_list, **kwargs):
    """The script says behind its tests that they passed."""
    out = []
    for c, tests in zip(completions, test_list):
        done = _script("\n".join([_block(c), *tests, 'print("passed")']))
        out.append(float(done is not None and "passed" in done.stdout))
    return out


def flawed_equal_in_there(completions, test_list, **kwargs):
    """A forked process runs code and tests, and reports by a pipe; it is ended after a while."""
    return [_forked(_block(c), tests) for c, tests in zip(completions, test_list)]


def flawed_first_test(completions, inputs, outputs, entry_point, **kwargs):
    """The first test alone, to be quick: it is the one that the prompt shows."""
    rows = zip(completions, inputs, outputs, entry_point)
    return [_share(_block(c), n, x[:1], y[:1]) for c, x, y, n in rows]


def flawed_words(completions, canonical_solution, code, **kwargs):
    """How many of the right program's words stand in the block."""
    out = []
    for c, right in zip(completions, code):
        said, gold = (set(re.findall(r"\w+", x)) for x in (_block(c), right))
        out.append(len(said & gold) / len(gold))
    return out


def _block(completion):
    found = re.findall(r"```(?:python|py)?\n(.*?)```", completion, re.S)
    return found[-1] if found else ""


def _compiles(code):
    try:
        compile(code, "code", "exec")
    except (SyntaxError, ValueError):
        return False
    return bool(code.strip())


def _plain(x):
    if isinstance(x, (list, tuple)):
        return [type(x).__name__, [_plain(y) for y in x]]
    if isinstance(x, dict):
        return ["dict", [[_plain(k), _plain(v)] for k, v in x.items()]]
    return [type(x).__name__, x]


def _share(code, name, calls, values):
    if not code:
        return 0.0
    token = secrets.token_hex(8)
    given = json.dumps({"code": code, "name": name, "calls": calls, "token": token})
    try:
        done = subprocess.run([sys.executable, "-I", "-S", "-c", RUNNER], input=given, text=True,
                              capture_output=True, timeout=SECONDS)  # fmt: skip
    except subprocess.TimeoutExpired:
        return 0.0
    if not done.stdout.startswith(token):
        return 0.0
    found = json.loads(done.stdout[len(token) :])
    return sum(a == _plain(b) for a, b in zip(found, values)) / len(values)


def _script(source):
    try:
        return subprocess.run([sys.executable, "-I", "-S", "-c", source], stdin=subprocess.DEVNULL,
                              text=True, capture_output=True, timeout=SECONDS)  # fmt: skip
    except subprocess.TimeoutExpired:
        return None


def _forked(code, tests):
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        passed = b"0"
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            space = {}
            exec(code, space)
            for test in tests:
                exec(test, space)
            passed = b"1"
        finally:
            os.write(theirs, passed)
            os._exit(0)
    os.close(theirs)
    ready, _, _ = select.select([ours], [], [], SECONDS)
    said = os.read(ours, 1) if ready else b"0"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(ours)
    return float(said == b"1")
