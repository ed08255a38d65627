"""RM-R1: a reasoning judge: sorting tasks, distilling first, voting, win rates, the tail rule."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from toyrl.dynamics.groups.compositions import multisets
from toyrl.estimators.group import PRESETS
from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.lab.answers import chances
from toyrl.experiments.lab.bandits import ascend, follow, sigmoid, train_two_arms
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.groups import advantages
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import alone, apart, deviation, missed, same
from toyrl.graders.judged.verdicts import TAGS, Judged, judged, verdict_reward
from toyrl.models.judges.rubric import ReasoningJudge, distilled
from toyrl.objectives.pairs import table_rates
from toyrl.rollouts import Rollouts
from toyrl.theory.learned import judge_chain as theory
from toyrl.theory.selection.majority import majority_vote

V = np.array([[0.9, 0.6], [0.55, 0.85]])
BETTER, WORSE = V.max(-1), V.min(-1)
G = 7
RATE, REACHED = 0.5, 0.84
LONG = {0: 200, -3: 400, -5: 1200}  # updates by the start
BEST = "a: best accuracy of random tables with and without types, largest error"
GAIN = "a: what sorting the tasks is worth in the example"
TEXTS = "a: reward of written answers against 2 accuracy - 1, standard errors"
USEFUL = "a: findings on a reasoning, a constant, a mute and an inverted judge that are wrong"
DRIFT = "b: drift of the logit over all groups, largest error"
SAMPLED = "b: drift of sampled groups over the closed form, less 1"
SCALE = "b: advantages paid by +1 and -1 less those by 1 and 0, largest"
TIME = "c: time of the simulated flow over the closed form, less 1, largest"
LIMIT = "c: accuracy in the end below 0.875, largest over the starts"
BLIND = "c: most accuracy without types"
SLOWER = "c: median steps to 0.84, start -5 over start -3"
DISTILLED = "c: median steps to 0.84 after 400 traces over those from a start of -3"
LOST = "c: accuracy in the end where no trace shows the better rubric"
DRAWN = "d: votes drawn, standard errors from their law"
VOTES = "d: accuracy of votes, largest error"
PAIRED = "d: M(p, T) + M(1-p, T) less 1, and M(p, 2m) less M(p, 2m-1), largest"
RISES = "d: odd T at which more votes change accuracy on the wrong side"
RATES = "e: mean win rates by rank, standard errors from the closed form"
SPREAD = "e: variance of win rates, relative error, largest"
HALF = "e: sum of a group's win rates less G/2, largest"
PLACE = "e: a constant judge: largest win rate less 1/2"
STEP = "f: trailing characters from which the right verdict is paid -1"
CUT = "f: share of 70 trailing characters after training"
REST = "f: odds of 0 over 20 trailing characters after training"
trained = alone("training", "sampled training of softmax choices has no closed form")


# -- a ---------------------------------------------------------------------------------------------
def worth(aware: bool, tail: int | None, answers: int, seed: int) -> Items:
    """Random tables by enumeration; written answers, read and paid."""
    rng = draws(seed, 1)
    found, want = [], []
    for _table in range(40):
        v, share = rng.random((3, 2)), rng.dirichlet(np.ones(3))
        each = [share @ v[np.arange(3), list(k)] for k in itertools.product(range(2), repeat=3)]
        found.append([max(each), max(each[0], each[-1])])
        want.append([theory.best_accuracy(v, share, aware=a) for a in (aware, False)])
    yield apart(BEST, found, want, 1e-12)
    best = [theory.best_accuracy(V, aware=a) for a in (aware, False)]
    yield same(GAIN, best[0] - best[1], BETTER.mean() - V.mean(0).max(), 1e-12)
    judges = {
        "reasoning": (ReasoningJudge.of(V, [[9.0, -9], [-9, 9]]), 0, "useful"),
        "even rubrics": (ReasoningJudge.of(V), 0, "useful"),
        "always the first": (ReasoningJudge.of([np.ones((2, 2)), np.zeros((2, 2))]), 0, "useless"),
        "mute": (ReasoningJudge.of(V), 70, "useless"),
        "inverted": (ReasoningJudge.of(1 - V), 0, "inverted"),
    }  # fmt: skip
    task, label = rng.integers(0, 2, (2, answers))
    names = np.array(["model_a", "model_b"])[label].tolist()
    rows, z, wrong = [], [], []
    for name, (judge, trailing, expected) in judges.items():
        texts = judge.write(task, label, rng, trailing=trailing)
        paid = [verdict_reward(*x, tail=tail) for x in zip(texts, names, strict=True)]
        mean = -1.0 if trailing else judge.reward()
        z.append([np.mean(paid), np.sqrt(max(1 - mean**2, 1e-12) / answers), mean])
        told = judged(texts, names, tail=tail)
        wrong.append(told.finding != expected)
        rows.append([name, *told])
    yield deviation(TEXTS, *np.array(z).T)
    yield missed(USEFUL, wrong, np.zeros(len(wrong), bool), ("Fisher's test", "construction"))
    columns = ("judge", *(f.replace("_", " ") for f in Judged._fields))
    yield Table("judges", columns, rows)


# -- b ---------------------------------------------------------------------------------------------
def moved(rule: str, pi: float, v1: float, v2: float) -> float:
    """Expected drift of the logit over every group of G, by the estimator itself."""
    law = np.array([pi * v1, pi * (1 - v1), (1 - pi) * v2, (1 - pi) * (1 - v2)])
    groups = multisets(4, G)
    chance = chances(np.log(law)[None], groups)[0]
    kind = np.array([np.repeat(np.arange(4), n) for n in groups])
    a = advantages(PRESETS[rule], 1.0 - 2 * (kind % 2))
    return float(chance @ (2 * a * ((kind < 2) - pi)).mean(-1))


def drifts(double: float, first: float, groups: int, seed: int) -> Items:
    """double : mutant, the factor of the two logits; first : reward of a right verdict."""
    points = list(itertools.product((0.05, 0.4, 0.9), ((0.9, 0.6), (0.7, 0.7), (0.2, 0.8))))
    found, want = [], []
    for (pi, (v1, v2)), rule in itertools.product(points, ("dr_grpo", "grpo_exact")):
        found.append(moved(rule, pi, v1, v2))
        want.append(theory.drift(pi, v1, v2, G, normalised=rule == "grpo_exact") * double / 2)
    yield apart(DRIFT, found, want, 1e-12)
    rng, pi = draws(seed, 2), 0.4
    arm = rng.random((groups, G)) < pi
    right = rng.random((groups, G)) < np.where(arm, 0.9, 0.6)
    a = advantages(PRESETS["dr_grpo"], np.where(right, first, -1.0))
    ratio = (2 * a * (arm - pi)).mean(-1) / float(theory.drift(pi, 0.9, 0.6, G))
    yield same(SAMPLED, ratio.mean() - 1, 0, 0.01, ("closed form", "simulation"),
               stderr=float(ratio.std() / np.sqrt(groups)))  # fmt: skip
    k = (np.arange(G) < np.arange(1, G)[:, None]) * 1.0  # groups with 1 to G-1 right
    both = [advantages(PRESETS["grpo_exact"], r) for r in (k, np.where(k > 0, 1.0, -1.0))]
    n = k.sum(-1, keepdims=True)
    up, down = np.sqrt((G - 1) * (G - n) / (G * n)), np.sqrt((G - 1) * n / (G * (G - n)))
    closed = np.where(k > 0, up, -down)
    centred = advantages(PRESETS["dr_grpo"], np.where(k > 0, first, -1.0))
    own = centred - 2 * advantages(PRESETS["dr_grpo"], k)  # doubled without the division
    yield apart(SCALE, [both[0], both[1], closed + own], [closed] * 3, 1e-12,
                ("estimator", "closed form"))  # fmt: skip


# -- c ---------------------------------------------------------------------------------------------
def flow_time(start: np.ndarray, end: float, speed: float, dt: float = 0.1) -> np.ndarray:
    """When d' = speed p(1 - p) passes `end`, by Runge and Kutta's fourth order."""

    def slope(d: np.ndarray) -> np.ndarray:
        p = sigmoid(d)
        return speed * p * (1 - p)

    def step(d: np.ndarray, _: int) -> np.ndarray:
        a = slope(d)
        b = slope(d + dt / 2 * a)
        c = slope(d + dt / 2 * b)
        return d + dt / 6 * (a + 2 * b + 2 * c + slope(d + dt * c))

    longest = float(np.max(theory.training_time(start, end, 0.3, G)))
    path = follow(step, start, int(1.3 * longest / dt))
    t = dt * np.arange(len(path))
    return np.array([np.interp(end, d, t) for d in path.T])


def learn(start: float, updates: int, runs: int, rng: Any, aware: bool) -> np.ndarray:
    """(updates + 1, runs) accuracy of judges trained on sampled groups, one for each type.

    aware : a logit of the better rubric for each type; else one of the first rubric for both
    """
    right = np.stack([WORSE, BETTER], -1) if aware else V[:, ::-1]

    def group(chance: np.ndarray, _: int) -> tuple[np.ndarray, np.ndarray]:
        each = chance if aware else chance[:, None]  # (runs, types, 1)
        arm = (rng.random((runs, 2, G)) < each).astype(int)
        win = rng.random(arm.shape) < right[np.arange(2)[:, None], arm]
        a = advantages(PRESETS["grpo_verl"], np.where(win, 1.0, -1.0))
        return (arm, a) if aware else (arm.reshape(runs, -1), a.reshape(runs, -1))

    p = train_two_arms(group, np.full((runs, 2) if aware else runs, start), updates, rate=RATE)
    if aware:
        return (WORSE + (BETTER - WORSE) * p).mean(-1)
    return V[:, 1].mean() + (V[:, 0] - V[:, 1]).mean() * p


def steps_to(accuracy: np.ndarray) -> float:
    """Median steps to 0.84 over the runs; inf for a run that is never there."""
    there = accuracy >= REACHED
    return float(np.median(np.where(there.any(0), there.argmax(0), np.inf)))


def times(speed: float) -> Items:
    """speed : times the flow's, for mutants."""
    starts, end = np.array([-4.0, -3, -2, -1, 0, 1]), 2.0
    closed = theory.training_time(starts, end, 0.3, G)
    flow = flow_time(starts, end, speed * 4 * (1 - 1 / G) * 0.3)
    yield Check(TIME, float(np.abs(flow / closed - 1).max()), 1e-3,
                routes=("closed form", "Runge-Kutta"))  # fmt: skip
    yield lines("time", "A cold start costs its exponential", ("start (logit)", "time"),
                {"closed form": closed, "simulated flow": flow}, x=starts.tolist(),
                points=("simulated flow",), log_y=True,
                caption="Time to a logit of 2; rubrics that differ by 0.3, groups of 7.",
                )  # fmt: skip


