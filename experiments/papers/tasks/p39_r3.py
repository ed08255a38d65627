"""R3: relevance times length times variety, and what is still a hack of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from toyrl.experiments.core import Check, Mutant, Picture, Result, Table, experiment
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.hacked import Hacked, who_hacks_what
from toyrl.experiments.lab.mutants import pick, replaced
from toyrl.experiments.lab.parts import gather
from toyrl.experiments.lab.routes import CLOSED, ENUMERATED, alone, apart, missed, same
from toyrl.graders.base import TextRow
from toyrl.graders.likeness.embedded import PooledRows, cosines, embedded
from toyrl.graders.likeness.relevance import Relevance, interpolated
from toyrl.graders.likeness.repetition import distinct_share
from toyrl.graders.parts import Graded
from toyrl.theory.policies import tilt
from toyrl.theory.relevance import retrieval as law

Items = Iterator[Check | Table | Picture]
KINDS = ("q", "on", "off")
VECTORS = np.array([[1.5, 0, 0], [1.2, 0.3, 0], [0, 0, 1.0]])
MET = 1.5 * 1.2  # dot product of the query's vector and a word on the topic
OWN = 1.2**2 + 0.3**2  # of two words on the topic
BETA = 0.01
REFERENCE = "short on-topic"
PUNCTUATED = {"Well, it's so.": 7, "a-b": 3, "...": 1, "": 0, "x = {1: 2}": 7}


def words(kind: str, n: int, times: int = 1) -> list[str]:
    """n different words of a kind, said `times` times over."""
    return [f"{kind}{i}" for i in range(n)] * times


ARMS: dict[str, list[str]] = {
    "copy the query": words("q", 8),
    "repeat the query 25x": words("q", 8, 25),
    REFERENCE: words("on", 8),
    "medium on-topic": words("on", 40),
    "long on-topic, diverse": words("on", 160),
    "8 on-topic words cycled": words("on", 8, 25),
    "long off-topic, diverse": words("off", 200),
    "40 on, 160 off topic": words("on", 40) + words("off", 160),
}
NAMES = tuple(ARMS)
QUERY = " ".join(words("q", 8))
UTILITY = np.array([0, 0, 8, 40, 160, 8, 0, 40]) / 160
SHORT_UTILITY = np.array([0, 0, 1, 0.5, 0.5, 0.5, 0, 0])
SHUFFLED = [f"q{i}" for i in law.varied_text(8, 200)]
REWARDS = {
    "r": {"length_incentive": False, "repetition_penalty": False},
    "LI": {"relevance_scaling": False, "repetition_penalty": False},
    "LI RP": {"relevance_scaling": False},
    "r LI": {"repetition_penalty": False},
    "R3": {},
}
MOST = {
    "r": [0, 1],
    "LI": [1, 5, 6, 7],
    "LI RP": [6, 7],
    "r LI": [1],
    "R3": [4],
}
"""Who maximises which reward, by place in `ARMS`: derived from the closed forms."""

VALUES = "a: five rewards of eight texts, grader against closed forms, largest gap"
WHO = "a: texts taken wrongly for a maximiser, or not, over five rewards"
WORST = "a: worst utility among the maximisers of all but R3, largest"
BEST = "a: R3 of the text it likes best, long, on-topic, diverse"
GOOD = "a: utility of it"
PAIRS = "a: (short relevant, long irrelevant) pairs that LI ranks right"
FOUND = "a: the same for r"
KNOWN = "b: known answer: R3 of eight texts, grader against closed forms, largest gap"
NEUTRAL = "b: known answer: spread over short, medium and long right answers"
BLIND = "b: without branching, the long answer's pay over the short one's"
TILTED = "c: E[utility] at beta 0.01 under R3"
MISLED = "c: the same under r and r LI, largest"
LENGTHY = "c: the same under LI RP"
BLOCKS = "d: LI RP of n tokens k times over, 9 n and 6 k, largest gap"
PADDED = "d: padding off the topic: R3 over 17 amounts, largest gap"
UNIT = "d: the same with vectors of length 1, where padding pays"
COUNTED = "d: texts with punctuation whose tokens are counted wrongly"
HACK = "e: R3 of the query's own 8 words in De Bruijn order, 200 tokens"
ABOVE = "e: that less R3 of the best honest text"
COPIED = "e: known answer: R3 of a copy of the query less that of the reference itself"

enumerated = alone(ENUMERATED, "all eight texts are compared")


# -- the grader, and broken ones -------------------------------------------------------------------
def by_cosine(self: Relevance, questions: Sequence[str], texts: Sequence[str],
              split: Any = None) -> np.ndarray:  # fmt: skip
    """Mutant: vectors of length 1."""
    del split
    found, place = embedded(self.embed, [*questions, *texts])
    n = len(questions)
    return cosines(found[place[:n]], found[place[n:]])


def added(self: Relevance, relevance: float, tokens: int, share: float, constrained: bool) -> float:
    """Mutant: the factors are summed."""
    return float(Relevance.paid(self, 1.0, tokens, share, constrained)) + relevance * (
        self.relevance_scaling
    )


def long_too(self: Relevance, relevance: float, tokens: int, share: float, constrained: bool
             ) -> float:  # fmt: skip
    """Mutant: a known answer is paid for its length as well."""
    more = tokens / 100 if constrained else 1.0
    return more * Relevance.paid(self, relevance, tokens, share, constrained)


def one_branch(self: Relevance, relevance: float, tokens: int, share: float, constrained: bool
               ) -> float:  # fmt: skip
    """Mutant: repetition counts in the open branch alone."""
    return Relevance.paid(self, relevance, tokens, 1.0 if constrained else share, constrained)


def spaced(_: Relevance, text: str) -> list[str]:
    """Mutant: tokens stand between spaces."""
    return text.split()


def over_tokens(_: Relevance, tokens: Sequence[str]) -> float:
    """Mutant: distinct trigrams over N instead of N - 2."""
    trigrams = set(zip(tokens, tokens[1:], tokens[2:], strict=False))
    return len(trigrams) / max(len(tokens), 1)


def vocabulary(_: Relevance, tokens: Sequence[str]) -> float:
    """Mutant, and a repair: distinct words instead of distinct trigrams."""
    return distinct_share(tokens, 1)


def all_on(self: Relevance, rows: Sequence[TextRow], step: float = 0.0) -> list[Graded]:
    """Mutant: every switch counts as on."""
    return Relevance(embed=self.embed).grade_parts(rows, step)


def unrelated(_: Relevance, questions: Sequence[str], texts: Sequence[str], split: Any = None
              ) -> np.ndarray:  # fmt: skip
    """Mutant: every text is as relevant as another."""
    del questions, split
    return np.ones(len(texts))


RULES: dict[str, type[Relevance]] = {
    "released": Relevance,
    "cosine": replaced(Relevance, related=by_cosine),
    "sum": replaced(Relevance, paid=added),
    "length in both": replaced(Relevance, paid=long_too),
    "penalty in one": replaced(Relevance, paid=one_branch),
    "split at spaces": replaced(Relevance, counted=spaced),
    "over all tokens": replaced(Relevance, share=over_tokens),
    "all on": replaced(Relevance, grade_parts=all_on),
    "no relevance": replaced(Relevance, related=unrelated),
    "distinct words": replaced(Relevance, share=vocabulary),
}


def ids(text: str) -> list[int]:
    """Rows of `VECTORS`, a word's by its kind."""
    return [KINDS.index(word.rstrip("0123456789")) for word in text.split()]


