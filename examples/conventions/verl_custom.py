"""As a file of verl's `custom_reward_function`: a record whose score counts, the rest is logged."""

import re


def compute_score(data_source, solution_str, ground_truth, extra_info=None, **kwargs):
    found = re.findall(r"\\boxed\{([^{}]*)\}", solution_str)
    said = found[-1].strip() if found else ""
    good = said == ground_truth
    return {"score": float(good), "acc": good, "pred": said, "turns": extra_info["num_turns"]}
