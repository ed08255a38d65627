"""What trainers do with the same rewards: a table of their advantage conventions.

"GRPO" is not one formula: trainers differ in ddof, eps, what a group of one gets, what a missing
reward does, and what happens where a standard deviation is 0. Each row names the trainer's option
and the estimator that equals it; tests hold TRL's rows against TRL's own code, verl's against
verl's where it is installed, and all against their formulas written plainly.

    for row in CONVENTIONS: print(row.trainer, row.option, row.expression, row.singleton)
    convention("verl", "grpo").estimator.apply(parts, rollouts)

Two deliberate differences hold for every row: a group whose rewards are all equal has advantages
exactly 0 here (theirs are rounding errors divided by eps), and a NaN reward makes one rollout
absent (theirs may be NaN for a group or a batch; column `missing` says which).

`toyrl.objectives.conventions` holds what the same trainers make of an advantage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from toyrl.estimators.base import Estimator
from toyrl.estimators.baselines import Gpg, LeaveOneOutStd, MaxRl, Opo, Remax
from toyrl.estimators.batch import PRESETS as WHITENED
from toyrl.estimators.best_of import GrpoPassk
from toyrl.estimators.group import GroupEstimator
from toyrl.estimators.parts import PRESETS as SEVERAL
from toyrl.estimators.tokens import Gae

VERSIONS: Mapping[str, str] = {
    "trl": "1.16.0",
    "verl": "0.9.1",
    "nemo_rl": "main, August 2026",
    "openrlhf": "0.11.2",
    "prime_rl": "main, August 2026",
    "verifiers": "commit 02a6b6d",
}
SOURCES: Mapping[str, str] = {
    "trl": "trl/trainer/grpo_trainer.py",
    "verl": "verl/trainer/ppo/core_algos.py, also at 018f23b",
    "nemo_rl": "nemo_rl/algorithms/advantage_estimator.py, also at 00925dd",
    "openrlhf": "openrlhf/trainer/ppo_utils/experience_maker.py, also at 89308a0",
    "prime_rl": "src/prime_rl/orchestrator/algo/advantage.py, also at 039b400",
    "verifiers": "verifiers/rl/trainer/generator.py",
}


@dataclass(frozen=True)
class Convention:
    """One trainer's option.

    trainer, option : as in `VERSIONS` and as the trainer's configuration names it
    estimator : equal to it on finite rewards and groups of two or more that are not tied, or None
    eps : its eps and where it stands
    singleton : what a group of one gets in the trainer (the estimator's own is a field of it)
    missing : what a None or NaN reward does
    masked : what rollouts without tokens in the loss mask do to these statistics
    zero_std : what a group of equal rewards gets
    read : the file whose source was read, and a commit where it was read again
    reason : why there is no estimator, or what has to be added to it
    """

    trainer: str
    option: str
    estimator: Estimator | None
    eps: str = "-"
    singleton: str = "-"
    missing: str = "-"
    masked: str = "-"
    zero_std: str = "-"
    read: str = ""
    reason: str = ""

    @property
    def version(self) -> str:
        """The version whose source was read."""
        return VERSIONS[self.trainer]

    @property
    def expression(self) -> str:
        """The estimator as the catalogue writes it, "no equivalent" where there is none."""
        return "no equivalent" if self.estimator is None else repr(self.estimator)

    @property
    def held_by(self) -> str:
        """What a test holds the row against: the trainer's "own code", its "formula", or nothing.

        "unverified": the source was not at hand again when the row was last checked.
        """
        if self.estimator is None:
            return "-"
        if self.read.startswith("unverified"):
            return "unverified"
        return "own code" if self.trainer == "trl" else "formula"

    @property
    def ddof(self) -> float | None:
        """Of the standard deviation, or None where none is divided by."""
        e = self.estimator
        divides = getattr(e, "scale", "group") != "none" and getattr(e, "divides", True)
        return getattr(self.estimator, "ddof", None) if divides else None


_FACTS: Mapping[str, Mapping[str, str]] = {
    "trl": {
        "singleton": "refused in training; 0 in evaluation",
        "missing": "out of mean and std, advantage 0",
        "masked": "still counted",
    },
    "verl": {
        "singleton": "its own reward",
        "missing": "NaN for its group",
        "masked": "still counted",
    },
    "nemo_rl": {
        "singleton": "0",
        "missing": "NaN for its group",
        "masked": "out where valid_mask is 0",
    },
    "openrlhf": {"missing": "NaN for its group", "masked": "still counted"},
    "prime_rl": {"singleton": "0", "missing": "NaN for its group", "masked": "still counted"},
    "verifiers": {"singleton": "0", "missing": "NaN for its group", "masked": "still counted"},
}
_BATCH = {"missing": "NaN for the batch", "masked": "weigh nothing in the whitening"}
_PLAIN = {"eps": "-", "zero_std": "rounding"}
_CENTRED = GroupEstimator(scale="none")
_LOO = GroupEstimator(baseline="leave_one_out", scale="none")
_SUMMED = SEVERAL["normalize_then_sum"]
_UNDIVIDED = "undivided; float32 rounding of E[r^2]-E[r]^2 passes for a std"
_FLOOR = "sqrt(max(token variance, 1e-8))"
_TOKEN_MEAN = "minus the token mean of the batch, over its std"
_BATCH_MEAN = "the batch mean is subtracted all the same"

_Row = tuple[str, str, Estimator | None, dict[str, str]]
_ROWS: tuple[_Row, ...] = (
    (
        "trl",
        "grpo_group",
        GroupEstimator(eps=1e-4),
        {"eps": "std + 1e-4", "zero_std": "rounding / 1e-4"},
    ),
    ("trl", "grpo_none", _CENTRED, _PLAIN),
    (
        "trl",
        "grpo_batch",
        GroupEstimator(scale="batch", eps=1e-4),
        {
            "eps": "batch std of raw rewards + 1e-4",
            "zero_std": "0, as long as another group differs",
        },
    ),
    (
        "trl",
        "grpo_normalize_then_sum",
        replace(_SUMMED, missing="skip"),
        {
            "eps": "group std + 1e-4, then batch std + 1e-4",
            "missing": "its part adds nothing; all parts missing: advantage 0",
            "zero_std": "the batch mean is subtracted, about 0",
        },
    ),
    ("trl", "rloo", _LOO, _PLAIN | {"read": "trl/trainer/rloo_trainer.py"}),
    (
        "trl",
        "rloo_normalize_advantages",
        WHITENED["rloo_normalized"],
        {
            "eps": "batch std of advantages + 1e-4",
            "zero_std": "minus the batch mean, over its std",
            "read": "trl/trainer/rloo_trainer.py",
        },
    ),
    (
        "verl",
        "grpo",
        GroupEstimator(eps=1e-6, singleton="raw"),
        {"eps": "std + 1e-6", "zero_std": "rounding / 1e-6"},
    ),
    ("verl", "grpo_no_std", replace(_CENTRED, singleton="raw"), _PLAIN),
    ("verl", "rloo", replace(_LOO, singleton="raw"), _PLAIN),
    ("verl", "rloo_vectorized", _LOO, _PLAIN | {"singleton": "0"}),
    (
        "verl",
        "reinforce_plus_plus",
        WHITENED["reinforce_plus_plus"],
        {"eps": "sqrt(token variance + 1e-8)", "zero_std": _BATCH_MEAN} | _BATCH,
    ),
    (
        "verl",
        "reinforce_plus_plus_baseline",
        WHITENED["reinforce_plus_plus_baseline"],
        {"eps": "sqrt(token variance + 1e-8)", "zero_std": _TOKEN_MEAN} | _BATCH,
    ),
    ("verl", "opo", Opo(singleton="raw"), _PLAIN),
    ("verl", "gpg", Gpg(singleton="raw"), _PLAIN),
    (
        "verl",
        "grpo_passk",
        GrpoPassk(),
        {
            "eps": "std + 1e-6",
            "zero_std": "0",
            "singleton": "refused",
            "missing": "NaN for itself, 0 for its group",
        },
    ),
    (
        "verl",
        "gdpo",
        replace(
            _SUMMED,
            inner=GroupEstimator(eps=1e-6, singleton="raw"),
            over="tokens",
            eps=1e-8,
            eps_in="variance",
        ),
        {"eps": "group std + 1e-6, then sqrt(token variance + 1e-8)", "zero_std": _TOKEN_MEAN}
        | _BATCH,
    ),
    (
        "verl",
        "remax",
        Remax(),
        {"zero_std": "-", "missing": "NaN for itself", "singleton": "minus its greedy reward"},
    ),
    (
        "verl",
        "gae",
        Gae(),
        {"eps": "sqrt(token variance + 1e-8)", "zero_std": _TOKEN_MEAN}
        | _BATCH
        | {"singleton": "as any other"},
    ),
    (
        "verl",
        "optimal_token_baseline",
        None,
        {"reason": "its weights need the sum of squared probabilities over the vocabulary"},
    ),
    (
        "nemo_rl",
        "grpo",
        LeaveOneOutStd(),
        {"eps": "std of the others + 1e-6, where it is > 0", "zero_std": _UNDIVIDED},
    ),
    (
        "nemo_rl",
        "grpo_no_leave_one_out",
        GroupEstimator(eps=1e-6),
        {"eps": "std + 1e-6, where it is > 0", "zero_std": _UNDIVIDED},
    ),
    ("nemo_rl", "grpo_no_normalize_rewards", _LOO, _PLAIN),
    (
        "nemo_rl",
        "reinforce_plus_plus",
        WHITENED["reinforce_baseline"],
        {"eps": _FLOOR, "zero_std": _TOKEN_MEAN} | _BATCH,
    ),
    (
        "nemo_rl",
        "reinforce_plus_plus_no_baseline",
        WHITENED["reinforce_openrlhf"],
        {"eps": _FLOOR, "zero_std": _BATCH_MEAN, "singleton": "its reward, whitened"} | _BATCH,
    ),
    (
        "nemo_rl",
        "raw_reward",
        WHITENED["reinforce_openrlhf"],
        {"eps": _FLOOR, "zero_std": _BATCH_MEAN, "singleton": "its reward, whitened"} | _BATCH,
    ),
    (
        "nemo_rl",
        "gdpo",
        replace(_SUMMED, inner=LeaveOneOutStd(), eps=0.0),
        {
            "eps": "std of the others + 1e-6, then the batch std alone",
            "zero_std": "minus the batch mean, over its std",
            "missing": "NaN for the batch",
        },
    ),
    (
        "openrlhf",
        "group_norm",
        GroupEstimator(eps=1e-9),
        {"eps": "std + 1e-9", "singleton": "NaN", "zero_std": "rounding / 1e-9"},
    ),
    ("openrlhf", "rloo", _LOO, _PLAIN | {"singleton": "NaN"}),
    ("openrlhf", "dr_grpo", _CENTRED, _PLAIN | {"singleton": "0"}),
    (
        "openrlhf",
        "reinforce_baseline",
        WHITENED["reinforce_baseline"],
        {"eps": _FLOOR, "singleton": "0 before whitening", "zero_std": _TOKEN_MEAN} | _BATCH,
    ),
    (
        "openrlhf",
        "reinforce",
        WHITENED["reinforce_openrlhf"],
        {"eps": _FLOOR, "singleton": "its reward, whitened", "zero_std": _BATCH_MEAN} | _BATCH,
    ),
    (
        "openrlhf",
        "flash_reinforce",
        GroupEstimator(baseline="batch", scale="none"),
        {
            "singleton": "minus the batch mean",
            "missing": "NaN for the batch",
            "zero_std": "minus the batch mean",
            "read": "unverified: not in the copy read again",
        },
    ),
    (
        "openrlhf",
        "reinforce_baseline_no_advantage_std_norm",
        replace(WHITENED["reinforce_baseline"], divides=False),
        {"singleton": "0 before centring", "zero_std": "minus the token mean of the batch"}
        | _BATCH,
    ),
    ("prime_rl", "grpo", _CENTRED, _PLAIN),
    ("prime_rl", "max_rl", MaxRl(), _PLAIN),
    (
        "prime_rl",
        "grpo_length_penalty",
        None,
        {"reason": "a reward shaping before `grpo`: right rewards times 1 + (1 - L/mean L)+"},
    ),
    ("verifiers", "scale_rewards_group", _CENTRED, _PLAIN),
    (
        "verifiers",
        "scale_rewards_batch",
        GroupEstimator(baseline="batch", scale="none"),
        {
            "singleton": "minus the batch mean",
            "missing": "NaN for the batch",
            "zero_std": "minus the batch mean",
        },
    ),
)


def _row(trainer: str, option: str, estimator: Estimator | None, own: dict[str, str]) -> Convention:
    shared: dict[str, Any] = {} if estimator is None else dict(_FACTS[trainer])
    return Convention(trainer, option, estimator, **({"read": SOURCES[trainer]} | shared | own))


CONVENTIONS: tuple[Convention, ...] = tuple(_row(*row) for row in _ROWS)


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
    names = ["trainer", "version", "option", "expression", "held_by", "ddof"]
    names += [f.name for f in fields(Convention)[3:]]
    rows = [tuple(str(getattr(c, n)) for n in names) for c in CONVENTIONS]
    return tuple(names), rows
