"""Pages of the API reference: one a folder, every public module in it."""

from __future__ import annotations

import ast
import importlib
import types

from docs.generate.modules import Folder, Module, folders, top_modules

RANGED = (
    "toyrl.shapers",
    "toyrl.estimators",
    "toyrl.objectives",
    "toyrl.worlds",
    "toyrl.dynamics",
    "toyrl.experiments",
    "toyrl.bridge.training",
)


def pages() -> dict[str, str]:
    """Path under docs/ -> Markdown, the index first."""
    found = [top_modules(), *folders()]
    out = {"api/index.md": _index(found)}
    out.update({path(f): _page(f) for f in found})
    return out


def path(folder: Folder) -> str:
    """Where a folder's page lies under docs/."""
    return f"api/{folder.name}.md"


def _page(folder: Folder) -> str:
    parts = [f"# {folder.name}\n"]
    for module in folder.modules:
        parts.append(f"## `{module.name}`\n\n::: {module.name}\n")
        parts += ranges(module.name)
    return "\n".join(parts)


def ranges(module: str) -> list[str]:
    """A table of what fields and parameters of a module's own may be; nothing without any."""
    if not module.startswith(RANGED):
        return []
    from toyrl.ranges import told

    held = vars(importlib.import_module(module)).values()
    kinds = (type, types.FunctionType)
    own = [x for x in held if isinstance(x, kinds) and x.__module__ == module]
    rows = [
        f"| `{cls.__name__}` | `{name}` | {said} |"
        for cls in own
        for name, said in told(cls).items()
    ]
    head = ["Arguments and their ranges:", "", "| | argument | allowed |", "| --- | --- | --- |"]
    return ["\n".join([*head, *rows]) + "\n"] if rows else []


def _index(found: list[Folder]) -> str:
    lines = [
        "# API reference",
        "",
        "Made from the code while the site is built. One page a folder; `import toyrl` alone "
        "offers the names of its first page, everything else is imported by its full path.",
        "",
        "## Names of `toyrl`",
        "",
        "| name | defined in | |",
        "| --- | --- | --- |",
    ]
    for name, target, summary in exported():
        lines.append(f"| `toyrl.{name}` | {target} | {summary} |")
    lines += ["", "## Folders", "", "| folder | files | first file says |", "| --- | --- | --- |"]
    for folder in found:
        files = ", ".join(f"`{m.name.removeprefix(folder.name + '.')}`" for m in folder.modules)
        said = first_line(folder.modules[0])
        lines.append(f"| [{folder.name}]({folder.name}.md) | {files} | {said} |")
    return "\n".join(lines) + "\n"


def exported() -> list[tuple[str, str, str]]:
    """(name, link to its definition, first line of its docstring) of each name in toyrl.__all__."""
    import inspect

    import toyrl
    from docs.generate.text import escaped

    known = {m.name for f in (top_modules(), *folders()) for m in f.modules}
    rows = []
    for name in toyrl.__all__:
        try:
            value = getattr(toyrl, name)
        except ModuleNotFoundError:  # its package belongs to an extra that is not installed
            module = toyrl._FORWARDED[name]
            rows.append((name, f"[`{module}`][{module}.{name}]", "needs the extra `llm`"))
            continue
        module = getattr(value, "__module__", None)
        if module is None:
            rows.append((name, "", "the installed version"))
            continue
        link = f"[`{module}`][{module}.{value.__name__}]" if module in known else f"`{module}`"
        summary = (inspect.getdoc(value) or "").split("\n")[0]
        rows.append((name, link, escaped(summary)))
    return rows


def first_line(module: Module) -> str:
    """The first line of a module's docstring."""
    from docs.generate.text import escaped

    text = ast.get_docstring(ast.parse(module.path.read_text(encoding="utf-8"))) or ""
    return escaped(text.split("\n")[0])
