"""Objectives: coefficients against autograd, TRL's and verl's own losses, on all backends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.backends import arrays_of, default_for, to_strict, to_torch
from tests.verl_code import Config, actor_config, core_algos
from toyrl import pytree, registry
from toyrl.objectives.base import Objective
from toyrl.objectives.compose import Corrected, Sum
from toyrl.objectives.covariance import ClipCov, KlCov
from toyrl.objectives.kl import KlPenalty
from toyrl.objectives.policy_gradient import AGGREGATIONS, PolicyGradient
from toyrl.objectives.sequence_ratio import GeoMean, SequenceRatio
from toyrl.objectives.stopped_ratio import Cispo, Dppo, Dro
from toyrl.rollouts import Rollouts

torch = pytest.importorskip("torch")
B, G, T = 3, 4, 6
LIMIT = 8
OURS: dict[str, Any] = {
    e.name: default_for(e) for e in registry.entries("objective") if e.cards == ("00",)
}
POLICY = [n for n in OURS if not n.startswith("kl_k") and n != "kl_abs"]
NEED = ("ref_logprobs", "sampling_logprobs")


def case(seed: int = 0, *, apart: float = 0.3, empty: bool = True) -> tuple[Any, ...]:
    """(rollouts, advantages (B, G), logp, old_logp), ragged, off-policy, one row without tokens."""
    rng = np.random.default_rng(seed)
    length = rng.integers(1, T + 1, (B, G)).astype(float)
    length[0, 1] = 0.0 if empty else 1.0
    mask = (np.arange(T) < length[..., None]) * 1.0
    old = -rng.exponential(1.0, (B, G, T)) - 0.05
    logp = np.minimum(old + apart * rng.normal(size=old.shape), -0.01)
    extra = {n: np.minimum(old + 0.5 * rng.normal(size=old.shape), -0.01) for n in NEED}
    r = Rollouts((rng.random((B, G)) < 0.5) * 1.0, length, float(LIMIT), mask=mask, fields=extra)
    return r, rng.normal(size=(B, G)), logp, old


# -- autograd of the loss, written out -------------------------------------------------------------
def averaged(j: Any, mask: Any, how: str, *, count_empty: bool = True) -> Any:
    rows = mask.sum(-1)
    n = rows.numel() if count_empty else (rows > 0).sum()
    if how == "dapo":
        return (j * mask).sum() / mask.sum()
    each = (j * mask).sum(-1)
    if how == "grpo":
        each = each / rows.clamp(min=1)
    return each.sum() / n / (LIMIT if how == "dr_grpo" else 1)


def ppo(lr: Any, a: Any, low: float = 0.2, high: float = 0.2, c: float | None = None) -> Any:
    rho = lr.exp()
    j = torch.minimum(rho * a, rho.clamp(1 - low, 1 + high) * a)
    return j if c is None else torch.where(a < 0, torch.maximum(j, c * a), j)


def sequence(lr: Any, mask: Any, *, mean: bool = True) -> Any:
    total = (lr * mask).sum(-1, keepdim=True)
    return total / mask.sum(-1, keepdim=True).clamp(min=1) if mean else total


def vespo(lr: Any, a: Any, mask: Any, logp: Any) -> Any:
    w = sequence(lr, mask, mean=False).exp().detach()
    k, rate = torch.where(a >= 0, 2.0, 3.0), torch.where(a >= 0, 3.0, 2.0)
    return w**k * (rate * (1 - w)).exp() * a * logp


def geometric(lr: Any, a: Any, mask: Any) -> Any:
    cut = torch.where(a > 0, lr.clamp(max=0.4), lr.clamp(min=-0.4))
    return a * sequence(cut, mask).exp() + 0 * lr


def dppo(lr: Any, a: Any, logp: Any, old: Any, measure: str) -> Any:
    new, was = logp.exp().detach(), old.exp()
    if measure == "tv":
        keep = torch.where(a > 0, new - was <= 0.2, new - was >= -0.2)
    else:
        far = was * (was / new).log() + (1 - was) * ((1 - was + 1e-8) / (1 - new + 1e-8)).log()
        keep = torch.where(a > 0, (far <= 0.2) | (new <= was), (far <= 0.2) | (new >= was))
    return keep * lr.exp().clamp(max=20).detach() * a * logp


def kl(kind: str, x: Any, lr: Any) -> Any:
    """x = log pi_ref - log pi."""
    k2, k3 = x**2 / 2, x.exp() - x - 1
    known = {"k1": -x, "k2": k2, "k3": k3, "abs": x.abs(), "k3_ratio": lr.exp() * k3}
    return known[kind] if kind in known else k2 - k2.detach() + k3.detach()


def token_objective(name: str, v: dict[str, Any]) -> Any:
    """J_it of the objective of that name before averaging."""
    lr, a, mask, logp = v["lr"], v["a"], v["mask"], v["logp"]
    if name in (*AGGREGATIONS, "bnpo"):
        return ppo(lr, a)
    if name.startswith("kl_") and name != "kl_cov":
        return -1e-3 * kl(name[3:], v["ref_logprobs"] - logp, lr)
    if name in ("tis", "mis"):
        gap = v["old"] - v["sampling_logprobs"]
        w = gap.exp().clamp(max=3) if name == "tis" else sequence(gap, mask, mean=False).exp()
        return ppo(lr, a) * (w if name == "tis" else torch.where(w > 3, 0 * w, w))
    simple = {
        "clip_higher": lambda: ppo(lr, a, high=0.28),
        "vanilla": lambda: ppo(lr, a, c=3.0),
        "gspo": lambda: ppo(sequence(lr, mask), a, 3e-4, 4e-4) + 0 * lr,
        "luspo": lambda: ppo(sequence(lr, mask), a, 3e-4, 4e-4) + 0 * lr,
        "rloo": lambda: (
            ppo(sequence(lr, mask, mean=False), a) / mask.sum(-1, True).clamp(min=1) + 0 * lr
        ),
        "cispo": lambda: lr.exp().clamp(max=5).detach() * a * logp,
        "cispo_verl": lambda: lr.exp().clamp(0.8, 1.2).detach() * a * logp,
        "sapo": lambda: soft(lr.exp(), a),
        "gpg": lambda: a * logp,
        "dro": lambda: a * logp - 0.05 * lr**2,
        "geo_mean": lambda: geometric(lr, a, mask),
        "vespo": lambda: vespo(lr, a, mask, logp),
        "dppo_tv": lambda: dppo(lr, a, logp, v["old"], "tv"),
        "dppo_kl": lambda: dppo(lr, a, logp, v["old"], "kl"),
    }
    return simple[name]()


def soft(rho: Any, a: Any) -> Any:
    tau = torch.where(a > 0, 1.0 + 0 * a, 1.05 + 0 * a)
    return torch.sigmoid(tau * (rho - 1)) * 4 / tau * a


@pytest.mark.parametrize("apart", [0.02, 0.3, 1.5])
@pytest.mark.parametrize("name", [n for n in OURS if n not in ("clip_cov", "kl_cov")])
def test_coefficients_are_the_gradient_of_the_loss(name: str, apart: float):
    for seed in range(3):
        r, a, logp, old = case(seed, apart=apart)
        x = torch.tensor(logp, requires_grad=True)
        values = {k: torch.tensor(f) for k, f in r.fields.items()}
        values |= {"old": torch.tensor(old), "mask": torch.tensor(r.mask), "logp": x}
        values |= {"a": torch.tensor(a)[..., None], "lr": x - torch.tensor(old)}
        o = OURS[name]
        rule: Any = o.inner if isinstance(o, Corrected) else o
        count = rule.count_empty
        averaged(
            token_objective(name, values), values["mask"], rule.aggregation, count_empty=count
        ).backward()
        got = o.coefficients(a, r, logp, old)
        np.testing.assert_allclose(got, x.grad.numpy(), rtol=1e-9, atol=1e-12)
        assert np.all(got[r.mask == 0] == 0)


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
    from tests import trl_code

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
    from tests import trl_code

    r, a, logp, old = case(2)
    flat = (B * G, T)
    want = trl_code.rloo_gradient(
        a.reshape(-1), logp.reshape(flat), old.reshape(flat), r.mask.reshape(flat)
    )
    got = OURS["rloo"].coefficients(a, r, logp, old).reshape(flat)
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)


def test_per_token_advantages_equal_trls():
    """TRL takes (N, T) advantages; so do token-level estimators here."""
    from tests import trl_code

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


# -- laws ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", POLICY)
def test_on_policy_is_the_sequence_weight(name: str):
    """Ratio 1: no clip is active, and the coefficient is c A w/sum(w) on every token."""
    if name in ("tis", "mis", "clip_cov", "kl_cov", "rloo"):
        pytest.skip("depends on more than the ratio, or sums tokens' ratios")
    r, a, logp, _ = case(7)
    o = OURS[name]
    want = (a * o.sequence_weight(r) / (B * G))[..., None] * r.mask
    if getattr(o, "count_empty", True) is False and o.aggregation != "dapo":
        want = want * B * G / (r.length > 0).sum()
    np.testing.assert_allclose(o.coefficients(a, r, logp, logp), want, atol=1e-14)


def test_equal_lengths_make_aggregations_proportional():
    r, a, logp, old = case(8)
    r = r.with_(mask=np.ones((B, G, T)), length=np.full((B, G), float(T)))
    base = OURS["sum"].coefficients(a, r, logp, old)
    for name, factor in (("grpo", 1 / T), ("dapo", 1 / T), ("dr_grpo", 1 / LIMIT)):
        got = OURS[name].coefficients(a, r, logp, old)
        np.testing.assert_allclose(got, factor * base, atol=1e-14)


@pytest.mark.parametrize("kind", ["k1", "k2", "k3", "k3_plus", "k3_ratio"])
def test_mean_gradients_of_kl_estimates(kind: str):
    """One-token choice of four, enumerated: which divergence each estimate descends on-policy."""
    logits, other = np.array([0.3, -0.4, 1.0, 0.1]), np.array([0.0, 0.5, -0.2, 0.7])
    x = torch.tensor(logits, requires_grad=True)
    p, q = torch.log_softmax(x, -1), torch.log_softmax(torch.tensor(other), -1)
    targets = {
        "k1": 0 * x.sum(),
        "k3": (q.exp() * (q - p)).sum(),
    }
    target = targets.get(kind, (p.exp() * (p - q)).sum())
    (want,) = torch.autograd.grad(target, x, retain_graph=True)
    logp, ref = p.detach().numpy(), q.numpy()
    r = Rollouts(
        np.zeros((1, 4)),
        np.ones((1, 4)),
        1.0,
        weight=np.exp(logp)[None],
        mask=np.ones((1, 4, 1)),
        fields={"ref_logprobs": ref[None, :, None]},
    )
    wide = logp[None, :, None]
    c = -KlPenalty("sum", kind=kind, beta=1.0).coefficients(np.zeros((1, 4)), r, wide, wide)
    score = np.eye(4) - np.exp(logp)  # d logp_a / d logits
    np.testing.assert_allclose(c[0, :, 0] @ score, want.numpy(), atol=1e-12)


def test_k3_is_never_negative():
    r, a, logp, old = case(9)
    from toyrl.objectives.surrogate import tokens_of

    t = tokens_of(a, r, logp, old, by="test")
    value, _ = KlPenalty(kind="k3").values(t)
    assert np.all(value >= 0)
    same = tokens_of(a, r.with_(ref_logprobs=logp), logp, old, by="test")
    assert np.all(KlPenalty(kind="k3").values(same)[0] == 0)


@pytest.mark.parametrize("name", OURS)
def test_absent_rows_and_padding_change_nothing(name: str):
    r, a, logp, old = case(10)
    weight = np.ones((B, G))
    weight[1, 2] = 0.0
    got = OURS[name].coefficients(a, r.with_(weight=weight), logp, old)
    assert np.all(got[1, 2] == 0)
    noisy = np.where(r.mask > 0, logp, 50.0)  # log-probabilities off the mask are anything
    again = OURS[name].coefficients(a, r.with_(weight=weight), noisy, old)
    np.testing.assert_array_equal(got, again)
    a2, l2 = a.copy(), logp.copy()
    a2[1, 2], l2[1, 2] = 7.0, -3.0
    moved = OURS[name].coefficients(a2, r.with_(weight=weight), l2, old)
    np.testing.assert_allclose(moved, got, atol=1e-15)


@pytest.mark.parametrize("name", OURS)
def test_empty_batch_of_tokens(name: str):
    r, a, logp, old = case(11)
    r = r.with_(mask=np.zeros((B, G, T)), length=np.zeros((B, G)))
    assert np.all(OURS[name].coefficients(a, r, logp, old) == 0)


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("convert", [to_torch, to_strict])
def test_eager_backends(name: str, convert: Any):
    r, a, logp, old = case(12, apart=0.5)
    other = convert(r)
    args = [other.xp.asarray(v) for v in (a, logp, old)]
    got = OURS[name].coefficients(args[0], other, *args[1:])
    want = OURS[name].coefficients(a, r, logp, old)
    np.testing.assert_allclose(np.asarray(got), want, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("name", OURS)
def test_jax(name: str):
    import jax

    r, a, logp, old = case(13, apart=0.5)
    with jax.enable_x64(True):
        pytree.activate()
        other = arrays_of(r, jax.numpy.asarray)
        run = jax.jit(lambda a, r, new, old: OURS[name].coefficients(a, r, new, old))
        got = np.asarray(run(a, other, logp, old))
    want = OURS[name].coefficients(a, r, logp, old)
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-13)


def test_wrong_settings_say_what_is_allowed():
    for wrong, hint in (
        (lambda: PolicyGradient("mean"), "sum, grpo"),
        (lambda: KlPenalty(kind="k4"), "k1, k2"),
        (lambda: Dppo(measure="l2"), "tv, kl"),
        (lambda: Corrected(mode="clip"), "token_truncate"),
        (lambda: Sum(()), "at least one"),
    ):
        with pytest.raises(ValueError, match=hint):
            wrong()
    r, a, logp, old = case(0)
    with pytest.raises(KeyError, match="ref_logprobs"):
        KlPenalty().coefficients(a, r.with_(fields={}), logp, old)
    with pytest.raises(TypeError, match="no advantage per rollout"):
        KlPenalty().sequence_weight(r)
