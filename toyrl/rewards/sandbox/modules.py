"""Importing a user's file where it lies, also inside a package whose relative imports it uses.

Loaded by the child interpreter: standard library only.
"""

from __future__ import annotations

import ast
import importlib
import importlib.machinery
import importlib.util
import sys
import types
from pathlib import Path


def by_location(path: Path) -> types.ModuleType:
    """The module of a file; under its dotted name where it imports from its own package.

    A package whose __init__ needs what is not installed is entered without running it.
    """
    levels, tops = _imports(path)
    if levels:  # a neighbour may reach further up
        levels = max(_imports(other)[0] for other in path.parent.glob("*.py"))
    root, dotted = _package(path, levels)
    if "." in dotted and (levels or dotted.partition(".")[0] in tops):
        return _in_package(root, dotted, path)
    name = f"user_reward_{path.stem}"  # a prefix, so that a file random.py replaces no module
    return _known(name, path) or _run(name, path)


READ = "__toyrl_read__"
"""Name under which a module holds when its file was written, so that an edited one is run anew."""


def _known(name: str, path: Path) -> types.ModuleType | None:
    """The module of a file that was imported before and not edited since."""
    module = sys.modules.get(name)
    if module is None or module.__file__ != str(path):
        return None
    written = _read(path)
    return module if getattr(module, READ, written) == written else None


def _read(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def _run(name: str, path: Path) -> types.ModuleType:
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    written = _read(path)
    sys.modules[name] = module
    sys.dont_write_bytecode = True
    try:
        loader.exec_module(module)
        setattr(module, READ, written)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _imports(path: Path) -> tuple[int, set[str]]:
    """(most dots of a relative import, first names of the absolute ones) anywhere in the file."""
    levels, tops = 0, set()
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return 0, tops  # told when it is run
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            levels = max(levels, node.level)
            tops |= {(node.module or "").partition(".")[0]} if not node.level else set()
        elif isinstance(node, ast.Import):
            tops |= {a.name.partition(".")[0] for a in node.names}
    return levels, tops


def _package(path: Path, levels: int) -> tuple[Path, str]:
    """(folder above the package, dotted name of the file in it).

    The package reaches up while there is an __init__.py, and as far as relative imports go.
    """
    folder, parts = path.parent, [path.stem]
    while folder.name.isidentifier() and ((folder / "__init__.py").is_file() or levels > 0):
        parts.insert(0, folder.name)
        folder, levels = folder.parent, levels - 1
    return folder, ".".join(parts)


def _in_package(root: Path, dotted: str, path: Path) -> types.ModuleType:
    known = _known(dotted, path)
    if known is not None:
        return known
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))  # first, so that an installed copy isn't taken instead
    sys.dont_write_bytecode = True
    parents = [dotted.rsplit(".", n)[0] for n in range(dotted.count("."), 0, -1)]
    try:
        importlib.import_module(parents[-1])
    except ImportError:
        for name in parents:
            if name not in sys.modules:
                bare = types.ModuleType(name)
                bare.__path__ = [str(root.joinpath(*name.split(".")))]
                sys.modules[name] = bare
    return _run(dotted, path)
