"""The golden record's texts: the catalogue, the command's help, and exported files."""

from __future__ import annotations

import contextlib
import io
import json
import os
from importlib import metadata
from typing import Any
from unittest import mock

from toyrl.experiments.cli import app, main

EXPORTED = "outcome() - 0.3*linear_length()"
TRAINERS: dict[str, tuple[str, ...]] = {
    "trl": (),
    "verl": (),
    "openrlhf": ("--tokenizer", "gpt2"),
    "verifiers": (),
}


def said(*words: str) -> str:
    """What the command prints, at 100 columns."""
    out = io.StringIO()
    with mock.patch.dict(os.environ, COLUMNS="100"), contextlib.redirect_stdout(out):
        code = main(words)
    if code:
        msg = f"toyrl {' '.join(words)} gave exit code {code}"
        raise RuntimeError(msg)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def record_registry() -> dict[str, Any]:
    """Every line of the catalogue, by kind and name."""
    entries = json.loads(said("list", "--json"))["entries"]
    return {
        f"{e['kind']} {e['name']}": {k: v for k, v in e.items() if k not in ("kind", "name")}
        for e in sorted(entries, key=lambda e: (e["kind"], e["name"]))
    }


def record_cli() -> str:
    """Help of the command and of every subcommand, and the catalogue as it is shown."""
    commands = sorted(name for name in app if not name.startswith("-"))
    calls = [("--help",), *((name, "--help") for name in commands), ("list",)]
    return "\n".join(f"$ toyrl {' '.join(words)}\n{said(*words)}" for words in calls)


def record_export(trainer: str) -> str:
    """The file for one trainer; the version of toyrl is left out."""
    made = said("export", EXPORTED, "--to", trainer, *TRAINERS[trainer])
    return made.replace(f"toyrl {metadata.version('toyrl')}", "toyrl VERSION")
