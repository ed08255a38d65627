"""What a run is trained on: small tasks of our own, one of reasoning-gym, rows of a JSONL file.

    shorthand            the chain in a few characters, for `tiny`
    brackets, edits      closing brackets, and a text changed by edits, likewise
    traces:addition      addition digit by digit, each step with its operands, likewise
    chain                the chain as English prose, for models that read English
    gym:NAME             a task of reasoning-gym; an answer counts if its score is 1.0
    choice, tools, ...   tasks of `toyrl validate --task`, on rows of yours: choice:rows.jsonl
    file.py:NAME         a task of your own, likewise
    rows.jsonl           a prompt column and a gold column

Options follow a colon: shorthand:easy=2,hard=5,share=0.5 and gym:chain_sum:max_terms=3. Training
and held-out problems never share a seed; the held-out ones are the same for every seed of a run.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from toyrl.bridge.models.sampling import QUESTION, framed
from toyrl.extras import install
from toyrl.graders.answers import gold_answer, is_correct, marked_answer
from toyrl.graders.base import TextRow
from toyrl.messages import shortened
from toyrl.serving import text_of
from toyrl.worlds.behaviour.own_texts import USUAL, Reading
from toyrl.worlds.text import habits, script
from toyrl.worlds.text.problems import make_problem
from toyrl.worlds.text.scripts import SCRIPTS
from toyrl.worlds.text.tasks.find import FILE, KNOWN

HELD_OUT = 5_000_000
"""Distance of held-out seeds from those of training, more than any run draws."""
TAGGED = "{prompt}\nThink briefly, then give the final answer as <answer>...</answer>.\n"
HELD_OUT_SHARE = 5  # one JSONL prompt in so many is held out


class TaskError(ValueError):
    """The task is unknown or can't be used; one message with the way out."""


@dataclass(frozen=True)
class Task:
    """Prompts with gold columns, and what right means.

    train, held_out : rows with `prompt`, gold columns, and `difficulty` where it is known
    correct : row -> 1.0 or 0.0
    solve : row -> a right completion for a warm-up, or None where none can be written
    chain : whether texts are shorthand, which the toy is calibrated on action by action
    dialect : how answers are marked (`toyrl.worlds.text.dialects`)
    reading : how answers are read in its texts
    texts : the task of `toyrl.worlds.text.tasks` that writes its texts, where there is one
    """

    name: str
    train: list[dict[str, Any]]
    held_out: list[dict[str, Any]]
    correct: Callable[[TextRow], float] = is_correct
    solve: Callable[[Mapping[str, Any], random.Random], str] | None = None
    chain: bool = False
    dialect: str = "prose"
    about: dict[str, Any] = field(default_factory=dict)
    reading: Reading = USUAL
    texts: Any = None


def load_task(text: str, *, prompts: int = 512, held_out: int = 64, seed: int = 0) -> Task:
    """The task that `text` names; see the module for the forms.

    prompts, held_out : problems of training (repeated if a run needs more) and of evaluation
    Raises TaskError for an unknown name or option.
    """
    path = Path(text)
    name, _, rest = text.partition(":")
    if name in KNOWN or FILE.match(text):
        from toyrl.bridge.text_tasks import load

        return load(name, rest, prompts=prompts, held_out=held_out, seed=seed)
    if path.suffix in (".jsonl", ".json"):
        return _rows(path, prompts, held_out, seed)
    if name == "gym":
        kind, _, options = rest.partition(":")
        return _gym(kind, options_of(text, options), prompts, held_out, seed)
    sub, _, options = rest.partition(":")
    if f"{name}:{sub}" in SCRIPTS:
        return _graded(f"{name}:{sub}", options_of(text, options), prompts, held_out, seed)
    if name == "chain" or name in SCRIPTS:
        return _graded(name, options_of(text, rest), prompts, held_out, seed)
    own = ", ".join((*SCRIPTS, "chain", *KNOWN))
    msg = f"task={shortened(text)} is unknown; use {own}, gym:NAME, file.py:NAME or a .jsonl file"
    raise TaskError(msg)


