"""Where an update and a generation batch both end: the moments at which a checkpoint is whole."""

from __future__ import annotations

import math
from typing import Any


def check_save_steps(args: Any, num_iterations: int) -> None:
    """ValueError unless checkpoints fall on generation boundaries; names the nearest legal value.

    Between them TRL's buffered completions would be lost, and a resumed run would differ.
    """
    every, steps = boundary(args, num_iterations), args.save_steps
    if str(getattr(args.save_strategy, "value", args.save_strategy)) != "steps":
        return
    if 0 < steps < 1:
        if args.max_steps <= 0:
            return  # known only when training begins
        steps = math.ceil(args.max_steps * steps)
    if steps % every:
        near = max(every, every * round(steps / every))
        msg = (
            f"save_steps={args.save_steps} does not fall on generation boundaries, which come "
            f"every {every} updates (steps_per_generation={args.steps_per_generation} x "
            f"num_iterations={num_iterations} micro-steps, gradient_accumulation_steps="
            f"{args.gradient_accumulation_steps}); the nearest legal value is {near}"
        )
        raise ValueError(msg)


def boundary(args: Any, num_iterations: int) -> int:
    """Updates between two moments at which an update and a generation batch both end."""
    micro = args.steps_per_generation * num_iterations
    return micro // math.gcd(micro, args.gradient_accumulation_steps)
