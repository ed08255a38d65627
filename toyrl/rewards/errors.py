"""The one error that a reward's loading, calling or answering raises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS: dict[str, str] = {
    "bad_spec": "the specification itself can't be read",
    "not_found": "no such file, module or name",
    "syntax": "the file is no valid Python",
    "import_error": "the module raised while it was imported",
    "bad_signature": "no calling form that we know fits the function",
    "missing_column": "the function asks for a data column that the rows don't have",
    "bad_row": "a row that can't be handed over as it says it is",
    "no_latent": "the reward reads a field that no latent of the toy supplies",
    "raised": "the function raised",
    "wrong_count": "not one value per completion",
    "bad_value": "a value that is no finite number",
    "size": "values that float32, in which trainers hold rewards, can't hold",
    "timeout": "took longer than allowed",
    "budget": "more texts than it was allowed to grade",
    "memory": "used more memory than allowed",
    "exited": "ended the process on purpose (sys.exit, os._exit)",
    "crashed": "ended the process by a signal",
    "isolation": "the system can't isolate a reward as it was asked to",
}


class RewardError(ValueError):
    """A reward can't be loaded, called or used; `str(error)` is one message for its author.

    kind : one of `KINDS`
    row : index of the offending row among those given, or None
    detail : "input" (the offending text), "traceback" (the author's frames), "output" (what
        the code printed last), "columns" (names that are missing), "code", "signal": what applies

    Raises ValueError for another kind.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        row: int | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        if kind not in KINDS:
            msg = f"kind={kind!r} is not one of {', '.join(KINDS)}"
            raise ValueError(msg)
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.row = row
        self.detail = dict(detail or {})

    def at_row(self, row: int | None) -> RewardError:
        """The same error about another row."""
        return RewardError(self.kind, self.message, row, self.detail)
