"""The error that means "the call was wrong", in contrast to "the program is"."""

from __future__ import annotations


class UsageError(ValueError):
    """A wrong argument, file or name; the command line answers with its text and exit code 2."""
