"""Mixed-R1: each kind of task by its own rule; BMAS for open text, hacked by halves."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from toyrl.estimators.group import GroupEstimator
from toyrl.experiments.core import Mutant, Picture, Result, Table, experiment
from toyrl.experiments.lab.bandits import ascend
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.hacked import Hacked, who_hacks_what
from toyrl.experiments.lab.mutants import replaced
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import CLOSED, ENUMERATED, alone, apart, beyond, missed
from toyrl.experiments.lab.shared import shared
from toyrl.graders.base import TextRow
from toyrl.graders.likeness.overlap import Sides, bmas, one_hot_bmas, tokens
from toyrl.graders.mixed import Mixed
from toyrl.rollouts.classes import class_rollouts
from toyrl.theory.group.spread import group_spread
from toyrl.theory.policies import softmax
from toyrl.theory.routed.similarity import (
    dump_accuracy,
    floored_similarity,
    hidden_share,
    slot_law,
)

WORDS, ASKED, FLOOR = 50, 10, 0.3
SLOTS, RIGHT, GROUP = 10, 0.6, 8
CAPTION = "a red kite over the quiet bay at dusk"
ANSWERS: dict[str, list[int]] = {
    "the target": list(range(ASKED)), "one token of it": [0], "that token 30 times": [0] * 30,
    "the whole vocabulary": list(range(WORDS)), "half of it": list(range(ASKED // 2)),
    "two unrelated tokens": [40, 41], "the target reversed": list(range(ASKED))[::-1],
}  # fmt: skip
BY_HAND = {  # P, Q, BMAS at c = 0 and at c = 0.3, of the answers above
    "the target": (1, 1, 1, 1), "one token of it": (1, 0.1, 0.55, 0.685),
    "that token 30 times": (1, 0.1, 0.55, 0.685), "the whole vocabulary": (0.2, 1, 0.6, 0.72),
    "half of it": (1, 0.5, 0.75, 0.825), "two unrelated tokens": (0, 0, 0, 0.3),
    "the target reversed": (1, 1, 1, 1),
}  # fmt: skip
KINDS = {  # kind of task: (rule, target, text -> its true worth)
    "question": ("match", "B", {"B": 1.0, "A": 0.0, "A B C D": 0.0}),
    "chart": ("chart", "107", {"107": 1.0, "112": 0.9, "701": 0.0, "120": 0.0}),
    "box": ("iou", "[10,20,30,40]", {"[10,20,30,40]": 1.0, "[12,20,30,40]": 0.9,
                                     "[40,30,20,10]": 0.0, "[0,0,100,100]": 0.0}),
    "caption": ("open", CAPTION, {
        CAPTION: 1.0, "a red kite flies over a quiet bay": 0.8, "a": 0.0,
        "dusk at bay quiet the over kite red a": 0.3, "engine oil price": 0.0}),
}  # fmt: skip
OWN = {  # routed, by hand: paid by its own rule
    "question": [1, 0, 0], "chart": [1, 1, 0, 0], "box": [1, 0.9, 0, 0.04],
    "caption": [1, (7 / 8 + 6 / 9) / 2, (1 + 1 / 9) / 2, 1, 0],
}  # fmt: skip
EVERYWHERE = {  # by hand: BMAS for all
    "question": [1, 0, 0.625], "chart": [1, 0.5, 1, 2 / 3], "box": [1, 1, 1, (1 + 10 / 13) / 2],
    "caption": [1, (7 / 8 + 6 / 9) / 2, (1 + 1 / 9) / 2, 1, 0],
}  # fmt: skip
TRAINED = {"question": (0, 1, 2), "chart": (0, 2, 3), "box": (0, 1, 2, 3), "caption": (0, 1, 2, 4)}
RULES = {"routed": "routed", "BMAS for all": "open", "matching for all": "match"}

TABLE = "a: P, Q and BMAS of the seven answers, largest error"
FLOORS = "a: BMAS with a floor against the closed form, largest error"
HALF = "a: one token and the whole vocabulary against (1 + s)/2, largest error"
ALONE = "a: P alone and Q alone each pay a hack in full: lost"
SYMMETRIC = "a: turned, rescaled, permuted and exchanged vectors, largest change"
ROUTED = "b: routed values, largest error"
ALL_BMAS = "b: BMAS for all, largest error"
TIES = "b: wrong answers that BMAS for all pays as the right one (of 3)"
DUMP = "b: pay of listing four options, and the accuracy up to which that beats guessing"
SILENT = "b: matching for all: paraphrase above nonsense"
BEST = "b: routed: worst utility among the maximisers, caption read backwards left out"
ONE_TIE = "b: routed: utility of the caption's worst maximiser, words in another order"
SPREAD = "c: groups with a signal, BMAS and exact match, closed form and sums over groups"
SAMPLED = "c: sampled groups with a signal under BMAS, from below"
ROUTED_END = "d: routed: least probability of a right answer at the end"
TIED_END = "d: BMAS for all: largest probability of the right answer on charts and boxes"
FLAT_END = "d: matching for all, no verbatim caption: the paraphrase over nonsense at the end"
CARRIES = "d: routed, no verbatim caption: probability of the paraphrase"

trained = alone("exact training", "the end of training has no closed form")


# -- (a) closed forms ------------------------------------------------------------------------------
def vectors(ids: list[int], floor: float) -> np.ndarray:
    """(m, 51) vectors of unit length with pairwise cosine `floor`."""
    own = np.sqrt(1 - floor) * np.eye(WORDS)[ids]
    return np.hstack([own, np.full((len(ids), 1), np.sqrt(floor))])


def compared(answer: list[int], floor: float, rule: str) -> Sides:
    """P and Q of an answer against the first ten tokens."""
    u, v = vectors(answer, floor), vectors(list(range(ASKED)), floor)
    if rule == "mean cosine":  # mutant: the mean of all cosines for the best one
        s = u @ v.T
        return Sides(float(s.mean()), float(s.mean()))
    if rule == "greedy pairs":  # mutant: each token of the target is used up by one of the answer
        hits = len(set(answer) & set(range(ASKED)))
        return Sides(hits / len(answer), hits / ASKED)
    return bmas(u, v)


def closed_forms(rule: str, side: str, seed: int) -> Items:
    """The table, the floor, the hacks of one direction, and what leaves BMAS alone."""
    plain = {n: compared(a, 0.0, rule) for n, a in ANSWERS.items()}
    raised = {n: compared(a, FLOOR, rule) for n, a in ANSWERS.items()}
    rows = np.array([(*plain[n], getattr(plain[n], side), getattr(raised[n], side))
                     for n in ANSWERS])  # fmt: skip
    yield apart(TABLE, rows, list(BY_HAND.values()), 1e-12, ("vectors", "by hand"))
    p, q = rows[:, 0], rows[:, 1]
    yield apart(FLOORS, rows[:, 3], floored_similarity(p, q, np.array(FLOOR)), 1e-12,
                (CLOSED, "vectors"))  # fmt: skip
    yield apart(HALF, rows[[1, 2, 3], 2], hidden_share(np.array([0.1, 0.1, 0.2])), 1e-12,
                (CLOSED, "vectors"))  # fmt: skip
    yield apart(ALONE, [p[1], p[2], q[3]], [1, 1, 1], 1e-12, ("vectors", "by hand"))
    rng = draws(seed)
    u, v = rng.normal(size=(7, 12)), rng.normal(size=(5, 12))
    turn = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    changed = (bmas(u @ turn, v @ turn), bmas(u[::-1] * 3, v), Sides(*bmas(v, u)[::-1]),
               bmas(np.vstack([u, u]), v))  # fmt: skip
    yield apart(SYMMETRIC, changed, [bmas(u, v)] * 4, 1e-12, ("changed", "as it was"), claim=False)
    yield Table("answers", ("answer", "P", "Q", "BMAS", f"BMAS, floor {FLOOR}", "harmonic"),
                [[n, *map(float, row), plain[n].harmonic]
                 for n, row in zip(ANSWERS, rows, strict=True)],
                f"{ASKED} distinct tokens asked for, of {WORDS}.")  # fmt: skip


# -- (b) one rule against a router -----------------------------------------------------------------
def pairs(self: Mixed, said: str, target: str, vectors: Any) -> tuple[float, dict[str, float]]:
    """Mutant: BMAS of neighbouring pairs of tokens, which sees their order."""
    del self, vectors
    two = [[f"{a} {b}" for a, b in itertools.pairwise(tokens(t))] or [t] for t in (said, target)]
    return one_hot_bmas(*two).mean, {}


REWARDS = {"mixed": Mixed, "pairs": replaced(Mixed, _open=pairs), "shared word": Mixed}


def paid(kind: str, rule: str, broken: str = "mixed", side: str = "mean") -> np.ndarray:
    """What a kind's texts are paid by a rule; broken : of `REWARDS`, or "any corners"."""
    own, target, texts = KINDS[kind]
    reward = REWARDS.get(broken, Mixed)(rule=rule, weight=0.0, side=side)
    rows = [TextRow("", text, {"task_type": own, "target": target}) for text in texts]
    values = np.array(reward.grade(rows))
    if broken == "any corners" and kind == "box" and rule == "routed":
        values[2] = 1.0  # mutant: the corners of a box in any order
    if broken == "shared word" and rule == "match":  # mutant: matching is no equality of texts
        values = np.array([float(bool({*tokens(t)} & {*tokens(target)})) for t in texts])
    return values


