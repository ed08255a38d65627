"""What a forked process does: holds a solution, runs tests on one, or runs a whole program.

A solution and its tests run in two processes. Tests call a stand-in of the solution's function,
which sends arguments over and gets plain data back (`plain`): a solution can't see what is
expected, change what compares, or end its tests early. Standard library only.

Frames are JSON with their length before them. The library passes them on between the two.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import io
import json
import os
import socket
import struct
import sys
from collections.abc import Mapping
from typing import Any

# relative, because the child loads this folder without importing the library
from .forks import guard, limit
from .plain import decode, encode, restored

LARGEST_FRAME = 2**24
"""Bytes of one frame."""
DEPTH = 20_000
"""Python calls in one another that a solution may make."""
SAID = 200  # characters of an exception's text
OURS = {
    **{n: "" for n in ("collections", "itertools", "math", "random", "re", "statistics")},
    **dict.fromkeys(("Counter", "OrderedDict", "defaultdict", "deque"), "collections"),
    **dict.fromkeys(("Decimal",), "decimal"), **dict.fromkeys(("Fraction",), "fractions"),
    **dict.fromkeys(("isclose",), "math"),
}  # fmt: skip
"""Names that tests may read without importing them -> their module; never the solution's own."""


class Wire:
    """A socket with frames in both directions."""

    def __init__(self, own: socket.socket) -> None:
        self.own = own

    def send(self, message: Mapping[str, Any]) -> None:
        """One frame. Raises ValueError for one that is too large."""
        data = json.dumps(message).encode()
        if len(data) > LARGEST_FRAME:
            msg = f"{len(data):,} bytes of data are more than {LARGEST_FRAME:,}"
            raise ValueError(msg)
        self.own.sendall(struct.pack(">I", len(data)) + data)

    def receive(self) -> dict[str, Any]:
        """The next frame. Raises EOFError once the other end is closed."""
        size = struct.unpack(">I", self._exactly(4))[0]
        return json.loads(self._exactly(size))

    def _exactly(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            data = self.own.recv(min(size - len(found), 2**20))
            if not data:
                raise EOFError
            found += data
        return bytes(found)


def play(own: socket.socket) -> None:
    """Take the first frame, which says what to do, and do it."""
    wire = Wire(own)
    first = wire.receive()
    limit(seconds=first["seconds"], memory=first["memory"])
    guard()
    {"solution": solution, "tests": tests, "script": script}[first["role"]](wire, first)


def told(error: BaseException) -> list[str]:
    """Kind and text of an exception."""
    try:
        text = str(error)
    except BaseException:
        text = ""
    return [type(error).__name__, text[:SAID]]


# -- a solution ------------------------------------------------------------------------------------
def solution(wire: Wire, first: Mapping[str, Any]) -> None:
    """Run code, then answer for names and calls until nobody asks."""
    sys.setrecursionlimit(DEPTH)
    held: list[Any] = []
    space: dict[str, Any] = {"__name__": "solution"}

    def keep(value: Any) -> Any:
        held.append(value)
        return {"h": [len(held) - 1, callable(value), type(value).__name__]}

    def kept(handle: Any) -> Any:
        return held[handle[0]]

    try:
        if first["prelude"]:
            exec(compile(first["prelude"], "<prompt>", "exec"), space)
        exec(compile(first["code"], "<solution>", "exec"), space)
    except BaseException as error:
        wire.send({"raised": told(error)})
        return
    wire.send({"ready": True})
    while True:
        asked = wire.receive()
        try:
            if "names" in asked:
                there = {n: _named(space, n) for n in asked["names"]}
                answer = {"names": {n: encode(x[0], keep) for n, x in there.items() if x}}
            else:
                answer = _called(asked, kept, keep)
        except BaseException as error:
            answer = {"raised": told(error)}
        try:
            wire.send(answer)
        except ValueError as error:
            wire.send({"raised": told(error)})


def _named(space: Mapping[str, Any], name: str) -> list[Any]:
    """What the code calls so, in a list; of a class Solution one of its methods."""
    if name in space:
        return [space[name]]
    made = space.get("Solution")
    return [getattr(made(), name)] if isinstance(made, type) and hasattr(made, name) else []


def _called(asked: Mapping[str, Any], kept: Any, keep: Any) -> dict[str, Any]:
    """What a call, or a look at an attribute, gives; arguments as they are after it."""
    target = kept(asked["of"])
    if asked.get("attribute"):
        return {"value": encode(getattr(target, asked["attribute"]), keep)}
    places = [decode(x, kept) for x in asked["places"]]
    named = {k: decode(x, kept) for k, x in asked["named"].items()}
    value = encode(target(*places, **named), keep)
    after = [encode(x, keep) if type(x) in (list, dict, set, bytearray) else None for x in places]
    return {"value": value, "after": after}


# -- its tests -------------------------------------------------------------------------------------
class SolutionError(Exception):
    """What a solution raised that no exception of Python's own stands for."""


class Remote:
    """What stands for an object of the solution's process; no data, so nothing is equal to it."""

    def __init__(self, wire: Wire, handle: list[Any]) -> None:
        self._wire, self._handle = wire, handle

    def __call__(self, *places: Any, **named: Any) -> Any:
        """Call it there."""
        answer = _asked(self._wire, {
            "of": self._handle,
            "places": [encode(x, _sent) for x in places],
            "named": {k: encode(x, _sent) for k, x in named.items()},
        })  # fmt: skip
        for given, after in zip(places, answer["after"], strict=True):
            if after is not None:
                restored(given, decode(after, self._made))
        return decode(answer["value"], self._made)

    def __getattr__(self, name: str) -> Any:
        """An attribute there; those with two underscores are none of it."""
        if name.startswith("__"):
            raise AttributeError(name)
        asked = {"of": self._handle, "attribute": name}
        return decode(_asked(self._wire, asked)["value"], self._made)

    def __bool__(self) -> bool:
        """Refused: neither true nor false."""
        msg = f"the solution gives an object of its own kind ({self._handle[2]}), no plain data"
        raise TypeError(msg)

    def _made(self, handle: list[Any]) -> Remote:
        return Remote(self._wire, handle)


def _sent(value: Any) -> Any:
    """A stand-in goes back as what it stands for; anything else is no data."""
    if type(value) is Remote:
        return {"h": value._handle}
    msg = f"a test hands over an object of its own kind ({type(value).__name__}), no plain data"
    raise Unsendable(msg)


class Unsendable(TypeError):
    """A test's argument that can't be sent to another process."""


def _asked(wire: Wire, message: Mapping[str, Any]) -> dict[str, Any]:
    """The solution's answer; what it raised is raised here, as an exception of Python's own."""
    wire.send(message)
    answer = wire.receive()
    if "raised" not in answer:
        return answer
    name, text = answer["raised"]
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception) and kind is not AssertionError:
        try:
            error = kind(text)
        except TypeError:  # a UnicodeError wants more
            error = SolutionError(f"{name}: {text}")
        error.of_solution = True  # type: ignore[attr-defined]
        raise error
    msg = f"{name}: {text}"
    raise SolutionError(msg)


