"""A trainer's own configuration, read into the settings of `validate`.

TRL: a YAML or JSON file of `GRPOConfig` fields, or a Python file in which `GRPOConfig(...)` is
called with literals. verl: a YAML of its nested keys, or the same keys dotted.
What has no counterpart in the toy world is said in a note, never silently dropped; so are keys that
the trainer doesn't have, and one that is misspelt is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from toyrl.experiments.amounts import BETA, GROUP, LENGTH
from toyrl.experiments.validate.findings import Finding
from toyrl.experiments.validate.trainers import files as trainer_file
from toyrl.experiments.validate.trainers import horizon as trainer_horizon
from toyrl.experiments.validate.trainers import keys as trainer_keys
from toyrl.experiments.validate.trainers.files import TrainerFile, Unreadable
from toyrl.messages import SHOWN, shortened
from toyrl.ranges import FLAG, Range

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
TRL_READ = (
    *TRL_DEFAULTS, *TRL_NOTED, *trainer_horizon.TRL_READ, "steps_per_generation", "reward_weights"
)  # fmt: skip

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
    *trainer_horizon.VERL_READ,
)
ROLLOUT, ACTOR = "actor_rollout_ref.rollout", "actor_rollout_ref.actor"
NORMALISED = "algorithm.norm_adv_by_std_in_grpo"
SIZE = replace(GROUP, interval="[1, 65536]")
TRL_RANGES = {
    "num_generations": GROUP,
    "max_completion_length": LENGTH,
    "beta": BETA,
    "num_iterations": Range("[1, 1e6]", whole=True, none=True),
    "mask_truncated_completions": FLAG,
    "use_bias_correction_kl": FLAG,
}
READ_IN = "toyrl's toy world"


@dataclass
class TrainerConfig:
    """What a configuration says, under the names of `Settings`, and what it says beyond them.

    values : estimator, group_size, max_completion_length, aggregation, beta, kl, mask_truncated;
        updates, learning_rate, completions where the file says them
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
    """A TRL configuration; UsageError names the file and line of what can't be read."""
    file = trainer_file.read(path, "trl_config")
    place, script = file.place, file.place.suffix.lower() == ".py"
    keys = trainer_keys.TRL if script else trainer_keys.TRL | trainer_keys.TRL_SCRIPT
    given = {k: v for k, v in file.values.items() if not _computed(file, k, v)}
    known = {**TRL_DEFAULTS, **given}
    out = TrainerConfig()
    strange = trainer_keys.unknown(file.values, keys, TRL_READ, place.name, "TRL's GRPOConfig")
    out.notes += [_taken({k: v for k, v in given.items() if k in TRL_READ}, place), *strange]
    checked = {k: file.number(k, known[k], allowed) for k, allowed in TRL_RANGES.items()}
    v = out.values
    v["group_size"] = checked["num_generations"]
    v["max_completion_length"] = checked["max_completion_length"]
    v["beta"] = float(checked["beta"])
    v["kl"] = "reverse" if checked["use_bias_correction_kl"] else "forward"
    v["mask_truncated"] = checked["mask_truncated_completions"]
    scale = known["scale_rewards"]
    if isinstance(scale, bool):
        scale = "group" if scale else "none"
    v["estimator"] = TRL_SCALE[file.word("scale_rewards", scale, TRL_SCALE)]
    loss = file.word("loss_type", known["loss_type"], TRL_LOSS, others=True)
    v["aggregation"] = TRL_LOSS.get(loss, "dapo")
    if loss not in TRL_LOSS:
        out.notes.append(f"loss_type={shortened(loss)} is read as dapo's token mean in {READ_IN}")
    _trl_notes(known, out)
    _horizon(out, trainer_horizon.of_trl(file))
    return out


def _horizon(out: TrainerConfig, said: trainer_horizon.Said) -> None:
    out.values.update(said[0])
    out.notes.extend(said[1])


def _computed(file: TrainerFile, key: str, value: Any) -> bool:
    """True for what a Python file computes and isn't read here; UsageError if it is."""
    if not isinstance(value, Unreadable):
        return False
    if key in TRL_DEFAULTS:
        said = f"{key} is no literal; write its value, or give the configuration as YAML"
        raise file.refusal(key, said)
    return True


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
            shown = shortened(known[name])
            out.notes.append(f"{name}={shown}: {said or 'has no part in ' + READ_IN}")
    if known.get("reward_weights") is not None:
        out.notes.append(
            f"reward_weights={shortened(known['reward_weights'])}: give them with the rewards, "
            "spec:weight"
        )


