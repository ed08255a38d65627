"""What a user's log says of a reward before any world does: paid alike, upside down, unscorable.

The reward that is judged and the rewards that were logged are both looked at, each by itself. A
fault of the judged one decides the verdict (`DECIDES`); one of a logged reward is a warning.

Whether wrong rollouts are paid above right ones is the chance that a right rollout is paid more
than a wrong one of the same prompt (ties half): 1/2 by luck. It counts as below 1/2 where the 95 %
bootstrap interval over prompts lies below it and at most 2.5 % of relabellings of right and wrong
within the prompts (of all rollouts, where no prompt has both) give as little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from toyrl.experiments.validate.collapse.statistics import bootstrap
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.rollouts import Rollouts

DECIDES = {
    "own/unscorable": "INCONCLUSIVE",
    "own/truncated": "INCONCLUSIVE",
    "own/one-kind": "INCONCLUSIVE",
    "own/alike": "UNSAFE",
    "own/no-signal": "UNSAFE",
    "own/upside-down": "UNSAFE",
}
"""Failed findings of section 0 that decide the verdict, with the verdict."""

EPS = 1e-9
RELABELLINGS = 2000
LEVEL = 0.025  # of relabellings, on one side
SOME = 0.1  # share of truncated or unscorable rollouts from where it is a warning


@dataclass(frozen=True)
class Order:
    """How often right is paid above wrong, with its 95 % interval (low, high).

    chance : share of relabellings with as little; 1 where `high` isn't below 1/2
    pairs : (right, wrong) pairs that were compared; within : pairs of one prompt alone
    """

    auc: float
    low: float
    high: float
    chance: float
    pairs: int
    within: bool

    @property
    def upside_down(self) -> bool:
        """Wrong above right, beyond chance."""
        return self.high < 0.5 and self.chance <= LEVEL

    @property
    def told_apart(self) -> bool:
        """Right above wrong, beyond chance in the interval."""
        return self.low > 0.5

    def __str__(self) -> str:
        where = "prompt by prompt" if self.within else "over all prompts"
        return f"{self.auc:.2f} ({self.low:.2f} to {self.high:.2f}; {self.pairs} pairs, {where})"


def order(r: Rollouts, reward: np.ndarray, *, seed: int = 0) -> Order | None:
    """How a reward (B, G), NaN where unscorable, orders right and wrong; None without both."""
    present = (r.w > 0) & np.isfinite(reward)
    right = r.correct > 0.5
    groups = [(reward[b][present[b]], right[b][present[b]]) for b in range(len(reward))]
    mixed = [(v, c) for v, c in groups if c.any() and not c.all()]
    within = bool(mixed)
    if not within:
        v, c = (np.concatenate([g[i] for g in groups]) for i in (0, 1))
        if not c.any() or c.all():
            return None
        mixed = [(v, c)]
    score, pairs = np.array([_wins(v, c) for v, c in mixed]).T
    auc = score.sum() / pairs.sum()
    rng = np.random.default_rng(seed)
    if within and len(mixed) > 1:
        low, high = bootstrap(lambda n: (n @ score) / (n @ pairs), len(mixed), seed=seed)
    else:
        low, high = _of_one(*mixed[0], rng)
    chance = 1.0
    if high < 0.5:
        drawn = np.sum([_relabelled(v, c, rng) for v, c in mixed], axis=0)
        chance = (1 + int((drawn <= score.sum() + EPS).sum())) / (1 + RELABELLINGS)
    return Order(float(auc), float(low), float(high), chance, int(pairs.sum()), within)


def _wins(values: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """(right paid above wrong, ties half; pairs) of one prompt."""
    up, down = values[right], values[~right]
    ranks = np.searchsorted(np.sort(down), up, side="left")
    ties = np.searchsorted(np.sort(down), up, side="right") - ranks
    return float((ranks + 0.5 * ties).sum()), float(len(up) * len(down))


def _relabelled(values: np.ndarray, right: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(RELABELLINGS,) wins of one prompt with right and wrong handed out by lot (Mann-Whitney)."""
    from scipy.stats import rankdata  # loads for a second, and only a log needs it

    k = int(right.sum())
    places = np.tile(rankdata(values), (RELABELLINGS, 1))
    return rng.permuted(places, axis=1)[:, :k].sum(1) - k * (k + 1) / 2


