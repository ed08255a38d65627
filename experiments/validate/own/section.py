"""Section 0: the reward on the user's own log, and what the log says of lengths and texts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from toyrl.experiments.core import Picture
from toyrl.experiments.validate.findings import NOT_TESTED, Finding, Section
from toyrl.experiments.validate.hacks.price import log_price
from toyrl.experiments.validate.inputs import Inputs
from toyrl.experiments.validate.own import evidence, lengths, votes
from toyrl.experiments.validate.reward_law import bench, own_rollouts
from toyrl.rollouts import Rollouts
from toyrl.rollouts.logs import KEYS, NO_LIMIT

NOTHING_MOVES = ("own/unscorable", "own/one-kind", "own/alike", "own/no-signal")
"""Findings after which an update's drift would be nought or unknown."""


def run(run: Inputs) -> Section:
    """The section of a run whose log was read and whose contract was judged."""
    log, s = run.log, run.settings
    assert log is not None
    assert s.rollouts is not None
    r = log.rollouts
    seen = [
        *lengths.findings(log, run.asked, s, run.worlds_limit),
        *evidence.truncated(r),
        *evidence.logged(r, log.paid, log.advantage, seed=s.seed),
        *_texts(run),
        *(Finding(0, "own/note", "info", n) for n in log.notes if not n.startswith(NO_LIMIT)),
    ]
    try:
        graded = run.with_fields(log)
    except KeyError as error:
        text = f"Your log was not judged: {error.args[0]}; write it into the log."
        return Section(0, text, (Finding(0, "own/fields", "warn", text), *seen))
    reward = np.asarray(bench.as_shaper(run.terms).reward(graded), dtype=float)
    reward = np.where(r.w > 0, reward, np.nan)
    voted, shown = _votes(run, graded)
    if any(f.status == NOT_TESTED for f in voted):
        return Section(0, voted[0].message, (*voted, *seen))
    seen[:0] = [
        *evidence.of_reward(r, reward, who="The reward judged", more=_formats(run), seed=s.seed),
        *evidence.compared(r, reward, _logged_as_judged(run), log.lines),
    ]
    seen[1:1] = voted
    first = [f.message for f in seen if f.name in evidence.DECIDES and f.status == "fail"][:1]
    if any(f.name in NOTHING_MOVES and f.status == "fail" for f in seen):
        return Section(0, first[0], tuple(seen), shown)
    section, run.own_facts = own_rollouts.run(
        graded,
        reward,
        run.estimator,
        estimator_name=s.estimator,
        source=s.rollouts.name,
        seed=s.seed,
        price_nats=log_price(graded, reward),
    )
    summary = " ".join([*first, section.summary])
    pictures = (*shown, *section.pictures)
    found = (*seen, *section.findings)
    return replace(section, summary=summary, findings=found, pictures=pictures)


def _votes(run: Inputs, graded: Rollouts) -> tuple[list[Finding], tuple[Picture, ...]]:
    """What the log shows of a vote of the group's own; nothing for another reward, or another
    view's vote."""
    if not run.votes or "view" in bench.as_shaper(run.terms).all_needs():
        return [], ()
    s, labelled = run.settings, run.contract_facts.reads_gold
    return votes.judged(graded, s.group_size, labelled=labelled, seed=s.seed)


def _logged_as_judged(run: Inputs) -> dict[str, np.ndarray]:
    """The logged column that should hold what is judged: of the function's name, else the total."""
    log, signature = run.log, run.reward.signature
    assert log is not None
    alone = signature is not None and len(run.terms) == 1
    names = [*([signature.name] if alone and signature else []), *KEYS["reward"]]
    return next(({k: log.paid[k]} for k in names if k in log.paid), {})


def _texts(run: Inputs) -> list[Finding]:
    """Whose texts contract and hacks use."""
    own = run.own_texts
    if own is None or run.reward.kind == "shaper":
        return []
    if not own:
        text = f"Contract and hacks use toyrl's texts, not yours: {own.why}."
        return [Finding(0, "own/texts", "warn", text)]
    right = sum(x.correct for x in own.rows)
    text = (
        f"Contract and hacks start from {right} right and {len(own.rows) - right} wrong "
        f"completions of yours, which mark answers as {own.dialect!r} ({own.found:.0%} of the "
        "right ones)."
    )
    return [Finding(0, "own/texts", "info", text, value=own.found)]


def _formats(run: Inputs) -> str:
    """The format of the user's texts beside the one that the reward reads, where they differ."""
    own, facts = run.own_texts, getattr(run, "contract_facts", None)
    if own is None or not own.dialect or run.reward.kind == "shaper":
        return ""
    yours = f"Your texts mark answers as {own.dialect!r}"
    if facts is not None and facts.separates and facts.dialect != own.dialect:
        return f"{yours}; the reward tells right from wrong in {facts.dialect!r}."
    return f"{yours}."
