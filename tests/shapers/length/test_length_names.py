"""One name for one thing in all rewards on length: `alpha` a weight, `right`, `wrong` bases."""

from __future__ import annotations

from dataclasses import fields

import pytest

from toyrl import registry

LENGTH = [e for e in registry.entries("shaper") if ".length." in e.path]
OTHERS = {"weight", "coef", "beta", "gamma", "lambda_", "correct", "incorrect", "base", "reward"}
WITHOUT_WEIGHT = {
    "cosine",  # TRL's names
    "hybrid_outcome", "mode_reward", "stop_properly", "truncation", "truncation_by_difficulty",
}  # fmt: skip
"""Rewards in which no term has a weight: values, limits, or an outcome alone."""


@pytest.mark.parametrize("e", LENGTH, ids=lambda e: e.name)
def test_names(e: registry.Entry):
    names = {f.name for f in fields(e.target)}
    assert not names & OTHERS
    assert ("alpha" in names) != (e.name in WITHOUT_WEIGHT)
    assert "right" not in names or "wrong" in names
