"""The public surface: light to import, complete, and forwarded where it says so."""

from __future__ import annotations

import subprocess
import sys

import pytest

import toyrl
from toyrl.extras import install

HEAVY = ("jax", "torch", "scipy", "numba", "sympy", "matplotlib", "hypothesis", "rich")


STATEMENTS = (
    "import toyrl",
    "toyrl.__version__; dir(toyrl)",
    "toyrl.Rollouts; toyrl.Shaper; toyrl.Store",
    "toyrl.parse('outcome() - 0.3*linear_length()')",
    "toyrl.entries()",
    "import sympy",
)


@pytest.fixture(scope="module")
def loaded() -> list[set[str]]:
    """Heavy packages in sys.modules after each statement, one after the other in an interpreter."""
    told = f"print(*[m for m in {HEAVY!r} if m in sys.modules])"
    code = "\n".join(["import sys", *(f"{s}\n{told}" for s in STATEMENTS)])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [set(line.split()) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("place", range(len(STATEMENTS) - 1), ids=STATEMENTS[:-1])
def test_stays_light(loaded: list[set[str]], place: int) -> None:
    assert loaded[place] == set()


def test_control_a_heavy_import_is_seen(loaded: list[set[str]]) -> None:
    assert "sympy" in loaded[-1]


@pytest.mark.parametrize("name", toyrl.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(toyrl, name) is not None


def test_all_lists_every_export() -> None:
    assert set(toyrl.__all__) == {*toyrl._EXPORTS, *toyrl._FORWARDED, "__version__"}


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = toyrl.nonsense
    assert dir(toyrl) == sorted(toyrl.__all__)


def test_forwarded_functions_are_those_of_experiments() -> None:
    from toyrl.experiments import api

    for name in ("validate", "compare", "reproduce", "export"):
        assert getattr(toyrl, name) is getattr(api, name)


def test_submodules_load_when_they_are_named() -> None:
    code = "import toyrl; print(toyrl.testing.strategies.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "toyrl.testing.strategies"


CORE_ONLY = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRA!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""


def in_core(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in an interpreter that has no package of the extra."""
    from toyrl.extras import EXTRAS

    text = CORE_ONLY.format(EXTRA=tuple(m for brought in EXTRAS.values() for m in brought)) + code
    return subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.slow
def test_help_and_every_name_work_without_the_extra() -> None:
    done = in_core(
        "import inspect, pydoc, toyrl\n"
        "text = pydoc.render_doc(toyrl, renderer=pydoc.plaintext)\n"
        "members = dict(inspect.getmembers(toyrl))\n"
        "from toyrl import *\n"
        "print([n for n in toyrl.__all__ if n not in text or n not in members])\n"
        "print('torch' in sys.modules)"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["['__version__']", "False"] or done.stdout.splitlines() == [
        "[]",
        "False",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["transfer", "outcome()"], f"toyrl: transfer needs torch: {install()}"),
        (
            ["validate", "outcome()", "--model", "nowhere", "--no-report", "-q"],
            f"toyrl: model needs torch: {install()}",
        ),
    ],
)
def test_commands_without_the_extra_say_one_sentence(arguments: list[str], said: str) -> None:
    done = in_core(f"from toyrl.experiments.cli import main\nsys.exit(main({arguments!r}))")
    assert (done.returncode, done.stderr.strip()) == (2, said)


def test_watch_without_the_extra_is_an_import_error() -> None:
    done = in_core("import toyrl\ntry: toyrl.watch('band.json')\nexcept ImportError as e: print(e)")
    said = done.stdout.strip()
    assert said in [f"watch needs {name}: {install()}" for name in ("torch", "transformers")]


@pytest.mark.slow
def test_no_module_is_loaded_twice_or_at_the_top() -> None:
    """Import everything; no file is behind two names, none of the links' targets is a name."""
    code = (
        "import importlib, pkgutil, sys, collections\n"
        "import toyrl\n"
        "for m in pkgutil.walk_packages(toyrl.__path__, 'toyrl.'):\n"
        "    if '.export.' not in m.name:\n"  # they import trainers that may be absent
        "        importlib.import_module(m.name)\n"
        "print([n for n in sys.modules if n.partition('.')[0] in"
        " ('theory', 'llm_bridge', 'experiments')])\n"
        "import os\n"
        "files = collections.Counter(os.path.realpath(m.__file__) for n, m in sys.modules.items()"
        " if n.partition('.')[0] in ('toyrl', '_toyrl_child') and getattr(m, '__file__', None))\n"
        "print([f for f, n in files.items() if n > 1], len(files) > 200)"
    )
    pytest.importorskip("trl", reason="needs the extra llm")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[]", "[] True"]
