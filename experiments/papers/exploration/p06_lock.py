"""ONI on a combination lock: which judgement of captions finds the top, and what farming costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from toyrl.dynamics.tabular.lock_learning import CaptionBonus, LockLearner
from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.locks import lock_runs, random_reach, smoothed
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import SIMULATED, alone, beyond, mean_error
from toyrl.worlds.search.lock import Lock

LAST = 200
ALONE = "task reward alone: least share of runs at most 0.02"
CHANCE = "random actions: episodes at the top, expected number in a run"
SOLVED = "retrieval, beta = 3: share of runs at 0.85 and above"
FARMED = "retrieval, beta = 0: share of runs at most 0.05"
SAME = "one tag: retrieval and classification, least mean success"
UNSEEN = "1000 tags: retrieval, mean success"
KINDS = "1000 tags: classification, mean success"
EXACT = "1000 tags: classification, exact captions counted: mean success"
RANKED = "1000 tags: ranking, normalised, mean success"
RAW = "1000 tags: ranking: episodes to the top, normalised score less raw"
NEWEST = "1000 tags: classification: episodes to the top, oldest served first less newest"
LOOPS = "task reward weighed 1 instead of 10: mean success"
fact = alone("simulation", "success of a learner over sampled runs; there is no closed form of it")

RETRIEVAL = CaptionBonus()
BY_KIND = CaptionBonus(counted="kind")
ARMS: dict[str, tuple[CaptionBonus, int]] = {
    "task reward alone": (CaptionBonus(model="none"), 1),
    "retrieval": (RETRIEVAL, 1),
    "retrieval, beta 0": (replace(RETRIEVAL, beta=0.0), 1),
    "retrieval, alpha_ext 1": (replace(RETRIEVAL, alpha_ext=1.0), 1),
    "classification": (replace(BY_KIND, model="classification"), 1),
    "retrieval, 1000 tags": (RETRIEVAL, 1000),
    "classification, 1000 tags": (replace(BY_KIND, model="classification"), 1000),
    "classification, exact counts": (replace(RETRIEVAL, model="classification"), 1000),
    "classification, oldest first": (
        replace(BY_KIND, model="classification", newest=False),
        1000,
    ),
    "ranking, 1000 tags": (replace(BY_KIND, model="ranking"), 1000),
    "ranking, raw": (replace(BY_KIND, model="ranking", normalise=False), 1000),
}


class Runs:
    """The arms' runs, each once, with what a mutant has changed in all of them."""

    def __init__(self, changed: Sequence[Sequence[object]], episodes: int, runs: int, seed: int
                 ) -> None:  # fmt: skip
        self.changed: dict[str, Any] = {str(k): v for k, v in changed}
        self.episodes, self.runs, self.seed = episodes, runs, seed
        self.of = cache(self._of)

    def _of(self, arm: str) -> np.ndarray:
        """(runs, episodes) 1 where the top was reached."""
        bonus, tags = ARMS[arm]
        own, learner = replace(bonus, **self.changed), LockLearner(episodes=self.episodes)
        return lock_runs(Lock(tags=tags), own, learner, self.runs, self.seed)

    def end(self, arm: str, *, half: bool = False) -> np.ndarray:
        """(runs,) success over the last episodes, or those before the half."""
        last = self.episodes // 2 if half else self.episodes
        return self.of(arm)[:, last - LAST : last].mean(-1)

    def first(self, arm: str) -> np.ndarray:
        """(runs,) the episode that first reached the top, or one more than there are."""
        x = self.of(arm)
        return np.where(x.any(-1), x.argmax(-1), x.shape[1]) + 1.0

    def later(self, name: str, late: str, early: str) -> Check:
        """One arm first reaches the top in later episodes than another, by 4 standard errors."""
        gap = self.first(late) - self.first(early)
        return beyond(name, *mean_error(gap), 0.0, routes=(SIMULATED,),
                      why_one_route="success of a learner over sampled runs")  # fmt: skip


def alone_part(r: Runs) -> Items:
    """The task's reward alone."""
    yield fact(ALONE, float((r.end("task reward alone") <= 0.02).mean()), 5 / 6, ">=")
    # Resets after a fall give a random walk several tries an episode, all counted.
    yield Check(CHANCE, random_reach(Lock()) * r.episodes, 0.1, "<", claim=False)


def counts(r: Runs) -> Items:
    """With and without a discount of repeats."""
    yield fact(SOLVED, float((r.end("retrieval") >= 0.85).mean()), 5 / 6, ">=")
    yield fact(FARMED, float((r.end("retrieval, beta 0") <= 0.05).mean()), 5 / 6, ">=")
    yield fact(LOOPS, float(r.end("retrieval, alpha_ext 1").mean()), 0.3, "<")


