"""ToolRL: tool calls paid for their format, and piece by piece for names, keys and values.

A text is paid R_format + R_correct (+ R_length). The gold text says which blocks are asked for; its
calls are compared with the first block of the text (`toyrl.graders.tools.texts`).

    S_max     = 1 + sum over gold calls of (1 + how many keys)
    S         = J(names) + sum over matched pairs of (J(keys) + how many values are right)
    R_correct = c_min + (c_max - c_min) S / S_max,   c_max where both lists are equal

J is the multiset Jaccard; gold calls are matched in order, each to the first of its name's unused
calls that scores most. Any error of parsing, and any missing key that is looked at, is paid c_min.

Source: paper 21, code verl/utils/reward_score/rlla.py, released behaviour with its oddities: calls
are compared as Python does, so that 1, 1.0 and true are one value, and a NaN counts as right only
where the whole lists are equal. The paper's own schedule ("smooth_paper") is quoted from memory.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar, NamedTuple

from toyrl.graders.base import TextRow
from toyrl.graders.parts import Graded, TaskReward
from toyrl.graders.tools.texts import (
    OPEN,
    RESPONSE,
    call_block,
    gold_text,
    layout_holds,
    read_calls,
    thinking_words,
)  # fmt: skip
from toyrl.ranges import NOT_NEGATIVE, POSITIVE, one_of
from toyrl.registry import entry

Call = Mapping[str, Any]
Pairs = list[list[tuple[float, float] | None]]
GRANULARITIES = ("fine", "refined", "intermediate", "coarse")
SCALES = ("max3", "max1", "two_stage", "smooth", "smooth_paper")
LENGTHS = ("off", "fixed", "dynamic")
BROKEN = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What reading and comparing calls of any form may raise."""


# -- calls against calls ---------------------------------------------------------------------------
class CallScore(NamedTuple):
    """What predicted calls are worth.

    names : J of the names, in [0, 1]; keys, values : sums over the matched calls
    most : S_max, > 0
    equal : the lists are equal, and paid in full whatever the sums are
    """

    names: float
    keys: float
    values: float
    most: float
    equal: bool = False

    @property
    def share(self) -> float:
        """S / S_max in [0, 1]."""
        return 1.0 if self.equal else (self.names + self.keys + self.values) / self.most


def jaccard(a: Sequence[Any], b: Sequence[Any], *, exact: bool = False) -> float:
    """Multiset Jaccard of two lists, in [0, 1]: what both have over what either has.

    1 for equal lists, two empty ones included. exact : 0 for every other pair (order counts)

    Raises TypeError for entries without a hash.
    """
    if a == b:
        return 1.0
    if exact or not a or not b:
        return 0.0
    both = (Counter(a) & Counter(b)).total()
    return both / (len(a) + len(b) - both)


def call_score(
    gold: Sequence[Call],
    said: Sequence[Call],
    *,
    granularity: str = "fine",
    matching: str = "greedy",
    call_order: str = "kept",
    key_order: str = "kept",
) -> CallScore:
    """Score predicted calls against gold calls, both with `name` and `parameters`.

    granularity : "fine", as at the top. "refined": J is 1 for equal lists, else 0. "intermediate":
        a matched call is 1 if it is identical, S_max = 1 + n. "coarse": equal lists or nothing
    matching : "greedy", as released, or "optimal": the assignment of the largest sum
    call_order : "kept": equal lists are equal in order, or "free"
    key_order : "kept": refined compares keys in order, or "free"

    Raises TypeError, KeyError or AttributeError for a predicted call of another form, where its
    missing piece is looked at.
    """
    free = call_order == "free"
    if gold == said or (free and _same_calls(gold, said)):
        return CallScore(1.0, 0.0, 0.0, 1.0, equal=True)
    if granularity == "coarse":
        return CallScore(0.0, 0.0, 0.0, 1.0)
    refined, whole = granularity == "refined", granularity == "intermediate"
    wanted, given = [c["name"] for c in gold], [c["name"] for c in said]
    if refined and free:
        names = float(Counter(wanted) == Counter(given))
    else:
        names = jaccard(wanted, given, exact=refined)
    most = 1.0 + sum(1.0 if whole else 1.0 + len(c["parameters"]) for c in gold)
    worth = [
        [_worth(g, p, granularity, key_order) if p["name"] == g["name"] else None for p in said]
        for g in gold
    ]
    # Calls of different names never compete, so that only repeated names need an assignment.
    best = _optimal if matching == "optimal" and len(set(wanted)) < len(wanted) else _greedy
    pairs = best(worth)
    return CallScore(names, sum(k for k, _ in pairs), sum(v for _, v in pairs), most)


