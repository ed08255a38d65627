"""`toyrl export`: a catalogue reward as a file that a trainer loads."""

from __future__ import annotations

import sys
from pathlib import Path

from toyrl.experiments.commands.output import refuse_unwritable
from toyrl.experiments.errors import UsageError
from toyrl.rollouts.memory import write_atomic


def run(
    reward: str,
    *,
    to: str,
    out: Path | None,
    estimator: str | None,
    max_completion_length: int,
    group_size: int | None,
    tokenizer: str | None,
) -> int:
    """Write the file, or print it; UsageError with the reason for what can't be carried."""
    from toyrl.bridge.export.write import export

    if ".py" in reward:
        msg = (
            f"{reward!r} is Python in a trainer's own form already; export takes an expression "
            "of the catalogue, such as laser(target=0.5)"
        )
        raise UsageError(msg)
    refuse_unwritable("out", out)
    try:
        made = export(
            reward,
            to,
            estimator=estimator,
            max_completion_length=max_completion_length,
            group_size=group_size,
            tokenizer=tokenizer,
        )
    except KeyError as error:
        raise UsageError(str(error.args[0])) from None
    except ValueError as error:  # CannotCarry and ExpressionError among them
        raise UsageError(str(error)) from None
    if out is None:
        sys.stdout.write(made.text)
        return 0
    write_atomic(out, made.text)
    print(f"Wrote {out} for {to}; its first lines say how to use it.")
    for name, value in made.plan.settings.items():
        print(f"  set {name} = {value!r}")
    for note in made.plan.notes:
        print(f"  note: {note}")
    return 0
