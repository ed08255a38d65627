"""As rllm's: the task as a record and the model's action; an object with the reward comes back."""

import re
from dataclasses import dataclass, field


@dataclass
class RewardOutput:
    reward: float
    is_correct: bool = False
    metadata: dict = field(default_factory=dict)


def math_reward_fn(task_info, action):
    found = re.findall(r"\\boxed\{([^{}]*)\}", action)
    good = found[-1:] == [str(task_info["ground_truth"])]
    return RewardOutput(reward=float(good), is_correct=good)
