"""Every registered theorem at the corners of its ranges: a number, or a refusal that says why.

p = 0 and 1, n = 1, a group of one, beta = 0 and inf, one answer, a policy without some answer, ...
A corner gives no NaN, no warning and no arithmetic error; a ValueError names an argument.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import warnings
from typing import Any

import numpy as np
import pytest

from tests.theory.bandits.corners import BANDITS
from tests.theory.composite.corners import COMPOSITE
from tests.theory.cotrained.corners import COTRAINED
from tests.theory.detection.corners import DETECTION, DETECTION_UNDEFINED
from tests.theory.ends import (
    ALL,
    BATCH,
    GROUP,
    INF,
    ONE,
    PAID,
    POLICIES,
    PROMPTS,
    SHARES,
    SOME,
    SURE,
    UNIT,
    P,
)
from tests.theory.exploration.corners import EXPLORATION
from tests.theory.judge.corners import JUDGE, JUDGE_UNDEFINED
from tests.theory.label_free.corners import LABEL_FREE
from tests.theory.learned.corners import LEARNED, LEARNED_UNDEFINED, PRINCIPLES
from tests.theory.learned.exemplar_corners import EXEMPLAR
from tests.theory.learned.follow_up_corners import FOLLOW_UPS
from tests.theory.learned.judge_corners import JUDGE_CHAIN
from tests.theory.learned.segment_corners import SEGMENTS
from tests.theory.length.corners import LENGTH, SPREAD
from tests.theory.noise.corners import NOISE
from tests.theory.population.corners import POPULATION
from tests.theory.preference.corners import TOPOLOGY
from tests.theory.process.corners import PROCESS
from tests.theory.prompts.corners import PROMPTS as PROMPT_REWARDS
from tests.theory.redistribution.corners import REDISTRIBUTION
from tests.theory.relevance.corners import RELEVANCE
from tests.theory.routed.corners import ROUTED
from tests.theory.selection.corners import SELECTION
from tests.theory.shaping.corners import UNDEFINED, shaping_corners
from tests.theory.sql.corners import SQL
from tests.theory.tools.corners import TOOLS
from tests.theory.traces.corners import TRACES
from tests.theory.writing.corners import WRITING
from toyrl import registry
from toyrl.theory.distance import PRESETS
from toyrl.theory.group import signs, variance
from toyrl.theory.length import conciseness, mode_choice
from toyrl.theory.length.conciseness import LengthChain, ScoreLaw
from toyrl.theory.policies import kl, tilt
from toyrl.theory.preference import nash, regularised, votes
from toyrl.theory.selection import best_of_k, bon_cloning
from toyrl.worlds.mdp.model import MDP

TABLES = (
    np.full((3, 3), 0.5),
    np.array([[0.5, 1.0, 0.0], [0.0, 0.5, 1.0], [1.0, 0.0, 0.5]]),
    np.array([[0.5, 0.8, 0.8], [0.2, 0.5, 0.6], [0.2, 0.4, 0.5]]),
)
SCORES = tuple(
    {"law": ScoreLaw(p, m1, v1, m0, v0, kappa)}
    for p in P
    for m1, v1, m0, v0 in ((0.5, 0.0, 0.5, 0.0), (0.1, 0.02, 1.0, 0.01), (0.0, 0.0, 0.0, 0.0))
    for kappa in (0.0, 1 / 0.9, 2.0)
)
CHAINS = (LengthChain(), LengthChain(limit=2), LengthChain(ceiling=0.0), LengthChain(tau=1e-3))
ARMS = dict.fromkeys(("p_short", "p_long"), UNIT) | dict.fromkeys(("c_short", "c_long"), UNIT)
GRADIENT = {"estimator": variance.ESTIMATORS, "p": P, "group_size": GROUP}
# One state, no discount, no end; a discount of 1, an end and an action that can't be taken.
TINY = MDP(np.ones((1, 2, 1)), np.zeros(1), 0.0)
ENDING = MDP(
    np.array([[[0, 1.0, 0], [0, 0, 1.0]], [[0, 0, 1.0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]]),
    np.zeros(3), 1.0, start=[1, 0, 0], terminal=[False, False, True],
    available=[[True, True], [True, False], [True, True]])  # fmt: skip
NAMED = ("minimal_weighted", "val", "minimal", "val_potential", "minimal_potential", "epic", "dard")
# Of each parameter its corners; a list of dicts where they go together.
CORNERS: dict[str, Any] = {
    "additive_prefers_short": ARMS | {"kappa": (0.0, 2.0)},
    "anchored_mass": {"p": P, "beta": (0.0, 1e-3, 0.3, 1e3, INF)},
    "batch_std_limit": {"p": (np.zeros(2), np.ones(2), np.array([0, 1.0])), "share": SHARES},
    "beats": {"P": TABLES, "pi": POLICIES, "other": POLICIES},
    "bernoulli_smoothness": {"gap": (-1.0, 0.0, 2.0)},
    "best_length_crf": {"chain": CHAINS, "kappa": (0.0, 1e-9, 2.0, INF)},
    "best_of_k": {"prob": POLICIES, "reward": PAID, "k": ([1], [1, 2, 1000])},
    "best_of_k_curves": {"prob": PROMPTS[:4], "reward": BATCH[:4], "truth": BATCH[-2:],
                         "k": ([1, 4],), "shares": (None, *SHARES)},
    "best_of_k_kl_bound": {"k": ([0], [1], [1, 10**6])},
    "best_of_n_cloning": {"pi0": POLICIES, "right": ([0, 0, 0], [1, 1, 1], [0, 0, 1]), "n": (1, 4)},
    "best_of_n_kl": {"p": (*P, 1e-300, 1 - 1e-16), "n": (1, 4, 10**6)},
    "break_even_lambda": {"success": ((0.5, 0.5), (0.0, 1.0), (0.5, 1.0), (1.0, 1.0), (0.0, 0.5)),
                          "length": ((1.0, 1.0), (1.0, 4.0)), "limit": (8.0,)},
    "canonical_reward": [{"mdp": m, "reward": r, "how": how} for m in (TINY, ENDING)
                         for r in (None, np.eye(m.n_states)[0], np.ones((m.n_states, 2)))
                         for how in NAMED],
    "centred_reward": {"prob": PROMPTS, "reward": BATCH},
    "cloning_inverse_temperature": {"p": (*P, 1e-300), "n": (1, 4)},
    "closest_potential": {"mdp": (TINY, ENDING), "reward": (None,), "target": (None,)},
    "collapse_weight": {"m1": UNIT, "m0": UNIT},
    "count_law": {"p": P, "group_size": GROUP},
    "crf_group_mean": {"p": P, "m1": UNIT, "alpha": (0.0, 1.0), "s": UNIT, "size": GROUP},
    "crf_has_smaller_variance": SCORES,
    "crf_length_optimum": {"chain": CHAINS[:2], "kappa": (0.0, 1e-9, 2.0, 1e9)},
    "crf_prefers_short": ARMS | {"kappa": (0.0, 2.0)},
    "crf_variance": SCORES,
    "cyclic_preference": {"size": (1, 2, 3, 5), "strength": (0.0, 0.5, 0.6)},
    "cyclic_share": {"P": (np.array([[0.5]]), *TABLES)},
    "difference_gradient": {"theta": (np.zeros(3), np.array([0, 50.0, -50])), "ref": POLICIES,
                            "reward": PAID, "beta": (0.0, 1.0), "mu": POLICIES},
    "difference_loss": {"pi": POLICIES, "ref": POLICIES, "reward": PAID, "beta": (0.0, 1.0),
                        "mu": POLICIES},
    "dno_gradient": {"theta": (np.zeros(3),), "P": TABLES, "pi": POLICIES, "eta": (0.0, 1.0),
                     "mu": POLICIES, "other": (None, *POLICIES)},
    "dno_loss": {"theta": (np.zeros(3),), "P": TABLES, "pi": POLICIES, "eta": (0.0, 1.0),
                 "mu": POLICIES, "other": (None, *POLICIES)},
    "drpo_fixed_point": {"success": (np.array([0.5]), np.array([0.0, 0.5]), np.array([0.5, 0.9])),
                         "length": (np.array([0.0]), np.array([3.0])), "limit": (0.0, 8.0),
                         "lambda_": (0.0, 0.1, INF), "tau": (0.0, 10.0)},
    "effective_number": {"p": (*POLICIES, np.zeros(3), np.array(ONE))},
    "explaining_scores": {"P": (np.array([[0.5]]), *TABLES)},
    "exploitability": {"P": TABLES, "pi": POLICIES},
    "flow_time": {"p_from": P, "p_to": P, "gap": (-1.0, 0.0, 1.0)},
    "forward_tilt": {"ref": POLICIES, "reward": PAID, "beta": (0.0, 1e-3, 1.0, 1e6)},
    "gradient_variance": GRADIENT,
    "gradient_weight": GRADIENT | {"group_size": (*GROUP, INF)},
    "group_gradient": {"estimator": variance.ESTIMATORS, "right": (0, 1), "p": P,
                       "group_size": GROUP},
    "groups_per_kept": {"p": P, "group_size": GROUP},
    "halves_moment": {"size": (1, 2, 3, 8)},
    "jeffreys": {"p": POLICIES, "q": POLICIES},
    "kl": {"p": POLICIES, "q": POLICIES},
    "length_collapse_weight": {"chain": CHAINS},
    "mass_dynamics": {"z": (np.zeros(3), np.array([0.0, 800, -800])), "reward": PAID},
    "mass_flow": {"start": POLICIES, "reward": PAID, "times": ([0.0], [0.0, 1.0])},
    "mean_advantages": GRADIENT | {"group_size": (*GROUP, INF)},
    "mean_group_std": {"group_size": (*GROUP, 10**6, INF)},
    "mean_steps": {"target": (0.0, 1.0), "agreement": (0.0, 0.5, 1.0), "rate": (0.0, 1.0),
                   "weight": (0.0, 1.0)},
    "minimax_winner": {"P": (np.array([[0.5]]), *TABLES)},
    "mislabelled_prompt": {"short": P, "long": P, "half": (0, 1, 4), "theta": (-2.0, 0.0, 1.0)},
    "mode_count_law": {"half": (0, 1, 4), "p": P},
    "mode_logit_drift": {"advantage": (0.0, 1.0), "q": P, "length_short": (1.0,),
                         "length_long": (1.0, 1e6)},
    "negative_probability": {"p": P, "q": P, "alpha": (0.0, 0.5, 1.0), "group_size": GROUP},
    "omega": {"p": P, "group_size": (*GROUP, 2000, INF), "ddof": (0, 1)},
    "order_distance": {"prob": PROMPTS, "reward": BATCH[:3], "truth": BATCH[:2], "shares": SHARES},
    "optimisation_regret": {"mdp": (TINY, ENDING), "first": (None,), "second": (None,)},
    "order_means": {"size": GROUP},
    "outcome_correlations": SCORES,
    "outcome_noise": SCORES,
    "pass_at_k_estimate": {"n": (1, 8), "c": (np.array([0]), np.array([1])), "k_max": (1, 3)},
    "population_boundary": {"alpha": UNIT, "q": UNIT},
    "potential_like": {"prob": PROMPTS, "reward": BATCH[:3], "truth": BATCH[:3]},
    "prompt_weight": {"p": P, "scheme": ("rloo", "pair_1_p", "pair_rloo", "pair_grpo")},
    "punished_if_all_pay": {"cost": UNIT, "mean_cost_all": UNIT, "p_hat": P, "alpha": (0.0, 1.0)},
    "range_bound": {"mdp": (TINY, ENDING), "first": (None,), "second": (None,)},
    "reference_gain": {"size": GROUP, "skew": (0.0, 0.6, INF)},
    "regret": {"prob": PROMPTS[:4], "reward": BATCH[:3], "truth": BATCH[:2], "shares": SHARES[:1],
               "nats": ([0.0, 1e3],)},
    "regret_bounds": {"mdp": (TINY, ENDING), "distance": (0.0, np.array([1.0, 2.0]))},
    "return_range": {"mdp": (TINY, ENDING), "reward": (None,)},
    "worst_case_regret": [{"mdp": m, "first": r, "method": method} for m in (TINY, ENDING)
                          for r in (None, np.eye(m.n_states)[0]) for method in ("lp", "dual")],
    "regularised_gradient": {"theta": (np.zeros(3), np.array([0, 50.0, -50])), "ref": POLICIES,
                             "reward": PAID, "beta": (0.0, 1.0)},
    "regularised_objective": {"pi": POLICIES, "ref": POLICIES, "reward": PAID, "beta": (0.0, 1.0)},
    "relative_gradient_variances": SCORES,
    "reward_distance": [{"mdp": m, "first": r, "second": None, "metric": name}
                        for m in (TINY, ENDING) for r in (None, np.ones((m.n_states, 2)))
                        for name in PRESETS],
    "reward_distance_matrix": {"mdp": (TINY, ENDING), "rewards": ([None], [None, None]),
                               "metric": tuple(PRESETS)},
    "standardised_reward": {"mdp": (TINY, ENDING), "reward": (None,), "metric": tuple(PRESETS)},
    "reward_correlation": {"prob": PROMPTS, "reward": BATCH[:3], "truth": BATCH[:2],
                           "shares": SHARES},
    "score_law": {"outcome": (np.zeros(3), np.ones(3), np.array([1.0, 0, 0])),
                  "score": PAID, "prob": (*POLICIES, np.zeros(3)), "kappa": (0.0, 1.0)},
    "score_moments": SCORES,
    "second_moment_saving": SCORES,
    "self_play": {"P": TABLES, "start": POLICIES, "eta": (0.0, 1.0, INF), "steps": (0, 2)},
    "self_play_bound": {"start": POLICIES, "eta": (0.0, 1.0), "steps": (0, 1)},
    "shared_drift": {"estimator": ("dr_grpo", "grpo", "drpo"), "q": P, "rho": UNIT,
                     "alpha": UNIT, "group_size": GROUP},
    "shared_policy_collapses": {"estimator": ("dr_grpo", "grpo", "drpo"), "rho": UNIT,
                                "alpha": UNIT},
    "sign_threshold": {"p_hat": P, "mean_cost": UNIT, "alpha": (0.0, 0.5, 1.0)},
    "soft_policy_iteration": {"P": TABLES, "pi": POLICIES, "eta": (0.0, 1e-300, 1.0, INF)},
    "softmax": {"theta": (np.zeros(1), np.array([0.0, 1e300, -1e300]), np.array([0.0, -INF]))},
    "steps_to_margin": {"gap": (0.0, 1.0), "margin": (0.0, 1.0), "rate": (0.0, 1.0),
                        "weight": (0.0, 1.0)},
    "success_of_best": {"p": (*P, 1e-300), "k": (0, 1, 10**9)},
    "symmetrised_preference": {"P": TABLES},
    "tilt": {"ref": POLICIES, "reward": PAID, "inverse_beta": (0.0, 1.0, 1e300, INF)},
    "tilt_price": {"prob": PROMPTS[:4], "reward": BATCH[:3], "truth": BATCH[:3],
                   "drop": (None, 0.0)},
    "total_variation": {"p": POLICIES, "q": POLICIES},
    "turning_point": {"start": POLICIES, "reward": ([1.0, 2.0, 0.0], [1.0, 1.0, 1.0])},
    "unanimous_win": {"gap": (-INF, 0.0, INF), "bias": (0.0, 3.0), "votes": (0, 1, 8)},
    "verbose_threshold": {"group_size": GROUP, "right": (0, 1)},
    "voted_sign": {"gap": (-INF, 0.0, INF), "bias": (0.0, 3.0), "votes": (1, 8),
                   "inconsistent": (-1.0, 0.0)},
    "win_rate": {"P": TABLES, "pi": POLICIES},
    "z_score_alignment": {"sigma": (0.0, 1.0, INF), "group_size": GROUP},
    "z_score_error": {"sigma": (0.0, 1.0, INF), "group_size": GROUP},
    "zero_signal": {"p": P, "group_size": GROUP},
}  # fmt: skip
CORNERS |= shaping_corners(TINY, ENDING)
CORNERS |= SELECTION
CORNERS |= EXEMPLAR
CORNERS |= FOLLOW_UPS
CORNERS |= JUDGE_CHAIN
CORNERS |= NOISE | DETECTION | JUDGE | TOPOLOGY | LENGTH | SPREAD | PROCESS
CORNERS |= COMPOSITE | COTRAINED | EXPLORATION | LABEL_FREE | LEARNED | PRINCIPLES
CORNERS |= SEGMENTS
CORNERS |= REDISTRIBUTION
CORNERS |= TRACES
CORNERS |= ROUTED
CORNERS |= WRITING
CORNERS |= PROMPT_REWARDS
CORNERS |= SQL
CORNERS |= RELEVANCE
CORNERS |= BANDITS
CORNERS |= TOOLS
CORNERS |= POPULATION
NAN = (
    UNDEFINED
    | DETECTION_UNDEFINED
    | LEARNED_UNDEFINED
    | JUDGE_UNDEFINED
    | {
        "vote_reward": "a group of one has no advantage",
        "all_k_right": "no unbiased estimator exists for k > n",
        "order_distance": "a constant reward has no direction",
        "pass_at_k_estimate": "no unbiased estimator exists for k > n",
        "scaling_law_fit": "a gold that doesn't turn round has no interval for where it does",
        "reward_correlation": "a constant reward has no direction",
    }
)


def calls(name: str) -> list[dict[str, Any]]:
    corners = CORNERS[name]
    if not isinstance(corners, dict):
        return list(corners)
    return [dict(zip(corners, x, strict=True)) for x in itertools.product(*corners.values())]


def numbers(value: Any) -> list[np.ndarray]:
    if value is None or callable(value) or isinstance(value, (str, MDP)):
        return []
    if hasattr(value, "tocsr"):
        value = value.data
    if dataclasses.is_dataclass(value):
        value = [getattr(value, f.name) for f in dataclasses.fields(value)]
    if isinstance(value, (tuple, list)):
        return [x for v in value for x in numbers(v)]
    return [np.asarray(value, dtype=float)]


def asked(theorem: Any, arguments: dict[str, Any]) -> list[np.ndarray] | str:
    """The numbers of the answer, or what the refusal says; a warning is an error."""
    try:
        with warnings.catch_warnings(), np.errstate(divide="raise", invalid="raise"):
            warnings.simplefilter("error")
            return numbers(theorem(**arguments))
    except ValueError as refused:
        return str(refused)


def test_every_theorem_has_its_corners():
    """A new theorem needs a row in `CORNERS`: its parameters at the ends of their ranges."""
    found = registry.entries("theorem")
    assert {e.name for e in found} == set(CORNERS)
    assert set(NAN) <= set(CORNERS)
    for e in found:
        must = {k for k, default in e.fields.items() if default is None}
        assert must <= set(calls(e.name)[0]) <= set(e.fields), e.name


@pytest.mark.parametrize("name", CORNERS)
def test_corners(name: str):
    theorem, answered, undefined = registry.get("theorem", name).target, 0, 0
    for arguments in calls(name):
        found = asked(theorem, arguments)
        if isinstance(found, str):
            assert any(k in found for k in arguments), (arguments, found)
            continue
        answered += 1
        undefined += any(np.isnan(x).any() for x in found)
        assert name in NAN or not undefined, (arguments, found)
    assert answered
    assert (undefined > 0) == (name in NAN)  # an exception must be one


# -- what the number is there, by definition -------------------------------------------------------
def test_cloning_at_the_ends():
    assert bon_cloning.inverse_temperature(1.0, 1) == 0
    assert bon_cloning.inverse_temperature(1.0, 3) == INF
    for p, n in itertools.product((0.0, 1e-12, 0.3, 0.9), (1, 2, 5)):
        want = math.log(sum((1 - p) ** -i for i in range(n)))
        assert bon_cloning.inverse_temperature(p, n) == pytest.approx(want, rel=1e-9)
    assert bon_cloning.best_kl(0.0, 4) == 0
    assert bon_cloning.best_kl(1.0, 4) == 0
    for p, n in itertools.product((1e-9, 0.3, 1 - 1e-9), (1, 4, 50)):
        picked = bon_cloning.best_of_n([p, 1 - p], [1, 0], n)
        assert bon_cloning.best_kl(p, n) == pytest.approx(kl(picked, [p, 1 - p]), abs=1e-12)
    assert bon_cloning.anchored_mass(1.0, 0.3) == 1
    assert bon_cloning.anchored_mass(0.3, 0.0) == 1
    assert bon_cloning.anchored_mass(0.3, INF) == 0.3
    assert bon_cloning.anchored_mass(1 - 1e-9, 0.3) == pytest.approx(1, abs=1e-8)
    assert bon_cloning.anchored_mass(0.3, 1e-3) == pytest.approx(1, abs=1e-9)
    assert bon_cloning.anchored_mass(0.3, 1e4) == pytest.approx(0.3, abs=1e-3)
    for bad in ((0.0, 0.3), (0.5, -1.0)):
        with pytest.raises(ValueError, match="must lie in"):
            bon_cloning.anchored_mass(*bad)
    assert best_of_k.success_of_best(1.0, 0) == 0


@pytest.mark.parametrize("estimator", ["rloo", "grpo"])
def test_a_group_of_one_compares_with_nobody(estimator: str):
    for call in (
        lambda: variance.gradient_variance(estimator, 0.3, 1),
        lambda: variance.gradient_weight(estimator, 0.3, 1),
        lambda: variance.mean_advantages(estimator, 0.3, 1),
        lambda: variance.group_gradient(estimator, 1, 0.3, 1),
    ):
        with pytest.raises(ValueError, match=f"group_size=1: {estimator} compares with siblings"):
            call()
    assert variance.gradient_variance("dr_grpo", 0.3, 1) == 0
    # By enumeration of the one rollout: g = q right, 0 wrong.
    want = 0.3 * 0.7**2 - (0.3 * 0.7) ** 2
    assert variance.gradient_variance("reinforce", 0.3, 1) == pytest.approx(want)


def test_limits_of_the_group_pages():
    assert (variance.groups_per_kept([0.0, 1.0], 8) == INF).all()
    assert (variance.omega([0.0, 1.0], INF) == INF).all()
    assert variance.mean_advantages("grpo", 0.0, INF) == (INF, 0)
    assert variance.mean_advantages("grpo", 1.0, INF) == (0, -INF)
    assert signs.cost_threshold(0.5, 0.5, 0.0) == INF
    assert signs.population_boundary(1.0, 1.0) == 1
    assert signs.population_boundary(1.0, 0.5) == 0
    assert signs.break_even_lambda((0.5, 1.0), (1.0, 4.0), 8.0) == 0
    assert signs.break_even_lambda((0.5, 0.5), (1.0, 4.0), 8.0) == INF


def test_limits_of_the_length_pages():
    assert conciseness.flow_time(0.3, 0.3, 0.0) == 0
    assert conciseness.flow_time(0.0, 0.3, 1.0) == INF
    assert conciseness.flow_time(0.3, 1.0, 1.0) == INF
    assert conciseness.flow_time(0.3, 0.5, 0.0) == INF
    chain = LengthChain()
    assert conciseness.best_length_additive(chain, 0.0) == 64
    assert conciseness.best_length_crf(chain, 0.0) == 64
    assert conciseness.best_length_crf(chain, 1e-9) == pytest.approx(64, abs=1e-3)
    with pytest.raises(ValueError, match="limit=1"):
        LengthChain(limit=1)
    certain = ScoreLaw(1.0, 0.5, 0.0, 0.2, 0.0, 1.0)
    assert conciseness.outcome_correlations(certain) == (0, 0)
    assert conciseness.relative_gradient_variances(certain) == (INF, INF)
    assert mode_choice.mean_steps(1.0, 0.5, 0.1, 0.1) == INF
    with pytest.raises(ValueError, match=r"rate=0\.0"):
        mode_choice.steps_to_margin(0.0, 1.0, 0.0, 0.1)


def test_limits_of_the_preference_pages():
    P, pi = TABLES[1], np.array(ALL)
    greedy = nash.step(P, pi, 0.0)
    assert greedy == pytest.approx(nash.step(P, pi, 1e-4))
    assert greedy == pytest.approx(np.eye(3)[np.argmax(P @ pi)])
    assert nash.step(P, pi, INF) == pytest.approx(pi)
    assert nash.step(P, np.array(SURE), 1.0).tolist() == SURE
    assert nash.average_bound([0.5, 0.5], 0.0, 10) == INF
    assert regularised.objective(np.array(ALL), np.array(SURE), PAID[0], 0.0) == pytest.approx(1.2)
    assert regularised.objective(np.array(ALL), np.array(SURE), PAID[0], 1.0) == -INF
    same = [regularised.difference_loss(np.array(SOME), np.array(SOME), PAID[0], 0.5, np.array(mu))
            for mu in (SOME, SURE)]  # fmt: skip
    u = -PAID[0][:2] / 0.5
    assert same == pytest.approx([2 * np.average((u - u @ [0.4, 0.6]) ** 2, weights=[0.4, 0.6]), 0])
    best = tilt(np.array(ALL), np.array([1.0, 1.0, 0.0]), INF)
    assert best == pytest.approx([0.4, 0.6, 0.0])
    assert votes.unanimous_win(0.0, 0.0) == 0.25
