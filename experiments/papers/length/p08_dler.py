"""DLER's optimiser: batch-wise normalisation, a higher clip, dynamic sampling under truncation."""

from __future__ import annotations

from math import ceil, exp, lgamma, log, sqrt
from typing import Any

import numpy as np

from toyrl.dynamics.groups.class_weights import class_weights
from toyrl.estimators.base import Estimator
from toyrl.estimators.batch import Whitened
from toyrl.estimators.dynamic_sampling import DynamicSampling, expected_draws, keep_informative
from toyrl.estimators.group import PRESETS, GroupEstimator
from toyrl.experiments.core import Check, Curve, Mutant, Picture, Result, Table, experiment
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.rollouts import Rollouts
from toyrl.shapers.outcome import Outcome

GROUP = 16
RATES = (0.5, 0.3, 0.1, 0.05, 0.02)
SEQUENCE = Whitened(baseline="mean", over="rollouts", singleton="raw")
TOKENS = Whitened(baseline="mean", over="tokens", singleton="raw")
GROUP_STD = PRESETS["grpo_population"]
BATCH: dict[str, Estimator] = {"batch": SEQUENCE, "group": GROUP_STD}
SIZES = (2, 4, 8, 16)
RARE = 0.01
FLAT = "T2: batch-wise: largest over smallest weight per unit of true gradient"
STEPS = "T3: updates of a rare token (1 %) to one half"
KEPT = "T4: share of prompts kept, filter on the outcome before truncation"


# -- T1: what truncation does to the reward, and the group's std to the noise ----------------------
def prompts(limit: float) -> tuple[np.ndarray, np.ndarray]:
    """p (B,) success rates and F (B,) shares of answers that end within `limit` tokens.

    Success is independent of length; lengths are exponential, longer for harder prompts.
    """
    p = np.array([0.0, 0.05, 0.2, 0.5, 0.8, 1.0])
    return p, 1 - np.exp(-limit / np.linspace(8000.0, 1500.0, len(p)))


def informative(q: np.ndarray, size: int) -> np.ndarray:
    """P(a group of `size` is not uniform)."""
    return 1 - q**size - (1 - q) ** size


def truncation_checks(groups: int, seed: int) -> list[Check]:
    """Mean, variance and informative share of truncated rewards, closed and sampled."""
    rng = np.random.default_rng([seed, 1])
    p, within = prompts(4000.0)
    q = p * within
    right = rng.random((groups, len(p), GROUP)) < p[:, None]
    reward = (right & (rng.random(right.shape) < within[:, None])) * 1.0
    r = Rollouts(reward, np.ones_like(reward), 1.0)
    kept = keep_informative(reward, r).w.max(-1)
    chance = informative(q, GROUP)
    spread = np.sqrt(np.maximum(chance * (1 - chance), 1e-12) / groups)
    noise = np.sqrt(np.maximum(q * (1 - q), 1e-12) / (groups * GROUP))
    z = [np.abs(kept.mean(0) - chance) / spread, np.abs(reward.mean((0, 2)) - q) / noise]
    return [
        Check("T1: informative share and mean reward by prompt, largest deviation in s.e.",
              float(np.max(z)), 4.5, routes=("closed form", "simulation")),
        Check("T1: printed variances 0.29 to 0.40 are none: largest of 16 binary rewards",
              float(np.var(np.arange(GROUP) < GROUP / 2, ddof=1)), 0.29, "<"),
    ]  # fmt: skip


def chi_mean(size: int) -> float:
    """c_N, the expected population std of N standard normals."""
    return sqrt(2 / size) * exp(lgamma(size / 2) - lgamma((size - 1) / 2))


