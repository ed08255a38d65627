"""A limit that stands for a disk without room."""

from __future__ import annotations

import contextlib
import resource

MEGA = 1e6


@contextlib.contextmanager
def largest_file(size: int):
    """No file may grow above `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
