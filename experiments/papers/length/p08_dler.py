"""DLER's optimiser: batch-wise normalisation, a higher clip, dynamic sampling under truncation."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log, sqrt

import numpy as np

from toyrl.dynamics.groups.class_weights import class_weights
from toyrl.estimators.base import Estimator
from toyrl.estimators.batch import Whitened
from toyrl.estimators.dynamic_sampling import DynamicSampling, expected_draws, keep_informative
from toyrl.estimators.group import PRESETS, GroupEstimator
from toyrl.experiments.core import Check, Mutant, Picture, Result, Table, experiment
from toyrl.experiments.core.work import UPDATE, spend
from toyrl.experiments.lab.bandits import follow, sigmoid
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import Draws, draws
from toyrl.experiments.lab.groups import advantages
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Item, Items, run_parts
from toyrl.experiments.lab.routes import SAMPLED, apart, deviation, same, sampled
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.rollouts import Rollouts
from toyrl.shapers.outcome import Outcome
from toyrl.theory.group.noise_scores import z_score_alignment, z_score_error
from toyrl.theory.group.variance import omega, zero_signal

GROUP = 16
RATES = (0.5, 0.3, 0.1, 0.05, 0.02)
RARE, CLIPS = 0.01, (0.2, 0.28)
STEP = 2e-3
"""Relative size of an inner step of the rare token: the last one overshoots the clip by that."""
SEQUENCE = Whitened(baseline="mean", over="rollouts", singleton="raw")
MEAN, GROUP_STD = PRESETS["dr_grpo"], PRESETS["grpo_population"]
BATCH = {"batch": SEQUENCE, "group": GROUP_STD, "raw": Whitened(over="rollouts", singleton="raw")}
GROUPED = {"std": GROUP_STD, "sample std": PRESETS["grpo_exact"], "mean alone": MEAN}
ENGINES = ("closed form", "class engine")
PAID = "T1: informative share and mean reward by prompt, largest deviation in s.e."
NOISES = {s: (f"T1: noise of size {s}: E[eps A]", f"T1: noise of size {s}: E[(A - eps)^2]")
          for s in (0.5, 1.5)}  # fmt: skip
SLIP = "T1: E[sum of the others / std | own noise 1.5], N 4, is not the printed 0"
SLIP_SAMPLED = "T1: the same, sampled"
FOUND = ("class engine against the closed form, largest error",
         "largest deviation in standard errors",
         "largest relative deviation, less 4 standard errors")  # fmt: skip
WEIGHTS = {by: tuple(f"T2: {by}-wise: {x}" for x in FOUND) for by in ("group", "batch")}
STEEP = "T2: group-wise: largest over smallest weight per unit of true gradient"
FLAT = "T2: batch-wise: largest over smallest weight per unit of true gradient"
LIMIT = "T2: group-wise: weight as success vanishes, over sqrt(G - 1)"
SHIFT = "T2: token-wise: advantage of an always solved prompt"
CENTRED = "T2: rollout-wise: advantage of an always solved prompt"
STEPS = tuple(f"T3: updates of a rare token (1 %) to one half, clip {c}" for c in CLIPS)
ENTROPY = "T3: entropy after 10 updates, higher clip over symmetric clip"
KEPT = "T4: share of prompts kept, filter on the outcome before truncation"
DRAWN = "T4: prompts to draw per prompt kept, half of them never solved"
GAIN = "T4: gradient per rollout, kept prompts over all"


# -- T1: what truncation does to the reward, and the group's std to the noise ----------------------
def informative(q: np.ndarray) -> np.ndarray:
    """P(a group is not uniform)."""
    return 1 - zero_signal(q, GROUP)


def kept_groups(score: np.ndarray, keep: str) -> np.ndarray:
    """Which groups (..., G) of binary scores dynamic sampling keeps; bool (...).

    keep : "differ", or "not solved" (mutant: only prompts without a wrong answer are dropped)
    """
    if keep == "not solved":
        return score.min(-1) < 1
    return keep_informative(score, Rollouts(score, np.ones_like(score), 1.0)).w.max(-1) > 0


def truncation_checks(kappa: float, keep: str, groups: int, seed: int) -> list[Check]:
    """Mean, variance and informative share of truncated rewards, closed and sampled.

    Success is independent of length; lengths are exponential, longer for harder prompts.
    """
    rng = draws(seed, 1)
    p = np.array([0.0, 0.05, 0.2, 0.5, 0.8, 1.0])
    within = 1 - np.exp(-4000.0 / np.linspace(8000.0, 1500.0, len(p)))
    q = p * within
    right = rng.random((groups, len(p), GROUP)) < p[:, None]
    reward = right * np.where(rng.random(right.shape) < within[:, None], 1.0, kappa)
    want = np.array([informative(q), q])
    found = np.array([kept_groups(reward, keep).mean(0), reward.mean((0, 2))])
    error = np.sqrt(want * (1 - want) / np.array([[groups], [groups * GROUP]]))
    half = np.arange(GROUP) < GROUP / 2
    return [
        deviation(PAID, found, error, want, sigmas=4.5),
        Check("T1: printed variances 0.29 to 0.40 are none: largest of 16 binary rewards",
              float(np.var(half, ddof=1)), 0.29, "<", claim=False),
    ]  # fmt: skip


def noise_checks(estimator: GroupEstimator, own: float, groups: int, seed: int) -> list[Check]:
    """The group z-score of pure noise: E[eps A] = sigma c_N, its squared error, a printed slip."""
    rng, checks = draws(seed, 2), []
    for sigma, names in NOISES.items():
        eps = sigma * rng.standard_normal((groups, 8))
        a = estimator.advantages(eps, Rollouts(eps, eps, 1.0))
        checks += [
            sampled(names[0], (eps * a).mean(-1), float(z_score_alignment(sigma, 8))),
            sampled(names[1], ((a - eps) ** 2).mean(-1), float(z_score_error(sigma, 8))),
        ]
    eps = draws(seed, 3).standard_normal((groups, 4))
    eps[:, 0] = 1.5
    want, routes = slip(own), ("quadrature", "simulation")
    return [
        *checks,
        Check(SLIP, want, 0.4, ">", routes=routes),
        sampled(SLIP_SAMPLED, eps[:, 1:].sum(-1) / eps.std(-1), want, routes),
    ]


def slip(own: float, size: int = 4) -> float:
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


# -- T2: direction ---------------------------------------------------------------------------------
def engine(e: Estimator, q: Sequence[float], *length: float) -> np.ndarray:
    """(B, 2) expected advantage of right and of wrong rollouts (of two lengths), exactly.

    Their difference is the logit's expected update over the true gradient q (1 - q).
    """
    length = length or (1.0, 1.0)
    chance = np.stack([q, 1 - np.asarray(q)], axis=1)
    correct, tokens = (np.broadcast_to(x, chance.shape).copy() for x in ([1.0, 0.0], length))
    r = Rollouts(correct, tokens, max(length), weight=chance)
    spend(UPDATE)
    return class_weights(r, Outcome(), e, group_size=GROUP).w


def sampled_components(e: Estimator, groups: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean logit update of each prompt over sampled groups, and its standard error."""
    q = np.array(RATES)
    reward = (draws(seed, 4).random((groups, len(q), GROUP)) < q[:, None]) * 1.0
    flat = reward.reshape(-1, GROUP)
    a = advantages(e, flat)
    g = (a.reshape(reward.shape) * (reward - q[:, None])).mean(-1)
    return g.mean(0), g.std(0, ddof=1) / groups**0.5


