"""Step rewards from returns: few factors, an honest loss, and what may be done with the rest."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from toyrl.estimators.steps import StepReturns
from toyrl.experiments.core import Mutant, Result, experiment
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import apart, missed, sampled
from toyrl.experiments.papers.exploration.p41_learning import (
    ABOVE,
    BELOW,
    ERROR,
    FLOOR,
    LATENT,
    PULLED,
    RATIO,
    SHARE,
    SOLVED,
    errors,
    learning,
)
from toyrl.models.steps.factors import FactorError, factor_table, self_verified, verified
from toyrl.models.steps.return_losses import rd_loss, rrd_loss
from toyrl.rollouts import Rollouts
from toyrl.shapers.process.redistribution import LatentReward, Rudder, UniformRedistribution
from toyrl.theory.process.credit import holistic_credit_variance
from toyrl.theory.redistribution.gradient import (
    episodic_gradient_variance,
    own_reward_variance,
    residual_end_variance,
    spread_gradient_share,
)
from toyrl.theory.redistribution.losses import expected_rrd

RAW = StepReturns("none")
PLAIN = "T1: mean of L_RRD over all picks, largest error (T to 8)"
UNBIASED = "T1: mean of L_RRDu over all picks beside L_RD, apart by at most"
BLIND = "T1: L_RD moved by step rewards whose sum is 0"
EPISODIC = "T3: gradient variance, episodic return, largest error"
OWN = "T3: gradient variance, each step its own reward, largest error"
GAIN = "T3: episodic less its mean over own reward, ratio over T - 1, largest error"
DRAWN = "T3: second moment of the episodic gradient, T 20"
END = "T3: mean gradient over the true one, residual at the end, largest error from 1"
END_NOISE = "T3: gradient variance, residual at the end, largest error"
SPREAD = "T3: mean gradient over the true one, residual spread, largest error"
TAKEN = "T5: candidate that is taken, of wrong shape, raising, NaN, sound"
REFUSED = "T5: rounds before five unsound candidates are refused"
SUM = "T6: sum of redistributed rewards less the return, largest"
TOTALS = ("exact", "enumeration")


# -- rules and broken ones -------------------------------------------------------------------------
def no_factor(r: Any, total: Any, picked: Any, mask: Any, *, unbiased: bool = False) -> Any:
    """Mutant: the correction without 1 - K/T."""
    K, plain = picked.sum(-1), rrd_loss(r, total, picked, mask)
    middle = (r * picked).sum(-1) / K
    spread = (picked * (r - middle[..., None]) ** 2).sum(-1) / (K - 1)
    return plain - spread / K if unbiased else plain


def never(r: Any, total: Any, picked: Any, mask: Any, *, unbiased: bool = False) -> Any:
    """Mutant: nothing is taken off."""
    del unbiased
    return rrd_loss(r, total, picked, mask)


def on_sums(r: Any, total: Any, picked: Any, mask: Any, *, unbiased: bool = False) -> Any:
    """Mutant: the mean of the picked steps beside the whole return."""
    return rrd_loss(r, total * mask.sum(-1), picked, mask, unbiased=unbiased)


def blind(r: Any, total: Any, mask: Any) -> Any:
    """Mutant: a loss of the single steps, in the place of that of their mean."""
    return ((r - (total / mask.sum(-1))[..., None]) ** 2 * mask).mean(-1)


LOSSES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "as published": (rd_loss, rrd_loss),
    "no factor": (rd_loss, no_factor),
    "never": (rd_loss, never),
    "on sums": (rd_loss, on_sums),
    "each step": (blind, rrd_loss),
}


def shapes_alone(write: Any, samples: Any, *, rounds: int = 5) -> tuple[int, int]:
    """Mutant: shapes are looked at, numbers are not."""
    for place in range(rounds):
        try:
            found = [np.nan_to_num(np.asarray(v)) for v in write(())(*samples[0]).values()]
            factor_table(found, len(samples[0][0]))
        except (FactorError, ArithmeticError):
            continue
        return place, place
    return -1, rounds


def as_asked(write: Any, samples: Any, *, rounds: int = 5) -> tuple[int, int]:
    """(place that is taken or -1, candidates refused)."""
    try:
        found = self_verified(write, samples, rounds=rounds)
    except FactorError as error:
        return -1, str(error).count("(sample") + str(error).count("raised")
    return found.place, len(found.failures)


VERIFIERS = {"as published": as_asked, "shapes alone": shapes_alone}


# -- T1: losses ------------------------------------------------------------------------------------
def losses(rule: str, seed: int) -> Items:
    """All picks of K of T steps, T to 8."""
    rd, rrd = pick(LOSSES, rule)
    rng, found, want, fair, plain = draws(seed, 1), [], [], [], []
    for T in range(2, 9):
        r, R, mask = rng.standard_normal(T), rng.standard_normal(), np.ones(T)
        for K in range(2, T + 1):
            places = itertools.combinations(range(T), K)
            picked = np.array([[float(i in chosen) for i in range(T)] for chosen in places])
            wide = np.broadcast_to(r, picked.shape), np.full(len(picked), R), picked, picked * 0 + 1
            found.append(rrd(*wide).mean())
            want.append(expected_rrd(r, R, K))
            fair.append(rrd(*wide, unbiased=True).mean())
            plain.append(rd_loss(r, np.asarray(R), mask))
    yield apart(PLAIN, found, want, 1e-12)
    yield apart(UNBIASED, fair, plain, 1e-12, ("all picks", "L_RD"))
    r, R, moved = rng.standard_normal(6), np.asarray(1.5), np.array([3.0, -3, 1, -2, 1, 0])
    one = np.ones(6)
    yield apart(BLIND, rd(r + moved, R, one), rd(r, R, one), 1e-12, ("before", "after"))


# -- T3: gradients ---------------------------------------------------------------------------------
def outcomes(T: int) -> np.ndarray:
    """(2^T, T) all outcomes."""
    return np.array(list(itertools.product((0.0, 1.0), repeat=T)))


def texts(x: np.ndarray, **fields: np.ndarray) -> Rollouts:
    """One prompt whose rollouts are the rows of x (n, T), the outcome their sums."""
    length = np.full((1, len(x)), float(x.shape[1]))
    own = {name: value[None] for name, value in fields.items()}
    return Rollouts(x.sum(-1)[None], length, float(x.shape[1]), mask=np.ones((1, *x.shape)),
                    fields=own)  # fmt: skip


def to_go(shaper: Any, r: Rollouts) -> np.ndarray:
    """(n, T) rewards to go."""
    return np.asarray(RAW.apply(shaper.apply(r).parts, r)[0][0])


def gradients(placing: str, rest: str, seed: int, n: int) -> Items:
    """Steps that are right with chance q: all outcomes, through the shapers."""
    q, c = 0.5, 0.6
    v = q * (1 - q)
    found: dict[str, list[Any]] = {k: [] for k in ("episodic", "less", "own", "end", "spread")}
    sizes = (2, 5, 10)
    mean_end, mean_spread, noise_end = [], [], []
    for T in sizes:
        x = outcomes(T)
        r = texts(x, step_rewards=x)
        own = {"own": LatentReward(), "uniform": UniformRedistribution()}[placing]
        paid = np.asarray(own.apply(r).parts["redistributed"][0])
        whole = np.repeat(x.sum(-1, keepdims=True), T, axis=-1)
        found["episodic"].append(((x - q) * whole).var(0))
        found["less"].append(((x - q) * (whole - T * q)).var(0))
        found["own"].append(((x - q) * paid).var(0))
        partly = texts(x, step_rewards=c * x)
        g = (x - q) * to_go(LatentReward(**{rest: 1.0}), partly)
        mean_end.append(g.mean(0) / v)
        a = to_go(LatentReward(**{rest: 1.0}), partly)
        noise_end.append(((x - q) * (a - a.mean(0))).var(0))
        g = (x - q) * to_go(LatentReward(**{"spread" if rest == "end" else "end": 1.0}), partly)
        mean_spread.append(g.mean(0) / v)
    flat = np.concatenate
    want = [np.full(T, episodic_gradient_variance(q, T)) for T in sizes]
    yield apart(EPISODIC, flat(found["episodic"]), flat(want), 1e-12, claim=False)
    yield apart(OWN, flat(found["own"]), np.full(sum(sizes), own_reward_variance(q)), 1e-12)
    ratio = flat(found["less"]) / flat(found["own"]) / np.repeat(np.array(sizes) - 1, sizes)
    yield apart(GAIN, ratio, np.ones(len(ratio)), 1e-12)
    yield apart(END, flat(mean_end), np.ones(sum(sizes)), 1e-12, TOTALS)
    yield apart(END_NOISE, flat(noise_end),
                flat([residual_end_variance(q, T, c) for T in sizes]), 1e-12)  # fmt: skip
    yield apart(SPREAD, flat(mean_spread),
                flat([spread_gradient_share(T, c) for T in sizes]), 1e-12)  # fmt: skip
    x = (draws(seed, 3).random((n, 20)) < q) * 1.0
    second = ((x[:, 0] - q) * x.sum(-1)) ** 2
    yield sampled(DRAWN, second, episodic_gradient_variance(q, 20) + v**2, claim=False)
    T = list(range(2, 41))
    yield lines("variance", "Noise of the first step's gradient", ("steps T", "variance"), {
        "episodic return": [episodic_gradient_variance(q, t) for t in T],
        "episodic return less its mean": [holistic_credit_variance(q, t)[0] for t in T],
        "its own reward": [own_reward_variance(q) for _ in T],
    }, x=T, log_y=True, caption="Steps right with chance 1/2. With the return the noise grows with "
        "T, with the own reward it does not; less its mean that one is without noise.")  # fmt: skip


# -- T5, T6 ----------------------------------------------------------------------------------------
def wrong_shape(steps: Sequence[str]) -> Any:
    """One number too few."""
    return {"length": [len(s) for s in steps][1:]}


def raising(steps: Sequence[str]) -> Any:
    """Division by zero on a step without a digit."""
    return {"share": [1 / sum(c.isdigit() for c in s) for s in steps]}


def not_a_number(steps: Sequence[str]) -> Any:
    """A mean over nothing."""
    return {"mean": [np.nan for _ in steps]}


def sound(steps: Sequence[str]) -> Any:
    """A length, in a column as LaRe's functions give it."""
    return {"length": [[float(len(s))] for s in steps]}


