"""How the code is laid out, counted: `python -m docs.generate.structure [FOLDER]`.

FOLDER is a checkout (default: this one), so that the numbers of any commit can be had:

    git archive COMMIT | tar -x -C FOLDER && python -m docs.generate.structure FOLDER
"""

from __future__ import annotations

import ast
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

from docs.generate.modules import ROOT

PACKAGES = ("toyrl", "theory", "llm_bridge", "experiments")
DOZEN = 14
"""Entries that a folder may show and still be called about a dozen."""
PREFIXES = {"experiments/validate": ("experiments.validate", "toyrl.experiments.validate"),
            "toyrl/dynamics": ("toyrl.dynamics",)}  # fmt: skip
GOLDEN = "tests/golden/stored/experiments.json"


@dataclass(frozen=True)
class Rooms:
    """A package as a newcomer meets it: files and folders of its top are rooms.

    arrows : pairs of rooms of which one imports the other; imports for type checkers don't count
    floors : rooms on the longest way down, those of a ring counted as one
    ring : most rooms that all import each other, directly or on a way round; 1 without a ring
    """

    rooms: int
    files: int
    arrows: int
    floors: int
    ring: int

    def __str__(self) -> str:
        ring = f", {self.ring} of them in a ring" if self.ring > 1 else ""
        return (
            f"{self.rooms} rooms ({self.files} files), {self.arrows} arrows, "
            f"{self.floors} floors{ring}"
        )


@dataclass(frozen=True)
class Structure:
    """What is counted of a checkout.

    folders : with code; wide : of these with more than `DOZEN` entries; widest : (folder, entries)
    papers : lines of each experiment's file; longest : lines of the longest file of code
    checks, unproven : of the experiments in the golden record, and those that no mutant breaks
    """

    folders: int
    wide: int
    widest: tuple[str, int]
    longest: int
    rooms: Mapping[str, Rooms]
    papers: tuple[int, ...]
    checks: int | None
    unproven: int | None

    def rows(self) -> dict[str, str]:
        """What is counted -> how many, in words."""
        low, high = min(self.papers), max(self.papers)
        proofs = "not recorded" if self.checks is None else f"{self.unproven} of {self.checks}"
        return {
            "folders of code, and the widest": f"{self.folders}; `{self.widest[0]}` shows "
            f"{self.widest[1]} entries",
            f"folders that show more than {DOZEN} entries": str(self.wide),
            **{f"`{name}`": str(r) for name, r in self.rooms.items()},
            "lines of a paper's experiment": f"median {median(self.papers):g} ({low} to {high}), "
            f"{len(self.papers)} files",
            "lines of the longest file": str(self.longest),
            "checks that no mutant breaks, in the golden record": proofs,
        }


BEFORE = {
    "folders of code, and the widest": "19; `experiments/validate` shows 39 entries",
    f"folders that show more than {DOZEN} entries": "7",
    "`experiments/validate`": "39 rooms (44 files), 91 arrows, 10 floors",
    "`toyrl/dynamics`": "22 rooms (22 files), 25 arrows, 4 floors",
    "lines of a paper's experiment": "median 307 (239 to 399), 19 files",
    "lines of the longest file": "629",
    "checks that no mutant breaks, in the golden record": "199 of 342",
}
"""What this file prints of commit ec9339c6 of 2026-11-29, the last one before the folders; of
the checks what was first recorded, in commit 3c64fcab of that day."""


def counted(root: Path) -> Structure:
    """The structure of a checkout; root : its folder."""
    files = [p for name in PACKAGES for p in _modules(root / name)]
    shown = {p.parent: len(_entries(p.parent)) for p in files}
    widest = max(shown, key=lambda p: shown[p])
    papers = [p for p in files if "papers" in p.parts and p.name != "__init__.py"]
    stored = root / GOLDEN
    totals = json.loads(stored.read_text(encoding="utf-8"))["totals"] if stored.exists() else {}
    return Structure(
        len(shown),
        sum(n > DOZEN for n in shown.values()),
        (widest.relative_to(root).as_posix(), shown[widest]),
        max(len(p.read_text(encoding="utf-8").splitlines()) for p in files),
        {name: rooms(root / name, prefixes) for name, prefixes in PREFIXES.items()},
        tuple(len(p.read_text(encoding="utf-8").splitlines()) for p in papers if _registers(p)),
        totals.get("checks"),
        totals.get("unproven"),
    )


def rooms(folder: Path, prefixes: tuple[str, ...]) -> Rooms:
    """The rooms of a package and the imports between them.

    prefixes : names under which it is imported
    """
    files = [p for p in _modules(folder) if p != folder / "__init__.py"]
    room = {_dotted(p, folder): p.relative_to(folder).parts[0].removesuffix(".py") for p in files}
    below: dict[str, set[str]] = {name: set() for name in room.values()}
    for p in files:
        here = room[_dotted(p, folder)]
        for name in imported(ast.parse(p.read_text(encoding="utf-8"))):
            for prefix in prefixes:
                there = room.get(name.removeprefix(f"{prefix}."), here)
                if name.startswith(f"{prefix}.") and there != here:
                    below[here].add(there)
    rings = _rings(below)
    inside = [p for p in files if p.name != "__init__.py"]
    ring = max(len(r) for r in rings)
    arrows = sum(map(len, below.values()))
    return Rooms(len(below), len(inside), arrows, _floors(below, rings), ring)


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names that a module imports, inside functions too, but not for type checkers."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{a.name}" for a in node.names)
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        yield from imported(node)


def _rings(below: Mapping[str, set[str]]) -> list[frozenset[str]]:
    """Rooms by which of them reach each other."""
    reach = {a: _reached(a, below) for a in below}
    return list({frozenset(b for b in reach[a] if a in reach[b]) for a in below})


def _reached(start: str, below: Mapping[str, set[str]]) -> set[str]:
    found, todo = {start}, [start]
    while todo:
        new = below[todo.pop()] - found
        found |= new
        todo += new
    return found


def _floors(below: Mapping[str, set[str]], rings: list[frozenset[str]]) -> int:
    ring = {name: r for r in rings for name in r}
    down = defaultdict(set)
    for a, others in below.items():
        down[ring[a]] |= {ring[b] for b in others} - {ring[a]}

    @cache
    def floors(r: frozenset[str]) -> int:
        return 1 + max(map(floors, down[r]), default=0)

    return max(map(floors, rings))


def _modules(folder: Path) -> list[Path]:
    """Files of code under a folder, without those behind links."""
    found = (p for p in folder.rglob("*.py") if "__pycache__" not in p.parts)
    return sorted(p for p in found if not any(q.is_symlink() for q in p.parents))


def _entries(folder: Path) -> list[Path]:
    hidden = ("__pycache__", "__init__.py")
    return [p for p in folder.iterdir() if p.name not in hidden and not p.name.startswith(".")]


def _dotted(path: Path, folder: Path) -> str:
    parts = path.relative_to(folder).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _registers(path: Path) -> bool:
    return "@experiment(" in path.read_text(encoding="utf-8")


def table() -> str:
    """Before and now, as Markdown."""
    now = counted(ROOT).rows()
    lines = ["| | before | now |", "| --- | --- | --- |"]
    return "\n".join([*lines, *(f"| {what} | {BEFORE[what]} | {now[what]} |" for what in now)])


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    for what, number in counted(place).rows().items():
        sys.stdout.write(f"{what}: {number}\n")
