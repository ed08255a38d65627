"""Reward functions of known quality: sound ones, and flawed ones built from them by one change.

Standard library only, so that any tool can import it.

    from tests.experiments.validate.reward_zoo import FLAWED, SOUND, make
    make("tag-last")                  # a sound reward, by name
    make("substring of tag-only")     # a flawed one: the flaw's name, then the sound reward's

A flawed reward is a member because of how it is built. Each has a witness: calls on which it
and its original differ, written without regard to any tool.
"""

from __future__ import annotations

from tests.experiments.validate.reward_zoo.cases import (
    FLAWED,
    SOUND,
    Flawed,
    flawed_on,
    make,
    outcome,
    spoilt,
)

__all__ = ["FLAWED", "SOUND", "Flawed", "flawed_on", "make", "outcome", "spoilt"]
