"""A sequence classifier as a judge: one number or log odds, the end of a long text, its audit."""

from __future__ import annotations

import sys

import pytest

import toyrl
from toyrl.extras import MissingExtra
from toyrl.graders.learned.reward_models import SequenceClassifier


def test_a_model_without_its_packages_is_refused_with_the_line_that_installs_them(
    tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r"reward model .* needs transformers: pip"):
        SequenceClassifier(tmp_path)


@pytest.mark.bridge
def test_a_models_folder_is_audited_and_its_number_is_the_models(tmp_path):
    torch = pytest.importorskip("torch")
    from tests.bridge.token_classifier import saved

    folder = saved(tmp_path / "rm", labels=1, whole=True)
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    ids = tokenizer("2+2\nso 4")["input_ids"]
    with torch.no_grad():
        want = float(model(torch.tensor([ids])).logits[0, 0])
    judge = SequenceClassifier(folder)
    assert judge([("2+2", "so 4")]) == pytest.approx([want], abs=1e-6)
    ends = ["a" * 100 + "b" * 64, "c" * 80 + "b" * 64]  # beyond its 64 positions: the end is read
    first, second = judge([("", e) for e in ends])
    assert first == pytest.approx(second, abs=1e-6)
    pair = SequenceClassifier(saved(tmp_path / "two", labels=2, whole=True))
    assert len(pair([("2+2", "so 4")])) == 1
    found = toyrl.audit_judge(str(folder), prompts=8, worlds=0)
    assert found.calls.answered == found.calls.planned
    with pytest.raises(ValueError, match="has 3 labels; a reward model has one number"):
        SequenceClassifier(saved(tmp_path / "three", labels=3, whole=True))
    (tmp_path / "bare").mkdir()
    with pytest.raises(toyrl.UsageError, match="holds no sequence-classification model"):
        toyrl.audit_judge(str(tmp_path / "bare"))
