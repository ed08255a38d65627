"""What an axis of a sweep can be: parameters of worlds, trainer, estimator and reward, by name.

Worlds are those of the reasoning chain or those of behaviours; a parameter says in which it is
known. Fields of the reward and of the estimator are axes too, under their own names
(`alpha`, or `linear_length.alpha` where two terms have one, `estimator.eps`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from toyrl.experiments.amounts import BETA, LENGTH, RATE, TYPICAL_LENGTH
from toyrl.ranges import COUNT, POSITIVE, SHARE, Range
from toyrl.worlds.behaviour import prior

CHAIN, BEHAVIOUR = "chain", "behaviour"
WORLDS = (CHAIN, BEHAVIOUR)
BOTH = WORLDS
SIZE = Range("[2, 65536]", whole=True)
ANY_WEIGHT = Range("[0, 1e9]")
NOISE = Range("[0, 0.5]")
PART = Range("[0, 1)")


@dataclass(frozen=True)
class Parameter:
    """One number (or word) that a cell may have of its own.

    says : what it is, with its unit; allowed : its range; worlds : where it is known
    default : by kind of worlds, where it has one of its own
    """

    name: str
    says: str
    allowed: Range
    worlds: tuple[str, ...]
    default: float | None = None
    aliases: tuple[str, ...] = ()


OWN = (
    Parameter("weight", "weight (multiple of all but correctness)", ANY_WEIGHT, BOTH, 1.0),
    Parameter("ability", "accuracy of the base", RATE, BOTH, 0.4, ("accuracy", "success")),
    Parameter("length", "mean length of the base (tokens)", TYPICAL_LENGTH, BOTH, 150.0,
              ("typical_length",)),
    Parameter("limit", "completion limit (tokens)", LENGTH, BOTH, 512.0,
              ("max_completion_length",)),
    Parameter("group_size", "rollouts a prompt", SIZE, BOTH, None, ("G",)),
    Parameter("beta", "weight of the KL penalty", BETA, BOTH, 0.0, ("KL", "kl")),
    Parameter("easy", "share of easy prompts", SHARE, (CHAIN,), 0.5, ("rho", "easy_share")),
    Parameter("guess", "guessing rate", SHARE, (CHAIN,), 0.1),
    Parameter("flag_noise", "done-flag noise", NOISE, (CHAIN,), 0.25, ("done_noise",)),
    Parameter("slip", "chance of an error in a step", SHARE, (CHAIN,), 0.05),
    Parameter("progress", "chance that a step gets on", SHARE, (CHAIN,), 0.8),
    Parameter("updates", "updates of the run", COUNT, (CHAIN,), 500.0),
    Parameter("redundancy", "share of the base's tokens after its first solution", PART,
              (BEHAVIOUR,), None, ("redundant",)),
    Parameter("distance", "summed steps of a run (standard scores)", POSITIVE, (BEHAVIOUR,)),
)  # fmt: skip
PRIOR_NAMES = {"redundancy": "redundant"}
"""Parameters whose name in the behaviours' prior is another one."""
REST = tuple(
    Parameter(r.name, r.says, Range("(-inf, inf)"), (BEHAVIOUR,))
    for r in prior.RANGES
    if r.name not in ("redundant", "distance", "luck")
)
PARAMETERS = {p.name: p for p in (*OWN, *REST)}
NAMED = {alias: p.name for p in PARAMETERS.values() for alias in (p.name, *p.aliases)}
ESTIMATOR = {
    "estimator": "estimator",
    "normalisation": "estimator.scale",
    "scale": "estimator.scale",
}
"""Axes of words: which estimator, and by what it divides."""


def near(name: str, known: Iterable[str]) -> str:
    """What a name may have been meant for, as the end of a message."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean {found[0]}? " if found else ""
