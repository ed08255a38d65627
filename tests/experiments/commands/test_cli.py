"""The command line: exit codes, refusals, what is printed where."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.experiments.commands.command import call
from tests.experiments.render.sample_report import HOSTILE, sample_report
from toyrl.experiments.cli import main
from toyrl.experiments.cli.app import OPTIONS, as_typed, flowing
from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.settings import Settings

# --- usage errors ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        (("validate",), "REWARD"),
        (("validat", "x"), 'Did you mean "validate"'),
        (("validate", "x", "--nope"), "--nope"),
        (("validate", "x", "--group-size", "many"), "--group-size"),
        (("validate", "x", "--group-size", "1"), "--group-size=1"),
        (
            ("validate", "x", "--typical-length", "600"),
            "--typical-length=600 is above --max-completion-length=512",
        ),
        (("validate", "x", "--success-rates", ".1,b"), "--success-rates='.1,b'"),
        (("validate", "x", "--success-rates", "1.0"), "--success-rates=1.0"),
        (("validate", "x", "--timeout", "0"), "--timeout=0.0"),
        (("validate", "x", "--fail-on", "safe"), "risky"),
        (("validate", "x", "--estimator", "gprpo"), "did you mean grpo"),
        (("validate", "x", "--rollouts", "missing.jsonl"), "does not exist"),
        (("validate", "x", "--data", "."), "is a folder"),
        (("validate", "x", "--json", "--quiet"), "--json='--quiet' looks like an option"),
        (("reproduce",), "ID"),
        (("reproduce", "no-such-paper"), "no experiment is called 'no-such-paper'"),
        (("reproduce", "drop"), "did you mean drpo?"),
        (("validate", "x", "--quiet", "--verbose"), "give one of them"),
        (("reproduce", "all", "--seed", "-1"), "--seed=-1"),
        (("list", "--kind", "spell"), "theorem"),
        (("list", "lenght"), "no entry for 'lenght'; did you mean length (family)"),
        (("list", "--paper", "99"), "no paper is called '99'; numbers run from 00 to 58"),
        (("list", "--paper", "58"), "no entry from "),
        (("calibrate",), "calibrate"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(capsys, tokens, says):
    code, out, err = call(capsys, *tokens)
    assert code == 2
    assert out == ""
    assert says in err
    assert err.startswith("toyrl: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("tokens", [(), ("--help",), ("validate", "--help"), ("--version",)])
def test_help_and_version(capsys, tokens):
    code, out, err = call(capsys, *tokens)
    assert (code, err) == (0, "")
    assert "toyrl" in out


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_a_commands_help_has_an_example_of_itself_and_no_torn_line(capsys, name):
    code, out, _ = call(capsys, name, "--help")
    examples = out.partition("Examples:\n")[2].split("\n")
    assert code == 0
    assert examples[0].startswith(f"  toyrl {name} ")
    assert "[default: False]" not in out
    if name == "validate":
        for group in ("Your run", "How the reward is called", "Output", "Limits and exit code"):
            assert f"─ {group} ─" in out


@pytest.mark.parametrize(
    ("message", "typed"),
    [
        ("group_size=1 is too small", "--group-size=1 is too small"),
        ("beta=2 of 'laser(beta=2)' and f(seed=1)", "--beta=2 of 'laser(beta=2)' and f(seed=1)"),
        ("file.seed=1, my_seed=1, don't, seed=1", "file.seed=1, my_seed=1, don't, --seed=1"),
        ("reward=3 is no option", "reward=3 is no option"),
    ],
)
def test_messages_name_what_was_typed(message, typed):
    assert as_typed(message, "validate") == typed
    assert as_typed(message, "no-such-command") == message


def test_a_docstring_flows():
    head = "What?\n\n    One\n    two.\n\n    Parameters\n    ----------\n"
    text = f"{head}    a\n        b\n        c.\n    "
    assert flowing(text) == "What?\n\nOne two.\n\nParameters\n----------\na\n     b c."


def test_nothing_heavy_is_loaded_before_a_command_runs():
    heavy = ("numpy", "jax", "numba", "scipy", "sympy", "matplotlib", "torch", "jinja2")
    code = f"import sys, toyrl.experiments.cli; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"group_size": True},
        {"group_size": 2.5},
        {"seed": -1},
        {"max_completion_length": 1},
        {"timeout": float("nan")},
        {"timeout": "soon"},
        {"success_rates": ()},
        {"success_rates": (0.5, 0.0)},
        {"fail_on": "never"},
    ],
)
def test_settings_refuse_by_name_and_value(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(UsageError, match=name) as caught:
        Settings(**wrong)
    shown = value[-1] if isinstance(value, tuple) and value else value
    assert name == "success_rates" or repr(shown) in str(caught.value)


def test_settings_take_what_their_documentation_allows(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text("{}\n")
    settings = Settings(rollouts=str(log), group_size=2, success_rates=[0.1, 0.9], timeout=1)
    assert settings.rollouts == log
    assert settings.success_rates == (0.1, 0.9)
    data = json.loads(json.dumps(settings.to_dict()))
    assert data["rollouts"] == str(log)
    assert data["success_rates"] == [0.1, 0.9]


# --- validate, with a report made elsewhere -------------------------------------------------------


@pytest.fixture
def answer(monkeypatch):
    """Let `validate` answer with a given report, or raise a given error; records its calls."""
    from toyrl.experiments import api

    calls = []

    def give(report):
        def validate(rewards, settings, progress, **options):
            calls.append((list(rewards), settings, options))
            progress(1, "probing")
            if isinstance(report, BaseException):
                raise report
            return report

        monkeypatch.setattr(api, "validate", validate)
        return calls

    return give


def test_validate_hands_on_what_it_is_told(capsys, answer):
    calls = answer(sample_report())
    call(
        capsys,
        "validate",
        "a.py:f:1.0",
        "b.py:g:0.2",
        "--group-size",
        "4",
        "--success-rates",
        ".1,.5",
        "--fail-on",
        "risky",
        "--thorough",
        "--skip-bad-rows",
        "--seed",
        "3",
    )
    ((rewards, settings, _),) = calls
    assert rewards == ["a.py:f:1.0", "b.py:g:0.2"]
    assert settings == Settings(
        group_size=4,
        success_rates=(0.1, 0.5),
        fail_on="risky",
        thorough=True,
        skip_bad_rows=True,
        seed=3,
    )


@pytest.mark.parametrize("code", [0, 1, 2])
def test_validate_exits_with_the_reports_code(capsys, answer, code):
    answer(replace(sample_report(), exit_code=code))
    assert call(capsys, "validate", "x")[0] == code


def test_validate_writes_its_page_and_names_it(capsys, answer, tmp_path):
    answer(sample_report())
    _, out, err = call(capsys, "validate", "x")
    assert "Report: toyrl-report.html" in out
    assert "1 contract" in err
    assert (tmp_path / "toyrl-report.html").read_text().startswith("<!doctype html>")


def test_a_quick_look_leaves_the_page_of_a_whole_run(capsys, answer, tmp_path):
    answer(sample_report())
    _, out, _ = call(capsys, "validate", "x", "--quick")
    assert "Report: toyrl-report-quick.html" in out
    assert [f.name for f in tmp_path.iterdir()] == ["toyrl-report-quick.html"]
    call(capsys, "validate", "x", "--quick", "--report", "toyrl-report.html")
    assert (tmp_path / "toyrl-report.html").exists()


def test_validate_writes_nothing_unasked(capsys, answer, tmp_path):
    answer(sample_report())
    _, out, _ = call(capsys, "validate", "x", "--no-report")
    assert "Report:" not in out
    assert list(tmp_path.iterdir()) == []


def test_validate_prints_json_alone_on_standard_output(capsys, answer):
    report = sample_report(HOSTILE)
    answer(report)
    _, out, err = call(capsys, "validate", "x", "--json", "-")
    assert json.loads(out)["verdict"] == "UNSAFE"
    assert "UNSAFE" in err


def test_validate_json_file_holds_every_finding(capsys, answer, tmp_path):
    report = sample_report()
    answer(report)
    call(capsys, "validate", "x", "--json", "r.json", "--quiet")
    data = json.loads((tmp_path / "r.json").read_text())
    assert [f["name"] for f in data["findings"]] == [f.name for f in report.findings]
    assert data["schema"] == "toyrl.validate/3"


def test_validate_quiet_is_one_line(capsys, answer):
    answer(sample_report("\n"))
    _, out, err = call(capsys, "validate", "x", "--quiet")
    assert out.count("\n") == 1
    assert out.startswith("UNSAFE: ")
    assert err == ""


def test_inconclusive_is_no_silent_success(capsys, answer):
    answer(replace(sample_report(verdict="INCONCLUSIVE"), exit_code=0))
    code, _, err = call(capsys, "validate", "x", "--quiet")
    assert code == 0
    assert "INCONCLUSIVE" in err


def test_a_reward_that_cannot_be_used_is_said_on_stderr(capsys, answer):
    answer(replace(sample_report(), error="no column 'answer'\x1b[2J", exit_code=2))
    code, _, err = call(capsys, "validate", "x", "--quiet")
    assert (code, err) == (2, "toyrl: no column 'answer'<U+001B>[2J\n")


def test_our_own_faults_are_said_to_be_ours(capsys, answer, monkeypatch):
    answer(RuntimeError("matrix of the wrong kind"))
    code, _, err = call(capsys, "validate", "x")
    assert code == 3
    assert "toyrl itself failed" in err
    assert "RuntimeError: matrix of the wrong kind" in err
    assert "Traceback" not in err
    monkeypatch.setenv("TOYRL_DEBUG", "1")
    with pytest.raises(RuntimeError, match="wrong kind"):
        main(("validate", "x"))


def test_an_interrupt_is_quiet(capsys, answer):
    answer(KeyboardInterrupt())
    code, _, err = call(capsys, "validate", "x", "--quiet")
    assert (code, err) == (130, "toyrl: interrupted\n")
