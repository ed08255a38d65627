"""What trainers' losses make of an advantage: a table of their options as catalogue objectives.

Beside the advantage (`toyrl.estimators.conventions`) trainers differ in what a token's loss is
divided by, what they clip, where a divergence from the reference stands, and what a rollout
without tokens does. Each row names the option and the expression whose `coefficients` equal
dJ/dlogp of the trainer's loss; tests hold TRL's rows against TRL's own loss, the others against
their formulas written plainly.

    for row in LOSSES: print(row.trainer, row.option, row.expression, row.divisor)
    loss("trl", "dapo").objective.coefficients(advantages, rollouts, logp, old_logp)

Where the trainer's importance ratio is taken to the sampler's policy (prime-rl, verifiers), give
the sampler's log-probabilities as `old_logp`. One batch is one micro-batch on one device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from toyrl.objectives.base import Objective

VERSIONS: Mapping[str, str] = {
    "trl": "1.16.0",
    "verl": "commit 018f23b",
    "nemo_rl": "commit 006907a",
    "openrlhf": "commit f5b3f08",
    "prime_rl": "2026, commit not known",
    "verifiers": "commit 58935cd",
}
SOURCES: Mapping[str, str] = {
    "trl": "trl/trainer/grpo_trainer.py",
    "verl": "verl/trainer/ppo/core_algos.py",
    "nemo_rl": "nemo_rl/algorithms/loss/loss_functions.py",
    "openrlhf": "openrlhf/models/loss.py",
    "prime_rl": "src/prime_rl/trainer/rl/loss.py, from a stored copy",
    "verifiers": "verifiers/rl/trainer/trainer.py",
}
NONE = "no equivalent"


@dataclass(frozen=True)
class Loss:
    """One option of one trainer's loss.

    trainer, option : as in `VERSIONS` and as the trainer's configuration names it
    expression : of the objective that equals it, or "no equivalent"
    divisor : what the sum over tokens is divided by
    empty : whether a rollout without tokens counts in that divisor
    all_empty : the loss of a batch without any token (here the coefficients are 0)
    note : why there is no equivalent, or what has to be known beside the expression
    read : the file whose source was read, and the commit
    """

    trainer: str
    option: str
    expression: str
    divisor: str
    empty: str
    all_empty: str
    note: str
    read: str

    @property
    def version(self) -> str:
        """The version or commit whose source was read."""
        return VERSIONS[self.trainer]

    @property
    def objective(self) -> Objective | None:
        """The objective of the expression, None where there is none."""
        if self.expression == NONE:
            return None
        from toyrl.expressions import parse_objective

        return parse_objective(self.expression)

    @property
    def held_by(self) -> str:
        """What a test holds the row against: "own code", "formula", "-" without an equivalent.

        "unverified": the source was not at hand when the row was written.
        """
        if self.expression == NONE:
            return "-"
        if self.read.startswith("unverified"):
            return "unverified"
        return "own code" if self.trainer == "trl" else "formula"


DIVISORS: Mapping[str, str] = {
    "row": "its length, then rollouts",
    "token": "tokens of the batch",
    "fixed": "rollouts x completion limit",
    "sum": "rollouts",
    "-": "-",
}
_KL = "the penalty is added after masks and weights, to every token"
_SAMPLER = "weights pi_old/pi_sampler"
_BETA = "TRL's beta is 0 by default: no penalty"
_OLD = "ratio to the sampler: its log-probabilities are `old_logp`"
_ROWS: Mapping[str, tuple[tuple[str, str, str, str], ...]] = {
    "trl": (
        ("dapo", "dapo()", "token", "the default"),
        ("grpo", "grpo()", "row", ""),
        ("bnpo", "bnpo()", "token", "of the micro-batch, where dapo takes the whole batch"),
        ("dr_grpo", "dr_grpo()", "fixed", ""),
        ("cispo", "cispo(cap=0.2)", "token", "epsilon_high unset: EVERY ratio is cut at 0.2"),
        ("cispo, epsilon_high=5", "cispo()", "token", "epsilon_high is the cap itself"),
        ("sapo", "sapo()", "row", ""),
        ("vespo", "vespo()", "token", ""),
        ("luspo", "luspo(clip_low=0.2, clip_high=0.2)", "sum", "level=sequence required"),
        ("epsilon_high=0.28", "clip_higher()", "token", ""),
        ("delta=2", "dapo(delta=2)", "token", "two-sided clipping"),
        (
            "grpo, level=sequence",
            "gspo(clip_low=0.2, clip_high=0.2)",
            "row",
            "GSPO; its paper's range is 3e-4, 4e-4",
        ),
        (
            "dapo, level=sequence",
            "gspo(aggregation='dapo', clip_low=0.2, clip_high=0.2)",
            "token",
            "TRL warns: the sum over tokens undoes the sequence average",
        ),
        ("beta=0.04", "dapo() + kl_k3_ratio(beta=0.04)", "token", f"{_KL}; {_BETA}"),
        (
            "beta=0.04, no bias correction",
            "dapo() + kl_k3(beta=0.04)",
            "token",
            "descends KL(ref || pi), not KL(pi || ref)",
        ),
        ("beta, level=sequence", NONE, "-", "multiplies each token's k3 by the rollout's ratio"),
        ("top_entropy_quantile=0.2", "top_entropy(inner=dapo())", "token", "dropped tokens count"),
        (
            "off_policy_mask_threshold=0.5",
            "off_policy_mask(inner=dapo())",
            "token",
            "dropped tokens count in the divisor",
        ),
        ("mask_truncated", "dapo()", "token", "mask 0 on them; their reward counts in the group"),
        ("vllm token_truncate", "tis(inner=dapo())", "token", _SAMPLER),
        ("vllm token_mask", "tis(inner=dapo(), mode='token_mask')", "token", _SAMPLER),
        (
            "vllm sequence_truncate",
            "tis(inner=dapo(), mode='sequence_truncate')",
            "token",
            _SAMPLER,
        ),
        ("vllm sequence_mask", "mis(inner=dapo())", "token", f"{_SAMPLER}; default with vLLM"),
        ("vespo with vllm", NONE, "-", "the weight joins the ratio inside phi(w)"),
        ("entropy_coef", NONE, "-", "the entropy's gradient needs the whole vocabulary"),
        ("rloo", "rloo()", "sum", "RLOOTrainer; beta stands in its reward: - beta sum(k1)"),
    ),
    "verl": (
        ("vanilla, token-mean", "vanilla()", "token", "the default; dual clip at 3"),
        ("vanilla, seq-mean-token-mean", "vanilla(aggregation='grpo')", "row", ""),
        ("vanilla, seq-mean-token-sum", "vanilla(aggregation='sum')", "sum", ""),
        (
            "vanilla, seq-mean-token-sum-norm",
            "vanilla(aggregation='dr_grpo')",
            "fixed",
            "without loss_scale_factor the limit is the padded width of the batch",
        ),
        ("token-sum", NONE, "-", "token-mean times the tokens of the batch: no fixed step size"),
        ("gspo", "gspo(count_empty=False, clip_low=0.2, clip_high=0.2)", "row", "any agg mode"),
        ("sapo", "sapo(count_empty=False)", "row", "whatever loss_agg_mode says"),
        ("gpg", "gpg(count_empty=False)", "token", ""),
        ("cispo", "cispo_verl()", "token", "cut on both sides; TRL's only above"),
        ("geo_mean", "geo_mean(clip_low=0.2, clip_high=0.2)", "row", "empty rollouts count"),
        ("dppo_tv", "dppo_tv()", "token", ""),
        ("dppo_kl", "dppo_kl()", "token", ""),
        ("up", "up()", "token", "no ratio and no clip where A > 0"),
        ("kl_cov", "kl_cov()", "token", ""),
        ("clip_cov", "clip_cov()", "token", "in the mean over its random draws"),
        ("bypass_mode, ppo_clip", "vanilla()", "token", _OLD),
        ("rollout_is", "tis(inner=vanilla(), cap=2)", "token", f"{_SAMPLER}, token, threshold 2"),
        (
            "kl_loss_type=low_var_kl",
            "vanilla() + kl_k3(beta=0.001, input_limit=20, output_limit=10, count_empty=False)",
            "token",
            "descends KL(ref || pi)",
        ),
        ("kl_loss_type=k2", "vanilla() + kl_k2(count_empty=False)", "token", ""),
        (
            "kl_loss_type=k3+",
            "vanilla() + kl_k3_plus(input_limit=20, output_limit=10, count_empty=False)",
            "token",
            "k3 as value, k2 as gradient",
        ),
        ("entropy_coeff", NONE, "-", "the entropy's gradient needs the whole vocabulary"),
    ),
    "nemo_rl": (
        ("token_level_loss", "dapo(count_empty=False)", "token", "KL penalty apart"),
        ("token_level_loss=False", "grpo(count_empty=False)", "row", ""),
        ("ratio_clip_c=3", "vanilla()", "token", ""),
        (
            "sequence_level_importance_ratios",
            "gspo(count_empty=False, clip_low=0.2, clip_high=0.2)",
            "row",
            "",
        ),
        ("use_cispo", "cispo_verl()", "token", "cut on both sides"),
        ("disable_ppo_ratio", "gpg(count_empty=False)", "token", "no ratio"),
        ("force_on_policy_ratio", "gpg(count_empty=False)", "token", "ratio 1"),
        ("truncation tis, 2", "tis(inner=dapo(), cap=2)", "token", _SAMPLER),
        (
            "truncation icepop",
            "tis(inner=dapo(), mode='token_mask', floor=0.5, cap=5)",
            "token",
            _SAMPLER,
        ),
        (
            "truncation seq-mask-tis",
            "tis(inner=dapo(), mode='geometric_mask', floor=0.999, cap=1.002)",
            "token",
            _SAMPLER,
        ),
        (
            "reference_policy_kl_penalty",
            NONE,
            "-",
            "k3 with the score term of ratio 1: on-policy it is kl_k3_ratio, off-policy not; 0.01",
        ),
        ("positive_example_nll_weight", NONE, "-", "log-likelihood of rollouts with reward > 0"),
    ),
    "openrlhf": (
        ("ppo", "dapo()", "token", "the default; of the micro-batch"),
        ("ppo, token_level_loss=False", "grpo()", "row", ""),
        ("dual_clip=3", "dapo(dual_clip=3)", "token", ""),
        ("gspo", "gspo(clip_low=0.2, clip_high=0.2)", "row", ""),
    ),
    "prime_rl": (
        ("default", "dppo_tv(cap=inf, beta=0.002)", "token", f"{_OLD}; kl_tau 1e-3"),
        (
            "ipo",
            "dppo_tv(low=0.1, high=0.1, two_sided=True, cap=inf, beta=0.002)",
            "token",
            f"{_OLD}; kl_tau 1e-3",
        ),
    ),
    "verifiers": (
        (
            "mask_ratio_low=0.125, mask_ratio_high=8",
            "dppo_tv(measure='ratio', low=0.125, high=8, two_sided=True, cap=inf)",
            "token",
            _OLD,
        ),
    ),
}
_COUNTS = "counts"
_EMPTY: Mapping[str, tuple[str, str]] = {
    "trl": (_COUNTS, "0"),
    "verl": ("left out", "NaN"),
    "nemo_rl": ("left out by sample_mask", "0"),
    "openrlhf": ("NaN for the batch", "NaN"),
    "prime_rl": ("-", "0"),
    "verifiers": ("-", "0"),
}


def _loss(trainer: str, option: str, expression: str, over: str, note: str) -> Loss:
    counts, alone = _EMPTY[trainer]
    counts = _COUNTS if option == "geo_mean" else counts
    alone = "0" if option == "geo_mean" else alone
    empty = counts if over in ("row", "fixed", "sum") else "-"
    alone = "-" if over == "-" else alone
    read = SOURCES[trainer]
    if option == "rloo":
        read = "trl/trainer/rloo_trainer.py"
    if option == "rollout_is":
        read = "unverified: verl/trainer/ppo/rollout_corr_helper.py was not read"
    return Loss(trainer, option, expression, DIVISORS[over], empty, alone, note, read)


LOSSES: tuple[Loss, ...] = tuple(
    _loss(trainer, *row) for trainer, rows in _ROWS.items() for row in rows
)


def loss(trainer: str, option: str) -> Loss:
    """The row of that trainer and option; KeyError names what there is."""
    for row in LOSSES:
        if (row.trainer, row.option) == (trainer, option):
            return row
    known = "; ".join(f"{row.trainer} {row.option}" for row in LOSSES)
    msg = f"no loss {trainer!r} {option!r}; there are: {known}"
    raise KeyError(msg)


def table() -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """(column names, rows of words), for printing."""
    names = ["trainer", "version", "option", "expression", "held_by"]
    names += [f.name for f in fields(Loss)[3:]]
    return tuple(names), [tuple(str(getattr(x, n)) for n in names) for x in LOSSES]
