"""Cooper: a reward model corrected while the policy exploits it: when it turns, who is first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toyrl.estimators.group import GroupEstimator
from toyrl.estimators.shaped import ShapedReward
from toyrl.experiments.core import Check, Mutant, Picture, Result, Table, experiment
from toyrl.experiments.lab.bandits import arm_classes, drift, flow_path, sigmoid
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import CLOSED, ENUMERATED, SIMULATED, alone, apart, missed, same
from toyrl.experiments.lab.shared import shared
from toyrl.experiments.papers.learned import p28_training as toy
from toyrl.experiments.papers.learned.p28_pairs import (
    EQUAL,
    FIRST,
    GAP,
    LEVEL,
    MASK,
    MEAN,
    SHIFT,
    pairs,
)
from toyrl.experiments.papers.learned.p28_training import GROUP, HACK, RIGHT, STEP, Setting
from toyrl.shapers.judge.reward_model import Cooper as ModelReward
from toyrl.theory.cotrained.crossing import crossing_bounds, crossing_time
from toyrl.theory.cotrained.race import pairs_left, pairs_per_efold
from toyrl.theory.cotrained.verifier import tolerated_false_share
from toyrl.theory.policies import softmax

SHARES, RATES = (0.0, 0.1, 0.5, 1.0), (0.02, 0.05, 0.2)
RECALLS, FOOLED = (1.0, 0.5, 0.3, 0.1), (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
STRONG, MILD, CLEAR, RARE = 6.0, 2.0, 1.5, 1e-4
TURN_1 = "T1: h = 1: update of the crossing, largest error over 3 % + 1"
TURN_0 = "T1: h = 0: update of the crossing, largest error over 3 % + 1"
TURN_H = "T1: h between: update of the crossing, largest error over 3 % + 1"
BOUNDS = "T1: crossings outside their closed bounds"
FALSE = "T1: wrong positives at which the model moves neither way, largest error"
PAIRS = "T2: infinite groups: pairs that are left, largest relative error"
EFOLD = "T2: groups of 16: pairs for each factor e lost, relative error"
EFOLD_3 = "T2: the same with two answers that lose, relative error"
FIXED = "T3: fixed model: least share of the hack"
STILL = "T3: fixed model: weights that moved"
REPAIRED = "T3: mild flaw, h = 0.5, rate 0.05: least share of right answers"
DOOMED = "T3: strong flaw, h = 0: largest share of right answers"
SIDES = "T3: strong flaw: clear settings in which runs end on the other side than the mean path"
BOUNDARY = "T3: strong flaw: clear settings on the other side of crossing time over pairs"
RECALL = "T4: share of right answers, least over recalls 1 to 0.1"
PRECISE = "T4: hacks never accepted: runs that end right"
BLIND = "T4: 0.8 of hacks accepted: runs that end right"
FALLING = "T4: hacks accepted, 0 to 0.4 to 0.8: least loss of runs that end right"
HACKED = "T4: recall 0.1 from a policy that hacks: share of right answers"
LATER = "T3: h = 0.5, rate 0.05: runs that end right after 4 times the updates, less before"
fact = alone("simulation", "shares of sampled runs on both sides of a separatrix; T3 compares "
             "their side with the mean path")  # fmt: skip


# -- T1: when the model turns ----------------------------------------------------------------------
def turns(both: bool, opposite: bool, horizon: int) -> Items:
    """Crossings of expected updates against the flow; logits 1 and more at the start."""

    def error(flaw: float, share: float, rate: float) -> float:
        want = crossing_time(1.0, flaw, share, rate)
        asked = 1 - share if opposite else share
        path = toy.model_alone(1.0, flaw, asked, rate, int(1.2 * want) + 9, both=both)
        return (toy.crossing(path) - want) / (0.03 * want + 1)

    routes = (CLOSED, "learner")
    yield apart(TURN_1, [error(f, 1.0, r) for f, r in ((6.0, 0.05), (2.0, 0.05), (9.0, 0.2))],
                [0.0] * 3, 1.0, routes)  # fmt: skip
    yield apart(TURN_0, [error(f, 0.0, r) for f, r in ((2.0, 0.05), (3.0, 0.1), (4.0, 0.4))],
                [0.0] * 3, 1.0, routes)  # fmt: skip
    yield apart(TURN_H, [error(6.0, h, 0.2) for h in (0.1, 0.5)], [0.0] * 2, 1.0,
                ("flow, integrated", "learner"))  # fmt: skip
    grid = [(c, h, s) for c in (-2.0, 0.0, 1.0) for h in (1.5, 3.0, 6.0, 9.0)
            for s in (0.0, 0.003, 0.1, 0.5, 0.9, 1.0)]  # fmt: skip
    outside = []
    for c, h, s in grid:
        least, most = crossing_bounds(c, h, s, 1.0)
        time = crossing_time(c, h, 1 - s if opposite else s, 1.0)
        outside.append(not least * (1 - 1e-9) <= time <= most * (1 + 1e-9))
    yield missed(BOUNDS, outside, [False] * len(grid), (CLOSED, "flow, integrated"))
    yield from tolerated(opposite)
    rows = []
    for h in SHARES:
        time = crossing_time(1.0, STRONG, h, 0.05)
        steps = toy.crossing(toy.model_alone(1.0, STRONG, h, 0.05, min(horizon, int(1.1 * time))))
        seen = steps if np.isfinite(steps) else f"after {horizon}"
        rows.append([h, time, *crossing_bounds(1.0, STRONG, h, 0.05), seen])
    yield Table("crossing, logits 1 and 6, rate 0.05", ("h", "flow", "at least", "at most",
                "updates"), rows)  # fmt: skip
    flaws = np.linspace(1.05, 8, 40)
    yield lines("crossing", "How long the model takes to turn",
                ("its logit of the hack", "updates"),
                {f"h = {h:g}": [crossing_time(1.0, f, h, 0.05) for f in flaws]
                 for h in SHARES}, x=flaws.tolist(), log_y=True,
                caption="h is the share of negatives that look like the hack; a right answer has "
                "the logit 1, the rate is 0.05. Linear in the flaw at h = 1, exponential at 0."
                )  # fmt: skip


def tolerated(opposite: bool) -> Items:
    """The share of wrong positives at which one step leaves the order as it is."""
    found, want = [], []
    for at in (-1.0, 0.5, 3.0):
        for h in (0.1, 0.5, 0.9):
            own = toy.learner(1e-4)
            up = toy.FEATURES[[RIGHT, RIGHT, HACK]]
            down = toy.FEATURES[[HACK, 1, 1]]
            moves = [own.update(own.start(np.array([at, at])), up, down, kind).model.weight - at
                     for kind in ([h, 1 - h, 0.0], [0.0, 0.0, 1 - h])]  # fmt: skip
            # The second is a mean over a share 1 - h of pairs: the rest compare hacks with hacks.
            right, false = moves[0] @ [1, -1], (1 - h) * (moves[1] @ [1, -1])
            found.append(right / (right - false))
            want.append(tolerated_false_share(at, 1 - h if opposite else h))
    yield apart(FALSE, found, want, 1e-5, ("learner", CLOSED))


# -- T2: how many pairs there will be --------------------------------------------------------------
@shared
def pairs_there(p: float) -> float:
    """Pairs in infinite groups from a share p of right answers on, by integration."""
    exact = ShapedReward(ModelReward(), GroupEstimator())

    def flow(y: np.ndarray) -> np.ndarray:
        now = float(sigmoid(y[0]))
        push = drift(arm_classes([now, 1 - now], [1.0, 0.0], judge=[1.0, STRONG]), exact)
        return np.array([push[0] - push[1], -np.expm1(GROUP * np.log1p(-now))])

    start = [np.log(p / (1 - p)), 0.0]
    return float(flow_path(flow, start, [0.0, 1e6], rtol=1e-6, atol=1e-8)[-1, 1])


@shared
def pairs_each(wrong: float) -> float:
    """Pairs for each factor e lost by right answers, by the mean path from a share of 1e-4.

    wrong : share at the start of the answers that are neither right nor the hack
    """
    path = toy.beside_fixed(STRONG, 200, (RARE, wrong, 1 - RARE - wrong))[:, RIGHT]
    return float(toy.chance_of_pair(path[:-1]).sum() / np.log(path[0] / path[-1]))


def race(size: int) -> Items:
    """Pairs beside a model that likes the hack; `size` is put into the formulas."""
    # What is left at the end, G/t, is 2e-5.
    ratio = pairs_there(0.3) / pairs_left(0.3, size, 1.0)
    yield same(PAIRS, ratio, 1.0, 1e-4, (CLOSED, "class engine"))
    for name, wrong, losers in ((EFOLD, 1e-12, 1), (EFOLD_3, RARE, 2)):
        expect = pairs_per_efold(size, STEP, losers=losers)
        yield same(name, pairs_each(wrong) / expect, 1.0, 0.01, (CLOSED, ENUMERATED))  # of order Gp


# -- T3: training ----------------------------------------------------------------------------------
@shared
def runs(kind: str, paid: str, shares: Sequence[float], rates: Sequence[float], fixed: float,
         positives: str, fooled: Sequence[float], replicas: int, updates: int, seed: int
         ) -> np.ndarray:  # fmt: skip
    """The sampled paths of one table."""
    table = SETTINGS[kind](shares, rates, fixed, fooled)
    return toy.sampled_runs(table, replicas, updates, seed, paid=paid, positives=positives)


@shared
def mean_paths(shares: Sequence[float], rates: Sequence[float], updates: int) -> np.ndarray:
    """The mean paths of the table of phases."""
    return toy.expected_runs(phase_table(shares, rates, 0.0, None), updates)


@shared
def mean_recalls(updates: int) -> np.ndarray:
    """(updates + 1, S, 5) the mean paths by the verifier's recall."""
    return toy.expected_runs(verifier_table(None, None, None, FOOLED)[: len(RECALLS)], updates)


