"""Follow-ups read by a real network: token by token, windows, fields of a reward."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bridge import tiny_lm
from toyrl.graders.base import TextRow

SAID = {
    "right": (("yes", "that is right"), ("no", "wrong", "not so")),
    "more": (("go on",), ("stop",)),
}
TEMPLATE = "{% for m in messages %}<{{ m.role[0] }}> {{ m.content }}<eos>{% endfor %}"


@pytest.fixture(scope="module")
def scorer():
    from toyrl.bridge.models.follow_ups import FollowUps

    tokenizer = tiny_lm.tokenizer()
    tokenizer.chat_template = TEMPLATE
    return FollowUps(tiny_lm.model(3), tokenizer, SAID)


def test_each_follow_up_is_read_word_by_word_in_the_users_turn(scorer):
    import torch

    found = scorer.likelihoods(["1+2=", "3"])
    for side, sign in ((0, "approving"), (1, "disapproving")):
        for f, value in zip(SAID["right"][side], found["right"][side], strict=True):
            before = "<u> 1+2=<eos><a> 3<eos><u> "
            ids = scorer.tokenizer(before + f, add_special_tokens=False).input_ids
            start, logp = len(ids) - len(f), []
            for t in range(start, len(ids)):  # one pass a token, nothing behind it
                with torch.no_grad():
                    row = scorer.model(torch.tensor([ids[:t]])).logits[0, -1].double()
                logp.append(float(row.log_softmax(-1)[ids[t]]))
            assert value == pytest.approx(np.mean(logp), abs=1e-5), sign  # float32 passes
    assert [len(x) for x in found["more"]] == [1, 1]


def test_fields_of_the_reward_and_of_the_released_one(scorer):
    from toyrl.bridge.models.follow_ups import FollowUps

    own = scorer.likelihoods(["1+2=", "3"])
    rows = [TextRow("1+2=", "3"), TextRow("1+2=", "")]
    got = {name: grade(rows) for name, grade in scorer.graders().items()}
    good, bad = (np.mean([own[d][side].mean() for d in SAID]) for side in (0, 1))
    assert [got["approval"][0], got["disapproval"][0]] == pytest.approx([good, bad], abs=1e-12)
    assert np.isfinite(got["approval"]).all()  # an empty response has a number
    raw = FollowUps(scorer.model, scorer.tokenizer, SAID, released=True)
    assert set(raw.graders()) == {"approval_logit", "disapproval_logit"}
    assert np.isfinite(list(raw.fields("1+2=", "3").values())).all()
    turned = FollowUps(scorer.model, scorer.tokenizer, SAID, switched=True)
    assert turned.fields("1+2=", "3") != scorer.fields("1+2=", "3")


def test_the_window_takes_from_the_left_and_never_from_the_follow_up(scorer):
    from toyrl.bridge.models.follow_ups import FollowUps

    short = FollowUps(scorer.model, scorer.tokenizer, SAID, window=30)
    assert short.likelihoods(["9" * 300, "3"]) is not None
    ids, start, end = short._placed(["9" * 300, "3"], "that is right")
    assert len(ids) == 30
    assert scorer.tokenizer.decode(ids[start:end]) == "that is right"
    with pytest.raises(ValueError, match="window=8 doesn't hold"):
        FollowUps(scorer.model, scorer.tokenizer, SAID, window=8).likelihoods(["1", "3"])
    with pytest.raises(ValueError, match=r"dimensions\['x'\]"):
        FollowUps(scorer.model, scorer.tokenizer, {"x": (("yes",), ())})
