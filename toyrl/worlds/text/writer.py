"""One sentence an action: the running value, its errors and repairs, and what pads the text."""

from __future__ import annotations

import random
from collections.abc import Sequence

from toyrl.worlds.text.dialects import step_text
from toyrl.worlds.text.problems import Problem, evaluate
from toyrl.worlds.text.prose import FILLERS, PHRASES, SENTENCES, count_tokens, padding

STEP_FLAGS = ("", "fail", "slip", "fail+slip")
FLAGS = (*STEP_FLAGS, "repair")
VARIANTS = 6  # paddings of each size


class Writer:
    """Running value, progress and error of one trajectory, one sentence per action."""

    def __init__(self, problem: Problem, rng: random.Random) -> None:
        self.problem, self.rng = problem, rng
        self.m, self.value = 0, problem.values[0]
        self.done: list[str] = []

    @property
    def solved(self) -> bool:
        """Finished, and the running value is right."""
        return self.m == self.problem.difficulty and self.value == self.problem.gold

    def wrong(self, right: int) -> int:
        """A number near the right one, never equal."""
        return right + self.rng.choice((-3, -2, -1, 1, 2, 3, 10))

    def write(self, action: str, flag: str) -> str:
        """The sentence of an action that isn't ANSWER; updates the state."""
        if action == "STEP":
            return self._step(flag)
        if action == "FILL":
            return self.rng.choice(FILLERS)
        if action == "CHECK":
            return self._check(flag)
        if action == "REPEAT":
            if not self.done:
                return "Again, step zero: nothing is done yet."
            return "Again, step" + self.rng.choice(self.done)[4:]
        return "The reasoning ends here."

    def _step(self, flag: str) -> str:
        p, i = self.problem, self.m
        slip = flag.endswith("slip")
        if i == p.difficulty:
            if slip:
                self.value = self.wrong(p.gold)
            return f"Step {i} was the last one, so it stays {self.value}."
        if flag.startswith("fail"):
            if slip:
                self.value = self.wrong(p.values[i])
                return f"Trying step {i + 1}: it should act on {self.value}, not yet clear."
            return f"Trying step {i + 1}: this does not work out, leave it."
        word, operand = p.operations[i]
        new = self.wrong(p.values[i + 1]) if slip else evaluate(word, self.value, operand)
        sentence = step_text(p, i, self.value, new)
        self.done.append(sentence)
        self.m, self.value = i + 1, new
        return sentence

    def _check(self, flag: str) -> str:
        right = self.problem.values[self.m]
        where = f"step {self.m}" if self.m else "the start"
        if flag == "repair" and self.value != right:
            old, self.value = self.value, right
            return f"Checking {where}: it is {right} and not {old}."
        return f"Checking {where}: {self.value} looks right."


def check_actions(actions: Sequence[str], truncated: bool, flags: Sequence[str] | None) -> None:
    """Refuse what is no trajectory.

    Raises ValueError for unknown actions, ANSWER in another place than the end, actions after the
    end of thinking, and flags that are none or too many.
    """
    body = actions if truncated else actions[:-1]
    unknown = [a for a in body if a not in SENTENCES]
    if unknown or (not truncated and (not actions or actions[-1] != "ANSWER")):
        msg = (
            f"actions={tuple(actions)} with truncated={truncated}: ANSWER ends a rollout that is "
            f"not truncated and stands nowhere else; the others are {', '.join(SENTENCES)}"
        )
        raise ValueError(msg)
    if "END_THINK" in body and set(body[list(body).index("END_THINK") + 1 :]) - {"FILL"}:
        msg = f"actions={tuple(actions)}: after END_THINK only FILL and ANSWER are allowed"
        raise ValueError(msg)
    if flags is not None and (len(flags) != len(actions) or set(flags) - set(FLAGS)):
        msg = f"flags={tuple(flags)} must be one of {FLAGS} for each of {len(actions)} actions"
        raise ValueError(msg)


def sentences(
    writer: Writer,
    body: Sequence[str],
    flags: Sequence[str] | None,
    phrases: int,
    size: float,
) -> list[str]:
    """One padded sentence per action; the texts' sizes add up to `size` tokens per action."""
    out, written = [], 0
    rng = writer.rng
    where = [i % len(body) for i in range(phrases)] if body else []
    for i, action in enumerate(body):
        sentence = writer.write(action, flags[i] if flags is not None else "")
        for k in range(where.count(i)):
            sentence += " " + PHRASES[(i + k) % len(PHRASES)]
        written += count_tokens(sentence)
        missing = round((i + 1) * size) - written
        if missing > 1:
            sentence += padding(missing, int(rng.random() * VARIANTS))
            written += missing
        out.append(sentence)
    return out


def answer_of(writer: Writer, correct: bool) -> int:
    """The number that is answered: the running value where it is wrong, else one beside gold."""
    gold = writer.problem.gold
    if correct:
        return gold
    return writer.value if writer.value != gold else writer.wrong(gold)
