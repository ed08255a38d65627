"""Laws of rewards of writing and of reasoning patterns, for ours and for one of yours.

    from toyrl.testing.laws import writing as laws

    @given(laws.answers(), st.integers(0, 5))
    def test_my_reward(paragraphs, place):
        assert laws.copies_never_pay(MyReward(model="none"), paragraphs, place) is None

Each returns nothing where the law holds and one sentence where it doesn't.

Source: papers 10 and 25, invariants; derived.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import strategies as st

from toyrl.graders.base import TextRow
from toyrl.graders.parts import TaskReward
from toyrl.graders.patterns import PHRASES, Calibrated, ReasoningPatterns
from toyrl.graders.steps.phases import TAGS
from toyrl.graders.writing.long_form import Writing

TOLERANCE = 1e-12
WORDS = st.sampled_from(["a", "b", "c", "d", "ü", "東京", "дом", "بيت", "--"])


def answers(most: int = 5) -> st.SearchStrategy[list[str]]:
    """Lists of one to `most` paragraphs of few different words, so that many are alike."""
    return st.lists(st.lists(WORDS, min_size=1, max_size=6).map(" ".join), min_size=1,
                    max_size=most)  # fmt: skip


def written(paragraphs: Sequence[str], thought: str = "plan") -> str:
    """A text in the paper's layout."""
    body = "\n\n".join(paragraphs)
    return f"<think>{thought}</think>\n<answer>{body}</answer>"


def _part(reward: TaskReward, text: str, name: str) -> float:
    return reward.grade_parts([TextRow("", text)])[0].parts[name]


def copies_never_pay(reward: Writing, paragraphs: Sequence[str], place: int) -> str | None:
    """A copy of a paragraph somewhere behind it never raises the format part.

    Before it, it can: likeness of paragraphs isn't transitive, see docs/theory/writing.md.
    """
    first = place % len(paragraphs)
    before = _part(reward, written(paragraphs), "format")
    for at in range(first + 1, len(paragraphs) + 1):
        longer = [*paragraphs[:at], paragraphs[first], *paragraphs[at:]]
        after = _part(reward, written(longer), "format")
        if after > before + TOLERANCE:
            return f"a copy of paragraph {first + 1} at {at + 1} raises format {before} to {after}"
    return None


def tags_are_needed(reward: Writing, paragraphs: Sequence[str]) -> str | None:
    """Without one of the four tags, with one doubled, or with more text, format is 0."""
    text = written(paragraphs)
    broken = [text.replace(tag, "") for tag in TAGS]
    broken += [text.replace(tag, tag * 2) for tag in TAGS]
    for changed in (*broken, text + " more", "more " + text, text * 2):
        if paid := _part(reward, changed, "format"):
            return f"format is {paid} for {changed!r}"
    return None


def band_is_met(reward: Writing, words: Sequence[int]) -> str | None:
    """Length lies in [0, 1], rises up to the band, is 1 on it and exactly there, then falls."""
    counts = sorted(set(words))
    paid = [_part(reward, written(["w " * n]), "length") for n in counts]
    for i, (n, x) in enumerate(zip(counts, paid, strict=True)):
        if not 0 <= x <= 1 or (x == 1) != (reward.lower <= n <= reward.upper):
            return f"{n} words are paid {x} with a band from {reward.lower} to {reward.upper}"
        rises = n <= reward.lower
        if i and (rises or counts[i - 1] >= reward.upper) and (x - paid[i - 1]) * (
            1 if rises else -1
        ) < -TOLERANCE:  # fmt: skip
            return f"{n} words are paid {x}, {counts[i - 1]} words {paid[i - 1]}"
    return None


def phrases_count_once(reward: ReasoningPatterns, chosen: Sequence[int]) -> str | None:
    """Each new phrase adds 1/divisor up to full pay, in any case; a phrase again adds nothing.

    reward : without a repetition penalty that such a text meets; chosen : places in `PHRASES`
    """
    text, paid = "", 0.0
    for k, i in enumerate(chosen):
        text = f"{text} | {PHRASES[i].upper() if k % 2 else PHRASES[i]}"
        now = reward.grade([TextRow("", text)])[0]
        hits = len(set(chosen[: k + 1]))
        if not math.isclose(now, min(1, hits / reward.divisor), abs_tol=TOLERANCE):
            return f"{hits} phrases are paid {now}, before {paid}"
        paid = now
    return None


def low_scores_alone(reward: Calibrated, score: float, text: str) -> str | None:
    """Below tau between score and min(1, score + alpha), from tau on unchanged."""
    now = reward.grade([TextRow("", written([text], text), {reward.column: score})])[0]
    if score >= reward.tau:
        return None if now == score else f"{score} became {now}, from tau = {reward.tau} on"
    inside = score - TOLERANCE <= now <= min(1, score + reward.alpha) + TOLERANCE
    return None if inside else f"{score} became {now}, with alpha = {reward.alpha}"
