"""A page a paper: what of it is in the code, what its experiment checks, how its runs fared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from docs.generate import evidence
from docs.generate.modules import folders
from docs.generate.text import escaped

TABLE = (
    "| number | paper | year | catalogue | experiments | published runs |",
    "| --- | --- | --- | ---: | ---: | ---: |",
)
ESTABLISHED = {
    "code": "taken from released code",
    "text": "taken from the paper's text",
    "second-hand": "taken from another paper's or project's account of it",
    "reconstructed": "reconstructed, since the source leaves something open",
    "derived": "derived here",
}


def pages(results: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Path under docs/ -> Markdown, the index first; only papers that have code.

    results : experiment id -> its result, shown with its curves (None: what must fail, no numbers)
    """
    cards = by_card()
    out = {"papers/index.md": _index(cards)}
    shown = results or {}
    out.update({f"papers/{card}.md": _page(card, rows, shown) for card, rows in cards.items()})
    return out


@cache
def by_card() -> dict[str, dict[str, list[Any]]]:
    """Number -> what it has: entries of the catalogue, experiments, settings of the ledger."""
    from toyrl import registry
    from toyrl.experiments import core
    from toyrl.experiments.backtest import ledger

    found: dict[str, dict[str, list[Any]]] = defaultdict(
        lambda: {"entries": [], "experiments": [], "settings": []}
    )
    for e in registry.entries():
        for card in e.cards:
            found[card]["entries"].append(e)
    for x in core.load().values():
        if x.card:
            found[x.card]["experiments"].append(x)
    for s in ledger.SETTINGS:
        found[s.id.partition("-")[0]]["settings"].append(s)
    return dict(sorted(found.items()))


def _index(cards: dict[str, dict[str, list[Any]]]) -> str:
    from toyrl import papers

    lines = [
        "# Papers",
        "",
        f"The {len(cards)} of {len(papers.papers())} papers that have code here, made from the "
        "catalogue (`toyrl list`), the experiments and the ledger. The number is the one that "
        "`toyrl reproduce` takes and that every page and docstring cites.",
    ]
    for family in papers.FAMILIES:
        inside = [p for p in papers.papers(family) if p.number in cards]
        if inside:
            lines += ["", f"## {family.capitalize()}", "", *TABLE]
            lines += [_row(p, cards[p.number]) for p in inside]
    return "\n".join(lines) + "\n"


def _row(paper: Any, rows: dict[str, list[Any]]) -> str:
    counts = [str(len(rows[k]) or "") for k in ("entries", "experiments", "settings")]
    name = f"[{escaped(paper.title)}]({paper.number}.md)"
    return f"| {' | '.join((paper.number, name, str(paper.year or ''), *counts))} |"


def _page(card: str, rows: dict[str, list[Any]], results: Mapping[str, Any]) -> str:
    from toyrl import papers

    paper = papers.paper(card)
    short = escaped(paper.title.split(":")[0])
    facts = [
        paper.authors,
        f"arXiv {paper.arxiv}" if paper.arxiv else "",
        str(paper.year or ""),
        f"family {paper.family}",
        f"formulas {ESTABLISHED[paper.provenance]}",
        paper.note,
    ]
    lines = [
        "---",
        f"title: '{card} {short.replace(chr(39), chr(39) * 2)}'",
        "---",
        "",
        f"# {card}. {escaped(paper.title)}",
        "",
        _sentence("; ".join(escaped(f) for f in facts if f)),
        "",
    ]
    lines += _entries(rows["entries"])
    for x in rows["experiments"]:
        lines += _experiment(x, results.get(x.id))
    lines += _ledger(rows["settings"])
    return "\n".join(lines) + "\n"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}."


def _entries(entries: Iterable[Any]) -> list[str]:
    kinds: dict[str, list[Any]] = defaultdict(list)
    for e in entries:
        kinds[e.kind].append(e)
    if not kinds:
        return ["No shaper, estimator or theorem of its own yet; the ledger has its runs.", ""]
    lines = [
        "## In the catalogue",
        "",
        "| kind | name | what it does | how sure |",
        "| --- | --- | --- | --- |",
    ]
    for kind, some in sorted(kinds.items()):
        for e in some:
            sure = ESTABLISHED[e.provenance] + (f" ({escaped(e.section)})" if e.section else "")
            said = escaped(e.summary) + (f"<br>`{e.formula}`" if e.formula else "")
            lines.append(f"| {kind} | {link(e)} | {said} | {sure} |")
    return [*lines, ""]


def link(e: Any) -> str:
    """The entry's name, linked to where its formula stands."""
    module, _, name = e.path.partition(":")
    if module in _known() and name and not name.startswith("_"):
        return f"[`{e.name}`][{module}.{name}]"
    return f"`{e.name}`"


@cache
def _known() -> frozenset[str]:
    """Modules that the reference shows."""
    return frozenset(m.name for f in folders() for m in f.modules)


def _experiment(x: Any, result: Any | None) -> list[str]:
    found = evidence.shown(x, result) if result else []
    lines = [
        f"## Experiment {x.id}",
        "",
        f"    toyrl reproduce {x.id}",
        "",
        f"**Claim.** {escaped(x.claim)}",
        "",
        f"**Source.** {escaped(x.source)}; {ESTABLISHED[x.provenance]}.",
        "",
        *found,
        "Each row is a deliberately broken argument and the checks that it has to break:",
        "",
        "| broken | must fail |",
        "| --- | --- |",
    ]
    for m in x.mutants:
        broken = ", ".join(f"`{b}`" for b in m.breaks)
        lines.append(f"| {escaped(m.name)} | {broken} |")
    return [*lines, ""]


def _ledger(settings: Iterable[Any]) -> list[str]:
    from docs.generate.modules import ROOT
    from toyrl.experiments.backtest import ledger

    kept = ledger.load(ROOT / "docs" / "ledger.json")
    rows = [(s, kept.get(s.id)) for s in settings]
    if not rows:
        return []
    lines = [
        "## Published runs",
        "",
        "What `toyrl validate` says about runs of the paper, from [the ledger](../ledger.md).",
        "",
        "| run | published | outcome | verdict | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for s, e in rows:
        verdict, grade = (e.run.verdict, e.grade) if e else ("not run", "")
        lines.append(
            f"| {escaped(s.what)} | {escaped(s.published)} | {s.outcome} | {verdict} | {grade} |"
        )
    why = [f"- {escaped(e.why)}" for _, e in rows if e and e.grade == "miss" and e.why]
    return [*lines, "", *(["What we think explains the misses:", "", *why, ""] if why else [])]
