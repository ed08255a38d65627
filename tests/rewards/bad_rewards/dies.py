import ctypes
import os
import sys


def exits(text):
    os._exit(7)


def sys_exits(text):
    sys.exit(5)


def segfaults(text):
    ctypes.string_at(0)


def aborts(text):
    os.abort()


def once(text):
    if text == "die":
        os._exit(1)
    return 1.0
