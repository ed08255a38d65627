"""Which sections of `validate` are not run: those that --quick, --only or --skip leave out.

Sections go by their names in the report. The contract always runs, for the others build on what it
finds. What was left out is a section of its own in every output, "not run", and keeps a reward from
plain SAFE (`toyrl.experiments.validate.verdict.of_part`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.findings import NOT_TESTED, SECTIONS, Finding, Section

if TYPE_CHECKING:
    from toyrl.experiments.validate.settings import Settings

NUMBERS = {name: number for number, name in SECTIONS.items()}
QUICK = ("own rollouts", "contract", "hacks")
"""What --quick runs: all that takes no training."""
TRAINS = "collapse"


def names(option: str, value: Any) -> tuple[str, ...]:
    """Section names from "collapse,hacks" or a sequence; "own-rollouts" is "own rollouts".

    Raises UsageError for a name that is no section's.
    """
    parts = value.split(",") if isinstance(value, str) else list(value or ())
    found = [str(p).strip().lower().replace("-", " ").replace("_", " ") for p in parts]
    for part, name in zip(parts, found, strict=True):
        if name not in NUMBERS:
            near = difflib.get_close_matches(name, NUMBERS, n=1, cutoff=0.6)
            hint = f"did you mean {near[0]}? " if near else ""
            msg = f"{option}={part!r} is no section; {hint}there are {', '.join(NUMBERS)}"
            raise UsageError(msg)
    return tuple(dict.fromkeys(found))


def check(settings: Settings) -> None:
    """Refuse options that contradict each other; UsageError."""
    if settings.quick and settings.only:
        said, quick = (",".join(x) for x in (settings.only, QUICK))
        msg = (
            f"quick and only={said!r} are both given; quick is only={quick!r}, name one of the two"
        )
        raise UsageError(msg)
    if "contract" in settings.skip:
        msg = "skip='contract': the other sections build on it, so it always runs; leave it out"
        raise UsageError(msg)
    own = settings.rollouts is not None or settings.model is not None
    if "own rollouts" in settings.only and not own:
        msg = "only='own rollouts' looks at a log, and none is given; name one with rollouts"
        raise UsageError(msg)


def left_out(settings: Settings) -> dict[str, str]:
    """Section -> the option that leaves it out, in the order of the report."""
    out = {}
    for name in SECTIONS.values():
        if name in settings.skip:
            out[name] = "skip"
        elif settings.quick and name not in QUICK:
            out[name] = "quick"
        elif settings.only and name not in (*settings.only, "contract"):
            out[name] = "only"
    return out


def not_run(name: str, option: str) -> Section:
    """What the report shows in the place of a section that was left out."""
    number = NUMBERS[name]
    finding = Finding(number, f"{name.split()[0]}/not-run", NOT_TESTED, f"Not run (--{option}).")
    return Section(number, finding.message, (finding,), ran=False)


def sentence(missing: Iterable[str]) -> str:
    """What was not run, and what is not known for it; "" for nothing."""
    missing = list(missing)
    if not missing:
        return ""
    more = " Training was not tried." if TRAINS in missing else ""
    return f"Not run: {', '.join(missing)}.{more}"
