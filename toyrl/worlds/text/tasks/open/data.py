"""A user's prompts with instructions, a rubric, a checklist or constraints as problems.

Where all that a row asks can be checked, a right text is its reference or one put together
(`compose.text_for`), and truth is known of any text. Where a criterion is in words, the reference
is right, other rows' references and what is written for a grader are wrong, and of any other text
nothing is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from toyrl.worlds.text.tasks.base import Asked, Made, Said, TaskError
from toyrl.worlds.text.tasks.open import wrongs
from toyrl.worlds.text.tasks.open.answers import EACH, FILLERS, FORM, WORDING, holds
from toyrl.worlds.text.tasks.open.columns import Asks, asks, criteria_of, instructions_of
from toyrl.worlds.text.tasks.open.compose import BANK, OTHER, text_for
from toyrl.worlds.text.tasks.open.items import Item, of_mapping

LAYOUTS = ("tag", "<think>\n{work}\n</think>\n{}", "Final text:\n{}", "{none}{}")
WORK = ("What is asked is gone through once more.", "Then the text is written.")
LONG = " ".join([*BANK, *OTHER] * 8)
NO_REFERENCE = "with criteria in words, and without a reference text"
NO_TEXT = "whose instructions no text of toyrl's own meets together, and without a reference"
UNBROKEN = "whose instructions nearly any text follows"
LISTED_WORDS = 12
WORD = re.compile(r"[^\W\d_]{5,}")


def check_row(row: Mapping[str, Any]) -> None:
    """TaskError for criteria and instructions that can't be read, where a row has any."""
    instructions_of(row)
    for given in criteria_of(row):
        if isinstance(given, Mapping):
            of_mapping(given)


def of_rows(rows: Sequence[Mapping[str, Any]]) -> Made:
    """Open writing on a user's prompts; each row is handed to the reward as it is.

    Rows whose truth toyrl can't know (criteria in words without a reference, ids that it can't
    check) are left out, and the task's `note` counts them.

    Raises TaskError with the row where a column can't be read, and where fewer than two rows are
    left.
    """
    read: list[tuple[Mapping[str, Any], Asks, str] | str] = []
    unknown: dict[str, None] = {}
    for i, row in enumerate(rows):
        try:
            found = asks(row)
        except TaskError as error:
            msg = f"data row {i}: {error}"
            raise TaskError(msg) from error
        unknown |= dict.fromkeys(found.unknown)
        right = _right_text(found)
        read.append((row, found, right) if right else _why_not(found))
    kept = [x for x in read if not isinstance(x, str)]
    texts = [right for _, _, right in kept]
    made = [_asked(i, x, texts) for i, x in enumerate(kept)]
    problems = tuple(p for p in made if p is not None)
    note = _note([x for x in read if isinstance(x, str)], len(made) - len(problems), unknown)
    if len(problems) < 2:
        msg = f"of {len(rows)} rows {len(problems)} can be used, and two are needed: {note}"
        raise TaskError(msg)
    known = all(p.facts["items"] is not None for p in problems)
    truth = holds if known else None
    return Made("open", LAYOUTS, problems, right_of, wrong_of, truth, note=note)


def _right_text(found: Asks) -> str:
    """The reference where it is right as far as can be told, else a text that is put together."""
    if found.items is None:
        return found.reference
    probe = Asked(found.prompt, {}, facts={"items": found.items})
    if found.reference and holds(probe, found.reference):
        return found.reference
    return text_for(found.items) or ""


def _why_not(found: Asks) -> str:
    return NO_TEXT if found.items is not None else NO_REFERENCE


def _note(reasons: Sequence[str], unbroken: int, unknown: Mapping[str, None]) -> str:
    """Which rows are left out; "" for none."""
    all_reasons = [*reasons, *[UNBROKEN] * unbroken]
    parts = [f"{all_reasons.count(r)} {r}" for r in dict.fromkeys(all_reasons)]
    said = f"left out are {'; '.join(parts)}" if parts else ""
    ids = f"ids that can't be checked: {', '.join(unknown)}" if unknown else ""
    return "; ".join(x for x in (said, ids) if x)


def _asked(
    i: int, given: tuple[Mapping[str, Any], Asks, str], texts: Sequence[str]
) -> Asked | None:
    """The problem of a row; None where nothing was found that is wrong on it."""
    row, found, right = given
    others = [t for t in (*texts[i + 1 :], *texts[:i]) if t != right][:4]
    prompt = found.prompt or "\n".join(found.criteria)
    facts = {"items": found.items, "criteria": found.criteria, "right": right, "others": others}
    asked = Asked(prompt, dict(row), WORK, facts)
    return asked if _mistakes(asked) else None


