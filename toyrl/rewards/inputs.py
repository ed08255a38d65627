"""What a user's function is given: within bounds, and left as it was.

A trainer gives the same lists to every reward function. Read inside the sandboxed child: standard
library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .signatures import Refusal

LOOKED_AT = 16  # rows of a call, at most, after which its arguments are compared with fresh ones
CHANGES_INPUTS = "changes what it is given"
MOST_IDS = 1_000_000  # stand-in ids of one completion


def countable(tokens: int) -> int:
    """The tokens that a row is said to have.

    Raises Refusal for more than ids are made of: an absurd length in a log is no fault of the
    reward, which would be told as out of time or memory.
    """
    if tokens > MOST_IDS:
        msg = (
            f"a completion is said to have {tokens:,} tokens, and stand-in ids of more than "
            f"{MOST_IDS:,} are not made; check the lengths in your rollouts"
        )
        raise Refusal(msg, "bad_row")
    return tokens


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
