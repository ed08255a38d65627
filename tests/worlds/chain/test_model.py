"""The chain's configuration and its NumPy reference, against enumeration of every path."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chains import any_structure, chains, class_law, enumerate_paths, logits
from toyrl.worlds.chain.forward import class_probabilities, step_matrix
from toyrl.worlds.chain.model import ACTIONS, HELLO, HELLO_LOGITS, Chain

EPS = float(np.finfo(float).eps)


@given(chains(any_structure()), st.integers(0, 1000))
def test_reference_is_the_enumeration(chain, seed):
    theta = logits(chain, seed)
    found = class_probabilities(chain, theta)
    for b, d in enumerate(chain.difficulties):
        wanted = class_law(chain, enumerate_paths(chain, theta, d))
        # Sums of at most 11**4 products of 8 factors: relative error within 1e4 eps.
        assert found[b] == pytest.approx(wanted, abs=1e4 * EPS)


def test_enumeration_control_sees_a_changed_rule():
    chain = Chain(difficulties=(1,), shares=(1.0,), max_actions=3, slip=0.3, guess=0.2)
    theta = logits(chain, 0)
    other = class_law(chain, enumerate_paths(chain.with_(slip=0.0), theta, 1))
    assert abs(class_probabilities(chain, theta)[0] - other).max() > 0.01


@given(chains(any_structure()), st.integers(0, 1000))
@settings(max_examples=50)
def test_step_matrices_and_policies_are_laws(chain, seed):
    for name in chain.actions:
        if name != "ANSWER":
            rows = step_matrix(chain, name).sum((2, 3))
            assert rows == pytest.approx(np.ones_like(rows), abs=8 * EPS)
    pi = chain.policy(logits(chain, seed))
    assert pi.sum(-1) == pytest.approx(np.ones(pi.shape[:-1]), abs=8 * EPS)
    illegal = np.broadcast_to(~chain.allowed()[:, None], pi.shape)
    assert np.all(pi[illegal] == 0)


def test_hello_world_by_hand_for_two_actions():
    # H = 1: only a guess or truncation; ANSWER's probability is exp(-1.5) / (1 + exp .5 + ...).
    chain = HELLO.with_(max_actions=1)
    p = np.exp(-1.5) / (1 + np.exp(0.5) + np.exp(-1.5))
    found = class_probabilities(chain, chain.logits(**HELLO_LOGITS))
    assert found == pytest.approx(np.tile([p * 0.05, p * 0.95, 1 - p], (2, 1)), abs=8 * EPS)


def test_class_tables_match_their_order():
    chain = HELLO.with_(max_actions=3, tokens_per_action=10.0)
    assert chain.class_correct().tolist() == [1, 1, 1, 0, 0, 0, 0]
    assert chain.class_length().tolist() == [10, 20, 30, 10, 20, 30, 30]
    assert chain.class_truncated().tolist() == [False] * 6 + [True]


def test_depth_lets_progress_run_past_the_difficulty():
    chain = Chain(difficulties=(1,), shares=(1.0,), depth=4, progress=1.0, max_actions=4)
    theta = chain.logits(STEP=0.0, FILL=-50.0, ANSWER=-50.0)
    theta[0, 0, 3:] = [-50.0, -50.0, 50.0]  # the policy stops only at m = 3
    found = class_probabilities(chain, theta)[0]
    assert found[3] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shares": (0.5, 0.6)}, "shares=(0.5, 0.6)"),
        ({"difficulties": (2, 9), "depth": 8}, "1..depth=8"),
        ({"flag_noise": 0.7}, "flag_noise=0.7"),
        ({"progress": 1.2}, "progress=1.2"),
        ({"actions": ("STEP", "FILL")}, "must hold STEP and ANSWER"),
        ({"actions": ("STEP", "STEP", "ANSWER")}, "repeats an action"),
        ({"max_actions": 0}, "max_actions=0"),
        ({"tokens_per_action": 0.0}, "tokens_per_action=0.0"),
    ],
)
def test_bad_settings_are_named(change, said):
    with pytest.raises(ValueError, match="Chain: ") as caught:
        HELLO.with_(**change)
    assert said in str(caught.value)


def test_logits_refuse_an_action_the_chain_lacks():
    with pytest.raises(ValueError, match="no action"):
        HELLO.logits(CHECK=1.0)
    assert HELLO.with_(actions=ACTIONS).logits(CHECK=1.0).shape == (2, 1, 9, 6)
