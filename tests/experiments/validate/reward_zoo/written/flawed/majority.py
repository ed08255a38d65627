"""What most completions of the prompt say is right, whatever it is; no gold answer is read.

Expected: contract/batch
"""

import re
from collections import Counter


def agreed(prompts, completions, **kwargs):
    texts = [message[0]["content"] for message in completions]
    said = [(re.findall(r"\\boxed\{([^{}]*)\}", text) or [""])[-1].strip() for text in texts]
    votes = {}
    for prompt, value in zip(map(str, prompts), said, strict=True):
        votes.setdefault(prompt, Counter())[value] += 1
    return [
        float(votes[prompt].most_common(1)[0][0] == value)
        for prompt, value in zip(map(str, prompts), said, strict=True)
    ]
