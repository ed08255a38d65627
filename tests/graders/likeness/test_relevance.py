"""Relevance: the paper's table of edges, released and sound; what can't be read."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the extra tasks")
from toyrl.expressions import parse_grader, to_expression
from toyrl.graders.base import TextRow
from toyrl.graders.likeness.embedded import HashedWords, PooledRows, cosines, dots, words_and_marks
from toyrl.graders.likeness.relevance import (
    Relevance,
    cut,
    interpolated,
    length_incentive,
    repetition_penalty,
    token_relevance,
)


def fixed(r, nan=False):
    """An embedding under which every pair of texts has the dot product r."""
    size = math.sqrt(abs(r))

    def embed(texts):
        left = [[math.nan if nan else size, 0.0] for _ in texts]
        return np.array(left)

    return embed


KNOWN = {"qtype": "CONSTRAINED", "reference": "yes"}


def test_a_text_is_over_at_a_role_or_a_gap():
    assert cut("\n yes \n\n\n\n no") == "yes"
    assert cut("yes ### Response: no\n\n--") == "yes"
    assert cut("yes\n\nand no") == "yes\n\nand no"
    row = TextRow("q", "a b c d\n\n\n\n q q q q")
    counts, whole, none = (
        Relevance(strip=s).grade_parts([row])[0].facts for s in ("counts", "all", "none")
    )
    assert (counts["tokens"], whole["tokens"], none["tokens"]) == (4, 4, 8)
    # as released, what is cut off is still looked at for relevance
    assert counts["relevance"] == none["relevance"] == 0.5
    assert whole["relevance"] == 0.0


def test_factors():
    assert words_and_marks("It's 3.5!") == ["It", "'", "s", "3", ".", "5", "!"]
    assert length_incentive(250) == 2.5
    assert repetition_penalty(list("ababab")) == 2 / 4
    assert [repetition_penalty(t) for t in ([], ["a"], ["a", "a"])] == [1.0] * 3
    np.testing.assert_allclose(interpolated([0, 3.5, 7, -3.5]), [0, 5.12, 10.24, -5.12])
    matrix = np.array([[1.0, 0], [0, 2.0]])
    assert token_relevance(matrix, [0, 1], [1]) == 2.0
    assert token_relevance(matrix, [], [1]) == 0.0


@pytest.mark.parametrize(
    ("r", "text", "columns", "options", "reward"),
    [
        (1.75, "a b", {}, {}, 0.035),
        (1.75, "a b", KNOWN, {}, 2.56),
        (1.75, "", {}, {}, 0.0),
        (1.75, "", KNOWN, {}, 2.56),  # released: an empty text may be like the answer
        (1.75, "", KNOWN, {"empty": "zero"}, 0.0),
        (7.0, "a", KNOWN, {}, 10.24),
        (7.0, "a", KNOWN, {"clip": True}, 5.12),
        (1.75, "a a a a", KNOWN, {"repetition_penalty": False}, 2.56),
        (1.75, "a a a a", KNOWN, {}, 1.28),
        (1.75, "a b", KNOWN, {"reward_branching": False}, 0.035),
        (1.75, "a b", KNOWN, {"relevance_scaling": False}, 0.02),
        (1.75, "a b", {}, {"length_incentive": False}, 1.75),
        (1.75, "a b", KNOWN, {"largest": 1.75, "max_sequence_length": 100}, 1.0),
        (1.75, "a b", {"qtype": "constrained ", "label": "yes"}, {}, 2.56),
    ],
)
def test_edges_of_the_paper(r, text, columns, options, reward):
    grader = Relevance(embed=fixed(r), **options)
    assert grader.grade([TextRow("q", text, columns)])[0] == pytest.approx(reward, rel=1e-12)


def test_below_zero_longer_is_worse():
    def opposed(texts):
        return np.array([[1.0] if t == "q" else [-1.0] for t in texts])

    short, long_ = Relevance(embed=opposed).grade([TextRow("q", "a"), TextRow("q", "a b c")])
    assert long_ < short < 0


def test_what_is_missing_makes_a_question_open_and_is_said():
    rows = [TextRow("q", "a", c) for c in (
        {}, {"qtype": None}, {"qtype": "OPENENDED", "reference": "x"}, {"qtype": "CONSTRAINED"},
        {"qtype": "CONSTRAINED", "reference": ""}, {"qtype": 3, "reference": "x"})]  # fmt: skip
    found = Relevance().grade_parts(rows)
    assert [f.facts["constrained"] for f in found] == [0.0] * 6
    assert [f.problem for f in found] == ["", "", "", *["no reference: open"] * 2, "qtype 3: open"]
    asked = Relevance().grade_parts([TextRow("system: be nice. q", "q", {"query": "q"})])
    assert asked[0].facts["relevance"] == 1.0


def test_a_nan_is_no_reward_or_refused():
    row = TextRow("q", "a b")
    found = Relevance(embed=fixed(1.0, nan=True)).grade_parts([row])[0]
    assert (math.isnan(found.total), found.problem) == (True, "the embedding is NaN")
    with pytest.raises(ValueError, match="row 1: the embedding of 'a b'"):
        Relevance(embed=fixed(1.0, nan=True), nan="raise").grade([row])
    with pytest.raises(ValueError, match=r"shape \(1, 1\) for 2 texts"):
        Relevance(embed=lambda _: np.ones((1, 1))).grade([row])
    for options in ({"embed": "bert"}, {"largest": 0.0}, {"strip": "some"}, {"clip": 1}):
        with pytest.raises(ValueError, match=next(iter(options))):
            Relevance(**options)


def test_each_text_is_embedded_once_whatever_the_batch():
    seen = []

    def embed(texts):
        seen.append(list(texts))
        return np.array([[len(t)] for t in texts], dtype=float)

    rows = [TextRow("q", t) for t in ("aa", "b", "aa")]
    together = Relevance(embed=embed).grade(rows)
    assert seen == [["q", "aa", "b"]]
    assert together == [Relevance(embed=embed).grade([row])[0] for row in rows]


def test_long_and_foreign_texts():
    texts = ["word " * 200_000, "что где 水 é", "\x00", "(" * 100_000]
    found = Relevance().grade([TextRow("水 word", t) for t in texts])
    assert all(math.isfinite(v) for v in found)
    assert found[1] > 0


def test_hashed_words_are_means_of_counts():
    found = HashedWords()(["a b", "A a c!", ""])
    np.testing.assert_allclose(dots(found[[0, 0, 2]], found[[1, 0, 0]]), [0.5 * 0.5, 0.5, 0])
    unit = HashedWords(pooling="unit")(["a b", "a"])
    np.testing.assert_allclose(dots(unit[[0, 0]], unit[[0, 1]]), [1, 1 / np.sqrt(2)])
    np.testing.assert_allclose(cosines(found[[0, 0]], found[[1, 2]]), [2 / np.sqrt(12), 0])
    fitted = HashedWords().fitted(["a b", "a c", "a d"])(["a", "b"])
    assert dots(fitted, fitted)[1] > dots(fitted, fitted)[0] == 1.0
    pooled = PooledRows(np.eye(2), {"x": [0, None], "y": [1, 1, 0], "": [], "z": [2]}.__getitem__)
    np.testing.assert_allclose(pooled(["x", "y", ""]), [[1, 0], [1 / 3, 2 / 3], [0, 0]])
    with pytest.raises(ValueError, match="token 2 has no row in a matrix of 2"):
        pooled(["z"])


def test_the_reward_is_written_and_read():
    text = "relevance(reward_branching=False, max_sequence_length=256, clip=True)"
    assert parse_grader(to_expression(parse_grader(text))) == parse_grader(text)
    assert parse_grader("relevance")(["q w"], ["q w"]) == [0.5 * 0.02]
