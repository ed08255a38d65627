"""What pip installs: one top-level package, from a checkout with links and from its sdist alike."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.places import ROOT

pytestmark = pytest.mark.slow
FOLDERS = {
    "toyrl/theory": "theory",
    "toyrl/bridge": "llm_bridge",
    "toyrl/experiments": "experiments",
}
DATA = (".py", ".j2", ".css", ".json", ".typed")
BUILD = "import sys; from setuptools import build_meta as b; print(getattr(b, sys.argv[1])('out'))"


def build(kind: str, folder: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "-c", BUILD, f"build_{kind}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "out" / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """The sources as git has them: links as links, nothing built."""
    place = tmp_path_factory.mktemp("checkout")
    leave = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*")
    for folder in ("toyrl", "theory", "llm_bridge", "experiments"):
        shutil.copytree(ROOT / folder, place / folder, symlinks=True, ignore=leave)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, place)
    return place


@pytest.fixture(scope="module")
def wheel(checkout) -> Path:
    return build("wheel", checkout)


def expected(checkout: Path) -> set[str]:
    """Every source file by the name under which it is imported."""
    out = set()
    for path in (checkout / "toyrl").rglob("*"):
        if path.is_file() and path.suffix in DATA:
            out.add(path.relative_to(checkout).as_posix())
    for name, folder in FOLDERS.items():
        for path in (checkout / folder).rglob("*"):
            if path.is_file() and path.suffix in DATA:
                out.add(f"{name}/{path.relative_to(checkout / folder).as_posix()}")
    return out


def packed(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        names = [n for n in archive.namelist() if not n.endswith("/")]
    assert len(names) == len(set(names))
    return {n for n in names if ".dist-info/" not in n}


def test_the_wheel_holds_every_file_under_one_name(checkout, wheel):
    assert packed(wheel) == expected(checkout)
    assert "toyrl/py.typed" in packed(wheel)
    assert {n.partition("/")[0] for n in packed(wheel)} == {"toyrl"}


def test_the_sdist_makes_the_same_wheel(checkout, wheel, tmp_path):
    """An archive carries no links: what they lead to lies in their place."""
    with tarfile.open(build("sdist", checkout)) as archive:
        assert [m.name for m in archive.getmembers() if m.issym() or m.islnk()] == []
        archive.extractall(tmp_path, filter="data")
    [unpacked] = tmp_path.iterdir()
    assert packed(build("wheel", unpacked)) == packed(wheel)


USE = """
import sys, toyrl
assert toyrl.__file__.startswith(sys.argv[1]), toyrl.__file__
report = toyrl.validate("outcome()", worlds=2)
assert report.verdict == "SAFE", report
report.save("report.html")
from toyrl.dynamics.chain import kernel
loop = kernel.train.stats  # a process of its own compiled it ahead: this one read what that kept
assert sum(loop.cache_hits.values()) > 0 == sum(loop.cache_misses.values()), loop
stranger = toyrl.validate(lambda text: 0.0, quick=True)
assert stranger.verdict == "UNSAFE", stranger  # it is constant
print(sorted(n for n in sys.modules if n.split(".")[0] in ("theory", "llm_bridge", "experiments")))
"""


def test_it_works_beside_a_users_own_folders(wheel, tmp_path):
    """`experiments/` and `theory/` are what research repositories call theirs."""
    site, user = tmp_path / "site", tmp_path / "user"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
               "--no-compile"]  # fmt: skip
    subprocess.run([*install, "--target", site, wheel], check=True, capture_output=True)
    assert {p.name for p in site.iterdir() if not p.name.endswith(".dist-info")} <= {"toyrl", "bin"}
    for folder in ("experiments", "theory", "llm_bridge"):
        (user / folder).mkdir(parents=True)
        (user / folder / "__init__.py").write_text("raise RuntimeError('this is the user\\'s')\n")
    done = subprocess.run(
        [sys.executable, "-c", USE, str(site)],
        cwd=user,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(user), str(site)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"
    assert (user / "report.html").stat().st_size > 10_000
