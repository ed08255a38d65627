"""Public modules, folder by folder, found in the source tree; only `toyrl` itself is imported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (
    "expressions",
    "rollouts",
    "shapers",
    "graders",
    "rewards",
    "models",
    "estimators",
    "objectives",
    "worlds",
    "dynamics",
    "testing",
    "schemas",
    "theory",
    "bridge",
)
TOP = ("registry", "papers", "theorems", "extras", "stats", "serving", "bands", "pytree")
SETTINGS = "toyrl.experiments.validate.settings"


@dataclass(frozen=True)
class Module:
    """One file: dotted name as it is imported, and its path."""

    name: str
    path: Path


@dataclass(frozen=True)
class Folder:
    """A package with modules of its own: one page of the reference."""

    name: str
    modules: tuple[Module, ...]


def folders() -> list[Folder]:
    """Every package under `FOLDERS` that holds public modules, in reading order."""
    found = []
    for top in FOLDERS:
        start = ROOT / "toyrl" / top
        # Path.rglob doesn't enter links (theory and bridge are), so begin at the real folder.
        real = start.resolve()
        packages = sorted({p.parent for p in real.rglob("*.py") if "__pycache__" not in p.parts})
        for package in packages:
            inside = package.relative_to(real).parts
            name = ".".join(("toyrl", top, *inside))
            modules = tuple(
                Module(f"{name}.{p.stem}" if p.stem != "__init__" else name, p)
                for p in sorted(package.glob("*.py"))
                if not p.stem.startswith("_") or (p.stem == "__init__" and p.stat().st_size)
            )
            if modules:
                found.append(Folder(name, modules))
    return found


def top_modules() -> Folder:
    """Files directly under `toyrl/`, and those above the library whose names `toyrl` forwards."""
    import toyrl

    paths = [ROOT / "toyrl" / f"{name}.py" for name in TOP]
    modules = [Module(f"toyrl.{p.stem}", p) for p in paths if p.exists()]
    above = {m for m in toyrl._FORWARDED.values() if m.startswith("toyrl.experiments.")}
    for name in sorted(above | {SETTINGS}):
        path = ROOT.joinpath(*name.split(".")[1:])
        file = path.with_suffix(".py") if not path.is_dir() else path / "__init__.py"
        modules.append(Module(name, file))
    return Folder("toyrl", tuple(modules))
