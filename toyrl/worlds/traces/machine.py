"""Turing machines, run step by step: every step is a row [q, head, a, b, D, q'].

    run_tm({"s,1": ("s", "0", 1), "s,_": ("end", "1", 0)}, "11", q0="s", halt="end", max_steps=99)

In state q the machine reads a, writes b, moves by D and goes to q'. The tape is open on both sides,
the input stands from cell 0 on, the head begins there; an empty input is a tape of blanks.

Source: textbook (Turing machine); its trace as a chain of thought: paper 26, section 3.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toyrl.messages import shortened

Delta = Mapping[str, Sequence[Any]]
"""Transitions: "q,a" -> (q', b, D) with D one of -1, 0, 1."""
MOVES = (-1, 0, 1)
MOST = 10_000


@dataclass(frozen=True)
class Row:
    """One step: in state `q` at cell `head` read `a`, write `b`, move by `move`, go to `to`."""

    q: str
    head: int
    a: str
    b: str
    move: int
    to: str


@dataclass(frozen=True)
class Run:
    """What a machine did.

    steps : number of rows; halted : False where the step limit came first: then there is no answer,
        and the run counts as a truncated rollout (`says` has the sentence)
    state, head : at the end; tape : without blanks at both ends, its first cell `first`
    """

    steps: int
    halted: bool
    state: str
    head: int
    tape: tuple[str, ...]
    first: int
    trace: tuple[Row, ...]

    @property
    def answer(self) -> tuple[str, ...] | None:
        """The tape where it halted, else None."""
        return self.tape if self.halted else None

    @property
    def says(self) -> str:
        """How it ended, in a sentence."""
        if self.halted:
            return f"halted in state {self.state!r} after {self.steps} steps"
        return (
            f"did not halt within {self.steps} steps (max_steps): no answer, reward 0 as for a "
            "truncated rollout; raise max_steps if the machine is slow and not endless"
        )


def run_tm(
    delta: Delta,
    tape: Sequence[str],
    q0: str,
    halt: str | Collection[str],
    blank: str = "_",
    max_steps: int = MOST,
) -> Run:
    """Run a machine until it halts or `max_steps` are done.

    delta : "q,a" -> (q', b, D); tape : symbols from cell 0 on, may be empty
    halt : the state, or states, in which it stops

    Raises KeyError for a missing transition (a silent stop would look like an answer), ValueError
    for a move that is none of -1, 0, 1 and for a negative step limit.
    """
    if max_steps < 0:
        msg = f"max_steps={shortened(max_steps)} must be at least 0"
        raise ValueError(msg)
    ends = {halt} if isinstance(halt, str) else set(halt)
    cells = dict(enumerate(tape))
    state, head, rows = q0, 0, []
    while state not in ends and len(rows) < max_steps:
        a = cells.get(head, blank)
        to, b, move = _transition(delta, state, a, len(rows))
        rows.append(Row(state, head, a, b, move, to))
        cells[head] = b
        state, head = to, head + move
    first, kept = _trimmed(cells, blank)
    return Run(len(rows), state in ends, state, head, kept, first, tuple(rows))


def _transition(delta: Delta, q: str, a: str, step: int) -> tuple[str, str, int]:
    key = f"{q},{a}"
    if key not in delta:
        msg = (
            f"step {step}: no transition for {key!r} (state, symbol read); add it, or name {q!r} "
            "as a halting state"
        )
        raise KeyError(msg)
    to, b, move = delta[key]
    if move not in MOVES:
        msg = f"delta[{key!r}] moves by {shortened(move)}; a move is -1, 0 or 1"
        raise ValueError(msg)
    return str(to), str(b), int(move)


def _trimmed(cells: Mapping[int, str], blank: str) -> tuple[int, tuple[str, ...]]:
    used = sorted(i for i, a in cells.items() if a != blank)
    if not used:
        return 0, ()
    low, high = used[0], used[-1]
    return low, tuple(cells.get(i, blank) for i in range(low, high + 1))


def replayed(tape: Sequence[str], trace: Sequence[Row], *, q0: str, blank: str = "_") -> Run:
    """The run that a trace describes, checked row by row without the machine.

    Its `halted` is False: only the machine knows its halting states.

    Raises ValueError for a row whose state, head or symbol is not what the rows before it left.
    """
    cells = dict(enumerate(tape))
    state, head = q0, 0
    for i, row in enumerate(trace):
        there = (state, head, cells.get(head, blank))
        if (row.q, row.head, row.a) != there:
            msg = (
                f"row {i} stands in {(row.q, row.head, row.a)} (state, head, symbol), but the rows "
                f"before it lead to {there}"
            )
            raise ValueError(msg)
        cells[head] = row.b
        state, head = row.to, head + row.move
    first, kept = _trimmed(cells, blank)
    return Run(len(trace), False, state, head, kept, first, tuple(trace))


def random_machine(rng: Any, states: int, symbols: int) -> dict[str, tuple[str, str, int]]:
    """A machine that never halts by itself: all states * symbols transitions drawn evenly.

    rng : `numpy.random.Generator`; states are "q0", ..., symbols "_" (blank), "1", "2", ...
    """
    alphabet = ("_", *map(str, range(1, symbols)))
    delta = {}
    for i in range(states):
        for a in alphabet:
            to, b, move = (int(rng.integers(n)) for n in (states, symbols, len(MOVES)))
            delta[f"q{i},{a}"] = (f"q{to}", alphabet[b], MOVES[move])
    return delta


def learned(runs: Sequence[Run]) -> dict[str, tuple[str, str, int]]:
    """The transitions that some runs show: a machine that is run as any other.

    It reproduces every run that visits no other entry, however long.
    """
    return {f"{r.q},{r.a}": (r.to, r.b, r.move) for run in runs for r in run.trace}
