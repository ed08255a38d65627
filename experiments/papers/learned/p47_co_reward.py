"""Co-Reward: labels by the vote on another wording; what that removes and what it can't."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any, ClassVar

import numpy as np

from toyrl.dynamics.flow import separatrix
from toyrl.estimators.group import GroupEstimator
from toyrl.estimators.shaped import ShapedReward
from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.bandits import flow_path, follow, sigmoid
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.groups import picked
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import CLOSED, ENUMERATED, alone, apart, missed, same
from toyrl.experiments.lab.shared import shared
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper
from toyrl.shapers.label_free.co_reward import CoReward, label_weight
from toyrl.shapers.label_free.vote import Majority
from toyrl.theory.label_free import drift, labels
from toyrl.theory.policies import softmax
from toyrl.theory.selection.majority import majority_vote

G, RATE, GONE = 8, 0.2, 1e-12
GRPO, MEAN = GroupEstimator(eps=1e-6), GroupEstimator(scale="none")
LAW = "L: law of the vote, largest error"
TWO = "L: two answers: law of the vote, largest error"
BOUND = "L: laws above the bound on wrong labels"
EMPTY = "L: reward where the other wording has no answer, largest"
ALONE = "L: rewards that move with a sibling's answer"
CROSS = "D: paid by another vote: expected update, largest error"
OWN = "D: paid by its own vote: expected update, largest error"
NOISE = "D: own vote on a coin: reward above 1/2"
NODES = "F: starts that end on the other side than p + q > 1"
STILL = "F: what a path moves of the invariant, largest"
SINGLE = (
    "F: starts from which one wording ends right, by vote, entropy, certainty: largest error of 1/2"
)
TRAPS = "F: traps apart: least change of the two right answers, over all starts"
APART = "S: traps apart, 0.3 and 0.3: share of right answers, the lesser view"
LEAKY = "S: traps that leak by 0.1: runs that end right"
SHARED = "S: identical wordings, 0.3: share of right answers, the larger view"
RESCUE = "S: 0.35 beside 0.8, one trap: runs whose first view ends right"
VOTED = "S: the same by its own vote: runs whose first view ends right"
VOTE_APART = "S: traps apart, by its own vote: share of right answers"
sampled = alone("simulation", "shares of sampled runs; F gives the side on which each must end")


@dataclass(frozen=True)
class Pooled(Shaper):
    """Mutant: both wordings vote together."""

    needs: ClassVar[tuple[str, ...]] = ("answer", "view")
    scope: ClassVar[str] = "batch"

    def parts(self, r: Rollouts, memory: Any) -> Parts:
        answer = np.asarray(r.need("answer", by="a mutant"))
        wide = answer.reshape(*answer.shape[:-2], 1, -1)
        paid = np.asarray(Majority().reward(group(wide)))
        return {"agreement": paid.reshape(answer.shape)}


@dataclass(frozen=True)
class Empty(CoReward):
    """Mutant: no answer agrees with no answer."""

    def parts(self, r: Rollouts, memory: Any) -> Parts:
        answer = np.asarray(r.need("answer", by="a mutant"))
        return super().parts(r.with_(answer=np.where(answer < 0, 99.0, answer)), memory)


@dataclass(frozen=True)
class Truth(CoReward):
    """Mutant: the label is the right answer."""

    def parts(self, r: Rollouts, memory: Any) -> Parts:
        return {"agreement": (np.asarray(r.need("answer", by="a mutant")) == 0) * 1.0}


RULES: dict[str, Callable[[], Shaper]] = {
    "agreement": CoReward, "own vote": Majority, "pooled": Pooled, "empty": Empty, "truth": Truth,
}  # fmt: skip


def group(answer: Any) -> Rollouts:
    """Rollouts (..., V, G) with these answers, the V prompts being wordings of one question."""
    answer = np.asarray(answer, dtype=float)
    view = np.broadcast_to(np.arange(answer.shape[-2]) % 2 * 1.0, answer.shape[:-1])[..., None]
    view = np.broadcast_to(view, answer.shape)
    return Rollouts((answer == 0) * 1.0, np.ones(answer.shape), 1.0,
                    fields={"answer": answer, "view": view, "pair_id": 0 * answer})  # fmt: skip


def every_group(answers: int, size: int) -> np.ndarray:
    """(answers^size, size) all ordered groups."""
    found = np.array(list(itertools.product(range(answers), repeat=size)))
    spend(found.size)
    return found


# -- L: labels -------------------------------------------------------------------------------------
def vote_laws(rule: str, ties: str, voters: int, seed: int) -> Items:
    """The law of a label, and what the reward reads."""
    rng, errors = draws(seed, 1), []
    for answers, size in ((2, 5), (3, 4), (4, 4)):
        p = rng.dirichlet(np.ones(answers))
        groups = every_group(answers, size)
        weight = even_labels(groups)
        if ties == "lowest":
            label = np.where(weight > 0, groups, answers).min(-1, keepdims=True)
            weight = (groups == label) / (groups == label).sum(-1, keepdims=True)
        chance = p[groups].prod(-1)
        law = [(chance[:, None] * weight * (groups == a)).sum() for a in range(answers)]
        errors.append(np.abs(law - majority_vote(p, size)).max())
    yield apart(LAW, errors, [0.0] * 3, 1e-12, (CLOSED, ENUMERATED))
    grid = np.linspace(0, 1, 9)
    law = [majority_vote(np.array([p, 1 - p]), G)[0] for p in grid]
    found = labels.two_answer_label(grid, voters - 1)
    yield apart(TWO, found, law, 1e-12, ("one vote fewer", CLOSED))
    laws = np.sort(rng.dirichlet(np.ones(4), 40), -1)[:, ::-1]
    over = [1 - majority_vote(p, G)[0] > labels.wrong_label_bound(p, voters) for p in laws]
    yield missed(BOUND, over, [False] * 40, (CLOSED, "law"))
    own = pick(RULES, rule)()
    answer = rng.integers(-1, 3, (200, 2, 5))
    answer[:50, 1] = -1
    paid = np.asarray(own.reward(group(answer)))
    yield same(EMPTY, float(np.abs(paid[:50]).max()), 0.0, 0.0, ("rule", "reward"))
    other = answer.copy()
    other[..., 0, 4] = rng.integers(-1, 3, 200)
    changed = np.asarray(own.reward(group(other)))
    yield missed(ALONE, changed[:, 0, :4], paid[:, 0, :4], ("reward", "a sibling changed"))


# -- D: expected updates ---------------------------------------------------------------------------
def even_labels(groups: np.ndarray) -> np.ndarray:
    """(N, G) chance of each member's answer to be the label, shared by those that give it."""
    none = np.array(False)
    return np.asarray(label_weight(groups * 1.0, np.ones(groups.shape), none))


