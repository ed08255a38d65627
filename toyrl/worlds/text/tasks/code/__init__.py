"""Code: a small Python function is asked for, and tests decide.

Truth is told by the tests of the data row and by further ones that no reward is handed. Programs
run in processes of their own, within limits, apart from their tests
(`toyrl.rewards.sandbox.programs`).
"""

from toyrl.worlds.text.tasks.base import Made
from toyrl.worlds.text.tasks.code.answers import EACH, LAYOUTS, right, wrong
from toyrl.worlds.text.tasks.code.data import check_row, check_rows, of_rows
from toyrl.worlds.text.tasks.code.problems import holds, problems

__all__ = ["CODE", "check_row", "check_rows", "of_rows"]

CODE = Made("code", LAYOUTS, problems(), right, wrong, holds, each=EACH)
