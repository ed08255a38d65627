"""Stand-ins for what a trainer hands to a reward function beside texts and columns.

Runs inside the sandboxed child: standard library only.
"""

from __future__ import annotations

import re
import types
import zlib
from functools import lru_cache
from itertools import islice
from typing import Any

EOS = 0  # the stand-in id of the end token; ids of text start at 1
VOCABULARY = 50_000
PIECES = re.compile(r"\w{1,4}|[^\w\s]")  # a word counts one per four characters
LONG = 32  # characters per token, beyond which a text is not read to its end


def token_ids(text: str, tokens: int, truncated: bool) -> list[int]:
    """Stand-in ids of the right length, equal words giving equal ids, EOS (0) last unless cut off.

    Real ids need the model's tokenizer. tokens = 0: the length is estimated, a word counting one
    per four characters.
    """
    return list(_token_ids(text, tokens, truncated))


@lru_cache(maxsize=256)  # one call asks for the ids of a row several times
def _token_ids(text: str, tokens: int, truncated: bool) -> tuple[int, ...]:
    if 0 < tokens * LONG < len(text):  # of a huge text the rest would be cut off again
        ids = [_id(found.group()) for found in islice(PIECES.finditer(text), tokens)]
    else:
        ids = list(map(_id, PIECES.findall(text)))
    body = (tokens if tokens > 0 else len(ids) + 1) - (not truncated)
    ids = ids[:body]
    ids += _fillers()[len(ids) : body]
    ids += [_filler(i) for i in range(len(ids), body)]
    return tuple(ids if truncated else [*ids, EOS])


def _filler(i: int) -> int:
    """The id at place i, behind the end of the text."""
    return _id(f"#{i}")


@lru_cache(maxsize=1)
def _fillers() -> list[int]:
    return [_filler(i) for i in range(1024)]


@lru_cache(maxsize=65_536)
def _id(piece: str) -> int:
    return 1 + zlib.crc32(piece.encode("utf-8", "replace")) % VOCABULARY


class Parser:
    """Stand-in for a verifiers parser: the text of the last assistant message, unparsed."""

    def parse(self, text: str) -> str:
        """The text itself."""
        return text

    def parse_answer(self, completion: Any) -> str:
        """The last assistant message's content, or the text."""
        if isinstance(completion, str):
            return completion
        texts = [m["content"] for m in completion if m.get("role") == "assistant"]
        return texts[-1] if texts else ""

    def get_assistant_messages(self, completion: Any) -> list[Any]:
        """The assistant's messages."""
        return (
            []
            if isinstance(completion, str)
            else [m for m in completion if m.get("role") == "assistant"]
        )


def state() -> Any:
    """TRL's trainer_state at the first step."""
    return types.SimpleNamespace(
        global_step=0, max_steps=1000, epoch=0.0, num_train_epochs=1, log_history=[]
    )


def ignore(*_args: Any, **_kwargs: Any) -> None:
    """log_extra and log_metric lead nowhere here."""
