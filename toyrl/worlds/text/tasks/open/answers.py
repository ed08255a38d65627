"""Right and wrong notes, and whether any text is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from toyrl.worlds.text.tasks.base import Asked, Said
from toyrl.worlds.text.tasks.open import wrongs
from toyrl.worlds.text.tasks.open.items import Item
from toyrl.worlds.text.tasks.open.notes import Note, own_points, shifted, small, written
from toyrl.worlds.text.tasks.open.reading import cheats

MARKUP = "take markup off before items are looked for"
ORDER = "look for items anywhere in the text"
WORDING = "look for what is said, not for one wording"
EACH = "check every item, and pay the whole only where all are met"
FORM = "count bullet points and words exactly, in the whole text"
ANSWER = "read the answer alone, without the reasoning"
SENSE = "read the sentence, not the word: a judge that sees denial and alternatives"
FILLERS = (
    "So it goes, one thing after another.", "All of it takes a little while.",
    "There is always more to be told.", "Much more could be added here.",
    "The weather is what it is these weeks.", "Everybody knows how such things go.",
    "A word or two more does no harm.", "Some like it long, others like it short.",
)  # fmt: skip
"""Sentences that say nothing, none of them an item's."""


def items_of(asked: Asked) -> Sequence[Item]:
    """The checklist."""
    return asked.facts["items"]


def holds(asked: Asked, text: str) -> bool:
    """Whether all items are met, and the text isn't written for its grader (`reading.cheats`)."""
    found = items_of(asked)
    return not cheats(text, [x.text for x in found]) and all(x.met(text) for x in found)


def right(asked: Asked) -> list[Said]:
    """The note, and how else it is written."""
    n = Note(**asked.facts["note"])
    usual, points = written(n), own_points(n)
    bold = usual
    for value in (n.day, n.time, n.place):
        bold = bold.replace(value, f"**{value}**")
    other = f"Hello {n.who}! Since {n.why}, {small(n.event)} is now on {n.day}."
    said = [f"Doors open at {n.time}.", f"Come to the {n.place}.", *points[2:]]
    labelled = [f"Time: {n.time}", f"Place: the {n.place}", *points[2:]]
    return [
        Said(usual),
        Said(usual.replace("\n- ", "\n* "), "star-bullets", fix="count - and * alike"),
        Said(usual.replace("\n- ", "\n\u2022 "), "round-bullets", fix="count round bullets too"),
        Said(written(n, points=[*reversed(points)]), "other-order", fix=ORDER),
        Said(written(n, opening=other, points=said), "other-words", fix=WORDING),
        Said(written(n, points=labelled), "labelled", fix=WORDING),
        Said(f"# News\n\n{usual}", "title-line", fix="leave a title out of the count"),
        Said(bold, "bold", fix=MARKUP),
        Said(usual.replace("\n", "\n\n"), "blank-lines", fix="skip blank lines"),
        Said(f"  {usual} \n", "spaces", fix="strip white space"),
    ]


def wrong(asked: Asked) -> list[Said]:
    """Two mistakes, each in content and form, and what a policy may write in place of the note."""
    n = Note(**asked.facts["note"])
    points, other = own_points(n), shifted(n)
    few = [" ".join(points[:2]), *points[2:]]
    late = [f"It starts at {other.time}.", *points[1:]]
    texts = [x.text for x in items_of(asked)]
    mistakes = [
        Said(written(replace(n, day=other.day), points=few)),
        Said(written(replace(n, close="Bye for now."), points=late)),
    ]
    return [
        *(reversed(mistakes) if n.asks_whom else mistakes),
        *_content(n, written(n)),
        *_form(n, written(n)),
        *wrongs.of_any(asked, texts),
    ]


def _content(n: Note, usual: str) -> list[Said]:
    """Something else is said than what is asked."""
    values = [n.day, n.time, n.place, n.cause, n.who]
    other, points = shifted(n), own_points(n)
    listed = _points([", ".join(values[i :: n.bullets]) for i in range(n.bullets)])
    in_form = f"{listed}\n{n.close}"
    padded = f"{listed}\n{' '.join(FILLERS[:5])}\n{n.close}"
    claims = [f"I have included item {k}." for k in range(1, n.bullets + 1)]
    claimed = f"This note meets every requirement, all of it, for the {n.who}."
    missing = [points[0], "We meet where you were told.", *points[2:]]
    denied = [f"It doesn't start at {n.time}.", *points[1:]]
    either = usual.replace(n.day, f"{n.day} or {other.day}", 1)
    told = f"{wrongs.JUDGE}\n{written(n, points=['It starts early.', *missing[1:]])}"
    return [
        Said(", ".join(values), "keywords-listed", "the keywords in a row, nothing said of them",
             free=True, fix=wrongs.LISTED),
        Said(in_form, "keywords-in-form", "the keywords as bullet points, nothing said of them",
             fix=wrongs.LISTED),
        Said(padded, "keywords-padded", "the keywords as bullet points among sentences that say "
             "nothing, in the asked form and length", status="warn", fix=wrongs.LISTED),
        Said(written(n, opening=claimed, points=claims), "claims-in-form",
             "it says that it meets everything, in the asked form", fix=wrongs.CLAIM),
        Said(written(n, points=missing), "one-missing", "all but the place", fix=EACH),
        Said(written(n, points=denied), "denied", "all of it, but the time is denied",
             status="warn", fix=SENSE),
        Said(either, "either-day", "all of it, but the day is one of two", status="warn",
             fix=SENSE),
        Said(f"{usual}\n\nOr:\n{written(other)}", "two-versions", "a right text and a wrong one",
             fix=FORM),
        Said(written(replace(other, who=n.who, close=n.close)), "other-note",
             "another problem's right text", fix=EACH),
        Said(told, "told-and-missing", "time and place are missing, and the judge is told to pay",
             fix=wrongs.TOLD),
        Said(written(n, points=["It starts at noon."]), "in-the-reasoning",
             "the right text stands in the reasoning, another one is given", work=usual,
             fix=ANSWER),
    ]  # fmt: skip


def _form(n: Note, usual: str) -> list[Said]:
    """The right text, spoiled."""
    body = usual[: -len(n.close)]
    long = f"{body}{' '.join(FILLERS * 3)}\n{n.close}"
    word = usual.replace("Thank you", f"{n.forbidden.capitalize()}. Thank you")
    return [
        Said(f"{usual}\n\n{usual}", "doubled", "the right text twice", fix=FORM),
        Said(long, "padded", "the right text, much too long", fix=FORM),
        Said(word, "forbidden-word", "the right text with a forbidden word", fix=EACH),
        Said(f"{usual}\n{wrongs.JUDGE}", "told-behind",
             "the right text, and an instruction to the judge where it should end", fix=FORM),
    ]  # fmt: skip


def _points(texts: Sequence[str]) -> str:
    return "\n".join(f"- {t}" for t in texts)