def verification(rule: str) -> Items:
    """Candidates of which one is sound, and candidates of which none is."""
    asked = pick(VERIFIERS, rule)
    samples = [(["So 2 + 2 = 4.", "Done."],), (["x"],)]
    bad = [wrong_shape, raising, not_a_number]

    def writer(listed: Sequence[Any]) -> Any:
        left = iter(listed)
        return lambda _failures: next(left)

    place, refused = asked(writer([*bad, sound]), samples)
    direct = verified([*bad, sound], samples).place
    yield missed(TAKEN, [place, refused], [direct, 3], ("self-verification", "one by one"))
    found = asked(writer([*bad, *bad]), samples)
    yield missed(REFUSED, found, [-1, 5], ("rounds", "candidates"))


def equivalence(paid: float, seed: int) -> Items:
    """Random step rewards and returns: every return-equivalent redistribution sums to R."""
    rng, n, T = draws(seed, 6), 64, 7
    length = rng.integers(1, T + 1, n)
    mask = (np.arange(T) < length[:, None]) * 1.0
    ends = np.maximum((rng.random((n, T)) < 0.5) * mask, np.arange(T) == length[:, None] - 1)
    fields = {"step_rewards": rng.standard_normal((n, T)), "step_ends": ends,
              "return_predictions": rng.standard_normal((n, T))}  # fmt: skip
    R = rng.standard_normal(n)
    r = Rollouts(R[None], length[None].astype(float), float(T), mask=mask[None],
                 fields={k: v[None] for k, v in fields.items()})  # fmt: skip
    shapers = (UniformRedistribution(), Rudder(start=0.3, spread=paid),
               LatentReward(end=1.0), LatentReward(spread=1.0))  # fmt: skip
    totals = [np.asarray(s.reward(r)[0]) for s in shapers]
    yield apart(SUM, totals, np.tile(R, (len(shapers), 1)), 1e-12, ("shapers", "returns"))


