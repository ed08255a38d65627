"""How the loop is compiled: lanes, codes of the actions, options, and a cache for the folder."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.compiler import Compiler

from toyrl.dynamics.chain.lanes import LANES as LANES

STEP, FILL, CHECK, REPEAT, END_THINK, ANSWER = range(6)
FAST = {"contract", "reassoc", "nsz", "arcp"}  # no assumption about NaN or infinity


class DistinctArguments(Compiler):
    """Tells LLVM that array arguments do not overlap; without it no lane loop is vectorised."""

    def __init__(self, typingctx, targetctx, library, args, return_type, flags, locals):
        flags = flags.copy()
        flags.noalias = True
        super().__init__(typingctx, targetctx, library, args, return_type, flags, locals)


class FolderCache(FunctionCache):
    """Numba's cache, renewed when any file of the function's folder changes.

    Numba looks at the function's own file alone, but its machine code holds what it calls.
    """

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        place = Path(function.__code__.co_filename).parent
        beside = [_digest(p, p.stat().st_mtime) for p in sorted(place.glob("*.py"))]
        self._cache_file = IndexDataCacheFile(
            cache_path=self._cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=(self._impl.locator.get_source_stamp(), *beside),
        )


@cache
def _digest(path: Path, changed: float) -> bytes:
    del changed  # a file that changes is read again
    return hashlib.sha256(path.read_bytes()).digest()


_jit = njit(fastmath=FAST, nogil=True, error_model="numpy", pipeline_class=DistinctArguments)


def compiled(function: Any) -> Any:
    """The function, compiled when it is first called and kept on disk."""
    dispatcher: Any = _jit(function)
    dispatcher._cache = FolderCache(function)
    return dispatcher
