"""Rewards written out as users bring them, one file each, beside those put together of parts.

A file says in its docstring what is to be known about it:

    Judged: FILE:right FILE:layout:0.2     the terms, FILE alone where it isn't said
    Rollouts: boxed                        a log that goes with it (`LOGS`)
    Expected: SAFE                         of a sound one
    Expected: hacks/length collapse        of a flawed one: findings, one of which comes first
    Corrected: contract/format             what was missing there, scored apart

Expectations were committed before a file was first judged; they don't follow what came out.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "written"
SAFE = "SAFE"


@dataclass(frozen=True)
class Written:
    """A reward of the zoo and what a whole run of it is expected to say.

    specs : the terms of the sum, as the command line takes them; rollouts : name of a log, or ""
    expected : SAFE, or patterns of the findings of which one is to be the first reason
    corrected : patterns that had to be among these, found wrong by a run and scored apart
    what : what it is, in the words of its file
    """

    name: str
    specs: tuple[str, ...]
    rollouts: str
    expected: tuple[str, ...]
    corrected: tuple[str, ...] = ()
    what: str = ""

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.expected == (SAFE,)


def read(file: Path) -> Written:
    """A file's reward, by its docstring; ValueError where that doesn't say what is expected."""
    doc = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    lines = doc.replace("\n    ", " ").splitlines()
    said = dict(line.split(": ", 1) for line in lines if line.startswith(FIELDS))
    if "Expected" not in said:
        msg = f"{file.name} doesn't say what is expected of it: a line 'Expected: ...'"
        raise ValueError(msg)
    specs = tuple(s.replace("FILE", str(file)) for s in said.get("Judged", "FILE").split())
    what = doc.partition("\n\n")[0].replace("\n", " ")
    expected, corrected = (tuple(said.get(k, "").split()) for k in ("Expected", "Corrected"))
    return Written(file.stem, specs, said.get("Rollouts", ""), expected, corrected, what)


FIELDS = ("Judged: ", "Rollouts: ", "Expected: ", "Corrected: ")


def _all(kind: str) -> dict[str, Written]:
    return {f.stem: read(f) for f in sorted((HERE / kind).glob("*.py"))}


WRITTEN_SOUND = _all("sound")
WRITTEN_FLAWED = _all("flawed")


def function(x: Written) -> Callable[..., Any]:
    """The function of a reward of one term; ValueError for a sum."""
    if len(x.specs) != 1:
        msg = f"{x.name} is a sum of {len(x.specs)} terms"
        raise ValueError(msg)
    path, _, name = x.specs[0].partition(".py:")
    path = path if name else path.removesuffix(".py")
    spec = importlib.util.spec_from_file_location(x.name, f"{path}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[x.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    if name:
        return eval(name, vars(module))
    own = [f for f in vars(module).values() if getattr(f, "__module__", "") == x.name]
    own = [f for f in own if inspect.isfunction(f)]
    return next((f for f in own if f.__name__ == "compute_score"), own[0])


# -- logs that go with some ------------------------------------------------------------------------
def _rows(write: Callable[[int, str], str], gold: Callable[[int], Any]) -> list[dict[str, Any]]:
    """Eight groups of six rollouts, half of them right, of different lengths."""
    out = []
    for b in range(8):
        a, right = 6 + 5 * b, 17 + 5 * b
        for g in range(6):
            good = (b + g) % 2 == 0
            work = " ".join(f"Digit {k} is checked." for k in range(2 + (3 * b + g) % 7))
            row = {
                "prompt_id": b,
                "prompt": f"What is {a} + 11?",
                "completion": write(right if good else right + 1 + g, work),
                "answer": gold(right),
                "correct": int(good),
                "length": 20 + 6 * ((3 * b + g) % 7),
            }
            out.append(row)
    return out


LOGS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "boxed": lambda: _rows(
        lambda n, work: f"<think>\nWe add. {work}\n</think>\n<answer>\n\\boxed{{{n}}}\n</answer>",
        str,
    ),
    "whole numbers": lambda: _rows(
        lambda n, work: f"<think>\nWe add. {work}\n</think>\n<answer>{n}</answer>", int
    ),
}


def log_file(name: str, folder: Path) -> Path:
    """A log of `LOGS`, written into a folder as JSONL."""
    file = folder / f"{name.replace(' ', '_')}.jsonl"
    lines = (json.dumps(row) for row in LOGS[name]())
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file
