"""Items of a checklist: what a text is to have, each with a rule that decides it.

| kind | value | the text |
| --- | --- | --- |
| `mentions` | a word or phrase | states it in a sentence, and no other one of its pool |
| `reason` | a word or phrase | states it as a cause |
| `bullets` | a whole number | has exactly so many bullet points |
| `words_least`, `words_most` | a whole number | has at least or at most so many words |
| `forbids` | a word or phrase | nowhere has it |
| `ends` | a phrase | ends with it, up to outer marks |
| `no_question` | anything | asks nothing |
| `ifeval` | (id, arguments) | follows this instruction of IFEval |
| `rule` | a line | meets it as `toyrl.graders.writing.constraints` decides, in full |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from toyrl.graders.writing.constraints import met as met_by_rule
from toyrl.messages import shortened
from toyrl.worlds.text.tasks.base import TaskError
from toyrl.worlds.text.tasks.open import ifeval
from toyrl.worlds.text.tasks.open.reading import bullets, count_words, holds_word, reasoned, said

Instruction = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Item:
    """One thing that a text is to have.

    text : as the checklist says it; kind, value : see the module
    pool : other values that the text may not state in the place of this one
    """

    text: str
    kind: str
    value: Any = None
    pool: tuple[str, ...] = ()

    def met(self, text: str) -> bool:
        """Whether a text has it."""
        return bool(text.strip()) and DECIDED[self.kind](self, text)

    @property
    def column(self) -> dict[str, Any]:
        """As the column `constraints` holds it."""
        return {"type": self.kind, "value": self.value}

    @property
    def instruction(self) -> Instruction | None:
        """The same in IFEval's ids, with arguments; None where it has no word for it."""
        make = INSTRUCTIONS.get(self.kind)
        return None if make is None else make(self.value)


def _ends(item: Item, text: str) -> bool:
    bare = text.strip().strip("\"'*_`").rstrip().lower()
    return bare.endswith(item.value.strip().lower())


def _ifeval(item: Item, text: str) -> bool:
    name, given = item.value
    return ifeval.follows(text, name, given)


DECIDED: dict[str, Callable[[Item, str], bool]] = {
    "mentions": lambda item, text: said(text, item.value, item.pool),
    "reason": lambda item, text: said(text, item.value) and reasoned(text, item.value),
    "bullets": lambda item, text: bullets(text) == item.value,
    "words_least": lambda item, text: count_words(text) >= item.value,
    "words_most": lambda item, text: count_words(text) <= item.value,
    "forbids": lambda item, text: not holds_word(text, item.value),
    "ends": _ends,
    "no_question": lambda _, text: "?" not in text,
    "ifeval": _ifeval,
    "rule": lambda item, text: met_by_rule(text, item.value) == 1,
}
NUMBERS = ("bullets", "words_least", "words_most")
OF_ROWS = ("mentions", "reason", *NUMBERS, "forbids", "ends", "no_question")
"""Kinds that a row's column `constraints` may name."""
WORDS = "length_constraints:number_words"
INSTRUCTIONS: dict[str, Callable[[Any], Instruction]] = {
    "mentions": lambda v: ("keywords:existence", {"keywords": [v]}),
    "reason": lambda v: ("keywords:existence", {"keywords": [v]}),
    "bullets": lambda v: ("detectable_format:number_bullet_lists", {"num_bullets": v}),
    "words_least": lambda v: (WORDS, {"relation": "at least", "num_words": v}),
    "words_most": lambda v: (WORDS, {"relation": "less than", "num_words": v + 1}),
    "forbids": lambda v: ("keywords:forbidden_words", {"forbidden_words": [v]}),
    "ends": lambda v: ("startend:end_checker", {"end_phrase": v}),
    "ifeval": lambda v: (v[0], dict(v[1])),
}
"""What IFEval has no word for (no question, a line of `constraints`) isn't here."""


def of_mapping(given: Mapping[str, Any]) -> Item:
    """The item of a mapping {"type", "value"}.

    Raises TaskError for another type, and for a value that doesn't go with it.
    """
    kind, value = given.get("type"), given.get("value")
    if kind not in OF_ROWS:
        msg = f"constraint {shortened(dict(given))}: type={shortened(kind)} is not one of "
        raise TaskError(msg + ", ".join(OF_ROWS))
    if kind in NUMBERS:
        fine = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    else:
        fine = kind == "no_question" or (isinstance(value, str) and bool(value.strip()))
    if not fine:
        wanted = "a whole number from 0 on" if kind in NUMBERS else "a text"
        msg = f"constraint {shortened(dict(given))}: value must be {wanted}"
        raise TaskError(msg)
    return Item(SAID[kind].format(value), kind, value)


def of_line(line: str) -> Item | None:
    """The item of a line that `graders.writing.constraints` decides ("bullets: 3"); else None."""
    try:
        met_by_rule("", line)
    except ValueError:
        return None
    return Item(line, "rule", line)


def of_instruction(name: str, given: Mapping[str, Any]) -> Item:
    """The item of an instruction of IFEval. Raises TaskError for one that can't be checked."""
    known = {k: v for k, v in given.items() if v is not None}
    ifeval.check_instruction(name, known)
    listed = ", ".join(f"{k} {shortened(v)}" for k, v in known.items())
    return Item(f"Follows {name}" + (f" ({listed})." if listed else "."), "ifeval", (name, known))


SAID = {
    "mentions": "Mentions {}.",
    "reason": "Gives the reason: {}.",
    "bullets": "Has exactly {} bullet points.",
    "words_least": "Has at least {} words.",
    "words_most": "Has at most {} words.",
    "forbids": "Doesn't use the word '{}'.",
    "ends": "Ends with '{}'",
    "no_question": "Asks no question.",
}
