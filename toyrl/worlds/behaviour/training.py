"""Training over behaviours: plain policy gradients with the step that Adam takes.

The gradient of each behaviour is the mean of advantage times score over sampled groups, under any
registered reward and estimator. Adam's step is free of the advantages' size, and remembers: it
divides by the root mean square of the run so far, so that a signal that fades moves little and a
term that is left alone in the end is not blown up. Noise is frozen: two rewards meet the same
draws.

    theta_k += distance/steps * (E[A score_k] - beta dKL/d theta_k) / sqrt(mean A^2 so far)

What correctness doesn't hold is lost: an update's noise moves the policy as far as its signal does,
and where the advantages of right and wrong siblings don't differ nothing brings skill back. With c
their correlation with correctness within mixed groups (0 of a reward that reads no label: it holds
what the policy agrees on), and s the share of the run,

    d lost/ds = drift (1 - c) - BACK drift c lost
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from toyrl.estimators.base import Estimator
from toyrl.rollouts import Rollouts
from toyrl.rollouts.memory import merged
from toyrl.shapers.base import Parts, Shaper, sum_parts
from toyrl.worlds.behaviour.knobs import Array, coin_kl
from toyrl.worlds.behaviour.rollouts import (
    Played,
    UnseenError,
    able,
    acted,
    as_rollouts,
    ended_as,
    noise,
    played,
    refuse_unseen,
)
from toyrl.worlds.behaviour.worlds import KNOBS, Worlds
from toyrl.worlds.chain.latents.judge_errors import JudgeErrors

TINY = 1e-9
BACK = 1.0
"""How much faster right answers bring back a logit than noise loses it."""
ANY = 8
FARTHEST = 12.0
"""Bound on |theta|, where laws are numerically at their ends."""


@dataclass(frozen=True)
class Plan:
    """How a run goes.

    group_size : rollouts a prompt; beta : weight of the KL to the base, per rollout, one number
        or (W, 1, 1)
    updates : of the trainer, for schedules; steps : in which they are taken here
    looks : times that the policy is measured on the way; read : rollouts a prompt for that
    still : behaviours that don't move
    labels : False of a reward of texts that doesn't depend on the right answer
    copies : how often the same worlds follow each other; each copy meets the same draws
    judge : who says what is right in the place of the truth, to reward and estimator alike, as
        `correct` and `verified`; one for all worlds, or several that share them out in order, None
        among them the truth. Accuracy is always the truth's
    """

    group_size: int = 8
    beta: float | Array = 0.0
    updates: float = 200.0
    steps: int = 60
    looks: int = 6
    read: int = 32
    seed: int = 0
    still: Collection[str] = ()
    labels: bool = True
    copies: int = 1
    judge: JudgeErrors | tuple[JudgeErrors | None, ...] | None = None


@dataclass(frozen=True)
class Path:
    """W worlds on the way, the base first: (K, W) arrays, and theta (W, 1, 1) at the end.

    step : (K,) where it was measured, as shares of the run
    accuracy, length (tokens), cut, formed : means over prompts and rollouts
    any_of : pass@8: mean chance that one of `ANY` answers to a prompt is right
    kl : nats a rollout from the base that behaviours hold
    gained : mean reward of the groups trained on there less that of the first ones, in standard
        deviations of the first ones' rewards
    """

    step: Array
    accuracy: Array
    length: Array
    cut: Array
    formed: Array
    any_of: Array
    kl: Array
    gained: Array
    theta: dict[str, Array]

    @property
    def change(self) -> Array:
        """(W,) accuracy at the end less that of the base."""
        return self.accuracy[-1] - self.accuracy[0]

    @property
    def factor(self) -> Array:
        """(W,) mean length at the end over that of the base."""
        return self.length[-1] / self.length[0]

    @property
    def best(self) -> Array:
        """(W,) change of accuracy of the best measured moment, the base included."""
        return self.accuracy.max(0) - self.accuracy[0]


Serve = Callable[[Played], dict[str, Array]]
"""More fields (W, B, G) of rollouts, by name."""


def train(
    w: Worlds,
    shaper: Shaper,
    estimator: Estimator,
    plan: Plan | None = None,
    *,
    serve: tuple[tuple[str, ...], Serve] = ((), lambda _: {}),
) -> Path:
    """Train every world; a world's summed steps are its number `distance`.

    serve : names of fields that are served beside `SERVED`, and what serves them

    Raises UnseenError for a reward or estimator that reads what behaviours don't serve.
    """
    plan = plan or Plan()
    refuse_unseen(shaper, (*serve[0], *(() if plan.judge is None else ("verified",))))
    if estimator.token_level:
        msg = "the estimator gives advantages to tokens, which behaviours don't have; no forecast"
        raise UnseenError(msg)
    rng, theta = np.random.default_rng([plan.seed, 1]), w.rest()
    eyes = _noise(w, plan.read, np.random.default_rng([plan.seed, 2]), plan.copies)
    memory = {m.name: np.full((*w.size, 1), m.initial) for m in shaper.all_memory()}
    state: dict[str, Array] = {}
    told = True
    energy = np.zeros((w.size[0], 1, 1))
    rewards, spread = [], np.zeros(w.size[0])
    seen = [measured(w, theta, eyes)]
    at = [0.0]
    for t in range(plan.steps):
        p = played(w, theta, _noise(w, plan.group_size, rng, plan.copies))
        r = _seen(w, plan, p, t, serve[1])
        if t == 0:
            told = plan.labels and ("user_reward" in serve[0] or labelled(shaper, r, memory))
        shaped = shaper.apply(r, memory)
        merge(memory, shaped.memory, shaper)
        paid = np.nan_to_num(np.asarray(sum_parts(shaped.parts, r), dtype=float))
        if t == 0:
            rewards, spread = [paid.mean((1, 2))], paid.std((1, 2))
        advantage, state = _apply(estimator, shaped.parts, r, state)
        energy = energy + (advantage**2).mean((1, 2), keepdims=True)
        _step(w, plan, theta, p, advantage, energy / (t + 1), told=told)
        if (t + 1) % max(plan.steps // plan.looks, 1) == 0 or t + 1 == plan.steps:
            seen.append(measured(w, theta, eyes))
            at.append((t + 1) / plan.steps)
            rewards.append(paid.mean((1, 2)))
    rows = {name: np.stack([s[name] for s in seen]) for name in seen[0]}
    gained = (np.stack(rewards) - rewards[0]) / np.maximum(spread, TINY)
    return Path(step=np.array(at), theta=theta, gained=gained, **rows)


def _seen(w: Worlds, plan: Plan, p: Played, t: int, serve: Serve) -> Rollouts:
    """What reward and estimator see of these rollouts: with the judge's verdicts as the truth."""
    q = p if plan.judge is None else replace(p, right=judged(p, plan))
    more = {} if plan.judge is None else {"verified": q.right}
    return as_rollouts(q, w.limit, t * plan.updates / plan.steps, {**serve(q), **more})


