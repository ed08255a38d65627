"""Closed stops of the reasoning chain against its dynamic program over all stopping policies."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.theory.length.thinking import gated_thinking_weight, stop_values, thinking_weights
from toyrl.worlds.chain.forward import class_probabilities
from toyrl.worlds.chain.model import HELLO, Chain

SURE = 60.0
CHAINS = (
    Chain(max_actions=120),
    Chain(difficulties=(1, 3, 4), shares=(0.5, 0.2, 0.3), slip=0.05, max_actions=120),
    Chain(difficulties=(2, 3, 6), shares=(0.1, 0.05, 0.85), guess=0.2, max_actions=120),
)


def stopping(chain: Chain) -> list[tuple[float, float, float]]:
    """(k, accuracy, actions) of the policies that answer at m = k, by the dynamic program.

    A policy that sees m alone and ends at all is one of these, but for FILLs on the way.
    """
    found = []
    for k in range(chain.D + 1):
        theta = chain.logits(STEP=SURE)
        theta[0, 0, k] = chain.logits(ANSWER=SURE)[0, 0, k]
        law = np.asarray(chain.shares) @ class_probabilities(chain, theta)
        found.append((k, law @ chain.class_correct(), law @ chain.class_length()))
    return found


@pytest.mark.parametrize("chain", CHAINS)
def test_values_of_the_stops(chain: Chain):
    by_program = {k: (a, n) for k, a, n in stopping(chain)}
    for k, right, actions in zip(*stop_values(chain), strict=True):
        # 120 actions are not enough with a chance below 1e-16; another action has one of e^-60
        assert by_program[int(k)] == pytest.approx((right, actions), rel=1e-12)


@pytest.mark.parametrize("chain", CHAINS)
def test_switches_by_enumeration_of_policies(chain: Chain):
    """On both sides of each weight the best of all stopping policies is the one named."""
    policies = np.array(stopping(chain))
    stops, weights = thinking_weights(chain)
    after = [*stops[1:], 0.0]
    for weight, before, then in zip(weights, stops, after, strict=True):
        for factor, want in ((1 - 1e-9, before), (1 + 1e-9, then)):
            value = policies[:, 1] - factor * weight * policies[:, 2] / chain.H
            assert policies[int(np.argmax(value)), 0] == want


def test_one_difficulty_and_the_mix_of_the_hello_world():
    """(1 - g) q N/d; 0.95 0.8 40/2 of an even mix of 2 and 8, a half of it each."""
    one = Chain(difficulties=(8,), shares=(1.0,))
    assert thinking_weights(one)[1] == pytest.approx([0.95 * 0.8 * 40 / 8])
    stops, weights = thinking_weights(HELLO)
    assert stops.tolist() == [8, 2]
    assert weights == pytest.approx([0.5 * 0.95 * 0.8 * 40 / 6, 0.5 * 0.95 * 0.8 * 40 / 2])


def test_a_stop_below_the_hull_is_best_at_no_weight():
    rare = Chain(difficulties=(2, 3, 6), shares=(0.1, 0.05, 0.85))
    assert thinking_weights(rare)[0].tolist() == [6]
    assert thinking_weights(Chain(guess=1.0))[0].size == 0


@pytest.mark.parametrize("limit", [11, 12, 60])
def test_gated_weight_by_the_values_of_both_policies(limit: int):
    chain = Chain(difficulties=(8,), shares=(1.0,), progress=1.0, max_actions=limit)
    found = gated_thinking_weight(chain)

    def gain(w: float) -> float:
        """Thinking less guessing, from the classes; with certain progress nothing is cut."""
        paid = chain.class_correct() * (1 + w * (1 - chain.class_length() / limit))
        values = []
        for k in (0, 8):
            theta = chain.logits(STEP=SURE)
            theta[0, 0, k] = chain.logits(ANSWER=SURE)[0, 0, k]
            values.append(float((class_probabilities(chain, theta) @ paid)[0]))
        return values[1] - values[0]

    closed = (9 - 0.05) / limit - 0.95
    assert found == (np.inf if closed <= 0 else pytest.approx(0.95 / closed))
    assert gain(1e6) > 0 or found < 1e6
    if np.isfinite(found):
        assert gain(found) == pytest.approx(0, abs=1e-9 * found)


def test_refusals():
    with pytest.raises(ValueError, match=r"flag_noise=0\.0"):
        stop_values(Chain(flag_noise=0.0))
    with pytest.raises(ValueError, match="one difficulty"):
        gated_thinking_weight(HELLO)
