"""How judges are paid and told from what is none: R_acc by enumeration, silence, controls."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from functools import partial

import numpy as np

from toyrl.experiments.core import Table
from toyrl.experiments.lab.bandits import climb
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.parts import Items
from toyrl.experiments.lab.routes import alone, apart, missed, same
from toyrl.graders.base import TextRow
from toyrl.graders.judged.rankings import ListJudge, grades, programmed_judge
from toyrl.models.judges.principles import usefulness
from toyrl.rollouts import Rollouts
from toyrl.shapers.judge.listwise import RewardAnything, RewardAnythingReleased, pair_agreement
from toyrl.theory.learned.principles import chance_agreement, silence_threshold

D, N = 5, 6
PERMUTED = "(c) R_acc averaged over all 4! orders"
ENDS = "(c) R_acc of the true order less that of its reverse, distinct grades"
CONSTANT = "(c) R_acc of equal scores, grades with ties: largest error"
COST = "(c) a reversal of grades 5 and 1 costs so many times one of neighbours"
SILENT = "(c) R_acc of an output without scores, sound"
THRESHOLD = "silence: agreement from which speaking pays, released reward, default weights"
SOUND = "silence: share of speaking after training under the sound reward, least"
LOST = "silence: share of speaking after training under the released reward, poor judge"
USELESS = "useless: constant, blind and unreadable judges called useful, a follower useless"
UNREAD = "useless: share of groups that could not be read"
MASKED = "useless: scores that follow a response's place instead of the response"
trained_alone = alone("exact training", "an inequality about a training")


def _kendall(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Every pair of one weight, and a tie costs nothing: what is easily mistaken for R_acc."""
    i, j = np.triu_indices(np.shape(truth)[-1], 1)
    turn = np.sign(scores[..., i] - scores[..., j]) * np.sign(truth[..., i] - truth[..., j])
    return 1 - (turn < 0).mean(-1)