def unit_rows(texts: Sequence[str]) -> np.ndarray:
    """Vectors at right angles for every word, summed and brought to length 1."""
    names = dict.fromkeys(w for text in texts for w in text.split())
    column = {w: i for i, w in enumerate(names)}
    counts = np.array([np.bincount([column[w] for w in text.split()], minlength=len(column))
                       for text in texts], dtype=float)  # fmt: skip
    return counts / np.linalg.norm(counts, axis=-1, keepdims=True)


def paid(rule: str, texts: Mapping[str, list[str]], known: bool = False, **options: Any
         ) -> np.ndarray:  # fmt: skip
    """(K,) rewards of the texts; known : the short text on the topic is the right answer."""
    settings: dict[str, Any] = {"embed": PooledRows(VECTORS, ids), **options}
    grader = pick(RULES, rule)(**settings)
    columns = {"qtype": "CONSTRAINED", "reference": " ".join(ARMS[REFERENCE])} if known else {}
    return np.array(grader.grade([TextRow(QUERY, " ".join(t), columns) for t in texts.values()]))


# -- (a) an open question --------------------------------------------------------------------------
def closed_forms(r: Sequence[float]) -> dict[str, np.ndarray]:
    """The five rewards of the eight texts, from the mean vectors' products and the blocks' law."""
    shape = [(8, 1), (8, 25), (8, 1), (40, 1), (160, 1), (8, 25), (200, 1), (200, 1)]
    length = np.array([n * k / 100 for n, k in shape])
    varied = np.array([law.repeated_block(n, k) for n, k in shape])
    likeness = np.array(r)
    return {"r": likeness, "LI": length, "LI RP": varied, "r LI": likeness * length,
            "R3": likeness * varied}  # fmt: skip


