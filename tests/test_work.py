"""The count of training: right, on for every test, and with limits that are met."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tests import conftest
from tests.work import QUICK, SLOW, TRAINING, Training
from toyrl.dynamics.chain import exact
from toyrl.estimators.group import PRESETS
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.worlds.chain.model import Chain


def test_updates_of_every_run_are_counted():
    chain = Chain(flag_noise=0.1)
    batch = exact.Batch.of(chain, chain)
    before = TRAINING.updates
    done = exact.train(
        batch, np.zeros(chain.policy_shape), chain.class_correct(), updates=[3, 5],
        estimator=PRESETS["dr_grpo"], objective=PolicyGradient("sum"), tolerance=0.0,
    )  # fmt: skip
    assert done.updates.tolist() == [3, 5]
    assert TRAINING.updates - before == 8


@pytest.mark.parametrize(("slow", "most"), [(False, QUICK), (True, SLOW)])
def test_more_than_the_limit_is_said_with_the_way_out(slow, most):
    tally = Training()
    tally.updates = most
    assert tally.excess(slow=slow) == ""
    tally.updates += 1
    assert f"may for {most:,}" in tally.excess(slow=slow)
    assert ("mark it slow" in tally.excess(slow=slow)) is not slow


def test_the_test_that_did_it_fails(monkeypatch):
    def torn_down(updates: int) -> None:
        with monkeypatch.context() as m:  # undone before this test is looked at itself
            m.setattr(TRAINING, "updates", updates)
            hook = conftest.pytest_runtest_teardown(
                SimpleNamespace(get_closest_marker=lambda _: None)
            )
            next(hook)
            next(hook, None)

    torn_down(QUICK)
    with pytest.raises(pytest.fail.Exception, match="trained for 1,000,001 updates"):
        torn_down(QUICK + 1)
