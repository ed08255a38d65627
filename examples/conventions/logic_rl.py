"""As Logic-RL: who is a knight, who a knave; the gold answer is a record."""

import re


def compute_score(solution_str, ground_truth, method="strict", format_reward=1, answer_reward=1.0):
    text = solution_str.split("<|im_start|>assistant", 1)[-1]
    layout = re.search(r"<think>.*?</think>.*?<answer>(.*?)</answer>", text, re.DOTALL)
    if layout is None:
        return -abs(format_reward) - 2
    want = dict(re.findall(r"(\w+) is a (knight|knave)", ground_truth["solution_text_format"]))
    said = dict(re.findall(r"(\w+) is a (knight|knave)", layout[1]))
    if said.keys() != want.keys():
        return format_reward - 2
    return format_reward + (2 if said == want else -1.5)
