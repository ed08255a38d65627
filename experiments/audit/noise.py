"""A judge's measured errors as a file: what an audit writes, and validate and sweep read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from toyrl import schemas
from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.collapse.statistics import wilson
from toyrl.messages import PATH, shortened
from toyrl.schemas import SchemaError
from toyrl.worlds.chain.latents.judge_errors import JudgeErrors

RANGES = (0.7, 1.4)
"""Where lengths are parted, over the typical one."""
LIKELY = 8
"""Forms of a judge that a forecast shares out over its worlds."""


@dataclass(frozen=True)
class Rate:
    """So many wrong verdicts of so many: a rate with its 95 % interval (Wilson).

    wrong : may be half a verdict, of a tie; n : verdicts, 0 where none were asked for
    """

    wrong: float
    n: int

    @property
    def value(self) -> float:
        """The rate; NaN without a verdict."""
        return self.wrong / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """95 %."""
        return wilson(self.wrong, self.n)  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        low, high = self.interval
        value = None if not self.n else self.value
        return {"rate": value, "low": low, "high": high, "wrong": self.wrong, "n": self.n}


@dataclass(frozen=True)
class Noise:
    """A judge's errors by class, with intervals.

    judge : its name; typical : tokens that lengths are held against
    edges : (n - 1,) where lengths are parted, over `typical`
    false_negative, false_positive : (n,) by range of length, of answers that carry a mark
    unread, cut : wrong verdicts on wrong answers without a mark, and on truncated texts
    """

    judge: str
    typical: float
    false_negative: tuple[Rate, ...]
    false_positive: tuple[Rate, ...]
    unread: Rate
    cut: Rate
    edges: tuple[float, ...] = RANGES

    @property
    def accuracy(self) -> float:
        """Share of right verdicts, right and wrong answers alike in weight; NaN without any."""
        missed, let = (_whole(x) for x in (self.false_negative, self.false_positive))
        return 1 - (missed.value + let.value) / 2

    def errors(self, typical: float | None = None) -> JudgeErrors:
        """As the worlds take them, for a base of so many tokens [default: as measured].

        A class without a verdict has the rate of all lengths together.
        """
        return self._errors(lambda r: r.value, typical)

    def likely(self, typical: float | None = None, *, seed: int = 0) -> tuple[JudgeErrors, ...]:
        """Forms of the judge that the counts allow: rates drawn by Jeffreys' law."""
        rng = np.random.default_rng([seed, 17])

        def drawn(r: Rate) -> float:
            return float(rng.beta(r.wrong + 0.5, r.n - r.wrong + 0.5))

        return tuple(self._errors(drawn, typical) for _ in range(LIKELY))

    def _errors(self, rate: Any, typical: float | None) -> JudgeErrors:
        scale = self.typical if typical is None else typical

        def rates(found: Sequence[Rate]) -> tuple[float, ...]:
            whole = _whole(found)
            if not whole.n:
                msg = f"{self.judge}: no verdict was measured on one kind of answers"
                raise UsageError(msg)
            return tuple(rate(r if r.n else whole) for r in found)

        wrong = _whole(self.false_positive)
        return JudgeErrors(
            edges=tuple(e * scale for e in self.edges),
            false_negative=rates(self.false_negative),
            false_positive=rates(self.false_positive),
            unread=rate(self.unread if self.unread.n else wrong),
            cut=rate(self.cut if self.cut.n else wrong),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON form, schema toyrl.judge-noise."""
        ends = [0.0, *self.edges, None]
        return {
            "schema": schemas.tag("judge-noise"),
            "judge": self.judge,
            "typical_length": self.typical,
            "accuracy": self.accuracy,
            "ranges": [
                {
                    "from": ends[k],
                    "to": ends[k + 1],
                    "false_negative": self.false_negative[k].to_dict(),
                    "false_positive": self.false_positive[k].to_dict(),
                }
                for k in range(len(self.false_negative))
            ],
            "unmarked": self.unread.to_dict(),
            "truncated": self.cut.to_dict(),
        }


def _whole(rates: Sequence[Rate]) -> Rate:
    return Rate(sum(r.wrong for r in rates), sum(r.n for r in rates))


def read(path: Path) -> Noise:
    """A file of `toyrl audit-judge --noise`; UsageError for any other."""
    if not path.is_file():
        said = f"judge_noise={shortened(str(path), PATH)} is no file"
        msg = f"{said}; name the one that toyrl audit-judge JUDGE --noise FILE wrote"
        raise UsageError(msg)
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _read(path: Path, _written: int) -> Noise:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        schemas.check(data, "judge-noise", f"judge_noise={shortened(str(path), PATH)}")
        found = of_dict(data)
        found.errors()
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        msg = f"judge_noise={shortened(str(path), PATH)} is no JSON ({error})"
        raise UsageError(msg) from error
    except SchemaError as error:
        raise UsageError(str(error)) from error
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        msg = f"judge_noise={shortened(str(path), PATH)} can't be read: {error}; write it anew"
        raise UsageError(msg) from error
    return found


def of_dict(data: Mapping[str, Any]) -> Noise:
    """The noise that `Noise.to_dict` wrote. Raises KeyError and the like for another mapping."""

    def rate(x: Mapping[str, Any]) -> Rate:
        found = Rate(float(x["wrong"]), int(x["n"]))
        if not 0 <= found.wrong <= found.n:
            msg = f"{found.wrong:g} wrong verdicts of {found.n}"
            raise ValueError(msg)
        return found

    ranges = data["ranges"]
    return Noise(
        judge=str(data["judge"]),
        typical=float(data["typical_length"]),
        edges=tuple(float(r["from"]) for r in ranges[1:]),
        false_negative=tuple(rate(r["false_negative"]) for r in ranges),
        false_positive=tuple(rate(r["false_positive"]) for r in ranges),
        unread=rate(data["unmarked"]),
        cut=rate(data["truncated"]),
    )
