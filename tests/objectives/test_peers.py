"""Objectives against the losses of TRL and of verl, run as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.estimators.verl_code import Config, actor_config, core_algos
from tests.objectives.objective_cases import LIMIT, OURS, B, G, T, case
from toyrl.objectives.base import Objective
from toyrl.objectives.compose import Sum
from toyrl.objectives.covariance import ClipCov, KlCov
from toyrl.objectives.kl import KlPenalty
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.objectives.sequence_ratio import GeoMean, SequenceRatio
from toyrl.objectives.stopped_ratio import Cispo, Dppo, Dro
from toyrl.rollouts import Rollouts

torch = pytest.importorskip("torch")


# -- TRL's own loss --------------------------------------------------------------------------------
TRL: dict[str, tuple[Objective, dict[str, Any]]] = {
    "grpo": (PolicyGradient("grpo"), {}),
    "bnpo": (PolicyGradient("dapo"), {}),
    "dr_grpo": (PolicyGradient("dr_grpo"), {}),
    "dapo": (PolicyGradient("dapo", clip_high=0.28), {"high": 0.28}),
    "delta": (PolicyGradient("grpo", delta=1.1), {"loss_type": "grpo", "delta": 1.1}),
    "cispo": (Cispo(), {"high": 5.0}),
    "sapo": (OURS["sapo"], {}),
    "vespo": (OURS["vespo"], {}),
    "luspo": (OURS["luspo"], {"level": "sequence", "low": 3e-4, "high": 4e-4}),
    "gspo": (
        OURS["gspo"],
        {"loss_type": "grpo", "level": "sequence", "low": 3e-4, "high": 4e-4},
    ),
    "kl": (
        Sum((PolicyGradient("dapo"), KlPenalty(kind="k3_ratio", beta=0.04))),
        {"loss_type": "dapo", "beta": 0.04},
    ),
    "kl, uncorrected": (
        Sum((PolicyGradient("grpo"), KlPenalty("grpo", kind="k3", beta=0.04))),
        {"loss_type": "grpo", "beta": 0.04, "use_bias_correction_kl": False},
    ),
    "tis": (OURS["tis"], {"loss_type": "dapo"}),
}


@pytest.mark.parametrize("name", TRL)
def test_equal_to_trls_own_loss(name: str):
    from tests.estimators import trl_code

    objective, given = TRL[name]
    settings: dict[str, Any] = {"loss_type": name} | given
    for apart in (0.02, 0.4):
        r, a, logp, old = case(1, apart=apart, empty=False)  # TRL's metrics divide by the length
        flat = (B * G, T)
        if name == "tis":
            w = OURS["tis"].weight(r, old)
            settings |= {"weights": w.reshape(flat)}
        want = trl_code.grpo_gradient(
            settings["loss_type"],
            a.reshape(-1),
            logp.reshape(flat),
            old.reshape(flat),
            r.mask.reshape(flat),
            max_length=LIMIT,
            ref=r.fields["ref_logprobs"].reshape(flat),
            **{k: v for k, v in settings.items() if k != "loss_type"},
        )
        got = objective.coefficients(a, r, logp, old).reshape(flat)
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-9)
        assert np.abs(want).max() > 1e-3


def test_rloo_equals_trls_own_loss():
    from tests.estimators import trl_code

    r, a, logp, old = case(2)
    flat = (B * G, T)
    want = trl_code.rloo_gradient(
        a.reshape(-1), logp.reshape(flat), old.reshape(flat), r.mask.reshape(flat)
    )
    got = OURS["rloo"].coefficients(a, r, logp, old).reshape(flat)
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)


def test_per_token_advantages_equal_trls():
    """TRL takes (N, T) advantages; so do token-level estimators here."""
    from tests.estimators import trl_code

    r, _, logp, old = case(3, empty=False)
    a = np.random.default_rng(3).normal(size=(B, G, T))
    flat = (B * G, T)
    want = trl_code.grpo_gradient(
        "dapo",
        a.reshape(flat),
        logp.reshape(flat),
        old.reshape(flat),
        r.mask.reshape(flat),
        max_length=LIMIT,
    )
    got = OURS["dapo"].coefficients(a, r, logp, old).reshape(flat)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-9)


# -- verl's own losses -----------------------------------------------------------------------------
CLIP = {"clip_ratio_low": 3e-4, "clip_ratio_high": 4e-4}
COV = {"clip_cov_ratio": 0.2, "clip_cov_lb": 0.1, "clip_cov_ub": 5.0}
VERL: dict[str, tuple[Objective, str, dict[str, Any]]] = {
    "vanilla": (OURS["vanilla"], "token-mean", {"clip_ratio_c": 3.0}),
    "vanilla, rows": (
        PolicyGradient("grpo", count_empty=False, dual_clip=3.0),
        "seq-mean-token-mean",
        {"clip_ratio_c": 3.0},
    ),
    "vanilla, sum": (
        PolicyGradient("sum", count_empty=False, dual_clip=3.0),
        "seq-mean-token-sum",
        {"clip_ratio_c": 3.0},
    ),
    "gspo": (SequenceRatio(count_empty=False), "seq-mean-token-mean", CLIP),
    "sapo": (replace(OURS["sapo"], count_empty=False), "seq-mean-token-mean", {}),
    "gpg": (OURS["gpg"], "token-mean", {}),
    "geo_mean": (GeoMean(clip_low=0.2, clip_high=0.2), "token-mean", {}),
    "cispo": (OURS["cispo_verl"], "token-mean", {}),
    "dro": (Dro(beta=0.3), "token-mean", {"policy_loss": Config(dro_beta=0.3)}),
    "dppo_tv": (Dppo(), "token-mean", {}),
    "dppo_kl": (Dppo(measure="kl"), "token-mean", {}),
    "kl_cov": (
        KlCov(share_held=0.1, coef=0.7),
        "token-mean",
        {"policy_loss": Config(kl_cov_ratio=0.1, ppo_kl_coef=0.7)},
    ),
}


def verl_gradient(
    name: str, how: str, config: Any, a: np.ndarray, logp: np.ndarray, old: np.ndarray, r: Rollouts
) -> np.ndarray:
    assert r.mask is not None
    x = torch.tensor(logp.reshape(-1, T), requires_grad=True)
    mask = torch.tensor(r.mask.reshape(-1, T))
    wide = torch.tensor(np.repeat(a.reshape(-1, 1), T, 1))
    old_log_prob = torch.tensor(old.reshape(-1, T))
    loss, _ = core_algos().POLICY_LOSS_REGISTRY[name](
        old_log_prob=old_log_prob,
        log_prob=x,
        advantages=wide,
        response_mask=mask,
        loss_agg_mode=how,
        config=config,
    )
    loss.backward()
    return -x.grad.numpy().reshape(B, G, T)


@pytest.mark.parametrize("name", VERL)
@pytest.mark.parametrize("apart", [0.02, 0.4, 1.5])
def test_equal_to_verls_own_loss(name: str, apart: float):
    """Runs where verl can be imported."""
    objective, how, settings = VERL[name]
    r, a, logp, old = case(4, apart=apart)
    config = actor_config(**settings)
    want = verl_gradient(name.split(",")[0], how, config, a, logp, old, r)
    got = objective.coefficients(a, r, logp, old)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-9)


def test_clip_cov_is_the_mean_over_verls_draws():
    r, a, logp, old = case(5)
    config = actor_config(policy_loss=Config(**COV))
    core_algos()
    torch.manual_seed(0)
    draws = np.stack(
        [verl_gradient("clip_cov", "token-mean", config, a, logp, old, r) for _ in range(3000)]
    )
    got = ClipCov(share_dropped=0.2, low=0.1).coefficients(a, r, logp, old)
    error = draws.std(0) / np.sqrt(len(draws))
    assert (error > 0).sum() > 3
    assert np.all(np.abs(got - draws.mean(0)) <= 4.5 * error + 1e-9)


@pytest.mark.parametrize("kind", ["k1", "k2", "k3", "abs", "k3_plus"])
def test_kl_equals_verls_own(kind: str):
    r, a, logp, old = case(6)
    x = torch.tensor(logp, requires_grad=True)
    ref = torch.tensor(r.fields["ref_logprobs"])
    value = core_algos().kl_penalty(x, ref, kind.replace("_plus", "+"))
    (value * torch.tensor(r.mask)).sum().backward()
    o = KlPenalty("sum", kind=kind, beta=1.0, input_limit=20.0, output_limit=10.0)
    got = -o.coefficients(a, r, logp, old) * B * G
    np.testing.assert_allclose(got, x.grad.numpy(), rtol=1e-9, atol=1e-12)
