"""Whether a user's function changes the lists that it is given.

A trainer gives the same lists to every reward function. Read inside the sandboxed child: standard
library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LOOKED_AT = 16  # rows of a call, at most, after which its arguments are compared with fresh ones
CHANGES_INPUTS = "changes what it is given"


def changed(given: Mapping[str, Any], fresh: Mapping[str, Any]) -> list[str]:
    """A note that names the lists which differ from fresh ones; none where all are the same."""
    names = [
        name
        for name, new in fresh.items()
        if isinstance(new, list) and name in given and not _alike(given[name], new)
    ]
    return [f"{CHANGES_INPUTS} ({', '.join(names)})"] if names else []


def _alike(was: Any, new: Any) -> bool:
    try:
        return bool(was == new)
    except Exception:  # columns of a user's own types
        return True
