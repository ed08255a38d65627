"""Maximisers are found among ties, their worst is told, and what has no value is refused."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.experiments.lab.hacked import SHOWN, who_hacks_what

ARMS = ("right", "padded", "empty")
FOUND = who_hacks_what(
    ARMS, {"length": [1.0, 3.0, 3.0 - 1e-13], "sum": [2, 1, 0]}, [1.0, 0.25, 0.0]
)


def test_ties_are_maximisers_and_the_worst_of_them_counts():
    assert FOUND.who("length") == ("padded", "empty")
    assert FOUND.count.tolist() == [2, 1]
    assert FOUND.worst.tolist() == [0.0, 1.0]
    assert FOUND.luckiest.tolist() == [0.25, 1.0]
    assert FOUND.example().tolist() == [2, 0]
    assert FOUND.example(luckiest=True).tolist() == [1, 0]
    assert FOUND.table().rows[0] == ["length", 2, 0.0, "empty"]


def test_tilted_goes_from_the_base_to_the_maximisers():
    assert FOUND.tilted(1e9) == pytest.approx(np.full(2, 1.25 / 3), rel=1e-6)
    assert FOUND.tilted(1e-3) == pytest.approx([0.125, 1.0], rel=1e-6)
    assert FOUND.tilted(1e-3, [0.5, 0.5, 0]) == pytest.approx([0.25, 1.0])


def test_the_picture_scales_each_reward_to_its_range():
    drawn = FOUND.picture("who", "Who hacks what", shown=("padded", "right"))
    assert drawn.labels == ("padded", "right")
    assert drawn.columns == ("length", "sum", "true utility")
    assert np.asarray(drawn.grid) == pytest.approx(np.array([[1, 0.5, 0.25], [0, 1, 1]]))


@pytest.mark.parametrize(
    ("rewards", "utility", "says"),
    [
        ({"x": [1, 2]}, [1, 2, 3], "as many values"),
        ({"x": [1, 2, np.nan]}, [1, 2, 3], "must be finite"),
        ({"x": [1, 2, 3]}, [1, 2, np.inf], "must be finite"),
    ],
)
def test_what_has_no_order_is_refused(rewards, utility, says):
    with pytest.raises(ValueError, match=says):
        who_hacks_what(ARMS, rewards, utility)


def test_a_picture_of_too_many_texts_is_refused():
    many = who_hacks_what([str(i) for i in range(SHOWN + 1)], {"x": range(SHOWN + 1)},
                          range(SHOWN + 1))  # fmt: skip
    with pytest.raises(ValueError, match="name those shown"):
        many.picture("who", "Who")
