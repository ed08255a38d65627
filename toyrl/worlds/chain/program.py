"""The traced program behind `toyrl.worlds.chain.classes`: a banded linear recursion in time.

The DP is a linear recursion x_{t+1} = M x_t over a flat state (counters, phase, error bit,
progress), progress innermost. M has a few diagonals only (progress moves by 0 or 1, each counter
by 0 or 1), so one step is a few multiply-adds of shifted vectors. The whole trajectory
X = (x_0 .. x_H) solves a block-bidiagonal linear system, handed to JAX as
`custom_linear_solve`: the backward pass is one reversed scan, and the gradient with respect to
M's entries is a sum over time computed outside the loop. Forward and reverse mode, higher orders
and vmap follow. The host entry `probabilities_and_gradient` uses a reverse-mode rule that sums
that gradient inside the reversed scan, so that only X is ever stored.

Counters saturate at `cap` (the last bin means "cap or more"). Classes are then
(answer kind and length) x counters, the counters varying fastest; without counters they are
those of `Chain`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from toyrl.worlds.chain.model import ANSWER_PHASE, COUNTERS, THINK, Chain

STATE_LIMIT = 100_000  # states of the DP for one prompt
TRAJECTORY_LIMIT = 250_000_000  # numbers in all prompts' trajectories: 2 GB in float64
NUMBERS = ("progress", "slip", "repair", "guess", "flag_noise")


class StateLimitError(ValueError):
    """The class DP would need more states than the limit."""


@dataclass(frozen=True)
class Layout:
    """What the compiled program depends on: sizes and switches, no numbers."""

    H: int
    D: int
    actions: tuple[str, ...]
    flags: int
    errors: bool  # False: the error bit can't be set and is left out
    counters: tuple[str, ...]
    cap: int

    @property
    def phases(self) -> int:
        """Think and answer, or one."""
        return 2 if "END_THINK" in self.actions else 1

    @property
    def grid(self) -> tuple[int, ...]:
        """Axes of the flat state: (counters..., phases, error bit, progress)."""
        bins = (self.cap + 1,) * len(self.counters)
        return (*bins, self.phases, 1 + self.errors, self.D + 1)

    @property
    def bins(self) -> int:
        """Joint values of the counters."""
        return (self.cap + 1) ** len(self.counters)

    @property
    def n_classes(self) -> int:
        """K."""
        return (2 * self.H + 1) * self.bins


def layout_of(
    chain: Chain, counters: Sequence[str] = (), cap: int = 16, *, errors: bool | None = None
) -> Layout:
    """The layout of a chain; counters of actions that the chain lacks are dropped (always 0).

    Raises ValueError for unknown counters or a cap below 1, StateLimitError where the dynamic
    programme would be too large.
    """
    unknown = [c for c in counters if c not in COUNTERS]
    if unknown:
        msg = f"counters={tuple(counters)}: {unknown} unknown; choose from {tuple(COUNTERS)}"
        raise ValueError(msg)
    if cap < 1:
        msg = f"cap={cap} must be at least 1"
        raise ValueError(msg)
    kept = tuple(c for c in dict.fromkeys(counters) if COUNTERS[c] in chain.actions)
    layout = Layout(
        H=chain.H,
        D=chain.D,
        actions=chain.actions,
        flags=chain.flags,
        errors=chain.slip > 0 if errors is None else errors,
        counters=kept,
        cap=min(cap, chain.H) if kept else 1,
    )
    states = math.prod(layout.grid)
    size = states * (layout.H + 1) * len(chain.difficulties)
    if states > STATE_LIMIT or size > TRAJECTORY_LIMIT:
        msg = (
            f"counters {kept} with cap {layout.cap} need {states:,} states (limit {STATE_LIMIT:,})"
            f" and {size:,} numbers (limit {TRAJECTORY_LIMIT:,}); drop a counter, lower cap, or"
            " shorten the chain (max_actions, depth)"
        )
        raise StateLimitError(msg)
    return layout


def numbers_of(chain: Chain) -> dict[str, Any]:
    """The chain's numbers as the compiled program takes them (flag_noise 0 where no flag)."""
    own = {n: getattr(chain, n) for n in NUMBERS}
    own["flag_noise"] = own["flag_noise"] or 0.0
    own["difficulties"] = np.asarray(chain.difficulties)
    return own


