"""Section 1: does the reward answer, always the same, on any text, and what does it look at?

A reward that answers no ordinary text in any dialect is a `RewardError`. One that fails on some
texts gets a failed finding with the text. The dialect in which it separates right from wrong best,
on pairs of equal length, is the one that the other sections use.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from toyrl.experiments.validate.contract import (
    calls,
    chance,
    golds,
    hostile,
    neighbours,
    scale,
    steady,
    unscorable,
)
from toyrl.experiments.validate.contract import findings as say
from toyrl.experiments.validate.contract.facts import CALLS, HASH_SEED, Contract, DialectFacts
from toyrl.experiments.validate.contract.separation import matched_auc, side
from toyrl.experiments.validate.contract.shaper import run_shaper, supply
from toyrl.experiments.validate.contract.texts import permute_gold
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.experiments.validate.formats.search import RECOVERABLE, Search
from toyrl.experiments.validate.reward_law.company import look
from toyrl.graders.base import TextRow
from toyrl.rewards.errors import RewardError
from toyrl.rewards.user import UserReward, same
from toyrl.rollouts.texts import text_rollouts

__all__ = ["Contract", "matched_auc", "run", "run_shaper"]

Value = float | None
Probe = tuple[TextRow, bool]
Looked = Callable[[Sequence[DialectFacts]], tuple[Search, Mapping[str, Sequence[Probe]]]]
SAMPLE = 16  # texts over all dialects on which the calling form is chosen


def run(
    reward: UserReward,
    probes: Mapping[str, Sequence[Probe]],
    *,
    seed: int = 0,
    first: str = "",
    search: Looked | None = None,
    group: Callable[[str], Sequence[TextRow]] | None = None,
) -> tuple[Section, Contract]:
    """The section, and the facts that later sections need.

    probes : dialect -> (row, is its answer right?); ordinary texts of ordinary lengths
    first : the dialect of the user's own texts, judged in wherever the reward says anything there
    search : looks for further dialects that the reward reads, given what these showed; answers
        with what it found and probes in them
    group : a group of rollouts of one prompt in a dialect, right and wrong, short and long
    """
    if not any(probes.values()):
        msg = "probes is empty; give at least one dialect with rows"
        raise ValueError(msg)
    sample = _sample(probes)
    misread = golds.settle(reward, probes)
    reward.settle(sample)
    early = steady.first(reward, sample)
    facts = _graded(reward, probes, seed)
    found = Search()
    if search is not None:
        found, more = search(facts)
        probes = {**probes, **{d: p for d, p in more.items() if d not in probes}}
        facts = _graded(reward, probes, seed, facts)
    _refuse_unusable(reward, facts)
    best = choose(facts, first, found)
    rows = [row for row, _ in probes[best.name]]
    neighbours.probe_again(reward, rows)
    constant = len(set(np.concatenate([f.numbers for f in facts]).tolist())) <= 1
    told = steady.repeats(reward, early)
    cause = told.cause
    repeats, history = cause in ("", CALLS), cause == CALLS
    if group is not None and not cause:
        look(reward, group(best.name))
    random = chance.how(reward, rows, repeats) if not constant else ""
    gold = _gold_moves(facts, random, repeats)
    reads = gold or _shaper_reads_correct(reward)
    way = 0 if random else side(best.auc, best.n_right, best.n_wrong)
    orderly = cause in ("", CALLS, HASH_SEED)
    batch = reward.batch_dependent or (orderly and neighbours.order_matters(reward, rows, seed))
    contract = Contract(
        dialect=best.name,
        chat=reward.texts[0].chat,
        auc=best.auc,
        constant=constant,
        auxiliary=not constant and not gold,
        separates=way > 0,
        inverted=reads and way < 0,
        deterministic=repeats,
        history_dependent=history,
        batch_dependent=batch,
        reads_gold=reads,
        names_gold=reward.reads_gold,
        random=random,
        found=found,
        cause=cause,
        untried=told.untried,
        hourly=told.hourly,
        alone=all(t.batch_dependent is not None for t in reward.texts),
        place=_company(reward, probes[best.name], rows) if batch and not (cause or random) else "",
        first=early,
        spread=scale.spread_of(np.concatenate([f.numbers for f in facts]) / reward.unit),
    )
    findings = (
        say.signature(reward),
        say.values(facts),
        *unscorable.findings(facts, {d: [row for row, _ in p] for d, p in probes.items()}),
        *say.repeats(contract),
        say.batch(contract),
        *say.inputs(reward),
        *say.output(reward),
        *say.edges(reward, rows),
        *hostile.findings(reward, rows[0], best.name),
        say.varies(contract),
        *say.gold(contract, best),
        *misread,
        *golds.findings(reward, probes, best.name, separates=contract.separates),
        *calls.refused(reward),
        *calls.places(reward, contract, rows),
        *say.outweighed(contract),
        *(Finding(1, "contract/note", "info", note) for note in reward.notes),
    )
    return Section(
        1, say.summary(contract, findings), findings, tables=(say.table(facts),)
    ), contract


def _company(reward: UserReward, probes: Sequence[Probe], rows: Sequence[TextRow]) -> str:
    """Dependence on company that no trainer promises: the place in a call, other prompts."""
    return neighbours.place(reward, rows) or neighbours.strangers(reward, probes)


def _gold_moves(facts: Sequence[DialectFacts], random: str, steady: bool) -> bool:
    """Whether values follow the gold answer.

    They move when it is changed, if they don't move of themselves; else right and wrong are told
    apart beyond chance.
    """
    if random:
        return False
    if steady:
        return any(f.gold_matters for f in facts)
    return any(side(f.auc, f.n_right, f.n_wrong) for f in facts)


# -- grading ---------------------------------------------------------------------------------------
def _sample(probes: Mapping[str, Sequence[Probe]]) -> list[TextRow]:
    """Right and wrong texts of every dialect, interleaved."""
    dialects = [p for p in probes.values() if p]
    each = max(2, SAMPLE // len(dialects))
    out: list[TextRow] = []
    for dialect in dialects:
        right = [row for row, good in dialect if good][: each // 2]
        wrong = [row for row, good in dialect if not good][: each - len(right)]
        out += [row for pair in zip(right, wrong, strict=False) for row in pair]
        out += (right if len(right) > len(wrong) else wrong)[min(len(right), len(wrong)) :]
    return out[:SAMPLE]


def _total(reward: UserReward, probes: Sequence[Probe]) -> list[Value]:
    """The whole reward on probes: functions on texts, catalogue shapers on right and length."""
    texts = reward.score([row for row, _ in probes])
    if reward.kind == "text":
        return texts
    shaped = shaper_values(reward, probes)
    return [s if v is None else v + s for v, s in zip(texts, shaped, strict=True)]


def shaper_values(reward: UserReward, probes: Sequence[Probe]) -> list[float]:
    """The catalogue terms on probes, all taken as one group."""
    from toyrl.experiments.validate.reward_law.bench import as_shaper

    shaper = as_shaper([(t.shaper, t.factor) for t in reward.terms if t.shaper is not None])
    rows = [replace(row, tokens=max(row.tokens, 1)) for row, _ in probes]
    r, _ = text_rollouts(
        rows,
        [0] * len(rows),
        correct=[float(good) for _, good in probes],
        max_length=float(max(row.tokens for row in rows)),
    )
    r = supply(shaper, r)
    return [float(v) for v in np.asarray(shaper.reward(r))[0]]


def _shaper_reads_correct(reward: UserReward) -> bool:
    return any(t.shaper is not None and "correct" in t.shaper.all_needs() for t in reward.terms)


def _graded(
    reward: UserReward,
    probes: Mapping[str, Sequence[Probe]],
    seed: int,
    known: Sequence[DialectFacts] = (),
) -> list[DialectFacts]:
    """What each dialect shows; all anew at another scale where the values are of an unusual one."""
    done = {f.name for f in known}
    new = [_dialect(reward, d, list(p), seed) for d, p in probes.items() if p and d not in done]
    facts = [*known, *new]
    if scale.fit(reward, np.concatenate([f.numbers for f in facts])):
        return [_dialect(reward, f.name, list(probes[f.name]), seed) for f in facts]
    return facts


def _dialect(reward: UserReward, name: str, probes: list[Probe], seed: int) -> DialectFacts:
    values, errors = _tolerant(reward, probes)
    rows = [row for row, _ in probes]
    swapped = [(row, False) for row in permute_gold(rows, seed=seed)]
    kept = [i for i, v in enumerate(values) if v is not None]
    other, _ = _tolerant(reward, [swapped[i] for i in kept]) if kept else ([], [])
    right = np.array([good for _, good in probes], dtype=bool)
    auc, n_right, n_wrong = matched_auc(values, right, np.array([r.tokens for r in rows]))
    return DialectFacts(
        name=name,
        values=values,
        errors=errors,
        auc=auc,
        gold_matters=not same([values[i] for i in kept], other),
        n_right=n_right,
        n_wrong=n_wrong,
    )


def _tolerant(reward: UserReward, probes: Sequence[Probe]) -> tuple[list[Value], list[RewardError]]:
    """Values with None where the function fails on a text, and one error per failing text."""
    try:
        return _total(reward, probes), []
    except RewardError as error:
        if error.kind not in RECOVERABLE:
            raise
        if error.kind == "wrong_count":
            return [None] * len(probes), [error]
    values: list[Value] = []
    errors = []
    for probe in probes:
        try:
            values += _total(reward, [probe])
        except RewardError as error:
            if error.kind not in RECOVERABLE:
                raise
            values.append(None)
            errors.append(error)
    return values, errors


def _refuse_unusable(reward: UserReward, facts: Sequence[DialectFacts]) -> None:
    if any(len(f.numbers) for f in facts):
        return
    errors = [e for f in facts for e in f.errors]
    if errors:
        raise errors[0]
    msg = (
        f"{reward.name} returned None (unscorable) for every one of "
        f"{sum(len(f.values) for f in facts)} ordinary texts; nothing can be said about it"
    )
    raise RewardError(kind="bad_value", message=msg)


# -- what the values say ---------------------------------------------------------------------------
def choose(
    facts: Sequence[DialectFacts], first: str = "", found: Search | None = None
) -> DialectFacts:
    """The dialect that separates best, or, where none does, the wrong way round most.

    first : taken where the reward separates there, or varies and separates nowhere
    Of equals the one that was found in the reward's own rollouts or source. For gold-free rewards
    the one whose format is paid, else the one with the largest variance.
    """
    usable = [f for f in facts if len(f.numbers)]
    ways = {f.name: side(f.auc, f.n_right, f.n_wrong) for f in usable}
    apart = 1 in ways.values()
    for f in usable:
        if f.name == first and (ways[first] > 0 or (f.variance > 0 and not apart)):
            return f
    order = {d: i for i, d in enumerate(found.dialects)} if found is not None else {}
    usable.sort(key=lambda f: order.get(f.name, len(order)))
    gold = [f for f in usable if f.gold_matters and not math.isnan(f.auc)]
    if gold:
        best, worst = max(gold, key=lambda f: f.auc), min(gold, key=lambda f: f.auc)
        return worst if ways[worst.name] < 0 and ways[best.name] <= 0 else best
    if order and usable[0].name in order:
        return usable[0]
    return max(usable, key=lambda f: f.variance)
