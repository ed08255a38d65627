"""Worlds and options have ranges: every one of them, in and out, when built, called and read."""

from __future__ import annotations

import inspect
import math
import re
from dataclasses import MISSING, fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from toyrl import ranges
from toyrl.bridge.training.settings import RunSettings
from toyrl.dynamics.bandit import softmax
from toyrl.dynamics.chain import sampled
from toyrl.dynamics.chain.loss import LossOptions
from toyrl.dynamics.chain.prior import PriorRanges
from toyrl.experiments import api
from toyrl.experiments.amounts import Amounts, refuse_outside
from toyrl.experiments.cli.app import app
from toyrl.experiments.errors import UsageError
from toyrl.experiments.transfer.call import transfer
from toyrl.experiments.transfer.options import ALLOWED, OPTIONS, run_options
from toyrl.experiments.validate.options import Options, settings_of
from toyrl.experiments.validate.settings import Settings
from toyrl.messages import shortened
from toyrl.testing.strategies import inside, outside
from toyrl.worlds.chain.latents import declared as latents
from toyrl.worlds.chain.latents.base import Answers, JudgeNoise, Mode, StepScores, Style
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.mdp.random import corridor, garnet, gridworld, random_mdp
from toyrl.worlds.text.problems import make_problem
from toyrl.worlds.tree.build import complete_tree, random_tree

BUILT: dict[str, Any] = {
    kind.__module__.rpartition(".")[2] + "." + kind.__name__: kind()
    for kind in (
        Chain, Style, Answers, JudgeNoise, Mode, StepScores, latents.Conciseness,
        latents.LengthMode, latents.Work, latents.StepLevels, latents.Progress, latents.TokenLevels,
        latents.PhaseLevels, latents.Thoughts,
        PriorRanges, LossOptions, softmax.Recipe, sampled.Recipe, RunSettings,
    )
}  # fmt: skip
"""Worlds, their latents and the settings of training in them."""
RNG = np.random.default_rng(0)
CALLED: dict[Any, dict[str, Any]] = {
    random_mdp: {"rng": RNG, "n_states": 3, "n_actions": 2},
    garnet: {"rng": RNG, "n_states": 3, "n_actions": 2},
    corridor: {"n_states": 3},
    gridworld: {"rows": ["S.G"]},
    complete_tree: {"logits": [0.0, 1.0], "height": 2},
    random_tree: {"rng": RNG, "height": 2},
    make_problem: {"difficulty": 2, "seed": 3},
}
FIELDS = [(name, field) for name, it in BUILT.items() for field in ranges.said(it)]
PARAMETERS = [(f, name) for f in CALLED for name in ranges.said(inspect.unwrap(f))]
TOGETHER = {
    *(("model.Chain", n) for n in ("difficulties", "shares", "actions", "depth")),
    ("base.Style", "phrases"),
    *(("prior.PriorRanges", n) for n in ranges.said(PriorRanges) if n not in ("updates", "depth")),
    *(("settings.RunSettings", n) for n in ("completions", "group_size")),
}
"""Fields that are held against other ones too."""
FREE = {"estimator", "objective", "reference", "law"}  # no numbers, or a law of several


def numbers(kind: type) -> set[str]:
    """Fields of a class that are numbers, words or flags by their annotation."""
    plain = r"\b(int|float|bool|str)\b"
    return {f.name for f in fields(kind) if re.search(plain, str(f.type)) and f.name not in FREE}


def test_every_number_of_a_world_and_of_a_run_says_its_range():
    for name, it in BUILT.items():
        assert numbers(type(it)) == set(ranges.said(it)), name
        ranges.check_fields(it)


def test_every_number_that_a_builder_takes_says_its_range():
    free = {"rng", "rows", "logits", "end", "seed"}  # seed: any number, mixed into one
    for function, given_ in CALLED.items():
        named = set(inspect.signature(function).parameters) - free - {"reward"}
        assert named <= set(ranges.said(inspect.unwrap(function))), function
        assert function(**given_) is not None


@given(st.data())
def test_worlds_take_what_is_in_range_and_refuse_what_is_not(data: st.DataObject):
    name, field = data.draw(st.sampled_from(FIELDS))
    it = BUILT[name]
    allowed = ranges.said(it)[field]
    if (name, field) not in TOGETHER:
        good = data.draw(inside(allowed))
        assert getattr(replace(it, **{field: good}), field) == good
    bad = data.draw(outside(allowed))
    with pytest.raises(ValueError, match=re.escape(f"{field}={shortened(bad)} is not {allowed}")):
        replace(it, **{field: bad})


@given(st.data())
def test_builders_refuse_what_is_out_of_range(data: st.DataObject):
    function, name = data.draw(st.sampled_from(PARAMETERS))
    allowed = ranges.said(inspect.unwrap(function))[name]
    bad = data.draw(outside(allowed))
    said = f"{inspect.unwrap(function).__name__}: {name}={shortened(bad)} is not {allowed}"
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        function(**{**CALLED[function], name: bad})


@pytest.mark.parametrize(("function", "name"), PARAMETERS, ids=lambda x: getattr(x, "__name__", x))
def test_builders_take_both_ends(function, name):
    allowed = ranges.said(inspect.unwrap(function))[name]
    if not allowed.interval or name in ("limit", "discount"):
        return
    low, high, left, right = allowed.ends
    ends = [low] * left + [high] * (right and math.isfinite(high))
    for end in ends:
        assert function(**{**CALLED[function], name: int(end) if allowed.whole else end})


def test_pairs_of_the_prior_are_low_and_high():
    with pytest.raises(ValueError, match=r"slip=\(0\.2, 0\.1\) must be \(low, high\)"):
        PriorRanges(slip=(0.2, 0.1))
    with pytest.raises(ValueError, match=r"must be \(low, high\)"):
        PriorRanges(success=(0.2,))


