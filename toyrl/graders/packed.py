"""Several gold columns in one: trainers such as OpenRLHF hand over one label and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from toyrl.graders.base import TextRow


def listed(given: Any) -> Any:
    """A list out of a list, tuple, array or a JSON list as text; anything else as it is."""
    if isinstance(given, str):
        if given.lstrip().startswith("["):
            try:
                found = json.loads(given)
            except (ValueError, RecursionError):
                return given
            return found if isinstance(found, list) else given
        return given
    if isinstance(given, (list, tuple)):
        return list(given)
    return given.tolist() if hasattr(given, "tolist") else given


def unpacked(row: TextRow, name: str) -> TextRow:
    """The row with the columns that its column `name` holds, if that is an object with a `name`.

    {"task_type": "chart", "target": "107"} as a mapping or in JSON, in the column `target`, stands
    for both columns. Any other value stays as it is.
    """
    held = row.columns.get(name)
    if isinstance(held, str) and held.lstrip().startswith("{"):
        try:
            held = json.loads(held)
        except (ValueError, RecursionError):
            return row
    if isinstance(held, Mapping) and name in held:
        return replace(row, columns={**row.columns, **held})
    return row
