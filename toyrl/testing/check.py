"""`check_invariants`: try laws on a reward until one breaks, and shrink the counterexample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from unittest import SkipTest

from hypothesis import Phase, given, settings
from hypothesis import seed as with_seed
from hypothesis.database import ExampleDatabase

from toyrl import asserted
from toyrl.estimators.base import Estimator
from toyrl.rewards.columns import as_shaper, is_text_reward
from toyrl.shapers.base import Shaper
from toyrl.testing.arrays import describe
from toyrl.testing.cases import Case, drawn, fresh, searching, smaller_cases
from toyrl.testing.estimators import ESTIMATOR_LAWS, EstimatorLaw
from toyrl.testing.invariants import CONTRACT, INVARIANTS, Invariant
from toyrl.testing.kept import kept
from toyrl.testing.texts import TEXT_INVARIANTS, TextInvariant, TextReward

Law = Invariant | TextInvariant | EstimatorLaw


@dataclass(frozen=True)
class InvariantResult:
    """One law's outcome; `problem` and `counterexample` are "" where it held."""

    name: str
    statement: str
    contract: bool
    holds: bool
    examples: int
    problem: str = ""
    counterexample: str = ""

    def __str__(self) -> str:
        if self.holds:
            return f"holds  {self.name}: {self.statement} ({self.examples} examples)"
        found = f"\n       {self.problem}\n       on {self.counterexample}"
        return f"BROKEN {self.name}: {self.statement}{found}"


@dataclass(frozen=True)
class InvariantReport:
    """What `check_invariants` found.

    ok : every law held; contract_ok : every contract held (properties are design goals, which
    a reward may break on purpose)
    """

    reward: str
    results: tuple[InvariantResult, ...]

    @property
    def ok(self) -> bool:
        """True if every law that was tried held."""
        return all(r.holds for r in self.results)

    @property
    def contract_ok(self) -> bool:
        """True if every contract that was tried held."""
        return all(r.holds for r in self.results if r.contract)

    def broken(self) -> tuple[str, ...]:
        """Names of the laws that broke."""
        return tuple(r.name for r in self.results if not r.holds)

    def __getitem__(self, name: str) -> InvariantResult:
        return next(r for r in self.results if r.name == name)

    def __str__(self) -> str:
        return "\n".join([self.reward, *map(str, self.results)])


class InvariantError(AssertionError):
    """A law was broken; `report` holds all results."""

    def __init__(self, report: InvariantReport) -> None:
        self.report = report
        broken = [str(r) for r in report.results if not r.holds]
        super().__init__("\n".join([f"{report.reward} breaks {len(broken)} law(s):", *broken]))


def check_invariants(
    reward: Shaper | str | Callable[..., Any],
    *,
    invariants: Sequence[str] | None = None,
    max_examples: int = 200,
    seed: int = 0,
    keep: bool = False,
) -> InvariantReport:
    """Search for counterexamples to the laws of rewards, and shrink what is found.

    reward : a shaper; a catalogue expression; a function of one prompt's rollouts as arrays
        (n,), or of one rollout as numbers, with parameters among `correct`, `length`,
        `max_length`, `truncated`, `step` and field names; or a TRL reward function (one with a
        parameter `completions` or `completion_ids`), tried on texts
    invariants : names (None: all that apply to this kind of reward)
    max_examples, seed : examples per law; the search is deterministic in the seed
    keep : a counterexample goes into Hypothesis' example database and is tried first next time,
        also under another seed

    Never raises for what a reward does; an exception inside it is a broken law.

    Raises ValueError for a `max_examples` below 1.
    """
    if max_examples < 1:
        msg = f"max_examples={max_examples} is below 1"
        raise ValueError(msg)
    if not isinstance(reward, (str, Shaper)) and is_text_reward(reward):
        subject, known = TextReward(reward), TEXT_INVARIANTS
    elif isinstance(reward, str):
        from toyrl.expressions import parse

        subject, known = parse(reward), INVARIANTS
    else:
        subject, known = reward if isinstance(reward, Shaper) else as_shaper(reward), INVARIANTS
    return _check(reward, subject, known, invariants, max_examples=max_examples, seed=seed,
                  keep=keep)  # fmt: skip


def check_estimator(
    estimator: Estimator | str,
    *,
    invariants: Sequence[str] | None = None,
    max_examples: int = 200,
    seed: int = 0,
    keep: bool = False,
) -> InvariantReport:
    """Search for counterexamples to the laws of advantage estimators.

    estimator : an `Estimator`, or a catalogue name with changed fields ("grpo(ddof=0)")
    invariants : names out of `ESTIMATOR_LAWS` (None: the contract, which every estimator keeps;
        the others, such as "centred" or "scale", are what some are made for)
    max_examples, seed, keep : as for `check_invariants`
    """
    if invariants is None:
        invariants = [n for n, law in ESTIMATOR_LAWS.items() if law.contract]
    name = estimator if isinstance(estimator, str) else repr(estimator)
    if isinstance(estimator, str):
        from toyrl.expressions import parse_estimator

        estimator = parse_estimator(estimator)
    return _check(name, estimator, ESTIMATOR_LAWS, invariants, max_examples=max_examples, seed=seed,
                  keep=keep)  # fmt: skip


