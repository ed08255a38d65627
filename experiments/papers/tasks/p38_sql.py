"""Reasoning-SQL: partial rewards cure sparsity, and what each of them alone would teach."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from toyrl.experiments.core import Mutant, Result, Table, experiment
from toyrl.experiments.lab.bandits import follow
from toyrl.experiments.lab.curves import lines, root
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.groups import picked
from toyrl.experiments.lab.hacked import Hacked, who_hacks_what
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import (
    CLOSED,
    ENUMERATED,
    SIMULATED,
    alone,
    apart,
    same,
    sampled,
)
from toyrl.experiments.papers.tasks import p38_queries as toy
from toyrl.graders.base import TextRow
from toyrl.graders.sql.query import ReasoningSql
from toyrl.theory.group.spread import group_spread
from toyrl.theory.policies import softmax
from toyrl.theory.sql.partials import (
    execution_threshold,
    guaranteed_margin,
    link_scores,
    ngram_after_edit,
    updates_to_first_signal,
)

Array = Any
G, GROUPS, AIM, CHEAT = 6, 4, 0.9, 0.7
SHOW = 251  # updates in the picture
SHOWN = {
    toy.GOLD: "the gold query", toy.SWAPPED: "conditions exchanged", toy.COMMA: "comma join",
    toy.NESTED: "nested query", toy.HARD: "hard-coded ids", toy.OFF: "wrong constant",
    toy.DUMP: "column dump", toy.ONE: "SELECT 1", toy.BROKEN: "broken", toy.WORDS: "plain English",
}  # fmt: skip
ONLY_ONE = "a: `SELECT 1` is among the maximisers of syntax alone"
DUMPED = "a: the column dump is among the maximisers of recall alone, less those of Jaccard alone"
WORST = "a: worst utility among the maximisers of syntax, recall, Jaccard and execution alone"
HARDEST = "a: the hard-coded answer is among the maximisers of execution alone"
VERBATIM = "a: maximisers of the n-gram score alone that are not the gold query"
LINKS = "a: recall and Jaccard of six queries against m/g and m/(g + e), largest gap"
WORDING = "a: n-gram scores of six queries against (N - k)/(N + k), largest gap"
PUNISHED = "a: n-gram score of a wrong constant less that of the better rewrite"
TOTALS = "a: sums of six queries by the reward and by hand, largest gap"
ORDER = "a: least sum of a right query less the largest of a wrong one"
JUDGED = "a: the same with a judge that is fooled"
STACKED = "a: judge's number paid to right queries"
SWEPT = "a: execution weight from which the order holds, root and closed form"
ATTAINED = "a: execution weight at which the worst pair is level, root and closed form"
LATENT = "b: of the 6 queries that execution pays, right on other rows"
SILENT = "b: P(a group carries a signal), execution alone"
DENSE = "b: the same for the sum of partials"
WAIT = "b: updates before execution alone first moves the uniform policy"
FASTER = "b: median updates to 0.9, the sum over execution alone"
NEVER = "b: runs under syntax alone or recall alone that reach 0.9"
REWARDS = ("execution alone", "the sum", "syntax alone", "recall alone", "partials alone")
enumerated = alone(ENUMERATED, "all queries are run and compared")
trained = alone("training", "a run of training has no closed form")


# -- (a) who hacks what ----------------------------------------------------------------------------
def sums(x: np.ndarray, schema: str, w_execution: float, judge: Array = 0.0) -> np.ndarray:
    """(K,) rewards from the parts (K, 5), the judge's number added as given."""
    column = {"recall": 2, "jaccard": 3}[schema]
    return w_execution * x[:, 0] + judge + x[:, 1] + x[:, column] + x[:, 4]


def fooled(x: np.ndarray, w_judge: float, stacked: bool = False) -> np.ndarray:
    """(K,) what a judge gives that takes likeness for truth; stacked: to right queries too."""
    return w_judge * (x[:, 4] >= CHEAT) * (1.0 if stacked else x[:, 0] == 0)


