"""Sampling a local model into a log, and `validate --model` on it."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch", reason="needs the extra llm")

from tests.bridge import tiny_lm
from toyrl.bridge.models.load import ModelError
from toyrl.bridge.models.sampling import sample_log
from toyrl.experiments.cli import main
from toyrl.rollouts.logs import read_log

pytestmark = [pytest.mark.bridge, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("model")
    tiny_lm.model().save_pretrained(place)
    tiny_lm.tokenizer().save_pretrained(place)
    return str(place)


def test_a_sampled_log_is_a_log(folder, tmp_path):
    out = sample_log(folder, tmp_path / "log.jsonl", prompts=3, group_size=4, max_new_tokens=10)
    log = read_log(out)
    assert log.rollouts.shape == (3, 4)
    assert (log.rollouts.length <= 10).all()
    cut = log.rollouts.truncated
    assert (log.rollouts.length[cut > 0] == 10).all()
    again = sample_log(folder, tmp_path / "b.jsonl", prompts=3, group_size=4, max_new_tokens=10)
    assert out.read_text() == again.read_text()


def test_data_rows_are_asked_and_graded(folder, tmp_path):
    rows = [{"question": "1+1=", "answer": "2", "level": 3}]
    out = sample_log(folder, tmp_path / "log.jsonl", rows=rows, group_size=2, max_new_tokens=4)
    first = json.loads(out.read_text().splitlines()[0])
    assert (first["prompt"], first["answer"], first["level"]) == ("1+1=", "2", 3)
    assert first["correct"] in (0.0, 1.0)


def test_what_can_not_be_sampled_is_said(folder, tmp_path):
    with pytest.raises(ModelError, match="can't be loaded"):
        sample_log(str(tmp_path / "absent"), tmp_path / "x.jsonl")
    with pytest.raises(ModelError, match="no prompt"):
        sample_log(folder, tmp_path / "x.jsonl", rows=[{"text": "a", "answer": "1"}])
    with pytest.raises(KeyError, match="gold"):
        sample_log(folder, tmp_path / "x.jsonl", rows=[{"prompt": "a"}])
    assert main(["validate", "outcome()", "--model", str(tmp_path / "absent"), "-q"]) == 2


@pytest.mark.slow
def test_validate_samples_first(folder, tmp_path, capsys):
    json_file = tmp_path / "r.json"
    arguments = ["--model", folder, "--max-completion-length", "16", "--typical-length", "8"]
    code = main(
        ["validate", "outcome()", *arguments, "--no-report", "-q", "--json", str(json_file)]
    )
    assert code in (0, 1)
    sections = {f["section"] for f in json.loads(json_file.read_text())["findings"]}
    assert 0 in sections
