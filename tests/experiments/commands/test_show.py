"""`toyrl show`: signature, source, value over length, exports; near names for a typing error."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl import parse, registry
from toyrl.experiments.cli import main
from toyrl.experiments.commands import show
from toyrl.experiments.errors import UsageError


def said(name: str) -> dict[str, str]:
    return {label.strip(): text for label, text in show.lines(show.found(name)[0]) if label}


def test_a_shaper_is_shown_with_everything_about_it():
    laser = said("laser")
    assert laser["call"].startswith("laser(target=0.5, alpha=0.5, right=1.0")
    assert "Eq. 2" in laser["source"]
    assert laser["right"].startswith("1.5")
    assert laser["right"].endswith(" 1")
    assert laser["cut off"] == "-1"
    assert laser["export"] == "trl: yes"


def test_values_are_those_of_the_reward():
    found = show.over_length(parse("outcome() - 0.5*linear_length()"))
    assert found is not None
    length, right, wrong, cut = found
    assert right == pytest.approx(1 - 0.5 * length / 512)
    assert wrong == pytest.approx(-0.5 * length / 512)
    assert cut == pytest.approx(-0.5)


def test_blocks_are_drawn_to_scale():
    assert show.blocks([0, 1, np.nan, 0.5], 0, 1) == "▁█ ▅"
    assert show.blocks([2, 2], 2, 2) == "▁▁"
    assert len(show.blocks(np.arange(1000), 0, 999)) == show.NARROW


def test_what_takes_other_rewards_says_so():
    assert "other rewards" in said("gated")["alone"]


def test_every_entry_can_be_shown():
    for e in registry.entries():
        if e.kind != "shaper":
            assert show.lines(show.entry_row(e))


def test_names_of_two_kinds_are_both_shown_and_experiments_too(capsys):
    assert [row["kind"] for row in show.found("grpo")] == ["estimator", "objective"]
    assert said("03")["run it"] == "toyrl reproduce 03"
    assert main(["show", "grpo"]) == 0
    assert "grpo  (objective" in capsys.readouterr().out


def test_a_typing_error_is_answered_with_near_names():
    with pytest.raises(UsageError, match="did you mean laser"):
        show.found("lazer")