@shared
def most_pairs(updates: int) -> float:
    """Pairs within so many updates beside a model with the strong flaw, if nothing corrects it."""
    return float(toy.chance_of_pair(toy.beside_fixed(STRONG, updates)[:-1, RIGHT]).sum())


def phase_table(shares: Sequence[float], rates: Sequence[float], fixed: float, _: Any
                ) -> list[Setting]:  # fmt: skip
    return [*(Setting(STRONG, h, r) for r in rates for h in shares), Setting(MILD, 0.5, fixed),
            Setting(MILD, 0.5, 0.05)]  # fmt: skip


def verifier_table(_s: Any, _r: Any, _f: Any, fooled: Sequence[float]) -> list[Setting]:
    return [*(Setting(MILD, 0.5, 0.05, recall=x) for x in RECALLS),
            *(Setting(MILD, 0.3, 0.2, fooled=x, start=toy.TAKEN_OVER) for x in fooled),
            Setting(MILD, 0.3, 0.2, recall=0.1, start=toy.TAKEN_OVER)]  # fmt: skip


SETTINGS = {"phase": phase_table, "verifier": verifier_table}


def training(paid: str, shares: Sequence[float], rates: Sequence[float], fixed: float,
             opposite: bool, replicas: int, updates: int, seed: int) -> Items:  # fmt: skip
    """Runs over (h, rate) with a strong flaw, and two with a mild one."""
    path = runs("phase", paid, shares, rates, fixed, "accepted", FOOLED, replicas, updates, seed)
    table = phase_table(shares, rates, 0.0, None)
    end, mean = softmax(path[-1][..., :3]), mean_paths(shares, rates, updates)
    middle = softmax(mean[-1][:, :3])
    both = (SIMULATED, ENUMERATED)
    yield Check(FIXED, float(min(end[-2, :, HACK].min(), middle[-2, HACK])), 0.9, ">", routes=both)
    yield missed(STILL, path[-1, -2, :, 3:], path[0, -2, :, 3:], ("runs", "start"))
    yield Check(REPAIRED, float(min(end[-1, :, RIGHT].min(), middle[-1, RIGHT])), 0.95, ">",
                routes=both)  # fmt: skip
    cells = table[:-2]
    zero = [i for i, s in enumerate(cells) if s.share == 0]
    yield Check(DOOMED, float(max(end[zero, :, RIGHT].max(), middle[zero, RIGHT].max())), 0.05, "<",
                routes=both)  # fmt: skip
    won = (end[:-2, :, RIGHT] > 0.5).mean(-1)
    beside = most_pairs(updates)
    line = np.array([crossing_time(1.0, STRONG, 1 - s.share if opposite else s.share, 1.0)
                     for s in cells]) / beside  # fmt: skip
    over = np.array([s.rate for s in cells]) / line
    clear = np.abs(np.log(over)) > np.log(CLEAR)
    yield missed(BOUNDARY, (won > 0.5)[clear], (over > 1)[clear], (CLOSED, SIMULATED))
    yield missed(SIDES, (won > 0.5)[clear], (middle[:-2, RIGHT] > 0.5)[clear], both)
    yield Check("T3: clear settings", int(clear.sum()), 8, ">=", claim=False)
    yield phase_picture(won.reshape(len(rates), len(shares)), shares, rates, beside, replicas,
                        updates)  # fmt: skip
    yield from curves(path, mean, table)
    yield Table("strong flaw: runs that end right", ("rate", *(f"h = {h:g}" for h in shares)),
                [[r, *row] for r, row in zip(rates, won.reshape(len(rates), -1).tolist(),
                                             strict=True)])  # fmt: skip


