"""Compare with the golden record: `python -m tests.golden.compare [--only NAME ...]`.

`--experiment ID ...` compares these experiments alone.

Numbers may differ by rounding. Exit code 1 if anything else differs, or is gone, or is new.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Sequence

from tests.golden.form import differences
from tests.golden.record import STORED, chosen, record

SHOWN = 40


def compared(name: str, experiments: Sequence[str] = ()) -> list[str]:
    """The differences of one part from the stored record."""
    found = []
    for file, made in record(name, experiments).items():
        place = STORED / file
        if not place.is_file():
            found.append(f"{file}: not in the record")
            continue
        stored = place.read_text(encoding="utf-8")
        if file.endswith(".json"):
            found += [
                f"{file} {line}" for line in differences(json.loads(stored), json.loads(made))
            ]
        else:
            lines = difflib.unified_diff(stored.splitlines(), made.splitlines(), n=0, lineterm="")
            found += [f"{file} {x}" for x in lines if not x.startswith(("---", "+++", "@@"))]
    return found


def main() -> int:
    """Print what differs."""
    told = chosen("Compare with the golden record.", out=False)
    total = 0
    for name in told.only:
        found = compared(name, told.experiment)
        total += len(found)
        for line in found[:SHOWN]:
            print(line)
        if len(found) > SHOWN:
            print(f"{name}: ... and {len(found) - SHOWN} more")
        print(f"{name}: {len(found)} differences", flush=True)
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
