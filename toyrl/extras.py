"""What the optional extra brings, and the one sentence said where it is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

EXTRA = ("torch", "transformers", "trl", "datasets", "accelerate", "math_verify", "gguf")


class MissingExtra(ImportError):
    """A package of the extra `llm` is needed and not installed."""


def missing(error: BaseException) -> str:
    """The package of the extra that an import failed for, or ""."""
    name = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    return name.partition(".")[0] if name.partition(".")[0] in EXTRA else ""


@contextmanager
def needed_by(what: str) -> Iterator[None]:
    """Turn a failed import of an extra's package into MissingExtra that names `what`."""
    try:
        yield
    except ModuleNotFoundError as error:
        name = missing(error)
        if not name:
            raise
        msg = f"{what} needs {name}: pip install 'toyrl[llm]'"
        raise MissingExtra(msg, name=name) from error
