"""The Python of README and of the pages on worlds runs as it stands."""

from __future__ import annotations

import functools
import re

import pytest

import toyrl
from tests.places import ROOT


def python_of(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_there_is_a_quick_start():
    [code] = python_of("README.md")
    assert "toyrl.validate(" in code
    assert '.save("report.html")' in code


@pytest.mark.slow
def test_the_quick_start_runs(tmp_path, monkeypatch, capsys):
    """As it stands, but for fewer texts and runs: what it calls and reads is the subject."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(toyrl, "validate", functools.partial(toyrl.validate, quick=True))
    [code] = python_of("README.md")
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    report = names["report"]
    assert report.verdict in ("RISKY", "UNSAFE")
    assert report.settings["group_size"] == 4
    assert (tmp_path / "report.html").is_file()
    assert capsys.readouterr() == ("", "")


def test_the_page_on_tabular_processes_runs(capsys):
    [code] = python_of("docs/worlds/mdp.md")
    exec(compile(code, "docs/worlds/mdp.md", "exec"), {})
    value, same, walk, steps = capsys.readouterr().out.splitlines()
    assert value.split(", ")[0].split(": ")[1] == same.split(": ")[1]
    assert float(walk.split()[-1]) < float(same.split()[-1])
    assert 0 < float(steps.split()[-1]) < 20  # 1 / (1 - 0.95)


def test_the_page_on_prefix_trees_runs(capsys):
    [code] = python_of("docs/worlds/tree.md")
    exec(compile(code, "docs/worlds/tree.md", "exec"), {})
    after, waiting, ratio = capsys.readouterr().out.splitlines()
    # 2 of the 7 texts that begin so are right: s = sqrt(2 * 5/7 / 6), over sqrt(7)
    assert after == f"after 2*3=6: {2 / 7:.2f} +- {(10 / 7 / 6 / 7) ** 0.5:.2f}"
    assert waiting.endswith(f"{1 - 2 / 7:+.2f}")
    assert 0 < float(ratio.split()[-1]) < 1


def test_the_page_on_loops_of_ones_own_runs(capsys):
    first, jax, torch = python_of("docs/loop.md")
    names: dict[str, object] = {}
    exec(compile(first, "docs/loop.md", "exec"), names)
    paid = names["paid"]
    assert paid.tolist() == [[1 - 0.3 * 120 / 512, 0, 1 - 0.3 * 80 / 512, 0]]  # type: ignore[attr-defined]
    for code in (jax, torch):
        exec(compile(code, "docs/loop.md", "exec"), names)
    assert names["weights"].shape == (1, 2)  # type: ignore[attr-defined]
    assert capsys.readouterr().out
