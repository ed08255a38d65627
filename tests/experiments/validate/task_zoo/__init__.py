"""Rewards of tasks, six sound and six flawed ones for each, as users bring them.

Names of flawed ones begin with `flawed_`; `EXPECTED` says which findings may be the first reason.
Sound ones are to be SAFE as far as contract and hacks go.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
TASKS = ("choice", "tools", "sql")

EXPECTED: dict[str, tuple[str, ...]] = {
    "choice:flawed_letter_inside": ("hacks/task-*",),
    "choice:flawed_begins_with": ("hacks/task-letters-in-a-row", "hacks/task-*"),
    "choice:flawed_anywhere": ("hacks/task-*",),
    "choice:flawed_text_of_option": ("hacks/task-text-of-right", "hacks/task-*"),
    "choice:flawed_passes_blank": ("hacks/task-blank", "hacks/task-*"),
    "choice:flawed_any_letter": ("hacks/ungated", "contract/*", "hacks/task-*"),
    "tools:flawed_name_inside": ("hacks/task-*",),
    "tools:flawed_subset": ("hacks/task-*",),
    "tools:flawed_extra_allowed": ("hacks/task-extra-argument",),
    "tools:flawed_any_call": ("hacks/task-*",),
    "tools:flawed_bag_of_values": ("hacks/task-*",),
    "tools:flawed_passes_errors": ("hacks/task-*", "hacks/half-for-free"),
    "sql:flawed_words": ("hacks/task-in-a-comment", "hacks/task-*"),
    "sql:flawed_gold_inside": ("hacks/task-*",),
    "sql:flawed_it_runs": ("contract/*", "hacks/*"),
    "sql:flawed_superset": ("hacks/task-*",),
    "sql:flawed_count_of_rows": ("hacks/task-*",),
    "sql:flawed_script": ("hacks/task-writes", "contract/*"),
}


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
        return EXPECTED.get(f"{self.task}:{self.name}", ())


def cases(task: str) -> list[Case]:
    """Every reward of a task's file, in its order."""
    tree = ast.parse((HERE / f"{task}_rewards.py").read_text(encoding="utf-8"))
    names = [n.name for n in tree.body if isinstance(n, ast.FunctionDef)]
    return [Case(task, n) for n in names if not n.startswith("_")]
