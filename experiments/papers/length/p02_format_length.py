"""Format and length in the place of labels: a plateau, a bump that breaks it, and where it errs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.core.work import UPDATE, spend
from toyrl.experiments.lab.bandits import flow_path, follow, sigmoid
from toyrl.experiments.lab.curves import lines, root
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick, replaced
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import apart, missed, same
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper
from toyrl.shapers.label_free.format_length import FormatLength, FormatOnly, bump
from toyrl.shapers.outcome import Outcome
from toyrl.theory.length.format_length import bump_zero, format_speed
from toyrl.theory.policies import softmax

SHARES = np.linspace(0.05, 1.0, 20)
PEAK, WIDTH, BEST = 0.5, 0.25, 0.8
START = -((SHARES - 0.85) ** 2) / (2 * 0.12**2)
FORMAT = float(np.log(0.1 / 0.9))
RATE, STEPS = 0.2, 400
PEAKS = (0.2, 0.35, 0.5, 0.65, 0.8, 0.9)
CARD = {"format only": (0.050, 0.152, 0.346, 0.584, 0.731, 0.717),
        "format and length": (0.363, 0.640, 0.793, 0.688, 0.419, 0.247)}  # fmt: skip
KINDS = ("correctness", "format only", "format and length", "length only")

SHAPE = "A: both rewards against the released code's cases, largest error"
ZERO = "A: share of the limit at which the bump turns negative, root against formula"
LABELS = "A: rewards that change when the labels are permuted"
PLATEAU = "B: format only: final accuracy against the start's accuracy given the format"
UNMOVED = "B: format only: change of the law of lengths"
LEARNS = "B: format and length: final accuracy less that of correctness, at least"
CENTRE = "B: format and length: final mean length less the turning point"
NEEDED = "B: length only: change of the format's chance"
WEAK = "B: length only: accuracy at the end"
SPEED = "B: first step of the format's logit, format only over correctness, against the formula"
CROSSING = "C: peak of accuracy from which on format only is better, in [0.65, 0.75]: from 0.7"
AGREE = "C: the crossing by updates and by the flow, difference"


# -- rewards, and broken ones ----------------------------------------------------------------------
@dataclass(frozen=True)
class LengthOnly(FormatLength):
    """The bump alone, whatever the answer: the control."""

    def parts(self, r: Rollouts, memory: Any) -> Any:
        return {"bump": bump(r.length / r.max_length, self.turn)}


def any_text(_self: FormatOnly, r: Rollouts, _: Any) -> Any:
    """Mutant: every text is paid as if it had the format."""
    return {"format": np.ones_like(r.length)}


def longer(self: FormatLength, r: Rollouts, memory: Any) -> Any:
    """Mutant: the length's pay goes on rising."""
    there = r.fields["answered"]
    return {**FormatOnly.parts(self, r, memory), "bump": there * r.length / r.max_length}


def ungated(self: FormatLength, r: Rollouts, memory: Any) -> Any:
    """Mutant: the bump is paid without an answer."""
    return {**FormatOnly.parts(self, r, memory), "bump": bump(r.length / r.max_length, self.turn)}


def clipped(self: FormatLength, r: Rollouts, memory: Any) -> Any:
    """Mutant: no pressure against truncation."""
    own = FormatLength.parts(self, r, memory)
    return {**own, "bump": np.maximum(np.asarray(own["bump"]), 0)}


def peeks(self: FormatLength, r: Rollouts, memory: Any) -> Any:
    """Mutant: right answers are paid."""
    return {**FormatLength.parts(self, r, memory), "label": 0.5 * r.correct}


def answers_too(self: LengthOnly, r: Rollouts, _: Any) -> Any:
    """Mutant: the control pays the answer as well."""
    return {"bump": bump(r.length / r.max_length, self.turn) + r.fields["answered"]}


BROKEN: dict[str, dict[str, Any]] = {
    "as published": {},
    "any text": {"format only": replaced(FormatOnly, parts=any_text)},
    **{f.__name__: {"format and length": replaced(FormatLength, parts=f)}
       for f in (longer, ungated, clipped, peeks)},
    "answers too": {"length only": replaced(LengthOnly, parts=answers_too)},
    "correctness for format": {"format only": lambda: Outcome() + FormatOnly(answer=0)},
    "format for correctness": {"correctness": FormatOnly},
}  # fmt: skip


def rewards(rule: str, turn: float) -> dict[str, Shaper]:
    """The four rewards by name, some of them broken."""
    kinds = {"correctness": lambda: Outcome() + FormatOnly(answer=0), "format only": FormatOnly,
             "format and length": FormatLength, "length only": LengthOnly}  # fmt: skip
    made = {name: kind() for name, kind in (kinds | pick(BROKEN, rule)).items()}
    if turn != 0.5:
        made["format and length"] = FormatLength(turn=turn)
    return made


