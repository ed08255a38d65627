"""A bonus for few tokens, paid whatever the answer. Meant as a second term beside correctness."""

TARGET = 200


def reward(completion_ids, **kwargs):
    """1 for an empty completion, falling to 0 at twice the target length."""
    return [max(0.0, 1.0 - len(ids) / (2 * TARGET)) for ids in completion_ids]
