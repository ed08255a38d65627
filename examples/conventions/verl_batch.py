"""As verl's batch manager calls a custom function: lists of all rows."""

import re


def compute_score(data_sources, solution_strs, ground_truths, extra_infos, **kwargs):
    said = [re.findall(r"\\boxed\{([^{}]*)\}", text)[-1:] for text in solution_strs]
    return [float(s == [gold]) for s, gold in zip(said, ground_truths, strict=True)]
