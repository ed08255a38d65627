"""A verifier that errs: what flips leave of the gradient, by output and by prompt, and of a run."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from toyrl.estimators.group import PRESETS
from toyrl.experiments.core import Check, Mutant, Picture, Result, Table, experiment
from toyrl.experiments.lab.bandits import climb
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import CLOSED, SIMULATED, alone, apart, beyond, mean_error, same
from toyrl.experiments.papers.selection.p25_flips import (
    RATES,
    logit_gradient,
    moments,
    pushes,
    reached_at,
    run,
    split,
)
from toyrl.theory.group.variance import omega
from toyrl.theory.noise import channel, gradient, speed
from toyrl.theory.policies import softmax

GRPO = PRESETS["grpo_population"]
UP, DOWN, FLIP = 0.3, 0.1, 0.4
START, LOGIT = 0.2, float(np.log(0.2 / 0.8))
STD = "a: GRPO, flips by output: E[g] against c h_G(p~) grad p, largest error"
CENTRED = "a: mean as baseline, own sample in it: E[g] against c (G-1)/G grad p, largest error"
NEGATED = "a: GRPO, flips by prompt: E[g] against (1 - 2 phi) E[g] without flips, largest error"
SECOND = "a: flips by prompt: E|g|^2 against that without flips, largest relative error"
ALONE = "a: one rollout of REINFORCE: relative variance against its formula, largest error"
BY_PROMPT = "c: Var[g], flips by prompt, against enumeration, largest error"
BY_OUTPUT = "c: Var[g], flips by output, against enumeration, largest error"
RATIO = "c: prompts for the same relative error, flips by prompt, largest relative error"
FLOOR = "c: variance by prompt over its floor (1 - c^2) m, G = 10,000"
VANISHES = "c: variance by output over the same, G = 10,000"
WEIGHTS = "d: weights of the two prompts under GRPO against enumeration, largest error"
TURNED = "d: GRPO's weights of p = 0.02 and 0.5: their ratio over that without flips, phi = 0.4"
UNTURNED = "d: the same under REINFORCE with the mean as baseline, largest error"
SURVIVES = "b: Adam, phi = 0.4 by prompt: final success over that of clean verdicts, medians"
NEVER = "b: Adam, phi = 0.5: largest median success on the way"
UNLEARNED = "b: Adam, phi = 0.6: final success, larger median"
SLOWER = "b: Adam, phi = 0.4: steps to 0.9, by prompt over by output"
SPEED = "b: plain steps: c x steps to 0.9 against the flow's time, largest relative error"
CRITICAL = "b: expected updates at the critical rate of a budget of 5, over those without flips"
trained = alone("training", "Adam on sampled groups has no closed form; (c) gives its noise")


# -- a: the expected gradient of four arms ---------------------------------------------------------
def factors(rng: Any, weight: str, mean: str, by: Mapping[str, str]) -> Items:
    """The factor of flips on the expected gradient, by enumeration of groups and flips."""
    output, prompt = (by.get(x, x) for x in ("output", "prompt"))
    found: dict[str, list[Any]] = {STD: [], CENTRED: [], NEGATED: [], SECOND: []}
    for size in (2, 3, 4):
        pi = softmax(rng.standard_normal(4))
        p = pi[:2].sum()
        grad = pi[:2] @ (np.eye(4) - pi)[:2]
        seen = pick({"p~": channel.noisy_success(p, UP, DOWN), "p": p}, weight)
        c = channel.signal(UP, DOWN)
        g = moments(pi, size, GRPO, UP, DOWN, output)[0]
        found[STD].append((g, c * omega(seen, size, ddof=0) * grad))
        g = moments(pi, size, PRESETS[mean], UP, DOWN, output)[0]
        found[CENTRED].append((g, c * (size - 1) / size * grad))
        clean = moments(pi, size, GRPO, 0, 0, "output")
        noisy = moments(pi, size, GRPO, FLIP, FLIP, prompt)
        found[NEGATED].append((noisy[0], (1 - 2 * FLIP) * clean[0]))
        found[SECOND].append((noisy[1] / clean[1], 1.0))
    for name, pairs in found.items():
        got, want = (np.array([x[i] for x in pairs]) for i in (0, 1))
        yield apart(name, got, want, 1e-12)


def single(baseline: str) -> Items:
    """Relative variance of one rollout's gradient, from its four outcomes."""
    rates, want = np.arange(5) / 10, []
    for flip in rates:
        b = pick({"p~": float(channel.noisy_success(START, flip, flip)), "p": START}, baseline)
        cases = [(START * (1 - flip), 1, 1), (START * flip, 1, 0),
                 ((1 - START) * flip, 0, 1), ((1 - START) * (1 - flip), 0, 0)]  # fmt: skip
        g = np.array([(v - b) * (r - START) for _, r, v in cases])
        w = np.array([x for x, _, _ in cases])
        want.append((w @ g**2) / (w @ g) ** 2 - 1)
    yield apart(ALONE, gradient.relative_variance(START, rates, rates), want, 1e-9)