def hacked(x: np.ndarray, utility: np.ndarray, schema: str) -> Hacked:
    """The 153 queries under each part and the sum."""
    rewards = {"syntax": x[:, 1], "recall": x[:, {"recall": 2, "jaccard": 3}[schema]],
               "Jaccard": x[:, 3], "n-grams": x[:, 4], "execution": x[:, 0],
               "the sum": sums(x, schema, 3.0)}  # fmt: skip
    return who_hacks_what([SHOWN.get(q, q) for q in toy.arms()], rewards, utility)


def hacks(schema: str, n: int, other_rows: bool, twice: bool, gated: bool) -> Items:
    """Maximisers of each part, held against being right on other rows too.

    twice : mutant, execution asks for the other rows as well; gated : mutant, syntax times recall
    """
    queries = toy.arms()
    x = toy.measured(queries, toy.DDL, n).copy()
    again = toy.measured(queries, toy.FRESH if other_rows else toy.DDL, n)[:, 0]
    truth = x[:, 0] * again
    x[:, 0] *= again if twice else 1
    x[:, 1] *= x[:, 2] if gated else 1
    found = hacked(x, truth, schema)
    dump = SHOWN[toy.DUMP]
    yield enumerated(ONLY_ONE, SHOWN[toy.ONE] in found.who("syntax"), 1, "==")
    told = (dump in found.who("recall")) - (dump in found.who("Jaccard"))
    yield enumerated(DUMPED, told, 1, "==")
    worst = dict(zip(found.rewards, found.worst, strict=True))
    names = ("syntax", "recall", "Jaccard", "execution")
    yield enumerated(WORST, max(worst[k] for k in names), 0, "==")
    yield enumerated(HARDEST, SHOWN[toy.HARD] in found.who("execution"), 1, "==")
    yield enumerated(VERBATIM, len(set(found.who("n-grams")) - {SHOWN[toy.GOLD]}), 0, "==")
    yield found.table(caption="153 queries; utility: right on these rows and on others.")
    yield found.picture("hacked", "What each part alone takes for a good query", "Ten of the 153 "
                        "queries. Utility: right on these rows and on others.",
                        shown=list(SHOWN.values()))  # fmt: skip
    yield from scores(schema, n)


def scores(schema: str, n: int) -> Items:
    """Numbers of six queries by the grader and by counting names and bigrams."""
    names = (toy.GOLD, toy.SWAPPED, toy.COMMA, toy.NESTED, toy.HARD, toy.OFF)
    x = toy.measured(names, toy.DDL, n)
    # Names: name, age, title, id, dept_id, student, dept. Bigrams of 16: exchanging the conditions
    # breaks 3 and the last word 1; the rewrites and the hard-coded query by their common ones.
    linked = [link_scores(7, m, e) for m, e in ((7, 0), (7, 0), (7, 0), (7, 0), (3, 0), (7, 0))]
    words = [1.0, ngram_after_edit(16, 3), 8 / 23, 7 / 21, 3 / 21, ngram_after_edit(16, 1)]
    want = np.array([[1, 1, *pair, word] for pair, word in zip(linked, words, strict=True)])
    want[-1, 0] = 0
    routes = ("grader", "counted by hand")
    both = x[:, [{"recall": 2, "jaccard": 3}[schema], 3]]
    dump = toy.measured((toy.DUMP,), toy.DDL, n)[0, [{"recall": 2, "jaccard": 3}[schema], 3]]
    yield apart(LINKS, [*both, dump], [*linked, link_scores(7, 7, 1)], 1e-12, routes)
    yield apart(WORDING, x[:, 4], words, 1e-12, routes)
    yield enumerated(PUNISHED, x[5, 4] - x[2, 4], 0.5, ">")
    yield apart(TOTALS, sums(x, schema, 3.0), want[:, [0, 0, 0, 1, 2, 4]].sum(1), 1e-12, routes)


