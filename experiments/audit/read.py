"""Answers of a judge as verdicts on comparisons, and its errors by class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from toyrl.experiments.audit.items import COMPARISONS, CUT, TRUTH, Item, Questions
from toyrl.experiments.audit.measures import Compared
from toyrl.experiments.audit.noise import RANGES, Noise, Rate

Array = np.ndarray
USUAL = tuple(f"{letter} {kind}" for letter in "RW" for kind in ("usual", "again", "short", "long"))
"""Texts as a base writes them, whose answers are marked."""
AS_WRITTEN = (*USUAL, "R bare", "W bare", CUT)


@dataclass(frozen=True)
class Flat:
    """Scored texts: (n,) arrays. prompt : number of the prompt; score : NaN where there is none."""

    prompt: Array
    right: Array
    tokens: Array
    marked: Array
    cut: Array
    score: Array

    def known(self) -> Flat:
        """Those with a score."""
        at = np.isfinite(self.score)
        return Flat(*(getattr(self, name)[at] for name in self.__dataclass_fields__))

    @property
    def plain(self) -> Array:
        """(n,) marked and not cut."""
        return self.marked & ~self.cut


def of_pairs(items: Sequence[Item], asked: Questions, values: Array) -> Compared:
    """Verdicts of a judge of pairs, whose answers (n,) are chances that the first is better."""
    n, prefer, first, steady = len(items), {}, {}, {}
    for (_, a), _ in asked.pairs.items():
        for kept in (prefer, first, steady):
            kept.setdefault(a, np.full(n, np.nan))
    for (i, a), (one, other) in asked.pairs.items():
        x, y = float(values[one]), 1 - float(values[other])
        if x == x and y == y:
            prefer[a][i] = (x + y) / 2
            first[a][i] = (x + 1 - y) / 2
            steady[a][i] = (x > 0.5) == (y > 0.5) and (x < 0.5) == (y < 0.5)
        elif x == x or y == y:
            prefer[a][i] = x if x == x else y
    return Compared(n, prefer, first, steady)


def of_scores(items: Sequence[Item], asked: Questions, values: Array) -> Compared:
    """Verdicts that follow from a judge's scores (n,): the larger wins, equal ones tie."""
    n, prefer, gap = len(items), {}, {}
    table = score_table(items, asked, values)
    for a in COMPARISONS:
        one, other = (table.get((name, a.claimed)) for name in (a.first, a.second))
        if one is None or other is None:
            continue
        apart = np.array([a.first in it.texts and a.second in it.texts
                          and it.texts[a.first].text != it.texts[a.second].text
                          for it in items])  # fmt: skip
        gap[a] = np.where(apart, one - other, np.nan)
        prefer[a] = np.where(np.isfinite(gap[a]), (np.sign(gap[a]) + 1) / 2, np.nan)
    return Compared(n, prefer, gap=gap)


def score_table(
    items: Sequence[Item], asked: Questions, values: Array
) -> dict[tuple[str, bool], Array]:
    """(name, under a claim) -> (n,) scores over prompts, NaN where there is none."""
    out: dict[tuple[str, bool], Array] = {}
    for (i, name, claimed), place in asked.texts.items():
        out.setdefault((name, claimed), np.full(len(items), np.nan))[i] = values[place]
    return out


def flat(items: Sequence[Item], asked: Questions, values: Array) -> Flat:
    """The texts as a base writes them, with their scores."""
    rows = [(i, items[i].texts[name], values[place])
            for (i, name, claimed), place in asked.texts.items()
            if not claimed and name in AS_WRITTEN]  # fmt: skip
    return Flat(
        prompt=np.array([i for i, _, _ in rows], dtype=int),
        right=np.array([t.right for _, t, _ in rows], dtype=bool),
        tokens=np.array([t.tokens for _, t, _ in rows], dtype=float),
        marked=np.array([t.marked for _, t, _ in rows], dtype=bool),
        cut=np.array([t.cut for _, t, _ in rows], dtype=bool),
        score=np.array([v for _, _, v in rows], dtype=float),
    )


