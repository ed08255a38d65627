"""Laws of rewards over texts (TRL's signature): what a trainer silently relies on."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from toyrl.testing.strategies import completions

HANDED = ("prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric")
GOLD = ("answer", "solution", "ground_truth", "target", "label")
BOUND = 1e9


@dataclass(frozen=True)
class TextCase:
    """Completions of one prompt and an order of them."""

    completions: tuple[str, ...]
    order: tuple[int, ...]

    def __repr__(self) -> str:
        return f"completions={list(self.completions)}, order={list(self.order)}"


class TextReward:
    """A TRL reward function called with plain texts, or with chat messages where it wants those."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.chat = self._wants_chat()

    def __call__(self, texts: list[str]) -> Any:
        """What the function returns for these completions of one prompt, gold answer 4."""
        return self._call(texts, chat=self.chat)

    def _call(self, texts: list[str], *, chat: bool) -> Any:
        n = len(texts)
        prompts: list[Any] = ["What is 2 + 2?"] * n
        batch: list[Any] = list(texts)
        if chat:
            prompts = [[{"role": "user", "content": p}] for p in prompts]
            batch = [[{"role": "assistant", "content": t}] for t in texts]
        given: dict[str, Any] = {
            "prompts": prompts,
            "completions": batch,
            "completion_ids": [[*range(2, 2 + len(t.split())), 1] for t in texts],
            "trainer_state": None,
            "log_extra": lambda *_: None,
            "log_metric": lambda *_: None,
        }
        answer = self.function(**self._arguments(given, n))
        return asyncio.run(answer) if inspect.iscoroutine(answer) else answer

    def _arguments(self, given: dict[str, Any], n: int) -> dict[str, Any]:
        parameters = inspect.signature(self.function).parameters
        takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        named = [name for name, p in parameters.items() if p.kind is not p.VAR_KEYWORD]
        out = {k: v for k, v in given.items() if takes_all or k in named}
        columns = [c for c in named if c not in HANDED and parameters[c].default is inspect._empty]
        columns += [c for c in GOLD if takes_all and c not in columns]
        return {**out, **{c: ["4"] * n for c in columns}}

    def _wants_chat(self) -> bool:
        """True if plain texts make it raise and chat messages don't."""
        probe = ["The answer is 4.", r"\boxed{4}"]
        for chat in (False, True):
            try:
                self._call(probe, chat=chat)
            except Exception:  # a user's reward may raise anything
                continue
            return chat
        return False


@dataclass(frozen=True)
class TextInvariant:
    """A law of text rewards."""

    name: str
    statement: str
    law: Callable[[TextReward, TextCase], str | None]
    contract: bool = True

    @staticmethod
    def applies(_reward: TextReward) -> bool:
        """Text laws apply to all text rewards."""
        return True

    def cases(self, _reward: TextReward) -> st.SearchStrategy[TextCase]:
        """Completions with an order."""
        return TEXT_CASES


@st.composite
def text_cases(draw: Callable) -> TextCase:
    """One to five completions and a permutation of them."""
    texts = draw(completions())
    return TextCase(tuple(texts), tuple(draw(st.permutations(range(len(texts))))))


TEXT_CASES = text_cases()
"""One strategy for all laws, which share what is drawn from it."""


def one_value_each(reward: TextReward, case: TextCase) -> str | None:
    """One finite number or None per completion."""
    values = reward(list(case.completions))
    if not isinstance(values, (list, tuple)):
        return f"returns {type(values).__name__}, not a list"
    if len(values) != len(case.completions):
        return f"returns {len(values)} values for {len(case.completions)} completions"
    for value in values:
        if value is None:
            continue
        try:
            number = float(value)
        except (TypeError, ValueError):
            return f"returns {value!r}, not a number or None"
        if not math.isfinite(number) or abs(number) > BOUND:
            return f"returns {number}"
    return None


def text_repeatable(reward: TextReward, case: TextCase) -> str | None:
    """The same completions get the same values, also after other completions were scored."""
    first = list(reward(list(case.completions)))
    if first != list(reward(list(case.completions))):
        return f"two calls differ: {first} first"
    reward([*case.completions, "something else 7"])
    later = list(reward(list(case.completions)))
    return None if first == later else f"{first} first, {later} after scoring other completions"


def text_order(reward: TextReward, case: TextCase) -> str | None:
    """Permuting the completions of a prompt permutes the values."""
    first = list(reward(list(case.completions)))
    mixed = list(reward([case.completions[i] for i in case.order]))
    if len(first) != len(mixed) or len(first) != len(case.order):
        return "the number of values depends on the order"
    for place, i in enumerate(case.order):
        a, b = first[i], mixed[place]
        if a is None or b is None:
            if a is not b:
                return f"completion {i} gets {a}, but {b} at place {place}"
        elif abs(float(a) - float(b)) > 1e-9 * max(1.0, abs(float(a))):
            return f"completion {i} gets {a}, but {b} at place {place}"
    return None


TEXT_INVARIANTS = {
    i.name: i
    for i in (
        TextInvariant("one_value_each", "one finite number or None per completion", one_value_each),
        TextInvariant("repeatable", "the same texts get the same values", text_repeatable),
        TextInvariant("permutation", "permuting completions permutes values", text_order),
    )
}
