"""A trainer's own configuration, read into the settings of `validate`.

TRL: a YAML or JSON file of `GRPOConfig` fields, or a Python file in which `GRPOConfig(...)` is
called with literals (read, never run). verl: a YAML of its nested keys, or the same keys dotted.
What has no counterpart in the toy world is said in a note, never silently dropped; so are keys that
the trainer doesn't have, and one that is misspelt is refused.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate import trainer_keys
from toyrl.experiments.validate.findings import Finding

TRL_LOSS = {
    "grpo": "grpo",
    "dr_grpo": "dr_grpo",
    "dapo": "dapo",
    "bnpo": "dapo",
    "cispo": "dapo",
}
TRL_SCALE = {"group": "grpo", "batch": "grpo_batch", "none": "dr_grpo"}
TRL_DEFAULTS = {
    "loss_type": "dapo",
    "scale_rewards": "group",
    "beta": 0.0,
    "num_generations": 8,
    "max_completion_length": 512,
    "epsilon": 0.2,
    "num_iterations": 1,
    "mask_truncated_completions": False,
    "use_bias_correction_kl": True,
}
"""Of TRL 1.16's GRPOConfig; a test holds them against the installed one."""

TRL_NOTED = {
    "temperature": (1, 1.0),
    "importance_sampling_level": ("token",),
    "multi_objective_aggregation": ("sum_then_normalize",),
    "top_entropy_quantile": (1, 1.0),
    "off_policy_mask_threshold": (None,),
    "sync_ref_model": (False,),
}
"""Keys that are told where they don't have these values, which change nothing."""
TRL_READ = (*TRL_DEFAULTS, *TRL_NOTED, "steps_per_generation", "reward_weights")

VERL_ESTIMATORS = {
    "grpo": "grpo_verl",
    "grpo_vectorized": "grpo_verl",
    "rloo": "rloo",
    "rloo_vectorized": "rloo",
}
VERL_AGGREGATION = {
    "token-mean": "dapo",
    "seq-mean-token-mean": "grpo",
    "seq-mean-token-sum": "sum",
    "seq-mean-token-sum-norm": "dr_grpo",
}
VERL_KL = {
    "kl": "reverse",
    "k1": "reverse",
    "low_var_kl": "forward",
    "k3": "forward",
    "low_var_kl+": "reverse",
    "k3+": "reverse",
}
VERL_READ = (
    *("algorithm.adv_estimator", "algorithm.norm_adv_by_std_in_grpo", "algorithm.use_kl_in_reward"),
    *("algorithm.kl_ctrl.kl_coef", "data.max_response_length", "actor_rollout_ref.rollout.n"),
    *("actor_rollout_ref.rollout.temperature", "actor_rollout_ref.actor.loss_agg_mode"),
    *("actor_rollout_ref.actor.use_kl_loss", "actor_rollout_ref.actor.kl_loss_coef"),
    *("actor_rollout_ref.actor.kl_loss_type", "actor_rollout_ref.actor.ppo_epochs"),
)
READ_IN = "toyrl's toy world"


@dataclass
class TrainerConfig:
    """What a configuration says, under the names of `Settings`, and what it says beyond them.

    values : estimator, group_size, max_completion_length, aggregation, beta, kl, mask_truncated
    notes : what was taken from the file, what was read differently or has no counterpart, and keys
        that the trainer doesn't have
    """

    values: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def config_finding(note: str) -> Finding:
    """A note about the trainer's file as a finding; a warning for keys it doesn't have."""
    status = "warn" if trainer_keys.UNKNOWN in note else "info"
    return Finding(4, "collapse/config", status, f"{note}.")


