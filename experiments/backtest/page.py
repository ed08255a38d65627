"""The ledger as a Markdown page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan

from toyrl.experiments.backtest.data import COLLAPSE, KEPT, OURS, Setting
from toyrl.experiments.backtest.ledger import OUT_OF_REACH, SETTINGS, Entry, Run, Score, score
from toyrl.experiments.backtest.why import READING
from toyrl.papers import cite

VERDICTS = ("SAFE", "RISKY", "UNSAFE", "INCONCLUSIVE")
OUTCOMES = ("kept", "lost", "collapsed")
HEAD = f"""# Ledger: verdicts against published outcomes

What `toyrl validate` says about training runs whose outcome has been published, each with its own
configuration as far as the paper gives it. Made by `toyrl ledger --json docs/ledger.json --out
docs/ledger.md`; edits belong into the data (`experiments/backtest/data.py`,
`more.py`), not here.

**Outcome.** *kept*: less than {KEPT:g} points of accuracy lost against the run named (half of the
loss at one difficulty that `validate` calls a collapse); *lost*: less than {COLLAPSE:g};
*collapsed*: more, or called so by the paper. **Rule.** SAFE says that accuracy is kept; RISKY,
UNSAFE and INCONCLUSIVE warn. A verdict hits if it says SAFE where accuracy was kept, or warns where
it was not. Where values that a paper doesn't give change the answer, the setting is *undecided*.
Controls, whose reward is the outcome itself, are counted apart. Nothing is tuned so that a setting
passes: the misses stay, with what we think explains them.

