"""Rollouts of a local model, written as a log that `validate --rollouts` reads.

Prompts are rows of a data set (with a gold column) or rendered chain arithmetic of known
difficulty. The log is JSONL, one rollout a line, written at once under its final name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from toyrl.bridge.models.load import ModelError, load
from toyrl.bridge.training.faults import OUT_OF_MEMORY, advice
from toyrl.files import write_file
from toyrl.graders.answers import gold_answer, is_correct
from toyrl.graders.base import TextRow
from toyrl.messages import PATH, shortened
from toyrl.rollouts.texts import ran_out
from toyrl.worlds.text.dialects import mark
from toyrl.worlds.text.problems import make_problem

PROMPTS, GROUP = 32, 8
QUESTION = ("prompt", "question", "problem")
FULL = "out of memory while sampling; lower group_size or max_completion_length"
FRAME = "{prompt}\nThink step by step and end with: {mark}\n"


def framed(prompt: str, dialect: str) -> str:
    """A prompt that asks for working and for an answer marked in that dialect."""
    return FRAME.format(prompt=prompt, mark=mark(dialect, "N"))


def sample_log(
    model: str,
    out: Path,
    *,
    rows: Sequence[Mapping[str, Any]] = (),
    prompts: int = PROMPTS,
    group_size: int = GROUP,
    max_new_tokens: int = 256,
    temperature: float = 1.0,
    seed: int = 0,
    answer_mark: str | None = None,
    correct: Callable[[TextRow], float] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Path:
    """Sample `group_size` completions of each prompt and write them to `out`.

    model : folder or hub id of a causal language model; code from the hub is never run
    rows : data rows with a prompt (text or chat messages) and a gold column; the first `prompts`
        are used. Without rows: chain arithmetic of one to eight operations
    max_new_tokens, temperature : as in the planned run
    answer_mark : how answers are marked (`toyrl.worlds.text.dialects`); None: any usual way
    correct : whether a completion is right, of rows that may have no gold column; None: its marked
        answer is the gold one

    Raises ModelError for a model that can't be loaded, KeyError for rows without gold.
    """
    import torch

    torch.manual_seed(seed)
    network, tokenizer = load(model)
    network.eval()
    lines = []
    for number, (prompt, text, columns) in enumerate(
        _asked(rows, prompts, tokenizer, seed, answer_mark, gold=correct is None)
    ):
        tell(f"sampling {model}: prompt {number + 1}")
        try:
            made = _complete(tokenizer, network, text, group_size, max_new_tokens, temperature)
        except Exception as error:
            if advice(error) != OUT_OF_MEMORY:
                raise
            msg = f"model={shortened(model, PATH)}: {FULL}"
            raise ModelError(msg) from error
        for completion, length, cut in made:
            row = TextRow(prompt, completion, columns, length, cut)
            record = {
                **columns,
                "prompt_id": str(number),
                "prompt": prompt,
                "completion": completion,
                "correct": is_correct(row, answer_mark) if correct is None else correct(row),
                "length": length,
                "truncated": cut,
            }
            lines.append(json.dumps(record, default=str))
    write_file(out, "\n".join(lines) + "\n")
    return out


def _asked(
    rows: Sequence[Mapping[str, Any]],
    n: int,
    tokenizer: Any,
    seed: int,
    answer_mark: str | None,
    *,
    gold: bool,
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(prompt as logged, text for the model, gold and other columns); gold : rows must have one."""
    if not rows:
        for i in range(n):
            problem = make_problem(1 + i % 8, seed * 10_000 + i)
            asked = framed(problem.prompt, answer_mark or "prose")
            yield asked, _as_text(asked, tokenizer), {"answer": problem.answer}
        return
    for row in rows[:n]:
        key = next((k for k in QUESTION if k in row), None)
        if key is None:
            msg = f"data rows have no prompt (columns: {', '.join(row)}); name one of {QUESTION}"
            raise ModelError(msg)
        columns = {k: v for k, v in row.items() if k != key}
        if gold:
            gold_answer(TextRow("", "", columns))
        asked = row[key]
        shown = asked if isinstance(asked, str) else "\n".join(m["content"] for m in asked)
        yield shown, _as_text(asked, tokenizer), columns


def _as_text(asked: Any, tokenizer: Any) -> str:
    if getattr(tokenizer, "chat_template", None):
        turns = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
        return tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return asked if isinstance(asked, str) else "\n".join(m["content"] for m in asked)


def _complete(
    tokenizer: Any, network: Any, text: str, n: int, limit: int, temperature: float
) -> list[tuple[str, int, bool]]:
    """(completion, tokens with the end token, ran into the limit) of n samples."""
    import torch

    given = tokenizer(text, return_tensors="pt").to(network.device)
    given.pop("token_type_ids", None)
    with torch.no_grad():
        out = network.generate(
            **given,
            do_sample=True,
            temperature=temperature,
            top_k=0,
            top_p=1.0,
            num_return_sequences=n,
            max_new_tokens=limit,
            pad_token_id=tokenizer.pad_token_id,
        )
    end, made = tokenizer.eos_token_id, []
    for ids in out[:, given["input_ids"].shape[1] :].tolist():
        kept = ids[: ids.index(end) + 1] if end in ids else ids
        cut = ran_out(len(kept), ended=end in ids, limit=limit)
        made.append((tokenizer.decode(kept, skip_special_tokens=True), len(kept), cut))
    return made
