"""What the code of a reward function says, read without running it.

Read by the library and by the sandboxed child, so it imports the standard library only.
"""

from __future__ import annotations

import dis
import inspect
import types
from collections.abc import Container, Iterator
from typing import Any


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


def is_async(function: Any) -> bool:
    """True for a coroutine function, also behind decorators and callable objects."""
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


def constants(code: types.CodeType) -> Iterator[Any]:
    """The code's constants, those in tuples one by one."""
    for constant in code.co_consts:
        if isinstance(constant, (tuple, frozenset)):
            yield from constant
        else:
            yield constant


def reads_gold(
    codes: list[types.CodeType],
    names: tuple[str, ...],
    gold: tuple[str, ...],
    *,
    extra: bool,
    known: Container[str],
) -> bool:
    """True if the code loads a gold parameter, or names a known gold column and is open-ended."""
    if not codes:  # not written in Python: believe the signature
        return bool(gold)
    if set(gold) & _loaded(codes[0]):
        return True
    open_ended = extra or {"state", "states", "info", "infos"} & set(names)
    return bool(open_ended) and any(
        isinstance(c, str) and c in known for code in codes for c in constants(code)
    )


def _loaded(code: types.CodeType) -> set[str]:
    """Names of locals that the code reads."""
    found = set(code.co_cellvars)
    for step in dis.get_instructions(code):
        if step.opname.startswith("LOAD_FAST"):
            found |= set(step.argval) if isinstance(step.argval, tuple) else {step.argval}
    return found
