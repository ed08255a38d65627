"""Forms of gold answers: the same answer as text, number, in dollars, a box, a list or a record.

A text that toyrl wrote has one bare answer ("18"). A reward is handed it in the form that the
user's data holds (`of_data`), or, without data, in the first form that it can read
(`candidates`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from toyrl.graders.base import TextRow
from toyrl.rewards.signatures import GOLD_SYNONYMS, Signature

CARRIERS = ("info", "extra_info", "metadata", "reward_model", "task_info")
"""Columns that may hold the gold answer among other things."""
MARKS = (
    ("boxed", re.compile(r"\\boxed\{(?P<gold>[^{}]*)\}")),
    ("hash", re.compile(r"####[ \t]*(?P<gold>[^\n]+?)[ \t]*$", re.MULTILINE)),
    ("dollars", re.compile(r"\A\$(?P<gold>[^$]+)\$\Z")),
    ("tags", re.compile(r"<answer>\s*(?P<gold>[^<]*?)\s*</answer>")),
)
SHOWN = "18"  # the answer that forms are shown with
LOOKED_AT = 64  # data rows


@dataclass(frozen=True)
class GoldForm:
    """How a gold answer is written: `write("18")`; a form is told by its example.

    text : where completions must answer in another alphabet too, (completion, gold) -> completion
    """

    name: str
    write: Callable[[str], Any] = field(compare=False)
    text: Callable[[str, str], str] | None = field(default=None, compare=False)

    @property
    def example(self) -> Any:
        """The answer 18 in this form."""
        return self.write(SHOWN)

    def __str__(self) -> str:
        shown = repr(self.example)
        return f"{shown if len(shown) <= 60 else shown[:57] + '...'} ({self.name})"


def _whole(gold: str) -> Any:
    return int(gold) if re.fullmatch(r"-?\d+", gold) else gold


def _real(gold: str) -> Any:
    return float(gold) if re.fullmatch(r"-?\d+(\.\d+)?", gold) else gold


TEXT = GoldForm("text", str)
INT = GoldForm("int", _whole)
FLOAT = GoldForm("float", _real)
DOLLARS = GoldForm("in dollars", lambda g: f"${g}$")
BOXED = GoldForm("boxed", lambda g: rf"\boxed{{{g}}}")
HASH = GoldForm("after ####", lambda g: f"The working is left out.\n#### {g}")
CHOICES = "ABCD"
NUMBERS = ("numbers", "nums")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
COUNTDOWN = "target and "  # and the key of the numbers


def _letter(gold: str) -> str:
    """The letter of a whole number; anything else, a number too long for int() too, is itself."""
    return CHOICES[int(gold) % len(CHOICES)] if re.fullmatch(r"-?\d{1,18}", gold) else gold


def _answered(say: Callable[[str, str], str], completion: str, gold: str) -> str:
    """The completion with `say(number, gold)` for the numbers of the answer's line.

    That is the last line, or, where it has none (a remark, a closing tag), the last one that says
    one number.
    """
    lines = completion.split("\n")
    found = [len(NUMBER.findall(line)) for line in lines]
    at = len(lines) - 1
    if not found[at] and 1 in found:
        at -= found[::-1].index(1)
    lines[at] = NUMBER.sub(lambda m: say(m.group(), gold), lines[at])
    return "\n".join(lines)


def _choice(said: str, gold: str) -> str:
    """The letter of what is said; one that is wrong is never the gold answer's."""
    letter, right = _letter(said.partition(".")[0]), _letter(gold)
    if said != gold and letter == right:
        return CHOICES[(CHOICES.index(letter) + 1) % len(CHOICES)]
    return letter


def _operands(gold: str) -> tuple[int, int, str, str]:
    """Two numbers above 0, the sign that makes them the gold answer, and one that doesn't."""
    value = int(gold)
    if value > 1:
        return 1, value - 1, "+", "-"
    return (1, 1 - value, "-", "+") if value < 1 else (2, 1, "-", "+")


