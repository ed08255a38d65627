"""Catalogue expressions: read, written back, refused with a place and a remedy."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
from hypothesis import given, note
from hypothesis import strategies as st

import toyrl
from tests.backends import default_for
from toyrl import ExpressionError, parse, registry, to_expression
from toyrl.estimators.base import Estimator
from toyrl.estimators.group import GroupEstimator
from toyrl.objectives.compose import Sum as Total
from toyrl.ranges import FINITE, NOT_NEGATIVE, declared
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper
from toyrl.shapers.compose import Clipped, Gated, Scaled, Sum
from toyrl.shapers.length.absolute import LinearLength, Overlong
from toyrl.shapers.length.conciseness import Crf
from toyrl.shapers.length.truncation import Laser, Truncation
from toyrl.shapers.outcome import Outcome
from toyrl.shapers.schedules import SCHEDULES, Constant, Cosine, Linear, Step
from toyrl.testing.strategies import inside

READS = {
    "laser(target=0.5, alpha=0.5)": Laser(0.5, 0.5),
    "laser(512)": Laser(target=512),
    "outcome() - 0.3*linear_length()": Sum((Outcome(), Scaled(LinearLength(), -0.3))),
    "outcome() - linear_length()/4": Sum((Outcome(), Scaled(LinearLength(), -0.25))),
    "outcome() + overlong(floor=None)": Sum((Outcome(), Overlong(floor=None))),
    "2*outcome() + laser() - truncation()": Sum(
        (Scaled(Outcome(), 2), Laser(), Scaled(Truncation(), -1.0))
    ),
    "outcome() + (laser() - outcome())": Sum((Outcome(), Sum((Laser(), Scaled(Outcome(), -1.0))))),
    "gated(linear_length(unit=1))": Gated(LinearLength(unit=1)),
    "clipped(outcome() - linear_length(), 0, high=1)": Clipped(
        Sum((Outcome(), Scaled(LinearLength(), -1.0))), 0, 1
    ),
    "crf(s=linear(1, 0, 300))": Crf(s=Linear(1, 0, 300)),
    "step_at(0, 0.5, at=100)*linear_length()": Scaled(LinearLength(), Step(0, 0.5, 100)),
    "-(2*3 - 1)*outcome()": Scaled(Outcome(), -5),
    "overlong(floor=-inf)": Overlong(floor=-float("inf")),
    " \n outcome() ": Outcome(),
}

REFUSED = {
    "lasr()": ("no reward is called 'lasr'; did you mean laser", 1),
    "outcome() + lasr()": ("did you mean laser", 13),
    "laser(tarket=1)": ("no argument 'tarket'; did you mean 'target'? allowed: target, alpha", 7),
    "laser(1, 2, 3, 4, 5, 6, 7, 8)": ("takes at most 7 arguments; allowed: target", 28),
    "laser(target=1, target=2)": ("got 'target' twice", 17),
    "laser(**x)": ("** is not allowed", 7),
    "laser(target=outcome())": ("is a number, not a reward", 14),
    "laser(target=True)": ("is a number, not True", 14),
    "laser(target='0.5')": ("is a number, not '0.5'", 14),
    "gated(3)": ("gated(term=...) is a reward, not 3", 7),
    "gated()": ("gated needs term; allowed: term", 1),
    "sum(outcome())": ("sum(terms=...) is a list of rewards", 5),
    "linear(1, 2)*outcome()": ("linear needs steps", 1),
    "outcome": ("write outcome()", 1),
    "outcome() + 1": ("1 cannot be added to a reward", 13),
    "outcome()*laser()": ("write gated(...)", 1),
    "1/0*outcome()": ("zero", 1),
    "2**3*outcome()": ("cannot combine 2 and 3", 1),
    "outcome() if 1 else 2": ("IfExp is not allowed", 1),
    "outcome().parts": ("Attribute is not allowed", 1),
    "__import__('os').system('true')": ("only catalogue names are called", 1),
    "(lambda: 1)()": ("only catalogue names are called", 1),
    "[o for o in ()]": ("ListComp is not allowed", 1),
    "outcome(": ("not an expression", 8),
    "": ("not an expression", 1),
    "0.5": ("this is 0.5, not a reward", 1),
    "grpo_lambda(lam=0)": ("lam=0 is not a number in (0, 1]", 17),
    "outcome(right=b'x')": ("is no number", 15),
}


@pytest.mark.parametrize("text", READS)
def test_reads(text: str) -> None:
    assert parse(text) == READS[text]


@pytest.mark.parametrize("text", REFUSED)
def test_refuses_with_place_and_remedy(text: str) -> None:
    message, column = REFUSED[text]
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert caught.value.column == column
    assert f"column {column}" in str(caught.value)


@pytest.mark.parametrize("text", ["(" * 5000, "-" * 9000 + "1", "9" * 5000, "\0", "x" * 20_000])
def test_hostile_text_is_refused_shortly(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert len(str(caught.value)) < 1000


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        value: object = parse(text)
    except ExpressionError as error:
        value = error.column
    assert isinstance(value, Shaper) or value >= 1


def scheduled(numbers: st.SearchStrategy) -> st.SearchStrategy:
    """Numbers, or schedules between them."""
    steps = inside(NOT_NEGATIVE)
    return st.one_of(
        numbers,
        st.builds(Constant, numbers),
        st.builds(Linear, numbers, numbers, steps),
        st.builds(Cosine, numbers, numbers, steps),
        st.builds(Step, numbers, numbers, inside(FINITE)),
    )


def drawn(cls: type, **more: st.SearchStrategy) -> st.SearchStrategy:
    """Objects of a class, all fields within their ranges."""
    own = {
        name: inside(allowed) | scheduled(inside(replace(allowed, none=False)))
        if varies
        else inside(allowed)
        for name, (allowed, varies) in declared(cls).items()
    }
    return st.builds(cls, **(own | more))


def clipped(term: Shaper, ends: tuple[float, float]) -> Clipped:
    return Clipped(term, min(ends), max(ends))


whole = st.integers(-1000, 1000) | st.just(1e-300)
simple = st.one_of(
    st.builds(Outcome, whole, whole),
    *(drawn(cls) for cls in (Outcome, Laser, LinearLength, Overlong, Crf)),
)
shapers = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.builds(Sum, st.lists(inner, max_size=3).map(tuple)),
        drawn(Scaled, term=inner),
        st.builds(Gated, inner),
        st.builds(clipped, inner, st.tuples(*[inside(declared(Clipped)["low"][0])] * 2)),
    ),
    max_leaves=6,
)


@pytest.mark.slow
@given(shapers)
def test_round_trip(shaper: Shaper) -> None:
    text = to_expression(shaper)
    assert parse(text) == shaper
    assert to_expression(parse(text)) == text
    assert toyrl.from_json(toyrl.to_json(shaper)) == shaper


@pytest.mark.parametrize("name", [e.name for e in registry.entries("shaper")])
def test_every_shaper_has_an_expression(name: str) -> None:
    shaper = default_for(registry.get("shaper", name))
    assert parse(to_expression(shaper)) == shaper


# -- estimators and objectives ---------------------------------------------------------------------
PARSERS = {"estimator": toyrl.parse_estimator, "objective": toyrl.parse_objective}


@pytest.mark.parametrize("kind", PARSERS)
def test_every_preset_is_read_from_its_name_and_is_its_own_repr(kind: str) -> None:
    read = PARSERS[kind]
    for e in registry.entries(kind):
        assert read(e.name) == read(f"{e.name}()") == e.target
        assert read(repr(e.target)) == e.target == e.make()


def changed(entry: registry.Entry) -> st.SearchStrategy[object]:
    """A preset with some of its numbers changed and, inside it, another preset."""
    own = {f.name: getattr(entry.target, f.name) for f in fields(entry.target)}
    numeric = [name for name, value in own.items() if isinstance(value, float)]
    inside = [name for name in own if name == "inner"]
    values: dict[str, st.SearchStrategy[object]] = {n: st.sampled_from((0.5, 2.0)) for n in numeric}
    for name in inside:
        holds = type(own[name])
        same = [e.target for e in registry.entries(entry.kind) if type(e.target) is holds]
        values[name] = st.sampled_from(same)
    return st.fixed_dictionaries({}, optional=values).map(lambda x: made(entry, x))


def made(entry: registry.Entry, values: dict[str, object]) -> object:
    try:
        return entry.make(**values)
    except ValueError:  # a number out of the preset's own range
        return entry.target


PRESETS = st.one_of(*[changed(e) for k in PARSERS for e in registry.entries(k)])


@given(PRESETS)
def test_round_trip_of_changed_presets(thing: object) -> None:
    read = PARSERS["estimator" if isinstance(thing, toyrl.Estimator) else "objective"]
    text = to_expression(thing)
    note(text)
    assert read(text) == thing
    assert repr(thing) == text


@given(st.lists(st.sampled_from(registry.entries("objective")), min_size=2, max_size=4))
def test_objectives_add(entries: list[registry.Entry]) -> None:
    text = " + ".join(f"{e.name}()" for e in entries)
    total = toyrl.parse_objective(text)
    assert total == Total(tuple(e.target for e in entries))
    assert toyrl.parse_objective(repr(total)) == total


def test_nested_estimators_are_read() -> None:
    inner = registry.get("estimator", "grpo_population").target
    got = toyrl.parse_estimator("averaged(inner=grpo_population(), weights={'a': 1, 'b': 0.5})")
    assert (got.inner, got.weights) == (inner, {"a": 1, "b": 0.5})
    assert repr(got) == "averaged(inner=grpo_population(), weights={'a': 1, 'b': 0.5})"


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("estimator", "averaged(inner=3)", "averaged(inner=...) is an estimator, not 3"),
        ("estimator", "grpo(eps=rloo())", "grpo(eps=...) is no estimator"),
        ("estimator", "laser", "no estimator is called 'laser'; it is a shaper"),
        ("estimator", "averaged(weights={1: 'a'})", "a mapping is written"),
        ("objective", "grpo() - kl_k3()", "objectives are added only"),
        ("objective", "3", "this is 3, not an objective; write for example dapo()"),
        ("objective", "gspoo", "no objective is called 'gspoo'; did you mean gspo"),
    ],
)
def test_other_kinds_are_refused_with_a_remedy(kind: str, text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        PARSERS[kind](text)
    assert message in str(caught.value)


PLAIN = GroupEstimator()


@dataclass(frozen=True)
class Narrow(Estimator):
    """Holds estimators of one class."""

    inner: GroupEstimator = PLAIN


def test_a_field_of_one_class_says_which_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    known = replace(registry.get("estimator", "averaged"), name="narrow", loaded=Narrow())
    monkeypatch.setitem(registry._entries, ("estimator", "narrow"), known)
    with pytest.raises(ExpressionError, match="is one of dr_grpo, grpo,"):
        toyrl.parse_estimator("narrow(inner=dler())")
    assert toyrl.parse_estimator("narrow(inner=rloo())").inner == toyrl.parse_estimator("rloo")


def test_repr_of_what_has_no_expression_shows_its_fields() -> None:
    @dataclass(frozen=True)
    class Own(Shaper):
        scale: float = 2.0

    class Named(Shaper):
        def __repr__(self) -> str:
            return "mine"

    assert repr(Own()).endswith("Own(scale=2.0)")
    assert repr(Named()) == "mine"
    assert repr(Scaled(Outcome(), np.ones(2))).startswith("Scaled(term=outcome(), weight=array(")
    assert repr(Laser(0.3)) == "laser(target=0.3)"


def test_expression_is_what_one_would_write() -> None:
    for text in (
        "outcome() - 0.3*linear_length()",
        "-outcome()",
        "gated(linear_length(unit=1))",
        "crf(s=linear(1, 0, 300))",
        "0.5*sum(terms=(outcome(), kimi()))",
    ):
        assert to_expression(parse(text)) == text


def test_array_weights() -> None:
    assert to_expression(Scaled(Outcome(), np.asarray(0.25))) == "0.25*outcome()"
    with pytest.raises(ValueError, match=r"shape \(2,\) has no expression"):
        to_expression(Scaled(Outcome(), np.ones(2)))


def test_shaper_outside_the_catalogue_has_no_expression() -> None:
    class Own(Shaper):
        pass

    with pytest.raises(ValueError, match="Own is not in the catalogue"):
        to_expression(Own())


def test_json_names_its_schema() -> None:
    assert json.loads(toyrl.to_json(Outcome()))["schema"] == "toyrl.shaper/1"
    with pytest.raises(
        ValueError, match="the text has the schema 'other', which is none of toyrl's"
    ):
        toyrl.from_json('{"schema": "other", "expression": "outcome()"}')
    with pytest.raises(ValueError, match="the text holds a list, not an object"):
        toyrl.from_json("[]")


# -- schedules ------------------------------------------------------------------------------------
def test_schedule_names_are_no_shaper_names() -> None:
    assert not set(SCHEDULES) & {e.name for e in registry.entries("shaper")}


@given(st.floats(-5, 5), st.floats(-5, 5), st.integers(0, 20), st.integers(-3, 30))
def test_schedules(start: float, end: float, steps: int, step: int) -> None:
    """From `start` to `end`, monotone between, constant outside; arrays as numbers."""
    share = 1.0 if steps == 0 else min(max(step / steps, 0.0), 1.0)
    linear, cosine = Linear(start, end, steps), Cosine(start, end, steps)
    assert linear(step) == pytest.approx((1 - share) * start + share * end, abs=1e-14)
    half = (1 - np.cos(np.pi * share)) / 2
    assert cosine(step) == pytest.approx((1 - half) * start + half * end, abs=1e-14)
    assert Step(start, end, steps)(step) == (start if step < steps else end)
    assert Constant(start)(step) == start
    for schedule in (linear, cosine, Step(start, end, steps)):
        assert float(schedule(np.asarray(step))) == pytest.approx(schedule(step), abs=1e-14)
        assert float(schedule(np.float64(step))) == pytest.approx(schedule(step), abs=1e-14)


def test_schedules_under_jit() -> None:
    """The update number and the schedule's own numbers may be traced."""
    import jax

    r = Rollouts(np.array([[1.0, 0.0]]), np.array([[4.0, 8.0]]), 8.0, step=25)
    for text in ("linear(0, 1, 100)", "cosine_anneal(1, 0, 100)", "step_at(0.5, 2, 20)"):
        shaper = parse(f"{text}*linear_length()")
        want = shaper.reward(r)
        with jax.enable_x64(True):
            on_jax = Rollouts(*map(jax.numpy.asarray, (r.correct, r.length)), 8.0, step=25)
            got = jax.jit(lambda s, x: s.reward(x))(shaper, on_jax)
        assert np.asarray(got) == pytest.approx(want, abs=1e-15)


@pytest.mark.slow
def test_shapers_are_pytrees_whenever_jax_is_imported() -> None:
    """Before or after toyrl, and for classes defined later: no registration by the user."""
    code = """
import jax, numpy as np
import toyrl
r = toyrl.Rollouts(jax.numpy.asarray([[1.0, 0.0]]), jax.numpy.asarray([[2.0, 4.0]]), 8.0)
later = toyrl.parse("laser(0.5, linear(0, 1, 2))")
from dataclasses import dataclass
@dataclass(frozen=True)
class Own(toyrl.Shaper):
    scale: float = 2.0
    def parts(self, r, memory):
        return {"own": self.scale * r.correct}
f = jax.jit(lambda s, x: s.reward(x))
print(f(later, r).tolist(), f(Own(3.0), r).tolist())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[[1.0, -0.5]] [[3.0, 0.0]]"
