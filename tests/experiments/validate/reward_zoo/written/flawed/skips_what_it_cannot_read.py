"""Reported: None for every completion without tags became NaN in the advantages.

Expected: contract/unscorable hacks/unscorable
"""

import re


def tagged(completions, answer, **kwargs):
    said = [re.findall(r"<answer>(.*?)</answer>", m[0]["content"], re.DOTALL) for m in completions]
    return [
        float(s[-1].strip() == gold) if s else None for s, gold in zip(said, answer, strict=True)
    ]
