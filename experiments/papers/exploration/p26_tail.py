"""TAIL: traces of programs, what a table learns from them, and a verifier that pays them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.core.work import UPDATE, spend
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import (
    SAMPLED,
    apart,
    beyond,
    deviation,
    mean_error,
    missed,
    sampled,
)
from toyrl.experiments.lab.shared import shared
from toyrl.experiments.papers.exploration.p26_training import (
    LEARNS,
    PREFIX,
    READY,
    SILENT,
    START,
    STAYS,
    training,
)
from toyrl.graders.traces import bag_score, prefix_score
from toyrl.theory.traces.coverage import (
    addition_coverage,
    addition_success,
    compounded,
    key_coverage,
    keys_until_all,
    position_coverage,
    step_error_allowed,
    table_shares,
)
from toyrl.theory.traces.verifier import FORMS, trace_cost
from toyrl.worlds.text.prose import count_tokens
from toyrl.worlds.traces.addition import cost, drawn, text
from toyrl.worlds.traces.learners import UNSEEN, VARIANTS, TableLearner, examples
from toyrl.worlds.traces.machine import Run, learned, random_machine, replayed, run_tm
from toyrl.worlds.traces.states import Trace, corruptions, functions
from toyrl.worlds.traces.tasks import TASKS

TESTS, LENGTHS, LONGEST, N = 500, (10, 20, 40), 10, 2000
SAME = "a: runs ten times longer, steps on which the learned machine differs"
REPLAY = "a: final tapes of those runs, rows replayed against the machine"
WHOLE = "b: 2,000 examples, full trace: failures at lengths 10, 20, 40"
PLACED = "b: 2,000 examples, no fetcher: success at length 10"
BEYOND = "b: 2,000 examples, no fetcher: successes at lengths 20 and 40"
OTHERS = "b: 2,000 examples, blocks of 2 and whole inputs: most successes, of 500"
COVER = "c: 100 examples: coverage of tables against its exact mean, standard errors"
ROUGH = "c: 100 examples: coverage against the formula of uniform keys, apart by"
NEAR = "c: 100 examples: success at 10, 20, 40 against coverage^n, most apart"
TABLE = "c: one table: success at 10, 20, 40, sampled against its chain of carries, errors"
PLACES = "c: no fetcher: coverage by place and carry, sampled against its mean, errors"
COUPON = "c: uniform keys until all 200 are known, mean"
ERRORS = "c: states wrong with the chance allowed for 0.9 at 40 states: success"
LOCAL = "d: states of 18 programs that are no function of what they fetch"
FINITE = "d: programs over a finite alphabet: long traces that short ones don't suffice for"
GROWS = "d: programs whose operands grow with the input: most of the long traces that they do"
LOWERS = "e: wrong traces of 18 programs that the verifier pays in full"
ONLY = "e: right traces of 18 programs that it doesn't"
UNEARNED = "e: states behind a wrong first one: most that is paid for them"
TOKENS = "e: tokens of six formats, closed form against text, misses"
ALPHABET = ("addition", "increment", "parity", "remainder")
"""Programs whose operands are digits, bits, carries, states of a machine, a remainder."""


# -- a: machines -----------------------------------------------------------------------------------
def by_symbol(runs: Sequence[Run]) -> dict[str, tuple[str, str, int]]:
    """Mutant: the state is not fetched, so that any state's last answer to a symbol is used."""
    full = learned(runs)
    last = {key.split(",")[1]: value for key, value in full.items()}
    return {key: last[key.split(",")[1]] for key in full}


def machines(rng: Any, key: str) -> Items:
    """Random machines of 12 entries, learned from runs of 20 steps."""
    learn = pick({"state and symbol": learned, "symbol": by_symbol}, key)
    differs, tapes = [], []
    for delta in [random_machine(rng, 4, 3) for _ in range(10)]:
        tape = ["".join(row) for row in np.array(["_", "1", "2"])[rng.integers(3, size=(80, 30))]]
        begin = [f"q{i % 4}" for i in range(80)]
        short = [run_tm(delta, t, q, "end", max_steps=20) for t, q in zip(tape, begin, strict=True)]
        known = learn(short)
        for t, q in list(zip(tape, begin, strict=True))[:20]:
            run = run_tm(delta, t[::-1], q, "end", max_steps=200)
            other = run_tm({**delta, **known}, t[::-1], q, "end", max_steps=200)
            differs.append(sum(x != y for x, y in zip(run.trace, other.trace, strict=True)))
            again = replayed(t[::-1], other.trace, q0=q)
            tapes.append((again.tape, again.first, again.head) == (run.tape, run.first, run.head))
        spend(80 * 20 * 10 + 20 * 600 * 10)
        differs.append(12 - len(known))  # every entry was visited
    yield missed(SAME, differs, np.zeros(len(differs)), ("learned table", "machine"))
    yield missed(REPLAY, tapes, np.ones(len(tapes)), ("rows replayed", "machine"))