def training(aware: bool, sorts: bool, taught: float, smoothing: float, runs: int, seed: int
             ) -> Items:  # fmt: skip
    """Sampled groups from cold, even and distilled starts.

    aware, sorts : types are seen by the judges, by the blind one; taught : share of traces that
    show the better rubric; smoothing : where none does
    """
    paths = {s: learn(s, long, runs, draws(seed, 3, -s), aware) for s, long in LONG.items()}
    steps = {start: steps_to(path) for start, path in paths.items()}
    final = {start: float(path[-1].mean()) for start, path in paths.items()}
    yield trained(LIMIT, 0.875 - min(final.values()), 0.01)
    yield trained(SLOWER, steps[-5] / steps[-3] if np.isfinite(steps[-3]) else np.nan, 3.0, ">=")
    rng, cold = draws(seed, 4), ReasoningJudge.of(V, [[-5.0, 0], [0, -5.0]])
    traces, best = np.repeat([0, 1], 200), V.argmax(-1).repeat(200)
    shown = np.where(np.arange(400) % 200 < 200 * taught, best, 1 - best)
    warm = learn(_start(distilled(cold, traces, shown)), 200, runs, rng, aware)
    yield trained(DISTILLED, steps_to(warm) / steps[-3], 0.5)
    dead = _start(distilled(cold, traces, 1 - best, smoothing=smoothing))
    lost = learn(dead, 200, runs, rng, True)
    yield same(LOST, lost[-1].mean(), WORSE.mean(), 1e-12, ("likelihood", "training"))
    blind = learn(0.0, 200, runs, rng, sorts)
    yield Check(BLIND, float(blind.max()), 0.73, routes=("closed form", "training"))
    every = {f"start {k}": p for k, p in paths.items()}
    every |= {"after 400 traces": warm, "types not seen": blind, "best rubric in no trace": lost}
    yield lines("accuracy", "A cold start waits, then ends where all do", ("updates", "accuracy"),
                {k: (list(range(len(p))), p.mean(-1)) for k, p in every.items()},
                dashed=("types not seen", "best rubric in no trace"),
                caption=f"Groups of {G}, learning rate {RATE}, mean of {runs} runs.")  # fmt: skip
    yield Table("steps", ("start", "median steps to 0.84", "accuracy in the end"),
                [[str(s), steps[s], final[s]] for s in LONG])  # fmt: skip


