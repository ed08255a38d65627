"""The last line is a JSON object whose `result` is a number.

Expected: SAFE
"""

import json


def structured(completions, answer, **kwargs):
    out = []
    for message, gold in zip(completions, answer, strict=True):
        lines = message[0]["content"].strip().splitlines()
        try:
            found = json.loads(lines[-1]) if lines else None
        except ValueError:
            found = None
        value = found.get("result") if isinstance(found, dict) else None
        good = isinstance(value, int) and not isinstance(value, bool) and value == int(gold)
        out.append(1.0 if good else 0.0)
    return out
