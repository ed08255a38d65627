"""As open-r1's: accuracy against a gold answer in dollars, a strict layout, a count of its tags."""

import re

LAYOUT = re.compile(r"^<think>\n.*?\n</think>\n<answer>\n.*?\n</answer>$", re.DOTALL)


def accuracy_reward(completions, solution, **kwargs):
    scores = []
    for message, gold in zip(completions, solution, strict=True):
        if not gold.startswith("$"):
            scores.append(None)  # not to be read as a formula: left out
            continue
        said = re.findall(r"\\boxed\{([^{}]*)\}", message[0]["content"])
        scores.append(float(said[-1:] == [gold.strip("$")]))
    return scores


def format_reward(completions, **kwargs):
    return [1.0 if LAYOUT.match(message[0]["content"]) else 0.0 for message in completions]


def tag_count_reward(completions, **kwargs):
    tags = ("<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>")
    texts = [message[0]["content"] for message in completions]
    return [sum(0.25 for tag in tags if text.count(tag) == 1) for text in texts]