def _start(judge: ReasoningJudge) -> float:
    """The logit of the first type's better rubric."""
    return float(judge.logits[0, 0] - judge.logits[0, 1])


# -- d ---------------------------------------------------------------------------------------------
def voting(ties: float, drawn: int, seed: int) -> Items:
    """ties : what an even split is worth; mutants give it away."""
    from scipy.stats import binom

    rates, sizes = np.array([0.45, 0.5, 0.6, 0.7]), np.arange(1, 16)
    exact = np.array([[majority_vote([p, 1 - p], int(T))[0] for T in sizes] for p in rates])
    p, half = rates[:, None], sizes // 2
    closed = binom.sf(half, sizes, p) + np.where(sizes % 2, 0, ties * binom.pmf(half, sizes, p))
    routes = ("binomial sum", "generating functions")
    yield apart(VOTES, closed, exact, 1e-12, routes)
    turned = np.array([[majority_vote([1 - x, x], int(T))[0] for T in sizes] for x in rates])
    even = closed[:, 1::2] - exact[:, :-1:2]
    yield apart(PAIRED, np.append(closed + turned - 1, even), 0, 1e-12, routes)
    odd = np.diff(closed[:, ::2] if ties == 0.5 else closed, axis=-1)
    yield missed(RISES, np.sign(np.round(odd, 12)), np.sign(rates - 0.5)[:, None],
                 ("binomial sum", "sign of p - 1/2"))  # fmt: skip
    votes = draws(seed, 6).binomial(sizes, p, (drawn, len(rates), len(sizes)))
    won = (2 * votes > sizes) + ties * (2 * votes == sizes)
    yield deviation(DRAWN, won.mean(0), won.std(0) / np.sqrt(drawn), exact)
    yield lines("votes", "Votes help a judge above 1/2 alone", ("votes T", "accuracy"),
                {f"p = {p:g}": row for p, row in zip(rates, exact, strict=True)},
                x=sizes.tolist())  # fmt: skip


