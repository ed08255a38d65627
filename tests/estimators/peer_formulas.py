"""Trainers' advantages as their sources compute them, written plainly, a group or batch at a time.

From the sources that `toyrl.estimators.conventions.SOURCES` names. Each of `FORMULAS` takes rewards
and lengths (B, G) and returns advantages (B, G), in the dtype of the rewards; what these trainers
compute per token is the same number on every token of a rollout. Those of `SEVERAL` take rewards
(B, G, K) of K reward functions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Formula = Callable[[np.ndarray, np.ndarray], np.ndarray]


def by_group(one: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Formula:
    return lambda r, n: np.stack([one(x, m) for x, m in zip(r, n, strict=True)])


def verl_grpo(r: np.ndarray, n: np.ndarray, *, divide: bool = True) -> np.ndarray:
    del n
    if len(r) == 1:
        mean, std = r.dtype.type(0), r.dtype.type(1)
    else:
        mean, std = r.mean(), r.std(ddof=1)
    return (r - mean) / (std + r.dtype.type(1e-6)) if divide else r - mean


def verl_rloo(r: np.ndarray, n: np.ndarray) -> np.ndarray:
    del n
    G = len(r)
    return r if G == 1 else r * G / (G - 1) - r.mean() * G / (G - 1)


def verl_rloo_vectorized(r: np.ndarray, n: np.ndarray) -> np.ndarray:
    del n
    G = len(r)
    return (G * r - r.sum()) / max(G - 1, 1) * (G > 1)


def verl_opo(r: np.ndarray, n: np.ndarray) -> np.ndarray:
    return r if len(r) == 1 else r - (n * r).sum() / n.sum()


def verl_passk(r: np.ndarray, n: np.ndarray) -> np.ndarray:
    del n
    order = np.argsort(-r, kind="stable")
    out = np.zeros_like(r)
    out[order[0]] = (r[order[0]] - r[order[1]]) / (r.std(ddof=1) + 1e-6)
    return out


def verl_gpg(r: np.ndarray, n: np.ndarray) -> np.ndarray:
    alpha = r.size / max(np.count_nonzero(r), 1)
    return by_group(lambda x, _: alpha * (x if len(x) == 1 else x - x.mean()))(r, n)


def whiten(a: np.ndarray, n: np.ndarray, *, ddof: int, floor: bool) -> np.ndarray:
    """Over all tokens, each rollout's number repeated as often as it has tokens."""
    tokens = np.repeat(a.ravel(), n.ravel().astype(int))
    var = tokens.var(ddof=ddof)
    return (a - tokens.mean()) / np.sqrt(max(var, 1e-8) if floor else var + 1e-8)


def nemo(r: np.ndarray, n: np.ndarray, *, others: bool = True, guard: bool = True) -> np.ndarray:
    del n
    G, x = len(r), r
    if G <= 1:
        return x - x
    use = (np.ones((G, G)) - (np.eye(G) if others else 0)).astype(r.dtype)
    m = r.dtype.type(G - int(others))
    mean, square = use @ x / m, use @ x**2 / m
    with np.errstate(divide="ignore", invalid="ignore"):
        std = np.nan_to_num(np.sqrt((square - mean**2) * (m / (m - 1))))
    a = x - mean
    divided = a / (std + r.dtype.type(1e-6))
    return np.where(std > 0, divided, a) if guard else divided


def openrlhf_norm(r: np.ndarray, n: np.ndarray) -> np.ndarray:
    del n
    return (r - r.mean()) / ((r.std(ddof=1) if len(r) > 1 else np.nan) + r.dtype.type(1e-9))


def openrlhf_rloo(r: np.ndarray, n: np.ndarray) -> np.ndarray:
    del n
    with np.errstate(invalid="ignore"):
        return r - (r.sum() - r) / np.float64(len(r) - 1)


def centred(r: np.ndarray, n: np.ndarray) -> np.ndarray:
    del n
    return r - r.mean()


def max_rl(r: np.ndarray, n: np.ndarray) -> np.ndarray:
    del n
    return (r - r.mean()) / r.mean() if not r.mean() <= 0 else 0 * r


def whitened_centring(a: np.ndarray, n: np.ndarray) -> np.ndarray:
    return a - np.repeat(a.ravel(), n.ravel().astype(int)).mean()


