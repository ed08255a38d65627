"""The line that installs what is missing works where this toyrl came from."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest

from toyrl import extras


def test_from_a_checkout_it_names_the_folder(monkeypatch, tmp_path):
    root = Path(extras.__file__).resolve().parents[1]
    monkeypatch.chdir(tmp_path)
    assert extras.install("gym") == f"pip install -e '{root}[gym]'"
    monkeypatch.chdir(root)
    assert extras.install() == "pip install -e '.[llm]'"


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (
            {"url": "https://x.org/toyrl", "vcs_info": {"vcs": "git"}},
            "pip install 'toyrl[llm] @ git+https://x.org/toyrl'",
        ),
        ({"url": "file:///a/b.whl"}, "pip install 'toyrl[llm] @ file:///a/b.whl'"),
        ({}, "pip install 'toyrl[llm]'"),
    ],
)
def test_from_elsewhere_it_names_the_address(monkeypatch, tmp_path, told, line):
    class Distribution:
        def read_text(self, name):
            return json.dumps(told) if name == "direct_url.json" and told else None

    monkeypatch.setattr(extras, "__file__", str(tmp_path / "site-packages/toyrl/extras.py"))
    monkeypatch.setattr(metadata, "distribution", lambda _: Distribution())
    assert extras.install() == line


@pytest.mark.parametrize(
    ("module", "extra"), [("torch.nn", "llm"), ("sqlglot", "tasks"), ("ribs.archives", "search")]
)
def test_the_extra_that_brings_the_module_is_named(monkeypatch, module, extra):
    monkeypatch.chdir(Path(extras.__file__).resolve().parents[1])
    with (
        pytest.raises(extras.MissingExtra, match=rf"a grader needs .*\.\[{extra}\]'"),
        extras.needed_by("a grader"),
    ):
        raise ModuleNotFoundError(name=module)
    with pytest.raises(ModuleNotFoundError, match="other"), extras.needed_by("a grader"):
        raise ModuleNotFoundError("other", name="other")