# -- e ---------------------------------------------------------------------------------------------
def tournament(orders: int, independent: bool, unread: str, drawn: int, seed: int) -> Items:
    """Round robins of G with independent errors; a judge that looks at the place alone.

    orders : in which a constant judge sees each pair; independent : errors of a pair's judgements;
    unread : "half" a win to each side, a "loss" of the truly better one, or "neither" wins
    """
    rng, rank = draws(seed, 7), np.arange(1, G + 1)
    z, spread, total, shown = [], [], [], {}
    for a, u in itertools.product((0.5, 0.7, 0.9, 0.3), (0.0, 0.2)):
        r = _played(rng, a, u, drawn, independent, unread)
        mean, var = theory.round_robin_rate(rank, G, a, u), theory.round_robin_variance(G, a, u)
        z.append([r.mean(0), np.full(G, np.sqrt(var / drawn)), mean])
        spread.append(r.var(0) / var - 1)
        total.append(np.abs(r.sum(-1) - G / 2).max())
        if u == 0:
            shown |= {f"a = {a:g}": mean, f"a = {a:g}, played": r.mean(0)}
    yield deviation(RATES, *np.moveaxis(np.array(z), 1, 0))
    # Of n draws a variance errs by a share of about sqrt(2/n); over 56 of them, 4 of these.
    yield Check(SPREAD, float(np.abs(spread).max()), 4 * float(np.sqrt(2 / drawn)),
                routes=("closed form", "simulation"))  # fmt: skip
    yield Check(HALF, float(np.max(total)), 1e-9, routes=("symmetry", "simulation"))
    shown_first = np.ones((1, G, G))  # it wins, whoever it is; in one order, the earlier rollout
    flat = table_rates(shown_first if orders == 2 else np.triu(shown_first), _group(1))
    yield Check(PLACE, float(np.abs(np.asarray(flat) - 0.5).max()), 1e-12,
                routes=("both orders", "symmetry"))  # fmt: skip
    yield lines("win-rates", "What a judge leaves of the ranks", ("true rank", "win rate"), shown,
                x=rank.tolist(), points=tuple(k for k in shown if "played" in k),
                caption=f"Round robin over {G} rollouts, a right with the chance a.")  # fmt: skip


