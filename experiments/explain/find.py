"""Every explanation, and the one of a name."""

from __future__ import annotations

import difflib
import re
from fnmatch import fnmatchcase
from functools import cache

from toyrl.experiments.errors import UsageError
from toyrl.experiments.explain import contract, hacks, own, training, words
from toyrl.experiments.explain.entry import Explained
from toyrl.messages import shortened

SECTIONS: dict[str, tuple[Explained, ...]] = {
    "Verdicts and words": (*words.OF_VERDICTS, *words.TERMS),
    "0 · own rollouts": own.ENTRIES,
    "1 · contract": contract.ENTRIES,
    "2 · hacks": hacks.ENTRIES,
    "Terms; 3 · signal to 7 · verdict": training.ENTRIES,
}
"""All but the exploits, which explain themselves (`of_mutants`)."""


@cache
def of_mutants() -> dict[str, Explained]:
    """The findings that are named after the edited text that was paid."""
    from toyrl.experiments.validate.hacks.section import MUTANTS

    out = {}
    for mutant in MUTANTS:
        if mutant.truth:
            continue
        said = " ".join((mutant.apply.__doc__ or mutant.name).split()).rstrip(".")
        what = f"A wrong completion is paid like a right one: {said[0].lower()}{said[1:]}."
        kind = f"Its kind is {hacks.FAMILIES[mutant.family]}. "
        out[f"hacks/{mutant.name}"] = Explained(
            f"hacks/{mutant.name}", what, kind + hacks.OF_MUTANT, _sentence(mutant.fix)
        )
    return out


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else "Pay it nothing."


def every() -> tuple[Explained, ...]:
    """All explanations, exploits included."""
    return (*(e for part in SECTIONS.values() for e in part), *of_mutants().values())


def terms_in(text: str) -> list[Explained]:
    """The words that a text uses and that not everybody knows, in its order."""
    found = ((_term(e.name).search(text), e) for e in words.TERMS)
    return [e for _, e in sorted(((m.start(), e) for m, e in found if m), key=lambda pair: pair[0])]


@cache
def _term(name: str) -> re.Pattern[str]:
    """A term as a whole word, in the plural too; short forms such as AUC in their own case."""
    flags = re.NOFLAG if name.isupper() else re.IGNORECASE
    return re.compile(rf"(?<![\w/-]){re.escape(name)}(?:s|es)?(?![\w-])", flags)


def explained(name: str) -> Explained:
    """The explanation of a finding, a verdict or a word, as it is printed, whatever its case.

    Raises UsageError with near names for what nothing is known of.
    """
    asked = name.strip().lower()
    known = every()
    for e in known:
        if e.name.lower() == asked:
            return e
    for e in known:
        if "*" in e.name and fnmatchcase(asked, e.name.lower()):
            return e
    names = {e.name.lower(): e.name for e in known}
    tails = {key.rpartition("/")[2]: full for key, full in names.items() if "*" not in key}
    if asked in tails:
        return explained(tails[asked])
    near = difflib.get_close_matches(asked, [*names, *tails], n=3, cutoff=0.6)
    said = ", ".join(dict.fromkeys(names.get(n) or tails[n] for n in near))
    hint = f"did you mean {said}?" if said else "`toyrl explain` lists all"
    msg = f"FINDING={shortened(name)} is explained nowhere; {hint}"
    raise UsageError(msg)
