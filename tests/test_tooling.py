"""The project as a package: contracts between packages, pins, pages that point at what exists."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from docs.generate import findings, gallery, glossary
from tests.places import ROOT

PACKAGES = ("toyrl", "theory", "llm_bridge", "experiments")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TEXTS = (".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".j2", ".css", ".json", ".jsonl", "")


def own_files() -> list[Path]:
    folders = (*PACKAGES, "tests", "benchmarks", "docs", "examples", ".ci", ".github")
    files = [p for f in folders for p in (ROOT / f).rglob("*") if "__pycache__" not in p.parts]
    files += [
        p
        for p in ROOT.iterdir()
        if p.name in ("Makefile", "constraints.txt") or p.suffix in (".md", ".toml", ".yaml")
    ]
    return [p for p in files if p.is_file() and p.suffix in TEXTS]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {normal(name): version for name, version in pairs}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("importlinter")
    command = [
        sys.executable,
        "-c",
        "import sys; from importlinter.cli import lint_imports; "
        "sys.exit(lint_imports(is_debug_mode=False))",
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_packages_import_only_what_they_may():
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


LINKS = {"theory": "theory", "bridge": "llm_bridge", "experiments": "experiments"}


def skeleton(place: Path) -> None:
    """The project's settings over empty modules, in the same folders behind the same links."""
    shutil.copy(ROOT / "pyproject.toml", place)
    (place / "toyrl").mkdir()
    for link, folder in LINKS.items():
        (place / folder).mkdir()
        (place / folder / "__init__.py").touch()
        (place / "toyrl" / link).symlink_to(f"../{folder}", target_is_directory=True)
    for entry in (ROOT / "toyrl").iterdir():
        if entry.is_dir() and not entry.is_symlink() and not entry.name.startswith("__"):
            (place / "toyrl" / entry.name).mkdir()
            (place / "toyrl" / entry.name / "__init__.py").touch()
        elif entry.suffix == ".py":
            (place / "toyrl" / entry.name).touch()


@pytest.mark.parametrize(
    ("importer", "imported"),
    [("stats", "theory"), ("theory", "experiments"), ("bridge", "theory"), ("worlds", "bridge")],
)
def test_the_import_contract_can_fail(tmp_path, importer, imported):
    """The control: the same contracts over a copy with one import against the layers."""
    skeleton(tmp_path)
    assert lint_imports(tmp_path).returncode == 0
    place = tmp_path / "toyrl" / importer
    module = place / "bad.py" if place.is_dir() else place.with_suffix(".py")
    module.write_text(f"import toyrl.{imported}\n")
    done = lint_imports(tmp_path)
    assert done.returncode != 0
    assert "BROKEN" in done.stdout
    assert f"toyrl.{importer} is not allowed to import toyrl.{imported}" in done.stdout


@pytest.mark.slow
def test_the_type_checker_sees_every_folder_once(tmp_path):
    """The control: the same settings over a copy with one wrong type in each folder."""
    pytest.importorskip("basedpyright")
    skeleton(tmp_path)
    for folder in PACKAGES:
        (tmp_path / folder / "bad.py").write_text('length: int = "long"\n')
    command = [sys.executable, "-m", "basedpyright", "--outputjson"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    found = [
        Path(d["file"]).resolve().relative_to(tmp_path.resolve()).as_posix()
        for d in json.loads(done.stdout)["generalDiagnostics"]
        if d["rule"] == "reportAssignmentType"
    ]
    assert sorted(found) == sorted(f"{folder}/bad.py" for folder in PACKAGES)


def test_every_python_folder_belongs_to_a_declared_package():
    assert PROJECT["tool"]["setuptools"]["packages"]["find"]["include"] == ["toyrl*"]
    for name in PACKAGES:
        for module in (ROOT / name).rglob("*.py"):
            assert (module.parent / "__init__.py").exists(), f"{module.parent} has no __init__.py"


@pytest.mark.parametrize(
    ("link", "folder"),
    LINKS.items(),
)
def test_every_folder_is_reached_through_toyrl(link, folder):
    """A checkout without symbolic links (git's core.symlinks=false) has files in their place."""
    assert (ROOT / "toyrl" / link).is_symlink()
    assert (ROOT / "toyrl" / link).resolve() == ROOT / folder


def test_page_templates_are_packaged():
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["toyrl.experiments"]
    packaged = {p for pattern in patterns for p in (ROOT / "experiments").glob(pattern)}
    others = {
        p for p in (ROOT / "experiments" / "render").iterdir() if p.is_file() and p.suffix != ".py"
    }
    assert others
    assert others <= packaged


def test_every_dependency_is_pinned_within_its_range():
    from packaging.requirements import Requirement

    extras = PROJECT["project"]["optional-dependencies"]
    wanted = [*PROJECT["project"]["dependencies"], *(d for e in extras.values() for d in e)]
    pinned = pins()
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pinned[normal(requirement.name)]), requirement


