"""A file with the name of a standard module: it must not replace it."""

import tempfile


def reward(text):
    return float(bool(tempfile.gettempprefix()))
