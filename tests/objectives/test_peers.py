"""Objectives against the losses of TRL and of verl, run as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.estimators.verl_code import Config, actor_config, core_algos
from tests.objectives.objective_cases import LIMIT, OURS, B, G, T, case
from toyrl.objectives.base import Objective
from toyrl.objectives.conventions import LOSSES, loss
from toyrl.objectives.covariance import ClipCov, KlCov
from toyrl.objectives.kl import KlPenalty
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.objectives.sequence_ratio import GeoMean, SequenceRatio
from toyrl.objectives.stopped_ratio import Dppo, Dro
from toyrl.rollouts import Rollouts

torch = pytest.importorskip("torch")


# -- TRL's own loss --------------------------------------------------------------------------------
GSPO = {"level": "sequence"}
TRL: dict[str, dict[str, Any]] = {  # options of the table -> settings of the trainer
    "dapo": {},
    "grpo": {"loss_type": "grpo"},
    "bnpo": {"loss_type": "bnpo"},
    "dr_grpo": {"loss_type": "dr_grpo"},
    "cispo": {"loss_type": "cispo"},
    "cispo, epsilon_high=5": {"loss_type": "cispo", "high": 5.0},
    "sapo": {"loss_type": "sapo"},
    "vespo": {"loss_type": "vespo"},
    "luspo": {"loss_type": "luspo"} | GSPO,
    "epsilon_high=0.28": {"high": 0.28},
    "delta=2": {"delta": 2.0},
    "grpo, level=sequence": {"loss_type": "grpo"} | GSPO,
    "dapo, level=sequence": GSPO,
    "beta=0.04": {"beta": 0.04},
    "beta=0.04, no bias correction": {"beta": 0.04, "use_bias_correction_kl": False},
    "top_entropy_quantile=0.2": {"quantile": 0.2},
    "off_policy_mask_threshold=0.5": {"off_policy": 0.5},
    "mask_truncated": {"cut": True},
    "vllm token_truncate": {"mode": "token_truncate"},
    "vllm token_mask": {"mode": "token_mask"},
    "vllm sequence_truncate": {"mode": "sequence_truncate"},
    "vllm sequence_mask": {"mode": "sequence_mask"},
}


def trl_gradient(settings: dict[str, Any], batch: tuple[Any, ...]) -> np.ndarray:
    """dJ/dlogp (N, T) of TRL's loss; importance weights and truncation masks are TRL's too."""
    from tests.estimators import trl_code

    r, a, logp, old = batch
    more, flat = dict(settings), (a.size, logp.shape[-1])
    sampled, length = r.fields["sampling_logprobs"].reshape(flat), r.length.reshape(-1).astype(int)
    mask = r.mask.reshape(flat)
    if mode := more.pop("mode", None):
        w = trl_code.sampler_weights(mode, old.reshape(flat), sampled, length, cap=3.0)
        more["weights"] = np.pad(w, ((0, 0), (0, flat[1] - w.shape[1]))) if w.shape[1] > 1 else w
    if more.pop("cut", False):
        gone = trl_code.truncation_masks(length, r.truncated.reshape(-1))
        mask = np.pad(gone, ((0, 0), (0, flat[1] - gone.shape[1]))).astype(float)
    if "off_policy" in more:
        more["sampled"] = sampled
    return trl_code.grpo_gradient(
        more.pop("loss_type", "dapo"),
        a.reshape(-1),
        logp.reshape(flat),
        old.reshape(flat),
        mask,
        max_length=LIMIT,
        ref=r.fields["ref_logprobs"].reshape(flat),
        entropy=r.fields["entropy"].reshape(flat),
        **more,
    )


def trl_case(seed: int, apart: float, *, cut: float = 0.4) -> tuple[Any, ...]:
    """A batch whose longest row fills the width, as TRL pads; some rollouts truncated, A tied."""
    r, a, logp, old = case(seed, apart=apart, empty=False)  # TRL's metrics divide by the length
    length = r.length.copy()
    length[0, 0] = T
    mask = (np.arange(T) < length[..., None]) * 1.0
    rng = np.random.default_rng(seed)
    a = np.where(rng.random(a.shape) < 0.3, np.round(a), a)
    truncated = rng.random(a.shape) < cut
    left = (a < 0) & (rng.random(a.shape) < 0.7)  # by the policy: the sampler likes them more
    sampler = np.where(left[..., None], np.minimum(logp + 2, -0.01), r.fields["sampling_logprobs"])
    r = r.with_(length=length, mask=mask, truncated=truncated, sampling_logprobs=sampler)
    return r, a, logp, old


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
@pytest.mark.parametrize("option", TRL)
@pytest.mark.parametrize("apart", [0.02, 0.4])
def test_rows_equal_trls_own_loss(option: str, apart: float):
    for cut in (0.4, 1.0) if option == "mask_truncated" else (0.4,):
        r, a, logp, old = trl_case(1, apart, cut=cut)
        want = trl_gradient(TRL[option], (r, a, logp, old))
        objective = loss("trl", option).objective
        assert objective is not None
        if option == "mask_truncated":
            r = r.with_(mask=r.mask * ~r.truncated[..., None])
        got = objective.coefficients(a, r, logp, old).reshape(B * G, T)
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-9)
        assert (np.abs(want).max() > 1e-3) == (cut < 1)


def test_trl_rows_are_all_tested():
    own = {x.option for x in LOSSES if x.trainer == "trl" and x.held_by == "own code"}
    assert own == {*TRL, "rloo"}


def test_every_option_changes_the_loss():
    """A row that equals `dapo` on this batch would be held by nothing."""
    batch = trl_case(1, 0.4)
    plain = trl_gradient({}, batch)
    for option, settings in TRL.items():
        same = np.allclose(trl_gradient(settings, batch), plain, rtol=1e-6, atol=1e-9)
        assert same == (option in ("dapo", "bnpo", "delta=2")), option


def test_delta_cuts_what_the_clip_leaves():
    r, a, logp, old = trl_case(1, 1.5)
    want = trl_gradient(TRL["delta=2"], (r, a, logp, old))
    objective = loss("trl", "delta=2").objective
    assert objective is not None
    got = objective.coefficients(a, r, logp, old).reshape(B * G, T)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-9)
    assert not np.allclose(want, trl_gradient({}, (r, a, logp, old)))


def test_rloo_equals_trls_own_loss():
    from tests.estimators import trl_code

    r, a, logp, old = case(2)
    flat = (B * G, T)
    want = trl_code.rloo_gradient(
        a.reshape(-1), logp.reshape(flat), old.reshape(flat), r.mask.reshape(flat)
    )
    objective = loss("trl", "rloo").objective
    assert objective is not None
    got = objective.coefficients(a, r, logp, old).reshape(flat)
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
    "up": (OURS["up"], "token-mean", {"clip_ratio_c": 3.0}),
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
