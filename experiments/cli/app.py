"""The command's application, and the types that its arguments share."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter

Kind = Literal["shaper", "estimator", "objective", "environment", "theorem", "grader", "experiment"]
# A lone hyphen is a value here: standard output.
JsonTarget = Annotated[str | None, Parameter(allow_leading_hyphen=True)]


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
)
