"""Early rejection: what dropping beams by a partial score risks, and what it saves."""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.experiments.core import Check, Mutant, Picture, Result, Table, experiment
from toyrl.experiments.lab.bandits import follow
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import SAMPLED, apart, beyond, deviation, mean_error, missed, same
from toyrl.theory.order_statistics import normal_maximum
from toyrl.theory.selection import early_rejection as theory

L, SHARES = 16, np.array([1, 4, 8, 12]) / 16
CHAIN = {"q": 0.97, "steps": 5, "length": 8, "beams": 16, "width": 4}
TAUS = (1, 2, 4, 6)
CORRELATION = "correlation of partial and final score against sqrt(tau/L), largest deviation"
PAIR = "the better of two beams is kept, largest deviation"
SURVIVES = "the best of 16 beams is among 4, largest deviation"
LOSS = "final score lost by keeping 4 and 1 of 16, largest deviation"
SLOW = "miss of two beams over sqrt(1 - tau/L)/pi near tau = L: not exponential"
BOUND = "bound over the miss of the drift model, least"
MISS = "miss of the drift model, largest deviation"
RATE = "-log(miss)/tau at tau = 4000 against delta^2/4"
FALLS = "-log(miss)/tau falls in tau: steps that rise"
SAVED = "tokens of full beam search over those of early rejection, largest error"
CAP = "tokens saved, largest factor: under M"
BLIND = "accuracy as published against q^(L-tau), exact, largest gap"
SEEN = "accuracy with one more score, least"
AGREES = "both accuracies in runs against the exact ones, largest deviation"
SAME = "survivors at tau = L against those of full beam search, runs that differ"
NOISE = "accuracy when the score is noise"
KEPT = "survivors by definition, faults"


# -- normal beams ----------------------------------------------------------------------------------
def chosen(scores: np.ndarray, keep: int, rule: str) -> np.ndarray:
    """(..., keep) places of the survivors."""
    if rule == "ignore scores":
        return np.broadcast_to(np.arange(keep), (*scores.shape[:-1], keep))
    return theory.survivors(scores, keep, 1)


def normal(rng: Any, rule: str, law: str, runs: int) -> Items:
    """Scores that are sums of independent tokens: correlation, survival, loss."""
    of = pick({"root": np.sqrt, "share": lambda s: s}, law)
    z = rng.standard_normal((runs, 16, 2))
    names = (CORRELATION, PAIR, SURVIVES, LOSS)
    found: dict[str, list[tuple[float, float]]] = {n: [] for n in names}
    want: dict[str, list[float]] = {n: [] for n in names}
    for share in SHARES:
        partial, final = z[..., 0], share**0.5 * z[..., 0] + (1 - share) ** 0.5 * z[..., 1]
        # Errors of a correlation by its law for normals, (1 - r^2)/sqrt(n).
        r = float(np.corrcoef(partial.ravel(), final.ravel())[0, 1])
        found[CORRELATION].append((r, (1 - share) / z[..., 0].size ** 0.5))
        want[CORRELATION].append(float(of(share)))
        best = final[:, :2].argmax(1)[:, None]
        found[PAIR].append(mean_error((chosen(partial[:, :2], 1, rule) == best).any(1)))
        want[PAIR].append(float(theory.pair_survival(of(share) ** 2)))
        four = chosen(partial, 4, rule)
        found[SURVIVES].append(mean_error((four == final.argmax(1)[:, None]).any(1)))
        want[SURVIVES].append(theory.beam_survival(16, 4, float(of(share) ** 2)))
        top = final.max(1)
        for keep, kept in ((4, four), (1, chosen(partial, 1, rule))):
            lost = top - np.take_along_axis(final, kept, -1).max(1)
            found[LOSS].append(mean_error(lost))
            want[LOSS].append(theory.score_loss(16, keep, float(of(share) ** 2)))
    for name in names:
        mean, error = np.array(found[name]).T
        yield deviation(name, mean, error, want[name])
    near = 1 - 10.0 ** np.arange(-2, -9, -2)
    ratio = (1 - theory.pair_survival(of(near) ** 2)) * np.pi / np.sqrt(1 - near)
    yield same(SLOW, ratio[-1], 1, 1e-3, ("closed form", "expansion"))


