"""Section 2, where step scores are given: how they become a return, and whether steps are farmed.

Texts of known truth are changed without any work in them (`edits`), scored anew, and paid by every
return of the catalogue and by the reward as judged. Wrong texts that reach the median right one so
are an exploit like any other; what pays without reaching it is a warning.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from toyrl.experiments.validate.findings import NOT_TESTED, Finding, Section
from toyrl.experiments.validate.inputs import Inputs
from toyrl.experiments.validate.reward_law import bench
from toyrl.experiments.validate.steps import picture, say, source
from toyrl.experiments.validate.steps.paid import Text, plan, scheme_totals, tried
from toyrl.graders.base import TextRow
from toyrl.graders.steps.splits import steps as split
from toyrl.rewards.errors import RewardError
from toyrl.rewards.process import CORRECT, SCORES
from toyrl.rewards.user import load
from toyrl.worlds.chain.latents import declared

RETURN = "steps/return"
EACH = 8  # right texts, and wrong ones
FEWEST = 2  # of each


# -- before the sections ---------------------------------------------------------------------------
@contextlib.contextmanager
def scored(run: Inputs) -> Iterator[None]:
    """While it lasts the scorer answers, the log has its scores, and so have the toy's worlds.

    Raises UsageError for a reward none of whose terms reads step scores, RewardError for a scorer
    that fails on the user's own log.
    """
    s = run.settings
    if s.process is None:
        yield
        return
    source.check_terms(run.reward.terms)
    with contextlib.ExitStack() as stack:
        if not source.is_column(s.process):
            run.step_scores = stack.enter_context(_asked(run))
        score_log(run)
        stack.enter_context(declared.instead(_levels(run)))
        yield


def score_log(run: Inputs) -> None:
    """Give the log's rows the scorer's scores; nothing without a log or with a column of it."""
    if run.log is not None and run.step_scores is not None:
        run.log = source.with_scorer(run.log, run.step_scores, run.settings.steps)


@contextlib.contextmanager
def _asked(run: Inputs) -> Iterator[source.Scores]:
    s = run.settings
    with load(
        source.asking(s.process, s.steps),
        timeout=s.timeout,
        data=run.data,
        cache=s.cache,
        env=s.env,
        isolate=s.isolate,
        workers=s.workers,
    ) as loaded:
        yield source.asked(lambda rows: loaded.score(rows, chat=False), s.steps)


def _levels(run: Inputs) -> dict[str, declared.Latent]:
    """The toy's latent of step scores at the levels of these texts: nothing where they leave [0, 1]
    or could not be scored."""
    try:
        known = _known(run, _texts(run)[0])
    except RewardError:
        return {}
    right = [v for t in known if t.right for v in t.scores]
    late = [v for t in known if not t.right for v in t.scores[len(t.scores) // 2 :]]
    if not right or not late or not all(0.0 <= v <= 1.0 for v in (*right, *late)):
        return {}
    tokens = sum(t.row.tokens for t in known) / sum(len(t.scores) for t in known)
    clean, broken = (round(float(np.mean(v)), 3) for v in (right, late))
    latent = declared.StepLevels(clean=clean, broken=broken, step=max(1, round(tokens)))
    return dict.fromkeys(("step_scores", "step_ends"), latent)


# -- in section 2 ----------------------------------------------------------------------------------
def added(run: Inputs, section: Section) -> Section:
    """Section 2 with what the steps say, first of all, where their scores are given."""
    if run.settings.process is None:
        return section
    found = _looked(run)
    summary = " ".join(x for x in (found.summary, section.summary) if x)
    return replace(
        section,
        summary=summary,
        findings=(*found.findings, *section.findings),
        pictures=(*found.pictures, *section.pictures),
        tables=(*found.tables, *section.tables),
    )


def unseen(sections: Sequence[Section]) -> list[str]:
    """Why nothing is known of the steps, which keeps a reward from SAFE; nothing where they were
    looked at."""
    found = (f for s in sections for f in s.findings)
    return [f.message for f in found if f.name == RETURN and f.status == NOT_TESTED]


def _looked(run: Inputs) -> Section:
    s, name = run.settings, source.source_name(run.settings.process)
    rows, whose = _texts(run)
    seen: list[Finding] = []
    try:
        known = _known(run, rows)
        usable = [t for t in known if not any(map(math.isnan, t.scores))]
        seen = say.scores(known, name)
        if why := _too_few(known, usable, whose, s.steps):
            return _nothing(why, seen)
        asked, limit = run.step_scores, s.limit
        found = tried(usable, plan(), s.steps, scores=asked, judged=judged(run), limit=limit)
    except RewardError as error:
        return _nothing(f"Steps could not be scored: {error}", seen)
    except KeyError as error:
        return _nothing(f"Steps were not looked at: {error.args[0]}.", seen)
    run.steps = picture.data(found, s.steps, name)
    right = np.array([t.right for t in usable])
    findings = [*say.edits(found, right, asked=asked is not None), *say.returns(found, right)]
    return Section(
        2,
        findings[0].message,
        (*findings, *seen),
        pictures=(picture.copies(found, whose, asked=asked is not None),),
        tables=(picture.table(found),),
    )


def _nothing(why: str, seen: Sequence[Finding]) -> Section:
    return Section(2, "", (Finding(2, RETURN, NOT_TESTED, why), *seen))


def _texts(run: Inputs) -> tuple[list[tuple[TextRow, bool]], str]:
    """Complete texts of known truth and several steps, right ones first, and whose they are."""
    if run.log is not None:
        pairs = [(row, row.columns[CORRECT]) for row in source.told(run.log)]
        rows = [(row, c == 1.0) for row, c in pairs if c in (0.0, 1.0) and not row.truncated]
        whose = "your rollouts"
    else:
        facts = getattr(run, "contract_facts", None)  # not there before the sections
        read = facts.dialect if facts is not None else ""
        made = [x for x in run.rows_in(read or run._dialects[0]) if not x.truncated]
        rows = [(source.marked(x.row, x.correct), x.correct) for x in made]
        whose = "toyrl's texts"
    how = run.settings.steps
    several = [(row, good) for row, good in rows if len(split(row.completion, how)) > 1]
    each = [[x for x in several if x[1] == good][:EACH] for good in (True, False)]
    return [x for kind in each for x in kind], whose


def _too_few(known: Sequence[Text], usable: Sequence[Text], whose: str, how: str) -> str:
    """Why there are too few texts of several steps, or too few whose steps have a score; or ""."""

    def counts(texts: Sequence[Text]) -> list[int]:
        return [sum(t.right == good for t in texts) for good in (True, False)]

    (right, wrong), scored = counts(known), counts(usable)
    if min(scored) >= FEWEST:
        return ""
    if min(right, wrong) < FEWEST:
        return (
            f"Steps were not looked at: of {whose}, {right} right and {wrong} wrong ones have two "
            f"steps or more (steps={how}), and {FEWEST} of each are needed; give --rollouts, or "
            "--steps as your trainer splits"
        )
    return (
        f"Steps were not looked at: of {whose}, {scored[0]} right and {scored[1]} wrong ones have "
        f"a score for every step, and {FEWEST} of each are needed; give every step a score"
    )


def _known(run: Inputs, rows: Sequence[tuple[TextRow, bool]]) -> list[Text]:
    """The texts with their scores: those that the log's rows have already, else asked for."""
    if run.log is not None:
        values = [row.columns[SCORES] for row, _ in rows]
    elif run.step_scores is not None:
        values = run.step_scores([row for row, _ in rows])
    else:
        values = []
    return [Text(row, v, good) for (row, good), v in zip(rows, values, strict=True)]


def judged(run: Inputs) -> Any:
    """f(rows with step columns, base, places) -> what the whole reward pays them."""
    terms = run.reward.terms
    shaper = bench.as_shaper([(t.shaper, t.weight) for t in terms if t.shaper is not None])
    weights = [t.weight for t in terms if t.shaper is None]

    def paid(rows: Sequence[TextRow], base: Sequence[TextRow], places: Sequence[int]) -> np.ndarray:
        out = scheme_totals(shaper, rows, base, places)
        for text, weight in zip(run.reward.texts, weights, strict=True):
            values = text.score(list(rows))
            out = out + weight * np.array([math.nan if v is None else v for v in values])
        return out

    return paid
