"""Pays for phrases that look like reflection: the kind of proxy that gets farmed."""

import re

PHRASES = re.compile(r"\b(wait|let me check|let me verify|double-check|therefore|step \d+)\b", re.I)
CAP = 1.0


def reward(text):
    """A tenth of a point for each phrase, capped at one."""
    return min(CAP, 0.1 * len(PHRASES.findall(text)))