def _expression(said: str, gold: str) -> str:
    a, b, right, wrong = _operands(gold)
    return f"{a} {right if said == gold else wrong} {b}"


LETTER = GoldForm("letter", _letter, partial(_answered, _choice))
OPEN = (TEXT, INT, FLOAT)
"""What a signature without annotation leaves open."""


def in_list(form: GoldForm) -> GoldForm:
    """A list of this one answer."""
    return GoldForm(f"list of {form.name}", lambda g: [form.write(g)], form.text)


def in_record(form: GoldForm, key: str, rest: Mapping[str, Any] | None = None) -> GoldForm:
    """A record whose `key` holds the answer, beside other entries."""
    others = dict(rest or {})
    return GoldForm(f"record with {key!r}", lambda g: {**others, key: form.write(g)}, form.text)


def as_json(form: GoldForm) -> GoldForm:
    """The form written as JSON."""
    return GoldForm(f"JSON of {form.name}", lambda g: json.dumps(form.write(g)), form.text)


def countdown(key: str, rest: Mapping[str, Any] | None = None) -> GoldForm:
    """A target and, under `key`, the numbers that make it: the answer is an expression of them."""

    def write(gold: str) -> dict[str, Any]:
        return {**(rest or {}), "target": int(gold), key: [*_operands(gold)[:2]]}

    return GoldForm(f"{COUNTDOWN}{key}", write, partial(_answered, _expression))


# -- of a user's data ----------------------------------------------------------------------------
def form_of(value: Any) -> GoldForm:
    """The form that this value of a data set has; text where none is known.

    Of a record, the entry under a usual name of gold answers holds the answer, else its only
    number or text; all others stay as they are.
    """
    if isinstance(value, bool):
        return TEXT
    if isinstance(value, int):
        return INT
    if isinstance(value, float):
        return FLOAT
    if isinstance(value, (list, tuple)) and value:
        return in_list(form_of(value[0]))
    if isinstance(value, Mapping):
        if "target" in value and (given := [k for k in NUMBERS if isinstance(value.get(k), list)]):
            return countdown(given[0], value)
        key = _gold_key(value)
        return TEXT if key is None else in_record(form_of(value[key]), key, value)
    return _text_form(value) if isinstance(value, str) else TEXT


def _text_form(value: str) -> GoldForm:
    if value[:1] in ("{", "["):
        try:
            return as_json(form_of(json.loads(value)))
        except (ValueError, RecursionError):
            pass
    if re.fullmatch(r"[A-Z]", value):
        return LETTER
    if re.fullmatch(r"-?\d+\.\d+", value):
        return GoldForm("text of a decimal", lambda g: str(_real(g)))
    for name, pattern in MARKS:
        found = [*pattern.finditer(value)]
        if found:
            before, after = value[: found[-1].start("gold")], value[found[-1].end("gold") :]
            return GoldForm(f"text, {name}", partial(_between, before, after))
    return TEXT


def _between(before: str, after: str, gold: str) -> str:
    return f"{before}{gold}{after}"


def _gold_key(record: Mapping[str, Any]) -> str | None:
    named = [k for k in ("target", *GOLD_SYNONYMS, "value") if k in record]
    if named:
        return named[0]
    plain = [k for k, v in record.items() if isinstance(v, (str, int, float))]
    return plain[0] if len(plain) == 1 else None


