"""`check_estimator`: every registered estimator keeps the contract, broken ones are caught."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from toyrl import registry, stats
from toyrl.estimators.base import Estimator
from toyrl.shapers.base import sum_parts
from toyrl.testing import ESTIMATOR_LAWS, check_estimator

pytestmark = pytest.mark.swept

EXPLODING = ("loo_std",)
"""Published, and a known trap: the std of the others may be 0 where a rollout's own gap isn't."""
NAMES = [e.name for e in registry.entries("estimator")]


@pytest.mark.parametrize("name", NAMES)
def test_registered_estimators_keep_the_contract(name):
    report = check_estimator(name, max_examples=30)
    assert report.broken() == (("finite",) if name in EXPLODING else ()), str(report)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("grpo_exact", {"centred", "shift", "scale", "tied_is_silent"}),
        ("dr_grpo", {"centred", "shift", "tied_is_silent"}),
        ("reinforce", set()),
    ],
)
def test_properties_tell_estimators_apart(name, kept):
    properties = [n for n, law in ESTIMATOR_LAWS.items() if not law.contract]
    report = check_estimator(name, invariants=properties, max_examples=80)
    assert set(properties) - set(report.broken()) == kept


@dataclass(frozen=True)
class Broken(Estimator):
    """A mean baseline with one fault."""

    fault: str

    def apply(self, parts, rollouts, state=None):
        r = rollouts
        reward = sum_parts(parts, r)
        nan = np.isnan(reward)
        w = r.w if self.fault == "nan_reward" else np.where(nan, 0.0, r.w)
        reward = np.where(nan, 0.0, reward)
        if self.fault == "padding":
            a = reward - reward.mean(-1, keepdims=True)
        elif self.fault == "multiplicity":
            here = (w > 0) * 1.0
            a = (
                reward
                - (reward * here).sum(-1, keepdims=True) / np.maximum(here.sum(-1), 1)[:, None]
            )
        else:
            a = reward - stats.mean(reward, w)
        if self.fault == "order":
            a = a + np.arange(a.shape[-1])
        if self.fault == "finite":
            std = np.sqrt(stats.mean(a**2, w))
            a = a / np.where(std > 0, std, 1e-12) + np.where(std > 0, 0, 1e7)
        return np.where(w > 0, a, 0.0), {}


@pytest.mark.parametrize("fault", ["finite", "order", "padding", "nan_reward", "multiplicity"])
def test_control_each_fault_is_caught_by_its_law(fault):
    report = check_estimator(Broken(fault), invariants=[fault], max_examples=100)
    assert report.broken() == (fault,)
    assert report[fault].counterexample


def test_control_the_sound_form_passes():
    assert check_estimator(Broken("none"), max_examples=100).ok


def test_unknown_laws_are_named():
    with pytest.raises(ValueError, match="no invariant is called 'centered'"):
        check_estimator("grpo", invariants=["centered"])
