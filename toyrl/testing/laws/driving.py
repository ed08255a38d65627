"""Laws of rewards that pay by step of a route: what simple ones keep and sums of terms break.

Each is a function of a reward by step (`toyrl.shapers.explore.composite.Driving`) and a random
generator; it returns nothing where the law holds and one sentence where it does not. Source: paper
20, properties of its reward.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from toyrl.rollouts import Rollouts
from toyrl.shapers.explore.composite import FACTORS, Driving

SHAPE = (2, 3, 8)
Law = Callable[[Driving, np.random.Generator], "str | None"]


def drawn(rng: np.random.Generator, **fields: np.ndarray) -> Rollouts:
    """Episodes (2, 3) of eight steps: a route that rises, factors, some hard infractions."""
    own = {n: rng.choice([0.0, 0.5, 1.0], SHAPE, p=[0.1, 0.3, 0.6]) for n in FACTORS}
    own["route"] = np.cumsum(rng.integers(0, 3, SHAPE), axis=-1) / 16
    own["hard"] = rng.choice([0.0, 1.0, 2.0], SHAPE, p=[0.85, 0.1, 0.05])
    own |= fields
    one = np.ones(SHAPE[:-1])
    return Rollouts(one, one * SHAPE[-1], float(SHAPE[-1]), mask=np.ones(SHAPE), fields=own)


def _paid(reward: Driving, r: Rollouts) -> np.ndarray:
    return np.asarray(sum(reward.apply(r).parts.values()))


def standing_pays_nothing(reward: Driving, rng: np.random.Generator) -> str | None:
    """A step without progress and without a hard infraction pays 0, whatever the factors."""
    none = np.zeros(SHAPE)
    if np.abs(_paid(reward, drawn(rng, route=none, hard=none))).max() == 0:
        return None
    return "a step without progress is paid"


def factors_only_take_away(reward: Driving, rng: np.random.Generator) -> str | None:
    """On a route that doesn't go back, a smaller factor never raises what a step pays."""
    r = drawn(rng)
    name = FACTORS[int(rng.integers(len(FACTORS)))]
    less = r.with_(**{name: r.fields[name] * rng.random(SHAPE)})
    if (_paid(reward, less) <= _paid(reward, r) + 1e-9).all():
        return None
    return f"a smaller factor {name} raises what a step pays"


def nothing_behind_a_hard_one(reward: Driving, rng: np.random.Generator) -> str | None:
    """Behind the first hard infraction no step pays or costs anything."""
    r = drawn(rng)
    flags = r.fields["hard"] > 0
    behind = np.cumsum(flags, axis=-1) - flags > 0
    return "a step behind a hard infraction is paid" if _paid(reward, r)[behind].any() else None


def prefixes_are_paid_alike(reward: Driving, rng: np.random.Generator) -> str | None:
    """What is paid up to a step depends on nothing behind it."""
    r, other, cut = drawn(rng), drawn(rng), int(rng.integers(1, SHAPE[-1]))
    mixed = {n: np.concatenate([v[..., :cut], other.fields[n][..., cut:]], axis=-1)
             for n, v in r.fields.items()}  # fmt: skip
    same = np.array_equal(_paid(reward, r)[..., :cut],
                          _paid(reward, r.with_(**mixed))[..., :cut])  # fmt: skip
    return None if same else "what comes later changes what a step is paid"


def only_the_product_counts(reward: Driving, rng: np.random.Generator) -> str | None:
    """Two factors exchanged, or one folded into another, change nothing."""
    r = drawn(rng)
    a, b = rng.choice(FACTORS, 2, replace=False).tolist()
    swapped = r.with_(**{a: r.fields[b], b: r.fields[a]})
    folded = r.with_(**{a: r.fields[a] * r.fields[b], b: np.ones(SHAPE)})
    want = _paid(reward, r)
    same = all(np.allclose(_paid(reward, x), want, atol=1e-9, rtol=0) for x in (swapped, folded))
    return None if same else f"it matters which of {a} and {b} was broken, not their product alone"


def no_more_than_the_route(reward: Driving, rng: np.random.Generator) -> str | None:
    """Without hard infractions, on a route that doesn't go back, the total lies between 0 and what
    the same route pays with nothing broken."""
    r = drawn(rng, hard=np.zeros(SHAPE))
    clean = r.with_(**{n: np.ones(SHAPE) for n in FACTORS})
    total, most = _paid(reward, r).sum(-1), _paid(reward, clean).sum(-1)
    fine = (total >= -1e-9).all() and (total <= most + 1e-9).all()
    return None if fine else "a total is below 0 or above what the clean route pays"


DRIVING_LAWS: dict[str, Law] = {
    f.__name__: f
    for f in (standing_pays_nothing, factors_only_take_away, nothing_behind_a_hard_one,
              prefixes_are_paid_alike, only_the_product_counts, no_more_than_the_route)
}  # fmt: skip


def broken_driving_laws(reward: Driving, *, cases: int = 30, seed: int = 0) -> dict[str, str]:
    """Which of `DRIVING_LAWS` a reward by step breaks, each with what was seen; {} for none."""
    found: dict[str, str] = {}
    for name, law in DRIVING_LAWS.items():
        rng = np.random.default_rng(seed)
        said = next((s for _ in range(cases) if (s := law(reward, rng))), None)
        if said:
            found[name] = said
    return found
