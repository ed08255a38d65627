"""Back-test: the verdict of `validate` on published settings, hits and misses alike.

Each setting runs through the whole pipeline with the paper's own configuration. The rule is fixed:
SAFE says that accuracy is kept; RISKY, UNSAFE and INCONCLUSIVE warn. A verdict hits if it says
SAFE of a setting that kept its accuracy, or warns of one that did not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toyrl import schemas
from toyrl.experiments.backtest import more as ledger_more
from toyrl.experiments.backtest import settings as ledger_settings
from toyrl.experiments.backtest.data import KEPT, OutOfReach, Setting
from toyrl.experiments.backtest.why import WHY
from toyrl.experiments.begin import Begin, nothing
from toyrl.experiments.core import code
from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.settings import Settings

if TYPE_CHECKING:
    from toyrl.experiments.validate.pipeline import Pipeline

SETTINGS: tuple[Setting, ...] = (*ledger_settings.SETTINGS, *ledger_more.SETTINGS)
OUT_OF_REACH: tuple[OutOfReach, ...] = ledger_more.OUT_OF_REACH
WORLDS = 256
REASONS = 2


@dataclass(frozen=True)
class Run:
    """What `validate` said about one reward.

    worlds, collapsed : learnable worlds and those that collapsed; None where the run ended before
    below_base : learnable worlds whose mix ends more than `KEPT` points below the base policy. The
        verdict doesn't use it: `validate` compares with outcome-only training, many papers with
        the model they began with
    """

    rewards: tuple[str, ...]
    verdict: str
    reasons: tuple[str, ...]
    worlds: int | None = None
    collapsed: int | None = None
    below_base: int | None = None

    @property
    def share(self) -> float | None:
        """Share of worlds that collapsed."""
        return self.collapsed / self.worlds if self.worlds and self.collapsed is not None else None


@dataclass(frozen=True)
class Entry:
    """One setting with the verdict on it and on its alternatives.

    key : of configuration and code; another key means that it has to run again
    """

    setting: Setting
    run: Run
    alternatives: tuple[Run, ...]
    key: str

    @property
    def grade(self) -> str:
        """hit | miss; undecided where values that the paper doesn't give change the answer."""
        own = hits(self.setting.outcome, self.run.verdict)
        if any(hits(self.setting.outcome, a.verdict) != own for a in self.alternatives):
            return "undecided"
        return "hit" if own else "miss"

    @property
    def why(self) -> str:
        """The explanation written for this verdict, or ""."""
        return WHY.get(self.setting.id, {}).get(self.run.verdict, "")


def hits(outcome: str, verdict: str) -> bool:
    """The rule: SAFE where accuracy was kept, anything else where it was not."""
    return (verdict == "SAFE") == (outcome == "kept")


def chosen(only: Iterable[str] = ()) -> tuple[Setting, ...]:
    """The settings with these ids; all if none is named. Raises UsageError for an unknown id."""
    wanted = list(only)
    known = {s.id: s for s in SETTINGS}
    for name in wanted:
        if name not in known:
            msg = f"only={name!r} is no setting of the ledger; there are {', '.join(known)}"
            raise UsageError(msg)
    return tuple(known[n] for n in dict.fromkeys(wanted)) if wanted else SETTINGS


# -- running -------------------------------------------------------------------------------------
def judge(setting: Setting, *, n_worlds: int = WORLDS, key: str = "") -> Entry:
    """Run one setting and its alternatives."""
    run, *others = (
        _run(rewards, setting, n_worlds) for rewards in (setting.rewards, *setting.alternatives)
    )
    return Entry(setting, run, tuple(others), key)


def _run(rewards: Sequence[str], setting: Setting, n_worlds: int) -> Run:
    from toyrl.experiments.validate.api import judged

    report, pipeline = judged(rewards, Settings(**setting.settings), n_worlds=n_worlds)
    if pipeline is None:
        msg = f"setting {setting.id!r} could not be judged: {report.error}"
        raise RuntimeError(msg)
    told = (tuple(rewards), report.verdict, report.reasons[:REASONS])
    if not hasattr(pipeline, "facts"):
        return Run(*told)
    count = pipeline.facts.judged.count
    return Run(*told, count.worlds, count.collapsed, _below_base(pipeline))


def _below_base(pipeline: Pipeline) -> int:
    judged = pipeline.facts.judged
    some = pipeline.worlds.take(np.arange(len(judged.learnable)))
    lost = ((pipeline.runner.start(some) - judged.accuracy) * some.batch.shares).sum(-1)
    return int((judged.learnable & (lost > KEPT / 100)).sum())


