"""False alarms and misses of `validate`'s contract and hack sections on rewards of known quality.

    python benchmarks/hacks.py [--only TEXT] [--originals 1] [--peers VENV/bin/python] [--whole]

The rewards are those of `tests/experiments/validate/reward_zoo`: sound ones, and flawed ones made
of them by one change each. Sections 1 and 2 run as in `validate` (sandbox, all dialects, price of
the exploit), and nothing after them. An alarm is a finding of status warn or fail, or the verdict
INCONCLUSIVE; what is said of data that isn't there (contract/gold-type) is none.

false alarm : a sound reward with any alarm
miss : a flawed reward without an alarm that its sound original doesn't raise too

With --peers the same functions go to the PyPI packages reward-doctor, rewardprobe and
reward-contract-fuzzer (`benchmarks/hack_peers.py` says how each is called), installed in an
environment of their own:

    python -m venv ../peers
    ../peers/bin/pip install reward-doctor==0.2.0 rewardprobe==0.1.0 reward-contract-fuzzer==0.2.0
    python benchmarks/hacks.py --peers ../peers/bin/python

With --whole every reward of the zoo, the written ones too, goes through the whole of `validate` and
is scored against what is expected of it (`benchmarks/zoo_whole.py`).
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import hack_peers, zoo_whole  # noqa: E402
from tests.experiments.validate.reward_zoo import SOUND, flawed_on  # noqa: E402
from tests.experiments.validate.reward_zoo.readers import mark  # noqa: E402
from toyrl.experiments.validate import verdict  # noqa: E402
from toyrl.experiments.validate.contract import kinds  # noqa: E402
from toyrl.experiments.validate.findings import Section  # noqa: E402
from toyrl.experiments.validate.hacks import section as hacks  # noqa: E402
from toyrl.experiments.validate.pipeline import Pipeline  # noqa: E402
from toyrl.experiments.validate.settings import Settings  # noqa: E402
from toyrl.rewards.errors import RewardError  # noqa: E402
from toyrl.rewards.user import load  # noqa: E402
from toyrl.worlds.text.dialects import DIALECTS  # noqa: E402


@dataclass(frozen=True)
class Judged:
    """What sections 1 and 2 said of one reward.

    word : the verdict that they give by themselves
    alarms : names of findings that warn or fail
    seconds : of both sections, loading included
    """

    word: str
    alarms: frozenset[str]
    seconds: float


@dataclass(frozen=True)
class Table:
    """Counts of one tool over the zoo."""

    tool: str
    false_alarms: dict[str, frozenset[str]]
    misses: dict[str, frozenset[str]]
    sound: int
    flawed: int
    seconds: float


def judge(name: str, *, told: bool = False) -> Judged:
    """Sections 1 and 2 of `validate` on a reward of the zoo; told : how its answers are marked,
    where that is none of the usual ways."""
    spec = f"tests.experiments.validate.reward_zoo:make(name={name!r})"
    start = time.perf_counter()
    pipeline = Pipeline(
        [spec], Settings(answer_mark=own_mark(name) if told else None), lambda *_: None
    )
    try:
        with load([spec], timeout=pipeline.settings.timeout) as reward:
            pipeline.reward = reward
            word, sections = _two_sections(pipeline)
    except RewardError as error:
        word, alarms = "INCONCLUSIVE", {f"unusable/{error.kind}"}
    else:
        found = (f for s in sections for f in s.findings)
        alarms = {f.name for f in found if f.status in ("warn", "fail")} - {"contract/gold-type"}
        alarms |= {"inconclusive"} if word == "INCONCLUSIVE" else set()
    return Judged(word, frozenset(alarms), time.perf_counter() - start)


def own_mark(name: str) -> str | None:
    """The mark of a reward whose format no dialect writes, else None."""
    dialect = SOUND[name.rpartition(" of ")[2]].dialect
    if dialect in DIALECTS:
        return None
    return mark(dialect, "{}")


def _two_sections(pipeline: Pipeline) -> tuple[str, list[Section]]:
    """The verdict of sections 1 and 2, and the sections; the contract may end it, as in a run."""
    sections = [pipeline.contract()]
    facts = pipeline.contract_facts

    def decide(price: float, unjudged: tuple[str, ...] = ()) -> str:
        return verdict.decide(
            collapse=None,
            price_nats=price,
            constant=facts.constant,
            reads_gold=facts.reads_gold or facts.names_gold,
            separates=facts.separates,
            sections=sections,
            unjudged=unjudged,
        )[0]

    if decide(math.inf) not in ("INCONCLUSIVE", "UNSAFE"):
        sections.append(pipeline.hacks())
        return decide(pipeline.price, kinds.guessed(facts)), sections
    return decide(math.inf), sections


def mutants_per_second(name: str = "tag-only", repeats: int = 5) -> tuple[int, float]:
    """(texts, texts per second) of the hack section alone, sandbox included; best of repeats."""
    spec = f"tests.experiments.validate.reward_zoo:make(name={name!r})"
    pipeline = Pipeline([spec], Settings(), lambda *_: None)
    best, texts = 0.0, 0
    for _ in range(repeats):
        with load([spec]) as reward:
            pipeline.reward = reward
            pipeline.contract()
            rows = pipeline.rows_in(pipeline.contract_facts.dialect)
            seen = []

            def score(batch, seen=seen, reward=reward):
                seen.append(len(batch))
                return reward.score_text(batch)

            start = time.perf_counter()
            hacks.run(score, rows)
            spent = time.perf_counter() - start
        texts = sum(seen)
        best = max(best, texts / spent)
    return texts, best


def counted(
    tool: str, sound: dict[str, frozenset[str]], flawed: dict[str, frozenset[str]], seconds: float
) -> Table:
    """False alarms and misses from each reward's alarms; a flawed one is named FLAW of SOUND."""
    alarms = {name: found for name, found in sound.items() if found}
    missed = {
        name: found
        for name, found in flawed.items()
        if not found - sound.get(name.partition(" of ")[2], frozenset())
    }
    return Table(tool, alarms, missed, len(sound), len(flawed), seconds)


