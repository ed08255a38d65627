"""A text reward that reads its siblings, on behaviours: whole groups of texts are graded.

The design is groups of one prompt: from none right to all right, wrong answers that agree and that
don't, shorter and longer, some unreadable or cut, some padded; or groups that a log holds, with
some of their texts edited. What a text is paid is fitted, for each kind of text by itself, to what
it is among its siblings: how many share its answer, whether that is the most frequent one, how many
are right, how its length compares. A majority vote, a bonus for the shortest right answer and a
price on length within the group are met exactly; what the fit leaves is noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.graders.answers import answer_identities
from toyrl.graders.base import TextRow
from toyrl.worlds.behaviour import own_texts
from toyrl.worlds.behaviour.knobs import Array
from toyrl.worlds.behaviour.own_texts import USUAL, Reading
from toyrl.worlds.behaviour.rollouts import Played
from toyrl.worlds.behaviour.texts import (
    ADDED,
    COUNTS,
    SENTENCE,
    Author,
    Cell,
    Shown,
    TextReward,
)

GROUPS, LARGEST = 96, 16
"""Groups that are graded, and texts in one of them at most."""
AGREE = (0.0, 0.5, 1.0)
"""Chances that a wrong answer is the group's common one, by turns."""
UNREAD, CUT, PADDED = 0.1, 0.05, 0.2
"""Shares of texts that can't be read, that are cut, and that are padded."""
SHIFTS, SPREAD = (0.5, 1.0, 2.0), 0.3
"""Lengths of a group over the typical one, by turns, and the spread of their logarithms in it."""
KINDS, SHOWN = 4, ("right", "formed", "cut")
CLEAR = 4.0
"""Standard errors from which a price is believed."""
SAME = 1e-9


@dataclass(frozen=True)
class Group:
    """Texts of one prompt.

    cells : what each shows; identity : of its answer, 0 the right one, -1 none that can be read
    """

    cells: tuple[Cell, ...]
    identity: tuple[int, ...]


ARRAYS = ("weights", "noise")


@dataclass(frozen=True)
class GroupReward:
    """What a text is paid among its siblings.

    weights : (KINDS, F) of the features of right, wrong, unreadable and cut texts
    per : what a sentence of each kind adds; padding : the kind that is paid best
    low, high : least and greatest value seen; noise : (KINDS,) standard deviation of what is left
    """

    weights: Array
    per: Mapping[str, float]
    padding: str
    low: float
    high: float
    noise: Array

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        arrays = {name: getattr(self, name).tolist() for name in ARRAYS}
        return {**arrays, "per": dict(self.per), "padding": self.padding, "low": self.low,
                "high": self.high}  # fmt: skip

    @classmethod
    def from_dict(cls, x: Mapping[str, Any]) -> GroupReward:
        """The reward that `to_dict` wrote."""
        arrays: dict[str, Any] = {name: np.array(x[name]) for name in ARRAYS}
        return cls(per=dict(x["per"]), padding=x["padding"], low=x["low"], high=x["high"], **arrays)

    def of(self, p: Played) -> Array:
        """(W, B, G) values of rollouts."""
        kind = _kind(p.right, p.formed, p.cut)
        x = features(p.right, p.length, p.identity)
        value = np.einsum("...f,...f->...", x, self.weights[kind])
        for name, count in (("CHECK", p.rounds), (self.padding, p.units)):
            value = value + self.per.get(name, 0.0) * count
        return np.clip(value + self.noise[kind] * p.judge, self.low, self.high)


def features(right: Array, length: Array, identity: Array) -> Array:
    """(..., G, F) what each rollout of a group (..., G) is among its siblings.

    right : 0 or 1; length : tokens; identity : of the answer, -1 none
    """
    others = max(right.shape[-1] - 1, 1)
    known = identity >= 0
    equal = (identity[..., :, None] == identity[..., None, :]) & known[..., :, None]
    count = equal.sum(-1)
    most = count.max(-1, keepdims=True)
    top = known & (count == most)
    tied = top.sum(-1, keepdims=True) / np.maximum(most, 1)  # answers that are given as often
    log = np.log(length)
    ends = [_ends(length, here) for here in (np.ones_like(known), np.asarray(right) > 0)]
    columns = [
        np.ones_like(log),
        log,
        np.maximum(count - 1, 0) / others,
        top,
        top & (tied == 1),
        top / np.maximum(tied, 1),  # of a tie that place or chance decides
        (np.asarray(right).sum(-1, keepdims=True) - right) / others,
        *(x for four in ends for x in four),
    ]
    return np.stack([np.asarray(x, dtype=float) for x in columns], axis=-1)


