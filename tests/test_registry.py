"""The catalogue: what an entry says, how it is found, what it makes."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys

import pytest

import toyrl
from tests.places import ROOT
from toyrl import registry, theorems
from toyrl.estimators.base import Estimator
from toyrl.estimators.group import GroupEstimator
from toyrl.objectives.base import Objective
from toyrl.shapers.base import Shaper

ENTRIES = registry.entries()
IDS = [f"{e.kind}-{e.name}" for e in ENTRIES]


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_an_entry_says_where_it_is_and_what_it_takes(entry: registry.Entry) -> None:
    module, _, name = entry.path.partition(":")
    made = getattr(importlib.import_module(module), name)
    assert made is (entry.target if entry.kind in ("shaper", "environment", "theorem", "grader")
                    else type(entry.target))  # fmt: skip
    assert entry.summary
    assert "\n" not in entry.summary + entry.formula
    assert len(entry.formula) <= 100
    assert entry.formula or entry.kind == "environment"
    if entry.kind == "theorem":
        assert list(entry.fields) == list(inspect.signature(made).parameters)


def test_modules_of_environments_are_in_the_catalogue() -> None:
    """Worlds are listed module by module, so that one with an entry could be forgotten."""
    made = (ROOT / "toyrl" / "worlds").rglob("*.py")
    own = {".".join(p.relative_to(ROOT / "toyrl").with_suffix("").parts) for p in made
           if "@entry(" in p.read_text()}  # fmt: skip
    assert own == {m for m in registry.CATALOGUE if m.startswith("worlds.")}


def test_one_kind_of_thing_for_each_kind() -> None:
    for e in ENTRIES:
        if e.kind == "shaper":
            assert issubclass(e.target, Shaper)
        elif e.kind in ("estimator", "objective"):
            assert isinstance(e.target, {"estimator": Estimator, "objective": Objective}[e.kind])
        elif e.kind == "theorem":
            assert inspect.isfunction(e.target)


def test_make() -> None:
    rloo = toyrl.get("estimator", "rloo")
    assert rloo.target == rloo.make() == GroupEstimator("leave_one_out", "none")
    assert rloo.make(ddof=0.0) == GroupEstimator("leave_one_out", "none", ddof=0.0)
    assert rloo.fields["baseline"] == "'leave_one_out'"
    assert toyrl.get("shaper", "laser").make(target=0.2) == toyrl.parse("laser(target=0.2)")
    assert toyrl.get("shaper", "gated").fields == {"term": None}
    with pytest.raises(TypeError, match="estimator rloo has no field 'k'; it has baseline, scale"):
        rloo.make(k=1)
    with pytest.raises(TypeError, match="omega is a function"):
        toyrl.get("theorem", "omega").make()


# -- did you mean ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("shaper", "grpo", "no shaper is called 'grpo'; it is an estimator"),
        ("estimator", "laser", "it is a shaper: toyrl.get('shaper', 'laser')"),
        ("estimator", "gpro", "did you mean grpo"),
        ("estimator", "omegaa", "did you mean omega (a theorem)"),
        ("shaper", "zzzzz", "there are brevity_penalty, "),
    ],
)
def test_an_unknown_name_is_refused_with_near_ones(kind: str, name: str, said: str) -> None:
    with pytest.raises(KeyError) as caught:
        toyrl.get(kind, name)
    assert said in caught.value.args[0]


def test_an_unknown_kind_is_refused() -> None:
    for call in (lambda: toyrl.get("reward", "laser"), lambda: toyrl.entries("reward")):
        with pytest.raises(ValueError, match="kind='reward' is unknown; choose from shaper"):
            call()


def test_a_name_is_registered_once_and_cites_known_papers() -> None:
    with pytest.raises(ValueError, match="estimator 'rloo' is registered twice"):
        registry.add("rloo", GroupEstimator(), kind="estimator")
    with pytest.raises(KeyError, match="no paper is called 'nowhere'"):
        registry.add("new", GroupEstimator(), kind="estimator", works=("nowhere",))
    assert toyrl.get("estimator", "rloo").target.baseline == "leave_one_out"
    assert registry.find("estimator", "new") is None


# -- theorems, by name --------------------------------------------------------------------------
def public_functions() -> dict[str, str]:
    """Import path of every public function of the theory, with its file."""
    out = {}
    for file in sorted((ROOT / "theory").rglob("*.py")):
        module = ".".join(
            ("toyrl.theory", *file.relative_to(ROOT / "theory").with_suffix("").parts)
        )
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                out[f"{module}:{node.name}"] = str(file)
    return out


def test_every_public_theory_function_is_a_theorem() -> None:
    functions = public_functions()
    assert len(functions) >= 74
    assert {e.path for e in toyrl.entries("theorem")} == set(functions)


@pytest.mark.slow
def test_theorems_are_listed_without_an_import_and_agree_with_it() -> None:
    code = """
import sys, toyrl
toyrl.entries()
lazy = {e.name: e for e in toyrl.entries("theorem")}
omega = toyrl.get("theorem", "omega")
print([m for m in sys.modules if m.startswith("toyrl.theory")])
print(round(float(omega.target(0.5, 2)), 4))
print("toyrl.theory.group.variance" in sys.modules, "toyrl.theory.distance.order" in sys.modules)
for e in lazy.values():
    before = dict(e.fields)
    e.target
    now = toyrl.get("theorem", e.name)
    assert now == e and now.loaded is e.target, e
    assert now.fields == before, e
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split("\n")[:3] == ["[]", "0.7071", "True False"]


def test_a_decorator_that_cannot_be_read_is_refused(tmp_path, monkeypatch) -> None:
    head = "@entry('{}', kind='theorem', cards={})\ndef f(): ...\n"
    monkeypatch.setattr(theorems, "FOLDER", tmp_path)
    for text, said in (
        (head.format("a", "CARDS"), "toyrl.theory.one, line 1: @entry of f takes one name"),
        (head.format("a", "()") * 2, "theorem 'a' stands twice"),
        (
            head.format("a", "()").replace("f()", "f(x=near())"),
            "toyrl.theory.one, line 2: a default of f is neither a literal nor a constant",
        ),
    ):
        (tmp_path / "one.py").write_text(text)
        with pytest.raises(ValueError, match=said.replace("(", r"\(")):
            theorems.index.__wrapped__()


def test_a_named_default_is_told_by_its_value(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(theorems, "FOLDER", tmp_path)
    (tmp_path / "limits.py").write_text("MOST = 1_000\nOTHER = near()\n")
    (tmp_path / "one.py").write_text(
        "from toyrl.theory.limits import MOST as M\n"
        "LEAST = 0.5\n"
        "@entry('a', kind='theorem')\n"
        "def f(x, y=M // 10, *, low=LEAST, high=np.inf, name='z'): ...\n"
    )
    (only,) = theorems.index.__wrapped__()
    told = {"x": None, "y": "100", "low": "0.5", "high": "inf", "name": "'z'"}
    assert dict(only.parameters) == told
