"""Multiple choice: a question, its options, and the letter of the right one."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from string import ascii_uppercase
from typing import Any

from toyrl.messages import shortened
from toyrl.worlds.text.tasks.base import GOLD, Asked, Made, Said, TaskError, gold

LETTERS = "ABCD"
N = 24
ONE = "refuse completions that mark more than one letter"
WHOLE = "compare the whole marked answer with the letter"
MARKED = "read the marked answer alone"
GATE = "pay format and style only where the answer is right"
WORDS = {"A": "All of them", "B": "Both of them", "C": "Cannot be said", "D": "Don't know"}
LAYOUTS = ("tag", "boxed", "prose", "Answer: {}", "{none}{}")
OPTIONS = ("choices", "options")
SINGLE = ("opa", "opb", "opc", "opd")
KEYS = ("answerKey", "answer_key", "answer_idx", "answer_index", "cop", *GOLD)
"""Columns that may say which option is right, those that say nothing else first."""
QUESTIONS = ("question", "question_stem", "prompt", "problem")
WORK = ("We look at one option after another.", "The others don't hold.")


def _numbers(rng: random.Random, i: int) -> tuple[str, int, list[int]]:
    """Question, right option and three wrong ones."""
    if i % 3 == 0:
        base = rng.randrange(30, 80)
        wrong = [base - k for k in rng.sample(range(2, 20), 3)]
        return "Which of these numbers is the largest?", base, wrong
    if i % 3 == 1:
        by = rng.choice((7, 9, 11))
        right = by * rng.randrange(3, 9)
        wrong = rng.sample([n for n in range(20, 99) if n % by], 3)
        return f"Which of these numbers can be divided by {by}?", right, wrong
    right = rng.randrange(3, 9) ** 2
    wrong = rng.sample([n for n in range(10, 80) if n**0.5 % 1], 3)
    return "Which of these numbers is a square?", right, wrong


@lru_cache(maxsize=4)
def problems(n: int = N, seed: int = 0) -> tuple[Asked, ...]:
    """n questions whose right letters go round.

    columns : the letter under every usual name; `choices` and `options`, the texts of the four;
    `answer_index`, 0..3; `question`
    """
    out = []
    for i in range(n):
        rng = random.Random(1009 * seed + i)
        question, right, wrong = _numbers(rng, i)
        at = i % len(LETTERS)
        options = [str(x) for x in (*wrong[:at], right, *wrong[at:])]
        columns = {
            **gold(LETTERS[at]),
            "question": question,
            "choices": options,
            "options": options,
            "answer_index": at,
        }
        out.append(_asked(question, LETTERS, options, at, columns))
    return tuple(out)


def _asked(
    question: str,
    labels: Sequence[str],
    options: Sequence[str],
    at: int,
    columns: Mapping[str, Any],
    prompt: str = "",
) -> Asked:
    """A problem; at : which option is right; prompt : "": made of question and options."""
    listed = "\n".join(f"{k}) {x}" for k, x in zip(labels, options, strict=True))
    facts = {"labels": tuple(labels), "options": tuple(options), "at": at, "listed": listed}
    return Asked(prompt or f"{question}\n{listed}\nAnswer with the letter.", columns, WORK, facts)


# -- data rows -------------------------------------------------------------------------------------
def of_rows(rows: Sequence[Mapping[str, Any]]) -> Made:
    """Multiple choice on a user's questions; each row is handed to the reward as it is.

    Options are a list, a mapping of letters, {"text", "label"} (as in ARC) or the columns opa to
    opd; what is right is a label, its text, or its place from 0.

    Raises TaskError with the row where options or the right one can't be read.
    """
    made = []
    for i, row in enumerate(rows):
        try:
            labels, options = options_of(row)
            at = right_of(row, labels, options)
        except TaskError as error:
            msg = f"data row {i}: {error}"
            raise TaskError(msg) from error
        question = next((row[k] for k in QUESTIONS if isinstance(row.get(k), str)), "")
        prompt = row.get("prompt")
        known = prompt if isinstance(prompt, str) else ""
        made.append(_asked(question, labels, options, at, dict(row), known))
    return Made("choice", LAYOUTS, tuple(made), right, wrong, holds)


def options_of(row: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """(labels, texts) of a row's options. Raises TaskError where there are none or too many."""
    given = next((row[k] for k in OPTIONS if row.get(k) is not None), None)
    if given is None and all(k in row for k in SINGLE):
        given = [row[k] for k in SINGLE]
    labels: Any = []
    texts: Any = given
    if isinstance(given, Mapping) and {"text", "label"} <= set(given):
        labels, texts = given["label"], given["text"]
    elif isinstance(given, Mapping):
        labels, texts = list(given), list(given.values())
    labels, texts = (x.tolist() if hasattr(x, "tolist") else x for x in (labels, texts))
    listed = isinstance(texts, list | tuple) and isinstance(labels, list | tuple)
    labels = labels or list(ascii_uppercase[: len(texts)] if listed else "")
    if not listed or not 2 <= len(texts) <= 26 or len(labels) != len(texts):
        msg = (
            f"choices={shortened(given)} are no options; give a list of 2 to 26 texts, a mapping "
            'of letters to texts, or {"text": [...], "label": [...]}'
        )
        raise TaskError(msg)
    return [str(x) for x in labels], [str(x) for x in texts]


