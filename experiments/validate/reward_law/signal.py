"""Section 3: how much the advantages of this reward say about correctness, against outcome-only.

On base policies of stated success rates, before any training: the variance of the advantages,
groups without signal, signal-to-noise (the squared gap between right and wrong advantages over
their variance) and right rollouts that the update pushes down.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toyrl.dynamics.groups.class_weights import Signal, signal
from toyrl.estimators.base import Estimator
from toyrl.experiments.core import Curve, Picture, Table
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.experiments.validate.reward_law.bench import Reference
from toyrl.experiments.validate.reward_law.law import RewardLaw
from toyrl.shapers.compose import Total
from toyrl.shapers.outcome import Outcome

SNR_SHARE = 0.5  # of outcome-only, below which learning takes over twice the rollouts
SIGN_ERRORS = 0.05  # of right rollouts pushed down
SAMPLES = 4096


def run(
    law: RewardLaw,
    reference: Reference,
    estimator: Estimator,
    group_size: float,
    *,
    seed: int = 0,
    notes: Sequence[str] = (),
) -> Section:
    """The signal at each base success rate; a text reward's variance within classes counts."""
    r = law.rollouts(reference.difficulties, weight=reference.prob)
    paid = Total(law.shaper) if law.shaper.all_token_level() else law.shaper
    own = signal(r, paid, estimator, group_size, samples=SAMPLES, seed=seed)
    base = signal(r, Outcome(), estimator, group_size, samples=SAMPLES, seed=seed)
    ratio = np.where(base.snr > 0, own.snr / np.where(base.snr > 0, base.snr, 1.0), np.nan)
    findings = (
        _zero(own, base),
        _snr(ratio, reference.success),
        _sign_errors(own, reference.success),
        *(Finding(3, "signal/note", "info", note) for note in notes),
    )
    summary = " ".join(f.message for f in findings[1:3])
    return Section(
        3,
        summary,
        findings,
        (_picture(reference.success, own, base),),
        (_table(reference.success, own, base, ratio, group_size),),
    )


# -- findings ---------------------------------------------------------------------------------


def _zero(own: Signal, base: Signal) -> Finding:
    mine, outcome = float(own.zero_signal.mean()), float(base.zero_signal.mean())
    return Finding(
        3,
        "signal/zero",
        "info",
        f"{mine:.0%} of groups have equal rewards throughout and teach nothing, {outcome:.0%} with "
        "correctness alone.",
        value=mine,
        bound=outcome,
    )


def _snr(ratio: np.ndarray, success: np.ndarray) -> Finding:
    usable = np.flatnonzero(np.isfinite(ratio))
    if not len(usable):
        return Finding(
            3,
            "signal/snr",
            "info",
            "Outcome-only has no signal at these success rates, so there is nothing to compare.",
            bound=SNR_SHARE,
        )
    worst = usable[int(np.argmin(ratio[usable]))]
    value = float(ratio[worst])
    low = value < SNR_SHARE
    return Finding(
        3,
        "signal/snr",
        "warn" if low else "pass",
        f"The advantages' signal about correctness is at least {value:.2f} times that of "
        f"outcome-only (least at success rate {success[worst]:.2f}).",
        value=value,
        bound=SNR_SHARE,
        fix="lower the weight of what the reward adds to correctness" if low else "",
    )


def _sign_errors(own: Signal, success: np.ndarray) -> Finding:
    share = np.nan_to_num(own.sign_error)
    worst = int(np.argmax(share))
    value = float(share[worst])
    high = value > SIGN_ERRORS
    where = f", most at success rate {success[worst]:.2f}" if value > 0 else ""
    return Finding(
        3,
        "signal/sign-errors",
        "warn" if high else "pass",
        f"Up to {value:.1%} of right rollouts are pushed down{where}.",
        value=value,
        bound=SIGN_ERRORS,
        fix="keep every right rollout's reward above every wrong one's, with a margin wider than "
        "the spread among right ones"
        if high
        else "",
    )


# -- evidence ---------------------------------------------------------------------------------


def _table(
    success: np.ndarray, own: Signal, base: Signal, ratio: np.ndarray, group_size: float
) -> Table:
    def show(x: float) -> Any:
        return float(x) if np.isfinite(x) else "-"

    columns = (
        "base success rate",
        "advantage variance",
        "groups without signal",
        "groups without signal, outcome only",
        "SNR over outcome-only",
        "right rollouts pushed down",
    )
    numbers = (
        success,
        own.advantage_variance,
        own.zero_signal,
        base.zero_signal,
        ratio,
        own.sign_error,
    )
    rows = [[show(x) for x in row] for row in zip(*numbers, strict=True)]
    how = f"{SAMPLES} sampled groups" if own.method == "sampled" else "exact"
    return Table("signal", columns, rows, f"Groups of {group_size:g}; advantages: {how}.")


def _picture(success: np.ndarray, own: Signal, base: Signal) -> Picture:
    order = np.argsort(success)
    x = success[order].tolist()

    def curve(label: str, y: np.ndarray, style: str = "line") -> Curve:
        return Curve(label, x, np.nan_to_num(y[order]).tolist(), style=style)

    return Picture(
        "signal",
        "Groups without signal and right rollouts pushed down",
        "base success rate",
        "share",
        curves=(
            curve("groups without signal", own.zero_signal),
            curve("groups without signal, outcome only", base.zero_signal, "dashed"),
            curve("right rollouts pushed down", own.sign_error),
        ),
        caption="Before any training, at the base policies' success rates.",
    )