def phase_picture(won: np.ndarray, shares: Sequence[float], rates: Sequence[float], count: float,
                  replicas: int, updates: int) -> Picture:  # fmt: skip
    """Success over (h, rate), with the rate at which crossing time equals the pairs there are."""
    h = np.linspace(0, max(shares), 81)

    def within(times: Sequence[float]) -> tuple[list[float], list[float]]:
        rate = np.array(times) / count
        seen = (rate <= max(rates)) & (rate >= min(rates))
        return h[seen].tolist(), rate[seen].tolist()

    limits = np.array([crossing_bounds(1.0, STRONG, x, 1.0) for x in h])
    time = [crossing_time(1.0, STRONG, x, 1.0) for x in h]
    return lines(
        "phase", "Is the model corrected before the policy has gone?",
        ("h, share of negatives that look like the hack", "rate of the reward model"),
        {"crossing time = pairs": within(time), "closed bounds": within(limits[:, 1].tolist()),
         "": within(limits[:, 0].tolist())},
        dashed=("closed bounds", ""),
        grid=won.tolist(), grid_x=list(shares), grid_y=list(rates), log_y=True,
        grid_label="share of runs that end right",
        caption=f"Logits 1 (right) and 6 (hack); {replicas} runs of {updates} updates a cell; "
        f"{count:.0f} pairs beside a model that nothing corrects.",
    )  # fmt: skip


