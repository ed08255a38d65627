import os
import subprocess
import sys

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def plain(text):
    return float(subprocess.Popen(SLEEP).pid)


def detached(text):
    return float(subprocess.Popen(SLEEP, start_new_session=True).pid)


def daemon(text):
    """Forks twice, as daemons do, so that the worker is no longer its parent."""
    read, write = os.pipe()
    if os.fork() == 0:
        os.setsid()
        pid = os.fork()
        if pid == 0:
            os.execv(sys.executable, SLEEP)
        os.write(write, str(pid).encode())
        os._exit(0)
    os.wait()
    return float(os.read(read, 32))