def _worth(gold: Call, said: Call, granularity: str, key_order: str) -> tuple[float, float]:
    """(J of the keys, right values) of a pair of one name."""
    if granularity == "intermediate":
        return 0.0, float(gold == said)
    g, p = gold["parameters"], said["parameters"]
    both = len(g.keys() & p.keys())
    if granularity == "refined":
        keys = float(g.keys() == p.keys() if key_order == "free" else list(g) == list(p))
    else:
        keys = both / (len(g) + len(p) - both) if g or p else 1.0
    return keys, float(sum(k in p and p[k] == v for k, v in g.items()))


def _greedy(worth: Pairs) -> list[tuple[float, float]]:
    """Each gold call takes the first unused call with the largest sum above 0."""
    used: set[int] = set()
    found = []
    for row in worth:
        most, place = 0.0, -1
        for i, pair in enumerate(row):
            if pair is not None and i not in used and sum(pair) > most:
                most, place = sum(pair), i
        if place >= 0:
            used.add(place)
            found.append(row[place])
    return found


def _optimal(worth: Pairs) -> list[tuple[float, float]]:
    """The pairs of the assignment with the largest sum."""
    first = _greedy(worth)
    bound = sum(max((sum(x) for x in row if x is not None), default=0.0) for row in worth)
    if sum(map(sum, first)) == bound:  # nobody had to give way, which is the usual case
        return first
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    sums = np.array([[0.0 if x is None else sum(x) for x in row] for row in worth])
    rows, columns = linear_sum_assignment(sums, maximize=True)
    found = (worth[i][j] for i, j in zip(rows.tolist(), columns.tolist(), strict=True))
    return [pair for pair in found if pair is not None]


def _same_calls(gold: Sequence[Call], said: Sequence[Call]) -> bool:
    """Equal but for the order."""
    if len(gold) != len(said):
        return False
    left = list(said)
    for call in gold:
        if call not in left:
            return False
        left.remove(call)
    return True


# -- scales and length -----------------------------------------------------------------------------
class Scales(NamedTuple):
    """The least and most that format and correctness are paid, in reward units."""

    format_min: float
    format_max: float
    correct_min: float
    correct_max: float


def tool_scales(
    scale: str,
    step: float = 0.0,
    *,
    top: float = 3.0,
    bonus: float = 1.0,
    switch: float = 30.0,
    ramp: float = 150.0,
) -> Scales:
    """What format and correctness are paid at an update.

    scale : "max3": [0, bonus] and [-top, top]. "max1": correctness over 3. "two_stage": correctness
        over 3 before update `switch`, format over 2 from it on. "smooth": both begin at
        (top + bonus)/2 and reach bonus and top at update `ramp`; the released least of the format
        rises from minus that twice as fast, to -bonus. "smooth_paper": it is minus the most
    step : >= 0

    Raises ValueError for another scale.
    """
    if scale in ("smooth", "smooth_paper"):
        start, moved = (top + bonus) / 2, (top - bonus) / 2 * step / ramp
        high, correct = max(bonus, start - moved), min(top, start + moved)
        low = min(-bonus, -start + start * step / ramp) if scale == "smooth" else -high
        return Scales(low, high, -correct, correct)
    if scale not in SCALES:
        msg = f"scale={scale!r} is not one of {', '.join(SCALES)}"
        raise ValueError(msg)
    staged, early = scale == "two_stage", step < switch
    correct = top / 3 if scale == "max1" or (staged and early) else top
    return Scales(0.0, bonus / 2 if staged and not early else bonus, -correct, correct)


