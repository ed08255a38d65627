"""The zoo's cards as a page and as JSON: `python -m toyrl.experiments.transfer.base_cards FOLDER`.

Bases that aren't in the cache are built first. The page says of each base what decides there, what
its rollouts show, and which facts of published rollouts it shares.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from toyrl import schemas
from toyrl.bridge.zoo.bases import BASES, Base, card
from toyrl.bridge.zoo.cards import LONG, PROMPTS, TIMES, Card
from toyrl.experiments.core import Table
from toyrl.experiments.render.folder import markdown_table
from toyrl.experiments.render.text import dumps
from toyrl.files import write_file

PAGE, DATA = "zoo.md", "zoo-cards.json"
COLUMNS: dict[str, Callable[[Card], float]] = {
    "accuracy": lambda c: c.accuracy,
    "easy": lambda c: c.accuracy_easy,
    "hard": lambda c: c.accuracy_hard,
    "length": lambda c: c.length,
    "of right": lambda c: c.length_right,
    "of wrong": lambda c: c.length_wrong,
    "log-sd": lambda c: c.spread,
    "corr": lambda c: c.rank,
    "marked": lambda c: c.marked,
    "cut": lambda c: c.truncated,
    "always": lambda c: c.always,
    "never": lambda c: c.never,
    "redundant": lambda c: c.redundant,
    "runaway": lambda c: c.runaway,
    "guessed": lambda c: c.guessed,
}
WORDS = f"""Shares of {PROMPTS} held-out prompts, {TIMES} rollouts each at temperature 1; lengths in
tokens. *easy*, *hard*: accuracy by kind of prompt; *log-sd* of length within a prompt; *corr* of
length and correctness within prompts that have both; *always*, *never*: prompts whose rollouts are
all right, all wrong; *redundant*: tokens between the last step and the answer, where all steps are
right; *runaway*: {LONG:g} times the prompt's median length, or cut; *guessed*: an answer without
a step."""


@dataclass(frozen=True)
class Fact:
    """What published rollouts show, as a range of one number of a card."""

    says: str
    value: Callable[[Card], float]
    low: float
    high: float

    def holds(self, c: Card) -> bool:
        """Whether the card's number is in the range; False for NaN."""
        return self.low <= self.value(c) <= self.high


def _strays(c: Card) -> float:
    """The share of runaways where they are what the name says, else NaN."""
    return c.runaway if c.runaway_right <= 0.5 * c.accuracy else math.nan


FACTS = (
    Fact("wrong answers longer than right ones, by 1.1 to 3", lambda c: (
        c.length_wrong / c.length_right), 1.1, 3.0),
    Fact("longer siblings are less often right: correlation of -0.5 to -0.1", lambda c: c.rank,
         -0.5, -0.1),
    Fact("log-sd of length within a prompt of 0.1 to 0.35", lambda c: c.spread, 0.1, 0.35),
    Fact("35 to 60 % of the tokens after the first solution", lambda c: c.redundant, 0.35, 0.6),
    Fact("runaways, 3 to 15 %, right at most half as often as the rest", _strays, 0.03, 0.15),
    Fact("a form that is there in 60 to 95 %", lambda c: c.marked, 0.6, 0.95),
    Fact("a fifth of the prompts or more are always or never right", lambda c: (
        c.always + c.never), 0.2, 1.0),
)  # fmt: skip


def cards(bases: Sequence[Base] = BASES, **how: Any) -> dict[str, Card]:
    """Name -> card; how : cache and tell as `bases.card` takes them."""
    return {base.name: card(base, **how) for base in bases}


def table(found: Mapping[str, Card]) -> Table:
    """The numbers, a row a base."""
    rows = [
        [name, *(_number(k, get(c)) for k, get in COLUMNS.items())] for name, c in found.items()
    ]
    return Table("Cards", ["base", *COLUMNS], rows)


def _number(column: str, value: float) -> str:
    if value != value:
        return "-"
    return f"{value:.1f}" if column in ("length", "of right", "of wrong") else f"{value:.2f}"


def about(bases: Sequence[Base], found: Mapping[str, Card]) -> Table:
    """What each is and what decides there."""
    rows = [
        [b.name, b.split, b.task, str(b.limit), f"{found[b.name].parameters:,}", b.differs]
        for b in bases
    ]
    return Table(
        "Bases", ["base", "split", "task", "limit (tokens)", "parameters", "what decides"], rows
    )


def facts(found: Mapping[str, Card]) -> Table:
    """Which bases share which fact."""
    rows = [
        [fact.says, ", ".join(name for name, c in found.items() if fact.holds(c)) or "none"]
        for fact in FACTS
    ]
    return Table("Facts", ["published rollouts", "bases that share it"], rows)


def page(bases: Sequence[Base], found: Mapping[str, Card]) -> str:
    """The page in Markdown."""
    parts = [
        "# The zoo of small bases",
        "Built by recipe on the user's machine and kept in the cache folder; runs on them are read "
        "by `toyrl transfer --zoo`. On the bases of `dev` rewards are trained freely, on those of "
        "`test` only after predictions have been made. "
        "A base whose accuracy leaves the range of its recipe is refused. This page: "
        "`python -m toyrl.experiments.transfer.base_cards docs/results`.",
        markdown_table(about(bases, found)),
        WORDS,
        markdown_table(table(found)),
        "Facts of published rollouts (ranges over models and sets), and who shares them:",
        markdown_table(facts(found)),
    ]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def to_dict(bases: Sequence[Base], found: Mapping[str, Card]) -> dict[str, Any]:
    """JSON form, schema toyrl.zoo."""
    rows = {
        b.name: {
            "split": b.split,
            "task": b.task,
            "limit": b.limit,
            "differs": b.differs,
            "accuracy_asked": list(b.accuracy),
            "recipe": asdict(b.recipe),
            "card": found[b.name].to_dict(),
        }
        for b in bases
    }
    return {"schema": schemas.tag("zoo"), "bases": rows}


def write(folder: Path, bases: Sequence[Base] = BASES, **how: Any) -> dict[str, Card]:
    """Page and JSON of these bases' cards in a folder; the cards.

    Raises BaseRefused for a base that isn't as its recipe says, WriteError where nothing can be
    written.
    """
    found = cards(bases, **how)
    write_file(folder / PAGE, page(bases, found))
    write_file(folder / DATA, dumps(to_dict(bases, found)) + "\n")
    return found


if __name__ == "__main__":
    from toyrl.experiments.commands.output import refuse_closed

    place = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    refuse_closed("folder", place)
    print(page(BASES, write(place, tell=lambda line: print(line, file=sys.stderr))))
