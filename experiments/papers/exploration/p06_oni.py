"""ONI in closed form: what farming a caption pays, labels that there are, errors that stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from toyrl.experiments.core import Mutant, Result, experiment
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import CLOSED, ENUMERATED, SAMPLED, apart, deviation, missed
from toyrl.models.captions.ranking import CaptionRanker, RunningMoments
from toyrl.models.captions.table import CaptionTable, TemplateVotes
from toyrl.rollouts import Rollouts
from toyrl.shapers.explore.oni import Oni, caption_counts, ranked_reward
from toyrl.theory.exploration.captions import (
    farming_horizon,
    farming_total,
    labelled_share,
    ranked_gap,
    voted_label_error,
)

Array = Any
BETAS = (0.0, 1.0, 2.0, 3.0)
FARM = "one caption n times: paid in all, largest error"
BOUND = "frozen judgements in [0, 1], beta > 1: episodes paid over alpha_int zeta(beta) a caption"
WINS = "farming beats what lies ahead: sides that differ"
RESETS = "episodes in another order: largest change of an episode's pay"
COVER = "share of captions labelled before: deviations in standard errors, largest"
TABLE = "labels turned with chance 0.3: a table's error, deviation in standard errors"
VOTES = (
    "labels turned with chance 0.3: error of votes by kind, largest deviation in standard errors"
)
GAP = "difference of ranked scores, log f/(1 - f), largest error"
UNITS = "normalised rewards after r -> a r + b, largest change"
POOLED = "running mean against the mean of all scores, largest error"
COUNTS: dict[str, Callable[[Sequence[Any], Sequence[int]], np.ndarray]] = {
    "by episode": caption_counts,
    "across episodes": lambda c, _: caption_counts(c),
}
MOMENTS: dict[str, Callable[[RunningMoments, Any], RunningMoments]] = {
    "pooled": RunningMoments.after,
    "last batch": lambda _, x: RunningMoments.start(0.0).after(x),
    "from the start": lambda m, x: (m if m.count > 0 else RunningMoments.start()).after(x),
}


def paid(captions: Sequence[Any], starts: Sequence[int], helpful: Array, beta: float, count: str,
         ) -> np.ndarray:  # fmt: skip
    """(T,) the shaper's intrinsic reward of each step, each read as a text of one step."""
    n = pick(COUNTS, count)(captions, starts)
    good = np.asarray(helpful, dtype=float)[:, None]
    r = Rollouts(np.zeros((len(n), 1)), np.ones((len(n), 1)), 1.0,
                 fields={"helpful": good[:, None], "caption_count": n[:, None, None]})  # fmt: skip
    return np.asarray(Oni(alpha_int=1.0, beta=beta).apply(r).parts["intrinsic"])[:, 0]


# -- counts ----------------------------------------------------------------------------------------
def farming(rng: Any, count: str, exponent: float | None) -> Items:
    """Sums over one caption, bounds on random episodes, and who wins. exponent : of a mutant."""
    times = np.arange(1, 401)
    found, want = [], []
    for beta in BETAS:
        own = beta if exponent is None else exponent
        found.append(np.cumsum(paid(["gold"] * 400, [0], np.ones(400), own, count)))
        want.append(farming_total(times, beta))
    yield apart(FARM, found, want, 1e-10, (CLOSED, "shaper"))
    caption, starts = rng.integers(0, 6, 600), np.arange(0, 600, 30)
    good = rng.random(600) * (caption % 2)
    over = []
    for beta in (1.5, 3.0):
        own = beta if exponent is None else exponent
        each = paid(caption.tolist(), starts.tolist(), good, own, count).reshape(20, 30)
        kinds = np.array([len(set(row)) for row in caption.reshape(20, 30).tolist()])
        over.append(each.sum(-1) > farming_total(np.inf, beta) * kinds)
    yield missed(BOUND, over, np.zeros((2, 20), dtype=bool), ("zeta bound", "shaper"))
    ahead, wins, said = (1, 2, 3, 10), [], []
    for beta in (0.0, 1.0, 1.5, 3.0):
        own = beta if exponent is None else exponent
        run = np.cumsum(paid(["gold"] * 400, [0], np.ones(400), own, count))
        wins.append([[r > j for r in run] for j in ahead])
        said.append([times >= farming_horizon(j, beta) for j in ahead])
    yield missed(WINS, wins, said, (ENUMERATED, CLOSED))
    shuffled = rng.permutation(20)
    blocks = caption.reshape(20, 30)
    at = [paid(blocks[i].ravel().tolist(), starts.tolist(), good.reshape(20, 30)[i].ravel(), 3.0,
               count) for i in (np.arange(20), shuffled)]  # fmt: skip
    one, two = at[0].reshape(20, 30)[shuffled].sum(-1), at[1].reshape(20, 30).sum(-1)
    yield apart(RESETS, two, one, 1e-12, ("in order", "shuffled"))
    yield lines("farming", "One helpful caption, n times", ("n", "paid in all, of alpha_int"),
                {f"beta = {b:g}": farming_total(times, b) for b in BETAS}, x=times.tolist(),
                log_x=True, log_y=True, caption="Two distinct captions ahead pay 2: at beta = 3 "
                "no number of repeats does.")  # fmt: skip


