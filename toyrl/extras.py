"""What the optional extra brings, and the one sentence said where it is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EXTRA = ("torch", "transformers", "trl", "datasets", "accelerate", "math_verify", "gguf")


class MissingExtra(ImportError):
    """A package of the extra `llm` is needed and not installed."""


def missing(error: BaseException) -> str:
    """The package of the extra that an import failed for, or ""."""
    name = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    return name.partition(".")[0] if name.partition(".")[0] in EXTRA else ""


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
        msg = f"{what} needs {name}: {install()}"
        raise MissingExtra(msg, name=name) from error
