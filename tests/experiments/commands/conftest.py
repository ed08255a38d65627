"""Each test of a command runs in a folder of its own."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    """Each test in an empty folder, because a report page lands in the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOYRL_DEBUG", raising=False)