# -- labels ----------------------------------------------------------------------------------------
def labels(rng: Any, runs: int, by: str, late: int) -> Items:
    """How many captions have labels, and what turned labels do to a table and to votes.

    by : "kind", or "caption" for the mutant that votes on single captions; late : 1 for the one
        that knows a step's label already in that step
    """
    chances, flip, steps = np.array([0.5, 0.2, 0.1, 0.1, 0.05, 0.05]), 0.3, (1, 3, 10, 40)
    drawn = np.searchsorted(np.cumsum(chances), rng.random((runs, max(steps))))
    known = np.array([[(row[: n - 1 + late] == row[n - 1]).any() for n in steps] for row in drawn])
    want = labelled_share(chances, np.array(steps))
    yield deviation(COVER, known.mean(0), np.sqrt(want * (1 - want) / runs) + 1e-12, want)
    sizes, off = (1, 3, 5, 11), []
    turned = rng.random((runs, max(sizes))) < flip
    for k in sizes:
        rows = [{f"fell#{i}": float(x) for i, x in enumerate(row[:k])} for row in turned]
        template = (lambda c: c.partition("#")[0]) if by == "kind" else (lambda c: c)
        votes = [TemplateVotes.of(row, template=template) for row in rows]
        off.append(np.mean([v.rewards(["fell#0"], template)[0] for v in votes]))
    expect = voted_label_error(np.array(sizes), flip, helpful=False)
    yield deviation(VOTES, off, np.sqrt(expect * (1 - expect) / runs), expect)
    tables = [CaptionTable.of({"fell#0": float(row[0])}).rewards(["fell#0"])[0] for row in turned]
    yield deviation(TABLE, np.mean(tables), np.sqrt(flip * (1 - flip) / runs), flip, SAMPLED,
                    claim=False)  # fmt: skip
    k = np.arange(1, 41)
    yield lines("votes", "Three labels in ten are wrong", ("labelled captions of a kind", "error"),
                {"table of captions": np.full(40, flip),
                 "votes, not helpful": voted_label_error(k, flip, helpful=False),
                 "votes, helpful": voted_label_error(k, flip)}, x=k.tolist(),
                caption="A tie is no, so helpful kinds err more at even numbers.")  # fmt: skip


# -- ranks -----------------------------------------------------------------------------------------
def ranks(rng: Any, ties: str, moments: str) -> Items:
    """The least of the pair loss, and the running moments behind the threshold.

    ties : "half" a win for either, or "second" better, a mutant; moments : of `MOMENTS`
    """
    learner, gaps, want = CaptionRanker(penalty=1e-9, steps=100), [], []
    for first, second, tied in ((7, 1, 2), (3, 3, 4), (1, 9, 0), (12, 5, 3)):
        labels = [0] * first + [1] * second + [2 if ties == "half" else 1] * tied
        score = learner.fit(np.eye(2), np.array([[0, 1]] * len(labels)), labels).score(np.eye(2))
        gaps.append(score[0] - score[1])
        want.append(ranked_gap((first + tied / 2) / len(labels)))
    yield apart(GAP, gaps, want, 1e-6, (CLOSED, "learner"))
    batches = rng.standard_normal((8, 25)) * 3 + 1
    ends, means = [], []
    for a, b in ((1.0, 0.0), (2.5, -4.0), (0.01, 100.0)):
        now = RunningMoments.start(0.0)
        for x in a * batches + b:
            now = pick(MOMENTS, moments)(now, x)
        ends.append(ranked_reward(a * batches[-1] + b, now.mean, now.var))
        means.append(float(now.mean) - (a * batches + b).mean())
    yield apart(UNITS, ends[1:], [ends[0]] * 2, 1e-9, ("own units", "other units"))
    yield apart(POOLED, means, np.zeros(3), 1e-10, ("running", "all at once"))


@experiment(
    "06",
    card="06",
    slug="oni",
    claim="Discounted by N^beta with beta > 1, a caption pays at most zeta(beta) times however "
    "often it is repeated; labels cover what repeats; a table's label errors stay, votes by kind "
    "lose theirs; ranked scores are log-odds.",
    source="section 2, (1) to (4), and the released code; closed forms derived",
    provenance="derived",
    smoke={"runs": 1500},
    mutants=[
        Mutant("repeats paid in full", {"exponent": 0.0, "parts": ["farming"]},
               (FARM, BOUND, WINS)),
        Mutant("counts go on across episodes", {"count": "across episodes", "parts": ["farming"]},
               (RESETS,)),
        Mutant("captions voted on one by one", {"by": "caption", "parts": ["labels"]}, (VOTES,)),
        Mutant("labelled by its own visit", {"late": 1, "parts": ["labels"]}, (COVER,)),
        Mutant("a tie counts as second better", {"ties": "second", "parts": ["ranks"]}, (GAP,)),
        Mutant("moments of the last batch", {"moments": "last batch", "parts": ["ranks"]},
               (POOLED,)),
        Mutant("moments start as the paper's", {"moments": "from the start", "parts": ["ranks"]},
               (UNITS,)),
    ],
)  # fmt: skip
def run(
    *,
    count: str = "by episode",
    exponent: float | None = None,
    by: str = "kind",
    late: int = 0,
    ties: str = "half",
    moments: str = "pooled",
    runs: int = 20000,
    parts: Sequence[str] = ("farming", "labels", "ranks"),
    seed: int = 0,
) -> Result:
    """count : of `COUNTS`; exponent : in the place of beta; late : 1 counts the step's own label;
    the others belong to the parts; runs : of the labels."""
    work = {
        "farming": lambda: farming(draws(seed, 1), count, exponent),
        "labels": lambda: labels(draws(seed, 2), runs, by, late),
        "ranks": lambda: ranks(draws(seed, 3), ties, moments),
    }
    return run_parts(work, parts)
