"""Rollouts of a policy over behaviours, and what a reward may read of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log

import numpy as np
from scipy.special import expit

from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper
from toyrl.worlds.behaviour.knobs import ROUNDS, Array
from toyrl.worlds.behaviour.worlds import EARLY, ROUND_CHANCE, Worlds, success

NORMAL = ("trouble", "wording", "depth")
UNIFORM = ("re-checks", "runaways", "form", "padding", "answer")
STEPS = 6.0
"""Lines of work in a base's completion, where a reward counts them."""
LOWEST = 0.1
"""The least conciseness, as in `toyrl.shapers.length.conciseness`."""
SERVED = (
    "correct", "length", "truncated", "weight", "format", "answered", "conciseness", "phrases",
    "steps", "fillers", "checks", "repeats", "answer",
)  # fmt: skip
"""What behaviours say of a rollout; a reward that reads anything else can't be forecast."""


class UnseenError(ValueError):
    """A reward or an estimator reads what no behaviour serves."""


@dataclass(frozen=True)
class Played:
    """Rollouts (W, B, G) of a policy.

    chance : of a counted right answer, given all else; right : whether it was drawn
    solved : the same whether or not it counts
    formed, cut : readable; longer than the limit
    rounds, units : re-checks, and sentences for nothing
    identity : of the answer: 0 the right one, 1 the common wrong one, others a rollout's own, -1
        none that can be read
    judge : standard normal draws of what a grader's verdict owes to luck
    scores : by behaviour, where they were asked for
    """

    chance: Array
    solved: Array
    right: Array
    length: Array
    formed: Array
    cut: Array
    rounds: Array
    units: Array
    depth: Array
    concise: Array
    identity: Array
    judge: Array
    scores: Mapping[str, Array]


def noise(size: tuple[int, int], group: int, rng: np.random.Generator) -> dict[str, Array]:
    """Frozen draws (W, B, group) of everything that is drawn."""
    shape = (*size, group)
    out = {name: rng.standard_normal(shape) for name in NORMAL}
    out |= {name: rng.random(shape) for name in UNIFORM}
    out |= {"common": rng.random(shape), "judge": rng.standard_normal(shape)}
    return out | {"early": rng.random(shape)}


@dataclass(frozen=True)
class Acts:
    """What a policy does before success and length follow; (W, B, G) arrays.

    values, scores : by behaviour; depth : log of the share of the work that is done
    repaired, burden : logits of success that re-checks add, that trouble takes
    factor : on success, of depth and wording
    effort : work over that of the prompt; more : of work and re-checks over work
    nothing : tokens of padding
    """

    values: Mapping[str, Array]
    scores: Mapping[str, Array]
    depth: Array
    repaired: Array
    burden: Array
    factor: Array
    effort: Array
    more: Array
    nothing: Array


def acted(w: Worlds, theta: Mapping[str, Array], draws: Mapping[str, Array]) -> Acts:
    """What these draws do under this policy, whatever the ability and length of its prompts.

    theta : (W, 1, 1) by behaviour; skill and `lost` are not looked at
    """
    values: dict[str, Array] = {}
    scores: dict[str, Array] = {}
    n, trouble = w.numbers, draws["trouble"]
    for name, family in w.families.items():
        values[name], scores[name] = family.drawn(theta[name], draws[name])
    rounds, wording = values["re-checks"], values["wording"]
    depth = values["depth"] + log(EARLY) * values["early"]
    return Acts(
        values=values,
        scores=scores,
        depth=depth,
        repaired=n["repair"] * (rounds / (ROUNDS * ROUND_CHANCE) - 1),
        burden=n["trouble_success"] * trouble,
        factor=success(w, depth, wording),
        effort=np.exp(wording + depth + n["trouble_length"] * trouble),
        more=1 + w.round_length * rounds,
        nothing=n["padding_length"] * w.length * values["padding"],
    )


def able(w: Worlds, theta: Mapping[str, Array], a: Acts) -> Array:
    """(W, B, G) chance of success of rollouts that spend and say enough; times `a.factor` that of
    all."""
    taught, _ = w.skill(theta["skill"])
    return expit(w.ability + taught - theta["lost"] + a.repaired - a.burden)


