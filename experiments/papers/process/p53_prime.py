"""PRIME: what its dense rewards optimise, where they help, online reward models, and the filter."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.key_tokens import BAND, PLACES, Run
from toyrl.experiments.lab.key_tokens import learn as learned
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import beyond, mean_error
from toyrl.experiments.lab.shared import shared
from toyrl.experiments.papers.process.p53_gradients import (
    BASELINE,
    DIFFERS,
    EQUAL,
    PRICE,
    RELEASED,
    SAME,
    gradients,
)

EARLY = "T2: first keys: updates over those of outcome only, by 4 errors"
ORDER = "T2: middle keys over first, last over middle: updates more, the least, by 4 errors"
LAST = "T2: last keys: updates over those of outcome only, by 4 errors"
CONTROL = "T2: the same r_phi(y) as outcome reward: updates over outcome only, by 4 errors"
RANKED = "T3: online reward model: pairs ranked right at the end, by 4 errors"
RANKS = "T3: pairs ranked right: online less frozen, frozen less untrained, by 4 errors"
CHANCES = "T3: chance of success: online less frozen, frozen less untrained, by 4 errors"
FALLS = "T3: pairs ranked right, from first to last updates: offline loses, by 4 errors"
STALLS = "T4: no filter: share of runs with process rewards that reach 0.9"
LEARNS = "T4: no filter: updates of outcome only, the slowest run"
FILTERED = "T4: filter: updates saved by process rewards, by 4 errors"
SAID = {"outcome": "outcome only", "dense": "process rewards", "total": "total as outcome"}
learn = shared(learned)
WHY = "the number of updates of sampled training has no closed form"
MODELS: dict[str, dict[str, Any]] = {
    "online": {},
    "frozen after 20": {"taught": (0, 20)},
    "never trained": {"taught": (0, 0)},
    "offline": {"taught": (0, 0), "offline": 20},
}


def above(name: str, x: Any, bound: float, op: str = ">") -> Check:
    """The mean of independent runs x (S,) beyond a bound by 4 standard errors."""
    mean, error = mean_error(x)
    return beyond(name, mean, error, bound, op, ("simulation",), why_one_route=WHY)


# -- T2: where the keys are ------------------------------------------------------------------------
def places(dense: str, total: str, gamma: float, where: Sequence[Sequence[int]], rivals: int,
           seeds: int, updates: int, seed: int) -> Items:  # fmt: skip
    """Updates to a chance of success of 0.9, by position of the keys.

    dense, total : methods under these names; rivals : places at which outcome only and the control
    run, whose law is the same at all
    """
    runs = {
        "outcome only": Run(*learn(where[:rivals], seeds, "outcome", updates, seed=seed)),
        "PRIME": Run(*learn(where, seeds, dense, updates, gamma=gamma, seed=seed)),
        "total as outcome": Run(*learn(where[:rivals], seeds, total, updates, seed=seed)),
    }
    steps = {name: run.steps() for name, run in runs.items()}
    # The same random numbers everywhere: a seed is one comparison.
    base = np.resize(steps["outcome only"], steps["PRIME"].shape)
    share = steps["PRIME"] / base
    first, middle, last = (steps["PRIME"][i] for i in (0, 1, len(where) - 1))
    yield above(EARLY, share[0], 0.7, "<")
    yield above(LAST, share[-1], 0.9)
    gaps = [middle - first, last - middle]
    yield above(ORDER, min(gaps, key=np.mean), 0.0)
    yield above(CONTROL, (steps["total as outcome"] / steps["outcome only"])[0], 0.9)
    after = Run(*learn(where[:1], seeds, "dense", updates, order="after", seed=seed)).steps()
    own = Run(*learn(where[-1:], seeds, "dense", updates, gamma=0.0, seed=seed)).steps()
    rows = [
        [", ".join(map(str, at)), *(float(np.median(steps[k][min(i, len(steps[k]) - 1)]))
                                    for k in steps)]
        for i, at in enumerate(where)
    ]  # fmt: skip
    yield Table("updates to 0.9", ("keys", *steps), rows,
                f"Medians of {seeds} seeds. Reward model updated after its rewards are read, first "
                f"keys: {float(np.median(after)):g}; each token paid its own process reward alone "
                f"(discount 0), last keys: {float(np.median(own)):g}.")  # fmt: skip
    curves = {f"PRIME, keys {', '.join(map(str, at))}": runs["PRIME"].success[:, i].mean(-1)
              for i, at in enumerate(where)}  # fmt: skip
    curves |= {
        name: runs[name].success[:, 0].mean(-1) for name in ("outcome only", "total as outcome")
    }
    yield lines("keys", "Dense rewards help where decisive tokens come early",
                ("update", "chance of success"), curves,
                dashed=("outcome only", "total as outcome"),
                caption=f"Mean of {seeds} seeds; 16 places, two keys.")  # fmt: skip


# -- T3: which reward model ------------------------------------------------------------------------
def models(inverted: bool, swaps: Sequence[Sequence[str]], seeds: int, seed: int) -> Items:
    """Reward models with random first logits, on the first keys.

    swaps : pairs of a model's name and the one that stands in for it
    """
    stands = {name: name for name in MODELS} | {str(a): str(b) for a, b in swaps}
    runs = {name: Run(*learn(PLACES[:1], seeds, "dense", 80, spread=0.3, stop=False,
                             inverted=inverted, seed=seed, **MODELS[stands[name]]))
            for name in MODELS}  # fmt: skip
    start = {k: np.nanmean(run.ranked[:20, 0], axis=0) for k, run in runs.items()}
    end = {k: np.nanmean(run.ranked[60:, 0], axis=0) for k, run in runs.items()}
    chance = {k: run.success[-1, 0] for k, run in runs.items()}
    yield above(RANKED, end["online"], 0.95)
    names = ("online", "frozen after 20", "never trained")
    for check, x in ((RANKS, end), (CHANCES, chance)):
        gaps = [x[a] - x[b] for a, b in pairwise(names)]
        yield above(check, min(gaps, key=np.mean), 0.0)
    yield above(FALLS, start["offline"] - end["offline"], 0.0)
    yield Table("reward models", ("model", "ranked, updates 1-20", "ranked, updates 61-80",
                                  "chance of success at 80"),
                [[k, *(float(x[k].mean()) for x in (start, end, chance))] for k in runs],
                "Share of pairs of a right and a wrong rollout of the policy of that update.",
                )  # fmt: skip
    yield lines("reward models", "A frozen reward model is outrun by the policy",
                ("update", "pairs ranked right"),
                {k: np.nanmean(run.ranked[:, 0], axis=-1) for k, run in runs.items()},
                caption=f"Keys 1 and 2, mean of {seeds} seeds.")  # fmt: skip


# -- T4: without the filter ------------------------------------------------------------------------
def unfiltered(dense: str, band: Sequence[float], outcome: str, seeds: int, updates: int,
               seed: int) -> Items:  # fmt: skip
    """Three keys, first success 1/64, eight prompts; with the filter sixteen.

    band : of accuracies that stay, [0, 1] without a filter; dense, outcome : the methods
    """
    keys, fast = ((1, 2, 3),), {"rate": 0.3, "seed": seed}
    bare = {m: Run(*learn(keys, seeds, m, updates, prompts=8, band=band, **fast))
            for m in (outcome, "dense")}  # fmt: skip
    kept = {m: Run(*learn(keys, seeds, m, updates, **fast)) for m in ("outcome", dense)}
    yield Check(STALLS, float(np.isfinite(bare["dense"].steps()).mean()), 0.5, "<",
                routes=("simulation",), why_one_route=WHY)  # fmt: skip
    yield Check(LEARNS, float(bare[outcome].steps().max()), 150, routes=("simulation",),
                why_one_route=WHY)  # fmt: skip
    yield above(FILTERED, (kept["outcome"].steps() - kept[dense].steps())[0], 0.0)
    rows = [[SAID[name], "none" if runs is bare else f"{BAND[0]:g} to {BAND[1]:g}",
             float(np.median(run.steps()))]
            for runs in (bare, kept) for name, run in runs.items()]  # fmt: skip
    yield Table("updates to 0.9, three keys", ("rewards", "filter", "median"), rows,
                f"Infinite: not within {updates}.")  # fmt: skip
    yield lines("filter", "Without the filter process noise drowns the first successes",
                ("update", "chance of success"),
                {f"{SAID[name]}, {'no filter' if runs is bare else 'filter'}":
                 np.median(run.success[:, 0], axis=-1)
                 for runs in (bare, kept) for name, run in runs.items()},
                dashed=[f"{said}, no filter" for said in SAID.values()],
                caption=f"Median of {seeds} seeds; three keys.")  # fmt: skip


@experiment(
    "53",
    card="53",
    slug="prime",
    claim="Token log-ratios of a reward model trained online on outcomes speed training up by "
    "credit alone: their total as an outcome reward does nothing, and the gain is gone where the "
    "decisive tokens come last; the model has to be online, and prompts filtered by accuracy.",
    source="Eqs. 3-6, Algorithm 1, section 5; code PRIME-RL/PRIME and verl recipe/prime; the "
    "chain of key tokens is ours",
    provenance="code",
    smoke={"seeds": 4, "rivals": 1, "updates": 120, "horizon": 160, "worlds": 5},
    mutants=[
        Mutant("released baseline", {"form": "released", "parts": ("gradients",)},
               (EQUAL, PRICE, RELEASED)),
        Mutant("discounted returns", {"form": "discounted", "parts": ("gradients",)},
               (EQUAL, RELEASED)),
        Mutant("prompts left out", {"form": "filtered", "parts": ("gradients",)}, (EQUAL,)),
        Mutant("whitened", {"form": "whitened", "parts": ("gradients",)}, (EQUAL, SAME, RELEASED)),
        Mutant("reward model = reference", {"equal": True, "parts": ("gradients",)}, (DIFFERS,)),
        Mutant("the token's own reward in its baseline", {"prefix": "with",
                                                          "parts": ("gradients",)}, (BASELINE,)),
        Mutant("process rewards summed over the text", {"dense": "total", "parts": ("places",)},
               (EARLY, ORDER)),
        Mutant("each token its own reward", {"gamma": 0.0, "parts": ("places",)}, (LAST, ORDER)),
        Mutant("the control's rewards by token", {"total": "dense", "parts": ("places",)},
               (CONTROL,)),
        Mutant("labels turned around", {"inverted": True, "parts": ("models",)},
               (RANKED, RANKS, CHANCES)),
        Mutant("online model frozen", {"swaps": (("online", "frozen after 20"),),
                                       "parts": ("models",)}, (RANKED, RANKS, CHANCES)),
        Mutant("offline model goes on learning", {"swaps": (("offline", "online"),),
                                                  "parts": ("models",)}, (FALLS,)),
        Mutant("filtered all the same", {"band": BAND, "parts": ("filter",)}, (STALLS,)),
        Mutant("process rewards for outcome only", {"outcome": "dense", "parts": ("filter",)},
               (LEARNS,)),
        Mutant("outcome only twice", {"dense": "outcome", "parts": ("filter",)}, (FILTERED,)),
    ],
)  # fmt: skip
def run(
    *,
    form: str = "published",
    prefix: str = "before",
    equal: bool = False,
    dense: str = "dense",
    total: str = "total",
    outcome: str = "outcome",
    gamma: float = 1.0,
    inverted: bool = False,
    swaps: Sequence[Sequence[str]] = (),
    band: Sequence[float] = (0.0, 1.0),
    where: Sequence[Sequence[int]] = PLACES,
    rivals: int = len(PLACES),
    seeds: int = 12,
    worlds: int = 10,
    updates: int = 300,
    horizon: int = 1500,
    parts: Sequence[str] = ("gradients", "places", "models", "filter"),
    seed: int = 0,
) -> Result:
    """Expected gradients on a tree, then a chain of key tokens under four questions.

    where : lists of keys; rivals : of them with rivals; seeds : runs of each, worlds : of each
    reward model; updates : most of a run, horizon : without the filter; parts : which to run
    form, prefix, equal, dense, total, outcome, gamma, inverted, swaps, band : for mutants
    """
    own = {
        "gradients": lambda: gradients(form, prefix, equal, seed),
        "places": lambda: places(dense, total, gamma, where, rivals, seeds, updates, seed),
        "models": lambda: models(inverted, swaps, worlds, seed),
        "filter": lambda: unfiltered(dense, band, outcome, seeds, horizon, seed),
    }
    return run_parts(own, parts, (
        "The process rewards end at r_phi(y) and not at 0: they are no policy-invariant shaping, "
        "what is optimised is r + r_phi(y), exactly so for the published baseline; the "
        "released one adds a term to the expected gradient.",
        "For responses of varying length the published baseline is a price m per token, m the mean "
        "over responses of r_phi by token.",
        "Paid with discount 0, each token its own reward, the toy gains wherever the keys are: "
        "here the reward of a token tells all about it.",
        "Without the filter the total as an outcome reward stalls as well: whitened noise of a "
        "second reward, however it is spread.",
    ))  # fmt: skip
