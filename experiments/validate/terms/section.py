"""What is said of the terms of a sum, and of claims that rest on terms that never fired."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from toyrl.experiments.core import Table
from toyrl.experiments.validate.contract.kinds import brief
from toyrl.experiments.validate.contract.section import shaper_values
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.experiments.validate.formats.search import term_values
from toyrl.experiments.validate.terms.facts import Place, TermFacts, describe
from toyrl.graders.base import TextRow
from toyrl.rewards.user import UserReward
from toyrl.rollouts import Rollouts
from toyrl.rollouts.texts import text_rollouts

if TYPE_CHECKING:
    from toyrl.experiments.validate.inputs import Inputs
    from toyrl.rewards.specs import Term

GROUPS = 64  # drawn at each success rate
REDUNDANT = 0.95  # correlation from where two terms pay for the same
OWN, LENGTHS = "your rollouts", "texts of all lengths"
SHOW = "show it a completion that it pays: --rollouts, or --answer-mark for how answers are marked"


def run(run: Inputs) -> tuple[tuple[Finding, ...], tuple[Table, ...], tuple[TermFacts, ...]]:
    """Findings, tables and facts of a sum; nothing for a reward of one term."""
    if len(run.reward.terms) < 2:
        return (), (), ()
    labels = _labels(run.reward.terms)
    if run.reward.kind == "shaper":
        return _said(_of_shapers(run, labels))
    dialect = run.contract_facts.dialect
    place = _place(run, dialect)
    judged = [place]
    looked_at = dict.fromkeys((*run.probes, *run.contract_facts.dialects))
    others = [_place(run, d) for d in looked_at if d != dialect]
    if run.log is not None:
        rows = run.log.rows
        r = run.log.rollouts
        right = r.correct[r.w > 0] > 0.5
        judged.append(Place(OWN, _values(run.reward, [*zip(rows, right, strict=True)])))
    judged.append(_all_lengths(run))
    grouped, rollouts = _groups(run, place)
    return _said(describe(labels, judged, others, grouped, rollouts, run.estimator))


def _labels(terms: Sequence[Term]) -> list[str]:
    """Names without folders; numbered where two are the same."""
    names = [t.name.rpartition("/")[2] if t.shaper is None else t.name for t in terms]
    return [f"{n} ({i + 1})" if names.count(n) > 1 else n for i, n in enumerate(names)]


# -- values ----------------------------------------------------------------------------------------
def _values(reward: UserReward, probes: Sequence[tuple[TextRow, bool]]) -> np.ndarray:
    """(T, N) weighted values of all terms, in their order; NaN where there is none."""
    texts = iter(reward.texts)
    rows = [row for row, _ in probes]
    out = []
    for term in reward.terms:
        if term.shaper is not None:
            out.append(np.array(shaper_values(UserReward([term], []), probes)))
            continue
        got = term_values(next(texts), rows)
        out.append(term.factor * np.array([math.nan if v is None else v for v in got]))
    return np.array(out, dtype=float)


def _place(run: Inputs, dialect: str) -> Place:
    rows = run.rows_in(dialect)
    return Place(
        brief(dialect),
        _values(run.reward, [(x.row, x.correct) for x in rows]),
        np.array([x.correct for x in rows]),
    )


def _all_lengths(run: Inputs) -> Place:
    """Every function on the texts of all outcome classes, catalogue terms on the classes."""
    run.law  # noqa: B018 - grades those texts
    texts = iter(run.reward.texts)
    out = []
    for term in run.reward.terms:
        if term.shaper is not None:
            out.append(_on_classes(run, term))
            continue
        text = next(texts)
        known = text.stable is True and text.batch_dependent is False  # else asked anew each time
        got = term_values(text, run.class_texts) if known else []
        out.append(term.factor * np.array([math.nan if v is None else v for v in got]))
    size = max(map(len, out))
    return Place(LENGTHS, np.array([np.append(v, np.full(size - len(v), np.nan)) for v in out]))


def _on_classes(run: Inputs, term: Term) -> np.ndarray:
    from toyrl.experiments.validate.reward_law.law import RewardLaw

    law = RewardLaw(run.chain, term.shaper, run_limit=run.run_limit)
    return term.factor * np.ravel(law.table())


def _groups(run: Inputs, place: Place) -> tuple[np.ndarray, Rollouts]:
    """Values (T, B, G) in groups: the log's own, else drawn from our texts at each success rate."""
    if run.log is not None:
        r = run.log.rollouts
        rows = [*zip(run.log.rows, r.correct[r.w > 0] > 0.5, strict=True)]
        values = _values(run.reward, rows)
        out = np.full((len(values), *r.shape), np.nan)
        out[:, r.w > 0] = values
        return out, r
    rows = run.rows_in(run.contract_facts.dialect)
    rng = np.random.default_rng(run.settings.seed)
    assert place.right is not None
    right, wrong = np.flatnonzero(place.right), np.flatnonzero(~place.right)
    G = run.settings.group_size
    rates = np.repeat(run.reference.success, GROUPS)
    drawn = np.where(
        rng.random((len(rates), G)) < rates[:, None],
        rng.choice(right, (len(rates), G)),
        rng.choice(wrong, (len(rates), G)),
    )
    flat = drawn.ravel()
    r, _ = text_rollouts(
        [rows[i].row for i in flat],
        np.repeat(np.arange(len(rates)), G).tolist(),
        correct=[float(rows[i].correct) for i in flat],
        max_length=float(max(run.settings.limit, *(rows[i].row.tokens for i in flat))),
    )
    return place.values[:, drawn], r


