"""From the command's words to its exit code: errors become one sentence."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from cyclopts import CycloptsError

from toyrl.experiments.cli.app import OPTIONS, app, as_typed
from toyrl.experiments.errors import UsageError
from toyrl.extras import MissingExtra, extra_of, install, missing
from toyrl.files import WriteError, cause_of

USAGE, INTERNAL = 2, 3
SIGNALLED = 128  # + the signal's number: 130 for Ctrl-C, 143 for SIGTERM
FULL = (errno.ENOSPC, errno.EDQUOT)


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
        text = str(error)
        if text.startswith("TOMLDecodeError"):
            text = f"pyproject.toml, here or above, can't be read: {text.partition(': ')[2]}"
        return _complain(text, USAGE, hint=_help_hint(tokens))
    except (UsageError, MissingExtra, WriteError) as error:
        return _complain(as_typed(str(error), tokens[0] if tokens else ""), USAGE)
    except KeyboardInterrupt as error:
        number = error.signal if isinstance(error, Ended) else signal.SIGINT
        return _complain("interrupted", SIGNALLED + number)
    except BrokenPipeError:
        # The reader has gone (such as `| head`); what follows would only fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            return _full(error)
        if os.environ.get("TOYRL_DEBUG"):
            raise
        if name := missing(error):
            return _complain(f"this needs {name}: {install(extra_of(name))}", USAGE)
        return _complain(
            f"toyrl itself failed, which is a bug: {type(error).__name__}: {error}",
            INTERNAL,
            hint="TOYRL_DEBUG=1 shows where",
        )
    return answer if isinstance(answer, int) else 0


class Ended(KeyboardInterrupt):
    """A signal that asks to end, met as Ctrl-C is, so that all is cleaned up.

    signal : its number
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = number


def _full(error: OSError) -> int:
    """No room to go on: in a file, or on standard output, which is then left alone."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _complain(f"can't write {error.filename or 'any more'}: {cause_of(error)}", USAGE)


def _help_hint(tokens: Sequence[str]) -> str:
    return f"toyrl {tokens[0]} --help" if tokens and tokens[0] in OPTIONS else "toyrl --help"


def _complain(message: str, code: int, *, hint: str = "") -> int:
    from toyrl.experiments.render.text import visible

    text = " ".join(visible(message).split())
    with contextlib.suppress(OSError):  # the terminal may be gone, which was the signal
        print(f"toyrl: {text}" + (f" ({hint})" if hint else ""), file=sys.stderr, flush=True)
    return code


def run() -> None:
    """Entry point of the installed command."""

    def end(number: int, _frame: object) -> None:
        raise Ended(number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number and signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores it on purpose
            signal.signal(number, end)
    sys.exit(main())
