"""Where thinking ends: the tokens of the closing tag, the field `think_end`; is there any.

    think_end(["so", " 2", "</think>", "2"])       [0, 0, 1, 0]

A model without such a tag needs a mark that its prompt forces; name it as `tag`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from toyrl.graders.base import TextRow
from toyrl.messages import shortened

TAG = "</think>"
ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


def is_thought(row: TextRow) -> float:
    """1.0 if the completion has a closed think block, empty or not: the field `thought`."""
    start = row.completion.find("<think>")
    return float(start >= 0 and row.completion.find(TAG, start) >= 0)


def answer_words(row: TextRow) -> float:
    """Words, between spaces, of the answer part: the field `words`.

    That is what stands in the last answer tag, else behind the thinking, else the whole completion;
    0 where the thinking was not closed.
    """
    text = row.completion
    # Up to the last closing tag: unclosed ones would be looked behind to the end, each anew.
    tagged = ANSWER.findall(text[: text.rfind("</answer>") + len("</answer>")])
    if tagged:
        return float(len(tagged[-1].split()))
    if "<think>" in text and TAG not in text:
        return 0.0
    return float(len(text.rpartition(TAG)[2].split()))


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
