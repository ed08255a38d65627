"""Rewards that a user names for a transfer: catalogue expressions and functions of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial
from typing import Any

from toyrl.experiments.errors import UsageError
from toyrl.experiments.transfer.rewards import SuiteReward
from toyrl.experiments.validate.reward_law.bench import as_shaper
from toyrl.graders.base import TextRow
from toyrl.rollouts.texts import SAID, said


def identified(reward: Any) -> str:
    """A reward as a plan writes it: its name, and for live functions a hash of what they do."""
    from toyrl.rewards.errors import RewardError
    from toyrl.rewards.live import identity
    from toyrl.rewards.specs import name_of, read

    name = reward if isinstance(reward, str) else name_of(reward)
    try:
        terms = [] if isinstance(reward, str) else read(reward)
        live = [t.function or getattr(t.shaper, "function", None) for t in terms]
        marks = [identity(f)[:12] for f in live if f is not None]
    except RewardError as error:
        raise UsageError(str(error)) from error
    return f"{name} #{'-'.join(marks)}" if marks else name


def own_rewards(specs: Sequence[Any], stack: contextlib.ExitStack) -> list[SuiteReward]:
    """One reward for each specification, as `toyrl validate` reads them.

    stack : keeps the processes that user functions run in, until it is closed

    Raises UsageError for what can't be read, and for a reward of fields that texts don't show.
    """
    from toyrl.rewards.errors import RewardError
    from toyrl.rewards.specs import name_of
    from toyrl.rewards.user import load

    out = []
    for spec in specs:
        try:
            reward = stack.enter_context(load(spec))
        except RewardError as error:
            raise UsageError(str(error)) from error
        terms = [(t.shaper, t.weight) for t in reward.terms]
        by_text = any(shaper is None for shaper, _ in terms)
        shaper = as_shaper(terms)
        text = reward.score_text if by_text else None
        full = name_of(spec)
        name = _short(full)
        if any(name == reward.name for reward in out):
            name = full
        reads: dict[str, Any] = {n: partial(_said, n) for n in shaper.all_needs() if n in SAID}
        traced = [n for n in reads if n.startswith("trace_")]
        reads.update({n: partial(_traced, n) for n in traced})
        made = SuiteReward(name, name, shaper, 1.0, None, text, reads=reads)
        made.refuse_unread()
        out.append(made)
    return out


def _said(name: str, rows: Sequence[TextRow]) -> list[float]:
    """A field that every text shows."""
    return [said(name, row) for row in rows]


def _traced(name: str, rows: Sequence[TextRow]) -> list[float]:
    """A field of traces; UsageError for a task whose prompts pose no program."""
    found = _said(name, rows)
    if any(x != x for x in found):
        msg = (
            f"the reward reads {name}, but the task's prompts pose no program whose trace "
            "could be verified; use --task traces:addition"
        )
        raise UsageError(msg)
    return found


def _short(spec: str) -> str:
    """A specification without the folders of its file."""
    file, dot_py, rest = spec.partition(".py:")
    return f"{file.rpartition('/')[2]}{dot_py}{rest}" if dot_py else spec
