"""Cooper's pairs, loss, updates and state; the same model on texts."""

from __future__ import annotations

import random

import numpy as np
import pytest

from toyrl.graders.base import TextRow
from toyrl.models.base import load, save, state
from toyrl.models.reward.cooper import Cooper, first_accepted, hybrid_labels, pair_loss
from toyrl.models.reward.cooper_texts import CoTrained, corrupted, differs, written_wrong
from toyrl.testing import assert_learns_from_pairs

RNG = np.random.default_rng(0)
PLAIN = Cooper(rate=0.1, optimiser="sgd", weight_decay=0.0, clip=np.inf)
TWO = PLAIN.start(features=2)
EVERY = (
    PLAIN,
    Cooper(rate=0.01, weight_decay=0.0),
    Cooper(rate=0.0),
    Cooper(rate=0.05, weight_decay=0.1, clip=0.3, anchor=0.2, square=0.1),
)


# -- what is learned from --------------------------------------------------------------------------
def test_the_first_accepted_rollout_is_the_positive_on_every_backend():
    import jax.numpy as jnp
    import torch

    verdict, there = (RNG.random((50, 3, 8)) < 0.3) * 1.0, (RNG.random((50, 3, 8)) < 0.7) * 1.0
    verdict[0, 0] = np.nan
    good = (verdict >= 1) & (there > 0)
    want = np.array([[[x and not row[:i].any() for i, x in enumerate(row)] for row in group]
                     for group in good])  # fmt: skip
    for make in (np.asarray, jnp.asarray, torch.asarray):
        found = np.asarray(first_accepted(make(verdict), make(there)))
        assert (found == want).all()
    assert (want.any(-1) == good.any(-1)).all()
    assert not want[0, 0].any()
    order = RNG.permutation(8)  # another positive, but an accepted one, in the same groups
    other = first_accepted(verdict[..., order], there[..., order])
    assert (good[..., order][other] == 1).all()
    assert (other.any(-1) == want.any(-1)).all()


@pytest.mark.parametrize(("anchor", "square"), [(0.0, 0.0), (0.3, 0.0), (0.2, 0.1)])
def test_the_loss_is_a_mean_over_valid_pairs_and_its_slopes_are_differences(anchor, square):
    (high, low), step = RNG.normal(size=(2, 4, 6)) * 2, 1e-6
    valid = np.array([[1, 1, 0, 1, 0, 1], [0, 0, 1, 0, 0, 0], [1] * 6, [0] * 6], dtype=float)

    def loss(a, b):
        return pair_loss(a, b, valid, anchor=anchor, square=square)[0]

    own = np.logaddexp(0, low - high) + square * (high**2 + low**2) / 2
    own = own + anchor * (np.logaddexp(0, -high) + np.logaddexp(0, low)) / 2
    n = valid.sum(-1)
    assert loss(high, low) == pytest.approx((own * valid).sum(-1) / (n + 1e-6), abs=1e-12)
    assert loss(high, low)[3] == 0
    slopes = pair_loss(high, low, valid, anchor=anchor, square=square)[1]
    for k, slope in enumerate(slopes):
        for at in range(6):
            e = step * (np.arange(6) == at)
            up, down = (loss(high + s * e * (k == 0), low + s * e * (k == 1)) for s in (1, -1))
            # central differences: rounding of eps/step times losses of a few units
            assert slope[:, at] == pytest.approx((up - down) / (2 * step), abs=1e-8)
    assert (slopes[0] * (1 - valid) == 0).all()


def test_labels_on_which_rule_and_judge_agree():
    labels, kept = hybrid_labels([1, 1, 0, 0, np.nan], [1, 0, 0, 1, 1])
    assert labels[[0, 2]].tolist() == [1, 0]
    assert kept.tolist() == [1, 0, 1, 0, 0]
    assert np.isnan(labels[[1, 3, 4]]).all()
    with pytest.raises(ValueError, match=r"judge=.*must be 0, 1, or NaN"):
        hybrid_labels([1.0], [0.5])
    with pytest.raises(ValueError, match="one for both"):
        hybrid_labels([1.0], [1.0, 0.0])


