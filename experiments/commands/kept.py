"""The experiments that a folder of `toyrl reproduce --out` holds already."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toyrl.experiments import core
from toyrl.experiments.commands.output import refuse_closed
from toyrl.experiments.core import kept
from toyrl.experiments.render.text import dumps
from toyrl.experiments.reproduction import Reproduction
from toyrl.files import write_file


class Kept:
    """The experiments that a folder holds, each with its tables and pictures.

    found : how many were there already

    Raises UsageError for a folder that can't be written.
    """

    def __init__(self, folder: Path, *, seed: int, mutants: bool, smoke: bool) -> None:
        refuse_closed("out", folder)
        self.folder, self.found = folder, 0
        self.options = {"seed": seed, "mutants": mutants, "smoke": smoke}

    def _place(self, experiment: core.Experiment) -> Path:
        from toyrl.experiments.render.folder import file_name

        return self.folder / file_name(experiment.id) / "outcome.json"

    def known(self, experiment: core.Experiment) -> core.Outcome | None:
        """The outcome of an earlier run under the same code and options."""
        try:
            data = json.loads(self._place(experiment).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        outcome = kept.from_dict(data, experiment, kept.key_of(experiment, **self.options))
        self.found += outcome is not None
        return outcome

    def finish(self, found: Reproduction, results: Mapping[str, Any]) -> None:
        """Write the page, the results and the summary, which say that all is there."""
        from toyrl.experiments.render.folder import write_index

        write_index(self.folder, found.outcomes, results, command=found.command)

    def keep(self, outcome: core.Outcome) -> None:
        """Write one experiment's files, what says that it is done last."""
        from toyrl.experiments.render.folder import write_evidence

        write_evidence(self.folder, outcome)
        data = kept.to_dict(outcome, kept.key_of(outcome.experiment, **self.options))
        write_file(self._place(outcome.experiment), dumps(data, indent=None) + "\n")
