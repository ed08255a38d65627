"""Rewards that are Python objects: read into terms, called here as the sandbox calls files."""

from __future__ import annotations

import asyncio
import functools
import signal
import threading
import time

import numpy as np
import pytest

import toyrl
from toyrl.graders.base import TextRow
from toyrl.rewards.errors import RewardError
from toyrl.rewards.live import LiveBox, identity, label_of
from toyrl.rewards.specs import name_of, read
from toyrl.rewards.user import load
from toyrl.rollouts import Rollouts

ROWS = [
    TextRow("What is 2+2?", f"The answer is {n}.", {"answer": "4"}, tokens=5) for n in (4, 5, 44)
]
FACTOR = 2.0


def plain(text: str, answer: str) -> float:
    return FACTOR * (answer in text)


def trl(completions, answer, **kwargs):
    return [float(a in c) for c, a in zip(completions, answer, strict=True)]


class Brevity:
    def __init__(self, weight: float) -> None:
        self.weight = weight

    def __call__(self, completions, **kwargs):
        return [-self.weight * len(c) for c in completions]

    def method(self, text):
        return -self.weight * len(text)


@pytest.mark.parametrize(
    ("reward", "values"),
    [
        (plain, [2, 0, 2]),
        (trl, [1, 0, 1]),
        (lambda text: len(text) / 100, [0.16, 0.16, 0.17]),
        (functools.partial(lambda text, scale: scale * len(text), scale=0.1), [1.6, 1.6, 1.7]),
        (Brevity(0.5), [-8, -8, -8.5]),
        (Brevity(0.5).method, [-8, -8, -8.5]),
        ([(plain, 2), Brevity(0.5)], [-4, -8, -4.5]),
        ({plain: 2.0, trl: -1}, [3, 0, 3]),
        ((trl, 0.5), [0.5, 0, 0.5]),
    ],
)
def test_objects_are_called_by_their_signature(reward, values):
    with load(reward) as made:
        assert made.kind == "text"
        assert made.score_text(ROWS) == pytest.approx(values)
        assert made.score_text(ROWS) == made.grade(ROWS)


def test_coroutines_are_awaited_also_inside_a_running_loop():
    async def slow(text):
        await asyncio.sleep(0)
        return float(len(text))

    async def notebook():
        with load(slow) as made:
            return made.grade(ROWS)

    with load(slow) as made:
        assert made.grade(ROWS) == [16, 16, 17] == asyncio.run(notebook())


def test_shapers_expressions_and_columns_become_shapers():
    shaper = toyrl.parse("laser(target=0.25)")
    found = read([shaper, ("outcome():2", 0.5), (lambda correct, length: correct - length / 8, -1)])
    assert [t.weight for t in found] == [1.0, 1.0, -1.0]
    assert found[0].shaper is shaper
    assert found[0].spec == "laser(target=0.25)"
    r = Rollouts(correct=np.array([[1.0, 0.0]]), length=np.array([[4.0, 8.0]]), max_length=8.0)
    assert found[2].shaper.reward(r).tolist() == [[0.5, -1.0]]


@pytest.mark.parametrize(
    ("function", "scope"),
    [
        (lambda correct, length: correct - 0.01 * length, "rollout"),
        (lambda correct, length: 1.0 if correct and length < 100 else 0.0, "rollout"),
        (lambda correct, length: correct - length / length.mean(), "group"),
        (lambda length: 1.0 * (length == length.max()), "group"),
    ],
)
def test_a_function_of_columns_looks_at_its_group_or_not(function, scope):
    (term,) = read(function)
    assert term.shaper.all_scope() == scope
    r = Rollouts(
        correct=np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]),
        length=np.array([[4.0, 8.0, 200.0], [1.0, 2.0, 3.0]]),
        max_length=512.0,
    )
    wide = r.with_(correct=np.stack([r.correct] * 2), length=np.stack([r.length] * 2))
    once = term.shaper.reward(r)
    assert np.array_equal(term.shaper.reward(wide), np.stack([once] * 2))
    if not term.shaper.row_by_row:
        assert once == pytest.approx(np.stack([function(**_row(function, r, b)) for b in (0, 1)]))


def test_a_function_of_columns_answers_torch_in_torch():
    torch = pytest.importorskip("torch")
    (term,) = read(lambda correct, length, max_length: correct - length / max_length)
    r = Rollouts(
        correct=torch.tensor([[1.0, 0.0]]), length=torch.tensor([[4.0, 8.0]]), max_length=8.0
    )
    found = term.shaper.reward(r)
    assert isinstance(found, torch.Tensor)
    assert found.tolist() == [[0.5, -1.0]]


def _row(function, r, b):
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    return {n: getattr(r, n)[b] for n in names}


