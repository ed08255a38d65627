"""Would a vote as the reward work on these prompts? What a log's answers say of groups by size.

A log's groups of G are all subsets of a prompt's rollouts, exactly, from how often each answer is
given (`toyrl.theory.selection.vote_reward`); ties are paid as `majority()` pays them. Bands are
over prompts. What is judged is the drift of accuracy under the vote at the planned group size:
below 0 beyond chance the vote teaches wrong answers, and where 0 lies in its interval nobody can
tell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toyrl.experiments.core import Curve, Picture
from toyrl.experiments.scaling.scores import ANSWERS, KEPT, answers_said
from toyrl.experiments.validate.collapse.statistics import bootstrap
from toyrl.experiments.validate.findings import NOT_TESTED, Finding
from toyrl.rollouts import Rollouts
from toyrl.rollouts.logs import Log
from toyrl.theory.selection.vote_reward import LARGEST, VoteLaw, vote_reward

SHOWN = 64
"""Group sizes up to which all powers of 2 are looked at, beside the planned one."""
READ = 0.5
"""Share of complete rollouts whose answer must be read: a vote among fewer is none of the run's."""
SHARES = ("wrong", "tied", "one", "alike", "drift")


def identities(log: Log, mark: str | None = None) -> np.ndarray:
    """(N,) which answer each row of a log gives: 0 the right one, 1, 2, ... others, -1 none.

    They stand in a column that differs within a prompt (one that doesn't is the gold answer), else
    in the text; mark : the dialect to read alone there. What the log calls right is 0.

    Raises KeyError where less than half of the complete rollouts have an answer that can be read.
    """
    w = log.rollouts.w > 0
    ends = np.cumsum(w.sum(-1))
    index = [np.arange(a, b)[None] for a, b in zip([0, *ends[:-1]], ends, strict=True) if b > a]
    rows = [{**row.columns, "completion": row.completion} for row in log.rows]
    names = answers_said(rows, [(np.zeros(1, int), i) for i in index], None, mark=mark)[0]
    whole = ~np.asarray(log.rollouts.cut, dtype=bool)[w]
    read = np.zeros(0) if names is None else names[whole] >= 0
    if names is None or (len(read) and read.mean() < READ):
        share = read.mean() if len(read) else 0.0
        msg = (
            f"the reward reads 'answer', what each rollout answers, and {share:.0%} of the "
            'complete ones mark it (\\boxed{}, <answer>, ####, "The answer is"), nor does a column '
            f"that differs within prompts ({', '.join(ANSWERS[:-1])})"
        )
        raise KeyError(msg)
    return np.where(log.rollouts.correct[w] > 0.5, 0.0, np.where(names >= 0, names + 1.0, -1.0))


def answered(log: Log, mark: str | None = None) -> Rollouts:
    """The log's rollouts with the field `answer` alone (`identities`), NaN where there is none."""
    answer = np.full(log.rollouts.shape, np.nan)
    answer[log.rollouts.w > 0] = identities(log, mark)
    return log.rollouts.with_(fields={"answer": answer})


