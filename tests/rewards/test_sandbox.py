"""The sandbox: every way in which a user's code can go wrong ends in a named RewardError."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.places import BAD_REWARDS as BAD
from toyrl.graders.base import TextRow
from toyrl.rewards.errors import RewardError
from toyrl.rewards.sandbox.host import Sandbox, Target

ROWS = [TextRow("p", text, {"answer": "5"}, 3) for text in ("aa", "bbbbb", "c c c")]


def target(file: str, name: str, **arguments: str) -> Target:
    return Target(f"{file}:{name}", path=str(BAD / file), name=name, arguments=arguments or None)


def failure(file: str, name: str, rows=ROWS, **limits) -> RewardError:
    """Load and call; the error it must end in. A busy machine is no reason to hit the limit."""
    with Sandbox(**{"timeout": 60.0, **limits}) as box:
        with pytest.raises(RewardError) as caught:
            box.call(box.load(target(file, name))[0], rows)
        no_frames_of_ours(caught.value)
    return caught.value


def no_frames_of_ours(error: RewardError) -> None:
    text = f"{error} {error.detail}"
    assert "sandbox/child.py" not in text
    assert "calling.py" not in text
    assert "Traceback" not in str(error)


def alive(pid: int) -> bool:
    """Running, and not waiting to be reaped either."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).is_running()
    return False


def gone_soon(pid: int, patience: float = 60.0) -> bool:
    """Gone after waiting no longer than it takes; what is never ended stays for 600 s."""
    end = time.monotonic() + patience
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not alive(pid)


# -- loading -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("file", "name", "kind", "says"),
    [
        ("values.py", "no_such", "not_found", "its functions: "),
        ("import_missing.py", "reward", "import_error", "a_package_that_nobody_has"),
        ("import_raises.py", "reward", "import_error", "KeyError"),
        ("import_exits.py", "reward", "exited", "sys.exit(4)"),
        ("signatures.py", "two_unknown", "bad_signature", "first, second"),
        ("signatures.py", "make", "bad_signature", "make(target=...)"),
        ("signatures.py", "nothing", "bad_signature", "nothing("),
        ("signatures.py", "LIMIT", "bad_signature", "a int, not a function"),
        ("signatures.py", "LengthReward", "bad_signature", "LengthReward(...)"),
    ],
)
def test_what_cannot_be_loaded_is_named(file, name, kind, says):
    error = failure(file, name)
    assert error.kind == kind
    assert says in str(error)


def test_a_syntax_error_is_shown_with_its_line(tmp_path):
    file = tmp_path / "broken.py"
    file.write_text("x = 1\ndef reward(completions, **kwargs)\n    return []\n")
    with Sandbox() as box, pytest.raises(RewardError, match="line 2") as caught:
        box.load(Target("broken", path=str(file), name="reward"))
    assert caught.value.kind == "syntax"
    assert "def reward" in caught.value.detail["text"]


def test_a_missing_module_is_not_found_and_its_missing_import_is_an_import_error(tmp_path):
    with Sandbox() as box:
        with pytest.raises(RewardError) as caught:
            box.load(Target("x", module="no_such_package.rewards", name="f"))
        assert caught.value.kind == "not_found"


def test_factories_take_keyword_literals():
    with Sandbox() as box:
        handle, signature, _ = box.load(target("signatures.py", "make", target="4"))
        assert signature.form == "trl"
        assert box.call(handle, ROWS).values == [1.0, 0.0, 0.0]
        handle, _, _ = box.load(target("signatures.py", "LengthReward", target="4"))
        assert box.call(handle, ROWS).values == [1.0, 0.0, 0.0]
        for name, arguments in (("make", {"goal": "4"}), ("make_float", {"target": "4"})):
            with pytest.raises(RewardError) as caught:
                box.load(target("signatures.py", name, **arguments))
            assert caught.value.kind == "bad_signature"


def test_files_import_their_neighbours_but_replace_no_module():
    with Sandbox() as box:
        handle, _, _ = box.load(target("sibling_import.py", "reward"))
        assert box.call(handle, ROWS).values == [1.0, 2.5, 2.5]
        handle, _, _ = box.load(target("random.py", "reward"))  # tempfile imports random
        assert box.call(handle, ROWS).values == [1.0] * 3