def noise_checks(estimator: GroupEstimator, groups: int, seed: int) -> list[Check]:
    """The group z-score of pure noise: E[eps A] = sigma c_N, and its squared error."""
    rng = np.random.default_rng([seed, 2])
    checks = []
    for sigma in (0.5, 1.5):
        eps = sigma * rng.standard_normal((groups, 8))
        a = estimator.advantages(eps, Rollouts(eps, eps, 1.0))
        c = chi_mean(8)
        for name, x, want in (
            ("E[eps A]", eps * a, sigma * c),
            ("E[(A - eps)^2]", (a - eps) ** 2, sigma**2 - 2 * sigma * c + 1),
        ):
            error = float(x.mean(-1).std() / groups**0.5)
            checks.append(Check(f"T1: noise of size {sigma}: {name}", float(x.mean()), want, "~",
                                4 * error, error, ("closed form", "simulation")))  # fmt: skip
    found, error = sampled_slip(groups, seed)
    want = slip()
    return [
        *checks,
        Check("T1: E[sum of the others / std | own noise 1.5], N 4, is not the printed 0", want,
              0.4, ">", routes=("quadrature",)),
        Check("T1: the same, sampled", found, want, "~", 4 * error, error,
              ("quadrature", "simulation")),
    ]  # fmt: skip


def slip(own: float = 1.5, size: int = 4) -> float:
    """E[sum_{j != i} eps_j / D | eps_i], D the group's population std: D sees eps_i.

    Given the others' mean m ~ N(0, 1/n) and sum of squares s ~ chi^2(n - 1), n = size - 1,
    D^2 = (s + n/size (m - own)^2)/size; a Gauss-Legendre grid over m and sqrt(s).
    """
    from scipy.stats import chi, norm

    n = size - 1
    x, w = np.polynomial.legendre.leggauss(400)
    m, wm = 6 * x[:, None], 6 * w[:, None]
    root, wr = 5 * (x + 1), 5 * w
    d = np.sqrt((root**2 + n / size * (m - own) ** 2) / size)
    weight = norm.pdf(m, scale=n**-0.5) * chi.pdf(root, n - 1) * wm * wr
    return float((n * m / d * weight).sum())


def sampled_slip(groups: int, seed: int) -> tuple[float, float]:
    """The same by sampling, and its standard error."""
    rng = np.random.default_rng([seed, 3])
    eps = rng.standard_normal((groups, 4))
    eps[:, 0] = 1.5
    x = eps[:, 1:].sum(-1) / eps.std(-1)
    return float(x.mean()), float(x.std() / groups**0.5)


# -- T2: direction ---------------------------------------------------------------------------------
def over_truth(e: Estimator, q: np.ndarray, size: int, length: Any = None) -> np.ndarray:
    """Expected logit update of each prompt over the true gradient q (1 - q), exactly."""
    correct = np.broadcast_to([1.0, 0.0], (len(q), 2)).copy()
    tokens = np.ones_like(correct) if length is None else np.broadcast_to(length, correct.shape)
    r = Rollouts(correct, tokens.copy(), 1.0, weight=np.stack([q, 1 - q], axis=1))
    w = class_weights(r, Outcome(), e, group_size=size).w
    return w[:, 0] - w[:, 1]


def group_weight(q: np.ndarray, size: int) -> np.ndarray:
    """w_G(q)/(q (1 - q)) of group normalisation, population std: a binomial sum."""
    from scipy.stats import binom

    m = np.arange(size + 1)
    spread = np.sqrt(m / size * (1 - m / size))
    return binom.pmf(m, size, q[:, None]) @ spread / (q * (1 - q))