# -- A: the rewards --------------------------------------------------------------------------------
def cases(thought: float, answered: float, x: float, p: float) -> tuple[float, float]:
    """Both rewards as the released code writes them."""
    f = 1 - (1 - x / p) ** 2 if x <= p else 1 - 2 * ((x - p) / (1 - p)) ** 2
    form = 0.5 * (thought + answered)
    return form, form + f if answered else min(0.0, f)


def shapes(own: Mapping[str, Shaper], seed: int) -> Items:
    """Against the code's cases; the bump's zero; labels."""
    rng, n = draws(seed, 1), 400
    flags, x = rng.integers(0, 2, (2, 1, n)) * 1.0, rng.integers(0, 1200, (1, n)) / 1000
    r = Rollouts(rng.integers(0, 2, (1, n)) * 1.0, x * 1000, 1000.0,
                 fields={"thought": flags[0], "answered": flags[1]})  # fmt: skip
    pair = [own["format only"], own["format and length"]]
    found = [s.reward(r)[0] for s in pair]
    want = [cases(*row, 0.5) for row in zip(flags[0, 0], flags[1, 0], x[0], strict=True)]
    yield apart(SHAPE, np.transpose(found), want, 1e-12, ("code's cases", "shapers"))
    zero = [root(lambda y, p=p: float(bump(np.array([y]), p)[0]), p, 1.0) for p in (0.25, 0.5, 0.9)]
    yield apart(ZERO, zero, bump_zero([0.25, 0.5, 0.9]), 1e-9, ("root", "closed form"), claim=False)
    swapped = r.with_(correct=rng.permutation(r.correct[0])[None])
    moved = [np.any(s.reward(x) != s.reward(r)) for s in pair for x in (swapped, r.with_(
        correct=1 - r.correct))]  # fmt: skip
    yield missed(LABELS, moved, np.zeros(4, bool), ("statement", "shapers"))


# -- B: the latent-skill bandit --------------------------------------------------------------------
def skill(peak: float = PEAK) -> np.ndarray:
    """(20,) chance of being right with each length, if the format is right."""
    return BEST * np.exp(-((SHARES - peak) ** 2) / (2 * WIDTH**2))


def tables(shaper: Shaper) -> np.ndarray:
    """(2, 20) mean reward without and with the format, hidden accuracy included."""
    n = SHARES.size
    answered = np.repeat([0.0, 1.0, 1.0], n)[None]
    correct = np.repeat([0.0, 0.0, 1.0], n)[None]
    r = Rollouts(correct, np.tile(SHARES, 3)[None], 1.0,
                 fields={"thought": np.ones((1, 3 * n)), "answered": answered})  # fmt: skip
    none, wrong, right = np.asarray(shaper.reward(r)).reshape(3, n)
    return np.stack([none, wrong + skill() * (right - wrong)])


def slope(table: np.ndarray, z: np.ndarray) -> np.ndarray:
    """(21,) natural gradient of the format's logit and the lengths' logits."""
    q, pi = sigmoid(z[0]), softmax(z[1:])
    value = q * table[1] + (1 - q) * table[0]
    return np.concatenate([[pi @ (table[1] - table[0])], value - pi @ value])


def train(table: np.ndarray) -> np.ndarray:
    """(STEPS + 1, 21) logits."""
    spend(STEPS * UPDATE)
    return follow(lambda z, _: z + RATE * slope(table, z), np.r_[FORMAT, START], STEPS)


def ends(z: np.ndarray, peak: float = PEAK) -> tuple[float, float, float]:
    """(accuracy, mean length, chance of the format)."""
    q, pi = float(sigmoid(z[0])), softmax(z[1:])
    return q * float(pi @ skill(peak)), float(pi @ SHARES), q


