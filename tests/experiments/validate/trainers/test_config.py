"""Trainers' configurations, read into settings."""

from __future__ import annotations

import dataclasses
import json

import pytest

from toyrl import registry
from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.options import settings_of
from toyrl.experiments.validate.settings import Settings
from toyrl.experiments.validate.trainers import keys as trainer_keys
from toyrl.experiments.validate.trainers.config import (
    TRL_DEFAULTS,
    TRL_READ,
    TRL_SCALE,
    VERL_AGGREGATION,
    VERL_READ,
    config_finding,
    read_trl,
    read_verl,
)
from toyrl.objectives.policy_gradient import AGGREGATIONS

VERL = """
algorithm:
  adv_estimator: grpo
  norm_adv_by_std_in_grpo: false
  use_kl_in_reward: false
data:
  max_response_length: 1024
actor_rollout_ref:
  rollout: {n: 16, temperature: 0.7}
  actor:
    loss_agg_mode: seq-mean-token-sum-norm
    use_kl_loss: true
    kl_loss_coef: 0.01
    kl_loss_type: low_var_kl
"""


def write(path, text: str):
    path.write_text(text)
    return path


def test_defaults_are_those_of_the_installed_trl():
    trl = pytest.importorskip("trl", reason="needs the extra llm")
    installed = {f.name: f.default for f in dataclasses.fields(trl.GRPOConfig)}
    assert {k: installed[k] for k in TRL_DEFAULTS} == TRL_DEFAULTS


def test_an_empty_trl_config_is_trls_default_run(tmp_path):
    config = read_trl(write(tmp_path / "c.yaml", "output_dir: out\n"))
    assert config.values == {
        "group_size": 8,
        "max_completion_length": 512,
        "beta": 0.0,
        "kl": "reverse",
        "mask_truncated": False,
        "estimator": "grpo",
        "aggregation": "dapo",
    }
    [taken] = config.notes
    assert taken.startswith("Nothing was taken from c.yaml")


def test_keys_are_those_of_the_installed_trl():
    trl = pytest.importorskip("trl", reason="needs the extra llm")
    from trl.scripts.grpo import GRPOScriptArguments

    fields = {f.name for f in dataclasses.fields(trl.GRPOConfig)}
    assert fields == trainer_keys.TRL
    beside = [GRPOScriptArguments, trl.ModelConfig]
    names = {f.name for kind in beside for f in dataclasses.fields(kind)} - fields
    assert names | {"config", "env"} == trainer_keys.TRL_SCRIPT
    assert fields >= set(TRL_READ)


def test_what_is_read_of_verl_is_among_its_keys():
    for key in VERL_READ:
        section, _, name = key.rpartition(".")
        assert name in trainer_keys.VERL[section]


@pytest.mark.parametrize(
    ("kind", "text", "meant"),
    [
        ("trl", "num_generatons: 16", "num_generations"),
        ("trl", "max_completion_lenght: 2048", "max_completion_length"),
        ("verl", "data: {max_respones_length: 9}", "max_response_length"),
        ("verl", "data.max_respones_length: 9", "max_response_length"),
        ("verl", "actor_rollout_ref: {actor: {use_kl_los: true}}", "use_kl_loss"),
        ("verl", "algoritm: {adv_estimator: rloo}", "algorithm"),
    ],
)
def test_a_misspelt_key_is_refused_with_the_nearest(tmp_path, kind, text, meant):
    place = write(tmp_path / "c.yaml", f"{text}\n")
    with pytest.raises(UsageError, match=f"did you mean {meant}"):
        settings_of(None, {f"{kind}_config": place})


def test_a_misspelt_key_of_a_python_file_is_refused(tmp_path):
    place = write(tmp_path / "c.py", "GRPOConfig(num_generatons=16)\n")
    with pytest.raises(UsageError, match="did you mean num_generations"):
        read_trl(place)


def test_a_key_of_no_trainer_is_a_warning(tmp_path):
    place = write(tmp_path / "c.yaml", "beta: 0.1\nmax_prompt_length: 512\nnum_generations: 16\n")
    taken, strange = read_trl(place).notes
    assert taken.startswith("Taken from c.yaml: beta 0.1, num_generations 16;")
    assert "max_prompt_length is not a key of TRL's GRPOConfig" in strange
    assert [config_finding(n).status for n in (taken, strange)] == ["info", "warn"]
    yaml = "critic: {a_b: 1}\ndata: {my_own_key: 1, shuffle: true}\nalgorithm: {gamma: 1.0}"
    notes = read_verl(write(tmp_path / "v.yaml", yaml)).notes
    assert [n for n in notes if "not a key" in n] == [
        "v.yaml, data: my_own_key is not a key of verl's configuration, and was not read"
    ]


