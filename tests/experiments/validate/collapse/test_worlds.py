"""The worlds of section 4: of the prior, or with base policies fitted to a log."""

from __future__ import annotations

import numpy as np
import pytest

from tests.places import ROOT
from toyrl.dynamics.chain import observed
from toyrl.dynamics.chain.observed import observe
from toyrl.dynamics.chain.prior import prior
from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.collapse.worlds import drawn
from toyrl.experiments.validate.reward_law import bench
from toyrl.experiments.validate.settings import LIMIT, TYPICAL, Settings
from toyrl.rollouts.logs import read_log
from toyrl.rollouts.ragged import from_lists

LOG = ROOT / "examples/data/smollm2-arithmetic-rollouts.jsonl"


def test_without_a_log_worlds_are_those_of_the_prior():
    chain = bench.template(LIMIT)
    found = drawn(chain, Settings(), 8, None)
    own = prior(chain, 8, typical_length=TYPICAL)
    np.testing.assert_array_equal(found.worlds.theta, own.theta)
    assert found.findings == found.tables == ()
    assert found.prior["base success rate"] == "0.1 to 0.7"


@pytest.mark.slow
def test_with_a_log_worlds_do_what_it_shows_and_the_report_has_the_numbers():
    r = read_log(LOG).rollouts
    chain = bench.template(96)
    seen = observe(r, np.full(len(r.correct), np.nan), depth=bench.DEPTH)
    found = drawn(chain, Settings(rollouts=LOG), 8, seen)
    assert len(found.worlds) == 8
    assert found.worlds.success == pytest.approx(float(np.mean(r.correct)), abs=0.05)
    said = {f.name: f for f in found.findings}
    assert said["collapse/base-policies"].status == "info"
    assert "within tolerance" in said["collapse/base-policies"].message
    rows = {row[0]: row[1:] for row in found.tables[0].rows}
    right = float(r.length[r.correct > 0.5].mean())
    assert float(rows["length of right (tokens)"][0]) == pytest.approx(right, abs=0.051)
    assert found.prior["base success rate"] == "as in your rollouts"
    again = found.at(np.full((2, 9), 0.25))
    assert again.success == pytest.approx(float(np.mean(r.correct)), abs=0.05)


@pytest.mark.slow
def test_what_no_world_reaches_is_a_warning_with_both_numbers():
    """A limit of 400 tokens has no answers of 5, whoever writes them."""
    r = from_lists([[1, 0], [1, 0]], [[5, 200], [5, 200]], max_length=400)
    seen = observe(r, np.array([np.nan, np.nan]), depth=bench.DEPTH)
    found = drawn(bench.template(400), Settings(), 4, seen)
    finding = found.findings[0]
    assert finding.status == "warn"
    assert "0 of 16 worlds drawn" in finding.message
    assert "length of right (tokens) 5.0 in the rollouts" in finding.message
    assert finding.value > observed.TOLERANCE == finding.bound


@pytest.mark.slow
def test_two_difficulties_in_a_log_are_those_of_the_worlds():
    r = from_lists(
        [[1, 1, 1, 0], [1, 0, 0, 0]], [[50, 60, 70, 90], [80, 90, 99, 99]], max_length=120
    )
    seen = observe(r, np.array([2.0, 6.0]), depth=bench.DEPTH)
    found = drawn(bench.template(120), Settings(), 4, seen)
    assert (found.worlds.batch.difficulties == [2, 6]).all()
    assert found.prior["difficulties"] == "2 and 6, as in your rollouts"
    assert found.prior["share of easy prompts"].startswith("0.50")


def test_a_log_says_the_lengths_that_the_user_did_not():
    assert (Settings().max_completion_length, Settings().typical_length) == (LIMIT, TYPICAL)
    s = Settings(rollouts=LOG)
    assert s.max_completion_length is s.typical_length is None
    assert (s.limit, s.typical) == (LIMIT, TYPICAL)
    told = s.with_log(95.5, 63.4, 0.0)
    assert (told.max_completion_length, told.typical_length) == (96, 63)
    assert told.success_rates == (0.01,)
    own = Settings(rollouts=LOG, max_completion_length=40, success_rates=(0.3,))
    own = own.with_log(96, 63, 0.5)
    assert (own.limit, own.typical, own.success_rates) == (40, 40, (0.3,))
    with pytest.raises(UsageError, match="typical_length=50 is above max_completion_length=40"):
        Settings(rollouts=LOG, max_completion_length=40, typical_length=50)