def found_by(kind: str, rules: dict[str, np.ndarray]) -> Hacked:
    """The texts of a kind under several rules."""
    texts = KINDS[kind][2]
    return who_hacks_what(tuple(texts), rules, np.array(list(texts.values())))


def router(rule: str, broken: str, side: str) -> Items:
    """Every text's pay, routed and by one rule for all; who hacks which."""
    own, same, text = ({k: paid(k, r, broken, side) for k in KINDS}
                       for r in (rule, "open", "match"))  # fmt: skip
    hand = ("grader", "by hand")
    yield apart(ROUTED, np.concatenate(list(own.values())),
                np.concatenate(list(OWN.values())), 1e-12, hand)  # fmt: skip
    yield apart(ALL_BMAS, np.concatenate(list(same.values())),
                np.concatenate(list(EVERYWHERE.values())), 1e-12, hand)  # fmt: skip
    ties = [same["chart"][2] == same["chart"][0], same["box"][2] == same["box"][0],
            same["caption"][3] == same["caption"][0]]  # fmt: skip
    yield missed(TIES, np.array(ties), np.ones(3, bool), hand)
    yield apart(DUMP, same["question"][2], float(dump_accuracy(np.array(4.0))), 1e-12,
                ("grader", CLOSED))  # fmt: skip
    yield apart(SILENT, text["caption"][1] - text["caption"][4], 0.0, 0.0, hand)
    columns = {k: {"routed": own[k], "BMAS for all": same[k], "matching for all": text[k]}
               for k in KINDS}  # fmt: skip
    found = {k: found_by(k, columns[k]) for k in KINDS}
    ends = alone(ENUMERATED, "every text is compared")
    worst = {k: float(found[k].worst[0]) for k in KINDS}
    yield ends(BEST, min(w for k, w in worst.items() if k != "caption"), 0.9, ">=")
    yield ends(ONE_TIE, worst["caption"], 0.3, "==")
    yield Table("maximisers", ("kind", "reward", "maximisers", "worst utility among them"),
                [[k, n, int(c), float(w)] for k, x in found.items()
                 for n, c, w in zip(x.rewards, x.count, x.worst, strict=True)])  # fmt: skip
    yield together(columns).picture(
        "who", "One rule for all pays wrong answers as right ones",
        "Scaled over all texts. The caption read backwards is the one tie that is left.",
    )  # fmt: skip


