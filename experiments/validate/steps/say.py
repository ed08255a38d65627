"""What is said of steps: findings."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from toyrl.experiments.validate.findings import NOT_TESTED, Finding
from toyrl.experiments.validate.hacks.findings import amount
from toyrl.experiments.validate.hacks.paid import EPS
from toyrl.experiments.validate.steps.edits import OTHERS
from toyrl.experiments.validate.steps.paid import JUDGED, SCHEMES, Text, Tried
from toyrl.expressions import to_expression

NAMES = {name: to_expression(shaper) for name, shaper in SCHEMES.items()}
COPIED = "step-copies"
SMALL = 0.01


def gains(found: Sequence[Tried], scheme: str, t: Tried) -> np.ndarray:
    """(n,) what an edit adds to each text's total; NaN unscorable."""
    return t.paid[scheme] - found[0].paid[scheme][t.places]


def mean_gain(found: Sequence[Tried], scheme: str, t: Tried) -> float:
    """Its mean over the texts that could be scored; NaN for none."""
    own = gains(found, scheme, t)
    own = own[np.isfinite(own)]
    return float(own.mean()) if len(own) else math.nan


def least(found: Sequence[Tried], scheme: str) -> float:
    """What an edit adds at least where it is said to pay: a hundredth of how far the totals of the
    texts lie apart (a learned scorer moves a little with any word), and more than rounding."""
    own = found[0].paid[scheme]
    size = max(1.0, float(np.nanmax(np.abs(own), initial=0.0)))
    apart = float(np.nanmax(own) - np.nanmin(own)) if np.isfinite(own).any() else 0.0
    return max(EPS * size, SMALL * apart)


def pays(found: Sequence[Tried], scheme: str, edits: Sequence[Tried]) -> bool:
    """Whether one of these edits adds to the mean total, at least `least`."""
    return any(mean_gain(found, scheme, t) > least(found, scheme) for t in edits)


def scores(texts: Sequence[Text], name: str) -> list[Finding]:
    """How the scores lie, and which are missing."""
    flat = [v for t in texts for v in t.scores]
    there = [v for v in flat if not math.isnan(v)]
    lost = sum(any(map(math.isnan, t.scores)) for t in texts)
    out = []
    if lost:
        text = (
            f"{name} leaves steps of {lost} of {len(texts)} texts without a score: such a rollout "
            "can't be scored, for a missing score is no 0."
        )
        fix = "give every step a score; the rollout drops out of its group else"
        out.append(Finding(2, "steps/missing", "warn", text, value=lost / len(texts), fix=fix))
    if not there:
        return out
    low, high = min(there), max(there)
    text = f"{name} gives scores from {amount(low)} to {amount(high)} to {len(there)} steps."
    if low >= 0.0 and high <= 1.0:
        return [*out, Finding(2, "steps/scores", "info", text)]
    text = f"{text} They leave [0, 1], for which Clip's threshold and the product are made."
    fix = "map the scores to [0, 1], such as by a sigmoid, or pay them by step_sum or step_min"
    return [*out, Finding(2, "steps/scores", "warn", text, fix=fix)]


def edits(found: Sequence[Tried], right: np.ndarray, *, asked: bool) -> list[Finding]:
    """One finding for the copies, and one for each other edit."""
    scheme = JUDGED if JUDGED in found[0].paid else "sum"
    out = []
    for name in (COPIED, *(e.name for e in OTHERS)):
        own = [t for t in found if t.edit.name == name and len(t.places)]
        if own:
            out.append(_finding(found, own, right, scheme))
            continue
        why = (
            "no text could be changed so that it falls into these steps"
            if asked
            else "a column says nothing of steps that aren't in the log; give a function or a model"
        )
        text = f"Not tried: {why}."
        out.append(Finding(2, f"hacks/{name}", NOT_TESTED, text))
    return out


