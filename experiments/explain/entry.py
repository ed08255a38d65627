"""One thing that `validate` says, explained."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Explained:
    """Of a finding, a verdict or a word of the report.

    name : as it is printed; a trailing `*` stands for the rest of a finding's name
    means : what was looked at and found; matters : why one should care in training
    do : what to do about it; example : a reward or a text that shows it
    """

    name: str
    means: str
    matters: str
    do: str
    example: str = ""