def direction_checks(group: Estimator, batch: Estimator, groups: int, seed: int
                     ) -> Items:  # fmt: skip
    """Weights per unit of true gradient: group normalisation favours rarely solved prompts."""
    q = np.array(RATES)
    truth = q * (1 - q)
    scale = sqrt((1 - 1 / GROUP) * truth.mean() + SEQUENCE.eps)
    flat = np.full(len(q), (1 - 1 / GROUP) / scale)
    checks: list[Item] = []
    rows, spread = [], []
    for by, e, want in (("group", group, omega(q, GROUP, ddof=0)), ("batch", batch, flat)):
        mean, error = sampled_components(e, groups, seed)
        exact, relative = engine(e, RATES) @ [1, -1], mean / (want * truth) - 1
        excess = float((np.abs(relative) - 4 * error / (want * truth)).max())
        checks += [
            apart(WEIGHTS[by][0], exact, want, 1e-12, ENGINES),
            deviation(WEIGHTS[by][1], mean, error, want * truth, sigmas=4.5),
            Check(WEIGHTS[by][2], excess, 0.02, routes=SAMPLED),
        ]
        spread.append([w.max() / w.min() for w in (want, exact)])
        rows += [[by, *row] for row in zip(RATES, want, exact, mean / truth, strict=True)]
    vanishing = engine(group, [1e-6])[0] @ [1, -1] / sqrt(GROUP - 1)
    checks += [
        Check(STEEP, float(min(spread[0])), 1.8, ">=", routes=ENGINES),
        Check(FLAT, float(max(spread[1])), 1.02, routes=ENGINES),
        same(LIMIT, vanishing, 1.0, 1e-4, ENGINES),
    ]
    headings = ("normalised by", "success rate", "closed form", "class engine", "sampled")
    return [*checks, Table("weight per true gradient", headings, rows)]


