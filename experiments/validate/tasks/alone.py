"""Texts on which a reward may hang, die or raise, graded so that the others are graded too.

A reward that runs what it is given may end or hang on an answer such as `os._exit(0)`. Risky
answers are graded each in a call of its own, after all others, and once; after them the reward's
process is a new one. What can't be graded has no value, and a finding says why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toyrl.experiments.validate.contract.hostile import DEAD
from toyrl.experiments.validate.findings import NOT_TESTED, Finding
from toyrl.experiments.validate.formats.search import RECOVERABLE
from toyrl.graders.base import TextRow
from toyrl.rewards.errors import RewardError
from toyrl.rewards.sandbox.host import Sandbox
from toyrl.worlds.text.tasks.rows import TaskText

if TYPE_CHECKING:
    from toyrl.rewards.user import UserReward

Score = Callable[[Sequence[TextRow]], list[float | None]]
MOST = 3
"""Hangs and deaths after which nothing risky is tried any more: each takes a time limit."""
FIX = (
    "run what a completion says in a process of its own with a time limit, take its result through "
    "a channel that it can't end, and catch what it raises"
)


@dataclass
class Alone:
    """Grades a task's texts; what it met stands in `died`, `raised` and `untried`.

    score : values of rows; reward : whose sandboxes hold the calls, None: nothing is risky
    """

    score: Score
    reward: UserReward | None = None
    died: list[tuple[TaskText, RewardError]] = field(default_factory=list)
    raised: list[tuple[TaskText, RewardError]] = field(default_factory=list)
    untried: list[TaskText] = field(default_factory=list)

    def __call__(self, texts: Sequence[TaskText]) -> list[float | None]:
        """A value for each text, risky ones last; None for what can't be graded."""
        calm = [i for i, t in enumerate(texts) if not t.said.risky]
        values: list[float | None] = [None] * len(texts)
        for i, value in zip(calm, self._calm([texts[i] for i in calm]), strict=True):
            values[i] = value
        risky = [i for i, t in enumerate(texts) if t.said.risky]
        if not risky:
            return values
        if not self._apart:
            self.untried += [texts[i] for i in risky]
            return values
        paces = [(t, t.per_row) for t in self.reward.texts] if self.reward else []
        for i in risky:
            values[i] = self._one(texts[i])
        for term, pace in paces:
            term.per_row = pace  # a hang says nothing of how long other texts take
            term.box.restart()  # nor is what a text changed in there left to them
        return values

    @property
    def _apart(self) -> bool:
        """Whether every function runs in a process that may be lost."""
        return self.reward is None or all(isinstance(t.box, Sandbox) for t in self.reward.texts)

    def _calm(self, texts: Sequence[TaskText]) -> list[float | None]:
        try:
            return self.score([t.row for t in texts])
        except RewardError as error:
            if error.kind not in (*RECOVERABLE, *DEAD):
                raise
            if len(texts) == 1 or error.kind in DEAD:  # each more death takes a time limit
                return [self._one(t) for t in texts]
        half = len(texts) // 2
        return [*self._calm(texts[:half]), *self._calm(texts[half:])]

    def _one(self, text: TaskText) -> float | None:
        if len(self.died) >= MOST:
            self.untried.append(text)
            return None
        try:
            return self.score([text.row])[0]
        except RewardError as error:
            if error.kind in DEAD:
                self.died.append((text, error))
            elif error.kind in RECOVERABLE:
                self.raised.append((text, error))
            else:
                raise
            return None

    def findings(self) -> list[Finding]:
        """What a reward hangs, dies or raises on, and what was therefore not tried."""
        out = []
        if self.died:
            text, error = self.died[0]
            out.append(_finding("hacks/dies", DEAD[error.kind], self.died, error, text))
        if self.raised:
            text, error = self.raised[0]
            out.append(_finding("hacks/raises", "raises on", self.raised, error, text))
        if self.untried:
            names = ", ".join(dict.fromkeys(t.said.name for t in self.untried))
            why = (
                f"after {MOST} on which it hung or died no more were tried"
                if self._apart
                else "the reward is a Python object of this process, which one of them could end; "
                "name it as file.py:NAME"
            )
            message = f"Wrong completions that may end a reward were not tried ({names}): {why}."
            out.append(Finding(2, "hacks/dies-untried", NOT_TESTED, message))
        return out


def _finding(
    name: str,
    does: str,
    met: Sequence[tuple[TaskText, RewardError]],
    error: RewardError,
    text: TaskText,
) -> Finding:
    others = [n for n in dict.fromkeys(t.said.name for t, _ in met) if n != text.said.name]
    more = f" Others that do: {', '.join(others)}." if others else ""
    why = text.said.why or "an ordinary answer"
    message = (
        f"A wrong completion ({why}) makes the reward fail: it {does} it ({error.message}). In "
        f"training that stops or blocks whoever grades.{more}"
    )
    return Finding(2, name, "fail", message, float(len(met)), None, 0.0, text.row.completion, FIX)
