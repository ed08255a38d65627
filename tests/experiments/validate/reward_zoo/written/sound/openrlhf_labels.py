"""OpenRLHF: the query holds prompt and completion; the last box behind the prompt.

Expected: SAFE
"""

import re


def reward_func(queries, prompts, labels):
    rewards = []
    for query, prompt, label in zip(queries, prompts, labels, strict=True):
        found = re.findall(r"\\boxed\{([^{}]*)\}", query[len(prompt) :])
        rewards.append(float(bool(found) and found[-1].strip() == str(label)))
    return {"rewards": rewards, "scores": rewards, "extra_logs": {"n": rewards}}
