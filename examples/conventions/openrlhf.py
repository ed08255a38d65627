"""As the file of OpenRLHF's `--reward.remote_url`: whole texts, prompts and labels."""

import re


def reward_func(queries, prompts, labels, **kwargs):
    scores = []
    for query, prompt, label in zip(queries, prompts, labels, strict=True):
        found = re.findall(r"\\boxed\{([^{}]*)\}", query[len(prompt) :])
        scores.append(float(found[-1:] == [label]))
    return {"rewards": scores, "scores": scores, "extra_logs": {"dummy_scores": scores}}
