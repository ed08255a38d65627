"""`toyrl list`: the catalogue as tables or JSON."""

from __future__ import annotations

import sys
from typing import Any

from toyrl import registry
from toyrl.experiments import core

SCHEMA = "toyrl.list/1"


def rows(kind: str | None = None) -> list[dict[str, Any]]:
    """Catalogue lines (of one kind), sorted by kind and name; experiments included."""
    found = [] if kind == "experiment" else [_entry(e) for e in registry.entries(kind)]
    if kind in (None, "experiment"):
        found += [_experiment(e) for e in core.load().values()]
    return found


def run(kind: str | None, *, json: bool) -> int:
    """Print the catalogue."""
    found = rows(kind)
    if json:
        from toyrl.experiments.render.text import dumps

        sys.stdout.write(dumps({"schema": SCHEMA, "entries": found}) + "\n")
    else:
        from toyrl.experiments.render import terminal

        terminal.show_catalogue(found, terminal.console())
    return 0


def _entry(e: registry.Entry) -> dict[str, Any]:
    return {
        "name": e.name,
        "kind": e.kind,
        "summary": e.summary,
        "cards": list(e.cards),
        "paper": e.paper,
        "section": e.section,
        "provenance": e.provenance,
    }


def _experiment(e: core.Experiment) -> dict[str, Any]:
    return {
        "name": e.id,
        "kind": "experiment",
        "summary": e.claim,
        "cards": [e.card] if e.card else [],
        "paper": e.source,
        "section": "",
        "provenance": e.provenance,
    }
