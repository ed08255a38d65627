"""Step scores that are farmed: how long solutions get, with and without a KL penalty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.lab.bandits import follow, sigmoid
from toyrl.experiments.lab.curves import lines, root
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import apart
from toyrl.experiments.papers.process.p09_clip_delta import padded, terms
from toyrl.theory.policies import tilt
from toyrl.theory.process.pad_chain import (
    SCHEMES,
    explosion_weight,
    padding_gradient,
    tilted_steps,
    unbounded_tilted_steps,
)

TILTED = "T1: E[steps] at the KL optimum, all schemes and weights, largest error"
EXPLODES = "T1: E[steps] of the sum beyond its threshold, H = 200"
SHORT = "T1: most E[steps] of Delta over 1 + 1/(1 - u)"
SHORTER = "T1: most E[steps] of Clip and Clip-Delta over the base policy's"
EDGE = "T1: E[steps] of the sum without a horizon up to 0.9 of the threshold, largest error"
LONG = "T2: least mean steps at the end without KL, sum and Delta"
STILL = "T2: outcome only: change of the logit"
FEW = "T2: most mean steps at the end without KL, Clip and Clip-Delta"
ANCHORED = "T2: Delta with KL: logit of padding at the end, by ascent and by root"
HELD = "T2: Delta with KL: rise of the logit over alpha c_pad/beta"


# -- T1: the optimum under a KL penalty ------------------------------------------------------------
def tilts(rule: str, eta: float) -> Items:
    """E[steps] of the KL-regularised optimum of the total, against the weight."""
    u, beta, c_pad, H = 0.3, 0.1, 0.9, 200
    grid = np.linspace(0.0, 0.3, 31)
    K, r = np.arange(1, H + 1), padded(H, c_pad, c_pad)
    base = u ** (K - 1.0) * np.where(H > K, 1 - u, 1.0)
    found: dict[str, np.ndarray] = {}
    for s in SCHEMES:
        totals = np.array([terms(rule, a, eta)[s].reward(r)[0] for a in grid])
        found[s] = np.array([tilt(base, x, 1 / beta) @ K for x in totals])
    at = {"beta": beta, "c_pad": c_pad, "c_sol": c_pad, "eta": eta}
    want = [[tilted_steps(s, u, H, alpha=a, **at) for a in grid] for s in SCHEMES]
    yield apart(TILTED, list(found.values()), want, 1e-9, ("closed form", "shapers"))
    both, mean = ("closed form", "shapers"), 1 / (1 - u)
    yield Check(EXPLODES, float(found["sum"][20]), 100, ">", routes=both)
    yield Check(SHORT, float(found["delta"].max() / (1 + mean)), 1, "<", routes=both)
    most = max(found["clip"].max(), found["clip_delta"].max())
    yield Check(SHORTER, float(most / mean), 1, "<=", 1e-12, routes=both)
    edge = explosion_weight(u, c_pad=c_pad, beta=beta)
    below = np.array([0.2, 0.5, 0.9]) * edge
    wide = padded(600, c_pad, c_pad)
    steps = np.arange(1, 601)
    law = u ** (steps - 1.0) * np.where(steps < 600, 1 - u, 1.0)
    far = [tilt(law, terms(rule, a, eta)["sum"].reward(wide)[0], 1 / beta) @ steps for a in below]
    free = [unbounded_tilted_steps(u, alpha=a, c_pad=c_pad, beta=beta) for a in below]
    yield apart(EDGE, far, free, 1e-9, claim=False)
    yield lines("tilt", "Steps at the KL optimum", ("weight alpha", "E[steps]"), found,
                x=grid.tolist(), log_y=True, caption=f"u {u}, beta {beta}, pads scored {c_pad}, "
                f"at most {H} steps; the sum's threshold lies at {edge:.4f}.")  # fmt: skip


# -- T2: ascent ------------------------------------------------------------------------------------
def ascent(schemes: Mapping[str, str], alpha: float, c_pad: float, eta: float, updates: int
           ) -> Items:  # fmt: skip
    """Exact ascent by rewards to go from a mean of 2.5 steps, without and with a KL penalty."""
    H, start, rate, beta = 30, np.log(1.5), 0.5, 0.3
    at = {"alpha": alpha, "c_pad": c_pad, "eta": eta}
    powers = np.arange(H - 1)

    def kl_slope(z: np.ndarray) -> np.ndarray:
        """d KL / d logit, of the law of the number of steps from the base policy's."""
        u, u0 = sigmoid(z), float(sigmoid(start))
        visits = (u[..., None] ** powers).sum(-1)
        growth = (powers[1:] * u[..., None] ** powers[:-1]).sum(-1)
        each = u * np.log(u / u0) + (1 - u) * np.log((1 - u) / (1 - u0))
        return u * (1 - u) * ((z - start) * visits + each * growth)

    def run(weight: float) -> np.ndarray:
        def step(z: np.ndarray, _: int) -> np.ndarray:
            g = [padding_gradient(schemes.get(s, s), sigmoid(x), H, **at)
                 for s, x in zip(SCHEMES, z, strict=True)]  # fmt: skip
            return z + rate * (np.array(g) - weight * kl_slope(z))

        return follow(step, np.full(len(SCHEMES), start), updates)

    path, held = run(0.0), run(beta)
    mean, kept = ((sigmoid(x)[..., None] ** np.arange(H)).sum(-1) for x in (path, held))
    last = dict(zip(SCHEMES, mean[-1].tolist(), strict=True))
    where = ("exact ascent", "sign of the closed gradient")
    yield Check(LONG, min(last["sum"], last["delta"]), 29, ">", routes=where)
    yield Check(STILL, float(np.abs(path[:, 0] - start).max()), 1e-9, routes=where)
    yield Check(FEW, max(last["clip"], last["clip_delta"]), 1.6, "<", routes=where)
    at_rest = root(lambda z: float(padding_gradient("delta", sigmoid(z), H, **at)
                                   - beta * kl_slope(np.array(z))), start, start + 5)  # fmt: skip
    i = SCHEMES.index("delta")
    # 400 updates shrink what is left by a factor of its curvature: far below 1e-3 here.
    yield apart(ANCHORED, held[-1, i], at_rest, 1e-3, ("root", "exact ascent"))
    yield Check(HELD, float((held[:, i].max() - start) * beta / (alpha * c_pad)), 1, "<",
                routes=("derived", "exact ascent"))  # fmt: skip
    for name, said, y in (("ascent", "Without a KL penalty", mean),
                          ("anchored", f"With a KL penalty of {beta}", kept)):  # fmt: skip
        yield lines(name, said, ("update", "mean steps"), dict(zip(SCHEMES, y.T, strict=True)),
                    log_y=True, caption=f"H {H}, pads scored {c_pad}, alpha {alpha}, "
                    f"threshold {eta}, rate {rate}.")  # fmt: skip
    yield Table("mean steps at the end", ("scheme", "no KL", f"KL {beta}"),
                [[s, *x] for s, x in zip(SCHEMES, np.stack([mean[-1], kept[-1]], -1).tolist(),
                                         strict=True)])  # fmt: skip


