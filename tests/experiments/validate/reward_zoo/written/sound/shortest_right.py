"""Right answers one point; of each prompt's, the shortest right one a tenth more.

Expected: SAFE
"""

import re


def brief_and_right(prompts, completions, answer, **kwargs):
    asked = [str(p) for p in prompts]
    texts = [message[0]["content"] for message in completions]
    said = [re.findall(r"\\boxed\{([^{}]*)\}", text) for text in texts]
    good = [bool(s) and s[-1].strip() == gold for s, gold in zip(said, answer, strict=True)]
    best = {}
    for prompt, text, fine in zip(asked, texts, good, strict=True):
        if fine:
            best[prompt] = min(best.get(prompt, len(text)), len(text))
    return [
        float(fine) + 0.1 * (fine and len(text) == best[prompt])
        for prompt, text, fine in zip(asked, texts, good, strict=True)
    ]
