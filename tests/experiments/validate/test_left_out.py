"""`--quick`, `--only`, `--skip`: what is not run is told everywhere and keeps from plain SAFE."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
import yaml

from tests.experiments.commands.command import call
from tests.experiments.render.sample_report import sample_report
from tests.places import ROOT
from toyrl.experiments.api import compare, validate
from toyrl.experiments.errors import UsageError
from toyrl.experiments.render.ci import junit, sarif
from toyrl.experiments.render.html import report_page
from toyrl.experiments.render.terminal import verdict_line
from toyrl.experiments.validate import left_out as parts
from toyrl.experiments.validate.findings import SECTIONS
from toyrl.experiments.validate.settings import Settings
from toyrl.experiments.validate.verdict import SO_FAR, exit_code, of_part, severity

TRAINED = ("signal", "collapse", "order", "selection")


@pytest.fixture(scope="module")
def quick():
    return validate("crf()", quick=True)


# -- names and what they leave out -----------------------------------------------------------------
def test_names_are_those_of_the_report():
    assert parts.names("only", "collapse, Hacks,collapse") == ("collapse", "hacks")
    assert parts.names("skip", ["own-rollouts", "order"]) == ("own rollouts", "order")
    assert parts.names("skip", tuple(SECTIONS.values())) == tuple(SECTIONS.values())
    with pytest.raises(UsageError, match="only='colapse' is no section; did you mean collapse"):
        parts.names("only", "colapse")
    with pytest.raises(UsageError, match=r"there are own rollouts, contract, hacks, signal"):
        parts.names("skip", "x")


def test_options_that_contradict_each_other_are_refused():
    with pytest.raises(UsageError, match="name one of the two"):
        Settings(quick=True, only=("hacks",))
    with pytest.raises(UsageError, match="it always runs"):
        Settings(skip=("contract",))
    with pytest.raises(UsageError, match="none is given"):
        Settings(only="own rollouts")
    with pytest.raises(UsageError, match="leave these options out"):
        compare("outcome()", "crf()", quick=True)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, ()),
        ({"quick": True}, (*TRAINED, "verdict")),
        ({"quick": True, "skip": "hacks"}, ("hacks", *TRAINED, "verdict")),
        ({"only": "collapse,hacks"}, ("own rollouts", "signal", "order", "selection", "verdict")),
        ({"only": "hacks,order", "skip": "hacks"}, ("own rollouts", "hacks", "signal", "collapse",
                                                    "selection", "verdict")),
        ({"skip": ("selection",)}, ("selection",)),
    ],
)  # fmt: skip
def test_what_is_left_out(given, missing):
    assert tuple(parts.left_out(Settings(**given))) == missing


# -- the verdict's logic ---------------------------------------------------------------------------
def test_nothing_found_in_a_part_is_never_plain_safe():
    word, reasons = of_part("SAFE", ("all well",), ["collapse", "order"])
    assert word == SO_FAR != "SAFE"
    assert reasons == ("Not run: collapse, order. Training was not tried.", "all well")
    assert of_part("SAFE", ("all well",), ["hacks"])[1][0] == "Not run: hacks."


@pytest.mark.parametrize("word", ["RISKY", "UNSAFE", "INCONCLUSIVE"])
def test_what_was_found_stands_whatever_was_not_run(word):
    told = of_part(word, ("this",), ["collapse"])
    assert told == (word, ("this", "Not run: collapse. Training was not tried."))


def test_the_search_for_a_variant_decides_nothing():
    assert of_part("SAFE", ("all well",), ["verdict"]) == ("SAFE", ("all well",))
    assert of_part("SAFE", ("all well",), []) == ("SAFE", ("all well",))


def test_safe_so_far_passes_and_is_milder_than_risky_alone():
    assert exit_code(SO_FAR, fail_on="risky") == exit_code(SO_FAR, fail_on="unsafe") == 0
    assert exit_code(SO_FAR, fail_on="unsafe", failed=True) == 1
    assert severity("SAFE") < severity(SO_FAR) < severity("RISKY")


# -- every output agrees ---------------------------------------------------------------------------
def test_all_outputs_say_what_was_not_run(quick):
    assert (quick.verdict, quick.exit_code, quick.not_run) == (SO_FAR, 0, TRAINED)
    assert [s.title for s in quick.sections] == ["contract", "hacks", *TRAINED]
    data = json.loads(json.dumps(quick.to_dict()))
    told = [f for f in data["findings"] if f["name"].endswith("/not-run")]
    assert [f["section_name"] for f in told] == list(TRAINED)
    assert {f["message"] for f in told} == {"Not run (--quick)."}
    assert "Training was not tried" in data["reasons"][0]
    suite = ET.fromstring(junit(quick).partition("?>")[2])
    skipped = [c.get("name") for c in suite if c.find("skipped") is not None]
    assert skipped == [f"{name}/not-run" for name in TRAINED]
    assert (suite.get("skipped"), suite.get("failures")) == ("4", "0")
    assert suite.get("tests") == str(len(suite))
    results = sarif(quick)["runs"][0]["results"]
    assert [r["ruleId"] for r in results if r.get("kind") == "open"] == skipped
    assert "Not run: signal" in results[0]["message"]["text"]
    page = report_page(quick)
    assert page.count("not run") >= len(TRAINED)
    assert SO_FAR in page
    assert "Training was not tried" in verdict_line(quick)


def test_a_quiet_line_says_what_was_not_run_beside_a_reason_of_its_own(quick):
    bad = replace(sample_report(), sections=quick.sections)
    assert verdict_line(bad).endswith("Training was not tried.")


def test_a_single_section(capsys):
    options = ("--only", "contract", "--no-report", "--verbose")
    code, out, err = call(capsys, "validate", "outcome()", *options)
    assert code == 0
    assert SO_FAR in out
    assert "1 contract" in err
    assert "2 hacks" not in err  # nothing of it ran, so it took no time
    assert "Not run (--only)." in out


def test_findings_come_before_the_verdict_and_once(capsys):
    _, out, _ = call(capsys, "validate", "crf()", "--quick", "--no-report", "-v")
    assert out.index("1 contract") < out.index("2 hacks") < out.index(SO_FAR)
    assert out.count("2 hacks") == 1
    assert "\x1b" not in out


def test_a_skipped_hack_section_is_no_claim_about_exploits():
    report = validate("outcome()", quick=True, skip="hacks")
    assert report.not_run == ("hacks", *TRAINED)
    assert not any("exploit" in reason for reason in report.reasons)


def test_a_band_needs_training(capsys, tmp_path):
    band = tmp_path / "band.json"
    code, _, err = call(capsys, "validate", "crf()", "--quick", "--band", str(band))
    assert code == 2
    assert "band is predicted by training" in err
    assert not band.exists()


def test_the_hook_for_pre_commit_is_a_call_that_works(capsys):
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    program, *tokens = shlex.split(hook["entry"])
    assert program == "toyrl"
    code, out, _ = call(capsys, *tokens, "crf()")
    assert code == 0
    assert out.startswith(SO_FAR)
    assert hook["pass_filenames"] is False


@pytest.mark.slow
def test_quick_loads_nothing_that_trains():
    heavy = ("numba", "jax", "torch", "matplotlib", "scipy.stats", "sympy", "pandas")
    code = (
        "import sys, toyrl; r = toyrl.validate('crf()', quick=True); "
        f"print(r.verdict, [m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{SO_FAR} []"


@pytest.mark.slow
@pytest.mark.usefixtures("few_worlds")
def test_quick_finds_what_a_whole_run_finds_in_its_sections():
    spec = "outcome() - 3*linear_length()"
    fast, whole = validate(spec, quick=True), validate(spec, worlds=2)

    def told(report):
        return [f for f in report.findings if f.section <= 2]

    assert told(fast) == told(whole)
    assert not whole.not_run
