"""Whether the trainer's own call reaches a reward, and whether it answers alike where it is called.

TRL calls plain functions in the main thread and coroutines in another; verl, AReaL and rllm call
in worker threads or processes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from toyrl.experiments.validate.contract import facts
from toyrl.experiments.validate.contract.facts import Contract
from toyrl.experiments.validate.findings import NOT_TESTED, Finding
from toyrl.graders.base import TextRow
from toyrl.rewards.errors import RewardError
from toyrl.rewards.places import Place
from toyrl.rewards.sandbox.host import Sandbox
from toyrl.rewards.terms import TextTerm, same
from toyrl.rewards.trainers import CALLS
from toyrl.rewards.user import UserReward

ROWS = 8
SLOW = 0.2  # seconds a row from which calls in other places are not tried
STOPS = ("budget", "missing_column")
SIGNALS = "signal only works in main thread"


def refused(reward: UserReward) -> list[Finding]:
    """Functions whose signature the trainer's call doesn't fit."""
    out = []
    for text in reward.texts:
        s = text.signature
        if not s.refuses:
            continue
        call = CALLS[s.form]
        fix = "take what you don't use with **kwargs"
        if not call.certain:
            fix += f", unless your own code, not {call.trainer}, calls it"
        status = "fail" if call.certain else "warn"
        message = f"{text.label} would fail at the first step: {s.refuses}."
        out.append(Finding(1, "contract/trainer-call", status, message, fix=fix))
    return out


def places(reward: UserReward, contract: Contract, rows: Sequence[TextRow]) -> list[Finding]:
    """Equal answers in a worker thread and in a worker process; not tested where they don't repeat
    or take long."""
    if not reward.texts:
        return []
    if contract.cause in (facts.CALLS, facts.CHANCE, facts.CLOCK):
        return [_untried("equal calls give different values in one place already")]
    step = max(1, len(rows) // ROWS)
    some = list(rows[::step])[:ROWS]
    out = []
    left_out = ""
    for text in reward.texts:
        try:
            text.raw(some[:1])  # a child that was started anew is started here
            start = time.perf_counter()
            usual = text.raw(some)
        except RewardError as error:
            if error.kind in STOPS:
                raise
            left_out = f"{text.label} fails on such texts: {error}"
            continue
        if time.perf_counter() - start > SLOW * len(some):
            left_out = f"{text.label} takes more than {SLOW:g} s a text"
            continue
        kinds: tuple[Place, ...] = ("thread",)
        if isinstance(text.box, Sandbox):
            kinds += ("process",)
        out += [f for kind in kinds if (f := _place(text, kind, some, usual)) is not None]
    if out or left_out:
        return out or [_untried(left_out)]
    forked = all(isinstance(t.box, Sandbox) for t in reward.texts)
    where = "a worker thread and in a worker process" if forked else "a worker thread"
    return [Finding(1, "contract/places", "pass", f"It answers alike in {where}.")]


def _untried(why: str) -> Finding:
    text = f"Not tried in a worker thread or a worker process: {why}."
    return Finding(1, "contract/places", NOT_TESTED, text)


def _place(
    text: TextTerm, kind: Place, rows: Sequence[TextRow], usual: Sequence[float | None]
) -> Finding | None:
    notes = dict(text.notes)
    try:
        values = text.raw(rows, where=kind)
    except RewardError as error:
        if error.kind in STOPS:
            raise
        said = f"it fails: {error}"
    else:
        if same(values, usual):
            return None
        i = next(
            i for i, (a, b) in enumerate(zip(values, usual, strict=True)) if not same([a], [b])
        )
        said = f"it pays {values[i]}, in the main thread {usual[i]}, for the same completion"
    finally:
        text.notes = notes
    call = CALLS.get(text.signature.form)
    there = text.signature.is_async or (call is not None and call.threads)
    who = "some trainers call rewards"
    if there:
        who = f"{call.trainer if call is not None else 'a trainer'} calls it"
    cause = ""
    if kind == "thread" and (SIGNALS in said or "signal" in text.signature.uses):
        cause = " A time limit by signal.alarm works in the main thread only."
    return Finding(
        1,
        f"contract/{kind}",
        "fail" if there else "warn",
        f"{text.label}: in a worker {kind}, where {who}, {said}.{cause}",
        fix="set time limits with a process of your own, or leave them to the trainer",
    )
