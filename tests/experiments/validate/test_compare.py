"""`validate --compare`: paired over worlds, ranked, shown."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.experiments.render.sample_report import HOSTILE
from toyrl.experiments.cli import main
from toyrl.experiments.render.html import compare_page
from toyrl.experiments.validate.compare import Candidate, Comparison, compare, difference
from toyrl.experiments.validate.findings import Report
from toyrl.experiments.validate.settings import Settings


def candidate(name="a", verdict="SAFE", collapsed=(), accuracy=(), code=0, learnable=None):
    hits = np.array(collapsed, dtype=bool)
    able = np.ones(len(hits), bool) if learnable is None else np.array(learnable, bool)
    report = Report(name, verdict, ("why",), (), 0, exit_code=code)
    critical = np.where(hits, 0.5, np.inf)
    return Candidate(report, hits, able, np.array(accuracy, float), critical, np.inf)


def test_differences_are_paired():
    """A large spread between worlds that both share does not widen the interval."""
    rng = np.random.default_rng(0)
    base = rng.random(200)
    one = candidate("one", collapsed=base > 0.9, accuracy=base)
    two = candidate("two", collapsed=base > 0.8, accuracy=base + 0.01)
    d = difference(one, two)
    assert d.worlds == 200
    assert d.accuracy == pytest.approx((0.01, 0.01, 0.01))
    share = (base > 0.8).mean() - (base > 0.9).mean()
    assert d.collapse[0] == pytest.approx(share)
    assert d.collapse[1] < share < d.collapse[2]
    assert d.collapse[1] > 0


def test_only_worlds_that_both_know_count():
    one = candidate(collapsed=[1, 0, 0, 1], accuracy=[0, 0, 0, 0], learnable=[1, 1, 0, 1])
    two = candidate(collapsed=[0, 0, 1], accuracy=[1, 1, 1])  # judged in fewer worlds
    d = difference(one, two)
    assert d.worlds == 2
    assert d.collapse[0] == -0.5
    assert difference(one, Candidate(one.report)) is None
    assert difference(one, replace(two, learnable=np.zeros(3, bool))) is None


def test_the_mildest_verdict_wins_then_the_fewest_collapses():
    safe = candidate("safe", "SAFE", [1, 0], [0, 0])
    risky = candidate("risky", "RISKY", [0, 0], [0, 0])
    unknown = candidate("unknown", "INCONCLUSIVE", [0, 0], [0, 0])
    milder = candidate("milder", "RISKY", [0, 0], [0, 0])
    worse = candidate("worse", "RISKY", [1, 1], [0, 0])
    assert Comparison((worse, unknown, risky, safe), ()).best is safe
    assert Comparison((worse, milder), ()).best is milder
    broken = Candidate(Report("x", "INCONCLUSIVE", (), (), 0, exit_code=2, error="no file"))
    both = Comparison((broken, safe), ())
    assert both.best is safe
    assert both.exit_code == 2
    assert "no file" in str(both.table().rows[0])
    assert Comparison((broken,), ()).best is None
    unsafe = candidate("u", "UNSAFE", [1], [0], code=1)
    assert Comparison((unsafe, safe), ()).exit_code == 0
    assert Comparison((unsafe,), ()).exit_code == 1


def test_names_lose_their_folders():
    assert candidate("/a/b c/d.py:f + 0.2 * x/y.py:g").name.endswith("d.py:f + 0.2 * y.py:g")
    assert candidate("clipped(outcome(), 0, 1/2)").name == "clipped(outcome(), 0, 1/2)"


def test_the_page_escapes_names():
    page = compare_page(Comparison((candidate(HOSTILE, "SAFE", [0], [0]),), ()))
    assert "<script>alert" not in page
    assert page.count("<script>") == 1


def test_one_reward_is_a_usage_error(capsys):
    assert main(["validate", "--compare", "outcome()"]) == 2
    assert "at least two" in capsys.readouterr().err


FAILS = f"{Path(__file__).with_name('called_rewards.py')}:fails_on_all"


@pytest.mark.slow
def test_end_to_end():
    settings = Settings(search=0, skip="verdict")
    found = compare(
        {r: r for r in ("outcome()", "outcome()-3*linear_length()", FAILS)},
        settings,
        lambda *_: None,
        n_worlds=4,
    )
    assert [c.report.verdict for c in found.candidates] == ["SAFE", "UNSAFE", "INCONCLUSIVE"]
    assert found.best.name == "outcome()"
    assert found.exit_code == 2
    [d] = found.differences
    assert d.collapse[0] > 0.4
    assert d.accuracy[0] < -0.1
    data = json.loads(json.dumps(found.to_dict(), default=str))
    assert data["schema"] == "toyrl.compare/3"
    assert len(data["rewards"]) == 3
