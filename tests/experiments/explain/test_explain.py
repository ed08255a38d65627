"""Every finding that the code can emit is explained, every verdict too; names are found."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from docs.generate import findings as page
from tests.places import ROOT
from toyrl.experiments.cli import main
from toyrl.experiments.errors import UsageError
from toyrl.experiments.explain import find
from toyrl.experiments.explain.entry import Explained
from toyrl.experiments.validate.findings import VERDICTS
from toyrl.experiments.validate.hacks.section import MUTANTS

SOURCES = ROOT / "experiments" / "validate"
STAND_IN = "anything"
"""In the place of what an f-string fills in."""
NAME = re.compile(
    r"(own|contract|hacks|signal|collapse|order|selection|terms|verdict)/[a-z][a-z/-]+"
)
FILLED = {
    f"hacks/{STAND_IN}": "hacks/inside-a-number",
    f"contract/{STAND_IN}": "contract/thread",
    f"{STAND_IN}/{STAND_IN}": "own/order",
    f"{STAND_IN}/not-run": "hacks/not-run",
    "own/logged": "own/logged/order",
}
"""Names that are filled in whole, each with one that comes out."""


def names_in_code() -> Iterator[str]:
    """Names of findings, as constants, as f-strings, and as section 0's helper is given them."""
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and NAME.fullmatch(str(node.value)):
                yield str(node.value)
            if isinstance(node, ast.Call):
                yield from _called(node)


def _called(node: ast.Call) -> Iterator[str]:
    called = getattr(node.func, "id", "")
    if called == "Finding" and isinstance(node.args[1], ast.JoinedStr):
        parts = node.args[1].values
        yield "".join(str(p.value) if isinstance(p, ast.Constant) else STAND_IN for p in parts)
    if called == "finding" and isinstance(node.args[0], ast.Constant):
        yield from (f"{prefix}/{node.args[0].value}" for prefix in ("own", "own/logged"))


def test_every_finding_in_the_code_is_explained():
    seen = set(names_in_code())
    assert len(seen) > 75
    for name in sorted(seen):
        assert find.explained(FILLED.get(name, name)).do, name


def test_every_verdict_and_every_exploit_is_explained():
    for verdict in VERDICTS:
        assert find.explained(verdict).name == verdict
    for mutant in MUTANTS:
        if not mutant.truth:
            assert mutant.family in find.hacks.FAMILIES
            assert find.explained(f"hacks/{mutant.name}").name == f"hacks/{mutant.name}"


def test_names_are_unique_and_texts_are_sentences():
    names = [e.name for e in find.every()]
    assert len(names) == len(set(names))
    for e in find.every():
        for part in (e.means, e.matters, e.do):
            assert part[0].isupper() or part[0] in "-`*", (e.name, part)
            assert part.endswith((".", "?")), (e.name, part)


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("risky", "RISKY"),
        ("probability", "collapse/probability"),
        ("contract/hostile-power-tower", "contract/hostile-*"),
        ("own/logged/upside-down", "own/logged/*"),
        ("signal/not-run", "*/not-run"),
    ],
)
def test_a_name_is_found_as_it_is_printed(asked, name):
    assert find.explained(asked).name == name


def test_an_unknown_name_is_answered_with_near_ones(capsys):
    with pytest.raises(UsageError, match="did you mean hacks/near"):
        find.explained("hack/near")
    assert main(["explain", "xyzzy"]) == 2
    assert "lists all" in capsys.readouterr().err


def test_the_command_and_the_page_say_the_same(capsys):
    assert main(["explain", "hacks/price"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    entry = find.explained("hacks/price")
    assert all(part in said for part in (entry.means, entry.matters, entry.do))
    assert entry.matters in page.page()
    assert main(["explain"]) == 0
    assert capsys.readouterr().out.count("\n  ") == len(find.every())


def test_a_finding_that_nobody_explained_fails():
    """The guard itself: a name of no entry is refused."""
    known = {e.name for e in find.every() if isinstance(e, Explained)}
    assert "contract/new-check" not in known
    with pytest.raises(UsageError):
        find.explained("contract/new-check")
