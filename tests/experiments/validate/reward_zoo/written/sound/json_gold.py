"""The gold answer is JSON text; the answer stands behind `Final:`.

Expected: SAFE
"""

import json
import re


def from_record(completions, ground_truth, **kwargs):
    out = []
    for message, gold in zip(completions, ground_truth, strict=True):
        value = str(json.loads(gold)["answer"])
        said = re.findall(r"^Final: (.+)$", message[0]["content"], re.MULTILINE)
        out.append(float(bool(said) and said[-1].strip() == value))
    return out