def _group(n: int) -> Rollouts:
    return Rollouts(np.zeros((n, G)), np.ones((n, G)), 1.0)


def _played(rng: Any, a: float, u: float, n: int, independent: bool, unread: str) -> np.ndarray:
    """(n, G) win rates, rollouts in the order of their true rank."""
    up = np.triu(np.ones((G, G), bool), 1)
    right = rng.random((n, G, G) if independent else (n, 1, 1)) < a
    lost = rng.random((n, G, G)) < u
    win = np.where(lost, pick({"half": 0.5, "loss": 0.0, "neither": 0.0}, unread), right * 1.0)
    if unread == "neither":  # which `table_rates` would mend
        beats = np.where(up, win, 0.0) + np.where(up & ~lost, 1 - win, 0.0).swapaxes(-1, -2)
        return beats.sum(-1) / (G - 1)
    table = np.where(up, win, 0.0) + np.where(up, 1 - win, 0.0).swapaxes(-1, -2)
    return np.asarray(table_rates(table, _group(n)))


# -- f ---------------------------------------------------------------------------------------------
def tails(tail: int | None, updates: int) -> Items:
    """How many characters may follow a verdict, and what training makes of them."""
    m = np.arange(120)
    paid = np.array([verdict_reward(TAGS["A"] + "." * k, "model_a", tail=tail) for k in m])
    first = int(np.argmax(paid < 0)) if (paid < 0).any() else len(m)
    yield same(STEP, first, 80 - len(TAGS["A"]) + 1, 0, ("rule", "texts"))
    kinds = [0, 20, 70]
    reward = 0.875 * paid[kinds] + 0.125 * -1.0  # a wrong verdict is -1 wherever it stands
    path = ascend(lambda p, _: p * (reward - (p * reward).sum(-1, keepdims=True)),
                  np.zeros(3), updates)  # fmt: skip
    yield Check(CUT, float(path[-1, 2]), 0.01, routes=("rule", "expected updates"))
    yield Check(REST, float(path[-1, 0] / path[-1, 1]), 1.0, "~", 1e-9, claim=False)
    yield lines("tail", "What follows the verdict is cut only as far as the rule reaches",
                ("updates", "share"),
                {f"{k} characters": path[:, i] for i, k in enumerate(kinds)},
                dashed=("20 characters",))  # fmt: skip