def read_verl(path: Path | str) -> TrainerConfig:
    """A verl configuration, keys nested or dotted; UsageError as for TRL's."""
    file = trainer_file.read(path, "verl_config")
    place, taken = file.place, dict[str, Any]()
    get = _getter(file, taken)
    out = TrainerConfig()
    v = out.values
    name = file.word(
        "algorithm.adv_estimator", get("algorithm.adv_estimator", "gae"), VERL_ESTIMATORS,
        others=True,
    )  # fmt: skip
    v["estimator"] = VERL_ESTIMATORS.get(name, "grpo_verl")
    if name not in VERL_ESTIMATORS:
        said = f"algorithm.adv_estimator={shortened(name)}"
        out.notes.append(f"{said} is read as grpo in {READ_IN}")
    by_std = _flag(file, get, NORMALISED, True)
    if name in VERL_ESTIMATORS and name.startswith("grpo") and not by_std:
        v["estimator"] = "dr_grpo"
    size = file.number(f"{ROLLOUT}.n", get(f"{ROLLOUT}.n", 1), SIZE)
    if size > 1:
        v["group_size"] = size
    else:
        out.notes.append("actor_rollout_ref.rollout.n is 1; judged with groups of 8")
    limit = get("data.max_response_length", 512)
    v["max_completion_length"] = file.number("data.max_response_length", limit, LENGTH)
    mode = get(f"{ACTOR}.loss_agg_mode", "token-mean")
    v["aggregation"] = VERL_AGGREGATION[file.word(f"{ACTOR}.loss_agg_mode", mode, VERL_AGGREGATION)]
    _verl_kl(file, get, out)
    _horizon(out, trainer_horizon.of_verl(file, get, size))
    if get(f"{ROLLOUT}.temperature", 1.0) not in (1, 1.0):
        out.notes.append("rollout.temperature: base success and length are taken as measured at it")
    if get(f"{ACTOR}.ppo_epochs", 1) != 1:
        out.notes.append(f"ppo_epochs: updates are on-policy in {READ_IN}")
    strange = []
    for section, names in trainer_keys.sections(file.values).items():
        known, where = trainer_keys.VERL[section], ", ".join(filter(None, (place.name, section)))
        read = [k.rpartition(".")[2] for k in VERL_READ if k.rpartition(".")[0] == section]
        read += [s.rpartition(".")[2] for s in trainer_keys.VERL if s.rpartition(".")[0] == section]
        strange += trainer_keys.unknown(names, known, read, where, "verl's configuration")
    out.notes = [_taken(taken, place), *strange, *out.notes]
    return out


def _verl_kl(file: TrainerFile, get: Callable[..., Any], out: TrainerConfig) -> None:
    v = out.values
    v["beta"], v["kl"] = 0.0, "reverse"
    if _flag(file, get, f"{ACTOR}.use_kl_loss", False):
        kind = file.word(
            f"{ACTOR}.kl_loss_type", get(f"{ACTOR}.kl_loss_type", "low_var_kl"), VERL_KL,
            others=True,
        )  # fmt: skip
        key = f"{ACTOR}.kl_loss_coef"
        v["beta"] = float(file.number(key, get(key, 0.001), BETA))
        v["kl"] = VERL_KL.get(kind, "forward")
        if kind not in VERL_KL:
            out.notes.append(f"kl_loss_type={shortened(kind)} is read as low_var_kl")
    if _flag(file, get, "algorithm.use_kl_in_reward", False):
        out.notes.append(
            "algorithm.use_kl_in_reward: the penalty is taken as one in the loss, with its "
            "coefficient"
        )
        key = "algorithm.kl_ctrl.kl_coef"
        v["beta"] += float(file.number(key, get(key, 0.001), BETA))
        v["kl"] = "reverse"


def _flag(file: TrainerFile, get: Callable[..., Any], key: str, default: bool) -> bool:
    return bool(file.number(key, get(key, default), FLAG))


# -- reading ---------------------------------------------------------------------------------------
def _getter(file: TrainerFile, taken: dict[str, Any]) -> Callable[..., Any]:
    """get(dotted key, default); what is found is noted in `taken`."""

    def get(dotted: str, default: Any) -> Any:
        found = [*_values(file.values, dotted)]
        if len(found) > 1:
            raise file.refusal(dotted, f"{dotted} stands twice, dotted and nested")
        if not found or found[0] is None:
            return default
        taken[dotted.rpartition(".")[2]] = found[0]
        return found[0]

    return get


def _values(tree: Mapping[str, Any], dotted: str) -> Iterator[Any]:
    """Values under a dotted key, whichever of its dots are levels."""
    if dotted in tree:
        yield tree[dotted]
    for i, sign in enumerate(dotted):
        inside = tree.get(dotted[:i]) if sign == "." else None
        if isinstance(inside, Mapping):
            yield from _values(inside, dotted[i + 1 :])


def _taken(found: Mapping[str, Any], place: Path) -> str:
    """What was read from the file, in its own words."""
    if not found:
        return f"Nothing was taken from {place.name}: all is as the trainer sets it by default"
    shown = ", ".join(f"{k} {_plain(v)}" for k, v in found.items())
    return f"Taken from {place.name}: {shown}; the rest is as the trainer sets it by default"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= SHOWN else shortened(value)
