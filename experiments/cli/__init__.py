"""The command `toyrl`: reads arguments, calls a command, turns errors into exit codes.

0 the answer is good, 1 it isn't, 2 the call was wrong, 3 we failed. Nothing heavy is imported
here: `toyrl --help` answers at once, and each command loads what it needs.
"""

from toyrl.experiments.cli import (
    audit_judge,
    calibrate,
    catalogue,
    claims,
    credit,
    distance,
    grading,
    scaling,
    sweep,
    transfer,
    validate,
)
from toyrl.experiments.cli.app import app
from toyrl.experiments.cli.main import main, run

__all__ = [
    "app",
    "audit_judge",
    "calibrate",
    "catalogue",
    "claims",
    "credit",
    "distance",
    "grading",
    "main",
    "run",
    "scaling",
    "sweep",
    "transfer",
    "validate",
]