def open_question(rule: str) -> Items:
    """Which texts each reward likes best, and what those are worth."""
    met = [2.25, 2.25, MET, MET, MET, MET, 0.0, MET / 5]
    closed = closed_forms(met)
    rewards = {name: paid(rule, ARMS, **options) for name, options in REWARDS.items()}
    found = who_hacks_what(NAMES, rewards, UTILITY, tie=1e-9)
    yield apart(VALUES, list(rewards.values()), list(closed.values()), 1e-12)
    want = np.array([[i in MOST[name] for i in range(len(NAMES))] for name in REWARDS])
    yield missed(WHO, found.best, want)
    yield enumerated(WORST, float(found.worst[:-1].max()), 0.0, "==")
    best = float(found.values[-1].max())
    yield same(BEST, best, law.best_open_reward(200, 160, MET), 1e-12)
    yield enumerated(GOOD, float(found.worst[-1]), 1.0, "==")
    short, long_ = NAMES.index(REFERENCE), NAMES.index("long off-topic, diverse")
    for name, kind, want_share in ((PAIRS, "LI", 0.0), (FOUND, "r", 1.0)):
        yield enumerated(name, float(rewards[kind][short] > rewards[kind][long_]), want_share, "==")
    yield found.table(caption="An open question; utility is the share of its 160 words said.")
    yield found.picture(
        "open",
        "An open question: who is liked by which reward",
        "Only the product of all three likes the long, diverse text best.",
    )
    yield from tilts(found)


def tilts(found: Hacked) -> Items:
    """Expected utility of the policy tilted by each reward from the uniform one."""
    at = dict(zip(found.rewards, found.tilted(BETA), strict=True))
    yield enumerated(TILTED, float(at["R3"]), 0.99, ">=")
    yield enumerated(MISLED, float(max(at["r"], at["r LI"])), 0.01)
    yield enumerated(LENGTHY, float(at["LI RP"]), 0.13)
    grid = np.geomspace(0.1, 1 / BETA, 60)
    curves = {
        name: tilt(np.full(len(NAMES), 1 / len(NAMES)), values, grid) @ UTILITY
        for name, values in zip(found.rewards, found.values, strict=True)
    }
    yield lines("goodhart", "What optimising each reward does to the truth",
                ("1/beta", "E[utility]"), curves, x=grid.tolist(), log_x=True,
                dashed=[n for n in curves if n != "R3"],
                caption="Policy over the texts proportional to exp(reward/beta).")  # fmt: skip


# -- (b) a question with a known answer ------------------------------------------------------------
def known_answer(rule: str) -> Items:
    """Pay does not depend on length; without branching it does."""
    mine, open_ = (paid(rule, ARMS, known=True, reward_branching=on) for on in (True, False))
    rewards = {"R3, known answer": mine, "R3 without branching": open_}
    answered = [MET, MET, OWN, OWN, OWN, OWN, 0.0, OWN / 5]
    share = [1, 8 / 198, 1, 1, 1, 8 / 198, 1, 1]
    closed = [law.constrained_relevance(r, s) for r, s in zip(answered, share, strict=True)]
    yield apart(KNOWN, mine, closed, 1e-12)
    yield enumerated(NEUTRAL, float(np.ptp(mine[2:5])), 1e-12)
    yield same(BLIND, open_[4] / open_[2], 160 / 8, 1e-9)
    # The dot product is not largest for the reference itself: a longer vector beats it.
    yield same(COPIED, mine[0] - mine[2], float(interpolated(MET - OWN)), 1e-12)
    found = who_hacks_what(NAMES, rewards, SHORT_UTILITY, tie=1e-9)
    yield found.table("known", "A question with a known answer; a short right text is worth 1.")
    yield found.picture("known", "A known answer: who is liked by which reward",
                        "Likeness to the answer is paid whatever the length; a copy of the query "
                        "has the longer vector and is paid more than the answer.")  # fmt: skip


