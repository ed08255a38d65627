"""PAR: a bounded reward by preference, and a hack whose proxy reward has no bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.bandits import ascend, flow_end, flow_path, follow
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick, replaced
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import alone, apart, beyond, missed, same
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper
from toyrl.shapers.judge.bounded import JudgeCentred, JudgeRaw, JudgeSigmoid, Par, ParTanh, Sgfc
from toyrl.shapers.judge.running import JudgeMeanStd, JudgeMinMax
from toyrl.theory.judge.bounded import (
    hack_odds_bound,
    raw_susceptibility,
    sigmoid_susceptibility,
    susceptibility,
)
from toyrl.theory.policies import softmax, tilt, tilt_curve, tilt_to_kl

START = np.array([0.79, 0.20, 0.01])  # reference, honest, hack
TRUTH = np.array([0.0, 1.0, -1.0])
HONEST, LEVEL = 2.0, 0.7  # score of the honest arm above the reference's, and the reference's own
HACKS, BETA, RATE = (3.0, 6.0, 12.0, 40.0), 0.1, 0.2
RUNS = (4.0, 6.0, 12.0)
SAID = {"raw": "raw", "par": "PAR"}
AFFINE = ("raw", "centred", "meanstd", "minmax")
WRITTEN = {"raw": (0.5515, 0.0390, -0.1306, -0.2045), "par": (0.7223, 0.6647, 0.6612, 0.6612),
           "sgfc": (0.2706, -0.0616, -0.0735, -0.0736)}  # fmt: skip
CHI = "T1: susceptibility of PAR (k 1, 2, 3), tanh and sgfc, largest error"
RAW = "T1: susceptibility of the affine shapers at R 40, largest error over R/g - 1"
ORDER = "T1: gains at which k 3 < k 2 = tanh < PAR < sgfc < raw fails"
REACHED = "T2: policies at 1 nat, by the flow and by the tilt, largest error"
NUMBERS = "T2: utility at 1 nat beside the values written down, largest error"
SAME = "T2: affine shapers at 1 nat, largest difference of utilities"
STOPS = "T2: PAR, utility at 1 nat with R 12 less with R 40"
FALLS = "T2: raw, least fall of the utility at 1 nat from one R to the next"
BOUND = "T3: log odds of hack over honest under PAR, the most above the bound"
LIMIT = "T3: the same at R 60, distance to the bound"
EXPLODES = "T3: log odds under the raw score, largest error"
PEAKS = "T4: peaks of the utility, by updates and by the flow, largest error"
ENDS = "T4: PAR, last utility and that of the tilt, largest error"
HACKED = "T4: raw, largest last utility"
HELD = "T4: PAR, least last utility"
EARLIER = "T4: raw, updates of the peak that don't come earlier for a larger R"
NO_LIFT = "T4: at R 4, peak of raw less peak of PAR"
LIFTED = "T4: at R 12, peak of PAR less peak of raw"
WINDOW = "T4: share of updates at utility above 0.65: PAR's least over raw's largest"
DRAWN_RAW = "T4: raw at R 12, trained on sampled arms, last utility"
DRAWN_PAR = "T4: PAR at R 12, trained on sampled arms, last utility"
trained = "a run of sampled updates has no closed form; the exact path is T4's"


# -- broken rules ----------------------------------------------------------------------------------
def unbounded(_: Par, gap: Any, _r: Rollouts) -> Any:
    """Mutant: the log-odds of the preference, which are the score again."""
    return gap


def uncentred(self: Par, score: Any, r: Rollouts) -> Any:
    """Mutant: the references are not subtracted."""
    return JudgeSigmoid(self.k).transform(score, r)


def unsteepened(_: Par, gap: Any, r: Rollouts) -> Any:
    """Mutant: the steepness is ignored."""
    return Par(1.0).squash(gap, r)


BROKEN: dict[str, dict[str, Any]] = {
    "as published": {},
    "unbounded": {"par": replaced(Par, squash=unbounded)},
    "uncentred": {"par": replaced(Par, transform=uncentred)},
    "steepness ignored": {"par": replaced(Par, squash=unsteepened)},
    "clipped minmax": {"minmax": JudgeSigmoid},
    "early sgfc": {"shift": -3.0},
    "raw squashed": {"raw": Par()},
    "raw capped": {"raw": JudgeRaw(ceiling=LEVEL + 4.0)},
}


def shapers(rule: str) -> dict[str, Shaper]:
    """The transforms by name, one of them broken by `rule`."""
    own = pick(BROKEN, rule)
    par = own.get("par", Par)
    return {"raw": own.get("raw", JudgeRaw()), "centred": JudgeCentred(), "meanstd": JudgeMeanStd(),
            "minmax": own.get("minmax", JudgeMinMax)(), "par": par(), "par, k 2": par(k=2.0),
            "par, k 3": par(k=3.0), "tanh": ParTanh(),
            "sgfc": Sgfc(shift=own.get("shift", 3.0))}  # fmt: skip


def paid(shaper: Shaper, scores: Any, reference: float = LEVEL) -> np.ndarray:
    """(N,) rewards of responses with these scores, one reference to the prompt."""
    x = np.asarray(scores, dtype=float)[None]
    fields = {"judge": x, "judge_references": np.full((*x.shape, 1), reference)}
    return np.asarray(shaper.reward(Rollouts(0 * x, 0 * x + 1, 1.0, fields=fields)))[0]


def arms(hack: float) -> np.ndarray:
    """(3,) scores of reference, honest and hacking arm."""
    return LEVEL + np.array([0.0, HONEST, hack])


# -- T1 --------------------------------------------------------------------------------------------
def favours(rule: str) -> Items:
    """chi of every transform, over the honest response's gain."""
    gains, own = np.linspace(1, 3, 21), shapers(rule)
    chi = {}
    for name, shaper in own.items():
        top = 40.0 if name in AFFINE else 1e3
        f = np.array([paid(shaper, LEVEL + np.array([0.0, g, top])) for g in gains])
        chi[name] = susceptibility(*f.T)
    law = {"par": (1, 0), "par, k 2": (2, 0), "par, k 3": (3, 0), "tanh": (2, 0), "sgfc": (1, 3)}
    want = [sigmoid_susceptibility(gains, k, c) for k, c in law.values()]
    yield apart(CHI, [chi[n] for n in law], want, 1e-12, ("closed form", "shapers"))
    raw = raw_susceptibility(gains, 40.0)
    yield apart(RAW, [chi[n] for n in AFFINE], [raw] * 4, 1e-9, ("closed form", "shapers"))
    rising = ("par, k 3", "par, k 2", "par", "sgfc", "raw")
    held = [chi[a] < chi[b] for a, b in pairwise(rising)]
    held.append(np.abs(chi["tanh"] - chi["par, k 2"]) < 1e-12)
    by_law = dict(zip(law, want, strict=True)) | {"raw": raw}
    true = [by_law[a] < by_law[b] for a, b in pairwise(rising)]
    yield missed(ORDER, held, [*true, np.ones(len(gains), bool)], ("closed form", "shapers"))
    yield Table("susceptibility at a gain of 2", ("transform", "chi"),
                [[n, float(x[10])] for n, x in chi.items()])  # fmt: skip
    shown = {n.replace("par", "PAR"): chi[n]
             for n in ("raw", "sgfc", "par", "par, k 2", "par, k 3")}  # fmt: skip
    yield lines("susceptibility", "How much more a hack is favoured", ("gain g", "chi"), shown,
                x=gains.tolist(), log_y=True, caption="Hack at R 40 for the raw score, without "
                "bound for the others; tanh lies on k 2.")  # fmt: skip


