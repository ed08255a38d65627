"""The benchmark of exact class weights runs, and stops where the two sides do not fit together."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from benchmarks.class_weights import Problem, measure, own_error, random_classes


@dataclass(frozen=True)
class Shifted(Problem):
    """An exact method that is wrong by a tenth."""

    def solve(self, method, **settings):
        answer = super().solve(method, **settings)
        if method != "sampled":
            answer.w[...] += 0.1
        return answer


@pytest.mark.parametrize("method", ["compositions", "quadrature"])
def test_benchmark_runs(method):
    row = measure(random_classes(6, 4, method), 2048, 1)
    assert row.exact > 0
    assert row.own_error < 1e-9
    assert 1e-4 < row.rms < 0.1
    assert row.to_equal > row.to_thousandth > 0


def test_control_a_wrong_exact_value_stops_it():
    p = random_classes(6, 4, "compositions")
    wrong = Shifted(p.name, p.rollouts, p.paid, p.group_size, p.method)
    with pytest.raises(AssertionError, match="standard errors from the exact"):
        measure(wrong, 2048, 1)


def test_own_error_is_of_rounding_size():
    assert own_error(8) < 1e-9
