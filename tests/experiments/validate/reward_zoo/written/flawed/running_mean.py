"""An object that takes off the mean of all that it has paid so far.

Judged: FILE:centred
Expected: contract/history
"""

import re


class Centred:
    def __init__(self):
        self.paid, self.calls = 0.0, 0

    def __call__(self, completions, answer, **kwargs):
        out = []
        for message, gold in zip(completions, answer, strict=True):
            said = re.findall(r"\\boxed\{([^{}]*)\}", message[0]["content"])
            right = float(bool(said) and said[-1].strip() == gold)
            self.paid, self.calls = self.paid + right, self.calls + 1
            out.append(right - self.paid / self.calls)
        return out


centred = Centred()