def equal(found: Any, want: Any) -> bool:
    """Equal as values of JSON: a tuple is a list, and numbers are equal up to rounding."""
    if isinstance(found, tuple):
        found = list(found)
    if isinstance(want, tuple):
        want = list(want)
    if isinstance(found, list) and isinstance(want, list):
        return len(found) == len(want) and all(map(equal, found, want))
    kinds = (type(found), type(want))
    if float in kinds and isinstance(found, int | float) and isinstance(want, int | float):
        near = abs(found - want) <= 1e-6 * max(1.0, abs(want))
        return bool not in kinds and (found == want or near)
    return type(found) is type(want) and found == want


def tests(wire: Wire, first: Mapping[str, Any]) -> None:
    """Run each test, and say of each whether it holds."""
    read = unknown([first["setup"], *first["tests"]])
    names = sorted({*read, first["entry"]} - {"", "candidate"})
    wire.send({"names": names})
    there = {n: decode(x, lambda h: Remote(wire, h)) for n, x in wire.receive()["names"].items()}
    space: dict[str, Any] = {"__name__": "tests", "_equal": equal, **there}
    space |= {n: _ours(n) for n in names if n in OURS and n != first["entry"]}
    if first["entry"] in there:
        space["candidate"] = there[first["entry"]]
    setup = ""
    try:
        exec(compile(first["setup"], "<setup>", "exec"), space)
    except (Exception, SystemExit) as error:
        setup = f"the tests' setup raised {': '.join(told(error))}"
    for i, test in enumerate(first["tests"]):
        ok, said, fault = _held(test, space, names)
        wire.send({"test": i, "ok": ok and not setup, "said": setup or said, "fault": fault})
    wire.send({"end": True})


def _ours(name: str) -> Any:
    """A usual name as Python has it, whatever the solution calls so."""
    module = importlib.import_module(OURS[name] or name)
    return getattr(module, name) if OURS[name] else module


def _held(test: str, space: dict[str, Any], names: list[str]) -> tuple[bool, str, bool]:
    """(whether a test holds, what was raised, whether that is the test's own fault).

    names : which it expects of the solution
    """
    try:
        exec(compile(test, "<test>", "exec"), space)
    except AssertionError as error:
        return False, ": ".join(x for x in told(error) if x), False
    except (Exception, SystemExit) as error:
        own = isinstance(error, Unsendable | SyntaxError | PermissionError | NameError | SystemExit)
        lacks = isinstance(error, NameError) and error.name in (*names, "candidate")
        own = own and not lacks and not hasattr(error, "of_solution")
        return False, ": ".join(told(error)), own
    return True, "", False


def unknown(sources: list[str]) -> set[str]:
    """Names that sources read and neither bind nor find among Python's own: the solution's."""
    read, bound = set(), {"_equal", *vars(builtins)}
    for source in sources:
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
            elif isinstance(node, ast.arg):
                bound.add(node.arg)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                bound.add(node.name)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                bound |= {(a.asname or a.name).partition(".")[0] for a in node.names}
            elif isinstance(node, ast.ExceptHandler) and node.name:
                bound.add(node.name)
    return read - bound


# -- a whole program -------------------------------------------------------------------------------
def script(wire: Wire, first: Mapping[str, Any]) -> None:
    """Run code as a program that reads text and prints, and send what it printed."""
    sys.setrecursionlimit(DEPTH)
    given, taken = os.pipe()
    data, out = first["stdin"].encode("utf-8", "surrogatepass"), io.BytesIO()
    if len(data) <= 4096:  # what fits a pipe, for those that read descriptor 0
        os.write(taken, data)
        os.dup2(given, 0)
    os.close(taken)
    sys.stdin = io.TextIOWrapper(io.BytesIO(data), "utf-8", "replace")
    sys.stdout = io.TextIOWrapper(out, "utf-8", "replace", write_through=True)
    raised = None
    try:
        exec(compile(first["code"], "<program>", "exec"), {"__name__": "__main__"})
    except SystemExit:
        pass
    except BaseException as error:
        raised = told(error)
    printed = out.getvalue()[: LARGEST_FRAME // 8].decode("utf-8", "replace")
    wire.send({"printed": printed, "raised": raised})
