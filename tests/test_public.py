"""The public surface: light to import, complete, and forwarded where it says so."""

from __future__ import annotations

import subprocess
import sys

import pytest

import toyrl

HEAVY = ("jax", "torch", "scipy", "numba", "sympy", "matplotlib", "hypothesis", "rich")


def loaded_after(statement: str) -> set[str]:
    """Heavy packages in sys.modules after a statement, in a fresh interpreter."""
    code = f"{statement}\nimport sys\nprint(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import toyrl",
        "import toyrl; toyrl.__version__; dir(toyrl)",
        "import toyrl; toyrl.Rollouts; toyrl.Shaper; toyrl.Store",
        "import toyrl; toyrl.parse('outcome() - 0.3*linear_length()')",
        "import toyrl; toyrl.entries()",
    ],
)
def test_stays_light(statement: str) -> None:
    assert loaded_after(statement) == set()


def test_control_a_heavy_import_is_seen() -> None:
    assert "sympy" in loaded_after("import sympy")


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
    from toyrl.experiments.validate.api import validate

    assert toyrl.validate is validate
