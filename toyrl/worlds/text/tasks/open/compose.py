"""A text that follows given instructions, put together of sentences that say little.

What is put together is checked afterwards, so a text is given only where all items are met; items
that can't be met together here (or at all) give None.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, product
from typing import Any

from toyrl.worlds.text.tasks.open import ifeval
from toyrl.worlds.text.tasks.open.items import Item
from toyrl.worlds.text.tasks.open.reading import cheats

BANK = (
    "Here is a plain text on the matter.", "It goes from one point to the next.",
    "Each of them is told in a short line.", "People who know the place like it a lot.",
    "Some come early and some come late.", "There is room for both of these views.",
    "Most days begin in a slow way there.", "By noon there is a bit more to do.",
    "Later on it gets calm again.", "That is how such a day ends.",
)  # fmt: skip
OTHER = (
    "This is about a thing that many have seen.", "We look at it from near and from far.",
    "At first it seems to be small.", "On a second look there is more to it.",
    "Old friends tell of it at length.", "New ones learn it in a week or so.",
    "All in all it is worth the time.", "In the end we go home happy.",
    "The rest can wait for another day.", "Much of it will stay as it was.",
)  # fmt: skip
COUNTED = "{} {} goes on from there to the next."
TINY = ("Fine.", "So it is.")
MOST = 4000  # words of a text that is put together


@dataclass
class Parts:
    """What stands in a text: before the body, its sentences, bullet points, behind it."""

    head: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    points: int = 0
    tail: list[str] = field(default_factory=list)
    end: str = ""
    paragraphs: int = 0
    first_word: tuple[int, int, str] | None = None
    flags: set[str] = field(default_factory=set)


def text_for(items: Sequence[Item], variant: int = 0) -> str | None:
    """A text that meets all items and isn't written for its grader; None where none is found.

    variant : 0 or 1, of two wordings
    """
    bank = (BANK, OTHER)[variant % 2]
    instructions = [_instruction(x) for x in items]
    if None in instructions:
        return None
    known = [x for x in instructions if x is not None]
    if any(name == "detectable_format:constrained_response" for name, _ in known):
        tries: Iterator[str] = iter(ifeval.YES_NO)
    else:
        sizes = product(_sizes(known, len(bank)), ("* ", "- "))
        tries = chain((_written(known, bank, n, mark) for n, mark in sizes), TINY)
    texts = [x.text for x in items]
    return next((t for t in tries if all(x.met(t) for x in items) and not cheats(t, texts)), None)


def _instruction(item: Item) -> tuple[str, dict[str, Any]] | None:
    """An item in IFEval's words, with kinds of its own where IFEval has none."""
    if item.kind in ("mentions", "reason"):
        return f"own:{item.kind}", {"value": item.value}
    if item.kind == "no_question":
        return "own:none", {}
    if item.kind == "rule":
        name, _, asked = item.value.partition(":")
        return f"rule:{name.strip().lower()}", {"value": asked.strip()}
    return item.instruction


