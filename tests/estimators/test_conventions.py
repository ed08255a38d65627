"""The table of trainers' conventions, held by their own code or by their formulas."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.estimators.peer_formulas import FORMULAS, SEVERAL, by_group, gae, nemo
from tests.estimators.verl_code import Config, core_algos
from toyrl.estimators.conventions import CONVENTIONS, Convention, convention, table
from toyrl.expressions import parse_estimator
from toyrl.rollouts import Rollouts

pytestmark = pytest.mark.swept

OTHERS = [c for c in CONVENTIONS if c.trainer != "trl" and c.estimator is not None]
TOKENS = {("verl", "gae"), ("verl", "remax")}  # read more than rewards
PEERS = [c for c in OTHERS if (c.trainer, c.option) not in {*SEVERAL, *TOKENS}]
EXAMPLES = min(40, settings().max_examples)  # of three groups each, for one of many rows
CENTRES_OWN_GROUP = ("grpo", "rloo", "opo", "gpg", "norm", "grpo_no_std", "max_rl")


def ids(row: Convention) -> str:
    return f"{row.trainer}-{row.option}"


def batch(reward: np.ndarray, length: np.ndarray | None = None) -> Rollouts:
    n = np.ones_like(reward) if length is None else length
    return Rollouts(np.zeros_like(reward), n.astype(reward.dtype), 8.0)


def ours(row: Convention, reward: np.ndarray, length: np.ndarray | None = None) -> np.ndarray:
    assert row.estimator is not None
    return np.asarray(row.estimator.apply({"reward": reward}, batch(reward, length))[0])


@st.composite
def on_grid(draw: Any, *, prompts: int = 3, group: tuple[int, int] = (2, 6)) -> tuple[Any, Any]:
    """Rewards on a grid, exact in binary, with ties and tied groups; some rollouts without tokens.

    On the grid a tied group's deviations are exactly 0 in the trainers too, so that rows agree.
    """
    shape = (prompts, draw(st.integers(*group)))
    levels = draw(st.sampled_from((1, 2, 9)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))  # cheaper than drawing each number
    reward = rng.integers(0, levels, shape) / 8
    length = rng.integers(0, 8, shape).astype(np.float64)
    tied = draw(st.integers(0, prompts - 1))
    reward[tied] = reward[tied, 0]
    length[:, 0] += 1  # no group without any token: OPO divides by its tokens
    return reward, length


# -- the table itself ------------------------------------------------------------------------------
def test_every_row_is_found_and_printed():
    names, rows = table()
    assert len(rows) == len(CONVENTIONS) == len({ids(c) for c in CONVENTIONS})
    assert all(len(row) == len(names) for row in rows)
    assert convention("verl", "grpo").ddof == 1
    assert convention("prime_rl", "grpo").ddof is None
    with pytest.raises(KeyError, match="verl rloo"):
        convention("verl", "nothing")


def test_every_peer_row_has_a_formula():
    assert {(c.trainer, c.option) for c in OTHERS} == {*FORMULAS, *SEVERAL, *TOKENS}


@pytest.mark.parametrize("row", CONVENTIONS, ids=ids)
def test_every_row_is_written_as_the_catalogue_reads_it(row: Convention):
    assert row.read
    assert row.held_by in ("own code", "formula", "unverified", "-")
    if row.estimator is None:
        assert row.reason
        assert row.expression == "no equivalent"
    else:
        assert parse_estimator(row.expression) == row.estimator


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("grpo", ("trl", "grpo_group")),
        ("dr_grpo", ("trl", "grpo_none")),
        ("grpo_batch", ("trl", "grpo_batch")),
        ("rloo", ("trl", "rloo")),
        ("rloo_normalized", ("trl", "rloo_normalize_advantages")),
        ("grpo_verl", ("verl", "grpo")),
        ("grpo_nemo", ("nemo_rl", "grpo")),
        ("reinforce_mean", ("openrlhf", "flash_reinforce")),
        ("max_rl", ("prime_rl", "max_rl")),
    ],
)
def test_registered_presets_are_rows(name: str, row: tuple[str, str]):
    assert parse_estimator(name) == convention(*row).estimator


# -- TRL: its own code -----------------------------------------------------------------------------
TRL = {
    "grpo_group": ("grpo", {"scale_rewards": "group"}),
    "grpo_none": ("grpo", {"scale_rewards": "none"}),
    "grpo_batch": ("grpo", {"scale_rewards": "batch"}),
    "rloo": ("rloo", {}),
    "rloo_normalize_advantages": ("rloo", {"normalize": True}),
}
REWARDS = {
    "mixed": [[1.0, 0.0, 0.0, 1.0], [0.25, 0.5, 0.125, 0.875], [1.0, 0.0, 0.0, 0.0]],
    "one tied": [[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.5]],
    "all right": [[1.0] * 4] * 2,
    "all wrong": [[0.0] * 4] * 2,
    "pairs": [[0.0, 1.0], [1.0, 0.25]],
    "a None": [[1.0, np.nan, 0.0, 0.5], [0.0, 1.0, 1.0, 0.0]],
    "one left": [[np.nan, np.nan, np.nan, 0.5], [0.0, 1.0, 1.0, 0.25]],
    "none left": [[np.nan] * 4, [0.0, 1.0, 1.0, 0.25]],
    "large": [[1e6, 0.0, 0.0, 0.0], [1e6, 1e6, 0.0, 0.0]],
}


def trl(option: str, reward: np.ndarray) -> np.ndarray:
    from tests.estimators import trl_code

    kind, settings = TRL[option]
    call = trl_code.grpo_advantages if kind == "grpo" else trl_code.rloo_advantages
    return call(reward, **settings)


@pytest.mark.parametrize("option", TRL)
@pytest.mark.parametrize("name", REWARDS)
def test_trl_rows_equal_trls_own_trainer(option: str, name: str):
    reward = np.array(REWARDS[name])
    want = trl(option, reward)
    got = ours(convention("trl", option), reward)
    # TRL computes in float32; numbers up to 1e6 come from rewards of 1e6.
    np.testing.assert_allclose(got, want, rtol=2e-6, atol=2e-6)


def test_trl_rows_are_all_tested():
    assert {c.option for c in CONVENTIONS if c.trainer == "trl"} == {
        *TRL,
        "grpo_normalize_then_sum",
    }


@pytest.mark.parametrize("name", REWARDS)
def test_trl_normalize_then_sum_equals_trls_own_trainer(name: str):
    """Two reward functions, the second missing where the first is, and once more."""
    from tests.estimators import trl_code

    first = np.array(REWARDS[name])
    second = np.roll(first, 1, axis=1) ** 2
    second = np.where(np.isnan(first), np.nan, second)
    second[0, 0] = np.nan
    want = trl_code.grpo_advantages(
        np.stack([first, second], -1), weights=[1.0, 2.0], sum_first=False
    )
    row = convention("trl", "grpo_normalize_then_sum").estimator
    weighted = replace(row, weights={"a": 1.0, "b": 2.0})
    got = weighted.apply({"a": first, "b": second}, batch(first))[0]
    # TRL computes in float32; a part with one scorable rollout in a group is NaN, then skipped.
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5)


def test_trl_rloo_takes_the_penalty_out_of_the_reward():
    """beta of RLOOTrainer: the sum of log pi_old - log pi_ref, before the siblings' mean."""
    from tests.estimators import trl_code

    reward = np.array(REWARDS["mixed"])
    rng = np.random.default_rng(0)
    old, ref = (-rng.exponential(1.0, (reward.size, 2)) for _ in range(2))
    want = trl_code.rloo_advantages(reward, beta=0.1, old=old, ref=ref)
    penalty = 0.1 * (old - ref).sum(-1).reshape(reward.shape)
    got = ours(convention("trl", "rloo"), reward - penalty)
    np.testing.assert_allclose(got, want, rtol=2e-6, atol=2e-6)


