"""Section 1: does the reward answer, always the same, on any text, and what does it look at?

A reward that answers no ordinary text in any dialect is a `RewardError`. One that fails on some
texts gets a failed finding with the text. The dialect in which it separates right from wrong best,
on pairs of equal length, is the one that the other sections use.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from toyrl.experiments.validate.contract import calls, golds
from toyrl.experiments.validate.contract import findings as say
from toyrl.experiments.validate.contract.facts import Contract, DialectFacts
from toyrl.experiments.validate.contract.separation import matched_auc
from toyrl.experiments.validate.contract.shaper import run_shaper, supply
from toyrl.experiments.validate.contract.texts import permute_gold
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.graders.base import TextRow
from toyrl.rewards.errors import RewardError
from toyrl.rewards.user import UserReward, same
from toyrl.rollouts.texts import text_rollouts

__all__ = ["Contract", "run", "run_shaper"]

Value = float | None
Probe = tuple[TextRow, bool]
RECOVERABLE = ("raised", "bad_value", "wrong_count")
SAMPLE = 16  # texts over all dialects on which the calling form is chosen
SLOW_IMPORT = 3.0  # seconds; a module slower than this is not imported again to test its memory
CLOSE = 0.1  # AUC below the best at which a dialect may still be judged in


def run(
    reward: UserReward,
    probes: Mapping[str, Sequence[Probe]],
    *,
    seed: int = 0,
    first: str = "",
) -> tuple[Section, Contract]:
    """The section, and the facts that later sections need.

    probes : dialect -> (row, is its answer right?); ordinary texts of ordinary lengths
    first : the dialect of the user's own texts, judged in wherever the reward says anything there
    """
    if not any(probes.values()):
        msg = "probes is empty; give at least one dialect with rows"
        raise ValueError(msg)
    sample = _sample(probes)
    misread = golds.settle(reward, probes)
    reward.settle(sample)
    early = _first_values(reward, sample)
    facts = [_dialect(reward, name, list(p), seed) for name, p in probes.items() if p]
    _refuse_unusable(reward, facts)
    live = {f.name: _live(reward, [row for row, _ in probes[f.name]]) for f in facts}
    best = choose(facts, first, live)
    rows = [row for row, _ in probes[best.name]]
    _probe_again(reward, rows)
    constant = len(set(np.concatenate([f.numbers for f in facts]).tolist())) <= 1
    repeats, history = _memory(reward, sample, early)
    gold = any(f.gold_matters for f in facts)
    contract = Contract(
        dialect=best.name,
        chat=reward.texts[0].chat,
        auc=best.auc,
        constant=constant,
        auxiliary=not constant and not gold,
        separates=_separates(best),
        deterministic=repeats,
        history_dependent=history,
        batch_dependent=reward.batch_dependent or _order_matters(reward, rows, repeats, seed),
        reads_gold=gold or reward.reads_gold or _shaper_reads_correct(reward),
    )
    findings = (
        say.signature(reward),
        say.values(facts),
        *say.unscorable(facts),
        *say.repeats(contract),
        say.batch(contract),
        *say.inputs(reward),
        *say.edges(reward, rows),
        say.varies(contract),
        *say.gold(contract, best),
        *misread,
        *golds.findings(reward, probes, best.name, separates=contract.separates),
        *calls.refused(reward),
        *calls.places(reward, contract, rows),
        *(Finding(1, "contract/note", "info", note) for note in reward.notes),
    )
    return Section(
        1, say.summary(contract, findings), findings, tables=(say.table(facts),)
    ), contract


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


def _first_values(reward: UserReward, sample: Sequence[TextRow]) -> list[list[Value] | None]:
    """Every function's answer to one of its first calls, to be compared with later ones."""
    out: list[list[Value] | None] = []
    for text in reward.texts:
        try:
            out.append(text.raw(sample))
        except RewardError as error:
            if error.kind not in RECOVERABLE:
                raise
            out.append(None)
    return out


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

    shaper = as_shaper([(t.shaper, t.weight) for t in reward.terms if t.shaper is not None])
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
def _live(reward: UserReward, rows: Sequence[TextRow]) -> int:
    """How many functions of a sum vary on these texts; 0 for a single one."""
    if len(reward.texts) < 2:
        return 0
    values = []
    for text in reward.texts:
        try:
            values.append({v for v in text.score(rows) if v is not None})
        except RewardError as error:
            if error.kind not in RECOVERABLE:
                raise
    return sum(len(v) > 1 for v in values)


