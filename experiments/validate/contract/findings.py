"""What section 1 says about each thing that it looked at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from toyrl.experiments.core import Table
from toyrl.experiments.validate.contract.facts import Contract, DialectFacts
from toyrl.experiments.validate.contract.texts import edge_texts
from toyrl.experiments.validate.findings import Finding
from toyrl.graders.base import TextRow
from toyrl.rewards.errors import RewardError
from toyrl.rewards.inputs import CHANGES_INPUTS
from toyrl.rewards.user import UserReward

YOURS = "give your own rows (--rollouts, --data) or say how answers are marked (--answer-mark)"


def signature(reward: UserReward) -> Finding:
    """How the functions are called."""
    listed = "; ".join(str(t.signature) for t in reward.texts)
    state = any(t.signature.reads_state for t in reward.texts)
    more = " It asks for trainer_state and was judged at update 0." if state else ""
    return Finding(1, "contract/signature", "info", f"Called as {listed}.{more}")


def _dialects(facts: Sequence[DialectFacts]) -> str:
    return f"{len(facts)} dialects" if len(facts) > 1 else f"dialect {facts[0].name}"


def values(facts: Sequence[DialectFacts]) -> Finding:
    """One finite value per ordinary text."""
    errors = [(f.name, e) for f in facts for e in f.errors]
    n = sum(len(f.values) for f in facts)
    if not errors:
        text = f"One finite value for each of {n} ordinary texts ({_dialects(facts)})."
        return Finding(1, "contract/values", "pass", text)
    where = ", ".join(dict.fromkeys(name for name, _ in errors))
    error = errors[0][1]
    return Finding(
        1,
        "contract/values",
        "fail",
        f"Fails on {len(errors)} of {n} ordinary texts (dialects: {where}): {error}",
        value=float(len(errors)),
        bound=0.0,
        counterexample=error.detail.get("input"),
        fix="return a number, 0 for instance, for texts that it can't read",
    )


def unscorable(facts: Sequence[DialectFacts]) -> list[Finding]:
    """Texts answered with None."""
    n = sum(len(f.values) for f in facts)
    none = sum(f.values.count(None) - f.failed for f in facts)
    if none <= 0:
        return []
    text = f"{none} of {n} ordinary texts are unscorable (None): they give no signal."
    status = "warn" if none > 0.1 * n else "info"
    return [Finding(1, "contract/unscorable", status, text, value=none / n)]


def repeats(c: Contract) -> list[Finding]:
    """Randomness and memory."""

    def one(name: str, good: bool, yes: str, no: str, fix: str) -> Finding:
        status = "pass" if good else "fail"
        return Finding(1, f"contract/{name}", status, yes if good else no, fix="" if good else fix)

    return [
        one(
            "deterministic",
            c.deterministic,
            "Equal calls give equal values.",
            "Equal calls give different values: it is random.",
            "seed it from the text, or average several draws",
        ),
        one(
            "history",
            not c.history_dependent,
            "Values don't depend on earlier calls.",
            "Values depend on earlier calls: it keeps state between batches.",
            "keep no state between calls; on resume or with several workers values will differ",
        ),
    ]


def batch(c: Contract) -> Finding:
    """Dependence on the other texts of a call."""
    if not c.batch_dependent:
        text = "A text's value doesn't depend on its neighbours in the batch."
        return Finding(1, "contract/batch", "pass", text)
    return Finding(
        1,
        "contract/batch",
        "warn",
        "A text's value depends on the other texts of the call; verdicts hold for such groups.",
        fix="if that is not meant, score every completion by itself",
    )


def inputs(reward: UserReward) -> list[Finding]:
    """Whether a function changes the lists that it is given, which other functions get too."""
    found = [note for note in reward.notes if CHANGES_INPUTS in note]
    return [
        Finding(
            1,
            "contract/inputs",
            "fail",
            f"{note}: a trainer gives the same lists to every reward function.",
            fix="work on a copy",
        )
        for note in found
    ]


def edges(reward: UserReward, rows: Sequence[TextRow]) -> list[Finding]:
    """Empty, truncated, huge and non-ASCII text, each in a call of its own."""
    out = []
    for name, texts in edge_texts(rows[0]).items():
        failed: RewardError | None = None
        for row in texts:
            try:
                reward.grade([row])
            except RewardError as error:
                if error.kind == "missing_column":
                    raise
                failed = failed or error
        shown = name.replace("-", " ")
        if failed is None:
            finding = Finding(1, f"contract/edge-{name}", "pass", f"Answers {shown} text.")
        else:
            given: Any = failed.detail.get("input") or {"completion": texts[0].completion[:200]}
            finding = Finding(
                1,
                f"contract/edge-{name}",
                "fail",
                f"Fails on {shown} text: {failed}",
                counterexample=given,
                fix="policies produce such texts in training; return a number for them",
            )
        out.append(finding)
    return out


def varies(c: Contract) -> Finding:
    """Whether values vary at all."""
    if not c.constant:
        return Finding(1, "contract/varies", "pass", "Its values vary over the probes.")
    text = "It has one value on every probe in every dialect: nothing can be judged from them."
    return Finding(1, "contract/varies", "warn", text, fix=YOURS)


def gold(c: Contract, best: DialectFacts) -> list[Finding]:
    """Whether it reads the gold answer, and in which dialect it is judged."""
    auc = "no right and wrong pairs" if math.isnan(c.auc) else f"AUC {c.auc:.2f}"
    if c.auxiliary and not c.reads_gold:
        text = "It doesn't read the gold answer: an auxiliary term, judged as given and as a term."
        where = f"Judged in the dialect {c.dialect}, where it varies most."
        return [
            Finding(1, "contract/gold", "info", text),
            Finding(1, "contract/dialect", "info", where, value=best.variance),
        ]
    where = f"Judged in the dialect {c.dialect}: {auc} on right and wrong texts of equal length."
    number = None if math.isnan(c.auc) else c.auc
    if c.separates:
        text = "It reads the gold answer and separates right from wrong."
        status = "pass"
    else:
        text = "It reads the gold answer but doesn't separate right from wrong on our texts."
        status = "warn"
    return [
        Finding(1, "contract/gold", status, text),
        Finding(1, "contract/dialect", "info", where, value=number, bound=0.5),
    ]


def summary(c: Contract, findings: Sequence[Finding]) -> str:
    """One sentence for the section."""
    failed = [f.name.removeprefix("contract/") for f in findings if f.status == "fail"]
    state = f"Contract broken: {', '.join(failed)}." if failed else "The contract holds."
    if c.constant:
        return f"{state} The reward is constant on every probe."
    kind = "an auxiliary term that reads no gold" if c.auxiliary else "a reward of correctness"
    return f"{state} It acts as {kind}; dialect {c.dialect}."


def table(facts: Sequence[DialectFacts]) -> Table:
    """Values by dialect."""
    rows = []
    for f in facts:
        v = f.numbers
        span = (f"{v.min():.3g}", f"{v.mean():.3g}", f"{v.max():.3g}") if len(v) else ("-",) * 3
        auc = "-" if math.isnan(f.auc) else f"{f.auc:.3f}"
        answered = f"{len(v)} of {len(f.values)}"
        rows.append([f.name, answered, *span, auc, "yes" if f.gold_matters else "no"])
    heads = ("dialect", "texts answered", "least", "mean", "most", "AUC (equal length)")
    return Table("contract-dialects", (*heads, "changes with gold permuted"), rows)
