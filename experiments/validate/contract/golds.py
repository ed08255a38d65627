"""In which form a reward is handed the gold answer of the texts that toyrl writes.

In the form of the user's data where there is some. Without it, as it is written, unless that tells
no right text from a wrong one: then the first other form is taken that does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from toyrl.experiments.validate.contract.separation import matched_auc
from toyrl.experiments.validate.findings import Finding
from toyrl.experiments.validate.formats.search import RECOVERABLE
from toyrl.graders.base import TextRow
from toyrl.rewards.calling import BORROWS, MAPPED_FORMS, own_name
from toyrl.rewards.errors import RewardError
from toyrl.rewards.golds import CARRIERS, OPEN, GoldForm, candidates, wish
from toyrl.rewards.terms import TextTerm
from toyrl.rewards.user import UserReward

Probe = tuple[TextRow, bool]
SLOW = 0.2  # seconds a row from which no other form is tried unless the usual one fails
EACH = 6  # right and wrong texts of a dialect on which a form is tried
GIVE_DATA = "give rows of your data: --data rows.jsonl"


@dataclass(frozen=True)
class Tried:
    """What a form of gold gave on the sample.

    auc : right above wrong in the best dialect; -1 where every dialect failed
    dialect : the best one; error : of the last dialect that failed
    """

    auc: float
    dialect: str = ""
    error: RewardError | None = None

    @property
    def separates(self) -> bool:
        """Above one half by two standard deviations of its null law."""
        return self.auc > 0.5 + 2 * math.sqrt((2 * EACH + 1) / (12 * EACH**2))


def settle(reward: UserReward, probes: Mapping[str, Sequence[Probe]]) -> list[Finding]:
    """Choose, for every function that reads a gold answer, the form it is handed over in.

    That of the user's data stays; where it pays right and wrong alike and another form doesn't,
    a finding says so.

    Raises RewardError, with the form that the function seems to want, where none can be read.
    """
    out: list[Finding] = []
    sample = {d: few(p) for d, p in probes.items() if p}
    for text in reward.texts:
        if not (text.signature.reads_gold or text.signature.named):
            continue
        if not any(row.written for rows, _ in sample.values() for row in rows):
            continue
        out += _settle(text, sample)
    return out


def few(probes: Sequence[Probe], each: int = EACH) -> tuple[list[TextRow], list[bool]]:
    """So many right and wrong ones: (rows, whether each is right)."""
    kept = [p for good in (True, False) for p in [p for p in probes if p[1] is good][:each]]
    return [row for row, _ in kept], [good for _, good in kept]


def _settle(
    text: TextTerm, sample: Mapping[str, tuple[list[TextRow], list[bool]]]
) -> list[Finding]:
    first = tried(text, sample)
    if first.separates:
        return []
    given, best, chosen = text.golds, first, text.golds
    if first.error is None and text.per_row > SLOW:
        return []
    fixed = [n for n in text.signature.named if n in given.own]
    for form in candidates(text.signature):
        text.golds = replace(given, own={}, other=form) if fixed else replace(given, other=form)
        found = tried(text, sample)
        if found.separates or (best.auc < 0 <= found.auc):
            best, chosen = found, text.golds
        if found.separates:
            break
    text.golds = given if fixed else chosen
    if fixed and best.separates:
        held = f"your data holds {fixed[0]!r} as {given.of(fixed[0])}"
        other = f"{held}, and it reads {chosen.of(fixed[0])}"
        if first.error is not None:
            raise _told(first.error, other)
        message = f"{text.label} pays right and wrong alike: {other}."
        return [Finding(1, "contract/gold-read", "fail", message, fix="read the form of your data")]
    if not fixed and best.auc < 0 and first.error is not None:
        seems = wish(text.signature)
        raise _told(first.error, f"its gold answer seems to be {seems}: {GIVE_DATA}" * bool(seems))
    return []


def _told(error: RewardError, more: str) -> RewardError:
    """The error of a function that the gold answer's form doesn't suit, and which one would."""
    if not more or error.kind != "raised":
        return error
    return RewardError(error.kind, f"{error.message}; {more}", error.row, error.detail)


def tried(text: TextTerm, sample: Mapping[str, tuple[list[TextRow], list[bool]]]) -> Tried:
    """Grade the sample as the function is now, up to the first dialect that it reads.

    Its choice of chat form and its notes are undone.
    """
    chat, notes = text.chat, dict(text.notes)
    best, error = Tried(-1.0), None
    try:
        for dialect, (rows, right) in sample.items():
            text.chat = chat
            try:
                values = text.raw(rows, text.settle(rows))
            except RewardError as failed:
                if failed.kind not in RECOVERABLE:
                    raise
                error = failed
                continue
            tokens = np.array([row.tokens for row in rows])
            auc = matched_auc(values, np.array(right), tokens)[0]
            auc = 0.0 if math.isnan(auc) else auc
            if auc > best.auc:
                best = Tried(auc, dialect)
            if best.separates:
                break
    finally:
        text.chat, text.notes = chat, notes
    return replace(best, error=error)


# -- what is said ----------------------------------------------------------------------------------
def findings(
    reward: UserReward, probes: Mapping[str, Sequence[Probe]], dialect: str, *, separates: bool
) -> list[Finding]:
    """What each function was handed, what other forms would do, and columns under other names.

    separates : right and wrong texts are told apart in the form chosen; where not, the form that
        the source seems to want is named
    """
    out = []
    rows, right = few(probes[dialect], EACH // 2)
    for text in reward.texts:
        s = text.signature
        if not (s.reads_gold and s.named):
            continue
        out.append(_handed(text))
        out += _other_names(text)
        if not separates and not text.golds.own and (seems := wish(s)) and seems != "text":
            said = f"{text.label}: its gold answer seems to be {seems}."
            out.append(Finding(1, "contract/gold-wish", "warn", said, fix=GIVE_DATA))
        fixed = s.typed or text.golds.own or not any(r.written for r in rows)
        if not fixed and (text.golds.other in (None, *OPEN)):
            out += _left_open(text, rows, right)
    return out


def _handed(text: TextTerm) -> Finding:
    s = text.signature
    shown = ", ".join(f"{n} is {text.golds.of(n)}" for n in s.named)
    source = "as your data holds it" if text.golds.own else "which is toyrl's choice"
    message = f"{text.label}: of a gold answer 18, {shown}; {source}."
    return Finding(1, "contract/gold-form", "info", message)


def _other_names(text: TextTerm) -> list[Finding]:
    """Gold columns that the function asks for and the user's data has under other names."""
    borrowed = [n for n in text.notes if BORROWS in n]
    s, have = text.signature, text.golds.own
    asked = s.named
    mapped = s.form in MAPPED_FORMS or any(n in have for n in CARRIERS)
    if have and not (borrowed or mapped or any(own_name(s, n) in have for n in asked)):
        mine, yours = " or ".join(f"`{n}`" for n in asked), ", ".join(f"`{n}`" for n in have)
        borrowed = [f"{text.label} asks for {mine}; your data has {yours}"]
    return [
        Finding(
            1,
            "contract/gold-column",
            "warn",
            f"{note}: in training that is an error or another value.",
            fix="rename the column, or the parameter",
        )
        for note in borrowed
    ]


