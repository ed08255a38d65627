"""Objectives: coefficients against autograd of the loss, laws, all backends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.backends import arrays_of, to_strict, to_torch
from tests.objectives.objective_cases import LIMIT, OURS, POLICY, B, G, T, case
from toyrl import pytree
from toyrl.objectives.compose import Corrected, OffPolicyMask, Sum, TopEntropy
from toyrl.objectives.kl import KlPenalty
from toyrl.objectives.policy_gradient import AGGREGATIONS, PolicyGradient
from toyrl.objectives.stopped_ratio import Dppo
from toyrl.rollouts import Rollouts

torch = pytest.importorskip("torch")


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


def up(lr: Any, a: Any) -> Any:
    return torch.where(a > 0, (lr - lr.detach()).exp() * a, ppo(lr, a, c=3.0))


def near(v: dict[str, Any], threshold: float = 0.5) -> Any:
    gap = v["sampling_logprobs"] - v["logp"].detach()
    return ((v["a"] >= 0) | (sequence(gap, v["mask"]) <= threshold)).double()


def surest(v: dict[str, Any], share: float = 0.2) -> Any:
    limit = torch.quantile(v["entropy"][v["mask"] > 0], 1 - share)
    return (v["entropy"] >= limit).double()


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
        "up": lambda: up(lr, a),
        "off_policy_mask": lambda: ppo(lr, a) * near(v),
        "top_entropy": lambda: ppo(lr, a) * surest(v),
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
        rule: Any = getattr(o, "inner", o)
        count = rule.count_empty
        averaged(
            token_objective(name, values), values["mask"], rule.aggregation, count_empty=count
        ).backward()
        got = o.coefficients(a, r, logp, old)
        np.testing.assert_allclose(got, x.grad.numpy(), rtol=1e-9, atol=1e-12)
        assert np.all(got[r.mask == 0] == 0)


# -- laws ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", POLICY)
def test_on_policy_is_the_sequence_weight(name: str):
    """Ratio 1: no clip is active, and the coefficient is c A w/sum(w) on every token."""
    if name in ("tis", "mis", "clip_cov", "kl_cov", "rloo", "off_policy_mask", "top_entropy"):
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
        (lambda: OffPolicyMask(threshold=0.0), "threshold=0.0 is not a number > 0"),
        (lambda: TopEntropy(share=1.5), r"share=1.5 is not a number in \[0, 1\]"),
        (lambda: Sum(()), "at least one"),
    ):
        with pytest.raises(ValueError, match=hint):
            wrong()
    r, a, logp, old = case(0)
    with pytest.raises(KeyError, match="ref_logprobs"):
        KlPenalty().coefficients(a, r.with_(fields={}), logp, old)
    with pytest.raises(TypeError, match="no advantage per rollout"):
        KlPenalty().sequence_weight(r)


# -- which tokens count ----------------------------------------------------------------------------
@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_top_entropy_keeps_its_share(share: float):
    """Without ties, of n tokens those above the (1 - share) quantile; 0 keeps the largest alone."""
    r, a, logp, old = case(11)
    rng = np.random.default_rng(0)
    r = r.with_(entropy=rng.permutation(B * G * T).reshape(B, G, T) * 1.0)
    kept = TopEntropy(share=share).kept(r)
    live = r.mask > 0
    limit = np.quantile(r.fields["entropy"][live], 1 - share)
    np.testing.assert_array_equal(kept, live & (r.fields["entropy"] >= limit))
    assert kept.sum() == np.floor(share * (live.sum() - 1)) + 1
    none = TopEntropy(share=share).coefficients(a, r.with_(mask=0 * r.mask), logp, old)
    assert np.all(none == 0)


def test_off_policy_mask_drops_wrong_rollouts_that_the_policy_left():
    r, _, logp, _ = case(12, empty=False)
    a = np.where(np.arange(G) % 2 == 0, 1.0, -1.0) + np.zeros((B, G))
    gone = np.minimum(logp + 1.0, 0.0)  # the sampler likes every token more, by a nat if it can
    r = r.with_(sampling_logprobs=gone)
    gap = ((gone - logp) * r.mask).sum(-1) / r.mask.sum(-1)
    got = OffPolicyMask(threshold=0.6).coefficients(a, r, logp, logp)
    plain = PolicyGradient().coefficients(a, r, logp, logp)
    dropped = (a < 0) & (gap > 0.6)
    assert dropped.any()
    np.testing.assert_array_equal(got, np.where(dropped[..., None], 0, plain))
    unknown = r.with_(sampling_logprobs=np.full_like(logp, np.nan))
    np.testing.assert_array_equal(OffPolicyMask().coefficients(a, unknown, logp, logp), plain)
