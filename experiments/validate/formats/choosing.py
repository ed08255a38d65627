"""Of layouts that a reward was graded in: which it reads best, and what can be made of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from toyrl.experiments.validate.formats.templates import usable
from toyrl.worlds.text.dialects import DIALECTS, PLACE, WORKINGS, dialect_of

MOST_COMBINED = 24
CLOSE = 0.05  # of a reward's range: what counts as paid alike
CLOSE_AUC = 0.1
EPS = 1e-12


@dataclass(frozen=True)
class Candidate:
    """A layout to try.

    dialect : name or template; said : what suggests it
    origin : "told" | "rollouts" | "prompts" | "source" | "known" | "usual" | "file" (elsewhere in
        the source's file) | "combined"
    """

    dialect: str
    origin: str
    said: str = ""


@dataclass(frozen=True)
class Graded:
    """One layout's values.

    right, wrong : (T + 1, n) weighted values of each text term and of the whole reward
    """

    candidate: Candidate
    right: np.ndarray
    wrong: np.ndarray
    auc: float
    side: int

    @property
    def pay(self) -> np.ndarray:
        """(T + 1,) mean over right texts."""
        with np.errstate(invalid="ignore"):
            return np.nan_to_num(self.right).mean(axis=1)


@dataclass(frozen=True)
class Outweighed:
    """A format that counts more than correctness.

    unread : right and wrong are paid alike in the first
    wrong, right : the layouts; paid_wrong, paid_right : medians of wrong texts in the one and of
        right texts in the other, in which right texts are paid above wrong ones
    """

    wrong: str
    right: str
    paid_wrong: float
    paid_right: float
    unread: bool = False


def span(graded: Sequence[Graded]) -> np.ndarray:
    """(T + 1,) range of every term and of the whole, over all texts."""
    both = np.concatenate([np.concatenate((g.right, g.wrong), axis=1) for g in graded], axis=1)
    both = np.where(np.isfinite(both), both, np.nan)
    empty = np.isnan(both).all(axis=1)
    both[empty] = 0.0
    return np.nanmax(both, axis=1) - np.nanmin(both, axis=1)


def live(graded: Sequence[Graded]) -> np.ndarray:
    """(candidates, T + 1) whether a term is paid there as well as anywhere."""
    pay = np.array([g.pay for g in graded])
    return pay >= pay.max(axis=0) - CLOSE * span(graded) - EPS


def best(graded: Sequence[Graded]) -> list[Graded]:
    """The layouts that do best, in order of where they come from; [] if none makes a difference."""
    sides = {g.side for g in graded}
    wanted = 1 if 1 in sides else -1 if -1 in sides else 0
    alive, pay, wide = live(graded), np.array([g.pay[-1] for g in graded]), span(graded)[-1]
    kept = [i for i, g in enumerate(graded) if g.side == wanted]
    if wanted:
        top = max(wanted * graded[i].auc for i in kept)
        kept = [i for i in kept if wanted * graded[i].auc >= top - CLOSE_AUC]
    elif np.ptp(pay) <= CLOSE * wide:
        return []
    if wanted >= 0:  # where right answers are paid least, pay is no merit
        most = max(int(alive[i, :-1].sum()) for i in kept)
        kept = [i for i in kept if alive[i, :-1].sum() == most]
        top = max(pay[i] for i in kept)
        kept = [i for i in kept if pay[i] >= top - CLOSE * wide]
    return [graded[i] for i in kept]


def sided(graded: Sequence[Graded]) -> bool:
    """Whether right and wrong are told apart in some layout."""
    return any(g.side for g in graded)


def beyond_known(first: Graded, graded: Sequence[Graded]) -> bool:
    """Whether a layout that was found is paid more than every known one."""
    known = [g.pay[-1] for g in graded if g.candidate.dialect in DIALECTS]
    return first.pay[-1] > max(known, default=-math.inf) + CLOSE * span(graded)[-1]


def outweighed(graded: Sequence[Graded]) -> Outweighed | None:
    """The best paid wrong layout against the worst paid right one of those that read the answer.

    Wrong texts count in any layout, read or not: policies move to what is paid. Layouts that were
    guessed (usual ones) are no way in which a policy was asked to answer. Nor is the answer read
    where right is worth a trace of what it is elsewhere: words in common of a query that isn't run.
    None unless wrong reaches right, in another layout.
    """
    asked = [g for g in graded if g.candidate.origin != "usual"]
    wrong = {g.candidate.dialect: _middle(g.wrong) for g in asked}
    top_auc = max((g.auc for g in asked if g.side > 0), default=math.nan)
    read = [g for g in asked if g.side > 0 and g.auc >= top_auc - CLOSE_AUC]  # not by chance
    worth = {g.candidate.dialect: _middle(g.right) - _middle(g.wrong) for g in read}
    trace = CLOSE * max((w for w in worth.values() if np.isfinite(w)), default=0.0)
    read = [g for g in read if not worth[g.candidate.dialect] < trace]
    right = {g.candidate.dialect: _middle(g.right) for g in read}
    wrong, right = ({d: v for d, v in x.items() if np.isfinite(v)} for x in (wrong, right))
    if not wrong or not right:
        return None
    top, low = max(wrong, key=lambda d: wrong[d]), min(right, key=lambda d: right[d])
    if top == low or wrong[top] < right[low] - EPS:
        return None
    first = next(g for g in asked if g.candidate.dialect == top)
    unread = not first.side and bool(np.array_equal(first.right[-1], first.wrong[-1]))
    return Outweighed(top, low, wrong[top], right[low], unread)


def _middle(values: np.ndarray) -> float:
    """Median of the whole reward; NaN where there is none."""
    known = values[-1][np.isfinite(values[-1])]
    return float(np.median(known)) if len(known) else math.nan


def combined(graded: Sequence[Graded], found: Sequence[Graded]) -> list[Candidate]:
    """Layouts of some with the marks of others: tags around boxes, working in other tags."""
    seen = {g.candidate.dialect for g in graded}
    order = {g.candidate.dialect: i for i, g in enumerate(graded)}
    ranked = [
        *found,
        *sorted(graded, key=lambda g: (-abs(g.auc - 0.5), order[g.candidate.dialect])),
    ]
    names = list(dict.fromkeys(g.candidate.dialect for g in ranked if g.side or g in found))[:4]
    hinted = [g.candidate.dialect for g in graded if g.candidate.origin not in ("known", "usual")]
    layouts = list(dict.fromkeys(hinted))[:8]
    names = names or layouts[:4]
    if not layouts:
        return []
    out: dict[str, None] = {}
    for name in names:
        mark = bare_mark(name)
        for layout in layouts:
            for template in joined(layout, mark):
                if usable(template):
                    out[dialect_of(template).name] = None
    return [Candidate(d, "combined") for d in out if d not in seen][:MOST_COMBINED]


def bare_mark(dialect: str) -> str:
    """The mark of a dialect without the words around it."""
    boxed = "\\boxed{{}}"
    return boxed if boxed in dialect_of(dialect).mark else dialect_of(dialect).mark


def joined(layout: str, mark: str) -> Iterable[str]:
    """The layout with this mark inside its own, and with this mark in place of its own."""
    d = dialect_of(layout)
    if mark not in d.mark and d.mark.strip() != PLACE:
        yield d.template.replace(PLACE, mark)
        yield f"<think>\n{{work}}\n</think>\n{d.mark.replace(PLACE, mark)}"
    if d.working != "none":
        work = next(place for place, kind in WORKINGS.items() if kind == d.working)
        yield f"{d.opening}{work}{d.closing}{d.gap}{mark}"
        if not d.opening:
            yield f"<think>\n{work}\n</think>{d.gap}{d.mark}"
