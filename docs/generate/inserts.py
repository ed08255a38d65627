"""What a page takes from the project instead of repeating it.

<!-- ledger: 05-laser-4096 08-dler-7b -->      rows of the ledger, as last computed
<!-- catalogue: shaper -->                      every entry of a kind
<!-- board: rules behaviour -->                 scores of forecasters, as last computed
<!-- length: equal thinking -->                 a table of length-pareto for one base, as last run
<!-- phase: maps -->                            where every form turns, as last run
<!-- prior: behaviour -->                       ranges of the behaviour worlds, with sources
<!-- structure: table -->                       how the code is laid out, before and now
<!-- code: toyrl/shapers/judge/trust.py trust_weight -->   a function or class as it stands
paper 13                                        a link to the paper's page
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable

from docs.generate import length, papers, phase_maps
from docs.generate.modules import ROOT
from docs.generate.text import escaped

MARK = re.compile(r"^<!-- (\w+): (.*?) -->$", re.MULTILINE)
# Links to files of the project that are no pages: their text stays.
OUTSIDE = (
    re.compile(r"\[([^\]\n]+)\]\(\.\./[^)\s]+\)"),
    re.compile(r"\[([^\]\n]+)\]\(\.\./\.\./[^)\s]+\)"),
)
CITED = re.compile(r"(?<![\[`\w])paper (\d\d)\b(?!\])")


def filled(markdown: str, depth: int) -> str:
    """A page, `depth` folders below docs/, with its marks replaced and papers linked.

    Raises KeyError for a name that does not exist.
    """
    inside = OUTSIDE[min(depth, 1)].sub(r"\1", markdown)
    return linked(MARK.sub(lambda m: KINDS[m[1]](*m[2].split()), inside), depth)


def linked(markdown: str, depth: int) -> str:
    """The same text with "paper 13" as a link, but in code and for papers without a page."""
    up = "../" * depth
    known = papers.by_card()
    parts = re.split(r"(^(?:```.*?^```|    .*?)$|`[^`\n]*`)", markdown, flags=re.M | re.S)
    return "".join(
        part if i % 2 else CITED.sub(lambda m: _linked(m[1], up, known), part)
        for i, part in enumerate(parts)
    )


def _linked(card: str, up: str, known: dict[str, object]) -> str:
    return f"[paper {card}]({up}papers/{card}.md)" if card in known else f"paper {card}"


def _ledger(*ids: str) -> str:
    from toyrl.experiments.backtest import ledger

    settings = {s.id: s for s in ledger.SETTINGS}
    kept = ledger.load(ROOT / "docs" / "ledger.json")
    lines = [
        "| published run | outcome | verdict | worlds that collapse |",
        "| --- | --- | --- | ---: |",
    ]
    for name in ids:
        s, run = settings[name], kept[name].run
        worlds = f"{run.collapsed} of {run.worlds}" if run.worlds else "-"
        told = f"{escaped(s.what)} (paper {s.id.partition('-')[0]})"
        lines.append(f"| {told} | {s.outcome}: {escaped(s.published)} | {run.verdict} | {worlds} |")
    return "\n".join(lines)


def _catalogue(kind: str) -> str:
    from toyrl import registry

    lines = [
        "| name | what it pays | reads | looks at | from |",
        "| --- | --- | --- | --- | --- |",
    ]
    for e in registry.entries(kind):
        reads = ", ".join(f"`{n}`" for n in e.target.needs) or "what its parts read"
        cards = ", ".join(f"paper {c}" for c in e.cards)
        row = (papers.link(e), escaped(e.summary), reads, f"one {e.target.scope}", cards)
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def _code(path: str, name: str) -> str:
    text = (ROOT / path).read_text(encoding="utf-8")
    found = next((n for n in ast.parse(text).body if getattr(n, "name", None) == name), None)
    if found is None:
        msg = f"{path} defines no {name!r}"
        raise KeyError(msg)
    assert isinstance(found, (ast.FunctionDef, ast.ClassDef))
    first = min([found.lineno, *(d.lineno for d in found.decorator_list)])
    code = "\n".join(text.splitlines()[first - 1 : found.end_lineno])
    return f'```python title="{path}"\n{code}\n```'


def _board(*names: str) -> str:
    import json

    board = json.loads((ROOT / "docs" / "results" / "scoreboard.json").read_text(encoding="utf-8"))
    lines = []
    for study in board["studies"]:
        lines += [
            f"**{study['name']}**\n",
            "| forecaster | AUC | Brier | hits | contrasts | length |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for name in names:
            if name not in study["forecasters"]:  # the board is older than the forecaster
                lines.append(f"| `{name}` | not on the stored board | | | | |")
                continue
            s = study["forecasters"][name]["scores"]
            lines.append(
                f"| `{name}` | {_number(s['auc'])} | {_number(s['brier'], 3)} | "
                f"{s['hits']} of {s['runs']} | {s['ordered']:g} of {s['contrasts']} | "
                f"{_number(s['log_length'])} |"
            )
        lines.append("")
    return "\n".join(lines)


def _structure(_: str) -> str:
    from docs.generate import structure

    return structure.table()


def _number(x: float | str, digits: int = 2) -> str:
    """A score as the board stores it: a number, or the word "NaN"."""
    value = float(x)
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def _prior(_: str) -> str:
    from toyrl.worlds.behaviour import prior

    heads, rows = prior.table()
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join('---' for _ in heads)} |"]
    lines += [f"| {' | '.join((f'`{r[0]}`', *map(escaped, r[1:])))} |" for r in rows]
    return "\n".join(lines)


KINDS: dict[str, Callable[..., str]] = {
    "ledger": _ledger,
    "catalogue": _catalogue,
    "code": _code,
    "prior": _prior,
    "board": _board,
    "length": length.rows,
    "phase": phase_maps.rows,
    "structure": _structure,
    "report": lambda _: "",  # what follows is written by docs.generate.task_reports
}
