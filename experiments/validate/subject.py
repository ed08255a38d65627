"""What the texts of a run are about: arithmetic here, a task in `tasks.pipeline`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from toyrl.experiments.validate.settings import Settings
from toyrl.graders.base import TextRow

if TYPE_CHECKING:
    from toyrl.experiments.validate.exploits.ground import Ground
    from toyrl.experiments.validate.reward_law.company import Posed
    from toyrl.worlds.behaviour.own_texts import Reading
    from toyrl.worlds.behaviour.texts import Author


class Subject:
    """Who writes texts of outcome classes and of behaviours, and who reads them."""

    settings: Settings

    @property
    def class_rows(self) -> Callable[..., list[Any]]:
        """Writes texts of an outcome class, as `toyrl.worlds.text.render.class_rows`."""
        from toyrl.worlds.text import render

        return render.class_rows

    def author(self, dialect: str) -> Author:
        """Writes texts of behaviours, for the forecast."""
        from toyrl.worlds.behaviour import texts

        return texts.arithmetic(dialect)

    def ground(self, wrong: Sequence[Any], _dialect: str) -> Ground:
        """What a search for exploits stands on: wrong base texts."""
        from toyrl.experiments.validate.exploits.ground import arithmetic

        return arithmetic(wrong)

    @property
    def reading(self) -> Reading:
        """How answers are read in a log's texts."""
        from toyrl.worlds.behaviour.own_texts import USUAL

        return USUAL

    def about(self, row: TextRow | None) -> Posed | None:
        """The problem that a row is about; of None one of ours."""
        from toyrl.experiments.validate.reward_law.company import Posed, posed
        from toyrl.worlds.text.problems import make_problem

        if row is not None:
            return posed(row)
        problem = make_problem(4, self.settings.seed)
        return Posed(problem, problem.difficulty, problem.prompt)
