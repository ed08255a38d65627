"""Several gold columns in one: trainers such as OpenRLHF hand over one label and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from toyrl.graders.base import TextRow


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