def together(columns: dict[str, dict[str, np.ndarray]]) -> Hacked:
    """All texts of all kinds in one table."""
    names = [f"{k}: {t}" for k, (_, _, texts) in KINDS.items() for t in texts]
    rules = {n: np.concatenate([columns[k][n] for k in KINDS]) for n in RULES}
    worth = np.concatenate([list(texts.values()) for _, _, texts in KINDS.values()])
    return who_hacks_what(names, rules, worth)


# -- (c) signal ------------------------------------------------------------------------------------
def signal(rule: str, groups: int, seed: int) -> Items:
    """How often a group of eight has two rewards, under BMAS and under exact match."""
    law, share = slot_law(np.array(RIGHT), SLOTS), np.arange(SLOTS + 1) / SLOTS
    value = {"exact match": (share == 1) * 1.0, "best cosine": share}
    closed = [float(group_spread(law, value[n], GROUP)) for n in ("best cosine", "exact match")]
    s = RIGHT**SLOTS
    quoted = [1 - float((law**GROUP).sum()), 1 - s**GROUP - (1 - s) ** GROUP]
    yield apart(SPREAD, closed, quoted, 1e-12, (CLOSED, "as on the page"), claim=False)
    rng = draws(seed, 1)
    right = rng.random((groups, GROUP, SLOTS)) < RIGHT
    target = [f"t{j}" for j in range(SLOTS)]
    texts = [[t if ok else "x" for t, ok in zip(target, row, strict=True)]
             for row in right.reshape(-1, SLOTS)]  # fmt: skip
    score = np.array([one_hot_bmas(t, target).mean if rule == "best cosine" else t == target
                      for t in texts], dtype=float).reshape(groups, GROUP)  # fmt: skip
    varies = np.ptp(score, axis=-1) > 1e-12
    # 300 groups: 0.047 of them under exact match, 0.99998 under BMAS, far apart at any error
    error = float(np.sqrt(closed[0] * (1 - closed[0]) / groups))
    yield beyond(SAMPLED, float(varies.mean()), error, closed[0] - 0.004, ">")
    p = np.linspace(0.01, 0.99, 99)
    laws = slot_law(p, SLOTS)
    yield lines("signal", "Groups of 8 with anything to learn from",
                ("chance of each slot", "P(rewards differ)"),
                {"BMAS": group_spread(laws, share, GROUP),
                 "exact match": group_spread(laws, value["exact match"], GROUP)},
                x=p.tolist(), caption=f"{SLOTS} slots, independent.")  # fmt: skip


