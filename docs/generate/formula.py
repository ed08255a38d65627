"""Formula blocks of the theory pages: one text that readers see and a test evaluates.

```formula
code: toyrl.theory.group.variance.omega      the function that computes it
call: omega(p, G)                            how it is called
is: sqrt(...) * sum(... for k in range(1, G))   the formula, a Python expression
where: {q: 1 - p}                            abbreviations, set below the formula
at:                                          points at which both are evaluated
  - {p: 0.3, G: 8}
cost: O(G)
bias: exact
source: derived
```
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import yaml

from docs.generate.mathml import definition, to_mathml
from docs.generate.modules import ROOT

BLOCK = re.compile(r"^```formula\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
LABELS = ("cost", "bias", "source")
FUNCTIONS = {
    "sqrt": np.sqrt,
    "log": np.log,
    "exp": np.exp,
    "erf": math.erf,
    "normal_quantile": NormalDist().inv_cdf,
    "cos": np.cos,
    "arccos": np.arccos,
    "ceil": math.ceil,
    "comb": math.comb,
    "prod": math.prod,
    "abs": abs,
    "sum": sum,
    "max": max,
    "min": min,
    "range": range,
    "len": len,
    "inf": math.inf,
}


@dataclass(frozen=True)
class Formula:
    """One block; `call` and `formula` are Python expressions over the names of a point."""

    code: str
    call: str
    formula: str
    at: tuple[Mapping[str, Any], ...]
    cost: str
    bias: str
    source: str
    where: Mapping[str, str] = field(default_factory=dict)
    show: str = ""

    def evaluate(self, point: Mapping[str, Any]) -> Any:
        """The formula's value at a point."""
        return eval(self.formula, {"__builtins__": {}, **self._names(point)})  # our own pages

    def computed(self, point: Mapping[str, Any]) -> Any:
        """What the function named by `code` answers there."""
        module = importlib.import_module(self.code.rpartition(".")[0])
        values = {k: v for k, v in self._names(point).items() if k not in FUNCTIONS}
        names = {**vars(module), "np": np, **values}
        return eval(self.call, names)  # our own pages

    def _names(self, point: Mapping[str, Any]) -> dict[str, Any]:
        names: dict[str, Any] = dict(FUNCTIONS)
        for name, value in point.items():
            names[name] = np.array(value, dtype=float) if isinstance(value, list) else value
        for name, text in self.where.items():
            # One dictionary for globals, since the inside of a generator sees no locals.
            names[name] = eval(text, {"__builtins__": {}, **names})  # our own pages
        return names


def read(text: str) -> Formula:
    """The block's YAML as a formula. Raises ValueError for a missing or unknown entry."""
    data = yaml.safe_load(text)
    needed = {"code", "call", "is", "at", *LABELS}
    wrong = (needed - set(data)) | (set(data) - needed - {"where", "show"})
    if wrong:
        of = data.get("code", text[:40])
        msg = f"formula of {of!r}: {', '.join(sorted(wrong))} missing or unknown"
        raise ValueError(msg)
    return Formula(
        data["code"],
        data["call"],
        data["is"],
        tuple(data["at"]),
        *(data[name] for name in LABELS),
        where=data.get("where") or {},
        show=data.get("show", ""),
    )


def formulas(page: Path) -> list[Formula]:
    """All formula blocks of a page."""
    return [read(m[1]) for m in BLOCK.finditer(page.read_text(encoding="utf-8"))]


def theory_pages() -> list[Path]:
    """The pages with formulas."""
    return sorted((ROOT / "docs" / "theory").glob("*.md"))


def rendered(markdown: str) -> str:
    """The page with each block as MathML and a line of facts."""
    count = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return _html(read(match[1]), count)

    return BLOCK.sub(replace, markdown)


def _html(f: Formula, number: int) -> str:
    left = f.show or f.call
    shown = f"{to_mathml(left)}<mo>{'⟺' if _is_condition(f.formula) else '='}</mo>"
    lines = [_math(shown + to_mathml(f.formula))]
    lines += [
        _math(definition(name, text))
        for name, text in f.where.items()
        if not text.startswith("range(")
    ]
    facts = [f"[`{f.code}`][{f.code}]", f"**cost** {f.cost}", f"**bias** {f.bias}"]
    facts.append(f"**source** {f.source}")
    return (
        f'<div class="formula" id="eq-{number}"><div class="set">{"".join(lines)}</div>'
        f'<span class="number">({number})</span></div>\n\n' + " · ".join(facts) + "\n{ .facts }\n"
    )


def _is_condition(text: str) -> bool:
    return bool(re.search(r"[<>]", text))


def _math(inside: str) -> str:
    return f'<math display="block"><mrow>{inside}</mrow></math>'
