"""The sandbox: nothing outlives it, and what it keeps from a reward is kept.

Ids are the numbers of the faults as they were first measured.
"""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.experiments.commands.command import call
from tests.rewards.test_sandbox import gone_soon
from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.options import settings_of
from toyrl.experiments.validate.settings import Settings
from toyrl.graders.base import TextRow
from toyrl.rewards.errors import RewardError
from toyrl.rewards.sandbox import host, isolation, process
from toyrl.rewards.sandbox.host import Sandbox, Target
from toyrl.rewards.user import load

ESCAPES = Path(__file__).with_name("rewards") / "escapes.py"
LINUX = sys.platform.startswith("linux")
linux = pytest.mark.skipif(not LINUX, reason="orphans are adopted on Linux only")


def target(name: str, **arguments: str) -> Target:
    return Target(f"escapes.py:{name}", path=str(ESCAPES), name=name, arguments=arguments or None)


def answer(name: str, text: str, **options) -> float | None:
    with Sandbox(timeout=60.0, **options) as box:
        return box.call(box.load(target(name))[0], [TextRow("p", text)]).values[0]


def error_of(wanted: Target) -> RewardError:
    with Sandbox(timeout=60.0) as box:
        handle, _, _ = box.load(wanted)
        with pytest.raises(RewardError) as caught:
            box.call(handle, [TextRow("p", "x")])
    return caught.value


# -- life and death ------------------------------------------------------------------------------
@linux
@pytest.mark.parametrize(
    ("name", "signal"),
    [
        pytest.param("terminates", "SIGTERM", id="1.8"),
        pytest.param("kills", "SIGKILL", id="1.8 SIGKILL"),
        pytest.param("kills_both", "SIGKILL", id="1.8 all above it"),
    ],
)
def test_nothing_outlives_a_killed_supervisor(tmp_path, name, signal):
    note = tmp_path / "pid"
    error = error_of(replace(target("make"), places=(repr(name), repr(str(note))), arguments={}))
    assert gone_soon(int(note.read_text()))
    assert (error.kind, error.detail["signal"]) == ("crashed", signal)
    assert f"the sandbox's supervisor was killed ({signal})" in str(error)


@linux
def test_the_mark_finds_what_has_another_parent_and_nothing_else():
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    marked, other = (
        subprocess.Popen(sleep, env={**os.environ, process.MARK: mark}, start_new_session=True)
        for mark in ("this one", "another one")
    )
    try:
        process.end_marked("this one")
        assert marked.wait(timeout=60) < 0
        assert psutil.Process(other.pid).is_running()
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("name", [pytest.param("grows", id="1.11")])
def test_a_call_out_of_time_says_what_memory_it_took_meanwhile(monkeypatch, name):
    monkeypatch.setattr(host, "GROWN", 2**20)
    with Sandbox(timeout=1.0) as box:
        handle, _, _ = box.load(target(name))
        with pytest.raises(RewardError, match=r"its memory grew from 0\.0\d to ") as caught:
            box.call(handle, [TextRow("p", "x")])
    assert caught.value.kind == "timeout"


def test_a_worker_that_the_system_ends_for_lack_of_memory_is_told_as_that(monkeypatch):
    before = process.memory_kills()
    monkeypatch.setattr(host, "memory_kills", lambda: before + 1)
    box = Sandbox()
    try:
        box._start()
        error = box._died(-9, "f", None, (), 3 * 2**30)
    finally:
        box.close()
    assert error.kind == "memory"
    assert str(error) == (
        "f was ended by the system for lack of memory while it was imported (it held 3.00 GiB when "
        "last looked at)"
    )


@pytest.mark.parametrize("tokens", [pytest.param(10**8, id="3a")])
def test_a_length_of_the_log_is_not_the_rewards_fault(tmp_path, tokens):
    file = tmp_path / "reads_ids.py"
    file.write_text("def reward(completions, **kwargs):\n    return [1.0] * len(completions)\n")
    with load(str(file)) as reward, pytest.raises(RewardError) as caught:
        reward.score([TextRow("p", "x", tokens=tokens), TextRow("p", "y", tokens=3)])
    assert caught.value.kind == "bad_row"
    assert str(caught.value).startswith("a completion is said to have 100,000,000 tokens")


# -- environment ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("env", "seen"),
    [
        pytest.param(None, (1.0, 1.0), id="4b all"),
        pytest.param(("TOYRL_TEST_KEY",), (1.0, 0.0), id="4b one"),
        pytest.param((), (0.0, 0.0), id="4b none"),
    ],
)
def test_only_named_variables_are_passed_on(monkeypatch, env, seen):
    names = ("TOYRL_TEST_KEY", "TOYRL_TEST_SECRET")
    for name in names:
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    with Sandbox(timeout=60.0, env=env) as box:
        rows = [TextRow("p", name) for name in (*names, "PATH", "LC_ALL")]
        values = box.call(box.load(target("variables"))[0], rows).values
    assert values == [*seen, 1.0, 1.0]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"env": ("TOYRL_TEST_KEI",)}, "is not set here; did you mean TOYRL_TEST_KEY? set it"),
        ({"env": "A=B"}, "env='A=B' is not the name of a variable"),
        ({"env": (3,)}, "env=3 is not the name"),
        ({"isolate": "yes"}, "isolate='yes' is not True or False"),
    ],
)
def test_settings_refuse_what_is_no_variable(monkeypatch, given, says):
    monkeypatch.setenv("TOYRL_TEST_KEY", "x")
    with pytest.raises(UsageError) as caught:
        Settings(**given)
    assert says in str(caught.value)