def bandit(own: Mapping[str, Shaper]) -> Items:
    """Plateau, bump, control: by updates and by the flow in continuous time."""
    table = {name: tables(own[name]) for name in KINDS}
    path = {name: train(t) for name, t in table.items()}
    flow = {n: flow_path(lambda z, t=t: slope(t, z), np.r_[FORMAT, START], [0.0, RATE * STEPS])[-1]
            for n, t in table.items()}  # fmt: skip
    both = {n: (ends(path[n][-1]), ends(flow[n])) for n in KINDS}
    start, two = softmax(START), ("updates", "flow")
    level = float(start @ skill())
    yield apart(PLATEAU, [x[0] for x in both["format only"]], [level] * 2, 2e-3,
                ("closed form", "updates and flow"))  # fmt: skip
    laws = [softmax(z[1:]) for z in (path["format only"][-1], flow["format only"])]
    yield apart(UNMOVED, laws, [start] * 2, 1e-9, ("closed form", "updates and flow"))
    lead = [
        a[0] - b[0] for a, b in zip(both["format and length"], both["correctness"], strict=True)
    ]
    yield Check(LEARNS, min(lead), -0.01, ">=", routes=two)
    off = max(abs(x[1] - 0.5) for x in both["format and length"])
    yield Check(CENTRE, off, 0.03, routes=two)
    yield Check(NEEDED, max(abs(x[2] - 0.1) for x in both["length only"]), 1e-9, routes=two)
    yield Check(WEAK, max(x[0] for x in both["length only"]), 0.1, "<", routes=two)
    first = [path[n][1][0] - FORMAT for n in ("format only", "correctness")]
    yield same(SPEED, first[0] / first[1], format_speed(start, skill()), 1e-9,
               ("updates", "closed form"))  # fmt: skip
    rows = [[n, *(ends(path[n][t])[0] for t in (20, 80, STEPS)), *both[n][0][1:]] for n in KINDS]
    yield Table(
        "runs", ("reward", "accuracy at 20", "at 80", "at 400", "mean length", "format"), rows
    )
    for i, what in enumerate(("accuracy", "mean length")):
        yield lines(what.replace(" ", "-"), what.capitalize(), ("update", what),
                    {n: np.array([ends(z)[i] for z in path[n][::4]]) for n in KINDS},
                    x=list(range(0, STEPS + 1, 4)))  # fmt: skip


# -- C: the bump points the wrong way --------------------------------------------------------------
def misspecified(own: Mapping[str, Shaper]) -> Items:
    """Neither reward sees accuracy, so that its peak can be moved after the fact."""
    table = {n: tables(own[n]) for n in KINDS[1:3]}
    last = {n: train(t)[-1] for n, t in table.items()}
    flow = {n: flow_path(lambda z, t=t: slope(t, z), np.r_[FORMAT, START], [0.0, RATE * STEPS])[-1]
            for n, t in table.items()}  # fmt: skip
    form, length = KINDS[1:3]
    cross = [root(lambda x, z=z: ends(z[length], x)[0] - ends(z[form], x)[0], 0.5, 0.9)
             for z in (last, flow)]  # fmt: skip
    worst = max(cross, key=lambda x: abs(x - 0.7) if x == x else np.inf)
    yield same(CROSSING, worst, 0.7, 0.05, ("updates", "flow"))
    yield same(AGREE, cross[0], cross[1], 0.01, ("updates", "flow"), claim=False)
    found = {n: [ends(last[n], x)[0] for x in PEAKS] for n in (form, length)}
    for n, values in found.items():
        yield apart(f"C: final accuracies against the card's, {n}", values, CARD[n], 1.1e-3,
                    ("updates", "card"), claim=False)  # fmt: skip
    yield lines(
        "misspecified",
        "Where accuracy peaks, and which reward finds it",
        ("peak of accuracy (share of the limit)", "final accuracy"),
        found,
        x=list(PEAKS),
    )


@experiment(
    "02",
    card="02",
    slug="format-length",
    claim="A format reward brings out what the base can do at its own lengths and no more; a bump "
    "in length breaks that plateau without a label, as long as it points to where accuracy is.",
    source="reward code and section on format and length; bandit, plateau and crossing derived",
    provenance="code",
    smoke={},
    mutants=[
        Mutant("any text has the format", {"rule": "any text"}, (SHAPE, PLATEAU, SPEED)),
        Mutant("a longer text always pays more", {"rule": "longer"},
               (SHAPE, LEARNS, CENTRE, CROSSING)),
        Mutant("the bump without an answer", {"rule": "ungated", "parts": "A"}, (SHAPE,)),
        Mutant("clipped at 0", {"rule": "clipped", "parts": "A"}, (SHAPE,)),
        Mutant("a look at the labels", {"rule": "peeks", "parts": "A"}, (LABELS,)),
        Mutant("the control pays answers", {"rule": "answers too", "parts": "B"}, (NEEDED, WEAK)),
        Mutant("correctness called format", {"rule": "correctness for format", "parts": "B"},
               (PLATEAU, UNMOVED, SPEED)),
        Mutant("another turning point", {"turn": 0.25, "parts": "BC"}, (CENTRE, CROSSING)),
    ],
)  # fmt: skip
def run(
    *, rule: str = "as published", turn: float = 0.5, parts: str = "ABC", seed: int = 0
) -> Result:
    """The rewards; a bandit with a latent skill; the bump misplaced.

    parts : which to run; rule, turn : for mutants
    """
    own = rewards(rule, turn)
    each = {
        "A": lambda: shapes(own, seed),
        "B": lambda: bandit(own),
        "C": lambda: misspecified(own),
    }
    return run_parts(each, parts, notes=(
        "The format's chance and the length are chosen apart from each other, a think block is "
        "always there, and accuracy needs the format.",
    ))  # fmt: skip
