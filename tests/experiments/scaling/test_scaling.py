"""`toyrl scaling`: numbers by their definitions, what is refused, what is written."""

from __future__ import annotations

import csv
import itertools
import json
import math

import numpy as np
import pytest

import toyrl
from tests.test_schemas import VALIDATORS, plain
from toyrl.experiments.cli import main
from toyrl.experiments.scaling.curves import sizes
from toyrl.experiments.scaling.run import scaled
from toyrl.experiments.scaling.scores import scores_of
from toyrl.theory.selection.best_of_k import best_of_k_kl, kl_bound


def rows_of(prompts=40, n=12, *, hack=0.0, seed=0):
    """Scored samples: right ones are paid more, hacks most; a second score of three values."""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(prompts):
        p = rng.uniform(0.1, 0.7)
        for _ in range(n):
            bad = rng.random() < hack
            right = not bad and rng.random() < p
            out.append({
                "prompt_id": i,
                "correct": int(right),
                "reward": float(right + rng.normal() + 6 * bad),
                "stars": int(rng.integers(0, 3)),
                "answer": "7" if right else str(rng.integers(0, 6)),
                "length": int(rng.integers(10, 30)),
            })  # fmt: skip
    return out


def write(path, rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


@pytest.fixture
def log(tmp_path):
    return write(tmp_path / "log.jsonl", rows_of())


def by_subsets(rows, k, pick):
    """Mean over prompts of the mean over all k-subsets of the gold of the pick."""
    found = []
    for i in sorted({r["prompt_id"] for r in rows}):
        mine = [r for r in rows if r["prompt_id"] == i]
        found.append(np.mean([pick(s) for s in itertools.combinations(mine, k)]))
    return np.mean(found)


def vote(samples):
    votes = {a: sum(r["answer"] == a for r in samples) for a in {r["answer"] for r in samples}}
    best = [a for a, v in votes.items() if v == max(votes.values())]
    golds = [np.mean([r["correct"] for r in samples if r["answer"] == a]) for a in best]
    return np.mean(golds)


def test_curves_by_their_definitions(log):
    rows = rows_of()
    found = toyrl.scaling(log, proxy=["reward", "stars"], temperature=0.5)
    assert (found.prompts, found.rows, found.samples) == (40, 480, 12)
    for k in (1, 2, 11, 12):
        at = k - 1
        some = by_subsets(rows, k, lambda s: max(r["correct"] for r in s))
        assert found.curve("pass@k").gold[at] == pytest.approx(some)
        best = by_subsets(rows, k, lambda s: max(s, key=lambda r: r["reward"])["correct"])
        assert found.curve("best of k", "reward").gold[at] == pytest.approx(best)
        paid = by_subsets(rows, k, lambda s: max(r["stars"] for r in s))
        assert found.curve("best of k", "stars").proxy_mean[at] == pytest.approx(paid)
    # Random orders: 40 x 64 of them, of numbers in [0, 1], so errors of 0.01 at most.
    for k in (1, 2, 11, 12):
        drawn = found.curve("majority").gold[k - 1]
        exact = k in (1, 12)
        assert drawn == pytest.approx(by_subsets(rows, k, vote), abs=1e-9 if exact else 0.04)

    def soft(samples):
        odds = np.exp(np.array([r["reward"] for r in samples]) / 0.5)
        return odds @ [r["correct"] for r in samples] / odds.sum()

    drawn = found.curve("softmax", "reward").gold
    assert drawn[[0, 11]] == pytest.approx([by_subsets(rows, k, soft) for k in (1, 12)])
    assert drawn[1] == pytest.approx(by_subsets(rows, 2, soft), abs=0.04)
    length = np.mean([r["length"] for r in rows])
    assert found.tokens == pytest.approx(length * found.k)


def test_kl_is_by_classes_for_few_scores_and_a_bound_else(log):
    found = toyrl.scaling(log, proxy=["reward", "stars"])
    assert found.curve("best of k", "reward").kl_kind == "bound"
    assert found.curve("best of k", "reward").kl == pytest.approx(kl_bound(found.k))
    stars = found.curve("best of k", "stars")
    rows = rows_of()
    by_prompt = [np.bincount([r["stars"] for r in rows if r["prompt_id"] == i], minlength=3) / 12
                 for i in range(40)]  # fmt: skip
    want = np.mean([best_of_k_kl(p, np.arange(3), found.k) for p in by_prompt], axis=0)
    assert (stars.kl_kind, stars.kl) == ("by classes", pytest.approx(want))
    assert (stars.kl <= kl_bound(found.k) + 1e-12).all()


def test_more_sampling_hurts_under_hacks_and_is_said_to(tmp_path):
    log = write(tmp_path / "hacked.jsonl", rows_of(200, 40, hack=0.06))
    found = toyrl.scaling(log, proxy="reward")
    best = found.curve("best of k")
    assert best.hurts is not None
    assert found.k[best.alike[0]] <= found.k[best.best] < found.k[best.hurts]
    assert best.gold[-1] < best.gold[best.best] - 0.05
    assert found.curve("pass@k").hurts is None
    assert not found.ok
    assert "lower from k" in found.said(best)
    assert toyrl.scaling(write(tmp_path / "clean.jsonl", rows_of(200, 40)), proxy="reward").ok


def test_what_is_written_reads_back(log, tmp_path, capsys):
    files = {x: tmp_path / f"out.{x}" for x in ("json", "csv", "png", "svg")}
    words = ["scaling", str(log), "--json", str(files["json"]), "--csv", str(files["csv"])]
    code = main([*words, "--picture", str(files["png"]), "-x", "tokens"])
    shown = capsys.readouterr().out
    assert "best of k by reward" in " ".join(shown.split())
    data = json.loads(files["json"].read_text(encoding="utf-8"))
    VALIDATORS["scaling"](data)
    assert data["exit_code"] == code == 0
    assert files["png"].read_bytes()[:4] == b"\x89PNG"
    table = list(csv.DictReader(files["csv"].read_text(encoding="utf-8").splitlines()))
    assert len(table) == len(data["curves"]) * len(data["k"])
    first = data["curves"][0]
    assert float(table[3]["gold"]) == pytest.approx(first["gold"][3])
    found = toyrl.scaling(log)
    for suffix in (".svg", ".md", ".csv", ".json"):
        assert found.save(tmp_path / f"kept{suffix}").stat().st_size > 200
    assert "<svg" in found._repr_html_()
    assert repr(found).startswith("log.jsonl: 40 prompts")
    assert main(["scaling", str(log), "--picture", "x.gif"]) == 2


def test_a_graded_gold_has_an_oracle_and_one_prompt_no_band(tmp_path):
    rows = [{"prompt": "a", "quality": q, "reward": -q} for q in (0.5, 2.0, 1.0)]
    found = toyrl.scaling(write(tmp_path / "one.jsonl", rows), gold="quality")
    assert found.curve("oracle").gold == pytest.approx([3.5 / 3, 5 / 3, 2])
    assert found.curve("best of k").gold == pytest.approx([3.5 / 3, 2 / 3, 0.5])
    assert np.isnan(found.curve("oracle").low).all()
    assert found.curve("best of k").hurts is None
    VALIDATORS["scaling"](plain(found.to_dict()))
    assert any("one prompt" in n for n in found.notes)
    assert any("no votes" in n for n in found.notes)


def test_ragged_prompts_ties_and_extremes(tmp_path):
    rows = rows_of(20, 5) + rows_of(1, 2, seed=3)[:0]
    rows += [{**r, "prompt_id": "few"} for r in rows_of(1, 2, seed=3)]
    rows += [{**r, "prompt_id": "many"} for r in rows_of(1, 9, seed=4)]
    for r in rows:
        r["reward"] = 1e308 if r["correct"] else -1e308
    found = toyrl.scaling(write(tmp_path / "log.jsonl", rows), proxy="reward")
    assert (found.samples, found.prompts) == (5, 21)
    assert any("1 of 22 prompts have fewer than 5" in n for n in found.notes)
    right = found.curve("best of k")
    assert right.gold == pytest.approx(found.curve("pass@k").gold)
    assert right.kl_kind == "by classes"
    for r in rows:
        r["reward"] = 3.0
    tied = toyrl.scaling(write(tmp_path / "tied.jsonl", rows), proxy="reward", samples=2)
    best = tied.curve("best of k")
    assert tied.samples == 2
    assert best.gold[1] == pytest.approx(best.gold[0])
    assert (best.kl == 0).all()
    assert best.hurts is None


def test_answers_of_completions_and_columns(tmp_path):
    wrote = ((1, "so \\boxed{4}"), (1, "<answer>4.0</answer>"), (0, "\\boxed{5}"))
    rows = [{"prompt": "2+2", "correct": c, "completion": t, "answer": "4"} for c, t in wrote]
    found = toyrl.scaling(write(tmp_path / "log.jsonl", rows))
    assert found.curve("majority").gold == pytest.approx([2 / 3, 2 / 3, 1], abs=0.1)
    assert found.curve("majority").gold[-1] == 1  # 4 and 4.0 are one answer; the column is gold's
    assert any("read off the completions" in n for n in found.notes)
    assert any("name one with --proxy" in n for n in found.notes)


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({"reward": None}, {"proxy": "reward"}, "no finite number in reward"),
        ({}, {"proxy": "score2"}, "no column 'score2'; it has prompt_id"),
        ({"prompt_id": None}, {}, "which samples belong"),
        ({}, {"samples": 0}, "samples=0"),
        ({}, {"samples": 99}, "samples=99: no prompt of log.jsonl has so many; the most is 12"),
        ({}, {"level": 1.0}, r"level=1\.0"),
        ({}, {"temperature": 0.0}, r"temperature=0\.0"),
        ({}, {"x": "time"}, "x='time'"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path, change, options, said):
    rows = rows_of()
    rows[3] = {**rows[3], **change}
    with pytest.raises(toyrl.UsageError, match=said):
        toyrl.scaling(write(tmp_path / "log.jsonl", rows), **options)


def test_bad_rows_are_left_out_when_asked(tmp_path):
    rows = rows_of()
    rows[3] = {**rows[3], "reward": math.nan}
    path = write(tmp_path / "log.jsonl", rows)
    path.write_text(path.read_text(encoding="utf-8") + "no JSON\n", encoding="utf-8")
    found = toyrl.scaling(path, proxy="reward", skip_bad_rows=True)
    assert any(n.startswith("2 of 481 rows can't be used and were left out") for n in found.notes)
    assert found.samples == 12
    assert found.prompts == 39
    with pytest.raises(toyrl.UsageError, match="2 of 481 rows can't be used; mend them"):
        toyrl.scaling(path, proxy="reward")


def test_sizes_are_all_small_ones_and_the_largest():
    assert sizes(5).tolist() == [1, 2, 3, 4, 5]
    k = sizes(1024)
    assert (k[:64] == np.arange(1, 65)).all()
    assert k[-1] == 1024
    assert len(k) <= 128


def test_a_score_that_says_nothing_is_seldom_said_to_hurt():
    """100 logs of 20 prompts with a flat curve: at most one in twenty, to 4 standard errors."""
    rng, said = np.random.default_rng(0), 0
    for seed in range(100):
        right = (rng.random((20, 8)) < rng.uniform(0.1, 0.9, (20, 1))) * 1.0
        scores = scores_of(
            "log", right, {"u": rng.random((20, 8))}, used=right >= 0, completions=[""] * 160
        )
        assert scores is not None
        said += scaled(scores, seed=seed).curve("best of k").hurts is not None
    assert said <= 100 * (0.05 + 4 * math.sqrt(0.05 * 0.95 / 100))