# -- (d) closed forms ------------------------------------------------------------------------------
def forms(rule: str) -> Items:
    """Repetition, padding under two poolings, and what a token is."""
    grid = [(n, k) for n in (1, 2, 3, 4, 5, 8, 13, 40, 160) for k in (1, 2, 3, 4, 25, 100)]
    blocks = {f"{n} x {k}": words("on", n, k) for n, k in grid}
    yield apart(BLOCKS, paid(rule, blocks, relevance_scaling=False),
                [law.repeated_block(n, k) for n, k in grid], 1e-12)  # fmt: skip
    amounts = np.arange(0, 161, 10)
    padded = {str(b): words("on", 40) + words("off", int(b)) for b in amounts}
    mean = paid(rule, padded)
    yield apart(PADDED, mean, [law.padded_relevance(40, int(b), MET) for b in amounts], 1e-12)
    topical = {b: ["q0", *t[1:]] for b, t in padded.items()}  # one word of the query, of 8
    unit = paid(rule, topical, embed=unit_rows)
    m = 1 / np.sqrt(8)  # the text's one word, against a query of eight at length 1
    want = [law.padded_relevance(1, 39 + int(b), m, pooling="unit") for b in amounts]
    yield apart(UNIT, unit, want, 1e-12)
    yield lines("padding", "Padding off the topic",
                ("words off the topic", "R3 over R3 without them"),
                {"mean of the words": mean / mean[0], "vector of length 1": unit / unit[0]},
                x=amounts.tolist(), caption="40 words to begin with.")  # fmt: skip
    grader = pick(RULES, rule)()
    said = [len(grader.counted(text)) for text in PUNCTUATED]
    yield missed(COUNTED, said, list(PUNCTUATED.values()), ("grader", "by hand"))


def hacks(rule: str) -> Items:
    """The query's own words, so ordered that no trigram stands twice."""
    honest = paid(rule, {"honest": ARMS["long on-topic, diverse"]})[0]
    found = paid(rule, {"shuffled": SHUFFLED})[0]
    yield same(HACK, found, law.best_open_reward(200, 8, 2.25, again=True), 1e-12)
    routes = (CLOSED, ENUMERATED)
    yield Check(ABOVE, float(found - honest), 1.0, ">=", routes=routes)


@experiment(
    "39",
    card="39",
    slug="r3",
    claim="Of relevance, length and variety only the product of all three has the long, diverse, "
    "relevant text as its one maximiser of eight; a known answer is paid whatever its length. The "
    "product is still hacked: by the query's own words in an order without repeated trigrams.",
    source="reward_model.py; arms, closed forms and the hacks derived",
    provenance="code",
    smoke={},
    mutants=[
        Mutant("cosine", {"rule": "cosine"}, (VALUES, BEST, MISLED, KNOWN, COPIED, PADDED, HACK)),
        Mutant("factors are summed", {"rule": "sum"}, (VALUES, BEST, PADDED, UNIT)),
        Mutant("length pays a known answer too", {"rule": "length in both"}, (KNOWN, NEUTRAL)),
        Mutant("repetition counts in one branch", {"rule": "penalty in one"}, (KNOWN,)),
        Mutant("split at spaces", {"rule": "split at spaces"}, (COUNTED,)),
        Mutant("trigrams over all tokens", {"rule": "over all tokens"}, (VALUES, BLOCKS)),
        Mutant("variety of words", {"rule": "distinct words"}, (HACK, ABOVE)),
        Mutant("switches are ignored", {"rule": "all on"},
               (VALUES, WHO, WORST, PAIRS, MISLED, LENGTHY, BLIND)),
        Mutant("relevance is not looked at", {"rule": "no relevance"},
               (VALUES, FOUND, GOOD, TILTED)),
    ],
)  # fmt: skip
def run(*, rule: str = "released", seed: int = 0) -> Result:
    """Eight texts for an open question and for a known answer, closed forms, and two hacks.

    rule : the grader under test, of `RULES`; for mutants. Nothing is drawn
    """
    del seed
    parts = (open_question, known_answer, forms, hacks)
    return gather(chain.from_iterable(part(rule) for part in parts))
