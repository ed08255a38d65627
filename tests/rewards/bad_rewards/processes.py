"""Code that does odd things to its own process."""

import multiprocessing
import os
import signal


def stops(text):
    os.kill(os.getpid(), signal.SIGSTOP)
    return 1.0


def closes_everything(text):
    os.closerange(3, 256)
    return 1.0


def forks_and_returns(text):
    return 2.0 if os.fork() == 0 else 1.0


def kills_its_parent(text):
    os.kill(os.getppid(), signal.SIGKILL)
    return 1.0


def reads_input(text):
    return float(input())


def measure(text):
    return float(len(text))


def uses_a_pool(completions, **kwargs):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(measure, completions)
