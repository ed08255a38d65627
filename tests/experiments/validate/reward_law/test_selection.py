"""Section 6: the toy's curves by their definitions, and the log's beside them."""

from __future__ import annotations

import json

import numpy as np
import pytest

import toyrl
from toyrl.experiments.validate.reward_law import selection
from toyrl.theory.selection.softmax_selection import softmax_selection

P = np.array([[0.3, 0.3, 0.4], [0.6, 0.3, 0.1]])
TRUTH = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
SHARES = np.array([0.25, 0.75])


def test_softmax_selection_stands_beside_best_of_k():
    reward = TRUTH + np.array([0.0, 0.0, 0.5])
    section = selection.run(P, reward, TRUTH, SHARES)
    (table,), (picture,) = section.tables, section.pictures
    mean = (P * reward).sum(-1, keepdims=True)
    heat = float(((P * (reward - mean) ** 2).sum(-1) @ SHARES) ** 0.5)
    want = sum(s * softmax_selection(p, r, 8, heat) @ t
               for s, p, r, t in zip(SHARES, P, reward, TRUTH, strict=True))  # fmt: skip
    row = next(r for r in table.rows if r[0] == 8)
    assert float(row[table.columns.index("softmax")]) == pytest.approx(want, abs=5e-4)
    right = 1 - (1 - np.array([0.3, 0.3])) ** 8
    assert float(row[table.columns.index("pass@k")]) == pytest.approx(right @ SHARES, abs=5e-4)
    assert [c.label for c in picture.curves] == ["by this reward", "by the truth", "softmax"]
    flat = selection.run(P, 0 * TRUTH, TRUTH, SHARES)
    assert set(flat.tables[0].rows[i][-1] for i in range(5)) == {"0.300"}


@pytest.mark.parametrize(("hacks", "status"), [(0.0, "pass"), (0.05, "warn")])
def test_a_log_has_its_own_curves(tmp_path, hacks, status):
    """Long wrong answers are few; a reward for length finds them when enough are drawn."""
    rng, lines = np.random.default_rng(0), []
    for i in range(60):
        for _ in range(24):
            bad = rng.random() < hacks
            right = not bad and rng.random() < 0.5
            length = 90 if bad else int(rng.integers(1, 20)) + 20 * right
            text = f"\\boxed{{{7 if right else rng.integers(0, 5)}}}"
            lines.append(json.dumps({"prompt_id": i, "prompt": f"p{i}", "completion": text,
                                     "correct": int(right), "length": length}))  # fmt: skip
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    report = toyrl.validate(
        "linear_length()", only=("own rollouts", "selection"), worlds=2, rollouts=path
    )
    section = next(s for s in report.sections if s.number == 6)
    finding = next(f for f in section.findings if f.name == "selection/own-log")
    assert finding.status == status, finding.message
    assert "On your 60 prompts, up to k = 24" in finding.message
    names = [r[0] for r in section.tables[1].rows]
    assert names == ["pass@k", "majority", "best of k by this reward", "softmax by this reward",
                     "weighted majority by this reward"]  # fmt: skip
    assert bool(finding.fix) == (status == "warn")
