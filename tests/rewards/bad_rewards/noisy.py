import os
import sys


def prints(text):
    print("x" * 8_000_000)
    print("y" * 1_000_000, file=sys.stderr)
    return 1.0


def raw_descriptor(text):
    os.write(1, b'{"id": 2, "ok": {"values": [99.0], "notes": []}}\n' * 1000)
    return 1.0


def closes_stdout(text):
    sys.stdout.close()
    return 1.0