def order(w_execution: float, w_judge: float, stacked: bool, swept_judge: bool) -> Items:
    """The order of right and wrong queries, without a judge and with one that is fooled.

    swept_judge : mutant, the closed form forgets the judge
    """
    x = toy.measured(toy.arms(), toy.DDL, 2)
    right = x[:, 0] == 1

    def gap(w: float, judge: Array = 0.0) -> float:
        total = sums(x, "recall", w, judge)
        return float(total[right].min() - total[~right].max())

    told = fooled(x, w_judge, stacked)
    yield enumerated(ORDER, gap(w_execution), 0, ">")
    yield enumerated(JUDGED, gap(w_execution, told), 0, "<")
    yield enumerated(STACKED, float(told[right].max()), 0, "==")
    partials = sums(x, "recall", 0.0)
    swept = root(lambda w: gap(w, told if swept_judge else 0.0), 0, 6)
    yield same(SWEPT, swept, execution_threshold(partials, right), 1e-9)
    # The worst pair: a right query that shares no name and no bigram with the gold one, and a wrong
    # one that shares all, because bigrams are made of words and a comparison is none.
    pair = toy.measured((toy.UNREAD, toy.TURNED), toy.DDL, 2)
    level = root(lambda w: float(np.diff(sums(pair, "recall", w, np.array([0, w_judge])))[0]), 0, 9)
    closed = root(lambda w: guaranteed_margin(w, 2.0, 1.0, 1.0), 0, 9)
    yield same(ATTAINED, level, closed, 1e-9, (CLOSED, "grader"))
    grid = np.linspace(0, 6, 61)
    curves = {
        "no judge": [gap(w) for w in grid],
        "judge that is fooled": [gap(w, fooled(x, 2.0)) for w in grid],
        "worst pair there is, with a judge": [guaranteed_margin(w, 2.0, 1.0, 1.0) for w in grid],
    }
    yield lines("margin", "What execution has to weigh",
                ("weight of execution", "least right less largest wrong reward"), curves,
                x=grid.tolist(), dashed=["worst pair there is, with a judge"],
                caption="153 queries; above 0 every right query outranks every wrong one. "
                "Released: 3.")  # fmt: skip
    yield edges()


def edges() -> Table:
    """Odd rows under the released settings and under the sound ones."""
    sound: dict[str, Any] = {"select": "any", "quotes": "keep", "empty": "equal", "bare": "equal",
             "judge_read": "number", "format": "strict"}  # fmt: skip
    none = "SELECT name FROM student WHERE age > 99"
    cases = {
        "neither query gives a row": (none, none, ""), "select in lower case":
        ("select name from student", "SELECT name FROM student", ""),
        "identifier in double quotes":
        ('SELECT "name" FROM student', "SELECT name FROM student", ""),
        "no table, no column": (toy.ONE, toy.ONE, ""), "judge says 2/2": (toy.OFF, toy.GOLD, "2/2"),
        "judge says 9": (toy.OFF, toy.GOLD, "9"), "a query that writes":
        ("DELETE FROM student", toy.GOLD, ""), "no text at all": ("", toy.GOLD, ""),
    }  # fmt: skip
    rows = []
    for name, (text, gold, said) in cases.items():
        row = TextRow("", text, {"answer": gold, "ddl": toy.DDL, "judge": said})
        pair = [f for r in (ReasoningSql(), ReasoningSql(**sound)) for f in r.grade_parts([row])]
        rows.append([name, *(f.parts[k] for k in ("execution", "judge", "syntax", "schema")
                             for f in pair)])  # fmt: skip
    columns = [f"{k}{s}" for k in ("execution", "judge", "syntax", "schema")
               for s in (", released", ", sound")]  # fmt: skip
    return Table("odd rows", ("row", *columns), rows)


