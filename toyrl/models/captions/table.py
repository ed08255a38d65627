"""Captions that were labelled: looked up as they are, or judged by what their kind was labelled.

    table = CaptionTable.of({"opened a door": 1, "bumped": 0})      retrieval
    table.rewards(["opened a door", "fell"])                        [1, 0]: what isn't known has 0
    votes = TemplateVotes.of(table, template=before_tag)            classification by kind
    model = CaptionClassifier().fit(features, labels)               classification by features

Retrieval needs no model and knows nothing of a caption that it hasn't seen: where captions don't
repeat it pays nothing. A caption is kept as a number of 52 bits made from its text (`caption_key`),
so that tables are arrays like any other model; two of a million captions meet with chance 1e-4.

Source: paper 06, section 2 (`online_cls`, `online_cls_reward_model`); votes by kind are the toy's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Annotated, Any

import numpy as np

from toyrl.messages import shortened
from toyrl.models.base import model
from toyrl.models.linear import BradleyTerry, LinearScorer, same_rows, table_of
from toyrl.ranges import COUNT, POSITIVE, SHARE, check_fields
from toyrl.shapers.explore.oni import ETA, classified_reward

Array = Any
Template = Callable[[str], str]
MOST_LABELLED = 25_000
"""Labelled captions after which the classifier's training stops for good: the paper's."""


def caption_key(caption: str) -> float:
    """A whole number below 2^52 for a text, the empty one included, the same on every machine."""
    digest = blake2b(caption.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return float(int.from_bytes(digest, "big") >> 12)


def before_tag(caption: str, mark: str = "#") -> str:
    """The caption up to a volatile tag such as "#17": its template."""
    return caption.partition(mark)[0]


def _keys(captions: Sequence[str]) -> np.ndarray:
    return np.array([caption_key(c) for c in captions], dtype=float)


def _labels(values: Any) -> np.ndarray:
    y = np.asarray(values, dtype=float)
    if not np.isin(y, (0.0, 1.0)).all():
        msg = f"labels {shortened(values)} must be 0 (not helpful) or 1; an answer that can't be "
        msg += "read counts as 0"
        raise ValueError(msg)
    return y


@model("caption_table")
@dataclass(frozen=True, eq=False)
class CaptionTable:
    """Labels by caption; what isn't there has `default`.

    keys : (C,) `caption_key`s in ascending order; labels : (C,) 0 or 1; default : ()
    """

    keys: np.ndarray
    labels: np.ndarray
    default: np.ndarray

    @classmethod
    def of(cls, labels: Mapping[str, float] | None = None, *, default: float = 0.0) -> CaptionTable:
        """A table of caption -> label, empty unless given.

        Raises ValueError for labels other than 0 and 1.
        """
        empty = cls(np.zeros(0), np.zeros(0), np.array(float(default)))
        return empty.labelled(labels or {})

    def labelled(self, labels: Mapping[str, float]) -> CaptionTable:
        """The table with these labels too; a later label takes the place of an earlier one.

        Raises ValueError for labels other than 0 and 1, and then nothing is added.
        """
        keys = np.concatenate([self.keys, _keys(list(labels))])
        values = np.concatenate([self.labels, _labels(list(labels.values()))])
        # the last of equal keys: the first of the reversed list
        kept, first = np.unique(keys[::-1], return_index=True)
        return replace(self, keys=kept, labels=values[::-1][first])

    def known(self, captions: Sequence[str]) -> np.ndarray:
        """(N,) bool, captions with a label."""
        return self._place(_keys(captions))[1]

    def rewards(self, captions: Sequence[str]) -> np.ndarray:
        """(N,) r_hat: the label, else `default`."""
        return self.score(_keys(captions)[:, None])

    def score(self, x: Array) -> np.ndarray:
        """(N,) labels of keys (N, 1).

        Raises ValueError for another shape.
        """
        keys = table_of(x)
        if keys.shape[1] != 1:
            msg = f"keys have the shape {keys.shape}; give (N, 1), `caption_key` of each caption"
            raise ValueError(msg)
        place, there = self._place(keys[:, 0])
        return np.where(there, np.append(self.labels, 0.0)[place], self.default)

    def _place(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        place = np.searchsorted(self.keys, keys)
        return place, np.append(self.keys, np.nan)[place] == keys

    def __len__(self) -> int:
        return len(self.keys)


@model("template_votes")
@dataclass(frozen=True, eq=False)
class TemplateVotes:
    """p(helpful) by kind: the share of its labelled captions that are helpful.

    keys : (C,) `caption_key`s of templates, ascending; helpful, total : (C,) counts; eta : ()
    A kind without a label has p = eta, which is no.
    """

    keys: np.ndarray
    helpful: np.ndarray
    total: np.ndarray
    eta: np.ndarray

    @classmethod
    def of(cls, labels: Mapping[str, float], *, template: Template = before_tag, eta: float = ETA,
           most: int = MOST_LABELLED) -> TemplateVotes:  # fmt: skip
        """Votes of the first `most` labelled captions, each once.

        Raises ValueError for labels other than 0 and 1.
        """
        first = dict(list(labels.items())[:most])
        y = _labels(list(first.values()))
        keys, kind = np.unique(_keys([template(c) for c in first]), return_inverse=True)
        helpful = np.bincount(kind, weights=y, minlength=len(keys))
        total = np.bincount(kind, minlength=len(keys)).astype(float)
        return cls(keys, helpful, total, np.array(float(eta)))

    def chances(self, captions: Sequence[str], template: Template = before_tag) -> np.ndarray:
        """(N,) p(helpful) of captions."""
        keys = _keys([template(c) for c in captions])
        place = np.searchsorted(self.keys, keys)
        there = np.append(self.keys, np.nan)[place] == keys
        share = np.append(self.helpful / np.maximum(self.total, 1.0), 0.0)[place]
        return np.where(there, share, self.eta)

    def rewards(self, captions: Sequence[str], template: Template = before_tag) -> np.ndarray:
        """(N,) r_hat = 1[p > eta]."""
        return classified_reward(self.chances(captions, template), eta=float(self.eta))


@dataclass(frozen=True)
class CaptionClassifier:
    """Logistic regression on features of captions, the Bradley-Terry fit against a row of zeros.

    penalty : on the squared weights, in units of one caption, > 0; steps : most Newton steps
    eta : above which a chance is a yes, strictly; most : rows learned from, the first ones
    The network of the paper (bytes, six convolutions) is any other scorer: `classified_reward`
    turns its chances into rewards.

    Source: paper 06, section 2. Raises ValueError for settings out of their ranges.
    """

    penalty: Annotated[float, POSITIVE] = 1.0
    steps: Annotated[int, COUNT] = 50
    eta: Annotated[float, SHARE] = ETA
    most: Annotated[int, COUNT] = MOST_LABELLED

    def __post_init__(self) -> None:
        check_fields(self)

    def fit(self, x: Array, target: Array, *, weight: Array | None = None) -> LinearScorer:
        """A scorer of log-odds from features (N, F) and labels (N,) 0 or 1; weight (N,).

        Raises ValueError for rows that don't match and labels other than 0 and 1.
        """
        x, y = table_of(x)[: self.most], _labels(target)[: self.most]
        w = np.ones(len(x)) if weight is None else np.asarray(weight, dtype=float)[: self.most]
        same_rows(x, label=y, weight=w)
        rows = np.concatenate([np.zeros((1, x.shape[1] + 1)), np.c_[x, np.ones(len(x))]])
        item = np.arange(1, len(x) + 1)
        pairs = np.where(y[:, None] > 0, np.c_[item, 0 * item], np.c_[0 * item, item])
        found = BradleyTerry(self.penalty, self.steps).fit(rows, pairs, weight=w)
        own = found.weight / found.scale
        return LinearScorer(own[:-1], np.zeros(x.shape[1]), np.ones(x.shape[1]), np.array(own[-1]))

    def rewards(self, scorer: Any, x: Array) -> np.ndarray:
        """(N,) r_hat = 1[p > eta] of features (N, F), p the logistic function of the score."""
        from scipy.special import expit

        return classified_reward(expit(scorer.score(x)), eta=self.eta)


def bag_reward(caption: str, goal: str, vectors: Mapping[str, Array], *, threshold: float = 0.5
               ) -> float:  # fmt: skip
    """ELLM-BoW, the released baseline: cosine of the sums of word vectors, 0 below the threshold.

    vectors : word -> (D,); words without one are left out, and a text of none of them has 0

    Source: paper 06, section 2 (baseline in the repository; its threshold is not recorded here).
    """
    sums = [np.sum([vectors[w] for w in text.split() if w in vectors] or [[0.0]], axis=0)
            for text in (caption, goal)]  # fmt: skip
    sizes = [float(np.linalg.norm(s)) for s in sums]
    if min(sizes) == 0:
        return 0.0
    cosine = float(sums[0] @ sums[1] / (sizes[0] * sizes[1]))
    return cosine if cosine >= threshold else 0.0
