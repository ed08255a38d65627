"""What section 1 says about each thing that it looked at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from toyrl.experiments.core import Table
from toyrl.experiments.validate.contract import kinds
from toyrl.experiments.validate.contract.facts import (
    CHANCE,
    CLOCK,
    HASH_SEED,
    Contract,
    DialectFacts,
)
from toyrl.experiments.validate.contract.texts import edge_texts
from toyrl.experiments.validate.findings import NOT_TESTED, Finding
from toyrl.graders.base import TextRow
from toyrl.messages import quoted
from toyrl.rewards.errors import RewardError
from toyrl.rewards.inputs import CHANGES_INPUTS
from toyrl.rewards.user import UserReward
from toyrl.worlds.text.dialects import DIALECTS

HOLDS = "The contract holds."
UNSTEADY = {CHANCE: "equal calls differ by chance", CLOCK: "they move with the clock"}
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


def repeats(c: Contract) -> tuple[Finding, Finding]:
    """Whether equal calls give equal values, and whether they depend on earlier calls."""
    return _deterministic(c), _history(c)


def _deterministic(c: Contract) -> Finding:
    name = "contract/deterministic"
    if c.cause == CHANCE or not (c.deterministic or c.cause):
        text = f"Equal calls give different values: it is random{c.when or '.'}"
        return Finding(1, name, "fail", text, fix="seed it from the text, or average several draws")
    if c.cause == HASH_SEED:
        text = (
            "Equal calls give different values in another interpreter: they depend on its hash "
            "seed (PYTHONHASHSEED), by hash() of a text or by the order of a set."
        )
        fix = "take a hash that is the same everywhere, such as zlib.crc32, and sort sets"
        return Finding(1, name, "fail", text, fix=fix)
    if c.cause == CLOCK:
        text = (
            "Equal calls give different values: they move with the clock, by "
            f"{c.hourly:.2g} an hour{c.when or '.'}"
        )
        fix = "leave the time out; what a text is worth shouldn't depend on when it is graded"
        status = "fail" if c.hourly >= c.spread else "warn"  # training takes hours
        return Finding(1, name, status, text, value=c.hourly, bound=c.spread, fix=fix)
    if c.untried:
        text = (
            "Equal calls give equal values in one interpreter; a second one, with another hash "
            f"seed, was not tried: {c.untried}."
        )
        return Finding(1, name, NOT_TESTED, text)
    return Finding(1, name, "pass", "Equal calls give equal values.")


def _history(c: Contract) -> Finding:
    name = "contract/history"
    if c.history_dependent:
        text = f"Values depend on earlier calls{c.when or ': it keeps state between batches.'}"
        fix = "keep no state between calls; on resume or with several workers values will differ"
        return Finding(1, name, "fail", text, fix=fix)
    if c.cause in (CHANCE, CLOCK):
        text = f"Not tested whether values depend on earlier calls: {UNSTEADY[c.cause]}."
        return Finding(1, name, NOT_TESTED, text)
    return Finding(1, name, "pass", "Values don't depend on earlier calls.")


def when(moved: float, graded: int, seconds: float) -> str:
    """How far equal calls moved, and after what, as a sentence's end."""
    far = f" by up to {moved:.3g}" if math.isfinite(moved) else ""
    return f": after {graded:,} graded texts and {seconds:.0f} s those of the first moved{far}."


def not_again(used: int) -> Finding:
    """The last grading was not possible within the budget."""
    text = (
        "Values don't depend on the first calls; whether they change later was not tested: the "
        f"budget is spent ({used} texts were graded)."
    )
    return Finding(1, "contract/history", NOT_TESTED, text, fix="raise --max-calls")


def fails_later(error: str, graded: int) -> Finding:
    """The texts that were graded first can't be graded any more."""
    text = (
        f"Values depend on earlier calls: texts that it graded at first fail after {graded:,} "
        f"graded ones: {error}"
    )
    return Finding(1, "contract/history", "fail", text, fix="keep no state between calls")


