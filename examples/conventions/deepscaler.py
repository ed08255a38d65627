"""As DeepScaleR's: a record with the response, and the gold answer among its metadata."""

import re
from dataclasses import dataclass, field
from enum import Enum


class RewardType(Enum):
    MATH = "MATH"
    CODE = "CODE"


@dataclass
class RewardInput:
    problem: str
    model_response: str
    problem_type: RewardType = RewardType.MATH
    metadata: dict = field(default_factory=dict)


@dataclass
class RewardOutput:
    reward: float
    is_correct: bool


class RewardMathFn:
    def __call__(self, input: RewardInput) -> RewardOutput:
        if "</think>" not in input.model_response:
            return RewardOutput(0.0, False)
        said = re.findall(r"\\boxed\{([^{}]*)\}", input.model_response.split("</think>")[1])
        good = said[-1:] == [str(input.metadata["answer"])]
        return RewardOutput(float(good), good)


def deepscaler_reward_fn(solution_str, ground_truth, enable_llm=False):
    given = RewardInput("", solution_str, metadata={"answer": ground_truth})
    return RewardMathFn()(given).is_correct
