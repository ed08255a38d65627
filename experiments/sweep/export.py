"""The reward at a weight, as a line that writes it for a trainer, and the settings published."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from toyrl import registry
from toyrl.experiments.sweep.plan import Plan
from toyrl.experiments.sweep.reward import Given, nodes
from toyrl.experiments.validate.collapse.variants import Formulas
from toyrl.expressions import to_expression
from toyrl.papers import cite
from toyrl.shapers.base import Shaper
from toyrl.shapers.compose import Scaled, Sum
from toyrl.shapers.outcome import Outcome


def line(plan: Plan, given: Given, name: str, value: float) -> str:
    """What writes the reward with the strength axis `name` at a value.

    A catalogue reward becomes `toyrl export`; of a user's own code it is said what to pay.
    """
    value = rounded(value)
    if name == "weight":
        shaper = weighted(given, value)
    elif name.startswith("reward."):
        shaper = given.changed({name: value}).law.shaper
    else:
        return f"{name} = {value:.4g} in the trainer's settings"
    try:
        expression = to_expression(shaper)
    except ValueError:
        return f"pay {_formula(given, value)}" if name == "weight" else ""
    limit = int(plan.base["limit"])
    own = "" if plan.estimator == "grpo" else f" --estimator {plan.estimator}"
    return f'toyrl export "{expression}" --to trl --max-completion-length {limit}{own}'


def rounded(value: float) -> float:
    """Three digits, towards 0, so that a weight stays on the good side."""
    if value == 0 or not math.isfinite(value):
        return value
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 2)
    return float(f"{math.trunc(value / unit + 1e-9 * math.copysign(1, value)) * unit:.3g}")


def weighted(given: Given, weight: float) -> Shaper:
    """The catalogue shaper that pays `given` at a weight, correctness and its terms summed up."""
    extra = 1.0 if given.auxiliary and not given.group else (1 - weight) * given.gap
    total: dict[Shaper, float] = {}
    for shaper, factor in [(Outcome(), extra), *_terms(given.law.shaper, weight)]:
        total[shaper] = total.get(shaper, 0.0) + factor
    kept = [(s, float(f"{f:.6g}")) for s, f in total.items() if abs(f) > 1e-9]
    parts = [s if f == 1 else Scaled(s, f) for s, f in kept]
    return parts[0] if len(parts) == 1 else Sum(tuple(parts))


def _terms(shaper: Shaper, factor: float) -> Iterator[tuple[Shaper, float]]:
    """The terms of sums and of numbers times terms, each with its factor."""
    if isinstance(shaper, Sum):
        for term in shaper.terms:
            yield from _terms(term, factor)
    elif isinstance(shaper, Scaled) and isinstance(shaper.weight, (int, float)):
        yield from _terms(shaper.term, factor * float(shaper.weight))
    else:
        yield shaper, factor


def _formula(given: Given, weight: float) -> str:
    base = 1.0 if given.auxiliary else given.gap
    return Formulas(base, 0.0 if given.auxiliary else given.gap).light(round(weight, 4))


def published(plan: Plan, given: Given) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """Settings to mark: the reward as given, and what the papers of its terms used.

    A term at the catalogue's numbers is as its paper has it, as those are the published ones.
    """
    names = [a.name for a in plan.axes]
    out: list[tuple[str, Mapping[str, Any]]] = []
    own = {n: _own(given, n) for n in names if n.startswith("reward.")}
    if "weight" in names or own:
        out.append((_credit(given) or "as given", {"weight": 1.0, **own}))
    return tuple(out)


def _own(given: Given, name: str) -> Any:
    """A field's value in the reward as given."""
    from toyrl.experiments.sweep.reward import term_name

    term, _, field = name.removeprefix("reward.").rpartition(".")
    hits = (getattr(n, field) for _, n in nodes(given.law.shaper)
            if term_name(n) == term and hasattr(n, field))  # fmt: skip
    return next(hits, None)


def _credit(given: Given) -> str:
    """ "as published (...)" where a term of a paper stands as the catalogue has it; else ""."""
    for term, factor in _terms(given.law.shaper, 1.0):
        if factor != 1 or isinstance(term, Outcome) or not _as_catalogued(term):
            continue
        for entry in registry.entries("shaper"):
            if entry.cards and entry.loaded is type(term):
                title = cite(entry.cards[0])
                return f"as published ({title[:40]}{'...' * (len(title) > 40)})"
    return ""


def _as_catalogued(node: Shaper) -> bool:
    try:
        return node == type(node)()
    except TypeError:  # it has no numbers of its own
        return False
