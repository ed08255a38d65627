"""A reward written for a trainer, as an answer that can be looked at and saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from toyrl import schemas
from toyrl.experiments.amounts import refuse_outside
from toyrl.experiments.errors import UsageError
from toyrl.experiments.results import Answer
from toyrl.messages import shortened


@dataclass(frozen=True, repr=False)
class Exported(Answer):
    """A file for a trainer.

    reward : the catalogue expression; target : the trainer; text : the file, Python
    mode : how it is carried (`toyrl.bridge.export.carry`)
    settings : what the trainer has to be told; notes : what it can't carry exactly
    """

    reward: str
    target: str
    text: str
    mode: str
    settings: Mapping[str, Any]
    notes: tuple[str, ...]
    exit_code: int = 0

    def to_dict(self) -> dict[str, Any]:
        """JSON form, schema toyrl.export."""
        return {
            "schema": schemas.tag("export"),
            "reward": self.reward,
            "target": self.target,
            "mode": self.mode,
            "settings": dict(self.settings),
            "notes": list(self.notes),
            "text": self.text,
        }

    def lines(self) -> list[str]:
        """Reward, trainer and settings."""
        told = ", ".join(f"{k}={v!r}" for k, v in self.settings.items())
        return [
            f"{self.reward} for {self.target}: {len(self.text.splitlines())} lines of Python",
            f"set {told}" if told else "no settings needed",
            *(f"note: {note}" for note in self.notes[:1]),
        ]

    def forms(self) -> dict[str, Callable[[], str]]:
        """.py: the file."""
        return {".py": lambda: self.text}


def write(reward: Any, target: str, **options: Any) -> Exported:
    """See `toyrl.experiments.api.export`."""
    from toyrl.bridge.export.write import export
    from toyrl.rewards.specs import name_of
    from toyrl.shapers.base import Shaper

    refuse_outside(**options)
    name = name_of(reward)
    if ".py" in name or not isinstance(reward, str | Shaper):
        msg = (
            f"{shortened(name)} is Python in a trainer's own form already; export takes an "
            "expression of the catalogue, such as laser(target=0.5)"
        )
        raise UsageError(msg)
    try:
        made = export(name, target, **options)
    except KeyError as error:
        raise UsageError(str(error.args[0])) from None
    except ValueError as error:  # CannotCarry and ExpressionError among them
        raise UsageError(str(error)) from None
    way = made.plan
    return Exported(
        name.strip(), way.target, made.text, way.mode, dict(way.settings), tuple(way.notes)
    )
