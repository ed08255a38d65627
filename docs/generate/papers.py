"""A page a paper: what of it is in the code, what its experiment checks, how its runs fared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from docs.generate.modules import folders
from docs.generate.text import escaped

ESTABLISHED = {
    "code": "taken from released code",
    "text": "taken from the paper's text",
    "second-hand": "taken from another paper's or project's account of it",
    "reconstructed": "reconstructed, since the source leaves something open",
    "derived": "derived here",
}


def pages() -> dict[str, str]:
    """Path under docs/ -> Markdown, the index first; only papers that have code."""
    cards = by_card()
    out = {"papers/index.md": _index(cards)}
    out.update({f"papers/{card}.md": _page(card, rows) for card, rows in cards.items()})
    return out


def by_card() -> dict[str, dict[str, list[Any]]]:
    """Number -> what it has: entries of the catalogue, experiments, settings of the ledger."""
    from toyrl import registry
    from toyrl.experiments import core
    from toyrl.experiments.backtest import ledger
    from toyrl.experiments.commands import catalogue

    catalogue.rows("theorem")  # registers the theorems
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
        found[s.paper.card]["settings"].append(s)
    return dict(
        sorted(
            (c, rows)
            for c, rows in found.items()
            if rows["entries"] or rows["experiments"] or rows["settings"]
        )
    )


def title(card: str, rows: dict[str, list[Any]]) -> str:
    """The paper's title, from whoever names it."""
    if card == "00":
        return "Group-relative policy gradients: definitions of the field"
    named = [s.paper.title for s in rows["settings"]]
    named += [e.paper for e in rows["entries"] if e.paper and e.cards[0] == card]
    named += [x.source for x in rows["experiments"]]
    named += [e.paper for e in rows["entries"] if e.paper]
    return named[0]


def families() -> dict[str, list[str]]:
    """Folder of `toyrl.experiments.papers` -> numbers of the papers whose experiment lies there."""
    from toyrl.experiments import core

    found: dict[str, set[str]] = defaultdict(set)
    for x in core.load().values():
        if x.card:
            found[x.run.__module__.split(".")[-2]].add(x.card)
    return {family: sorted(cards) for family, cards in sorted(found.items())}


def _index(cards: dict[str, dict[str, list[Any]]]) -> str:
    lines = [
        "# Papers",
        "",
        "Papers with code in toyrl, made from the catalogue (`toyrl list`), the experiments and "
        "the ledger. Numbers are those of `toyrl reproduce` and of the ledger.",
        "",
        "| number | paper | catalogue | experiments | ledger |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for card, rows in cards.items():
        counts = " | ".join(str(len(rows[k]) or "") for k in ("entries", "experiments", "settings"))
        lines.append(f"| {card} | [{escaped(title(card, rows))}]({card}.md) | {counts} |")
    lines += ["", "## By family", ""]
    for family, inside in families().items():
        links = ", ".join(f"[{card}]({card}.md)" for card in inside)
        lines.append(f"- **{family}** (`toyrl.experiments.papers.{family}`): {links}")
    return "\n".join(lines) + "\n"


def _page(card: str, rows: dict[str, list[Any]]) -> str:
    name = title(card, rows)
    lines = [
        f'---\ntitle: "{card} {name.split(":")[0].split(" (")[0]}"\n---',
        "",
        f"# {card}. {escaped(name)}",
        "",
    ]
    lines += _entries(rows["entries"])
    for x in rows["experiments"]:
        lines += _experiment(x)
    lines += _ledger(rows["settings"])
    return "\n".join(lines) + "\n"


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
            lines.append(f"| {kind} | {_link(e)} | {escaped(e.summary)} | {sure} |")
    return [*lines, ""]


def _link(e: Any) -> str:
    """The entry's name, linked to where its formula stands."""
    target = e.target
    owner = target if isinstance(target, type) or hasattr(target, "__qualname__") else type(target)
    known = {m.name for f in folders() for m in f.modules}
    if owner.__module__ in known and not owner.__name__.startswith("_"):
        return f"[`{e.name}`][{owner.__module__}.{owner.__qualname__}]"
    return f"`{e.name}`"


def _experiment(x: Any) -> list[str]:
    lines = [
        f"## Experiment {x.id}",
        "",
        f"    toyrl reproduce {x.id}",
        "",
        f"**Claim.** {escaped(x.claim)}",
        "",
        f"**Source.** {escaped(x.source)}; {ESTABLISHED[x.provenance]}.",
        "",
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