def choose(
    facts: Sequence[DialectFacts], first: str = "", live: Mapping[str, int] | None = None
) -> DialectFacts:
    """The dialect that separates best; for gold-free rewards the one with the largest variance.

    first : taken where the reward separates there, or varies and separates nowhere
    live : how many terms of a sum vary in each; of dialects in which it separates nearly as well
        as anywhere, the one with most of them
    """
    usable = [f for f in facts if len(f.numbers)]
    apart = any(_separates(f) for f in usable)
    for f in usable:
        if f.name == first and (_separates(f) or (f.variance > 0 and not apart)):
            return f
    gold = [f for f in usable if f.gold_matters and not math.isnan(f.auc)]
    if gold:
        top = max(f.auc for f in gold)
        near = [f for f in gold if f.auc >= top - CLOSE]
        return max(near, key=lambda f: ((live or {}).get(f.name, 0), f.auc))
    return max(usable, key=lambda f: f.variance)


def _separates(f: DialectFacts) -> bool:
    return separates(f.auc, f.n_right, f.n_wrong)


def separates(auc: float, n_right: int, n_wrong: int) -> bool:
    """AUC above one half by two standard deviations of its null law (Mann-Whitney)."""
    if math.isnan(auc) or not n_right or not n_wrong:
        return False
    deviation = math.sqrt((n_right + n_wrong + 1) / (12 * n_right * n_wrong))
    return auc > 0.5 + 2 * deviation


def _memory(
    reward: UserReward, sample: Sequence[TextRow], first: Sequence[list[Value] | None]
) -> tuple[bool, bool]:
    """(gives equal answers to equal calls, answers depend on earlier calls).

    The first answers are held against the ones now, after many calls; where they differ, two fresh
    interpreters are compared: equal answers there mean that it remembers, else that it is random.
    """
    repeats, history = True, False
    for text, before in zip(reward.texts, first, strict=True):
        if before is None:
            continue
        changed = not same(before, text.raw(sample)) or text.stable is False
        if not changed and text.import_seconds > SLOW_IMPORT:
            continue
        text.fresh()
        one = text.raw(sample)
        if changed:
            text.fresh()
            two = text.raw(sample)
            repeats &= same(one, two)
            history |= same(one, two)
        elif not same(before, one):  # a seed drawn at start-up, such as hash()
            repeats = False
    return repeats, history


def _probe_again(reward: UserReward, rows: Sequence[TextRow]) -> None:
    """Look for neighbours in the dialect that it reads: in the first one all values may be equal.

    Values graded so far are dropped where they depended on their neighbours.
    """
    for text in reward.texts:
        if text.batch_dependent is False:
            text.probe(rows)
            if text.batch_dependent or not text.stable:
                text.cache.clear()


def _order_matters(reward: UserReward, rows: Sequence[TextRow], repeats: bool, seed: int) -> bool:
    """True if a row's value changes with its place or neighbours, on all rows of the dialect."""
    if not repeats:
        return False
    rows = list(rows[:32])
    turn = np.random.default_rng(seed).permutation(len(rows))
    try:
        straight = reward.grade(rows)
        turned = reward.grade([rows[i] for i in turn])
    except RewardError as error:
        if error.kind not in RECOVERABLE:
            raise
        return False
    return not same([straight[i] for i in turn], turned)
