"""Code that wants to outlive the sandbox, or to reach out of it."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def _leave(note, environment):
    """A process in a session of its own, its number in a file."""
    left = subprocess.Popen(SLEEP, start_new_session=True, env=environment)
    Path(note).write_text(str(left.pid))


def _end(signals, number):
    """The worker's ancestors, from the nearest."""
    parent = os.getpid()
    for _ in range(signals):
        parent = int(Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(parent, number)
    time.sleep(600)


def terminates(note, text):
    _leave(note, {})
    _end(1, signal.SIGTERM)


def kills(note, text):
    _leave(note, {})
    _end(1, signal.SIGKILL)


def kills_both(note, text):
    _leave(note, None)
    above = int(Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(above, signal.SIGKILL)
    time.sleep(600)


def make(name, note):
    return lambda text: globals()[name](note, text)


def grows(text):
    held = []
    while True:
        held.append(bytearray(8 * 2**20))
        time.sleep(0.01)


def variables(text):
    return float(text in os.environ)


def writes(text):
    """1 if the file could be written, else the negative error number."""
    try:
        Path(text).write_text("x")
    except OSError as error:
        return -float(error.errno)
    return 1.0


def scratch(text):
    import tempfile

    with tempfile.TemporaryFile() as file:
        return float(file.write(text.encode()))


def connects(text):
    try:
        with socket.create_connection(("127.0.0.1", int(text)), timeout=5):
            return 1.0
    except OSError as error:
        return -float(error.errno or 0)


def undoes(text):
    """Tries to make the mounts writable again, also in namespaces of its own."""
    import ctypes

    libc = ctypes.CDLL(None)
    clear = (ctypes.c_uint64 * 4)(0, 1, 0, 0)
    libc.syscall(442, -100, b"/", 0x8000, clear, 32)
    libc.unshare(0x10000000 | 0x00020000)
    libc.syscall(442, -100, b"/", 0x8000, clear, 32)
    return writes(text)
