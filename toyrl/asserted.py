"""What the assertions about rewards found, for the test runner that listens.

`toyrl.pytest_plugin` listens while a test runs; elsewhere nobody does. This module imports nothing,
because every run of pytest loads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

HEARD: ContextVar[list[Any] | None] = ContextVar("toyrl_asserted", default=None)


def tell(report: Any) -> None:
    """Tell a report of `validate` or of `toyrl.testing` to who listens."""
    heard = HEARD.get()
    if heard is not None:
        heard.append(report)


@contextmanager
def listening() -> Iterator[list[Any]]:
    """The reports told inside."""
    heard: list[Any] = []
    token = HEARD.set(heard)
    try:
        yield heard
    finally:
        HEARD.reset(token)
