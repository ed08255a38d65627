"""Pages by question: verdicts, glossary, gallery. What comes later has to be told there too."""

from __future__ import annotations

import re
import shlex

import pytest

from docs.generate import gallery, glossary, hook
from tests.docs.test_site import CONFIG
from tests.places import ROOT
from toyrl.experiments.cli.app import OPTIONS, app
from toyrl.experiments.core import Curve, Picture, Result
from toyrl.experiments.explain import find, words
from toyrl.experiments.validate.findings import VERDICTS

DOCS = ROOT / "docs"


def test_every_verdict_has_its_row_and_its_explanation():
    rows = re.findall(r"^\| ([A-Z ]+?) \|", (DOCS / "verdicts.md").read_text(), re.MULTILINE)
    assert set(rows) == set(VERDICTS) == {e.name for e in words.OF_VERDICTS}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_of_every_command_is_explained(name):
    explained = (app[name].default_command.__doc__ or "").partition("----------\n")[2]
    assert set(re.findall(r"^(\w+)\n +\S", explained, re.MULTILINE)) == set(OPTIONS[name])


def test_every_word_is_in_the_glossary_and_links_to_it_hold():
    page = glossary.page()
    anchors = {glossary.anchor(h) for h in re.findall(r"^## (.+)$", page, re.MULTILINE)}
    assert anchors == {glossary.anchor(e.name) for e in words.TERMS}
    titles = [e.name.lower() for e in words.TERMS]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Collapses in worlds; 7 slow ones.", ["collapse", "world", "slow ones"]),
        ("AUC 0.9 of auc, 3 nats, groups", ["AUC", "nats", "group"]),
        ("worldly, group_size, sub-group, --group", []),
    ],
)
def test_terms_are_found_as_whole_words(text, found):
    assert [e.name for e in find.terms_in(text)] == found


def test_every_kept_picture_is_in_the_gallery_with_a_command_that_is_one():
    pictures = {p.name for p in (DOCS / "images").iterdir()}
    assert pictures == set(gallery.KEPT)
    for _, command in gallery.KEPT.values():
        first, *rest = shlex.split(command)
        if first == "toyrl":
            app.parse_args(rest, exit_on_error=False, print_error=False)
        else:
            assert (first, rest[0]) == ("python", "-m")
            assert (ROOT / f"{rest[1].replace('.', '/')}.py").is_file()


def test_pictures_of_claims_are_in_the_gallery():
    picture = Picture("bend", "A bend", "x", "y", (Curve("k", [0, 1], [0, 1]),))
    page = gallery.page({"13": Result((), (picture,))})
    assert "![A bend](papers/images/13-bend.svg)" in page
    assert "    toyrl reproduce 13 --smoke --out results" in page


def test_the_pages_by_question_are_first_and_search_is_on():
    paths = hook._paths(CONFIG["nav"])
    assert paths[:4] == ["index.md", "questions.md", "world.md", "verdicts.md"]
    assert "search" in CONFIG["plugins"]
    assert {"search.suggest", "search.highlight"} <= set(CONFIG["theme"]["features"])
    asked = (DOCS / "questions.md").read_text()
    for page in ("rollouts.md", "choosing.md", "estimators.md", "findings.md", "glossary.md"):
        assert f"]({page})" in asked
