"""What a type checker sees of toyrl from a file of somebody else's, outside of this project."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.places import ROOT

USER = """
import numpy as np
import toyrl
from toyrl.testing import assert_no_exploit, assert_safe


def brevity(completions: list[str], answer: list[str], **_: object) -> list[float]:
    return [float(a in text) for a, text in zip(answer, completions)]


report = toyrl.validate([(brevity, 1.0), "0.2*overlong()"], group_size=4, worlds=8)
rollouts = toyrl.Rollouts.from_lists(correct=[[1, 0]], length=[[10, 20]], max_length=64)
reveal_type(report)  # Report
reveal_type(report.verdict)  # str
reveal_type(report.reasons)  # tuple[str, ...]
reveal_type(report.ok)  # bool
reveal_type(report.save("r.html"))  # Path
reveal_type(toyrl.parse("outcome()"))  # Shaper
reveal_type(toyrl.compare("outcome()", brevity))  # Comparison
reveal_type(toyrl.reproduce("03"))  # Reproduction
reveal_type(toyrl.scaling("log.jsonl"))  # Scaling
reveal_type(toyrl.distance("own", env="FrozenLake-v1"))  # Distances
reveal_type(toyrl.export("outcome()", "trl"))  # Exported
reveal_type(rollouts)  # Rollouts
reveal_type(toyrl.Settings)  # type[Settings]
reveal_type(assert_safe(brevity, at_most="risky"))  # Report
reveal_type(assert_no_exploit(brevity, budget=100))  # Report
toyrl.validate(brevity, gruop_size=4)  # error: No parameter named "gruop_size"
toyrl.validate(brevity, group_size="four")  # error: "Literal['four']" is not assignable to "int"
assert_safe(brevity, at_most="unsafe")  # error: is not assignable to
"""


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "toyrl" / "py.typed").is_file()


@pytest.mark.slow
def test_a_type_checker_knows_what_is_returned_and_refuses_wrong_options(tmp_path):
    pytest.importorskip("basedpyright")
    (tmp_path / "user.py").write_text(USER)
    settings = {"extraPaths": [str(ROOT)], "pythonVersion": "3.11", "typeCheckingMode": "basic"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "user.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    told: dict[int, str] = {}
    for d in json.loads(done.stdout)["generalDiagnostics"]:
        told.setdefault(d["range"]["start"]["line"], f"{d['severity']}: {d['message']}")
    wanted = {}
    for number, line in enumerate(USER.splitlines()):
        _, _, what = line.partition("  # ")
        if what:
            wanted[number] = what
            said = told.pop(number, "nothing")
            assert said.replace("error: ", "").find(what.removeprefix("error: ")) >= 0, (line, said)
            assert said.startswith("error") == what.startswith("error"), (line, said)
    assert len(wanted) == 18
    assert not told