# -- (d) training ----------------------------------------------------------------------------------
def end_of(reward: np.ndarray, updates: int) -> np.ndarray:
    """(K,) policy after exact updates from the uniform one, rewards standardised by the policy."""
    return trained_on(reward.tolist(), updates)


@shared
def trained_on(paid: Sequence[float], updates: int) -> np.ndarray:
    """The same, of what each text is paid: many rules pay the texts of a kind alike."""
    reward = np.array(paid)
    estimator = GroupEstimator(ddof=0.0, eps=0.0)
    none = np.zeros((1, len(reward)))

    def change(pi: np.ndarray, _: int) -> np.ndarray:
        r = class_rollouts(pi, correct=none, length=none, max_length=1.0, group_size=np.inf)
        a = estimator.apply({"reward": reward[None]}, r)[0]
        return 0.5 * pi * (a - (pi * a).sum(-1, keepdims=True))

    return ascend(change, none, updates)[-1, 0]


def mixed_training(rule: str, broken: str, side: str, updates: int) -> Items:
    """Four bandits under each rule; the caption's texts without the one read backwards."""
    ends = {
        name: {kind: float(end_of(paid(kind, used, broken, side)[list(arms)], updates)[0])
               for kind, arms in TRAINED.items()}
        for name, used in {**RULES, "routed": rule}.items()
    }  # fmt: skip
    yield trained(ROUTED_END, min(ends["routed"].values()), 0.95, ">=")
    yield trained(TIED_END, max(ends["BMAS for all"][k] for k in ("chart", "box")), 0.6)
    left = [1, 2, 4]  # paraphrase, one word, nonsense
    blind, seen = (end_of(paid("caption", r, broken, side)[left], updates) for r in ("match", rule))
    yield apart(FLAT_END, blind, softmax(np.zeros(3)), 1e-12, ("training", "no reward differs"))
    yield trained(CARRIES, float(seen[0]), 0.95, ">=")
    none = end_of(paid("caption", "open", broken, side)[left], updates)
    last = {"routed": seen, "BMAS for all": none, "matching for all": blind}
    grid = [[*e.values(), float(last[n][0])] for n, e in ends.items()]
    kinds = (*TRAINED, "not verbatim")
    caption = "Probability of the right answer; not verbatim: of the paraphrase, against nonsense."
    yield Table("ends", ("reward", *kinds), [[n, *e] for n, e in zip(ends, grid, strict=True)],
                caption)  # fmt: skip
    yield Picture("trained", "Only the router learns everything", "", "", grid=np.array(grid),
                  grid_label="P(right) after training", labels=tuple(ends), columns=kinds,
                  caption=caption)  # fmt: skip