def gdpo(one: Formula, last: Formula) -> Formula:
    """Each reward normalised in its group, summed, then the batch normalised."""
    return lambda r, n: last(sum(one(r[..., k], n) for k in range(r.shape[-1])), n)


def by_rollouts(a: np.ndarray, n: np.ndarray) -> np.ndarray:
    del n
    std = a.std(ddof=1)
    return (a - a.mean()) / std if std > 0 else a - a.mean()


def gae(
    reward: np.ndarray, value: np.ndarray, mask: np.ndarray, gamma: float, lam: float
) -> np.ndarray:
    """(N, T) of verl: token after token from the end; what is off the mask is passed through."""
    out = np.zeros_like(reward)
    after = carried = np.zeros(len(reward))
    for t in reversed(range(reward.shape[1])):
        on = mask[:, t]
        delta = reward[:, t] + gamma * after - value[:, t]
        carried = on * (delta + gamma * lam * carried) + (1 - on) * carried
        after = on * value[:, t] + (1 - on) * after
        out[:, t] = carried
    live = out[mask > 0]
    return (out - live.mean()) / np.sqrt(live.var(ddof=1) + 1e-8) * mask


CENTRED = by_group(centred)
VERL_CENTRED = by_group(lambda r, n: verl_grpo(r, n, divide=False))
FORMULAS: dict[tuple[str, str], Formula] = {
    ("verl", "grpo"): by_group(verl_grpo),
    ("verl", "grpo_no_std"): VERL_CENTRED,
    ("verl", "rloo"): by_group(verl_rloo),
    ("verl", "rloo_vectorized"): by_group(verl_rloo_vectorized),
    ("verl", "reinforce_plus_plus"): lambda r, n: whiten(r, n, ddof=1, floor=False),
    ("verl", "reinforce_plus_plus_baseline"): lambda r, n: whiten(
        VERL_CENTRED(r, n), n, ddof=1, floor=False
    ),
    ("verl", "opo"): by_group(verl_opo),
    ("verl", "gpg"): verl_gpg,
    ("verl", "grpo_passk"): by_group(verl_passk),
    ("nemo_rl", "grpo"): by_group(nemo),
    ("nemo_rl", "grpo_no_leave_one_out"): by_group(lambda r, n: nemo(r, n, others=False)),
    ("nemo_rl", "grpo_no_normalize_rewards"): by_group(
        lambda r, n: r - r if len(r) <= 1 else openrlhf_rloo(r, n)
    ),
    ("nemo_rl", "reinforce_plus_plus_no_baseline"): lambda r, n: whiten(r, n, ddof=0, floor=True),
    ("nemo_rl", "raw_reward"): lambda r, n: whiten(r, n, ddof=0, floor=True),
    ("nemo_rl", "reinforce_plus_plus"): lambda r, n: whiten(CENTRED(r, n), n, ddof=0, floor=True),
    ("openrlhf", "group_norm"): by_group(openrlhf_norm),
    ("openrlhf", "rloo"): by_group(openrlhf_rloo),
    ("openrlhf", "dr_grpo"): CENTRED,
    ("openrlhf", "reinforce_baseline"): lambda r, n: whiten(CENTRED(r, n), n, ddof=0, floor=True),
    ("openrlhf", "reinforce_baseline_no_advantage_std_norm"): lambda r, n: whitened_centring(
        CENTRED(r, n), n
    ),
    ("openrlhf", "reinforce"): lambda r, n: whiten(r, n, ddof=0, floor=True),
    ("openrlhf", "flash_reinforce"): lambda r, _: r - r.mean(),
    ("prime_rl", "grpo"): CENTRED,
    ("prime_rl", "max_rl"): by_group(max_rl),
    ("verifiers", "scale_rewards_group"): CENTRED,
    ("verifiers", "scale_rewards_batch"): lambda r, _: r - r.mean(),
}
SEVERAL: dict[tuple[str, str], Formula] = {
    ("verl", "gdpo"): gdpo(by_group(verl_grpo), lambda a, n: whiten(a, n, ddof=1, floor=False)),
    ("nemo_rl", "gdpo"): gdpo(by_group(nemo), by_rollouts),
}
