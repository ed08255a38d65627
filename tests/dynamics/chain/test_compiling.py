"""Compiling ahead: in another process, once, and never left behind."""

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


@pytest.mark.slow
def test_the_process_compiles(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(compiling, "compiled_before", lambda: False)
    ahead = compiling.Ahead()
    ahead.wait()
    ahead.close()
    assert list(tmp_path.rglob("training.train-*.nbc"))