# -- c: variance and samples -----------------------------------------------------------------------
def variances(rng: Any, groups: int, by: Mapping[str, str]) -> Items:
    """Variance of one group's gradient by both kinds of flips; its floor in large groups."""
    output, prompt = (by.get(x, x) for x in ("output", "prompt"))
    found: dict[str, list[Any]] = {BY_PROMPT: [], BY_OUTPUT: [], RATIO: []}
    for p, size, flip in itertools.product((0.05, 0.3, 0.9), (2, 5), (0.1, FLIP)):

        def measured(name: str, flip: float, by: str, p: float = p, size: int = size) -> Any:
            w, *counts = split(p, size, flip, by)
            g = logit_gradient(pushes(PRESETS[name], size), *counts)
            return w @ g, w @ g**2

        for name in ("rloo", "dr_grpo", "grpo_exact"):
            mean, second = measured(name, flip, prompt)
            known = "grpo" if name == "grpo_exact" else name
            found[BY_PROMPT].append(
                (second - mean**2, gradient.variance_by_prompt(known, p, flip, size))
            )
        mean, second = measured("rloo", flip, output)
        known = gradient.variance_by_output(p, flip, flip, size)
        found[BY_OUTPUT].append((second - mean**2, known))
        clean, M = measured("rloo", 0.0, "output")
        mean, second = measured("rloo", flip, prompt)
        errors = (second / mean**2 - 1) / (M / clean**2 - 1)
        found[RATIO].append((errors / gradient.prompts_ratio(M, clean**2, flip), 1.0))
    for name, pairs in found.items():
        got, want = np.array(pairs).T
        yield apart(name, got, want, 1e-11)
    yield from floor(rng, groups, output, prompt)


def floor(rng: Any, groups: int, output: str, prompt: str) -> Items:
    """The same in groups of 10,000, simulated: in a large group one kind of noise is left."""
    size, pq = 10_000, START * (1 - START)
    m = gradient.noise_floor(pq**2, FLIP)
    right = rng.binomial(size, START, groups)
    both, wrong = rng.binomial(right, 1 - FLIP), rng.binomial(size - right, FLIP)
    together = rng.random(groups) < FLIP
    kinds = {
        "output": (both, wrong),
        "prompt": (np.where(together, 0, right), np.where(together, size - right, 0)),
    }
    for name, by, least in ((FLOOR, prompt, True), (VANISHES, output, False)):
        i, j = kinds[by]
        share = (i - right * (i + j) / size) / (size - 1)  # RLOO: a sample covariance
        error = (share - (1 - 2 * FLIP) * pq) ** 2 / m
        mean, stderr = mean_error(error)
        want = float((gradient.variance_by_prompt("rloo", START, FLIP, size) if least
                      else gradient.variance_by_output(START, FLIP, FLIP, size)) / m)  # fmt: skip
        yield Check(name, mean, want, "~", 4 * stderr, stderr, (CLOSED, SIMULATED))
    yield noise_picture(pq**2)


def noise_picture(m: float) -> Picture:
    """Relative variance against the group size."""
    sizes = np.unique(np.geomspace(2, 1024, 40).astype(int))
    left = (1 - 2 * FLIP) ** 2 * m
    curves = {
        "by prompt": [gradient.variance_by_prompt("rloo", START, FLIP, n) / left for n in sizes],
        "by output": [gradient.variance_by_output(START, FLIP, FLIP, n) / left for n in sizes],
        "no flips": [gradient.variance_by_prompt("rloo", START, 0.0, n) / m for n in sizes],
        "floor by prompt": np.full(len(sizes), float(gradient.noise_floor(m, FLIP)) / left),
    }
    return lines("noise-variance", "Noise of one group, success 0.2, flip rate 0.4",
                 ("rollouts in the group", "variance over squared mean"), curves,
                 x=sizes.tolist(), dashed=("floor by prompt",), log_x=True, log_y=True,
                 caption="Flips of whole prompts leave noise that no group averages out."
                 )  # fmt: skip