def unexplained(x: Flat) -> float:
    """Spread of scores within a prompt that neither truth nor length explains, over the judge's
    distance of right and wrong; NaN where there is no such distance."""
    x = x.known()
    at = x.plain
    if at.sum() < 3:
        return float("nan")
    prompt = np.unique(x.prompt[at], return_inverse=True)[1]
    count = np.bincount(prompt)

    def within(v: Array) -> Array:
        return v - (np.bincount(prompt, v) / count)[prompt]

    columns = [within(v) for v in (x.right[at] * 1.0, np.log(np.maximum(x.tokens[at], 1.0)))]
    score = within(x.score[at])
    fit = np.linalg.lstsq(np.stack(columns, axis=-1), score, rcond=None)[0]
    rest = score - np.stack(columns, axis=-1) @ fit
    free = max(len(score) - len(count) - 2, 1)
    spread = float(np.sqrt((rest**2).sum() / free))
    return spread / float(fit[0]) if fit[0] > 1e-12 * (np.ptp(x.score) or 1.0) else float("nan")


def threshold_of(x: Flat) -> float:
    """The score from which on accepting is most often right, right and wrong texts alike in weight.

    NaN where scores don't differ or one kind of text has none.
    """
    x = x.known()
    right, wrong = (np.sort(x.score[x.plain & (x.right == c)]) for c in (True, False))
    values = np.unique(np.concatenate([right, wrong]))
    if len(values) < 2 or not len(right) or not len(wrong):
        return float("nan")
    cuts = (values[1:] + values[:-1]) / 2
    passed = 1 - np.searchsorted(right, cuts) / len(right)
    let = 1 - np.searchsorted(wrong, cuts) / len(wrong)
    return float(cuts[int(np.argmax(passed - let))])


def noise_of_scores(name: str, x: Flat, threshold: float, typical: float) -> Noise:
    """Errors of "right from the threshold on", by class of text."""
    x = x.known()
    accepted = x.score >= threshold
    wrong = np.where(x.right, ~accepted, accepted).astype(float)
    at = np.searchsorted(RANGES, x.tokens / typical, side="right")

    def rate(here: Array) -> Rate:
        return Rate(float(wrong[here].sum()), int(here.sum()))

    ranges = range(len(RANGES) + 1)
    return Noise(
        judge=name,
        typical=typical,
        false_negative=tuple(rate(x.plain & x.right & (at == k)) for k in ranges),
        false_positive=tuple(rate(x.plain & ~x.right & (at == k)) for k in ranges),
        unread=rate(~x.marked & ~x.cut & ~x.right),
        cut=rate(x.cut & ~x.right),
    )


def noise_of_pairs(name: str, items: Sequence[Item], c: Compared, typical: float) -> Noise:
    """Errors of the verdict "the better of this pair": a lost pair is a rejected right text and an
    accepted wrong one, so that what is left of a label is 2 a - 1."""
    cells: dict[str, list[float]] = {}
    for a in TRUTH:
        if a.claimed or a not in c.prefer or "bare" in a.first:
            continue
        for item, prefer in zip(items, c.prefer[a], strict=True):
            if np.isfinite(prefer):
                if a.second in USUAL:
                    cells.setdefault(_class(item, a.first, typical), []).append(1 - prefer)
                cells.setdefault(_class(item, a.second, typical), []).append(1 - prefer)

    def rate(cell: str) -> Rate:
        found = cells.get(cell, [])
        return Rate(float(sum(found)), len(found))

    ranges = range(len(RANGES) + 1)
    return Noise(
        judge=name,
        typical=typical,
        false_negative=tuple(rate(f"R{k}") for k in ranges),
        false_positive=tuple(rate(f"W{k}") for k in ranges),
        unread=rate("unread"),
        cut=rate("cut"),
    )


def _class(item: Item, kind: str, typical: float) -> str:
    """cut, unread, or R/W with the range of its length."""
    if kind == CUT:
        return "cut"
    if kind == "W bare":
        return "unread"
    at = int(np.searchsorted(RANGES, item.texts[kind].tokens / typical, side="right"))
    return f"{kind[0]}{at}"


def said_and_right(items: Sequence[Item], asked: Questions, values: Array) -> tuple[Array, Array]:
    """Answers to questions of known truth, and whether yes would have been right.

    Of scores: every text that is not under a claim; of pairs: the questions of right against wrong.
    """
    said, right = [], []
    for (i, name, claimed), place in asked.texts.items():
        if not claimed:
            said.append(values[place])
            right.append(items[i].texts[name].right)
    for (_, a), (one, other) in asked.pairs.items():
        if a.what == "truth":
            said += [values[one], values[other]]
            right += [True, False]
    return np.array(said, dtype=float), np.array(right, dtype=bool)


READERS: dict[str, Callable[[Sequence[Item], Questions, Array], Compared]] = {
    "scores": of_scores,
    "pairs": of_pairs,
}
