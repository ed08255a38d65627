"""Keys of traces: how many there are, how many are seen, and what that gives at length n.

Formulas: docs/theory/traces.md.

Source: textbook (coupon collector) and derived; key counts after the ablations of paper 26.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np

from toyrl.messages import shortened
from toyrl.ranges import COUNT, SHARE, Range, checked
from toyrl.registry import entry

NUMBER = Range("[0, inf)", whole=True)
BASE = Range("[2, inf)", whole=True)
EULER = 0.5772156649015329


@entry(
    "trace_keys",
    kind="theorem",
    cards=("26",),
    provenance="derived",
    section="ablations",
    formula="2 b^2, 2 b^2 n, 2 b^(2m), b^(2n)",
)
@checked
def trace_keys(
    variant: str,
    length: Annotated[int, COUNT],
    *,
    base: Annotated[int, BASE] = 10,
    block: Annotated[int, COUNT] = 2,
) -> int:
    """Keys of a learner of additions of that length: "tail", "position", "block" or "input".

    block : digits a state of "block"; a whole number, exact however large.

    Raises ValueError for another variant.
    """
    counts = {
        "tail": 2 * base**2,
        "position": 2 * base**2 * length,
        "block": 2 * base ** (2 * block),
        "input": base ** (2 * length),
    }
    if variant not in counts:
        msg = f"variant={shortened(variant)} is not one of {', '.join(counts)}"
        raise ValueError(msg)
    return counts[variant]


@entry(
    "key_coverage",
    kind="theorem",
    cards=("26",),
    provenance="derived",
    section="coverage",
    formula="1 - (1 - 1/K)^k; success ((1 - g) coverage + g)^n",
)
@checked
def key_coverage(
    domain: Annotated[float, Range("[1, inf)")],
    n_train_keys: Annotated[float, Range("[0, inf)")],
    n_steps: Annotated[int, NUMBER] = 1,
    *,
    guess: Annotated[float, SHARE] = 0.0,
) -> tuple[float, float]:
    """(coverage, success_approx) after k uniform keys out of `domain`, at n steps.

    guess : chance of the right output for an unseen key. Success takes steps for independent.

    Raises ValueError for numbers out of their ranges.
    """
    if domain == 1:
        coverage = 1.0 if n_train_keys else 0.0
    else:
        coverage = -math.expm1(n_train_keys * math.log1p(-1 / domain))
    return coverage, (coverage + (1 - coverage) * guess) ** n_steps


@entry(
    "keys_until_all",
    kind="theorem",
    cards=("26",),
    provenance="derived",
    section="coupon collector",
    formula="K H_K",
)
@checked
def keys_until_all(domain: Annotated[int, COUNT]) -> float:
    """Expected uniform keys until all K are seen, K H_K.

    Raises ValueError for a domain below 1.
    """
    if domain > 10**6:
        return domain * (math.log(domain) + EULER + 0.5 / domain)
    return domain * math.fsum(1 / j for j in range(1, domain + 1))


@entry(
    "compounded",
    kind="theorem",
    cards=("26",),
    provenance="derived",
    section="compounding",
    formula="(1 - eps)^n",
)
@checked
def compounded(eps: Annotated[float, SHARE], n_steps: Annotated[int, NUMBER]) -> float:
    """Success over n steps, each wrong with chance eps by itself.

    Raises ValueError for numbers out of their ranges.
    """
    return (1 - eps) ** n_steps


@entry(
    "step_error_allowed",
    kind="theorem",
    cards=("26",),
    provenance="derived",
    section="compounding",
    formula="1 - s^(1/n)",
)
@checked
def step_error_allowed(
    success: Annotated[float, Range("(0, 1]")], n_steps: Annotated[int, COUNT]
) -> float:
    """The largest error of a step that keeps that success over n steps.

    Raises ValueError for numbers out of their ranges.
    """
    return -math.expm1(math.log(success) / n_steps)


def _steps(base: int) -> np.ndarray:
    """(2, 2) keys (a, b) of each carry in and carry out."""
    low, high = base * (base - 1) // 2, base * (base + 1) // 2
    return np.array([[high, low], [low, high]], dtype=float)


@entry(
    "addition_coverage",
    kind="theorem",
    cards=("26",),
    provenance="derived",
    section="coverage of additions, exact",
    formula="1 - (1/2b^2) sum_key (E_L[start (M - key/b^2)^L 1])^N",
)
@checked
def addition_coverage(
    base: Annotated[int, BASE],
    n_examples: Annotated[int, NUMBER],
    lengths: Annotated[tuple[int, ...], COUNT.each],
    *,
    known: bool = False,
) -> Any:
    """Expected share of (a, b, carry) seen in N additions, lengths drawn evenly from `lengths`.

    known : True gives (2, 2) instead, the share among keys of each carry in and carry out

    Exact: carries form a Markov chain, the first one is 0, and a key is unseen in an example where
    the chain avoids it. Blocks of m digits are the same with base^m, and lengths in blocks.

    Raises ValueError for numbers out of their ranges.
    """
    if not lengths:
        msg = "lengths is empty; give the number of states of each kind of example"
        raise ValueError(msg)
    count, seen = _steps(base), np.zeros((2, 2))
    for c in range(2):
        for to in range(2):
            M = count.copy()
            M[c, to] -= 1
            M /= base**2
            avoids = [np.linalg.matrix_power(M, L)[0].sum() for L in lengths]
            seen[c, to] = 1 - np.mean(avoids) ** n_examples
    return seen if known else float((count * seen).sum() / count.sum())


@entry(
    "addition_success",
    kind="theorem",
    cards=("26",),
    provenance="derived",
    section="success of a table, by carries",
    formula="start prod_i (M * known_i) 1",
)
@checked
def addition_success(
    base: Annotated[int, BASE],
    known: Any,
    length: Annotated[int, NUMBER],
    *,
    guess: Annotated[float, SHARE] = 0.0,
) -> float:
    """Chance that every state of a uniform addition of that length is right.

    known : (2, 2) share of known keys by carry in and carry out, of one table by `table_shares`; or
        (n, 2, 2) by place, places beyond n unknown
    guess : chance of the right output for an unseen key

    Exact for one table. For expected shares it takes the keys of different states for independent,
    and is then too low where states share keys, by Jensen's inequality.

    Raises ValueError for another shape and numbers out of their ranges.
    """
    M = _known_moves(base, np.asarray(known, dtype=float), guess)
    state = np.array([1.0, 0.0])
    for i in range(length):
        here = M if M.ndim == 2 else M[i] if i < len(M) else guess * _steps(base) / base**2
        state = state @ here
    return float(state.sum())


def _known_moves(base: int, known: np.ndarray, guess: float) -> np.ndarray:
    """(2, 2) or (n, 2, 2) chance of each carry out with the right output."""
    if known.shape[-2:] != (2, 2) or known.ndim not in (2, 3):
        msg = (
            f"known has the shape {known.shape}; give (2, 2) or (n, 2, 2), shares by carry in and "
            "out, of a table (base, base, 2) by table_shares"
        )
        raise ValueError(msg)
    return (known + (1 - known) * guess) * _steps(base) / base**2


@entry(
    "table_shares",
    kind="theorem",
    cards=("26",),
    provenance="derived",
    section="success of a table, by carries",
    formula="mean of known(a, b, c) over a, b with that carry out",
)
@checked
def table_shares(base: Annotated[int, BASE], known: Any) -> Any:
    """(2, 2) share of known keys by carry in and carry out, of a table (base, base, 2).

    Raises ValueError for another shape.
    """
    known = np.asarray(known, dtype=float)
    if known.shape != (base, base, 2):
        msg = f"known has the shape {known.shape}, not ({base}, {base}, 2): (a, b, carry)"
        raise ValueError(msg)
    a, b, c = np.indices(known.shape)
    carry = (a + b + c >= base) * 1
    return np.array([[known[(c == i) & (carry == o)].mean() for o in range(2)] for i in range(2)])


@entry(
    "position_coverage",
    kind="theorem",
    cards=("26",),
    provenance="derived",
    section="coverage by place, exact",
    formula="1 - E_L[1 - [L > i] P(carry_i = c)/b^2]^N, P(carry_i = 1) = (1 - b^-i)/2",
)
@checked
def position_coverage(
    base: Annotated[int, BASE],
    n_examples: Annotated[int, NUMBER],
    longest: Annotated[int, COUNT],
) -> Any:
    """(longest, 2, 2) share of (i, a, b, carry) seen in N additions of 1 to `longest` digits.

    By place, carry in and carry out (which doesn't matter); lengths drawn evenly. Exact; a place
    from `longest` on is never seen.

    Raises ValueError for numbers out of their ranges.
    """
    i = np.arange(longest)
    reach = (longest - i) / longest
    one = (1 - float(base) ** -i) / 2
    chance = reach[:, None] * np.stack([1 - one, one], axis=-1) / base**2
    seen = -np.expm1(n_examples * np.log1p(-chance))
    return np.repeat(seen[:, :, None], 2, axis=2)
