"""Write the golden record: `python -m tests.golden.record [--out FOLDER] [--only NAME ...]`.

`--experiment ID ...` runs these experiments alone and leaves the record of the others.

The record holds the numbers of the program at one moment. Later versions are compared with it by
`tests.golden.compare`; where a difference is meant, the record is written again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tests.golden import (
    part_experiments,
    part_pages,
    part_predictions,
    part_tables,
    part_validate,
)
from tests.golden.form import plain, text

STORED = Path(__file__).parent / "stored"
PARTS: dict[str, dict[str, Callable[[], Any]]] = {
    "shapers": {"shapers.json": part_tables.record_shapers},
    "estimators": {"estimators.json": part_tables.record_estimators},
    "registry": {"registry.json": part_pages.record_registry},
    "cli": {"cli.txt": part_pages.record_cli},
    "export": {
        f"export/{name}.txt": partial(part_pages.record_export, name)
        for name in part_pages.TRAINERS
    },
    "validate": {"validate.json": part_validate.record},
    "predictions": {"predictions.json": part_predictions.record},
    "experiments": {"experiments.json": part_experiments.record},
}


def chosen(description: str, *, out: bool) -> argparse.Namespace:
    """The call's arguments: `only` lists parts, all of them unless told."""
    parser = argparse.ArgumentParser(description=description)
    if out:
        parser.add_argument("--out", type=Path, default=STORED, metavar="FOLDER")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="NAME")
    parser.add_argument(
        "--experiment", nargs="+", default=[], metavar="ID", help="of experiments, these alone"
    )
    told = parser.parse_args()
    if told.experiment:
        told.only = ["experiments"]
    return told


def record(name: str, experiments: Sequence[str] = ()) -> dict[str, str]:
    """File -> text of one part; with `experiments` only these are run, the others stay."""
    found = {}
    for file, work in PARTS[name].items():
        if experiments:
            stored = json.loads((STORED / file).read_text(encoding="utf-8"))
            made = part_experiments.record(experiments, stored)
        else:
            made = work()
        found[file] = made if isinstance(made, str) else text(plain(made)) + "\n"
    return found


def main() -> int:
    """Write the parts asked for."""
    told = chosen("Write the golden record.", out=True)
    for name in told.only:
        start = time.process_time()
        for file, made in record(name, told.experiment).items():
            place = told.out / file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(made, encoding="utf-8")
            print(f"{file}: {len(made.encode()):,} bytes")
        print(f"{name}: {time.process_time() - start:.1f} s of processor time", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