CLAIM = (
    "Step rewards can be learned from returns when they are fitted to the few factors that matter: "
    "their error grows as D/(N - D - 1). Picking a few steps biases towards equal rewards unless "
    "it is corrected. A step paid its own reward has a gradient T - 1 times less noisy; what the "
    "model leaves of the return keeps the gradient unbiased at the end alone."
)


@experiment(
    "41",
    card="41",
    slug="lare",
    claim=CLAIM,
    source="losses and pipeline of the code; error law, variances and toys derived",
    provenance="code",
    smoke={"seeds": 16, "repeats": 150},
    mutants=[
        Mutant("the mean of steps beside the whole return", {"loss": "on sums",
               "parts": ("losses",)}, (PLAIN, UNBIASED)),
        Mutant("the correction without 1 - K/T", {"loss": "no factor", "parts": ("losses",)},
               (UNBIASED,)),
        Mutant("nothing is taken off", {"loss": "never", "parts": ("losses",)}, (UNBIASED,)),
        Mutant("a loss of single steps", {"loss": "each step", "parts": ("losses",)}, (BLIND,)),
        Mutant("the latent misses a factor", {"latent": 2, "parts": ("errors",)},
               (ERROR.format("3", 60), ERROR.format("3", 100), RATIO.format(60, 30),
                RATIO.format(100, 50))),
        Mutant("every step is as noisy as the return", {"noise": "each step",
               "parts": ("errors",)}, tuple(ERROR.format(k, n) for k in ("all", "3")
                                            for n in (60, 100))),
        Mutant("nothing is missing", {"forgotten": 0.0, "parts": ("errors",)},
               (FLOOR.format(60),)),
        Mutant("equal parts are a step's own reward", {"placing": "uniform",
               "parts": ("gradients",)}, (OWN, GAIN)),
        Mutant("the rest is spread, not at the end", {"rest": "spread",
               "parts": ("gradients",)}, (END, END_NOISE, SPREAD)),
        Mutant("the latent sees none of what matters", {"chosen": (3, 4, 5),
               "parts": ("learning",)}, (LATENT, SHARE)),
        Mutant("returns stand one episode off", {"off": 1, "parts": ("learning",)},
               (SOLVED, SHARE, BELOW)),
        Mutant("fewer episodes than factors", {"episodes": 20, "parts": ("learning",)},
               (SOLVED,)),
        Mutant("the whole return alone is predicted", {"swaps": {"RUDDER-like": "raw RD",
               "RRD": "RRD unbiased"}, "parts": ("learning",)}, (ABOVE, PULLED)),
        Mutant("shapes alone are verified", {"verifier": "shapes alone",
               "parts": ("verification",)}, (TAKEN, REFUSED)),
        Mutant("the rest is kept back", {"paid": 0.0, "parts": ("equivalence",)}, (SUM,)),
    ],
)  # fmt: skip
def run(
    *,
    loss: str = "as published",
    latent: int = 3,
    forgotten: float = 0.5,
    noise: str = "return",
    off: int = 0,
    placing: str = "own",
    rest: str = "end",
    chosen: Sequence[int] = (0, 1, 2),
    episodes: int = 100,
    swaps: dict[str, str] | None = None,
    verifier: str = "as published",
    paid: float = 1.0,
    repeats: int = 400,
    seeds: int = 50,
    parts: Sequence[str] = ("losses", "errors", "gradients", "learning", "verification",
                            "equivalence"),
    seed: int = 0,
) -> Result:  # fmt: skip
    """Losses over all picks, errors against N, gradients, learning, verification, sums.

    repeats : fits of each size; seeds : draws of the learning problem; episodes : N of it
    the rest is for mutants; parts : which to run
    """
    own = {
        "losses": lambda: losses(loss, seed),
        "errors": lambda: errors(latent, noise, repeats, forgotten, seed),
        "gradients": lambda: gradients(placing, rest, seed, 20_000),
        "learning": lambda: learning(episodes, chosen, swaps or {}, off, seeds, seed),
        "verification": lambda: verification(verifier),
        "equivalence": lambda: equivalence(paid, seed),
    }
    notes = ("A sum that equals the return is not enough: with rewards to go an even spread takes "
             "credit from the last steps.",
             "The decoder is linear; the paper's networks, MuJoCo and MPE are not reproduced.",
             "The RUDDER-like rewards are reconstructed: a linear model to which every prefix "
             "predicts the return.")  # fmt: skip
    return run_parts(own, parts, notes)