def tool_length_score(words: float | None, cap: float = 512.0) -> float:
    """Words over the cap, rounded to 0.01, at most 1; None (no thought) is 0.

    The rounding pays a cap of 512 in full from 510 words on. cap : > 0 words
    """
    return 0.0 if words is None else min(1.0, round(words / cap, 2))


# -- the reward ------------------------------------------------------------------------------------
class _Gold(NamedTuple):
    call: bool
    response: bool
    calls: list[Any]
    problem: str = ""


@entry(
    "tool_calls",
    kind="grader",
    cards=("21",),
    section="3.3, 5.1-5.3; rlla.py",
    provenance="code",
    formula="f + (c_max - c_min) S/S_max + c_min",
)
@dataclass(frozen=True)
class ToolCalls(TaskReward):
    """ToolRL's reward of tool calls: format, correctness by piece, length of the thought.

    granularity, matching, call_order, key_order : see `call_score`
    scale, top, bonus, switch, ramp : see `tool_scales`
    length : "off"; "fixed": words of the thought over `cap`; "dynamic": over a cap that goes from
        `cap_first` by cap_last - cap_first every `cap_steps` updates, upwards without end,
        downwards to `cap_last`
    parsing : "strict" or "repair", see `read_calls`

    The column `ground_truth` is the gold text, or calls or messages that hold them. Gold without
    calls pays correctness 0 to every text; gold calls that can't be read leave it NaN.
    """

    granularity: Annotated[str, one_of(*GRANULARITIES)] = "fine"
    scale: Annotated[str, one_of(*SCALES)] = "max3"
    length: Annotated[str, one_of(*LENGTHS)] = "off"
    matching: Annotated[str, one_of("greedy", "optimal")] = "greedy"
    call_order: Annotated[str, one_of("kept", "free")] = "kept"
    key_order: Annotated[str, one_of("kept", "free")] = "kept"
    parsing: Annotated[str, one_of("strict", "repair")] = "strict"
    top: Annotated[float, POSITIVE] = 3.0
    bonus: Annotated[float, NOT_NEGATIVE] = 1.0
    switch: Annotated[float, NOT_NEGATIVE] = 30.0
    ramp: Annotated[float, POSITIVE] = 150.0
    cap: Annotated[float, POSITIVE] = 512.0
    cap_first: Annotated[float, POSITIVE] = 384.0
    cap_last: Annotated[float, POSITIVE] = 640.0
    cap_steps: Annotated[float, POSITIVE] = 105.0
    parts: ClassVar[tuple[str, ...]] = ("format", "correct", "length")
    facts: ClassVar[tuple[str, ...]] = ("share", "names", "extra")
    reads: ClassVar[tuple[str, ...]] = ("ground_truth",)
    of_task: ClassVar[str] = "tools"

    @property
    def by_step(self) -> bool:
        """True for two stages, the smooth scales and a dynamic length."""
        return self.scale not in ("max3", "max1") or self.length == "dynamic"

    def scales(self, step: float = 0.0) -> Scales:
        """What format and correctness are paid at an update."""
        return tool_scales(self.scale, step, top=self.top, bonus=self.bonus, switch=self.switch,
                           ramp=self.ramp)  # fmt: skip

    def score(self, gold: Sequence[Call], said: Sequence[Call]) -> CallScore:
        """`call_score` by the reward's own rules."""
        return call_score(gold, said, granularity=self.granularity, matching=self.matching,
                          call_order=self.call_order, key_order=self.key_order)  # fmt: skip

    def graded(self, row: TextRow, step: float = 0.0) -> Graded:
        """Format, correctness and length of one text. step : the update's number

        Raises ValueError for a ground truth that is neither text nor calls nor messages.
        """
        from toyrl.serving import bare_text

        text = bare_text(row.completion).strip()
        gold = _gold(gold_text(row.columns["ground_truth"]), self.parsing)
        scales = self.scales(step)
        ok = layout_holds(text, call=gold.call, response=gold.response)
        paid = {"format": scales.format_max if ok else scales.format_min, "correct": 0.0,
                "length": self._length(text, step)}  # fmt: skip
        if not gold.call:
            return Graded(paid, {}, gold.problem)
        if gold.problem:
            return Graded({**paid, "correct": math.nan}, {}, gold.problem)
        low, high = scales.correct_min, scales.correct_max
        try:
            said = _said(text, self.parsing)
            score = self.score(gold.calls, said)
            facts = {"share": score.share, "extra": float(max(len(said) - len(gold.calls), 0))}
            if self.granularity != "coarse":
                facts["names"] = score.names
        except BROKEN as error:
            return Graded({**paid, "correct": low}, {}, _told(error))
        paid["correct"] = high if score.equal else (high - low) * score.share + low
        return Graded(paid, facts)

    def _length(self, text: str, step: float) -> float:
        if self.length == "off":
            return 0.0
        cap = self.cap
        if self.length == "dynamic":
            cap = self.cap_first + (self.cap_last - self.cap_first) * step / self.cap_steps
            cap = max(cap, min(self.cap_first, self.cap_last))
        return tool_length_score(thinking_words(text), cap)