def right_of(row: Mapping[str, Any], labels: Sequence[str], options: Sequence[str]) -> int:
    """Place of the right option, from 0: told by its label, its text, or its place.

    Raises TaskError where no column tells it.
    """
    there = [k for k in KEYS if row.get(k) is not None]
    for key in there:
        value = row[key]
        if isinstance(value, str) and value.strip() in labels:
            return list(labels).index(value.strip())
        if isinstance(value, str) and value in options:
            return list(options).index(value)
        if isinstance(value, bool):
            said = [i for i, x in enumerate(options) if x.lower() == str(value).lower()]
            if len(said) == 1:
                return said[0]
        elif isinstance(value, int):
            if str(value) in labels and labels[0] != "0":
                return list(labels).index(str(value))
            if 0 <= value < len(options):
                return value
    said = f"{there[0]}={shortened(row[there[0]])} is none of its options" if there else (
        f"no column says which option is right ({', '.join(KEYS[:6])})"
    )  # fmt: skip
    msg = f"{said}; give the label, the text, or the place from 0"
    raise TaskError(msg)


def check_row(row: Mapping[str, Any]) -> None:
    """TaskError for options that can't be read, where a row has any."""
    if any(row.get(k) is not None for k in OPTIONS):
        options_of(row)


# -- answers ---------------------------------------------------------------------------------------
def holds(asked: Asked, text: str) -> bool:
    """Whether this is the right label, and nothing else but its own option's text."""
    label = asked.facts["labels"][asked.facts["at"]]
    option = asked.facts["options"][asked.facts["at"]]
    alone = rf"[\s*(]*(?:option\s+)?{re.escape(label)}[\s).:*]*(?:{re.escape(option)})?\W*"
    return re.fullmatch(alone, text, re.IGNORECASE) is not None


def right(asked: Asked) -> list[Said]:
    """The letter, and how else it is written."""
    label = asked.facts["labels"][asked.facts["at"]]
    text = asked.facts["options"][asked.facts["at"]]
    small = [Said(label.lower(), "small-letter", fix="compare letters without their case")]
    return [
        Said(label),
        *(small if label.lower() != label else []),
        Said(f"({label})", "in-brackets", fix="take brackets and points off"),
        Said(f"{label})", "with-a-bracket", fix="take brackets and points off"),
        Said(f"{label}.", "with-a-point", fix="take brackets and points off"),
        Said(f"**{label}**", "bold", fix="take markup off"),
        Said(f"{label}) {text}", "letter-and-text", fix="read the letter before the text"),
        Said(f"Option {label}", "with-a-word", fix="take the word off, or ask for the letter"),
        Said(f" {label} ", "spaces", fix="strip white space"),
    ]


def wrong(asked: Asked) -> list[Said]:
    """Two other letters, and what a policy may find in place of the right one."""
    labels, at = asked.facts["labels"], asked.facts["at"]
    label, text, listed = labels[at], asked.facts["options"][at], asked.facts["listed"]
    n = len(labels)
    first, last = labels[(at + 1) % n], labels[at - 1]
    second = labels[(at + 2) % n] if n > 2 else first
    others = ", ".join(x for x in labels if x != label)
    word = [Said(WORDS[label], "word-of-the-letter", "a word that begins with the letter",
                 fix=WHOLE)] if label in WORDS else []  # fmt: skip
    known = {x.upper() for x in labels}
    none = next(x for x in (*ascii_uppercase, "0") if x not in known)
    said = [
        Said(first),
        *([Said(last)] if last != first else []),
        Said(", ".join(labels), "all-letters", "all letters are listed", free=True, fix=ONE),
        Said("".join(labels), "letters-in-a-row", "all letters in one word", free=True, fix=ONE),
        Said(f"{label} or {first}", "two-letters", "the right letter or another one", fix=ONE),
        Said(f"{first}, not {label}", "denied", "the right letter is denied", fix=WHOLE),
        *([Said(others, "all-but-right", "all letters but the right one", fix=ONE)] * (n > 2)),
        *word,
        Said(f"{second}) {text}", "text-of-right", "another letter with the right option's text",
             fix="compare letter and text, not one of them anywhere"),
        Said(first, "mentioned", "the right letter is weighed, another one answered",
             work=f"It could be ({label}) {text}, the answer is {label} perhaps. It is not.",
             fix=MARKED),
        Said(second, "denied-behind", "another letter, and the right one named behind it",
             after=f"I also thought of {label}) {text}.", fix=MARKED),
        Said(listed, "options-echoed", "the options again, without an answer", bare=True,
             free=True, fix=MARKED),
        Said(none, "no-such-letter", "a letter that no option has", free=True, fix=WHOLE),
        Said("None of the above", "none-of-them", "none of the options", free=True, fix=WHOLE),
        Said("", "blank", "a mark without an answer", free=True, fix="refuse an empty answer"),
        Said("", "empty", "nothing at all", bare=True, free=True, fix=GATE),
        Said(asked.prompt, "prompt-echoed", "the prompt again", bare=True, free=True, fix=MARKED),
        Said("We look at one option after another.", "no-answer", "reasoning without an answer",
             bare=True, free=True, fix=GATE),
    ]  # fmt: skip
    return [x for x in said if x.text != text or x.bare]  # an option may say what a mutant says


CHOICE = Made("choice", LAYOUTS, problems(), right, wrong, holds)
