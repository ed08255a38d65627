"""The pages that are made while the site is built. The build itself is `make docs`."""

from __future__ import annotations

import re

import pytest
import yaml

from docs.generate import (
    api,
    evidence,
    formula,
    gridworld,
    hook,
    inserts,
    offline,
    papers,
    selection,
    text,
    token_tree,
)
from docs.generate.modules import ROOT
from toyrl.experiments import core
from toyrl.experiments.core import Check, Curve, Picture, Result
from toyrl.papers import paper


class Loader(yaml.SafeLoader):
    """MkDocs' configuration without its Python tags."""


CONFIG = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)
HAND_WRITTEN = sorted((ROOT / "docs").rglob("*.md"))


def test_the_navigation_names_pages_that_exist():
    """Pages that it leaves out are shown under "More"."""
    written = {p.relative_to(ROOT / "docs").as_posix() for p in HAND_WRITTEN}
    assert set(hook._paths(CONFIG["nav"])) <= written


def test_links_out_of_the_site_keep_their_text():
    assert inserts.filled("[list.json](../toyrl/list.json)", 0) == "list.json"
    assert inserts.filled("[group](../theory/group.md)", 1) == "[group](../theory/group.md)"


def test_the_picture_of_tabular_processes_is_what_its_command_draws():
    assert gridworld.PICTURE.read_text(encoding="utf-8") == gridworld.svg()
    assert (ROOT / "docs/worlds/mdp.md").read_text(encoding="utf-8").count(
        str(gridworld.ROWS[2])
    ) == 1


def test_the_picture_of_prefix_trees_is_what_its_command_draws():
    assert token_tree.PICTURE.read_text(encoding="utf-8") == token_tree.svg()
    page = (ROOT / "docs/worlds/tree.md").read_text(encoding="utf-8")
    for written, (count, reward) in token_tree.TEXTS.items():
        assert f'"{written}": ({count}, {reward}),' in page


def test_warnings_are_errors_and_nothing_is_fetched():
    assert CONFIG["strict"] is True
    assert CONFIG["theme"]["font"] is False
    assert "offline" in CONFIG["plugins"]


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ('<script src="https://unpkg.com/x"></script>', ["https://unpkg.com/x"]),
        ("<img alt=a src=//cdn.net/a.png>", ["//cdn.net/a.png"]),
        ('<link rel="stylesheet" href="https://f.com/a.css">', ["https://f.com/a.css"]),
        ("@font-face { src: url(https://f.com/a.woff2) }", ["https://f.com/a.woff2"]),
        ('<a href="https://arxiv.org/abs/1">paper</a>', []),
        ('<script src="../assets/a.js"></script>', []),
    ],
)
def test_what_a_browser_would_fetch(page, found):
    assert offline.fetched(page) == found


def test_a_site_with_a_network_address_is_refused(tmp_path):
    (tmp_path / "index.html").write_text('<script src="https://x.org/a.js"></script>')
    with pytest.raises(RuntimeError, match=r"index.html: https://x.org/a.js"):
        offline.check(tmp_path)


def test_papers_with_code_have_a_page_that_names_what_they_have():
    pages = papers.pages()
    for card, rows in papers.by_card().items():
        page = pages[f"papers/{card}.md"]
        assert f"[{text.escaped(paper(card).title)}]({card}.md)" in pages["papers/index.md"]
        for e in rows["entries"]:
            assert f"`{e.name}`" in page
        for x in rows["experiments"]:
            assert f"toyrl reproduce {x.id}" in page
            assert all(f"`{name}`" in page for m in x.mutants for name in m.breaks)
        for s in rows["settings"]:
            assert text.escaped(s.published) in page


