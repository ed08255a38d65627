"""`audit_judge` as a Python function."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from toyrl.experiments.amounts import RATE
from toyrl.experiments.audit import calibration, carry, items, logs, measures, read
from toyrl.experiments.audit.asking import Answers, ask
from toyrl.experiments.audit.items import Item, Questions, built_in, of_rows, questions
from toyrl.experiments.audit.judges import Judge, judge_of
from toyrl.experiments.audit.measures import Bias, Compared
from toyrl.experiments.audit.noise import Noise
from toyrl.experiments.audit.result import Audit, Calls
from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.settings import Settings
from toyrl.rewards.cache import CacheError, ValueCache
from toyrl.rewards.specs import name_of

ITEMS = 64
"""Prompts, where nothing is said."""
Tell = Callable[[str], Any]


def audit_judge(
    judge: Any,
    *,
    against: Any = None,
    pairs: bool | None = None,
    data: str | Path | None = None,
    columns: Mapping[str, str] | str | None = None,
    score: str | None = None,
    threshold: float | None = None,
    prompts: int | None = None,
    dialect: str = "gsm8k",
    max_calls: int | None = None,
    timeout: float = 60.0,
    workers: int = 1,
    cache: str | Path | None = None,
    accuracy: float | None = None,
    typical_length: int | None = None,
    max_completion_length: int = 512,
    estimator: str = "grpo",
    group_size: int = 8,
    beta: float = 0.0,
    worlds: int = 16,
    seed: int = 0,
    skip_bad_rows: bool = False,
    progress: bool | Callable[[str], Any] = False,
    command: str = "",
) -> Audit:
    """Is a judge biased, and what would that do to training?

    judge : "file.py:function" or a function of one text (a score, in any form that `validate`
        knows) or of two (prompt, first, second: which is better); the folder of a
        sequence-classification model; or a log (JSONL, CSV, parquet) whose column `score` holds
        a judge's scores
    against : a second judge on the same questions, or another column of the log
    pairs : the function compares two texts; None: as its parameters say
    data : rows with prompt, completion and correct, asked about in the place of toyrl's own texts
    columns : which columns say what; threshold : score from which on a text is accepted, None: the
        one at which verdicts are most often right
    prompts : asked about [default: 64, or those of data]; max_calls : of the judge at most, which
        lowers the number of prompts
    timeout : seconds a call; workers : calls at a time; cache : folder where answers are kept
    accuracy, typical_length, max_completion_length, estimator, group_size, beta : of the planned
        run; accuracy and length of a log are its own
    worlds : that the run is trained in, 0: no run is made
    progress : True shows lines on standard error; or f(message)

    Raises UsageError for what can't be used, MissingExtra for a model without the extra llm.
    """
    if prompts is not None and prompts < items.FEWEST:
        msg = f"prompts={prompts} are too few to say anything; {items.FEWEST} at least"
        raise UsageError(msg)
    if worlds < 0 or (threshold is not None and not math.isfinite(threshold)):
        msg = f"worlds={worlds}, threshold={threshold}: worlds is at least 0, threshold a number"
        raise UsageError(msg)
    if accuracy is not None and not RATE.allows(accuracy):
        raise UsageError(RATE.refusal("accuracy", accuracy))
    settings = Settings(
        max_completion_length=max_completion_length,
        typical_length=typical_length,
        success_rates=None if accuracy is None else (accuracy,),
        estimator=estimator, group_size=group_size, beta=beta, seed=seed, timeout=timeout,
        workers=workers, max_calls=max_calls,
    )  # fmt: skip
    base = carry.Base(
        0.4 if accuracy is None else accuracy, float(settings.typical), float(settings.limit),
        estimator, group_size, beta, worlds, seed,
    )  # fmt: skip
    tell = progress if callable(progress) else _line if progress else lambda _: None
    call = command or f"toyrl.audit_judge({name_of(judge)!r})"
    if logs.is_log(judge):
        source = _Log(judge, columns, skip_bad_rows)
        made = _of_log(source, score, against, threshold, base, told=accuracy is not None)
        return replace(made, command=call)
    plan = _Plan(judge_of(judge, pairs=pairs),
                 None if against is None else judge_of(against, pairs=None))  # fmt: skip
    found = _items(plan, data, columns, skip_bad_rows, prompts, dialect, base, max_calls)
    if data is not None:
        base = replace(base, length=_usual(found))
    try:
        disk = None if cache is None else ValueCache(cache)
    except CacheError as error:
        raise UsageError(str(error)) from error
    try:
        made = _asked(plan, found, base, timeout, workers, disk, threshold, tell, max_calls)
    finally:
        if disk is not None:
            disk.close()
    return replace(made, command=call)


def _line(message: str) -> None:
    import sys

    print(f"toyrl: {message}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class _Plan:
    judge: Judge
    other: Judge | None = None

    @property
    def judges(self) -> tuple[Judge, ...]:
        return (self.judge,) if self.other is None else (self.judge, self.other)


def _items(
    plan: _Plan, data: Any, columns: Any, skip_bad: bool, prompts: int | None, dialect: str,
    base: carry.Base, max_calls: int | None,
) -> list[Item]:  # fmt: skip
    """As many prompts as were asked for and as the calls allow."""
    if data is not None:
        found = of_rows(data, columns=columns, skip_bad=skip_bad)[:prompts]
    else:
        try:
            found = built_in(prompts or ITEMS, dialect=dialect, typical=base.length,
                             limit=base.limit, seed=base.seed)  # fmt: skip
        except ValueError as error:
            raise UsageError(str(error)) from error
    if max_calls is None:
        return found
    each = [sum(len(questions([x], j.kind).calls) for j in plan.judges) for x in found]
    kept = int(np.searchsorted(np.cumsum(each), max_calls, side="right"))
    if kept < items.FEWEST:
        least = int(np.cumsum(each)[items.FEWEST - 1])
        msg = (
            f"max_calls={max_calls} is too few: {items.FEWEST} prompts, the fewest that say "
            f"anything, take {least} calls"
        )
        raise UsageError(msg)
    return found[:kept]


def _usual(found: Sequence[Item]) -> float:
    return float(np.mean([x.texts[name].tokens for x in found for name in ("R usual", "W usual")]))


def _asked(
    plan: _Plan, found: Sequence[Item], base: carry.Base, timeout: float, workers: int,
    disk: ValueCache | None, threshold: float | None, tell: Tell, max_calls: int | None,
) -> Audit:  # fmt: skip
    asked = [questions(found, j.kind) for j in plan.judges]
    planned = sum(len(q.calls) for q in asked)
    tell(f"{planned:,} calls of {' and '.join(j.name for j in plan.judges)}, about "
         f"{len(found)} prompts, {workers} at a time")  # fmt: skip
    answers: list[Answers] = []
    for judge, q in zip(plan.judges, asked, strict=True):
        due = [0.1]

        def moved(done: int, total: int, due: list[float] = due) -> None:
            if total and done / total >= due[0]:
                due[0] = done / total + 0.1
                tell(f"{done:,} of {total:,} calls")

        again = planned + sum(a.again for a in answers)
        spare = None if max_calls is None else max_calls - again
        try:
            answers.append(ask(judge, q.calls, timeout=timeout, workers=workers, cache=disk,
                               progress=moved, spare=spare))  # fmt: skip
        except CacheError as error:
            raise UsageError(str(error)) from error
    made = [read.READERS[j.kind](found, q, a.values)
            for j, q, a in zip(plan.judges, asked, answers, strict=True)]  # fmt: skip
    values = answers[0].values
    agreed = None
    if plan.other is not None:
        agreed = calibration.agreement(made[0], made[1], plan.other.name, seed=base.seed)
    tell("what that does to a run")
    audit = _audit(
        plan.judge.name, plan.judge.kind, made[0], base,
        unexplained=lambda: read.unexplained(read.flat(found, asked[0], values)),
        noise=lambda: _noise_of(plan.judge, found, asked[0], values, made[0], base, threshold),
        constant=_constant(values),
        stretch=_stretch(found),
    )  # fmt: skip
    said, right = read.said_and_right(found, asked[0], values)
    return replace(
        audit,
        calls=_calls(planned, answers),
        reliability=calibration.reliability(said, right, seed=base.seed),
        agreement=agreed,
        rings=_ring(found, made[0]),
        examples=_examples(found, made[0], audit.swayed),
    )


def _calls(planned: int, answers: Sequence[Answers]) -> Calls:
    total = {k: sum(getattr(a, k) for a in answers)
             for k in ("known", "answered", "unread", "failed", "late")}  # fmt: skip
    return Calls(planned, sum(a.asked for a in answers), **total,
                 first=next((a.first for a in answers if a.first), ""),
                 example=next((a.unread_text for a in answers if a.unread_text), ""))  # fmt: skip


def _constant(values: np.ndarray) -> bool:
    known = values[np.isfinite(values)]
    return len(known) > 1 and bool((known == known[0]).all())


def _stretch(found: Sequence[Item]) -> float:
    logs_of = [math.log(x.texts["R long"].tokens / x.texts["R short"].tokens) for x in found]
    return float(np.mean(logs_of))


def _noise_of(
    judge: Judge, found: Sequence[Item], asked: Questions, values: np.ndarray, c: Compared,
    base: carry.Base, threshold: float | None,
) -> tuple[Noise | None, float]:  # fmt: skip
    if judge.kind == "pairs":
        return read.noise_of_pairs(judge.name, found, c, base.length), math.nan
    flat = read.flat(found, asked, values)
    return _of_flat(judge.name, flat, base, threshold)


def _of_flat(
    name: str, flat: read.Flat, base: carry.Base, threshold: float | None
) -> tuple[Noise | None, float]:
    from_ = read.threshold_of(flat) if threshold is None else threshold
    if math.isnan(from_):
        return None, math.nan
    return read.noise_of_scores(name, flat, from_, base.length), from_


def _audit(
    name: str, kind: str, c: Compared, base: carry.Base, *, unexplained: Callable[[], float],
    noise: Callable[[], tuple[Noise | None, float]], constant: bool, stretch: float,
) -> Audit:  # fmt: skip
    """Everything that follows from the verdicts, with the runs."""
    a, found = measures.accuracy(c), measures.biases(c, stretch)
    errors, from_ = noise() if a.n else (None, math.nan)
    if errors is not None and not all(
        sum(r.n for r in rates) for rates in (errors.false_negative, errors.false_positive)
    ):
        errors = None
    made = Audit(
        judge=name, kind=kind, prompts=c.n, calls=Calls(), accuracy=a, slices=measures.slices(c),
        biases=found, consistency=measures.consistency(c), base=base, noise=errors,
        threshold=from_, constant=constant,
    )  # fmt: skip
    notes = []
    if errors is None:
        notes.append(
            "its errors could not be counted: no verdict parts right texts from wrong ones"
        )
    plain = measures.plain_accuracy(c)
    sd = unexplained() if c.gap else carry.noise_of_accuracy(plain.value if plain.n else 0.5)
    if not base.worlds or constant or errors is None:
        return replace(made, notes=tuple(notes))
    worlds = carry.worlds_of(base)
    runs: dict[str, Any] = {}
    if math.isfinite(sd):
        runs["carried"] = carry.consequences(worlds, base, carry.likings(found), sd)
    else:
        notes.append("no liking was carried to a run: right texts do not win over wrong ones")
    needed, ends = carry.needed(worlds, base, errors.errors(), errors.accuracy)
    return replace(made, **runs, needed=needed, runs=ends, notes=tuple(notes))


def _examples(found: Sequence[Item], c: Compared, swayed: Sequence[Bias]) -> dict[str, str]:
    """Of each bias by which a judge is swayed the shortest text that won for it."""
    out = {}
    for b in swayed:
        won: list[str] = []
        for a, prefer in c.prefer.items():
            if a.what == b.name:
                better = prefer > 0.5 if b.effect > 0 else prefer < 0.5
                name = a.first if b.effect > 0 else a.second
                won += [found[i].texts[name].text for i in np.flatnonzero(better).tolist()]
            elif a.claimed and b.name == "sycophancy":
                won += [found[i].call(a.second, claimed=True).prompt
                        for i in np.flatnonzero(prefer < 0.5).tolist()]  # fmt: skip
        if won:
            out[b.name] = min(won, key=len)
    return out


def _ring(found: Sequence[Item], c: Compared) -> str:
    """One ring in words; "" without any."""
    for turns, names in measures.rings(c):
        at = np.flatnonzero(turns == 1)
        if len(at):
            x, y, z = (n[2:] for n in names)
            return f"{x}, {y} and {z} beat each other in a ring on: {found[int(at[0])].prompt}"
    return ""


# -- logs ------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Log:
    path: Any
    columns: Any
    skip_bad: bool

    def read(self, column: str | None) -> tuple[str, logs.Logged]:
        return logs.read_scores(self.path, column, columns=self.columns, skip_bad=self.skip_bad)


def _of_log(
    source: _Log, score: str | None, against: Any, threshold: float | None, base: carry.Base,
    *, told: bool,
) -> Audit:  # fmt: skip
    """told : the base's accuracy was said, else it is the log's."""
    name, found = source.read(score)
    x = found.flat.known()
    if not told:
        base = replace(base, accuracy=min(max(float(found.flat.right.mean()), 0.01), 0.99))
    base = replace(base, length=float(found.flat.tokens.mean()),
                   limit=max(base.limit, float(found.flat.tokens.max())))  # fmt: skip
    agreed = None
    if against is not None:
        other, second = source.read(str(against))
        tables = calibration.counted(found.wins, second.wins)
        agreed = calibration.agreement_of(tables, other, seed=base.seed)
    audit = _audit(
        name, "log", found.compared, base,
        unexplained=lambda: read.unexplained(found.flat),
        noise=lambda: _of_flat(name, found.flat, base, threshold),
        constant=_constant(found.flat.score),
        stretch=found.stretch,
    )  # fmt: skip
    notes = (*audit.notes, "texts of a log differ in more than one thing: a liking goes together "
             "with what is named, an edit of the text alone would show its cause")  # fmt: skip
    return replace(
        audit,
        calls=Calls(answered=len(x.score), known=found.rows, unread=found.unread,
                    example=found.example),
        reliability=calibration.reliability(x.score, x.right, seed=base.seed),
        agreement=agreed,
        notes=notes,
    )  # fmt: skip
