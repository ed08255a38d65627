"""How far an estimator looks, by moving what lies beyond: over the whole registry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from tests.estimators.test_edges import NAMES, SEES_OTHER_PROMPTS, world
from toyrl.dynamics.groups.class_weights import class_weights
from toyrl.estimators.base import Estimator, widest
from toyrl.estimators.batch import Whitened
from toyrl.estimators.dynamic_sampling import DynamicSampling
from toyrl.estimators.group import PRESETS, GroupEstimator
from toyrl.estimators.halves import Canon
from toyrl.estimators.one_sided import OneSided
from toyrl.estimators.parts import Averaged
from toyrl.estimators.renorm import ReNorm
from toyrl.estimators.tokens import ReturnsToGo
from toyrl.expressions import parse_estimator
from toyrl.rollouts import Rollouts
from toyrl.shapers.length.conciseness import Crf

OWN = {
    "canon, mean reward": Canon(mu="accuracy"),
    "dynamic sampling": DynamicSampling(PRESETS["rloo"]),
    "dynamic sampling of a batch": DynamicSampling(),
    "one side of a batch": OneSided(PRESETS["grpo_batch"]),
    "one side of nothing": OneSided(PRESETS["reinforce"], "positive"),
    "parts of a batch": Averaged(inner=PRESETS["grpo_batch"]),
    "renorm alone": ReNorm(baseline="none"),
    "returns": ReturnsToGo(whitened=False),
    "whitened by numbers": Whitened(centre=0.1, spread=0.5),
}
ALL: dict[str, Estimator] = {n: parse_estimator(n) for n in NAMES} | OWN


def looked(e: Estimator, name: str) -> str:
    """The scope as found: rewards of siblings, then of other prompts, are changed."""
    rng = np.random.default_rng(0)
    wide = "group"
    seen = {"group": False, "batch": False}
    for _ in range(6):
        reward = np.round(rng.random((3, 4)), 2)
        r = world_of(e, name, reward)
        base = np.asarray(e.apply({"reward": reward}, r)[0])
        siblings, prompts = reward.copy(), reward.copy()
        siblings[0, 1:] = rng.random(3)
        prompts[1:] = rng.random((2, 4))
        for wide, other in (("group", siblings), ("batch", prompts)):
            moved = np.asarray(e.apply({"reward": other}, r)[0])
            seen[wide] |= not np.allclose(moved[0, 0], base[0, 0], rtol=1e-9, atol=1e-12)
    return "batch" if seen["batch"] else "group" if seen["group"] else "rollout"


def world_of(e: Estimator, name: str, reward: np.ndarray) -> Rollouts:
    """What it reads, right and wrong mixed; lengths and metrics differ, so that halves do."""
    r = world(name if name in NAMES else "renorm", reward)
    length = np.tile([1.0, 2.0, 3.0, 4.0], (len(reward), 1))
    mask = (np.arange(r.mask.shape[-1]) < length[..., None]) * 1.0
    fields = dict(r.fields)
    if "entropy" in fields:
        fields["entropy"] = fields["entropy"] * length[..., None]
    correct = np.tile([1.0, 0.0, 1.0, 0.0], (len(reward), 1))
    return replace(r, correct=correct, length=length, mask=mask, fields=fields)


@pytest.mark.parametrize("name", ALL)
def test_the_scope_is_what_moves_an_advantage(name: str):
    assert ALL[name].scope == looked(ALL[name], name)


def test_scopes_agree_with_the_table_of_edges():
    assert {n for n in NAMES if ALL[n].scope == "batch"} == set(SEES_OTHER_PROMPTS)


def test_scopes_of_fields_are_counted():
    class Outer(Estimator):  # a user's own need be no dataclass
        reach = "rollout"

    assert Outer().scope == "rollout"

    @dataclass(frozen=True)
    class Holds(Outer):
        inner: Any = PRESETS["reinforce"]

    assert Holds().scope == "rollout"
    assert Holds(PRESETS["grpo"]).scope == "group"
    assert Holds(Crf()).scope == "group"  # a shaper among the fields looks as far as it looks
    assert Holds(Holds(PRESETS["grpo_batch"])).scope == "batch"
    assert widest("rollout", Crf(), GroupEstimator(scale="batch")) == "batch"


def test_the_class_engine_refuses_to_count_groups_where_the_batch_enters():
    """Before scopes it asked for fields named `scale` and `baseline`, which these lack."""
    r = Rollouts(
        np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 2.0]] * 2), 4.0,
        weight=np.array([[0.3, 0.2], [0.1, 0.4]]), fields={"conciseness": np.full((2, 2), 0.5)},
    )  # fmt: skip
    for e in (Canon(mu="accuracy"), OneSided(PRESETS["grpo_batch"])):
        with pytest.raises(ValueError, match="whole batches"):
            class_weights(r, Crf(), e, group_size=3, method="compositions")