def test_what_an_experiment_found_stands_on_its_papers_page():
    picture = Picture("bend", "A bend", "x", "y", (Curve("k", [0, 1], [0, 1]),), caption="Why.")
    broken = core.load()["13"].mutants[0].breaks[0]
    checks = (
        Check(broken, 1.5, 1.0, "~", tolerance=0.1, routes=("sum", "sample")),
        Check("never broken", 2.0, 1.0, ">", why_one_route="a definition"),
        Check("a picture's data", 2.0, 1.0, ">", claim=False),
    )
    results = {"13": Result(checks, (picture,))}
    page = papers.pages(results)["papers/13.md"]
    assert "![A bend](images/13-bend.svg)" in page
    assert evidence.images(results)["papers/images/13-bend.svg"].startswith("<svg xmlns")
    rows = [line for line in page.splitlines() if line.startswith(f"| {broken} |")]
    assert "1.5 **does not hold** | 1 ± 0.1 | sum, sample" in rows[0]
    assert f"| never broken | 2 | {text.escaped('> 1')} | a definition | **unproven** |" in page
    assert page.count("| support |") == 1


def test_pages_of_papers_and_code_point_at_what_is_on_a_page():
    known = {f"{m.name}" for f in (api.top_modules(), *api.folders()) for m in f.modules}
    pages = {**papers.pages(), **{p.name: inserts.filled(p.read_text(), 0) for p in HAND_WRITTEN}}
    for name, page in pages.items():
        for target in re.findall(r"\]\[(toyrl[\w.]+)\]", page):
            assert target in known or target.rpartition(".")[0] in known, f"{name}: {target}"


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("see paper 13.", "see [paper 13](../papers/13.md)."),
        ("`paper 13` and [paper 13](x)", "`paper 13` and [paper 13](x)"),
        ("paper 99", "paper 99"),
        ("```\npaper 13\n```", "```\npaper 13\n```"),
    ],
)
def test_papers_are_linked_by_number(given, made):
    assert inserts.filled(given, 1) == made


def test_an_insert_that_does_not_exist_is_an_error():
    with pytest.raises(KeyError, match="defines no 'nothing'"):
        inserts.filled("<!-- code: toyrl/stats.py nothing -->", 0)
    with pytest.raises(KeyError):
        inserts.filled("<!-- ledger: no-such-run -->", 0)


def test_code_is_inserted_as_it_stands():
    shown = inserts.filled("<!-- code: toyrl/shapers/judge/trust.py trust_weight -->", 0)
    source = (ROOT / "toyrl/shapers/judge/trust.py").read_text(encoding="utf-8")
    body = shown.split("\n", 1)[1].rsplit("\n", 1)[0]
    assert body.startswith("def trust_weight(")
    assert body in source


def test_a_formula_block_with_a_misspelt_entry_is_refused():
    with pytest.raises(ValueError, match="soruce"):
        formula.read("code: a.b\ncall: b()\nis: '1'\nat: []\ncost: x\nbias: y\nsoruce: z\n")


@pytest.mark.parametrize(
    ("plain", "markdown"),
    [
        ("x : (B, K) numbers", "- `x`: (B, K) numbers"),
        ("a : (K,); b, c : two", "- `a`: (K,)\n- `b, c`: two"),
        ("Formulas: docs/theory/length.md.", "Formulas: [theory/length](../theory/length.md)."),
        ("a, b : two\n    more of it", "- `a, b`: two\n    more of it"),
        ("The f* of [a, b] < 3", r"The f\* of \[a, b\] \< 3"),
        ("`a*b` stays", "`a*b` stays"),
        ("so\n\n    x * y\n", "so\n\n    x * y"),
        ("Parameters\n----------", "**Parameters**"),
    ],
)
def test_docstrings_as_markdown(plain, markdown):
    assert text.to_markdown(plain) == markdown


@pytest.mark.slow
def test_the_curves_of_the_selection_page_are_those_of_its_functions():
    """Equal but for a tenth of a pixel, which another processor may round otherwise."""
    number = re.compile(r"-?\d+\.\d+")
    page = (ROOT / "docs" / "theory" / "selection.md").read_text(encoding="utf-8")
    drawn = selection.svgs()
    assert len(drawn) == len(selection.WANTED)
    for path, made in drawn.items():
        assert f"../images/{path.name}" in page
        kept = path.read_text(encoding="utf-8")
        assert number.sub("#", kept) == number.sub("#", made)
        pairs = zip(number.findall(kept), number.findall(made), strict=True)
        assert max(abs(float(a) - float(b)) for a, b in pairs) < 0.11
