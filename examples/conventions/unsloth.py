"""As in the notebooks of unsloth: tags of one's own, a layout, and an answer that may come near."""

import re

LAYOUT = re.compile(
    r"\s*<start_working_out>[^<]+<end_working_out>[^<]*<SOLUTION>([^<]+)</SOLUTION>\s*"
)


def match_format_exactly(completions, **kwargs):
    return [3.0 if LAYOUT.fullmatch(message[0]["content"]) else 0.0 for message in completions]


def check_answer(prompts, completions, answer, **kwargs):
    scores = []
    for message, gold in zip(completions, answer, strict=True):
        found = LAYOUT.fullmatch(message[0]["content"])
        if found is None:
            scores.append(0.0)
        elif found[1] == gold:
            scores.append(3.0)
        else:
            scores.append(1.5 if found[1].strip() == gold.strip() else -1.5)
    return scores
