"""`toyrl explain`: what a finding, a verdict or a word of the report means."""

from __future__ import annotations

from toyrl.experiments.explain import find
from toyrl.experiments.explain.entry import Explained

PARTS = (("What it means", "means"), ("Why it matters", "matters"), ("What to do", "do"))


def run(name: str | None) -> int:
    """Print one explanation, or the names of all."""
    from toyrl.experiments.render import terminal

    out = terminal.console()
    if name is None:
        with terminal.paged(out):
            for part, entries in find.SECTIONS.items():
                out.print("\n  ".join([part, *(e.name for e in entries)]))
            out.print("\n  ".join(["Exploits", *find.of_mutants()]))
        return 0
    for line in lines(find.explained(name)):
        out.print(line)
    return 0


def lines(e: Explained) -> list[str]:
    """The explanation as paragraphs."""
    said = [e.name, ""]
    for title, part in PARTS:
        said += [f"{title}: {getattr(e, part)}", ""]
    if e.example:
        said += [f"Example: {e.example}", ""]
    return said[:-1]