def tagged(r: Runs) -> Items:
    """A thousand tags, so that no caption comes twice, and one."""
    least = min(r.end("retrieval").mean(), r.end("classification").mean())
    yield fact(SAME, float(least), 0.85, ">=")
    yield fact(KINDS, float(r.end("classification, 1000 tags").mean()), 0.6, ">=")
    yield fact(RANKED, float(r.end("ranking, 1000 tags").mean()), 0.6, ">=")


def unseen(r: Runs) -> Items:
    """What fails at a thousand tags."""
    yield fact(UNSEEN, float(r.end("retrieval, 1000 tags").mean()), 0.05, "<=")
    yield fact(EXACT, float(r.end("classification, exact counts").mean()), 0.05, "<=")


def order(r: Runs) -> Items:
    """Which of two gets there first; gaps of 1400 and 900 episodes, spreads of 600: 12 runs do."""
    yield r.later(RAW, "ranking, 1000 tags", "ranking, raw")
    yield r.later(NEWEST, "classification, oldest first", "classification, 1000 tags")


def pictures(r: Runs) -> Items:
    """Success over episodes of the arms, and the table of all."""
    shown = ("task reward alone", "retrieval", "retrieval, beta 0", "retrieval, 1000 tags",
             "classification, 1000 tags", "ranking, 1000 tags", "ranking, raw")  # fmt: skip
    yield lines("success", "Who opens the lock?", ("episode", "share of episodes at the top"),
                {arm: smoothed(r.of(arm), 50) for arm in shown},
                caption=f"20 levels, 60 steps, {r.runs} runs; the annotator labels 2 captions or "
                "pairs every 20 steps. The three that aren't seen lie at 0.")  # fmt: skip
    half = r.episodes // 2
    yield Table("success", ("judgement", f"after {half} episodes", f"after {r.episodes}",
                            "runs at 0.85", "first at the top"),
                [[arm, float(r.end(arm, half=True).mean()), float(r.end(arm).mean()),
                  float((r.end(arm) >= 0.85).mean()), float(r.first(arm).mean())]
                 for arm in ARMS],
                caption=f"Mean over {r.runs} runs of the {LAST} episodes before; the first episode "
                f"at the top, {r.episodes + 1} for none.")  # fmt: skip


@experiment(
    "06-lock",
    card="06",
    slug="oni-lock",
    claim="On a lock that the task's reward never opens, captions labelled while it learns do, if "
    "repeats are discounted; labels of single captions fail where captions don't repeat, a "
    "classifier or ranker of kinds doesn't.",
    source="abstract; sections 2 and 5: the lock is a counterpart of NetHack",
    provenance="derived",
    smoke={"runs": 10},
    mutants=[
        Mutant("repeats paid in full", {"changed": [["beta", 0.0]], "parts": ["tagged"]},
               (SAME, KINDS, RANKED)),
        Mutant("repeats paid in full, one tag", {"changed": [["beta", 0.0]], "parts": ["counts"]},
               (SOLVED,)),
        Mutant("repeats discounted in both arms", {"changed": [["beta", 3.0]], "parts": ["counts"]},
               (FARMED,)),
        Mutant("oldest served first in both arms", {"changed": [["newest", False]],
                                                    "parts": ["order"]}, (NEWEST,)),
        Mutant("raw scores in both arms", {"changed": [["normalise", False]], "parts": ["order"]},
               (RAW,)),
        Mutant("the task weighs 10 everywhere", {"changed": [["alpha_ext", 10.0]],
                                                 "parts": ["counts"]}, (LOOPS,)),
        Mutant("captions judged and counted by kind in every arm",
               {"changed": [["model", "classification"], ["counted", "kind"]],
                "parts": ["alone", "unseen"]}, (ALONE, UNSEEN, EXACT)),
    ],
)  # fmt: skip
def run(
    *,
    changed: Sequence[Sequence[object]] = (),
    episodes: int = 3000,
    runs: int = 40,
    parts: Sequence[str] = ("alone", "counts", "tagged", "unseen", "order", "pictures"),
    seed: int = 0,
) -> Result:
    """changed : fields of every arm's bonus that a mutant sets; episodes : half of them 1500, the
    number for which the toy was measured elsewhere; runs : each with bits of its own."""
    own = Runs([tuple(x) for x in changed], episodes, runs, seed)
    work = {
        "alone": lambda: alone_part(own),
        "counts": lambda: counts(own),
        "tagged": lambda: tagged(own),
        "unseen": lambda: unseen(own),
        "order": lambda: order(own),
        "pictures": lambda: pictures(own),
    }
    return run_parts(
        work,
        parts,
        notes=(
            "after 1500 episodes classification at 1000 tags is at 0.5 to 0.6 (0.87 was measured "
            "over ten runs elsewhere) and normalised ranking at 0.1 to 0.3: both get there by "
            "3000.",
            "the released ranker pays raw scores: falls then cost, and it learns faster than the "
            "text's normalised one.",
        ),
    )
