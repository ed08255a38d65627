"""The ledger's other settings: process scores, noise, patterns, tools, controls; out of reach."""

from __future__ import annotations

from toyrl.experiments.backtest.data import OURS, OutOfReach, Setting
from toyrl.experiments.backtest.settings import (
    BUDGET,
    DRPO,
    LENGTH,
    UNKNOWN,
)
from toyrl.papers import paper

DELTA = paper("09")
PEAR = paper("15")
RENORM = paper("18")
TOOL = paper("21")
CLIMB = paper("25")
COOPER = paper("28")

STAND_IN = "process reward model: a rule that likes every line without a false equation (0.9)"
CRITIC = "PPO with gamma = lambda = 1: its leave-one-out limit (RLOO)"
DELTA_RUN = {"success_rates": (0.249,), "estimator": "rloo", "group_size": 8}
DELTA_ASSUMED = (STAND_IN, CRITIC, "weight 0.3", "limit and typical length: the defaults; no KL")
PEAR_RUN = {"max_completion_length": 16384, "estimator": "grpo_verl", "group_size": 8}
PEAR_ASSUMED = (
    "limit 16384, group size 8, no KL; base score 1, format score 0",
    "token entropies: the declared latent's, growing with length",
)
RENORM_RUN = {"estimator": "rloo", "group_size": 8}
CLIMB_RUN = {
    "max_completion_length": 4096,
    "typical_length": 1200,
    "success_rates": (0.0482,),
    "estimator": "rloo",
    "group_size": 4,
}
PROCESS = f"{OURS}process:"

