"""The kernel's cache: kept on disk, and renewed when a file beside the function changes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numba

from toyrl.dynamics.chain.kernel.compiled import compiled


def function(path: Path, name: str) -> Any:
    """A function of a file, as a new process would import it."""
    spec = importlib.util.spec_from_file_location(f"kernel_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return getattr(made, name)


def outer_of(folder: Path, decorate: Any) -> Any:
    """`outer` of b.py, which calls `inner` of a.py."""
    outer = function(folder / "b.py", "outer")
    outer.__globals__["inner"] = decorate(function(folder / "a.py", "inner"))
    return decorate(outer)


def write(folder: Path, added: int) -> Path:
    (folder / "a.py").write_text(f"def inner(x):\n    return x + {added}\n", encoding="utf-8")
    outer = folder / "b.py"
    if not outer.is_file():
        outer.write_text("def outer(x):\n    return inner(x)\n", encoding="utf-8")
    return folder


def answers(folder: Path, decorate: Any) -> tuple[int, Any, Any]:
    """outer(1): written with 1, with 100 in the other file, and how the second was found."""
    first = outer_of(write(folder, 1), decorate)
    assert first(1) == 2
    again = outer_of(folder, decorate)
    assert again(1) == 2
    assert sum(again.stats.cache_hits.values()) == 1, "the cache is not used"
    edited = outer_of(write(folder, 100), decorate)
    return edited(1), edited.stats.cache_hits, edited.stats.cache_misses


def test_an_edited_callee_is_compiled_anew(tmp_path: Path) -> None:
    value, hits, misses = answers(tmp_path, compiled)
    assert value == 101
    assert not hits
    assert sum(misses.values()) == 1


def test_control_numbas_own_cache_would_be_stale(tmp_path: Path) -> None:
    value, hits, _ = answers(tmp_path, numba.njit(cache=True))
    assert (value, sum(hits.values())) == (2, 1)
