"""A user's parallel texts as problems of translation.

Read are the shapes of WMT, OPUS and FLORES in Hugging Face's form, and of rewards for translation:

    translation: {"en": ..., "de": ...}      both texts by language
    en, de, lg: "en-de"                      a column a language, and one that says the direction
    source or src, reference(s), ref, ...    by what they are
    sentence_eng_Latn, sentence_deu_Latn     with source_lang and target_lang

Where two languages stand side by side, a column has to say which is the source, or the prompt has
to hold one of them: none is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from toyrl.messages import shortened
from toyrl.worlds.text.tasks.base import GOLD, Asked, Made, TaskError
from toyrl.worlds.text.tasks.translation import wording as w
from toyrl.worlds.text.tasks.translation.answers import counted, holds, right, wrong
from toyrl.worlds.text.tasks.translation.languages import (
    by_column,
    code,
    direction,
    mapping,
    prompt_text,
    told,
)

LAYOUTS = (
    "tag",
    "<think></think><translate>\n{}\n</translate>",
    "Translation: {}",
    "<think>\n{work}\n</think>\n{}",
    "{none}{}",
)
WORK = ("We read the whole sentence first.", "Then we put it into the other language.")
PAIR = "translation"
SOURCES = ("src", "source", "src_text", "source_text", "source_sentence", "text", "input")
REFERENCES = (
    *("references", "refs", "reference", "ref", "tgt", "target_text", "target_sentence", PAIR),
    *GOLD,
)
OWN = ("references", "refs", "reference", "ref")
"""Columns of references that a row is refused for."""
LONGEST = 20_000
"""Characters of a text."""
NAMES = ("Norbert", "Kowalski", "Tarvisio")
"""Names that stand in for those of a text."""
MISTAKEN = 4
"""One word in so many is exchanged by an ordinary mistake."""


def of_rows(rows: Sequence[Mapping[str, Any]]) -> Made:
    """Translation of a user's texts; each row is handed to the reward as it is.

    Right are a row's references alone, cased and punctuated as one likes: whether another wording
    is right isn't known.

    Raises TaskError with the row where its texts or the direction can't be read.
    """
    read = []
    for i, row in enumerate(rows):
        try:
            read.append(_texts(row))
        except TaskError as error:
            msg = f"data row {i}: {error}"
            raise TaskError(msg) from error
    if not read:
        msg = "there are no data rows"
        raise TaskError(msg)
    shared = counted([refs[0] for _, refs, _, _ in read])
    pool = _pool([refs[0] for _, refs, _, _ in read])
    asked = []
    for i, (row, (source, refs, languages, third)) in enumerate(zip(rows, read, strict=True)):
        elsewhere = [r[0] for _, r, _, _ in (*read[i + 1 :], *read[:i])]
        other = next((r for r in elsewhere if w.normal(r) != w.normal(refs[0])), "")
        facts = _facts(source, refs, languages, third, other, pool)
        known = prompt_text(row)
        into = f" into {languages[1]}" if languages[1] else ""
        prompt = known or f"Translate{into}:\n{source}\nAnswer with the translation alone."
        asked.append(Asked(prompt, dict(row), WORK, {**shared, **facts}))
    return Made("translation", LAYOUTS, tuple(asked), right, wrong, holds)


def check_row(row: Mapping[str, Any]) -> None:
    """TaskError for a reference that holds no text, for one that is its own source, and for a
    `translation` without two languages, where a row has any."""
    there = {k: row[k] for k in OWN if row.get(k) is not None}
    for name, value in there.items():
        _listed(name, value)
    pair = mapping(row.get(PAIR))
    if pair is not None and len(pair) < 2:
        msg = (
            f'{PAIR}={shortened(pair)} has {len(pair)} languages; give two: {{"en": .., "de": ..}}'
        )
        raise TaskError(msg)
    source = next((row[k] for k in SOURCES[:2] if isinstance(row.get(k), str)), None)
    if source is not None:
        for name, value in there.items():
            _refuse_same(source, _listed(name, value), name)


# -- which text is which ---------------------------------------------------------------------------
Texts = tuple[str, list[str], tuple[str, str], str]


def _texts(row: Mapping[str, Any]) -> Texts:
    """(source, references, (its language, theirs), a text in a third language or "")."""
    languages, third = told(row), ""
    pair = mapping(row.get(PAIR)) or by_column(row, languages)
    if pair is not None:
        languages = direction(pair, languages, prompt_text(row))
        source = _text(f"{PAIR}[{languages[0]!r}]", pair[languages[0]])
        references = _listed(f"{PAIR}[{languages[1]!r}]", pair[languages[1]])
        more = [v for k, v in pair.items() if k not in languages and isinstance(v, str)]
        third = next((x for x in more if x.strip()), "")
    else:
        name = next((k for k in SOURCES if isinstance(row.get(k), str)), None)
        if name is None:
            msg = (
                "no column holds the source; give source (or src) and reference (or references), "
                'or translation: {"en": .., "de": ..} with lp: "en-de"'
            )
            raise TaskError(msg)
        source, references = _text(name, row[name]), []
    columns = REFERENCES if pair is None else OWN
    more = next((k for k in columns if _is_text(row.get(k))), None)
    if more is not None:
        references = w.distinct([*references, *_listed(more, row[more])])
    if not references:
        msg = f"no column holds a reference; give one of {', '.join(REFERENCES[:6])}"
        raise TaskError(msg)
    _refuse_same(source, references, more or PAIR)
    return source, references, languages, third


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list | tuple) and all(isinstance(x, str) for x in value)
    )


def _text(name: str, value: Any) -> str:
    """A text that holds a word. Raises TaskError for anything else."""
    if not isinstance(value, str) or not w.normal(value):
        msg = f"{name}={shortened(value)} holds no text"
        raise TaskError(msg)
    if len(value) > LONGEST:
        msg = f"{name} has {len(value)} characters, over {LONGEST}; give single sections"
        raise TaskError(msg)
    return value.strip()


def _listed(name: str, value: Any) -> list[str]:
    """References of a cell: a text, or a list of some."""
    given = list(value) if isinstance(value, list | tuple) else [value]
    if not given:
        msg = f"{name} is empty; give a reference, or several in a list"
        raise TaskError(msg)
    return [_text(name, x) for x in given]


def _refuse_same(source: str, references: Sequence[str], name: str) -> None:
    if any(w.normal(r) == w.normal(source) for r in references):
        msg = (
            f"{name}={shortened(references[0])} is the source itself: a copy of it would be right; "
            "leave the row out"
        )
        raise TaskError(msg)


# -- what a row's right and wrong answers are made of ----------------------------------------------
def _pool(references: Sequence[str]) -> list[str]:
    """Words to put in place of others: all that are longer than three signs, or all."""
    every = w.distinct([x.strip(w.ENDS) for r in references for x in w.words(r)])
    long = [x for x in every if len(x) > 3]
    return long if len(long) > 4 else [*every, *NAMES]


def _facts(
    source: str,
    references: Sequence[str],
    languages: tuple[str, str],
    third: str,
    other: str,
    pool: Sequence[str],
) -> dict[str, Any]:
    """Facts of a row; other : a reference of another row, "" where there is none."""
    usual, rng = references[0], Random(source)
    size = len(w.words(usual))
    some = max(2, size // MISTAKEN)
    edits = {
        "word-exchanged": w.exchanged(usual, pool, 1, rng) if size > 1 else "",
        "number-changed": w.other_number(usual),
        "name-changed": w.other_name(usual, source, NAMES),
        "denied": w.denied(usual, code(languages[1])),
        "other-language": third,
        "other-sentence": other,
    }
    accepted = frozenset(map(w.normal, references))
    guesses = [
        w.exchanged(usual, pool, some, rng),
        w.joined([*w.words(w.part(usual, 0.6)), *rng.sample(pool, min(some, len(pool)))], usual),
        w.joined([*w.words(w.part(usual, 0.8)), *NAMES[1:]], usual),
        w.joined(NAMES[:2], usual),
    ]
    more = {f"reference-{k + 2}": r for k, r in enumerate(references[1:3])}
    return {
        "source": source,
        "references": tuple(references),
        "accepted": accepted,
        "notations": more,
        "mistakes": tuple(x for x in w.distinct(guesses) if w.normal(x) not in accepted)[:2],
        "mutants": {k: v for k, v in edits.items() if v != usual},
    }
