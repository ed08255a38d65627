"""Fixtures of `validate`'s tests."""

from __future__ import annotations

import pytest

from toyrl.experiments.validate.contract import steady


@pytest.fixture(autouse=True)
def unhurried(monkeypatch):
    """Nobody waits for the last look at a reward's first texts: rewards that move with the clock
    are judged in `tests/faults/test_passes.py`, with the wait."""
    monkeypatch.setattr(steady, "APART", 0.0)