def normal_pictures(points: int) -> Items:
    """Survival, loss and what is saved for it, over the share of the step that is scored."""
    share = np.sin(np.linspace(0, np.pi / 2, points)) ** 2  # dense where the curves are steep
    lives = {k: np.array([theory.beam_survival(16, k, float(s)) for s in share]) for k in (4, 1)}
    lost = {k: np.array([theory.score_loss(16, k, float(s)) for s in share]) for k in (1, 2, 4, 8)}
    yield lines("survival", "The best beam's survival under independent tokens",
                ("share of the step that is scored, tau/L", "P(kept)"),
                {"2 beams, keep 1": theory.pair_survival(share),
                 **{f"16 beams, keep {k}": x for k, x in lives.items()}},
                x=share.tolist(), caption="Near tau = L the miss falls like a root, and nowhere "
                "exponentially.")  # fmt: skip
    yield lines("loss", "Final score lost", ("share of the step that is scored, tau/L",
                "loss (sqrt L)"),
                {f"16 beams, keep {k}": x for k, x in lost.items()}, x=share.tolist())  # fmt: skip
    saved = theory.token_saving(share, 4)
    yield lines("saved", "Tokens saved against risk, 16 beams, keep 4 (M = 4)",
                ("tokens of full beam search over those of early rejection", "P(best beam is "
                 "dropped)"),
                {"independent tokens": 1 - lives[4][1:],
                 "its loss of final score (sqrt L)": lost[4][1:],
                 "ahead by 0.5 a token, L = 64, keep 1":
                     theory.drift_miss(16, 0.5, 64 * share[1:])}, x=saved[1:].tolist(),
                caption="No choice of tau saves more than M = 4 times.")  # fmt: skip


# -- a best beam that is ahead ---------------------------------------------------------------------
def drift(rng: Any, noise: str, runs: int) -> Items:
    """The best beam is ahead by delta a token: its miss and the bound."""
    beams, delta = 8, 0.5
    used = pick({"of both": delta, "of one alone": delta * 2**0.5}, noise)
    tau = np.array([4, 8, 16, 32, 64])
    exact = theory.drift_miss(beams, delta, tau)
    z = rng.standard_normal((runs, beams))
    found = []
    for t in tau:
        score = z + np.r_[used * t**0.5, np.zeros(beams - 1)]
        found.append(mean_error(score.argmax(1) != 0))
    mean, error = np.array(found).T
    yield deviation(MISS, mean, error, exact)
    long = np.unique(np.geomspace(1, 4000, 60).round())
    miss, bound = theory.drift_miss(beams, delta, long), theory.drift_bound(beams, used, long)
    routes = ("quadrature", "bound")
    yield Check(BOUND, float((bound / miss).min()), 1.0, ">=", routes=routes)
    late = np.array([64, 100, 200, 400, 4000])
    rate = -np.log(theory.drift_miss(beams, delta, late)) / late
    yield same(RATE, rate[-1], used**2 / 4, 1e-3, routes)
    yield Check(FALLS, float((np.diff(rate) >= 0).sum() + (rate < used**2 / 4).sum()), 0, "==",
                routes=routes)  # fmt: skip
    near = long < 200
    yield lines("drift", "Two laws of the risk", ("tau (tokens)", "P(best beam is dropped)"),
                {"ahead by 0.5 a token, 8 beams": (long[near], miss[near]),
                 "its bound": (long[near], np.minimum(bound[near], 1)),
                 "independent tokens, L = 200, 2 beams":
                     (long[near], 1 - theory.pair_survival(long[near] / 200))},
                dashed=("its bound",), log_y=True, caption="Keep 1. Only the drift makes the risk "
                "fall exponentially.")  # fmt: skip