def test_two_weighted_functions_and_one_none():
    """TRL adds what is there: a None of one function counts as 0, unlike a NaN part here."""
    from tests.estimators import trl_code

    both = np.array([[[1.0, 0.5], [0.0, np.nan], [0.5, 0.25], [1.0, 1.0]]])
    want = trl_code.grpo_advantages(both, weights=[1.0, 2.0])
    row = convention("trl", "grpo_group").estimator
    r = batch(both[..., 0])
    filled = {"a": both[..., 0], "b": 2 * np.nan_to_num(both[..., 1])}
    np.testing.assert_allclose(row.apply(filled, r)[0], want, atol=2e-6)
    broken = row.apply({"a": both[..., 0], "b": 2 * both[..., 1]}, r)[0]
    assert broken[0, 1] == 0 != want[0, 1]


def test_ties_in_float32_are_rounding_in_trl_and_zero_here():
    """Seven equal float32 0.1s: TRL divides the mean's rounding error by 1e-4."""
    reward = np.full((1, 7), 0.1, dtype=np.float32)
    theirs = np.abs(trl("grpo_group", reward)).max()
    assert theirs <= 4 * np.finfo(np.float32).eps * 0.1 / 1e-4
    assert np.all(ours(convention("trl", "grpo_group"), reward) == 0)


