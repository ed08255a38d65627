"""Where thinking ends: the tokens of the closing tag, the field `think_end`; is there any.

    think_end(["so", " 2", "</think>", "2"])       [0, 0, 1, 0]

A model without such a tag needs a mark that its prompt forces; name it as `tag`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toyrl.graders.base import TextRow
from toyrl.messages import shortened

TAG = "</think>"
OPEN, CLOSE = "<answer>", "</answer>"
TAGS = ("<think>", TAG, OPEN, CLOSE)


def is_thought(row: TextRow) -> float:
    """1.0 if the completion has a closed think block, empty or not: the field `thought`."""
    start = row.completion.find("<think>")
    return float(start >= 0 and row.completion.find(TAG, start) >= 0)


def answer_words(row: TextRow) -> float:
    """Words, between spaces, of the `answer_part`: the field `words`."""
    return float(len(answer_part(row.completion).split()))


def last_answer(text: str) -> str | None:
    """What stands in the last closed answer tag, None without one; of tags in tags the inner one.

    So a thought that speaks of an opening tag adds nothing to the answer, and neither does a
    closing tag too many. Takes time linear in the text's length.
    """
    start, found = 0, None
    while (i := text.find(OPEN, start)) >= 0 and (j := text.find(CLOSE, i)) >= 0:
        found, start = text[i + len(OPEN) : j], j + len(CLOSE)
    return None if found is None else found.rpartition(OPEN)[2]


def answer_part(text: str) -> str:
    """What is meant to be read: inside the last answer tag, else behind the thinking, else all.

    Nothing where the thinking was not closed; a tag that was opened last and not closed is left
    out.
    """
    found = last_answer(text)
    if found is not None:
        return found
    if "<think>" in text and TAG not in text:
        return ""
    return text.rpartition(TAG)[2].lstrip().removeprefix(OPEN)


def is_laid_out(text: str) -> bool:
    """True for one think block, one answer block behind it, and nothing else but spaces.

    Each of the four tags stands there once: two answers, or text behind the last, don't pass.
    """
    if any(text.count(tag) != 1 for tag in TAGS):
        return False
    start, closed, answer, end = (text.find(tag) for tag in TAGS)
    outside = (text[:start], text[closed + len(TAG) : answer], text[end + len(CLOSE) :])
    return start < closed < answer < end and not any(part.strip() for part in outside)


def think_end(pieces: Sequence[str], tag: str = TAG) -> np.ndarray:
    """(T,) 1 on every token that holds a character of the first closing tag, else 0.

    pieces : the text of each token by itself, `[tokenizer.decode([i]) for i in ids]`: what a
        tokenizer does to spaces and to letters of several bytes leaves the tag as it is

    A completion that was cut off inside the tag has none.

    Raises ValueError for an empty tag.
    """
    if not tag:
        msg = f"tag={shortened(tag)} is empty; give the mark that closes the thinking, as {TAG}"
        raise ValueError(msg)
    behind = np.cumsum([0, *map(len, pieces)])
    start = "".join(pieces).find(tag)
    if start < 0:
        return np.zeros(len(pieces))
    begins, ends = behind[:-1], behind[1:]
    return ((begins < start + len(tag)) & (ends > start) & (ends > begins)) * 1.0