def build(
    settings: Sequence[Setting],
    known: Mapping[str, Entry],
    *,
    n_worlds: int = WORLDS,
    begin: Begin = nothing,
    keep: Callable[[Entry], None] = lambda _: None,
) -> list[Entry]:
    """Entries of these settings; those known under the same key are not run again.

    begin : called with (done, total, name) of the settings that are run, before each
    keep : called with each new entry, so that a run that is cut short can be resumed
    """
    present = fingerprint()
    keys = {s.id: key_of(s, n_worlds, present) for s in settings}
    out = {s.id: e for s in settings if (e := known.get(s.id)) and e.key == keys[s.id]}
    new = [s for s in settings if s.id not in out]
    for done, setting in enumerate(new):
        begin(done, len(new), setting.id)
        out[setting.id] = judge(setting, n_worlds=n_worlds, key=keys[setting.id])
        keep(out[setting.id])
    return [out[s.id] for s in settings]


# -- what was run before -------------------------------------------------------------------------
def fingerprint() -> str:
    """Of all code that a verdict depends on; the ledger's own text and tables don't count."""
    return code.fingerprint(("validate",))


def key_of(setting: Setting, n_worlds: int, code: str) -> str:
    """Of one setting's configuration and the code."""
    told = [setting.rewards, setting.alternatives, dict(setting.settings), n_worlds, code]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def to_dict(entries: Iterable[Entry]) -> dict[str, Any]:
    """JSON form, in the order of the data."""
    by_id = {e.setting.id: e for e in entries}
    rows = [
        {
            "id": e.setting.id,
            "outcome": e.setting.outcome,
            "grade": e.grade,
            "key": e.key,
            **asdict(e.run),
            "alternatives": [asdict(a) for a in e.alternatives],
        }
        for e in (by_id[s.id] for s in SETTINGS if s.id in by_id)
    ]
    return {"schema": schemas.tag("ledger"), "settings": rows}


def from_dict(data: Any, source: str = "this") -> dict[str, Entry]:
    """id -> entry from `to_dict`; settings that the data no longer hold are left out.

    Raises UsageError, which names `source`, if it is not a ledger of the present schema.
    """
    known = {s.id: s for s in SETTINGS}
    try:
        schemas.check(data, "ledger", source)
    except schemas.SchemaError as error:
        raise UsageError(str(error)) from error
    try:
        return {
            row["id"]: Entry(
                known[row["id"]],
                _stored(row),
                tuple(_stored(a) for a in row["alternatives"]),
                row["key"],
            )
            for row in data["settings"]
            if row["id"] in known
        }
    except (KeyError, TypeError) as error:
        msg = f"{source} is no ledger: an entry lacks {error}; write it anew with `toyrl ledger`"
        raise UsageError(msg) from error


def _stored(row: Mapping[str, Any]) -> Run:
    told = {k: tuple(row[k]) for k in ("rewards", "reasons")}
    return Run(**told, **{k: row[k] for k in ("verdict", "worlds", "collapsed", "below_base")})


def load(path: Path) -> dict[str, Entry]:
    """Entries of a file that an earlier run wrote; none if there is no such file."""
    if not path.exists():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"json={str(path)!r} does not hold JSON; name another file or remove it"
        raise UsageError(msg) from error
    return from_dict(data, str(path))


# -- the score -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Score:
    """Counts over settings; controls are counted apart.

    false_alarms, overlooked : misses of either kind, a warning where accuracy was kept and SAFE
        where it was not
    """

    hits: int
    misses: int
    false_alarms: int
    overlooked: int
    undecided: int
    always_safe: int
    always_warn: int
    ranking: float
    ranking_below_base: float
    controls: int
    control_hits: int

    @property
    def decided(self) -> int:
        """Hits and misses."""
        return self.hits + self.misses


def score(entries: Sequence[Entry]) -> Score:
    """Hits and misses, beside what a constant answer would get on the same settings.

    ranking : probability that a setting which lost accuracy collapses in more worlds than one that
    kept it, ties half; NaN if there are not both. ranking_below_base: the same by `Run.below_base`
    """
    real = [e for e in entries if not e.setting.control]
    decided = [e for e in real if e.grade != "undecided"]
    kept = sum(e.setting.outcome == "kept" for e in decided)
    controls = [e for e in entries if e.setting.control]
    return Score(
        hits=sum(e.grade == "hit" for e in real),
        misses=sum(e.grade == "miss" for e in real),
        false_alarms=sum(e.grade == "miss" and e.setting.outcome == "kept" for e in real),
        overlooked=sum(e.grade == "miss" and e.setting.outcome != "kept" for e in real),
        undecided=len(real) - len(decided),
        always_safe=kept,
        always_warn=len(decided) - kept,
        ranking=_ranking(real, lambda run: run.collapsed),
        ranking_below_base=_ranking(real, lambda run: run.below_base),
        controls=len(controls),
        control_hits=sum(e.grade == "hit" for e in controls),
    )


def _ranking(entries: Sequence[Entry], count: Callable[[Run], int | None]) -> float:
    shares: dict[bool, list[float]] = {True: [], False: []}
    for e in entries:
        n = count(e.run)
        if n is not None and e.run.worlds:
            shares[e.setting.outcome == "kept"].append(n / e.run.worlds)
    pairs = [(b > g) + 0.5 * (b == g) for b in shares[False] for g in shares[True]]
    return sum(pairs) / len(pairs) if pairs else float("nan")
