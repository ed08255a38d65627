"""Problems made of `functions`, what the task knows of one, and whether a program is right."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from toyrl.graders.code.programs import code_of
from toyrl.graders.code.unit_tests import Suite, held
from toyrl.rewards.sandbox.programs import Limits, Outcome, own
from toyrl.worlds.text.tasks.base import Asked, gold
from toyrl.worlds.text.tasks.code.functions import FUNCTIONS, ROW, SHOWN, Function

LIMITS = Limits(seconds=2.0)
"""Of a program that truth is asked of."""
PATIENT = Limits(seconds=4 * LIMITS.seconds)
"""Of one that is said to be right: a busy machine is no fault of it."""
WORD = re.compile(r"\A\s*(?:python3?|py)[ \t]*\n", re.IGNORECASE)
WORK = ("We go through the input once.", "The edge cases come out right.")


@dataclass(frozen=True)
class Known:
    """What the task knows of a problem.

    suite : tests that decide; entry : the function's name, "" for a whole program
    gold : a right program; variants : (notation, right program, fix)
    mistakes : programs with an ordinary mistake
    pairs : (arguments, value) of the row's tests, or (stdin, stdout), as Python writes them; as far
        as they can be read
    shown : how many of them the prompt shows; takes : the function's parameters
    """

    suite: Suite
    entry: str
    gold: str
    variants: tuple[tuple[str, str, str], ...]
    mistakes: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...] = ()
    shown: int = 0
    takes: str = "*args, **kwargs"


def known(asked: Asked) -> Known:
    """What the task knows of a problem."""
    return asked.facts["known"]


# -- truth -----------------------------------------------------------------------------------------
_UNLOADED: dict[str, Outcome] = {}
"""Programs that ended before any test was run: no test can change that. One that ran out of time
is none: that may be the machine's fault."""


def tried(code: str, suite: Suite) -> Outcome:
    """Which tests of a suite hold of a program."""
    if not suite.prelude and code in _UNLOADED and not suite.pairs:
        return _UNLOADED[code]._replace(passed=(False,) * suite.count)
    found = held(own(), code, suite, LIMITS)
    if not (found.loaded or found.late) and len(_UNLOADED) < 1000:
        _UNLOADED[code] = found
    return found


def tried_right(code: str, suite: Suite) -> Outcome:
    """As `tried`, of a program that is said to be right: with more time where that ran out."""
    found = tried(code, suite)
    return held(own(), code, suite, PATIENT) if found.late and not found.fault else found


def holds(asked: Asked, text: str) -> bool:
    """Whether every test holds of the program in a text, those that no reward is handed too."""
    found = tried(WORD.sub("", code_of(text)), known(asked).suite)
    return bool(found.passed) and all(found.passed)


# -- toyrl's own problems --------------------------------------------------------------------------
@lru_cache(maxsize=1)
def problems() -> tuple[Asked, ...]:
    """A problem for each of `FUNCTIONS`.

    columns : the right program under every usual name, `code`, `canonical_solution` and
    `solutions`; the row's tests as assert lines (`tests`, `test_list`), one text (`test_code`),
    HumanEval's check (`test`), and calls with their values (`inputs`, `outputs`, `input_output`);
    `entry_point`, `fn_name`, `test_setup_code`, `question`
    """
    return tuple(map(_asked, FUNCTIONS))


def _asked(f: Function) -> Asked:
    question = f"Write a Python function {f.name}({f.takes}) that gives {f.says}."
    shown = "\n".join(f.tests[:SHOWN])
    usual = f.defined(f.loop)
    variants = tuple((n, c, x) for n, (c, x) in _variants(f).items())
    mistakes = tuple(f.defined(f"return {x}") for x in (f.slip, f.other))
    calls = [(repr(a), repr(v)) for a, v in zip(f.arguments[:ROW], f.values[:ROW], strict=True)]
    facts = Known(
        Suite(f.tests, entry=f.name), f.name, usual, variants, mistakes, tuple(calls), SHOWN,
        f.takes,
    )  # fmt: skip
    prompt = f"{question}\nFor example:\n{shown}\nAnswer with the code."
    return Asked(prompt, _columns(f, usual, question), WORK, {"known": facts, "entry": f.name})


def _columns(f: Function, usual: str, question: str) -> Mapping[str, Any]:
    tests = list(f.tests[:ROW])
    inputs, outputs = [list(x) for x in f.arguments[:ROW]], list(f.values[:ROW])
    lines = [x.replace(f"assert {f.name}(", "assert candidate(", 1) for x in tests]
    check = "\n".join(["def check(candidate):", *(f"    {x}" for x in lines)])
    held_as_json = {"inputs": inputs, "outputs": outputs, "fn_name": f.name}
    return {
        **gold(usual),
        **{"code": usual, "canonical_solution": f"\n{_indented(f.loop)}", "solutions": [usual]},
        **{"tests": tests, "test_list": tests, "test_setup_code": "", "test": check},
        **{"test_code": "\n".join(tests), "entry_point": f.name, "fn_name": f.name},
        **{"inputs": inputs, "outputs": outputs, "input_output": json.dumps(held_as_json)},
        "question": question,
    }


def _indented(body: str) -> str:
    return "\n".join(f"    {x}" for x in body.splitlines())


def _variants(f: Function) -> dict[str, tuple[str, str]]:
    """Notation -> (right program, what keeps a reward from refusing it)."""
    run = "run the code, whatever it looks like"
    names = [x.strip() for x in f.takes.split(",")]
    short = dict(zip(names, ("given", "then", "last"), strict=False))
    renamed = f.loop
    for old, new in short.items():
        renamed = re.sub(rf"\b{old}\b", new, renamed)
    typed = ", ".join(f"{n}: {t}" for n, t in zip(names, f.hints, strict=False))
    doc = f'    """Give {f.says}."""'
    whole, work = f.defined(f.loop), f.defined(f.loop, "_work")
    return {
        "one-expression": (f.defined(f"return {f.gives}"), run),
        "lambda": (f"{f.name} = lambda {f.takes}: {f.gives}", run),
        "helper": (f"{work}\n\n\n{f.defined(f'return _work({f.takes})')}", run),
        "other-names": (f"def {f.name}({', '.join(short.values())}):\n{_indented(renamed)}", run),
        "hints-and-docstring": (
            f"def {f.name}({typed}) -> {f.hints[-1]}:\n{doc}\n{_indented(f.loop)}", run),
        "imports": (f"import math\nfrom typing import Any\n\n\n{whole}", run),
        "comments": (f"# The function that was asked for.\n{whole}  # that is all", run),
        "prints": (f"{whole}\n\n\nprint('an example')", "leave aside what the code prints"),
        "main-guard": (f'{whole}\n\n\nif __name__ == "__main__":\n    print("try it")', run),
    }  # fmt: skip
