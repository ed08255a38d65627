"""The texts that the metamorphic library makes say what they claim; shrinking keeps them so."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from toyrl.experiments.validate.hacks import section as hacks
from toyrl.experiments.validate.hacks.mutants_right import in_words
from toyrl.experiments.validate.hacks.shrink import shrink
from toyrl.worlds.text import render
from toyrl.worlds.text.dialects import dialect_of
from toyrl.worlds.text.problems import problem_of

NOTATION = re.compile(r"\\text\{ units\}| units|\\text|\{,\}|[\s$*=(){}\\,\u202f]|\.$")


def marked(text: str, dialect: str) -> str:
    """What stands in the last mark, over lines and braces."""
    layout = dialect_of(dialect)
    tail = text.rpartition(layout.before)[2]
    if layout.after in ("", "."):
        return tail.partition("\n")[0].removesuffix(layout.after)
    return tail.rpartition(layout.after)[0]


def value_of(said: str) -> Fraction | None:
    """The number that a right answer says, whatever its notation; None for words."""
    bare = re.sub(r"\\frac\{(\d+)\}\{(\d+)\}", r"\1/\2", said.strip())
    bare = "".join(str(unicodedata.digit(c, c)) for c in NOTATION.sub("", bare))
    return None if bare.replace("-", "").isalpha() else Fraction(bare)


@given(
    mutant=st.sampled_from(hacks.MUTANTS),
    dialect=st.sampled_from(render.DIALECTS),
    seed=st.integers(0, 500),
)
def test_mutants_have_the_truth_they_claim(mutant, dialect, seed):
    rows = render.base_rows(dialect, 4, seed)
    base = next(x for x in rows if x.correct == mutant.truth)
    assume(mutant.fits(base))
    row = mutant.apply(base)
    problem = problem_of(row.prompt)
    assert row.columns == render.columns(problem, dialect)
    base = replace(base, problem=problem)
    assert row.tokens >= 1
    if mutant.truth:
        final = marked(row.completion, dialect)
        value = value_of(final)
        assert value == problem.gold or (value is None and final == in_words(problem.gold))
    elif mutant.family != "control":
        assert row.completion != base.row.completion or mutant.family == "value"
        assert not render.parse(row.completion, dialect, base.problem).correct


@given(st.lists(st.text("ab \n", max_size=6), max_size=12).map("\n".join))
def test_shrink_keeps_the_property_within_its_budget(text):
    calls = []

    def holds(candidate: str) -> bool:
        calls.append(candidate)
        return candidate.count("a") >= 2

    small = shrink(text, holds, budget=60)
    assert len(calls) <= 60
    assert len(small) <= len(text)
    assert small == text or small.count("a") >= 2


def test_shrink_finds_the_word_that_matters():
    text = "\n".join(f"line {i} of many" for i in range(40)) + "\nthe needle is here"
    assert shrink(text, lambda t: "needle" in t) == "needle"