@experiment(
    "09-padding",
    card="09",
    slug="clip-delta-padding",
    claim="On a chain that may be padded, summed step scores lengthen solutions without bound from "
    "a sharp weight on; Delta keeps them short under a KL penalty, Clip and Clip-Delta always.",
    source="section 4 (Clip, Delta), from two summaries that agree; the padded chain derived",
    provenance="second-hand",
    smoke={},
    mutants=[
        Mutant("a cap instead of a threshold", {"rule": "capped", "parts": ("tilt",)},
               (TILTED, SHORTER)),
        Mutant("scores summed", {"rule": "summed", "parts": ("tilt",)}, (TILTED, SHORT)),
        Mutant("the sum is clipped", {"rule": "clipped", "parts": ("tilt",)}, (EXPLODES,)),
        Mutant("Delta trained as the sum", {"trained": {"delta": "sum"}, "parts": ("ascent",)},
               (ANCHORED, HELD)),
        Mutant("Clip trained as the sum, Delta as Clip-Delta",
               {"trained": {"clip": "sum", "delta": "clip_delta", "outcome": "delta"},
                "parts": ("ascent",)}, (LONG, FEW, STILL)),
    ],
)  # fmt: skip
def run(
    *,
    rule: str = "as published",
    trained: Mapping[str, str] | None = None,
    alpha: float = 0.3,
    eta: float = 0.95,
    updates: int = 400,
    parts: Sequence[str] = ("tilt", "ascent"),
    seed: int = 0,
) -> Result:
    """KL optima of the total against its weight, and exact ascent by rewards to go.

    alpha : weight of the step scores in the ascent (the paper's is not known); eta : threshold,
    above the score of a pad; updates : of the ascent; parts : which to run
    rule : "as published", or a broken one; trained : schemes whose gradient is exchanged for
    another's; both for mutants; seed : nothing is drawn
    """
    del seed
    own = {
        "tilt": lambda: tilts(rule, eta),
        "ascent": lambda: ascent(trained or {}, alpha, 0.9, eta, updates),
    }
    notes = (
        "Delta alone still pays, a bounded amount, for putting off the last step: without a KL "
        "penalty it drifts to the longest rollouts as the sum does, only later.",
        "Its bound on E[steps], 1 + 1/(1 - u), is that of the total's optimum. Trained by rewards "
        "to go every pad is paid alpha c_pad: a KL penalty then bounds the rise of the logit, by "
        "alpha c_pad/beta.",
    )
    return run_parts(own, parts, notes)
