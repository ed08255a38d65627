"""What the tests of engines train; at a module's level, so that workers can import it."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def written(place: Path, reward: Any, settings: Any) -> None:
    """A run of `transfer` in its place: a file in its folder."""
    place.mkdir(parents=True)
    (place / "curve.json").write_text(f"{reward.name} {settings.seed}")


def totals(cells: list[dict[str, float]]) -> list[float]:
    """A part's answer that needs no world: a number a cell."""
    return [3 * c["weight"] + c["rho"] for c in cells]


@dataclass(frozen=True)
class Dies:
    """A job that kills its own worker once, in the middle of a part; later it answers.

    mark : file that says that it has died already
    """

    job: Any
    mark: str

    def __call__(self, cells):
        """The job's answer, but for the first time that the chosen part is met."""
        if any(c.get("dies") for c in cells):
            place = Path(self.mark)
            try:
                place.touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                time.sleep(0.05)
                os.kill(os.getpid(), signal.SIGKILL)
        clean = [{k: v for k, v in c.items() if k != "dies"} for c in cells]
        return self.job(clean)