# -- the chain -------------------------------------------------------------------------------------
def beam_search(rng: Any, tau: int, runs: int, scores: str) -> dict[str, Any]:
    """Right tokens of beams that are expanded, scored after tau, rejected and finished.

    Answers "published" and "rescored" accuracy of each run, "tokens" and the last "kept" places.
    """
    q, steps, length = CHAIN["q"], CHAIN["steps"], CHAIN["length"]
    width, keep = CHAIN["width"], CHAIN["beams"] // CHAIN["width"]
    state: dict[str, Any] = {"tokens": 0}

    def step(beams: np.ndarray, _: int) -> np.ndarray:
        made = np.repeat(beams[..., 0], width, axis=1)
        n = made.shape[1]
        at = made * (rng.random((runs, n)) < q**tau)
        whole = at * (rng.random((runs, n)) < q ** (length - tau))
        seen = pick({"partial": at, "whole": whole, "none": np.zeros_like(at)}, scores)
        order = seen + rng.random((runs, n)) / 2  # ties at random
        kept = theory.survivors(order, CHAIN["beams"], width)
        state["kept"], state["order"] = kept, np.take_along_axis(order, kept, 1)
        state["tokens"] += n * tau + keep * (length - tau)
        return np.take_along_axis(whole, kept, 1)[..., None]

    end = follow(step, np.ones((runs, keep, 1)), steps)[-1][..., 0]
    last = np.take_along_axis(end, state["order"].argmax(1)[:, None], 1)[:, 0]
    return {"published": last, "rescored": end.max(1), **state}


def chain(rng: Any, scores: str, runs: int, cost: str) -> Items:
    """Accuracy with and without one more score, and tokens."""
    mean, error, want, rows = [], [], [], []
    exact = {
        t: theory.chain_accuracy(
            CHAIN["q"], CHAIN["steps"], CHAIN["length"], t, CHAIN["beams"], CHAIN["width"]
        )
        for t in (*TAUS, 8)
    }
    tokens = {}
    for tau in (*TAUS, 8):
        found = beam_search(rng, tau, runs, scores)
        tokens[tau] = found["tokens"]
        for name, sure in zip(("published", "rescored"), exact[tau], strict=True):
            m, _ = mean_error(found[name])
            mean.append(m)
            # By the exact law: a run without a miss has no spread of its own.
            error.append((sure * (1 - sure) / runs) ** 0.5 + 1e-9)
            want.append(sure)
        rows.append([tau, found["tokens"], *(f"{x:.4f}" for x in (mean[-2], exact[tau][0],
                    CHAIN["q"] ** (8 - tau), mean[-1], exact[tau][1]))])  # fmt: skip
    yield deviation(AGREES, mean, error, want)
    gaps = [exact[t][0] - CHAIN["q"] ** (8 - t) for t in TAUS]
    drawn = [mean[2 * i] - exact[t][0] for i, t in enumerate(TAUS)]
    off = np.abs(gaps) + np.maximum(np.abs(drawn) - 4 * np.array(error[:8:2]), 0)
    yield Check(BLIND, float(off.max()), 0.02, "<", routes=("law of right beams", "product"))
    least = min(mean[1:8:2]) + 4 * max(error[1:8:2])
    yield Check(SEEN, float(min(least, *(exact[t][1] for t in TAUS))), 0.99, ">=",
                routes=SAMPLED)  # fmt: skip
    noise = beam_search(rng, 4, runs, "none" if scores == "partial" else "partial")
    m, e = mean_error(noise["published"])
    yield beyond(NOISE, m, e, 0.35, "<", ("simulation", "q^(H L)"))
    generated = {"both": lambda s: theory.token_saving(s, 4), "first alone": lambda s: 1 / s}
    ratio = [tokens[8] / tokens[t] for t in TAUS]
    yield apart(SAVED, ratio, pick(generated, cost)(np.array(TAUS) / 8), 1e-12,
                ("tokens counted", "closed form"))  # fmt: skip
    grid = np.linspace(0.005, 1, 100)
    saved = pick(generated, cost)(grid)
    yield Check(CAP, float(max(saved.max(), *ratio)), 4.0, "<", routes=("closed form", "M"))
    yield Table("chain", ("tau", "tokens", "accuracy as published", "exact", "q^(L-tau)",
                          "with one more score", "exact "), rows,
                f"{runs} runs; five steps of eight tokens, each right with 0.97; N = 16, M = 4."
                )  # fmt: skip
    yield chain_picture()