@experiment(
    "50",
    card="50",
    slug="mixed-r1",
    claim="Each direction of BMAS alone is hacked completely, their mean keeps half; one rule for "
    "all kinds of tasks pays wrong answers as right ones, a router none; open text has a signal "
    "under BMAS where exact match has none.",
    source="four rewards and BMAS, reconstructed from the abstract; tables and training derived",
    provenance="reconstructed",
    smoke={"updates": 250, "groups": 300},
    mutants=[
        Mutant("the mean of all cosines", {"rule": "mean cosine", "parts": "a"},
               (TABLE, HALF, ALONE)),
        Mutant("one-to-one pairs", {"rule": "greedy pairs", "parts": "a"}, (TABLE, FLOORS, ALONE)),
        Mutant("one direction", {"side": "recall", "parts": "ab"},
               (TABLE, HALF, ROUTED, ALL_BMAS, DUMP)),
        Mutant("the harmonic mean", {"side": "harmonic", "parts": "b"}, (ALL_BMAS, DUMP)),
        Mutant("BMAS for the router", {"route": "open", "parts": "bd"},
               (ROUTED, BEST, ROUTED_END)),
        Mutant("matching for the router", {"route": "match", "parts": "bd"},
               (ROUTED, ONE_TIE, CARRIES)),
        Mutant("corners in any order", {"broken": "any corners", "parts": "bd"},
               (ROUTED, BEST, ROUTED_END)),
        Mutant("pairs of tokens", {"broken": "pairs", "parts": "bd"}, (TIES, ONE_TIE, TIED_END)),
        Mutant("a shared word matches", {"broken": "shared word", "parts": "bd"},
               (SILENT, FLAT_END)),
        Mutant("exact match for open text", {"rule": "exact match", "parts": "c"}, (SAMPLED,)),
    ],
)  # fmt: skip
def run(
    *,
    rule: str = "best cosine",
    side: str = "mean",
    route: str = "routed",
    broken: str = "mixed",
    parts: str = "abcd",
    updates: int = 1500,
    groups: int = 3000,
    seed: int = 0,
) -> Result:
    """BMAS in closed form, the router against one rule, signal, training on four kinds.

    updates : exact updates of training; groups : sampled groups of the signal
    rule : how cosines make P and Q; side : of BMAS; route : the router's rule; broken : the reward,
    of `REWARDS`; parts : those run; all for mutants
    """
    return run_parts(
        {
            "a": lambda: closed_forms(rule, side, seed),
            "b": lambda: router(route, broken, side),
            "c": lambda: signal(rule, groups, seed),
            "d": lambda: mixed_training(route, broken, side, updates),
        },
        parts,
    )
