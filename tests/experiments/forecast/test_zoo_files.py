"""Files of a zoo: a base's own rollouts are its evidence, its ways are drawn, a base a picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.places import ROOT
from toyrl.experiments.cli import main
from toyrl.experiments.forecast import measured, published
from toyrl.experiments.forecast.logged import Logged

SMALL = ROOT / "docs" / "results" / "transfer-small.json"
REWARDS = ("additive-0.7", "additive-4", "gated-4", "phrases-only")
GROUPS, SIZE = 12, 4


@pytest.fixture(scope="module")
def zoo(tmp_path_factory) -> Path:
    """Two bases, as `toyrl transfer --zoo` writes them, four rewards each."""
    place = tmp_path_factory.mktemp("zoo")
    rng = np.random.default_rng(0)
    predictions = json.loads(SMALL.with_name("transfer-small-predictions.json").read_text())
    for name in ("one", "other"):
        found = json.loads(SMALL.read_text())
        found["plan"]["model"] = name
        found["rewards"] = {k: found["rewards"][k] for k in REWARDS}
        correct = rng.integers(0, 2, GROUPS * SIZE)
        length = rng.integers(5, 60, GROUPS * SIZE)
        found["rollouts"] = {
            "group": SIZE,
            "correct": correct.tolist(),
            "length": length.tolist(),
            "truncated": [0] * len(correct),
            "values": {
                k: (correct - 0.01 * (i + 1) * length).round(4).tolist()
                for i, k in enumerate(REWARDS)
            },
        }
        found["ways"] = {
            k: [{"updates": [0, 40, 80], "accuracy": [0.4, 0.3, 0.2], "length": [25.0, 20.0, 9.0]}]
            for k in REWARDS
        }
        (place / f"{name}.json").write_text(json.dumps(found))
        (place / f"{name}-predictions.json").write_text(json.dumps(predictions))
    return place


def test_the_bases_own_rollouts_are_the_evidence_of_text_rewards_too(zoo):
    cases = measured.cases(*measured.files(zoo)[0])
    assert [c.told.name for c in cases] == [f"one/{k}" for k in REWARDS]
    text = cases[-1]
    assert text.told.rewards == ()
    seen = text.told.seen
    assert isinstance(seen, Logged)
    assert seen.now.rewards.shape == (1, GROUPS, SIZE)
    assert text.told.facts is not None
    assert text.told.facts.pull_right < 0
    assert seen.at(0.5) is None  # a text's reward at another length is not known
    assert isinstance(cases[0].told.seen, Logged)
    assert cases[0].told.seen.at(0.5) is not None
    assert text.walks[0].accuracy == (0.4, 0.3, 0.2)


@pytest.mark.slow
def test_a_folder_of_bases_is_one_study_with_a_picture_a_base(
    zoo, tmp_path, monkeypatch, few_worlds
):
    # All published runs are scored in test_board.py, against the page of the docs.
    few = [c for c in published.cases() if c.told.name.startswith("05-laser")]
    assert few
    monkeypatch.setattr(published, "cases", lambda _: few)
    out, data = tmp_path / "board.md", tmp_path / "board.json"
    line = ["scoreboard", "--measured", str(zoo), "--out", str(out), "--json", str(data), "-q"]
    assert main(line) == 0
    text = out.read_text()
    assert "Measured: 2 bases" in text
    assert "8 runs of 2 bases" in text
    for base in ("one", "other"):
        picture = tmp_path / f"board-{base}.svg"
        assert f"({picture.name})" in text
        drawn = picture.read_text()
        assert all(f"{reward}, length x" in drawn for reward in REWARDS)
        assert "one-step" in drawn  # a forecaster's mark is named
        assert "always-safe" not in drawn
    study = json.loads(data.read_text())["studies"][1]
    assert len({run["name"] for run in study["runs"]}) == 8
    assert study["forecasters"]["one-step"]["silent"] == 0
