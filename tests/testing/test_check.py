"""The laws of `toyrl.testing` find what is wrong, and leave what is right alone."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given

from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper
from toyrl.testing import InvariantError, assert_invariants, check_invariants, rollouts
from toyrl.testing.invariants import INVARIANTS

pytestmark = pytest.mark.swept

FEW = 40


# -- controls: each breaks one law on purpose --------------------------------------------------
@dataclass(frozen=True)
class FirstPlace(Shaper):
    """Pays the first rollout of the group more."""

    scope: ClassVar[str] = "group"

    def parts(self, r: Rollouts, memory: Mapping[str, Any]) -> Parts:
        place = np.zeros(r.shape)
        place[..., 0] = 1.0
        return {"place": r.correct + place}


@dataclass(frozen=True)
class PlainMean(Shaper):
    """Counts absent rollouts in the mean."""

    scope: ClassVar[str] = "group"

    def parts(self, r: Rollouts, memory: Mapping[str, Any]) -> Parts:
        return {"gap": r.correct - np.mean(r.correct, axis=-1, keepdims=True)}


@dataclass(frozen=True)
class Undeclared(Shaper):
    """Looks at siblings, and says that it does not."""

    def parts(self, r: Rollouts, memory: Mapping[str, Any]) -> Parts:
        return {"share": r.correct - np.max(r.correct * r.w, axis=-1, keepdims=True)}


@dataclass(frozen=True)
class Inverse(Shaper):
    """Divides by a length that may be 0."""

    def parts(self, r: Rollouts, memory: Mapping[str, Any]) -> Parts:
        with np.errstate(divide="ignore", invalid="ignore"):
            return {"inverse": r.correct / r.length}


@dataclass(frozen=True)
class Leaky(Shaper):
    """Its `apply` forgets to clean NaN rows."""

    scope: ClassVar[str] = "group"

    def apply(self, rollouts: Rollouts, memory: Any = None) -> Any:
        from toyrl.shapers.base import Shaped

        mean = np.sum(rollouts.correct * rollouts.w, axis=-1, keepdims=True)
        return Shaped({"mean": np.where(rollouts.w > 0, rollouts.correct - mean, 0.0)}, {})


def noisy(correct: np.ndarray) -> np.ndarray:
    return correct + random.random()


@pytest.mark.parametrize(
    ("reward", "law"),
    [
        (FirstPlace(), "permutation"),
        (PlainMean(), "padding"),
        (PlainMean(), "multiplicity"),
        (Undeclared(), "scope"),
        (Inverse(), "finite"),
        (Leaky(), "nan_row"),
        (noisy, "repeatable"),
        ("outcome() - 2*linear_length()", "wrong_never_above_right"),
        ("conciseness_additive(2)", "wrong_never_above_right"),
        ("l1_exact(alpha=0.1)", "shorter_right_never_below"),
        ("outcome() + 0.1*linear_length()", "shorter_right_never_below"),
        ("potential() + 0.5*outcome()", "total_is_constant"),
    ],
)
def test_control_is_caught(reward: Any, law: str) -> None:
    with pytest.raises(InvariantError, match=law) as caught:
        assert_invariants(reward, invariants=[law])
    report = caught.value.report
    assert report.broken() == (law,)
    assert not report.ok
    result = report[law]
    assert result.problem
    assert "correct=" in result.counterexample


@pytest.mark.parametrize("text", ["outcome()", "laser()", "crf()", "kimi()", "grpo_lambda()"])
def test_sound_rewards_pass_every_law(text: str) -> None:
    laws = [n for n in INVARIANTS if text != "kimi()" or n != "longer_wrong_never_below"]
    report = check_invariants(text, invariants=laws, max_examples=FEW)
    assert report.ok, str(report)
    assert all(r.examples >= FEW / 2 for r in report.results)


def test_properties_do_not_count_as_contract() -> None:
    laws = ["finite", "permutation", "wrong_never_above_right"]
    report = check_invariants("outcome() - 2*linear_length()", invariants=laws, max_examples=FEW)
    assert report.contract_ok
    assert report.broken() == ("wrong_never_above_right",)
    assert_invariants("outcome() - 2*linear_length()", max_examples=FEW)


def test_counterexamples_are_small() -> None:
    """A wrong rollout above a right one needs two rollouts of one prompt, weight 2 per length 8."""
    law = "wrong_never_above_right"
    example = check_invariants("outcome() - 2*linear_length()", invariants=[law])[law]
    # 5 is the smallest length at which 1 - 2 n/8 < 0
    assert example.counterexample in (
        "correct=[[0, 1]], length=[[0, 5]], max_length=8",
        "correct=[[1, 0]], length=[[5, 0]], max_length=8",
    )


def test_search_is_deterministic_in_the_seed() -> None:
    law = "shorter_right_never_below"
    first, again = (check_invariants("l1_exact()", invariants=[law], seed=3) for _ in range(2))
    assert first == again
    assert not first.ok


# -- plain functions ---------------------------------------------------------------------------
def brevity(correct: float, length: float) -> float:
    return 1.0 if correct and length < 5 else 0.0


def relative(correct: np.ndarray, length: np.ndarray, max_length: float) -> np.ndarray:
    return correct * (1.0 - (length - length.min()) / max_length)


def of_judge(judge: np.ndarray, truncated: np.ndarray, scale: float = 2.0) -> np.ndarray:
    return scale * np.where(truncated, 0.0, judge)


def per_share(correct: np.ndarray) -> np.ndarray:
    return correct / correct.sum()


@pytest.mark.parametrize("reward", [brevity, relative, of_judge])
def test_plain_functions_that_keep_the_contract(reward: Any) -> None:
    assert_invariants(reward, max_examples=FEW)


def test_plain_function_with_division_by_zero() -> None:
    assert check_invariants(per_share, max_examples=FEW).broken() == ("finite",)


def test_exception_inside_a_reward_is_a_broken_law() -> None:
    def fragile(length: float) -> float:
        return math.log(length)

    report = check_invariants(fragile, invariants=["finite"], max_examples=FEW)
    assert "ValueError" in report["finite"].problem
    assert report["finite"].counterexample == "correct=[[0]], length=[[0]], max_length=8"


def test_unknown_parameter_and_unknown_law() -> None:
    with pytest.raises(ValueError, match="parameter 'colour' is no column"):
        check_invariants(lambda colour: colour)
    with pytest.raises(ValueError, match="no invariant is called 'nice'"):
        check_invariants("outcome()", invariants=["nice"])
    with pytest.raises(ValueError, match="max_examples=0"):
        check_invariants("outcome()", max_examples=0)


# -- texts ---------------------------------------------------------------------------------------
def has_answer(completions: list[str], **kwargs: Any) -> list[float]:
    return [float("4" in c) for c in completions]


def chat_length(completions: list[Any], answer: list[str]) -> list[float]:
    return [len(c[0]["content"]) + len(a) for c, a in zip(completions, answer, strict=True)]


async def waits(completion_ids: list[list[int]]) -> list[float | None]:
    return [None if len(ids) == 1 else float(len(ids)) for ids in completion_ids]


def one_short(completions: list[str]) -> list[float]:
    return [1.0] * (len(completions) - 1)


def inverse_length(completions: list[str]) -> list[float]:
    return [1 / len(c) for c in completions]


def first_wins(completions: list[str]) -> list[float]:
    return [1.0, *[0.0] * (len(completions) - 1)]


def never_finite(completions: list[str]) -> list[float]:
    return [float("inf")] * len(completions)


class Counting:
    """A reward with a history."""

    __name__ = "counting"

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, completions: list[str]) -> list[float]:
        self.calls += 1
        return [float(self.calls)] * len(completions)


@pytest.mark.parametrize("reward", [has_answer, chat_length, waits])
def test_text_rewards_that_keep_the_contract(reward: Any) -> None:
    assert_invariants(reward, max_examples=FEW)


@pytest.mark.parametrize(
    ("reward", "law"),
    [
        (one_short, "one_value_each"),
        (inverse_length, "one_value_each"),
        (never_finite, "one_value_each"),
        (first_wins, "permutation"),
        (Counting(), "repeatable"),
    ],
)
def test_text_control_is_caught(reward: Any, law: str) -> None:
    report = check_invariants(reward, invariants=[law], max_examples=FEW)
    assert report.broken() == (law,)
    assert "completions=" in report[law].counterexample


# -- strategies ------------------------------------------------------------------------------------
@given(rollouts(needs=("judge", "logprobs", "mask")))
def test_drawn_rollouts_are_well_formed(r: Rollouts) -> None:
    assert r.shape == r.length.shape == r.fields["judge"].shape
    assert r.fields["logprobs"].shape == r.mask.shape == (*r.shape, int(r.max_length))
    assert np.all((r.length >= 0) & (r.length <= r.max_length))
    assert np.array_equal(r.mask.sum(-1), r.length)
    assert np.all(r.fields["logprobs"] <= 0)
    assert np.all(r.correct[r.cut] == 0)
    assert np.all(r.w >= 0)
    if r.group_size is not None:
        assert np.allclose(r.w.sum(-1), 1.0, rtol=0, atol=1e-15)


def test_ugly_rollouts_are_drawn() -> None:
    """Ties, absent rows, whole absent groups, singletons, truncation, length 0: all occur."""
    seen = dict.fromkeys(["tie", "absent row", "absent group", "one", "cut", "empty", "inf"], 0)

    @given(rollouts())
    def collect(r: Rollouts) -> None:
        seen["tie"] += bool(r.shape[1] > 1 and np.ptp(r.length[0]) == 0)
        seen["absent row"] += bool(np.any(r.w == 0))
        seen["absent group"] += bool(np.any(r.w.sum(-1) == 0))
        seen["one"] += r.shape[1] == 1
        seen["cut"] += bool(np.any(r.cut))
        seen["empty"] += bool(np.any(r.length == 0))
        seen["inf"] += r.group_size is not None

    collect()
    assert min(seen.values()) > 0, seen


@dataclass(frozen=True)
class Spoils(Shaper):
    """Writes into what it is given."""

    def parts(self, r: Rollouts, memory: Any) -> Any:
        r.length[...] = -5.0
        if r.truncated is not None:
            r.truncated[...] = True
        return {"x": r.correct}


def test_a_reward_that_writes_into_its_arrays_spoils_no_other():
    def seen(correct, length, truncated, max_length):
        assert (length >= 0).all()
        assert (~truncated | (length == max_length)).all()
        return correct

    r = Rollouts(np.ones((1, 2)), np.ones((1, 2)), 4.0, weight=np.ones((1, 2)))
    Spoils().apply(r)
    assert (r.length == 1).all()

    check_invariants(Spoils(), max_examples=FEW)
    report = check_invariants(seen, max_examples=FEW)
    assert report.contract_ok, str(report)


def test_a_reward_that_breaks_a_law_once_is_told():
    """The search that would shrink the case finds the law kept: the first case is the evidence."""
    calls = []

    def once(correct):
        calls.append(1)
        return correct + (1e12 if len(calls) == 12 else 0.0)

    found = check_invariants(once, invariants=["finite"], max_examples=FEW)["finite"]
    assert not found.holds
    assert found.counterexample
