"""Write a log of made-up solutions in which it is known what a step does to the outcome.

    python examples/credit/make_log.py rollouts.jsonl

Each right sum raises the log-odds of a right answer by 0.9, each wrong one lowers them by 1.2; the
rest of the text does nothing, and prompts differ in difficulty.
"""

import json
import math
import random
import sys

TALK = ("We look at the question again.", "Let x be the number of apples.", "Now we add them up.")


def step(rng):
    """(text, what it adds to the log-odds)."""
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(TALK), 0.0
    a, b = rng.randint(2, 40), rng.randint(2, 40)
    if kind < 0.75:
        return f"So {a} + {b} = {a + b}.", 0.9
    return f"So {a} + {b} = {a + b + rng.choice((-10, -1, 1, 10))}.", -1.2


def rows(prompts=250, group=8, seed=0):
    """One row a rollout."""
    rng = random.Random(seed)
    for i in range(prompts):
        level = rng.gauss(0, 1.5)
        for _ in range(group):
            steps = [step(rng) for _ in range(rng.randint(2, 9))]
            odds = level + sum(value for _, value in steps)
            right = rng.random() < 1 / (1 + math.exp(-odds))
            text = "\n".join(words for words, _ in steps)
            yield {"prompt_id": i, "prompt": f"Task {i}", "completion": text,
                   "correct": int(right), "length": len(text) // 4}  # fmt: skip


def write(path):
    """Write the log."""
    with open(path, "w", encoding="utf-8") as out:  # noqa: PTH123
        out.writelines(json.dumps(row) + "\n" for row in rows())


if __name__ == "__main__":
    write(sys.argv[1])