def options_of(text: str, rest: str) -> dict[str, Any]:
    """Options written as a=1,b=2. Raises TaskError for a part that is none."""
    out: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            msg = f"task={shortened(text)}: {shortened(part)} is no option such as max_terms=3"
            raise TaskError(msg)
        try:
            out[key.strip()] = json.loads(value)
        except ValueError:
            out[key.strip()] = value
    return out


# -- tasks of known difficulty -------------------------------------------------------------------
def _graded(kind: str, options: dict[str, Any], n: int, held: int, seed: int) -> Task:
    allowed = {"easy": 2, "hard": 5, "share": 0.5}
    unknown = set(options) - set(allowed)
    if unknown:
        msg = f"task {shortened(kind)} has no option {min(unknown)!r}; it has {', '.join(allowed)}"
        raise TaskError(msg)
    o = {**allowed, **options}
    if not (1 <= o["easy"] < o["hard"] <= 8 and 0 < o["share"] < 1):
        msg = f"task {shortened(kind)}: needs 1 <= easy < hard <= 8 and 0 < share < 1, has {o}"
        raise TaskError(msg)
    short = SCRIPTS.get(kind)

    def row(i: int, start: int) -> dict[str, Any]:
        # Low-discrepancy turns keep the share of easy prompts exact in every stretch of rows.
        easy = int((i + 1) * o["share"]) > int(i * o["share"])
        difficulty = o["easy"] if easy else o["hard"]
        if short is None:
            problem = make_problem(difficulty, start + i)
            asked = framed(problem.prompt, "prose")
        else:
            problem = short.make(difficulty, start + i)
            asked = short.prompt(problem)
        return {"prompt": asked, "answer": problem.answer, "difficulty": problem.difficulty}

    first = seed * 10_000
    return Task(
        f"{kind}:easy={o['easy']},hard={o['hard']},share={o['share']}",
        [row(i, first) for i in range(n)],
        [row(i, HELD_OUT) for i in range(held)],
        solve=_solve_prose if short is None else partial(_solve_short, short),
        chain=kind == "shorthand",
        dialect="prose" if short is None else script.DIALECT,
        about=dict(o),
    )


def _solve_short(short: script.Script, row: Mapping[str, Any], rng: random.Random) -> str:
    return habits.sample(short, short.problem_of(text_of(row["prompt"])), rng, habits.Habits())


def _solve_prose(row: Mapping[str, Any], rng: random.Random) -> str:
    """Steps of the operations in the prompt, some skipped at the end, then the answer."""
    import re

    from toyrl.worlds.text.problems import SYMBOLS, evaluate

    asked = text_of(row["prompt"])
    value = int(re.search(r"Start with (\d+)\.", asked)[1])  # type: ignore[index]
    lines = []
    for word, operand in re.findall(r"(Add|Subtract|Multiply by) (\d+)\.", asked):
        new = evaluate(word, value, int(operand))
        lines.append(f"{value} {SYMBOLS[word]} {operand} = {new}.")
        value = new
    if rng.random() < 0.15:
        del lines[rng.randrange(len(lines)) :]
    return "\n".join([*lines, f"The answer is {value}."])


# -- reasoning-gym -------------------------------------------------------------------------------
def _gym(kind: str, options: dict[str, Any], n: int, held: int, seed: int) -> Task:
    try:
        import reasoning_gym
    except ImportError as error:
        msg = f"task gym:{kind} needs reasoning-gym ({error}): {install('gym')}"
        raise TaskError(msg) from error
    try:
        scorer = reasoning_gym.get_score_answer_fn(kind)
        # Item i of seed s is item i-1 of seed s+1, so seed spaces are kept far apart.
        sets = [
            reasoning_gym.create_dataset(kind, size=size, seed=first, **options)
            for size, first in ((n, seed * 100_000), (held, HELD_OUT))
        ]
    except (ValueError, TypeError, AssertionError) as error:
        msg = f"task gym:{kind} can't be made ({error}); see reasoning-gym's list of tasks"
        raise TaskError(msg) from error
    rows = [
        [
            {
                "prompt": TAGGED.format(prompt=item["question"]),
                "answer": str(item["answer"]),
                "entry": json.dumps(item, default=str),
            }
            for item in items
        ]
        for items in sets
    ]

    def correct(row: TextRow) -> float:
        said = marked_answer(row.completion)
        if said is None:
            return 0.0
        # Partial credit is given to long answers that hold the right one, hence the threshold.
        return float(scorer(said, json.loads(row.columns["entry"])) >= 1.0)

    def solve(row: Mapping[str, Any], _: random.Random) -> str:
        return f"<answer>{row['answer']}</answer>"

    return Task(f"gym:{kind}", rows[0], rows[1], correct, solve, dialect="tag", about=dict(options))


