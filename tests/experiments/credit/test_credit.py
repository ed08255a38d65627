"""`toyrl credit`: weights that are known, what isn't identified, what is written and refused."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import toyrl
from tests.places import ROOT
from tests.test_schemas import VALIDATORS, plain
from toyrl.estimators.steps import StepReturns
from toyrl.experiments.cli import main
from toyrl.experiments.credit import advantages
from toyrl.experiments.errors import UsageError
from toyrl.graders.base import TextRow
from toyrl.models.base import load
from toyrl.models.steps.factors import FactorScorer

WORDS = {"good": 0.5, "bad": -0.5, "idle": 0.0}
FOLDER = ROOT / "examples" / "credit"


def rows_of(prompts=60, group=6, *, noise=0.3, seed=0, level=2.0):
    """Returns are what the words of a text pay, a level of the prompt, and noise."""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(prompts):
        base = level * rng.normal()
        for _ in range(group):
            own = rng.choice(list(WORDS), rng.integers(1, 7))
            paid = base + sum(WORDS[w] for w in own) + noise * rng.normal()
            out.append({"prompt_id": i, "completion": "\n".join(own), "correct": int(paid > 0),
                        "reward": paid, "length": 4 * len(own)})  # fmt: skip
    return out


def write(path, rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return write(tmp_path_factory.mktemp("credit") / "log.jsonl", rows_of())


def words(steps):
    return {w: [float(s == w) for s in steps] for w in ("good", "bad")}


def test_weights_are_found_within_prompts(log):
    found = toyrl.credit(log, words, returns="reward")
    assert found.ok
    f = found.fitted
    away = np.abs(f.weight - [0.5, -0.5]) / f.error
    assert away.max() < 4
    assert f.sigma2 == pytest.approx(0.09, rel=0.25)  # 4 standard errors of a variance, 300 free
    assert f.free == 300
    assert np.abs(f.scorers["rrd"].weight).max() < 0.5  # pulled towards equal rewards
    c = f.curve
    assert c.ridge[-1] == pytest.approx(c.law[-1], rel=0.25)
    assert c.uniform > 2 * c.ridge[-1]
    # The error falls with N, as the law says it does.
    assert (np.diff(c.law) < 0).all()
    assert c.ridge[0] > c.ridge[-1]


def test_factors_that_say_nothing_are_said_to(log):
    rng = np.random.default_rng(3)
    found = toyrl.credit(log, lambda steps: {"coin": rng.random(len(steps))}, returns="reward")
    assert not found.ok
    assert "their credit is noise" in repr(found)
    tiny = toyrl.credit(log, words, returns="reward", seed=1)
    assert tiny.fitted.weight == pytest.approx(
        toyrl.credit(log, words, returns="reward").fitted.weight
    )


def test_what_is_not_identified(log):
    def many(steps):
        own = words(steps)
        return {**own, "again": own["good"], "thrice": [-3 * x for x in own["bad"]],
                "sum": [a + b for a, b in zip(own["good"], own["bad"], strict=True)],
                "zero": [0.0] * len(steps),
                "first": [float(k == 0) for k in range(len(steps))]}  # fmt: skip

    found = toyrl.credit(log, many)
    told = {(u.kind, u.factors) for u in found.unsure}
    assert told == {
        ("same", ("good", "again")),
        ("same", ("bad", "thrice")),
        ("collinear", ("good", "bad", "sum")),
        ("constant", ("zero",)),
        ("constant", ("first",)),  # once in every rollout: its sum is always 1
    }
    assert np.isnan(found.fitted.error).all()
    groups = found.groups()
    assert groups["right"] > 0 < groups["wrong"]
    assert sum(groups.values()) == 60
    assert "all right and" in " ".join(found.doubts())
    few = toyrl.credit(write(log.parent / "few.jsonl", rows_of(1, 3)), many, returns="reward")
    assert few.unsure[-1].kind == "few"
    assert few.picture() is None
    assert not few.ok


@pytest.mark.parametrize(("by", "residual"), [("ridge", "end"), ("rrd", "spread"),
                                              ("ridge", "drop"), ("uniform", "end")])  # fmt: skip
def test_advantages_by_definition(log, by, residual):
    """Rewards to go less the siblings' mean at the same step, one text at a time."""
    found = toyrl.credit(log, words, returns="reward", by=by, residual=residual)
    t, start = found.table, np.append(0, np.cumsum(found.table.steps))
    paid = found.scorer.score(t.x)
    own, to_go = [], []
    for i, n in enumerate(t.steps):
        r = paid[start[i] : start[i + 1]].copy()
        left = t.returns[i] - r.sum()
        if by == "uniform":
            r[:] = t.returns[i] / n
        elif residual == "end":
            r[-1] += left
        elif residual == "spread":
            r += left / n
        own.append(r)
        to_go.append(r[::-1].cumsum()[::-1])
    assert found.steps.reward == pytest.approx(np.concatenate(own))
    for i in range(0, len(own), 7):
        kin = [to_go[j] for j in np.flatnonzero(t.groups == t.groups[i])]
        for k, value in enumerate(to_go[i]):
            want = value - np.mean([x[k] for x in kin if len(x) > k])
            assert found.steps.advantage[start[i] + k] == pytest.approx(want, abs=1e-10)