@dataclass(frozen=True)
class Golds:
    """What gold columns of written rows are handed over as.

    own : forms of the user's data, by column; other : form of all others, None: as written
    """

    own: Mapping[str, GoldForm] = field(default_factory=dict)
    other: GoldForm | None = None

    @property
    def countdown(self) -> GoldForm | None:
        """The form that is a target with numbers, if one is."""
        forms = (*self.own.values(), *([self.other] if self.other is not None else []))
        return next((form for form in forms if form.name.startswith(COUNTDOWN)), None)

    def columns(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """A written row's columns, its gold answer in these forms."""
        out, gold = dict(columns), columns.get("answer")
        if not isinstance(gold, str):
            return out
        if self.other is not None:
            out |= {n: self.other.write(gold) for n in out if n in GOLD_SYNONYMS}
        return out | {name: form.write(gold) for name, form in self.own.items()}

    def handed(self, row: TextRow) -> TextRow:
        """A written row with its gold answer in these forms, and its completion to go with it."""
        gold = row.columns.get("answer")
        forms = [*self.own.values(), *([self.other] if self.other is not None else [])]
        text = next((f.text for f in forms if f.text is not None), None)
        said = row.completion
        if text is not None and isinstance(gold, str):
            said = text(said, gold)
        return replace(row, completion=said, columns=self.columns(row.columns))

    def of(self, name: str) -> str:
        """How a column is handed over, in words."""
        form = self.own.get(name, self.other)
        if form is None:
            form = DOLLARS if name == "solution" else TEXT
        return str(form)


def of_data(rows: Sequence[Mapping[str, Any]]) -> Golds:
    """Forms of the gold columns of a data set, each by its first value that is one."""
    own: dict[str, GoldForm] = {}
    for row in rows[:LOOKED_AT]:
        for name, value in row.items():
            if name in own or value is None:
                continue
            carrier = name in CARRIERS and isinstance(value, Mapping)
            if name in GOLD_SYNONYMS or (carrier and any(k in GOLD_SYNONYMS for k in value)):
                own[name] = form_of(value)
                if name == "reward_model" and "ground_truth" in value:  # verl hands it over
                    own.setdefault("ground_truth", form_of(value["ground_truth"]))
    return Golds(own)


def lent_columns(row: Mapping[str, Any], golds: Golds) -> dict[str, Any]:
    """What a data row lends to written rows: all but its gold answer."""
    return {k: v for k, v in row.items() if k not in GOLD_SYNONYMS and k not in golds.own}


# -- of a function -------------------------------------------------------------------------------
def candidates(signature: Signature) -> list[GoldForm]:
    """Forms worth trying, those first that the function's source speaks for."""
    leaves = [TEXT, INT, FLOAT]
    if "list" in signature.does:
        leaves = [in_list(TEXT), in_list(INT), *leaves]
    likely: list[GoldForm] = []
    if "target" in signature.keys:
        likely += [countdown(key) for key in NUMBERS if key in signature.keys]
    for key in _gold_first(signature.keys):
        others = [k for k in signature.keys if k != key and k in GOLD_SYNONYMS]
        for leaf in [*leaves, in_list(TEXT)]:
            likely.append(_record(leaf, key, others))
    if not signature.keys:
        likely += leaves
    if "json" in signature.does:
        likely = [as_json(form) for form in likely] + likely
    out = [*likely, TEXT, DOLLARS, INT, FLOAT, BOXED, HASH, in_list(TEXT), LETTER]
    seen: dict[str, GoldForm] = {}
    for form in out:
        seen.setdefault(repr(form.example), form)
    return [*seen.values()]


def _record(leaf: GoldForm, key: str, others: Sequence[str]) -> GoldForm:
    """A record of which several entries hold the answer."""
    return GoldForm(f"record with {key!r}", lambda g: {k: leaf.write(g) for k in (key, *others)})


def _gold_first(keys: Sequence[str]) -> list[str]:
    """Keys that may hold the answer: those of usual names, else the first two."""
    return [k for k in keys if k in GOLD_SYNONYMS][:2] or list(keys[:2])


def wish(signature: Signature) -> str:
    """The form that the function's source seems to want, in words; "" where it doesn't say."""
    does, keys = signature.does, signature.keys
    words = []
    if keys:
        shown = ", ".join(map(repr, keys))
        words.append(f"a record with the {'key' if len(keys) == 1 else 'keys'} {shown}")
    if "list" in does:
        words.append("a list inside it" if keys else "a list")
    if "json" in does:
        words.append("written as JSON")
    if not words:
        words += ["a number"] * ("number" in does) + ["text"] * ("text" in does)
    return ", ".join(words)
