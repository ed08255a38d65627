"""Scores of a text's steps, checked, and laid on its tokens as the fields that rewards read.

    spans = steps(text, "line")                       K steps
    scores = checked(score(step_texts(text, spans)), len(spans))
    fields = step_fields(scores, spans, offsets)      step_scores and step_ends, (T,) each

What is odd about scores has one rule, wherever they come from (papers 09, 51, 54):

    NaN or None       missing: the rollout can't be scored; it is no 0, and reaches no neighbour
    no step           no score: whatever is summed over no step is 0
    one step          Delta and Clip-Delta pay nothing, for the last step gets nothing
    another number    of scores than of steps: an error, for which belongs where isn't known
    a step cut off    by the limit is the last step and is scored as it stands (Delta pays it 0)
    outside [0, 1]    as given, and told: Clip's threshold and the product are made for chances
    infinite          an error
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from toyrl.graders.base import TextRow
from toyrl.graders.steps.splits import Span, marked_ends, on_tokens, token_ends
from toyrl.messages import shortened

StepScorer = Callable[[Sequence[str], TextRow], Sequence[Any]]
"""The texts of a completion's steps, and its row -> one score per step, None or NaN missing."""
PROMPT = ("prompt", "question", "problem", "query")
WHOLE = ("completions", "completion", "solution_str", "solution_strs", "data_source", "prompts")
"""First parameters of rewards, as trainers call them."""


def step_texts(text: str, spans: Sequence[Span]) -> list[str]:
    """The steps of a text as text, without the white space at their ends."""
    return [text[low:high].strip() for low, high in spans]


def checked(values: Any, steps: int, *, by: str = "the step scorer") -> list[float]:
    """One float per step, NaN where it is missing.

    values : numbers or None, as many as `steps`; by : who gave them, for the message

    Raises ValueError for another number of scores, for what is no number, and for infinity.
    """
    if isinstance(values, (str, bytes, Mapping)) or not hasattr(values, "__iter__"):
        msg = f"{by} gave {shortened(values)}; give a list of one score per step"
        raise ValueError(msg)
    listed = list(values.tolist() if hasattr(values, "tolist") else values)
    if len(listed) != steps:
        msg = (
            f"{by} gave {len(listed)} scores for {steps} steps; give one a step, None where it is "
            "missing, and split the text as it was split for the scores"
        )
        raise ValueError(msg)
    out = []
    for k, value in enumerate(listed):
        try:
            number = math.nan if value is None else float(value)
        except (TypeError, ValueError):
            msg = f"{by} gave {shortened(value)} for step {k + 1} of {steps}; give a number or None"
            raise ValueError(msg) from None
        if math.isinf(number):
            msg = f"{by} gave {number} for step {k + 1} of {steps}; give a finite number or None"
            raise ValueError(msg)
        out.append(number)
    return out


def even_offsets(characters: int, tokens: int) -> np.ndarray:
    """(T, 2) characters of each token where no tokenizer says them: the text in T equal parts.

    characters : of the text, >= 0; tokens : T >= 1
    """
    edges = np.round(np.linspace(0, characters, tokens + 1)).astype(int)
    return np.stack([edges[:-1], edges[1:]], axis=1)


def step_fields(
    scores: Sequence[float], spans: Sequence[Span], offsets: Any
) -> dict[str, np.ndarray]:
    """{"step_scores": (T,), "step_ends": (T,)}: scores on the last tokens of their steps, and 1.

    scores : K, NaN missing; spans : K steps; offsets : (T, 2), see
    `toyrl.graders.steps.splits.token_ends`
    Of steps that end in one token the scores add up, as rewards there do.

    Raises ValueError for another number of scores, and for steps without any token.
    """
    tokens = len(offsets)
    ends = token_ends(spans, offsets)
    return {
        "step_scores": on_tokens(scores, ends, tokens),
        "step_ends": marked_ends(ends, tokens),
    }


def by_row(function: Callable[..., Any], name: str = "") -> StepScorer:
    """A user's function of steps as a `StepScorer`.

    function : takes the steps' texts as `steps`, else as its first parameter; beside them the
        prompt, and data columns, by their names

    Raises ValueError for a parameter without a default that nothing fills.
    """
    label = name or getattr(function, "__name__", type(function).__name__)
    declared = list(inspect.signature(function).parameters.values())
    named = [p for p in declared if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    names = [p.name for p in named]
    taken = "steps" if "steps" in names else names[0] if names else ""
    if not taken:
        msg = f"{label} takes no argument; write it as {label}(steps), one score per step"
        raise ValueError(msg)
    if taken in WHOLE:
        msg = (
            f"{label} takes {taken!r}, so it is a reward of whole completions; a process scorer "
            f"is written as f(steps), a list of one completion's steps in and one score per step "
            f"out. Give {label} as a term of the reward instead"
        )
        raise ValueError(msg)

    def score(texts: Sequence[str], row: TextRow) -> Sequence[Any]:
        known = {**row.columns, **dict.fromkeys(PROMPT, row.prompt), "completion": row.completion}
        words = {p.name: known[p.name] for p in named if p.name in known and p.name != taken}
        lacks = [p.name for p in named if p.default is p.empty and p.name not in (*words, taken)]
        if lacks:
            have = ", ".join(["prompt", "completion", *row.columns])
            msg = f"{label} asks for {lacks[0]!r}, which is no column (there are {have})"
            raise ValueError(msg)
        places = [p for p in named if p.kind is p.POSITIONAL_ONLY or p.name == taken]
        first = [list(texts) if p.name == taken else words.pop(p.name) for p in places]
        return (
            function(*first, **words) if taken == names[0] else function(**words, steps=list(texts))
        )

    return score
