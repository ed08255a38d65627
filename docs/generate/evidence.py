"""What the experiments find at their quick configuration: checks and curves for a paper's page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docs.generate.text import escaped


def smokes() -> dict[str, Any]:
    """Experiment id -> the result of its quick configuration, seed 0; about a second each."""
    from toyrl.experiments import core

    return {name: e.run(**{**e.smoke, "seed": 0}) for name, e in core.load().items()}


def images(results: Mapping[str, Any]) -> dict[str, str]:
    """Path under docs/ -> SVG of every picture."""
    from toyrl.experiments.render.svg.pictures import svg

    return {
        _path(x, p): svg(p, name=f"{x}-{p.name}", standalone=True)
        for x, result in results.items()
        for p in result.pictures
    }


def shown(experiment: Any, result: Any) -> list[str]:
    """Markdown of one experiment: its pictures, and its checks with what breaks each."""
    lines: list[str] = []
    for p in result.pictures:
        lines += [f"![{escaped(p.title)}]({_path(experiment.id, p).removeprefix('papers/')})", ""]
        lines += [escaped(p.caption), ""] if p.caption else []
    lines += [
        f"Found by its quick configuration (`toyrl reproduce {experiment.id} --smoke`):",
        "",
        "| check | found | asked | routes | broken by |",
        "| --- | ---: | ---: | --- | --- |",
    ]
    return [*lines, *(_row(c, experiment.mutants) for c in result.checks), ""]


def _row(check: Any, mutants: Any) -> str:
    from toyrl.experiments.render.text import number

    found = number(check.value) + ("" if check.holds else " **does not hold**")
    if check.op == "~":
        asked = f"{number(check.bound)} ± {number(check.tolerance)}"
    else:
        asked = f"{check.op} {number(check.bound)}"
    routes = escaped(", ".join(check.routes) or check.why_one_route)
    by = escaped("; ".join(m.name for m in mutants if check.name in m.breaks))
    by = by or ("**unproven**" if check.claim else "support")
    return f"| {escaped(check.name)} | {found} | {escaped(asked)} | {routes} | {by} |"


def _path(experiment: str, picture: Any) -> str:
    return f"papers/images/{experiment}-{picture.name}.svg"