def _ends(length: Array, here: Array) -> tuple[Array, ...]:
    """Of rollouts that count: the shortest, the longest, where between them, and the deviation from
    the mean; 0 of the others."""
    low = np.where(here, length, np.inf).min(-1, keepdims=True)
    high = np.where(here, length, -np.inf).max(-1, keepdims=True)
    n = np.maximum(here.sum(-1, keepdims=True), 1)
    mean = np.where(here, length, 0.0).sum(-1, keepdims=True) / n
    sd = np.sqrt(np.where(here, (length - mean) ** 2, 0.0).sum(-1, keepdims=True) / n)
    between = here & (high > low)
    scaled = np.where(between, (length - low) / np.where(high > low, high - low, 1.0), 0.0)
    z = np.where(between, (length - mean) / np.where(sd > 0, sd, 1.0), 0.0)
    return here & (length == low), here & (length == high), scaled, z


def _kind(right: Array, formed: Array, cut: Array) -> Array:
    """0 right, 1 wrong, 2 unreadable, 3 cut."""
    return np.select([np.asarray(cut) > 0, np.asarray(right) > 0, np.asarray(formed) > 0],
                     [3, 0, 1], 2)  # fmt: skip


def read(x: Mapping[str, Any]) -> TextReward | GroupReward:
    """What a file keeps of a reward of texts: `to_dict` of either kind."""
    return GroupReward.from_dict(x) if "weights" in x else TextReward.from_dict(x)


