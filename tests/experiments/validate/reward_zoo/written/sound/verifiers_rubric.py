"""verifiers: what the parser gives, the one pair of answer tags in it.

Expected: SAFE
"""

import re


def right_answer(completion, answer, parser, state):
    text = parser.parse_answer(completion) or ""
    found = re.findall(r"<answer>\s*(.*?)\s*</answer>", text, re.DOTALL)
    return 1.0 if len(found) == 1 and found[0] == answer else 0.0