# -- d: two prompts --------------------------------------------------------------------------------
def across(weight: str, flat: str) -> Items:
    """What flips by output do to the weights of a hard and a middling prompt."""
    hard, fair, size = 0.02, 0.5, 8
    rule = pick({"p~": gradient.noisy_omega, "p": lambda p, up, down, n: (
        channel.signal(up, down) * omega(p, n))}, weight)  # fmt: skip
    found, want, plain, kept = [], [], [], {}
    for flip in (0.0, 0.2, FLIP):
        row = []
        for p in (hard, fair):
            w, *counts = split(p, size, flip, "output")
            g, other = (w @ logit_gradient(pushes(PRESETS[e], size), *counts) / (p * (1 - p))
                       for e in ("grpo_exact", flat))  # fmt: skip
            row += [g, other]
            found.append(g)
            want.append(rule(p, flip, flip, size))
        kept[flip] = row[0] / row[2]
        plain.append(row[1] / row[3])
    ratio = float(rule(hard, FLIP, FLIP, size) / rule(fair, FLIP, FLIP, size) / kept[0.0])
    yield apart(WEIGHTS, found, want, 1e-12)
    yield same(TURNED, kept[FLIP] / kept[0.0], ratio, 1e-12)
    yield apart(UNTURNED, plain, np.ones(3), 1e-12, ("enumeration", "E[g] = c grad p (G-1)/G"))
    rates = np.linspace(0, 0.5, 60)
    shares = {
        f"GRPO, success {p:g}, {said}": gradient.signal_kept(p, rates, rates, n)
        for p, n, said in ((0.1, 8, "G = 8"), (0.01, 8, "G = 8"), (0.01, np.inf, "large G"))
    }
    yield lines("noise-kept", "What flips by output leave of a prompt's update",
                ("flip rate", "share of the clean update"),
                shares | {"REINFORCE, any success": 1 - 2 * rates}, x=rates.tolist(),
                dashed=("REINFORCE, any success",),
                caption="Divided by a group's spread, hard prompts lose most.")  # fmt: skip


# -- b: training -----------------------------------------------------------------------------------
def curve(rng: Any, flip_rates: Any, seeds: int, optimiser: str, one_sided: bool,
          by: Mapping[str, str]) -> Items:  # fmt: skip
    """Adam: final success and steps against the flip rate, both kinds of flips."""
    kinds = ("prompt", "output")
    rates = [(f, 0.0 if one_sided else f, by.get(b, b)) for b in kinds for f in flip_rates]
    path = run(rng, rates, optimiser, 300, seeds, LOGIT).reshape(301, 2, len(flip_rates), seeds)
    middle, steps = np.median(path, -1), reached_at(path)
    at = {f: i for i, f in enumerate(flip_rates)}
    yield trained(SURVIVES, float(middle[-1, 0, at[FLIP]] / middle[-1, 0, at[0.0]]), 0.9, ">=")
    yield trained(NEVER, float(middle[:, :, at[0.5]].max()), 0.9, "<")
    yield trained(UNLEARNED, float(middle[-1, :, at[0.6]].max()), 0.02, "<")
    slow = steps[0, at[FLIP]] - steps[1, at[FLIP]]
    yield beyond(
        SLOWER,
        *mean_error(slow / steps[1, at[FLIP]].mean() + 1),
        1.0,
        ">",
        ("training", "flips by the other rule"),
    )
    spread = {
        b: (np.median(path[-1, i], -1), *np.quantile(path[-1, i], (0.1, 0.9), axis=-1))
        for i, b in enumerate(kinds)
    }
    yield lines("noise-adam", "Adam: success after 300 updates from 0.2",
                ("flip rate", "success, median and 10-90 %"),
                {f"by {b}": (list(flip_rates), *v) for b, v in spread.items()},
                caption="A scale-free optimiser hides the factor 1 - 2 phi until the batch's "
                "signal drowns.")  # fmt: skip
    here = [j for j, f in enumerate(flip_rates) if f < 0.5]
    yield lines("noise-steps", "Adam: updates from 0.2 to 0.9", ("flip rate", "updates, median"),
                {f"by {b}": np.median(steps[i, here], -1) for i, b in enumerate(kinds)},
                x=[flip_rates[j] for j in here],
                caption="Flips of whole prompts cost more, for the same factor.")  # fmt: skip
    yield Table("noise curve", ("flips", "flip rate", "final success", "steps to 0.9"),
                [[b, f, float(middle[-1, i, j]), float(np.median(steps[i, j]))]
                 for i, b in enumerate(kinds) for j, f in enumerate(flip_rates)],
                f"Medians of {seeds} seeds; 300 steps: 0.9 was not reached.")  # fmt: skip


