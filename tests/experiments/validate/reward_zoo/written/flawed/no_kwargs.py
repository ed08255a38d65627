"""Reported: two lists and no **kwargs: TypeError at the trainer's first step.

Expected: contract/trainer-call
"""

import re


def ends_in_digit(prompts, completions):
    return [float(re.search(r"\d\W*$", m[0]["content"]) is not None) for m in completions]
