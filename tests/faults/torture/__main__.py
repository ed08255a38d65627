"""`make torture`: thousands of odd inputs through everything that takes any, with counts.

    python -m tests.faults.torture --cases 10000 [--only estimator --seed 1 --libraries torch]

Exit code 1 where something was found; each finding is printed as small as it could be made. A new
one becomes a line of `tests/faults/torture/test_torture.py`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from tests.faults.torture import agreement, readers


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print counts and findings; the exit code."""
    parser = argparse.ArgumentParser(prog="make torture", description="Odd inputs, counted.")
    parser.add_argument("--cases", type=int, default=10_000, help="of each entry and each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help='entries whose name has this, or "readers"')
    parser.add_argument("--libraries", default="jax,torch", help="beside NumPy")
    asked = parser.parse_args(argv)
    start, bad = time.process_time(), 0
    if asked.only != "readers":
        bad += _arrays(
            asked.cases, asked.seed, asked.only, tuple(filter(None, asked.libraries.split(",")))
        )
    if asked.only in ("", "readers"):
        bad += _readers(asked.cases, asked.seed)
    print(f"{bad} found, {time.process_time() - start:.0f} CPU seconds, seed {asked.seed}")
    return int(bad > 0)


def _arrays(cases: int, seed: int, only: str, libraries: tuple[str, ...]) -> int:
    counts = agreement.Counts()
    chosen = {name: it for name, it in agreement.entries().items() if only in name}
    for name, it in chosen.items():
        agreement.torture(name, it, cases, counts, seed=seed, libraries=libraries)
    print(f"{len(chosen)} shapers and estimators, {cases} cases of each")
    for name, n in sorted(counts.compared.items()):
        print(f"  {name}: {n:,}")
    first = {(f.entry, f.check): f for f in reversed(counts.faults)}
    for fault in first.values():
        print("FOUND", agreement.smallest(fault, chosen[fault.entry], seed=seed))
    return len(first)


def _readers(cases: int, seed: int) -> int:
    counts, found = readers.torture(cases, seed)
    print("spoilt texts: " + ", ".join(f"{kind} {n:,}" for kind, n in counts.items()))
    for kind, text, wrong in found:
        print(f"FOUND {kind} {text!r}: {wrong}")
    return len(found)


if __name__ == "__main__":
    raise SystemExit(main())