def assert_invariants(
    reward: Shaper | str | Callable[..., Any],
    *,
    invariants: Sequence[str] | None = None,
    max_examples: int = 200,
    seed: int = 0,
    keep: bool = True,
) -> None:
    """Raise InvariantError, an AssertionError, with shrunk counterexamples where a law breaks.

    invariants : names (None: the contract, which every usable reward keeps)
    max_examples, seed, keep : as for `check_invariants`
    """
    __tracebackhide__ = True
    if invariants is None:
        text = not isinstance(reward, (str, Shaper)) and is_text_reward(reward)
        invariants = tuple(TEXT_INVARIANTS) if text else tuple(i.name for i in CONTRACT)
    report = check_invariants(
        reward, invariants=invariants, max_examples=max_examples, seed=seed, keep=keep
    )
    asserted.tell(report)
    if not report.ok:
        raise InvariantError(report)


def _check(
    reward: Any,
    subject: Any,
    known: dict[str, Any],
    chosen: Sequence[str] | None,
    *,
    max_examples: int,
    seed: int,
    keep: bool,
) -> InvariantReport:
    for wanted in chosen or ():
        if wanted not in known:
            near = get_close_matches(str(wanted), known, n=2)
            hint = (
                f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known)}"
            )
            msg = f"no invariant is called {wanted!r}; {hint}"
            raise ValueError(msg)
    laws = [known[n] for n in dict.fromkeys(known if chosen is None else chosen)]
    results = [
        search(
            law,
            subject,
            max_examples=max_examples,
            seed=seed,
            database=kept(f"{law.name} {_place(reward)}") if keep else None,
        )
        for law in laws
        if law.applies(subject)
    ]
    return InvariantReport(_name(reward), tuple(results))


class _Broken(Exception):
    """Carries a law's sentence out of the search."""


def search(
    law: Law,
    subject: Any,
    *,
    max_examples: int = 200,
    seed: int = 0,
    database: ExampleDatabase | None = None,
) -> InvariantResult:
    """Try one law; the counterexample is the smallest that Hypothesis finds.

    database : of this law and subject alone; what it holds is tried first
    """
    if database is not None:
        again = searching(max_examples, database, (Phase.reuse, Phase.shrink))
        count, last = _found(law, subject, again, seed)
        if last:
            return _result(law, count, last)
    shared = drawn(law.cases(subject), max_examples, seed)
    for case in shared:
        case = fresh(case)
        problem = _verdict(law, subject, case)
        if problem is not None:
            break
    else:
        return _result(law, len(shared), [])
    by = searching(max_examples, database, (Phase.generate, Phase.shrink))
    count, last = _found(law, subject, by, seed)
    # A reward with a memory may break a law once and keep it on the same cases afterwards.
    return _result(law, count, last or [_smaller(law, subject, (problem, _shown(case), case))])


Found = tuple[str, str, Any]
"""A problem, the case in words, the case."""


def _result(law: Law, count: int, last: list[Found]) -> InvariantResult:
    problem, example = last[-1][:2] if last else ("", "")
    return InvariantResult(law.name, law.statement, law.contract, not last, count, problem, example)


def _found(law: Law, subject: Any, by: settings, seed: int) -> tuple[int, list[Found]]:
    """(cases tried, broken cases, the smallest last), by Hypothesis."""
    count = 0
    last: list[Found] = []

    @by  # above the seed, which would take the database away
    @with_seed(seed)
    @given(law.cases(subject))
    def trial(case: Any) -> None:
        nonlocal count
        count += 1
        problem = _verdict(law, subject, case)
        if problem is not None:
            last.append((problem, _shown(case), case))
            raise _Broken

    try:
        trial()
    except SkipTest:  # nothing is kept that could be tried again
        pass
    except _Broken:
        last.append(_smaller(law, subject, last[-1]))
    except Exception as error:
        if not last:
            raise
        # Hypothesis found the failure not to repeat itself: the reward is not deterministic.
        again = f"{last[-1][0]} (not at every call: {type(error).__name__})"
        last.append((again, *last[-1][1:]))
    return count, last


def _verdict(law: Law, subject: Any, case: Any) -> str | None:
    """What is wrong in this case, or None."""
    try:
        return law.law(subject, case)
    except Exception as error:  # a user's reward may raise anything
        return f"{type(error).__name__}: {error}"


def _smaller(law: Law, subject: Any, found: tuple[str, str, Any]) -> tuple[str, str, Any]:
    """The broken case with every prompt and rollout dropped that it does not need.

    Hypothesis shrinks the numbers well but rarely the shape, on which all later draws depend.
    """
    case = found[2]
    smaller = True
    while isinstance(case, Case) and smaller:
        smaller = False
        for candidate in smaller_cases(case):
            problem = _verdict(law, subject, candidate)
            if problem is not None:
                found, case, smaller = (problem, _shown(candidate), candidate), candidate, True
                break
    return found


def _shown(case: Any) -> str:
    return describe(case.rollouts) if isinstance(case, Case) else repr(case)


def _place(reward: Any) -> str:
    """What tells one reward from another from run to run: where it is defined, or its fields."""
    name = getattr(reward, "__qualname__", None)
    return f"{reward.__module__}:{name}" if name else repr(reward)


def _name(reward: Any) -> str:
    return reward if isinstance(reward, str) else getattr(reward, "__name__", repr(reward))


__all__ = [
    "InvariantError",
    "InvariantReport",
    "InvariantResult",
    "assert_invariants",
    "check_estimator",
    "check_invariants",
    "search",
]
