"""Card 00: every registered token-level estimator, by enumeration of every group of trajectories.

One prompt of a short chain, all its trajectories, all pairs of them. A token's true credit is its
edge's advantage, and the true gradient that of P(right); the expected update of credit that is
linear in edges is found a second time from the edge table, and everything a third time from
simulated trajectories.
"""

from __future__ import annotations

from dataclasses import fields as fields_of
from functools import partial

import numpy as np

from toyrl import registry
from toyrl.dynamics.groups.token_quality import (
    BATCHES,
    TokenQuality,
    linear_gradient,
    readable,
    state_values,
    token_fields,
    token_quality,
    truth,
)
from toyrl.experiments.core import Check, Curve, Mutant, Picture, Result, Table, experiment
from toyrl.expressions import parse_estimator
from toyrl.worlds.chain.forward import class_probabilities
from toyrl.worlds.chain.latents import StepScores
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.chain.paths import Paths, enumerate_paths, paths_of
from toyrl.worlds.chain.simulate import sample_trajectories

DIFFICULTY = 2
OPTIONS = {
    "whitened": "False",
    "gamma": "0.9",
    "lam": "0",
    "design": "'outcome'",
    "baseline": "'none'",
}
"""A variant of each estimator that has the field, by the field's name."""
SPREAD = ("reinforce", "rloo", "grpo_exact")  # one advantage a rollout, for comparison
RETURNS = "reinforce_plus_plus_tokens"
PLAIN = f"{RETURNS}(whitened=False)"
GAE, TD = "gae(whitened=False)", "gae(whitened=False, lam=0)"
NO_SCORES = "renorm(design='outcome')"
ALONE = "renorm(design='outcome', baseline='none')"
CRITICS = ("perfect", "one half", "random")
TRUE = "gradient of P(right): enumeration against the edge table, largest error"
LINEAR = "expected update of credit linear in edges: enumeration against edge table, largest error"
MEAN = "enumeration against simulation: worst mean, in standard errors"
SPREADS = "enumeration against simulation: worst relative variance"
NO_BIAS = "{}, critic {}: bias over the norm of the true gradient"


def chain_of(actions: int) -> Chain:
    """Two useful steps, slips, guesses; no flag, so that the simulator shows all there is."""
    return Chain(
        difficulties=(DIFFICULTY,),
        shares=(1.0,),
        max_actions=actions,
        progress=0.8,
        slip=0.1,
        guess=0.1,
    )


def logits(chain: Chain, skill: float) -> np.ndarray:
    """`skill` on STEP while unfinished, and on ANSWER when done."""
    theta = np.zeros(chain.policy_shape)
    theta[:, :, :DIFFICULTY, chain.actions.index("STEP")] = skill
    theta[:, :, DIFFICULTY:, chain.actions.index("ANSWER")] = skill
    return theta


def critic(paths: Paths, kind: str) -> np.ndarray:
    """(H, phases, 2, D+1) values of states."""
    chain = paths.chain
    perfect = state_values(truth(paths), chain.flag_law(paths.difficulty))
    if kind == "perfect":
        return perfect
    if kind == "one half":
        return np.full_like(perfect, 0.5)
    return np.random.default_rng(7).random(perfect.shape)


def catalogue() -> tuple[list[str], list[str]]:
    """Expressions of all registered token-level estimators with variants; those not on paths."""
    paths = enumerate_paths(chain_of(1), logits(chain_of(1), 0.0), DIFFICULTY)
    supplied = token_fields(paths)
    found, refused = [], []
    for entry in registry.entries("estimator"):
        e = parse_estimator(entry.name)
        if not e.token_level:
            continue
        if not readable(e, supplied):
            refused.append(f"{entry.name} (needs {', '.join(e.needs)})")
            continue
        names = {f.name for f in fields_of(e)}  # pyright: ignore[reportArgumentType]
        found.append(entry.name)
        found += [f"{entry.name}({k}={v})" for k, v in OPTIONS.items() if k in names]
    return found, refused


