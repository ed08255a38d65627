"""`toyrl reproduce`, with experiments of this file's own: exit codes, files, JSON."""

from __future__ import annotations

import json

import pytest

from tests.experiments.commands.command import call
from tests.experiments.render.sample_report import curve_picture
from toyrl.experiments.core import Check, Experiment, Mutant, Result, registry


def _square(*, x: float = 3.0, power: float = 2.0, seed: int = 0) -> Result:
    value = x**power + 0 * seed
    return Result(
        (Check("nine", value, x * x, "~", 1e-12, routes=("power", "product")),), (curve_picture(),)
    )


def _crash(*, seed: int = 0) -> Result:
    msg = f"seed {seed} is unlucky"
    raise ZeroDivisionError(msg)


def _experiment(name: str, card: str, run, mutant: dict) -> Experiment:
    return Experiment(
        name,
        card,
        f"slug-{name}",
        "A square is a product.",
        "Euclid II",
        run,
        {},
        (Mutant("cube", mutant, ("nine",)),),
    )


@pytest.fixture
def experiments(monkeypatch):
    known = {
        "good": _experiment("good", "03", _square, {"power": 3.0}),
        "blind": _experiment("blind", "04", _square, {"power": 2.0}),
        "wrong": _experiment(
            "wrong", "05", lambda **k: _square(**{"power": 2.5, **k}), {"power": 3.0}
        ),
        "crash": _experiment("crash", "06", _crash, {}),
    }
    monkeypatch.setattr(registry, "load", lambda: known)
    return known


@pytest.mark.parametrize(
    ("tokens", "code"),
    [
        (("03",), 0),
        (("3",), 0),
        (("slug-good",), 0),
        (("good",), 0),
        (("blind",), 1),
        (("blind", "--no-mutants"), 0),
        (("wrong",), 1),
        (("crash",), 1),
        (("all",), 1),
        (("good", "good"), 0),
    ],
)
@pytest.mark.usefixtures("experiments")
def test_reproduce_exits_by_checks_and_mutants(capsys, tokens, code):
    assert call(capsys, "reproduce", *tokens)[0] == code


@pytest.mark.usefixtures("experiments")
def test_reproduce_json(capsys):
    _, out, _ = call(capsys, "reproduce", "good", "--json", "-", "--seed", "7")
    data = json.loads(out)
    assert set(data) == {"schema", "results"}
    (result,) = data["results"]
    assert set(result) >= {
        "id",
        "card",
        "claim",
        "source",
        "checks",
        "mutants",
        "proven",
        "unproven",
        "work",
        "seconds",
        "seed",
        "versions",
    }
    assert (result["id"], result["card"], result["seed"]) == ("good", "03", 7)
    assert result["mutants"] == [{"name": "cube", "breaks": ["nine"], "caught": True}]
    (check,) = result["checks"]
    assert set(check) >= {"name", "value", "bound", "op", "stderr", "routes", "holds"}
    assert (check["value"], check["holds"], check["routes"]) == (9.0, True, ["power", "product"])
    assert (check["claim"], result["proven"], result["unproven"]) == (True, ["nine"], [])


@pytest.mark.usefixtures("experiments")
def test_reproduce_goes_on_after_a_crash_and_says_so(capsys):
    code, out, _ = call(capsys, "reproduce", "crash", "good", "--quiet", "--json", "r.json")
    assert code == 1
    assert out == "1 of 2 hold\n"
    with open("r.json") as file:  # noqa: PTH123  (relative on purpose)
        crashed, good = json.load(file)["results"]
    assert crashed["notes"] == ["ZeroDivisionError: seed 0 is unlucky"]
    assert [c["holds"] for c in crashed["checks"] + good["checks"]] == [False, True]


@pytest.mark.usefixtures("experiments")
def test_reproduce_fills_a_folder(capsys, tmp_path):
    code, out, _ = call(capsys, "reproduce", "good", "--out", "made/here", "--smoke")
    assert code == 0
    assert "made/here/index.html" in out
    assert {p.name for p in (tmp_path / "made/here").iterdir()} == {
        "good",
        "index.html",
        "results.json",
        "summary.md",
    }