# -- (b) sparsity and learning ---------------------------------------------------------------------
def by_name(x: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """(R, 1536) rewards of the grammar's queries from their parts."""
    rules = {"execution alone": 3 * x[:, 0], "the sum": sums(x, "recall", 3.0),
             "syntax alone": x[:, 1], "recall alone": x[:, 2],
             "partials alone": sums(x, "recall", 0.0)}  # fmt: skip
    return np.array([pick(rules, name) for name in names])


def chances(x: np.ndarray, names: Sequence[str], updates: int, runs: int, seed: int) -> np.ndarray:
    """(updates + 1, R, runs) exact chance of a right query, a softmax in each of four slots."""
    reward = by_name(x, names).reshape(-1, *toy.SHAPE)
    right = x[:, 0].reshape(toy.SHAPE)
    cuts, rng, shape = np.cumsum(toy.SHAPE)[:-1], draws(seed), (len(names), runs)
    which = np.arange(len(names))[:, None, None, None]

    def step(z: np.ndarray, _: int) -> np.ndarray:
        policies = [softmax(part) for part in np.split(z, cuts, axis=-1)]
        flat = [picked(pi, rng.random((*shape, GROUPS * G))) for pi in policies]
        chosen = [a.reshape(*shape, GROUPS, G) for a in flat]
        paid = reward[(which, *chosen)]
        spread = paid.std(-1, ddof=1, keepdims=True) + 1e-4
        a = ((paid - paid.mean(-1, keepdims=True)) / spread).reshape(*shape, -1)
        change = [
            (a[..., None] * (np.arange(k) == own[..., None])).mean(-2) - pi * a.mean(-1)[..., None]
            for k, own, pi in zip(toy.SHAPE, flat, policies, strict=True)
        ]
        return z + np.concatenate(change, axis=-1)

    path = follow(step, np.zeros((*shape, sum(toy.SHAPE))), updates)
    laws = [softmax(part) for part in np.split(path, cuts, axis=-1)]
    return np.einsum("abcd,...a,...b,...c,...d->...", right, *laws, optimize=True)


def signal(x: np.ndarray, group: int, names: Sequence[str], other_rows: bool, waits: int,
           seed: int) -> Items:  # fmt: skip
    """How often a group of the uniform policy teaches something."""
    rewards = by_name(x, names)
    law = np.full(rewards.shape[1], 1 / rewards.shape[1])
    p = float((rewards[0] > 0).mean())
    live, dense = (float(group_spread(law, np.round(r, 9), group)) for r in rewards)
    yield same(SILENT, live, 1 - p**G - (1 - p) ** G, 1e-9, (CLOSED, ENUMERATED))
    yield same(DENSE, dense, 1.0, 1e-5, (CLOSED, ENUMERATED))
    right = draws(seed, 1).binomial(G, p, (waits, 300, GROUPS))
    first = ((right > 0) & (right < G)).any(-1).argmax(-1) + 1.0
    yield sampled(WAIT, first, updates_to_first_signal(live, GROUPS), (CLOSED, SIMULATED))
    paid = [q for q, r in zip(toy.grammar(), rewards[0], strict=True) if r > 0]
    fresh = toy.measured(paid, toy.FRESH if other_rows else toy.DDL)[:, 0]
    yield enumerated(LATENT, int(fresh.sum()), 1, "==")


def learning(x: np.ndarray, names: Sequence[str], updates: int, runs: int, seed: int) -> Items:
    """Updates until a right query has chance 0.9, from the uniform policy."""
    chance = chances(x, names, updates, runs, seed)
    there = np.where((chance >= AIM).any(0), (chance >= AIM).argmax(0), np.inf)
    middle = np.median(there, axis=-1)
    yield trained(FASTER, float(middle[1] / middle[0]), 0.6)
    yield trained(NEVER, int(np.isfinite(there[2:4]).sum()), 0, "==")
    yield lines("learning", "Partial rewards make a sparse one learnable",
                ("update", "chance of a right query"),
                dict(zip(REWARDS, chance[:SHOW].mean(-1).T, strict=True)),
                dashed=["syntax alone", "recall alone", "partials alone"],
                caption=f"1536 queries, 6 of them right; {GROUPS} groups of {G} an update, mean of "
                f"{runs} runs.")  # fmt: skip
    yield Table("updates to 0.9", ("reward", "runs that get there", "median", "least", "most"),
                [[n, int(np.isfinite(t).sum()), *map(_told, (np.median(t), t.min(), t.max()))]
                 for n, t in zip(REWARDS, there, strict=True)])  # fmt: skip


def _told(x: float) -> float | str:
    return float(x) if np.isfinite(x) else "never"


@experiment(
    "38",
    card="38",
    slug="reasoning-sql",
    claim="Partial rewards give nearly every group a signal and teach in less than 0.6 of the "
    "updates; each alone is hacked, and the released weights guarantee the order of right and "
    "wrong queries only without the judge.",
    source="released reward functions; grammar, thresholds and dominance condition derived",
    provenance="code",
    smoke={"updates": 320, "waits": 380},
    mutants=[
        Mutant("recall and Jaccard exchanged", {"schema": "jaccard", "parts": ("hacks",)},
               (DUMPED, LINKS)),
        Mutant("words instead of bigrams", {"n": 1, "parts": ("hacks",)},
               (WORDING, TOTALS, VERBATIM, PUNISHED)),
        Mutant("utility is the reward's own rows", {"other_rows": False,
               "parts": ("hacks", "signal")}, (WORST, LATENT)),
        Mutant("execution on other rows too", {"twice": True, "parts": ("hacks",)},
               (HARDEST, WORST)),
        Mutant("syntax times recall", {"gated": True, "parts": ("hacks",)}, (ONLY_ONE,)),
        Mutant("execution weighs 1", {"w_execution": 1.0, "parts": ("order",)}, (ORDER,)),
        Mutant("no judge", {"w_judge": 0.0, "parts": ("order",)}, (JUDGED, ATTAINED)),
        Mutant("judge on top of right rows", {"stacked": True, "parts": ("order",)}, (STACKED,)),
        Mutant("judge forgotten in the threshold", {"swept_judge": True, "parts": ("order",)},
               (SWEPT,)),
        Mutant("groups of 60", {"group": 60, "parts": ("signal",)}, (SILENT, WAIT)),
        Mutant("syntax in place of the sum", {"names": ("execution alone", "syntax alone",
               "the sum", "recall alone", "the sum"), "parts": ("signal", "learning")},
               (DENSE, FASTER, NEVER)),
    ],
)  # fmt: skip
def run(
    *,
    parts: Sequence[str] = ("hacks", "order", "signal", "learning"),
    schema: str = "recall",
    n: int = 2,
    other_rows: bool = True,
    w_execution: float = 3.0,
    w_judge: float = 2.0,
    stacked: bool = False,
    twice: bool = False,
    gated: bool = False,
    swept_judge: bool = False,
    group: int = G,
    names: Sequence[str] = REWARDS,
    waits: int = 5000,
    updates: int = 1500,
    runs: int = 5,
    seed: int = 0,
) -> Result:
    """Maximisers of each part, the order of right and wrong, signal of groups, and training.

    parts : which of the four; waits : runs that wait for a first signal; updates, runs : of
    training; the others are the mutants' arguments
    """
    grammar = toy.grammar() if {"signal", "learning"} & set(parts) else ()
    x = toy.measured(grammar)
    return run_parts(
        {
            "hacks": partial(hacks, schema, n, other_rows, twice, gated),
            "order": partial(order, w_execution, w_judge, stacked, swept_judge),
            "signal": partial(signal, x, group, names[:2], other_rows, waits, seed),
            "learning": partial(learning, x, names, updates, runs, seed),
        },
        parts,
    )