def _of_shapers(run: Inputs, labels: Sequence[str]) -> list[TermFacts]:
    """Catalogue terms on the groups of the contract, and on all classes."""
    from toyrl.experiments.validate.contract.shaper import probe_rollouts, supply
    from toyrl.experiments.validate.reward_law import bench

    whole = bench.as_shaper(run.terms)
    r = supply(whole, probe_rollouts(seed=run.settings.seed), seed=run.settings.seed)
    grouped = np.array([w * np.asarray(shaper.reward(r), dtype=float) for shaper, w in run.terms])
    flat = grouped.reshape(len(grouped), -1)
    return describe(labels, [Place("arrays", flat)], [], grouped, r, run.estimator)


# -- findings --------------------------------------------------------------------------------------
def _said(
    facts: Sequence[TermFacts],
) -> tuple[tuple[Finding, ...], tuple[Table, ...], tuple[TermFacts, ...]]:
    found = [f for x in facts for f in _term(x)]
    found += _redundant(facts)
    return tuple(found), (_table(facts),), tuple(facts)


def _term(x: TermFacts) -> list[Finding]:
    if x.silent:
        value = "no value" if math.isnan(x.low) else f"{x.low:.3g}"
        other = [name for name, share in x.paid.items() if share > 0 and name not in x.judged]
        where = f" It does pay in {', '.join(other)}." if other else ""
        text = (
            f"The term {x.label} was not judged: it is {value} on every text used "
            f"({', '.join(x.judged)}).{where} Nothing that is said of the sum rests on it."
        )
        known = None if math.isnan(x.low) else x.low
        return [Finding(1, "terms/silent", "warn", text, value=known, fix=SHOW)]
    shares = {k: x.paid[k] for k in x.judged if not math.isnan(x.paid[k])}
    paid = ", ".join(f"{share:.0%} of {name}" for name, share in shares.items())
    moves = "" if math.isnan(x.share) else f", {x.share:.0%} of what moves the advantage"
    text = (
        f"The term {x.label} pays {x.low:.3g} to {x.high:.3g} (not 0 on {paid}); its spread "
        f"within groups is {x.spread:.3g}{moves}."
    )
    value = None if math.isnan(x.share) else x.share
    return [Finding(1, "terms/line", "info", text, value=value)]


def _redundant(facts: Sequence[TermFacts]) -> list[Finding]:
    """Pairs of terms that pay for the same thing, or against each other."""
    seen, out = set(), []
    for x in facts:
        pair = frozenset((x.label, x.twin))
        if not abs(x.correlation) >= REDUNDANT or pair in seen:
            continue
        seen.add(pair)
        how = "pay for the same" if x.correlation > 0 else "work against each other"
        text = (
            f"The terms {x.label} and {x.twin} {how}: their correlation within groups is "
            f"{x.correlation:.2f}."
        )
        fix = "keep one of them, with the weight that both have together"
        out.append(Finding(1, "terms/redundant", "info", text, value=x.correlation, fix=fix))
    return out


def _table(facts: Sequence[TermFacts]) -> Table:
    places = list(facts[0].paid)
    rows = [
        [
            x.label,
            *("-" if math.isnan(x.paid[p]) else f"{x.paid[p]:.0%}" for p in places),
            f"{x.low:.3g}",
            f"{x.high:.3g}",
            f"{x.spread:.3g}",
            "-" if math.isnan(x.share) else f"{x.share:.0%}",
            "-" if math.isnan(x.correlation) else f"{x.twin}: {x.correlation:.2f}",
        ]
        for x in facts
    ]
    heads = ("least", "most", "spread in groups", "share of the advantage", "most alike")
    return Table(
        "terms",
        ("term", *(f"pays in {p}" for p in places), *heads),
        rows,
        caption="Weights included. Pays: gives anything but 0.",
    )


# -- claims ----------------------------------------------------------------------------------------
def unjudged(facts: Sequence[TermFacts]) -> tuple[str, ...]:
    """Why a sum with silent terms can't be SAFE."""
    return tuple(
        f"The term {x.label} never varied ({x.low:.3g} on every text), so the sum was judged "
        f"without it. {SHOW[0].upper()}{SHOW[1:]}."
        for x in facts
        if x.silent
    )


def only_of_what_fired(section: Section, facts: Sequence[TermFacts]) -> Section:
    """The section with claims that no finding makes of a sum with silent terms: a pass becomes a
    note on the terms that fired."""
    quiet = [x.label for x in facts if x.silent]
    if not quiet or len(quiet) == len(facts):
        return section
    start = f"Without {', '.join(quiet)}, which never varied: "

    def narrowed(f: Finding) -> Finding:
        return replace(f, status="info", message=start + f.message) if f.status == "pass" else f

    summary = start + section.summary if section.summary else ""
    return replace(section, summary=summary, findings=tuple(map(narrowed, section.findings)))
