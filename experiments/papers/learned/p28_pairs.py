"""Cooper's loss on pairs, one step on it, which rollout is the positive, and what it can't see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from toyrl.experiments.core import Table
from toyrl.experiments.lab.bandits import sigmoid
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items
from toyrl.experiments.lab.routes import CLOSED, apart, missed, same
from toyrl.experiments.papers.learned import p28_training as toy
from toyrl.experiments.papers.learned.p28_training import GROUP, HACK, RIGHT
from toyrl.models.reward.cooper import Cooper, first_accepted, pair_loss
from toyrl.shapers.judge.reward_model import Cooper as ModelReward

EQUAL = "P: loss at equal logits"
SHIFT = "P: loss under a constant added to all logits, largest change"
MEAN = "P: loss with half the pairs masked against the mean over the others, largest error"
MASK = "P: gradient in what is masked, largest"
GAP = "P: what one step adds to a pair's difference, largest relative error"
FIRST = "P: groups whose positive is not the first accepted rollout"
LEVEL = "P: what 500 updates move of a level that all logits share"


def absolute(high: Any, low: Any, valid: Any) -> Any:
    """Mutant: cross-entropy of the labels 1 and 0 in the place of the difference."""
    share = valid / (valid.sum(-1, keepdims=True) + 1e-6)
    value = (share * (np.logaddexp(0, -high) + np.logaddexp(0, low))).sum(-1)
    return value, (-share * sigmoid(-high), share * sigmoid(low))


def by_prompts(high: Any, low: Any, valid: Any) -> Any:
    """Mutant: the sum over valid pairs is divided by the number of prompts."""
    value, slopes = pair_loss(high, low, valid)
    few = valid.mean(-1)
    return value * few, tuple(s * few[..., None] for s in slopes)


LOSSES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "pairs": pair_loss,
    "absolute": absolute,
    "by prompts": by_prompts,
    "unmasked": lambda high, low, _: pair_loss(high, low),
}


def pairs(loss: str, positives: str, both: bool, seed: int) -> Items:
    """The loss on random logits, one step on random pairs, the choice of positives."""
    rng, of = draws(seed, 1), pick(LOSSES, loss)
    high, low = rng.normal(size=(2, 200, 8)) * 3
    valid = (rng.random(high.shape) < 0.5) * 1.0
    valid[:, 0] = 1.0
    yield same(EQUAL, of(high[0], high[0], np.ones(8))[0], np.log(2), 1e-6)
    value, slopes = of(high, low, valid)
    moved = of(high + 2.5, low + 2.5, valid)[0]
    yield apart(SHIFT, moved, value, 1e-12, ("the loss", "the loss, shifted"))
    plain = np.array([np.logaddexp(0, (b - a)[k > 0]).mean() for a, b, k
                      in zip(high, low, valid, strict=True)])  # fmt: skip
    yield apart(MEAN, value, plain, 1e-4, ("the loss", "pairs one by one"))
    yield apart(MASK, np.array(slopes) * (valid == 0), 0 * np.array(slopes), 0.0,
                ("slopes", "none"))  # fmt: skip
    own, x, y = toy.learner(0.1), *rng.normal(size=(2, 200, 1, 5))
    model = own.start(rng.normal(size=(200, 5)))
    new = own.update(model, x, y).model.weight if both else model.weight + 0.1 * _alone(model, x, y)
    apart_before = (model.score(x) - model.score(y))[:, 0]
    gained = ((new - model.weight) * (x - y)[:, 0]).sum(-1)
    want = 0.1 * sigmoid(-apart_before) * ((x - y) ** 2).sum((-1, -2))
    yield apart(GAP, gained / want, np.ones(200), 1e-5, (CLOSED, "learner"))
    verdict, score = (rng.random((400, GROUP)) < 0.2) * 1.0, rng.normal(size=(400, GROUP))
    score = np.where(verdict > 0, score, -np.inf) if positives == "likeliest" else verdict
    found = np.asarray(first_accepted((score == score.max(-1, keepdims=True)) & (verdict > 0)))
    slow = [next((i for i, v in enumerate(row) if v), -1) for row in verdict]
    yield missed(FIRST, np.where(found.any(-1), found.argmax(-1), -1), slow,
                 ("running count", "one by one"))  # fmt: skip
    yield from level(loss)


def _alone(model: Any, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Mutant: the gradient of the positive's score alone."""
    return sigmoid(model.score(y) - model.score(x)) * x[:, 0]


def level(loss: str) -> Items:
    """What training does to a constant that all logits share."""
    at, updates = 4.0, 500
    runs = {}
    for name, anchor in (("as published", 0.0 if loss != "absolute" else 1.0), ("anchored", 0.3)):
        own = Cooper(rate=0.1, optimiser="sgd", weight_decay=0.0, clip=np.inf, anchor=anchor,
                     steps=updates)  # fmt: skip
        start = own.start(np.array([1.0, 2.0]), bias=at)
        runs[name] = own.fit(toy.FEATURES, np.array([[RIGHT, HACK]]), start=start)
    yield same(LEVEL, abs(float(runs["as published"].bias) - at), 0.0, 1e-12, (CLOSED, "learner"))
    rows = [[name, *m.score(toy.FEATURES).tolist(),
             *(ModelReward(binary=True).reward(toy.one_group(m.score(toy.FEATURES)))[0].tolist())]
            for name, m in runs.items()]  # fmt: skip
    yield Table("a level that all logits share", ("model", "logit, right", "wrong", "hack",
                "paid above 0.5: right", "wrong, paid", "hack, paid"), rows,
                caption=f"Level {at:g} at the start, {updates} updates of right against hack. "
                "Thresholded, the published loss pays everybody for ever.")  # fmt: skip
