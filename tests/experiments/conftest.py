"""Fixtures of the experiments' tests."""

from __future__ import annotations

from functools import partial

import pytest

from toyrl.experiments.forecast.rivals import behaviour
from toyrl.worlds.logged import conditioning


@pytest.fixture
def few_worlds(monkeypatch):
    """Forecasts from 8 behaviour worlds in place of 32, like a log among 64 drawn in place of 512:
    for tests in which the same forecast is made twice, or none is looked at."""
    monkeypatch.setattr(behaviour, "Model", partial(behaviour.Model, worlds=8))
    few = partial(conditioning.conditioned, drawn=64)
    monkeypatch.setattr(conditioning, "conditioned", few)
