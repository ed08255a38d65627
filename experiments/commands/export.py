"""`toyrl export`: a catalogue reward as a file that a trainer loads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from toyrl.experiments.commands.output import refuse_unwritable
from toyrl.experiments.exported import write
from toyrl.files import write_file


def run(reward: str, *, to: str, out: Path | None, **options: Any) -> int:
    """Write the file, or print it; UsageError with the reason for what can't be carried."""
    refuse_unwritable("out", out)
    made = write(reward, to, **options)
    if out is None:
        sys.stdout.write(made.text)
        return 0
    write_file(out, made.text)
    print(f"Wrote {out} for {to}; its first lines say how to use it.")
    for name, value in made.settings.items():
        print(f"  set {name} = {value!r}")
    for note in made.notes:
        print(f"  note: {note}")
    return 0
