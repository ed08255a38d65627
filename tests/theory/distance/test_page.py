"""The examples of the page run and print what it says they do."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

from tests.places import ROOT

PAGE = (ROOT / "docs" / "theory" / "distance.md").read_text(encoding="utf-8")


def test_examples_run(capsys):
    pytest.importorskip("jax")
    names: dict = {}
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE):
        exec(block, names)
    told = capsys.readouterr().out
    assert "shaped: 0.0000" in told
    distances = re.search(r"distance (\S+) -> (\S+)", told)
    regrets = re.search(r"worst-case regret (\S+) -> (\S+)", told)
    assert distances is not None
    assert regrets is not None
    for before, after in (distances.groups(), regrets.groups()):
        assert float(before) > 0.1
        assert float(after) < 1e-3
    assert abs(np.asarray(names["repaired"]) - names["truth"]).max() > 0.01  # equivalent, not equal


def test_importing_distances_loads_no_compiler():
    code = (
        "import sys, toyrl.theory.distance.order\n"
        "print([m for m in ('jax', 'torch', 'numba', 'scipy') if m in sys.modules])"
    )
    run = [sys.executable, "-c", code]
    told = subprocess.run(run, capture_output=True, text=True, check=True, cwd=ROOT)
    assert told.stdout.strip() == "[]"
