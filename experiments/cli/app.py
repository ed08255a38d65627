"""The command's application, and the types that its arguments share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from inspect import cleandoc, signature
from typing import Annotated, Any, Literal, TypeVar

from cyclopts import App, Group, Parameter
from cyclopts.config import Env, Toml

from toyrl.ranges import Range

F = TypeVar("F", bound=Callable[..., Any])

Kind = Literal["shaper", "estimator", "objective", "environment", "theorem", "grader", "experiment"]
# A lone hyphen is a value here: standard output.
JsonTarget = Annotated[str | None, Parameter(allow_leading_hyphen=True)]


# Groups of commands, in the order of the help page.
JUDGE = Group("Judge a reward", sort_key=1)
TRAIN = Group("Train on it", sort_key=2)
PROOF = Group("Evidence", sort_key=3)
LOOK = Group("Look up", sort_key=4)

# Groups of options.
RUN = Group("Your run", sort_key=1)
GRADING = Group("How the reward is called", sort_key=2)
DEPTH = Group("What is run", sort_key=3)
OUTPUT = Group("Output", sort_key=4)
LIMITS = Group("Limits and exit code", sort_key=5)


QUOTES = tuple("'\"`")
BRACKETS = dict(zip("([{)]}", (1, 1, 1, -1, -1, -1), strict=True))
OPTIONS: dict[str, tuple[str, ...]] = {}
"""Command -> the Python names of its parameters."""


def command(group: Group, *examples: str, name: str | None = None) -> Callable[[F], F]:
    """Make a function a command of `app`, in a group of the help page.

    examples : lines below its options, as they are typed
    """

    def decorate(function: F) -> F:
        OPTIONS[name or function.__name__] = tuple(signature(function).parameters)
        function.__doc__ = flowing(function.__doc__ or "")
        told = "\n".join(["Examples:", *(f"  {line}" for line in examples)])
        return app.command(function, name=name, group=group, help_epilogue=told)

    return decorate


def flowing(text: str) -> str:
    """A docstring with each paragraph, and what is said of each parameter, on one line.

    The help page breaks lines at the terminal's width.
    """
    head, rule, tail = cleandoc(text).partition("\n\nParameters\n----------\n")
    head = re.sub(r"(?<=\S)\n(?=\S)", " ", head)
    return head + rule + re.sub(r"(?<=\S)\n    (?=\S)", " ", _named(tail))


def as_typed(message: str, command: str) -> str:
    """A message with the command's parameters as they are typed: `--group-size=1`.

    Nothing inside quotes or brackets is touched: there stand values, such as `laser(seed=1)`.
    """
    names = sorted(OPTIONS.get(command, ()), key=len, reverse=True)
    if not names:
        return message
    option = re.compile(rf"(?<![\w.-])({'|'.join(names)})(?==)")
    out, depth, quote = [], 0, ""
    for piece in re.split(r"""([()\[\]{}]|(?<!\w)['"`]|['"`](?!\w))""", message):
        if quote or piece in QUOTES:
            quote = "" if piece == quote else quote or piece
        elif piece in BRACKETS:
            depth += BRACKETS[piece]
        elif depth <= 0:
            piece = option.sub(lambda m: f"--{m[1].replace('_', '-')}", piece)
        out.append(piece)
    return "".join(out)


def _named(text: str) -> str:
    """Parameters with a deeper first line each, which keeps it from joining the name."""
    return re.sub(r"^(\S.*)\n    (?=\S)", r"\1\n     ", text, flags=re.MULTILINE)


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
    help_epilogue="toyrl COMMAND --help explains every option.\n\nExamples:\n"
    "  toyrl validate my_rewards.py:brevity --quick\n  toyrl explain RISKY\n  toyrl list length",
    group_commands=Group("Options", sort_key=9),
    default_parameter=Parameter(show_default=lambda value: None if value is False else str(value)),
    suppress_keyboard_interrupt=False,
    # What is typed counts first, then TOYRL_VALIDATE_GROUP_SIZE=16 and the like, then the project's
    # own [tool.toyrl.validate].
    config=(
        Env("TOYRL_", show=False),
        Toml("pyproject.toml", root_keys=("tool", "toyrl"), search_parents=True),
    ),
)
app.register_install_completion_command(help="Complete commands and options in this shell.")
