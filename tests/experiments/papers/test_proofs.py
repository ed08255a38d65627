"""What a paper's claim rests on: every check of it is proven, has two routes, and stays cheap."""

from __future__ import annotations

import ast
import importlib
import inspect

import pytest

from tests.experiments.papers.runs import BY_EXPERIMENT, EXPERIMENTS, broken, smoke
from toyrl.experiments import core
from toyrl.experiments.core import Check, Experiment, Mutant, Outcome, Result
from toyrl.experiments.core.work import BUDGET, PAPER_BUDGET

OWN_LOOPS = {
    "default_rng",
    "gradient_quality",
    "solve_ivp",
    "token_quality",
    "train_expected",
    "train_sampled",
    "train_with_weights",
}


def lacks(name: str) -> dict[str, list[str]]:
    """What the experiment lacks, by kind; without kinds that it has all of."""
    e, (result, work) = EXPERIMENTS[name], smoke(name)
    runs = {m.name: broken(name, m.name) for m in e.mutants}
    found = core.shortfalls(Outcome(e, result, tuple(b for b, _ in runs.values())))
    units = {"smoke": work} | {m: w for m, (_, w) in runs.items()}
    found["work"] = [n for n, w in units.items() if w > BUDGET]
    if sum(units.values()) > PAPER_BUDGET:
        found["work"].append("all together")
    found["loops"] = own_loops(e)
    return {kind: names for kind, names in found.items() if names}


def own_loops(e: Experiment) -> list[str]:
    """Engines, random numbers and loops of updates that bypass the lab, which counts their work.

    Looked at are the experiment's file and those of its folder that it imports.
    """
    module = inspect.getmodule(e.run)
    assert module is not None
    folder = module.__name__.rpartition(".")[0]
    tree = ast.parse(inspect.getsource(module))
    names = {module.__name__}
    for n in ast.walk(tree):
        if isinstance(n, ast.ImportFrom) and n.module:
            names |= {f"{folder}.{a.name}" for a in n.names} if n.module == folder else {n.module}
    own = [n for n in names if n.startswith(f"{folder}.")]
    return sorted(
        set().union(*(used(ast.parse(inspect.getsource(importlib.import_module(n)))) for n in own))
    )


def used(tree: ast.Module) -> set[str]:
    """Names of `OWN_LOOPS` that the file takes from elsewhere than the lab; loops of updates."""
    nodes = list(ast.walk(tree))
    from_lab = {
        a.asname or a.name
        for n in nodes
        if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("toyrl.experiments.lab")
        for a in n.names
    }
    names = {n.id for n in nodes if isinstance(n, ast.Name)} - from_lab
    names |= {n.attr for n in nodes if isinstance(n, ast.Attribute)} & {"default_rng"}
    heads = [
        f"for {ast.unparse(n.target)} in {ast.unparse(n.iter)}"
        for n in nodes
        if isinstance(n, ast.For) and (repeats(n) or steps(n))
    ]
    return (names & OWN_LOOPS) | set(heads)


def repeats(loop: ast.For) -> bool:
    """`for _ in ...`, or a range of updates: something is repeated, as training does."""
    over = ast.unparse(loop.iter).lower()
    updates = "range(" in over and ("update" in over or "horizon" in over)
    return updates or ast.unparse(loop.target) == "_"


@pytest.mark.slow  # every mutant of every paper
@pytest.mark.parametrize("name", BY_EXPERIMENT)
def test_claims_are_proven_by_two_routes_within_the_budget(name: str):
    assert lacks(name) == {}


def steps(loop: ast.For) -> bool:
    """A number is moved by something times a rate, as an update does."""
    moved = [n for n in ast.walk(loop) if isinstance(n, ast.AugAssign)]
    factors = {ast.unparse(f) for n in moved for f in ast.walk(n.value) if isinstance(f, ast.Name)}
    return bool(factors & {"rate", "learning_rate", "lr", "eta"})


# -- the gate itself -------------------------------------------------------------------------------
def square(*, power: float = 2.0, seed: int = 0) -> Result:
    value = 3.0**power + 0 * seed
    return Result(
        (
            Check("nine", value, 9.0, "==", routes=("power", "product")),
            Check("above", value, 0.0, ">", routes=("power",)),
            Check("a picture's limit", value, 100.0, "<", claim=False),
        )
    )


def squares(breaks: tuple[str, ...]) -> Outcome:
    e = Experiment("squares", "", "squares", "A square is a product.", "Euclid II", square, {},
                   (Mutant("cube", {"power": 3.0}, breaks),))  # fmt: skip
    return core.execute(e)


def test_a_check_is_proven_by_a_mutant_that_names_it_and_breaks_it():
    found = squares(("nine",))
    assert found.proven == ("nine",)
    assert [found.standing(c) for c in found.result.checks] == ["proven", "unproven", "support"]
    assert core.shortfalls(found) == {"unproven": ["above"], "one_route": ["above"]}


def test_naming_a_check_that_does_not_break_proves_nothing():
    found = squares(("above",))
    assert (found.proven, found.holds) == ((), False)
    assert "nine" in found.unproven


def test_no_mutant_no_proof():
    found = core.execute(squares(("nine",)).experiment, mutants=False)
    assert (found.proven, found.standing(found.result.checks[0])) == ((), "")


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("rng = np.random.default_rng(3)", ["default_rng"]),
        ("from scipy.integrate import solve_ivp\nsolve_ivp(f)", ["solve_ivp"]),
        ("for _ in range(updates):\n    step()", ["for _ in range(updates)"]),
        ("for k in range(updates + 1):\n    step(k)", ["for k in range(updates + 1)"]),
        ("for k in range(9):\n    z[k] += rate * pull", ["for k in range(9)"]),
        ("for k in range(9):\n    total += k", []),
        ("from toyrl.experiments.lab.bandits import train_sampled\ntrain_sampled()", []),
    ],
)
def test_private_loops_are_seen(line: str, names: list[str]):
    assert sorted(used(ast.parse(line))) == names
