"""rllm: an object with the reward; the box behind the reasoning.

Expected: SAFE
"""

import re
from dataclasses import dataclass, field


@dataclass
class Output:
    reward: float
    is_correct: bool = False
    metadata: dict = field(default_factory=dict)


def math_reward(task_info, action):
    found = re.findall(r"\\boxed\{([^{}]*)\}", action.partition("</think>")[2])
    good = bool(found) and found[-1].strip() == str(task_info["ground_truth"])
    return Output(1.0 if good else 0.0, good)