def test_pins_name_no_build():
    assert [version for version in pins().values() if "+" in version] == []


def test_nothing_depends_on_one_machine():
    """No absolute path of somebody's machine, in any file of the project."""
    place = re.compile(r"(?<![\w./~>}-])/(?:home|root|work|Users|mnt|private|tmp)/\w")
    found = [
        f"{p.relative_to(ROOT)}: {line.strip()}"
        for p in own_files()
        if p != Path(__file__)
        for line in p.read_text(encoding="utf-8").splitlines()
        if place.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "page",
    sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md")),
    ids=lambda p: p.relative_to(ROOT).as_posix(),
)
def test_links_point_at_files_that_exist(page):
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    local = [(page.parent / t).resolve() for t in targets if not re.match(r"[a-z]+:", t)]
    # Made by `make docs`, which checks them.
    docs = ROOT / "docs"
    folders = (docs / "api", docs / "papers")
    pages = {docs / name for name in (findings.PATH, gallery.PATH, glossary.PATH)}
    missing = [p for p in local if not p.exists() and p not in pages]
    assert [p for p in missing if not {*folders} & {*p.parents}] == []


def test_readme_names_the_commands_that_exist():
    from toyrl.experiments.cli import app

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"`toyrl ([a-z][a-z-]*)", readme))
    assert shown == {name for name in app if not name.startswith("-")}


def test_readme_names_make_targets_that_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for page in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert set(re.findall(r"(?:`|    )make ([a-z]+)", text)) <= targets


def test_the_licence_is_there():
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in licence
    assert PROJECT["project"]["license"] == "Apache-2.0"


def make(*words: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("make") is None:
        pytest.skip("no make on this machine")
    # The tests may themselves run under make, whose variables would change what this one prints.
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(
        ["make", *words], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )


def test_an_old_python_is_refused_with_a_way_out(tmp_path):
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.1\nexit 1\n')
    old.chmod(0o755)
    done = make("validate", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}")
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr
    assert "Python 3.9.1" in done.stderr
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize(
    ("verdict_code", "make_fails"), [(0, False), (1, False), (2, True), (3, True)]
)
def test_make_validate_fails_on_faults_only(tmp_path, verdict_code, make_fails):
    """UNSAFE is an answer. The environment here is a stand-in whose `toyrl` exits as told."""
    folder = tmp_path / "venv"
    (folder / "bin").mkdir(parents=True)
    command = folder / "bin" / "toyrl"
    command.write_text(f'#!/bin/sh\necho "$@"\nexit {verdict_code}\n')
    command.chmod(0o755)
    for stamp in (".stamp-venv", ".stamp-core"):
        (folder / stamp).touch()
    done = make("validate", f"VENV={folder}", "REWARD=a.py:f", "REPORT=r.html")
    assert done.stdout.strip() == "validate a.py:f --report r.html"
    assert (done.returncode != 0) == make_fails


@pytest.mark.parametrize(
    "failing", [(), ("lint",), ("setup",), ("types",), ("docs",), ("test",), ("types", "test")]
)
def test_ci_runs_every_step_and_fails_if_any_did(tmp_path, failing):
    """With a stand-in for make that fails the named targets."""
    stand_in = tmp_path / "make"
    stand_in.write_text(
        f'#!/bin/sh\necho "ran $1"\ncase " {" ".join(failing)} " in *" $1 "*) exit 2;; esac\n'
    )
    stand_in.chmod(0o755)
    done = subprocess.run(
        ["bash", ROOT / ".ci" / "run"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    ran = re.findall(r"^ran (\w+)$", done.stdout, re.MULTILINE)
    assert ran == ["lint", "setup", "docs", "types", "test"]
    assert (done.returncode != 0) == bool(failing)
