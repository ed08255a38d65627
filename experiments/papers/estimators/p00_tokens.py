"""Card 00: every registered token-level estimator, by enumeration of every group of trajectories.

One prompt of a short chain, all its trajectories, all pairs of them. A token's true credit is its
edge's advantage, and the true gradient that of P(right); the expected update of credit that is
linear in edges is found a second time from the edge table, and everything a third time from
simulated trajectories.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import cache, partial
from typing import Any

import numpy as np

from toyrl import registry
from toyrl.dynamics.groups.token_quality import (
    BATCHES,
    TokenQuality,
    linear_gradient,
    readable,
    state_values,
    token_fields,
    truth,
)
from toyrl.experiments.core import Check, Mutant, Picture, Result, Table, experiment
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.quality import agreement, drawn_paths, token_quality
from toyrl.experiments.lab.routes import EXACT, apart
from toyrl.expressions import parse_estimator
from toyrl.worlds.chain.forward import class_probabilities
from toyrl.worlds.chain.latents.base import StepScores
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.chain.paths import Paths, enumerate_paths

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
DISCOUNTED = f"{RETURNS}(gamma=0.9)"
CRITICS = ("perfect", "one half", "random")
TRUE = "gradient of P(right): enumeration against the edge table, largest error"
LINEAR = "expected update of credit linear in edges: enumeration against edge table, largest error"
MEAN = "enumeration against simulation: worst mean, in standard errors"
SPREADS = "enumeration against simulation: worst relative variance"
NO_BIAS = "{}, critic {}: bias over the norm of the true gradient"
RATIO = f"{RETURNS}, batch of many groups: norm ratio against 1/sd over tokens, error"
STRAIGHT = "whitened by a batch of many groups: largest angle, degrees"
SILENT = f"{RETURNS}, one group in the batch: P(no signal) against p^2 + (1-p)^2, error"
TURNS = f"{RETURNS}, one group in the batch: angle, degrees"
GAE_TURNS = "gae under a perfect critic, one group in the batch: angle, degrees"
HALF = "lambda 0 under the critic one half: angle, degrees"
DISCOUNT = "discount 0.9 per token: angle, degrees"
SIBLINGS = "mean of the siblings at the same step, no scores: angle, degrees"
SIGNS = "wrong signs among token credits, this policy: rloo over GAE(0), perfect critic"
TABLE, TWICE = ("enumeration", "edge table"), ("enumeration", "simulation")
Measure = Callable[..., TokenQuality]
"""(expression, batch) -> its quality."""


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
    return draws(7).random(perfect.shape)


def catalogue(variants: bool = True) -> tuple[list[str], list[str]]:
    """Expressions of all registered token-level estimators, with variants; those not on paths."""
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
        names = {f.name for f in fields(e)} if variants else ()  # pyright: ignore[reportArgumentType]
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
    smoke={"actions": 3, "groups": 2000, "variants": False},
    mutants=[
        Mutant("the critic's value is read one token late", {"late": True, "parts": ("bias",)},
               (NO_BIAS.format(GAE, "perfect"), NO_BIAS.format(TD, "perfect"))),
        Mutant("all trajectories equally likely", {"flat": True, "parts": ("true", "agreement")},
               (TRUE, MEAN, SPREADS)),
        Mutant("the edge table forgets the discounts",
               {"undiscounted": True, "parts": ("linear",)}, (LINEAR,)),
        Mutant("returns whitened over one group", {"swaps": {PLAIN: RETURNS}, "parts": ("bias",)},
               (NO_BIAS.format(PLAIN, "none"),)),
        Mutant("lambda 0.5 under any critic",
               {"swaps": {GAE: "gae(whitened=False, lam=0.5)"}, "parts": ("bias",)},
               (NO_BIAS.format(GAE, "one half"), NO_BIAS.format(GAE, "random"))),
        Mutant("minus the mean of the siblings at the step",
               {"swaps": {ALONE: NO_SCORES}, "parts": ("bias",)}, (NO_BIAS.format(ALONE, "none"),)),
        Mutant("the batch of one group and that of many exchanged",
               {"swaps": {"group": "many", "many": "group"}, "parts": ("whitening",)},
               (RATIO, STRAIGHT, SILENT, TURNS, GAE_TURNS)),
        Mutant("the spread over rollouts, not tokens",
               {"by_token": False, "parts": ("whitening",)}, (RATIO,)),
        Mutant("a perfect critic after all",
               {"swaps": {"one half": "perfect"}, "parts": ("turned",)}, (HALF,)),
        Mutant("undiscounted, without siblings, one credit a token",
               {"swaps": {DISCOUNTED: RETURNS, NO_SCORES: ALONE, "rloo": TD},
                "parts": ("turned",)}, (DISCOUNT, SIBLINGS, SIGNS)),
    ],
)  # fmt: skip
def tokens(
    *,
    actions: int = 4,
    skill: float = 1.0,
    groups: int = 50_000,
    variants: bool = True,
    late: bool = False,
    flat: bool = False,
    undiscounted: bool = False,
    by_token: bool = True,
    swaps: Mapping[str, str] | None = None,
    parts: Sequence[str] = ("true", "linear", "bias", "agreement", "whitening", "turned", "shown"),
    seed: int = 0,
) -> Result:
    """The table over all token-level estimators, groups of two.

    actions : the chain's limit; groups : simulated groups, the third route; variants : each
    estimator with other options too
    late, flat, undiscounted, by_token : a step left out; swaps : other expressions, batches or
    critics behind a name; parts : that are run; all for mutants
    """
    chain, swaps = chain_of(actions), swaps or {}
    theta = logits(chain, skill)
    paths = enumerate_paths(chain, theta, DIFFICULTY)
    paths = replace(paths, prob=np.full(len(paths), 1 / len(paths))) if flat else paths
    names, refused = catalogue(variants)
    keys = [(n, batch) for n in (*SPREAD, *names) for batch in BATCHES]
    drawn = drawn_paths(chain, theta, DIFFICULTY, 2 * groups, seed)
    exact = measure(paths, swaps)
    sampled = measure(drawn, swaps, np.arange(2 * groups).reshape(groups, 2))
    pairs = ((exact(*key), sampled(*key)) for key in keys)
    work: dict[str, Callable[[], Items]] = {
        "true": lambda: _true(paths),
        "linear": lambda: _linear(paths, undiscounted),
        "bias": lambda: _unbiased(paths, late, swaps),
        "agreement": lambda: agreement((MEAN, SPREADS), pairs, groups),
        "whitening": lambda: _whitening(exact, sampled, chain, theta, paths, by_token),
        "turned": lambda: _turned(exact, sampled, paths, swaps.get("one half", "one half")),
        "shown": lambda: (
            _by_batch(theta, chain, groups, seed),
            _by_success(names),
            _table({key: exact(*key) for key in keys}),
            _critics(paths),
        ),
    }
    return run_parts(work, parts, [f"Not on paths: {'; '.join(refused)}."] if refused else ())


def measure(paths: Paths, swaps: Mapping[str, str], groups: np.ndarray | None = None) -> Measure:
    """Quality of an expression under a batch, measured when first asked for."""
    supplied = token_fields(paths)

    @cache
    def measured(name: str, batch: str = "group") -> TokenQuality:
        return token_quality(paths, parse_estimator(swaps.get(name, name)), fields=supplied,
                             batch=swaps.get(batch, batch), groups=groups)  # fmt: skip

    return measured


def _late(x: np.ndarray) -> np.ndarray:
    return np.concatenate([x[:, 1:], np.zeros_like(x[:, :1])], axis=1)


# -- checks ----------------------------------------------------------------------------------------
def _true(paths: Paths) -> list[Check]:
    found = (paths.prob * paths.correct) @ paths.scores().sum(1)
    return [apart(TRUE, found, truth(paths).gradient.ravel(), 1e-13, TABLE)]


def _linear(paths: Paths, undiscounted: bool) -> list[Check]:
    """GAE, discounted returns and process scores, unwhitened: two routes to the mean update."""
    judge, worst = StepScores(), 0.0
    law = judge.table(paths.chain)  # (A, 2): the score of an action by the error bit after it
    slip = np.where(np.array(paths.chain.actions) == "STEP", paths.chain.slip, 0.0)
    per_action = np.empty((1, 1, 2, 1, len(law)))
    per_action[0, 0, 1, 0] = law[:, 1]
    per_action[0, 0, 0, 0] = (1 - slip) * law[:, 0] + slip * law[:, 1]
    none, table = np.zeros(paths.chain.n_classes), partial(linear_gradient, paths)
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
    return [Check(LINEAR, worst, 1e-12, routes=TABLE)]


def _unbiased(paths: Paths, late: bool, swaps: Mapping[str, str]) -> list[Check]:
    checks = []
    cases = [(PLAIN, "none"), *((GAE, k) for k in CRITICS), (TD, "perfect"), (ALONE, "none")]
    for name, kind in cases:
        supplied = token_fields(paths, values=None if kind == "none" else critic(paths, kind))
        if late:
            supplied["values"] = _late(supplied["values"])
        q = token_quality(paths, parse_estimator(swaps.get(name, name)), fields=supplied)
        bias = float(np.linalg.norm(q.mean - q.true) / np.linalg.norm(q.true))
        checks.append(Check(NO_BIAS.format(name, kind), bias, 1e-12, routes=EXACT))
    return checks


def _whitening(exact: Measure, sampled: Measure, chain: Chain, theta: np.ndarray, paths: Paths,
               by_token: bool) -> list[Check]:  # fmt: skip
    share = class_probabilities(chain, theta)[0] * (chain.class_length() if by_token else 1)
    m = float((share * chain.class_correct()).sum() / share.sum())
    ratio = 1 / np.sqrt(m * (1 - m) + 1e-8)  # by the spread of correctness over the batch's tokens
    p = float(paths.prob @ paths.correct)
    largest = max(float(exact(n, "many").angle[0]) for n in (RETURNS, "gae", "gae(lam=0)"))

    def turned(name: str, key: str, least: float) -> Check:
        angle = min(float(found(key, "group").angle[0]) for found in (exact, sampled))
        return Check(name, angle, least, ">", routes=TWICE)

    return [
        apart(RATIO, exact(RETURNS, "many").norm_ratio[0], ratio, 1e-8),
        Check(STRAIGHT, largest, 1e-4, routes=EXACT),
        apart(SILENT, exact(RETURNS, "group").silent[0], p**2 + (1 - p) ** 2, 1e-12),
        turned(TURNS, RETURNS, 1.0),
        turned(GAE_TURNS, "gae", 5.0),
    ]


def _turned(exact: Measure, sampled: Measure, paths: Paths, kind: str) -> list[Check]:
    half = critic(paths, kind)
    wrong = token_quality(paths, parse_estimator(TD), fields=token_fields(paths, values=half))
    discounted = exact(DISCOUNTED, "many")

    def angle(q: TokenQuality, **edges: Any) -> float:
        """The least of the enumerated and of the edge table's."""
        table = replace(q, mean=linear_gradient(paths, **edges)[None])
        return min(float(q.angle[0]), float(table.angle[0]))

    siblings = min(float(found(NO_SCORES, "group").angle[0]) for found in (exact, sampled))
    signs = min(float((found("rloo", "group").wrong_sign / found(TD, "group").wrong_sign)[0])
                for found in (exact, sampled))  # fmt: skip
    return [
        Check(HALF, angle(wrong, values=half, lam=0.0), 5.0, ">", routes=TABLE),
        Check(DISCOUNT, angle(discounted, gamma=0.9), 1.0, ">", routes=TABLE),
        Check(SIBLINGS, siblings, 1.0, ">", routes=TWICE),
        Check(SIGNS, signs, 1.2, ">", routes=TWICE),
    ]


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
    drawn = drawn_paths(chain, theta, DIFFICULTY, 2 * groups, seed + 1, flags=seed)
    supplied = token_fields(drawn)

    def angle(name: str, size: int) -> float:
        index = np.arange(2 * groups // size * size).reshape(-1, size)
        e = parse_estimator(name)
        return float(token_quality(drawn, e, fields=supplied, groups=index).angle[0])

    return lines(
        "tokens-whitening", "Whitening over few rollouts turns the gradient",
        ("rollouts in the batch", "angle to the true gradient (degrees)"),
        {n: [angle(n, k) for k in sizes] for n in (RETURNS, "gae", "gae(lam=0)")},
        x=sizes, log_x=True,
        caption=f"Sampled, {2 * groups} trajectories a point, a perfect critic.",
    )  # fmt: skip


def _by_success(names: list[str]) -> Picture:
    """Wrong signs over the success rate, on a chain of three actions."""
    chain, skills = chain_of(3), np.linspace(-1.5, 5.0, 7)
    shown = [*SPREAD[1:], *(n for n in names if "(" not in n), TD]
    paths = [enumerate_paths(chain, logits(chain, s), DIFFICULTY) for s in skills]
    success = [float(p.prob @ p.correct) for p in paths]
    return lines(
        "tokens-signs", "Token credits of the wrong sign", ("success rate", "share of credits"),
        {n: [float(token_quality(p, parse_estimator(n)).wrong_sign[0]) for p in paths]
         for n in shown},
        x=success,
        caption="All pairs of trajectories, one group in the batch; sign against the edge's true "
        "advantage, among tokens with credit: who credits few tokens can err on few.",
    )  # fmt: skip