@experiment(
    "token-estimators",
    card="00",
    slug="token-estimators",
    claim="Returns-to-go, and GAE with lambda 1 under any critic or lambda 0 under a perfect one, "
    "are unbiased until they are whitened; whitening a small batch turns the gradient, whitening "
    "a large one only scales it; a mean over the siblings that reach the same step turns it too.",
    works=("reinforce++", "policy-gradient", "gae"),
    source="Eqs. 11-16",
    provenance="derived",
    smoke={"actions": 3, "groups": 10_000},
    mutants=(
        Mutant(
            "the critic's value is read one token late",
            {"late": True},
            (NO_BIAS.format(GAE, "perfect"), NO_BIAS.format(TD, "perfect")),
        ),
        Mutant("all trajectories equally likely", {"flat": True}, (TRUE, MEAN)),
        Mutant("the edge table forgets the discounts", {"undiscounted": True}, (LINEAR,)),
    ),
)
def tokens(
    *,
    actions: int = 4,
    skill: float = 1.0,
    groups: int = 50_000,
    late: bool = False,
    flat: bool = False,
    undiscounted: bool = False,
    seed: int = 0,
) -> Result:
    """The table over all token-level estimators, groups of two.

    actions : the chain's limit; groups : simulated groups, the third route
    late, flat, undiscounted : mutants
    """
    chain = chain_of(actions)
    theta = logits(chain, skill)
    paths = enumerate_paths(chain, theta, DIFFICULTY)
    if flat:
        paths = _flat(paths)
    names, refused = catalogue()
    supplied = token_fields(paths)
    if late:
        supplied["values"] = _late(supplied["values"])
    exact = {
        (n, batch): token_quality(paths, parse_estimator(n), batch=batch, fields=supplied)
        for n in (*SPREAD, *names)
        for batch in BATCHES
    }
    trajectories = sample_trajectories(chain, theta, DIFFICULTY, 2 * groups, seed)
    drawn = paths_of(trajectories, theta, seed=seed)
    checks = [
        _true(paths),
        _linear(paths, undiscounted),
        *_unbiased(paths, late),
        *_agreement(exact, drawn, groups),
        *_whitening(exact, chain, theta, paths),
        *_turned(exact, paths),
    ]
    notes = (f"Not on paths: {'; '.join(refused)}.",) if refused else ()
    return Result(
        tuple(checks),
        (_by_batch(theta, chain, groups, seed), _by_success(names)),
        (_table(exact), _critics(paths)),
        notes,
    )


def _flat(paths: Paths) -> Paths:
    values = {f.name: getattr(paths, f.name) for f in fields_of(paths)}
    return Paths(**{**values, "prob": np.full(len(paths), 1 / len(paths))})


def _late(x: np.ndarray) -> np.ndarray:
    return np.concatenate([x[:, 1:], np.zeros_like(x[:, :1])], axis=1)


# -- checks ----------------------------------------------------------------------------------------
def _true(paths: Paths) -> Check:
    found = (paths.prob * paths.correct) @ paths.scores().sum(1)
    far = float(np.abs(found - truth(paths).gradient.ravel()).max())
    return Check(TRUE, far, 1e-13, routes=("enumeration", "edge table"))


def _linear(paths: Paths, undiscounted: bool) -> Check:
    """GAE, discounted returns and process scores, unwhitened: two routes to the mean update."""
    judge, worst = StepScores(), 0.0
    law = judge.table(paths.chain)  # (A, 2): the score of an action by the error bit after it
    slip = np.where(np.array(paths.chain.actions) == "STEP", paths.chain.slip, 0.0)
    per_action = np.empty((1, 1, 2, 1, len(law)))
    per_action[0, 0, 1, 0] = law[:, 1]
    per_action[0, 0, 0, 0] = (1 - slip) * law[:, 0] + slip * law[:, 1]
    none = np.zeros(paths.chain.n_classes)
    table = partial(linear_gradient, paths)
    cases: list[tuple[str, np.ndarray | None, np.ndarray]] = [
        ("renorm(design='process', baseline='none')", None, table(reward=none,
                                                                  per_action=per_action)),
        ("renorm(design='add', baseline='none')", None, table(per_action=per_action)),
        (ALONE, None, table()),
    ]  # fmt: skip
    for gamma in (1.0, 0.9):
        g = 1.0 if undiscounted else gamma
        cases.append((f"{RETURNS}(whitened=False, gamma={gamma})", None, table(gamma=g)))
        for lam in (1.0, 0.5, 0.0):
            for kind in CRITICS:
                v = critic(paths, kind)
                own = table(values=v, gamma=g, lam=1.0 if undiscounted else lam)
                cases.append((f"gae(whitened=False, gamma={gamma}, lam={lam})", v, own))
    for name, values, want in cases:
        supplied = token_fields(paths, values=values, scores=judge)
        got = token_quality(paths, parse_estimator(name), group_size=1, fields=supplied).mean[0]
        worst = max(worst, float(np.abs(got - want).max()))
    return Check(LINEAR, worst, 1e-12, routes=("edge table", "enumeration"))


