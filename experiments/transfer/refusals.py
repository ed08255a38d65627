"""What ends a transfer early, as one sentence: what was finished is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from toyrl import schemas
from toyrl.experiments.errors import UsageError


@contextmanager
def refusals(out: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Faults of models, tasks, runs and files as UsageError; an interruption is told and passed."""
    from toyrl.bridge.models.load import ModelError
    from toyrl.bridge.tasks import TaskError
    from toyrl.bridge.training.faults import TrainingFault

    try:
        yield
    except (ModelError, TaskError, TrainingFault, schemas.SchemaError) as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        msg = f"out={str(out)!r}: {error.strerror or error}; what was finished is kept, --resume"
        raise UsageError(msg) from error
    except KeyboardInterrupt:
        tell("interrupted; the same command with --resume goes on from the last checkpoints")
        raise