# -- the others: formulas, and verl's own code ----------------------------------------------------
@pytest.mark.parametrize("row", PEERS, ids=ids)
@settings(max_examples=EXAMPLES)
@given(drawn=on_grid())
def test_rows_equal_their_formula(row: Convention, drawn: tuple[np.ndarray, np.ndarray]):
    reward, length = drawn
    want = FORMULAS[row.trainer, row.option](reward, length)
    has = length > 0  # the number of a rollout without tokens stands on none
    np.testing.assert_allclose(ours(row, reward, length)[has], want[has], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("option", SEVERAL)
@settings(max_examples=EXAMPLES)
@given(drawn=on_grid(), seed=st.integers(0, 2**32 - 1))
def test_rows_of_several_rewards_equal_their_formula(option: Any, drawn: Any, seed: int):
    first, length = drawn
    rng = np.random.default_rng(seed)
    second = rng.permuted(first, axis=1)
    want = SEVERAL[option](np.stack([first, second], -1), length)
    e = convention(*option).estimator
    got, has = e.apply({"a": first, "b": second}, batch(first, length))[0], length > 0
    np.testing.assert_allclose(got[has], want[has], rtol=1e-8, atol=1e-8)


@settings(max_examples=EXAMPLES)
@given(drawn=on_grid(), seed=st.integers(0, 2**32 - 1))
def test_rows_per_token_equal_their_formula(drawn: Any, seed: int):
    reward, length = drawn
    rng = np.random.default_rng(seed)
    width = int(length.max()) + 2
    length = np.maximum(length, 1)
    # Observations between turns: holes in the mask that are passed through, never the last token.
    mask = (np.arange(width) < length[..., None]) * 1.0
    inside = np.arange(width) < length[..., None] - 1
    mask = np.where(inside & (rng.random(mask.shape) < 0.2), 0.0, mask)
    values = rng.normal(size=mask.shape)
    r = Rollouts(np.zeros_like(reward), mask.sum(-1), 16.0, mask=mask, fields={"values": values})
    e = convention("verl", "gae").estimator
    tokens = np.zeros_like(mask)
    np.put_along_axis(tokens, length[..., None].astype(int) - 1, reward[..., None], -1)
    flat = (reward.size, width)
    want = gae(tokens.reshape(flat), values.reshape(flat), mask.reshape(flat), e.gamma, e.lam)
    if len(np.unique(want)) > 1:
        got = e.apply({"reward": reward}, r)[0].reshape(flat)
        np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-8)
    greedy = rng.normal(size=(len(reward), 1)) + 0 * reward
    r = r.with_(greedy_reward=greedy)
    got = convention("verl", "remax").estimator.apply({"reward": reward}, r)[0]
    np.testing.assert_array_equal(got, reward - greedy)


@pytest.mark.parametrize("row", [c for c in PEERS if c.option != "grpo_passk"], ids=ids)
def test_column_singleton(row: Convention):
    """What the formula gives a group of one beside other groups of one."""
    reward, length = np.array([[0.5], [1.0], [0.25]]), np.ones((3, 1))
    with np.errstate(all="ignore"):
        got = FORMULAS[row.trainer, row.option](reward, length)
    if row.singleton == "NaN":
        assert np.isnan(got).all()
    elif row.singleton.startswith("0"):
        assert np.all(got == 0)
    else:
        np.testing.assert_allclose(ours(row, reward, length), got, rtol=2e-6)  # verl: r/(1+1e-6)
        assert np.all(got != 0) or "minus" in row.singleton or "whitened" in row.singleton