def _unbiased(paths: Paths, late: bool) -> list[Check]:
    checks = []
    cases = [(PLAIN, "none"), *((GAE, k) for k in CRITICS), (TD, "perfect"), (ALONE, "none")]
    for name, kind in cases:
        supplied = token_fields(paths, values=None if kind == "none" else critic(paths, kind))
        if late:
            supplied["values"] = _late(supplied["values"])
        q = token_quality(paths, parse_estimator(name), fields=supplied)
        bias = float(np.linalg.norm(q.mean - q.true) / np.linalg.norm(q.true))
        checks.append(
            Check(NO_BIAS.format(name, kind), bias, 1e-12, routes=("closed form", "enumeration"))
        )
    return checks


def _agreement(
    exact: dict[tuple[str, str], TokenQuality], drawn: Paths, groups: int
) -> list[Check]:
    index = np.arange(2 * groups).reshape(groups, 2)
    supplied = token_fields(drawn)
    worst, spread = 0.0, 0.0
    for (name, batch), q in exact.items():
        got = token_quality(
            drawn, parse_estimator(name), batch=batch, fields=supplied, groups=index
        )
        error = np.sqrt(q.variance[0] / groups)
        worst = max(worst, float(np.linalg.norm(got.mean - q.mean) / error))
        spread = max(spread, abs(float(got.variance[0] / q.variance[0]) - 1))
    routes = ("enumeration", "simulation")
    return [
        Check(MEAN, worst, 4.0, routes=routes),
        Check(SPREADS, spread, 10 / np.sqrt(groups), routes=routes),
    ]


def _whitening(
    exact: dict[tuple[str, str], TokenQuality], chain: Chain, theta: np.ndarray, paths: Paths
) -> list[Check]:
    one, many = exact[RETURNS, "group"], exact[RETURNS, "many"]
    share = class_probabilities(chain, theta)[0] * chain.class_length()
    m = float((share * chain.class_correct()).sum() / share.sum())
    ratio = 1 / np.sqrt(m * (1 - m) + 1e-8)  # by the spread of correctness over the batch's tokens
    p = float(paths.prob @ paths.correct)
    closed = ("closed form", "enumeration")
    return [
        Check(
            f"{RETURNS}, batch of many groups: norm ratio against 1/sd over tokens, error",
            abs(float(many.norm_ratio[0]) - ratio),
            1e-8,
            routes=closed,
        ),
        Check(
            "whitened by a batch of many groups: largest angle, degrees",
            max(float(exact[n, "many"].angle[0]) for n in (RETURNS, "gae", "gae(lam=0)")),
            1e-4,
            routes=closed,
        ),
        Check(
            f"{RETURNS}, one group in the batch: P(no signal) against p^2 + (1-p)^2, error",
            abs(float(one.silent[0]) - p**2 - (1 - p) ** 2),
            1e-12,
            routes=closed,
        ),
        Check(f"{RETURNS}, one group in the batch: angle, degrees", float(one.angle[0]), 1.0, ">"),
        Check(
            "gae under a perfect critic, one group in the batch: angle, degrees",
            float(exact["gae", "group"].angle[0]),
            5.0,
            ">",
        ),
    ]


def _turned(exact: dict[tuple[str, str], TokenQuality], paths: Paths) -> list[Check]:
    half = token_fields(paths, values=critic(paths, "one half"))
    wrong = token_quality(paths, parse_estimator(TD), fields=half)
    discounted = exact[f"{RETURNS}(gamma=0.9)", "many"]
    steps = exact[NO_SCORES, "group"]
    perfect = token_quality(paths, parse_estimator(TD))
    return [
        Check("lambda 0 under the critic one half: angle, degrees", float(wrong.angle[0]), 5.0,
              ">"),
        Check("discount 0.9 per token: angle, degrees", float(discounted.angle[0]), 1.0, ">"),
        Check("mean of the siblings at the same step, no scores: angle, degrees",
              float(steps.angle[0]), 1.0, ">"),
        Check("wrong signs among token credits, this policy: rloo over GAE(0), perfect critic",
              float(exact["rloo", "group"].wrong_sign[0] / perfect.wrong_sign[0]), 1.2, ">"),
    ]  # fmt: skip