# -- updates ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("learner", EVERY)
def test_laws_of_pairs(learner: Cooper):
    assert_learns_from_pairs(learner, cases=5)


def test_a_learner_that_forgets_its_mask_or_turns_its_pairs_is_caught():
    class Forgets(Cooper):
        def update(self, old, positive, negative, valid=None):
            return super().update(old, np.nan_to_num(positive), negative)

    class Turns(Cooper):
        def update(self, old, positive, negative, valid=None):
            return super().update(old, negative, positive, valid)

    options = {"rate": 0.1, "optimiser": "sgd", "weight_decay": 0.0}
    with pytest.raises(AssertionError, match=r"masked_pairs_are_silent: masked pairs move"):
        assert_learns_from_pairs(Forgets(**options))
    with pytest.raises(AssertionError, match=r"a_step_separates: .*default_rng\(\[0, 0\]\)"):
        assert_learns_from_pairs(Turns(**options))


def test_updates_are_those_of_torch():
    import torch

    own = Cooper(rate=0.03, weight_decay=0.05, clip=0.4)
    model = own.start(RNG.normal(size=4), bias=0.5)
    w = torch.tensor(model.weight, requires_grad=True)
    optimiser = torch.optim.AdamW([w], lr=0.03, weight_decay=0.05)
    for _ in range(6):
        x, y = RNG.normal(size=(2, 5, 4)) * 3
        valid = (RNG.random(5) < 0.6) * 1.0
        valid[0] = 1.0
        model = own.update(model, x, y, valid).model
        d = (torch.tensor(x) - torch.tensor(y)) @ w
        loss = (torch.tensor(valid) * torch.nn.functional.softplus(-d)).sum() / (valid.sum() + 1e-6)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([w], 0.4)
        optimiser.step()
    assert model.weight == pytest.approx(w.detach().numpy(), abs=1e-9)
    # only differences are learned: the level is moved by nothing but the decay
    assert float(model.bias) == pytest.approx(0.5 * (1 - 0.03 * 0.05) ** 6, abs=1e-12)


def test_many_models_are_one_by_one_and_a_bad_step_is_not_made():
    weight, rate = RNG.normal(size=(3, 4)), np.array([0.1, 0.0, 0.3])
    x, y = RNG.normal(size=(2, 3, 5, 4))
    x[2, 1] = np.inf
    valid = np.ones((3, 5))
    many = Cooper(rate=rate).update(Cooper(rate=rate).start(weight), x, y, valid)
    assert many.made.tolist() == [True, True, False]
    for i in range(2):
        own = Cooper(rate=rate[i])
        one = own.update(own.start(weight[i]), x[i], y[i], valid[i]).model
        for name, value in state(one).items():
            assert getattr(many.model, name)[i] == pytest.approx(value, abs=1e-14)
    for name, value in state(Cooper().start(weight[2])).items():
        assert (getattr(many.model, name)[2] == value).all()


@pytest.mark.parametrize("ending", ["json", "safetensors"])
def test_a_file_goes_on_where_the_run_stopped(tmp_path, ending):
    own = Cooper(rate=0.1)
    x, y = RNG.normal(size=(2, 6, 3))
    model = own.update(own.start(features=3), x, y).model
    save(model, tmp_path / f"m.{ending}")
    one, two = (own.update(m, y, x).model for m in (model, load(tmp_path / f"m.{ending}")))
    for name, value in state(one).items():
        assert (getattr(two, name) == value).all()


