"""What a smoke run and its mutants share is computed once, counted each time, never changed."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.experiments.core.work import counted, spend
from toyrl.experiments.lab import shared as module
from toyrl.experiments.lab.shared import shared, sharing


def made():
    """A part of 100 units, and the arguments with which it was computed."""
    calls = []

    @shared
    def part(size, kind="plain"):
        calls.append((size, kind))
        spend(100)
        return np.ones(3), [np.zeros(2)], kind

    return part, calls


def test_equal_arguments_are_computed_once_and_unequal_ones_are_not():
    part, calls = made()
    first = part((3, 1.0))
    assert part([3, 1.0]) is first
    assert part((3, 1.0), kind="other")[-1] == "other"
    assert part((3, True)) is not first  # True == 1.0, but asks for something else
    assert calls == [((3, 1.0), "plain"), ((3, 1.0), "other"), ((3, True), "plain")]


def test_work_counts_each_time():
    part, calls = made()
    units = []
    for _ in range(3):
        with counted() as tally:
            part(1)
        units.append(tally.units)
    assert units == [100, 100, 100]
    assert len(calls) == 1


def test_answers_are_read_only():
    part, _ = made()
    one, [two], _ = part(1)
    for array in (one, two):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5.0


def test_few_answers_are_kept_and_the_oldest_go():
    part, calls = made()
    for k in (*range(module.MOST), 0, module.MOST, 0, 1):  # 1 went when the last came, 0 did not
        part(k)
    assert calls == [(k, "plain") for k in (*range(module.MOST + 1), 1)]


def test_as_many_answers_are_kept_as_are_asked_for():
    calls = []

    @sharing(2)
    def part(k):
        calls.append(k)
        return k

    assert [part(k) for k in (0, 1, 0, 2, 0, 1)] == [0, 1, 0, 2, 0, 1]
    assert calls == [0, 1, 2, 1]


def test_arguments_without_a_value_are_refused():
    part, _ = made()
    with pytest.raises(TypeError, match="no number, name or sequence"):
        part(np.zeros(3))