# -- designs ---------------------------------------------------------------------------------------
def design(
    write: Author, length: float, limit: float, group_size: int, seed: int = 0
) -> list[Group]:
    """Groups of this author's texts, in the layout in which the reward reads answers.

    length : typical, in tokens; limit : of the run
    """
    rng = np.random.default_rng([seed, 7])
    size = min(group_size, LARGEST)
    out = []
    for g in range(GROUPS):
        agree, scale = AGREE[g % len(AGREE)], length * SHIFTS[g // len(AGREE) % len(SHIFTS)]
        right = rng.permutation(size) < round(size * (g % (size + 1)) / size)
        cells, identity = [], []
        for i in range(size):
            cut, unread = rng.random() < CUT, rng.random() < UNREAD
            tokens = float(min(scale * np.exp(SPREAD * rng.standard_normal()), limit))
            good, formed = bool(right[i]) and not (cut or unread), not (cut or unread)
            common = not good and rng.random() < agree
            who = 0 if good else 1 if common else 2 + i
            kind, count = "", 0
            if rng.random() < PADDED:
                kind, count = ADDED[int(rng.integers(len(ADDED)))], COUNTS[int(rng.integers(2))]
                if tokens + count * SENTENCE > limit:
                    kind, count = "", 0
            shown = Shown(good, formed, limit if cut else tokens, cut, kind, count, who)
            row, whose = write(seed + g, shown, 1000 * g + i)
            cells.append(Cell(good, formed, cut, row.tokens, kind, count, row))
            identity.append(whose)
        out.append(Group(tuple(cells), tuple(identity)))
    return out


def logged(
    prompts: Sequence[tuple[Sequence[TextRow], Array]],
    limit: float,
    group_size: int,
    *,
    mark: str | None = None,
    seed: int = 0,
    reading: Reading = USUAL,
) -> list[Group]:
    """Groups that a log holds, drawn anew, with some texts edited.

    prompts : of each its G rollouts, and (G,) whether each is right
    mark : how answers are marked (a dialect), None: one of the usual ways
    reading : how answers are read in them
    """
    read = None if reading is USUAL else reading.answer
    cells, identity = [], []
    for rows, right in prompts:
        formed = own_texts.readable(rows, right, reading)
        each = zip(rows, right, formed, strict=True)
        cells.append([own_texts.as_it_is(r, bool(c > 0), bool(f)) for r, c, f in each])
        identity.append([int(x) for x in answer_identities(rows, right.tolist(), mark, read)])
    rng = np.random.default_rng([seed, 7])
    size = min(group_size, LARGEST)
    whole = [c.row for each in cells for c in each if not c.cut]
    lines = own_texts.frequent(whole, reading)
    out = []
    for g in range(GROUPS):
        own, who = cells[g % len(cells)], identity[g % len(cells)]
        at = rng.permutation(len(own))[:size].tolist()
        group, said = [own[i] for i in at], [who[i] for i in at]
        for i, cell in enumerate(group):
            if rng.random() < PADDED and cell.formed:
                edits = [*own_texts.edits(cell.row, cell.right, limit, lines, reading)]
                group[i] = edits[int(rng.integers(len(edits)))] if edits else cell
                said[i] = said[i] if group[i].formed else -1
        out.append(Group(tuple(group), tuple(said)))
    return out


# -- the fit ---------------------------------------------------------------------------------------
Grade = Callable[[Sequence], Sequence[float | None]]


def graded(groups: Sequence[Group], grade: Grade) -> GroupReward | None:
    """The reward as a function of behaviours; None where it pays all texts the same or none.

    grade : values of one group's rows, in one call; None of a text that can't be scored
    """
    cells = [c for group in groups for c in group.cells]
    paid = [v for group in groups for v in grade([c.row for c in group.cells])]
    y = np.array([np.nan if v is None else v for v in paid], dtype=float)
    known = np.isfinite(y)
    if not known.any() or np.ptp(y[known]) < SAME:
        return None
    kinds = list(dict.fromkeys(c.added for c in cells if c.added))
    added = np.array([[c.count * (c.added == name) for name in kinds] for c in cells], dtype=float)
    x = np.concatenate([_features_of(group) for group in groups])
    kind = _kind(*(np.array([getattr(c, name) for c in cells]) for name in SHOWN))
    return _fitted(x[known], kind[known], added.reshape(len(cells), -1)[known], y[known], kinds)


def _features_of(group: Group) -> Array:
    right = np.array([float(c.right) for c in group.cells])
    length = np.array([max(c.tokens, 1.0) for c in group.cells])
    return features(right, length, np.array(group.identity))


def _fitted(x: Array, kind: Array, added: Array, y: Array, kinds: Sequence[str]) -> GroupReward:
    """Least squares over each kind's features and over sentences added."""
    n, f = x.shape
    own = np.zeros((n, KINDS, f))
    own[np.arange(n), kind] = x
    matrix = np.concatenate([own.reshape(n, -1), added], axis=1)
    found = _sparse(matrix, y)
    rest = y - matrix @ found
    per = dict(zip(kinds, found[KINDS * f :].tolist(), strict=True))
    return GroupReward(
        weights=found[: KINDS * f].reshape(KINDS, f),
        per=per,
        padding=max(per, key=per.__getitem__, default=""),
        low=float(y.min()),
        high=float(y.max()),
        noise=np.array([rest[kind == k].std() if (kind == k).any() else 0.0 for k in range(KINDS)]),
    )


def _sparse(matrix: Array, y: Array) -> Array:
    """Least squares over columns chosen one by one, that which explains most first, while it stands
    out of the noise; the others 0: a price that isn't there must not be learnt over a run."""
    left, rest, chosen = y.copy(), matrix.astype(float), list[int]()
    for _ in range(matrix.shape[1]):
        size = np.linalg.norm(rest, axis=0)
        unit = np.where(size > SAME * np.linalg.norm(matrix, axis=0) + SAME, rest, 0.0)
        unit = unit / np.maximum(size, SAME)
        gain = unit.T @ left
        k = int(np.argmax(np.abs(gain)))
        after = left - gain[k] * unit[:, k]
        if gain[k] ** 2 <= CLEAR**2 * (after @ after) / len(y) + SAME:
            break
        left, chosen = after, [*chosen, k]
        rest = rest - np.outer(unit[:, k], unit[:, k] @ rest)
    out = np.zeros(matrix.shape[1])
    out[chosen] = np.linalg.lstsq(matrix[:, chosen], y, rcond=None)[0]
    return out
