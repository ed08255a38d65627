"""Runs that train nothing, in a module that is quick to import: their processes start anew."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

from tests.faults.limits import largest_file
from toyrl.files import write_file

REWARD = SimpleNamespace(name="outcome")
SETTINGS = SimpleNamespace(seed=0)


def ends_itself(place, reward, settings, tell=None) -> None:
    """As the kernel ends a process that takes too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def full(place, reward, settings, tell=None) -> None:
    """A disk without room for a kilobyte."""
    with largest_file(10):
        write_file(place, "x" * 1000)


def long(place, reward, settings, tell=None) -> None:
    """Leaves its process's id and goes on for minutes."""
    Path(place).write_text(str(os.getpid()))
    time.sleep(300)
