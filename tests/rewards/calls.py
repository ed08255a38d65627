"""Rows, and a reward function called on them in this process."""

from __future__ import annotations

import asyncio

from toyrl.rewards.calling import call
from toyrl.rewards.signatures import recognise

ROWS = [
    {
        "prompt": f"What is {a} + {a}?",
        "completion": f"{a} + {a} = {2 * a}",
        "columns": {"answer": str(2 * a), "level": a},
        "tokens": 4 + a,
        "truncated": a == 3,
    }
    for a in (1, 2, 3)
]


def wait(results):
    async def one(result):
        return await result if hasattr(result, "__await__") else result

    async def gather():
        return list(await asyncio.gather(*map(one, results)))

    return asyncio.run(gather())


def grade(function, rows=ROWS, *, chat=False, ticks=None):
    """(signature, values) of an in-process call."""
    signature = recognise(function, getattr(function, "__name__", "f"))
    seen = ticks if ticks is not None else []
    values, _ = call(function, signature, rows, chat, tick=seen.append, wait=wait)
    return signature, values
