"""Trainers' policy losses as their sources compute them, written plainly in torch.

From the files and commits that `toyrl.objectives.conventions.SOURCES` names. Each function takes a
`Batch` and returns J = -loss, a scalar to be differentiated by `logp`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

Tensor = torch.Tensor
Average = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Batch:
    """Each (N, T); a is the advantage on every token, sampler the inference engine's logp."""

    a: Tensor
    logp: Tensor
    old: Tensor
    ref: Tensor
    sampler: Tensor
    mask: Tensor
    limit: float


# -- averages over tokens --------------------------------------------------------------------------
def verl_tokens(j: Tensor, mask: Tensor) -> Tensor:
    return (j * mask).sum() / mask.sum()


def verl_rows(j: Tensor, mask: Tensor, *, mean: bool = True, width: float = 1.0) -> Tensor:
    n = mask.sum(-1)
    each = (j * mask).sum(-1) / ((n + 1e-8) if mean else 1)
    return each.sum() / (n > 0).sum() / width


def nemo_tokens(j: Tensor, mask: Tensor) -> Tensor:
    return (j * mask).sum() / (mask.sum() + 1e-8)


def nemo_rows(j: Tensor, mask: Tensor) -> Tensor:
    n = mask.sum(-1)
    some = (n > 0).double()  # sample_mask
    each = (j * mask).sum(-1) / (n + 1e-8)
    return (each * some).sum() / (some.sum() + 1e-8)


def openrlhf_rows(j: Tensor, mask: Tensor) -> Tensor:
    return ((j * mask).sum(-1) / mask.sum(-1)).mean()


def scaled_sum(j: Tensor, mask: Tensor) -> Tensor:
    return (j * mask).sum() / mask.sum().clamp(min=1)


# -- one token's J ---------------------------------------------------------------------------------
def rho(b: Batch) -> Tensor:
    return (b.logp - b.old).exp()


def clipped(
    ratio: Tensor, a: Tensor, low: float = 0.2, high: float = 0.2, floor: float | None = None
) -> Tensor:
    loss = torch.maximum(-a * ratio, -a * ratio.clamp(1 - low, 1 + high))
    if floor is not None:
        loss = torch.where(a < 0, torch.minimum(loss, -a * floor), loss)
    return -loss


def rollout_mean(x: Tensor, mask: Tensor) -> Tensor:
    return (x * mask).sum(-1, keepdim=True) / mask.sum(-1, keepdim=True).clamp(min=1)


def gspo_verl(b: Batch) -> Tensor:
    x = rollout_mean(b.logp - b.old, b.mask).detach()
    return clipped((b.logp - b.logp.detach() + x).clamp(max=10).exp(), b.a)


def gspo(b: Batch) -> Tensor:
    return clipped(rollout_mean(b.logp - b.old, b.mask).exp() + 0 * b.logp, b.a)


def sapo(b: Batch) -> Tensor:
    tau = torch.where(b.a > 0, 1.0 + 0 * b.a, 1.05 + 0 * b.a)
    return torch.sigmoid(tau * (rho(b) - 1)) * (4 / tau) * b.a


def cispo(b: Batch) -> Tensor:
    return rho(b).clamp(0.8, 1.2).detach() * b.a * b.logp


def up(b: Batch) -> Tensor:
    return torch.where(b.a > 0, (b.logp - b.logp.detach()).exp() * b.a, vanilla(b))


def vanilla(b: Batch) -> Tensor:
    return clipped(rho(b), b.a, floor=3.0)


def geo_mean(b: Batch, *_: Any) -> Tensor:
    x, sign = b.logp - b.old, torch.sign(b.a)
    x = sign * torch.minimum(sign * x, sign * x.clamp(-0.2, 0.2))
    n = b.mask.sum(-1) + 1e-8
    ratio = ((x * b.mask).sum(-1) / n).exp()
    return ((b.a * b.mask).sum(-1) / n * ratio).mean()


def dppo(b: Batch, measure: str) -> Tensor:
    new, old = b.logp.exp(), b.old.exp()
    if measure == "tv":
        up_, down = new - old <= 0.2, new - old >= -0.2
    else:
        far = old * (b.old - b.logp) + (1 - old) * ((1 - old + 1e-8) / (1 - new + 1e-8)).log()
        up_, down = (far <= 0.2) | (new <= old), (far <= 0.2) | (new >= old)
    keep = torch.where(b.a > 0, up_, down)
    return b.a * rho(b).clamp(max=20).detach() * b.logp * keep


def kl_cov(b: Batch) -> Tensor:
    live = b.mask > 0
    cov = (b.a - b.a[live].mean()) * (b.logp - b.logp[live].mean()).detach()
    size = max(1, int(2e-4 * int(live.sum())))
    place = torch.topk(torch.where(live, cov, -math.inf).reshape(-1), size).indices
    held = torch.zeros(cov.numel(), dtype=cov.dtype)
    held[place] = 1
    return rho(b) * b.a - held.reshape(cov.shape) * (b.logp - b.old).abs()


def penalty(kind: str, b: Batch) -> Tensor:
    x = b.ref - b.logp
    k2 = x**2 / 2
    k3 = (x.clamp(-20, 20).exp() - x.clamp(-20, 20) - 1).clamp(-10, 10)
    return {"k2": k2, "k3": k3, "k3+": k2 - k2.detach() + k3.detach()}[kind]


