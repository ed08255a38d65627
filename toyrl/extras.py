"""What the optional extras bring, and the one sentence said where one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# the modules of each extra; `sweep` refuses by itself, where an engine is named
EXTRAS = {
    "llm": ("torch", "transformers", "trl", "datasets", "accelerate", "math_verify", "gguf"),
    "tasks": (
        "sqlglot", "sacrebleu", "rapidfuzz", "jsonschema", "json_repair", "sklearn", "py3langid",
    ),
    "search": ("ribs", "stable_baselines3"),
}  # fmt: skip


class MissingExtra(ImportError):
    """A package of an extra is needed and not installed."""


def missing(error: BaseException) -> str:
    """The package of an extra that an import failed for, or ""."""
    name = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    return name.partition(".")[0] if extra_of(name) else ""


def extra_of(module: str) -> str:
    """The extra that brings a module, or ""."""
    top = module.partition(".")[0]
    return next((extra for extra, brought in EXTRAS.items() if top in brought), "")


def install(extra: str = "llm") -> str:
    """The line that installs an extra where this toyrl came from: a checkout, or an address."""
    import json
    import shlex
    from importlib import metadata

    checkout = Path(__file__).resolve().parent.parent
    if (checkout / "pyproject.toml").is_file():
        place = "." if checkout == Path.cwd() else str(checkout)
        return f"pip install -e {shlex.quote(f'{place}[{extra}]')}"
    try:
        told = json.loads(metadata.distribution("toyrl").read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        told = {}
    url, tool = told.get("url", ""), told.get("vcs_info", {}).get("vcs", "")
    source = f" @ {tool}+{url}" if tool else f" @ {url}" if url else ""
    return f"pip install 'toyrl[{extra}]{source}'"


@contextmanager
def needed_by(what: str) -> Iterator[None]:
    """Turn a failed import of an extra's package into MissingExtra that names `what`."""
    try:
        yield
    except ModuleNotFoundError as error:
        name = missing(error)
        if not name:
            raise
        msg = f"{what} needs {name}: {install(extra_of(name))}"
        raise MissingExtra(msg, name=name) from error
