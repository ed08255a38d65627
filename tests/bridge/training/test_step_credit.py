"""Credit per step in the trainer: scores of steps become (rows, tokens) advantages in the loss."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra llm")
pytest.importorskip("trl", reason="needs the extra llm")
import torch

from tests.bridge import tiny_lm
from tests.bridge.training.test_trainer import length_parity, trainer, watched
from toyrl.bridge.training.faults import TrainingFault
from toyrl.bridge.training.steps import FIELDS, StepGraders, token_offsets
from toyrl.expressions import parse, parse_estimator
from toyrl.graders.base import TextRow
from toyrl.graders.steps.splits import steps as split
from toyrl.graders.steps.splits import token_ends
from toyrl.models.linear import LinearScorer
from toyrl.models.steps.factors import FactorScorer
from toyrl.rollouts import Rollouts

pytestmark = [
    pytest.mark.bridge,
    pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning"),
]
VOWELS = set("aeiou0123456789")


def cuts(text):
    """A random model's texts have steps that end behind a vowel or a digit."""
    return [k + 1 for k, c in enumerate(text) if c in VOWELS]


def score(steps):
    return [(sum(map(ord, s)) % 11) / 10 for s in steps]


def by_hand(text, ids):
    """Scores and ends per token, characters being tokens and special ones no text."""
    spans = split(text, cuts)
    scores, ends = np.zeros(len(ids)), np.zeros(len(ids))
    place = np.flatnonzero([i > 2 for i in ids])  # of each character
    for k, (low, high) in enumerate(spans):
        at = len(ids) - 1 if k == len(spans) - 1 else place[high - 1]
        scores[at] += score([text[low:high].strip()])[0]
        ends[at] = 1.0
    return scores, ends


def test_the_fields_stand_on_the_tokens_of_the_steps():
    tokenizer = tiny_lm.tokenizer()
    ids = tokenizer("ba c1d", add_special_tokens=False)["input_ids"]
    graders = StepGraders(tokenizer, lambda texts, _row: score(texts), cuts).graders()
    whole = TextRow("p", "ba c1d", {"completion_ids": [*ids, 1]}, len(ids) + 1)
    cut = TextRow("p", "ba c1", {"completion_ids": ids[:-1]}, len(ids) - 1, truncated=True)
    empty = TextRow("p", "", {"completion_ids": [1]}, 1)
    found = {name: grade([whole, cut, empty]) for name, grade in graders.items()}
    for k, row in enumerate((whole, cut, empty)):
        own = row.columns["completion_ids"]
        want = by_hand(row.completion, own) if row.completion else ([0.0], [0.0])
        for name, value in zip(FIELDS, want, strict=True):
            np.testing.assert_allclose(found[name][k], value)
    assert found["step_ends"][0] == [0, 1, 0, 0, 1, 0, 1]  # the end token is the last step's


class Pieces:
    """A tokenizer that eats the space of a first token, and needs two tokens for one character."""

    words = {0: "", 3: " so", 4: " é", 5: " é", 6: " x"}

    def decode(self, ids, skip_special_tokens):
        assert skip_special_tokens
        out = ""
        for k, i in enumerate(ids):
            if i == 4:
                out += " \N{REPLACEMENT CHARACTER}" if k == len(ids) - 1 else ""
            else:
                out += self.words[i]
        return out.removeprefix(" ")


def test_tokens_that_are_no_text_by_themselves_keep_their_place():
    text, offsets = token_offsets(Pieces(), [3, 4, 5, 6, 0])
    assert text == "so é x"
    assert offsets.tolist() == [[0, 2], [2, 3], [3, 4], [4, 6], [6, 6]]
    assert token_offsets(Pieces(), [])[1].shape == (0, 2)


