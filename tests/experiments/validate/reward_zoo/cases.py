"""The zoo: sound rewards, and every flaw applied to one of them by a fixed rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.experiments.validate.reward_zoo.flaws import GOLD, PROMPT, READING, Calls, Flaw
from tests.experiments.validate.reward_zoo.flaws_pay import PAYING
from tests.experiments.validate.reward_zoo.sound import LISTED, SOUND, Reward, build, call

FLAWS: tuple[Flaw, ...] = (*READING, *PAYING)
STRIDE = 7  # the k-th flaw looks for its original from the (7 k)-th sound reward on


@dataclass(frozen=True)
class Flawed:
    """A flawed reward, its flaw, the sound one it was made of, and calls that tell them apart."""

    name: str
    flaw: Flaw
    original: Reward
    reward: Reward
    witness: Calls


def outcome(x: Reward, calls: Calls) -> list[Any]:
    """What the function answers to these calls, and how many texts it leaves in the caller's list.

    An exception counts by its type; values by how they are written, so that NaN equals itself.
    """
    out: list[Any] = []
    for texts in calls:
        given = list(texts)
        try:
            got = call(x, PROMPT, given, GOLD)
        except Exception as error:
            got = type(error).__name__
        out.append((repr(got), len(given)))
    return out


def spoilt(name: str) -> Reward:
    """A flawed reward in its parts, by name ("substring of tag-only"); KeyError for others."""
    flaw, _, original = name.partition(" of ")
    known = {f.name: f for f in FLAWS}
    if flaw not in known or original not in SOUND:
        msg = f"name={name!r} is neither a sound reward nor FLAW of SOUND"
        raise KeyError(msg)
    return known[flaw].change(SOUND[original])


def _member(flaw: Flaw, original: Reward) -> Flawed | None:
    """None where the flaw doesn't fit, or its witness tells nothing of this original."""
    if not flaw.fits(original):
        return None
    calls = flaw.witness(original.dialect)
    if outcome(flaw.change(original), calls) == outcome(original, calls):
        return None
    name = f"{flaw.name} of {original.name}"
    return Flawed(name, flaw, original, flaw.change(original), calls)


def flawed_on(originals: int) -> dict[str, Flawed]:
    """Every flaw applied to so many sound rewards, in the order that the rule gives."""
    found: dict[str, Flawed] = {}
    for k, flaw in enumerate(FLAWS):
        turned = [LISTED[(STRIDE * k + i) % len(LISTED)] for i in range(len(LISTED))]
        made = (m for m in (_member(flaw, x) for x in turned) if m is not None)
        for member, _ in zip(made, range(originals), strict=False):
            found[member.name] = member
    return found


FLAWED = flawed_on(1)


def make(name: str) -> Callable[..., Any]:
    """The function of a sound ("tag-last") or flawed reward ("substring of tag-only")."""
    return build(SOUND[name] if name in SOUND else spoilt(name))