def shift_checks(batch: Estimator, over: str) -> list[Check]:
    """Token weights: where wrong answers are longer, every advantage is shifted up."""
    q, length = (0.5, 1.0), (1.0, 3.0)
    tokens = Whitened(baseline="mean", over=over, singleton="raw")
    solved, level = (float(engine(e, q, *length)[1, 0]) for e in (tokens, batch))
    share, mean = 1 - 1 / GROUP, 1.5  # mean tokens: 2 of the mixed prompt, 1 of the solved one
    first = 0.5 * share * 0.25 * (length[0] - length[1]) / mean
    # E[T a^2] of the mixed prompt: the own deviation, and the noise of the siblings.
    second = 0.5 * 2.0 * (share**2 * 0.25 + (GROUP - 1) / GROUP**2 * 0.25) / mean
    want = -first / sqrt(second - first**2 + 1e-8)
    return [same(SHIFT, solved, want, 1e-9, ENGINES), same(CENTRED, level, 0.0, 1e-12, ENGINES)]


# -- T3: the higher clip ---------------------------------------------------------------------------
def clipped_paths(clips: Sequence[float], updates: int, refreshed: bool) -> np.ndarray:
    """(updates + 1, C) probability of a rare token with advantage 1, against one with 0, by clip.

    In each update inner gradient steps go on until the surrogate has no gradient left.
    refreshed : mutant, the ratio is taken to the policy of the inner step
    """
    objective = PolicyGradient("sum", clip_high=np.array(clips)[:, None, None], dual_clip=10.0)  # pyright: ignore[reportArgumentType]
    advantage = np.tile([1.0, 0.0], (len(clips), 1))
    r = Rollouts(advantage, np.ones_like(advantage), 1.0, mask=np.ones((*advantage.shape, 1)))

    def logs(p: np.ndarray) -> np.ndarray:
        return np.log(np.stack([p, 1 - p], axis=1))[..., None]

    def update(old: np.ndarray, _: int) -> np.ndarray:
        now, going, top = old, old <= 0.99, 1 - 1e-6
        while (going := going & (now < top)).any():
            last = logs(now if refreshed else old)
            going = going & (objective.coefficients(advantage, r, logs(now), last)[:, 0, 0] != 0)
            # A step along the gradient c (1 - now) of the logit, of relative size STEP in p.
            further = sigmoid(np.log(now / (1 - now)) + STEP / (1 - now))
            now = np.where(going, np.minimum(further, top), now)
            spend(UPDATE)
        return now

    return follow(update, np.full(len(clips), RARE), updates)


