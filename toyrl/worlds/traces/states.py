"""Atomic states: what is fetched, one operation, its result, and where it goes on.

    #0 | fetch 7 5 0 | add -> 2 1 | goto #1
    #1 | fetch 4 8 1 | add -> 3 1 | goto #2
    #2 | fetch 1 | carry -> 1 | halt
    #### 132

Loops are unrolled: the states stand in the order in which they run (linear transition), each does
one operation (atomic state) on operands that it prints first (memory fetcher). The result is a
function of operation and operands alone, whatever stood before: `functions` finds where it isn't.

Source: paper 26, modules of section 3 as quoted in a public note; this text form is ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

LINE = re.compile(
    r"#(?P<at>\d+) \| fetch(?P<fetch>(?: [^ |]+)*) \| (?P<op>[^ |]+) ->(?P<out>(?: [^ |]+)*)"
    r" \| (?:goto #(?P<to>\d+)|halt)"
)
PIECE = re.compile(r"\d|[^\W\d]+|[^\w\s]")
"""A token of `tokens`: one digit, one word, or one sign."""


@dataclass(frozen=True)
class State:
    """One atomic state; all words without spaces and bars.

    op : the operation; fetch : its operands; out : its results
    """

    op: str
    fetch: tuple[str, ...]
    out: tuple[str, ...]

    def line(self, at: int, *, halts: bool) -> str:
        """The state as text, `at` its number from 0."""
        control = "halt" if halts else f"goto #{at + 1}"
        fetch, out = (" ".join(("", *v)) for v in (self.fetch, self.out))
        return f"#{at} | fetch{fetch} | {self.op} ->{out} | {control}"


@dataclass(frozen=True)
class Trace:
    """What a program prints: its states in order, and its answer."""

    states: tuple[State, ...]
    answer: str

    @property
    def lines(self) -> tuple[str, ...]:
        """The states as text, one line each; the last one halts."""
        last = len(self.states) - 1
        return tuple(s.line(i, halts=i == last) for i, s in enumerate(self.states))

    @property
    def text(self) -> str:
        """Lines and marked answer, as a completion."""
        return "\n".join((*self.lines, f"#### {self.answer}"))


def words(*values: object) -> tuple[str, ...]:
    """Values as words of a state; a list or a tuple is written without spaces, empty as ()."""
    return tuple(
        f"({','.join(map(str, v))})" if isinstance(v, (list, tuple)) else str(v) for v in values
    )


def tokens(text: str) -> int:
    """Digits, words and signs of a text: a tokenizer that merges no digits, as the form needs."""
    return len(PIECE.findall(text))


def functions(traces: Iterable[Trace]) -> list[tuple[State, State]]:
    """Pairs of states of one operation on the same operands with other results; [] is right.

    What a table of (operation, operands) can't learn: its states do not mention all that they use.
    """
    seen: dict[tuple[str, tuple[str, ...]], State] = {}
    found = []
    for trace in traces:
        for state in trace.states:
            first = seen.setdefault((state.op, state.fetch), state)
            if first.out != state.out:
                found.append((first, state))
    return found


def corruptions(trace: Trace) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(what was done, lines) of wrong traces: each field of each state once, states left out,
    written twice, exchanged, and one behind the end."""
    own = trace.lines
    last = len(own) - 1
    for i, state in enumerate(trace.states):
        for field, line in _broken(state, i, halts=i == last):
            yield f"state {i}: {field}", (*own[:i], line, *own[i + 1 :])
        yield f"state {i} left out", (*own[:i], *own[i + 1 :])
        yield f"state {i} twice", (*own[: i + 1], *own[i:])
        if i < last:
            yield f"states {i} and {i + 1} exchanged", (*own[:i], own[i + 1], own[i], *own[i + 2 :])
    if own:
        yield "one behind the end", (*own, trace.states[-1].line(last + 1, halts=True))


def _broken(state: State, at: int, *, halts: bool) -> Iterator[tuple[str, str]]:
    for name in ("fetch", "out"):
        values: Sequence[str] = getattr(state, name)
        for k, value in enumerate(values):
            other = (*values[:k], f"{value}'", *values[k + 1 :])
            yield f"{name} {k}", replace(state, **{name: other}).line(at, halts=halts)
    yield "operation", replace(state, op=f"{state.op}'").line(at, halts=halts)
    yield "number", state.line(at + 1, halts=halts)
    yield "control", state.line(at, halts=not halts)