# -- what is shown ---------------------------------------------------------------------------------
COLUMNS = ("angle (degrees)", "norm ratio", "variance", "MSE", "error at the best step",
           "SNR per rollout", "P(no signal)", "credits of the wrong sign",
           "tokens without credit")  # fmt: skip


def _row(q: TokenQuality) -> list[float]:
    size = (q.angle, q.norm_ratio, q.variance, q.mse, q.residual, q.snr)
    return [float(x[0]) for x in (*size, q.silent, q.wrong_sign, q.idle)]


def _table(exact: dict[tuple[str, str], TokenQuality]) -> Table:
    rows = [[n, "one group" if b == "group" else "many", *_row(q)] for (n, b), q in exact.items()]
    return Table(
        "token-level estimators",
        ("estimator", "batch", *COLUMNS),
        rows,
        "One group of two against the gradient of P(right); all pairs of trajectories, a perfect "
        "critic, a judge who pays a step by its error. The first three give a rollout's tokens one "
        "advantage. Error at the best step: the MSE after the best rescaling, over the squared "
        "true gradient. The SNR of a biased estimate is that of its own mean.",
    )


def _critics(paths: Paths) -> Table:
    rows = []
    for kind in CRITICS:
        supplied = token_fields(paths, values=critic(paths, kind))
        for lam in (1, 0.95, 0.5, 0):
            e = parse_estimator(f"gae(whitened=False, lam={lam})")
            rows.append([kind, lam, *_row(token_quality(paths, e, fields=supplied))])
    return Table(
        "critics",
        ("critic", "lambda", *COLUMNS),
        rows,
        "GAE without whitening: a wrong critic costs variance at lambda 1 and direction below.",
    )


def _by_batch(theta: np.ndarray, chain: Chain, groups: int, seed: int) -> Picture:
    """Angle of whitened credit against the number of rollouts it is whitened over."""
    sizes = (2, 4, 8, 16, 32)
    trajectories = sample_trajectories(chain, theta, DIFFICULTY, 2 * groups, seed + 1)
    drawn = paths_of(trajectories, theta, seed=seed)
    supplied = token_fields(drawn)
    curves = []
    for name in (RETURNS, "gae", "gae(lam=0)"):
        angles = []
        for size in sizes:
            index = np.arange(2 * groups // size * size).reshape(-1, size)
            q = token_quality(drawn, parse_estimator(name), fields=supplied, groups=index)
            angles.append(float(q.angle[0]))
        curves.append(Curve(name, sizes, angles))
    return Picture(
        "tokens-whitening",
        "Whitening over few rollouts turns the gradient",
        "rollouts in the batch",
        "angle to the true gradient (degrees)",
        curves=tuple(curves),
        log_x=True,
        caption=f"Sampled, {2 * groups} trajectories a point, a perfect critic.",
    )


def _by_success(names: list[str]) -> Picture:
    """Wrong signs over the success rate, on a chain of three actions."""
    chain, skills = chain_of(3), np.linspace(-1.5, 5.0, 7)
    shown = [*SPREAD[1:], *(n for n in names if "(" not in n), TD]
    paths = [enumerate_paths(chain, logits(chain, s), DIFFICULTY) for s in skills]
    success = [float(p.prob @ p.correct) for p in paths]
    curves = tuple(
        Curve(
            n,
            success,
            [float(token_quality(p, parse_estimator(n)).wrong_sign[0]) for p in paths],
        )
        for n in shown
    )
    return Picture(
        "tokens-signs",
        "Token credits of the wrong sign",
        "success rate",
        "share of credits",
        curves=curves,
        caption="All pairs of trajectories, one group in the batch; sign against the edge's true "
        "advantage, among tokens with credit: who credits few tokens can err on few.",
    )