def expected(rule: str, voters: int, seed: int) -> Items:
    """Expected updates over all ordered groups of both wordings, against the closed forms."""
    rng, size, answers = draws(seed, 2), 4, 3
    groups, cross, own = every_group(answers, size), [], []
    even = even_labels(groups)
    for p, q in rng.dirichlet(np.ones(answers), (3, 2)):
        here, there = (law[groups].prod(-1) for law in (p, q))
        hot = (groups[..., None] == np.arange(answers)) - p
        r = group(np.stack(np.broadcast_arrays(groups[:, None], groups[None]), axis=2))
        spend(r.correct.size)
        paid = ShapedReward(pick(RULES, rule)(), MEAN)
        a = np.asarray(paid.apply({"outcome": r.correct}, r)[0])[..., 0, :]
        update = np.einsum("n,m,nmi,nik->k", here, there, a, hot) / size
        want = drift.cross_vote_drift(p, majority_vote(q, size), size)
        cross.append(np.abs(update - want).max())
        agreed = (even[:, None] * (groups[..., None] == groups[:, None])).sum(-1)
        centred = agreed - agreed.mean(-1, keepdims=True)
        update = np.einsum("n,ni,nik->k", here, centred, hot) / size
        own.append(np.abs(update - drift.own_vote_drift(p, size * voters // G)).max())
    yield apart(CROSS, cross, [0.0] * 3, 1e-12, (CLOSED, ENUMERATED))
    yield apart(OWN, own, [0.0] * 3, 1e-12, ("kinds of groups", "ordered groups"))
    more = labels.own_vote_pay([0.5, 0.5], voters) - 0.5
    yield same(NOISE, more, comb(G, G // 2) / 2 ** (G + 1), 1e-12)


# -- F: the flow of two wordings -------------------------------------------------------------------
def flows(labelled: str, steps: int) -> Items:
    """Where starts end, what stands still, rivals with one wording, traps apart."""
    grid = np.round(np.linspace(0.1, 0.9, 9), 10)
    p, q = (x.ravel() for x in np.meshgrid(grid, grid))
    clear = np.abs(p + q - 1) > 0.05
    start = np.log(np.stack([p, q]) / (1 - np.stack([p, q])))[:, clear]
    want = drift.agreement_ends_right(p, q)[clear]

    def rate(d: np.ndarray, scale: str = "none") -> np.ndarray:
        x = sigmoid(np.clip(d, -30, 30))
        return drift.two_view_drift(x, x[::-1] if labelled == "across" else x, G, scale=scale)

    wrong = []
    for scale in drift.SCALES:

        def step(d: np.ndarray, _: int, scale: str = scale) -> np.ndarray:
            return d + 0.3 * rate(d, scale)

        wrong += [(view > 0.5) != want for view in sigmoid(follow(step, start, steps)[-1])]
    routes = (CLOSED, "integration")
    yield missed(NODES, np.array(wrong), np.zeros(np.shape(wrong), dtype=bool), routes)
    moved = []
    for pair in ((0.3, 0.8), (0.6, 0.2), (0.45, 0.5)):
        path = sigmoid(flow_path(rate, logit(pair), np.linspace(0, 3, 4)))
        moved.append(np.ptp([drift.agreement_invariant(x[0], x[1], G) for x in path]))
    yield apart(STILL, moved, [0.0] * 3, 1e-7, ("quadrature", "integration"))
    yield apart(SINGLE, single_edges(labelled), [0.5] * 3, 1e-9, (CLOSED, "phase line"))
    yield trap(labelled)
    shown = {}
    for pair in ((0.3, 0.6), (0.4, 0.8), (0.2, 0.7), (0.45, 0.65), (0.1, 0.95)):
        way = sigmoid(flow_path(rate, logit(pair), np.linspace(0, 60, 121), rtol=1e-7))
        shown[f"from {pair[0]:g}, {pair[1]:g}"] = (way[:, 0], way[:, 1])
    yield lines("flow", "Two wordings that share their trap", ("p, right here", "q, right there"),
                shown | {"p + q = 1": ([0.0, 1.0], [1.0, 0.0])}, dashed=("p + q = 1",),
                caption="Labels by the vote of 8 on the other wording; below the line both end "
                "wrong.")  # fmt: skip


def logit(p: Sequence[float]) -> np.ndarray:
    """(N,) logits of chances."""
    return np.log(p) - np.log1p(-np.asarray(p))


def single_edges(labelled: str) -> list[float]:
    """The chance above which one wording ends right under its vote, entropy and certainty."""
    rivals: list[Callable[[np.ndarray], np.ndarray]] = [
        lambda x: np.array([drift.own_vote_drift([a, 1 - a], G)[0] for a in x]),
        drift.entropy_drift,
        drift.certainty_drift,
    ]
    if labelled == "within":  # the mutant exchanges the roles
        rivals = [lambda x: drift.two_view_drift(x, 0.8, G)] * 3
    return [separatrix(f, points=60) for f in rivals]


def trap(labelled: str) -> Check:
    """Three answers: right, the trap of the one wording, the trap of the other."""
    least = []
    for p, q in itertools.product((0.02, 0.3, 0.7), repeat=2):
        here, there = np.array([p, 1 - p, 0.0]), np.array([q, 0.0, 1 - q])
        for own, other in ((here, there), (there, here)):
            label = majority_vote(other if labelled == "across" else own, G)
            move = drift.cross_vote_drift(own, label, G)
            least.append(move[0] - move[1:][own[1:] > 0][0])
    direct = alone("closed form", "a sign of the closed drift, held against enumeration by D")
    return direct(TRAPS, float(min(least)), 0.0, ">")


# -- S: sampled runs -------------------------------------------------------------------------------
STARTS = {
    "traps apart": ((0.3, 0.7, GONE), (0.3, GONE, 0.7)),
    "leaky": ((0.3, 0.6, 0.1), (0.3, 0.1, 0.6)),
    "identical": ((0.3, 0.7, GONE), (0.3, 0.7, GONE)),
    "rescue": ((0.35, 0.65, GONE), (0.8, 0.2, GONE)),
}


@shared
def sampled_runs(rule: str, runs: int, updates: int, seed: int) -> np.ndarray:
    """(updates + 1, start, runs, view, 3) policies of both wordings under GRPO."""
    rng = draws(seed, 3)
    begin = np.log(np.array(list(STARTS.values())))[:, None]
    begin = np.broadcast_to(begin, (len(STARTS), runs, 2, 3)).reshape(-1, 2, 3)
    own = ShapedReward(CoReward(first=True) if rule == "agreement" else pick(RULES, rule)(), GRPO)

    def step(z: np.ndarray, _: int) -> np.ndarray:
        policy = softmax(z)
        answer = picked(policy, rng.random((*z.shape[:-1], G)))
        r = group(answer)
        a = np.asarray(own.apply({"outcome": r.correct}, r)[0])
        spend(answer.size)
        hot = answer[..., None] == np.arange(3)
        return z + RATE * (a[..., None] * (hot - policy[..., None, :])).mean(-2)

    path = softmax(follow(step, begin, updates))
    return path.reshape(updates + 1, len(STARTS), runs, 2, 3)


def training(rule: str, rival: str, runs: int, updates: int, seed: int) -> Items:
    """Agreement against each wording's own vote."""
    found = {name: sampled_runs(kind, runs, updates, seed)[..., 0]
             for name, kind in (("agreement", rule), ("own vote", rival))}  # fmt: skip
    end = {name: dict(zip(STARTS, path[-1], strict=True)) for name, path in found.items()}
    ours, votes = end["agreement"], end["own vote"]
    yield sampled(APART, float(ours["traps apart"].mean(0).min()), 0.95, ">")
    yield sampled(VOTE_APART, float(votes["traps apart"].mean()), 0.05, "<")
    yield sampled(LEAKY, float((ours["leaky"].min(-1) > 0.9).mean()), 0.6, ">=")
    yield sampled(SHARED, float(ours["identical"].mean(0).max()), 0.05, "<")
    yield sampled(RESCUE, float((ours["rescue"][:, 0] > 0.9).mean()), 0.9, ">")
    yield sampled(VOTED, float((votes["rescue"][:, 0] > 0.9).mean()), 0.2, "<")
    yield lines("runs", "Right answers in the first wording", ("update", "share of right answers"),
                {f"{start}, {name}": path[:, i].mean(1)[:, 0] for i, start in enumerate(STARTS)
                 for name, path in found.items()}, most=61,
                dashed=[f"{start}, own vote" for start in STARTS],
                caption=f"Means of {runs} runs, groups of {G}.")  # fmt: skip
    rows = [[s, *ours[s].mean(0).tolist(), *votes[s].mean(0).tolist()] for s in STARTS]
    columns = ("start", "agreement", "agreement, other view", "own vote", "own vote, other view")
    yield Table("share of right answers at the end", columns, rows)


@experiment(
    "47",
    card="47",
    slug="co-reward",
    claim="Labels by the vote on another wording remove the errors that the wordings don't share: "
    "with traps apart nothing collapses, where votes of its own do. Errors that they share still "
    "collapse: two wordings with one trap end right if and only if p + q > 1.",
    source="Eqs. 6 to 8; code tmlr-group/Co-Reward; flows, line and controls derived",
    provenance="code",
    smoke={"runs": 50, "updates": 380, "steps": 250},
    mutants=[
        Mutant("the own vote as the label",
               {"rule": "own vote", "parts": ("labels", "updates", "training")},
               (ALONE, CROSS, APART, LEAKY, RESCUE)),
        Mutant("one vote of both wordings", {"rule": "pooled", "parts": ("labels", "training")},
               (ALONE, APART)),
        Mutant("no answer agrees with none", {"rule": "empty", "parts": ("labels",)}, (EMPTY,)),
        Mutant("the label is the truth", {"rule": "truth", "parts": ("updates", "training")},
               (CROSS, SHARED)),
        Mutant("ties to the answer of the lowest number", {"ties": "lowest", "parts": ("labels",)},
               (LAW,)),
        Mutant("votes of both wordings counted", {"voters": 2 * G, "parts": ("labels", "updates")},
               (TWO, BOUND, OWN, NOISE)),
        Mutant("the rival votes across", {"rival": "agreement", "parts": ("training",)},
               (VOTED, VOTE_APART)),
        Mutant("labels within a wording", {"labelled": "within", "parts": ("flows",)},
               (NODES, STILL, SINGLE, TRAPS)),
    ],
)  # fmt: skip
def run(
    *,
    rule: str = "agreement",
    ties: str = "even",
    voters: int = G,
    rival: str = "own vote",
    labelled: str = "across",
    runs: int = 40,
    updates: int = 600,
    steps: int = 1000,
    parts: Sequence[str] = ("labels", "updates", "flows", "training"),
    seed: int = 0,
) -> Result:
    """Laws of labels, expected updates, the flow of two wordings, sampled training.

    runs, updates : of the training; steps : of the flow from every start; parts : which to run
    rule : of the reward, one of `RULES`; ties, voters, rival, labelled : for mutants
    """
    own = {
        "labels": lambda: vote_laws(rule, ties, voters, seed),
        "updates": lambda: expected(rule, voters, seed),
        "flows": lambda: flows(labelled, steps),
        "training": lambda: training(rule, rival, runs, updates, seed),
    }
    return run_parts(own, parts, (
        "Identical wordings are the control: there agreement collapses as a vote of its own does.",
        "A wrong consensus is a stable fixed point with reward 1 and advantages of 0.",
        "Low entropy and self-certainty pay all answers of one word alike: as rewards with group "
        "advantages they teach nothing there; their drifts are those of the objectives.",
    ))  # fmt: skip