# -- b: four keys ----------------------------------------------------------------------------------
@shared
def success(variant: str, n: int, longest: int, tables: int, seed: int) -> np.ndarray:
    """(tables, lengths) share of additions of each length that tables of n examples get right."""
    rng, out = draws(seed, n, tables), []
    for made in [examples(rng, n, longest) for _ in range(tables)]:
        table = TableLearner(variant).fit(*made)
        out.append([table.success(*drawn(rng, TESTS, length)).mean() for length in LENGTHS])
        spend(n * longest + TESTS * sum(LENGTHS))
    return np.array(out)


def keys(swaps: dict[str, str], longest: int, seed: int) -> Items:
    """Success of the four learners after N examples; longest : digits of training."""
    got = {v: success(swaps.get(v, v), N, longest, 1, seed)[0] for v in VARIANTS}
    seen = addition_coverage(10, N, tuple(range(1, LONGEST + 1)), known=True)
    want = [round(TESTS * addition_success(10, seen, length)) for length in LENGTHS]
    yield missed(WHOLE, np.rint(TESTS * got["tail"]), want, SAMPLED)
    by_place = position_coverage(10, N, LONGEST)
    here, error = got["position"][0], np.sqrt(0.25 / TESTS)
    yield beyond(PLACED, float(here), float(error), 0.2, ">", SAMPLED)
    none = [addition_success(10, by_place, length) for length in LENGTHS[1:]]
    yield missed(BEYOND, got["position"][1:], none, SAMPLED)
    wide = addition_coverage(100, N, (1, 2, 3, 4, 5), known=True)
    seen_whole = key_coverage(1e20, N / LONGEST)[0]
    told = max(addition_success(100, wide, LENGTHS[0] // 2), seen_whole)
    most = TESTS * max(got["block"].max(), got["input"].max(), told)
    yield Check(OTHERS, float(most), 0.01 * TESTS, routes=("sampled", "key counts"))
    lengths = list(range(2, 41, 2))
    curve = {
        "full trace": [addition_success(10, seen, n) for n in lengths],
        "no fetcher": [max(addition_success(10, by_place, n), 1e-12) for n in lengths],
    }
    curve["blocks of 2"] = [max(addition_success(100, wide, n // 2), 1e-12) for n in lengths]
    curve["whole input"] = [
        max(key_coverage(float(10) ** (2 * n), N / LONGEST * (n <= LONGEST))[0], 1e-12)
        for n in lengths
    ]
    found = [(n, x) for v in VARIANTS for n, x in zip(LENGTHS, got[v], strict=True) if x > 0]
    dots = {"sampled, where any is right": ([n for n, _ in found], [x for _, x in found])}
    yield lines("lengths", "Success beyond the training lengths", ("length", "success"),
                {**curve, **dots}, x=lengths, points=tuple(dots), log_y=True,
                caption="2,000 additions of 1 to 10 digits; 1e-12: that or 0.")  # fmt: skip


# -- c: closed forms -------------------------------------------------------------------------------
@shared
def tables(n: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """((count, 10, 10, 2) known keys of tables of n examples, (count, 10, 2) shares by place)."""
    rng, known, placed = draws(seed, 26, n), [], []
    for made in [examples(rng, n, LONGEST) for _ in range(count)]:
        full = TableLearner("tail").fit(*made).known
        known.append((full != UNSEEN).reshape(10, 10, 2))
        place = TableLearner("position").fit(*made).known
        place = np.pad(place, ((0, LONGEST - len(place)), (0, 0)), constant_values=UNSEEN)
        placed.append((place != UNSEEN).reshape(LONGEST, 100, 2).mean(1))
        spend(4 * n * LONGEST + UPDATE)
    return np.array(known), np.array(placed)


def closed(count: int, first: str, allowed: str, chain: str, seed: int) -> Items:
    """Coverage and success; first, allowed : formulas, broken by mutants."""
    lengths = tuple(range(1, LONGEST + 1))
    known, placed = tables(100, count, seed)
    cover = known.mean((1, 2, 3))
    formulas = {
        "carry 0": addition_coverage(10, 100, lengths),
        "any carry": key_coverage(200, 550)[0],
        "every length the longest": addition_coverage(10, 100, (LONGEST,)),
    }
    exact = pick(formulas, first)
    mean, error = mean_error(cover)
    yield deviation(COVER, [mean], [error], [exact], SAMPLED)
    shares = [table_shares(10, k) for k in known[:30]]
    rough = key_coverage(200, 550 if first != "every length the longest" else 1000)
    yield apart(ROUGH, [cover[:30].mean()], [rough[0]], 0.02, SAMPLED)
    each = np.array([[addition_success(10, s, n) for n in LENGTHS] for s in shares])
    power = [rough[0] ** n for n in LENGTHS]
    yield apart(NEAR, each.mean(0), power, 0.05, ("chain of carries", "coverage^n"))
    rng = draws(seed, 27)
    one = TableLearner("tail").learn(*_of(known[0]))
    tests = [one.success(*drawn(rng, 4000, n)) for n in LENGTHS]
    spend(4000 * sum(LENGTHS))
    moments = np.array([mean_error(t) for t in tests])
    route = pick(
        {"by carry": each[0], "no carry": [shares[0][0].mean() ** n for n in LENGTHS]}, chain
    )
    yield deviation(TABLE, moments[:, 0], moments[:, 1], route, SAMPLED)
    want = position_coverage(10, 100, LONGEST)[..., 0]
    if first == "any carry":
        want = np.repeat(want.mean(-1, keepdims=True), 2, axis=-1)
    spread = placed.std(0) / np.sqrt(count)
    live = want > 0  # the carry into place 0 is never 1
    yield deviation(PLACES, placed.mean(0)[live], spread[live], want[live], SAMPLED, sigmas=5)
    order = rng.integers(200, size=(count, 3500))
    spend(order.size)
    when = [np.unique(row, return_index=True)[1].max() + 1 for row in order]
    total = {"all": keys_until_all(200), "last": 200.0}
    yield sampled(COUPON, when, total["last" if allowed == "s/n" else "all"])
    eps = pick({"root": step_error_allowed(0.9, 40), "s/n": 0.9 / 40}, allowed)
    fine = (rng.random((4000, 40)) >= eps).all(-1)
    yield sampled(ERRORS, fine, compounded(step_error_allowed(0.9, 40), 40))
    counts = [12, 25, 37, 50, 75, 100, 150, 200, 400]
    few = {n: tables(n, 20, seed)[0].mean((1, 2, 3)) for n in counts}
    yield lines("coverage", "Keys that N examples show", ("examples", "coverage"), {
        "exact": [addition_coverage(10, n, lengths) for n in counts],
        "uniform keys": [key_coverage(200, 5.5 * n)[0] for n in counts],
        "20 tables": [few[n].mean() for n in counts],
    }, x=counts, dashed=("uniform keys",), points=("20 tables",),
        caption="200 keys; the first carry is always 0, so that keys are not uniform.")  # fmt: skip


def _of(known: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keys, outputs and places of the states of a table (10, 10, 2)."""
    a, b, c = np.nonzero(known)
    total = a + b + c
    return (a * 10 + b) * 2 + c, 2 * (total % 10) + total // 10, 0 * a


# -- d, e: programs and their verifier -------------------------------------------------------------
def unfetched(trace: Trace) -> Trace:
    """Mutant: the operands are left out."""
    return replace(trace, states=tuple(replace(s, fetch=()) for s in trace.states))


def traces(where: str, count: int, seed: int) -> dict[str, list[Trace]]:
    """`count` traces of each program, over a finite alphabet five times as many; where : S or L."""
    made = {
        name: [t.trace(t.sample(where, 10_000 * seed + i))
               for i in range(count * (5 if name in ALPHABET else 1))]
        for name, t in TASKS.items()
    }  # fmt: skip
    spend(20 * sum(len(t.states) for group in made.values() for t in group))
    return made


def programs(fetcher: str, tested: str, seed: int) -> Items:
    """Locality of all programs, and which of them a table carries to long inputs."""
    change = pick({"on": lambda t: t, "off": unfetched}, fetcher)
    short = {k: [change(t) for t in v] for k, v in traces("S", 200, seed).items()}
    long = {k: [change(t) for t in v] for k, v in traces(tested, 20, seed + 1).items()}
    both = {k: functions([*short[k], *long[k]]) for k in TASKS}
    yield missed(LOCAL, [len(v) for v in both.values()], np.zeros(len(TASKS)),
                 ("two states compared", "programs"))  # fmt: skip
    rows, fails = [], {}
    for name, task in TASKS.items():
        known = {(s.op, s.fetch): s.out for t in short[name] for s in t.states}
        right = [[known.get((s.op, s.fetch)) == s.out for s in t.states] for t in long[name]]
        fails[name] = sum(not all(r) for r in right)
        share = sum(map(sum, right)) / max(1, sum(map(len, right)))
        size = [np.mean([len(t.states) for t in group[name]]) for group in (short, long)]
        rows.append([name, task.kind + (" (from memory)" if task.from_memory else ""), *size,
                     len(known), share, 1 - fails[name] / len(right)])  # fmt: skip
    yield missed(FINITE, [fails[k] for k in ALPHABET], np.zeros(4), ("table of short", "long"))
    rest = [1 - v / len(long[k]) for k, v in fails.items() if k not in ALPHABET]
    yield Check(GROWS, max(rest), 0.7, "<", routes=("table of short", "long"))
    columns = ("program", "class", "states, short", "states, long", "keys of the short ones",
               "known of the states, long", "long traces whole")  # fmt: skip
    yield Table("18 programs", columns, rows)


def verifier(score: Callable[..., float], count: str, seed: int) -> Items:
    """Every corruption of a trace of every program; what a wrong start costs; tokens."""
    paid, whole, unearned = [], [], []
    for group in traces("S", 2, seed + 2).values():
        for trace in group:
            own = list(trace.lines)
            if not own:
                continue
            whole.append(score(own, own) == 1)
            paid += [score(list(bad), own) >= 1 for _, bad in corruptions(trace)]
            unearned.append(score([f"{own[0]} x", *own[1:]], own))
    spend(20 * len(paid))
    yield missed(LOWERS, paid, np.zeros(len(paid)), ("verifier", "fields changed"))
    yield missed(ONLY, whole, np.ones(len(whole)), ("verifier", "program"))
    yield Check(UNEARNED, float(max(unearned)), 0.0, "==", routes=("verifier", "first state wrong"))
    lengths = (2, 4, 10, 20, 40, 100)
    found = [[COUNTS[count](f, n) for n in lengths] for f in FORMS]
    want = [[trace_cost(f, n) for n in lengths] for f in FORMS]
    yield missed(TOKENS, found, want, ("closed form", "text counted"))
    yield Table("tokens of an addition", ("format", *map(str, lengths)),
                [[f, *row] for f, row in zip(FORMS, found, strict=True)])  # fmt: skip
    yield Table("published: big-integer addition, accuracy in percent", ("method", "S", "M", "L"),
                [["TAIL", 97.0, 92.5, 86.5], ["Index Hint", 57.0, 34.5, 24.0],
                 ["Reversed Format", 39.5, 35.5, 35.0]])  # fmt: skip


SCORES = {
    "prefix": prefix_score,
    "bag": bag_score,
    "from 1": lambda written, program: prefix_score(written, program[1:]),
}
COUNTS = {
    "digits": cost,
    "merged": lambda form, n: count_tokens(text(form, [5] * n, [5] * n)),
}


@experiment(
    "26",
    card="26",
    slug="tail",
    claim="A learner that is shown traces of atomic states with their operands knows a number of "
    "keys that does not grow with the input, and is right at any length; without the operands it "
    "fails on the first place it has not seen, with larger steps or none it needs more data than "
    "there is. The longest correct prefix teaches where the outcome is never seen.",
    source="section 3 and ablations by a public note; table learners, closed forms and the "
    "verifier derived; the 7B runs are not here",
    provenance="derived",
    smoke={"count": 50, "updates": 270},
    mutants=(
        Mutant("the state is not fetched", {"key": "symbol", "parts": ["machines"]},
               (SAME, REPLAY)),
        Mutant("the place is part of the key",
               {"swaps": {"tail": "position"}, "parts": ["keys"]}, (WHOLE,)),
        Mutant("the place is left out of the key",
               {"swaps": {"position": "tail", "block": "tail"}, "parts": ["keys"]},
               (BEYOND, OTHERS)),
        Mutant("trained on one digit alone", {"longest": 1, "parts": ["keys"]}, (WHOLE, PLACED)),
        Mutant("keys taken as uniform", {"first": "any carry", "parts": ["closed"]},
               (COVER, PLACES)),
        Mutant("every example counted as the longest",
               {"first": "every length the longest", "parts": ["closed"]}, (COVER, ROUGH, NEAR)),
        Mutant("the error shared out evenly", {"allowed": "s/n", "parts": ["closed"]},
               (COUPON, ERRORS)),
        Mutant("the carry forgotten", {"chain": "no carry", "parts": ["closed"]}, (TABLE,)),
        Mutant("tested on the lengths of training", {"tested": "S", "parts": ["programs"]},
               (GROWS,)),
        Mutant("states counted from 1", {"score": "from 1", "parts": ["verifier"]}, (ONLY,)),
        Mutant("digits merged by the tokenizer", {"tokenizer": "merged", "parts": ["verifier"]},
               (TOKENS,)),
        Mutant("the outcome pays prefixes too",
               {"sparse": "both", "dense": "both", "updates": 250, "parts": ["training"]},
               (SILENT, STAYS)),
        Mutant("the full trace's table with the place in its key",
               {"ready": "position", "updates": 2, "parts": ["training"]}, (READY,)),
        Mutant("no fetcher", {"fetcher": "off", "parts": ["programs"]}, (LOCAL, FINITE)),
        Mutant("states paid wherever they stand", {"score": "bag", "parts": ["verifier"]},
               (LOWERS, UNEARNED)),
        Mutant("the outcome in the prefix's place",
               {"dense": "outcome", "updates": 60, "parts": ["training"]}, (LEARNS,)),
        Mutant("a guess of the digit alone",
               {"guess": "digit alone", "updates": 2, "parts": ["training"]}, (START, PREFIX)),
    ),
)  # fmt: skip
def run(
    *,
    key: str = "state and symbol",
    swaps: dict[str, str] | None = None,
    longest: int = LONGEST,
    first: str = "carry 0",
    allowed: str = "root",
    chain: str = "by carry",
    fetcher: str = "on",
    tested: str = "L",
    score: str = "prefix",
    tokenizer: str = "digits",
    dense: str = "prefix",
    sparse: str = "outcome",
    guess: str = "even",
    ready: str = "tail",
    count: int = 200,
    updates: int = 300,
    parts: Sequence[str] = ("machines", "keys", "closed", "programs", "verifier", "training"),
    seed: int = 0,
) -> Result:
    """Machines, four keys, closed forms, 18 programs, their verifier, tables as policies.

    count : tables for means; updates : of the training; longest : digits of training examples
    key, swaps, first, allowed, chain, fetcher, tested, score, tokenizer, dense, sparse, guess,
        ready : for mutants; parts : which to run
    """
    own = {
        "machines": lambda: machines(draws(seed, 1), key),
        "keys": lambda: keys(swaps or {}, longest, seed),
        "closed": lambda: closed(count, first, allowed, chain, seed),
        "programs": lambda: programs(fetcher, tested, seed),
        "verifier": lambda: verifier(pick(SCORES, score), tokenizer, seed),
        "training": lambda: training(dense, sparse, guess, ready, updates, seed),
    }
    return run_parts(own, parts, (
        "Four of the 18 programs work over a finite alphabet. The others fetch numbers that grow "
        "with the input: a table of their states stops there, until their operations are broken "
        "down to digits too.",
        "coverage^n is too high in coverage (the first carry is 0) and too low in success (states "
        "of one input share keys); the two errors partly cancel.",
    ))  # fmt: skip