def _step(
    w: Worlds,
    plan: Plan,
    theta: dict[str, Array],
    p: Played,
    advantage: Array,
    square: Array,
    *,
    told: bool,
) -> None:
    """One step of every behaviour, in place; square : mean squared advantage of the run so far.

    told : the reward reads the label, so that correctness can hold what it holds
    """
    known = held(advantage, p.right, p.formed) if told else 0.0
    moving = (advantage**2).max((1, 2), keepdims=True) > TINY
    change = moving * (1 - known - BACK * known * theta["lost"])
    theta["lost"] = theta["lost"] + w.numbers["drift"] / plan.steps * change
    rate, scale = w.numbers["distance"] / plan.steps, np.sqrt(np.maximum(square, TINY))
    for name in KNOBS:
        if name not in plan.still:
            slope = (advantage * p.scores[name]).mean((1, 2), keepdims=True)
            slope = slope - plan.beta * pull(w, theta, name, p.solved)
            moved = theta[name] + rate * slope / scale
            theta[name] = np.clip(moved, -FARTHEST, FARTHEST)


def _noise(w: Worlds, group: int, rng: np.random.Generator, copies: int) -> dict[str, Array]:
    """Frozen draws (W, B, group), alike in each copy of the worlds."""
    rows, prompts = w.size
    own = noise((rows // copies, prompts), group, rng)
    return own if copies == 1 else {k: np.tile(v, (copies, 1, 1)) for k, v in own.items()}


def judged(p: Played, plan: Plan) -> Array:
    """Verdicts (W, B, G) of the plan's judge or judges on rollouts, 0 or 1, by their own luck."""
    judges = plan.judge if isinstance(plan.judge, tuple) else (plan.judge,)
    out, luck = np.empty(p.right.shape), ndtr(p.judge)
    for own, judge in zip(np.array_split(np.arange(len(luck)), len(judges)), judges, strict=True):
        if judge is None:
            out[own] = p.right[own]
        else:
            seen = (p.right[own], p.length[own], p.cut[own], p.formed[own] > 0)
            out[own] = luck[own] < judge.accepted(*seen)
    return out


def held(advantage: Array, right: Array, formed: Array) -> Array:
    """(W, 1, 1) correlation of advantages (W, B, G) with correctness among the readable answers of
    groups that have both kinds, at least 0; 1 where there are none."""
    n = np.maximum(formed.sum(-1, keepdims=True), 1)
    a, c = (
        (x - (x * formed).sum(-1, keepdims=True) / n) * formed for x in (advantage, right * formed)
    )
    a = a * (np.abs(c).max(-1, keepdims=True) > 0)
    both, own, of = ((x * y).sum((1, 2), keepdims=True) for x, y in ((a, c), (a, a), (c, c)))
    known = np.maximum(both, 0) / np.sqrt(np.maximum(own * of, TINY))
    return np.where(of > TINY, known, 1.0)


def labelled(shaper: Shaper, r: Rollouts, memory: dict[str, Array]) -> bool:
    """Whether the reward changes where every verdict of `correct` is turned round.

    r : rollouts (W, B, G); memory : by slot, (W, B, 1)
    """
    turned = replace(r, correct=1 - np.asarray(r.correct))
    if "verified" in r.fields:
        turned = turned.with_(verified=turned.correct)
    paid, other = (shaper.apply(x, memory).parts for x in (r, turned))
    return not all(np.array_equal(paid[k], other[k], equal_nan=True) for k in paid)


def _apply(
    estimator: Estimator, parts: Parts, r: Rollouts, state: dict[str, Array]
) -> tuple[Array, dict[str, Array]]:
    try:
        advantage, after = estimator.apply(parts, r, state)
    except KeyError as error:
        msg = f"the estimator reads what no behaviour serves; there is no forecast: {error.args[0]}"
        raise UnseenError(msg) from error
    return np.nan_to_num(np.asarray(advantage, dtype=float)), dict(after)


def merge(memory: dict[str, Array], new: dict[str, Array], shaper: Shaper) -> None:
    """Merge a visit's contributions into what is kept of each prompt, in place.

    memory, new : by slot, (..., B, 1); a slot says by its `op` how (`toyrl.rollouts.memory`)
    """
    for slot in shaper.all_memory():
        if slot.name in new:
            memory[slot.name] = merged(slot, memory[slot.name], new[slot.name])


def pull(w: Worlds, theta: dict[str, Array], name: str, solved: Array) -> Array:
    """(W, 1, 1) derivative of the KL from the base by one behaviour's theta.

    That of skill and runaways on rollouts with these chances of success (W, B, G); how other
    behaviours change them is left out.
    """
    if name == "skill":
        taught, slope = w.skill(theta[name])
        return (solved * (1 - solved)).mean((1, 2), keepdims=True) * taught * slope
    tossed = (1 - solved).mean((1, 2), keepdims=True) if name == "runaways" else 1.0
    return tossed * w.families[name].pull(theta[name])


def measured(w: Worlds, theta: dict[str, Array], eyes: dict[str, Array]) -> dict[str, Array]:
    """Means (W,) of a policy over frozen draws: accuracy by its chance, not by drawn answers."""
    acts = acted(w, theta, eyes)
    p = ended_as(w, theta, eyes, acts)
    before = {**theta, "skill": theta["skill"] * 0, "lost": theta["lost"] * 0}
    untaught = able(w, before, acts) * acts.factor
    kl = coin_kl(*(np.clip(x, TINY, 1 - TINY) for x in (p.solved, untaught)))
    for name, family in w.families.items():
        tossed = 1 - p.solved if name == "runaways" else 1.0
        kl = kl + tossed * family.kl(theta[name])
    return {
        "accuracy": p.chance.mean((1, 2)),
        "length": p.length.mean((1, 2)),
        "cut": p.cut.mean((1, 2)),
        "formed": p.formed.mean((1, 2)),
        "any_of": 1 - ((1 - p.chance.mean(-1)) ** ANY).mean(-1),
        "kl": kl.mean((1, 2)),
    }