def batch(c: Contract) -> Finding:
    """Dependence on the other texts of a call, or on the place among them."""
    name = "contract/batch"
    if c.place:
        fix = (
            "score every completion by itself, or in groups by prompt: trainers shuffle, split and "
            "mix calls as they like"
        )
        return Finding(1, name, "fail", c.place, fix=fix)
    if not c.batch_dependent:
        if c.cause in (CHANCE, CLOCK):
            text = f"Not tested whether values depend on neighbours in a call: {UNSTEADY[c.cause]}."
            return Finding(1, name, NOT_TESTED, text)
        if not c.alone:
            text = (
                "Not tested whether values depend on neighbours in a call: such calls fail, or "
                "don't repeat."
            )
            return Finding(1, name, NOT_TESTED, text)
        text = "A text's value doesn't depend on its neighbours in the batch."
        return Finding(1, name, "pass", text)
    return Finding(
        1,
        name,
        "warn",
        "A text's value depends on the other texts of the call: it is graded in whole groups, with "
        "the siblings that the base policy would draw.",
        fix="if that is not meant, score every completion by itself; if it is, group by prompt: "
        "trainers put several prompts into a call",
    )


def output(reward: UserReward) -> list[Finding]:
    """What functions print, which a trainer's log gets at every call."""
    out = []
    for box in {id(t.box): t.box for t in reward.texts}.values():
        if box.printed and box.calls:
            names = ", ".join(t.label for t in reward.texts if t.box is box)
            each = box.printed / box.calls
            text = (
                f"{names} prints {max(1, round(each)):,} bytes a call (standard output and error "
                f"together; {box.printed:,} bytes in {box.calls} calls)."
            )
            out.append(Finding(1, "contract/output", "info", text, value=each))
    return out


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
    if kinds.constant(c):
        return Finding(1, "contract/varies", "fail", kinds.CONSTANT, fix=kinds.FIX_CONSTANT)
    text = "It has one value on every probe in every dialect: nothing can be judged from them."
    return Finding(1, "contract/varies", "warn", text, fix=YOURS)


def gold(c: Contract, best: DialectFacts) -> list[Finding]:
    """Whether it reads the gold answer, and in which dialect it is judged."""
    if c.random:
        text = f"It is random: {c.random}."
        return [Finding(1, "contract/random", "fail", text, fix=kinds.FIX_RANDOM)]
    if c.constant and not c.names_gold:
        return []
    if (c.auxiliary or c.constant) and not c.reads_gold:
        where = _where(c)
        return [_gold_free(c), Finding(1, "contract/dialect", "info", where, value=best.variance)]
    number = None if math.isnan(c.auc) else c.auc
    fix = ""
    if c.separates:
        text, status = "It reads the gold answer and separates right from wrong.", "pass"
    elif c.inverted:
        text, status, fix = kinds.inverted(c), "fail", kinds.FIX_INVERTED
    else:
        text = "It reads the gold answer but doesn't separate right from wrong on our texts."
        status = "warn"
    where = Finding(1, "contract/dialect", "info", _where(c), value=number, bound=0.5)
    return [Finding(1, "contract/gold", status, text, fix=fix), where]


def _gold_free(c: Contract) -> Finding:
    if c.names_gold:
        text = (
            "Its code names the gold answer, but no value moves when the gold answers are changed, "
            "in any format tried."
        )
        return Finding(1, "contract/gold", "warn", text, fix=YOURS)
    if c.found.format_only:
        text = (
            "It pays for the format alone: every complete text in it gets one value, whatever its "
            "answer, and less without its marks. It doesn't read the gold answer: an auxiliary "
            "term, judged as given and as a term."
        )
        return Finding(1, "contract/gold", "info", text)
    text = "It doesn't read the gold answer: an auxiliary term, judged as given and as a term."
    return Finding(1, "contract/gold", "info", text)


