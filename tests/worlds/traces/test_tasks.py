"""Eighteen programs: right answers by other routes, states that are functions, strict verifiers."""

from __future__ import annotations

import itertools
import math

import pytest

from toyrl.graders.traces import prefix_score
from toyrl.testing.laws.traces import nothing_behind_an_error, verifier_is_strict
from toyrl.worlds.traces.states import LINE, functions
from toyrl.worlds.traces.tasks import CLASSES, FROM_MEMORY, RANGES, TASKS, posed


def number(digits):
    return sum(d * 10**i for i, d in enumerate(digits))


def change(g):
    coins, left = [], g["amount"]
    for coin in (25, 10, 5, 1):
        coins += [coin] * (left // coin)
        left %= coin
    return "(" + ",".join(map(str, coins)) + ")"


def intervals(g):
    spans = g["spans"]
    fits = [
        k
        for k in range(len(spans) + 1)
        for chosen in itertools.combinations(sorted(spans), k)
        if all(x[1] <= y[0] for x, y in itertools.pairwise(chosen))
    ]
    return max(fits)


def knapsack(g):
    picks = itertools.product((0, 1), repeat=len(g["items"]))
    worth = [
        (sum(w * t for (w, _), t in zip(g["items"], p, strict=True)),
         sum(v * t for (_, v), t in zip(g["items"], p, strict=True)))
        for p in picks
    ]  # fmt: skip
    return max(v for w, v in worth if w <= g["room"])


def common(g):
    a, b = g["a"], g["b"]

    def inside(s, t):
        it = iter(t)
        return all(c in it for c in s)

    return max(k for k in range(len(a) + 1) for s in itertools.combinations(a, k) if inside(s, b))


def edits(g):
    from difflib import SequenceMatcher  # a bound; equality is for the recursion below

    a, b = g["a"], g["b"]
    assert SequenceMatcher(None, a, b)

    def d(i, j):
        if not i or not j:
            return i + j
        return min(d(i - 1, j) + 1, d(i, j - 1) + 1, d(i - 1, j - 1) + (a[i - 1] != b[j - 1]))

    return d(len(a), len(b))


TRUTH = {
    "addition": lambda g: number(g["a"]) + number(g["b"]),
    "increment": lambda g: f"{int('0' + ''.join(map(str, g['x'])), 2) + 1:b}",
    "parity": lambda g: sum(g["x"]) % 2,
    "remainder": lambda g: int("".join(map(str, g["x"]))) % 7,
    "maximum": lambda g: max(g["x"]),
    "change": change,
    "intervals": intervals,
    "gcd": lambda g: math.gcd(g["a"], g["b"]),
    "merge": lambda g: "(" + ",".join(map(str, sorted(g["x"]))) + ")",
    "search": lambda g: g["x"].index(g["find"]) if g["find"] in g["x"] else "none",
    "knapsack": knapsack,
    "edits": edits,
    "subsequence": common,
    "divisor": lambda g: next(d for d in range(2, g["n"] + 1) if g["n"] % d == 0),
    "pairs": lambda g: sum(x + y == g["sum"] for x, y in itertools.combinations(g["x"], 2)),
}


def test_numbers_below_zero_are_numbers_too():
    assert TASKS["maximum"].trace({"x": [-5, -3]}).answer == "-3"
    assert TASKS["maximum"].trace({"x": []}).answer == "none"
    assert TASKS["intervals"].trace({"spans": [[-3, -1], [-9, -4], [0, 2]]}).answer == "3"


@pytest.mark.parametrize("name", TASKS)
def test_answers_and_states(name):
    task = TASKS[name]
    made = [task.sample(where, i) for i in range(12) for where in ("S", "M")]
    traces = [task.trace(g) for g in made]
    for g, trace in zip(made[::2], traces[::2], strict=True):
        if name in TRUTH:
            want = str(TRUTH[name](g))
            found = trace.answer.lstrip("0") if name == "increment" else trace.answer
            assert found == want, g
        assert all(LINE.fullmatch(line) for line in trace.lines)
        assert posed(task.prompt(g)) == (name, g)
    assert functions(traces) == []
    assert task.make(3, 1) == task.make(3, 1)
    short = next(t for t in traces if t.states)
    assert verifier_is_strict(prefix_score, short) is None
    assert nothing_behind_an_error(prefix_score, short) is None
    with pytest.raises(ValueError, match=f"of the task {name}"):
        task.trace({"nothing": 0})


def test_queens_subsets_and_towers():
    for i in range(8):
        board = TASKS["queens"].sample("M", i)
        rows = TASKS["queens"].trace(board).answer
        assert rows == "none" or len({*rows} - set("(),")) == board["n"]
        given = TASKS["subset"].sample("M", i)
        taken = TASKS["subset"].trace(given).answer.strip("()").split(",")
        assert sum(map(int, taken)) == given["sum"]
    tower = TASKS["hanoi"].trace({"disks": 3, "pegs": ["A", "B", "C"]})
    assert tower.answer == "(AC,AB,CB,AC,BA,BC,AC)"


def test_eighteen_of_eight_classes():
    assert len(TASKS) == 18
    assert {t.kind for t in TASKS.values()} == set(CLASSES)
    assert len(CLASSES) == 8
    assert FROM_MEMORY == ("enumeration", "divide and conquer", "backtracking")
    assert all(t.from_memory == (t.kind in FROM_MEMORY) for t in TASKS.values())
    assert set(RANGES) == {"S", "M", "L"}


def test_empty_inputs_have_answers():
    empty = {"addition": {"a": [], "b": []}, "increment": {"x": []}, "parity": {"x": []},
             "change": {"amount": 0}, "merge": {"x": []}, "search": {"x": [], "find": 1},
             "hanoi": {"disks": 0, "pegs": [*"ABC"]}, "subset": {"x": [], "sum": 0}}  # fmt: skip
    answers = {name: TASKS[name].trace(g).answer for name, g in empty.items()}
    assert answers == {"addition": "0", "increment": "1", "parity": "0", "change": "()",
                       "merge": "()", "search": "none", "hanoi": "()", "subset": "()"}  # fmt: skip
    with pytest.raises(ValueError, match="size=0"):
        TASKS["parity"].make(0)
