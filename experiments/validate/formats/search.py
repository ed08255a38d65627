"""Which layout of completions does this reward read? Its own answers to texts in each decide.

Candidates come from the user's rollouts and prompts, from the reward's source, from the dialects
that are known, and from a few usual ones, in this order. In each, right and wrong answers of equal
length are graded, term by term. The layout that separates best, has the most terms paid and pays
most is the one that is judged; others that do as well with another mark are ties.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from toyrl.experiments.validate.contract.separation import matched_auc, side
from toyrl.experiments.validate.formats.choosing import (
    CLOSE,
    Candidate,
    Graded,
    Outweighed,
    bare_mark,
    best,
    beyond_known,
    combined,
    live,
    outweighed,
    sided,
    span,
)
from toyrl.experiments.validate.formats.own import same_mark
from toyrl.experiments.validate.formats.templates import Hint
from toyrl.graders.base import TextRow
from toyrl.rewards.errors import RewardError
from toyrl.rewards.user import TextTerm, UserReward
from toyrl.worlds.text.dialects import DIALECTS, compose, dialect_of
from toyrl.worlds.text.render import RenderedRow

USUAL = (
    *("{work}\n{}", "{none}{}", "Answer: {}", "Final answer: {}", "**{}**", "\\boxed{{}}"),
    *(
        '{"answer": "{}"}',
        '{"answer": {}}',
        "<answer>\n{}\n</answer>",
        "({})",
        "Answer: \\boxed{{}}",
    ),
)
PAIRS = 8  # right and wrong rows graded in each layout
MOST = 40  # candidates; more are made of these
TIES = 2  # layouts beside the first that are judged too
RECOVERABLE = ("raised", "bad_value", "wrong_count")
HINTED = ("rollouts", "prompts", "source")


@dataclass(frozen=True)
class Found:
    """A layout that the reward reads, with the evidence.

    auc : chance that a right text is paid above a wrong one of equal length
    paid : share of right texts paid above the least that any text got
    terms : for each text term, whether it is paid there as well as anywhere
    """

    candidate: Candidate
    auc: float
    paid: float
    terms: tuple[bool, ...]

    @property
    def dialect(self) -> str:
        """Its name or template."""
        return self.candidate.dialect


@dataclass(frozen=True)
class Search:
    """What was found: the layout to judge in first, ties behind it.

    tried : layouts graded; hinted : some came from rollouts, prompts or the source
    format_only : complete texts in the first layout are paid one value, and less without its marks
    outweighed : where a wrong answer in one layout is paid like a right one in another
    """

    found: tuple[Found, ...] = ()
    tried: int = 0
    hinted: bool = False
    format_only: bool = False
    outweighed: Outweighed | None = None

    @property
    def dialects(self) -> tuple[str, ...]:
        """Names or templates, the first one first."""
        return tuple(f.dialect for f in self.found)


def candidates(
    own: Iterable[Hint], asked: Iterable[Hint], source: Iterable[Hint]
) -> list[Candidate]:
    """Layouts by where they come from, then the known ones; a mark that is known is the known one.

    own : of the user's rollouts; asked : of the prompts; source : of the reward's source
    """
    out: dict[str, Candidate] = {}
    groups = (("rollouts", own), ("prompts", asked), ("source", source))
    for origin, found in groups:
        for hint in found:
            name = dialect_of(hint.template).name
            known = [d for d in DIALECTS if not hint.whole and same_mark(name, d)]
            for d in known or [name]:
                out.setdefault(d, Candidate(d, origin if hint.near else "file", hint.said))
    kept = dict(list(out.items())[:MOST])
    for d in DIALECTS:
        if d not in kept or kept[d].origin == "file":
            kept[d] = Candidate(d, "known")
    return list(kept.values())


Rows = Callable[[str], Sequence[RenderedRow]]


def search(
    reward: UserReward,
    tried: Sequence[Candidate],
    rows_of: Rows,
    *,
    shaped: Callable[[Sequence[tuple[TextRow, bool]]], list[float]] | None = None,
    settled: bool = True,
    reads_gold: bool = True,
    asked: Collection[str] | None = None,
) -> Search:
    """The layouts that the reward reads.

    rows_of : rendered rows of known truth in a layout
    shaped : values of catalogue terms on (row, right?), for sums that have some
    settled : False: whether functions take messages or text is decided on these rows first
    reads_gold : False: only the candidates are tried, for it is a format that is looked for
    asked : layouts in which a policy may be asked to answer; None: all but usual ones. A format
        outweighs correctness between these and what was found alone
    """
    if not settled:
        _settle(reward, tried, rows_of)
    hinted = any(c.origin in HINTED for c in tried)
    late = {c.dialect: c for c in tried if _comes_late(c)}
    graded = [_grade(reward, c, rows_of, shaped) for c in tried if c.dialect not in late]
    if not sided(graded) and reads_gold:
        usual = [Candidate(dialect_of(d).name, "usual") for d in USUAL]
        more = {c.dialect: c for c in (*usual, *late.values())}
        seen = {g.candidate.dialect for g in graded}
        graded += [_grade(reward, c, rows_of, shaped) for d, c in more.items() if d not in seen]
    graded += [_grade(reward, c, rows_of, shaped) for c in combined(graded, best(graded))]
    found = best(graded)
    alone = bool(found) and not found[0].side and _format_only(reward, found[0], rows_of)
    if not found or not (found[0].side or alone or beyond_known(found[0], graded)):
        return Search(tried=len(graded), hinted=hinted)
    kept = found[:1]
    for g in found[1:] if found[0].side else ():
        fresh = g.candidate.origin not in ("combined", "usual")
        if fresh and not any(_alike(g.candidate.dialect, k.candidate.dialect) for k in kept):
            kept = [*kept, g]
    evidence = tuple(_evidence(g, graded) for g in kept[: 1 + TIES])
    read = {g.candidate.dialect for g in kept} | set(asked or ())
    both = graded if asked is None else [g for g in graded if g.candidate.dialect in read]
    return Search(evidence, len(graded), hinted, alone, outweighed(both))


def _comes_late(c: Candidate) -> bool:
    """Layouts tried only where no other is read: of other functions, and without any working."""
    return c.origin == "file" or (dialect_of(c.dialect).working == "none" and c.origin != "told")


def _alike(a: str, b: str) -> bool:
    """Whether two layouts mark the answer alike, or one puts the other's mark into its own."""
    x, y = bare_mark(a), bare_mark(b)
    return same_mark(a, b) or x in dialect_of(b).mark or y in dialect_of(a).mark