def clip_checks(clip_high: float, refreshed: bool) -> Items:
    """Updates that a rare token needs, by the bound and by an explicit inner loop."""
    path = clipped_paths((0.2, clip_high), 30, refreshed)
    want = [ceil(log(0.5 / RARE) / log(1 + c)) for c in CLIPS]
    entropy = -path * np.log(path) - (1 - path) * np.log1p(-path)
    checks = [
        *(Check(name, int(np.argmax(p >= 0.5)), w, "==", routes=("closed form", "inner loop"))
          for name, p, w in zip(STEPS, path.T, want, strict=True)),
        *(Check(f"T3: published count at {c}", w, published, "==", claim=False)
          for c, w, published in zip(CLIPS, want, (22, 16), strict=True)),
        Check(ENTROPY, float(entropy[10, 1] / entropy[10, 0]), 1.0, ">", routes=("inner loop",),
              why_one_route="the counts hold the inner loop to the closed form"),
    ]  # fmt: skip
    curves = {"clip 0.2 / 0.28": path[:, 1], "clip 0.2": path[:, 0],
              "0.01 x 1.28^k": np.minimum(1.0, RARE * 1.28 ** np.arange(31))}  # fmt: skip
    return [*checks, lines(
        "clip", "How fast a rare good token may grow", ("update", "probability"), curves,
        dashed=("0.01 x 1.28^k",),
        caption="Two-token softmax, explicit inner loop until the surrogate is flat.",
    )]  # fmt: skip


