"""Is length paid, openly or in disguise: what do more characters before or behind an answer do?

One prompt, its right and a wrong answer; the working, or what follows the answer, is filled up with
sentences that say nothing, to the run's limit. What the value does then is the work of length
alone: a rate by the character or the word, and lengths at which it turns round.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from toyrl.experiments.validate.findings import Finding
from toyrl.experiments.validate.hacks.findings import Score
from toyrl.worlds.text.prose import count_tokens
from toyrl.worlds.text.render import RenderedRow, compose, mark

SHORT, LONG = "so we go on as it is. ", "notwithstanding considerations. "
UNITS = ("characters", "tokens", "words")
LIMIT = 512  # tokens, where the run has none
POINTS = 40  # lengths of each series
MATTERS = 0.1  # of what right is worth, from where a change by length is told
RULES = 0.5  # ... from where it is a warning
WAVES = 2  # turns from where it is no aim at a length, but a wave
STRAIGHT = 0.99  # R^2 of a line
EPS = 1e-9
CLOSE = 0.1  # of a series' range: when two units of length explain it alike
FIX = "leave length out, or count tokens over the run's limit, bounded, and for right answers only"


@dataclass(frozen=True)
class Series:
    """Values over growing texts: (N,) characters, tokens, words, values (NaN: unscorable)."""

    characters: np.ndarray
    tokens: np.ndarray
    words: np.ndarray
    values: np.ndarray

    @property
    def range(self) -> float:
        """Largest less least value; 0 where fewer than two are known."""
        known = self.values[np.isfinite(self.values)]
        return float(np.ptp(known)) if len(known) > 1 else 0.0

    def rate(self) -> float:
        """Value a character where that is a straight line, else NaN."""
        ok = np.isfinite(self.values)
        if ok.sum() < 3 or self.range == 0:
            return math.nan
        x, y = self.characters[ok], self.values[ok]
        slope, start = np.polyfit(x, y, 1)
        unexplained = ((y - start - slope * x) ** 2).sum() / ((y - y.mean()) ** 2).sum()
        return float(slope) if 1 - unexplained >= STRAIGHT else math.nan

    def turns(self, least: float) -> list[tuple[float, float]]:
        """(low, high) characters between which the value turns round by more than `least`."""
        ok = np.isfinite(self.values)
        x, y = self.characters[ok], self.values[ok]
        out: list[tuple[float, float]] = []
        way, extreme = 0, 0
        for i in range(1, len(y)):
            change = y[i] - y[extreme]
            if way == 0:
                if abs(change) > least:
                    way, extreme = int(np.sign(change)), i
            elif way * change >= 0:
                extreme = i
            elif abs(change) > least:
                out.append((float(x[extreme - 1]), float(x[extreme + 1])))
                way, extreme = -way, i
        return out


def series(score: Score, base: RenderedRow, *, right: bool, after: bool, filler: str) -> Series:
    """Values of a right or wrong answer with ever more filler, in the working or after it."""
    gold = base.problem.gold
    answer = mark(base.dialect, gold if right else gold + 1)
    most = (base.limit or LIMIT) * len(SHORT) // count_tokens(SHORT)  # characters
    texts = []
    for n in np.unique(np.linspace(1, max(2, most // len(filler)), POINTS).astype(int)):
        text = compose(base.dialect, filler * (1 if after else n), answer)
        texts.append(f"{text}\n{filler * n}" if after else text)
    tokens = [max(1, count_tokens(t)) for t in texts]
    rows = [
        replace(base.row, completion=t, tokens=n, truncated=False)
        for t, n in zip(texts, tokens, strict=True)
    ]
    values = [math.nan if v is None else v for v in score(rows)]
    return Series(
        np.array([float(len(t)) for t in texts]),
        np.array(tokens, dtype=float),
        np.array([float(len(t.split())) for t in texts]),
        np.array(values, dtype=float),
    )


def finding(score: Score, base: RenderedRow) -> list[Finding]:
    """What length alone changes; nothing where that is little beside what right is worth."""
    named = {
        "the working of right answers": {"right": True, "after": False},
        "the working of wrong answers": {"right": False, "after": False},
        "what follows a right answer": {"right": True, "after": True},
    }
    found = {k: series(score, base, filler=SHORT, **how) for k, how in named.items()}
    right, wrong, after = found.values()
    gap = right.values - wrong.values
    if not np.isfinite(gap).any():
        return []
    worth = float(np.nanmedian(gap))
    widest = max(found, key=lambda k: found[k].range)
    least = MATTERS * max(abs(worth), found[widest].range)
    if not found[widest].range > max(MATTERS * abs(worth), EPS):
        return []
    unit = unit_of(found[widest], series(score, base, filler=LONG, **named[widest]))
    said = {k: _moves(x, unit) for k, x in found.items() if x.range > least}
    first, second, _ = named
    if said.get(first) and said.get(first) == said.get(second):
        rest = {k: v for k, v in said.items() if k not in (first, second)}
        said = {"the working": said[first], **rest}
    moves = "; ".join(how.format(k) for k, how in said.items())
    turned = [t for x in found.values() for t in x.turns(least)]
    turns = (
        f" It turns round between {turned[0][0]:.0f} and {turned[0][1]:.0f} characters, so some "
        "long texts are paid like short ones."
        if turned
        else ""
    )
    known = np.nanmax(gap) > EPS and np.isfinite(after.values).any()
    over = _outweighs(right, wrong, after) if known else ""
    text = f"Length is paid: {moves}.{turns} Right instead of wrong adds {worth:.3g}.{over}"
    value = found[widest].range
    waves = max(len(x.turns(least)) for x in found.values()) >= WAVES
    status = "warn" if value >= RULES * abs(worth) else "info"
    status = "fail" if known and (over or waves) else status
    return [Finding(2, "hacks/length", status, text, value=value, bound=worth, fix=FIX)]


def _outweighs(right: Series, wrong: Series, after: Series) -> str:
    """Where a right answer of some length is paid less than a wrong one of another, in words.

    after : of a right answer with text behind it, of which the shortest is still paid more
    """
    high, other = np.nanmax(wrong.values), wrong.tokens[np.nanargmax(wrong.values)]
    bound = high - EPS * max(1.0, abs(high))
    for x in (right, after):
        low, at = np.nanmin(x.values), x.tokens[np.nanargmin(x.values)]
        if low < bound and (x is right or x.values[0] > high):
            return (
                f" Length outweighs it: a right answer of {at:.0f} tokens is paid {low:.3g}, a "
                f"wrong one of {other:.0f} tokens {high:.3g}."
            )
    return ""


def unit_of(short: Series, long: Series) -> str:
    """What is counted, by texts of short and of long words: character, token, word, or ""."""
    misfit = {}
    for unit in UNITS:
        x, y = getattr(short, unit), getattr(long, unit)
        shared = (x >= y.min()) & (x <= y.max()) & np.isfinite(short.values)
        if shared.any():
            expected = np.interp(x[shared], y, long.values)
            misfit[unit] = float(np.max(np.abs(short.values[shared] - expected)))
    best = min(misfit, key=lambda k: misfit[k], default="")
    return best.removesuffix("s") if best and misfit[best] <= CLOSE * short.range else ""


def _moves(x: Series, unit: str) -> str:
    """What the series does, with {} for the name of what grows."""
    rate = x.rate()
    if unit and not math.isnan(rate):
        steps = getattr(x, f"{unit}s")
        each = rate * (x.characters[-1] - x.characters[0]) / (steps[-1] - steps[0])
        return f"each {unit} of {{}} {'adds' if each > 0 else 'costs'} {abs(each):.2g}"
    return f"{{}} moves it by {x.range:.3g}" + (f" ({unit}s are counted)" if unit else "")
