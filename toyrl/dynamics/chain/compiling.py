"""Compiling the loop of exact training ahead of its first use, in a process of its own.

Compiling takes about twenty seconds, once for each version and machine: numba keeps the machine
code beside the sources, or in its own cache folder. Other work can be done meanwhile.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np


def compiled_before() -> bool:
    """Whether the machine code is there: in this process, or kept by an earlier one."""
    from toyrl.dynamics.chain import kernel

    dispatcher: Any = kernel.train  # type checkers can't see that it is one
    return bool(dispatcher.overloads) or bool(dispatcher._cache._cache_file._load_index())


def compile_now() -> None:
    """Compile, or load what was kept, by an answer that takes no training."""
    from toyrl.dynamics.chain import exact
    from toyrl.worlds.chain.model import Chain

    chain = Chain(flag_noise=0.1)
    exact.by_loop(exact.Batch.of(chain), np.zeros((1, *chain.policy_shape)))


class Ahead:
    """Compiles in another process from now on, unless it was done before; end it with `close`."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        if compiled_before():
            return
        root = str(Path(__file__).resolve().parents[3])
        paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import compile_now; compile_now()"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": paths},
        )

    @property
    def running(self) -> bool:
        """Whether it isn't done yet."""
        return self._process is not None and self._process.poll() is None

    def wait(self) -> None:
        """Until it is done; where it failed, the first use compiles."""
        if self._process is not None:
            self._process.wait()

    def close(self) -> None:
        """End it, done or not."""
        if self.running:
            assert self._process is not None
            self._process.kill()
        self.wait()
