"""Adaptive deep reasoning: rewards by mode and difficulty, and a hinge on the first token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from typing import Any

import numpy as np

from toyrl.estimators.group import PRESETS, GroupEstimator
from toyrl.experiments.core import Check, Mutant, Picture, Result, Table, experiment
from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.bandits import follow, sigmoid
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import Draws, draws
from toyrl.experiments.lab.mutants import pick, replaced
from toyrl.experiments.lab.parts import Items, Part, run_parts
from toyrl.experiments.lab.routes import alone, apart, deviation, same
from toyrl.experiments.lab.shared import shared
from toyrl.objectives.first_token import FirstToken
from toyrl.objectives.policy_gradient import PRESETS as OBJECTIVES
from toyrl.rollouts import Rollouts
from toyrl.rollouts.classes import class_rollouts
from toyrl.shapers.length.mode import ModeReward, easy
from toyrl.theory.length import mode_choice as theory

HALF, THETA, MARGIN, WEIGHT = 4, 0.2, 3.0, 0.1
SHORT, LONG = 100.0, 1000.0  # tokens
PROMPTS = {"easy": (0.9, 0.95), "hard": (0.1, 0.8)}  # accuracy in the short and in the long mode
SURE = float(np.log(9))  # nats at which a mode has probability 0.9
GROUP_SIZES = (2, 4, 8, 16)

EASY_END = "T1: reward and hinge: P(long | easy) at the end"
HARD_END = "T1: reward and hinge: P(long | hard) at the end"
BLIND = "T1: 0/1 reward: least P(long | easy) and P(long | hard) at the end, less 1/2"
FASTER = tuple(f"T2: steps to 0.9, reward alone over reward and hinge, {p}" for p in PROMPTS)
DRIFT = "T2: drift of the mode logits at even odds against the closed form, largest error"
STEPS = "T2: hinge: steps to the margin against the closed form, difference"
STOPS = "T2: hinge alone, labels right: P(preferred) against sigmoid(margin), error"
LABELS = "T3: P(label easy): sampled against the double binomial, largest error in s.e."
SAMPLED = "T3: sampled groups against expected updates, largest error of P(long) in s.e."
LOSS = "T4: accuracy lost by the mix against always long"
SHORTER = "T4: mean length of the mix over always long"

trained = alone("expected updates", "the end of training has no closed form; T2 has one for a "
                "step, T3 samples the updates")  # fmt: skip


# -- broken rules ----------------------------------------------------------------------------------
def halves_apart(self: GroupEstimator, reward: Any, r: Rollouts) -> Any:
    """Mutant: advantages normalised within each mode."""
    halves = (r.with_(weight=np.where(r.fields["mode"] == m, r.w, 0.0)) for m in (0, 1))
    return sum(GroupEstimator.advantages(self, reward, own) for own in halves)


def on_probabilities(self: FirstToken, _: Any, r: Rollouts, logp: Any, old: Any) -> Any:
    """Mutant: the hinge compares probabilities, whose lead never exceeds 1."""
    always = FirstToken(np.inf, self.weight, self.theta, self.threshold)
    return always.coefficients(None, r, logp, old) * np.exp(logp)  # dp = p dlog p; 3 is far off


REWARDS: dict[str, Any] = {
    "0/1": None,
    "table": ModeReward,
    "as easy": partial(ModeReward, hard_short=1.5, hard_long=1.0),
}
Halves = replaced(GroupEstimator, advantages=halves_apart)
MEANS = {"group": PRESETS["dr_grpo"], "halves": Halves(scale="none")}
OnProbabilities = replaced(FirstToken, coefficients=on_probabilities)
HINGES = {"logits": FirstToken, "probabilities": OnProbabilities}


# -- the two-mode bandit ---------------------------------------------------------------------------
def modes(mode: np.ndarray, correct: np.ndarray, weight: np.ndarray | None = None) -> Rollouts:
    """Rollouts (B, G) in modes 0 short or 1 long; weight : how many there are of each."""
    r = class_rollouts(weight, correct=correct, length=np.where(mode == 1, LONG, SHORT),
                       max_length=2000.0, fields={"mode": mode}, group_size=None)  # fmt: skip
    return r.with_(mask=np.ones((*mode.shape, 1)))


def outcomes(accuracies: Sequence[tuple[float, float]]) -> tuple[Rollouts, np.ndarray]:
    """Every count of right answers in both halves as a prompt of four classes, and its chance.

    The P (HALF + 1)^2 rows are those of the first pair of accuracies, then of the next; chances
    (P, (HALF + 1)^2).
    """
    i, j = (np.tile(x.reshape(-1), len(accuracies)) for x in np.mgrid[: HALF + 1, : HALF + 1])
    chance = [np.outer(*(theory.binomial(HALF, p) for p in x)).reshape(-1) for x in accuracies]
    weight = np.stack([i, HALF - i, j, HALF - j], axis=-1).astype(float)
    mode, correct = (np.tile(x, (len(i), 1)) for x in ([0.0, 0, 1, 1], [1.0, 0, 1, 0]))
    return modes(mode, correct, weight), np.array(chance)


@dataclass(frozen=True)
class Learner:
    """What moves the mode logits: a reward under an estimator, a hinge, or both."""

    reward: Any = None  # None: 0/1
    estimator: Any = PRESETS["dr_grpo"]
    hinge: Any = None
    averaging: str = "grpo"
    paid: bool = True

    def pull(self, r: Rollouts) -> np.ndarray:
        """(B, 2) per prompt: sum over rollouts of A c on the first token, (short, long)."""
        parts = {"outcome": r.correct} if self.reward is None else self.reward.apply(r).parts
        a = self.estimator.apply(parts, r)[0] * OBJECTIVES[self.averaging].sequence_weight(r)
        return self.paid * by_mode(r.w * a / r.w.sum(-1, keepdims=True), r)

    def step(self, r: Rollouts, pull: np.ndarray, d: np.ndarray) -> np.ndarray:
        """(B,) change of d = z_long - z_short (B,) at rate 1."""
        if self.hinge is not None:
            wide = d[:, None]
            logp = -np.logaddexp(0, np.where(r.fields["mode"] == 1, -wide, wide))[..., None]
            c = self.hinge.coefficients(None, r, logp, None)[..., 0]
            pull = pull + len(d) * by_mode(c, r)
            spend(r.w.size)
        q = sigmoid(d)
        return 2 * (pull[:, 1] * (1 - q) - pull[:, 0] * q)


def by_mode(x: np.ndarray, r: Rollouts) -> np.ndarray:
    """(B, 2) sums of x (B, G) over the short and over the long rollouts."""
    return np.stack([np.where(r.fields["mode"] == m, x, 0.0).sum(-1) for m in (0, 1)], axis=-1)


def path(learner: Learner, accuracies: Sequence[tuple[float, float]], steps: int) -> np.ndarray:
    """(steps + 1, P) d under expected updates from even odds."""
    r, chance = outcomes(accuracies)
    pull = learner.pull(r)

    def step(d: np.ndarray, _: int) -> np.ndarray:
        move = learner.step(r, pull, np.repeat(d, chance.shape[1]))
        return d + (chance * move.reshape(chance.shape)).sum(-1)

    return follow(step, np.zeros(len(chance)), steps)


@dataclass(frozen=True)
class Names:
    """What is learned with, by name; `mean` of the estimator, as in `run`."""

    reward: str | None
    mean: str = "group"
    hinge: str | None = None
    hinge_theta: float = THETA
    threshold: float | None = None
    paid: bool = True

    @property
    def learner(self) -> Learner:
        """The learner of these names."""
        kind = self.reward and REWARDS[self.reward]
        hinge = self.hinge and pick(HINGES, self.hinge)(
            MARGIN, WEIGHT, self.hinge_theta, self.threshold
        )
        pays = kind and kind(theta=THETA, threshold=self.threshold)
        return Learner(pays, pick(MEANS, self.mean), hinge, paid=self.paid)


@shared
def named_path(names: Sequence[Any], steps: int) -> np.ndarray:
    """(steps + 1, 2) the path of `Names` on both prompts."""
    return path(Names(*names).learner, list(PROMPTS.values()), steps)


def reach(d: np.ndarray, sign: int) -> float:
    """First step at which the mode of that sign has probability 0.9; infinity if never."""
    there = np.nonzero(sign * d >= SURE)[0]
    return float(there[0]) if len(there) else float("inf")


# -- T1, T2 ----------------------------------------------------------------------------------------
def study(learners: Mapping[str, Names], steps: int) -> Items:
    """Ends and speeds of every learner on both prompts, and what the last comes to."""
    d = {n: named_path(astuple(x), steps) for n, x in learners.items()}
    ends = {n: sigmoid(x[-1]) for n, x in d.items()}
    times = {n: [reach(x[:, 0], -1), reach(x[:, 1], 1)] for n, x in d.items()}
    both = ends["reward and hinge"].tolist()
    pairs = zip(FASTER, times["reward"], times["reward and hinge"], strict=True)
    checks = [
        trained(EASY_END, both[0], 0.2, "<"),
        trained(HARD_END, both[1], 0.9, ">"),
        trained(BLIND, float(ends["0/1 reward"].min()) - 0.5, 0.0, ">"),
        *(trained(name, min(a, steps) / b, 20, ">=") for name, a, b in pairs),
    ]
    rows = [[n, *(f"over {steps}" if np.isinf(x) else x for x in times[n]), *ends[n].tolist()]
            for n in learners]  # fmt: skip
    columns = ("learner", "steps to short 0.9, easy", "steps to long 0.9, hard",
               "P(long | easy)", "P(long | hard)")  # fmt: skip
    caption = f"Expected updates, {steps} steps at rate 1."
    mix, picture = mix_checks(d["reward and hinge"])
    return [*checks, *mix, picture, Table("modes", columns, rows, caption)]


def by_hand(short: float, long: float) -> float:
    """E sum of the long half's advantages / G: half the difference of the halves' mean rewards."""
    i, j = np.mgrid[: HALF + 1, : HALF + 1] / HALF
    simple = i >= j - THETA - 1e-12
    ahead = j * np.where(simple, 2.0, 2.5) - i * np.where(simple, 2.5, 2.0)
    return float(theory.binomial(HALF, short) @ ahead @ theory.binomial(HALF, long)) / 4


def drift_checks(reward: Any, estimator: Any, hinge: Any) -> list[Check]:
    """The first step, and the hinge on its own, against closed forms."""
    settings = (("grpo", (SHORT, LONG)), ("sum", (1.0, 1.0)))
    found = [path(Learner(reward, estimator, averaging=a), list(PROMPTS.values()), 1)[1]
             for a, _ in settings]  # fmt: skip
    want = [[theory.logit_drift(by_hand(*x), 0.5, *lengths) for x in PROMPTS.values()]
            for _, lengths in settings]  # fmt: skip
    # Labels always right: every prompt solved short only.
    lead = -path(Learner(hinge=hinge, paid=False), [(1.0, 0.0)], 40)[:, 0]
    taken = float(np.argmax(lead >= MARGIN - 1e-9)) or 1e9
    closed = theory.steps_to_margin(0.0, MARGIN, 1.0, WEIGHT)
    routes = ("closed form", "expected updates")
    return [
        apart(DRIFT, found, want, 1e-12, ("closed form", "enumeration with the estimator")),
        Check(STEPS, abs(taken - closed), 0, "==", routes=routes),
        same(STOPS, abs(sigmoid(lead[-1]) - sigmoid(MARGIN)), 0.0, 1e-9, routes),
    ]


# -- T3, T4 ----------------------------------------------------------------------------------------
def sample(accuracy: tuple[float, float], half: int, chance: np.ndarray, forced: bool, rng: Draws
           ) -> Rollouts:  # fmt: skip
    """Groups with `half` rollouts forced into each mode.

    chance : (groups,) P(long) of the policy, which decides if modes are not forced
    """
    mode = np.tile([0.0] * half + [1.0] * half, (len(chance), 1))
    if not forced:
        mode = (rng.random(mode.shape) < chance[:, None]) * 1.0
    p = np.where(mode == 1, accuracy[1], accuracy[0])
    return modes(mode, (rng.random(mode.shape) < p) * 1.0)


def label_check(threshold: float | None, groups: int, rng: Draws) -> Items:
    """How often a group's own accuracies call its prompt easy."""
    cells = [(x, h) for x in PROMPTS.values() for h in GROUP_SIZES]
    even = np.full(groups, 0.5)
    found = [easy(sample(x, h, even, True, rng), THETA, threshold)[0].mean() for x, h in cells]
    want = np.array([theory.easy_probability(*x, h, THETA) for x, h in cells])
    error = np.sqrt(np.maximum(want * (1 - want), 1 / groups) / groups)
    curves = dict(zip(PROMPTS, want.reshape(len(PROMPTS), -1), strict=True))
    picture = lines(
        "labels", "Small groups mislabel prompts", ("rollouts in a group", "P(called easy)"),
        curves, x=[2.0 * h for h in GROUP_SIZES], log_x=True,
        caption=f"True accuracies (short, long) {PROMPTS}; tolerance {THETA}.",
    )  # fmt: skip
    return [deviation(LABELS, found, error, want), picture]


