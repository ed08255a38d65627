"""The golden record's experiments: every check of the smoke runs and what each mutant breaks."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from toyrl.experiments import core
from toyrl.experiments.core import Check, Experiment


def check(c: Check) -> dict[str, Any]:
    """A check as it came out; tolerance only where there is one."""
    out = {"value": c.value, "op": c.op, "bound": c.bound, "passed": c.holds}
    return {**out, "tolerance": c.tolerance} if c.tolerance else out


def one(e: Experiment) -> dict[str, Any]:
    """The smoke run of an experiment and of its mutants."""
    start = time.process_time()
    result = e.run(**{**e.smoke, "seed": 0})
    _tell(f"{e.id}: {time.process_time() - start:.2f} s")
    mutants = {}
    for m in e.mutants:
        start = time.process_time()
        broken = e.run(**{**e.smoke, **m.arguments, "seed": 0})
        _tell(f"{e.id} / {m.name}: {time.process_time() - start:.2f} s")
        mutants[m.name] = {
            "must_break": list(m.breaks),
            "breaks": [c.name for c in broken.checks if not c.holds],
        }
    named = {n for m in mutants.values() for n in m["must_break"]}
    failed = {n for m in mutants.values() for n in m["breaks"]}
    return {
        "checks": {c.name: check(c) for c in result.checks},
        "mutants": mutants,
        "unproven": [c.name for c in result.checks if c.name not in failed],
        "unnamed": [c.name for c in result.checks if c.name not in named],
    }


def record(ids: Sequence[str] = (), stored: dict[str, Any] | None = None) -> dict[str, Any]:
    """Every experiment; unproven: checks that no mutant breaks; unnamed: that none has to.

    ids : run these alone, the others are taken from the `stored` record
    """
    known = core.load()
    if unknown := sorted(set(ids) - set(known)):
        msg = f"no experiment is called {', '.join(unknown)}; there are {', '.join(known)}"
        raise SystemExit(msg)
    old = stored["experiments"] if ids and stored else {}
    found = {
        name: old[name] if ids and name in old and name not in ids else one(e)
        for name, e in known.items()
        if not ids or name in ids or name in old
    }
    totals = {key: sum(len(x[key]) for x in found.values()) for key in ("unproven", "unnamed")}
    checks = sum(len(x["checks"]) for x in found.values())
    for name in ids or found:
        x = found[name]
        counts = [len(x[key]) for key in ("checks", "unproven", "unnamed")]
        _tell(f"{name}: {counts[0]} checks, {counts[1]} unproven, {counts[2]} unnamed")
    _tell(f"{checks} checks, {totals['unproven']} unproven, {totals['unnamed']} unnamed")
    return {"experiments": found, "totals": {"checks": checks, **totals}}


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