def _finding(
    found: Sequence[Tried], own: Sequence[Tried], right: np.ndarray, scheme: str
) -> Finding:
    name = f"hacks/{own[0].edit.name}"
    base = found[0].paid[scheme]
    bound = float(np.nanmedian(base[right]))
    best = max(own, key=lambda t: np.nan_to_num(mean_gain(found, scheme, t), nan=-math.inf))
    gain = mean_gain(found, scheme, best)
    if not pays(found, scheme, own):
        rounding = EPS * max(1.0, float(np.nanmax(np.abs(base), initial=0.0)))
        gain = 0.0 if abs(gain) <= rounding else gain
        said = "exactly as before" if gain == 0.0 else "about as before"
        if gain < -least(found, scheme):
            said = f"{amount(-gain)} less"
        text = f"A completion {best.edit.what} is paid {said}, in the mean."
        return Finding(2, name, "pass", text, value=gain)
    for t in own:  # fewest copies first
        wrong = ~right[t.places] & t.fits & np.isfinite(t.paid[scheme])
        if not wrong.any() or mean_gain(found, scheme, t) <= least(found, scheme):
            continue
        mean = float(t.paid[scheme][wrong].mean())
        if mean < bound - EPS:
            continue
        k = int(np.flatnonzero(wrong)[np.argmax(t.paid[scheme][wrong])])
        text = (
            f"A wrong completion {t.edit.what} is paid {amount(mean)}; honest right ones get "
            f"{amount(bound)} in the median. {_rate(found, own, scheme)}"
        )
        return Finding(
            2,
            name,
            "fail",
            text.strip(),
            mean,
            None,
            bound,
            t.rows[k].completion,
            fix=_fix(found, own),
        )
    text = (
        f"A completion {best.edit.what} is paid {amount(gain)} more, though no work is in it; "
        f"wrong ones don't reach the median right one ({amount(bound)}) so. "
        f"{_rate(found, own, scheme)}"
    )
    return Finding(2, name, "warn", text.strip(), value=gain, fix=_fix(found, own))


def _rate(found: Sequence[Tried], own: Sequence[Tried], scheme: str) -> str:
    """What a copy more brings, where there are several numbers of them."""
    if len(own) < 2:
        return ""
    first, last = (mean_gain(found, scheme, t) for t in (own[0], own[-1]))
    before = mean_gain(found, scheme, own[-2])
    many = int(own[-1].edit.what.split()[1])
    grows = last - before > 0.5 * first * many / 2
    if grows:
        return f"Each copy adds {amount(last / many)}, without an end."
    return f"The first adds {amount(first)}, {many} of them {amount(last)}: that is bounded."


def _fix(found: Sequence[Tried], own: Sequence[Tried]) -> str:
    good = [NAMES[n] for n in SCHEMES if not pays(found, n, own)]
    if not good:
        return "no return of the catalogue withstands it on these texts: mend the scorer"
    listed = f"{', '.join(good[:-1])} or {good[-1]}" if len(good) > 1 else good[0]
    return f"pay the steps by {listed}: nothing is paid for it so on these texts"


def returns(found: Sequence[Tried], right: np.ndarray) -> list[Finding]:
    """Which returns of step scores are farmed by copies, and what tells right from wrong."""
    own = [t for t in found if t.edit.name == COPIED]
    farmed = [n for n in SCHEMES if pays(found, n, own)]
    held = [n for n in SCHEMES if n not in farmed]
    told = {n: _order(found[0].paid[n], right) for n in SCHEMES}
    best = max(told, key=lambda n: told[n])
    text = (
        f"Copies of the best-paid step pay under {_listed(farmed)}, and not under {_listed(held)}. "
        f"Right texts are paid above wrong ones most often by {best} ({told[best]:.0%} of pairs; "
        f"by the sum {told['sum']:.0%})."
    )
    return [Finding(2, "steps/return", "info", text, value=told[best])]


def _order(paid: np.ndarray, right: np.ndarray) -> float:
    """Chance that a right text is paid more than a wrong one, ties half."""
    a, b = paid[right], paid[~right]
    above = (a[:, None] > b[None, :] + EPS).mean()
    return float(above + 0.5 * (np.abs(a[:, None] - b[None, :]) <= EPS).mean())


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"