def sampled_components(e: Estimator, groups: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean logit update per prompt and its standard error; one large batch of all prompts."""
    rng = np.random.default_rng([seed, 4])
    q = np.array(RATES)
    reward = (rng.random((groups, len(q), GROUP)) < q[:, None]) * 1.0
    flat = reward.reshape(-1, GROUP)
    a, _ = e.apply({"outcome": flat}, Rollouts(flat, np.ones_like(flat), 1.0))
    g = (a.reshape(reward.shape) * (reward - q[:, None])).mean(-1)
    return g.mean(0), g.std(0, ddof=1) / groups**0.5


def direction_checks(batch: Estimator, groups: int, seed: int) -> tuple[list[Check], Table]:
    """Weights per unit of true gradient: group normalisation favours rarely solved prompts."""
    q = np.array(RATES)
    truth = q * (1 - q)
    closed = group_weight(q, GROUP)
    scale = sqrt((1 - 1 / GROUP) * truth.mean() + SEQUENCE.eps)
    flat = np.full(len(q), (1 - 1 / GROUP) / scale)
    exact = {"group": over_truth(GROUP_STD, q, GROUP), "batch": over_truth(batch, q, GROUP)}
    checks, rows = [], []
    for name, e, want in (("group", GROUP_STD, closed), ("batch", batch, flat)):
        mean, error = sampled_components(e, groups, seed)
        z = np.abs(mean - want * truth) / error
        checks += [
            Check(f"T2: {name}-wise: class engine against the closed form, largest error",
                  float(np.abs(exact[name] - want).max()), 1e-12,
                  routes=("closed form", "class engine")),
            Check(f"T2: {name}-wise: largest deviation in standard errors", float(z.max()), 4.5,
                  routes=("closed form", "simulation")),
            Check(f"T2: {name}-wise: largest relative deviation, less 4 standard errors",
                  float((np.abs(mean / (want * truth) - 1) - 4 * error / (want * truth)).max()),
                  0.02),
        ]  # fmt: skip
        columns = zip(RATES, want, exact[name], mean / truth, strict=True)
        rows += [[name, *row] for row in columns]
    spread = {k: float(v.max() / v.min()) for k, v in exact.items()}
    checks += [
        Check("T2: group-wise: largest over smallest weight per unit of true gradient",
              spread["group"], 1.8, ">="),
        Check(FLAT, spread["batch"], 1.02),
        Check("T2: group-wise: weight as success vanishes, over sqrt(G - 1)",
              float(group_weight(np.array([1e-6]), GROUP)[0] / sqrt(GROUP - 1)), 1.0, "~", 1e-4),
    ]  # fmt: skip
    headings = ("normalised by", "success rate", "closed form", "class engine", "sampled")
    return checks, Table("weight per true gradient", headings, rows)


def shift_checks() -> list[Check]:
    """Token weights: where wrong answers are longer, every advantage is shifted up."""
    q, length = np.array([0.5, 1.0]), np.array([1.0, 3.0])
    correct = np.broadcast_to([1.0, 0.0], (2, 2)).copy()
    weight = np.stack([q, 1 - q], axis=1)
    r = Rollouts(correct, np.broadcast_to(length, (2, 2)).copy(), 4.0, weight=weight)
    solved = {}
    for name, e in (("tokens", TOKENS), ("rollouts", SEQUENCE)):
        solved[name] = float(class_weights(r, Outcome(), e, group_size=GROUP).w[1, 0])
    share, tokens = 1 - 1 / GROUP, np.array([2.0, 1.0])  # mean tokens of the two prompts
    first = 0.5 * share * 0.25 * (length[0] - length[1]) / tokens.mean()
    # E[T a^2] of the mixed prompt: the own deviation, and the noise of the siblings.
    second = 0.5 * 2.0 * (share**2 * 0.25 + (GROUP - 1) / GROUP**2 * 0.25) / tokens.mean()
    want = -first / sqrt(second - first**2 + 1e-8)
    return [
        Check("T2: token-wise: advantage of an always solved prompt", solved["tokens"], want,
              "~", 1e-9, routes=("closed form", "class engine")),
        Check("T2: rollout-wise: advantage of an always solved prompt", solved["rollouts"], 0.0,
              "~", 1e-12),
    ]  # fmt: skip


# -- T3: the higher clip ---------------------------------------------------------------------------
def clipped_path(clip_high: float, updates: int, rate: float = 2e-3) -> np.ndarray:
    """(updates + 1,) probability of a rare token with advantage 1, against one with 0.

    In each update inner gradient steps go on until the surrogate has no gradient left. The inner
    rate is small, so that the last step overshoots the clip by at most `rate`.
    """
    objective = PolicyGradient("sum", clip_high=clip_high, dual_clip=10.0)
    p, out = RARE, [RARE]
    mask = np.ones((1, 2, 1))
    for _ in range(updates):
        old = np.log([[[p], [1 - p]]])
        now = p
        r = Rollouts(np.array([[1.0, 0]]), np.ones((1, 2)), 1.0, mask=mask,
                     weight=np.array([[p, 1 - p]]))  # fmt: skip
        while now < 1 - 1e-6:
            logp = np.log([[[now], [1 - now]]])
            c = objective.coefficients(np.array([[1.0, 0]]), r, logp, old)[0, 0, 0]
            if c == 0:
                break
            # A step along the gradient c (1 - now) of the logit, of relative size `rate` in p.
            now = 1 / (1 + exp(-(log(now / (1 - now)) + rate / (1 - now))))
        p = now
        out.append(p)
        if p > 0.99:
            break
    return np.array([*out, *[p] * (updates + 1 - len(out))])


def entropy(p: np.ndarray) -> np.ndarray:
    """Of a two-token softmax, nats."""
    return -p * np.log(p) - (1 - p) * np.log1p(-p)


def clip_checks(clip_high: float) -> tuple[list[Check], Picture]:
    """Updates that a rare token needs, by the bound and by an explicit inner loop."""
    low, high = clipped_path(0.2, 30), clipped_path(clip_high, 30)
    count = {k: int(np.argmax(v >= 0.5)) for k, v in (("0.2", low), ("0.28", high))}
    want = {k: ceil(log(0.5 / RARE) / log(1 + float(k))) for k in count}
    inner = ("closed form", "inner loop")
    checks = [
        Check(f"{STEPS}, clip 0.28", count["0.28"], want["0.28"], "==", routes=inner),
        Check(f"{STEPS}, clip 0.2", count["0.2"], want["0.2"], "==", routes=inner),
        Check("T3: published count at 0.28", want["0.28"], 16, "=="),
        Check("T3: published count at 0.2", want["0.2"], 22, "=="),
        Check("T3: entropy after 10 updates, higher clip over symmetric clip",
              float(entropy(high)[10] / entropy(low)[10]), 1.0, ">"),
    ]  # fmt: skip
    steps = list(range(31))
    bound = [min(1.0, RARE * 1.28**k) for k in steps]
    picture = Picture(
        "clip", "How fast a rare good token may grow", "update", "probability",
        (Curve("clip 0.2 / 0.28", steps, high.tolist()), Curve("clip 0.2", steps, low.tolist()),
         Curve("0.01 x 1.28^k", steps, bound, style="dashed")),
        caption="Two-token softmax, explicit inner loop until the surrogate is flat.",
    )  # fmt: skip
    return checks, picture


# -- T4: dynamic sampling --------------------------------------------------------------------------
def drawing(by: str, groups: int, seed: int) -> tuple[list[Check], Table]:
    """Kept prompts, draws and gradient, half of the prompts never solved; truncation at 4000."""
    rng = np.random.default_rng([seed, 6])
    p = np.array([0.0, 0.0, 0.9, 1.0])  # outcomes; a share of answers is cut, and paid 0
    within = np.array([0.5, 0.5, 0.8, 0.8])
    right = (rng.random((groups, 4, GROUP)) < p[:, None]) * 1.0
    paid = right * (rng.random(right.shape) < within[:, None])
    flat = Rollouts(right.reshape(-1, GROUP), np.ones((4 * groups, GROUP)), 1.0)
    e = DynamicSampling(PRESETS["dr_grpo"], by=by)
    a, _ = e.apply({"reward": paid.reshape(-1, GROUP)}, flat)
    kept = np.abs(a).max(-1).reshape(groups, 4) > 0
    # A kept group may still be tied in the reward: all its right answers cut. It is counted here.
    q = p * within
    lost = (1 - q) ** GROUP - (1 - p) ** GROUP
    want = informative(p, GROUP) - np.where(p < 1, lost, 0.0)
    half = np.array([0.0, 0.5])
    share = np.array([0.5, 0.5])
    draws = float(expected_draws(informative(half, GROUP), share))
    found, error = sampled_draws(half, max(50, groups // 200), rng)
    gain = kept_gain(half, groups, rng)
    spread = sqrt((want * (1 - want)).sum() / groups) / len(p)
    slack = sqrt((1 / draws) * (1 - 1 / draws) / groups) * draws**2
    checks = [
        Check(KEPT, float(kept.mean()), float(want.mean()), "~", 4 * spread, spread,
              ("closed form", "simulation")),
        Check("T4: prompts to draw per prompt kept, half of them never solved", found, draws, "~",
              4 * error, error, ("closed form", "simulation")),
        Check("T4: gradient per rollout, kept prompts over all", gain, draws, "~", 4 * slack, slack,
              ("closed form", "simulation")),
    ]  # fmt: skip
    rows = [[x, f, float(kept[:, i].mean()), float(want[i])]
            for i, (x, f) in enumerate(zip(p, within, strict=True))]  # fmt: skip
    return checks, Table("kept prompts", ("success", "ends in time", "kept", "closed form"), rows)


def sampled_draws(q: np.ndarray, batches: int, rng: np.random.Generator) -> tuple[float, float]:
    """Prompts drawn per prompt kept until a batch of 64 is full; mean and standard error."""
    counts = []
    for _ in range(batches):
        choice = rng.integers(0, len(q), 64 * 8)
        hits = (rng.random((len(choice), GROUP)) < q[choice][:, None]) * 1.0
        r = Rollouts(hits, np.ones_like(hits), 1.0)
        kept = keep_informative(hits, r).w.max(-1) > 0
        counts.append((np.flatnonzero(kept)[63] + 1) / 64)
    return float(np.mean(counts)), float(np.std(counts, ddof=1) / batches**0.5)


def kept_gain(q: np.ndarray, groups: int, rng: np.random.Generator) -> float:
    """Mean logit update per rollout of the kept prompts over that of all."""
    choice = rng.integers(0, len(q), groups)
    hits = (rng.random((groups, GROUP)) < q[choice][:, None]) * 1.0
    r = Rollouts(hits, np.ones_like(hits), 1.0)
    a, _ = DynamicSampling(PRESETS["dr_grpo"]).apply({"outcome": hits}, r)
    g = (a * (hits - q[choice][:, None])).mean(-1)
    kept = keep_informative(hits, r).w.max(-1) > 0
    return float(g[kept].mean() / g.mean())


def weight_picture() -> Picture:
    """Weight per unit of true gradient against the success rate."""
    q = np.geomspace(0.005, 0.5, 60)
    curves = [Curve(f"group std, G {n}", q.tolist(), group_weight(q, n).tolist()) for n in
              (4, 8, 16, 64)]  # fmt: skip
    level = float(np.mean(group_weight(np.array([0.5]), GROUP)))
    curves.append(Curve("batch std (scaled)", q.tolist(), [level] * len(q), style="dashed"))
    return Picture("weights", "What group normalisation makes of rarely solved prompts",
                   "success rate", "weight / true gradient", curves, log_x=True)  # fmt: skip


@experiment(
    "08-optimiser",
    card="08",
    slug="dler-optimiser",
    claim="Under truncation many prompts are rarely rewarded; normalising by the batch keeps their "
    "gradients in proportion where normalising by the group magnifies them, a higher clip lets "
    "rare tokens grow, and dropping uniform prompts restores the batch.",
    source="sections 2-3, Eq. 3, Appendix B; code NVlabs/DLER",
    provenance="code",
    smoke={"groups": 6000},
    mutants=[
        Mutant("normalised by the group", {"normalise": "group"}, (FLAT,)),
        Mutant("symmetric clip", {"clip_high": 0.2}, (f"{STEPS}, clip 0.28",)),
        Mutant("filtered after truncation", {"by": "reward"}, (KEPT,)),
    ],
)
def run(
    *,
    normalise: str = "batch",
    clip_high: float = 0.28,
    by: str = "correct",
    groups: int = 100_000,
    seed: int = 0,
) -> Result:
    """Truncated rewards, direction and noise of normalised advantages, clip, dynamic sampling.

    normalise : "batch", or "group" (broken); clip_high : upper clip; by : what prompts are
    filtered on, "correct" or "reward" (broken); groups : sampled groups per prompt
    """
    t2, weights = direction_checks(BATCH[normalise], groups, seed)
    t3, clip = clip_checks(clip_high)
    t4, kept = drawing(by, groups, seed)
    return Result(
        (
            *truncation_checks(groups // 4, seed),
            *noise_checks(GROUP_STD, groups, seed),
            *t2,
            *shift_checks(),
            *t3,
            *t4,
        ),
        (weight_picture(), clip),
        (weights, kept),
        notes=(
            "Appendix B's proof has two slips: the noise of the siblings over the group's std is "
            "not centred given the own noise, and the weight falls with sigma, it does not grow.",
            "Where the rare token is the good one, entropy rises, faster with the higher clip.",
        ),
    )
