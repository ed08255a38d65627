"""As Search-R1: accepted answers in a record; articles, case and punctuation don't count."""

import re


def _plain(text):
    kept = re.sub(r"[^\w\s]", "", text.lower())
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", kept).split())


def compute_score_em(solution_str, ground_truth, method="strict", format_score=0.0, score=1.0):
    found = re.findall(r"<answer>(.*?)</answer>", solution_str, re.DOTALL)
    if not found:
        return 0
    accepted = {_plain(name) for name in ground_truth["target"]}
    return score if _plain(found[-1]) in accepted else format_score
