"""An object with its settings; the answer between <SOLUTION> tags.

Judged: FILE:grade
Expected: SAFE
"""


class Solution:
    __name__ = "solution"

    def __init__(self, tag, points):
        self.opening, self.closing, self.points = f"<{tag}>", f"</{tag}>", points

    def _said(self, text):
        _, found, rest = text.rpartition(self.opening)
        inside, closed, _ = rest.partition(self.closing)
        return inside.strip() if found and closed else None

    def __call__(self, completions, answer, **kwargs):
        texts = [c if isinstance(c, str) else c[-1]["content"] for c in completions]
        return [self.points * (self._said(t) == a) for t, a in zip(texts, answer, strict=True)]


grade = Solution("SOLUTION", 3.0)
