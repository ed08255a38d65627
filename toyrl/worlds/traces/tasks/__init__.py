"""Eighteen programs of eight kinds whose reasoning is a trace of atomic states."""

from toyrl.worlds.traces.tasks.core import CLASSES, FROM_MEMORY, RANGES, Task, posed
from toyrl.worlds.traces.tasks.loops import LOOPS
from toyrl.worlds.traces.tasks.searches import SEARCHES
from toyrl.worlds.traces.tasks.splits import SPLITS
from toyrl.worlds.traces.tasks.tables import TABLES

TASKS: dict[str, Task] = {t.name: t for t in (*LOOPS, *SPLITS, *TABLES, *SEARCHES)}
"""All tasks by name, in the order of their classes' files."""

__all__ = ["CLASSES", "FROM_MEMORY", "RANGES", "TASKS", "Task", "posed"]
