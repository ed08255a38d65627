"""What trainers do with the same rewards: a table of their advantage conventions.

"GRPO" is not one formula: trainers differ in ddof, eps, what a group of one gets, what a missing
reward does, and what happens where a standard deviation is 0. Each row names the trainer's option
and the estimator that equals it; tests hold TRL's rows against TRL's own code, verl's against
verl's where it is installed, and all against their formulas written plainly.

    for row in CONVENTIONS: print(row.trainer, row.option, row.eps, row.singleton)
    convention("verl", "grpo").estimator.apply(parts, rollouts)

Two deliberate differences hold for every row: a group whose rewards are all equal has advantages
exactly 0 here (theirs are rounding errors divided by eps), and a NaN reward makes one rollout
absent (theirs may be NaN for a group or a batch; column `missing` says which).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from toyrl.estimators.base import Estimator
from toyrl.estimators.baselines import Gpg, LeaveOneOutStd, MaxRl, Opo
from toyrl.estimators.batch import PRESETS as WHITENED
from toyrl.estimators.best_of import GrpoPassk
from toyrl.estimators.group import GroupEstimator

VERSIONS: Mapping[str, str] = {
    "trl": "1.16.0",
    "verl": "0.9.1",
    "nemo_rl": "main, August 2026",
    "openrlhf": "0.11.2",
    "prime_rl": "main, August 2026",
}


@dataclass(frozen=True)
class Convention:
    """One trainer's option.

    trainer, option : as in `VERSIONS` and as the trainer's configuration names it
    estimator : equal to it on finite rewards and groups of two or more that are not tied
    eps : its eps and where it stands
    singleton : what a group of one gets in the trainer (the estimator's own is a field of it)
    missing : what a None or NaN reward does
    masked : what rollouts without tokens in the loss mask do to these statistics
    zero_std : what a group of equal rewards gets
    """

    trainer: str
    option: str
    estimator: Estimator
    eps: str
    singleton: str
    missing: str
    masked: str
    zero_std: str

    @property
    def version(self) -> str:
        """The version whose source was read."""
        return VERSIONS[self.trainer]

    @property
    def ddof(self) -> float | None:
        """Of the standard deviation, or None where none is divided by."""
        divides = getattr(self.estimator, "scale", "group") != "none"
        return getattr(self.estimator, "ddof", None) if divides else None


_TRL = {
    "singleton": "refused in training; 0 in evaluation",
    "missing": "out of mean and std, advantage 0",
    "masked": "still counted",
}
_VERL = {
    "singleton": "its own reward",
    "missing": "NaN for its group",
    "masked": "still counted",
}
_NEMO = {
    "singleton": "0",
    "missing": "NaN for its group",
    "masked": "out where valid_mask is 0",
}
_OPENRLHF = {
    "missing": "NaN for its group",
    "masked": "still counted",
}
_PRIME = {
    "singleton": "0",
    "missing": "NaN for its group",
    "masked": "still counted",
}
_BATCH = {"missing": "NaN for the batch", "masked": "weigh nothing in the whitening"}
_PLAIN = {"eps": "-", "zero_std": "0"}
_CENTRED = GroupEstimator(scale="none")
_LOO = GroupEstimator(baseline="leave_one_out", scale="none")

CONVENTIONS: tuple[Convention, ...] = (
    Convention(
        "trl",
        "grpo_group",
        GroupEstimator(eps=1e-4),
        eps="std + 1e-4",
        zero_std="rounding / 1e-4",
        **_TRL,
    ),
    Convention("trl", "grpo_none", _CENTRED, **(_PLAIN | {"zero_std": "rounding"}), **_TRL),
    Convention(
        "trl",
        "grpo_batch",
        GroupEstimator(scale="batch", eps=1e-4),
        eps="batch std of raw rewards + 1e-4",
        zero_std="0, as long as another group differs",
        **_TRL,
    ),
    Convention("trl", "rloo", _LOO, **(_PLAIN | {"zero_std": "rounding"}), **_TRL),
    Convention(
        "trl",
        "rloo_normalize_advantages",
        WHITENED["rloo_normalized"],
        eps="batch std of advantages + 1e-4",
        zero_std="minus the batch mean, over its std",
        **_TRL,
    ),
    Convention(
        "verl",
        "grpo",
        GroupEstimator(eps=1e-6, singleton="raw"),
        eps="std + 1e-6",
        zero_std="rounding / 1e-6",
        **_VERL,
    ),
    Convention(
        "verl",
        "grpo_no_std",
        replace(_CENTRED, singleton="raw"),
        **(_PLAIN | {"zero_std": "rounding"}),
        **_VERL,
    ),
    Convention(
        "verl",
        "rloo",
        replace(_LOO, singleton="raw"),
        **(_PLAIN | {"zero_std": "rounding"}),
        **_VERL,
    ),
    Convention(
        "verl",
        "reinforce_plus_plus",
        WHITENED["reinforce_plus_plus"],
        eps="sqrt(token variance + 1e-8)",
        zero_std="the batch mean is subtracted all the same",
        **(_VERL | _BATCH),
    ),
    Convention(
        "verl",
        "reinforce_plus_plus_baseline",
        WHITENED["reinforce_plus_plus_baseline"],
        eps="sqrt(token variance + 1e-8)",
        zero_std="minus the token mean of the batch, over its std",
        **(_VERL | _BATCH),
    ),
    Convention("verl", "opo", Opo(singleton="raw"), **(_PLAIN | {"zero_std": "rounding"}), **_VERL),
    Convention("verl", "gpg", Gpg(singleton="raw"), **(_PLAIN | {"zero_std": "rounding"}), **_VERL),
    Convention(
        "verl",
        "grpo_passk",
        GrpoPassk(),
        eps="std + 1e-6",
        zero_std="0",
        **(_VERL | {"singleton": "refused", "missing": "NaN for itself, 0 for its group"}),
    ),
    Convention(
        "nemo_rl",
        "grpo",
        LeaveOneOutStd(),
        eps="std of the others + 1e-6, where it is > 0",
        zero_std="undivided; float32 rounding of E[r^2]-E[r]^2 passes for a std",
        **_NEMO,
    ),
    Convention(
        "nemo_rl",
        "grpo_no_leave_one_out",
        GroupEstimator(eps=1e-6),
        eps="std + 1e-6, where it is > 0",
        zero_std="undivided; float32 rounding of E[r^2]-E[r]^2 passes for a std",
        **_NEMO,
    ),
    Convention(
        "nemo_rl",
        "reinforce_plus_plus",
        WHITENED["reinforce_baseline"],
        eps="sqrt(max(token variance, 1e-8))",
        zero_std="minus the token mean of the batch, over its std",
        **(_NEMO | _BATCH),
    ),
    Convention(
        "openrlhf",
        "group_norm",
        GroupEstimator(eps=1e-9),
        eps="std + 1e-9",
        singleton="NaN",
        zero_std="rounding / 1e-9",
        **_OPENRLHF,
    ),
    Convention(
        "openrlhf",
        "rloo",
        _LOO,
        **(_PLAIN | {"zero_std": "rounding"}),
        singleton="NaN",
        **_OPENRLHF,
    ),
    Convention(
        "openrlhf",
        "dr_grpo",
        _CENTRED,
        **(_PLAIN | {"zero_std": "rounding"}),
        singleton="0",
        **_OPENRLHF,
    ),
    Convention(
        "openrlhf",
        "reinforce_baseline",
        WHITENED["reinforce_baseline"],
        eps="sqrt(max(token variance, 1e-8))",
        singleton="0 before whitening",
        zero_std="minus the token mean of the batch, over its std",
        **_BATCH,
    ),
    Convention(
        "openrlhf",
        "reinforce",
        WHITENED["reinforce_openrlhf"],
        eps="sqrt(max(token variance, 1e-8))",
        singleton="its reward, whitened",
        zero_std="the batch mean is subtracted all the same",
        **_BATCH,
    ),
    Convention(
        "openrlhf",
        "flash_reinforce",
        GroupEstimator(baseline="batch", scale="none"),
        eps="-",
        singleton="minus the batch mean",
        missing="NaN for the batch",
        masked="still counted",
        zero_std="minus the batch mean",
    ),
    Convention("prime_rl", "grpo", _CENTRED, **(_PLAIN | {"zero_std": "rounding"}), **_PRIME),
    Convention("prime_rl", "max_rl", MaxRl(), **(_PLAIN | {"zero_std": "rounding"}), **_PRIME),
)


def convention(trainer: str, option: str) -> Convention:
    """The row of that trainer and option; KeyError names what there is."""
    for row in CONVENTIONS:
        if (row.trainer, row.option) == (trainer, option):
            return row
    known = ", ".join(f"{row.trainer} {row.option}" for row in CONVENTIONS)
    msg = f"no convention {trainer!r} {option!r}; there are: {known}"
    raise KeyError(msg)


def table() -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """(column names, rows of words), for printing."""
    names = ["trainer", "version", "option", "ddof"]
    names += [f.name for f in fields(Convention)[3:]]
    rows = [tuple(str(getattr(c, n)) for n in names) for c in CONVENTIONS]
    return tuple(names), rows
