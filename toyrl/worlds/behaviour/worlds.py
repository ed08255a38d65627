"""Worlds of behaviours: prompts with their ability, and how behaviours make length and success.

Of a rollout of prompt b, with the shared behaviours of `knobs` and a trouble t of its own,

    length   core_b exp(wording + depth + trouble_length t) (1 + c re-checks) (runaway) + padding
    success  sigmoid(ability_b + skill - lost + repair re-checks - trouble_success t)
             sigmoid((depth - half_b)/width) sigmoid((wording - terse)/0.05)

A runaway is a rollout that fails and goes on: training that ends it saves tokens, not answers. An
answer counts if it is readable and within the limit. Success rates of prompts follow a beta
law with both ends heavy, harder prompts are longer, trouble makes a rollout longer and less often
right. `fitted` finds abilities and lengths so that the untrained world has the accuracy and the
mean length that were told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import expit, logit
from scipy.stats import beta

from toyrl.worlds.behaviour.knobs import ROUNDS, Array, Coin, Normal, Rounds, Strings

KNOBS = ("wording", "depth", "early", "re-checks", "runaways", "form", "skill", "padding")
PROMPTS = 48
EARLY = 0.15
"""Share of the work that is done where the answer is given early."""
ROUND_CHANCE = 0.7
"""Chance of each of the base's re-checks."""
TERSE_WIDTH = 0.05
ENDS = (0.002, 0.998)
HALVINGS = 30


@dataclass(frozen=True)
class Worlds:
    """W worlds of B prompts. Numbers (W, 1, 1) by the names of `prior.RANGES`.

    ability : (W, B, 1) log odds of success of a rollout without trouble
    core : (W, B, 1) tokens of the work before the first solution
    easy : (W, B, 1) success rates that the beta law gave, from which length and work follow
    limit, length : completion limit and mean length of the base, tokens
    """

    numbers: dict[str, Array]
    ability: Array
    core: Array
    easy: Array
    limit: float
    length: float

    @property
    def size(self) -> tuple[int, int]:
        """(W, B)."""
        return self.ability.shape[0], self.ability.shape[1]

    def rest(self) -> dict[str, Array]:
        """The base's theta: (W, 1, 1) zeros by behaviour, and `lost`, logits of success."""
        return {name: np.zeros((self.size[0], 1, 1)) for name in (*KNOBS, "lost")}

    @cached_property
    def families(self) -> dict[str, Normal | Coin | Rounds | Strings]:
        """The law of each behaviour but skill, which is the success itself."""
        n = self.numbers
        return {
            "wording": Normal(n["wording_spread"]),
            "depth": Normal(n["depth_spread"]),
            "early": Coin(logit(n["early"])),
            "re-checks": Rounds(np.full_like(n["form"], logit(ROUND_CHANCE))),
            "runaways": Coin(logit(n["runaway"])),
            "form": Coin(logit(n["form"])),
            "padding": Strings(np.log(n["padding"])),
        }

    @cached_property
    def half(self) -> Array:
        """(W, B, 1) log of the share of present work at which half of the success is lost."""
        easy, hard = (np.log(self.numbers[f"half_{k}"]) for k in ("easy", "hard"))
        return hard + (easy - hard) * self.easy

    @cached_property
    def round_length(self) -> Array:
        """(W, 1, 1) tokens of a re-check over those of the work."""
        share = self.numbers["redundant"]
        return share / (1 - share) / (ROUNDS * ROUND_CHANCE)

    def skill(self, theta: Array) -> tuple[Array, Array]:
        """Logits of success that theta has taught, and their derivative; (W, 1, 1)."""
        most, rate = self.numbers["learnable"], self.numbers["teachable"]
        share = np.tanh(rate * theta / most)
        return most * share, rate * (1 - share**2)


def fitted(
    numbers: dict[str, Array],
    *,
    accuracy: float,
    length: float,
    limit: float,
    prompts: int = PROMPTS,
    seed: int = 0,
) -> Worlds:
    """Worlds whose untrained policy has this accuracy in (0, 1) and mean length in tokens.

    numbers : (W,) by name, as `prior.drawn` gives them; where accuracy or length are out of reach
        (more than the form lets through, too near the limit) the nearest that is not is taken

    Raises ValueError for an accuracy outside (0, 1) and for lengths that are not above 0.
    """
    if not 0 < accuracy < 1 or not 0 < length < np.inf or not 0 < limit < np.inf:
        msg = (
            f"accuracy={accuracy!r}, length={length!r}, limit={limit!r}: a base has an accuracy "
            "in (0, 1), a mean length and a limit above 0 tokens"
        )
        raise ValueError(msg)
    from toyrl.worlds.behaviour import rollouts

    own = {k: np.asarray(v, dtype=float)[:, None, None] for k, v in numbers.items()}
    whole = accuracy + np.minimum(own["unread"], 1 - accuracy)
    own["runaway"] = np.minimum(own["runaway"] / (1 - accuracy), 0.5)
    own["form"] = np.clip(accuracy / whole, 0.0, 1 - 1e-9)
    quantile = (np.arange(prompts) + 0.5) / prompts
    heavy, able = own["heavy"][:, :, 0], np.minimum(whole, 0.98)[:, :, 0]
    easy = np.clip(beta.ppf(quantile, heavy * able, heavy * (1 - able)), *ENDS)[..., None]
    shape = own["hard"] ** (1 - easy)
    start = Worlds(own, logit(easy), length * shape, easy, float(limit), float(length))
    draws = rollouts.noise(start.size, 32, np.random.default_rng([seed, 0]))
    # Neither lengths nor abilities change what is done: it is drawn once for all halvings.
    rest = start.rest()
    acts = rollouts.acted(start, rest, draws)
    right = draws["answer"] < rollouts.able(start, rest, acts) * acts.factor

    def long(scale: Array) -> Array:
        at = replace(start, core=start.core * np.exp(scale))
        whole = rollouts.written(at, acts, right)[2]
        return rollouts.within(at, whole).mean((1, 2), keepdims=True)

    size = _root(long, length, (len(heavy), 1, 1), (-4.0, 1.0))
    world = replace(start, core=start.core * np.exp(size))
    counts = acts.values["form"] * (rollouts.written(world, acts, right)[1] <= world.limit)

    def accurate(shift: Array) -> Array:
        at = replace(world, ability=world.ability + shift)
        chance = rollouts.able(at, rest, acts) * acts.factor * counts
        return chance.mean((1, 2), keepdims=True)

    shift = _root(accurate, accuracy, (len(heavy), 1, 1), (-10.0, 10.0))
    return replace(world, ability=world.ability + shift)


def _root(
    rising: Callable[[Array], Array],
    value: float,
    shape: tuple[int, ...],
    ends: tuple[float, float],
) -> Array:
    """Where a rising function meets a value, by halving; an end where it doesn't."""
    low, high = np.full(shape, ends[0]), np.full(shape, ends[1])
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        below = rising(middle) < value
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


def success(w: Worlds, depth: Array, wording: Array) -> Array:
    """(W, B, G) factor on success: the budget law and terseness."""
    n = w.numbers
    out = expit((depth - w.half) / n["budget_width"])
    return out * expit((wording - n["terse"]) / TERSE_WIDTH)