@pytest.mark.parametrize("row", PEERS, ids=ids)
def test_column_missing(row: Convention):
    """How far a NaN reward spreads in the formula; here it makes one rollout absent."""
    reward = np.array([[0.5, np.nan, 0.25], [1.0, 0.0, 0.5]])
    length = np.array([[2.0, 3.0, 1.0], [4.0, 1.0, 2.0]])
    with np.errstate(all="ignore"):
        got = np.isnan(FORMULAS[row.trainer, row.option](reward, length))
    spread = {"NaN for the batch": (True, True), "NaN for its group": (True, False)}
    if row.missing in spread:
        assert (got[0].all(), got[1].all()) == spread[row.missing]
    mine = ours(row, reward, length)
    assert mine[0, 1] == 0
    assert np.isfinite(mine).all()


VERL_CALL = {
    "grpo": ("grpo", "grpo_vectorized"),
    "grpo_no_std": ("grpo", "grpo_vectorized"),
    "rloo": ("rloo", "rloo_vectorized"),
    "rloo_vectorized": ("rloo_vectorized",),
    "reinforce_plus_plus": ("reinforce_plus_plus",),
    "reinforce_plus_plus_baseline": ("reinforce_plus_plus_baseline",),
    "opo": ("opo",),
    "gpg": ("gpg",),
    "grpo_passk": ("grpo_passk",),
}


@pytest.mark.parametrize("option", VERL_CALL)
def test_verl_rows_equal_verls_own_code(option: str):
    """Runs where verl can be imported (`PYTHONPATH` will do); else its formulas stand above."""
    import torch

    algos = core_algos()
    rng = np.random.default_rng(0)
    length = rng.integers(1, 6, (4, 5)).astype(float)
    reward = rng.permuted(np.tile(np.arange(5) / 8, (4, 1)), axis=1)
    mask = (np.arange(6) < length[..., None]).astype(float).reshape(20, 6)
    tokens = np.zeros((20, 6))
    tokens[np.arange(20), length.ravel().astype(int) - 1] = reward.ravel()
    for name in VERL_CALL[option]:
        config = Config(gamma=1.0, norm_adv_by_std_in_grpo=option != "grpo_no_std")
        extra = {"norm_adv_by_std_in_grpo": False} if option == "grpo_no_std" else {}
        want = algos.ADV_ESTIMATOR_REGISTRY[name](
            token_level_rewards=torch.from_numpy(tokens),
            response_mask=torch.from_numpy(mask),
            **({} if name == "reinforce_plus_plus" else {"index": np.repeat(np.arange(4), 5)}),
            config=config,
            **extra,
        )[0].numpy()
        got = ours(convention("verl", option), reward, length).reshape(20, 1) * mask
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


# -- known explosions ------------------------------------------------------------------------------
def test_leave_one_out_std_explodes_without_a_guard():
    """NeMo-RL issue 1518: of 1, 0, 0, 0 the others of the first are all equal."""
    reward = np.array([[1.0, 0.0, 0.0, 0.0]])
    r = batch(reward)
    wild = parse_estimator("loo_std").apply({"reward": reward}, r)[0]
    assert wild[0, 0] == pytest.approx(1e6)
    tame = parse_estimator("grpo_nemo").apply({"reward": reward}, r)[0]
    np.testing.assert_allclose(tame, FORMULAS["nemo_rl", "grpo"](reward, reward), atol=1e-12)
    assert tame[0, 0] == 1.0
    assert parse_estimator("loo_std(zero_std='zero')").apply({"reward": reward}, r)[0][0, 0] == 0
    np.testing.assert_allclose(wild, by_group(lambda x, n: nemo(x, n, guard=False))(reward, reward))


def test_mean_of_squares_in_float32_takes_rounding_for_a_std():
    """NeMo-RL issues 4158, 4161: the guard `std > 0` doesn't help where E[r^2]-E[r]^2 rounds."""
    worst = 0.0
    for size in (4, 8, 16):
        for others in (0.1, 1 / 3, 0.7, 0.9):
            reward = np.full((1, size), others, dtype=np.float32)
            reward[0, 0] = 1.0
            worst = max(worst, FORMULAS["nemo_rl", "grpo"](reward, reward)[0, 0])
            mine = ours(convention("nemo_rl", "grpo"), reward)[0, 0]
            assert mine == pytest.approx(1 - others, rel=1e-6)
    assert worst > 100  # a difference below 1 divided by a rounding error
