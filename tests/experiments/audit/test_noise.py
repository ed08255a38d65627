"""A judge's errors as a file: written, read, refused, and carried by validate and sweep."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

import toyrl
from toyrl.experiments.audit.noise import Noise, Rate, read
from toyrl.experiments.errors import UsageError
from toyrl.experiments.forecast.case import Told
from toyrl.experiments.validate import forecast, judged
from toyrl.experiments.validate.reward_law.bench import law_of, template
from toyrl.experiments.validate.settings import Settings
from toyrl.shapers.judge.verifier import Verified
from toyrl.shapers.outcome import Outcome

NONE = Rate(0.0, 0)


def noise(missed=(30, 20, 10), let=(10, 30, 60)):
    rates = [tuple(Rate(float(x), 100) for x in each) for each in (missed, let)]
    return Noise("judge", 100.0, *rates, unread=Rate(5.0, 100), cut=NONE)


@pytest.fixture
def file(tmp_path):
    place = tmp_path / "noise.json"
    place.write_text(json.dumps(noise().to_dict()))
    return place


def test_what_is_written_is_read_back_and_lies_in_its_interval(file):
    found = read(file)
    assert found == noise()
    assert found.accuracy == pytest.approx(1 - (0.2 + 1 / 3) / 2)
    low, high = found.false_positive[2].interval
    assert low < 0.6 < high
    errors = found.errors(200.0)
    assert errors.edges == (140.0, 280.0)  # 0.7 and 1.4 times the base's own length
    assert errors.cut == pytest.approx(1 / 3)  # never seen: that of all wrong answers
    likely = np.array([x.false_positive for x in found.likely()])
    assert (abs(likely.mean(0) - [0.1, 0.3, 0.6]) < 0.1).all()
    assert (likely.std(0) > 0).all()


TOO_MANY = '{"schema": "toyrl.judge-noise/1", "judge": "j", "typical_length": 9, "ranges": [' + (
    '{"from": 0, "false_negative": {"wrong": 0, "n": 1e999}}]}'
)


@pytest.mark.parametrize(
    ("content", "says"),
    [("{", "is no JSON"), (TOO_MANY, "can't be read"),
     ('{"schema": "toyrl.worlds/1"}', "is toyrl.worlds/1"),
     ('{"schema": "toyrl.judge-noise/1"}', "can't be read"), (None, "is no file")],
)  # fmt: skip
def test_another_file_is_refused_by_what_it_is(tmp_path, content, says):
    place = tmp_path / "x.json"
    if content is not None:
        place.write_text(content)
    with pytest.raises(UsageError, match=f"judge_noise=.*{says}"):
        Settings(judge_noise=place)


def test_the_law_of_a_reward_is_that_of_its_verdicts(file):
    s, chain = Settings(judge_noise=file, typical_length=100), template(512)
    terms = judged.terms(s, [(Outcome(), 1.0)])
    law, _ = law_of(chain, terms, None, dialect="gsm8k", thorough=False, seed=0)
    law = judged.on(s, law)
    accepted = judged.errors_of(s).accepted(
        chain.class_correct(), chain.class_length(), chain.class_truncated()
    )
    assert isinstance(law.shaper, Verified)
    np.testing.assert_allclose(law.table(), np.tile(accepted, (8, 1)))
    np.testing.assert_allclose(law.variance(), np.tile(accepted * (1 - accepted), (8, 1)))


def test_a_sweep_carries_it(tmp_path):
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(noise((50, 50, 50), (50, 50, 50)).to_dict()))

    def end(given):
        found = toyrl.sweep("outcome()", over={"weight": [1.0, 2.0]}, judge_noise=given, worlds=8)
        return found.columns["accuracy"][0]

    assert end(bad) < end(None)


def test_the_accuracy_that_is_needed_is_that_of_the_most_errors_that_are_safe(file, monkeypatch):
    s = Settings(judge_noise=file)
    told = Told("x", (), 0.4, 150.0, 512.0, judges=judged.likely(s))
    vars(told)["seen"] = None
    run = SimpleNamespace(settings=s, told=told, forecast={"p_loss_5": 0.3, "p_behind_10": 0.0})

    def answer(told, share):
        return {"p_loss_5": 0.3 if share > most[0] else 0.0, "p_behind_10": 0.0}

    def share_of(told, _):
        return told.judges[0].false_positive[2] / judged.likely(s)[0].false_positive[2]

    monkeypatch.setattr(forecast, "trained_on", share_of)
    monkeypatch.setattr(forecast, "answer", answer)
    most = [0.0]
    for most[0], least in ((0.6, 1 - 0.5 * (1 - read(file).accuracy)), (-1.0, None)):
        (found,) = judged.needed(run)
        assert found.bound == (least if least is None else pytest.approx(least))
    run.forecast["p_loss_5"] = 0.0
    assert judged.needed(run) == ()


def test_validate_says_whose_labels_it_trains_on(file):
    report = toyrl.validate("outcome()", judge_noise=file, quick=True)
    finding = next(f for f in report.findings if f.name == "judge/noise")
    assert finding.value == pytest.approx(1 - (0.2 + 1 / 3) / 2)
    assert "rejects right answers" in report.assumed[0]["says"]