def class_program(
    layout: Layout, theta: Any, numbers: Mapping[str, Any], *, fused: bool = False
) -> Any:
    """(B, K) class probabilities; the traced body behind `class_probabilities`."""
    n = {k: jnp.asarray(v, dtype=theta.dtype) for k, v in numbers.items()}
    ok = jnp.asarray(_allowed(layout))[:, None]
    pi = jnp.where(ok, jax.nn.softmax(jnp.where(ok, theta, -jnp.inf), axis=-1), 0)
    return jax.vmap(lambda d: _one_prompt(layout, pi, n, d, fused))(n.pop("difficulties"))


def _allowed(layout: Layout) -> np.ndarray:
    return Chain((1,), (1.0,), actions=layout.actions, depth=layout.D).allowed()


def _one_prompt(layout: Layout, pi: Any, n: Mapping[str, Any], d: Any, fused: bool) -> Any:
    """(K,) for one difficulty; pi (phases, flags, D+1, A)."""
    E, M = 1 + layout.errors, layout.D + 1
    clean = np.arange(E)[:, None] == 0
    done = jnp.where(clean & (np.arange(M) >= d), 1.0, 0.0).astype(pi.dtype)  # (E, M)
    seen = pi[:, :1]  # what the state (p, e, m) does, the flag averaged out: (P, E, M, A)
    if layout.flags == 2:
        up = (done * (1 - n["flag_noise"]) + (1 - done) * n["flag_noise"])[None, ..., None]
        seen = (1 - up) * pi[:, :1] + up * pi[:, 1:]
    act = jnp.broadcast_to(seen, (layout.phases, E, M, len(layout.actions)))
    right = done + (1 - done) * n["guess"]
    answer = act[..., layout.actions.index("ANSWER")]
    ends = jnp.stack([answer * right, answer * (1 - right)], axis=-1).reshape(-1, 2)
    diagonals = _diagonals(layout, act, n)
    run: Any = _run_fused if fused else _run
    answered, left = run(layout, tuple(diagonals), list(diagonals.values()), ends)
    answered = jnp.moveaxis(answered, -1, 0).reshape(-1, layout.bins)  # all right, all wrong
    return jnp.concatenate([answered, left[None]]).reshape(-1)


def _run(layout: Layout, offsets: tuple[int, ...], cols: list[Any], ends: Any) -> tuple[Any, Any]:
    """Answers (H, bins, 2) by time, counters and right/wrong; mass left after H (bins,).

    cols[k][j] : probability of the move from flat state j to j + offsets[k]
    ends : (phases * E * M, 2) probability of answering right or wrong in a state
    """
    # rows[k][i] multiplies x[i - offset]; the roll wraps around zeros only
    rows = [jnp.roll(c, o) for o, c in zip(offsets, cols, strict=True)]
    start = np.zeros((layout.H + 1, cols[0].shape[0]))
    start[0, 0] = 1.0

    def system(X):
        return X - jnp.pad(_shifted_sum(rows, offsets, X[:-1]), ((1, 0), (0, 0)))

    def scan(weights, signed, b, reverse):
        def body(x, u):
            x = u + _shifted_sum(weights, signed, x)
            return x, x

        return lax.scan(body, jnp.zeros_like(b[0]), b, reverse=reverse)[1]

    back = tuple(-o for o in offsets)
    X = lax.custom_linear_solve(
        system,
        jnp.asarray(start, dtype=ends.dtype),
        solve=lambda _, b: scan(rows, offsets, b, False),
        transpose_solve=lambda _, b: scan(cols, back, b, True),
    ).reshape(layout.H + 1, layout.bins, -1)
    return X[:-1] @ ends, X[-1].sum(-1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _run_fused(layout, offsets, cols, ends):
    """`_run` with a reverse-mode rule of its own (no forward mode)."""
    return _run_fused_forward(layout, offsets, cols, ends)[0]


def _run_fused_forward(layout: Layout, offsets: tuple[int, ...], cols: list[Any], ends: Any) -> Any:
    rows = [jnp.roll(c, o) for o, c in zip(offsets, cols, strict=True)]
    start = jnp.zeros_like(rows[0]).at[0].set(1)
    left, X = lax.scan(
        lambda x, _: (_shifted_sum(rows, offsets, x), x), start, None, length=layout.H
    )
    answered = X.reshape(layout.H, layout.bins, -1) @ ends
    return (answered, left.reshape(layout.bins, -1).sum(-1)), (cols, ends, X)


def _run_fused_backward(layout, offsets, saved, cotangent):
    cols, ends, X = saved
    of_answers, of_left = cotangent
    S = X.shape[-1]
    low, high = max(0, *(-o for o in offsets)), max(0, *offsets)

    def body(carry, xu):
        # adjoint[j] = d value / d x_{t+1}[j]
        adjoint, sums = carry
        x, u = xu
        wide = jnp.pad(adjoint, (low, high))
        ahead = [wide[low + o : low + o + S] for o in offsets]
        sums = [total + x * a for total, a in zip(sums, ahead, strict=True)]
        terms = [c * a for c, a in zip(cols, ahead, strict=True)]
        now = u @ ends.T
        return (functools.reduce(jnp.add, terms, now.reshape(-1)), sums), None

    last = jnp.repeat(of_left, S // layout.bins)
    (_, sums), _ = lax.scan(
        body, (last, [jnp.zeros(S, X.dtype)] * len(offsets)), (X, of_answers), reverse=True
    )
    grid = X.reshape(layout.H * layout.bins, -1)
    return sums, grid.T @ of_answers.reshape(-1, 2)


_run_fused.defvjp(_run_fused_forward, _run_fused_backward)


def _shifted_sum(weights: Sequence[Any], offsets: Sequence[int], x: Any) -> Any:
    """sum_k weights[k][i] * x[..., i - offsets[k]], zero outside."""
    S = x.shape[-1]
    low, high = max(0, *offsets), max(0, *(-o for o in offsets))
    wide = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(low, high)])
    terms = [w * wide[..., low - o : low - o + S] for w, o in zip(weights, offsets, strict=True)]
    return functools.reduce(jnp.add, terms)