# -- T2, T3 ----------------------------------------------------------------------------------------
def flow(f: np.ndarray, beta: float, anchored: bool) -> Any:
    """The gradient of E f - beta KL from `START` (anchored) or from the uniform policy."""
    from_ = START if anchored else np.full(3, 1 / 3)

    def gradient(z: np.ndarray) -> np.ndarray:
        p = softmax(z)
        v = f - beta * np.log(np.maximum(p, 1e-300) / from_)
        return p * (v - (p * v).sum(-1, keepdims=True))

    return gradient


def matched(rule: str, bound: bool, anchored: bool) -> Items:
    """Utility at equal KL, and the odds that the tilt gives the hack."""
    own = shapers(rule)
    pay = {n: [paid(s, arms(R)) for R in HACKS] for n, s in own.items()}
    at = {n: [tilt(START, f, tilt_to_kl(START, f, 1.0)) for f in x] for n, x in pay.items()}
    utility = {n: np.array(x) @ TRUTH for n, x in at.items()}
    ends, reached = [], []
    for name in ("raw", "par", "sgfc"):
        for f, p in zip(pay[name][::2], at[name][::2], strict=True):
            scale = float(np.ptp(f))  # the flow in units of the reward's range
            beta = 1 / tilt_to_kl(START, f, 1.0) / scale
            ends.append(flow_end(flow(f / scale, beta, anchored), np.log(START), 3000.0))
            reached.append(p)
    yield apart(REACHED, ends, reached, 1e-5, ("tilt", "gradient flow"))
    yield apart(NUMBERS, [utility[n] for n in WRITTEN], list(WRITTEN.values()), 1e-3,
                ("written down", "tilt"))  # fmt: skip
    yield apart(SAME, [utility[n] for n in AFFINE[1:]], [utility["raw"]] * 3, 1e-9,
                ("affine", "tilt"))  # fmt: skip
    one = alone("tilt", "an inequality between numbers that two checks above give")
    yield one(STOPS, float(utility["par"][2] - utility["par"][3]), 1e-4, "<")
    yield one(FALLS, float(-np.diff(utility["raw"]).max()), 0.05, ">")
    yield from odds(own, bound)
    yield Table("utility at 1 nat", ("transform", *(f"R {R:g}" for R in HACKS)),
                [[n, *x.tolist()] for n, x in utility.items()])  # fmt: skip
    t = np.concatenate([[0], np.geomspace(1e-3, 3e3, 240)])
    drawn = {f"{SAID[n]}, R {R:g}": _curve(pay[n][i], t) for n in ("raw", "par")
             for i, R in enumerate(HACKS) if R in (3.0, 12.0, 40.0)}  # fmt: skip
    yield lines("over-optimisation", "True utility along the tilt", ("KL in nats", "utility"),
                drawn, dashed=[n for n in drawn if n.startswith("raw")],
                caption="Three arms; PAR's curves for R 12 and 40 lie on each other.")  # fmt: skip