def sampled(b: Batch) -> Tensor:
    return (b.old - b.sampler).exp()


def icepop(w: Tensor, low: float, high: float) -> Tensor:
    return torch.where((w >= low) & (w <= high), w, 0 * w)


def seq_mask_tis(b: Batch) -> Tensor:
    n = b.mask.sum(-1, keepdim=True) + 1e-8
    mean = (((b.old - b.sampler) * b.mask).sum(-1, keepdim=True) / n).exp()
    return sampled(b) * ((mean >= 0.999) & (mean <= 1.002))


def prime(b: Batch, *, both: bool) -> Tensor:
    apart = b.logp.exp() - b.old.exp()
    if both:
        gone = apart.abs() > 0.1
    else:
        gone = torch.where(b.a > 0, apart > 0.2, apart < -0.2)
    return ~gone * b.a * rho(b) - 1e-3 * (b.logp - b.old) ** 2


def masked_ratio(b: Batch) -> Tensor:
    keep = (rho(b) >= 0.125) & (rho(b) <= 8)
    return keep * rho(b) * b.a


# -- the rows --------------------------------------------------------------------------------------
def over(average: Average, token: Callable[[Batch], Tensor]) -> Callable[[Batch], Tensor]:
    return lambda b: average(token(b), b.mask)


def with_kl(kind: str) -> Callable[[Batch], Tensor]:
    return over(verl_tokens, lambda b: vanilla(b) - 1e-3 * penalty(kind, b))


def plain(b: Batch) -> Tensor:
    return clipped(rho(b), b.a)


def reinforce(b: Batch) -> Tensor:
    return b.a * b.logp


FORMULAS: dict[tuple[str, str], Callable[[Batch], Tensor]] = {
    ("verl", "vanilla, token-mean"): over(verl_tokens, vanilla),
    ("verl", "vanilla, seq-mean-token-mean"): over(verl_rows, vanilla),
    ("verl", "vanilla, seq-mean-token-sum"): lambda b: verl_rows(vanilla(b), b.mask, mean=False),
    ("verl", "vanilla, seq-mean-token-sum-norm"): lambda b: verl_rows(
        vanilla(b), b.mask, mean=False, width=b.limit
    ),
    ("verl", "gspo"): over(verl_rows, gspo_verl),
    ("verl", "sapo"): over(verl_rows, sapo),
    ("verl", "gpg"): over(verl_tokens, reinforce),
    ("verl", "cispo"): over(verl_tokens, cispo),
    ("verl", "geo_mean"): geo_mean,
    ("verl", "dppo_tv"): over(verl_tokens, lambda b: dppo(b, "tv")),
    ("verl", "dppo_kl"): over(verl_tokens, lambda b: dppo(b, "kl")),
    ("verl", "up"): over(verl_tokens, up),
    ("verl", "kl_cov"): over(verl_tokens, kl_cov),
    ("verl", "bypass_mode, ppo_clip"): over(verl_tokens, vanilla),
    ("verl", "kl_loss_type=low_var_kl"): with_kl("k3"),
    ("verl", "kl_loss_type=k2"): with_kl("k2"),
    ("verl", "kl_loss_type=k3+"): with_kl("k3+"),
    ("nemo_rl", "token_level_loss"): over(nemo_tokens, plain),
    ("nemo_rl", "token_level_loss=False"): over(nemo_rows, plain),
    ("nemo_rl", "ratio_clip_c=3"): over(nemo_tokens, vanilla),
    ("nemo_rl", "sequence_level_importance_ratios"): over(nemo_rows, gspo),
    ("nemo_rl", "use_cispo"): over(nemo_tokens, cispo),
    ("nemo_rl", "disable_ppo_ratio"): over(nemo_tokens, reinforce),
    ("nemo_rl", "force_on_policy_ratio"): over(
        nemo_tokens, lambda b: clipped((b.logp - b.logp.detach()).exp(), b.a)
    ),
    ("nemo_rl", "truncation tis, 2"): over(
        nemo_tokens, lambda b: plain(b) * sampled(b).clamp(0, 2)
    ),
    ("nemo_rl", "truncation icepop"): over(
        nemo_tokens, lambda b: plain(b) * icepop(sampled(b), 0.5, 5)
    ),
    ("nemo_rl", "truncation seq-mask-tis"): over(nemo_tokens, lambda b: plain(b) * seq_mask_tis(b)),
    ("openrlhf", "ppo"): over(verl_tokens, plain),
    ("openrlhf", "ppo, token_level_loss=False"): over(openrlhf_rows, plain),
    ("openrlhf", "dual_clip=3"): over(verl_tokens, vanilla),
    ("openrlhf", "gspo"): over(openrlhf_rows, gspo),
    ("prime_rl", "default"): over(scaled_sum, lambda b: prime(b, both=False)),
    ("prime_rl", "ipo"): over(scaled_sum, lambda b: prime(b, both=True)),
    ("verifiers", "mask_ratio_low=0.125, mask_ratio_high=8"): over(scaled_sum, masked_ratio),
}
