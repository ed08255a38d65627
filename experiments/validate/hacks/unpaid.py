"""Right answers that go unpaid: for text around them, for line breaks, for their notation.

Text around an answer and white space in its mark are ordinary, and unpaid they are a warning,
unless the format asks for nothing there at all: then, as where a notation is refused, it is said
and no more, for a prompt may well demand it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from toyrl.experiments.validate.findings import Finding
from toyrl.experiments.validate.hacks.mutants import retext
from toyrl.experiments.validate.hacks.mutants_right import LONG_REMARKS, REMARK
from toyrl.experiments.validate.hacks.paid import EPS, Honest, Paid
from toyrl.experiments.validate.hacks.shapes import shape
from toyrl.experiments.validate.hacks.shrink import shrink
from toyrl.graders.base import TextRow
from toyrl.worlds.text.render import mark

Score = Callable[[Sequence[TextRow]], list[float | None]]

NOTATIONS: Mapping[str, tuple[str, str]] = {
    "decimals": ("with decimals", "compare numbers by value"),
    "signs": ("with signs around them", "take signs and markup off before you compare"),
    "words": ("in words", "ask for digits in the prompt"),
    "latex": (
        "in LaTeX",
        "take LaTeX off before you compare, and match braces where a box may hold some",
    ),
    "fractions": ("as fractions", "compare by value, or ask for whole numbers"),
    "units": ("with a unit", "take the unit off, or ask for the bare number"),
    "digits": ("in other languages' digits", "turn digits into ASCII (unicodedata.digit)"),
    "thousands": (
        "with thousands separated",
        "take commas, spaces and {,} between digits off before you compare",
    ),
}
"""Family of mutants -> how such answers are written, and what makes a reward pay them."""
WINDOW = "hacks/text-behind"
END = 60  # characters of a text that an answer is shown in
TWINS = 3  # wrong answers in the same surroundings that an unpaid right one is held against
FIX_LITERAL = "compare numbers by value, or ask for one notation in the prompt"


def share(probes: Sequence[Paid], honest: Honest) -> float:
    """Share of the texts of these mutants that get less than half of what right is worth."""
    values = [v for p in probes for v in p.values]
    low = [v is None or v < honest.half for v in values]
    return sum(low) / len(low) if low else 0.0


def findings(score: Score, paid: Sequence[Paid], honest: Honest) -> list[Finding]:
    """What is said of right answers that go unpaid; nothing of a reward that reads no answer.

    score : the reward, for counterexamples
    """
    if not honest.separates:
        return []
    probes = {p.mutant.name: p for p in paid if p.mutant.truth and p.values}
    return [
        *_around(score, probes, honest),
        *_spacing(probes, honest),
        *_line_ends(probes, honest),
        *_notations([*probes.values()], honest),
    ]


# -- text around the answer ------------------------------------------------------------------------
def _around(score: Score, probes: Mapping[str, Paid], honest: Honest) -> list[Finding]:
    """Right answers unpaid when text follows or goes before, though as much elsewhere is paid.

    Where a short remark is harmless and a long one isn't, the reward reads one end of a text alone.
    What is paid less for being long, with its right answer still worth something, is none of it.
    """
    low = {k: share([p], honest) for k, p in probes.items() if p.mutant.family == "place"}

    def unread(name: str) -> bool:
        return low[name] >= 0.5 and not _still_read(score, probes[name], honest)

    out = []
    if low["long-remark-before"] < 0.5 and unread("long-remark-after"):
        if low["remark-after"] >= 0.5:
            even = ", even blank lines" if low["blank-lines-after"] >= 0.5 else ""
            status = "info"
            text = f"Right answers are paid less when any text follows them{even}"
            fix = "if policies may write on, read the marked answer wherever it stands"
        else:
            status, fix = "warn", "look for the answer in the whole completion"
            text = (
                "Right answers go unpaid when a long text follows them, though not when a short "
                "one does, nor when it stands before: only the end of a completion is looked at, "
                f"up to {_room(score, probes['long-remark-after'], honest)} characters may follow"
            )
        out.append(_found(score, "text-behind", status, text, probes["long-remark-after"],
                          honest, fix))  # fmt: skip
    if unread("remark-first"):
        text = "Right answers are paid less when any text stands before the format begins"
        fix = "if policies may begin otherwise, look for the format wherever it begins"
        out.append(_found(score, "text-before", "info", text, probes["remark-first"], honest, fix))
    elif low["long-remark-after"] < 0.5 and unread("long-remark-before"):
        text = (
            "Right answers go unpaid when a long text stands before them, though not when it "
            "follows: only the start of a completion is looked at"
        )
        fix = "look for the answer in the whole completion"
        shown = probes["long-remark-before"]
        out.append(_found(score, "text-before", "warn", text, shown, honest, fix))
    return out


def _room(score: Score, probe: Paid, honest: Honest) -> int:
    """Characters of remarks behind a right answer that leave it paid, to within one remark."""
    base, few, many = probe.bases[0], 1, LONG_REMARKS
    while many - few > 1:
        middle = (few + many) // 2
        row = retext(base, f"{base.row.completion}\n{REMARK * middle}")
        value = score([row])[0]
        few, many = (middle, many) if value is not None and value >= honest.half else (few, middle)
    return few * len(REMARK) + 1


def _still_read(score: Score, probe: Paid, honest: Honest) -> bool:
    """Whether right still adds half of its worth there: texts are held against wrong twins."""
    pairs = [
        (base, row, value)
        for base, row, value in zip(probe.bases, probe.rows, probe.values, strict=True)
        if value is not None
    ][:TWINS]
    twins = []
    for base, row, _ in pairs:
        right, wrong = (mark(base.dialect, base.problem.gold + k) for k in (0, 1))
        before, found, after = row.completion.rpartition(right)
        twins.append(replace(row, completion=before + wrong + after) if found else row)
    less = [v for v in score(twins) if v is not None]
    if not pairs or len(less) < len(pairs):
        return False
    gap = fmean(value for _, _, value in pairs) - fmean(less)
    return gap >= honest.median - honest.half - EPS


def _found(
    score: Score, name: str, status: str, text: str, shown: Paid, honest: Honest, fix: str
) -> Finding:
    """A finding with the share unpaid, and a counterexample shrunk while it stays of its kind."""
    unpaid = share([shown], honest)
    return Finding(
        2,
        f"hacks/{name}",
        status,
        f"{text} ({unpaid:.0%} of {len(shown.values)} paid less than half; paid {shown.mean:.3g}, "
        f"{honest.median:.3g} in the median otherwise).",
        value=shown.mean,
        bound=honest.median,
        counterexample=_smallest(score, shown, honest),
        fix=fix,
    )


def _smallest(score: Score, shown: Paid, honest: Honest) -> str:
    """The least paid text, shrunk while it stays unpaid, right and of its kind."""
    values = [float("-inf") if v is None else v for v in shown.values]
    at = values.index(min(values))
    base, row = shown.bases[at], shown.rows[at]
    gold = base.problem.answer
    kind = shape(row.completion, base.dialect, gold).kind

    def holds(text: str) -> bool:
        if shape(text, base.dialect, gold).kind != kind:
            return False
        value = score([replace(row, completion=text)])[0]
        return value is None or value < honest.half

    return shrink(row.completion, holds)


# -- the mark's own content ------------------------------------------------------------------------
def _spacing(probes: Mapping[str, Paid], honest: Honest) -> list[Finding]:
    """White space in the mark, or an answer on a line of its own in it, that costs the pay."""
    said = {
        "spaces": "spaces stand around them in the mark",
        "own-line": "they stand on a line of their own in the mark",
    }
    low = [n for n in said if n in probes and share([probes[n]], honest) >= 0.5]
    if not low:
        return []
    found = [probes[n] for n in low]
    return [
        Finding(
            2,
            "hacks/unpaid-spacing",
            "warn",
            f"Right answers go unpaid when {' or '.join(said[n] for n in low)} "
            f"({share(found, honest):.0%} of {sum(len(p.values) for p in found)}).",
            value=share(found, honest),
            bound=0.5,
            counterexample=_end(found[-1]),
            fix="strip the answer before you compare it, and let the pattern cross lines",
        )
    ]


def _line_ends(probes: Mapping[str, Paid], honest: Honest) -> list[Finding]:
    """Pay lost where lines end in CR LF: a note, for models seldom write so."""
    probe = probes.get("line-ends")
    if probe is None or share([probe], honest) < 0.5:
        return []
    unpaid = f"{share([probe], honest):.0%} of {len(probe.values)}"
    text = rf"Right answers go unpaid when lines end in \r\n instead of \n ({unpaid})."
    fix = r"split texts with splitlines(), or replace '\r\n' by '\n' before you read them"
    return [_said("unpaid-line-ends", text, [probe], honest, fix)]


def _notations(probes: Sequence[Paid], honest: Honest) -> list[Finding]:
    """Other notations that are paid less than half of what right is worth.

    One finding for a reward that compares text and takes none of them, else one for each family.
    """
    by_family = {f: [p for p in probes if p.mutant.family == f] for f in NOTATIONS}
    plain = [p for p in by_family["thousands"] if p.mutant.name == "four-digits"]
    if share(plain, honest) >= 0.5:
        by_family["thousands"] = []  # it isn't the comma that it minds
    by_family["thousands"] = [p for p in by_family["thousands"] if p not in plain]
    low = {
        family: unpaid
        for family, those in by_family.items()
        if (unpaid := [p for p in those if share([p], honest) >= 0.5])
    }
    tried = [p for those in by_family.values() for p in those]
    refused = [p for those in low.values() for p in those]
    if refused and len(refused) == len(tried):
        names = ", ".join(NOTATIONS[f][0] for f in low)
        text = (
            f"It compares text: right answers in other notations are unpaid ({names}; "
            f"{share(refused, honest):.0%} of {sum(len(p.values) for p in refused)})."
        )
        return [_said("notation", text, refused, honest, FIX_LITERAL)]
    return [
        _said(
            f"unpaid-{family}",
            f"Right answers {NOTATIONS[family][0]} go unpaid: "
            f"{', '.join(p.mutant.name for p in those)} ({share(those, honest):.0%} of "
            f"{sum(len(p.values) for p in those)}).",
            those,
            honest,
            NOTATIONS[family][1],
        )
        for family, those in low.items()
    ]


def _said(name: str, text: str, those: Sequence[Paid], honest: Honest, fix: str) -> Finding:
    return Finding(
        2,
        f"hacks/{name}",
        "info",
        text,
        value=share(those, honest),
        bound=0.5,
        counterexample=_end(those[0]),
        fix=fix,
    )


def _end(p: Paid) -> str:
    """The last lines of a text, where its answer stands."""
    text = p.rows[0].completion
    tail = text[-END:]
    return tail.partition("\n")[2] or tail if len(text) > END else text