def _curve(f: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    gold, _, nats = tilt_curve(START[None], f[None], TRUTH[None], t / np.ptp(f))
    return nats, gold


def odds(own: Mapping[str, Shaper], bound: bool) -> Items:
    """Log odds of the hack against the honest arm at the KL weight of T4."""
    grid, first = np.array([2.5, 3, 6, 12, 40, 60]), START[2] / START[1]
    f = np.array([paid(own["par"], arms(R)) for R in grid])
    log = np.log(first) + (f[:, 2] - f[:, 1]) / BETA
    p = np.array([tilt(START, x, 1 / BETA) for x in f])
    by_tilt = np.log(p[:, 2] / p[:, 1])
    top = 1.0 if bound else 0.95
    most = float(np.log(hack_odds_bound(first, 1 / (1 + np.exp(-HONEST)), top, BETA)))
    yield Check(BOUND, float(by_tilt.max()) - most, 1e-12, routes=("bound", "tilt"))
    yield same(LIMIT, max(abs(by_tilt[-1] - most), abs(log[-1] - most)), 0, 1e-12,
               ("bound", "tilt"))  # fmt: skip
    small = grid[:4]
    raw = np.array([tilt(START, paid(own["raw"], arms(R)), 1 / BETA) for R in small])
    yield apart(EXPLODES, np.log(raw[:, 2] / raw[:, 1]), np.log(first) + (small - HONEST) / BETA,
                1e-9, ("closed form", "tilt"))  # fmt: skip


# -- T4 --------------------------------------------------------------------------------------------
def optimised(rule: str, updates: int, runs: int, penalty: float, anchored: bool, seed: int
              ) -> Items:  # fmt: skip
    """Updates of E f - beta KL: where the utility peaks and where it ends."""
    own, names = shapers(rule), ("raw", "par")
    f = np.array([[paid(own[n], arms(R)) for R in RUNS] for n in names]).reshape(-1, 3)
    z = np.tile(np.log(START), (len(f), 1))

    def change(p: np.ndarray, _: int) -> np.ndarray:
        v = f - penalty * np.log(np.maximum(p, 1e-300) / START)
        return RATE * p * (v - (p * v).sum(-1, keepdims=True))

    path = ascend(change, z, updates) @ TRUTH
    raw, par = path[:, :3], path[:, 3:]
    times = RATE * np.arange(updates + 1)
    early = times <= RATE * 400
    by_flow = np.array([softmax(flow_path(flow(x, BETA, anchored), np.log(START), times[early],
                                          rtol=1e-7, atol=1e-9)) @ TRUTH for x in f])  # fmt: skip
    yield apart(PEAKS, path.max(0), by_flow.max(1), 0.02, ("flow", "updates"))
    by_tilt = [tilt(START, x, 1 / BETA) @ TRUTH for x in f[3:]]
    yield apart(ENDS, par[-1], by_tilt, 5e-3, ("tilt", "updates"))
    one = alone("updates", "a side of a number that another check finds twice")
    yield one(HACKED, float(raw[-1].max()), -0.99, "<")
    yield one(HELD, float(par[-1].min()), 0.65, ">")
    late = [np.diff(x) >= 0 for x in (raw.argmax(0), by_flow[:3].argmax(1))]
    yield missed(EARLIER, late, np.zeros((2, 2), bool), ("flow", "updates"))
    yield one(NO_LIFT, float(raw[:, 0].max() - par[:, 0].max()), 0.05, ">")
    yield one(LIFTED, float(par[:, 2].max() - raw[:, 2].max()), 0.05, ">")
    above = (path > 0.65).mean(0)
    yield one(WINDOW, float(above[3:].min() / above[:3].max()), 3, ">")
    yield from sampled_runs(f[[2, 5]], penalty, runs, draws(seed, 4))
    yield Table("peak and end of the utility", ("reward", "R", "peak", "update", "end"),
                [[n, R, float(x.max()), int(x.argmax()), float(x[-1])]
                 for n, paths in zip(names, (raw, par), strict=True)
                 for R, x in zip(RUNS, paths.T, strict=True)])  # fmt: skip
    drawn = {f"{SAID[n]}, R {R:g}": (np.arange(updates + 1)[_spots(updates)], x[_spots(updates)])
             for n, paths in zip(names, (raw, par), strict=True)
             for R, x in zip(RUNS, paths.T, strict=True)}  # fmt: skip
    yield lines("peak and end", "True utility in training", ("update", "utility"), drawn,
                log_x=True, dashed=[n for n in drawn if n.startswith("raw")],
                caption=f"Exact updates, KL weight {BETA}: PAR keeps the end; "
                "it lifts the peak for R 12 alone.")  # fmt: skip


def _spots(updates: int) -> np.ndarray:
    return np.unique(np.geomspace(1, updates, 110).astype(int))


def sampled_runs(f: np.ndarray, penalty: float, runs: int, rng: Any) -> Items:
    """The same updates on 64 sampled arms each, mean baseline; f (2, 3): raw and PAR at R 12."""
    size, updates = 64, 300
    spend(updates * runs * size)

    def step(z: np.ndarray, _: int) -> np.ndarray:
        p = softmax(z)
        v = f[:, None] - penalty * np.log(np.maximum(p, 1e-300) / START)
        count = rng.multinomial(size, p) / size
        return z + RATE * count * (v - (count * v).sum(-1, keepdims=True))

    end = softmax(follow(step, np.tile(np.log(START), (2, runs, 1)), updates)[-1]) @ TRUTH
    for name, x, limit, op in ((DRAWN_RAW, end[0], -0.9, "<"), (DRAWN_PAR, end[1], 0.6, ">")):
        error = float(x.std() / np.sqrt(runs))
        yield beyond(name, float(x.mean()), error, limit, op, ("simulation",),
                     why_one_route=trained)  # fmt: skip


@experiment(
    "23",
    card="23",
    slug="par",
    claim="Paid by the chance of being preferred over a reference, a response gains fast at first "
    "and little later: a hack whose proxy reward grows without bound gains no more odds than a "
    "constant, and the true utility stays up. That the peak isn't lifted holds for small hacks "
    "alone: for large ones the proxy's own peak is lower.",
    source="design principles; code PorUna-byte/PAR, trainers/reward_shaper.py; the bandit derived",
    provenance="code",
    smoke={"runs": 40},
    mutants=[
        Mutant("the log-odds are paid", {"rule": "unbounded", "updates": 600},
               (CHI, ORDER, NUMBERS, STOPS, BOUND, LIMIT, HELD, NO_LIFT, WINDOW, DRAWN_PAR)),
        Mutant("references not subtracted",
               {"rule": "uncentred", "parts": ("susceptibility", "kl")}, (CHI, NUMBERS, LIMIT)),
        Mutant("steepness ignored",
               {"rule": "steepness ignored", "parts": ("susceptibility",)}, (CHI, ORDER)),
        Mutant("a squashed min-max", {"rule": "clipped minmax", "parts": ("susceptibility", "kl")},
               (RAW, SAME)),
        Mutant("sgfc that starts late on the other side",
               {"rule": "early sgfc", "parts": ("susceptibility", "kl")}, (CHI, ORDER, NUMBERS)),
        Mutant("the bound of a sigmoid that ends at 0.95", {"bound": False, "parts": ("kl",)},
               (BOUND, LIMIT)),
        Mutant("PAR in the raw score's place", {"rule": "raw squashed"},
               (FALLS, EXPLODES, HACKED, NO_LIFT, LIFTED, DRAWN_RAW)),
        Mutant("a ceiling on the raw score", {"rule": "raw capped", "updates": 600},
               (FALLS, EARLIER)),
        Mutant("the flow's KL from the uniform policy", {"anchored": False, "updates": 600},
               (REACHED, PEAKS)),
        Mutant("no KL penalty", {"penalty": 0.0, "updates": 1500, "parts": ("training",)}, (ENDS,)),
    ],
)  # fmt: skip
def run(
    *,
    rule: str = "as published",
    bound: bool = True,
    penalty: float = BETA,
    anchored: bool = True,
    updates: int = 4000,
    runs: int = 200,
    parts: Sequence[str] = ("susceptibility", "kl", "training"),
    seed: int = 0,
) -> Result:
    """Three arms, one of them a hack: susceptibility, equal KL, odds, peak and end.

    updates : exact ones; runs : of sampled training; parts : which to run
    rule : "as published", or one of the broken ones in `BROKEN`; bound : the sigmoid's own;
    penalty : weight of the KL in training; anchored : the flow's KL is that from the start; all for
    mutants
    """
    own = {
        "susceptibility": lambda: favours(rule),
        "kl": lambda: matched(rule, bound, anchored),
        "training": lambda: optimised(rule, updates, runs, penalty, anchored, seed),
    }
    return run_parts(own, parts, (
        "The bandit and its numbers are ours; the published comparison is of language models.",
    ))  # fmt: skip
