"""`toyrl list`: the catalogue as tables or JSON, searched by word and by paper."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from typing import Any

from toyrl import papers, registry, schemas
from toyrl.experiments import core
from toyrl.experiments.errors import UsageError


def rows(
    kind: str | None = None, words: Sequence[str] = (), paper: str | None = None
) -> list[dict[str, Any]]:
    """Catalogue lines by kind, family and name; experiments included.

    kind : only this kind; words : every one of them stands in the name, family, summary, formula
    or a paper's title; paper : only what cites this paper (as `toyrl.paper` takes it).
    """
    found = [] if kind == "experiment" else [entry_row(e) for e in registry.entries(kind)]
    if kind in (None, "experiment"):
        found += [_experiment(e) for e in core.load().values()]
    if paper is not None:
        number = papers.paper(paper).number
        found = [row for row in found if number in (*row["cards"], *row["works"])]
    wanted = [word.lower() for word in words]
    found = [row for row in found if all(word in _searched(row) for word in wanted)]
    return sorted(found, key=lambda row: (row["kind"] == "experiment", row["kind"], row["family"]))


def run(
    kind: str | None, *, words: Sequence[str] = (), paper: str | None = None, json: bool = False
) -> int:
    """Print what `rows` finds; raises UsageError where that is nothing."""
    try:
        found = rows(kind, words, paper)
    except KeyError as error:
        raise UsageError(str(error.args[0])) from None
    if json:
        from toyrl.experiments.render.text import dumps

        sys.stdout.write(dumps({"schema": schemas.tag("list"), "entries": found}) + "\n")
        return 0
    if not found:
        raise UsageError(_nothing(kind, words, paper))
    from toyrl.experiments.render import terminal

    out = terminal.console()
    with terminal.paged(out):
        terminal.show_catalogue(found, out)
    return 0


def _nothing(kind: str | None, words: Sequence[str], paper: str | None) -> str:
    """What was looked for, and what is near."""
    said = f" for {' '.join(map(repr, words))}" if words else ""
    source = f" from {papers.cite(paper)}" if paper else ""
    what = f"{kind or 'entry'}{said}{source}"
    names = {row["family"]: "family" for row in rows()} | {r["name"]: r["kind"] for r in rows()}
    near = [n for w in words for n in difflib.get_close_matches(w, names, n=2, cutoff=0.6)]
    hint = "did you mean " + ", ".join(f"{n} ({names[n]})" for n in near) if near else ""
    return f"the catalogue has no {what}; {hint or '`toyrl list` shows all'}"


def _searched(row: dict[str, Any]) -> str:
    titles = (papers.paper(number).title for number in (*row["cards"], *row["works"]))
    own = (row["name"], row["family"], row["summary"], row["formula"], row["paper"])
    return "\n".join((*own, *titles)).lower()


def entry_row(e: registry.Entry) -> dict[str, Any]:
    """One line of the catalogue."""
    return {
        "name": e.name,
        "kind": e.kind,
        "family": e.family,
        "summary": e.summary,
        "formula": e.formula,
        "path": e.path,
        "fields": e.fields,
        "ranges": e.ranges,
        "cards": list(e.cards),
        "works": list(e.works),
        "paper": e.paper,
        "section": e.section,
        "provenance": e.provenance,
    }


def _experiment(e: core.Experiment) -> dict[str, Any]:
    return {
        "name": e.id,
        "kind": "experiment",
        "family": e.run.__module__.split(".")[-2],
        "summary": e.claim,
        "formula": "",
        "path": f"{e.run.__module__}:{e.run.__qualname__}",
        "fields": registry.fields_of(e.run),
        "ranges": {},
        "cards": [e.card] if e.card else [],
        "works": list(e.works),
        "paper": e.source,
        "section": "",
        "provenance": e.provenance,
    }