def measure(names: list[str], tell=print, *, told: bool = False) -> Table:
    """Ours on these rewards; told : with --answer-mark for formats that no dialect writes."""
    sound: dict[str, frozenset[str]] = {}
    flawed: dict[str, frozenset[str]] = {}
    total = 0.0
    for name in names:
        got = judge(name, told=told)
        total += got.seconds
        (flawed if " of " in name else sound)[name] = got.alarms
        tell(f"{name:44} {got.word:13} {', '.join(sorted(got.alarms)) or '-'}")
    title = "toyrl validate, sections 1 and 2" + ", told the mark" * told
    return counted(title, sound, flawed, total)


def with_marks(table: Table, told: Table, unusual: list[str]) -> Table:
    """The whole table again, with those rewards told how answers are marked."""

    def merged(old: dict, new: dict) -> dict:
        return {**{n: a for n, a in old.items() if n not in unusual}, **new}

    return replace(
        table,
        tool=told.tool,
        false_alarms=merged(table.false_alarms, told.false_alarms),
        misses=merged(table.misses, told.misses),
    )


def show(tables: list[Table]) -> None:
    """One line per tool."""
    print(f"\n{'tool':42} {'false alarms':>14} {'misses':>12} {'seconds':>9}")
    for t in tables:
        if not t.sound + t.flawed:
            print(f"{t.tool:42} {'not run':>14} {'not run':>12} {'-':>9}")
            continue
        wrong = f"{len(t.false_alarms)} of {t.sound}"
        missed = f"{len(t.misses)} of {t.flawed}"
        print(f"{t.tool:42} {wrong:>14} {missed:>12} {t.seconds:9.1f}")


def main() -> None:
    """Print the tables."""
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--only", default="", help="rewards whose name holds this text")
    p.add_argument("--originals", type=int, default=1, help="sound rewards that each flaw spoils")
    p.add_argument("--peers", type=Path, help="python of an environment that has the peers")
    p.add_argument("--whole", action="store_true", help="whole runs on the whole zoo, scored")
    p.add_argument("--worlds", type=int, default=zoo_whole.WORLDS, help="of a whole run")
    p.add_argument("--workers", type=int, default=1, help="whole runs at a time")
    p.add_argument("--out", type=Path, help="a file for the outcomes of whole runs, JSON lines")
    a = p.parse_args()
    os.chdir(ROOT)
    if a.whole:
        outcomes = zoo_whole.measure(zoo_whole.cases(a.only), a.worlds, a.workers)
        print(zoo_whole.summary(outcomes))
        if a.out:
            zoo_whole.save(outcomes, a.out)
        return
    names = [n for n in (*SOUND, *flawed_on(a.originals)) if a.only in n]
    table = measure(names)
    for title, found in (("false alarms", table.false_alarms), ("misses", table.misses)):
        print(f"\n{title}: {len(found)}")
        for name, alarms in found.items():
            print(f"  {name:44} {', '.join(sorted(alarms)) or 'no alarm'}")
    texts, rate = mutants_per_second()
    print(f"\n{len(hacks.MUTANTS)} mutants, {texts} mutated texts in a section: {rate:.0f} texts/s")
    unusual = [n for n in names if own_mark(n)]
    print("\nwith --answer-mark for the formats that no dialect writes:")
    known = measure(unusual, told=True)
    tables = [table, with_marks(table, known, unusual)]
    if a.peers:
        for tool, run in hack_peers.run_all(a.peers, names).items():
            print(f"{tool}: {run.note}")
            tables.append(counted(tool, run.sound, run.flawed, run.seconds))
    show(tables)


if __name__ == "__main__":
    main()