# -- files -----------------------------------------------------------------------------------------
def read_trl(path: Path | str) -> TrainerConfig:
    """A TRL configuration; UsageError names what can't be read."""
    place = _existing(path, "trl_config")
    script = place.suffix == ".py"
    given = _python(place) if script else _mapping(place, "trl_config")
    keys = trainer_keys.TRL if script else trainer_keys.TRL | trainer_keys.TRL_SCRIPT
    known = {**TRL_DEFAULTS, **given}
    out = TrainerConfig()
    strange = trainer_keys.unknown(given, keys, TRL_READ, place.name, "TRL's GRPOConfig")
    out.notes += [_taken({k: v for k, v in given.items() if k in TRL_READ}, place), *strange]
    v = out.values
    v["group_size"] = known["num_generations"]
    v["max_completion_length"] = known["max_completion_length"]
    v["beta"] = _real(known["beta"], "beta", place)
    v["kl"] = "reverse" if known["use_bias_correction_kl"] else "forward"
    v["mask_truncated"] = bool(known["mask_truncated_completions"])
    scale = {True: "group", False: "none"}.get(known["scale_rewards"], known["scale_rewards"])
    v["estimator"] = _choice(scale, TRL_SCALE, "scale_rewards", place)
    loss = known["loss_type"]
    if loss in TRL_LOSS:
        v["aggregation"] = TRL_LOSS[loss]
    else:
        v["aggregation"] = "dapo"
        out.notes.append(f"loss_type={loss!r} is read as dapo's token mean in {READ_IN}")
    _trl_notes(known, out)
    return out


def _trl_notes(known: Mapping[str, Any], out: TrainerConfig) -> None:
    iterations = known["num_iterations"]
    if iterations not in (1, None) or known.get("steps_per_generation", 1) not in (1, None):
        out.notes.append(
            "several updates per batch: clipping (epsilon) acts there, but updates are on-policy "
            f"in {READ_IN}"
        )
    for name, neutral in TRL_NOTED.items():
        if name in known and known[name] not in neutral:
            said = "base success and length are taken as measured at it" * (name == "temperature")
            out.notes.append(f"{name}={known[name]!r}: {said or 'has no part in ' + READ_IN}")
    if known.get("reward_weights") is not None:
        out.notes.append(
            f"reward_weights={known['reward_weights']!r}: give them with the rewards, spec:weight"
        )


def read_verl(path: Path | str) -> TrainerConfig:
    """A verl configuration; keys nested or dotted."""
    place = _existing(path, "verl_config")
    tree = _mapping(place, "verl_config")
    taken: dict[str, Any] = {}
    get = _getter(tree, taken)
    out = TrainerConfig()
    v = out.values
    name = get("algorithm.adv_estimator", "gae")
    if name in VERL_ESTIMATORS:
        v["estimator"] = VERL_ESTIMATORS[name]
        if name.startswith("grpo") and get("algorithm.norm_adv_by_std_in_grpo", True) is False:
            v["estimator"] = "dr_grpo"
    else:
        v["estimator"] = "grpo_verl"
        out.notes.append(f"algorithm.adv_estimator={name!r} is read as grpo in {READ_IN}")
    v["group_size"] = get("actor_rollout_ref.rollout.n", 1)
    if v["group_size"] == 1:
        v.pop("group_size")
        out.notes.append("actor_rollout_ref.rollout.n is 1; judged with groups of 8")
    v["max_completion_length"] = get("data.max_response_length", 512)
    mode = get("actor_rollout_ref.actor.loss_agg_mode", "token-mean")
    v["aggregation"] = _choice(mode, VERL_AGGREGATION, "loss_agg_mode", place)
    _verl_kl(get, out, place)
    if get("actor_rollout_ref.rollout.temperature", 1.0) not in (1, 1.0):
        out.notes.append("rollout.temperature: base success and length are taken as measured at it")
    if get("actor_rollout_ref.actor.ppo_epochs", 1) != 1:
        out.notes.append(f"ppo_epochs: updates are on-policy in {READ_IN}")
    strange = []
    for section, names in trainer_keys.sections(tree).items():
        known, where = trainer_keys.VERL[section], ", ".join(filter(None, (place.name, section)))
        read = [k.rpartition(".")[2] for k in VERL_READ if k.rpartition(".")[0] == section]
        read += [s.rpartition(".")[2] for s in trainer_keys.VERL if s.rpartition(".")[0] == section]
        strange += trainer_keys.unknown(names, known, read, where, "verl's configuration")
    out.notes = [_taken(taken, place), *strange, *out.notes]
    return out


