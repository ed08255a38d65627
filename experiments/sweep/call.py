"""`sweep` as a Python function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from toyrl.experiments.amounts import refuse_outside
from toyrl.experiments.errors import UsageError
from toyrl.experiments.sweep import boundary
from toyrl.experiments.sweep.axes import Axis, axes_of, resolved
from toyrl.experiments.sweep.engines import LOCAL, refuse_engine
from toyrl.experiments.sweep.export import line, published
from toyrl.experiments.sweep.parameters import BEHAVIOUR, CHAIN, PARAMETERS, WORLDS
from toyrl.experiments.sweep.plan import MOST, Plan
from toyrl.experiments.sweep.result import Sweep
from toyrl.experiments.sweep.reward import Given, given, reward_fields
from toyrl.experiments.sweep.run import Engine, run
from toyrl.experiments.validate.settings import LIMIT, refuse_estimator
from toyrl.messages import shortened
from toyrl.ranges import Range, declared
from toyrl.rewards.specs import name_of

DRAWS = {CHAIN: 1, BEHAVIOUR: 16}
"""Worlds of a cell, where nothing is said."""


def sweep(
    *rewards: Any,
    over: str | Sequence[str] | Mapping[str, Any],
    at: str | Sequence[str] | Mapping[str, Any] = (),
    out: str | Path | None = None,
    model: str = "auto",
    worlds: int | None = None,
    estimator: str = "grpo",
    judge_noise: str | Path | None = None,
    refine: bool = False,
    engine: str = LOCAL,
    workers: int = 1,
    ray_address: str | None = None,
    seed: int = 0,
    progress: bool | Callable[[int, int, int], None] = False,
    command: str = "",
) -> Sweep:
    """At which weight, on which prompts, under which optimiser does a reward turn bad?

    rewards : each as for `validate`; several are added
    over : axes, "weight=0:2:64" (START:STOP:COUNT, log:START:STOP:COUNT, or A,B,C) or
        {name: text, sequence or array}. Names: `toyrl.experiments.sweep.parameters`, fields of
        the reward ("alpha", "laser.target") and of the estimator ("normalisation", "estimator.eps")
    at : parameters that all cells share, "ability=0.6" or {name: value}
    out : folder that keeps finished cells, to go on with after a stop, and the answer
    model : "chain" (exact worlds), "behaviour" (the forecast's), or "auto": behaviour where it
        knows every parameter that is named
    worlds : of each cell [default: 1 of the chain, 16 of behaviours]
    judge_noise : file of a judge's errors, whose verdicts stand for labels (toyrl audit-judge)
    refine : train a coarse grid and then only cells along the boundary
    engine : "local", `workers` processes here, or "ray", on the cluster at `ray_address`
    progress : True shows a bar on standard error; or f(cells done, of how many, there before)

    Raises UsageError for what can't be used, MissingExtra for ray without the extra sweep,
    WriteError where a cell can't be kept.
    """
    from toyrl.experiments.commands.output import refuse_closed

    refuse_outside(workers=workers, seed=seed, worlds=1 if worlds is None else worlds)
    refuse_engine(engine, ray_address)
    refuse_estimator(estimator)
    if not rewards:
        msg = "reward is missing; name a file.py:function, a catalogue expression, or several"
        raise UsageError(msg)
    told = [over] if isinstance(over, str) else over
    shared = [at] if isinstance(at, str) else at
    if not told:
        axes_of([], {})  # says what is missing
    limit = _limit(shared)
    own = given(rewards, limit, judge_noise)
    plan = _plan(own, told, shared, model, worlds, estimator, seed, refine)
    if out is not None:
        refuse_closed("out", Path(out))
    from toyrl.experiments.sweep.progress import shown

    with nullcontext(progress) if callable(progress) else shown(bool(progress), own.name) as moved:
        found = run(plan, own, None if out is None else Path(out),
                    Engine(engine, workers, ray_address), moved)  # fmt: skip
    axis = boundary.strength(plan)
    name = "" if axis is None else plan.axes[axis].name
    call = command or f"toyrl.sweep({', '.join(map(repr, rewards))}, over={told!r})"
    found = replace(found, command=call, published=published(plan, own),
                    exported=partial(line, plan, own, name))  # fmt: skip
    if out is not None:
        from toyrl.experiments.sweep.files import write_all

        write_all(found, Path(out))
    return found


def _limit(shared: Any) -> int:
    """The completion limit that is told for all cells."""
    for name, value in _pairs(shared):
        if resolved(name, {name: Range("(-inf, inf)")}) == "limit":
            return int(axes_of({"limit": value}, {})[0].values[0])
    return LIMIT


def _pairs(shared: Any) -> list[tuple[str, Any]]:
    if isinstance(shared, Mapping):
        return list(shared.items())
    out = []
    for text in shared:
        name, sign, value = str(text).partition("=")
        if not sign or not value.strip():
            msg = f"at={shortened(text)} is no setting; write NAME=VALUE"
            raise UsageError(msg)
        out.append((name.strip(), value.strip()))
    return out


def _plan(
    own: Given, told: Any, shared: Any, model: str, draws: int | None, estimator: str, seed: int,
    refine: bool,
) -> Plan:  # fmt: skip
    fields = {**reward_fields(own.law.shaper), **estimator_fields(estimator)}
    axes = axes_of(told, fields)
    values = _shared(shared, fields)
    both = next((a.name for a in axes if a.name in values), None)
    if both is not None:
        msg = f"at={both!r} is an axis too; leave one of them out"
        raise UsageError(msg)
    names = [*(a.name for a in axes), *values]
    kind = _kind(model, names)
    plan = Plan(
        own.name, tuple(name_of(s) for s in own.specs), axes, kind, draws or DRAWS[kind], values,
        estimator, seed, refine, own.files,
    )  # fmt: skip
    if plan.size > MOST:
        msg = f"over has {plan.size:,} cells; at most {MOST:,}: take fewer values, or --refine"
        raise UsageError(msg)
    for axis in axes:
        if axis.name == "estimator":
            for value in axis.values:
                refuse_estimator(value)
    return plan


def _shared(shared: Any, fields: Mapping[str, Range]) -> dict[str, Any]:
    out = {}
    for name, value in _pairs(shared):
        one: Axis = axes_of({name: value}, fields)[0]
        if len(one.values) != 1:
            msg = f"at={name} has {len(one.values)} values; an axis goes into over"
            raise UsageError(msg)
        out[one.name] = one.values[0]
    return out


def _kind(model: str, names: Sequence[str]) -> str:
    """In which worlds all parameters are known."""
    if model not in ("auto", *WORLDS):
        msg = f"model={shortened(model)} is none; it is one of auto, {', '.join(WORLDS)}"
        raise UsageError(msg)
    only = {w: [n for n in names if n in PARAMETERS and w not in PARAMETERS[n].worlds]
            for w in WORLDS}  # fmt: skip
    if model == "auto":
        model = BEHAVIOUR if not only[BEHAVIOUR] else CHAIN
        if only[model]:
            msg = (
                f"over: {', '.join(only[BEHAVIOUR])} is known to worlds of the chain alone, "
                f"{', '.join(only[CHAIN])} to those of behaviours; take one of them"
            )
            raise UsageError(msg)
    elif only[model]:
        msg = f"model={model!r} doesn't know {', '.join(only[model])}; leave model out"
        raise UsageError(msg)
    return model


def estimator_fields(name: str) -> dict[str, Range]:
    """`estimator` and its own fields, `estimator.FIELD` -> what they may be."""
    from toyrl import registry
    from toyrl.expressions import parse_estimator

    made = declared(type(parse_estimator(name)))
    known = tuple(e.name for e in registry.entries("estimator"))
    return {"estimator": Range(words=known), **{f"estimator.{k}": r for k, (r, _) in made.items()}}