@pytest.mark.parametrize(
    ("reward", "estimator"),
    [
        ("outcome() + 0.5*step_clip_delta(eta=0.6)", "step_returns"),
        ("outcome() + step_sum()", "step_returns(baseline='padded')"),
        ("outcome() + step_delta()", "step_returns(baseline='none')"),
        ("outcome()", "renorm"),
        ("step_sum()", "attempt_returns(gamma_episode=0.5)"),
        ("outcome() + step_min()", "grpo"),
    ],
)
def test_advantages_are_those_of_the_estimator_in_numpy(tmp_path, reward, estimator):
    made = trainer(
        tmp_path, reward, estimator=estimator, step_scores=score, steps=cuts,
        changes={"max_steps": 1},
    )  # fmt: skip
    seen, given = watched(made), []
    own = made._compute_loss

    def look(model, inputs):
        given.append({k: inputs[k].clone() for k in ("advantages", "completion_mask")})
        return own(model, inputs)

    made._compute_loss = look
    made.train()
    [(batch, got)] = seen
    width = max(row.tokens for row in batch.rows)
    fields = {name: np.zeros((len(batch.rows), width)) for name in (*FIELDS, "mask")}
    for k, row in enumerate(batch.rows):
        scores, ends = by_hand(row.completion, row.columns["completion_ids"])
        fields["step_scores"][k, : row.tokens] = scores
        fields["step_ends"][k, : row.tokens] = ends
        fields["mask"][k, : row.tokens] = 1.0
    wide = {name: value.reshape(2, 4, width) for name, value in fields.items()}
    r = Rollouts(
        correct=np.array([length_parity(row) for row in batch.rows]).reshape(2, 4),
        length=np.array([row.tokens for row in batch.rows], dtype=float).reshape(2, 4),
        truncated=np.array([row.truncated for row in batch.rows]).reshape(2, 4),
        max_length=12.0,
        mask=wide.pop("mask"),
        fields=wide,
    )
    parts = parse(reward).apply(r, {}).parts
    want, _ = parse_estimator(estimator).apply(parts, r)
    want = want.reshape(8, *want.shape[2:])
    np.testing.assert_allclose(got.numpy(), want, atol=2e-5)
    assert np.abs(want).max() > 0
    if want.ndim == 1:
        return
    assert (np.abs(want[fields["mask"] == 0]) == 0).all()  # padding has no advantage
    assert any(len(set(line.round(6))) > 2 for line in want)  # and steps differ
    # What reaches the loss is this, row by row; the generation was shuffled before.
    loss = given[0]["advantages"]
    assert loss.shape == given[0]["completion_mask"].shape
    torch.testing.assert_close(
        torch.tensor(sorted(loss.double().tolist())),
        torch.tensor(sorted(got.double().tolist())),
    )


def slow_step_returns(r, rewards):
    """A_k = G_k less the mean of the siblings' G_k, by loops over steps; a (G, T) table."""
    ends, out = r.fields["step_ends"][0], np.zeros(r.mask.shape[1:])
    places = [np.flatnonzero(line) for line in ends]
    to_go = [[rewards[i, (0 if k == 0 else p[k - 1] + 1) :].sum() for k in range(len(p))]
             for i, p in enumerate(places)]  # fmt: skip
    for i, p in enumerate(places):
        for k, end in enumerate(p):
            siblings = [g[k] for g in to_go if len(g) > k]
            out[i, (0 if k == 0 else p[k - 1] + 1) : end + 1] = to_go[i][k] - np.mean(siblings)
    return out


def test_the_estimator_is_its_slow_definition():
    rng = np.random.default_rng(0)
    ends = (rng.random((1, 5, 9)) < 0.4).astype(float)
    ends[..., -1] = 1.0
    scores = rng.random((1, 5, 9)) * ends
    r = Rollouts(
        correct=rng.integers(0, 2, (1, 5)).astype(float), length=np.full((1, 5), 9.0),
        max_length=9.0, mask=np.ones((1, 5, 9)),
        fields={"step_scores": scores, "step_ends": ends},
    )  # fmt: skip
    parts = parse("outcome() + step_delta()").apply(r).parts
    got, _ = parse_estimator("step_returns").apply(parts, r)
    paid = np.zeros((5, 9))
    paid[:, -1] += r.correct[0]
    for i in range(5):
        s = [scores[0, i, t] for t in np.flatnonzero(ends[0, i])]
        d = [*(a - b for a, b in pairwise(s[:-1])), *s[-2:-1], 0.0]
        paid[i, np.flatnonzero(ends[0, i])] += d[-len(s) :]
    np.testing.assert_allclose(got[0], slow_step_returns(r, paid), atol=1e-12)