# -- grading ---------------------------------------------------------------------------------------
def _settle(reward: UserReward, tried: Sequence[Candidate], rows_of: Rows) -> None:
    """Decide anew whether functions take messages or text: on a right and a wrong text of each."""
    rows = [x.row for c in tried for x in _complete(rows_of(c.dialect))[:2]]
    for text in reward.texts:
        before, text.chat = text.chat, None
        try:
            text.settle(rows)
        except RewardError as error:
            if error.kind not in RECOVERABLE:
                raise
            text.chat = before


def _complete(rows: Sequence[RenderedRow]) -> list[RenderedRow]:
    """Right and wrong rows by turns, as many of each, none truncated."""
    right = [x for x in rows if x.correct][:PAIRS]
    wrong = [x for x in rows if not x.correct and not x.truncated][:PAIRS]
    return [x for pair in zip(right, wrong, strict=False) for x in pair]


def _grade(
    reward: UserReward,
    c: Candidate,
    rows_of: Rows,
    shaped: Callable[[Sequence[tuple[TextRow, bool]]], list[float]] | None,
) -> Graded:
    rows = _complete(rows_of(c.dialect))
    weights = [t.factor for t in reward.terms if t.shaper is None]
    terms = [
        w
        * np.array([math.nan if v is None else v for v in term_values(text, [x.row for x in rows])])
        for w, text in zip(weights, reward.texts, strict=True)
    ]
    known = np.isfinite(terms).any(axis=0)
    total = np.where(known, np.nansum(terms, axis=0), np.nan)
    if shaped is not None:
        total = np.nan_to_num(total) + shaped([(x.row, x.correct) for x in rows])
    right = np.array([x.correct for x in rows])
    values = [float(v) if np.isfinite(v) else None for v in total]
    auc, n_right, n_wrong = matched_auc(values, right, np.array([x.row.tokens for x in rows]))
    both = np.array([*terms, total])
    return Graded(c, both[:, right], both[:, ~right], auc, side(auc, n_right, n_wrong))


def term_values(text: TextTerm, rows: Sequence[TextRow]) -> list[float | None]:
    """A term's values, None where it fails on a text."""
    try:
        return text.score(rows)
    except RewardError as error:
        if error.kind not in RECOVERABLE:
            raise
        if error.kind == "wrong_count" or len(rows) == 1:
            return [None] * len(rows)
    return [v for row in rows for v in term_values(text, [row])]


# -- what is said of it ----------------------------------------------------------------------------
def _evidence(g: Graded, graded: Sequence[Graded]) -> Found:
    least = min(float(np.nanmin(x.wrong[-1])) for x in graded if np.isfinite(x.wrong[-1]).any())
    least = min(least, *(float(np.nanmin(x.right[-1])) for x in graded
                         if np.isfinite(x.right[-1]).any()))  # fmt: skip
    paid = float(np.mean(np.nan_to_num(g.right[-1], nan=least) > least + CLOSE * span(graded)[-1]))
    i = next(k for k, x in enumerate(graded) if x is g)
    return Found(g.candidate, g.auc, paid, tuple(bool(x) for x in live(graded)[i, :-1]))


def _format_only(reward: UserReward, best: Graded, rows_of: Rows) -> bool:
    """Whether complete texts in this layout are all paid one value, and less without its marks."""
    values = np.concatenate((best.right[-1], best.wrong[-1]))
    if not np.isfinite(values).all() or np.ptp(values) > 0:
        return False
    bare = [_bare(x) for x in _complete(rows_of(best.candidate.dialect))]
    try:
        other = reward.score(bare)
    except RewardError as error:
        if error.kind not in RECOVERABLE:
            raise
        return False
    numbers = [v for v in other if v is not None]
    return bool(numbers) and max(numbers) < values[0]


def _bare(x: RenderedRow) -> TextRow:
    """The row without the layout's marks, the answer in a plain sentence."""
    from toyrl.worlds.text.render import answers

    said = answers(x.row.completion, x.dialect)
    plain = f"I get {said[-1] if said else x.problem.gold}."
    return replace(x.row, completion=compose(x.dialect, x.work, plain, tags=False))
