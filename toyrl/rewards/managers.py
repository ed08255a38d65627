"""verl's reward managers: classes whose objects are called with a batch of token ids.

A manager decodes the ids, grades the text and writes its score at the last token. It is given
stand-ins: a tokenizer whose ids are pieces of the graded texts, as many as a row has tokens, and a
batch that answers as `verl.DataProto` does. Read inside the sandboxed child; torch, which such a
file imports itself, is imported when a batch is made.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
FORM = "verl_manager"
LOOP = "run_single"
CHARACTERS_PER_TOKEN = 4  # where a row doesn't say how many it has


class Tokenizer:
    """Ids are places in a table of text pieces; 0 pads and is the end."""

    eos_token, pad_token, eos_token_id, pad_token_id = "<|endoftext|>", "<|endoftext|>", 0, 0

    def __init__(self) -> None:
        self.pieces = [""]

    def encode(self, text: str, tokens: int = 0) -> list[int]:
        """Ids of the text in `tokens` pieces (0: by its length); empty ones fill up."""
        n = max(1, tokens or -(-len(text) // CHARACTERS_PER_TOKEN))
        size = max(1, -(-len(text) // n))
        parts = [text[i * size : (i + 1) * size] for i in range(n)]
        start = len(self.pieces)
        self.pieces += parts
        return [*range(start, start + n)]

    def decode(self, ids: Any, skip_special_tokens: bool = True, **_: Any) -> str:
        """The pieces put together."""
        del skip_special_tokens
        listed = ids.tolist() if hasattr(ids, "tolist") else list(ids)
        return "".join(self.pieces[int(i)] for i in listed)

    def batch_decode(self, many: Any, **_: Any) -> list[str]:
        """Every row decoded."""
        return [self.decode(ids) for ids in many]


class Batch:
    """What a manager reads of a `DataProto`, or of one item of it."""

    def __init__(self, batch: dict[str, Any], others: dict[str, Any], n: int) -> None:
        self.batch, self.non_tensor_batch, self.meta_info, self._n = batch, others, {}, n

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, i: int) -> Batch:
        if not -self._n <= i < self._n:
            raise IndexError(i)
        one = {k: v[i] for k, v in self.batch.items()}
        return Batch(one, {k: v[i] for k, v in self.non_tensor_batch.items()}, 1)

    def __iter__(self) -> Iterator[Batch]:
        return (self[i] for i in range(self._n))


class Config(dict[str, Any]):
    """A configuration in which nothing is set: every key is one more of these."""

    def __getattr__(self, name: str) -> Config:
        if name.startswith("__"):
            raise AttributeError(name)
        return Config()


def entry(thing: Any) -> Any:
    """What verl calls: `run_single` of a reward loop's manager, else the object itself."""
    return getattr(thing, LOOP, thing)


def is_manager(thing: Any) -> bool:
    """A class or object that has a tokenizer and is called with `data`, as verl's managers are.

    Those of verl's reward loop are called by their coroutine `run_single`, with a batch of one.
    """
    if inspect.isroutine(thing):
        return False
    owner = thing if inspect.isclass(thing) else type(thing)
    call = getattr(owner, LOOP, getattr(owner, "__call__", None))  # noqa: B004
    if not inspect.isfunction(call):
        return False
    names = [*inspect.signature(call).parameters][1:]
    makes = inspect.signature(owner.__init__).parameters
    decodes = "tokenizer" in makes or hasattr(thing, "tokenizer")
    return decodes and names[:1] == ["data"] and {*names[1:]} <= {"return_dict"}


def made(manager: Any, places: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """An object of a manager's class, with stand-ins for what isn't given."""
    parameters = inspect.signature(manager).parameters
    rest = [n for n in [*parameters][len(places) :] if n not in named]
    ours = {"tokenizer": Tokenizer(), "num_examine": 0, "config": Config()}
    return manager(*places, **named, **{n: ours[n] for n in rest if n in ours})


def call(
    manager: Callable[..., Any],
    rows: Sequence[Row],
    others: Callable[[Row], dict[str, Any]],
    wait: Callable[[list[Any]], list[Any]],
) -> list[float]:
    """One value per row: the sum over its tokens of what the manager wrote, or its reward_score.

    others : verl's columns of a row (data_source, reward_model, extra_info)
    wait : runs the coroutines of a reward loop's manager together
    """
    tokenizer = Tokenizer()
    worker: Any = copy.copy(manager)
    if hasattr(worker, "tokenizer"):
        worker.tokenizer = tokenizer
    if hasattr(worker, LOOP):
        jobs = [worker.run_single(_batch([row], others, tokenizer)) for row in rows]
        return [float(out["reward_score"]) for out in wait(jobs)]
    out = worker(_batch(rows, others, tokenizer))
    out = out["reward_tensor"] if isinstance(out, Mapping) else out
    return [float(row.sum()) for row in out]


def _batch(
    rows: Sequence[Row], others: Callable[[Row], dict[str, Any]], tokenizer: Tokenizer
) -> Batch:
    import torch

    asked = [tokenizer.encode(row["prompt"]) for row in rows]
    said = [tokenizer.encode(row["completion"], row["tokens"]) for row in rows]
    left, right = max(map(len, asked)), max(map(len, said))
    ids = [
        [0] * (left - len(a)) + a + s + [0] * (right - len(s))
        for a, s in zip(asked, said, strict=True)
    ]
    mask = [
        [0] * (left - len(a)) + [1] * (len(a) + len(s)) + [0] * (right - len(s))
        for a, s in zip(asked, said, strict=True)
    ]
    whole, seen = torch.tensor(ids), torch.tensor(mask)
    batch = {
        "input_ids": whole,
        "attention_mask": seen,
        "prompts": whole[:, :left],
        "responses": whole[:, left:],
        "response_mask": seen[:, left:],
    }
    columns = [others(row) for row in rows]
    names = dict.fromkeys(n for one in columns for n in one)
    return Batch(batch, {n: [one.get(n) for one in columns] for n in names}, len(rows))
