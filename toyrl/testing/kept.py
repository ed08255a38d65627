"""Counterexamples kept in Hypothesis' example database, apart by law and reward.

All laws are tried by one function, which to Hypothesis is one test: without names of their own they
would take each other's examples out of the database.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from hypothesis import settings
from hypothesis.database import ExampleDatabase


class Named(ExampleDatabase):
    """The entries of a database that belong to one name."""

    def __init__(self, inner: ExampleDatabase, name: str) -> None:
        super().__init__()
        self.inner, self.name = inner, name.encode()

    def _key(self, key: bytes) -> bytes:
        return sha256(key + b" " + self.name).digest()

    def save(self, key: bytes, value: bytes) -> None:
        """Add a value."""
        self.inner.save(self._key(key), value)

    def fetch(self, key: bytes) -> Iterable[bytes]:
        """All values of the key."""
        return self.inner.fetch(self._key(key))

    def delete(self, key: bytes, value: bytes) -> None:
        """Remove a value."""
        self.inner.delete(self._key(key), value)


def kept(name: str) -> ExampleDatabase | None:
    """The database of Hypothesis' profile in force, for this name; None where it has none (CI)."""
    inner = settings().database
    return None if inner is None else Named(inner, name)