def test_settings_carry_both(monkeypatch):
    monkeypatch.setenv("TOYRL_TEST_KEY", "x")
    settings = settings_of(None, {"env": "TOYRL_TEST_KEY", "isolate": True})
    assert (settings.env, settings.isolate) == (("TOYRL_TEST_KEY",), True)
    told = replace(settings, env=()).to_dict()
    assert (told["env"], told["isolate"], Settings().to_dict()["env"]) == ([], True, None)


def test_the_command_repeats_env(monkeypatch):
    from toyrl.experiments.commands import validate

    taken = []
    monkeypatch.setattr(validate, "run", lambda _, values, **_more: taken.append(values) or 0)
    from toyrl.experiments.cli import main

    for options in ((), ("--env", "A", "--env", "B", "--isolate"), ("--no-env",)):
        assert main(["validate", "outcome()", *options]) == 0
    assert [v["env"] for v in taken] == [None, ["A", "B"], []]
    assert [v["isolate"] for v in taken] == [False, True, False]


@pytest.mark.parametrize("given", [{"env": ()}, {"isolate": True}])
def test_an_object_of_this_process_can_be_kept_from_nothing(given):
    with pytest.raises(RewardError, match="is an object of this process and runs here") as caught:
        load(lambda text: len(text), **given)
    assert caught.value.kind == "bad_spec"


# -- isolation -----------------------------------------------------------------------------------
def _entered(after: str, *before: str) -> str:
    """What an interpreter prints that enters isolation, as the user that `before` becomes."""
    lines = (
        f"import sys; sys.path.insert(0, {str(Path(isolation.__file__).parent)!r})",
        "import isolation; print(isolation.enter())",
        after,
    )
    done = subprocess.run(
        [*before, sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.rstrip("\n") if done.returncode == 0 else done.stderr.strip()[-200:]


@pytest.fixture(scope="module")
def isolated() -> None:
    """Skips where the system doesn't allow isolation, with its reason."""
    reason = _entered("")
    if reason:
        pytest.skip(reason)


@pytest.fixture
def listening() -> Iterator[int]:
    """A port on which this machine answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_an_isolated_reward_has_no_network(isolated, listening):
    assert answer("connects", str(listening)) == 1.0
    assert answer("connects", str(listening), isolate=True) == -errno.ENETUNREACH


@pytest.mark.parametrize("name", [pytest.param("writes", id="1.14"), "undoes"])
def test_an_isolated_reward_writes_nothing_but_scratch(isolated, tmp_path, name):
    file = tmp_path / "written"
    assert answer(name, str(file), isolate=True) == -errno.EROFS
    assert not file.exists()
    assert answer("scratch", "some text", isolate=True) == len("some text")
    assert answer("writes", str(file)) == 1.0
    assert file.exists()


@linux
def test_an_isolated_reward_is_cleaned_up_after_too(isolated):
    with Sandbox(timeout=0.5, isolate=True) as box:
        handle, _, _ = box.load(target("grows"))
        worker = box.pid
        with pytest.raises(RewardError) as caught:
            box.call(handle, [TextRow("p", "x")])
    assert caught.value.kind == "timeout"
    assert worker is not None
    assert gone_soon(worker)


def test_a_user_without_rights_can_isolate_too(isolated):
    """The interpreter alone: a test's folders may be another user's."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user; this one has no rights already")
    become = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    write = (
        f"import os\nprint(os.getuid())\ntry: open({tempfile.gettempdir() + '/x'!r}, 'w')\n"
        "except OSError as error: print(error.errno)"
    )
    said = _entered(write, *become).splitlines()
    if said[0]:
        pytest.skip(f"as nobody: {said[0]}")
    assert said == ["", "65534", str(errno.EROFS)]


def test_where_the_system_refuses_isolation_the_reason_is_told(monkeypatch, capsys):
    monkeypatch.setattr(process, "CHILD", _refusing(Path.cwd()))
    code, out, err = call(capsys, "validate", f"{ESCAPES}:writes", "--isolate", "--no-report")
    assert (code, out) == (2, "")
    assert "isolate: the system doesn't allow user namespaces (no); leave it out, or run" in err


def _refusing(folder: Path) -> Path:
    """A child on a system that allows no namespaces."""
    child = folder / "child.py"
    child.write_text(
        "import json, os, sys\n"
        'reason = "the system doesn\'t allow user namespaces (no)"\n'
        "os.write(int(sys.argv[2]), json.dumps({'refused': reason}).encode() + b'\\n')\n"
    )
    return child


def test_other_systems_are_refused(monkeypatch):
    monkeypatch.setattr(isolation.sys, "platform", "darwin")
    assert isolation.enter() == "it needs Linux namespaces, and this is darwin"
