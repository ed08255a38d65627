"""From the command's words to its exit code: errors become one sentence."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import Any

from cyclopts import CycloptsError

from toyrl.experiments.cli.app import app
from toyrl.experiments.errors import UsageError
from toyrl.extras import MissingExtra, missing

USAGE, INTERNAL, INTERRUPTED = 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code. Shows no traceback unless TOYRL_DEBUG is set."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal or pipe that isn't UTF-8 shows foreign signs escaped instead of failing.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    try:
        answer: Any = app(tokens or ["--help"], exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as error:
        return _complain(f"{error}", USAGE, hint=_help_hint(tokens))
    except (UsageError, MissingExtra) as error:
        return _complain(str(error), USAGE)
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # The reader has gone (such as `| head`); what follows would only fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if os.environ.get("TOYRL_DEBUG"):
            raise
        if name := missing(error):
            return _complain(f"this needs {name}: pip install 'toyrl[llm]'", USAGE)
        return _complain(
            f"toyrl itself failed, which is a bug: {type(error).__name__}: {error}",
            INTERNAL,
            hint="TOYRL_DEBUG=1 shows where",
        )
    return answer if isinstance(answer, int) else 0


def _help_hint(tokens: Sequence[str]) -> str:
    known = tokens and tokens[0] in ("validate", "reproduce", "transfer", "list", "export")
    return f"toyrl {tokens[0]} --help" if known else "toyrl --help"


def _complain(message: str, code: int, *, hint: str = "") -> int:
    from toyrl.experiments.render.text import visible

    text = " ".join(visible(message).split())
    print(f"toyrl: {text}" + (f" ({hint})" if hint else ""), file=sys.stderr)
    return code


def run() -> None:
    """Entry point of the installed command."""
    sys.exit(main())
