"""Open writing: a note to be written, judged by a checklist.

`OPEN` has notes of toyrl's own; `of_rows` takes a user's prompts with instructions (IFEval), a
rubric, a checklist or constraints. A text is right where every item is met and nothing in it is
written for its grader (`reading.cheats`).
"""

from toyrl.worlds.text.tasks.base import Made
from toyrl.worlds.text.tasks.open.answers import holds, right, wrong
from toyrl.worlds.text.tasks.open.data import LAYOUTS, check_row, of_rows
from toyrl.worlds.text.tasks.open.notes import problems

__all__ = ["LAYOUTS", "OPEN", "check_row", "of_rows"]

OPEN = Made("open", LAYOUTS, problems(), right, wrong, holds)