def _of_one(
    values: np.ndarray, right: np.ndarray, rng: np.random.Generator, draws: int = 1000
) -> tuple[float, float]:
    """Percentile interval where right and wrong rollouts of one pool are drawn again."""
    up, down = values[right], values[~right]
    found = np.empty(draws)
    for i in range(draws):
        a, b = rng.choice(up, len(up)), rng.choice(down, len(down))
        joined = np.concatenate([a, b])
        found[i] = _wins(joined, np.arange(len(joined)) < len(a))[0] / (len(a) * len(b))
    return float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975))


# -- one reward ------------------------------------------------------------------------------------
def of_reward(
    r: Rollouts,
    reward: np.ndarray,
    *,
    who: str,
    prefix: str = "own",
    status: str = "fail",
    more: str = "",
    seed: int = 0,
) -> list[Finding]:
    """What rollouts (B, G) show of a reward (B, G), NaN where unscorable.

    who : the reward in words, at the start of a sentence; prefix, status : of its findings
    more : a sentence for rewards that pay all alike
    """

    def finding(name: str, text: str, status: str = status, **numbers: object) -> Finding:
        return Finding(0, f"{prefix}/{name}", status, text, **numbers)  # type: ignore[arg-type]

    present = r.w > 0
    n = int(present.sum())
    ok = present & np.isfinite(reward)
    if not ok.any():
        return [finding("unscorable", f"{who} gives none of {n} rollouts a value.")]
    out = []
    missing = int(n - ok.sum())
    if missing > SOME * n:
        text = f"{who} gives {missing} of {n} rollouts no value: they teach nothing."
        out.append(finding("unscorable", text, "warn", value=missing / n))
    values = reward[ok]
    right = int(((r.correct > 0.5) & ok).sum())
    kinds = f"the {right} right ones as the {int(ok.sum()) - right} wrong ones"
    if _same(values):
        paid = f"{values[0]:g} for each of {ok.sum()}"
        if not 0 < right < ok.sum():
            which = "right" if right else "wrong"
            text = (
                f"{who} pays your rollouts all alike ({paid}), but all of them are {which}: they "
                "can't show what it pays."
            )
            return [*out, finding("one-kind", text, fix="log rollouts of both kinds")]
        zero = abs(values[0]) <= EPS
        never = "never pays on your rollouts" if zero else "pays your rollouts all alike"
        text = f"{who} {never}: {paid}, {kinds}. {more}".rstrip()
        return [*out, finding("alike", text, value=float(values[0]), fix=MEND)]
    groups = [reward[b][ok[b]] for b in range(len(reward)) if ok[b].sum() > 1]
    if groups and all(_same(v) for v in groups):
        text = (
            f"{who} pays the rollouts of each of {len(groups)} prompts alike, {kinds}: no group "
            f"gives a signal. {more}"
        ).rstrip()
        out.append(finding("no-signal", text, fix=MEND))
        return out
    found = order(r, reward, seed=seed)
    if found is None:
        return out
    numbers = {"value": found.auc, "interval": (found.low, found.high), "bound": 0.5}
    if found.upside_down:
        text = f"{who} pays wrong rollouts above right ones: right wins {found}; 0.50 is chance."
        out.append(finding("upside-down", text, **numbers, fix=TURN))
    elif not found.told_apart:
        text = (
            f"{who} doesn't pay right rollouts above wrong ones beyond chance: right wins {found}."
        )
        out.append(finding("order", text, "warn", **numbers))
    else:
        text = f"{who} pays right rollouts above wrong ones: right wins {found}."
        out.append(finding("order", text, "pass" if status == "fail" else "info", **numbers))
    return out