def test_what_was_taken_of_a_verl_file_is_said(tmp_path):
    taken = read_verl(write(tmp_path / "v.yaml", VERL)).notes[0]
    assert "max_response_length 1024" in taken
    assert "n 16" in taken


@pytest.mark.parametrize("kind", ["yaml", "json", "py"])
def test_the_three_forms_of_a_trl_config_agree(tmp_path, kind):
    given = {"loss_type": "dr_grpo", "scale_rewards": False, "beta": 0.04, "num_generations": 4}
    given |= {"mask_truncated_completions": True, "num_iterations": 2, "temperature": 0.8}
    text = {
        "json": json.dumps(given),
        "yaml": "\n".join(f"{k}: {json.dumps(v)}" for k, v in given.items()),
        "py": "import os\nfrom trl import GRPOConfig\nargs = GRPOConfig(output_dir=os.getcwd(), "
        + ", ".join(f"{k}={v!r}" for k, v in given.items())
        + ")\nraise SystemExit('never run')\n",
    }[kind]
    config = read_trl(write(tmp_path / f"c.{kind}", text))
    assert config.values["estimator"] == "dr_grpo"
    assert config.values["aggregation"] == "dr_grpo"
    assert (config.values["beta"], config.values["group_size"]) == (0.04, 4)
    assert config.values["mask_truncated"]
    assert any("on-policy" in n for n in config.notes)
    assert any("temperature" in n for n in config.notes)


def test_a_verl_config(tmp_path):
    config = read_verl(write(tmp_path / "v.yaml", VERL))
    assert config.values == {
        "estimator": "dr_grpo",
        "group_size": 16,
        "max_completion_length": 1024,
        "aggregation": "dr_grpo",
        "beta": 0.01,
        "kl": "forward",
    }
    dotted = write(tmp_path / "d.yaml", "algorithm.adv_estimator: rloo\n")
    assert read_verl(dotted).values["estimator"] == "rloo"
    unknown = read_verl(write(tmp_path / "u.yaml", "algorithm: {adv_estimator: remax}\n"))
    assert any("remax" in n for n in unknown.notes)


def test_what_configs_name_exists():
    for name in TRL_SCALE.values():
        assert registry.get("estimator", name)
    assert set(VERL_AGGREGATION.values()) <= set(AGGREGATIONS)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("c.yaml", "beta: much\n", "beta='much' is not a number"),
        ("c.yaml", "scale_rewards: often\n", "scale_rewards='often'"),
        ("c.yaml", "- a\n- b\n", "no mapping"),
        ("c.yaml", "a: [\n", "can't be read"),
        ("c.json", "{", "can't be read"),
        ("c.py", "x = 1\n", "0 times"),
        ("c.py", "def f(:\n", "line 1"),
        ("c.py", "GRPOConfig(beta=BETA)\n", "beta is no literal"),
        ("c.yaml", "num_generations: 1\n", "num_generations=1"),
    ],
)
def test_bad_configs_are_usage_errors(tmp_path, file, text, said):
    place = write(tmp_path / file, text)
    with pytest.raises(UsageError, match=said):
        settings_of(None, {"success_rates": None, "trl_config": place})


def test_options_win_over_the_configuration(tmp_path):
    place = write(tmp_path / "c.yaml", "beta: 0.1\nnum_generations: 4\nscale_rewards: batch\n")
    s = settings_of(
        None,
        {"group_size": 16, "success_rates": ".2,.8", "trl_config": place, "verl_config": None},
    )
    assert (s.group_size, s.beta, s.estimator) == (16, 0.1, "grpo_batch")
    assert s.success_rates == (0.2, 0.8)
    other = settings_of(None, {"estimator": "rloo", "trl_config": place})
    assert (other.estimator, other.aggregation) == ("rloo", None)
    assert settings_of(None, {"trl_config": None}) == Settings()
    with pytest.raises(UsageError, match="one trainer"):
        settings_of(None, {"trl_config": place, "verl_config": place})
    with pytest.raises(UsageError, match="no file"):
        settings_of(None, {"verl_config": tmp_path / "absent.yaml"})
