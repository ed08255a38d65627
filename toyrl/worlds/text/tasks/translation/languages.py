"""Which language is which in a data row."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toyrl.messages import shortened
from toyrl.worlds.text.tasks.base import TaskError

PAIRS = ("lp", "lang_pair", "language_pair", "lg", "direction")
SOURCES = ("src_lang", "source_lang", "source_language", "src_language")
TARGETS = ("tgt_lang", "target_lang", "target_language", "tgt_language", "trg_lang")
BOTH = re.compile(r"\s*([A-Za-z_]+)\s*(?:-+>?|→|>|\bto\b)\s*([A-Za-z_-]+)\s*")
"""A direction such as en-de, en-de_DE, en->zh, English to German."""
CODES = {"cs": "ces czech", "de": "deu ger german deutsch", "en": "eng english",
         "es": "spa spanish", "fr": "fra fre french", "it": "ita italian",
         "ja": "jpn japanese", "nl": "nld dutch", "pl": "pol polish", "pt": "por portuguese",
         "ru": "rus russian", "zh": "zho chi cmn chinese"}  # fmt: skip
BY_NAME = {name: short for short, names in CODES.items() for name in names.split()}
"""Names of a language -> its two letters."""


def code(language: str) -> str:
    """The two letters of a language: of `de`, `de_DE`, `deu_Latn`, `German`; what it begins with
    where it isn't among those."""
    first = re.split(r"[-_ ]", language.strip().lower())[0]
    return BY_NAME.get(first, first)


def told(row: Mapping[str, Any]) -> tuple[str, str]:
    """(source's language, target's) as columns say them, "" where none does."""
    for name in PAIRS:
        value = row.get(name)
        found = BOTH.fullmatch(value) if isinstance(value, str) else None
        if found:
            return found[1], found[2]
    first, second = (
        next((row[k] for k in names if isinstance(row.get(k), str)), "")
        for names in (SOURCES, TARGETS)
    )
    return first, second


def mapping(value: Any) -> dict[str, Any] | None:
    """Texts by language, also where they are written as JSON; None for anything else."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return {str(k): v for k, v in value.items()} if isinstance(value, Mapping) else None


def by_column(row: Mapping[str, Any], languages: tuple[str, str]) -> dict[str, Any] | None:
    """Texts of columns that are called by their language; None where there are none."""
    found = {
        language: row[k]
        for language in languages
        for k in (language, f"sentence_{language}")
        if language and isinstance(row.get(k), str)
    }
    return found if len(found) == 2 else None


def direction(pair: Mapping[str, Any], languages: tuple[str, str], prompt: str) -> tuple[str, str]:
    """Which key of a row's texts is the source's, which the target's.

    languages : as columns say them; prompt : says it where it holds one of the texts alone

    Raises TaskError where neither says it.
    """
    first, second = (_key(x, pair) for x in languages)
    if not any(languages):
        held = [k for k, v in pair.items() if isinstance(v, str) and v.strip() and v in prompt]
        first = held[0] if len(held) == 1 else ""
    rest = [k for k in pair if k not in (first, second)]
    if len(rest) == 1 and bool(first) != bool(second):
        first, second = first or rest[0], second or rest[0]
    if first and second and first != second:
        return first, second
    there = shortened(", ".join(pair) or "nothing")
    if any(languages):
        said = shortened(" and ".join(x for x in languages if x))
        msg = f"translation holds {there}, and the columns say {said}; name two that it holds"
    else:
        msg = (
            f"translation holds {there}, and nothing says which is the source; give "
            'lp ("en-de"), or src_lang and tgt_lang'
        )
    raise TaskError(msg)


def _key(language: str, pair: Mapping[str, Any]) -> str:
    """The key of a language, "" where there is none."""
    if language in pair or not language:
        return language
    return next((k for k in pair if code(k) == code(language)), "")


def prompt_text(row: Mapping[str, Any]) -> str:
    """The prompt where it is text, or its messages' texts."""
    prompt = row.get("prompt")
    if isinstance(prompt, str):
        return prompt
    return "\n".join(_contents(prompt)) if isinstance(prompt, list) else ""


def _contents(messages: Sequence[Any]) -> Iterator[str]:
    for m in messages:
        if isinstance(m, Mapping) and isinstance(m.get("content"), str):
            yield m["content"]
