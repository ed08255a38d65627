"""Chains and policies to draw, and a third route to class laws: enumeration of every path."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import strategies as st

from toyrl.worlds.chain.model import ACTIONS, Chain

# Compiled programs depend on sizes and switches; a few of them keep compilation short.
STRUCTURES = (
    {"actions": ("STEP", "ANSWER"), "max_actions": 1, "depth": 1, "flag": False},
    {"actions": ("STEP", "FILL", "ANSWER"), "max_actions": 6, "depth": 3, "flag": False},
    {"actions": ("ANSWER", "CHECK", "STEP"), "max_actions": 4, "depth": 2, "flag": True},
    {"actions": ("REPEAT", "STEP", "ANSWER", "FILL"), "max_actions": 5, "depth": 2, "flag": True},
    {"actions": ("END_THINK", "STEP", "ANSWER"), "max_actions": 4, "depth": 2, "flag": False},
    {"actions": ACTIONS, "max_actions": 4, "depth": 3, "flag": True},
)
unit = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1, width=32))


@st.composite
def chains(draw, structures=None):
    """A chain with two difficulties, one of the structures and any numbers."""
    s = dict(draw(st.sampled_from(STRUCTURES) if structures is None else structures))
    flag, D = s.pop("flag"), s["depth"]
    share = draw(st.floats(0, 1, width=32))
    return Chain(
        difficulties=(draw(st.integers(1, D)), draw(st.integers(1, D))),
        shares=(share, 1 - share),
        progress=draw(unit),
        slip=draw(st.one_of(st.just(0.0), unit)),
        repair=draw(unit),
        guess=draw(unit),
        flag_noise=draw(st.floats(0, 0.5, width=32)) if flag else None,
        **s,
    )


@st.composite
def any_structure(draw):
    """Any action subset, depth and limit."""
    extra = draw(st.lists(st.sampled_from(["FILL", "CHECK", "REPEAT", "END_THINK"]), unique=True))
    return {
        "actions": tuple(draw(st.permutations(["STEP", "ANSWER", *extra]))),
        "max_actions": draw(st.integers(1, 4)),
        "depth": draw(st.integers(1, 3)),
        "flag": draw(st.booleans()),
    }


def logits(chain, seed):
    """Random logits, far enough from even that rows differ."""
    return np.random.default_rng(seed).normal(0, 1.5, chain.policy_shape)


def softmax_row(chain, row, phase, m):
    """Action -> probability from one row of logits, by the rules of what is legal."""
    legal = {}
    for name, value in zip(chain.actions, row, strict=True):
        thinking = "END_THINK" in chain.actions and phase == 0
        answering = phase == 1
        if (name == "REPEAT" and m == 0) or (name == "ANSWER" and thinking):
            continue
        if answering and name not in ("ANSWER", "FILL"):
            continue
        legal[name] = np.exp(value)
    total = sum(legal.values())
    return {name: value / total for name, value in legal.items()}


def enumerate_paths(chain, theta, d):
    """(correct, length, truncated, counts by action) -> probability, over every path."""
    out = defaultdict(float)

    def walk(p, m, e, phase, taken):
        if p == 0:
            return
        if len(taken) == chain.max_actions:
            record(p, False, True, taken)
            return
        done = m >= d and not e
        if chain.flag_noise is None:
            flags = {0: 1.0}
        else:
            flags = {int(done): 1 - chain.flag_noise, int(not done): chain.flag_noise}
        for flag, pf in flags.items():
            for name, pa in softmax_row(chain, theta[phase, flag, m], phase, m).items():
                act(p * pf * pa, name, m, e, phase, (*taken, name), done)

    def act(p, name, m, e, phase, taken, done):
        q, s, v = chain.progress, chain.slip, chain.repair
        if name == "ANSWER":
            right = 1.0 if done else chain.guess
            record(p * right, True, False, taken)
            record(p * (1 - right), False, False, taken)
        elif name == "STEP":
            for up, pu in ((1, q), (0, 1 - q)):
                for err, pe in ((1, s), (0, 1 - s)):
                    walk(p * pu * pe, min(m + up, chain.D), e or err, phase, taken)
        elif name == "CHECK" and e:
            walk(p * v, m, 0, phase, taken)
            walk(p * (1 - v), m, 1, phase, taken)
        else:
            walk(p, m, e, 1 if name == "END_THINK" else phase, taken)

    def record(p, correct, truncated, taken):
        counts = tuple(taken.count(a) for a in ACTIONS)
        out[correct, len(taken), truncated, counts] += p

    walk(1.0, 0, 0, 0, ())
    return dict(out)


def class_law(chain, paths, counters=(), cap=16):
    """(K,) class probabilities from enumerated paths, in the order that the library states."""
    from toyrl.worlds.chain.model import COUNTERS

    bins = [cap + 1] * len(counters)
    out = np.zeros((2 * chain.max_actions + 1, *bins))
    for (correct, length, truncated, counts), p in paths.items():
        k = 2 * chain.max_actions if truncated else length - 1 + (not correct) * chain.max_actions
        c = tuple(min(counts[ACTIONS.index(COUNTERS[name])], cap) for name in counters)
        out[(k, *c)] += p
    return out.ravel()
