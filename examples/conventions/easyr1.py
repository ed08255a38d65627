"""As EasyR1's: a list of records in, a list of records out; `overall` counts."""

import re


def compute_score(reward_inputs, format_weight=0.1):
    scores = []
    for given in reward_inputs:
        text = re.sub(r"\s*(<|>|/)\s*", r"\1", given["response"])
        layout = float(bool(re.fullmatch(r"<think>.*</think>.*\\boxed\{.*\}.*", text, re.DOTALL)))
        said = re.findall(r"\\boxed\{([^{}]*)\}", text)
        right = float(said[-1:] == [given["ground_truth"]])
        overall = (1 - format_weight) * right + format_weight * layout
        scores.append({"overall": overall, "format": layout, "accuracy": right})
    return scores
