"""Pairs of rows in one batch of generations, and the trainer that keeps them there."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra llm")
pytest.importorskip("trl", reason="needs the extra llm")

from tests.bridge.training.test_trainer import trainer, watched
from toyrl.bridge.training.pairs import PairSampler, pairs_of

pytestmark = [
    pytest.mark.bridge,
    pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning"),
]
PAIRS = {"pair_id": [0, 1, 2, 3, 3, 2, 1, 0], "view": [0, 0, 0, 0, 1, 1, 1, 1]}


def sampler(size: int = 4, **options) -> PairSampler:
    given = {
        "mini_repeat_count": 3,
        "batch_size": size,
        "repeat_count": 2,
        "shuffle": True,
        "seed": 1,
    }
    return PairSampler(pairs_of(**PAIRS), **{**given, **options})


def test_both_rows_of_a_question_follow_each_other_in_every_batch():
    order = list(sampler())
    assert len(order) == len(sampler()) == 8 * 3 * 2
    batches = np.array(order).reshape(2, 2, 4, 3)  # batch, repetition, prompt, copy
    assert (batches == batches[..., :1]).all()
    assert (batches[:, 0] == batches[:, 1]).all()
    names = np.array(PAIRS["pair_id"])[batches[:, 0, :, 0]]
    assert (names[:, ::2] == names[:, 1::2]).all()
    assert sorted(batches[:, 0, :, 0].ravel()) == list(range(8))
    assert list(sampler(shuffle=False))[::3][:4] == [0, 7, 1, 6]
    assert list(sampler(seed=2)) != order


def test_refusals():
    with pytest.raises(ValueError, match="two wordings of a question need an even number"):
        sampler(3)
    with pytest.raises(ValueError, match="pair_id=1 has 1 rows of view 0 and 0 of view 1"):
        pairs_of([0, 0, 1], [0, 1, 0])
    with pytest.raises(ValueError, match="view=2 in row 1"):
        pairs_of([0, 0], [0, 2])


def test_the_trainer_pays_each_wording_by_the_other(tmp_path):
    def length(rows):
        return [float(len(r.completion) % 2) for r in rows]

    made = trainer(tmp_path, "co_reward()", graders={"answer": length}, options=PAIRS,
                   changes={"max_steps": 3})  # fmt: skip
    seen = watched(made)
    made.train()
    for batch, _ in seen:
        assert len(set(np.asarray(batch.fields["pair_id"]).ravel().tolist())) == 1
        assert set(np.asarray(batch.fields["view"]).ravel().tolist()) == {0.0, 1.0}
    assert any(float(np.abs(np.asarray(a)).max()) > 0 for _, a in seen)
    with pytest.raises(ValueError, match="the data lacks pair_id"):
        trainer(tmp_path, "co_reward()", graders={"answer": length},
                options={"view": PAIRS["view"]}).train()  # fmt: skip
