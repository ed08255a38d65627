"""`toyrl list`: the catalogue, searched and as JSON."""

from __future__ import annotations

import json

from tests.experiments.commands.command import call


def test_list_shows_the_catalogue(capsys):
    code, out, _ = call(capsys, "list", "--kind", "estimator")
    assert code == 0
    assert "estimator (" in out
    assert "grpo_verl" in out


def test_list_json(capsys):
    from toyrl import registry

    code, out, _ = call(capsys, "list", "--json", "--kind", "shaper")
    data = json.loads(out)
    assert code == 0
    assert data["schema"] == "toyrl.list/2"
    listed = {e["name"]: e for e in data["entries"]}
    assert sorted(listed) == [e.name for e in registry.entries("shaper")]
    assert set(listed["laser"]) == {
        "name",
        "kind",
        "family",
        "summary",
        "formula",
        "path",
        "fields",
        "ranges",
        "cards",
        "works",
        "paper",
        "section",
        "provenance",
    }
    assert listed["laser"]["path"] == "toyrl.shapers.length.truncation:Laser"
    assert listed["laser"]["fields"]["target"] == "0.5"
    assert listed["laser"]["ranges"]["alpha"] == "a finite number >= 0, or a schedule"
    assert listed["sum"]["ranges"] == {}
    assert [e["family"] for e in data["entries"]] == sorted(e["family"] for e in data["entries"])


def names(capsys, *words):
    """The names that `toyrl list` finds."""
    code, out, _ = call(capsys, "list", "--json", *words)
    assert code == 0
    return {e["name"] for e in json.loads(out)["entries"]}


def test_list_searches_names_summaries_and_titles(capsys):
    assert {"laser", "kimi", "01", "crf_variance"} <= names(capsys, "length")
    assert names(capsys, "diffusion") == names(capsys, "--paper", "40") >= {"prdp", "40"}
    assert names(capsys, "LASER", "--kind", "experiment") == {"05", "05-table"}
    assert names(capsys, "group", "variance", "--kind", "theorem") >= {"gradient_variance"}


def test_list_by_paper(capsys):
    of_laser = names(capsys, "--paper", "05")
    assert {"laser", "truncation", "kimi"} <= of_laser
    assert of_laser == names(capsys, "--paper", "laser") == names(capsys, "--paper", "2505.15612")
    assert names(capsys, "--paper", "dapo") == {"overlong", "dynamics"}


def test_list_groups_by_family(capsys):
    _, out, _ = call(capsys, "list", "--kind", "estimator")
    lines = [line.strip() for line in out.splitlines()]
    places = [lines.index(family) for family in ("estimators", "length", "preference", "tasks")]
    assert places == sorted(places)
    assert "general" in call(capsys, "list", "gated")[1]


def test_many_entries_have_a_line_each(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = call(capsys, "list", "length")
    lines = out.splitlines()
    (line,) = [x for x in lines if x.startswith("efficient_reasoning ")]
    assert line.rstrip().endswith(" 05,04")
    assert "…" in line
    listed = len(names(capsys, "length"))
    assert lines[-1] == f"{listed} entries, a line each; `toyrl show NAME` says all about one."
    assert len(lines) < listed + 60
    _, few, _ = call(capsys, "list", "--paper", "03")
    assert "Eq. 7" in few