def _moves(layout: Layout, name: str, n: Mapping[str, Any]) -> list[tuple]:
    """(phase or None, error bit or None, dp, de, dm, probability) of a non-terminal action."""
    q, s, v = n["progress"], n["slip"], n["repair"]
    if name == "STEP" and layout.errors:
        fresh = [(de, dm) for de in (0, 1) for dm in (0, 1)]
        law = [
            (None, 0, 0, de, dm, (s if de else 1 - s) * (q if dm else 1 - q)) for de, dm in fresh
        ]
        return [*law, (None, 1, 0, 0, 1, q), (None, 1, 0, 0, 0, 1 - q)]
    if name == "STEP":
        return [(None, None, 0, 0, 1, q), (None, None, 0, 0, 0, 1 - q)]
    if name == "CHECK" and layout.errors:
        return [(None, 0, 0, 0, 0, 1.0), (None, 1, 0, -1, 0, v), (None, 1, 0, 0, 0, 1 - v)]
    if name == "END_THINK":
        return [(THINK, None, ANSWER_PHASE - THINK, 0, 0, 1.0)]
    return [(None, None, 0, 0, 0, 1.0)]


def _diagonals(layout: Layout, act: Any, n: Mapping[str, Any]) -> dict[int, Any]:
    """offset -> (S,) weight of the move from each flat state to the state `offset` further on."""
    grid = layout.grid
    strides = [math.prod(grid[i + 1 :]) for i in range(len(grid))]
    index = np.indices(grid)
    phase, error, progress = index[-3:]
    out: dict[int, Any] = {}
    for i, name in enumerate(layout.actions):
        if name == "ANSWER":
            continue
        counted = next((k for k, c in enumerate(layout.counters) if COUNTERS[c] == name), None)
        for p, e, dp, de, dm, prob in _moves(layout, name, n):
            here = np.ones(grid, dtype=bool)
            here &= True if p is None else phase == p
            here &= True if e is None else error == e
            at_depth = progress == layout.D
            full = index[counted] == layout.cap if counted is not None else np.ones(grid, bool)
            for stuck in (False, True) if dm else (None,):
                for kept in (False, True) if counted is not None else (None,):
                    mask = here.copy()
                    mask &= True if stuck is None else at_depth == stuck
                    mask &= True if kept is None else full == kept
                    offset = dp * strides[-3] + de * strides[-2] + (dm if stuck is False else 0)
                    offset += strides[counted] if counted is not None and kept is False else 0
                    weight = jnp.where(mask, act[..., i] * prob, 0).reshape(-1)
                    out[offset] = out[offset] + weight if offset in out else weight
    return out
