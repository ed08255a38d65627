"""PEAR: entropy of the thinking above that of the answer as the price of a right answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from toyrl.estimators.group import PRESETS
from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.chains import STEP
from toyrl.experiments.lab.curves import lines, root
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick, replaced
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import apart, deviation, mean_error, missed
from toyrl.experiments.papers.length.p15_thoughts import (
    ANSWER,
    LONGEST,
    RIGHT,
    THOUGHT,
    N,
    expect,
    payments,
    thoughts,
    train,
)
from toyrl.rollouts import Rollouts
from toyrl.rollouts.classes import class_rollouts
from toyrl.rollouts.phases import phase_entropies
from toyrl.shapers.length.phase_entropy import Pear
from toyrl.theory.length import phase_entropy as theory
from toyrl.worlds.chain.entropy import phase_entropy, sampled_entropy, token_entropy
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.chain.simulate import sample_trajectories

ENOUGH = THOUGHT / ANSWER  # the supremum of H_think/H_answer
ALPHAS = (-1.0, 0.0, 0.5, 1.0, 2.0, ENOUGH)
CARD = {-1.0: 1.01, 0.0: 1.86, 0.5: 2.98, 1.0: 3.00, 2.0: 3.00, ENOUGH: 6.22}
GRPO = "plain GRPO"
RUNS = 200
"""Of which the card's mean lengths are the means."""
WORDS = "A: reward of random rollouts against the paper's steps, largest error"
TWICE = "A: same thought twice: largest change of reward"
BELOW = "A: right answers paid no more than wrong ones, against alpha's threshold, misses"
GAMED = "A: reward as the answer grows less sure, against the clipped line, largest error"
BEST = "B: best length for each alpha, by expected reward, misses"
SHORT = "B: alpha 1: mean length at the end"
KEPT = "B: alpha 1: accuracy at the end"
PLAIN = "B: plain GRPO: mean length at the end"
LOST = "B: alpha 0: accuracy at the end"
ORDER = "B: mean length falls from one alpha to the next, most"
SAME = "B: alpha at the supremum of the ratios and plain GRPO: runs that differ"
AS_CARD = "B: mean lengths at the end against the card's 200 runs, largest z score"
SWITCH = "C: ratio of accuracies at which the drift turns, closed form and bisected, largest error"
STOPPING = "D: one state: does entropy fall with the chance of stopping, misses"
WALKED = "D: reasoning chain: entropies of both phases, exact against simulated, in s.e."


