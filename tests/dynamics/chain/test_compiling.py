"""Compiling ahead: in another process, once, and never left behind.

That the process compiles is held where nothing is compiled yet: by `tests/test_wheel.py`.
"""

from __future__ import annotations

import pytest

from toyrl.dynamics.chain import compiling


@pytest.mark.slow
def test_what_was_compiled_is_not_compiled_ahead():
    compiling.compile_now()
    assert compiling.compiled_before()
    ahead = compiling.Ahead()
    assert not ahead.running
    ahead.wait()
    ahead.close()


def test_a_process_that_is_no_longer_wanted_is_ended(monkeypatch):
    monkeypatch.setattr(compiling, "compiled_before", lambda: False)
    ahead = compiling.Ahead()
    assert ahead.running
    ahead.close()
    assert not ahead.running