SETTINGS = (
    Setting(
        "09-outcome", DELTA, "ablation table, success reward",
        "right answers only, Qwen2-1.5B-Instruct",
        ("outcome()",),
        "MATH 30.58 against 24.90 before training",
        DELTA_RUN, change=5.68, against="base model", control=True,
        assumed=(CRITIC, "limit and typical length: the defaults; no KL"),
    ),
    Setting(
        "09-process", DELTA, "ablation table, success reward plus PRM",
        "scores of a process reward model summed over steps, Qwen2-1.5B-Instruct",
        (f"{PROCESS}summed(alpha=0.3)",),
        "MATH 11.16 against 30.58 with the success reward; steps and length grow",
        DELTA_RUN, change=-19.42, against="success-reward run", assumed=DELTA_ASSUMED,
        alternatives=((f"{PROCESS}summed(alpha=0.02)",), (f"{PROCESS}summed(alpha=1)",)),
    ),
    Setting(
        "09-process-clip", DELTA, "ablation table, PR-Clip",
        "the same scores cut at a threshold, so that none pays, Qwen2-1.5B-Instruct",
        (f"{PROCESS}clipped(alpha=0.3)",),
        "MATH 30.30 against 30.58 with the success reward",
        DELTA_RUN, change=-0.28, against="success-reward run",
        assumed=(*DELTA_ASSUMED, "threshold: the score of a good step"),
        alternatives=((f"{PROCESS}clipped(alpha=0.02)",), (f"{PROCESS}clipped(alpha=1)",)),
    ),
    Setting(
        "15-pear-1.5b", PEAR, "main table, six benchmarks",
        "entropy of the thought above the answer's as price, DeepSeek-R1-Distill-Qwen-1.5B",
        ("pear()",),
        "56.45 against 55.73 at 32.4 % fewer tokens",
        {"typical_length": 4805, "success_rates": (0.5573,), **PEAR_RUN},
        change=0.72, against="base model", assumed=PEAR_ASSUMED,
    ),
    Setting(
        "15-pear-4b", PEAR, "main table, six benchmarks",
        "entropy of the thought above the answer's as price, Qwen3-4B",
        ("pear()",),
        "74.27 against 74.85 at 56.6 % fewer tokens",
        {"typical_length": 7428, "success_rates": (0.7485,), **PEAR_RUN},
        change=-0.58, against="base model", assumed=PEAR_ASSUMED,
    ),
    Setting(
        "15-pear-8b", PEAR, "main table, six benchmarks",
        "entropy of the thought above the answer's as price, Qwen3-8B",
        ("pear()",),
        "77.56 against 77.48 at 53.3 % fewer tokens",
        {"typical_length": 6845, "success_rates": (0.7748,), **PEAR_RUN},
        change=0.08, against="base model", assumed=PEAR_ASSUMED,
    ),
    Setting(
        "18-process-sum", RENORM, "ablation of reward designs (unnormalised sum)",
        "process scores of each step plus the outcome, 3B and 7B",
        (f"{PROCESS}summed(alpha=1)",),
        "collapses, where the normalised form trains stably",
        RENORM_RUN, said="collapsed",
        assumed=(STAND_IN, CRITIC, UNKNOWN, "arithmetic in place of search with a judge"),
    ),
    Setting(
        "18-renorm", RENORM, "ablation of reward designs (ReNorm)",
        "process score plus outcome minus 1 on each step, 3B and 7B",
        (f"{PROCESS}renorm()",),
        "trains stably; 15 % (3B) and 5 % (7B) above outcome-only runs, relative",
        RENORM_RUN, said="kept",
        assumed=(STAND_IN, CRITIC, UNKNOWN, "arithmetic in place of search with a judge",
                 "the sum over steps in place of a reward on each step"),
    ),
    Setting(
        "21-toolrl", TOOL, "sections 3.3 and 5; default reward",
        "correctness from -3 to 3 plus format from 0 to 1, Qwen2.5 1.5B to 7B",
        ("outcome(right=3, wrong=-3)", f"{OURS}tool_format:layout"),
        "+17 % over the base models on average",
        {"max_completion_length": 1024, "typical_length": 300, "estimator": "grpo_verl",
         "group_size": 4},
        change=17.0, against="base models",
        assumed=(LENGTH, "base success rate: the prior", "all-or-nothing in place of graded calls"),
    ),
    Setting(
        "25-clean", CLIMB, "section 2, clean rewards",
        "right answers only, Qwen2.5-7B",
        ("outcome()",),
        "MATH500 4.82 to 75.85",
        CLIMB_RUN, change=71.03, against="base model", control=True, assumed=(CRITIC, LENGTH),
    ),
    Setting(
        "25-noise-40", CLIMB, "section 2, 40 % of the questions flipped",
        "outcome of a verifier that is wrong on 40 % of the questions, Qwen2.5-7B",
        ("outcome(right=0.6, wrong=0.4)",),
        "MATH500 72.02 against 75.85 with clean rewards",
        CLIMB_RUN, change=-3.83, against="clean run",
        assumed=(CRITIC, LENGTH, "the flips' mean without their spread"),
    ),
    Setting(
        "25-noise-50", CLIMB, "section 2, half of the questions flipped",
        "outcome of a verifier that is wrong on half of the questions, Qwen2.5-7B",
        ("outcome(right=0.5, wrong=0.5)",),
        "training collapses",
        CLIMB_RUN, said="collapsed",
        assumed=(CRITIC, LENGTH, "the flips' mean without their spread"),
    ),
    Setting(
        "25-patterns", CLIMB, "section 2, reasoning pattern reward alone",
        "phrases of reasoning, no gold answer, Qwen2.5-7B",
        (f"{OURS}patterns:pattern_reward",),
        "MATH500 rises to 70.21, then collapses as thoughts outgrow the limit of 4096",
        CLIMB_RUN, said="collapsed", assumed=(CRITIC, LENGTH),
    ),
    Setting(
        "28-rule", COOPER, "main table, rule reward",
        "right answers by a rule, Qwen2.5-1.5B-Instruct",
        ("outcome()",),
        "57.48 against 54.93 (average of five benchmarks)",
        {"success_rates": (0.5493,), "estimator": "grpo_verl", "group_size": 16, "beta": 1e-3,
         "kl": "forward"},
        change=2.55, against="base model", control=True,
        assumed=("limit and typical length: the defaults",),
    ),
)  # fmt: skip

