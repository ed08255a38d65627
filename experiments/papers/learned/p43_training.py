"""The detector beside a policy that is being trained: a bandit with KL, the reasoning chain."""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.estimators.group import GroupEstimator
from toyrl.experiments.core import Check
from toyrl.experiments.lab import chains
from toyrl.experiments.lab.bandits import ascend
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.parts import Items
from toyrl.experiments.lab.routes import alone, apart, same
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.theory.detection import tilted as dt
from toyrl.theory.policies import tilt
from toyrl.worlds.chain.forward import class_probabilities
from toyrl.worlds.chain.model import HELLO, HELLO_LOGITS

ANSWERS, STRONG = 50, 1.5
RISING = "8: policy gradient with KL: updates at which gap or AUROC falls"
TILTED = "8: its end against the tilt, total variation"
CHAIN = "8: the chain, 0 or 1 for the answer: AUROC against (1 + accuracy gained)/2, largest error"
LABEL_FREE = "8: the chain: AUROC of its reward below that of the likelihood ratio, least"


def world(rng: Any) -> tuple[np.ndarray, np.ndarray]:
    """A base policy and a reward of 50 answers."""
    return rng.dirichlet(np.ones(ANSWERS)), rng.standard_normal(ANSWERS)


def by_pairs(law: Any, base: Any, score: Any, ties: float) -> np.ndarray:
    """AUROC over all pairs of answers, of which an equal one counts `ties`; law (..., K)."""
    score = np.asarray(score)
    won = (score[:, None] > score) + ties * (score[:, None] == score)
    return (np.asarray(law) @ won) @ np.asarray(base)


def trained(rng: Any, anchor: float, updates: int, ties: float) -> Items:
    """A bandit by policy gradient with KL, and the chain by GRPO: the detector follows training.

    anchor : the weight of the KL, over beta; ties : what an equal pair counts
    """
    p, r = world(rng)
    beta = 1 / STRONG

    def change(pi: np.ndarray, _: int) -> np.ndarray:
        f = r - anchor * beta * np.log(pi / p)
        return 2.0 * pi * (f - (pi * f).sum())

    path = ascend(change, np.log(p), updates)
    gap, auroc = path @ r - p @ r, dt.auroc(path, np.tile(p, (len(path), 1)), r)
    end = np.abs(path[-1] - tilt(p, r, STRONG)).sum() / 2
    yield same(TILTED, end, 0.0, 1e-3, ("policy gradient", "closed form"))
    yield alone("training", "each path is one run of exact gradients")(
        RISING, float((np.diff([gap, auroc]) < -1e-12).sum()), 0, "==", claim=False
    )
    correct, times = HELLO.class_correct(), [5, 10, 20, 40, 80, 160, 320]
    reward = correct - 0.2 * HELLO.class_length() / HELLO.max_length
    theta = HELLO.logits(**HELLO_LOGITS)
    runs = chains.along(HELLO, theta, reward[None, None], times, rate=0.05,
                        estimator=GroupEstimator(scale="none"),
                        objective=PolicyGradient("sum"))  # fmt: skip
    base = class_probabilities(HELLO, theta)
    laws = [run.prob[0] for run in runs]
    found = [[by_pairs(q, b, correct, ties) for q, b in zip(law, base, strict=True)]
             for law in laws]  # fmt: skip
    gained = np.array([(law - base) @ correct for law in laws])
    yield apart(CHAIN, found, (1 + gained) / 2, 1e-12, ("pairs", "accuracy gained"))
    seen = {name: [np.mean([f(q, b) for q, b in zip(law, base, strict=True)]) for law in laws]
            for name, f in (("the answer", lambda q, b: float(dt.auroc(q, b, correct))),
                            ("the reward", lambda q, b: float(dt.auroc(q, b, reward))),
                            ("best of any score", dt.best_auroc))}  # fmt: skip
    least = np.subtract(seen["best of any score"], seen["the reward"]).min()
    yield Check(LABEL_FREE, float(least), -1e-12, ">", claim=False)
    yield lines("detect-chain", "The reasoning chain before and after training",
                ("update", "AUROC, mean over prompts"),
                {k: np.array([0.5, *v]) for k, v in seen.items()}, x=[0, *times],
                caption="Outcome less a price of length, population update. A detector needs no "
                "labels, and sees more than accuracy shows.")  # fmt: skip