# -- calling -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("file", "name", "kind", "row", "says"),
    [
        ("raises.py", "always", "raised", None, "RuntimeError: the judge is down"),
        ("raises.py", "single", "raised", 0, "IndexError"),
        ("raises.py", "unprintable", "raised", 0, "Odd"),
        ("counts.py", "too_few", "wrong_count", None, "2 values for 3"),
        ("counts.py", "too_many", "wrong_count", None, "4 values for 3"),
        ("counts.py", "scalar", "wrong_count", None, "list of 3"),
        ("counts.py", "nothing", "bad_value", None, "is a return missing"),
        ("values.py", "nan", "bad_value", 0, "nan"),
        ("values.py", "inf", "bad_value", 1, "inf"),
        ("values.py", "huge_int", "bad_value", 0, "inf"),
        ("values.py", "text", "bad_value", 0, "'1.0' (str)"),
        ("values.py", "one_text", "bad_value", None, "'1.0'"),
        ("values.py", "none_single", "bad_value", 0, "None"),
        ("values.py", "complex_number", "bad_value", 0, "complex"),
        ("values.py", "no_score", "bad_value", 0, "no 'score'"),
        ("values.py", "unreadable", "raised", None, "OSError"),
        ("signatures.py", "wants_column", "missing_column", None, "unit_tests"),
        ("dies.py", "exits", "exited", 0, "exit code 7"),
        ("dies.py", "sys_exits", "exited", None, "sys.exit(5)"),
        ("dies.py", "segfaults", "crashed", 0, "SIGSEGV"),
        ("dies.py", "aborts", "crashed", 0, "SIGABRT"),
    ],
)
def test_every_failure_of_a_call_has_its_kind_and_row(file, name, kind, row, says):
    error = failure(file, name)
    assert (error.kind, error.row) == (kind, row)
    assert says in str(error)
    if row is not None:
        assert error.detail["input"]["completion"] == ROWS[row].completion


def test_an_exception_shows_the_authors_frames():
    error = failure("raises.py", "always")
    assert 'raises.py", line 2, in always' in error.detail["traceback"]
    assert 'raise RuntimeError("the judge is down")' in error.detail["traceback"]


def test_unscorable_rows_are_none_in_batch_forms():
    with Sandbox() as box:
        handle, _, _ = box.load(target("values.py", "some_none"))
        assert box.call(handle, ROWS).values == [None, 1.0, 1.0]


@pytest.mark.parametrize("name", ["fractions", "numpy_array"])
def test_numbers_of_other_kinds_are_converted_with_a_note(name):
    with Sandbox() as box:
        answer = box.call(box.load(target("values.py", name))[0], ROWS)
    want = [0.25] * 3 if name == "fractions" else [2.0, 5.0, 5.0]
    assert answer.values == want
    assert any("converted" in note for note in answer.notes)


@pytest.mark.slow
@pytest.mark.bridge
def test_tensors_of_one_element_are_converted_and_others_refused():
    pytest.importorskip("torch")
    with Sandbox(timeout=60) as box:
        answer = box.call(box.load(target("values.py", "tensors"))[0], ROWS)
        assert answer.values == [0.25] * 3
        assert any("torch.Tensor" in note for note in answer.notes)
        with pytest.raises(RewardError) as caught:
            box.call(box.load(target("values.py", "tensor_pairs"))[0], ROWS)
    assert caught.value.kind == "bad_value"


# -- limits ------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["sleeps", "spins"])
def test_endless_calls_are_stopped(name):
    error = failure("stalls.py", name, timeout=0.5)  # comes back only if the call is stopped
    assert error.kind == "timeout"
    assert "0.5 s" in str(error)


def test_the_time_limit_is_per_completion_where_the_function_takes_one(tmp_path):
    file = tmp_path / "slow.py"
    file.write_text("import time\ndef reward(text):\n    time.sleep(0.4)\n    return 1.0\n")
    with Sandbox(timeout=2.2) as box:
        handle, _, _ = box.load(Target("slow", path=str(file), name="reward"))
        assert box.call(handle, ROWS * 2).values == [1.0] * 6  # 2.4 s together


def test_imports_have_a_limit_of_their_own(tmp_path):
    file = tmp_path / "slow_import.py"
    file.write_text("import time\ntime.sleep(2.5)\ndef reward(text):\n    return 1.0\n")
    slow = Target("slow_import", path=str(file), name="reward")
    with Sandbox(timeout=2.0) as box:
        handle, _, seconds = box.load(slow)
        assert seconds > 2.4
        assert box.call(handle, ROWS).values == [1.0] * 3
    with Sandbox(import_timeout=0.3) as box, pytest.raises(RewardError, match="import") as caught:
        box.load(slow)
    assert caught.value.kind == "timeout"


def test_memory_without_end_is_stopped():
    error = failure("memory_hog.py", "reward", memory=200 * 2**20)
    assert error.kind == "memory"
    assert "0.20 GiB allowed" in str(error)


@pytest.mark.parametrize("name", ["prints", "raw_descriptor", "closes_stdout"])
def test_printing_disturbs_nothing(name):
    with Sandbox() as box:
        handle, _, _ = box.load(target("noisy.py", name))
        for _ in range(2):
            assert box.call(handle, ROWS[:1]).values == [1.0]
        assert len(box.output) <= 16_384


