"""Hypothesis profiles, and which tests one worker of a parallel run keeps together.

Profiles: "ci" (100 examples, derandomised) unless HYPOTHESIS_PROFILE says "quick" (50, as `make
quick` does) or "deep" (5,000, at random).
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.work import TRAINING

# A test runs most of its compiled programs once: XLA compiles them fast rather than well, in half
# the time; as one module of LLVM each, not as 32, in half of that again. What is set in the
# environment is kept (`XLA_FLAGS= make test`: as users compile).
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1",
)

SWEPT = 4

settings.register_profile(
    "ci",
    max_examples=100,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("quick", settings.get_profile("ci"), max_examples=50)
settings.register_profile(
    "deep", settings.get_profile("ci"), max_examples=5000, derandomize=False, print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker runs all tests of a module (`--dist loadgroup`), unless they name a group.

    So what a module keeps (fixtures, caches, compiled programs) is made once and not once a worker.
    Groups with slow tests come first, so that no worker begins a long one when all else is done
    (`--no-loadscope-reorder` keeps this order). Of the tests of a swept module all but every fourth
    are slow ones.
    """
    slow, swept = set(), Counter()
    for item in items:
        if item.get_closest_marker("swept"):
            swept[item.path] += 1
            if swept[item.path] % SWEPT != 1:
                item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.split("::")[0]))
        if item.get_closest_marker("slow"):
            slow.add(_group(item))
    items.sort(key=lambda item: _group(item) not in slow)


def pytest_collection_finish() -> None:
    """Count what tests train; and look for garbage in what tests make, not in what was imported:
    a tenth of the time of those that make many small objects."""
    from toyrl.dynamics.chain import exact

    TRAINING.watch(exact)
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def pytest_runtest_setup() -> None:
    """Each test begins at nothing; what it is the first to need of a shared fixture is its own."""
    TRAINING.begin()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """A test that trains more than it may is an error, however fast the machine."""
    yield
    if excess := TRAINING.excess(slow=item.get_closest_marker("slow") is not None):
        pytest.fail(excess, pytrace=False)


def _group(item: pytest.Item) -> str:
    mark = item.get_closest_marker("xdist_group")
    assert mark is not None
    return str(mark.args[0])


@pytest.hookimpl(specname="pytest_collection_modifyitems", trylast=True)
def groups_are_kept(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse to go on where pytest-xdist's renaming of items, which is how it groups, is lost."""
    lost = items and getattr(config.option, "loadgroup", False) and "@" not in items[0].nodeid
    if lost:
        msg = "pytest ignores the groups of pytest-xdist; install the versions in constraints.txt"
        raise pytest.UsageError(msg)
