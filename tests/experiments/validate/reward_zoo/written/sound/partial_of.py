"""A partial: one function, told its tag.

Judged: FILE:in_result
Expected: SAFE
"""

import re
from functools import partial


def in_tag(completion, answer, *, tag):
    found = re.findall(rf"<{tag}>([^<]*)</{tag}>", completion)
    return 1.0 if [s.strip() for s in found] == [answer] else 0.0


in_result = partial(in_tag, tag="result")