# -- T4: dynamic sampling --------------------------------------------------------------------------
def drawing(by: str, keep: str, groups: int, seed: int) -> Items:
    """Kept prompts, draws and gradient, half of the prompts never solved; truncation at 4000."""
    rng = draws(seed, 6)
    p = np.array([0.0, 0.0, 0.9, 1.0])  # outcomes; a share of answers is cut, and paid 0
    within = np.array([0.5, 0.5, 0.8, 0.8])
    right = (rng.random((groups, 4, GROUP)) < p[:, None]) * 1.0
    paid = right * (rng.random(right.shape) < within[:, None])
    flat = Rollouts(right.reshape(-1, GROUP), np.ones((4 * groups, GROUP)), 1.0)
    a, _ = DynamicSampling(MEAN, by).apply({"reward": paid.reshape(-1, GROUP)}, flat)
    kept = np.abs(a).max(-1).reshape(groups, 4) > 0
    # A kept group may still be tied in the reward: all its right answers cut. It is counted here.
    lost = (1 - p * within) ** GROUP - (1 - p) ** GROUP
    want = informative(p) - np.where(p < 1, lost, 0.0)
    half = np.array([0.0, 0.5])
    drawn = float(expected_draws(informative(half), np.array([0.5, 0.5])))
    counts = drawn_per_kept(half, keep, max(50, groups // 200), rng)
    gain, slack = kept_gain(half, keep, groups, rng), sqrt((drawn - 1) / groups) * drawn
    rows = np.stack([p, within, kept.mean(0), want], axis=1).tolist()
    return [
        sampled(KEPT, kept.mean(-1), float(want.mean())),
        sampled(DRAWN, counts, drawn),
        Check(GAIN, gain, drawn, "~", 4 * slack, slack, SAMPLED),
        Table("kept prompts", ("success", "ends in time", "kept", "closed form"), rows),
    ]


def groups_of(q: np.ndarray, shape: tuple[int, ...], rng: Draws) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes (*shape, G) of prompts drawn evenly from rates q, and the rates (*shape, 1)."""
    rate = q[rng.integers(0, len(q), shape)][..., None]
    return (rng.random((*shape, GROUP)) < rate) * 1.0, rate


def drawn_per_kept(q: np.ndarray, keep: str, batches: int, rng: Draws) -> np.ndarray:
    """(batches,) prompts drawn per prompt kept until a batch of 64 is full."""
    kept = kept_groups(groups_of(q, (batches, 64 * 8), rng)[0], keep)
    return (np.argmax(kept.cumsum(-1) == 64, axis=-1) + 1) / 64


def kept_gain(q: np.ndarray, keep: str, groups: int, rng: Draws) -> float:
    """Mean logit update per rollout of the kept prompts over that of all."""
    hits, rate = groups_of(q, (groups,), rng)
    g = (advantages(DynamicSampling(MEAN), hits) * (hits - rate)).mean(-1)
    return float(g[kept_groups(hits, keep)].mean() / g.mean())


def weight_picture() -> Picture:
    """Weight per unit of true gradient against the success rate."""
    q, level = np.geomspace(0.005, 0.5, 60), "batch std (scaled)"
    curves = {f"group std, G {n}": omega(q, n, ddof=0) for n in (4, 8, 16, 64)}
    curves[level] = np.repeat(omega(0.5, GROUP, ddof=0), len(q))
    return lines("weights", "What group normalisation makes of rarely solved prompts",
                 ("success rate", "weight / true gradient"), curves, x=q.tolist(),
                 dashed=(level,), log_x=True)  # fmt: skip


@experiment(
    "08-optimiser",
    card="08",
    slug="dler-optimiser",
    claim="Under truncation many prompts are rarely rewarded; normalising by the batch keeps their "
    "gradients in proportion where normalising by the group magnifies them, a higher clip lets "
    "rare tokens grow, and dropping uniform prompts restores the batch.",
    source="sections 2-3, Eq. 3, Appendix B; code NVlabs/DLER",
    provenance="code",
    smoke={"groups": 5000},
    mutants=[
        Mutant("truncated answers are paid", {"kappa": 1.0, "parts": ("T1",)}, (PAID,)),
        Mutant("the std does not see the own noise", {"own": 0.0, "parts": ("T1",)},
               (SLIP, SLIP_SAMPLED)),
        Mutant("sample std for population std", {"grouped": "sample std", "parts": ("T1", "T2")},
               (*NOISES[0.5], *NOISES[1.5], LIMIT, *WEIGHTS["group"])),
        Mutant("group mean alone", {"grouped": "mean alone", "parts": ("T2",)},
               (STEEP, LIMIT, *WEIGHTS["group"])),
        Mutant("normalised by the group", {"normalise": "group", "parts": ("T2",)},
               (FLAT, *WEIGHTS["batch"])),
        Mutant("raw rewards normalised", {"normalise": "raw", "parts": ("T2",)},
               (CENTRED, *WEIGHTS["batch"])),
        Mutant("token weights forgotten", {"over": "rollouts", "parts": ("T2",)}, (SHIFT,)),
        Mutant("symmetric clip", {"clip_high": 0.2, "parts": ("T3",)}, (STEPS[1], ENTROPY)),
        Mutant("ratio to the policy of the inner step", {"refreshed": True, "parts": ("T3",)},
               (*STEPS, ENTROPY)),
        Mutant("filtered after truncation", {"by": "reward", "parts": ("T4",)}, (KEPT,)),
        Mutant("unsolved prompts stay", {"keep": "not solved", "parts": ("T1", "T4")},
               (PAID, DRAWN, GAIN)),
    ],
)  # fmt: skip
def run(
    *,
    kappa: float = 0.0,
    own: float = 1.5,
    grouped: str = "std",
    normalise: str = "batch",
    over: str = "tokens",
    clip_high: float = 0.28,
    refreshed: bool = False,
    by: str = "correct",
    keep: str = "differ",
    parts: Sequence[str] = ("T1", "T2", "T3", "T4"),
    groups: int = 100_000,
    seed: int = 0,
) -> Result:
    """Truncated rewards, direction and noise of normalised advantages, clip, dynamic sampling.

    groups : sampled groups per prompt; clip_high : upper clip; parts : of the experiment
    kappa : what a right answer that is cut is paid; own : noise that the std sees; grouped : of
    `GROUPED`; normalise : of `BATCH`; over : what token-wise whitening weighs; refreshed : of
    `clipped_paths`; by : what prompts are filtered on; keep : of `kept_groups`; all for mutants
    """
    group, batch = pick(GROUPED, grouped), pick(BATCH, normalise)
    work = {
        "T1": lambda: (
            *truncation_checks(kappa, keep, groups // 4, seed),
            *noise_checks(group, own, groups, seed),
        ),
        "T2": lambda: (*direction_checks(group, batch, groups, seed), *shift_checks(batch, over)),
        "T3": lambda: (weight_picture(), *clip_checks(clip_high, refreshed)),
        "T4": lambda: drawing(by, keep, groups, seed),
    }
    notes = (
        "Appendix B's proof has two slips: the noise of the siblings over the group's std is "
        "not centred given the own noise, and the weight falls with sigma, it does not grow.",
        "Where the rare token is the good one, entropy rises, faster with the higher clip.",
    )
    return run_parts(work, parts, notes)
