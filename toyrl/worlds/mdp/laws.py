"""What a Markov decision process must satisfy: each law a sentence, with places that break it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from toyrl.worlds.mdp.model import MDP

ROW_SUM = 1e-9  # rows are written in decimals or normalised: far above rounding, below any fault
SHOWN = 3  # places named of each broken law
NO_PROBABILITY = "a probability is neither negative nor NaN"


def broken_laws(mdp: MDP) -> list[str]:
    """Sentences of the laws that the fields of a process break; [] for a sound one.

    Sizes are judged first: where they don't fit, the discount and the start, which stand for
    themselves, are judged beside them, and nothing else.
    """
    sizes = list(_sizes(mdp))
    if sizes:
        return [*sizes, *_discount(mdp), *_start(mdp)]
    return [*_transitions(mdp), *_others(mdp)] or list(_ends(mdp))


def remarks(mdp: MDP) -> dict[str, list[str]]:
    """What is allowed but worth knowing, as sentences by kind: "unreachable", "absorbing"."""
    lost = np.flatnonzero(~mdp.reachable)
    out: dict[str, list[str]] = {"unreachable": [], "absorbing": []}
    if lost.size:
        out["unreachable"].append(
            f"no policy reaches {_states(lost)} from the start: drop them, or start there"
        )
    stay = _absorbing(mdp) & ~mdp.is_terminal
    if stay.any():
        out["absorbing"].append(
            f"{_states(np.flatnonzero(stay))} can't be left and is not declared terminal: it is "
            "visited and paid for ever"
        )
    return out


# -- laws -----------------------------------------------------------------------------------------
def _sizes(mdp: MDP) -> Iterator[str]:
    P, R = mdp.transitions, mdp.reward
    shape = P.shape
    if isinstance(P, np.ndarray):
        if P.ndim != 3 or shape[0] != shape[2] or 0 in shape:
            yield f"transitions has shape {shape}; it must be (S, A, S) with S, A >= 1"
            return
        S, A = shape[0], shape[1]
    else:
        if 0 in shape or shape[0] % shape[1]:
            yield f"sparse transitions has shape {shape}; it must be (S*A, S), row s*A + a"
            return
        S, A = shape[1], shape[0] // shape[1]
    allowed = [(S * A, S)] if not isinstance(R, np.ndarray) else [(S,), (S, A), (S, A, S)]
    if R.shape not in allowed:
        kinds = " or ".join(str(x) for x in allowed)
        yield f"reward has shape {R.shape}; for {S} states and {A} actions it must be {kinds}"
    for name, wanted in (("start", (S,)), ("available", (S, A)), ("terminal", (S,))):
        value = getattr(mdp, name)
        if value is not None and value.shape != wanted:
            yield f"{name} has shape {value.shape}; it must be {wanted}"


def _transitions(mdp: MDP) -> Iterator[str]:
    P, S, A = mdp.transitions, mdp.n_states, mdp.n_actions
    if isinstance(P, np.ndarray):
        wrong = ~(P >= 0)
        where, mass = (np.argwhere(wrong) if wrong.any() else ()), P.sum(-1)
    else:
        at = np.flatnonzero(~(P.data >= 0))
        rows = np.searchsorted(P.indptr, at, side="right") - 1
        where = np.stack([rows // A, rows % A, P.indices[at]], axis=1)
        mass = np.asarray(P.sum(axis=1)).reshape(S, A)
    if len(where) and mdp.available is not None:
        where = where[mdp.available[tuple(where.T[:2])]]
    if len(where):
        told = _places([f"[{s}, {a}, {t}] = {_at(P, s, a, t, A):g}" for s, a, t in where[:SHOWN]])
        yield f"transitions{told}{_more(len(where))}: {NO_PROBABILITY}"
    ends = mdp.is_terminal
    live = np.repeat(~ends[:, None], A, axis=1)
    if mdp.available is not None:
        live &= mdp.available
    off = live & ~(abs(mass - 1) <= ROW_SUM)
    if off.any():
        cells = np.argwhere(off)
        told = _places([f"[{s}, {a}] sums to {mass[s, a]:.6g}" for s, a in cells[:SHOWN]])
        yield (
            f"transitions{told}{_more(len(cells))}, not to 1: normalise the row, or mark the state "
            "terminal or the action unavailable"
        )
    if ends.any():
        yield from _leaks(mdp, mass)


def _leaks(mdp: MDP, mass: np.ndarray) -> Iterator[str]:
    P, A = mdp.transitions, mdp.n_actions
    s = np.flatnonzero(mdp.is_terminal)
    if isinstance(P, np.ndarray):
        loop = P[s, :, s]
    else:
        rows = (s[:, None] * A + np.arange(A)).ravel()
        loop = np.asarray(P[rows, np.repeat(s, A)]).reshape(len(s), A)
    rest = mass[s]
    bad = ~((abs(rest - loop) <= ROW_SUM) & ((rest == 0) | (abs(loop - 1) <= ROW_SUM)))
    if bad.any():
        cells = [(int(s[i]), int(a)) for i, a in np.argwhere(bad)]
        i = np.argwhere(bad)[0]
        yield (
            f"terminal state {cells[0][0]} leaks: its action {cells[0][1]} leaves with probability "
            f"{rest[tuple(i)] - loop[tuple(i)]:.6g}{_more(len(cells), 1)}; give it a self-loop or "
            "an empty row"
        )


def _discount(mdp: MDP) -> Iterator[str]:
    if not 0 <= mdp.discount <= 1:
        yield f"discount={mdp.discount:g} must lie in [0, 1]"


def _start(mdp: MDP) -> Iterator[str]:
    start = mdp.start
    if start.ndim != 1:
        return
    low = np.flatnonzero(~(start >= 0))
    if low.size:
        told = _places([f"[{s}] = {start[s]:g}" for s in low[:SHOWN]])
        yield f"start{told}{_more(low.size)}: {NO_PROBABILITY}"
    if not abs(start.sum() - 1) <= ROW_SUM:
        yield f"start sums to {start.sum():.6g}, not to 1: normalise it"


def _others(mdp: MDP) -> Iterator[str]:
    yield from _discount(mdp)
    yield from _reward(mdp)
    yield from _start(mdp)
    if mdp.available is not None:
        none = np.flatnonzero(~mdp.available.any(-1) & ~mdp.is_terminal)
        if none.size:
            yield f"available leaves no action in {_states(none)}: allow one, or mark it terminal"


def _reward(mdp: MDP) -> Iterator[str]:
    R, A = mdp.reward, mdp.n_actions
    if isinstance(R, np.ndarray):
        bad = ~np.isfinite(R)
        where = np.argwhere(bad) if bad.any() else ()
    else:
        at = np.flatnonzero(~np.isfinite(R.data))
        rows = np.searchsorted(R.indptr, at, side="right") - 1
        where = np.stack([rows // A, rows % A, R.indices[at]], axis=1)
    if len(where):
        told = _places([str([int(i) for i in place]) for place in where[:SHOWN]])
        yield f"reward{told}{_more(len(where))} is not finite: give finite rewards"
    s = np.flatnonzero(mdp.is_terminal)
    if not s.size:
        return
    if isinstance(R, np.ndarray):
        paid = (R[s] != 0).reshape(len(s), -1).any(-1)
    else:
        paid = np.add.reduceat(np.diff(R.indptr), np.arange(0, R.shape[0], A))[s] > 0
    if paid.any():
        yield (
            f"reward is paid in terminal {_states(s[paid])}: the episode is over there; pay it on "
            "entering, in the reward of the transition that leads there"
        )


def _ends(mdp: MDP) -> Iterator[str]:
    """Discount 1: does every policy (or, where that is said, some policy) end from every state?"""
    if mdp.discount != 1:
        return
    if not mdp.is_terminal.any():
        yield "discount=1 needs terminal states: declare them, or take a discount below 1"
        return
    from toyrl.worlds.mdp.structure import can_end, endless

    stuck = np.flatnonzero(~can_end(mdp))
    if stuck.size:
        yield f"discount=1, and no policy reaches a terminal state from {_states(stuck)}"
    elif not mdp.improper:
        stay = np.flatnonzero(endless(mdp))
        if stay.size:
            yield (
                f"discount=1, and a policy can stay within {_states(stay)} for ever: take a "
                "discount below 1, or say improper=True and evaluate policies that end"
            )


# -- wording --------------------------------------------------------------------------------------
def _at(P: Any, s: int, a: int, t: int, n_actions: int) -> float:
    return float(P[s, a, t] if isinstance(P, np.ndarray) else P[s * n_actions + a, t])


def _places(cells: list[str]) -> str:
    return ", ".join(cells)


def _more(count: int, shown: int = SHOWN) -> str:
    return f" and {count - shown} more" if count > shown else ""


def _states(states: np.ndarray) -> str:
    word = "state" if states.size == 1 else "states"
    return f"{word} {', '.join(str(int(s)) for s in states[:SHOWN])}{_more(states.size)}"


def _absorbing(mdp: MDP) -> np.ndarray:
    """(S,) bool: every action that can be taken stays."""
    S, A = mdp.n_states, mdp.n_actions
    if not mdp.is_sparse:
        loop = mdp.transitions[np.arange(S), :, np.arange(S)]
    else:
        rows = np.arange(S * A)
        loop = np.asarray(mdp.transitions[rows, rows // A]).reshape(S, A)
    return np.all(~mdp.usable | (loop >= 1 - ROW_SUM), axis=-1)
