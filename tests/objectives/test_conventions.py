"""The table of trainers' losses, held by their formulas; TRL's own code is in test_peers.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toyrl.objectives.conventions import DIVISORS, LOSSES, NONE, Loss, loss, table
from toyrl.rollouts import Rollouts

torch = pytest.importorskip("torch")

from tests.objectives.peer_losses import FORMULAS, Batch  # noqa: E402

LIMIT = 8
RANDOM = {("verl", "clip_cov")}  # its mean over draws is tested against verl's own code
HELD = [x for x in LOSSES if x.held_by == "formula" and (x.trainer, x.option) not in RANDOM]


def ids(row: Loss) -> str:
    return f"{row.trainer}-{row.option}"


@st.composite
def batches(draw: Any, *, empty: bool) -> tuple[Rollouts, np.ndarray, np.ndarray, np.ndarray]:
    """(rollouts, advantages (B, G), logp, old), off-policy and ragged, with ties and zeros in A."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    B, G, T = draw(st.integers(1, 3)), draw(st.integers(2, 5)), draw(st.integers(1, 6))
    apart = draw(st.sampled_from((0.0, 0.05, 0.5, 1.5)))
    length = rng.integers(0 if empty else 1, T + 1, (B, G)).astype(float)
    length[0, 0] = max(length[0, 0], 1)
    mask = (np.arange(T) < length[..., None]) * 1.0
    old = -rng.exponential(1.0, (B, G, T)) - 0.05
    logp = np.minimum(old + apart * rng.normal(size=old.shape), -0.01)
    far = {n: old + 0.5 * rng.normal(size=old.shape) for n in ("ref_logprobs", "sampling_logprobs")}
    near = old + 1e-3 * rng.normal(size=old.shape)  # some rollouts within seq-mask-tis's bounds
    far["sampling_logprobs"] = np.where(rng.random((B, G, 1)) < 0.5, near, far["sampling_logprobs"])
    fields = {k: np.minimum(v, -0.01) for k, v in far.items()}
    r = Rollouts(np.zeros((B, G)), length, float(LIMIT), mask=mask, fields=fields)
    a = rng.integers(-2, 3, (B, G)) / 2 if draw(st.booleans()) else rng.normal(size=(B, G))
    return r, a, logp, old


def theirs(row: Loss, r: Rollouts, a: np.ndarray, logp: np.ndarray, old: np.ndarray) -> Any:
    """(loss, dJ/dlogp) of the formula."""
    assert r.mask is not None
    N, T = a.size, logp.shape[-1]
    x = torch.tensor(logp.reshape(N, T), requires_grad=True)

    def flat(v: np.ndarray) -> Any:
        return torch.tensor(np.broadcast_to(v, logp.shape).reshape(N, T).copy())

    f = r.fields
    b = Batch(
        flat(a[..., None]), x, flat(old), flat(f["ref_logprobs"]), flat(f["sampling_logprobs"]),
        flat(r.mask), float(LIMIT),
    )  # fmt: skip
    j = FORMULAS[row.trainer, row.option](b)
    j.backward()
    assert x.grad is not None
    return -j.item(), x.grad.numpy().reshape(logp.shape)


# -- the table itself ------------------------------------------------------------------------------
def test_every_row_is_found_and_printed():
    names, rows = table()
    assert len(rows) == len(LOSSES) == len({ids(x) for x in LOSSES})
    assert all(len(row) == len(names) for row in rows)
    assert loss("trl", "dapo").divisor == DIVISORS["token"]
    assert loss("trl", "entropy_coef").objective is None
    with pytest.raises(KeyError, match="verl vanilla, token-mean"):
        loss("verl", "nothing")


def test_every_row_is_held_or_says_why_not():
    assert {(x.trainer, x.option) for x in HELD} == set(FORMULAS)
    for x in LOSSES:
        assert x.held_by in ("own code", "formula", "unverified", "-")
        assert (x.held_by == "-") == (x.expression == NONE) == (x.objective is None)
        assert x.expression != NONE or x.note


# -- against their formulas ------------------------------------------------------------------------
@pytest.mark.parametrize("trainer", sorted({x.trainer for x in HELD}))
@settings(max_examples=60)
@given(data=st.data())
def test_losses_equal_their_formula(trainer: str, data: st.DataObject):
    """One batch for all rows of a trainer, up to 17 losses an example."""
    rows = [x for x in HELD if x.trainer == trainer]
    broken = any(x.empty.startswith("NaN") for x in rows)
    r, a, logp, old = data.draw(batches(empty=not broken))
    for row in rows:
        if row.option == "kl_cov" and _leaders_tied(r, a, logp):
            continue  # which of equal tokens is held is nobody's rule
        _, want = theirs(row, r, a, logp, old)
        got = row.objective.coefficients(a, r, logp, old)
        # eps of 1e-8 beside a count of tokens.
        np.testing.assert_allclose(got, want, rtol=1e-7, atol=1e-9, err_msg=ids(row))


def _leaders_tied(r: Rollouts, a: np.ndarray, logp: np.ndarray) -> bool:
    live = r.mask > 0
    wide, own = np.broadcast_to(a[..., None], logp.shape)[live], logp[live]
    cov = np.sort((wide - wide.mean()) * (own - own.mean()))
    return len(cov) > 1 and cov[-1] - cov[-2] < 1e-9


@pytest.mark.parametrize("row", HELD, ids=ids)
def test_column_all_empty(row: Loss):
    """All rollouts truncated and masked: what the trainer's loss is; here nothing moves."""
    r = Rollouts(
        np.zeros((2, 3)), np.full((2, 3), 4.0), 8.0, mask=np.zeros((2, 3, 4)),
        fields={n: np.full((2, 3, 4), -1.0) for n in ("ref_logprobs", "sampling_logprobs")},
    )  # fmt: skip
    a, logp = np.ones((2, 3)), np.full((2, 3, 4), -1.0)
    if row.option != "kl_cov":  # picks its one token off the mask
        value, _ = theirs(row, r, a, logp, logp)
        assert np.isnan(value) if row.all_empty == "NaN" else value == 0
    assert np.all(row.objective.coefficients(a, r, logp, logp) == 0)


@pytest.mark.parametrize("row", [x for x in HELD if x.empty != "-"], ids=ids)
def test_column_empty(row: Loss):
    """A rollout without tokens beside one with: is the divisor 2, 1 or nothing?"""
    mask = np.array([[[1.0, 1.0], [0.0, 0.0]]])
    fields = {n: np.full((1, 2, 2), -1.0) for n in ("ref_logprobs", "sampling_logprobs")}
    r = Rollouts(np.zeros((1, 2)), mask.sum(-1), 8.0, mask=mask, fields=fields)
    a, logp = np.ones((1, 2)), np.full((1, 2, 2), -1.0)
    value, slope = theirs(row, r, a, logp, logp)
    if row.empty.startswith("NaN"):
        assert np.isnan(value)
        return
    first = Rollouts(
        np.zeros((1, 1)), np.full((1, 1), 2.0), 8.0, mask=mask[:, :1],
        fields={k: v[:, :1] for k, v in fields.items()},
    )  # fmt: skip
    alone = theirs(row, first, a[:, :1], logp[:, :1], logp[:, :1])[1]
    factor = 2 if row.empty == "counts" else 1
    np.testing.assert_allclose(slope[:, :1] * factor, alone, rtol=1e-7)
