"""The fuzzers find what they are for, make it small, and find nothing in what is here.

`make torture` runs them with ten thousand cases of each entry; here a few of each, and two hundred
of every third as slow ones, with JAX for every twelfth (it compiles each anew).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from tests.faults.torture import agreement, draws, readers
from tests.faults.torture.__main__ import main
from toyrl.expressions import parse_estimator
from toyrl.shapers.base import Shaper

ENTRIES = agreement.entries()
FEW, MANY = 24, 200
LIBRARIES = ("torch",)  # JAX compiles each entry anew; it is tried by the slow ones


def found(name: str, it, n: int, libraries: tuple[str, ...]) -> list[str]:
    counts = agreement.Counts()
    agreement.torture(name, it, n, counts, libraries=libraries)
    first = {(f.entry, f.check): f for f in reversed(counts.faults)}
    return [str(agreement.smallest(f, it)) for f in first.values()]


@pytest.mark.swept
@pytest.mark.parametrize("name", ENTRIES)
def test_a_few_cases_agree(name):
    pytest.importorskip("torch", reason="needs the extra llm")
    assert not found(name, ENTRIES[name], FEW, LIBRARIES)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "libraries"),
    [(n, ("jax", "torch") if i % 4 == 0 else LIBRARIES) for i, n in enumerate([*ENTRIES][::3])],
    ids=[*ENTRIES][::3],
)
def test_200_cases_agree(name, libraries):
    pytest.importorskip("torch", reason="needs the extra llm")
    assert not found(name, ENTRIES[name], MANY, libraries)


def test_cases_are_as_odd_as_said():
    made = list(draws.stacks(("correct", "length"), 1200))
    assert sum(map(len, made)) == 1200
    assert {s.reward.shape[1:] for s in made} == set(draws.SHAPES)
    assert {s.rollouts.max_length for s in made} == set(draws.LIMITS)
    assert {kind for s in made for kind in s.kinds} == set(draws.SIZES)
    big = next(s for s in made if s.reward.shape[1:] == (3, 8))
    gone = (big.rollouts.weight == 0).mean()
    assert 0.1 < gone < 0.2  # 30 percent of the rows of half of the cases
    assert (big.rollouts.length == 0).any()
    assert big.rollouts.truncated.any()
    spoilt = big.spoiled(np.random.default_rng(0))
    live = big.rollouts.weight > 0
    assert np.isnan(spoilt.reward[~live]).any()
    np.testing.assert_array_equal(spoilt.reward[live], big.reward[live])
    np.testing.assert_array_equal(spoilt.rollouts.length[live], big.rollouts.length[live])


# -- controls -------------------------------------------------------------------------------------
class Leaky:
    """The mean over all rows, absent ones too; an `Estimator` would clean them at the door."""

    needs = ()

    def apply(self, parts, r, state=None):
        total = sum(parts.values())
        return np.where(r.w > 0, total - total.mean(-1, keepdims=True), 0 * r.length), {}


@dataclass(frozen=True)
class Drifting(Shaper):
    """Half precision on torch alone."""

    def parts(self, r, memory):
        value = r.correct + r.length / r.max_length
        if type(value).__module__ == "torch":
            value = value.half().to(value.dtype)
        return {"x": value * (r.w > 0)}


@dataclass(frozen=True)
class Infinite(Shaper):
    """Divides by the length."""

    def parts(self, r, memory):
        with np.errstate(divide="ignore", invalid="ignore"):
            return {"x": np.where(r.w > 0, r.correct / r.length, 0.0)}


@pytest.mark.parametrize(
    ("name", "it", "check"),
    [
        ("estimator leaky", Leaky(), "numpy float64: what stands in rows of weight 0"),
        ("shaper drifting", Drifting(), "torch float64"),
        ("shaper infinite", Infinite(), "numpy float64: not finite"),
    ],
)
def test_a_fault_is_found_and_made_small(name, it, check):
    pytest.importorskip("torch", reason="needs the extra llm")
    counts = agreement.Counts()
    libraries = LIBRARIES if "torch" in check else ()
    agreement.torture(name, it, 120, counts, libraries=libraries)
    fault = next(f for f in counts.faults if f.check == check)
    small = agreement.smallest(fault, it)
    assert small.stack.reward.shape[1] == 1
    assert small.stack.reward.shape[2] <= 2
    assert check in str(small)


def test_what_a_dtype_cannot_hold_is_counted_and_not_called_a_disagreement():
    """A critic of a few units beside rewards of a million, whitened: 2 percent off in float32."""
    counts = agreement.Counts()
    agreement.torture("estimator gae", parse_estimator("gae"), MANY, counts, libraries=LIBRARIES)
    assert not counts.faults
    assert counts.compared[f"float32 {agreement.LOST}"] > 0


# -- readers --------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [60, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_spoilt_texts_end_in_an_answer_or_the_readers_own_error(n):
    counts, wrong = readers.torture(n, seed=1)
    assert set(counts) == set(readers.SEEDS)
    assert not wrong


READ = [
    ("yaml", "1: \ns:"),
    ("yaml", "s: \n8: "),
    ("json", '{"\u00e9num_generations":0.1,"\u00e9num_generations":8}'),
    ("jsonl", '{"' + "1" * 800 + '":"","prompt":"p","reward":5}'),
]


@pytest.mark.parametrize(("kind", "text"), READ)
def test_readers_regressions(kind, text):
    read, own = readers.readers()[kind]
    assert readers.problem(read, own, text) == ""


def test_control_a_reader_that_breaks_is_found_and_its_text_made_short():
    def read(text):
        if "(" in text:
            raise KeyError(text)
        if "[" in text:
            raise ValueError("x" * 2000)

    own = (ValueError,)
    text = "outcome(right=1) - 0.3*linear_length(unit=0.5)"
    wrong = readers.problem(read, own, text)
    assert wrong.startswith("KeyError")
    assert readers.shorter(read, own, text, wrong) == "("
    assert readers.problem(read, own, "a[") == "a message of 2000 characters"
    assert readers.problem(read, own, "a") == ""


def test_the_command_prints_counts(capsys):
    assert main(["--cases", "12", "--only", "estimator rloo", "--libraries", "torch"]) == 0
    said = capsys.readouterr().out
    assert "shapers and estimators, 12 cases of each" in said
    assert "torch float64: " in said
    assert main(["--cases", "5", "--only", "readers"]) == 0
    assert "spoilt texts: reward 5, estimator 5" in capsys.readouterr().out


def test_the_command_prints_what_it_found(capsys, monkeypatch):
    monkeypatch.setattr(agreement, "entries", lambda: {"shaper infinite": Infinite()})
    assert main(["--cases", "120", "--only", "shaper", "--libraries", ""]) == 1
    said = capsys.readouterr().out
    assert "FOUND shaper infinite, numpy float64: not finite: reward=[[" in said


# -- smallest inputs of faults that were found -----------------------------------------------------
def one(reward, length, weight=None, limit=9.0):
    r, n = np.array([[reward]], dtype=float), np.array([[length]], dtype=float)
    w = np.ones_like(r) if weight is None else np.array([[weight]], dtype=float)
    rollouts = draws.Rollouts(correct=r * 0, length=n, max_length=limit, weight=w)
    return draws.Stack(replace(rollouts), r, ("one",))


SMALLEST = {
    "estimator dler": one([1, 0, 0], [2, 3, 9], [1, 1, 0]),
    "estimator reinforce_baseline": one([1, 0, 0], [2, 3, 9], [1, 1, 0]),
    "estimator reinforce_openrlhf": one([1, 0, 0], [2, 3, 9], [1, 1, 0]),
    "estimator reinforce_plus_plus": one([1, 0, 0], [2, 3, 9], [1, 1, 0]),
    "estimator reinforce_plus_plus_baseline": one([1, 0], [190, 339], limit=512.0),
    "estimator opo": one([1, 0, 0], [2, 3, 9], [1, 1, 0]),
    "estimator loo_std": one([1.580, 0.079], [1, 1]),
}


@pytest.mark.parametrize("name", SMALLEST)
def test_regressions(name):
    pytest.importorskip("torch", reason="needs the extra llm")
    wrong = agreement.checks(name, ENTRIES[name], SMALLEST[name], agreement.Counts(), 0, LIBRARIES)
    assert not list(wrong)