@pytest.mark.parametrize(
    ("reward", "said"),
    [
        ([], "no reward is named"),
        (3, "3 is no reward but of type int"),
        ((plain, float("nan")), "the weight of plain is nan; it must be a finite number"),
        ({plain: "2"}, "the weight of plain is '2'; it must be a finite number"),
        (Brevity, "Brevity is a class, not a function; make an object of it"),
        (lambda correct, length: correct[:1] * length[:1], "lambda raised TypeError"),
        (lambda correct, bonus: correct + bonus, r"lambda\(correct, bonus\) names no parameter"),
    ],
)
def test_what_is_no_reward_is_refused_in_one_sentence(reward, said):
    with pytest.raises(RewardError, match=said):
        load(reward)


def test_names_are_short_and_tell_weights():
    assert name_of([plain, (Brevity(1.0).method, 0.2), toyrl.parse("outcome()")]) == (
        "plain + 0.2 * Brevity.method + outcome()"
    )
    assert name_of({"a.py:f": 2}) == "2 * a.py:f"
    assert label_of(functools.partial(plain, answer="4")) == "plain(answer='4')"


# -- faults ------------------------------------------------------------------------------------
def raises(text):
    raise KeyError("gone")


def leaves(text):
    raise SystemExit(3)


def bad(text):
    return "high"


@pytest.mark.parametrize(
    ("function", "kind", "said"),
    [
        (raises, "raised", r"raises raised KeyError: 'gone'.*File .*test_live.*The answer is 4"),
        (leaves, "exited", r"leaves called sys.exit\(3\)"),
        (bad, "bad_value", r"bad returned 'high' \(str\), not a number"),
        (
            lambda completions, **kw: [len(kw) + len(completions[0])],
            "wrong_count",
            "lambda returned 1 values for 3",
        ),
    ],
)
def test_faults_are_told_as_the_sandbox_tells_them(function, kind, said):
    box = LiveBox()
    with pytest.raises(RewardError, match=said) as caught:
        box.call(box.load(function, label_of(function))[0], ROWS)
    assert caught.value.kind == kind


def test_control_c_is_no_fault_of_the_reward():
    def interrupted(text):
        raise KeyboardInterrupt

    box = LiveBox()
    with pytest.raises(KeyboardInterrupt):
        box.call(box.load(interrupted, "interrupted")[0], ROWS)


def hangs(text):
    try:
        while "5" in text:
            time.sleep(0.01)
    except Exception:
        return 1.0
    return 0.0


def test_a_call_over_its_time_is_interrupted_and_names_its_row():
    box = LiveBox(timeout=0.3)
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(
        RewardError, match=r"hangs took more than 0.3 s for one completion"
    ) as found:
        box.call(box.load(hangs, "hangs")[0], ROWS)
    assert (found.value.kind, found.value.row) == ("timeout", 1)
    assert signal.getsignal(signal.SIGALRM) is before


def test_a_timer_that_was_running_goes_on():
    rang = []
    old = signal.signal(signal.SIGALRM, lambda *_: rang.append(1))
    was = signal.setitimer(signal.ITIMER_REAL, 1000.0)
    try:
        box = LiveBox(timeout=5.0)
        box.call(box.load(plain, "plain")[0], ROWS)
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        assert 0 < left <= 1000.0
        assert rang == []
    finally:
        signal.setitimer(signal.ITIMER_REAL, *was)
        signal.signal(signal.SIGALRM, old)


def test_threads_may_call_too():
    box, out = LiveBox(), []
    handle, _, _ = box.load(plain, "plain")
    thread = threading.Thread(target=lambda: out.append(box.call(handle, ROWS).values))
    thread.start()
    thread.join()
    assert out == [[2.0, 0.0, 2.0]]


def test_what_it_prints_is_kept_apart(capsys):
    def noisy(text):
        print("seen", text)
        return 0.0

    box = LiveBox()
    box.call(box.load(noisy, "noisy")[0], ROWS)
    assert capsys.readouterr().out == ""
    assert box.output.startswith("seen The answer is 4.")


# -- the cache ---------------------------------------------------------------------------------
def made(scale):
    return lambda text: scale * len(text)


def test_values_are_kept_by_code_and_by_what_it_closes_over(tmp_path):
    assert identity(made(1.0)) == identity(made(1.0)) != identity(made(2.0))
    assert identity(Brevity(1.0)) != identity(Brevity(2.0))
    assert identity(functools.partial(plain, answer="1")) != identity(plain)
    with load(made(1.0), cache=tmp_path) as reward:
        reward.score_text(ROWS)
    with load(made(1.0), cache=tmp_path, max_calls=40) as reward:
        reward.score_text(ROWS)
        fresh = reward.texts[0].budget.used
    with load(made(3.0), cache=tmp_path, max_calls=40) as reward:
        assert reward.score_text(ROWS)[0] == 48
        assert reward.texts[0].budget.used == fresh + len(ROWS)


def test_what_cannot_be_told_apart_is_not_kept(tmp_path):
    lock = threading.Lock()

    def guarded(text):
        with lock:
            return 0.0

    with pytest.raises(RewardError, match="guarded can't be kept in a cache"):
        load(guarded, cache=tmp_path)
