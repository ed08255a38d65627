"""Multiple choice: the letter in the last box.

Expected: SAFE
"""

import re


def choice(completions, solution, **kwargs):
    texts = [message[0]["content"] for message in completions]
    said = [re.findall(r"\\boxed\{([A-D])\}", text) for text in texts]
    return [float(bool(s) and s[-1] == gold) for s, gold in zip(said, solution, strict=True)]