def sampled_check(learner: Learner, forced: bool, runs: int, rng: Draws, steps: int = 20) -> Check:
    """Mean P(long) over independent runs against expected updates, before the margin is near.

    Up to there the hinge is active whatever the label, so that the mean path is the expected one
    but for the curvature of the policy gradient, which is small at these lengths.
    """
    mean, error, want = [], [], []
    for accuracy in PROMPTS.values():

        def step(d: np.ndarray, _: int, accuracy: tuple[float, float] = accuracy) -> np.ndarray:
            r = sample(accuracy, HALF, sigmoid(d), forced, rng)
            return d + learner.step(r, learner.pull(r), d)

        d, exact = follow(step, np.zeros(runs), steps), path(learner, [accuracy], steps)[:, 0]
        far = (np.abs(d).max(-1) < MARGIN - 0.3) & (np.arange(steps + 1) > 0)
        mean += d[far].mean(-1).tolist()
        error += (d[far].std(-1) / np.sqrt(runs)).tolist()
        want += exact[far].tolist()
    return deviation(SAMPLED, mean, error, want, ("expected updates", "simulation"), sigmas=4.5)


def mix_checks(d: np.ndarray) -> tuple[list[Check], Picture]:
    """Half easy, half hard prompts: accuracy and length of the learned mix; d (steps + 1, 2)."""
    share, (short, long) = sigmoid(d), np.array(list(PROMPTS.values())).T
    accuracy = (short + (long - short) * share).mean(-1)
    length = (SHORT + (LONG - SHORT) * share).mean(-1)
    t = np.unique(np.geomspace(1, len(d) - 1, 60).astype(int))
    curves = {f"P(long | {p})": share[t, i] for i, p in enumerate(PROMPTS)}
    mix = {"accuracy of the mix": accuracy[t], "mean length / 1000": length[t] / 1000}
    picture = lines(
        "modes", "Reward and hinge: which mode opens", ("step", "probability, share"),
        curves | mix, x=t.tolist(), dashed=list(mix), log_x=True,
        caption="Expected updates, G = 8 forced half and half, rate 1.",
    )  # fmt: skip
    lost, shorter = float(long.mean() - accuracy[-1]), float(length[-1] / LONG)
    return [trained(LOSS, lost, 0.05), trained(SHORTER, shorter, 0.6, "<")], picture