def _sizes(known: Sequence[tuple[str, dict[str, Any]]], n: int) -> list[int]:
    """Numbers of sentences to try: few, as many as are asked for, and more for many words."""
    asked = {2, 0, 4, 1, n}
    for name, a in known:
        if name.endswith("number_sentences"):
            asked |= {k for k in (int(a["num_sentences"]) + d for d in range(-3, 4)) if k >= 0}
        if name.endswith("number_words"):
            words = min(int(a["num_words"]), MOST)
            asked |= {max(0, words // 8), words // 8 + 4, words // 6 + 4}
        if name.endswith("letter_frequency"):
            asked |= {min(int(a["let_frequency"]), MOST // 8)}
    return sorted(k for k in asked if k <= MOST // 6)


def _written(
    known: Sequence[tuple[str, dict[str, Any]]], bank: Sequence[str], n: int, mark: str
) -> str:
    """A try: n sentences and what the instructions add."""
    parts, never = Parts(), _never(known)
    kept = [s for s in bank if not any(ifeval.has_word(s, w) for w in never)]
    more = [COUNTED.format("Line", i) for i in range(1, max(0, n - len(kept)) + 1)]
    parts.body = [*kept, *more][:n]
    for name, a in known:
        ADDS.get(name, _nothing)(parts, a)
    return _joined(parts, mark)


def _joined(p: Parts, mark: str) -> str:
    points = [f"{mark}{COUNTED.format('Point', i)}" for i in range(1, p.points + 1)]
    if p.paragraphs:
        filled = [*p.body, *(COUNTED.format("Paragraph", i) for i in range(1, p.paragraphs + 1))]
        body = "\n***\n".join(filled[i] for i in range(p.paragraphs))
        body = " ".join([body, *filled[p.paragraphs : len(p.body)]])
    elif p.first_word is not None:
        total, nth, word = p.first_word
        body = "\n\n".join(
            f"{word.capitalize()} is what this part is about."
            if i == nth
            else COUNTED.format("Part", i)
            for i in range(1, total + 1)
        )
        body = " ".join([body, *p.body])
    else:
        body = " ".join(p.body)
    last = [p.end] if p.end else []
    text = "\n".join(x for x in [*p.head, body, *points, *p.tail, *last] if x)
    if "two" in p.flags:
        second = (OTHER if BANK[0] in text else BANK)[:3]
        text = f"{text}\n******\n{' '.join(second)}"
    for flag, change in CHANGES.items():
        if flag in p.flags:
            text = change(text)
    return text


CHANGES = {
    "json": lambda t: json.dumps({"text": t}),
    "no comma": lambda t: t.replace(",", ""),
    "capitals": str.upper,
    "small": str.lower,
    "quoted": lambda t: f'"{t}"',
}


# -- what each instruction adds ----------------------------------------------------------------
def _never(known: Sequence[tuple[str, dict[str, Any]]]) -> list[str]:
    """Words that may not stand there."""
    out: list[str] = []
    for name, a in known:
        if name == "keywords:forbidden_words":
            out += [str(w) for w in a["forbidden_words"]]
        if name == "rule:forbids":
            out += a["value"].split("|")
        if name == "keywords:frequency" and a.get("relation") == "less than":
            out.append(a["keyword"])
    return out


def _nothing(parts: Parts, a: dict[str, Any]) -> None:
    del parts, a


def _flag(name: str) -> Any:
    return lambda parts, _: parts.flags.add(name)


def _named(words: Sequence[Any]) -> list[str]:
    return [f"We speak of {w} here as well." for w in words]


def _frequency(parts: Parts, a: dict[str, Any]) -> None:
    if a.get("relation") != "less than":
        n = min(int(a["frequency"]), MOST)
        parts.body += [f"In part {i} we speak of {a['keyword']} too." for i in range(1, n + 1)]


def _letters(parts: Parts, a: dict[str, Any]) -> None:
    if a.get("let_relation") != "less than" and a["letter"].isalpha():
        parts.body.append(
            " ".join([a["letter"] * 3] * (min(int(a["let_frequency"]), MOST) // 3 + 1))
        )


def _capitals(parts: Parts, a: dict[str, Any]) -> None:
    if a.get("capital_relation") != "less than":
        n = min(int(a["capital_frequency"]), MOST)
        parts.body.append(" ".join(["Look at these signs of ours:", *["NEWS"] * n]))


def _postscript(parts: Parts, a: dict[str, Any]) -> None:
    parts.tail.append(f"{a['postscript_marker']} One more line comes last.")


def _sections(parts: Parts, a: dict[str, Any]) -> None:
    mark, n = a["section_spliter"].strip(), min(int(a["num_sections"]), MOST)
    parts.tail += [f"{mark} {i}\n{COUNTED.format('Section', i)}" for i in range(1, n + 1)]


def _highlights(parts: Parts, a: dict[str, Any]) -> None:
    n = min(int(a["num_highlights"]), MOST)
    parts.body += [f"Look at *part {i}* of it." for i in range(1, n + 1)]


def _placeholders(parts: Parts, a: dict[str, Any]) -> None:
    n = min(int(a["num_placeholders"]), MOST)
    parts.body += [f"Please put [name {i}] in here." for i in range(1, n + 1)]


def _first_word(parts: Parts, a: dict[str, Any]) -> None:
    total = min(int(a["num_paragraphs"]), MOST)
    parts.first_word = (total, int(a["nth_paragraph"]), str(a["first_word"]))


def _set(name: str, key: str) -> Any:
    return lambda parts, a: setattr(parts, name, min(int(a[key]), MOST))


def _rule_lines(parts: Parts, a: dict[str, Any]) -> None:
    parts.tail += [f"# Part {i}" for i in range(1, _number(a) + 1)]


def _number(a: dict[str, Any]) -> int:
    return min(int(a["value"]), MOST) if re.fullmatch(r"\d{1,9}", a["value"]) else 0


ADDS = {
    "own:mentions": lambda p, a: p.body.extend(_named([a["value"]])),
    "own:reason": lambda p, a: p.body.append(f"That is so because of {a['value']} and no more."),
    "keywords:existence": lambda p, a: p.body.extend(_named(a["keywords"])),
    "keywords:frequency": _frequency,
    "keywords:letter_frequency": _letters,
    "change_case:capital_word_frequency": _capitals,
    "change_case:english_capital": _flag("capitals"),
    "change_case:english_lowercase": _flag("small"),
    "punctuation:no_comma": _flag("no comma"),
    "startend:quotation": _flag("quoted"),
    "combination:two_responses": _flag("two"),
    "detectable_format:json_format": _flag("json"),
    "combination:repeat_prompt": lambda p, a: p.head.insert(0, a["prompt_to_repeat"]),
    "detectable_format:title": lambda p, _: p.head.append("<<A plain text>>"),
    "detectable_content:postscript": _postscript,
    "detectable_content:number_placeholders": _placeholders,
    "detectable_format:multiple_sections": _sections,
    "detectable_format:number_highlighted_sections": _highlights,
    "detectable_format:number_bullet_lists": _set("points", "num_bullets"),
    "length_constraints:number_paragraphs": _set("paragraphs", "num_paragraphs"),
    "length_constraints:nth_paragraph_first_word": _first_word,
    "startend:end_checker": lambda p, a: setattr(p, "end", a["end_phrase"].strip()),
    "rule:contains": lambda p, a: p.body.extend(_named(a["value"].split("|"))),
    "rule:begins": lambda p, a: p.head.insert(0, a["value"]),
    "rule:ends": lambda p, a: setattr(p, "end", a["value"]),
    "rule:bullets": lambda p, a: setattr(p, "points", _number(a)),
    "rule:headings": _rule_lines,
    "rule:paragraphs": lambda p, a: p.tail.append(
        "\n\n" + "\n\n".join(COUNTED.format("Block", i) for i in range(1, _number(a) + 1))
    ),
}