def _one_side(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """A pair counts only where the judge puts the first one ahead: the order of names matters."""
    i, j = np.triu_indices(np.shape(truth)[-1], 1)
    ahead = scores[..., i] > scores[..., j]
    return 1 - (ahead & (truth[..., i] < truth[..., j])).mean(-1)


AGREEMENTS: dict[str, Callable[..., np.ndarray]] = {
    "sound": pair_agreement,
    "released": partial(pair_agreement, missing="released"),
    "kendall": _kendall,
    "one side": _one_side,
}


# -- (c) -------------------------------------------------------------------------------------------
def agreement(rule: Callable[..., np.ndarray]) -> Items:
    """R_acc on every order of four responses, on ties, without scores."""
    g = np.array([2.0, 5, 1, 4])
    orders = np.array(list(itertools.permutations(range(4))), dtype=float)
    yield same(PERMUTED, rule(orders, g).mean(), chance_agreement(g), 1e-12)
    yield same(ENDS, rule(g, g) - rule(-g, g), 1.0, 1e-12)
    lists = np.array(list(itertools.product(range(1, 6), repeat=4)), dtype=float)
    yield apart(CONSTANT, rule(np.zeros_like(lists), lists), chance_agreement(lists), 1e-12)
    five = np.arange(1.0, 6)
    far, near = five[[4, 1, 2, 3, 0]], five[[0, 1, 2, 4, 3]]
    # Two of the five swapped. The outer two reverse seven pairs; only their own is meant.
    others = [(0, k) for k in (1, 2, 3)] + [(k, 4) for k in (1, 2, 3)]
    weights = sum(1 + abs(five[i] - five[j]) for i, j in others)
    total = 10 + sum(abs(five[i] - five[j]) for i, j in itertools.combinations(range(5), 2))
    own = total * (1 - rule(far, five)) - weights
    yield same(COST, own / (total * (1 - rule(near, five))), 2.5, 1e-12)
    yield same(SILENT, rule(np.full(4, np.nan), g), 0.0, 1e-12, ("rule", "definition"))


# -- silence ---------------------------------------------------------------------------------------
def silence(form: float, repaired: bool, updates: int) -> Items:
    """A judge that speaks or stays silent, of several agreements, under both rewards."""
    level = np.linspace(0.5, 1.0, 21)
    kinds = {"sound": RewardAnything, "released": RewardAnythingReleased}
    if repaired:
        kinds["released"] = RewardAnything

    def pays(kind: type[RewardAnything]) -> np.ndarray:
        """(2, levels) of silence and of speaking."""
        both = np.repeat([[0.0], [1.0]], len(level), axis=1)
        fields = {"format": both, "agreement": both * level, "answered": both}
        r = Rollouts(both, np.ones_like(both), 1.0, fields=fields)
        return np.asarray(kind(form, 0.8).reward(r))

    ends = {}
    for name, kind in kinds.items():
        low, high = pays(kind)
        path = climb(lambda p, _, gain=high - low: 2 * p * (1 - p) * gain, 0 * level, updates)
        ends[name] = path[-1]
    gain = np.diff(pays(kinds["released"]), axis=0)[0]
    root = float(np.interp(0.0, gain, level)) if gain[0] < 0 < gain[-1] else float("nan")
    yield same(THRESHOLD, root, silence_threshold(0.2, 0.8), 1e-9, ("root", "closed form"))
    yield trained_alone(SOUND, float(ends["sound"].min()), 0.9, ">")
    poor = level < silence_threshold(0.2, 0.8) - 0.1
    yield trained_alone(LOST, float(ends["released"][poor].max()), 0.1, "<")
    yield lines("silence", "Does the judge still speak?", ("agreement when it speaks",
                "share of speaking after training"), ends, x=level.tolist(),
                dashed=("released",), caption=f"{updates} updates from an even start.")  # fmt: skip


# -- what is no judge ------------------------------------------------------------------------------
def controls(unmask: bool, ties: str, seed: int) -> Items:
    """Judges that must be called useless, and texts that can't be read."""
    rng = draws(seed, 6)
    phi, c = rng.normal(size=(150, N, D)), rng.normal(size=(150, D, 1))
    truth = (phi @ c)[..., 0]
    both, twice = np.concatenate([truth, -truth]), np.tile(np.arange(150), 2)
    if ties == "as right":
        judge = {"constant": np.concatenate([truth, -truth])}
    else:
        judge = {"constant": np.ones_like(both)}
    judge["blind"] = np.tile(phi[..., 0], (2, 1))
    judge["unreadable"] = np.full(both.shape, np.nan)
    judge["follower"] = both + 0.5 * rng.normal(size=both.shape)
    found = {k: usefulness(s, both, cluster=twice) for k, s in judge.items()}
    wrong = [u.useless != (k != "follower") for k, u in found.items()]
    yield missed(USELESS, wrong, [False] * 4, ("standard error", "known judges"))
    yield Table("judges", ("judge", "accuracy", "error", "tied", "unread", "useless"),
                [[k, u.accuracy, u.error, u.tied, u.unread, str(u.useless)]
                 for k, u in found.items()])  # fmt: skip
    prompts = ["p" * (k + 1) for k in range(8)]
    texts = ["a b c", "a", "a b c d e", "a b"]
    rows = [TextRow(p, t) for p in prompts for t in texts]

    def call(shown: str) -> str:
        asked = json.loads(shown)
        if len(asked["prompt"]) % 4 == 0:
            return "I would rather not say."
        return programmed_judge(shown)

    grader = ListJudge(call, "shorter is better")
    scores = np.array(grader.grade(rows)).reshape(8, 4)
    yield same(UNREAD, grader.unread, 2 / 8, 0, ("grader", "count"), claim=False)
    if not unmask:  # the map from masked names back forgotten
        order = draws(grader.seed).permutation(4)
        scores = scores[:, order]
    want = grades([-len(t.split()) for t in texts])
    read = ~np.isnan(scores).any(-1)
    yield missed(MASKED, scores[read], np.tile(want, (int(read.sum()), 1)), ("judge", "ranks"))