def written(w: Worlds, a: Acts, right: Array) -> tuple[Array, Array, Array]:
    """(W, B, G) tokens: of the work, up to the answer, and with what runs on behind it."""
    work = w.core * a.effort
    checked = work * a.more
    ended = checked + a.nothing
    fails_on = a.values["runaways"] * ~right
    return work, ended, ended + checked * fails_on * (w.numbers["runaway_length"] - 1)


def within(w: Worlds, whole: Array) -> Array:
    """(W, B, G) tokens of rollouts that the limit cuts."""
    return np.maximum(np.minimum(whole, w.limit), 1.0)


def played(w: Worlds, theta: Mapping[str, Array], draws: Mapping[str, Array]) -> Played:
    """The rollouts that these draws are under this policy: theta (W, 1, 1) by behaviour."""
    return ended_as(w, theta, draws, acted(w, theta, draws))


def ended_as(w: Worlds, theta: Mapping[str, Array], draws: Mapping[str, Array], a: Acts) -> Played:
    """The rollouts of draws that were `acted` under the same policy.

    theta : (W, 1, 1) by behaviour; draws : (W, B, G) by name; a : what `acted` gave for them
    """
    could, values = able(w, theta, a), a.values
    solved = could * a.factor
    right = draws["answer"] < solved
    _, slope = w.skill(theta["skill"])
    scores = dict(a.scores)
    scores["skill"] = slope * (right - solved) * (1 - could) / (1 - solved)
    scores["runaways"] = scores["runaways"] * ~right  # only those that fail may run away

    work, ended, whole = written(w, a, right)
    cut = whole > w.limit
    formed = values["form"] * ~cut
    return Played(
        chance=solved * values["form"] * (ended <= w.limit),
        solved=solved,
        right=right * formed,
        length=within(w, whole),
        formed=formed,
        cut=cut,
        rounds=values["re-checks"],
        # Those beyond the limit aren't written.
        units=values["padding"] * np.minimum(w.limit / whole, 1.0),
        depth=a.depth,
        concise=np.clip(work / whole, LOWEST, 1.0),
        identity=_identity(right, formed, draws["common"] < w.numbers["agreed"]),
        judge=draws["judge"],
        scores=scores,
    )


def _identity(right: Array, formed: Array, common: Array) -> Array:
    """Answer identities (W, B, G): wrong answers are the common one, or each its own."""
    own = 2.0 + np.arange(right.shape[-1])
    wrong = np.where(common, 1.0, own)
    return np.where(formed > 0, np.where(right, 0.0, wrong), -1.0)


def as_rollouts(
    p: Played, limit: float, step: float = 0, more: Mapping[str, Array] | None = None
) -> Rollouts:
    """The same as a reward reads them: (W, B, G) arrays of `SERVED`, and `more` by name."""
    return Rollouts(
        correct=p.right,
        length=p.length,
        max_length=limit,
        truncated=p.cut,
        step=step,
        fields={
            "format": p.formed,
            "answered": p.formed,
            "conciseness": p.concise,
            "phrases": p.rounds + p.units,
            "steps": STEPS * np.exp(p.depth) + p.units,
            "fillers": p.units,
            "checks": p.rounds,
            "repeats": p.units,
            "answer": p.identity,
            **(more or {}),
        },
    )


def refuse_unseen(shaper: Shaper, extra: tuple[str, ...] = ()) -> None:
    """Raises UnseenError for a reward that reads what no behaviour serves, or single tokens.

    extra : fields that are served beside `SERVED`
    """
    lacking = [n for n in shaper.all_needs() if n not in (*SERVED, *extra)]
    if lacking:
        msg = (
            f"the reward reads {', '.join(lacking)}, which no behaviour serves; there is no "
            f"forecast of it (served: {', '.join((*SERVED, *extra))})"
        )
        raise UnseenError(msg)
    if shaper.all_token_level():
        msg = "the reward pays single tokens, which behaviours don't have; there is no forecast"
        raise UnseenError(msg)