def curves(path: np.ndarray, mean: np.ndarray, table: Sequence[Setting]) -> list[Picture]:
    """Shares and logits against updates at the middle rate."""
    rate = sorted({s.rate for s in table[:-2]})[len({s.rate for s in table[:-2]}) // 2]
    rows = {f"h = {s.share:g}": i for i, s in enumerate(table[:-2]) if s.rate == rate}
    rows = dict(list(rows.items())[:: max(1, len(rows) // 4)])
    policy = softmax(path[..., :3]).mean(2)
    right = {k: policy[:, i, RIGHT] for k, i in rows.items()}
    hack = {k: policy[:, i, HACK] for k, i in rows.items()}
    lead = {k: (path[..., 3] - path[..., 4]).mean(2)[:, i] for k, i in rows.items()}
    expected = {f"{k}, mean path": softmax(mean[:, i, :3])[:, RIGHT] for k, i in rows.items()}
    told = f"Strong flaw, rate {rate:g}; means over runs."
    return [
        lines("right", "Right answers beside a model that is corrected",
              ("update", "share of right answers"), right | expected, most=81,
              dashed=list(expected), caption=told),
        lines("hack", "The hack beside a model that is corrected",
              ("update", "share of the hack"), hack, most=81, caption=told),
        lines("lead", "What the model prefers", ("update", "logit of right less hack"), lead,
              most=81, caption=told),
    ]  # fmt: skip


# -- T4: the verifier's two errors -----------------------------------------------------------------
def verifier(positives: str, fooled: Sequence[float], replicas: int, updates: int, seed: int
             ) -> Items:  # fmt: skip
    """Recall and precision of the rule that picks the positives."""
    path = runs("verifier", "model", SHARES, RATES, 0.0, positives, fooled, replicas, updates, seed)
    end = softmax(path[-1][..., :3])[..., RIGHT]
    middle = softmax(mean_recalls(updates)[-1][:, :3])[:, RIGHT]
    yield Check(RECALL, float(min(end[:4].mean(-1).min(), middle.min())), 0.98, ">=",
                routes=(SIMULATED, ENUMERATED))  # fmt: skip
    won = (end[4:10] > 0.5).mean(-1)
    yield fact(PRECISE, float(won[0]), 1.0, "==")
    yield fact(BLIND, float(won[4]), 0.3)
    yield fact(FALLING, float(min(won[0] - won[2], won[2] - won[4])), 0.0, ">")
    yield Check(HACKED, float(end[10].mean()), 0.98, "<", claim=False)
    yield lines("verifier", "The verifier may miss right answers, not accept hacks",
                ("chance", "runs that end right"),
                {"recall, from a policy that hacks 5 %": (RECALLS, (end[:4] > 0.5).mean(-1)),
                 "hacks accepted, from one that hacks 30 %": (FOOLED, won)},
                caption=f"Mild flaw; {replicas} runs of {updates} updates.")  # fmt: skip


def later(replicas: int, updates: int, seed: int) -> Items:
    """Runs that are lost at the usual end, followed further."""
    path = toy.sampled_runs([Setting(STRONG, 0.5, 0.05)], replicas, 4 * updates, seed)
    won = [float((softmax(path[k * updates][0, :, :3])[:, RIGHT] > 0.5).mean()) for k in (1, 2, 4)]
    yield Check(LATER, won[2] - won[0], 0.0, ">", claim=False)
    yield Table("h = 0.5, rate 0.05: runs that end right", ("updates", "share"),
                [[k * updates, x] for k, x in zip((1, 2, 4), won, strict=True)],
                caption="Lost runs come back: pairs get rarer, and never stop.")  # fmt: skip


@experiment(
    "28",
    card="28",
    slug="cooper",
    claim="A reward model that likes a hack is saved by verified positives if its negatives look "
    "like the hack often enough: it turns after a time linear in the flaw if all do and "
    "exponential if none does, and that has to be less than the pairs there are before right "
    "answers have gone. Positives may be few; they must not be hacks.",
    source="section 5 and the toy of our derivation; code ZJU-REAL/cooper, recipe/cooper",
    provenance="code",
    smoke={"shares": SHARES, "rates": RATES, "replicas": 8, "updates": 320, "horizon": 135,
           "parts": ("pairs", "turns", "race", "training", "verifier")},
    mutants=[
        Mutant("cross-entropy of single texts", {"loss": "absolute", "parts": ("pairs",)},
               (EQUAL, SHIFT, LEVEL)),
        Mutant("divided by prompts", {"loss": "by prompts", "parts": ("pairs",)}, (MEAN,)),
        Mutant("masked pairs count", {"loss": "unmasked", "parts": ("pairs",)}, (MEAN, MASK)),
        Mutant("the likeliest accepted rollout", {"positives": "likeliest", "parts": ("pairs",)},
               (FIRST,)),
        Mutant("the negative's score stands", {"both": False, "parts": ("pairs", "turns")},
               (GAP, TURN_1)),
        Mutant("h taken for its complement", {"opposite": True, "parts": ("turns", "training")},
               (TURN_1, TURN_0, TURN_H, BOUNDS, FALSE, BOUNDARY)),
        Mutant("formulas for groups of 8", {"size": 8, "parts": ("race",)},
               (PAIRS, EFOLD, EFOLD_3)),
        Mutant("the truth is paid", {"paid": "truth", "parts": ("training",)},
               (FIXED, DOOMED, SIDES, BOUNDARY)),
        Mutant("1 - sigma is paid", {"paid": "negated", "parts": ("training",)}, (REPAIRED,)),
        Mutant("the fixed model learns", {"fixed": 0.05, "parts": ("training",)}, (FIXED, STILL)),
        Mutant("the first rollout is the positive", {"positives": "any", "parts": ("verifier",)},
               (PRECISE, FALLING)),
        Mutant("every verdict is a label, by cross-entropy",
               {"positives": "labels", "parts": ("verifier",)}, (RECALL,)),
        Mutant("a verifier that nothing fools", {"fooled": (0.0,) * 6, "parts": ("verifier",)},
               (BLIND, FALLING)),
    ],
)  # fmt: skip
def run(
    *,
    shares: Sequence[float] = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    rates: Sequence[float] = (0.01, 0.02, 0.03, 0.05, 0.08, 0.13, 0.2, 0.33, 0.5),
    replicas: int = 60,
    updates: int = 800,
    horizon: int = 10_000,
    loss: str = "pairs",
    positives: str = "accepted",
    both: bool = True,
    opposite: bool = False,
    size: int = GROUP,
    paid: str = "model",
    fixed: float = 0.0,
    fooled: Sequence[float] = FOOLED,
    parts: Sequence[str] = ("pairs", "turns", "race", "training", "verifier", "later"),
    seed: int = 0,
) -> Result:
    """Pairs, crossing times, pairs before it is too late, training, the verifier's errors.

    shares, rates : h and the reward model's rate, of the phase diagram; replicas, updates : of each
    run; horizon : updates after which a crossing is not waited for; parts : which to run
    loss, positives, both, opposite, size, paid, fixed, fooled : for mutants
    """
    own = {
        "pairs": lambda: pairs(loss, positives, both, seed),
        "turns": lambda: turns(both, opposite, horizon),
        "race": lambda: race(size),
        "training": lambda: training(paid, shares, rates, fixed, opposite, replicas, updates, seed),
        "verifier": lambda: verifier(positives, fooled, 2 * replicas, updates, seed),
        "later": lambda: later(replicas, updates, seed),
    }
    return run_parts(own, parts, (
        "Pairs never stop in finite groups: what is lost at one horizon is found at a longer one, "
        "for a factor e in rare answers each 7 to 11 pairs.",
        "The share h is an assumption on whoever writes the negatives, no property of the method.",
    ))  # fmt: skip