def test_what_is_written_reads_back(log, tmp_path, capsys):
    factors = tmp_path / "own.py"
    text = "def own(steps):\n    return {w: [s == w for s in steps] for w in ('good', 'bad')}\n"
    factors.write_text(text)
    files = {x: tmp_path / f"out.{x}" for x in ("npz", "jsonl", "json", "csv", "html")}
    model = tmp_path / "model.json"
    told = ["credit", str(log), "--factors", f"{factors}:own", "--returns", "reward"]
    told += ["--advantages", str(files["npz"]), "--json", str(files["json"])]
    told += ["--csv", str(files["csv"]), "--report", str(files["html"]), "--model", str(model)]
    code = main(told)
    shown = " ".join(capsys.readouterr().out.split())
    assert code == 0
    assert "of held-out differences of returns within prompts" in shown
    data = json.loads(files["json"].read_text(encoding="utf-8"))
    VALIDATORS["credit"](data)
    assert [w["factor"] for w in data["weights"]] == ["good", "bad"]
    page = files["html"].read_text(encoding="utf-8")
    assert '<span class="plus"' in page
    assert '<span class="minus"' in page
    held = np.load(files["npz"])
    found = toyrl.credit(log, f"{factors}:own", returns="reward")
    found.save_advantages(files["jsonl"])
    first = [json.loads(line) for line in files["jsonl"].read_text().splitlines()]
    assert len(first) == len(held["advantages"]) == 360
    for row, a, m, ends in zip(first, held["advantages"], held["mask"], held["step_ends"],
                               strict=True):  # fmt: skip
        n = len(row["advantages"])
        assert m.sum() == n == 4 * len(row["spans"])
        assert a[:n] == pytest.approx(row["advantages"], abs=2e-6)
        assert np.flatnonzero(ends).tolist() == row["step_ends"]
        each = [row["advantages"][k] for k in row["step_ends"]]
        assert each == pytest.approx(row["step_advantages"])
    # The weights that were kept score steps as a trainer asks for them.
    scorer = FactorScorer(words, load(model))
    row = TextRow("", "good\nbad\nidle", {}, 3, False)
    assert scorer(["good", "bad", "idle"], row) == pytest.approx([*found.fitted.weight, 0])
    for suffix in (".csv", ".md", ".svg", ".html", ".json"):
        assert found.save(tmp_path / f"kept{suffix}").stat().st_size > 100
    VALIDATORS["credit"](plain(found.to_dict()))
    assert "good" in found._repr_html_()