# -- broken rules ----------------------------------------------------------------------------------
def entropies(r: Rollouts, *, tag: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Means of both phases; tag : mutant, the closing tag is the answer's first token."""
    if not tag:
        return phase_entropies(r, by="mutant")
    mask, marks = np.asarray(r.mask), r.fields["think_end"]
    behind = (np.cumsum(marks, axis=-1) > 0) * mask
    think = phase_entropies(r, by="mutant")[0]
    return think, (r.fields["entropy"] * behind).sum(-1) / np.maximum(behind.sum(-1), 1)


def charged(self: Pear, r: Rollouts, think: Any, answer: Any, on: Any = None) -> Any:
    """The reward with other entropies, charged to right answers or to `on`."""
    over = np.maximum(think - self.alpha * answer, 0)
    paid = np.minimum(1, np.where(r.correct > 0, self.right, self.wrong))
    return {"outcome": paid - (r.correct if on is None else on) * over}


def tag_counts(self: Pear, r: Rollouts, _: Any) -> Any:
    """Mutant: the tag's entropy counts in the answer."""
    return charged(self, r, *entropies(r, tag=True))


def summed(self: Pear, r: Rollouts, _: Any) -> Any:
    """Mutant: the thought's entropies are summed, a hidden penalty on length."""
    think, answer = entropies(r)
    closed = np.cumsum(r.fields["think_end"], axis=-1) > 0
    return charged(self, r, think * (np.asarray(r.mask) * ~closed).sum(-1), answer)


def in_bits(self: Pear, r: Rollouts, _: Any) -> Any:
    """Mutant: entropies in bits."""
    return charged(self, r, *(x / np.log(2) for x in entropies(r)))


def all_pay(self: Pear, r: Rollouts, _: Any) -> Any:
    """Mutant: wrong answers are charged too."""
    return charged(self, r, *entropies(r), on=np.ones_like(r.correct))


def not_below_wrong(self: Pear, r: Rollouts, _: Any) -> Any:
    """Mutant: silently clipped at 0."""
    return {"outcome": np.maximum(charged(self, r, *entropies(r))["outcome"], 0)}


RULES: dict[str, Any] = {
    "as published": Pear,
    **{f.__name__: replaced(Pear, parts=f)
       for f in (tag_counts, summed, in_bits, all_pay, not_below_wrong)},
}  # fmt: skip


# -- A: the reward ---------------------------------------------------------------------------------
def words(r: Rollouts, alpha: float, right: float, wrong: float) -> np.ndarray:
    """(B, G) the paper's steps, one rollout and token after another."""
    out = np.full(r.shape, wrong)
    for place in np.argwhere(r.correct > 0):
        b, g = place
        n = int(r.length[b, g])
        h = r.fields["entropy"][b, g, :n].tolist()
        k = r.fields["think_end"][b, g, :n].tolist().index(1.0)
        think, answer = (sum(x) / len(x) if x else 0.0 for x in (h[:k], h[k + 1 :]))
        out[b, g] = min(1.0, right - max(0.0, think - alpha * answer))
    return out


def random_rollouts(n: int, rng: Any) -> Rollouts:
    """(1, n) of 1 to 10 tokens, closed somewhere."""
    length = rng.integers(1, 11, n)
    end = (rng.random(n) * length).astype(int)
    return class_rollouts(
        None, correct=(rng.random((1, n)) < 0.7) * 1.0, length=length[None] * 1.0, max_length=10.0,
        group_size=None, fields={"entropy": 2.5 * rng.random((1, n, 10)),
                                 "think_end": (np.arange(10) == end[:, None])[None] * 1.0},
    )  # fmt: skip


def reward(rule: Any, seed: int) -> Items:
    """Against the paper's steps, the same thought twice, right below wrong, a gamed answer."""
    r = random_rollouts(400, draws(seed, 1))
    settings = [(a, s, f) for a in (-1.0, 0.0, 1.0, 2.0) for s, f in ((1.0, 0.0), (0.8, 0.1))]
    found = [rule(a, right=s, wrong=f).reward(r) for a, s, f in settings]
    yield apart(WORDS, found, [words(r, *x) for x in settings], 1e-12, ("token by token", "shaper"))
    once, twice = (rule().reward(thoughts(np.array([3]) * k, np.ones(1), commit=False))[0, 0]
                   for k in (1, 2))  # fmt: skip
    mean = 1 - (THOUGHT - ANSWER)
    yield apart(TWICE, [twice, once], [mean, mean], 1e-12, ("mean of the tokens", "shaper"))
    right = r.with_(correct=np.ones_like(r.correct))
    think, answer = phase_entropies(right, by="the check")
    low = [rule(a).reward(right) <= 1e-12 for a in (0.0, 0.5, 1.0)]
    least = theory.pear_dominant_alpha(think, answer)
    yield missed(BELOW, low, [a <= least + 1e-12 for a in (0.0, 0.5, 1.0)], ("threshold", "shaper"))
    e = np.linspace(0, 3, 61)
    one = thoughts(np.full(e.size, LONGEST), np.ones(e.size), answer=e)
    line = np.minimum(1, 1 - THOUGHT * LONGEST / (LONGEST + 1) + 0.5 * e)
    got = rule(0.5).reward(one)[0]
    yield apart(GAMED, got, line, 1e-12, ("clipped line", "shaper"))
    yield lines(
        "gaming",
        "An unsure answer is worth money, up to a point",
        ("entropy of the answer (nats)", "reward"),
        {"alpha 0.5": got},
        x=e.tolist(),
    )


# -- B: training -----------------------------------------------------------------------------------
def training(rule: Any, swaps: Mapping[str, float], runs: int, seed: int) -> Items:
    """Ends of training for every alpha and under the outcome alone, two routes."""
    plain = rule(swaps[GRPO]) if GRPO in swaps else None
    paid = payments([*(rule(swaps.get(f"{a:g}", a)) for a in ALPHAS), plain])
    worth = (paid * np.stack([1 - RIGHT, RIGHT])).sum(1)
    price = THOUGHT * N / (N + 1)
    closed = [RIGHT * (1 - np.maximum(0, price - a * ANSWER)) for a in ALPHAS]
    yield missed(BEST, worth[:-1].argmax(-1), np.array(closed).argmax(-1),
                 ("closed form", "shaper"))  # fmt: skip
    drawn, expected = train(paid, runs, seed), expect(paid)
    yield missed(SAME, drawn[-2] != drawn[-1], np.zeros(drawn[-1].shape), ("alpha", "outcome"))
    found = {"length": (drawn @ N, expected @ N), "accuracy": (drawn @ RIGHT, expected @ RIGHT)}
    yield from ends(found, runs)
    yield lines("correlation", "Entropy of a thought against its length",
                ("thinking tokens", "mean entropy (nats)"), {"thought": price}, x=N.tolist(),
                points=("thought",))  # fmt: skip


def ends(found: Mapping[str, tuple[np.ndarray, np.ndarray]], runs: int) -> Items:
    """Bounds on both routes' ends: (A, runs) sampled and (A,) expected lengths and accuracies."""
    mean = {k: (x.mean(-1), y) for k, (x, y) in found.items()}
    error = {k: x.std(-1) / np.sqrt(runs) for k, (x, _) in found.items()}
    both = ("sampled groups of 8", "expected updates")
    bounds = ((SHORT, "length", 1.0, "<=", 3.5), (KEPT, "accuracy", 1.0, ">=", 0.87),
              (PLAIN, "length", None, ">=", 5.5), (LOST, "accuracy", 0.0, "<=", 0.7))  # fmt: skip
    for name, what, alpha, op, bound in bounds:
        arm = len(ALPHAS) if alpha is None else ALPHAS.index(alpha)
        value = (min if op == ">=" else max)(float(x[arm]) for x in mean[what])
        yield Check(name, value, bound, op, 0.0, float(error[what][arm]), both)
    fall = max(float(-np.diff(x[: len(ALPHAS)]).min()) for x in mean["length"])
    # From alpha 0.5 on the best length is the same: what is left is below a standard error.
    yield Check(ORDER, fall, 0.03, routes=both)
    spread, own = error["length"][:-1] * np.sqrt(runs), mean["length"][0][:-1]
    both_errors = spread * np.sqrt(1 / runs + 1 / RUNS) + 0.005
    yield deviation(AS_CARD, own, both_errors, list(CARD.values()), claim=False)
    names = [*(f"{a:g}" for a in ALPHAS), GRPO]
    rows = [[n, *(float(mean[what][k][i]) for what in mean for k in (0, 1))]
            for i, n in enumerate(names)]  # fmt: skip
    yield Table("ends", ("alpha", "mean length", "in large groups", "accuracy", "in large groups"),
                rows, "Start: 5.72 tokens, accuracy 0.73.")  # fmt: skip
    yield lines("alpha", "Length and accuracy against alpha", ("alpha", "mean length; 10 accuracy"),
                {"mean length": own, "10 accuracy": 10 * mean["accuracy"][0][:-1]},
                x=list(ALPHAS))  # fmt: skip


# -- C, D: thresholds ------------------------------------------------------------------------------
def modes(rule: Any) -> Items:
    """Where the drift between a concise and a verbose mode turns, by its sign and in closed form.

    Mean baselines: the logit's drift has the sign of the difference of the modes' mean rewards.
    """
    found, want = [], []
    for concise, verbose, s, f in ((1, 6, 1.0, 0.0), (2, 12, 1.0, 0.0), (1, 4, 0.9, 0.1)):
        shaper = rule(1.0, right=s, wrong=f)
        r = thoughts(np.tile([concise, verbose], 2), np.repeat([0.0, 1.0], 2))
        paid = shaper.reward(r).reshape(2, 2)
        at = 0.05  # of the concise mode

        def turn(ratio: float, paid: Any = paid, at: float = at) -> float:
            p = np.array([at, ratio * at])
            weight = np.stack([1 - p, p]) / 2
            a, _ = PRESETS["dr_grpo"].apply(
                {"reward": paid.reshape(1, -1)},
                Rollouts(np.zeros((1, 4)), np.ones((1, 4)), 1.0, weight=weight.reshape(1, -1),
                         group_size=np.inf))  # fmt: skip
            return float((weight * np.asarray(a).reshape(2, 2)).sum(0) @ [-1.0, 1.0])

        found.append(root(turn, 0.5, 1 / at))
        short, long = (max(0, THOUGHT * n / (n + 1) - ANSWER) for n in (concise, verbose))
        want.append(float(theory.pear_switch(short, long, s, f)))
    yield apart(SWITCH, found, want, 1e-6, ("closed form", "bisected drift"))


def chain(peak: str, fault: bool, n: int, seed: int) -> Items:
    """Entropy of one state, and of both phases of the reasoning chain."""
    flat = Chain(
        difficulties=(1,), shares=(1.0,), actions=("STEP", "FILL", "ANSWER"), max_actions=4
    )
    q, h = np.linspace(0.05, 0.9, 18), 1e-4

    def own(x: float) -> float:
        return float(token_entropy(flat, flat.logits(ANSWER=np.log(2 * x / (1 - x))))[0, 0, 0])

    falls = [own(x + h) < own(x - h) for x in q]
    top = theory.stop_entropy_peak(2) if peak == "1/(K + 1)" else 0.5
    yield missed(STOPPING, falls, q > top, ("peak", "chain's policy"))
    yield lines(
        "stopping",
        "Entropy of one state",
        ("chance of stopping", "nats"),
        {f"{k} fillers": theory.stop_entropy(q, k) for k in (1, 2, 9)},
        x=q.tolist(),
    )
    walk = Chain(difficulties=(3,), shares=(1.0,), max_actions=16, slip=0.1,
                 actions=("STEP", "FILL", "END_THINK", "ANSWER"))  # fmt: skip
    theta = draws(seed, 3).normal(0.0, 1.0, walk.policy_shape)
    theta[0, 0, :, 2] -= 1.0
    exact = phase_entropy(walk, theta[..., ::-1] if fault else theta, 3)
    t = sample_trajectories(walk, theta, 3, n, seed)
    spend(float(t.length.sum()) * STEP)
    drawn = [x[0] for x in phase_entropies(sampled_entropy(t, theta), by="the check")]
    means = np.array([mean_error(x) for x in drawn])
    want = [float((exact.chance * x).sum()) for x in (exact.thinking, exact.answering)]
    yield deviation(WALKED, means[:, 0], means[:, 1], want, sigmas=4.5)


@experiment(
    "15",
    card="15",
    slug="pear",
    claim="Charging a right answer for thinking that is less sure than the answer shortens where "
    "entropy grows with length: at alpha 1 to half the tokens at equal accuracy, at alpha 0 too "
    "far, at large alpha not at all; length as such costs nothing, and a right answer can pay less "
    "than a wrong one.",
    source="section 3 and the ablation of alpha; thresholds and chain derived",
    provenance="second-hand",
    smoke={"runs": 16, "n": 5000},
    mutants=[
        Mutant("the tag counted with the answer", {"rule": "tag_counts", "parts": "AB"},
               (WORDS, SAME)),
        Mutant("entropies summed", {"rule": "summed", "parts": "AB"}, (TWICE, BEST, GAMED)),
        Mutant("entropies in bits", {"rule": "in_bits", "parts": "AC"}, (WORDS, BELOW, SWITCH)),
        Mutant("wrong answers charged too", {"rule": "all_pay", "parts": "AC"}, (WORDS, SWITCH)),
        Mutant("clipped at 0", {"rule": "not_below_wrong", "parts": "A"}, (WORDS,)),
        Mutant("no answer entropy in the place of alpha 1", {"swaps": {"1": -1.0}, "parts": "B"},
               (BEST, KEPT, ORDER)),
        Mutant("alpha 6 in the place of 1", {"swaps": {"1": 6.0}, "parts": "B"}, (SHORT, ORDER)),
        Mutant("alpha 1 called plain GRPO", {"swaps": {"plain GRPO": 1.0}, "parts": "B"},
               (PLAIN, SAME)),
        Mutant("alpha 1 in the place of 0", {"swaps": {"0": 1.0}, "parts": "B"}, (LOST,)),
        Mutant("alpha below the supremum", {"swaps": {"6": 5.0}, "parts": "B"}, (SAME,)),
        Mutant("peak at one half", {"peak": "1/2", "parts": "D"}, (STOPPING,)),
        Mutant("logits in the wrong order", {"fault": True, "parts": "D"}, (WALKED,)),
    ],
)  # fmt: skip
def run(
    *,
    rule: str = "as published",
    swaps: Mapping[str, float] | None = None,
    peak: str = "1/(K + 1)",
    fault: bool = False,
    runs: int = 48,
    n: int = 20_000,
    parts: str = "ABCD",
    seed: int = 0,
) -> Result:
    """The reward; a chain of thoughts trained at several alphas; thresholds; the reasoning chain.

    runs : sampled trainings of each alpha; n : simulated trajectories; parts : which to run; the
    others but `seed` are for mutants
    """
    kind = pick(RULES, rule)
    each = {
        "A": lambda: reward(kind, seed),
        "B": lambda: training(kind, swaps or {}, runs, seed),
        "C": lambda: modes(kind),
        "D": lambda: chain(peak, fault, n, seed),
    }
    return run_parts(each, parts, notes=(
        "Thoughts of n tokens of 1.2 nats and a sure last one: entropy grows with length, which is "
        "what makes the signal one of length.",
    ))  # fmt: skip
