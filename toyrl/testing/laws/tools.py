"""Laws of rewards of tool calls, for `tool_calls` and for a reward of your own in its form.

    from toyrl.testing.laws import tools as laws

    @given(laws.calls(), laws.calls())
    def test_my_reward(gold, said):
        assert laws.within_scale(MyReward(), gold, said) is None

Each returns nothing where the law holds and one sentence where it doesn't. Calls are lists of
{"name": ..., "parameters": {...}}, at least one.

Source: paper 21 (ToolRL), derived from the released formulas.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from toyrl.graders.base import TextRow
from toyrl.graders.tools.calls import ToolCalls, call_score, tool_length_score, tool_scales
from toyrl.graders.tools.texts import tool_text

Calls = Sequence[Mapping[str, Any]]
TOLERANCE = 1e-9
VALUES = st.one_of(
    st.integers(-2, 2), st.sampled_from(["", "a", "Zürich", "東京"]), st.booleans(), st.none(),
    st.lists(st.integers(0, 1), max_size=2),
)  # fmt: skip


def calls(*, distinct: bool = False, names: str = "fgh", least: int = 1) -> st.SearchStrategy:
    """Lists of one to three calls with up to three keys; names and values repeat often.

    distinct : every name once; names : letters of them; least : calls at least
    """
    one = st.fixed_dictionaries({
        "name": st.sampled_from(names),
        "parameters": st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3),
    })  # fmt: skip
    by = (lambda c: c["name"]) if distinct else None
    return st.lists(one, min_size=least, max_size=3, unique_by=by)


def paid(reward: Any, gold: Calls, said: Calls, step: float = 0.0, thought: str = "") -> float:
    """What the reward pays for the correctness of calls written in the paper's layout."""
    text = tool_text(said, thought)
    row = TextRow("", text, {"ground_truth": tool_text(gold)})
    return reward.grade_parts([row], step)[0].parts["correct"]


def within_scale(reward: ToolCalls, gold: Calls, said: Calls, step: float = 0.0) -> str | None:
    """c_min <= R_correct <= c_max, and c_max exactly where S = S_max or the lists are equal."""
    low, high = reward.scales(step)[2:]
    found = paid(reward, gold, said, step)
    if not low - TOLERANCE <= found <= high + TOLERANCE:
        return f"correctness is paid {found}, outside [{low}, {high}]"
    full = reward.score(gold, said).share >= 1 - TOLERANCE
    if full != (found >= high - TOLERANCE):
        return f"S is {'' if full else 'not '}S_max, but {found} of at most {high} is paid"
    return None


def right_in_any_order(reward: ToolCalls, gold: Calls, order: Iterable[int]) -> str | None:
    """The right calls are paid in full in any order (of fine and intermediate)."""
    found, want = paid(reward, gold, [gold[i] for i in order]), reward.scales().correct_max
    return None if math.isclose(found, want) else f"the right calls are paid {found}, not {want}"


def order_never_counts(reward: ToolCalls, gold: Calls, said: Calls, order: Iterable[int]
                       ) -> str | None:  # fmt: skip
    """Predicted calls of distinct names are paid alike in any order (of fine)."""
    one, other = paid(reward, gold, said), paid(reward, gold, [said[i] for i in order])
    same = abs(one - other) <= TOLERANCE
    return None if same else f"in another order the calls are paid {other}, not {one}"


def absent_name_never_pays(reward: ToolCalls, gold: Calls, said: Calls, extra: Mapping[str, Any]
                           ) -> str | None:  # fmt: skip
    """One more call, of a name that no gold call has, never raises the pay (of fine)."""
    before, after = paid(reward, gold, said), paid(reward, gold, [*said, extra])
    if after > before + TOLERANCE:
        return f"a call of {extra['name']!r}, which nobody asked for, raises {before} to {after}"
    return None


def one_value_more(reward: ToolCalls, gold: Calls, place: int, key: str, wrong: Any
                   ) -> str | None:  # fmt: skip
    """Of gold calls with distinct names, one wrong value costs exactly (c_max - c_min)/S_max.

    place, key : which value; wrong : another value. Of fine and refined.
    """
    broken = [dict(c) for c in gold]
    broken[place]["parameters"] = {**gold[place]["parameters"], key: wrong}
    low, high = reward.scales()[2:]
    step = (high - low) / call_score(gold, broken).most
    found = paid(reward, gold, gold) - paid(reward, gold, broken)
    return None if abs(found - step) <= TOLERANCE else f"one value is worth {found}, not {step}"


def coarse_never_above(reward: ToolCalls, coarse: ToolCalls, gold: Calls, said: Calls
                       ) -> str | None:  # fmt: skip
    """The coarse reward takes two values, and never pays more than the finer one."""
    fine, whole = paid(reward, gold, said), paid(coarse, gold, said)
    if whole not in coarse.scales()[2:]:
        return f"the coarse reward pays {whole}, neither of {coarse.scales()[2:]}"
    return None if whole <= fine + TOLERANCE else f"coarse pays {whole}, fine {fine}"


def format_reads_no_json(reward: Any, gold: Calls, said: Calls) -> str | None:
    """Broken JSON leaves the format's pay; a thought leaves that of correctness."""
    text, column = tool_text(said), {"ground_truth": tool_text(gold)}
    rows = [TextRow("", x, column) for x in (text, text.replace("{", "(").replace("}", ")"))]
    one, other = (x.parts["format"] for x in reward.grade_parts(rows))
    if one != other:
        return f"the format is paid {one}, and {other} with broken JSON"
    bare, thoughtful = (paid(reward, gold, said, thought=t) for t in ("", "let me see\n{}"))
    return (
        None if bare == thoughtful else f"a thought moves correctness from {bare} to {thoughtful}"
    )


def smooth_sum(step: float, *, scale: str = "smooth", top: float = 3.0, bonus: float = 1.0
               ) -> str | None:  # fmt: skip
    """f_max + c_max stays at top + bonus at any step; from update 150 on both are at the end."""
    found = tool_scales(scale, step, top=top, bonus=bonus)
    if abs(found.format_max + found.correct_max - top - bonus) > TOLERANCE:
        return f"the maxima add up to {found.format_max + found.correct_max}, not {top + bonus}"
    if step >= 150 and (found.format_max, found.correct_max) != (bonus, top):
        return f"after the ramp the maxima are {found.format_max} and {found.correct_max}"
    return None


def length_in_unit(words: int, cap: float = 512.0) -> str | None:
    """R_length lies in [0, 1] and never falls with a word more."""
    here, more = (tool_length_score(w, cap) for w in (words, words + 1))
    if not 0 <= here <= more <= 1:
        return f"{words} words are paid {here}, one more {more}"
    return None
