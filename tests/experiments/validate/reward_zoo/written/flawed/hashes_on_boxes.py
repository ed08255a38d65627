"""Reported: the model boxes its answers, the reward waits for ####: every rollout is paid
nothing.

Rollouts: boxed
Expected: own/alike
"""


def hashed(completions, answer, **kwargs):
    said = [message[0]["content"].rpartition("#### ") for message in completions]
    return [float(mark != "" and s.strip() == a)
            for (_, mark, s), a in zip(said, answer, strict=True)]  # fmt: skip