def test_a_log_without_siblings_has_one_level(tmp_path):
    rows = [{**r, "prompt_id": k} for k, r in enumerate(rows_of(300, 1, level=0.0))]
    found = toyrl.credit(write(tmp_path / "alone.jsonl", rows), words, returns="reward")
    assert found.ok
    assert found.table.baseline == "all"
    assert "no prompt has siblings" in " ".join(found.notes)


@pytest.mark.parametrize("group", [4, 1])
def test_advantages_are_the_same_prompt_by_prompt(tmp_path, monkeypatch, group):
    rows = [{**r, "prompt_id": k // group} for k, r in enumerate(rows_of(120 // group, group))]
    rows[17]["completion"] = "\n".join(["idle"] * 400)  # as wide as no other
    log = write(tmp_path / "log.jsonl", rows)
    whole, wide = toyrl.credit(log, words, returns="reward").steps, []
    monkeypatch.setattr(advantages, "BLOCK", 200)
    monkeypatch.setattr(advantages, "StepReturns", lambda kind: wide.append(1) or StepReturns(kind))
    found = toyrl.credit(log, words, returns="reward").steps
    assert len(wide) >= 5
    assert found.reward == pytest.approx(whole.reward)
    assert found.advantage == pytest.approx(whole.advantage)


def one(steps):
    return {"a": [1.0]}


def ranked(steps, rank):
    return {"a": steps}


@pytest.mark.parametrize(("factors", "change", "said"), [
    (one, {}, "'a' has the shape (1,)"),
    (lambda steps: 1 / (len(steps) - len(steps)), {}, "raised ZeroDivisionError"),
    (lambda steps: {"a": [float("nan")] * len(steps)}, {}, "nan at step 1"),
    (lambda steps: {"a": [1 / (len(steps) - 6) for _ in steps]}, {}, "division by zero"),
    (ranked, {}, "'rank', which is no column"),
    ("nowhere.py:f", {}, "there is no file nowhere.py"),
    ("words", {}, "is no file.py:function"),
    (words, {"returns": "score"}, "the log has correct, reward"),
    (words, {"steps": "words"}, "steps='words' is not one of"),
    (words, {"by": "mean"}, "is not one of ridge, rrd, uniform"),
    (words, {"penalty": -1.0}, "penalty=-1.0"),
])  # fmt: skip
def test_refusals(log, factors, change, said):
    with pytest.raises(UsageError) as error:
        toyrl.credit(log, factors, **change)
    assert said in str(error.value)


def test_returns_that_say_nothing(tmp_path):
    rows = rows_of(4, 4)
    alike = write(tmp_path / "alike.jsonl", [{**r, "correct": 1} for r in rows])
    with pytest.raises(UsageError, match=r"all 16 returns \(correct\) are 1"):
        toyrl.credit(alike, words)
    tied = write(tmp_path / "tied.jsonl", [{**r, "correct": r["prompt_id"] % 2} for r in rows])
    with pytest.raises(UsageError, match="every group is all right or all wrong"):
        toyrl.credit(tied, words)
    assert main(["credit", str(tied), "--factors", "x.py:f", "--advantages", "a.txt"]) == 2
    assert main(["credit", str(tied), "--factors", "x.py:f", "--tokenizer", "gpt"]) == 2


def test_the_walk_of_the_page(tmp_path, capsys):
    log = tmp_path / "rollouts.jsonl"
    subprocess.run([sys.executable, FOLDER / "make_log.py", log], check=True)
    code = main(["credit", str(log), "--factors", f"{FOLDER / 'my_factors.py'}:factors",
                 "--no-report"])  # fmt: skip
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    page = (ROOT / "docs" / "credit.md").read_text(encoding="utf-8")
    printed = page.partition("```text\n")[2].partition("```")[0].splitlines()
    assert code == 0
    assert [line for line in shown if not line.startswith("note")] == printed
