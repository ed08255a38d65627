"""Rewards of a transfer on sampled rollouts."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.experiments.errors import UsageError
from toyrl.experiments.transfer.rewards import SuiteReward
from toyrl.expressions import parse
from toyrl.graders.base import TextRow
from toyrl.rollouts import Rollouts


def test_what_texts_dont_show_is_refused_by_name():
    rows = [TextRow("a", "b", tokens=3)] * 4
    r = Rollouts(np.array([[1.0, 0.0, 1.0, 0.0]]), np.full((1, 4), 3.0), 8.0)
    reward = SuiteReward("pear()", "pear()", parse("pear()"), 1.0)
    with pytest.raises(UsageError, match=r"pear.* can't be predicted.*entropy"):
        reward.values(r, rows)
