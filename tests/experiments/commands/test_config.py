"""Options from `[tool.toyrl]` and the environment: what is typed wins, unknown ones are refused."""

from __future__ import annotations

import pytest

from toyrl.experiments.cli import main

LINE = ["validate", "outcome()", "--quick", "--quiet"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Writes [tool.toyrl.validate] lines into a project that the test then stands in, below."""
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")

    def write(text: str) -> None:
        (tmp_path / "pyproject.toml").write_text(text)

    return write


def test_the_project_file_sets_an_option_and_the_environment_is_nearer(
    project, monkeypatch, capsys
):
    project("[tool.toyrl.validate]\ngroup-size = 1\n")
    assert main(LINE) == 2
    assert "--group-size=1 is not" in capsys.readouterr().err
    monkeypatch.setenv("TOYRL_VALIDATE_GROUP_SIZE", "0")
    assert main(LINE) == 2
    assert "--group-size=0 is not" in capsys.readouterr().err
    assert main([*LINE, "--group-size", "-1"]) == 2
    assert "--group-size=-1 is not" in capsys.readouterr().err


def test_an_unknown_option_of_the_file_is_refused_by_name(project, capsys):
    project("[tool.toyrl.validate]\ngruop-size = 4\n")
    assert main(LINE) == 2
    assert "gruop-size" in capsys.readouterr().err


def test_another_tools_file_is_left_alone_and_a_broken_one_is_named(project, capsys):
    project("[tool.other]\nx = 1\n")
    assert main(["explain", "RISKY"]) == 0
    project("broken [\n")
    assert main(["explain", "RISKY"]) == 2
    assert "pyproject.toml" in capsys.readouterr().err