def _left_open(text: TextTerm, rows: Sequence[TextRow], right: Sequence[bool]) -> list[Finding]:
    """What int and float would do where the signature doesn't say the gold answer's type."""
    given = text.golds
    if given.other in OPEN[1:]:
        return []
    notes = dict(text.notes)
    raised, unpaid = [], []
    try:
        usual = text.raw(rows)
        for form in OPEN:
            if given.of(text.signature.named[0]) == str(form):
                continue
            text.golds = replace(given, other=form)
            try:
                values = text.raw(rows)
            except RewardError as error:
                if error.kind not in RECOVERABLE:
                    raise
                raised.append((form, error))
            else:
                if _told_apart(usual, right) and not _told_apart(values, right):
                    unpaid.append(form)
    except RewardError as error:
        if error.kind not in RECOVERABLE:
            raise
        return []
    finally:
        text.golds, text.notes = given, notes
    return _open_findings(raised, unpaid)


def _told_apart(values: Sequence[float | None], right: Sequence[bool]) -> bool:
    pairs = [(v, good) for v, good in zip(values, right, strict=True) if v is not None]
    good = [v for v, is_right in pairs if is_right]
    bad = [v for v, is_right in pairs if not is_right]
    return bool(good and bad) and float(np.mean(good)) > float(np.mean(bad))


def _open_findings(
    raised: Sequence[tuple[GoldForm, RewardError]], unpaid: Sequence[GoldForm]
) -> list[Finding]:
    if raised:
        forms = " or ".join(str(form) for form, _ in raised)
        return [
            Finding(
                1,
                "contract/gold-type",
                "warn",
                f"If your data holds the gold answer as {forms}, it fails: {raised[0][1]}",
                fix=f"{GIVE_DATA}, so that it is judged on the type that it will get",
            )
        ]
    if unpaid:
        forms = " or ".join(map(str, unpaid))
        kept = f"If your data holds the gold answer as {forms}, no right answer is paid more"
        return [Finding(1, "contract/gold-type", "info", f"{kept} than a wrong one.")]
    return []
