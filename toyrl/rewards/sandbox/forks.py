"""A clean interpreter that forks one process for each program, and what such a process may do.

It is told by datagrams, `new NUMBER` with the program's own socket and `end NUMBER`, and never sees
what goes over that socket: a program finds nothing in its memory of tests, or of other programs. A
fork takes a millisecond or two where a new interpreter takes fifty.

Three things hold a program: what its process may use (`limit`), what Python lets it do (`guard`),
and, where the system allows it, namespaces (`isolation`). Standard library only.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
from typing import Any, NoReturn

USUAL = (
    *("bisect", "collections", "copy", "datetime", "decimal", "fractions", "functools", "heapq"),
    *("itertools", "math", "operator", "random", "re", "statistics", "string", "typing", "io"),
)
"""Modules that programs import most, loaded once before any is forked."""
REFUSED = frozenset({
    "ctypes.dlsym", "ctypes.dlsym/handle", "ctypes.string_at", "ctypes.wstring_at", "os.chmod",
    "os.chown", "os.exec", "os.fork", "os.forkpty", "os.kill", "os.killpg", "os.link", "os.mkdir",
    "os.posix_spawn", "os.remove", "os.rename", "os.rmdir", "os.spawn", "os.symlink", "os.system",
    "os.truncate", "os.utime", "pty.spawn", "resource.setrlimit", "shutil.rmtree",
    "signal.pthread_kill", "subprocess.Popen",
})  # fmt: skip
"""What Python reports before it is done, and is refused."""
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def serve(own: int, replies: int) -> NoReturn:
    """Fork programs until the library closes its end, which the supervisor sees."""
    sys.dont_write_bytecode = True
    for name in (*USUAL, f"{__package__}.roles"):
        importlib.import_module(name)
    gc.freeze()  # what is there now is shared with every program
    server = socket.socket(fileno=own)
    os.write(replies, json.dumps({"pid": os.getpid()}).encode() + b"\n")
    running: dict[int, int] = {}
    while True:
        if not select.select([server], [], [], 0.5)[0]:
            _reap(running)
            continue
        data, given, _, _ = socket.recv_fds(server, 64, 1)
        word, _, number = data.partition(b" ")
        if word == b"new" and given:
            pid = os.fork()
            if pid == 0:
                server.close()
                os.close(replies)
                _become(given[0])
            running[int(number)] = pid
        elif word == b"end":
            _end(running.pop(int(number), 0))
        for fd in given:
            os.close(fd)
        _reap(running)


def _end(pid: int) -> None:
    """Kill a program and its group; it is waited for, so that its number isn't another's."""
    if not pid:
        return
    for end in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            end(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _reap(running: dict[int, int]) -> None:
    for number, pid in list(running.items()):
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0]:
                del running[number]


def _become(fd: int) -> NoReturn:
    """The program's process: it does what comes over its socket, and ends."""
    try:
        os.setpgid(0, 0)
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        importlib.import_module(f"{__package__}.roles").play(socket.socket(fileno=fd))
    finally:
        os._exit(0)


def limit(*, seconds: float, memory: int) -> None:
    """Bound this process: CPU seconds, bytes of address space, no file with anything in it."""
    most = {
        resource.RLIMIT_CPU: int(seconds) + 1,
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for what, bound in most.items():
        with contextlib.suppress(ValueError, OSError):  # macOS has no bound of address space
            resource.setrlimit(what, (bound, bound))


def guard() -> None:
    """From now on Python refuses this process other processes, sockets, signals and writing.

    It can't be taken off again. A library that calls the system by itself is not seen by it.
    """
    refused, writes, quiet = REFUSED, WRITES, os.devnull

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = given
            if path == quiet:
                return
            asks = isinstance(flags, int) and flags & writes
            if asks or (isinstance(mode, str) and set(mode) & set("wax+")):
                msg = f"a program may not write files ({path})"
                raise PermissionError(msg)
            if str(path).lstrip("b'").startswith("/proc"):
                msg = f"a program may not read {path}"
                raise PermissionError(msg)
        elif event in refused or event.startswith("socket."):
            msg = f"a program may not do this ({event})"
            raise PermissionError(msg)

    sys.addaudithook(hook)
