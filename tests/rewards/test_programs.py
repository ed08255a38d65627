"""Programs in processes of their own: no way to cheat a test pays, and nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import psutil
import pytest

from toyrl.rewards.sandbox.plain import decode, encode
from toyrl.rewards.sandbox.programs import _PARENTS, Limits, Outcome, Programs, own

RIGHT = "def f(x): return x + 1"
TESTS = ["assert f(1) == 2", "assert f(2) == 3"]
WIDE = Limits(seconds=60.0)  # never met: what is under test isn't the clock


@pytest.fixture(scope="module")
def programs():
    with Programs() as made:
        yield made


def outcome(programs: Programs, code: str, tests=TESTS, **more) -> Outcome:
    return programs.test(code, tests, limits=WIDE, **more)


def test_tests_hold_of_what_is_right_one_by_one(programs):
    assert outcome(programs, RIGHT) == Outcome((True, True))
    half = outcome(programs, "def f(x): return 2")
    assert half.passed == (True, False)
    assert half.problem.startswith("test 1")
    assert not half.fault


CHEATS = {
    "leaves": "import sys\nsys.exit(0)",
    "leaves at once": "import os\nos._exit(0)",
    "leaves in a call": "import os\ndef f(x): os._exit(0)",
    "equal to everything": "class E:\n  def __eq__(s, o): return True\n"
    "  def __bool__(s): return True\ndef f(x): return E()",
    "a number equal to everything": "class E(int):\n  def __eq__(s, o): return True\n"
    "  __hash__ = int.__hash__\ndef f(x): return E(0)",
    "a list equal to everything": "class E(list):\n  def __eq__(s, o): return True\n"
    "def f(x): return E()",
    "another assert": "import builtins\nbuiltins.AssertionError = ZeroDivisionError\n"
    "def f(x): return 0",
    "another math": "class math:\n  isclose = staticmethod(lambda *a: True)\ndef f(x): return 0",
    "callers": "import sys\ndef f(x):\n  frame = sys._getframe(1)\n  while frame:\n"
    "    if 'tests' in frame.f_locals: return frame.f_locals\n    frame = frame.f_back",
    "memory": "import gc\ndef f(x):\n  sign = ' == '.join(['assert f(1)', '2'])\n"
    "  held = [y for o in gc.get_objects() if type(o) in (list, tuple, dict)\n"
    "          for y in (o.values() if type(o) is dict else o)]\n"
    "  return x + any(isinstance(y, str) and sign in y for y in held)",
    "prints": "print('passed')\ndef f(x): print('passed')",
    "nothing": "",
    "no Python": "def f(x: return",
    "another name": "def g(x): return x + 1",
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_a_cheat_passes_no_test(programs, cheat):
    found = outcome(programs, CHEATS[cheat], [*TESTS, "assert math.isclose(f(1), 2)"])
    assert found.passed == (False, False, False)
    assert found.problem
    assert not found.fault


def test_a_result_that_code_writes_to_its_own_socket_is_a_value_and_no_verdict(programs):
    code = (
        "import os, struct, json\ndef f(x):\n  for message in ({'test': 0, 'ok': True, 'said': '',"
        " 'fault': False}, {'end': True}):\n    data = json.dumps(message).encode()\n"
        "    frame = struct.pack('>I', len(data)) + data\n"
        "    for fd in range(3, 30):\n      try: os.write(fd, frame)\n"
        "      except OSError: pass\n"
    )
    assert not any(outcome(programs, code).passed)


REFUSED = {
    "os.fork": "import os\ndef f(x): os.fork()",
    "subprocess": "import subprocess\ndef f(x): subprocess.run(['true'])",
    "os.system": "import os\ndef f(x): os.system('true')",
    "socket": "import socket\ndef f(x): socket.socket()",
    "os.kill": "import os\ndef f(x): os.kill(os.getppid(), 9)",
    "may not read": "def f(x): open('/proc/self/environ')",
    "ctypes": "import ctypes\ndef f(x): ctypes.CDLL(None).fork()",
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_program_may_not_do_is_an_error_in_it(programs, what):
    found = outcome(programs, REFUSED[what])
    assert found.passed == (False, False)
    assert "PermissionError" in found.problem
    assert what.rpartition(".")[2] in found.problem or what in found.problem


def test_no_file_is_written_by_code_or_by_tests(programs, tmp_path):
    file = tmp_path / "written"
    said = outcome(programs, f"def f(x): open({str(file)!r}, 'w')").problem
    assert "may not write files" in said
    found = outcome(programs, RIGHT, [f"import os; os.mkdir({str(file)!r})", *TESTS])
    assert found.passed == (False, True, True)
    assert found.fault
    assert not [*tmp_path.iterdir()]


def test_what_hangs_is_ended_and_says_which_it_was(programs):
    brief = Limits(seconds=0.5)
    late = programs.test("while True: pass", TESTS, limits=brief)
    assert late == Outcome((False, False), "the program took more than 0.5 s", False, False, True)
    call = programs.test("def f(x):\n  while True: pass", TESTS, limits=brief)
    assert call.problem == "the program took more than 0.5 s"
    assert call.late
    assert not call.fault
    test = programs.test(RIGHT, ["while True: pass"], limits=brief)
    assert test.problem == "a test took more than 0.5 s"
    assert test.fault
    assert programs.printed("while True: pass", limits=brief).text is None


def test_memory_is_bounded(programs):
    found = programs.test("def f(x): return len(bytearray(2**31)) + x", TESTS, limits=WIDE)
    assert "MemoryError" in found.problem


def test_data_of_every_kind_crosses_and_arguments_change_in_place(programs):
    code = (
        "import collections\ndef same(x): return x\ndef sort(xs): xs.sort()\n"
        "def count(s): return collections.Counter(s)\ndef many(n): return (i for i in range(n))\n"
        "def add(n): return lambda x: x + n\n"
        "class Box:\n  def __init__(self, x): self.x = x\n  def twice(self): return 2 * self.x\n"
    )
    tests = [
        "x = [1, 2.5, 'a', None, True, (1, {2}), {'k': b'v'}, 1j, 10**9000, range(3)]\n"
        "found = same(x)\nassert found == x and list(map(type, found)) == list(map(type, x))",
        "xs = [3, 1, 2]\nassert sort(xs) is None and xs == [1, 2, 3]",
        "assert count('aab') == {'a': 2, 'b': 1}",
        "assert list(many(3)) == [0, 1, 2]",
        "assert add(3)(4) == 7",
        "assert Box(4).twice() == 8 and Box(5).x == 5",
        "try:\n  same()\n  raise SystemExit\nexcept TypeError: pass",
    ]
    assert outcome(programs, code, tests).passed == (True,) * len(tests)


@pytest.mark.parametrize(
    "value", [0, -(2**9001), float("inf"), "\ud800", [(), [{}]], {1: {"a"}}, frozenset({1}), b"\0"]
)
def test_plain_data_comes_back_as_it_was(value):
    def refused(x):
        raise AssertionError(x)

    found = decode(encode(value, refused), refused)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("bad", [[1], {"z": 1}, {"l": [], "t": []}, {}])
def test_what_is_no_plain_data_is_refused(bad):
    with pytest.raises(ValueError, match="kind"):
        decode(bad, lambda x: x)


def test_a_test_of_its_own_fault_says_so(programs):
    for test, said in (("assert f(lambda: 1)", "no plain data"), ("assert nobody.knows", "nobody")):
        found = outcome(programs, RIGHT, [test])
        assert said in found.problem
    assert outcome(programs, RIGHT, ["assert f(lambda: 1)"]).fault
    assert outcome(programs, RIGHT, ["assert f(1) == 2"], setup="1 / 0").passed == (False,)


def test_whole_programs_read_and_print(programs):
    assert programs.printed("print(int(input()) + 1)", "4\n", limits=WIDE).text == "5\n"
    read = "import sys\nprint(sum(map(int, sys.stdin)))\nsys.exit(0)"
    assert programs.printed(read, "4\n5\n", limits=WIDE).text == "9\n"
    assert programs.printed("print(open(0).read())", "x", limits=WIDE).text == "x\n"
    assert programs.printed("print(1)\n1 / 0", limits=WIDE).problem.startswith("ZeroDivisionError")
    assert programs.printed("import os; os._exit(0)", limits=WIDE)[:2] == (
        None, "it ended its process",
    )  # fmt: skip


def test_many_threads_ask_at_once(programs):
    found: list[Outcome] = []
    codes = [f"def f(x): return x + {n % 2}" for n in range(8)]
    threads = [threading.Thread(target=lambda c=c: found.append(outcome(programs, c)))
               for c in codes]  # fmt: skip
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(x.passed for x in found) == [(False, False)] * 4 + [(True, True)] * 4


def test_nothing_is_left_alive_and_a_lost_interpreter_is_replaced():
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    with Programs() as made:
        assert outcome(made, RIGHT).passed == (True, True)
        mine = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
        for process in mine:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(mine, timeout=60)
        assert outcome(made, RIGHT).passed == (True, True)
    left = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
    assert not [p for p in left if p.status() != psutil.STATUS_ZOMBIE]


def test_without_namespaces_python_itself_refuses(tmp_path):
    with Programs(isolate="no") as made:
        assert outcome(made, RIGHT).passed == (True, True)
        said = outcome(made, f"def f(x): open({str(tmp_path / 'a')!r}, 'w')").problem
        assert "may not write" in said
    assert not [*Path(tmp_path).iterdir()]


def test_an_unknown_isolation_is_refused():
    with pytest.raises(ValueError, match="isolate='yes' is not one of allowed, must, no"):
        Programs(isolate="yes")


@pytest.mark.slow
def test_a_process_keeps_one(monkeypatch):
    assert own() is own()
    assert own() is not own("no")
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)  # as in a fork
    other = own("no")
    monkeypatch.undo()
    assert own("no") is not other
    while _PARENTS:  # no process was forked here, so they are ours to end
        _PARENTS.pop().close()