# -- JSONL ---------------------------------------------------------------------------------------
def _rows(path: Path, n: int, held: int, seed: int) -> Task:
    from toyrl.rollouts.logs import LogError, read_columns

    if not path.is_file():
        msg = f"task={str(path)!r} does not exist; name a JSONL file, one JSON object per line"
        raise TaskError(msg)
    try:
        rows, _ = read_columns(path)
    except LogError as error:
        raise TaskError(str(error)) from error
    made = [_asked(path, row) for row in rows]
    kept, train = held_out_rows(made, held, seed, f"task={str(path)!r} has {len(made)} rows")
    return Task(path.name, train[:n], kept)


def held_out_rows(
    rows: Sequence[dict[str, Any]], most: int, seed: int, said: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(held-out rows, training rows): one in five, at most `most`, by a hash of prompt and seed; no
    prompt stands on both sides.

    Raises TaskError, which begins with `said`, for fewer than five rows.
    """
    made = sorted(
        rows, key=lambda row: hashlib.sha256(f"{seed} {row['prompt']}".encode()).hexdigest()
    )
    kept = min(most, len(made) // HELD_OUT_SHARE)
    if not kept:
        need = f"at least {HELD_OUT_SHARE} are needed, as one in {HELD_OUT_SHARE} is held out"
        msg = f"{said}; {need}"
        raise TaskError(msg)
    texts = {str(row["prompt"]) for row in made[:kept]}
    return made[:kept], [row for row in made[kept:] if str(row["prompt"]) not in texts]


def _asked(path: Path, row: Mapping[str, Any]) -> dict[str, Any]:
    key = next((k for k in QUESTION if k in row), None)
    if key is None:
        msg = (
            f"task={str(path)!r}: rows have no prompt (columns: {', '.join(row)}); "
            f"name one of {', '.join(QUESTION)}"
        )
        raise TaskError(msg)
    columns = {k: v for k, v in row.items() if k != key}
    try:
        gold_answer(TextRow("", "", columns))
    except KeyError as error:
        msg = f"task={str(path)!r}: {error.args[0]}"
        raise TaskError(msg) from error
    return {"prompt": row[key], **columns}


def for_model(task: Task, tokenizer: Any) -> Task:
    """The task as chat messages, if the model speaks a chat template and the prompts are text."""
    if not getattr(tokenizer, "chat_template", None):
        return task

    def chat(row: dict[str, Any]) -> dict[str, Any]:
        asked = row["prompt"]
        turns = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
        return {**row, "prompt": turns}

    return replace(
        task, train=[chat(r) for r in task.train], held_out=[chat(r) for r in task.held_out]
    )


def as_dataset(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Rows as the data set that TRL's trainer takes, each value as it was.

    A table has one type a column: mappings would be given each other's keys, filled with None. Such
    columns are kept as JSON and read again where a row is taken.
    """
    from datasets import Dataset

    kept = sorted({k for row in rows for k, v in row.items() if k != "prompt" and _nested(v)})
    table = Dataset.from_list(
        [{**row, **{k: json.dumps(row.get(k)) for k in kept}} for row in rows]
    )
    if not kept:
        return table

    def read(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return {k: [json.loads(x) for x in v] if k in kept else v for k, v in batch.items()}

    return table.with_transform(read)


def _nested(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and any(map(_nested, value)))
