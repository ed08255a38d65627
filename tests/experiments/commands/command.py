"""A command called as from a terminal."""

from __future__ import annotations

from toyrl.experiments.cli import main


def call(capsys, *tokens: str) -> tuple[int, str, str]:
    code = main(tokens)
    out, err = capsys.readouterr()
    return code, out, err