@experiment(
    "19",
    card="19",
    slug="adaptive-mode",
    claim="Rewards that favour short answers on easy prompts and long ones on hard prompts teach "
    "the mode, but a length-normalised loss moves one first token in a thousand too slowly; a "
    "hinge on its logits is tens of times faster and stops at its margin.",
    source="group-wise reward and mode switching loss (hard-prompt values, rule and coefficients "
    "reconstructed); closed forms derived",
    provenance="reconstructed",
    smoke={"steps": 800, "groups": 7000, "runs": 700},
    mutants=[
        Mutant("hard prompts paid as easy ones", {"reward": "as easy", "parts": ("drift",)},
               (DRIFT,)),
        Mutant("each half normalised apart", {"mean": "halves", "parts": ("drift",)}, (DRIFT,)),
        Mutant("hinge on probabilities", {"hinge": "probabilities", "parts": ("drift",)},
               (STEPS, STOPS)),
        Mutant("no hinge", {"hinge": None, "parts": ("study",)}, (EASY_END, *FASTER, SHORTER)),
        Mutant("the hinge calls every prompt easy", {"hinge_theta": 1.0, "parts": ("study",)},
               (HARD_END, LOSS)),
        Mutant("the mode is paid after all", {"blind": "table", "parts": ("study",)}, (BLIND,)),
        Mutant("labels by the short half alone",
               {"threshold": 0.5, "parts": ("drift", "labels")}, (LABELS, DRIFT)),
        Mutant("modes drawn from the policy", {"forced": False, "parts": ("sampled",)},
               (SAMPLED,)),
    ],
)  # fmt: skip
def run(
    *,
    reward: str = "table",
    blind: str = "0/1",
    mean: str = "group",
    hinge: str | None = "logits",
    hinge_theta: float = THETA,
    threshold: float | None = None,
    forced: bool = True,
    steps: int = 10_000,
    groups: int = 200_000,
    runs: int = 4000,
    parts: Sequence[str] = ("study", "drift", "labels", "sampled"),
    seed: int = 0,
) -> Result:
    """Two kinds of prompts, two modes, one logit difference each.

    steps : expected updates; groups : sampled per group size; runs : of sampled training
    reward, mean, hinge : the mechanism, or broken ones (`REWARDS`, `MEANS`, `HINGES`); blind : the
    reward in the place of 0/1; hinge_theta, threshold : of the rule that calls a prompt easy;
    forced : sampled groups hold half of each mode; parts : those run
    """
    rng = draws(seed, 19)
    hinged = (hinge, hinge_theta, threshold)
    learners = {
        "0/1 reward": Names(blind, threshold=threshold),
        "reward": Names(reward, mean, threshold=threshold),
        "hinge": Names(None, "group", *hinged, paid=False),
        "reward and hinge": Names(reward, mean, *hinged),
    }
    both = learners["reward and hinge"].learner
    # Labels and sampled groups draw from one stream, in that order.
    work: dict[str, Part] = {
        "study": lambda: study(learners, steps),
        "drift": lambda: drift_checks(both.reward, both.estimator, both.hinge),
        "labels": lambda: label_check(threshold, groups, rng),
        "sampled": lambda: [sampled_check(both, forced, runs, rng)],
    }
    return run_parts(work, parts, (
        "Both mode logits are trained, so a policy-gradient step moves their difference twice "
        "as far as with a single logit, as a hinge step does.",
        "Groups of 8 call an easy prompt (0.9, 0.95) easy in 71 % only: labels pull back, and "
        "the mix ends at the margin rather than beyond it.",
    ))  # fmt: skip