JUDGE = "what the judge or reward model wrongly pays is not published; no class model can know it"
OUT_OF_REACH = (
    OutOfReach(
        "03-drpo", DRPO, "DRPO, 7B", "-2.6 % accuracy at 51 % fewer tokens",
        "the length preference is in the objective; validate judges rewards",
    ),
    OutOfReach(
        "09-delta", DELTA, "PR-Delta and PR-Clip-Delta",
        "MATH 30.68 and 31.44 against 30.58 with the success reward",
        "of a total, which is what classes are paid, Delta leaves the first step's score alone; it "
        "works through credit per step",
    ),
    OutOfReach(
        "13-thinking-reward",
        paper("13"),
        "judge's score with and without trust", "71.3 with, 67.4 without (MathVista)", JUDGE,
    ),
    OutOfReach(
        "15-pear-minus", PEAR, "entropy of thought and answer together as price (alpha -1), 4B",
        "73.5 against 80.5 with alpha 1, at 2307 against 3498 tokens",
        "a contrast of two rewards; on the ablation's benchmarks neither the base's accuracy nor "
        "that of correctness alone is given",
    ),
    OutOfReach(
        "17-curriculum", BUDGET, "budget from 256 down to 87 tokens",
        "GSM8K 86.20 against 83.55; 82.71 with the budget fixed",
        "the budget moves during training, and the prompt states it",
    ),
    OutOfReach(
        "19-adaptive-mode",
        paper("19"),
        "short or long mode by difficulty", "no substantial loss; numbers not at hand",
        "classes hold no modes, and half of the reward's values are not published",
    ),
    OutOfReach(
        "20-carl", paper("20"),
        "additive against multiplied driving rewards", "the additive one fails at large batches",
        "the traps are those of driving; no answer is right or wrong",
    ),
    OutOfReach(
        "21-length", TOOL, "the default plus a reward for long thoughts",
        "longer thoughts without reliable gains; small models may lose",
        "the outcome is mixed and without a number by model",
    ),
    OutOfReach(
        "23-par", paper("23"),
        "raw and shaped scores of a reward model",
        "PAR 70.81 % (length-controlled) on AlpacaEval 2.0, 5 points and more above the others; "
        "min-max and WARM are hacked in the second epoch",
        JUDGE,
    ),
    OutOfReach(
        "28-fixed-model", COOPER, "a fixed reward model alone, 1.5B",
        "38.91 against 54.93 before training", JUDGE,
    ),
    OutOfReach(
        "28-fixed-model-1b", COOPER, "a fixed reward model alone, Llama-3.2-1B",
        "24.80 against 38.50 before training", JUDGE,
    ),
    OutOfReach(
        "28-cooper", COOPER, "a reward model that is corrected at every update, 1.5B and 1B",
        "58.02 against 57.48 by the rule; 42.69 against 42.19",
        "the reward moves with the run, and what the written negatives look like is not published",
    ),
    OutOfReach(
        "34-canon",
        paper("34"),
        "CANON with alpha below 1", "45.5 % fewer tokens at equal accuracy",
        "the length pressure is in the estimator, under which the outcome-only run trains too",
    ),
    OutOfReach(
        "39-relevance",
        paper("39"),
        "relevance, relevance x length, with repetition penalty",
        "the first two are hacked, the last is not",
        "open-ended texts have no right answer, and classes have no relevance",
    ),
    OutOfReach(
        "49-flr", paper("49"),
        "pairs mined by follow-up likelihood, then DPO, an untuned 8B chat model as scorer",
        "as good as reward models trained on preferences; helpfulness improves",
        "what a scorer hears in open-ended texts is not published as numbers by class",
    ),
    OutOfReach(
        "51-fine-grained", paper("51"),
        "rewards per segment by three models, against one preference reward",
        "fewer irrelevant and false statements; a smaller weight of relevance, longer answers",
        "open-ended texts have no right answer, and a class is paid its total, which density "
        "leaves alone",
    ),
    OutOfReach(
        "53-prime", paper("53"),
        "token log-ratios of an online reward model as dense rewards beside the outcome",
        "training reward +6.9 % over outcome only, the same reward in 40 % of the steps",
        "the gain is credit per token: a class is paid its total, whose control gains nothing",
    ),
    OutOfReach(
        "54-implicit-prm", paper("54"),
        "best-of-N by the lowest step of an implicit reward model",
        "MATH-500 50.4 (DPO), 48.4 (CE) against 47.8 for labels by completions",
        "a rule for picking, and no run was trained on it",
    ),
    OutOfReach(
        "32-mrm-probing", paper("32"),
        "PPO, with samples far from a reward model's centroids left out, or as many at random",
        "AlpacaEval win rate 57.3, filtered 62.5, at random 54.3",
        "open-ended texts have no right answer, and classes no place in a reward model",
    ),
    OutOfReach(
        "42-scalar-model", paper("42"),
        "a scalar reward model for writing",
        "WritingBench 8.87, but 2.83 in the in-house test; 1872 tokens against 1292", JUDGE,
    ),
    OutOfReach(
        "47-majority", paper("47"),
        "majority vote, entropy, self-certainty", "collapse in training, Co-Reward does not",
        "how wrong answers are spread is not published, and decides",
    ),
    OutOfReach(
        "47-co-reward", paper("47"), "the vote on a paraphrase, Llama-3.2-3B-Instruct",
        "MATH500 50.2 against 46.8 (own vote), 43.4 (entropy, self-certainty), 47.0 (labels)",
        "which errors a question and its paraphrase share is not published, and decides",
    ),
    OutOfReach(
        "52-harmo", paper("52"),
        "rule or similarity, with a penalty on short wrong answers", "+9.5 % on average",
        "the penalty's formula is not published; similarity needs an embedding model",
    ),
    OutOfReach(
        "55-ace", paper("55"),
        "checklists for long texts", "above a holistic judge",
        "open-ended texts have no right answer",
    ),
)  # fmt: skip
