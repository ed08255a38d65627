"""Rewards and rollouts as they were found wrong: each input of the table once, by its number.

The general laws are in `tests/rollouts` (dtypes, shapes, absent rows) and `tests/test_ranges.py`.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.experiments.render.sample_report import sample_report
from toyrl.experiments.render.text import dumps
from toyrl.expressions import parse, parse_estimator
from toyrl.rollouts import Rollouts

BF16 = ("dler", "reinforce_baseline", "reinforce_plus_plus_baseline")
ONES = np.ones((2, 3))


def rollouts(correct=None, length=None, **more) -> Rollouts:
    c = np.array([[1.0, 0, 0], [0, 1, 1]]) if correct is None else correct
    n = np.array([[2.0, 3, 4], [5, 6, 7]]) if length is None else length
    return Rollouts(correct=c, length=n, **{"max_length": 8.0, **more})


def advantages(name, reward, r):
    return parse_estimator(name).apply({"reward": reward}, r)[0]


# -- 1.16, 1.17, 1.27: half precision --------------------------------------------------------------
@pytest.mark.parametrize("name", [pytest.param(n, id=f"1.16 {n}") for n in BF16])
def test_bfloat16_statistics(name):
    torch = pytest.importorskip("torch", reason="needs the extra llm")
    rng = np.random.default_rng(0)
    reward = (rng.random((8, 8)) < 0.4) * 1.0
    length = rng.integers(1, 500, (8, 8)) * 1.0
    want = advantages(name, reward, rollouts(reward, length, max_length=512.0))
    halves = [torch.tensor(x, dtype=torch.bfloat16) for x in (reward, length)]
    exact = [h.double().numpy() for h in halves]  # what the halves themselves say
    want = advantages(name, exact[0], rollouts(exact[0], exact[1], max_length=512.0))
    got = advantages(name, halves[0], rollouts(*halves, max_length=512.0))
    assert got.dtype == torch.bfloat16
    np.testing.assert_allclose(got.double().numpy(), want, rtol=2**-8, atol=2**-8)


@pytest.mark.parametrize("library", [pytest.param(x, id=f"1.17 {x}") for x in ("numpy", "torch")])
def test_float16_of_loo_std(library):
    reward = np.array([[1.580, 0.079]], dtype=np.float16)
    r = rollouts(reward, np.ones((1, 2), dtype=np.float16))
    if library == "torch":
        torch = pytest.importorskip("torch", reason="needs the extra llm")
        reward, r = torch.tensor(reward), rollouts(*(torch.ones(1, 2).half() for _ in range(2)))
    got = np.asarray(advantages("loo_std", reward, r))
    assert got.dtype == np.float16
    assert np.isfinite(got).all()
    np.testing.assert_array_equal(got, [[65504, -65504]])  # of 1,501,000, which it can't hold


@pytest.mark.parametrize("length", [pytest.param(72_000.0, id="1.27")])
def test_float16_lengths(length):
    torch = pytest.importorskip("torch", reason="needs the extra llm")
    half = torch.tensor([[length]]).half()
    with pytest.raises(ValueError, match=r"length holds inf: .*float16 ends at 65504"):
        rollouts(torch.ones(1, 1).half(), half, max_length=72_000.0)


# -- 1.18 to 1.24: kinds, shapes, scalars ----------------------------------------------------------
@pytest.mark.parametrize("name", [pytest.param(n, id=f"1.18 {n}") for n in ("grpo", "gae")])
def test_whole_numbers_are_read_as_they_are(name):
    torch = pytest.importorskip("torch", reason="needs the extra llm")
    values = {"values": np.full((2, 3, 8), 0.25)} if name == "gae" else {}
    mask = np.ones((2, 3, 8)) if values else None
    want = advantages(name, rollouts().correct, rollouts(mask=mask, fields=values))
    r = rollouts(
        torch.tensor(rollouts().correct).long(),
        torch.tensor(rollouts().length).long(),
        mask=None if mask is None else torch.tensor(mask).long(),
        fields={k: torch.tensor(v) for k, v in values.items()},
    )
    got = advantages(name, torch.tensor(rollouts().correct).long(), r)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-6, atol=1e-6)


MASKED = np.ma.masked_array(ONES, mask=[[1, 0, 0], [0, 0, 0]])
OBJECTS = np.array([[1.0, None, 2.0]] * 2, dtype=object)


@pytest.mark.parametrize(
    ("name", "reward", "kind", "says"),
    [
        pytest.param("grpo", MASKED, TypeError, "is a masked array, whose mask would", id="1.19"),
        pytest.param("rloo", OBJECTS, TypeError, "has dtype object; give real", id="1.21"),
        pytest.param("grpo", np.ones((1, 3)), ValueError, r"has shape \(1, 3\)", id="1.22 (1,G)"),
        pytest.param("grpo", np.ones((2, 1)), ValueError, r"has shape \(2, 1\)", id="1.22 (B,1)"),
        pytest.param("rloo", np.ones((1, 1)), ValueError, r"has shape \(1, 1\)", id="1.22 (1,1)"),
        pytest.param("opo", np.ones((3, 2)), ValueError, r"has shape \(3, 2\)", id="1.22 (G,B)"),
        pytest.param("grpo", np.ones((2, 4)), ValueError, r"has shape \(2, 4\)", id="1.22 (B,G+1)"),
        pytest.param("gpg", np.ones((4, 3)), ValueError, r"has shape \(4, 3\)", id="1.22 (2B,G)"),
        pytest.param("grpo", np.ones((1, 2, 3)), ValueError, r"shape \(1, 2, 3\)", id="1.22 lead"),
        pytest.param("grpo", np.ones((0, 3)), ValueError, r"has shape \(0, 3\)", id="1.22 (0,G)"),
    ],
)
def test_rewards_of_another_kind_or_shape(name, reward, kind, says):
    with pytest.raises(kind, match=says):
        advantages(name, reward, rollouts())


@pytest.mark.parametrize("way", ["1.20 torch rewards", "1.20 torch rollouts"])
def test_libraries_are_not_mixed(way):
    torch = pytest.importorskip("torch", reason="needs the extra llm")
    other = rollouts(torch.tensor(rollouts().correct), torch.tensor(rollouts().length))
    reward, r = (torch.ones(2, 3), rollouts()) if "rewards" in way else (ONES, other)
    with pytest.raises(TypeError, match=r"is of (torch|NumPy), but the .* is of .*; convert"):
        advantages("grpo", reward, r)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        pytest.param(lambda: rollouts([[1.0]], [[1.0]]), "list", id="1.23 lists"),
        pytest.param(lambda: rollouts(1.0, 2.0), "float", id="1.23 numbers"),
        pytest.param(lambda: rollouts(ONES * 1j, ONES), "complex128", id="1.23 complex"),
        pytest.param(lambda: rollouts(np.ones(3), np.ones(3)), "one axis", id="1.23 one axis"),
        pytest.param(lambda: rollouts(np.ones(()), np.ones(())), "axis|axes", id="1.23 no axis"),
        pytest.param(lambda: rollouts(max_length=0), "max_length=0 is not", id="1.24 0"),
        pytest.param(lambda: rollouts(max_length=np.nan), "max_length=nan", id="1.24 nan"),
        pytest.param(lambda: rollouts(max_length="8"), "max_length='8' is not", id="1.24 text"),
        pytest.param(lambda: rollouts(group_size=0), "group_size=0 is not", id="1.24 size"),
        pytest.param(lambda: rollouts(step="x"), "step='x' is not", id="1.24 step"),
        pytest.param(lambda: rollouts(fields={"no": ONES}), "no", id="1.24 field"),
    ],
)
def test_rollouts_are_looked_at_where_they_are_made(made, says):
    def use() -> None:
        r = made()
        advantages("grpo", r.correct, r)  # shapes and names are looked at when they are used
        r.validate()

    with pytest.raises((TypeError, ValueError, KeyError), match=says):
        use()


# -- 1.12, 1.13, 6 ---------------------------------------------------------------------------------
@pytest.mark.parametrize("text", [pytest.param("\x1b[31mred\u202e", id="1.13")])
def test_control_signs_are_escaped_in_json(text):
    written = dumps({**sample_report().to_dict(), "error": text})
    assert "\x1b" not in written
    assert json.loads(written)["error"] == text


@pytest.mark.parametrize("name", [*BF16, "reinforce_openrlhf", "reinforce_plus_plus", "opo"])
def test_6_a_length_of_nan_in_a_row_of_weight_0(name):
    reward, weight = np.array([[1.0, 0, 0]]), np.array([[1.0, 1, 0]])

    def of(length):
        r = rollouts(reward, np.array([[2.0, 3, length]]), max_length=4.0, weight=weight)
        return advantages(name, reward, r)

    want = of(1.0)
    assert want[0, 0] > 0 > want[0, 1]
    for length in (np.nan, np.inf, -7.0):
        np.testing.assert_array_equal(of(length), want)
    if name == "opo":
        np.testing.assert_allclose(want[0, :2], [0.6, -0.4])
    if name == "dler":
        np.testing.assert_allclose(want[0, :2], [1.0954, -0.7303], atol=1e-4)


@pytest.mark.parametrize("text", ["outcome()", "laser()", "linear_length()", "kimi()", "cosine()"])
def test_6_a_shaper_gives_0_at_weight_0(text):
    r = rollouts(np.ones((1, 1)), np.full((1, 1), np.inf), weight=np.zeros((1, 1)))
    for part in parse(text).apply(r).parts.values():
        np.testing.assert_array_equal(part, [[0.0]])


@pytest.mark.parametrize("name", ["grpo_batch", "rloo_normalized", "kimi"])
@pytest.mark.parametrize("shape", [(0, 4), (2, 0)])
def test_6_empty_batches_are_named(name, shape):
    empty = np.zeros(shape)

    def use() -> None:
        r = rollouts(empty, empty)
        parse("kimi()").apply(r) if name == "kimi" else advantages(name, empty, r)

    with pytest.raises(ValueError, match=r"no (prompts|rollouts)"):
        use()