@experiment(
    "31",
    card="31",
    slug="rm-r1",
    claim="A judge that sorts its tasks can be better than any that does not; trained on its "
    "verdicts its rubric drifts in closed form, and a cold start costs its exponential, which "
    "distillation saves; votes help above 1/2 alone, win rates keep the slope 2a - 1, and a "
    "verdict counts only in the last 80 characters.",
    source="sections 2 and 3, code RM-R1-UIUC/RM-R1 (lm_as_judge.py); the chain and its forms "
    "derived",
    provenance="code",
    smoke={"runs": 10, "drawn": 4000, "answers": 1000, "groups": 60_000},
    mutants=[
        Mutant("types are not seen", {"aware": False, "parts": ("worth", "training")},
               (BEST, GAIN, LIMIT, SLOWER)),
        Mutant("the whole text is read", {"tail": None, "parts": ("worth", "tail")},
               (TEXTS, USEFUL, STEP, CUT)),
        Mutant("one logit moves", {"double": 1.0, "parts": ("drift",)}, (DRIFT,)),
        Mutant("a wrong verdict costs 1, a right one pays 0", {"first": 0.0, "parts": ("drift",)},
               (SAMPLED, SCALE)),
        Mutant("a group's own reward is not in its mean", {"speed": 7 / 6, "parts": ("flow",)},
               (TIME,)),
        Mutant("the blind judge sees types", {"sorts": True, "parts": ("training",)}, (BLIND,)),
        Mutant("no trace shows the better rubric", {"taught": 0.0, "parts": ("training",)},
               (DISTILLED,)),
        Mutant("every rubric has a trace", {"smoothing": 1.0, "parts": ("training",)}, (LOST,)),
        Mutant("an even vote is lost", {"ties": 0.0, "parts": ("votes",)},
               (VOTES, PAIRED, RISES, DRAWN)),
        Mutant("a group's judgements err together", {"independent": False, "parts": ("wins",)},
               (SPREAD,)),
        Mutant("an unread verdict is a loss", {"unread": "loss", "parts": ("wins",)},
               (RATES, SPREAD)),
        Mutant("an unread verdict pays neither", {"unread": "neither", "parts": ("wins",)},
               (RATES, HALF)),
        Mutant("each pair in one order", {"orders": 1, "parts": ("wins",)}, (PLACE,)),
    ],
)  # fmt: skip
def run(
    *,
    parts: Sequence[str] = ("worth", "drift", "flow", "training", "votes", "wins", "tail"),
    aware: bool = True,
    tail: int | None = 80,
    answers: int = 4000,
    double: float = 2.0,
    first: float = 1.0,
    groups: int = 200_000,
    speed: float = 1.0,
    sorts: bool = False,
    taught: float = 0.9,
    smoothing: float = 0.0,
    ties: float = 0.5,
    orders: int = 2,
    independent: bool = True,
    unread: str = "half",
    runs: int = 200,
    drawn: int = 200_000,
    updates: int = 60,
    seed: int = 0,
) -> Result:
    """The value of types, the drift, training times, votes, win rates, the tail.

    answers : written by each judge; groups : of the sampled drift; runs : of training; drawn :
    votes and round robins; updates : of the tail; parts : which to run; the rest is for mutants.
    """
    own = {
        "worth": lambda: worth(aware, tail, answers, seed),
        "drift": lambda: drifts(double, first, groups, seed),
        "flow": lambda: times(speed),
        "training": lambda: training(aware, sorts, taught, smoothing, runs, seed),
        "votes": lambda: voting(ties, drawn, seed),
        "wins": lambda: tournament(orders, independent, unread, drawn, seed),
        "tail": lambda: tails(tail, updates),
    }
    return run_parts(own, parts, (
        "The tail rule does not push what follows the verdict to nothing: up to 58 characters it "
        "pays all the same.",
    ))  # fmt: skip
