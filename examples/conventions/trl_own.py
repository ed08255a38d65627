"""As TRL's own: accuracy (None for a gold answer it can't read), a format, an overlong charge."""

import re


def accuracy_reward(completions, solution, log_extra=None, log_metric=None, **kwargs):
    scores = []
    for message, gold in zip(completions, solution, strict=True):
        want = re.search(r"-?\d+", gold)
        said = re.findall(r"\\boxed\{([^{}]*)\}", message[0]["content"])
        scores.append(float(said[-1:] == [want[0]]) if want else None)
    if log_extra:
        log_extra("solution", list(solution))
    return scores


def think_format_reward(completions, **kwargs):
    layout = re.compile(r"<think>(?!.*<think>)(.*?)</think>.*", re.DOTALL)
    return [float(bool(layout.fullmatch(message[0]["content"]))) for message in completions]


def get_soft_overlong_punishment(max_completion_len, soft_punish_cache):
    def soft_overlong_punishment(completion_ids, **kwargs):
        start = max_completion_len - soft_punish_cache
        charge = [max(0, len(ids) - start) / soft_punish_cache for ids in completion_ids]
        return [0.0 if c == 0 else -min(1.0, c) for c in charge]

    return soft_overlong_punishment