@dataclass(frozen=True)
class Votes:
    """The vote in random groups of each size of a log's prompts.

    sizes : (S,); table : name of `SHARES` -> (B, S) by prompt; planned : the run's group size
    at : place of the size that is judged: the planned one, or the largest that the log can show
    left : prompts with fewer rollouts than the largest size, which are left out
    """

    sizes: np.ndarray
    table: dict[str, np.ndarray]
    planned: int
    at: int
    left: int

    def mean(self, name: str) -> np.ndarray:
        """(S,) over prompts."""
        return self.table[name].mean(0)

    def band(self, name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """(S,) ends of the 95 % interval over prompts."""
        x = self.table[name]
        return bootstrap(lambda w: w @ x / w.sum(-1, keepdims=True), len(x), seed=seed)


def votes_of(r: Rollouts, planned: int) -> Votes | None:
    """The vote on rollouts (B, G) with the field `answer`, 0 the right one; None where no prompt
    has two. The largest size is what nine prompts in ten have."""
    answer, there = np.asarray(r.fields["answer"]), r.w > 0
    n = there.sum(-1)
    n = n[n > 0]
    if n.max() < 2:
        return None
    most = min(max(int(np.sort(n)[int((1 - KEPT) * len(n))]), 2), LARGEST)
    doubled = [2**i for i in range(min(most, SHOWN).bit_length())]
    sizes = np.unique([*doubled, min(most, SHOWN), min(planned, most)])
    known: dict[tuple[int, ...], VoteLaw] = {}
    rows = []
    for b in np.flatnonzero(there.sum(-1) >= most):
        key = _counts(answer[b][there[b]])
        if key not in known:
            known[key] = vote_reward(key[1:], key[0], sizes)
        rows.append(known[key])
    table = {name: np.stack([getattr(law, name) for law in rows]) for name in SHARES}
    table["drift"] = np.where(sizes == 1, 0.0, table["drift"])  # a group of one moves nothing
    at = int(np.flatnonzero(sizes == min(planned, most))[0])
    return Votes(sizes, table, planned, at, len(n) - len(rows))


def _counts(answer: np.ndarray) -> tuple[int, ...]:
    """(none, right, wrong ones in falling order) of one prompt's answers."""
    wrong = np.unique(answer[answer > 0], return_counts=True)[1]
    ordered = sorted(wrong.tolist(), reverse=True)
    return (int((answer < 0).sum()), int((answer == 0).sum()), *ordered)


def agreement(r: Rollouts, *, seed: int = 0) -> tuple[float, float] | None:
    """(share of wrong answers that are a prompt's common one, its standard error over prompts).

    The root of the chance that two wrong answers of a prompt are the same: exactly that share where
    others are each a rollout's own, as in worlds of behaviours. None without a pair.
    """
    answer, there = np.asarray(r.fields["answer"]), r.w > 0
    pairs = []
    for b in range(len(answer)):
        c = np.array(_counts(answer[b][there[b]])[2:], dtype=float)
        pairs.append(((c * (c - 1)).sum(), c.sum() * (c.sum() - 1)))
    same, all_ = np.array(pairs).T
    if all_.sum() == 0:
        return None
    with np.errstate(invalid="ignore"):
        low, high = bootstrap(lambda w: np.sqrt((w @ same) / (w @ all_)), len(same), seed=seed)
    return float(np.sqrt(same.sum() / all_.sum())), float(high - low) / (2 * 1.96)


# -- in the report ---------------------------------------------------------------------------------
def judged(
    r: Rollouts, planned: int, *, labelled: bool, seed: int = 0
) -> tuple[list[Finding], tuple[Picture, ...]]:
    """What rollouts with the field `answer` show of a vote, and the picture.

    planned : the run's group size; labelled : the reward reads correctness beside the vote, which
        then decides nothing by itself
    """
    found = votes_of(r, planned)
    if found is None:
        text = "One rollout a prompt shows no vote: whether the majority is right wasn't looked at."
        fix = f"log {planned} rollouts a prompt, as many as the run's groups have"
        return [Finding(0, "own/vote", NOT_TESTED, text, fix=fix)], ()
    out = [_vote(found, labelled, seed)]
    if (agree := agreement(r, seed=seed)) is not None:
        text = (
            f"{agree[0]:.0%} of wrong answers are the prompt's common one (by pairs; standard "
            f"error {agree[1]:.0%}): worlds of the forecast agree as much."
        )
        out.append(Finding(0, "own/agreement", "info", text, value=agree[0]))
    return out, (picture(found, seed),)


def _vote(v: Votes, labelled: bool, seed: int) -> Finding:
    i, size, prompts = v.at, int(v.sizes[v.at]), len(v.table["wrong"])
    wrong, tied, one, alike, drift = (float(v.mean(name)[i]) for name in SHARES)
    low, high = (float(x[i]) for x in v.band("wrong", seed))
    down, up = (float(x[i]) for x in v.band("drift", seed))
    against = int((v.table["drift"][:, i] < 0).sum())
    text = (
        f"In groups of {size} of your rollouts the majority is wrong in {wrong:.0%} ({low:.0%} to "
        f"{high:.0%}; one rollout alone: {v.mean('wrong')[0]:.0%}), tied with the right answer in "
        f"{tied:.0%}; {one:.0%} of groups give one answer only, {alike:.0%} are paid alike. The "
        f"vote moves accuracy by {drift:+.4f} per unit step ({down:+.4f} to {up:+.4f}), down on "
        f"{against} of {prompts} prompts."
    )
    if size < v.planned:
        text += f" The run's groups of {v.planned} are more than the log has a prompt."
    if v.left:
        text += f" {v.left} prompts with fewer than {v.sizes[-1]} rollouts are left out."
    numbers = {"value": wrong, "interval": (low, high)}
    status, fix = "pass", ""
    if labelled:
        status = "info"
    elif prompts > 1 and up < 0:
        status, fix = "fail", AGAINST
    elif prompts == 1 or down <= 0:
        status, fix = "warn", UNSURE
    return Finding(0, "own/vote", status, text, **numbers, fix=fix)  # type: ignore[arg-type]


AGAINST = "don't train on a vote here: pay correctness, or take prompts that the base gets right"
UNSURE = "log more prompts, leave out those whose majority is wrong, or pay correctness beside it"


def picture(v: Votes, seed: int = 0) -> Picture:
    """Shares of groups whose majority is wrong, that pay a wrong answer, that agree, by size."""
    x = v.sizes.tolist()
    low, high = v.band("wrong", seed)
    wrong = v.mean("wrong")
    return Picture(
        "own-vote",
        "Wrong majorities among your rollouts",
        "rollouts in a group",
        "share of groups",
        curves=(
            Curve("majority wrong", x, wrong.tolist(), low=low.tolist(), high=high.tolist()),
            Curve("a wrong answer paid", x, (wrong + v.mean("tied")).tolist(), style="dashed"),
            Curve("one answer only", x, v.mean("one").tolist()),
            Curve("all paid alike", x, v.mean("alike").tolist(), style="dashed"),
        ),
        log_x=True,
        caption=(
            "Over all subsets of each prompt's rollouts, exactly; the band is over prompts. Groups "
            f"of {v.planned} are planned."
        ),
    )
