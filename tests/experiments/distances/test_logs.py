"""Distances between a log's columns, against plain loops and the theory's function."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import toyrl
from toyrl.experiments.distances.logs import distances, of_log
from toyrl.theory.distance import order


def write(path, rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def log(path, prompts=40, size=6, seed=0, **more):
    """Rows with columns outcome, brevity, mix (0.5 outcome less brevity) and flat."""
    rng = np.random.default_rng(seed)
    rows = []
    for p in range(prompts):
        for _ in range(size):
            right, length = float(rng.random() < 0.5), float(rng.integers(10, 90))
            rows.append({"prompt": f"q{p}", "completion": "x", "correct": right,
                         "outcome": right, "brevity": -length, "mix": right - length / 100,
                         "flat": 3.0, "level": p % 3, **more})  # fmt: skip
    return write(path, rows), rows


def by_loops(rows, a, b):
    """Pooled correlation of values less their prompt's mean."""
    groups: dict[str, list[tuple[float, float]]] = {}
    for r in rows:
        groups.setdefault(r["prompt"], []).append((r[a], r[b]))
    xy = xx = yy = 0.0
    for g in groups.values():
        mean = np.mean(g, axis=0)
        for x, y in np.array(g) - mean:
            xy, xx, yy = xy + x * y, xx + x * x, yy + y * y
    return float(np.sqrt(2 * (1 - xy / np.sqrt(xx * yy))))


def test_pooled_within_prompts_by_loops_and_by_the_theory(tmp_path):
    path, rows = log(tmp_path / "log.jsonl")
    found = of_log(path, "outcome,brevity,mix")
    for i, a in enumerate(found.columns):
        for j, b in enumerate(found.columns):
            want = 0.0 if i == j else by_loops(rows, a, b)
            assert found.distance[i, j] == pytest.approx(want, abs=1e-7)
    table = np.array([[r[c] for r in rows] for c in found.columns]).reshape(3, 40, 6)
    prob, shares = np.full((40, 6), 1 / 6), np.full(40, 1 / 40)
    assert found.distance[0, 1] == pytest.approx(order.distance(prob, table[0], table[1], shares))
    assert (found.low <= found.distance + 1e-9).all()
    assert (found.distance <= found.high + 1e-9).all()
    assert (found.prompts, found.rows) == (40, 240)


def test_a_column_less_a_number_a_prompt_is_the_same_and_turned_round_the_opposite(tmp_path):
    path, rows = log(tmp_path / "log.jsonl")
    more = [{**r, "moved": 2 * r["mix"] + 5 * r["level"], "against": -r["mix"]} for r in rows]
    found = of_log(write(path, more), ["mix", "moved", "against"])
    assert found.distance == pytest.approx(np.array([[0, 0, 2], [0, 0, 2], [2, 2, 0.0]]), abs=1e-7)


def test_bands_shrink_with_the_root_of_the_prompts_and_repeat(tmp_path):
    narrow, _ = log(tmp_path / "a.jsonl", prompts=320)
    wide, _ = log(tmp_path / "b.jsonl", prompts=20)
    width = [float(f.high[0, 1] - f.low[0, 1])
             for f in (of_log(p, "outcome,brevity") for p in (narrow, wide))]  # fmt: skip
    assert width[1] / width[0] == pytest.approx(4, rel=0.5)
    first, again = (of_log(wide, "outcome,brevity", seed=3) for _ in range(2))
    assert np.array_equal(first.low, again.low)


def test_what_is_left_out_is_told(tmp_path):
    path, rows = log(tmp_path / "log.jsonl", prompts=5)
    rows[3]["mix"] = None
    rows.append({**rows[0], "prompt": "alone"})
    found = of_log(write(path, rows), "outcome,mix,flat")
    assert found.rows == 29
    assert "2 of 31 rows were left out" in found.notes[0]
    assert "flat" in found.notes[1]
    assert found.distance[0, 2] == found.distance[1, 2] == 1
    assert np.isnan(found.low[0, 2])


def test_without_names_every_column_of_numbers_that_varies(tmp_path):
    path, _ = log(tmp_path / "log.jsonl")
    assert of_log(path).columns == ("correct", "outcome", "brevity", "mix")


def test_prompts_of_two_steps_are_two_groups(tmp_path):
    path, rows = log(tmp_path / "log.jsonl", prompts=4)
    twice = [{**r, "step": i % 2} for i, r in enumerate(rows)]
    assert of_log(write(path, twice), "outcome,brevity").prompts == 8
    by_id = [{**r, "prompt_id": i % 3} for i, r in enumerate(rows)]
    assert of_log(write(path, by_id), "outcome,brevity").prompts == 3


@given(st.integers(2, 5), st.integers(0, 99))
def test_laws_of_the_matrix(k: int, seed: int):
    x = np.random.default_rng(seed).normal(size=(20, k))
    d = distances(x.T @ x)
    assert ((d >= 0) & (d <= 2)).all()
    np.testing.assert_allclose(d, d.T, rtol=1e-6, atol=1e-12)
    # each is a chord of a sphere, and no way round a third is shorter
    assert (d[:, :, None] <= d[:, None, :] + d[None, :, :] + 1e-9).all()


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("outcome", "needs two different columns"),
        ("outcome,outcome", "needs two different columns"),
        ("outcome,breviti", "no such column; did you mean brevity"),
        ("outcome,completion", "holds no number"),
    ],
)
def test_columns_that_cannot_be_compared(tmp_path, columns, said):
    path, _ = log(tmp_path / "log.jsonl", prompts=3)
    with pytest.raises(toyrl.UsageError, match=said):
        toyrl.distance(rollouts=path, columns=columns)


def test_logs_that_cannot_be_used(tmp_path):
    path = write(tmp_path / "log.jsonl", [{"a": 1, "b": 2}])
    with pytest.raises(toyrl.UsageError, match="names no prompt"):
        toyrl.distance(rollouts=path, columns="a,b")
    path = write(tmp_path / "log.jsonl", [{"prompt": str(i), "a": i, "b": 2 * i} for i in range(4)])
    with pytest.raises(toyrl.UsageError, match="no prompt of the log has two rollouts"):
        toyrl.distance(rollouts=path, columns="a,b")
    with pytest.raises(toyrl.UsageError, match="rollouts compares a log's columns: columns=own"):
        toyrl.distance("own", rollouts=path)
