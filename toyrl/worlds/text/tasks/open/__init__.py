"""Open writing: a note to be written, judged by a checklist.

`OPEN` has notes of toyrl's own; `of_rows` takes a user's prompts with instructions (IFEval), a
rubric, a checklist or constraints. A text is right where every item is met and nothing in it is
written for its grader (`reading.cheats`).
"""

from toyrl.worlds.text.tasks.base import Made
from toyrl.worlds.text.tasks.open.answers import holds, right, wrong
from toyrl.worlds.text.tasks.open.notes import problems

LAYOUTS = ("tag", "<think>\n{work}\n</think>\n{}", "Final text:\n{}", "{none}{}")
OPEN = Made("open", LAYOUTS, problems(), right, wrong, holds)
