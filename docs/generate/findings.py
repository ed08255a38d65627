"""Every finding, verdict and word of the report, explained: `toyrl explain` as a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from docs.generate.text import escaped
from toyrl.experiments.explain import find
from toyrl.experiments.explain.entry import Explained

PATH = "findings.md"
HEAD = """# Every finding, explained

What `toyrl validate` says, by the name that stands beside it; `toyrl explain NAME` prints the same.
A `*` stands for the rest of a name.
"""


def page() -> str:
    """The page, a section a part of the report."""
    parts = [*find.SECTIONS.items(), ("Exploits, by name", tuple(find.of_mutants().values()))]
    return "\n".join([HEAD, *(line for part in parts for line in _part(*part))])


def _part(title: str, entries: Iterable[Explained]) -> Iterator[str]:
    yield f"## {title}\n"
    for e in entries:
        yield f"**{escaped(e.name)}**"
        yield f":   {escaped(e.means)} {escaped(e.matters)} *What to do:* {escaped(e.do)}"
        if e.example:
            yield f"    *Example:* {escaped(e.example)}"
        yield ""
