"""TRL: a coroutine function; thinking, then the box.

Expected: SAFE
"""

import asyncio
import re


async def judged(completions, answer, **kwargs):
    await asyncio.sleep(0)
    out = []
    for message, gold in zip(completions, answer, strict=True):
        _, tag, tail = message[0]["content"].partition("</think>")
        found = re.findall(r"\\boxed\{([^{}]*)\}", tail)
        out.append(float(bool(tag) and found[-1:] == [gold]))
    return out