def _verl_kl(get: Callable[..., Any], out: TrainerConfig, place: Path) -> None:
    v = out.values
    v["beta"], v["kl"] = 0.0, "reverse"
    if get("actor_rollout_ref.actor.use_kl_loss", False):
        kind = get("actor_rollout_ref.actor.kl_loss_type", "low_var_kl")
        v["beta"] = _real(get("actor_rollout_ref.actor.kl_loss_coef", 0.001), "kl_loss_coef", place)
        v["kl"] = VERL_KL.get(kind, "forward")
        if kind not in VERL_KL:
            out.notes.append(f"kl_loss_type={kind!r} is read as low_var_kl")
    if get("algorithm.use_kl_in_reward", False):
        out.notes.append(
            "algorithm.use_kl_in_reward: the penalty is taken as one in the loss, with its "
            "coefficient"
        )
        v["beta"] += _real(get("algorithm.kl_ctrl.kl_coef", 0.001), "kl_coef", place)
        v["kl"] = "reverse"


# -- reading ---------------------------------------------------------------------------------------
def _existing(path: Path | str, name: str) -> Path:
    place = Path(path)
    if not place.is_file():
        msg = f"{name}={str(place)!r} is no file; name the trainer's YAML, JSON or Python file"
        raise UsageError(msg)
    return place


def _mapping(place: Path, name: str) -> dict[str, Any]:
    text = place.read_text(encoding="utf-8")
    try:
        if place.suffix == ".json":
            found = json.loads(text)
        else:
            import yaml

            found = yaml.safe_load(text)
    except Exception as error:  # each parser has its own errors
        msg = f"{name}={str(place)!r} can't be read: {' '.join(str(error).split())}"
        raise UsageError(msg) from error
    if not isinstance(found, dict):
        msg = f"{name}={str(place)!r} holds no mapping of names to values"
        raise UsageError(msg)
    return found


def _python(place: Path) -> dict[str, Any]:
    """Literal keywords of the file's only GRPOConfig(...) call."""
    try:
        tree = ast.parse(place.read_text(encoding="utf-8"))
    except SyntaxError as error:
        msg = f"trl_config={str(place)!r}: line {error.lineno}: {error.msg}"
        raise UsageError(msg) from error
    calls = [
        n
        for n in ast.walk(tree)
        if isinstance(n, ast.Call)
        and (n.func.id if isinstance(n.func, ast.Name) else getattr(n.func, "attr", ""))
        == "GRPOConfig"
    ]
    if len(calls) != 1:
        msg = f"trl_config={str(place)!r} calls GRPOConfig {len(calls)} times; one call is needed"
        raise UsageError(msg)
    out = {}
    for k in calls[0].keywords:
        try:
            out[str(k.arg)] = ast.literal_eval(k.value)
        except ValueError:
            if k.arg in TRL_DEFAULTS:
                msg = (
                    f"trl_config={str(place)!r}: line {k.value.lineno}: {k.arg} is no literal; "
                    "write its value, or give the configuration as YAML"
                )
                raise UsageError(msg) from None
    return out


def _getter(tree: Mapping[str, Any], taken: dict[str, Any]) -> Callable[..., Any]:
    """get(dotted key, default); what is found is noted in `taken`."""

    def get(dotted: str, default: Any) -> Any:
        node: Any = tree
        if dotted in tree:
            node = tree[dotted]
        else:
            for part in dotted.split("."):
                if not isinstance(node, Mapping) or part not in node:
                    return default
                node = node[part]
        if node is None:
            return default
        taken[dotted.rpartition(".")[2]] = node
        return node

    return get


def _taken(found: Mapping[str, Any], place: Path) -> str:
    """What was read from the file, in its own words."""
    if not found:
        return f"Nothing was taken from {place.name}: all is as the trainer sets it by default"
    shown = ", ".join(f"{k} {v}" for k, v in found.items())
    return f"Taken from {place.name}: {shown}; the rest is as the trainer sets it by default"


def _choice(value: Any, table: Mapping[str, str], name: str, place: Path) -> str:
    if not isinstance(value, str) or value not in table:
        msg = f"{place.name}: {name}={value!r} is not one of {', '.join(map(str, table))}"
        raise UsageError(msg)
    return table[value]


def _real(value: Any, name: str, place: Path) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        msg = f"{place.name}: {name}={value!r} is no number"
        raise UsageError(msg) from error