def plain(rng: Any, seeds: int, charged: str) -> Items:
    """Plain steps: 1/c times the updates."""
    flip_rates = np.arange(5) / 10
    c = channel.signal(flip_rates, flip_rates)
    path = run(rng, [(f, f, "prompt") for f in flip_rates], "plain", 300, seeds, LOGIT)
    time = speed.logit_flow_time(START, 0.9) / (RATES["plain"] * 7 / 8)
    factor = pick({"c": c, "c^2": c**2}, charged)
    steps = reached_at(path).mean(-1)
    yield apart(SPEED, factor * steps / time, np.ones(5), 0.08, ("time of the flow", "training"))
    rate = float(channel.critical_symmetric_rate(5.0))
    signals = pick({"c": np.array([1.0, 1 - 2 * rate]), "c^2": np.array([1, (1 - 2 * rate) ** 2])},
                   charged)  # fmt: skip
    slow = climb(lambda p, _: 0.02 * signals * p * (1 - p), np.full(2, LOGIT), 6000)
    clean, noisy = reached_at(slow)
    # Either count is rounded up to a whole update.
    yield same(CRITICAL, noisy / clean, 5.0, 6 / clean, ("closed form", "expected updates"))
    yield lines("noise-plain", "Plain steps from 0.2, flips by prompt", ("update", "success, mean"),
                {f"flip rate {f:g}": path[:, i].mean(-1) for i, f in enumerate(flip_rates)},
                caption="Each path is the clean one, 1/(1 - 2 phi) times as slow.")  # fmt: skip


@experiment(
    "25",
    card="25",
    slug="noisy-verifier",
    claim="Random flips of a verifier's verdict scale the expected gradient by 1 - phi_+ - phi_-; "
    "flips of whole prompts leave a noise that no group averages out, GRPO's division by the "
    "spread shifts weight away from hard prompts, and Adam hides the factor up to 40 % flips.",
    source="sections 2 and 3, figure 9; code trestad/Noisy-Rewards-in-Learning-to-Reason; "
    "derivations in theory/noise",
    provenance="derived",
    smoke={"seeds": 10, "flip_rates": [0.0, 0.4, 0.5, 0.6], "groups": 15_000},
    mutants=(
        Mutant("weights of the clean success rate", {"weight": "p", "parts": ["a", "d"]},
               (STD, WEIGHTS, TURNED)),
        Mutant("the own sample is left out of the mean", {"mean": "rloo", "parts": ["a"]},
               (CENTRED,)),
        Mutant("a flip for each completion in the place of the prompt",
               {"by": {"prompt": "output"}, "parts": ["a", "c", "b"]},
               (NEGATED, SECOND, BY_PROMPT, RATIO, FLOOR, SLOWER)),
        Mutant("a flip for each prompt in the place of the completion",
               {"by": {"output": "prompt"}, "parts": ["c"]}, (BY_OUTPUT, VANISHES)),
        Mutant("the baseline is the clean success rate", {"baseline": "p", "parts": ["single"]},
               (ALONE,)),
        Mutant("the spread divides the centred rewards too", {"flat": "grpo_exact", "parts": ["d"]},
               (UNTURNED,)),
        Mutant("plain steps in the place of Adam", {"optimiser": "plain at Adam's rate",
                                                    "parts": ["b"]}, (SURVIVES,)),
        Mutant("right verdicts alone are flipped", {"one_sided": True, "parts": ["b"]},
               (NEVER, UNLEARNED)),
        Mutant("time charged by c squared", {"charged": "c^2", "parts": ["plain"]},
               (SPEED, CRITICAL)),
    ),
)  # fmt: skip
def noisy_verifier(
    *,
    parts: tuple[str, ...] | list[str] = ("a", "single", "c", "d", "b", "plain"),
    flip_rates: tuple[float, ...] | list[float] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
    seeds: int = 20,
    groups: int = 100_000,
    weight: str = "p~",
    mean: str = "dr_grpo",
    baseline: str = "p~",
    flat: str = "dr_grpo",
    by: Mapping[str, str] | None = None,
    optimiser: str = "adam",
    one_sided: bool = False,
    charged: str = "c",
    seed: int = 0,
) -> Result:
    """seeds : runs of a flip rate; groups : simulated of 10,000; the others are broken by mutants.

    parts : a factor, single rollout, c samples, d across prompts, b Adam, plain steps
    """
    swap = by or {}
    made = {
        "a": lambda: factors(draws(seed), weight, mean, swap),
        "single": lambda: single(baseline),
        "c": lambda: variances(draws(seed, 1), groups, swap),
        "d": lambda: across(weight, flat),
        "b": lambda: curve(draws(seed, 2), flip_rates, seeds, optimiser, one_sided, swap),
        "plain": lambda: plain(draws(seed, 3), seeds // 2, charged),
    }
    return run_parts(made, parts, notes=(
        "Flips by prompt are the paper's; it calls flips by output ineffective. Both have the same "
        "factor: what differs is the noise.",
        "Robust under Adam is not robust: plain steps pay 1/(1 - 2 phi) from the first flip on.",
    ))  # fmt: skip
