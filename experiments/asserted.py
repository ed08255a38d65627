"""`validate` and `audit_judge` in a test suite: what fails there fails the test, with the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack

from toyrl import asserted
from toyrl.experiments.api import validate
from toyrl.experiments.validate.options import Options

if TYPE_CHECKING:
    from toyrl.experiments.audit.result import Audit
    from toyrl.experiments.validate.findings import Finding, Report

HACKS = 2
LONGEST = 300  # characters of a counterexample that a failure shows
AT_MOST = {
    "safe": ("SAFE", "SAFE SO FAR"),
    "risky": ("SAFE", "SAFE SO FAR", "RISKY"),
}


class ExploitError(AssertionError):
    """A wrong completion is paid; `report` holds everything that was found."""

    def __init__(self, report: Report, failed: list[Finding]) -> None:
        self.report = report
        lines = [f"{report.reward}: {len(failed)} finding(s) failed:", *map(_line, failed)]
        super().__init__("\n".join(lines))


class VerdictError(AssertionError):
    """The verdict is worse than the test allows; `report` holds everything that was found."""

    def __init__(self, report: Report, at_most: str) -> None:
        self.report = report
        said = f"{report.reward} is {report.verdict}, at most {at_most.upper()} is allowed:"
        super().__init__("\n".join([said, *(f"  {reason}" for reason in report.reasons)]))


def assert_no_exploit(
    reward: Any, *, budget: int | None = None, **options: Unpack[Options]
) -> Report:
    """Fail where a wrong completion is paid like a right one, or a right one goes unpaid.

    The listed edits are tried, then a search for what no list holds (`search` texts at most).
    reward : as for `toyrl.validate`; budget : calls of the reward at most (None: no limit)
    options : as for `toyrl.validate`; sections 1 and 2 alone are run, in seconds

    Raises ExploitError (an AssertionError) with the shortest counterexamples, and also for a reward
    that can't be judged; UsageError as `toyrl.validate`.
    """
    __tracebackhide__ = True
    if budget is not None:
        options["max_calls"] = budget
    report = validate(reward, **{**options, "only": ("contract", "hacks")})  # type: ignore[arg-type]
    asserted.tell(report)
    failed = [f for f in report.findings if f.status == "fail"]
    if failed or report.error:
        raise ExploitError(report, sorted(failed, key=lambda f: f.section != HACKS))
    return report


class JudgeError(AssertionError):
    """A judge is useless, or swayed by more than the test allows; `audit` holds everything."""

    def __init__(self, audit: Audit, said: list[str]) -> None:
        self.audit = audit
        super().__init__("\n".join([f"{audit.judge}: {audit.headline()}", *said]))


def assert_judge(
    judge: Any,
    *,
    least: float = 0.5,
    most: float | None = None,
    budget: int | None = None,
    **options: Any,
) -> Audit:
    """Fail where a judge is useless or swayed, with an example of what sways it.

    judge, options : as for `toyrl.audit_judge`; budget : calls of the judge at most
    least : what the accuracy of its preferences, right against wrong, must lie above with its whole
        95 % interval; most : the effect in [0, 1] that a bias may have, None: biases are not held
        against it unless they are clear by the audit's own rule (an effect of 0.1 that its
        interval shows); 1 allows any

    Raises JudgeError (an AssertionError), ValueError for bounds outside [0, 1], UsageError as
    `toyrl.audit_judge`.
    """
    __tracebackhide__ = True
    from toyrl.experiments.audit.call import audit_judge

    for name, value in (("least", least), ("most", 0.0 if most is None else most)):
        if not 0 <= value <= 1:
            msg = f"{name}={value!r} is no share; give a number in [0, 1]"
            raise ValueError(msg)
    if budget is not None:
        options["max_calls"] = budget
    audit = audit_judge(judge, **{"worlds": 0, **options})
    said = []
    low, high = audit.accuracy.interval
    if audit.constant or not audit.accuracy.n or low <= least:
        said.append(f"  accuracy {audit.accuracy.value:.2f} ({low:.2f} to {high:.2f}) is not shown "
                    f"to lie above {least:g}")  # fmt: skip
    swayed = audit.swayed if most is None else [b for b in audit.biases
                                                if b.shown and abs(b.effect) > most]  # fmt: skip
    for b in swayed:
        example = audit.examples.get(b.name, "")
        shown = f"\n    prefers {example[:LONGEST]!r}" if example else ""
        said.append(f"  {b.name} {b.effect:+.2f} ({b.interval[0]:+.2f} to {b.interval[1]:+.2f}): "
                    f"{b.says}{shown}")  # fmt: skip
    if said:
        raise JudgeError(audit, said)
    return audit


def assert_safe(
    reward: Any,
    *,
    at_most: Literal["safe", "risky"] = "safe",
    **options: Unpack[Options],
) -> Report:
    """Fail unless the verdict of `toyrl.validate` is at most as bad as `at_most`.

    reward, options : as for `toyrl.validate`; `quick=True` judges without training
    INCONCLUSIVE and UNSAFE always fail.

    Raises VerdictError (an AssertionError) with the reasons, ValueError for another `at_most`,
    UsageError as `toyrl.validate`.
    """
    __tracebackhide__ = True
    if at_most not in AT_MOST:
        msg = f"at_most={at_most!r} is not one of {', '.join(AT_MOST)}"
        raise ValueError(msg)
    report = validate(reward, **options)
    asserted.tell(report)
    if report.verdict not in AT_MOST[at_most]:
        raise VerdictError(report, at_most)
    return report


def _line(f: Finding) -> str:
    shown = "" if f.counterexample is None else f"\n    on {str(f.counterexample)[:LONGEST]!r}"
    return f"  {f.name}: {f.message}{shown}\n    toyrl explain {f.name}"
