"""TRL 1.16 with all that its trainer hands over; the answer in tags, logged beside the score.

Expected: SAFE
"""

import re


def correct(prompts, completions, completion_ids, trainer_state, log_extra, log_metric, answer):
    scores, said = [], []
    for message in completions:
        found = re.findall(r"<answer>(.*?)</answer>", message[0]["content"], re.DOTALL)
        said.append(found[0].strip() if len(found) == 1 else "")
    scores = [1.0 if s == a.strip() else 0.0 for s, a in zip(said, answer, strict=True)]
    log_extra("said", said)
    log_metric("accuracy", sum(scores) / len(scores))
    return scores
