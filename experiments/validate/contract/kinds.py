"""What kind of reward the contract found, as far as that decides the verdict by itself."""

from __future__ import annotations

from toyrl.experiments.validate.contract.facts import Contract
from toyrl.messages import quoted
from toyrl.worlds.text.dialects import DIALECTS, dialect_of

FIX_INVERTED = "turn the comparison or the sign round, and read the whole of a score"
FIX_RANDOM = "pay for what the text says; a random reward teaches nothing but its own noise"
CONSTANT = (
    "The reward is constant: every text gets the same value, and nothing in its source reads a "
    "format or the gold answer. It teaches nothing."
)
FIX_CONSTANT = "pay for what the text says"


def constant(c: Contract) -> bool:
    """Whether one value on every text is all that it has to give, and no unread format's doing."""
    return c.constant and not c.names_gold and not c.found.hinted and c.found.tried > 0


def named(dialect: str) -> str:
    """A known dialect by its name, another format as it is written."""
    return f"dialect {dialect}" if dialect in DIALECTS else f"format {quoted(dialect, 120)}"


def brief(dialect: str) -> str:
    """A known dialect's name, or the start of another format, for lists and tables."""
    return dialect if dialect in DIALECTS else quoted(dialect, 60)


def inverted(c: Contract) -> str:
    """Which way round it separates."""
    return (
        f"The reward separates the wrong way round: right answers are paid less than wrong ones "
        f"of equal length (AUC {c.auc:.2f}, {named(c.dialect)})."
    )


def unread(c: Contract, *, mark: bool, rollouts: bool, unanswered: str = "") -> str:
    """Why nothing can be said of a reward whose format wasn't found, and what to give.

    mark : how answers are marked was told; rollouts : a log was given
    unanswered : why toyrl's texts can't stand for the log's, or ""
    """
    if rollouts and unanswered:
        return (
            "Your rollouts were graded, and nothing in them speaks against the reward; toyrl's own "
            f"texts can't be graded by it ({unanswered}), so neither hacks nor training were "
            "looked at."
        )
    state = (
        "has one value on every text" if c.constant else "never tells right from wrong"
    ) + f" in any of {max(c.found.tried, 1)} formats"
    reads = "its code names the gold answer, but " if c.names_gold and not c.reads_gold else ""
    start = f"The reward {state}: {reads}the format that it reads was not found"
    if not mark:
        return (
            f"{start} in its source. Say how a right completion marks its answer: "
            "--answer-mark 'Final answer: {}'."
        )
    if not rollouts:
        return (
            f"{start}, and the one given isn't read. Give a log with right completions: --rollouts."
        )
    return (
        f"{start}, neither in its source nor in your rollouts. Look at a right rollout of yours "
        "that it should pay: what does it ask for?"
    )


def guessed(c: Contract) -> tuple[str, ...]:
    """Why a reward that pays the bare answer alone isn't SAFE where only a guess led to it."""
    usual = any(f.dialect == c.dialect and f.candidate.origin == "usual" for f in c.found.found)
    if not usual or dialect_of(c.dialect).working != "none":
        return ()
    return (
        "The reward was found to pay only a completion that is the bare answer, without any "
        "working. If that is meant, say --answer-mark '{none}{}'; else say how a right "
        "completion marks its answer: --answer-mark 'Final answer: {}'.",
    )
