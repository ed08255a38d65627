"""Process rewards from outcome labels: identities, what labels teach, what they cost, best-of-N."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.bandits import follow
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import alone, apart, beyond, missed, same
from toyrl.models.reward.implicit import labelled_loss, paired_loss
from toyrl.rollouts import Rollouts
from toyrl.shapers.process.implicit import ImplicitMin, ImplicitProcess
from toyrl.theory.policies import softmax
from toyrl.theory.process.implicit import (
    implicit_reward_cap,
    learned_class_rewards,
    prefix_mean,
    soft_prefix_value,
    value_ratio_reward,
)

V = 3
LOSSES = ("ce", "dpo", "kto", "nca")
VALUE = "T1: prefix sums beside soft values, all prefixes, largest error"
UNIT = "T1: E_ref exp(r/beta)"
ORDER = "T1: prefixes where E_ref r <= q <= E_theta r <= max r fails"
TRAINED = "T2: the same after training by CE, DPO, KTO and NCA, largest error"
RATIO = "T2: right responses: process reward beside the value ratio, largest error"
FIRST = "T2: wrong responses whose lowest step is not the first without hope"
CLASSES = "T3: rewards of two classes, by descent and by the exact optimum, largest error"
CAP = "T3: most that the positive class is above its cap, over all beta"
EQUAL_N = "T4: error of outcome labels over Monte-Carlo labels, same responses"
EQUAL_T = "T4: error of outcome labels over Monte-Carlo labels, same tokens"
RISES = "T5: lowest step, least gain of accuracy from N = 1 to 4 and 16, by 4 errors"
BEATS = "T5: lowest step less sum, accuracy at N = 16 and 64, by 4 errors"
KEEPS = "T5: from N = 16 to 64 the lowest step gains more than the sum, by 4 errors"
OVER = "T5: sum, few labels: accuracy lost from N = 16 to 64, by 4 errors"
WHY = "a picked response's correctness under scores fitted to a sample has no closed form"
sampled = alone("simulation", "the error of a fitted log-ratio has no closed form")
RULES = ("sum", "mean", "unnormalised", "swapped")


class Tree:
    """All V^T responses, in lexicographic order, and policies on it by logits of every prefix."""

    def __init__(self, T: int) -> None:
        self.T, self.y = T, np.array(list(itertools.product(range(V), repeat=T)))
        self.prefix = [self.y[:, :t] @ V ** np.arange(t)[::-1] for t in range(T)]
        self.start = np.cumsum([0, *(V**t for t in range(T))])

    def rows(self, t: int) -> np.ndarray:
        """(N,) row of the logits in which each response's token t is drawn."""
        return self.start[t] + self.prefix[t]

    def log_chance(self, logits: np.ndarray) -> np.ndarray:
        """(N, T) log-probability of each token; logits (prefixes, V)."""
        log_p = np.log(softmax(logits))
        return np.stack([log_p[self.rows(t), self.y[:, t]] for t in range(self.T)], axis=-1)

    def pull(self, logits: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """Gradient in the logits of sum over responses of slope (N,) times log-chance."""
        p, out = softmax(logits), np.zeros(logits.shape)
        for t in range(self.T):
            np.add.at(out, (self.rows(t), self.y[:, t]), slope)
            np.add.at(out, self.rows(t), -slope[:, None] * p[self.rows(t)])
        return out


def token_rewards(ours: np.ndarray, ref: np.ndarray, beta: float, rule: str = "sum") -> np.ndarray:
    """(N, T) process rewards by the shaper, of log-probabilities (N, T)."""
    length = np.full((1, len(ours)), float(ours.shape[-1]))
    r = Rollouts(0 * length, length, float(ours.shape[-1]), mask=np.ones((1, *ours.shape)),
                 fields={"prm_logprobs": ours[None], "ref_logprobs": ref[None]})  # fmt: skip
    found = np.asarray(ImplicitProcess(beta).apply(r).parts["implicit"][0])
    return found / ours.shape[-1] if rule == "mean" else found


def value_gap(tree: Tree, steps: np.ndarray, ref: np.ndarray, beta: float) -> list[np.ndarray]:
    """Prefix sums less soft values, at all prefixes of each length."""
    law, r = np.exp(ref.sum(-1)), steps.sum(-1)
    sums = np.concatenate([np.zeros((len(r), 1)), steps.cumsum(-1)], axis=-1)
    return [sums[:, t].reshape(V**t, -1)[:, 0] - soft_prefix_value(r, law, V**t, beta=beta)
            for t in range(tree.T + 1)]  # fmt: skip


# -- T1 --------------------------------------------------------------------------------------------
def identities(rule: str, seed: int) -> Items:
    """Random models on a tree of four tokens."""
    rng, tree, beta = draws(seed, 1), Tree(4), 0.5
    ours, ref = (tree.log_chance(rng.normal(size=(tree.start[-1], V))) for _ in range(2))
    if rule == "unnormalised":
        ours = ours + 0.1 * rng.normal(size=ours.shape)
    steps = token_rewards(*((ref, ours) if rule == "swapped" else (ours, ref)), beta, rule)
    gap = np.concatenate(value_gap(tree, steps, ref, beta))
    yield apart(VALUE, gap, 0 * gap, 1e-12, ("prefix sums", "soft values"))
    r, law, own = steps.sum(-1), np.exp(ref.sum(-1)), np.exp(ours.sum(-1))
    yield same(UNIT, law @ np.exp(r / beta), 1, 1e-12)
    bad = []
    for t in range(tree.T):  # at the leaves all four are equal
        q = steps[:, :t].sum(-1).reshape(V**t, -1)[:, 0]
        low, high = prefix_mean(r, law, V**t), prefix_mean(r, own, V**t)
        bad.append((low > q) | (q > high) | (high > r.reshape(V**t, -1).max(-1)))
    found = np.concatenate(bad)
    yield missed(ORDER, found, 0 * found, ("bounds", "enumeration"))


# -- T2 --------------------------------------------------------------------------------------------
def slopes(kind: str, r: np.ndarray, right: np.ndarray, law: np.ndarray) -> np.ndarray:
    """(N,) slope of the expected loss in each response's reward."""
    if kind in ("ce", "kto"):
        return law * labelled_loss(kind, r, right)[1]
    up, down = paired_loss(kind, r[right][:, None], r[~right][None])[1]
    out = np.zeros(len(r))
    weight = law[right][:, None] * law[~right][None] / (law[right].sum() * law[~right].sum())
    out[right], out[~right] = (weight * up).sum(1), (weight * down).sum(0)
    return out


def taught(rule: str, inverted: bool, losses: Sequence[str], updates: int, seed: int) -> Items:
    """Trained exactly on all responses, each by its chance, with labels 0 and 1."""
    rng, tree, beta = draws(seed, 2), Tree(3), 0.3
    start = rng.normal(scale=0.7, size=(tree.start[-1], V))
    ref = tree.log_chance(start)
    law, right = np.exp(ref.sum(-1)), rng.random(len(ref)) < 0.35
    gaps, rows = [], []
    for kind in losses:
        moment, square = np.zeros(start.shape), np.zeros(start.shape)

        def step(z: np.ndarray, k: int, m: np.ndarray = moment, s: np.ndarray = square,
                 own: str = kind) -> np.ndarray:  # fmt: skip
            r = token_rewards(tree.log_chance(z), ref, beta, rule).sum(-1)
            scale = beta / tree.T if rule == "mean" else beta
            g = tree.pull(z, scale * slopes(own, r, right != inverted, law))
            m[:], s[:] = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
            fast = np.sqrt(s / (1 - 0.999 ** (k + 1))) + 1e-12
            return z - 0.02 * m / (1 - 0.9 ** (k + 1)) / fast

        end = follow(step, start, updates if kind == "ce" else updates // 10)[-1]
        steps = token_rewards(tree.log_chance(end), ref, beta, rule)
        gaps += value_gap(tree, steps, ref, beta)
        total = steps.sum(-1)
        rows.append([kind, float((total[right][:, None] > total[~right]).mean())])
        if kind == "ce":
            V_t = [prefix_mean(right, law, V**t).repeat(V ** (tree.T - t))
                   for t in range(tree.T + 1)]  # fmt: skip
            want = value_ratio_reward(np.stack(V_t, axis=-1), beta=beta)
            yield apart(RATIO, steps[right], want[right], 0.01, ("value ratio", "exact training"))
            dead = np.isneginf(want[~right]).argmax(-1)
            yield missed(FIRST, steps[~right].argmin(-1), dead, ("value ratio", "exact training"))
    every = np.concatenate(gaps)
    yield apart(TRAINED, every, 0 * every, 1e-12, ("prefix sums", "soft values"))
    yield Table("right above wrong", ("loss", "share of pairs"), rows)


# -- T3 --------------------------------------------------------------------------------------------
def capped(bound: bool) -> Items:
    """Two classes of responses with doubtful labels, against beta."""
    mass, eta = np.array([0.4, 0.6]), np.array([0.7, 0.2])
    grid = np.geomspace(0.02, 3.0, 25)
    logit = np.log(eta / (1 - eta))
    exact = np.array([learned_class_rewards(mass, eta, beta=float(b)) for b in grid])

    def descend(z: np.ndarray, _: int) -> np.ndarray:
        p = softmax(z)
        r = grid[:, None] * np.log(p / mass) if bound else z
        slope = mass * labelled_loss("ce", r, eta)[1]
        g = slope - p * slope.sum(-1, keepdims=True) if bound else slope
        return z - g * (2.0 / grid[:, None] if bound else 4.0)

    end = follow(descend, np.tile(np.log(mass), (len(grid), 1)), 1500)[-1]
    found = grid[:, None] * np.log(softmax(end) / mass) if bound else end
    yield apart(CLASSES, found, exact, 1e-3, ("exact optimum", "gradient descent"))
    cap = np.array([float(implicit_reward_cap(0.4, beta=float(b))) for b in grid])
    # Small beta reach the cap itself: a rounding of numbers near 1.
    yield Check(CAP, float((found[:, 0] - cap).max()), 1e-12, routes=("cap", "gradient descent"))
    yield lines("cap", "A positive reward is capped by its mass", ("beta", "reward"),
                {"learned, right class": found[:, 0], "cap -beta log m": np.minimum(cap, 1.5),
                 "logit of the label": np.full(len(grid), logit[0])}, x=grid.tolist(), log_x=True,
                dashed=("cap -beta log m", "logit of the label"),
                caption="Classes of mass 0.4 and 0.6, right with chance 0.7 and 0.2.")  # fmt: skip


# -- T4 --------------------------------------------------------------------------------------------
def cost(completions: int, counted: bool, replicas: int, seed: int) -> Items:
    """The log-ratio of values on a chain of five steps, by outcome labels and by completions."""
    T, p, n, truth = 5, 0.8, 50, -np.log(0.8)
    rng = draws(seed, 4)

    def alive(size: int) -> np.ndarray:
        """(replicas, T + 1) responses that are right up to each step."""
        first = np.append(p ** np.arange(T) * (1 - p), p**T)  # the chance of the first wrong step
        wrong = rng.multinomial(size, first, replicas)[:, :T]
        spend(replicas * T)
        return size - np.concatenate([np.zeros((replicas, 1), int), wrong.cumsum(-1)], axis=-1)

    def outcome_only(count: np.ndarray) -> np.ndarray:
        return np.log(count[:, :-1] + 0.5) - np.log(count[:, 1:] + 0.5)

    count = alive(n)
    wins = rng.binomial(completions * count[:, :-1], p ** (T - np.arange(T)))
    value = (wins + 0.5) / (completions * count[:, :-1] + 1.0)
    value = np.concatenate([value, np.ones((replicas, 1))], axis=-1)
    tokens = n * T + completions * (count[:, :-1] * (T - np.arange(T))).sum(-1).mean()
    share = tokens / (n * T) if counted else 1.0
    found = {"outcome labels": outcome_only(count), "completions": np.diff(np.log(value), axis=-1),
             "outcome labels, same tokens": outcome_only(alive(round(n * share)))}  # fmt: skip
    error = {k: float(np.sqrt(((v - truth) ** 2).mean())) for k, v in found.items()}
    yield sampled(EQUAL_N, error["outcome labels"] / error["completions"], 1.35)
    yield sampled(EQUAL_T, error["outcome labels, same tokens"] / error["completions"], 0.4)
    yield Table("error of log V_t/V_(t-1)", ("labels", "root mean square", "tokens, relative"),
                [[k, v, float(1.0 if k == "outcome labels" else tokens / (n * T))]
                 for k, v in error.items()])  # fmt: skip


# -- T5 --------------------------------------------------------------------------------------------
def best_of(labels: int, picks: str, worlds: int, groups: int, seed: int) -> Items:
    """Six tokens, each with bad ones; scores fitted to few or many outcome labels."""
    T, K, sizes = 6, 8, (1, 4, 16, 64)
    few, many = (np.array([_accuracy(n, picks, T, K, sizes, groups, draws(seed, 50 + w))
                           for w in range(count)])
                 for n, count in ((labels, worlds), (200, worlds // 5)))  # fmt: skip
    # Worlds differ by 0.1: 200 tell a step of 0.03. The lowest step gains less than that at 64.
    gains = np.diff(few, axis=-1)
    checks = {RISES: gains[:, 0, :2], BEATS: few[:, 0, 2:] - few[:, 1, 2:],
              KEEPS: gains[:, 0, 2:] - gains[:, 1, 2:], OVER: -gains[:, 1, 2:]}  # fmt: skip
    for name, x in checks.items():
        mean, error = x.mean(0), x.std(0) / np.sqrt(len(x))
        least = int(np.argmin(mean / np.maximum(error, 1e-12)))
        yield beyond(name, mean[least], error[least], 0, ">", ("simulation",), why_one_route=WHY)
    yield Table(
        "gain of accuracy, few labels", ("rule", "4 over 1", "16 over 4", "64 over 16", "error"),
        [[rule, *gains[:, k].mean(0).tolist(), float(gains[:, k, 2].std() / np.sqrt(worlds))]
         for k, rule in enumerate(("lowest step", "sum"))],
    )  # fmt: skip
    named = {f"{rule}, {n} labels": x[:, j].mean(0) for n, x in ((labels, few), (200, many))
             for j, rule in enumerate(("lowest step", "sum"))}  # fmt: skip
    yield lines("best of N", "Picking the best of N by process rewards", ("N", "accuracy"), named,
                x=list(sizes), log_x=True, dashed=[k for k in named if k.startswith("sum")],
                caption=f"{worlds} worlds, {groups} groups each.")  # fmt: skip


def _accuracy(labels: int, picks: str, T: int, K: int, sizes: Sequence[int], groups: int,
              rng: np.random.Generator) -> np.ndarray:  # fmt: skip
    """(rule, size) share of right picks in one world."""
    law = rng.dirichlet(np.full(K, 2.0), T)
    bad = np.zeros((T, K), dtype=bool)
    for t in range(T):
        mass = 0.0
        for k in rng.permutation(K):
            if mass + law[t, k] <= 0.2:
                bad[t, k], mass = True, mass + law[t, k]

    def responses(n: int) -> np.ndarray:
        u, edges = rng.random((T, n)), law.cumsum(-1)[:, :-1]
        return np.stack([np.searchsorted(edges[t], u[t]) for t in range(T)], axis=-1)

    place = np.arange(T)
    seen = responses(labels)
    good = ~bad[place, seen].any(-1)
    every, of_right = np.full((T, K), 0.1), np.full((T, K), 0.1)
    for t in range(T):
        every[t] += np.bincount(seen[:, t], minlength=K)
        of_right[t] += np.bincount(seen[good, t], minlength=K)
    ratio = [np.log(x / x.sum(-1, keepdims=True)) for x in (of_right, every)]
    y = responses(groups * max(sizes)).reshape(groups, max(sizes), T)
    fields: dict[str, np.ndarray] = {
        "prm_logprobs": ratio[0][place, y],
        "ref_logprobs": ratio[1][place, y],
    }
    length = np.full(y.shape[:2], float(T))
    r = Rollouts(0 * length, length, float(T), mask=np.ones(y.shape), fields=fields)
    low = np.asarray(ImplicitMin(1.0).reward(r))
    if picks == "highest step":
        low = (fields["prm_logprobs"] - fields["ref_logprobs"]).max(-1)
    right = np.asarray(~bad[place, y].any(-1))
    scores = (low, np.asarray(ImplicitProcess(1.0).reward(r)))
    row = np.arange(groups)
    return np.array([[right[row, s[:, :n].argmax(-1)].mean() for n in sizes] for s in scores])


@experiment(
    "54",
    card="54",
    slug="implicit-prm",
    claim="A reward model of outcomes that is a log-ratio of language models gives exact soft "
    "values of prefixes, whatever trained it; cross-entropy on right-or-wrong labels teaches the "
    "ratio of success chances, for far fewer tokens than completions; picking by the lowest step "
    "outlasts picking by the sum.",
    source="Propositions 3.1 and 3.2, section 4, code PRIME-RL/ImplicitPRM; caps and toys derived",
    provenance="code",
    smoke={"replicas": 1500, "worlds": 160},
    mutants=[
        Mutant("log-ratio averaged over tokens", {"rule": "mean", "parts": ("identity",)},
               (VALUE, UNIT)),
        Mutant("reference and model exchanged", {"rule": "swapped", "parts": ("identity",)},
               (VALUE, UNIT, ORDER)),
        Mutant("scores that are no policy", {"rule": "unnormalised", "parts": ("identity",)},
               (VALUE, UNIT)),
        Mutant("trained on the average", {"rule": "mean", "parts": ("training",), "losses": ("ce",),
                                          "updates": 300}, (TRAINED, RATIO)),
        Mutant("labels inverted", {"inverted": True, "parts": ("training",), "losses": ("ce",),
                                   "updates": 300}, (RATIO, FIRST)),
        Mutant("rewards as free numbers", {"bound": False, "parts": ("labels",)}, (CLASSES, CAP)),
        Mutant("64 completions a prefix", {"completions": 64, "parts": ("cost",)}, (EQUAL_N,)),
        Mutant("completions for nothing", {"counted": False, "parts": ("cost",)}, (EQUAL_T,)),
        Mutant("the highest step picks", {"picks": "highest step", "parts": ("best",)},
               (RISES, BEATS)),
        Mutant("labels in plenty", {"labels": 2000, "parts": ("best",)}, (OVER, KEEPS)),
    ],
)  # fmt: skip
def run(
    *,
    rule: str = "sum",
    inverted: bool = False,
    bound: bool = True,
    losses: Sequence[str] = LOSSES,
    updates: int = 2000,
    completions: int = 8,
    counted: bool = True,
    replicas: int = 5000,
    labels: int = 30,
    picks: str = "lowest step",
    worlds: int = 600,
    groups: int = 60,
    parts: Sequence[str] = ("identity", "training", "labels", "cost", "best"),
    seed: int = 0,
) -> Result:
    """Identities on trees, exact training, doubtful labels, the cost of labels, best-of-N.

    losses, updates : of the training; completions : a prefix; replicas : of the chain of steps;
    labels : responses with a label; worlds, groups : of best-of-N; parts : which to run
    rule : one of `RULES`, "sum" the published; inverted : labels; bound : rewards are log-ratios;
    counted : completions cost tokens; picks : "lowest step" or "highest step"; all for mutants
    """
    chosen = pick({name: name for name in RULES}, rule)
    own = {
        "identity": lambda: identities(chosen, seed),
        "training": lambda: taught(chosen, inverted, losses, updates, seed),
        "labels": lambda: capped(bound),
        "cost": lambda: cost(completions, counted, replicas, seed),
        "best": lambda: best_of(labels, picks, worlds, groups, seed),
    }
    return run_parts(own, parts, (
        "The reward's end is r(y) and not 0: a lossless redistribution of an outcome reward, no "
        "policy-invariant shaping.",
    ))  # fmt: skip