MEND = "hold the reward's format and gold column against a row of the log, by hand"
TURN = "turn the comparison or the sign round, or lower the weight of what pays wrong rollouts"


def _same(values: np.ndarray) -> bool:
    return bool(np.ptp(values) <= EPS * max(1.0, float(np.abs(values).max())))


# -- the log ---------------------------------------------------------------------------------------
def truncated(r: Rollouts) -> list[Finding]:
    """How many rollouts ran into the limit; that of all is a verdict."""
    cut = np.asarray(r.cut, dtype=bool)[r.w > 0]
    share, n = float(cut.mean()), len(cut)
    if share == 1:
        text = (
            f"All {n} of your rollouts ran into the limit of {float(np.max(r.max_length)):g} "
            "tokens: they show what is cut off, not what the reward pays."
        )
        fix = "raise the completion limit, or sample with the one of the run"
        return [Finding(0, "own/truncated", "fail", text, value=share, fix=fix)]
    if share > SOME:
        text = f"{int(cut.sum())} of {n} of your rollouts ({share:.0%}) ran into the limit."
        fix = "raise the limit, or leave truncated rollouts out of the loss"
        return [Finding(0, "own/truncated", "warn", text, value=share, bound=SOME, fix=fix)]
    return []


def logged(
    r: Rollouts, paid: Mapping[str, np.ndarray], advantage: np.ndarray, *, seed: int = 0
) -> list[Finding]:
    """What the log's own rewards and advantages show, as warnings."""
    out = []
    for name, values in paid.items():
        who = f"The reward logged as {name!r}"
        out += of_reward(r, values, who=who, prefix="own/logged", status="warn", seed=seed)
    if advantage.shape == r.shape and np.isfinite(advantage[r.w > 0]).all():
        groups = [advantage[b][r.w[b] > 0] for b in range(len(advantage)) if (r.w[b] > 0).sum() > 1]
        if groups:
            share = float(np.mean([np.all(np.abs(a) <= EPS) for a in groups]))
            text = f"The logged advantage is 0 throughout in {share:.0%} of groups."
            status = "warn" if share > 0.5 else "info"
            out.append(Finding(0, "own/logged/advantage", status, text, value=share))
    return out


def compared(
    r: Rollouts, reward: np.ndarray, paid: Mapping[str, np.ndarray], lines: Sequence[int]
) -> list[Finding]:
    """Where the judged reward isn't what was logged under its own name, or as the only reward."""
    ok = r.w > 0
    for name, values in paid.items():
        both = ok & np.isfinite(reward) & np.isfinite(values)
        if not both.any():
            continue
        off = both & (np.abs(reward - values) > 1e-6 * np.maximum(1.0, np.abs(values)))
        if not off.any():
            text = f"The reward judged gives every rollout what was logged as {name!r}."
            return [Finding(0, "own/logged/same", "info", text)]
        first = int(np.flatnonzero(off[ok])[0])
        b, g = np.argwhere(ok)[first]
        text = (
            f"The reward judged differs from the one logged as {name!r} on {int(off.sum())} of "
            f"{int(both.sum())} rollouts; first in line {lines[first]}: {reward[b, g]:g} against "
            f"{values[b, g]:g}."
        )
        return [Finding(0, "own/logged/differs", "info", text, value=float(off.sum()))]
    return []


def decided(sections: Sequence[Section]) -> tuple[str, tuple[str, ...]]:
    """(verdict, reasons) by the user's own rollouts; ("", ()) where they leave it open."""
    found = [f for s in sections if s.number == 0 for f in s.findings]
    found = [f for f in found if f.name in DECIDES and f.status == "fail"]
    words = [DECIDES[f.name] for f in found]
    word = "UNSAFE" if "UNSAFE" in words else words[0] if words else ""
    return word, tuple(f.message for f in sorted(found, key=lambda f: DECIDES[f.name] != word))