@entry(
    "tool_calls_sound",
    kind="grader",
    cards=("21",),
    section="2, sound column",
    provenance="derived",
    formula="f + (c_max - c_min) S/S_max + c_min, orders free, best assignment, JSON mended",
)
@dataclass(frozen=True)
class SoundToolCalls(ToolCalls):
    """`tool_calls` free of orders, with the best assignment and with broken JSON mended.

    It still pays extra calls well, as every granularity but "coarse" does. Our reading of what the
    released reward means to measure, not the paper's; fields as `tool_calls`.
    """

    matching: Annotated[str, one_of("greedy", "optimal")] = "optimal"
    call_order: Annotated[str, one_of("kept", "free")] = "free"
    key_order: Annotated[str, one_of("kept", "free")] = "free"
    parsing: Annotated[str, one_of("strict", "repair")] = "repair"


@lru_cache(maxsize=1024)
def _gold(text: str, parsing: str) -> _Gold:
    """What a gold text asks for; the texts of a group share it."""
    call, response = OPEN in text, RESPONSE in text
    if not call:
        bare = text.strip()[:1] in ("{", "[")
        said = f"ground truth: calls without {OPEN} are not compared" if bare else ""
        return _Gold(call, response, [], said)
    try:
        calls = _said(text, parsing)
        if all(isinstance(c["name"], str) and isinstance(c["parameters"], dict) for c in calls):
            return _Gold(call, response, calls)
        said = "a call is no object with name and parameters"
    except BROKEN as error:
        said = _told(error)
    return _Gold(call, response, [], f"ground truth: {said}")


def _said(text: str, parsing: str) -> list[Any]:
    block = call_block(text)
    if block is None:
        msg = "no tool_call block"
        raise ValueError(msg)
    return read_calls(block, parsing=parsing)


def _told(error: Exception) -> str:
    """Why calls couldn't be read, in a few words; texts of one fault have one reason."""
    if isinstance(error, KeyError):
        return f"a call has no {error.args[0]}"
    if isinstance(error, RecursionError):
        return "calls are nested too deeply"
    if type(error) is ValueError:
        return str(error)
    if isinstance(error, ValueError):
        return "a line is no JSON"
    return "a call is no object with name and parameters"
