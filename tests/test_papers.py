"""The papers: one row each, found by number, slug or arXiv number, and named in no second place."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.places import ROOT
from toyrl import registry
from toyrl.experiments import core
from toyrl.papers import FAMILIES, PROVENANCE, cite, paper, papers, works

PACKAGES = ("toyrl", "theory", "llm_bridge", "experiments")
ARXIV = re.compile(r"(?<![\d.])\d{4}\.\d{5}(?![\d])")
SHORT = len("2510.15110")
LONG = 25  # shorter titles ("DAPO", "ReMax") are names of methods, which code may say


def test_the_rows_are_numbered_and_well_formed() -> None:
    rows = papers()
    assert [p.number for p in rows] == [f"{n:02d}" for n in range(59)]
    for p in (*rows, *works()):
        assert p.title == p.title.strip() != ""
        assert p.arxiv is None or re.fullmatch(r"\d{4}\.\d{5}", p.arxiv)
        assert p.provenance in PROVENANCE
        if p.arxiv and p.year:
            assert p.year == 2000 + int(p.arxiv[:2])
    assert all(p.family in FAMILIES for p in rows)
    names = [p.slug for p in (*rows, *works())]
    assert len(names) == len(set(names))
    known = [p.arxiv for p in (*rows, *works()) if p.arxiv]
    assert len(known) == len(set(known))


@pytest.mark.parametrize("name", [5, "5", "05", "laser", "LASER", "2505.15612"])
def test_a_paper_is_found_by_number_slug_and_arxiv(name: str | int) -> None:
    assert paper(name).slug == "laser"


@pytest.mark.parametrize(
    ("name", "said"),
    [("59", "numbers run from 00 to 58"), ("lazer", "05"), ("decoupled reward", "03"), ("", "run")],
)
def test_an_unknown_paper_is_refused_with_near_names(name: str, said: str) -> None:
    with pytest.raises(KeyError, match="no paper is called") as caught:
        paper(name)
    assert said in str(caught.value)


def test_families() -> None:
    assert [p for f in FAMILIES for p in papers(f)] != papers()  # order differs
    assert sorted(p.number for f in FAMILIES for p in papers(f)) == [p.number for p in papers()]
    with pytest.raises(ValueError, match="family='longth' is unknown; choose from estimators"):
        papers("longth")


def test_citations() -> None:
    assert cite("08") == "DLER: Doing Length pEnalty Right (arXiv 2510.15110)"
    assert cite("kl") == "Approximating KL Divergence (Schulman 2020)"
    assert cite("20").endswith("(Jaeger et al. 2025)")
    assert cite("03") == paper("03").title


# -- cited by number everywhere --------------------------------------------------------------------
def test_every_citation_is_known() -> None:
    for e in registry.entries():
        assert e.paper == (cite((*e.works, *e.cards)[0]) if e.works or e.cards else "")
        assert all(paper(n).number == n for n in (*e.cards, *e.works))


def test_an_experiment_stands_in_the_folder_of_its_papers_family() -> None:
    for e in core.load().values():
        if e.card:
            assert e.run.__module__.split(".")[-2] == paper(e.card).family
            assert cite(e.works[0] if e.works else e.card) in e.source


def strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and value of every string that is no docstring, of the length of an arXiv number."""
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = set()
    for node in ast.walk(tree):  # from the outside in: a docstring comes after what it describes
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str) and len(node.value) >= SHORT and id(node) not in docs:
                yield node.lineno, node.value
        elif isinstance(node, holders) and node.body and isinstance(node.body[0], ast.Expr):
            docs.add(id(node.body[0].value))


@cache
def titles() -> list[str]:
    """The long titles; their arXiv numbers are found as any other."""
    found = [re.sub(r" \([^)]*\)$", "", p.title) for p in (*papers(), *works())]
    return [t for t in found if len(t) >= LONG]


def second_places(file: Path) -> list[str]:
    """Strings of a file that hold a title of `toyrl.papers`, or any arXiv number."""
    return [
        f"{file}:{n}: {s[:60]!r}"
        for n, s in strings(ast.parse(file.read_text(encoding="utf-8")))
        if (len(s) >= LONG and any(t in s for t in titles())) or ARXIV.search(s)
    ]


def test_no_title_and_no_arxiv_number_stands_in_a_second_place() -> None:
    files = [f for p in PACKAGES for f in sorted((ROOT / p).rglob("*.py"))]
    assert len(files) > 150
    assert [s for f in files if f.name != "papers.py" for s in second_places(f)] == []


def test_control_a_second_place_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "code.py"
    file.write_text('"""DLER (arXiv 2510.15110)."""\nX = "arXiv " "2510.15110"\n')
    assert [s.split(":")[-2] for s in second_places(file)] == ["2"]
    file.write_text("X = 'a work without a row, arXiv 2510.99999; 0.1234 and 20250.12345'\n")
    assert [s.split(":")[-2] for s in second_places(file)] == ["1"]
    assert second_places(ROOT / "toyrl" / "papers.py") != []
