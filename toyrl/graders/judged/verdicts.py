"""A judge's verdict between two answers: read off its text, paid, counted, made into wins.

A verdict is <answer>[[A]]</answer> or <answer>[[B]]</answer>, to the letter. In training only the
last 80 characters are read, so that a tag before them, a tag cut off, both tags, spaces inside or
lower case are no verdict, and no verdict is paid as a wrong one. There is no format reward.

Source: paper 31, code RM-R1-UIUC/RM-R1, rm_r1/verl/utils/reward_score/lm_as_judge.py (training) and
eval/RM-Bench (the parser of the evaluation); `judged` and `win_table` are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np

from toyrl.messages import shortened

Verdict = Literal["A", "B"]
TAIL = 80
TAGS: Mapping[Verdict, str] = MappingProxyType(
    {"A": "<answer>[[A]]</answer>", "B": "<answer>[[B]]</answer>"}
)
MARKS: Mapping[Verdict, str] = MappingProxyType({"A": "[[A]]", "B": "[[B]]"})
LABELS: Mapping[str, Verdict] = MappingProxyType(
    {"model_a": "A", "model_b": "B", "A": "A", "B": "B"}
)
LEVEL = 0.01


def read_verdict(
    text: str, *, tail: int | None = TAIL, tags: Mapping[Verdict, str] = TAGS
) -> Verdict | None:
    """ "A", "B", or None where neither tag or both of them stand in the last `tail` characters.

    tail : characters that are read, at least 1; None: the whole text
    tags : what each verdict looks like; `read_verdict(text, tail=None, tags=MARKS)` is the parser
        of the evaluation, which forgives what training does not

    Raises ValueError for a tail below 1.
    """
    if tail is not None and tail < 1:
        msg = f"tail={tail} must be at least 1 character, or None for the whole text"
        raise ValueError(msg)
    end = text if tail is None else text[-tail:]
    said: list[Verdict] = [name for name in ("A", "B") if tags[name] in end]
    return said[0] if len(said) == 1 else None


def verdict_reward(
    text: str, label: str, *, tail: int | None = TAIL, right: float = 1.0, wrong: float = -1.0
) -> float:
    """`right` for the labelled verdict, `wrong` for the other one and for none.

    label : "model_a" or "model_b" (or "A", "B"): which answer people prefer. There is no tie.

    Raises ValueError for another label.
    """
    return right if read_verdict(text, tail=tail) == _label(label) else wrong


def verdict_rewards(completions: Sequence[Any], label: Sequence[str], **_: Any) -> list[float]:
    """A trainer's reward function (TRL's form): +1 or -1 for each completion, (N,).

    completions : texts, or chats of which the last message counts; label : a column of the data

    Raises ValueError for a label that is neither answer.
    """
    texts = [c if isinstance(c, str) else c[-1]["content"] for c in completions]
    return [verdict_reward(t, who) for t, who in zip(texts, label, strict=True)]


class Judged(NamedTuple):
    """What a judge's answers to labelled pairs are worth.

    accuracy : share of right verdicts, of all answers; unread : share without a verdict
    first, second : the same accuracy where the better answer stands first, and second (NaN: never)
    signal : right less wrong verdicts, as shares of each place, averaged over the two, in [-1, 1]:
        the slope that win rates keep (`win_table`). With every verdict read it is first + second
        - 1; 0 for a judge that looks only at the place, NaN where one place is never labelled
    said_first : share of "A" among the verdicts (NaN without any)
    finding : "useful", "useless", "inverted", or "untested" where all labels are the same
    """

    accuracy: float
    unread: float
    first: float
    second: float
    signal: float
    said_first: float
    finding: str


def judged(texts: Sequence[str], label: Sequence[str], *, tail: int | None = TAIL) -> Judged:
    """Count a judge's answers (N,) to pairs with labels (N,), N of 1 and more.

    "useful" means that right verdicts and labels go together beyond chance (Fisher's exact test,
    one-sided, 1%), "inverted" the other way round. A constant verdict is "useless", whatever the
    labels' balance makes of its accuracy.

    Raises ValueError for no answers, for another number of labels, and for another label.
    """
    if not len(texts) or len(texts) != len(label):
        msg = f"there are {len(texts)} answers and {len(label)} labels; give as many, 1 or more"
        raise ValueError(msg)
    want = np.array([_label(x) for x in label])
    said = np.array([read_verdict(t, tail=tail) or "" for t in texts])
    table = np.array([[((want == w) & (said == s)).sum() for s in "AB"] for w in "AB"])
    of = np.array([(want == w).sum() for w in "AB"])
    place = np.array([table[i, i] / of[i] if of[i] else np.nan for i in (0, 1)])
    read = int(table.sum())
    finding = "useless"
    if of.min() == 0:
        finding = "untested"
    elif _chance(table, "greater") < LEVEL:
        finding = "useful"
    elif _chance(table, "less") < LEVEL:
        finding = "inverted"
    told = table / of[:, None] if of.min() else np.full((2, 2), np.nan)
    return Judged(
        accuracy=float(np.trace(table) / len(texts)),
        unread=1 - read / len(texts),
        first=float(place[0]),
        second=float(place[1]),
        # Half of (right - wrong), each place for itself: no verdict counts nothing.
        signal=float((np.trace(told) - told[0, 1] - told[1, 0]) / 2),
        said_first=float(table[:, 0].sum() / read) if read else float("nan"),
        finding=finding,
    )


def win_table(verdicts: Sequence[Sequence[str | None]]) -> np.ndarray:
    """(G, G) wins from verdicts: [i][j] is the one on rollout i shown first and j second.

    1 where "A" was said, 0 for "B", 1/2 for None: a verdict that can't be read is half a win to
    each. The diagonal is 1/2 and not read. `toyrl.objectives.pairs.table_rates` makes win rates of
    it and averages both orders, in which a judge's taste for a place cancels.

    Raises ValueError for a table that is not square and for another verdict.
    """
    paid = {"A": 1.0, "B": 0.0, None: 0.5}
    size = len(verdicts)
    if any(len(row) != size for row in verdicts):
        msg = f"the {size} rows of verdicts have the lengths {[len(x) for x in verdicts]}, not "
        msg += f"{size}: each rollout against each"
        raise ValueError(msg)
    out = np.full((size, size), 0.5)
    for i, row in enumerate(verdicts):
        for j, said in enumerate(row):
            if i != j and said not in paid:
                msg = f"verdicts[{i}][{j}]={shortened(said)} is none of 'A', 'B' and None"
                raise ValueError(msg)
            out[i, j] = 0.5 if i == j else paid[said]
    return out


def _chance(table: np.ndarray, alternative: str) -> float:
    """p-value of Fisher's exact test."""
    from scipy.stats import fisher_exact

    return float(np.asarray(fisher_exact(table, alternative=alternative))[1])


def _label(label: str) -> Verdict:
    if label not in LABELS:
        msg = f"label={shortened(label)} is not one of {', '.join(LABELS)}: the answer that is "
        msg += "preferred; there is no tie"
        raise ValueError(msg)
    return LABELS[label]
