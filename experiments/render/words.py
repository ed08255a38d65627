"""The sentences and words that terminal and page share."""

from __future__ import annotations

from collections import Counter

from toyrl.experiments.core import Check, Outcome
from toyrl.experiments.render.text import number, visible
from toyrl.experiments.validate.findings import NOT_TESTED, STATUSES, Finding, Report, Section

TONES = {
    "SAFE": "pass",
    "SAFE SO FAR": "info",
    "INCONCLUSIVE": "warn",
    "RISKY": "warn",
    "UNSAFE": "fail",
}
VERDICT_MEANINGS = {
    "SAFE": "Nothing that was looked at speaks against training on this reward.",
    "SAFE SO FAR": "Nothing speaks against this reward in what was run; the others may.",
    "INCONCLUSIVE": "The reward, or a part of it, could not be judged: neither a yes nor a no.",
    "RISKY": "Training may go well, but there is a reachable way for it to go wrong.",
    "UNSAFE": "Training on this reward is likely to lower true accuracy, or to teach wrong answers "
    "that it pays like right ones.",
}
MEANINGS = {
    0: "What the reward does with the rollouts you logged, without any model of them.",
    1: "Does the reward keep to its contract on every kind of text, and does it always give the "
    "same answer?",
    2: "Can a wrong answer be paid like a right one, and how far would the policy have to move "
    "to get there?",
    3: "How much of the reward reaches the gradient, and does any of it point the wrong way?",
    4: "Does training on this reward lose accuracy that training on correctness alone keeps?",
    5: "Does the reward rank policies as the truth does?",
    6: "Does picking the best of k rollouts by this reward raise the true accuracy?",
    7: "What the findings amount to, and the nearest variant without the problem.",
}


def meaning(report: Report) -> str:
    """What the verdict means, and the exit code where the word alone doesn't say it."""
    words = VERDICT_MEANINGS[report.verdict]
    failed = sum(f.status == "fail" for f in report.findings)
    if report.verdict == "RISKY" and failed and report.exit_code == 1:
        checks = f"{failed} checks" if failed > 1 else "One check"
        return f"{words} {checks} failed, so the exit code is 1."
    if report.verdict == "INCONCLUSIVE" and report.exit_code == 0:
        return f"{words} That is allowed here, so the exit code is 0."
    return words


def counted(report: Report) -> str:
    """How many findings of each kind aren't problems, which the terminal counts."""
    number_of = Counter(f.status for f in report.findings)
    kinds = (("pass", "passed"), ("info", "noted"), (NOT_TESTED, "not tested"))
    said = ", ".join(f"{number_of[kind]} {word}" for kind, word in kinds if number_of[kind])
    return f"Besides: {said or 'nothing'}. --verbose lists them."


def assumed(report: Report) -> str:
    """The run that the verdict is about, in one sentence; "" for a report without settings."""
    told = report.settings
    if "group_size" not in told:
        return ""
    rates = told.get("success_rates")
    length, limit = told.get("typical_length"), told.get("max_completion_length")
    parts = [
        f"{told.get('estimator') or 'grpo'}",
        f"groups of {told['group_size']}",
        f"{number(length)} of {number(limit)} tokens a completion" if length and limit else "",
        f"KL weight {number(told.get('beta') or 0.0)}",
        f"success rates {', '.join(number(r) for r in rates)}" if rates else "",
    ]
    latents = [str(field["says"]).rstrip(".") for field in report.assumed]
    return f"Assumed: {'; '.join([', '.join(filter(None, parts)), *latents])}."


WORST_WORDS = {
    "pass": "all well",
    "info": "noted",
    NOT_TESTED: "in part",
    "warn": "warning",
    "fail": "problem",
}


def badge(section: Section, verdict: str) -> tuple[str, str]:
    """Status and word that stand for a section in an overview; section 7 shows the verdict."""
    if not section.ran:
        return "info", "not run"
    if section.number == 7:
        return TONES[verdict], verdict.lower()
    if not section.findings:
        return "info", "no findings"
    return worst(section), WORST_WORDS[worst(section)]


def worst(section: Section) -> str:
    """The gravest status in a section; "pass" if it has no findings."""
    return max((f.status for f in section.findings), key=STATUSES.index, default="pass")


def measured(finding: Finding) -> str:
    """Value, interval and bound of a finding as one phrase; empty if it has no number."""
    if finding.value is None:
        return ""
    parts = [f"value {number(finding.value)}"]
    if finding.interval is not None:
        parts.append(f"interval {number(finding.interval[0])} to {number(finding.interval[1])}")
    if finding.bound is not None:
        parts.append(f"bound {number(finding.bound)}")
    return ", ".join(parts)


def bound(check: Check) -> str:
    """What a check asks of its value, such as "<= 0.05" or "0.933 within 0.001"."""
    if check.op == "~":
        return f"{number(check.bound)} within {number(check.tolerance)}"
    return f"{check.op} {number(check.bound)}"


def proof_words(outcome: Outcome) -> str:
    """How many checks a broken variant is shown to break, and which of the claim's none does."""
    if not outcome.mutants:
        return "No broken variant was run, so no check is proven."
    checks = outcome.result.checks
    bare = [visible(c.name) for c in checks if outcome.standing(c) == "unproven"]
    support = sum(outcome.standing(c) == "support" for c in checks)
    words = f"{len(outcome.proven)} of {len(checks)} checks are proven by a broken variant"
    words += f", {support} only support the claim." if support else "."
    return f"{words} Unproven: {'; '.join(bare)}." if bare else words