@pytest.mark.parametrize(
    ("name", "limits", "kinds"),
    [
        ("stops", {"timeout": 0.5}, ("timeout",)),
        ("closes_everything", {}, ("exited", "crashed")),
        ("reads_input", {}, ("raised",)),
    ],
)
def test_code_that_mistreats_its_process_is_survived(name, limits, kinds):
    assert failure("processes.py", name, **limits).kind in kinds


def test_a_child_that_dies_between_calls_is_replaced():
    with Sandbox(timeout=60.0) as box:
        odd, _, _ = box.load(target("processes.py", "kills_its_parent"))
        good, _, _ = box.load(target("processes.py", "measure"))
        for _ in range(3):
            with contextlib.suppress(RewardError):  # it may answer before it is ended
                box.call(odd, ROWS[:1])
            time.sleep(0.1)
            assert box.call(good, ROWS).values == [2.0, 5.0, 5.0]
        assert box.starts == 4


def test_forks_and_pools_work():
    with Sandbox() as box:
        handle, _, _ = box.load(target("processes.py", "forks_and_returns"))
        for _ in range(5):
            assert box.call(handle, ROWS).values == [1.0] * 3
        handle, _, _ = box.load(target("processes.py", "uses_a_pool"))
        assert box.call(handle, ROWS).values == [2.0, 5.0, 5.0]


def test_large_requests_pass():
    with Sandbox() as box:
        handle, _, _ = box.load(target("sibling_import.py", "reward"))
        rows = [TextRow("p", "é" * 300_000, {}, 3)] * 4
        assert box.call(handle, rows).values == [150_000.0] * 4


# -- life and death ----------------------------------------------------------------------
def test_one_child_serves_many_calls_and_is_replaced_after_a_death():
    with Sandbox() as box:
        handle, _, _ = box.load(target("dies.py", "once"))
        assert [box.call(handle, ROWS).values for _ in range(5)] == [[1.0] * 3] * 5
        assert box.starts == 1
        with pytest.raises(RewardError, match="exit code 1"):
            box.call(handle, [TextRow("p", "die")])
        assert box.call(handle, ROWS).values == [1.0] * 3
        assert box.starts == 2


@pytest.mark.parametrize("name", ["plain", "detached", "daemon"])
def test_children_of_the_users_code_are_killed_at_the_end(name):
    if name == "daemon" and not sys.platform.startswith("linux"):
        pytest.skip("orphans are adopted on Linux only")
    with Sandbox() as box:
        handle, _, _ = box.load(target("leaves_child.py", name))
        pid = int(box.call(handle, ROWS[:1]).values[0])
        assert alive(pid)
        worker = box.pid
        assert worker is not None
    assert gone_soon(pid)
    assert gone_soon(worker)


def test_nothing_is_left_to_reap():
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    for file, name in (("dies.py", "segfaults"), ("stalls.py", "sleeps"), ("noisy.py", "prints")):
        with Sandbox(timeout=0.4) as box, contextlib.suppress(RewardError):
            box.call(box.load(target(file, name))[0], ROWS)
    assert {p.pid for p in psutil.Process().children(recursive=True)} <= before


def test_the_child_dies_with_a_killed_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, signal, sys\n"
        "from toyrl.rewards.sandbox.host import Sandbox, Target\n"
        "from toyrl.graders.base import TextRow\n"
        "box = Sandbox()\n"
        f"h = box.load(Target('x', path={str(BAD / 'leaves_child.py')!r}, name='detached'))[0]\n"
        "child = int(box.call(h, [TextRow('p', 'x')]).values[0])\n"
        "print(box.pid, child, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = str(BAD.parent.parent)
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
        check=False,
    )
    worker, child = map(int, done.stdout.split())
    assert gone_soon(worker)
    assert gone_soon(child)


def test_close_is_idempotent_and_a_closed_box_starts_again():
    box = Sandbox()
    handle, _, _ = box.load(target("sibling_import.py", "reward"))
    box.close()
    box.close()
    assert box.call(handle, ROWS[:1]).values == [1.0]
    box.close()


def test_no_descriptors_leak():
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    with Sandbox() as box:
        box.load(target("sibling_import.py", "reward"))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with Sandbox() as box:
            box.load(target("sibling_import.py", "reward"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_child_imports_nothing_of_the_library(tmp_path):
    file = tmp_path / "look.py"
    file.write_text(
        "import sys\n"
        "def reward(text):\n"
        "    heavy = [m for m in sys.modules if m.split('.')[0] in ('toyrl', 'numpy', 'jax')]\n"
        "    return float(len(heavy))\n"
    )
    with Sandbox() as box:
        handle, _, _ = box.load(Target("look", path=str(file), name="reward"))
        assert box.call(handle, ROWS[:1]).values == [0.0]
