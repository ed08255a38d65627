"""The ledger's settings on length and format: rewards that trade accuracy against tokens."""

from __future__ import annotations

from toyrl.experiments.backtest.data import OURS, Setting
from toyrl.papers import paper

CRF = paper("01")
FORMAT = paper("02")
DRPO = paper("03")
LAMBDA = paper("04")
LASER = paper("05")
DLER = paper("08")
HAPO = paper("11")
BUDGET = paper("17")

LASER_RUN = {
    "max_completion_length": 16384,
    "typical_length": 10177,
    "success_rates": (0.569,),
    "estimator": "grpo_verl",
    "group_size": 8,
    "beta": 1e-3,
}
LASER_ASSUMED = ("form of the KL term: reverse",)
LASER_TARGETS = (
    "targets held where they start: exponential lengths of mean 10177, quantiles 1, 1/2 and 1/5, "
    "at least 4096 and at most the limit"
)
FORMAT_RUN = {
    "max_completion_length": 3072,
    "typical_length": 900,
    "success_rates": (0.366,),
    "estimator": "grpo_verl",
    "group_size": 8,
    "beta": 1e-3,
    "kl": "forward",
}
DLER_RUN = {
    "max_completion_length": 16384,
    "estimator": "reinforce_plus_plus_baseline",
    "group_size": 16,
    "beta": 5e-4,
}
DLER_ASSUMED = (
    "the limit before training: 16384 tokens; generation stops at 4000, which pays a longer "
    "rollout nothing, as the reward here does",
)
LENGTH = "typical length: 0.29 of the limit, as in the defaults"
UNKNOWN = "limit, typical length and base success rate: the defaults"
LAMBDA_RUN = {"estimator": "grpo_population", "group_size": 8}

