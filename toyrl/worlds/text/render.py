"""The chain as text: arithmetic steps, padding, repeats and an answer, at real length.

Every action writes one sentence with its own opening, then neutral padding up to its tokens. What
is rendered parses back (`parse`) to outcome and numbers of actions. Answers in five dialects, or
in a layout of one's own (`toyrl.worlds.text.dialects`):

    tag          <think> ... </think> <answer>9</answer>
    boxed        ... So the result is \\boxed{9}.
    think_boxed  <think> ... </think> So the result is \\boxed{9}.
    gsm8k        ... #### 9
    prose        ... The answer is 9.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from toyrl.graders.base import TextRow
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.text.dialects import (
    DIALECTS,
    Dialect,
    answers,
    columns,
    compose,
    dialect_of,
    mark,
    thinks,
)
from toyrl.worlds.text.problems import Problem, make_problem
from toyrl.worlds.text.prose import SENTENCES, count_tokens, padding
from toyrl.worlds.text.writer import (
    STEP_FLAGS,
    VARIANTS,
    Writer,
    answer_of,
    check_actions,
    sentences,
)

__all__ = [
    "DIALECTS",
    "STEP_FLAGS",
    "Parsed",
    "Problem",
    "RenderedRow",
    "answers",
    "base_rows",
    "class_rows",
    "columns",
    "compose",
    "make_problem",
    "mark",
    "parse",
    "render",
]

PLAIN = re.compile(r"\bI get ([^\n]*?)\.\s*$")
OPENINGS = re.compile("|".join(f"(?P<{name}>\\b(?:{text}))" for name, text in SENTENCES.items()))
GUESS = "I am not sure, so this is a guess."
SURE = "That settles it."
MARK_TOKENS = 6  # of an answer with its marks, about
DIFFICULTIES = (2, 3, 4, 5, 6, 7, 8)  # of base rows
ACTIONS_AT_LIMIT = 40  # H of the class template
SPREAD = 0.35  # standard deviation of log length among base rows
CUT_SHARE = 12  # one base row in so many is truncated
ODDS = {"FILL": 5, "STEP": 3, "CHECK": 1, "REPEAT": 1}  # of what fills a trajectory; failed steps


@dataclass(frozen=True)
class RenderedRow:
    """One rendered rollout.

    row : the text with its gold columns and declared length
    work : the reasoning alone, without tags and without the answer
    limit : the run's completion limit in tokens, 0 where it isn't known
    """

    row: TextRow
    correct: bool
    truncated: bool
    actions: tuple[str, ...]
    dialect: str
    problem: Problem
    work: str = ""
    limit: int = 0


@dataclass(frozen=True)
class Parsed:
    """What a text says.

    counts : sentences of each action (ANSWER included)
    problem : why the text is not one of ours, or ""
    """

    correct: bool
    truncated: bool
    counts: dict[str, int]
    problem: str = ""


# -- a trajectory -------------------------------------------------------------------------------
def render(
    problem: Problem,
    actions: Sequence[str],
    *,
    dialect: str | Dialect,
    correct: bool,
    truncated: bool = False,
    flags: Sequence[str] | None = None,
    seed: int = 0,
    phrases: int = 0,
    keep_format: bool = True,
    tokens: int = 0,
    tokens_per_action: float = 12.0,
    answer: int | None = None,
) -> RenderedRow:
    """Write a trajectory as a completion.

    actions : names of `toyrl.worlds.chain.model.ACTIONS`, ANSWER last unless truncated
    flags : for each action "" (a STEP makes progress), "fail" (it doesn't), "slip" (it makes an
        error, carried on), "fail+slip", or "repair" (a CHECK clears the error)
    correct : whether the answer is right; a right one without the work is a guess that says so
    truncated : no answer, and the last sentence is cut; correct must be False
    phrases : stock phrases of reflection spread over the text
    keep_format : False leaves out the dialect's marks ("I get 9.")
    tokens : declared length, the end token included; 0: len(actions) * tokens_per_action
    answer : what a wrong one answers; None: what its work comes to

    Raises ValueError for a truncated rollout called right, for a wrong answer that is the right
    one, and for actions that don't fit the problem.
    """
    layout = dialect_of(dialect)
    check_actions(actions, truncated, flags)
    if truncated and correct:
        msg = "correct=True with truncated=True: a truncated rollout has no answer"
        raise ValueError(msg)
    if answer == problem.gold and not correct:
        msg = f"answer={answer} is the right one with correct=False; give another number, or None"
        raise ValueError(msg)
    rng = random.Random(seed)
    writer = Writer(problem, rng)
    body = actions if truncated else actions[:-1]
    parts = sentences(writer, body, flags, phrases, tokens_per_action)
    split = body.index("END_THINK") + 1 if "END_THINK" in body else len(parts)
    marked = ""
    if truncated:
        parts[-1:] = [_cut(parts[-1])] if parts else []
    else:
        said = GUESS if correct and not writer.solved else SURE
        short = round(tokens_per_action) - count_tokens(said) - MARK_TOKENS
        parts.insert(split, said + padding(short, rng.randrange(VARIANTS)))
        split += 1
        value = answer_of(writer, correct) if answer is None or correct else answer
        marked = mark(layout, value) if keep_format else f"I get {value}."
    work, after = "\n".join(parts[:split]), "\n".join(parts[split:])
    text = compose(layout, work, marked, after=after, tags=keep_format)
    if truncated and layout.closing and keep_format and "END_THINK" not in body:
        text = text[: -len(layout.closing)]
    declared = tokens or max(1, round(len(actions) * tokens_per_action))
    row = TextRow(problem.prompt, text, columns(problem, layout), declared, truncated, written=True)
    return RenderedRow(row, correct, truncated, tuple(actions), layout.name, problem, work)


def _cut(sentence: str) -> str:
    """The beginning of a sentence, its opening kept."""
    start = OPENINGS.match(sentence)
    least = start.end() if start else 1
    return sentence[: max(least, 2 * len(sentence) // 3)].rstrip()


# -- reading back --------------------------------------------------------------------------------
def parse(text: str, dialect: str | Dialect, problem: Problem) -> Parsed:
    """Outcome and actions of a text; the last marked answer counts.

    In the dialects with tags an answer inside <think> isn't one. A text that marks no answer is
    called truncated; one without the mark but ending in "I get 9." answered in a broken format.
    """
    counts = dict.fromkeys((*SENTENCES, "ANSWER"), 0)
    for found in OPENINGS.finditer(text):
        counts[str(found.lastgroup)] += 1
    marked = given(text, dialect)
    counts["ANSWER"] = len(marked)
    trouble = ""
    if len(marked) > 1:
        trouble = f"{len(marked)} answers are marked"
    elif not any(counts.values()):
        trouble = "no sentence of a rendered chain and no marked answer"
    right = bool(marked) and marked[-1] == problem.answer
    return Parsed(right, not marked, counts, trouble)


def given(text: str, dialect: str | Dialect) -> list[str]:
    """Every answer that `parse` reads in a text, in order."""
    final = text
    layout = dialect_of(dialect)
    if thinks(layout) and layout.opening.strip() in text:
        end = layout.closing.strip()
        final = text.rpartition(end)[2] if end in text else ""
    marked = answers(final, dialect)
    if not marked and (plain := PLAIN.search(text)):
        marked = [plain.group(1)]
    return marked


# -- sets of rows --------------------------------------------------------------------------------
def base_rows(
    dialect: str | Dialect,
    n: int,
    seed: int,
    *,
    typical_tokens: float = 150,
    max_tokens: float = 512,
) -> list[RenderedRow]:
    """n rows of known truth: right and wrong by turns, pairs on one prompt and of equal length.

    Difficulties 2..8; lengths in tokens spread around `typical_tokens`, at most `max_tokens`; one
    row in 12 is truncated and wrong.

    Raises ValueError for counts or lengths that are not above 0.
    """
    if min(n, typical_tokens, max_tokens) <= 0:
        msg = f"n={n}, typical_tokens={typical_tokens}, max_tokens={max_tokens} must be positive"
        raise ValueError(msg)
    return _with_columns(_base_rows(dialect_of(dialect), n, seed, typical_tokens, max_tokens))


@lru_cache(maxsize=64)
def _base_rows(
    layout: Dialect, n: int, seed: int, typical_tokens: float, max_tokens: float
) -> tuple[RenderedRow, ...]:
    rng = random.Random(seed)
    size = max_tokens / ACTIONS_AT_LIMIT
    pairs = (n - n // CUT_SHARE) // 2
    out: list[RenderedRow] = []
    for i in range(n - pairs):
        d = DIFFICULTIES[i % len(DIFFICULTIES)]
        problem = make_problem(d, 1000 * seed + i)
        length = round(typical_tokens / size * rng.lognormvariate(0.0, SPREAD))
        length = min(max(length, d + 1), ACTIONS_AT_LIMIT)
        cut = i >= pairs
        length = ACTIONS_AT_LIMIT if cut else length
        for correct in (False,) if cut else (True, False):
            actions, flags = _trajectory(("STEP", "FILL", "ANSWER"), d, correct, length, cut, rng)
            made = render(
                problem,
                actions,
                dialect=layout,
                correct=correct,
                truncated=cut,
                flags=flags,
                seed=rng.getrandbits(30),
                tokens_per_action=size,
            )
            out.append(replace(made, limit=int(max_tokens)))
    return tuple(out)


def class_rows(
    chain: Chain,
    difficulty: int,
    dialect: str | Dialect,
    *,
    correct: bool,
    length_actions: int,
    truncated: bool = False,
    renderings: int = 3,
    seed: int = 0,
    keep_format: bool = True,
    problem: Problem | None = None,
) -> list[RenderedRow]:
    """Texts of one outcome class, each on a prompt of its own, by plausible trajectories.

    keep_format : False leaves out the dialect's marks, so that no answer is found
    problem : the prompt of them all, of this difficulty, in place of one each

    Right answers have all steps where the length allows (else they are guesses); wrong ones have
    an error or miss steps; the rest is filled with failed steps, FILL and what the chain knows.
    """
    key = (chain.actions, chain.tokens_per_action, difficulty, dialect_of(dialect), correct)
    return _with_columns(
        _class_rows(*key, length_actions, truncated, renderings, seed, keep_format, problem)
    )


@lru_cache(maxsize=1024)
def _class_rows(
    vocabulary: tuple[str, ...],
    tokens: float,
    difficulty: int,
    layout: Dialect,
    correct: bool,
    length: int,
    truncated: bool,
    renderings: int,
    seed: int,
    keep_format: bool,
    problem: Problem | None,
) -> tuple[RenderedRow, ...]:
    out = []
    for k in range(renderings):
        rng = random.Random(7919 * seed + 31 * k + difficulty)
        actions, flags = _trajectory(vocabulary, difficulty, correct, length, truncated, rng)
        out.append(
            render(
                make_problem(difficulty, seed + k) if problem is None else problem,
                actions,
                dialect=layout,
                correct=correct,
                truncated=truncated,
                flags=flags,
                seed=rng.getrandbits(30),
                keep_format=keep_format,
                tokens_per_action=tokens,
            )
        )
    return tuple(out)


def _with_columns(rows: Sequence[RenderedRow]) -> list[RenderedRow]:
    """Rows that are kept for the next who asks, with columns that a reward may change."""
    return [replace(x, row=replace(x.row, columns=dict(x.row.columns))) for x in rows]


def _trajectory(
    vocabulary: Sequence[str],
    difficulty: int,
    correct: bool,
    length: int,
    truncated: bool,
    rng: random.Random,
) -> tuple[list[str], list[str]]:
    """Actions and flags of a rollout of this class, `length` actions long."""
    ends = ["END_THINK"] if "END_THINK" in vocabulary and length > 1 and not truncated else []
    ends += [] if truncated else ["ANSWER"]
    room = length - len(ends)
    steps = min(difficulty, room)
    slip = -1
    if not correct and steps:
        if steps < difficulty or rng.random() < 0.5:
            slip = rng.randrange(steps)
        else:
            steps = rng.randrange(max(1, steps - 2), steps) if steps > 1 else 0
    filled = set(rng.sample(range(room), room - steps))
    pool = [name for name, odds in ODDS.items() if name in vocabulary for _ in range(odds)]
    actions, flags, done = [], [], 0
    for i in range(room):
        action = rng.choice(pool) if i in filled else "STEP"
        flag = "fail" if i in filled and action == "STEP" else ""
        if i not in filled:
            flag = "slip" if done == slip else ""
            done += 1
        elif action == "REPEAT" and not done:
            action = "FILL"
        actions.append(action)
        flags.append(flag)
    return actions + ends, flags + [""] * len(ends)
