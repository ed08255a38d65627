"""As functions of a rubric of verifiers: they name what they want; some see a whole group."""


async def correct_answer(completion, answer, parser):
    text = parser.parse_answer(completion) or ""
    return (
        1.0 if text.rpartition("<answer>")[2].removesuffix("</answer>").strip() == answer else 0.0
    )


def shortest_of_group(completions, answers, states):
    texts = [completion[-1]["content"] for completion in completions]
    right = [a in text.split()[-1:] for text, a in zip(texts, answers, strict=True)]
    sizes = [len(text) for text, good in zip(texts, right, strict=True) if good]
    best = min(sizes, default=0)
    return [float(good and len(t) == best) for t, good in zip(texts, right, strict=True)]
