"""Rewards of tasks, six sound and six flawed ones for each, as users bring them.

Names of flawed ones begin with `flawed_`; a file's `EXPECTED` says which findings may be the first
reason, as patterns. Sound ones are to be SAFE as far as contract and hacks go.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

HERE = Path(__file__).parent
TASKS = ("choice", "tools", "sql", "code", "translation", "boxes", "open")


@dataclass(frozen=True)
class Case:
    """One reward: its task, its name, and what may be said first of a flawed one."""

    task: str
    name: str

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.name.startswith("flawed_")

    @property
    def spec(self) -> str:
        """As the command line takes it."""
        return f"{HERE / self.task}_rewards.py:{self.name}"

    @property
    def expected(self) -> tuple[str, ...]:
        """Patterns of findings."""
        return expected(self.task).get(self.name, ())


@lru_cache
def _tree(task: str) -> ast.Module:
    """A task's file, read and not run: its rewards need what a sandbox has."""
    return ast.parse((HERE / f"{task}_rewards.py").read_text(encoding="utf-8"))


def expected(task: str) -> dict[str, tuple[str, ...]]:
    """Flawed reward of a task -> patterns of findings."""
    said = (n for n in _tree(task).body if isinstance(n, ast.Assign))
    return next(ast.literal_eval(n.value) for n in said if ast.unparse(n.targets[0]) == "EXPECTED")


def cases(task: str) -> list[Case]:
    """Every reward of a task's file, in its order."""
    names = [n.name for n in _tree(task).body if isinstance(n, ast.FunctionDef)]
    return [Case(task, n) for n in names if not n.startswith("_")]