def test_a_missing_score_takes_its_rollout_out(tmp_path):
    def some(steps):
        return [math.nan if len(steps) % 2 else 0.5] * len(steps)

    made = trainer(
        tmp_path, "outcome() + step_sum()", estimator="step_returns", step_scores=some, steps=cuts
    )
    seen = watched(made)
    made.train()
    [(batch, got)] = seen
    lost = [len(split(row.completion, cuts)) % 2 == 1 for row in batch.rows]
    assert any(lost)
    assert not all(lost)
    assert (got[torch.tensor(lost)] == 0).all()
    assert torch.isfinite(got).all()


def test_a_scorer_that_miscounts_ends_the_run_with_both_numbers(tmp_path):
    made = trainer(
        tmp_path, "outcome() + step_sum()", estimator="step_returns",
        step_scores=lambda steps: [0.5] * (len(steps) + 1), steps=cuts,
    )  # fmt: skip
    with pytest.raises(TrainingFault, match=r"gave \d+ scores for \d+ steps; give one a step"):
        made.train()


def test_the_page_on_steps_trains(tmp_path, monkeypatch):
    from tests.test_readme import python_of

    [code] = python_of("docs/steps.md")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prm.py").write_text("def score(steps):\n    return [0.5 for _ in steps]\n")
    names = {
        "model": tiny_lm.model(), "args": tiny_lm.config(tmp_path), "data": tiny_lm.data(),
        "tokenizer": tiny_lm.tokenizer(),
    }  # fmt: skip
    exec(compile(code, "docs/steps.md", "exec"), names)
    assert names["trainer"].state.global_step == 1


def test_totals_of_what_is_paid_by_step_are_warned_of(tmp_path, caplog):
    trainer(tmp_path, "outcome() + step_delta()", step_scores=score)
    assert "only the total counts (of Delta's, the first step's score)" in caplog.text


@pytest.mark.slow
def test_credit_per_step_teaches_the_step_that_is_paid(tmp_path):
    """A step that ends in a digit is paid: the share of digits rises under credit per step."""

    def digits(steps):
        return [float(s[-1:].isdigit()) for s in steps]

    made = trainer(
        tmp_path, "step_mean() + 0*outcome()", estimator="step_returns", step_scores=digits,
        steps=cuts, changes={"max_steps": 40, "learning_rate": 2e-2},
    )  # fmt: skip
    seen = watched(made)
    made.train()

    def share(rows):
        text = "".join(row.completion for row in rows)
        return sum(c.isdigit() for c in text) / max(1, sum(c in VOWELS for c in text))

    first, last = (
        [row for batch, _ in part for row in batch.rows] for part in (seen[:8], seen[-8:])
    )
    assert share(last) > share(first) + 0.15


def test_a_redistributed_return_reaches_every_token(tmp_path):
    """What factors give the steps, the rest at the end: at the first step all of it is due."""

    def factors(steps):
        return {"length": [len(s) for s in steps]}

    model = LinearScorer(np.array([0.1]), np.zeros(1), np.ones(1), np.array(0.0))
    own = StepGraders(tiny_lm.tokenizer(), FactorScorer(factors, model), cuts).graders()
    made = trainer(
        tmp_path, "latent_reward(end=1.0)", estimator="step_returns(baseline='none')",
        graders={"step_rewards": own["step_scores"], "step_ends": own["step_ends"]},
        changes={"max_steps": 1},
    )  # fmt: skip
    seen = watched(made)
    made.train()
    [(batch, got)] = seen
    for row, a in zip(batch.rows, got.numpy(), strict=True):
        text, offsets = token_offsets(tiny_lm.tokenizer(), row.columns["completion_ids"])
        spans = split(text, cuts)
        if spans:
            paid = [0.1 * len(text[low:high].strip()) for low, high in spans]
            left = length_parity(row) - np.append(0, np.cumsum(paid)[:-1])
            ends = token_ends(spans, offsets)
            assert a[ends] == pytest.approx(left, abs=1e-5)
