"""Gold against KL: each point of a curve is a policy's."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.experiments.lab.optimised import gold_against_kl
from toyrl.theory.policies import kl, tilt
from toyrl.theory.selection.best_of_k import best_of_k

P = np.array([[0.5, 0.3, 0.2], [0.1, 0.9, 0.0]])
PROXY, GOLD = np.array([[0.0, 1, 2], [1, 0, 5]]), np.array([[0.0, 1, -1], [1, 0, 0]])


def test_curves_start_at_the_base_and_end_at_the_best_paid():
    found = gold_against_kl("n", "t", P, {"one": PROXY, "flat": 0.0}, GOLD, k=[1, 4])
    one, best, flat, _ = found.curves
    assert [c.label for c in found.curves][:2] == ["one", "one, best of k"]
    assert (one.x[0], one.y[0]) == pytest.approx((0, (P * GOLD).sum(-1).mean()))
    end = tilt(P, PROXY, np.inf)
    assert one.x[-1] ** 2 == pytest.approx(kl(end, P).mean(), abs=1e-9)
    assert one.y[-1] == pytest.approx((end * GOLD).sum(-1).mean(), abs=1e-9)
    of = best_of_k(P, PROXY, 4)
    assert best.x[-1] ** 2 == pytest.approx(kl(of, P).mean())
    assert best.y[-1] == pytest.approx((of * GOLD).sum(-1).mean())
    assert max(flat.x) == 0


def test_a_single_prompt_may_be_a_row():
    found = gold_against_kl("n", "t", P[0], {"one": PROXY[0]}, GOLD[0], k=[1, 2])
    assert [c.label for c in found.curves] == ["one", "best of k"]