ORIGINS = {
    "told": "which was told",
    "rollouts": "found in your rollouts",
    "prompts": "found in your prompts",
    "source": "found in the reward's source",
    "file": "found elsewhere in the source's file",
    "usual": "one of the usual formats",
    "combined": "put together from what the reward's source or your rollouts show",
    "task": "usual for its task",
}


def _where(c: Contract) -> str:
    """Which dialect it is judged in, where that comes from, and how it does there."""
    auc = "no right and wrong pairs" if math.isnan(c.auc) else f"AUC {c.auc:.2f}"
    evidence = f"{auc} on right and wrong texts of equal length"
    found = next((f for f in c.found.found if f.dialect == c.dialect), None)
    if found is None or c.dialect in DIALECTS:
        if c.auxiliary and not c.reads_gold:
            return f"Judged in the dialect {c.dialect}, where it varies most."
        text = f"Judged in the dialect {c.dialect}: {evidence}."
    else:
        origin = ORIGINS[found.candidate.origin]
        said = f" ({found.candidate.said})" if found.candidate.said else ""
        text = (
            f"Judged in the format {quoted(c.dialect, 120)}, {origin}{said}: {evidence}, "
            f"{found.paid:.0%} of right texts paid."
        )
    ties = [kinds.brief(d) for d in c.dialects[1:]]
    return (
        f"{text} It reads {' and '.join(ties)} as well; hacks are tried in each." if ties else text
    )


def outweighed(c: Contract) -> list[Finding]:
    """A format that is worth more than a right answer."""
    x = c.found.outweighed
    if x is None or c.auxiliary:
        return []
    text = (
        f"A wrong answer in the {kinds.named(x.wrong)} is paid {x.paid_wrong:.3g}, a right one in "
        f"the {kinds.named(x.right)} {x.paid_right:.3g}: the format outweighs correctness."
    )
    fix = "weigh the format below a right answer, or pay it to right answers only"
    if x.unread:
        text = (
            f"Completions in the {kinds.named(x.wrong)}, in which it tells no right answer from a "
            f"wrong one, are paid {x.paid_wrong:.3g}; a right one in the {kinds.named(x.right)}, "
            f"which it reads, {x.paid_right:.3g}: not to be read pays as much as to be right."
        )
        fix = "pay nothing for what can't be read"
    return [
        Finding(1, "contract/format", "fail", text, value=x.paid_wrong, bound=x.paid_right, fix=fix)
    ]


def summary(c: Contract, findings: Sequence[Finding]) -> str:
    """One sentence for the section."""
    start = _state(findings)
    if c.constant:
        return f"{start} The reward is constant on every probe."
    if c.random:
        return f"{start} The reward is random."
    kind = "an auxiliary term that reads no gold" if c.auxiliary else "a reward of correctness"
    if c.auxiliary and c.found.format_only:
        kind = "a reward of format alone"
    return f"{start} It acts as {kind}; {kinds.named(c.dialect)}."


def _state(findings: Sequence[Finding]) -> str:
    failed = [f.name.removeprefix("contract/") for f in findings if f.status == "fail"]
    return f"Contract broken: {', '.join(failed)}." if failed else HOLDS


def state(said: str, findings: Sequence[Finding]) -> str:
    """The section's sentence with what the findings, changed since, amount to."""
    _, dot, rest = said.partition(".")
    return _state(findings) + rest if dot else said


def table(facts: Sequence[DialectFacts]) -> Table:
    """Values by dialect."""
    rows = []
    for f in facts:
        v = f.numbers
        span = (f"{v.min():.3g}", f"{v.mean():.3g}", f"{v.max():.3g}") if len(v) else ("-",) * 3
        auc = "-" if math.isnan(f.auc) else f"{f.auc:.3f}"
        answered = f"{len(v)} of {len(f.values)}"
        name = f.name.replace("\n", "\\n")
        rows.append([name, answered, *span, auc, "yes" if f.gold_matters else "no"])
    heads = ("dialect", "texts answered", "least", "mean", "most", "AUC (equal length)")
    return Table("contract-dialects", (*heads, "changes with gold permuted"), rows)