def test_fit_goes_on_from_a_model():
    x, pairs = RNG.normal(size=(6, 3)), np.array([[0, 1], [2, 3], [4, 5]])
    own = Cooper(rate=0.2, optimiser="sgd", steps=3)
    once = Cooper(rate=0.2, optimiser="sgd")
    model = once.start(features=3)
    for _ in range(3):
        model = once.fit(x, pairs, weight=np.array([1.0, 0.0, 1.0]), start=model)
    found = own.fit(x, pairs, weight=np.array([1.0, 0.0, 1.0]))
    assert found.score(x) == pytest.approx(model.score(x), abs=1e-14)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Cooper(rate=-0.1), "rate=-0.1 is not a finite number >= 0"),
        (lambda: Cooper(rate=np.nan), "rate=nan is not"),
        (lambda: Cooper(clip=0.0), "clip=0.0 is not"),
        (lambda: Cooper(optimiser="adam"), "is not one of adamw, sgd"),
        (lambda: Cooper().start(), "features=F of 1 and more"),
        (lambda: PLAIN.update(TWO, np.ones((3, 2)), np.ones((2, 2))), "one"),
        (lambda: PLAIN.update(TWO, np.ones((3, 3)), np.ones((3, 3))), "reads"),
        (lambda: PLAIN.update(TWO, *np.ones((2, 3, 2)), [1, 1]), "one for each"),
        (lambda: PLAIN.update(TWO, *np.ones((2, 3, 2)), [1, 1, 2]), "valid="),
        (lambda: PLAIN.fit(np.ones((3, 2)), [[0, 3]]), "of them"),
        (lambda: PLAIN.fit(np.ones((3, 2)), np.zeros((0, 2), dtype=int)), "positive, negative"),
        (lambda: pair_loss(np.ones(2), np.ones(3)), "shapes"),
    ],
)  # fmt: skip
def test_refusals(call, says):
    with pytest.raises(ValueError, match=says):
        call()


# -- texts -----------------------------------------------------------------------------------------
def row(said: str, *, prompt: str = "p", answer: str = "41", truncated: bool = False) -> TextRow:
    return TextRow(prompt, said, {"answer": answer}, truncated=truncated)


def features(rows):
    """The last digits of the answer, and the length."""
    return np.array([[len(r.completion), r.completion.count("1"), r.completion.count("4")]
                     for r in rows], dtype=float) / 10  # fmt: skip


@pytest.mark.parametrize("said", ["so \\boxed{41}", "41 <answer>41</answer>", "#### 41",
                                  "The answer is 41.", "\\boxed{x}"])  # fmt: skip
def test_a_corrupted_text_has_another_answer_and_the_same_rest(said):
    rng = random.Random(0)
    for _ in range(20):
        wrong = corrupted(row(said), rng)
        assert differs(row(said), wrong)
        assert abs(len(wrong) - len(said)) <= 1
        assert wrong.startswith(said[:3])


def test_what_has_no_answer_or_the_same_makes_no_pair():
    rng, asked = random.Random(0), []
    assert corrupted(row("no answer here"), rng) == "no answer here"
    assert written_wrong(row("no answer here"), corrupted, rng) is None

    def same(r, _):
        asked.append(r)
        return "we get \\boxed{41.0}"

    assert written_wrong(row("\\boxed{41}"), same, rng) is None
    assert len(asked) == 3
    assert written_wrong(row("\\boxed{41}"), lambda *_: "I don't know", rng) == "I don't know"


def test_a_grader_scores_before_it_learns_and_learns_from_verified_pairs_alone():
    grader = CoTrained(features, PLAIN, PLAIN.start(np.array([0.5, -1.0, 2.0])))
    before = grader.model
    rows = [row("\\boxed{7}"), row("\\boxed{41}", truncated=True), row("a \\boxed{41}"),
            row("\\boxed{41}"), row("\\boxed{7}", prompt="q"),
            row("so 41", prompt="r")]  # fmt: skip
    scores = grader.graded(rows)
    assert scores == before.score(features(rows)).tolist()
    assert float(grader.last.pairs) == 1  # the third row, against itself corrupted
    assert grader.model is not before
    wrong = corrupted(rows[2], random.Random(0))
    want = PLAIN.update(before, features(rows[2:3]), features([row(wrong)])).model
    assert grader.model.weight == pytest.approx(want.weight, abs=1e-15)
    now = grader.model
    assert grader.graded(rows[4:]) == now.score(features(rows[4:])).tolist()
    assert (grader.model, grader.last) == (now, None)  # no positive: nothing is learned
    grader.learns = False
    grader.graded(rows)
    assert grader.model is now
    assert grader.graded([]) == []


def test_a_grader_refuses_features_of_another_shape():
    grader = CoTrained(lambda rows: np.ones((len(rows), 2)), PLAIN, PLAIN.start(features=3))
    with pytest.raises(ValueError, match=r"the model reads \(1, 3\), a row for each"):
        grader.graded([row("\\boxed{41}")])
