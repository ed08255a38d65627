"""The command's application, and the types that its arguments share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from cyclopts import App, Parameter
from cyclopts.config import Env, Toml

from toyrl.ranges import Range

F = TypeVar("F", bound=Callable[..., Any])

Kind = Literal["shaper", "estimator", "objective", "environment", "theorem", "grader", "experiment"]
# A lone hyphen is a value here: standard output.
JsonTarget = Annotated[str | None, Parameter(allow_leading_hyphen=True)]


def ranged(allowed: Mapping[str, Range], *names: str) -> Callable[[F], F]:
    """A command whose help says of its parameters that are numbers what they may be.

    names : of those; none: all that are said
    """

    def decorate(command: F) -> F:
        text = command.__doc__ or ""
        for name in names or allowed:
            if allowed[name].interval:  # choices and flags are shown anyway
                text = _told(text, name, allowed[name])
        command.__doc__ = text
        return command

    return decorate


def _told(text: str, name: str, allowed: Range) -> str:
    """The docstring with one parameter's range behind its description."""
    found = re.search(rf"^    {name}\n((?:        .*\n)+)", text, re.MULTILINE)
    if found is None:
        return text
    what = f"{'each ' * allowed.many}{allowed.one}"  # None is an option that isn't given
    return f"{text[: found.end() - 1]}\n        Allowed: {what}.\n{text[found.end() :]}"


def _version() -> str:
    from importlib import metadata

    return f"toyrl {metadata.version('toyrl')}"


app = App(
    name="toyrl",
    help="Is a reward safe to train a reasoning model on? Exact answers before the GPU run.",
    version=_version,
    result_action="return_value",
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
    # What is typed counts first, then TOYRL_VALIDATE_GROUP_SIZE=16 and the like, then the project's
    # own [tool.toyrl.validate].
    config=(
        Env("TOYRL_", show=False),
        Toml("pyproject.toml", root_keys=("tool", "toyrl"), search_parents=True),
    ),
)
app.register_install_completion_command(help="Complete commands and options in this shell.")
