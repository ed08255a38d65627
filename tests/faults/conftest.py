"""Each fault is met in a folder of its own."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOYRL_DEBUG", raising=False)
