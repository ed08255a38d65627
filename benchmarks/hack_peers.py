"""The zoo's rewards given to other packages; run by `benchmarks/hacks.py --peers`.

Each goes through its public API, in a process of its own:

reward-doctor 0.2.0 : `audit(fn)`; an alarm is what its command fails on by default: an accepted
    exploit, or a crash. It asks for a threshold where rewards aren't 0 and 1: second setting, with
    the middle between what right and wrong are paid.
rewardprobe 0.1.0 : `Probe().test_fn(fn, tasks)` on ten tasks of addition; an alarm is what its
    `--ci` fails on: a critical finding. Second setting: warnings count too.
reward-contract-fuzzer 0.2.0 : audits an environment of states, actions and intended behaviour
    and has no texts of its own, so it can't be run on a reward of text.

Written rewards (`reward_zoo/written`) are given as they are, sums of terms left out.

"As given" is the function as a trainer would get it. A form is left out where the package doesn't
deliver text and gold answer to it, which is tried with a function that listens. "Wrapped" is a
function (completion, answer) around it, written by hand as both packages suggest.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.experiments.validate.reward_zoo import SOUND, spoilt  # noqa: E402
from tests.experiments.validate.reward_zoo.flaws import PROMPT  # noqa: E402
from tests.experiments.validate.reward_zoo.sound import Reward, build, call  # noqa: E402
from tests.experiments.validate.reward_zoo.written import (  # noqa: E402
    WRITTEN_FLAWED,
    WRITTEN_SOUND,
    Written,
    function,
)

WRITTEN = "written rewards, as given"
SETTINGS = ("as given", "wrapped", "wrapped, second setting", WRITTEN)
TASKS = [
    {"question": f"What is {a} plus {b}?", "prompt": f"What is {a} plus {b}?", "answer": str(a + b)}
    for a, b in zip(range(3, 33, 3), range(40, 60, 2), strict=True)
]


@dataclass
class Run:
    """Alarms of one package in one setting, by reward; forms that it can't serve; seconds."""

    note: str = ""
    sound: dict[str, frozenset[str]] = field(default_factory=dict)
    flawed: dict[str, frozenset[str]] = field(default_factory=dict)
    seconds: float = 0.0


def run_all(python: Path, names: Sequence[str]) -> dict[str, Run]:
    """PACKAGE, SETTING -> what it said; packages that can't be run have a note and no rewards."""
    out = {"reward-contract-fuzzer": Run("not run: it audits environments, not rewards of text")}
    for tool in TOOLS:
        for setting in SETTINGS:
            done = subprocess.run(
                [str(python), __file__, tool, setting, *names],
                capture_output=True,
                text=True,
                cwd=ROOT,
                check=False,
            )
            if done.returncode:
                out[f"{tool}, {setting}"] = Run(done.stderr.strip().rpartition("\n")[2])
                continue
            got = json.loads(done.stdout.strip().rpartition("\n")[2])
            run = Run(got["note"], seconds=got["seconds"])
            for name, alarms in got["alarms"].items():
                flawed = " of " in name or name in WRITTEN_FLAWED
                (run.flawed if flawed else run.sound)[name] = frozenset(alarms)
            out[f"{tool}, {setting}"] = run
    return out


# -- inside the other environment ------------------------------------------------------------------
Alarms = Callable[[Callable[..., Any], Reward, bool], set[str]]


def doctor(function: Callable[..., Any], x: Reward, second: bool) -> set[str]:
    """Attacks that reward-doctor finds, and "crash"."""
    from reward_doctor import audit

    found = audit(function, threshold=(x.right + x.wrong) / 2) if second else audit(function)
    return set(found.attacks_that_work) | ({"crash"} if found.errors else set())


def probe(function: Callable[..., Any], _x: Reward, second: bool) -> set[str]:
    """Names of rewardprobe's findings: critical ones, or all but information."""
    from rewardprobe import Probe, Severity

    alarming = (Severity.CRITICAL, Severity.WARNING) if second else (Severity.CRITICAL,)
    report = Probe().test_fn(function, [{**t, "solution": t["answer"]} for t in TASKS])
    return {f.attack for f in report.findings if f.severity in alarming}


TOOLS: dict[str, Alarms] = {"reward-doctor": doctor, "rewardprobe": probe}


def wrapped(x: Reward) -> Callable[..., Any]:
    """The reward as a function of one completion and its answer."""

    def reward(completion, answer):
        return call(x, PROMPT, [completion], answer)[0]

    return reward


def serves(alarms: Alarms, form: str) -> bool:
    """Whether a function of this form ever hears a text that holds a gold answer and more."""
    heard = []

    def listen(_prompt: Any, text: Any, right: bool, value: Any) -> Any:
        heard.append(right or (form.endswith("_free") and isinstance(text, str)))
        return value

    ear = Reward(
        "ear",
        "prose",
        form,
        marks=lambda text: [text],
        equal=lambda said, gold: bool(gold) and gold in said and said != gold,
        after=(listen,),
    )
    try:
        alarms(build(ear), ear, False)
    except Exception:
        return False
    return any(heard)


def written(tool: str) -> dict[str, Any]:
    """What a package says of the written rewards that it can call as they are: those whose call
    raises in it are left out."""
    alarms, start = TOOLS[tool], time.perf_counter()
    said: dict[str, list[str]] = {}
    left_out = []
    for x in (*WRITTEN_SOUND.values(), *WRITTEN_FLAWED.values()):
        found = _alarms_of(alarms, x)
        if found is None:
            left_out.append(x.name)
        else:
            said[x.name] = sorted(found)
    note = f"can't be run on {', '.join(left_out)}" if left_out else "runs on all"
    return {"note": note, "alarms": said, "seconds": time.perf_counter() - start}


def _alarms_of(alarms: Alarms, x: Written) -> set[str] | None:
    """None where the package can't call the reward, or the reward is a sum."""
    try:
        found = alarms(function(x), next(iter(SOUND.values())), False)
    except Exception:
        return None
    return None if "crash" in found else found


def work(tool: str, setting: str, names: Sequence[str]) -> dict[str, Any]:
    """What a package says of each reward, in the environment that has it."""
    if setting == WRITTEN:
        return written(tool)
    alarms = TOOLS[tool]
    start = time.perf_counter()
    forms: dict[str, bool] = {}
    said: dict[str, list[str]] = {}
    for name in names:
        x = SOUND[name] if name in SOUND else spoilt(name)
        if setting == "as given" and not forms.setdefault(x.form, serves(alarms, x.form)):
            continue
        function = build(x) if setting == "as given" else wrapped(x)
        try:
            found = alarms(function, x, setting.endswith("second setting"))
        except Exception as error:
            found = {f"fails: {type(error).__name__}"}
        said[name] = sorted(found)
    left_out = ", ".join(sorted(f for f, served in forms.items() if not served))
    note = f"can't be run on the forms {left_out}" if left_out else "runs on every form"
    return {"note": note, "alarms": said, "seconds": time.perf_counter() - start}


if __name__ == "__main__":
    print(json.dumps(work(sys.argv[1], sys.argv[2], sys.argv[3:])))
