"""The contract of a catalogue shaper: it acts on arrays, so its probes are arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toyrl.experiments.validate.contract import scale
from toyrl.experiments.validate.contract.facts import Contract
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.experiments.validate.reward_law.bench import as_shaper
from toyrl.rewards.errors import RewardError
from toyrl.rewards.returned import LARGEST, TOO_LARGE
from toyrl.rewards.user import UserReward
from toyrl.rollouts import Rollouts
from toyrl.rollouts.classes import class_rollouts, picked
from toyrl.shapers.base import Shaper
from toyrl.worlds.chain.latents.declared import UndeclaredError, supplied

PROMPTS, PAIRS, LIMIT = 6, 8, 512


def probe_rollouts(*, seed: int = 0) -> Rollouts:
    """(6, 16) rollouts: every length once right and once wrong, the last pair cut off."""
    rng = np.random.default_rng(seed)
    half = np.sort(rng.integers(1, LIMIT, size=(PROMPTS, PAIRS)), axis=-1).astype(float)
    half[:, -1] = LIMIT
    length = np.concatenate([half, half], axis=-1)
    correct = np.concatenate([np.ones_like(half), np.zeros_like(half)], axis=-1)
    cut = np.zeros(length.shape, dtype=bool)
    cut[:, -1] = True
    return _rollouts(correct, length, cut)


def _rollouts(correct: np.ndarray, length: np.ndarray, cut: np.ndarray) -> Rollouts:
    return class_rollouts(
        None,
        correct=correct,
        length=length,
        max_length=float(LIMIT),
        truncated=cut,
        group_size=None,
    )


def supply(shaper: Shaper, r: Rollouts, *, seed: int = 0) -> Rollouts:
    """The probes with the fields that the shaper reads, drawn from their declared latents."""
    try:
        return supplied(r, shaper, seed=seed)
    except UndeclaredError as error:
        msg = f"{shaper!r}: {error.args[0]}"
        raise RewardError(kind="no_latent", message=msg) from error


def assumptions(stated: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """One finding for each latent that supplies fields of a reward (`declared.stated`)."""
    return [
        Finding(
            1,
            f"contract/assumed-{x['fields'][0]}",
            "info",
            f"Assumed for {', '.join(x['fields'])} ({x['latent']}): {x['says']}.",
        )
        for x in stated
    ]


def _reward(shaper: Shaper, r: Rollouts) -> np.ndarray:
    return np.asarray(shaper.reward(r), dtype=float)


def _pick(r: Rollouts, index: np.ndarray) -> Rollouts:
    return picked(r, (np.arange(r.shape[0])[:, None], index))


def fit(reward: UserReward, *, seed: int = 0) -> None:
    """Bring a reward of catalogue terms alone to a scale near 1 (`scale.fit`).

    Raises RewardError (size) for values that float32 can't hold.
    """
    shaper = as_shaper([(t.shaper, t.factor) for t in reward.terms])
    value = np.ravel(_reward(shaper, supply(shaper, probe_rollouts(seed=seed), seed=seed)))
    largest = float(np.abs(value[np.isfinite(value)]).max(initial=0.0))
    if largest > LARGEST:
        msg = f"{reward.name} pays {largest:.3g}, which {TOO_LARGE}; lower its weight"
        raise RewardError(kind="size", message=msg)
    scale.fit(reward, value.tolist())


def run_shaper(shaper: Shaper, *, seed: int = 0, unit: float = 1.0) -> tuple[Section, Contract]:
    """Section 1 for a catalogue shaper (or a sum of them), on arrays.

    unit : what its values are multiplied by
    """
    r = supply(shaper, probe_rollouts(seed=seed), seed=seed)
    value = _reward(shaper, r)
    flipped = _reward(shaper, _turned(r))
    order = np.argsort(np.random.default_rng(seed).random(r.shape), axis=-1)
    moved = _reward(shaper, _pick(r, order))
    alone = np.concatenate(
        [_reward(shaper, _pick(r, np.full((PROMPTS, 1), i))) for i in range(r.shape[-1])], axis=-1
    )
    finite = bool(np.isfinite(value).all())
    repeats = np.array_equal(value, _reward(shaper, r), equal_nan=True)
    place = np.allclose(np.take_along_axis(value, order, -1), moved, equal_nan=True)
    group = not np.allclose(value, alone, equal_nan=True)
    gold = not np.allclose(value, flipped, equal_nan=True)
    gap = value[:, : PAIRS - 1] - value[:, PAIRS:-1]  # the same length right and wrong
    auc = float(np.where(gap > 0, 1.0, np.where(gap < 0, 0.0, 0.5)).mean())
    constant = finite and _flat(value, rounding=shaper.all_token_level())
    contract = Contract(
        dialect="",
        chat=None,
        auc=auc,
        constant=constant,
        auxiliary=not constant and not gold,
        separates=auc > 0.5,
        deterministic=repeats and place,
        history_dependent=bool(shaper.all_memory()),
        batch_dependent=group or shaper.all_scope() != "rollout",
        reads_gold=gold,
        spread=scale.spread_of(np.ravel(value).tolist()) / unit,
    )
    findings = (
        _one("values", finite, "Finite on every probe.", "Not finite on some probes."),
        _one("deterministic", repeats, "Equal calls agree.", "Equal calls differ."),
        _one("place", place, "No place in the group matters.", "A rollout's place matters."),
        *_edges(shaper),
        *_described(contract, shaper),
    )
    return Section(1, _summary(contract, shaper), findings), contract


def _turned(r: Rollouts) -> Rollouts:
    """The probes with right and wrong exchanged, and so the verdicts of a verifier on them."""
    own = {"verified": 1.0 - r.fields["verified"]} if r.has("verified") else {}
    return r.with_(correct=1.0 - np.asarray(r.correct), **own)


def _flat(value: np.ndarray, *, rounding: bool) -> bool:
    """True if all values are equal; up to rounding where they are sums over tokens."""
    allowed = LIMIT * np.finfo(float).eps * np.abs(value).max() if rounding else 0.0
    return bool(np.ptp(value) <= allowed)


def _one(name: str, good: bool, yes: str, no: str) -> Finding:
    return Finding(1, f"contract/{name}", "pass" if good else "fail", yes if good else no)


def _edges(shaper: Shaper) -> list[Finding]:
    """Groups that occur in training: all right, all wrong, all cut off, of one token, of one."""
    ones = np.ones((1, 8))
    spread = np.linspace(1, LIMIT, 8)[None]
    no, yes = np.zeros((1, 8), dtype=bool), np.ones((1, 8), dtype=bool)
    groups = {
        "all-right": _rollouts(ones, spread, no),
        "all-wrong": _rollouts(0 * ones, spread, no),
        "all-truncated": _rollouts(0 * ones, LIMIT * ones, yes),
        "one-token": _rollouts(ones, ones, no),
        "single": _rollouts(ones[:, :1], spread[:, 3:4], no[:, :1]),
    }
    out = []
    for name, r in groups.items():
        good = bool(np.isfinite(_reward(shaper, supply(shaper, r))).all())
        text = name.replace("-", " ")
        out.append(
            _one(f"edge-{name}", good, f"Finite on a group: {text}.", f"Not finite: {text}.")
        )
    return out


def _described(c: Contract, shaper: Shaper) -> list[Finding]:
    out = []
    if c.batch_dependent:
        text = f"Looks at siblings (scope {shaper.all_scope()}): judged in finite groups."
        out.append(Finding(1, "contract/batch", "info", text))
    if c.history_dependent:
        slots = ", ".join(m.name for m in shaper.all_memory())
        shared = all(m.shared for m in shaper.all_memory())
        whose = "of all prompts together" if shared else "per prompt"
        text = f"Keeps memory {whose} ({slots}); judged at its first visit."
        if shaper.fixed:
            text += f" Give {shaper.fixed} to judge a later one."
        out.append(Finding(1, "contract/history", "info", text))
    if shaper.all_token_level():
        text = "Pays token by token: judged by each rollout's total, not by where it is paid."
        out.append(Finding(1, "contract/tokens", "info", text))
    if c.constant:
        out.append(Finding(1, "contract/varies", "warn", "It has one value on every probe."))
    if c.auxiliary:
        text = "It doesn't look at correctness: an auxiliary term, judged as given and as a term."
        out.append(Finding(1, "contract/gold", "info", text))
    elif c.reads_gold:
        text = f"At equal length right beats wrong with chance {c.auc:.2f}."
        status = "pass" if c.separates else "warn"
        out.append(Finding(1, "contract/gold", status, text, value=c.auc, bound=0.5))
    return out


def _summary(c: Contract, shaper: Shaper) -> str:
    if c.constant:
        return "The shaper is constant."
    kind = "doesn't look at correctness" if c.auxiliary else "looks at correctness"
    return f"A catalogue shaper of scope {shaper.all_scope()}; it {kind}."