The verdict follows from the forecast, whose words stand with each setting. *Collapsed worlds* are
those of the reasoning chain in which some difficulty ends 0.1 below outcome-only training; they
decide where no forecast can be made. *Below base* is the share of them whose average ends more than
{KEPT:g} points below the policy they began with. Neither has a say where there is a forecast.
"""


def page(entries: Sequence[Entry]) -> str:
    """The whole page; deterministic in the entries."""
    by_id = {e.setting.id: e for e in entries}
    listed = [by_id[s.id] for s in SETTINGS if s.id in by_id]
    parts = [HEAD, _score(score(listed), listed), READING, _table(listed)]
    for title, grade in (("Misses", "miss"), ("Undecided", "undecided"), ("Hits", "hit")):
        some = [e for e in listed if e.grade == grade]
        if some:
            parts.append(f"## {title}\n")
            parts += [_details(e) for e in some]
    missing = [s for s in SETTINGS if s.id not in by_id]
    if missing:
        parts.append("## Not run\n\n" + "\n".join(f"- `{s.id}`: {s.what}" for s in missing) + "\n")
    parts.append(_out_of_reach())
    return "\n".join(parts)


def _score(s: Score, entries: Sequence[Entry]) -> str:
    counts = _confusion(entries)
    rows = [
        f"| {o} | " + " | ".join(str(counts[o, v]) for v in VERDICTS) + " |"
        for o in OUTCOMES
        if any(counts[o, v] for v in VERDICTS)
    ]
    ranked = (
        f" By the share of collapsed worlds alone, a setting that lost accuracy ranks above one "
        f"that kept it with probability {s.ranking:.2f}, by the share below base "
        f"{s.ranking_below_base:.2f} (0.5: no better than chance)."
    )
    ranked = "" if isnan(s.ranking) else ranked
    return (
        f"**{s.hits} hits, {s.misses} misses**, {s.undecided} undecided, beside {s.control_hits} "
        f"of {s.controls} controls. Of the misses {s.false_alarms} are false alarms and "
        f"{s.overlooked} losses that were not warned of. On the same {s.decided} decided settings, "
        f"always saying SAFE hits {s.always_safe}, always warning {s.always_warn}.{ranked}\n\n"
        f"| outcome (controls left out) | {' | '.join(VERDICTS)} |\n"
        f"| --- | {' | '.join(['---:'] * len(VERDICTS))} |\n" + "\n".join(rows) + "\n"
    )


def _confusion(entries: Sequence[Entry]) -> Mapping[tuple[str, str], int]:
    counts = {(o, v): 0 for o in OUTCOMES for v in VERDICTS}
    for e in entries:
        if not e.setting.control:
            counts[e.setting.outcome, e.run.verdict] += 1
    return counts


def _table(entries: Sequence[Entry]) -> str:
    lines = [
        "## All settings\n",
        "| setting | run | published | outcome | verdict | collapsed worlds | below base | |",
        "| --- | --- | --- | --- | --- | ---: | ---: | --- |",
    ]
    for e in entries:
        s = e.setting
        grade = f"{e.grade} (control)" if s.control else f"**{e.grade}**"
        run = e.run
        told = (f"`{s.id}`", s.what, s.published, s.outcome, run.verdict, worlds(run), below(run))
        told = (*told, grade)
        lines.append("| " + " | ".join(_cell(x) for x in told) + " |")
    return "\n".join(lines) + "\n"


def _details(e: Entry) -> str:
    s = e.setting
    told = [
        f"Paper: *{cite(s.paper.number)}* (card {s.paper.number}), {s.section}.",
        f"Run: {s.what}.",
        f"Reward: {' + '.join(f'`{shown(r)}`' for r in s.rewards)}"
        + (f"; {configuration(s)}." if s.settings else "."),
        f"Published: {s.published}" + (f" (against: {s.against})." if s.against else "."),
        f"Verdict: {_verdict(e.run)} {' '.join(e.run.reasons)}",
    ]
    if s.assumed:
        told.append(f"Assumed, since not given: {'; '.join(s.assumed)}.")
    told += [
        f"With {' + '.join(f'`{shown(r)}`' for r in a.rewards)}: {_verdict(a)}"
        for a in e.alternatives
    ]
    if e.why:
        told.append(f"**Why:** {e.why}")
    elif e.grade != "hit":
        told.append("**Why:** not explained yet.")
    return (
        f"### {s.id}: {s.outcome}, {e.run.verdict}\n\n" + "\n".join(f"- {x}" for x in told) + "\n"
    )


def _verdict(run: Run) -> str:
    if run.worlds is None:
        return f"{run.verdict}."
    return f"{run.verdict}, collapse in {run.collapsed} of {run.worlds} learnable worlds."


def worlds(run: Run) -> str:
    """Share of collapsed worlds in words; a dash where none were trained."""
    return "-" if run.share is None else f"{run.share:.0%} of {run.worlds}"


def below(run: Run) -> str:
    """Share of worlds that end below their base policy; a dash where none were trained."""
    return "-" if run.below_base is None or not run.worlds else f"{run.below_base / run.worlds:.0%}"


def shown(reward: str) -> str:
    """A reward without the package's path."""
    return reward.replace(OURS, "")


def configuration(s: Setting) -> str:
    """The settings that the paper gives, in a line."""
    words = {"max_completion_length": "limit", "typical_length": "typical length"}

    def value(x: object) -> str:
        if isinstance(x, tuple):
            return ", ".join(f"{v:g}" for v in x)
        return f"{x:g}" if isinstance(x, float) else str(x)

    return ", ".join(
        f"{words.get(k, k.replace('_', ' '))} {value(v)}" for k, v in s.settings.items()
    )


def _out_of_reach() -> str:
    lines = [
        "## Out of reach\n",
        "Published runs about which outcome classes can't speak; counted neither as hits nor as "
        "misses.\n",
        "| setting | paper | run | published | why out of reach |",
        "| --- | --- | --- | --- | --- |",
    ]
    for o in OUT_OF_REACH:
        told = (f"`{o.id}`", cite(o.paper.number), o.what, o.published, o.reason)
        lines.append("| " + " | ".join(_cell(x) for x in told) + " |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
