"""Notes to write, made up: who, what, when, where and why, and a checklist of ten items."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache

from toyrl.worlds.text.tasks.base import Asked, gold
from toyrl.worlds.text.tasks.open.items import SAID, Item

N = 24
WHO = ("choir", "chess club", "volunteers", "reading group", "hiking club", "parents group")
EVENTS = ("Practice", "The tournament", "The clean-up", "The evening", "The walk", "The meeting")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
TIMES = ("9:30", "10:15", "11:45", "14:00", "15:20", "16:40", "17:10", "18:30")
PLACES = (
    *("old library", "green room", "town museum", "east gym", "school kitchen"),
    *("river cafe", "garden house", "music school"),
)
REASONS = (
    ("the roof leaks", "roof"),
    ("the boiler is being repaired", "boiler"),
    ("the walls are being painted", "painted"),
    ("the bridge is closed", "bridge"),
    ("the stage floor is wet", "floor"),
    ("the lift is out of order", "lift"),
)
"""The reason, and the word that it is told by."""
FORBIDDEN = ("unfortunately", "sorry", "hopefully", "very")
CLOSES = ("See you then.", "Many thanks.", "Until soon.", "Kind regards from us.")
EXTRA = ("Please bring a chair.", "It takes about an hour.")
LEAST, MOST = 25, 60  # words
WORK = ("The note has to be short and complete.", "Form and length are counted at the end.")
IN_THE_PROMPT = "Write a note to the {who}: {event} moves to {day}, {time}, in the {place}, because"


@dataclass(frozen=True)
class Note:
    """What a note says.

    who, event, day, time, place : as above; why, cause : the reason and its word
    bullets : bullet points, 2 to 4; forbidden : word; close : last phrase
    asks_whom : the tenth item is whom it addresses, else that it asks nothing
    """

    who: str
    event: str
    day: str
    time: str
    place: str
    why: str
    cause: str
    bullets: int
    forbidden: str
    close: str
    asks_whom: bool


def note(i: int, seed: int = 0) -> Note:
    """The i-th note: neighbours differ in every fact."""
    k = i + 11 * seed
    why, cause = REASONS[k % len(REASONS)]
    return Note(
        WHO[k % len(WHO)],
        EVENTS[k % len(EVENTS)],
        DAYS[3 * k % len(DAYS)],
        TIMES[5 * k % len(TIMES)],
        PLACES[3 * k % len(PLACES)],
        why,
        cause,
        2 + k % 3,
        FORBIDDEN[k % len(FORBIDDEN)],
        CLOSES[k % len(CLOSES)],
        asks_whom=k % 2 == 1,
    )


def items(n: Note) -> tuple[Item, ...]:
    """The checklist of a note, ten items."""
    last = (
        Item(f"Addresses the {n.who}.", "mentions", n.who)
        if n.asks_whom
        else Item(SAID["no_question"], "no_question")
    )
    return (
        Item(f"Says that it is on {n.day}.", "mentions", n.day, DAYS),
        Item(f"Says that it starts at {n.time}.", "mentions", n.time, TIMES),
        Item(f"Says that it is in the {n.place}.", "mentions", n.place, PLACES),
        Item(f"Gives the reason: {n.why}.", "reason", n.cause),
        Item(SAID["bullets"].format(n.bullets), "bullets", n.bullets),
        Item(SAID["words_least"].format(LEAST), "words_least", LEAST),
        Item(SAID["words_most"].format(MOST), "words_most", MOST),
        Item(SAID["forbids"].format(n.forbidden), "forbids", n.forbidden),
        Item(f"Ends with '{n.close}'", "ends", n.close),
        last,
    )


def written(n: Note, *, opening: str = "", points: Sequence[str] | None = None) -> str:
    """The note: an opening with day and reason, bullet points, thanks, the last phrase.

    opening, points : in place of its own
    """
    first = opening or f"Dear {n.who}, {small(n.event)} moves to {n.day} because {n.why}."
    listed = own_points(n) if points is None else points
    thanks = f"Thank you for your patience, and tell the others in the {n.who} too."
    return "\n".join([first, *(f"- {p}" for p in listed), thanks, n.close])


def own_points(n: Note) -> list[str]:
    """Time and place, and what fills up the number of points."""
    return [f"It starts at {n.time}.", f"We meet in the {n.place}.", *EXTRA][: n.bullets]


def small(text: str) -> str:
    """With a small first letter."""
    return text[:1].lower() + text[1:]


def shifted(n: Note) -> Note:
    """A note with another day, time, place and reason, of the same form."""
    why, cause = _next(REASONS, (n.why, n.cause))
    day, time, place = _next(DAYS, n.day), _next(TIMES, n.time), _next(PLACES, n.place)
    return replace(n, day=day, time=time, place=place, why=why, cause=cause)


def _next(pool, value):
    return pool[(pool.index(value) + 1) % len(pool)]


@lru_cache(maxsize=4)
def problems(n: int = N, seed: int = 0) -> tuple[Asked, ...]:
    """n notes to write.

    columns : a good note under every usual gold name but `ground_truth`, which holds the
    instructions as JSON (`instruction_id`, `kwargs`); `checklist` and `rubric`, the items' texts;
    `rubrics`, mappings with criterion and points; `constraints`, mappings with type and value;
    `instruction_id_list`, `kwargs` and `key` as in IFEval
    """
    out = []
    for i in range(n):
        rng = random.Random(1009 * seed + i)
        about = note(i, seed)
        asked = items(about)
        known = [x.instruction for x in asked]
        ids = [x[0] for x in known if x is not None]
        given = [x[1] for x in known if x is not None]
        texts = [x.text for x in asked]
        listed = "\n".join(f"{k}. {t}" for k, t in enumerate(texts, start=1))
        start = IN_THE_PROMPT.format(
            who=about.who, event=small(about.event), day=about.day, time=about.time,
            place=about.place,
        )  # fmt: skip
        columns = {
            **gold(written(about)),
            "ground_truth": json.dumps({"instruction_id": ids, "kwargs": given}),
            "reference": written(about),
            "checklist": texts,
            "rubric": list(texts),
            "rubrics": [{"criterion": t, "points": rng.choice((3, 5))} for t in texts],
            "constraints": [x.column for x in asked],
            "instruction_id_list": ids,
            "kwargs": given,
            "key": 1000 + i,
        }
        prompt = f"{start} {about.why}. This is asked of it:\n{listed}"
        out.append(Asked(prompt, columns, WORK, {"items": asked, "note": asdict(about)}))
    return tuple(out)
