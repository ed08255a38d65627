"""What PRIME's dense returns optimise: expected gradients on a tree, by enumeration of groups."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from toyrl.estimators.prime import Prime
from toyrl.experiments.core import Check
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items
from toyrl.experiments.lab.routes import apart
from toyrl.rollouts import Rollouts
from toyrl.shapers.process.implicit import ImplicitProcess
from toyrl.theory.policies import softmax
from toyrl.theory.process.dense import baseline_gap

EQUAL = "T1: expected gradients of PRIME and of the outcome reward r + r_phi(y), largest difference"
DIFFERS = "T1: expected gradients of PRIME and of r alone, largest difference"
BASELINE = "T1: v_phi of the prefix as a baseline, expected gradient less that of r, largest"
PRICE = "T1: responses that end: gradients of PRIME and of r + r_phi(y) - m T, largest difference"
SAME = "T1: reward model = reference: advantages less leave-one-out of r, largest"
RELEASED = "T1: released less published returns beside the closed form, largest error"
BIAS = "T1: released baseline: what it adds to the expected gradient, largest"
BOTH = ("enumeration of groups", "policy gradient theorem")
T = 3
RULES = {
    "published": Prime(low=0, high=1),
    "released": Prime(low=0, high=1, released=True),
    "discounted": Prime(0.9, low=0, high=1),
    "filtered": Prime(),
    "whitened": Prime(low=0, high=1, whitened=True),
}
BEFORE = {"before": 1, "with": 0}


@dataclass(frozen=True)
class Tree:
    """Eight responses of three tokens, 0 or 1, in lexicographic order, and a policy on them.

    y : (8, T); row : (8, T) prefix in which each token is drawn; p : (7, 2) policy; law : (8,) of
    the responses; slope : (8, T, 7, 2) gradient of each token's log-probability in the logits
    """

    y: np.ndarray
    row: np.ndarray
    p: np.ndarray
    law: np.ndarray
    slope: np.ndarray

    @classmethod
    def of(cls, logits: np.ndarray) -> Tree:
        """With the policy of logits (7, 2)."""
        y = np.array(list(itertools.product(range(2), repeat=T)))
        row = np.stack(
            [2**t - 1 + y[:, :t] @ 2 ** np.arange(t)[::-1] for t in range(T)], axis=-1
        ).astype(int)
        p = softmax(logits)
        slope = np.zeros((8, T, 7, 2))
        for t in range(T):
            slope[np.arange(8), t, row[:, t], y[:, t]] = 1
            slope[np.arange(8), t, row[:, t]] -= p[row[:, t]]
        return cls(y, row, p, p[row, y].prod(-1), slope)

    def by_response(self, a: np.ndarray) -> np.ndarray:
        """(7, 2) expected gradient of advantages (8, T) of single responses."""
        return np.einsum("n,nt,ntkv->kv", self.law, a, self.slope)

    def by_groups(self, rule: Prime, right: np.ndarray, tokens: np.ndarray,
                  mask: np.ndarray | None = None) -> np.ndarray:  # fmt: skip
        """(7, 2) expected gradient over all groups of two responses, by the estimator.

        mask : (8, T), 1 on the tokens up to the end; None: all have three
        """
        pair = np.array(list(itertools.product(range(8), repeat=2)))
        own = np.ones((8, T)) if mask is None else mask
        r = Rollouts(right[pair], own.sum(-1)[pair], float(T), mask=own[pair])
        a = np.asarray(rule.apply({"outcome": right[pair], "implicit": tokens[pair]}, r)[0])
        return np.einsum("b,bgt,bgtkv->kv", self.law[pair].prod(-1), a, self.slope[pair]) / 2

    def by_values(self, total: np.ndarray) -> np.ndarray:
        """(7, 2) gradient of E[total]: the chance of each prefix times pi (Q - V)."""
        out = np.zeros((7, 2))
        for t in range(T):
            for k in np.unique(self.row[:, t]):
                below = self.row[:, t] == k
                q = [(self.law * total)[below & (self.y[:, t] == a)].sum() for a in range(2)]
                out[k] = np.array(q) - self.p[k] * sum(q)
        return out


def gradients(form: str, prefix: str, equal: bool, seed: int) -> Items:
    """Random models, labels and policy.

    form : one of `RULES`; prefix : the value that is the baseline is that "before" the token or
    "with" it; equal : the reward model is the reference
    """
    rng = draws(seed, 1)
    tree = Tree.of(rng.normal(size=(7, 2)))
    ours, ref = (np.log(softmax(rng.normal(size=(7, 2))))[tree.row, tree.y] for _ in range(2))
    right = np.array([1.0, 0, 0, 1, 0, 1, 0, 0])
    tokens = process(ref if equal else ours, ref)
    found = tree.by_groups(pick(RULES, form), right, tokens)
    sparse = tree.by_values(right)
    yield apart(EQUAL, found, tree.by_values(right + tokens.sum(-1)), 1e-12, BOTH)
    yield Check(DIFFERS, float(np.abs(found - sparse).max()), 1e-3, ">", routes=BOTH)
    value = tokens.cumsum(-1) - pick(BEFORE, prefix) * tokens
    yield apart(BASELINE, tree.by_response(right[:, None] - value), sparse, 1e-12,
                ("enumeration", BOTH[1]))  # fmt: skip
    both = [tree.by_groups(RULES[f], right, tokens) for f in ("published", "released")]
    yield Check(BIAS, float(np.abs(both[1] - both[0]).max()), 1e-3, ">", routes=BOTH, claim=False)
    # Token 1 ends a response: what would come behind it is nobody's.
    live = np.concatenate([np.ones((8, 1)), np.cumprod(tree.y == 0, axis=-1)[:, :-1]], axis=-1)
    own, ends = tokens * live, tree.y[:, 0] * 1.0
    price = tree.law @ (own.sum(-1) / live.sum(-1))
    yield apart(PRICE, tree.by_groups(pick(RULES, form), ends, own, live),
                tree.by_values(ends + own.sum(-1) - price * live.sum(-1)), 1e-12, BOTH)  # fmt: skip
    yield from laws(pick(RULES, form), rng)


def laws(rule: Prime, rng: np.random.Generator) -> Items:
    """What the two baselines share, and what equal models leave, for responses of many lengths."""
    L = rng.integers(1, 8, (3, 4))
    mask = (np.arange(7) < L[..., None]) * 1.0
    right = np.array([[1.0, 0, 0, 0], [1, 1, 0, 1], [0, 0, 0, 0]])
    r = Rollouts(right, L * 1.0, 8.0, mask=mask)
    tokens = rng.normal(size=mask.shape) * mask
    found = [np.asarray(e.apply({"outcome": right, "implicit": tokens}, r)[0])
             for e in (RULES["released"], rule)]  # fmt: skip
    want = np.zeros(mask.shape)
    for b, g in np.ndindex(3, 4):
        want[b, g, : L[b, g]] = baseline_gap(tokens[b, g, : L[b, g]], 4)
    routes = ("estimators", "closed form")
    yield apart(RELEASED, found[0] - found[1], want, 1e-12, routes)
    same = np.asarray(rule.apply({"outcome": right, "implicit": 0 * tokens}, r)[0])
    others = (right.sum(-1, keepdims=True) - right) / 3
    yield apart(SAME, same, (right - others)[..., None] * mask, 1e-12, routes)


def process(ours: np.ndarray, ref: np.ndarray) -> np.ndarray:
    """(N, T) process rewards of log-probabilities (N, T), by the shaper, beta 0.5."""
    length = np.full((1, len(ours)), float(T))
    r = Rollouts(0 * length, length, float(T), mask=np.ones((1, *ours.shape)),
                 fields={"prm_logprobs": ours[None], "ref_logprobs": ref[None]})  # fmt: skip
    return np.asarray(ImplicitProcess(0.5).apply(r).parts["implicit"][0])