def chain_picture() -> Picture:
    """Accuracy against tokens for tau = 1..8."""
    every = range(1, 9)
    spent = [5 * (16 * t + 4 * (8 - t)) for t in every]
    both = np.array([theory.chain_accuracy(0.97, 5, 8, t, 16, 4) for t in every]).T
    return lines("accuracy", "Accuracy against tokens", ("tokens generated", "accuracy"),
                 {"as published": both[0], "with one more score": both[1],
                  "q^(L - tau)": 0.97 ** (8 - np.arange(1, 9))}, x=[float(x) for x in spent],
                 dashed=("q^(L - tau)",), caption="tau = 1..8 of 8 tokens a step. What comes after "
                 "the last score is seen by nobody.")  # fmt: skip


def definition(rng: Any, rule: str) -> Items:
    """Survivors by definition, and at tau = L those of full beam search."""
    scores = rng.standard_normal((200, 16)).round(1)
    kept = chosen(scores, 4, rule)
    faults = 0
    for row, mine in zip(scores, kept, strict=True):
        want = sorted(range(16), key=lambda i, row=row: (-row[i], i))[:4]
        faults += list(mine) != want
        faults += row[list(mine)].min() < np.delete(row, list(mine)).max()
    up = chosen(np.exp(scores), 4, rule)
    bad = np.where(scores > 1, np.nan, scores)
    taken = np.take_along_axis(bad, chosen(bad, 4, rule), -1)
    faults += int((up != kept).sum()) + int(np.isnan(taken).sum())  # four numbers are in each row
    yield Check(KEPT, float(faults), 0, "==", routes=("sorting", "definition"))
    z = rng.standard_normal((500, 16, L))
    partial, final = z[..., :L].sum(-1), z.sum(-1)
    yield missed(SAME, chosen(partial, 4, rule), theory.survivors(final, 16, 4),
                 ("partial scores", "final scores"))  # fmt: skip


PARTS = ("normal", "pictures", "drift", "chain", "definition")


@experiment(
    "36",
    card="36",
    slug="early-rejection",
    claim="Partial and final scores of independent tokens correlate by sqrt(tau/L); a best beam "
    "that is ahead is dropped with a probability that falls exponentially in tau; the chain keeps "
    "its accuracy at a fraction of the tokens, if survivors are scored once more.",
    source="repository scheshmi/accelerated-reasoning-ER-PRM; bound and correlation law from "
    "public notes, re-derived in theory/selection/early_rejection.py",
    provenance="code",
    smoke={"runs": 4000, "points": 13},
    mutants=(
        Mutant("correlation tau/L", {"law": "share", "parts": ["normal"]},
               (CORRELATION, PAIR, SURVIVES, LOSS, SLOW)),
        Mutant("the first beams are kept",
               {"rule": "ignore scores", "parts": ["normal", "definition"]},
               (PAIR, SURVIVES, LOSS, KEPT, SAME)),
        Mutant("noise of one beam alone", {"noise": "of one alone", "parts": ["drift"]},
               (MISS, BOUND, RATE, FALLS)),
        Mutant("the score sees the whole step", {"scores": "whole", "parts": ["chain"]},
               (AGREES, BLIND)),
        Mutant("the score says nothing", {"scores": "none", "parts": ["chain"]},
               (AGREES, BLIND, SEEN, NOISE)),
        Mutant("survivors' tokens aren't counted", {"cost": "first alone", "parts": ["chain"]},
               (SAVED, CAP)),
    ),
)  # fmt: skip
def early_rejection(
    *,
    runs: int = 40_000,
    points: int = 61,
    rule: str = "scores",
    law: str = "root",
    noise: str = "of both",
    scores: str = "partial",
    cost: str = "both",
    parts: tuple[str, ...] = PARTS,
    seed: int = 0,
) -> Result:
    """runs : of each simulation; points : of a curve; the others are broken by mutants."""
    return run_parts(
        {
            "normal": lambda: normal(draws(seed), rule, law, runs),
            "pictures": lambda: normal_pictures(points),
            "drift": lambda: drift(draws(seed, 1), noise, 10 * runs),
            "chain": lambda: chain(draws(seed, 2), scores, runs, cost),
            "definition": lambda: definition(draws(seed, 3), rule),
        },
        parts,
        notes=(
            f"Keep one of 16: the loss is (1 - sqrt(tau/L)) M_16, M_16 = "
            f"{float(normal_maximum(16)[0]):.4f}.",
            "The bound needs a best beam that is ahead in the mean; independent tokens alone give "
            "none, and the published speed-ups above M count more than generated tokens.",
        ),
    )