SETTINGS = (
    Setting(
        "01-crf", CRF, "abstract; reward definition",
        "conciseness score paid through the outcome (CRF), Qwen2.5-7B",
        ("crf(alpha=0.5, s=1)",),
        "+8.1 % accuracy with 19.9 % fewer tokens",
        {"max_completion_length": 1024, "typical_length": 500},
        change=8.1, against="base model",
        assumed=("alpha 0.5, s constant, limit 1024, group size 8", "conciseness: 1 - length/limit "
                 "in place of the learned score"),
    ),
    Setting(
        "01-length-penalty", CRF, "abstract and introduction: failures of length penalties",
        "outcome minus a share of the length, right or wrong, Qwen2.5-7B",
        ("outcome() - 0.5*linear_length()",),
        "named as the failure to be avoided: length collapses and accuracy falls with it",
        {"max_completion_length": 1024, "typical_length": 500},
        said="collapsed",
        assumed=("weight 0.5, limit 1024, group size 8",),
        alternatives=(("outcome() - 0.25*linear_length()",), ("outcome() - 1*linear_length()",)),
    ),
    Setting(
        "02-correctness", FORMAT, "experiments, table of the repository",
        "right answer plus half a point for the think block, Qwen2.5-Math-7B",
        (f"{OURS}format_length:correctness",),
        "53.0 against 36.6 (average of AIME24, MATH500, AMC23)",
        FORMAT_RUN, change=16.4, against="base model", assumed=(LENGTH,),
    ),
    Setting(
        "02-format-only", FORMAT, "experiments, table of the repository",
        "think block and an answer that parses, no gold answer, Qwen2.5-Math-7B",
        (f"{OURS}format_length:format_only",),
        "51.6 against 53.0 with correctness and 36.6 before training",
        FORMAT_RUN, change=-1.4, against="correctness run", assumed=(LENGTH,),
    ),
    Setting(
        "02-format-length", FORMAT, "experiments, table of the repository",
        "format plus a bump at half of the limit, no gold answer, Qwen2.5-Math-7B",
        (f"{OURS}format_length:format_length(limit=3072, p=0.5)",),
        "56.8 against 53.0 with correctness and 36.6 before training",
        FORMAT_RUN, change=3.8, against="correctness run", assumed=(LENGTH,),
    ),
    Setting(
        "03-rloo-lp", DRPO, "experiments, aggregate comparison (baseline RLOO-LP)",
        "length penalty on right rollouts by their group, under RLOO, 7B",
        ("efficient_reasoning(alpha=0.2)",),
        "-7.1 % accuracy at 38 % fewer tokens",
        {"max_completion_length": 8192, "typical_length": 4119, "estimator": "rloo",
         "group_size": 8},
        change=-7.1, against="base model",
        assumed=("alpha 0.2", "base success rate: the prior"),
        alternatives=(("efficient_reasoning(alpha=0.05)",), ("efficient_reasoning(alpha=0.4)",)),
    ),
    Setting(
        "04-uniform-penalty", LAMBDA, "introduction and experiments (baseline)",
        "length penalty on right rollouts of every group, std-normalised",
        ("efficient_reasoning(alpha=0.2)",),
        "accuracy collapses abruptly and early",
        LAMBDA_RUN, said="collapsed",
        assumed=("alpha 0.2", UNKNOWN),
        alternatives=(("efficient_reasoning(alpha=0.05)",), ("efficient_reasoning(alpha=0.6)",)),
    ),
    Setting(
        "04-grpo-lambda", LAMBDA, "method and experiments",
        "the same penalty in the 20 % of groups most often right",
        ("grpo_lambda(lam=0.2, alpha=0.2)",),
        "+1.48 % accuracy with 47.3 % fewer tokens; stable at least 2.5 times longer",
        LAMBDA_RUN, change=1.48, against="base model",
        assumed=("alpha 0.2", UNKNOWN),
        alternatives=(("grpo_lambda(lam=0.2, alpha=0.05)",), ("grpo_lambda(lam=0.2, alpha=0.6)",)),
    ),
    Setting(
        "05-truncation-8192", LASER, "main table, vanilla truncation",
        "nothing for answers past 8192 tokens, DeepSeek-R1-Distill-Qwen-1.5B",
        ("truncation(target=8192, wrong=-0.5)",),
        "55.3 against 56.9 (average of four benchmarks)",
        LASER_RUN, change=-1.6, against="base model", assumed=LASER_ASSUMED,
    ),
    Setting(
        "05-truncation-4096", LASER, "main table, vanilla truncation",
        "nothing for answers past 4096 tokens, DeepSeek-R1-Distill-Qwen-1.5B",
        ("truncation(target=4096, wrong=-0.5)",),
        "49.4 against 56.9 (average of four benchmarks)",
        LASER_RUN, change=-7.5, against="base model", assumed=LASER_ASSUMED,
    ),
    Setting(
        "05-group", LASER, "main table, group reward with alpha 0.2",
        "length penalty on right rollouts by their group, DeepSeek-R1-Distill-Qwen-1.5B",
        ("efficient_reasoning(alpha=0.2, ddof=1, eps=1e-6)",),
        "54.7 against 56.9 (average of four benchmarks)",
        LASER_RUN, change=-2.2, against="base model", assumed=LASER_ASSUMED,
    ),
    Setting(
        "05-l1-max-4096", LASER, "main table, L1-Max",
        "right answers paid by slack to 4096 tokens, DeepSeek-R1-Distill-Qwen-1.5B",
        ("l1_max(target=4096, alpha=3e-4, delta=0.5)",),
        "51.4 against 56.9 (average of four benchmarks)",
        LASER_RUN, change=-5.5, against="base model",
        assumed=(*LASER_ASSUMED, "alpha 3e-4 and delta 0.5 of the L1 paper"),
    ),
    Setting(
        "05-laser-4096", LASER, "main table, LASER",
        "bonus for right answers within 4096 tokens, DeepSeek-R1-Distill-Qwen-1.5B",
        ("laser(target=4096, alpha=0.5)",),
        "58.7 against 56.9 (average of four benchmarks)",
        LASER_RUN, change=1.8, against="base model", assumed=LASER_ASSUMED,
    ),
    Setting(
        "05-laser-d-4096", LASER, "main table, LASER-D",
        "bonus within targets by difficulty from 4096 tokens on, DeepSeek-R1-Distill-Qwen-1.5B",
        ("laser_d(hard=16384, medium=7054, easy=4096)",),
        "60.3 against 56.9 (average of four benchmarks), 10177 to 3520 tokens",
        LASER_RUN, change=3.4, against="base model", assumed=(*LASER_ASSUMED, LASER_TARGETS),
        alternatives=(("laser_d(hard=4096, medium=4096, easy=4096)",),),
    ),
    Setting(
        "05-laser-de-4096", LASER, "main table, LASER-DE",
        "the same, and as much for wrong answers beyond the target, DeepSeek-R1-Distill-Qwen-1.5B",
        ("laser_de(hard=16384, medium=7054, easy=4096)",),
        "59.5 against 56.9 (average of four benchmarks), 10177 to 3577 tokens",
        LASER_RUN, change=2.6, against="base model", assumed=(*LASER_ASSUMED, LASER_TARGETS),
        alternatives=(("laser_de(hard=4096, medium=4096, easy=4096)",),),
    ),
    Setting(
        "08-dler-1.5b", DLER, "sections 2 to 4, main table",
        "truncation at 4000 tokens with batch-wise normalisation, 1.5B",
        ("truncation(target=4000)",),
        "AIME24 34.38 against 29.79, average length 10499 to 2466 tokens",
        {**DLER_RUN, "typical_length": 10499, "success_rates": (0.2979,)},
        change=4.59, against="base model", assumed=DLER_ASSUMED,
    ),
    Setting(
        "08-dler-7b", DLER, "sections 2 to 4, main table",
        "truncation at 4000 tokens with batch-wise normalisation, 7B",
        ("truncation(target=4000)",),
        "AIME24 55.62 against 55.40, average length 7747 to 2405 tokens",
        {**DLER_RUN, "typical_length": 7747, "success_rates": (0.554,)},
        change=0.22, against="base model", assumed=DLER_ASSUMED,
    ),
    Setting(
        "11-hapo", HAPO, "experiments, ranges over models and benchmarks",
        "right answers paid for beating the shortest so far, DeepSeek-R1-Distill-Qwen-1.5B",
        ("hapo(history=0.29)",),
        "accuracy 2 to 5 % lower at 33 to 59 % fewer tokens (GSM8K, MATH500, AIME2024)",
        {"group_size": 4}, change=-3.5, against="base model",
        assumed=("the middle of the published range", "the history held at the typical length, or "
                 "at two thirds of it", UNKNOWN),
        alternatives=(("hapo(history=0.2)",),),
    ),
    Setting(
        "17-fixed-budget", BUDGET, "sections 3.3 and 4, fixed budget of 87 tokens",
        "triangle at 87 tokens, paid right or wrong, Qwen2.5-7B",
        ("0.6*outcome() + token_budget(87, alpha=0.3) + 0.1*formatted()",),
        "GSM8K 82.71 against 83.55, length 258 to 87 tokens",
        {"max_completion_length": 512, "typical_length": 258, "success_rates": (0.8355,),
         "estimator": "grpo_population", "group_size": 8},
        change=-0.84, against="base model",
        assumed=("weights 0.6, 0.3, 0.1; limit of twice the first budget; no KL",),
        alternatives=(("0.3*outcome() + token_budget(87, alpha=0.6) + 0.1*formatted()",),),
    ),
)  # fmt: skip
