"""Update-selective merging: slow definition, ties, dtypes, refusals, whole models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bridge import tiny_lm
from toyrl.bridge.models.merge import largest, merge_models, merged

CHANGES = st.lists(st.integers(-3, 3), min_size=1, max_size=12)


def slow(change: list[int], share: float) -> list[float]:
    """Entries in order of size, of equal ones the first, as many as round(share n)."""
    order = sorted(range(len(change)), key=lambda i: (-abs(change[i]), i))
    kept = set(order[: int(share * len(change) + 0.5)])
    return [c if i in kept else 0.0 for i, c in enumerate(change)]


@given(CHANGES, st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]))
def test_against_a_slow_definition(change: list[int], share: float):
    base = np.arange(len(change), dtype=float)
    got = merged({"w": base}, {"w": base + change}, share=share, scale=0.5)["w"]
    assert got.tolist() == (base + 0.5 * np.array(slow(change, share))).tolist()
    assert largest(np.abs(change), int(share * len(change) + 0.5)).sum() == int(
        share * len(change) + 0.5
    )


@given(CHANGES, CHANGES)
def test_over_all_weights_or_tensor_by_tensor(a: list[int], b: list[int]):
    base = {"a": np.zeros(len(a)), "b": np.zeros((1, len(b)))}
    other = {"a": np.array(a, dtype=float), "b": np.array([b], dtype=float)}
    both = merged(base, other, share=0.5, scale=1.0)
    assert [*both["a"], *both["b"][0]] == slow([*a, *b], 0.5)
    each = merged(base, other, share=0.5, scale=1.0, by_tensor=True)
    assert each["a"].tolist() == slow(a, 0.5)
    assert each["b"].tolist() == [slow(b, 0.5)]


def test_ends_dtypes_and_torch():
    import torch

    base, other = {"w": torch.randn(3, 4).bfloat16()}, {"w": torch.randn(3, 4).bfloat16()}
    assert torch.equal(merged(base, other, share=1.0, scale=1.0)["w"], other["w"])
    assert torch.equal(merged(base, other, share=0.0)["w"], base["w"])
    assert merged(base, other)["w"].dtype == torch.bfloat16
    narrow = {"w": np.ones(3, dtype=np.float32)}
    assert merged(narrow, narrow)["w"].dtype == np.float32


@pytest.mark.parametrize(
    ("base", "other", "text"),
    [
        ({"w": np.ones(2)}, {"v": np.ones(2)}, "lacks"),
        ({}, {"v": np.ones(2)}, "lacks"),
        ({"w": np.ones(2)}, {"w": np.ones(3)}, "shape"),
        ({"w": np.ones(2)}, {"w": np.array([1, np.nan])}, "finite"),
    ],
)
def test_models_that_do_not_fit(base, other, text: str):
    with pytest.raises(ValueError, match=text):
        merged(base, other)


@pytest.mark.bridge
def test_whole_models(tmp_path):
    """A folder that loads again, with tied weights merged once."""
    from toyrl.bridge.models.load import load

    for seed, name in enumerate(("base", "trained")):
        tiny_lm.model(seed).save_pretrained(tmp_path / name)
        tiny_lm.tokenizer().save_pretrained(tmp_path / name)
    folders = [str(tmp_path / n) for n in ("base", "trained")]
    out = merge_models(*folders, tmp_path / "merged")
    first, second, both = (dict(load(str(f))[0].named_parameters()) for f in (*folders, out))
    moved = np.concatenate([(both[n] - first[n]).detach().numpy().ravel() for n in both])
    change = np.concatenate([(second[n] - first[n]).detach().numpy().ravel() for n in both])
    assert (moved != 0).mean() == pytest.approx(0.25, abs=1e-3)
    kept = moved != 0
    assert moved[kept] == pytest.approx(0.7 * change[kept], abs=1e-6)
    assert np.abs(change[kept]).min() >= np.abs(change[~kept]).max()


def test_shares_are_checked():
    with pytest.raises(ValueError, match="share"):
        merged({}, {}, share=1.5)
