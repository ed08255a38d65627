"""Bands and the watching callback: quiet inside, loud outside, on logs and on a real short run."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import toyrl
from toyrl.bands import Band, band_of, read_band
from toyrl.experiments import api
from toyrl.experiments.cli import main


def straight(n: int = 20, points: int = 9) -> Band:
    """Accuracy rises with the gain, slopes 0.2 to 0.4; length stays within 0.8 to 1.2."""
    z = np.tile(np.linspace(0, 2, 5), (n, 1))
    slope = np.linspace(0.2, 0.4, n)[:, None]
    factor = np.linspace(0.8, 1.2, n)[:, None] ** (z > 0)
    return band_of("r", z, slope * z, factor, points=points)


def test_a_bands_quantiles_are_those_of_its_runs():
    band = straight()
    low, high = band.at(1.0)["accuracy"]
    slopes = np.linspace(0.2, 0.4, 20)
    assert (low, high) == pytest.approx(np.quantile(slopes, [0.05, 0.95]))
    assert band.at(-3.0)["accuracy"] == pytest.approx((0, 0))
    assert np.isnan(band.at(2.1)["accuracy"]).all()


def test_a_band_ends_where_too_few_runs_have_come():
    z = np.array([[0.0, float(i)] for i in range(1, 21)])
    band = band_of("r", z, 0 * z, 1 + 0 * z, fewest=8)
    assert band.gain[-1] == 13.0


def test_bands_survive_a_file(tmp_path):
    band = straight()
    place = tmp_path / "band.json"
    place.write_text(band.to_json())
    again = read_band(place)
    for name, span in band.at(0.7).items():
        assert again.at(0.7)[name] == pytest.approx(span)
    assert again.worlds == 20
    place.write_text("{}")
    with pytest.raises(ValueError, match="names no schema"):
        read_band(place)
    with pytest.raises(ValueError, match="no file"):
        read_band(tmp_path / "absent.json")


def logs(reward: float, accuracy: float, length: float = 100.0) -> dict[str, float]:
    return {
        "reward": reward,
        "reward_std": 0.5,
        "completions/mean_length": length,
        "rewards/acc/mean": accuracy,
    }


@pytest.fixture
def make():
    pytest.importorskip("transformers", reason="needs the extra llm")
    from toyrl.bridge.monitor.watch import watch

    return lambda **s: watch(straight(), accuracy="acc", **s)


def run(w, accuracies, lengths=None, rewards=None) -> list:
    for step, a in enumerate(accuracies):
        reward = 0.05 * step if rewards is None else rewards[step]
        w.look(logs(reward, a, 100.0 if lengths is None else lengths[step]), step)
    return w.alarms


def test_a_run_inside_is_quiet(make):
    # gain = 0.1 per step, slope 0.3
    assert run(make(), [0.3 + 0.03 * i for i in range(15)]) == []


def test_reward_without_accuracy_is_an_alarm_once(make):
    alarms = run(make(), [0.3] * 15)
    assert [a.quantity for a in alarms] == ["accuracy"]
    assert alarms[0].seen == pytest.approx(0)
    assert "below" in str(alarms[0])


def test_exploding_length_is_an_alarm(make):
    alarms = run(
        make(), [0.3 + 0.03 * i for i in range(15)], lengths=[100.0 * 1.1**i for i in range(15)]
    )
    assert [a.quantity for a in alarms] == ["length"]
    assert "above" in str(alarms[0])


def test_one_bad_batch_is_forgiven(make):
    accuracy = [0.3 + 0.03 * i for i in range(15)]
    accuracy[8] -= 0.1
    assert run(make(), accuracy) == []


def test_beyond_the_band_nothing_is_claimed(make):
    rewards = [0.0, 0.0, 0.0, *[50.0] * 10]
    assert run(make(), [0.3] * 13, rewards=rewards) == []


def test_halting_saves_and_stops(make):
    w = make(halt=True)
    control = SimpleNamespace(should_save=False, should_training_stop=False)
    for step in range(15):
        state = SimpleNamespace(global_step=step)
        w.on_log(None, state, control, logs(0.05 * step, 0.3))
    assert control.should_save
    assert control.should_training_stop
    assert w.alarms[0].step < 14


def test_logs_of_other_kinds_are_passed_over_and_wrong_names_named(make):
    w = make()
    assert w.look({"eval_loss": 1.0}, 0) == []
    with pytest.raises(ValueError, match="rewards/other/mean"):
        w.look({"reward": 1.0, "rewards/other/mean": 0.5}, 0)
    with pytest.raises(ValueError, match="patience=0"):
        make(patience=0)


@pytest.mark.slow
def test_validate_writes_a_band(tmp_path, monkeypatch):
    """Of 32 worlds in place of 256: a band holds 32 at most."""
    monkeypatch.setitem(api.validate.__kwdefaults__, "worlds", 32)
    place = tmp_path / "band.json"
    code = main(["validate", "outcome()", "--band", str(place), "--no-report", "--quiet",
                 "--only", "collapse"])  # fmt: skip
    assert code == 0
    band = read_band(place)
    assert 8 <= band.worlds <= 32
    z = float(band.gain[-1])
    low, high = band.at(z)["accuracy"]
    # Correctness is its own reward: accuracy rises by the gain times its standard deviation.
    assert low - 0.05 < 0.5 * z < high + 0.05
    report = toyrl.validate("grpo_lambda()", worlds=8, band=True, only=["collapse"])
    assert report.band is not None  # a forecast needs no population limit


# -- a real, short run -----------------------------------------------------------------------------
@pytest.mark.bridge
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_run_that_is_paid_for_length_leaves_the_band_of_correctness(tmp_path):
    """A tiny random model learns to write fewer vowels; nothing of that is correctness."""
    pytest.importorskip("trl", reason="needs the extra llm")
    from trl.trainer.grpo_trainer import GRPOTrainer

    from tests.bridge import tiny_lm
    from toyrl.bridge.monitor.watch import watch

    def accuracy(completions, **kwargs):
        return [0.0 for _ in completions]

    def few_vowels(completions, **kwargs):
        return [-float(sum(c in "aeiou0123456789" for c in text)) for text in completions]

    z = np.tile(np.linspace(0, 50, 6), (20, 1))
    any_length = np.linspace(0.05, 20, 20)[:, None] * np.ones_like(z)
    honest = band_of("outcome()", z, np.minimum(0.3 * z, 0.9), any_length)
    w = watch(honest, accuracy="accuracy", warmup=2, patience=2, halt=True, smoothing=1.0)
    trainer = GRPOTrainer(
        tiny_lm.model(),
        [accuracy, few_vowels],
        args=tiny_lm.config(tmp_path, max_steps=60, learning_rate=2e-2),
        train_dataset=tiny_lm.data(),
        processing_class=tiny_lm.tokenizer(),
        callbacks=[w],
    )
    trainer.train()
    assert w.start["accuracy"] == 0
    assert any(a.quantity == "accuracy" for a in w.alarms)
    assert trainer.state.global_step < 60  # it was stopped
