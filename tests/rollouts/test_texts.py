"""Text rollouts: places in groups, one meaning of truncated and answered, fields from columns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.graders.base import TextRow
from toyrl.rollouts.texts import flat_rollouts, places, ran_out, text_fields, text_rollouts

ROWS = [
    TextRow("p", "<answer>1</answer>", {"judge": 0.5, "potential": [0.0, 1.0]}, 2),
    TextRow("q", "so", {"judge": None, "potential": [2.0, 3.0, 4.0]}, 3, truncated=True),
    TextRow("p", "hm", {"judge": 1, "potential": [5.0]}, 1),
]


@given(st.lists(st.integers(0, 4), max_size=30))
def test_every_row_has_a_place_of_its_own_in_its_group(keys):
    (group, position), shape = places(keys)
    assert shape == (len(set(keys)), max(map(keys.count, keys), default=0))
    assert len(set(zip(group.tolist(), position.tolist(), strict=True))) == len(keys)
    order = list(dict.fromkeys(keys))
    assert [order[g] for g in group] == keys


@pytest.mark.parametrize(
    ("tokens", "ended", "limit", "cut"),
    [
        (8, False, 8, True),
        (8, True, 8, False),  # the end token is the last that fits
        (5, False, 8, False),  # stopped by something else
        (0, False, 8, False),
        (5, False, None, True),
        (5, True, None, False),
    ],
)
def test_truncated_is_at_the_limit_without_an_end(tokens, ended, limit, cut):
    assert ran_out(tokens, ended=ended, limit=limit) is cut


def test_truncated_of_arrays():
    tokens, ended = np.array([8, 8, 3]), np.array([True, False, False])
    assert ran_out(tokens, ended=ended, limit=8).tolist() == [False, True, False]
    assert ran_out(tokens, limit=8).tolist() == [True, True, False]


def test_rows_stand_in_groups_with_what_is_graded():
    fields = text_fields(ROWS, ("correct", "judge", "length"), ("answered", "mode"))
    assert set(fields) == {"judge", "answered"}
    r, place = text_rollouts(
        ROWS, [row.prompt for row in ROWS], correct=[1, 0, np.nan], max_length=3.0, fields=fields
    )
    np.testing.assert_array_equal(r.weight, [[1, 1], [1, 0]])
    np.testing.assert_array_equal(r.length, [[2, 1], [3, 0]])
    np.testing.assert_array_equal(r.truncated, [[False, False], [True, False]])
    np.testing.assert_array_equal(r.correct, [[1, np.nan], [0, 0]])
    np.testing.assert_array_equal(r.fields["judge"], [[0.5, 1], [np.nan, 0]])
    np.testing.assert_array_equal(r.fields["answered"][place], [1, 0, 0])


def test_answered_is_what_the_text_says_or_else_not_cut_off():
    r, place = text_rollouts(ROWS, [0, 0, 0], correct=[1, 0, 0], max_length=3.0)
    np.testing.assert_array_equal(r.fields["answered"][place], [1, 0, 1])
    assert r.weight is None


def test_per_token_columns_bring_a_mask():
    fields = text_fields(ROWS, ("potential",))
    r, place = text_rollouts(ROWS, [0, 1, 0], correct=[1, 0, 0], max_length=3.0, fields=fields)
    np.testing.assert_array_equal(r.fields["potential"][place], [[0, 1, 0], [2, 3, 4], [5, 0, 0]])
    np.testing.assert_array_equal(r.mask[place], [[1, 1, 0], [1, 1, 1], [1, 0, 0]])
    short = [TextRow("p", "x", {"potential": [1.0]}, 2)]
    with pytest.raises(ValueError, match="row 0 has 1 numbers for 2 tokens"):
        text_fields(short, ("potential",))


def test_what_the_rows_do_not_have_is_said():
    with pytest.raises(KeyError, match="give the data rows a column 'mode'"):
        text_fields(ROWS, ("mode",))
    with pytest.raises(ValueError, match="column 'judge' holds 'good'"):
        text_fields([TextRow("p", "x", {"judge": "good"}, 1)], ("judge",))


def test_torch_rows_stay_on_torch():
    torch = pytest.importorskip("torch", reason="needs the extra llm")
    r, place = flat_rollouts(
        [0, 1, 0],
        correct=torch.tensor([1.0, 0.0, 0.0]),
        length=torch.tensor([2.0, 3.0, 1.0]),
        truncated=torch.tensor([False, True, False]),
        max_length=3.0,
        fields={"judge": torch.tensor([0.1, 0.2, 0.3])},
    )
    assert r.fields["judge"][place].tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert r.fields["answered"][place].tolist() == [1, 0, 1]
    assert r.weight.tolist() == [[1, 1], [1, 0]]
