"""`toyrl distance` from the command line."""

from __future__ import annotations

import json

import fastjsonschema
import numpy as np
import pytest

from tests.experiments.commands.command import call
from toyrl import schemas

VALID = fastjsonschema.compile(schemas.document("distance"))
SHAPED = """
def shaped(state, action, next_state):
    goal = next_state == 15
    height = 0 if next_state in (5, 7, 11, 12, 15) else next_state
    return float(goal) + 0.99 * height - state


def stay(state, action):
    return 0.1 * (action == 0)
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.py").write_text(SHAPED)
    return "f.py"


def test_on_an_environment(capsys, file, tmp_path):
    code, out, err = call(
        capsys, "distance", "own", f"{file}:shaped", f"{file}:stay", "--env", "FrozenLake-v1",
        "--json", "d.json", "--out", "folder",
    )  # fmt: skip
    assert code == 0
    assert all(" done (" in line for line in err.splitlines())  # where it takes its time
    assert "own and f.py:shaped are equivalent: they order all policies alike." in out
    assert "row 3, column 2" in out
    data = json.loads((tmp_path / "d.json").read_text())
    VALID(data)
    assert [p["kind"] for p in data["pairs"]] == ["equivalent", "different"]
    assert data["distances"][0][1] == pytest.approx(0, abs=1e-9)
    assert data["pairs"][0]["potential"]["pairs"] is True
    made = sorted(p.name for p in (tmp_path / "folder").iterdir())
    assert made == ["canonical.npz", "difference-1.png", "difference-1.svg", "distances.csv",
                    "distances.png", "distances.svg", "results.json"]  # fmt: skip
    with np.load(tmp_path / "folder" / "canonical.npz") as held:
        forms = np.array([held[k] for k in held])
    assert forms.shape == (3, 16, 4)
    assert forms[0] == pytest.approx(forms[1], abs=1e-9)
    assert "Do these rewards order" in (tmp_path / "toyrl-distance.html").read_text()


def test_one_line_and_standard_output(capsys, file):
    code, out, _ = call(capsys, "distance", f"{file}:stay", "--env", "FrozenLake-v1", "-q",
                        "--no-report")  # fmt: skip
    assert code == 0
    assert out.count("\n") == 1
    assert out.startswith("f.py:stay and own are at distance 1.60")
    code, out, err = call(capsys, "distance", f"{file}:stay", "--env", "FrozenLake-v1", "--json",
                          "-", "--no-report", "-q")  # fmt: skip
    VALID(json.loads(out))
    assert err.startswith("f.py:stay and own")


def test_on_a_log(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = [{"prompt": f"q{i % 9}", "completion": "x", "outcome": int(rng.random() < 0.5),
             "brevity": float(rng.random())} for i in range(90)]  # fmt: skip
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    code, out, _ = call(capsys, "distance", "--rollouts", "log.jsonl", "--columns",
                        "outcome,brevity", "--json", "d.json")  # fmt: skip
    assert code == 0
    assert "90 rollouts of 9 prompts" in out
    assert "95% from" in out
    data = json.loads((tmp_path / "d.json").read_text())
    VALID(data)
    assert data["band"]["low"][0][1] < data["distances"][0][1] < data["band"]["high"][0][1]


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (("own", "--env", "CartPole-v1"), "CartPoleEnv has no table P"),
        (("laser()", "--env", "FrozenLake-v1"), "only --env chain has"),
        (("own",), "give env, a process"),
        (("--rollouts", "none.jsonl"), "none.jsonl"),
        (("own", "--env", "FrozenLake-v1", "--top", "-1"), "top=-1"),
    ],
)
def test_a_wrong_call_is_one_sentence(capsys, tmp_path, monkeypatch, tokens, said):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, "distance", *tokens)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert not list(tmp_path.iterdir())