def test_a_discount_of_1_is_refused_where_nothing_ends():
    with pytest.raises(ValueError, match=r"discount=1.0 is not a number in \[0, 1\); without a t"):
        random_mdp(np.random.default_rng(0), 3, 2, discount=1.0)


def test_scores_of_steps_are_scores():
    with pytest.raises(ValueError, match=r"law\['STEP'\]=\(2.0, 0.1\) is not a tuple, each entry"):
        StepScores(law={"STEP": (2.0, 0.1)})


# -- options --------------------------------------------------------------------------------------
def test_every_option_of_validate_that_is_a_number_says_its_range():
    free = {"estimator", "aggregation", "model", "answer_mark", "text_parameter", "notes", "env",
            "only", "skip", "columns", "steps"}  # read by a reader of their own  # fmt: skip
    assert numbers(Settings) - free == set(ranges.said(Settings))
    assert set(ranges.said(Settings)) <= set(Options.__annotations__)
    for name, allowed in ranges.said(Settings).items():
        default = next(f.default for f in fields(Settings) if f.name == name)
        assert default is not MISSING
        assert allowed.allows(default), name


@given(st.data())
def test_settings_take_what_is_in_range_and_refuse_what_is_not(data: st.DataObject):
    name, allowed = data.draw(st.sampled_from(list(ranges.said(Settings).items())))
    if name not in ("max_completion_length", "typical_length"):  # held against each other
        good = data.draw(inside(allowed))
        assert getattr(settings_of(None, {name: good}), name) == getattr(
            Settings(**({} if good is None else {name: good})), name
        )
    bad = data.draw(outside(allowed))
    assume(bad is not None)  # an option that isn't given
    assume(not (allowed.interval and isinstance(bad, str)))
    with pytest.raises(UsageError, match=name):
        settings_of(None, {name: bad})


@given(st.data())
def test_other_commands_options(data: st.DataObject):
    name, allowed = data.draw(st.sampled_from(list(ranges.said(Amounts).items())))
    refuse_outside(**{name: data.draw(inside(allowed))})
    bad = data.draw(outside(allowed))
    with pytest.raises(UsageError, match=re.escape(f"{name}={shortened(bad)} is not {allowed}")):
        refuse_outside(**{name: bad})


@given(st.data())
def test_options_of_a_run_are_refused_by_the_name_they_were_given_by(data: st.DataObject):
    name, allowed = data.draw(st.sampled_from(list(ALLOWED.items())))
    good, bad = data.draw(inside(allowed)), data.draw(outside(allowed))
    assume(good is not None and bad is not None)
    assert run_options({name: good}) == {OPTIONS[name]: good}
    with pytest.raises(UsageError, match=re.escape(f"{name}={shortened(bad)} is not {allowed}")):
        run_options({name: bad})


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: api.validate("outcome()", worlds=0), "worlds=0 is not a whole number >= 1"),
        (lambda: api.validate("outcome()", worlds=True), "worlds=True is not a whole number"),
        (lambda: api.compare("outcome()", "laser()", worlds=1.5), "worlds=1.5 is not a whole"),
        (lambda: api.reproduce("03", seed=-1), "seed=-1 is not a whole number in [0, 9e18]"),
        (lambda: transfer("outcome()", seeds=0), "seeds=0 is not a whole number >= 1"),
        (lambda: transfer("outcome()", kl=math.nan), "kl=nan is not a finite number > 0"),
        (lambda: transfer("outcome()", warm_up=-1), "warm_up=-1 is not a whole number in [0"),
        (lambda: transfer("outcome()", workers=0), "workers=0 is not a whole number in [1"),
        (lambda: transfer("outcome()", beta=-1), "beta=-1 is not a number in [0, 1e6]"),
        (lambda: api.distance("own", env="FrozenLake-v1", discount=2), "discount=2 is not"),
        (lambda: api.distance("own", env="FrozenLake-v1", top=-1), "top=-1 is not a whole"),
        (lambda: api.scaling("log.jsonl", seed=-1), "seed=-1 is not a whole number in [0"),
        (lambda: api.scaling("log.jsonl", level=2.0), "level=2.0 is not a number in (0, 1)"),
        (lambda: api.export("outcome()", "trl", group_size=1), "group_size=1 is not a whole"),
        (
            lambda: api.export("outcome()", "trl", max_completion_length=0),
            "length=0 is not a",
        ),
    ],
)
def test_python_and_command_refuse_before_any_work(call, says):
    with pytest.raises(UsageError) as caught:
        call()
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("validate", {n: r for n, r in ranges.said(Settings).items() if r.interval}),
        ("transfer", {n: r for n, r in ALLOWED.items() if r.interval}),
        ("transfer", {n: ranges.said(Amounts)[n] for n in ("seeds", "kl", "warm_up", "workers")}),
        ("reproduce", {"seed": ranges.said(Amounts)["seed"]}),
        ("export", {n: ranges.said(Amounts)[n] for n in ("max_completion_length", "group_size")}),
        ("distance", {n: ranges.said(Amounts)[n] for n in ("discount", "top", "seed")}),
        (
            "scaling",
            {n: ranges.said(Amounts)[n] for n in ("samples", "temperature", "level", "seed")},
        ),
    ],
)
def test_the_help_says_what_is_allowed(command, named, capsys):
    app([command, "--help"])
    text = re.sub(r"[│\s]+", " ", capsys.readouterr().out)
    for name, allowed in named.items():
        start = text.index(f"--{name.replace('_', '-')} ")
        assert f"Allowed: {'each ' * allowed.many}{allowed.one}." in text[start : start + 400], name