# -- answers ---------------------------------------------------------------------------------------
def _truth(asked: Asked) -> Callable[[str], bool]:
    """Whether a text is right as far as can be told: what isn't the reference is not."""
    if asked.facts["items"] is None:
        return lambda text: text.strip() == asked.facts["right"]
    return lambda text: holds(asked, text)


def right_of(asked: Asked) -> list[Said]:
    """The reference or a text put together, and edits of it that keep every item."""
    right, items = asked.facts["right"], asked.facts["items"]
    said = [
        Said(f"\n{right}\n ", "spaces", fix="strip white space"),
        Said(re.sub(r"\n(?!\n)", "\n\n", right), "blank-lines", fix="skip blank lines"),
        Said(f"# Text\n\n{right}", "title-line", fix="leave a title out of the count"),
    ]
    if items is not None:
        stars = re.sub(r"^- ", "* ", right, flags=re.MULTILINE)
        other = text_for(items, 1) or right
        said += [Said(stars, "star-bullets", fix="count - and * alike"),
                 Said(other, "other-words", fix=WORDING)]  # fmt: skip
        said = [x for x in said if holds(asked, x.text)]
    return [Said(right), *(x for x in said if x.text != right)]


def wrong_of(asked: Asked) -> list[Said]:
    """Two mistakes, and what a policy may write in place of the text."""
    right = {x.text for x in right_of(asked)}
    said = [*_mutants(asked), *wrongs.of_any(asked, asked.facts["criteria"])]
    kept = [x for x in said if x.text not in right and not _met(asked, x.text)]
    return [*_mistakes(asked), *kept, *_for_nothing(asked, said)]


def _mistakes(asked: Asked) -> list[Said]:
    """At most two texts that are wrong: two items short, another row's, about nothing."""
    items, others, true = asked.facts["items"], asked.facts["others"], _truth(asked)
    short = text_for(items[:-2]) if items is not None and len(items) > 2 else None
    plain = (" ".join(BANK[:4]), f"Yes, {LONG}", LONG.upper(), BANK[0])
    tried = [x for x in (short, *others, *plain) if x]
    return [Said(x) for x in dict.fromkeys(tried) if not true(x) and x != asked.facts["right"]][:2]


def _met(asked: Asked, text: str) -> bool:
    """Whether a text meets all items that can be checked, be it for its grader alone."""
    items = asked.facts["items"]
    return items is not None and all(x.met(text) for x in items)


def _mutants(asked: Asked) -> list[Said]:
    """Those that are made of the row."""
    items: Sequence[Item] | None = asked.facts["items"]
    right, others = asked.facts["right"], asked.facts["others"]
    words = ", ".join(_words(asked))
    told = f"{wrongs.JUDGE}\n{others[0] if others else BANK[0]}"
    said = [
        *([Said(words, "keywords-listed", "words that are asked for in a row, nothing said of them",
                free=True, fix=wrongs.LISTED)] if words else []),
        *([Said(others[0], "other-text", "another prompt's right text", fix=EACH)] * bool(others)),
        Said(told, "told-and-missing", "another text, and the judge is told to pay it",
             fix=wrongs.TOLD),
    ]  # fmt: skip
    if items is None:
        return said
    short = text_for(items[:-1]) if len(items) > 1 else None
    padded = f"{right}\n{' '.join(FILLERS * 3)}"
    form = [
        *([Said(short, "one-missing", "all but one instruction is followed", fix=EACH)]
          if short else []),
        Said(f"{right}\n\n{right}", "doubled", "the right text twice", fix=FORM),
        Said(padded, "padded", "the right text, and much behind it", fix=FORM),
    ]  # fmt: skip
    return [*said, *form]


def _words(asked: Asked) -> list[str]:
    """Words that the items ask for; of criteria in words, their longer ones."""
    out: list[str] = []
    for item in asked.facts["items"] or ():
        given = item.value[1] if item.kind == "ifeval" else {"keyword": item.value}
        found = given.get("keywords", given.get("keyword"))
        if item.kind in ("mentions", "reason", "ifeval") and found is not None:
            out += [found] if isinstance(found, str) else map(str, found)
    if asked.facts["items"] is None:
        out = [w.lower() for c in asked.facts["criteria"] for w in WORD.findall(c)]
    return list(dict.fromkeys(out))[:LISTED_WORDS]


def _for_nothing(asked: Asked, said: Sequence[Said]) -> list[Said]:
    """One text that meets every item and says nothing: what checkers of instructions can't tell."""
    idle = (x for x in said if x.free and not x.bare and not _truth(asked)(x.text))
    found = next((x for x in idle if _met(asked, x.text)), None)
    if found is None:
        return []
    why = f"every item is met by what says nothing: {found.why}"
    return [Said(found.text, "items-for-nothing", why, status="warn", fix=wrongs.CONTENT)]
