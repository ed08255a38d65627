"""Multiple choice: a question, four options, and the letter of the right one."""

from __future__ import annotations

import random
from functools import lru_cache

from toyrl.worlds.text.tasks.base import Asked, Made, Said, gold

LETTERS = "ABCD"
N = 24
ONE = "refuse completions that mark more than one letter"
WHOLE = "compare the whole marked answer with the letter"
MARKED = "read the marked answer alone"
GATE = "pay format and style only where the answer is right"
WORDS = {"A": "All of them", "B": "Both of them", "C": "Cannot be said", "D": "Don't know"}
LAYOUTS = ("tag", "boxed", "prose", "Answer: {}", "{none}{}")


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
        listed = "\n".join(f"{k}) {x}" for k, x in zip(LETTERS, options, strict=True))
        columns = {
            **gold(LETTERS[at]),
            "question": question,
            "choices": options,
            "options": options,
            "answer_index": at,
        }
        work = ("We look at one option after another.", "The others don't hold.")
        out.append(Asked(f"{question}\n{listed}\nAnswer with the letter.", columns, work))
    return tuple(out)


def right(asked: Asked) -> list[Said]:
    """The letter, and how else it is written."""
    letter = str(asked.columns["answer"])
    text = asked.columns["choices"][LETTERS.index(letter)]
    return [
        Said(letter),
        Said(letter.lower(), "small-letter", fix="compare letters without their case"),
        Said(f"({letter})", "in-brackets", fix="take brackets and points off"),
        Said(f"{letter})", "with-a-bracket", fix="take brackets and points off"),
        Said(f"{letter}.", "with-a-point", fix="take brackets and points off"),
        Said(f"**{letter}**", "bold", fix="take markup off"),
        Said(f"{letter}) {text}", "letter-and-text", fix="read the letter before the text"),
        Said(f"Option {letter}", "with-a-word", fix="take the word off, or ask for the letter"),
        Said(f" {letter} ", "spaces", fix="strip white space"),
    ]


def wrong(asked: Asked) -> list[Said]:
    """Two other letters, and what a policy may find in place of the right one."""
    letter = str(asked.columns["answer"])
    options = asked.columns["choices"]
    at = LETTERS.index(letter)
    first, second, third = (LETTERS[(at + k) % len(LETTERS)] for k in (1, 2, 3))
    others = ", ".join(x for x in LETTERS if x != letter)
    text = options[at]
    listed = "\n".join(f"{k}) {x}" for k, x in zip(LETTERS, options, strict=True))
    return [
        Said(first),
        Said(third),
        Said("A, B, C, D", "all-letters", "all letters are listed", free=True, fix=ONE),
        Said("ABCD", "letters-in-a-row", "all letters in one word", free=True, fix=ONE),
        Said(f"{letter} or {first}", "two-letters", "the right letter or another one", fix=ONE),
        Said(f"{first}, not {letter}", "denied", "the right letter is denied", fix=WHOLE),
        Said(others, "all-but-right", "all letters but the right one", fix=ONE),
        Said(WORDS[letter], "word-of-the-letter", "a word that begins with the letter", fix=WHOLE),
        Said(f"{second}) {text}", "text-of-right", "another letter with the right option's text",
             fix="compare letter and text, not one of them anywhere"),
        Said(first, "mentioned", "the right letter is weighed, another one answered",
             work=f"It could be ({letter}) {text}, the answer is {letter} perhaps. It is not.",
             fix=MARKED),
        Said(second, "denied-behind", "another letter, and the right one named behind it",
             after=f"I also thought of {letter}) {text}.", fix=MARKED),
        Said(listed, "options-echoed", "the options again, without an answer", bare=True,
             free=True, fix=MARKED),
        Said("E", "no-such-letter", "a letter that no option has", free=True, fix=WHOLE),
        Said("None of the above", "none-of-them", "none of the options", free=True, fix=WHOLE),
        Said("", "blank", "a mark without an answer", free=True, fix="refuse an empty answer"),
        Said("", "empty", "nothing at all", bare=True, free=True, fix=GATE),
        Said(asked.prompt, "prompt-echoed", "the prompt again", bare=True, free=True, fix=MARKED),
        Said("We look at one option after another.", "no-answer", "reasoning without an answer",
             bare=True, free=True, fix=GATE),
    ]  # fmt: skip


CHOICE = Made("choice", LAYOUTS, problems(), right, wrong)
