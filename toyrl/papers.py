"""The papers: one row each, and the one place where a title or an arXiv number stands.

Everything else cites by number: `cite("05")`, `@entry(..., cards=("05",))`. Works that the numbered
papers lean on (DAPO under the baselines, L1 under the length rewards) have a short name instead of
a number and are cited the same way: `cite("dapo")`.
"""

from __future__ import annotations

from dataclasses import dataclass

from toyrl.messages import shortened

FAMILIES = (
    "estimators", "length", "process", "distance", "shaping", "selection", "preference", "learned",
    "exploration", "population", "tasks", "bridge",
)  # fmt: skip
PROVENANCE = ("code", "text", "second-hand", "reconstructed", "derived")


@dataclass(frozen=True)
class Paper:
    """One paper.

    number : "00" to "58"; for the other works cited, a short name such as "dapo"
    slug : short name for file names and commands
    title : as published; for 00, 57 and 58, which gather several sources, what they gather
    arxiv : "2505.15612", or None where it is not known
    year : of the first public version, or None where it is not known
    family : one of `FAMILIES`, the folder of its experiment; "" for the other works
    provenance : where our formulas come from: "code" (official code, read or run), "text" (the
        paper), "second-hand" (public descriptions that agree), "reconstructed" (a part is ours:
        its constants are parameters) or "derived" (here, from stated definitions)
    note : how sure, in a few words
    authors : family names, or "" where they are not known
    """

    number: str
    slug: str
    title: str
    arxiv: str | None
    year: int | None
    family: str
    provenance: str
    note: str = ""
    authors: str = ""


# fmt: off
_NUMBERED = (
    Paper("00", "grpo-baselines",
          "Baselines: REINFORCE, RLOO, GRPO, Dr. GRPO, DAPO, GSPO, REINFORCE++, PPO and GAE",
          None, None, "estimators", "code", "definitions in the TRL and verl sources"),
    Paper("01", "crf", "Efficient Reasoning via Reward Model", "2511.09158", 2025, "length",
          "second-hand", "alpha and the schedule of s are ours",
          "Wang, Li, Gong, Liu, Zhang, Liu, Zhao"),
    Paper("02", "format-length", "Surrogate Signals from Format and Length", "2505.19439", 2025,
          "length", "code"),
    Paper("03", "drpo", "DRPO: Efficient Reasoning via Decoupled Reward Policy Optimization",
          None, None, "length", "code", "official code, coefficients reproduced against it"),
    Paper("04", "grpo-lambda", "Stable Reinforcement Learning for Efficient Reasoning",
          "2505.18086", 2025, "length", "second-hand", "alpha is ours", "Dai, Liu, Si"),
    Paper("05", "laser", "Learn to Reason Efficiently with Adaptive Length-based Reward Shaping "
          "(LASER)", "2505.15612", 2025, "length", "code", "text and official code"),
    Paper("06", "oni", "Online Intrinsic Rewards for Decision Making Agents from LLM Feedback "
          "(ONI)", None, 2024, "exploration", "code", "",
          "Zheng, Henaff, Zhang, Grover, Amos"),
    Paper("07", "llm-judge-scaling", "Demystifying LLM-as-a-Judge: Analytically Tractable Model "
          "for Inference-Time Scaling", "2512.19905", 2025, "selection", "code",
          "text second-hand", "Halder, Pehlevan"),
    Paper("08", "dler", "DLER: Doing Length pEnalty Right", "2510.15110", 2025, "length", "code",
          "text and official code"),
    Paper("09", "clip-delta", "On Designing Effective RL Reward at Training Time for LLM "
          "Reasoning", "2410.15115", 2024, "process", "second-hand"),
    Paper("10", "longwriter-zero", "LongWriter-Zero: Mastering Ultra-Long Text Generation via "
          "Reinforcement Learning", "2506.18841", 2025, "tasks", "second-hand",
          "format reward reconstructed"),
    Paper("11", "hapo", "HAPO: History-Aware Policy Optimization", "2505.11225", 2025, "length",
          "code", "", "Huang, Zhang, Cardie"),
    Paper("12", "reward-anything", "RewardAnything: principle-following reward models",
          "2506.03637", 2025, "learned", "code"),
    Paper("13", "trust-grpo", "SophiaVL-R1: Reinforcing MLLMs Reasoning with Thinking Reward",
          None, None, "process", "code", "text and released code disagree; both variants kept"),
    Paper("14", "rdd", "Exploration by Random Distribution Distillation", None, 2025,
          "exploration", "second-hand", "code of a sibling read",
          "Fang, Yang, Tao, Lyu, Li, Shen, Li"),
    Paper("15", "pear", "PEAR: Phase Entropy Aware Reward for Efficient Reasoning", None, None,
          "length", "second-hand", "ICLR 2026; values of the outcome reward unverified"),
    Paper("16", "nano-capsulator", "Learning to Compress Prompt in Natural Language Formats",
          "2402.18700", 2024, "tasks", "reconstructed", "two terms certain, their algebra ours"),
    Paper("17", "curriculum-budget", "Train Long, Think Short: Curriculum Learning for Efficient "
          "Reasoning", "2508.08940", 2025, "length", "text", "", "Hammoud et al."),
    Paper("18", "renorm", "Hybrid Reward Normalization for Process-supervised Non-verifiable "
          "Agentic Tasks", None, None, "process", "reconstructed",
          "equation from two descriptions that agree"),
    Paper("19", "adaptive-mode", "Adaptive Deep Reasoning: Triggering Deep Thinking When Needed",
          "2505.20101", 2025, "length", "reconstructed",
          "easy prompts' values confirmed; hard prompts, rule and margin are ours"),
    Paper("20", "carl", "CaRL: Learning Scalable Planning Policies with Simple Rewards", None,
          2025, "exploration", "code", "",
          "Jaeger, Dauner, Beißwenger, Gerstenecker, Chitta, Geiger"),
    Paper("21", "toolrl", "ToolRL: Reward is All Tool Learning Needs", "2504.13958", 2025,
          "tasks", "code"),
    Paper("22", "tree-topology", "Reward Generalization in RLHF: A Topological Perspective",
          "2402.10184", 2024, "preference", "second-hand", "in part from memory",
          "Qiu, Zeng, Ji, Yan, Wang, Zhou, Han, Dai, Pan, Yang"),
    Paper("23", "par", "Reward Shaping to Mitigate Reward Hacking in RLHF (PAR)", None, None,
          "learned", "code"),
    Paper("24", "quality-diversity", "Learning in Sparse Rewards settings through "
          "Quality-Diversity algorithms", None, 2022, "population", "code", "", "Paolo"),
    Paper("25", "noisy-rpr", "The Climb Carves Wisdom Deeper Than the Summit", None, 2025,
          "selection", "code", "text and official code"),
    Paper("26", "tail", "The Imitation Game: Turing Machine Imitator is Length Generalizable "
          "Reasoner (TAIL)", None, 2025, "exploration", "second-hand", "",
          "Hua, Zhang, Lyu, Gu, Gao, Liu, Lin, Chen"),
    Paper("27", "starc", "STARC: A General Framework For Quantifying Differences Between Reward "
          "Functions", "2309.15257", 2023, "distance", "code", "",
          "Skalse, Farnik, Motwani, Jenner, Gleave, Abate"),
    Paper("28", "cooper", "Cooper: Co-Optimizing Policy and Reward Models", "2508.05613", 2025,
          "learned", "code", "the released snapshot is not complete"),
    Paper("29", "dno", "Direct Nash Optimization: Teaching Language Models to Self-Improve with "
          "General Preferences", "2404.03715", 2024, "preference", "text", "",
          "Rosset, Cheng, Mitra, Santacroce, Awadallah, Xie"),
    Paper("30", "oreal", "Exploring the Limit of Outcome Reward for Learning Mathematical "
          "Reasoning (OREAL)", "2502.06781", 2025, "selection", "code", "text and official code"),
    Paper("31", "rm-r1", "RM-R1: Reward Modeling as Reasoning", "2505.02387", 2025, "learned",
          "code"),
    Paper("32", "mrm-probing", "Probing Preference Representations: MRMBench and inference-time "
          "probing", "2511.12464", 2025, "learned", "code", "probing second-hand"),
    Paper("33", "two-stage-dynamics", "The Debate on RLVR Reasoning Capability Boundary: a "
          "Two-Stage Dynamic View", "2510.04028", 2025, "estimators", "second-hand",
          "asymptotics derived"),
    Paper("34", "canon", "Conditional Advantage Estimation for Reinforcement Learning in Large "
          "Reasoning Models (CANON)", None, None, "estimators", "code",
          "reproduces the official code exactly"),
    Paper("35", "alignment-asymptotics", "Asymptotics of Language Model Alignment", "2404.01730",
          2024, "selection", "derived", "from memory, re-derived and checked",
          "Yang, Salamatian, Sun, Suresh, Beirami"),
    Paper("36", "early-rejection", "Accelerating LLM Reasoning via Early Rejection with Partial "
          "Reward Modeling", "2508.01969", 2025, "selection", "code", "theory second-hand",
          "Cheshmi, Khan, Wang, Liu, Anwar"),
    Paper("37", "rlprompt", "RLPrompt: Optimizing Discrete Text Prompts with Reinforcement "
          "Learning", "2205.12548", 2022, "tasks", "code"),
    Paper("38", "reasoning-sql", "Reasoning-SQL: Reinforcement Learning with SQL-Tailored Partial "
          "Rewards", "2503.23157", 2025, "tasks", "code", "weights are those of the code"),
    Paper("39", "r3", "Preference-free Alignment Learning with Regularized Relevance Reward",
          "2402.03469", 2024, "tasks", "code",
          "code of the later title, Rethinking the Role of Proxy Rewards"),
    Paper("40", "prdp", "PRDP: Proximal Reward Difference Prediction for Large-Scale Reward "
          "Finetuning of Diffusion Models", "2402.08714", 2024, "preference", "second-hand", "",
          "Deng, Wang, Wei, Hou, Grundmann"),
    Paper("41", "lare", "Latent Reward: LLM-Empowered Credit Assignment in Episodic Reinforcement "
          "Learning (LaRe)", None, 2024, "exploration", "code", "",
          "Qu, Jiang, Wang, Mao, Wang, Liu, Ji"),
    Paper("42", "brpo", "Writing-Zero: Bridge the Gap Between Non-verifiable Tasks and Verifiable "
          "Rewards", "2506.00103", 2025, "preference", "second-hand"),
    Paper("43", "remodetect", "ReMoDetect: Reward Models Recognize Aligned LLM's Generations",
          "2405.17382", 2024, "learned", "code"),
    Paper("44", "perceptual-rewards", "Unsupervised Perceptual Rewards for Imitation Learning",
          None, 2016, "learned", "reconstructed", "from memory, in part ours",
          "Sermanet, Xu, Levine"),
    Paper("45", "extrans", "ExTrans: Multilingual Deep Reasoning Translation via "
          "Exemplar-Enhanced Reinforcement Learning", "2505.12996", 2025, "learned",
          "second-hand", "weights reconstructed"),
    Paper("46", "barfi", "Behavior Alignment via Reward Function Optimization", "2310.19007",
          2023, "shaping", "second-hand", "from memory",
          "Gupta, Chandak, Jordan, Thomas, C. da Silva"),
    Paper("47", "co-reward", "Co-Reward: Self-supervised Reinforcement Learning via Contrastive "
          "Agreement", "2508.00410", 2025, "learned", "code", "first version of the paper"),
    Paper("48", "emergent-exploration", "Exploitation Is All You Need... for Exploration", None,
          2025, "exploration", "derived", "abstract known; the toys are ours",
          "Rentschler, Roberts"),
    Paper("49", "flr", "Follow-up Likelihood as Reward", "2409.13948", 2024, "learned", "code",
          "aggregation reconstructed"),
    Paper("50", "mixed-r1", "Mixed-R1: Unified Reward Perspective For Reasoning Capability in "
          "Multimodal Large Language Models", "2505.24164", 2025, "tasks", "reconstructed",
          "from the abstract"),
    Paper("51", "fine-grained", "Fine-Grained Human Feedback Gives Better Rewards for Language "
          "Model Training", None, None, "process", "code"),
    Paper("52", "hybrid-multi-aspect", "Beyond Monolithic Rewards: Hybrid and Multi-Aspect Reward "
          "Optimization (HARMO)", "2510.05283", 2025, "length", "reconstructed",
          "the penalty is ours", "Gulhane, Indurthi"),
    Paper("53", "prime", "Process Reinforcement through Implicit Rewards (PRIME)", "2502.01456",
          2025, "process", "code", "text and official code"),
    Paper("54", "implicit-prm", "Free Process Rewards without Process Labels", "2412.01981", 2024,
          "process", "code", "text and official code"),
    Paper("55", "ace-rl", "ACE-RL: Adaptive Constraint-Enhanced Reward for Long-form Generation "
          "Reinforcement Learning", "2509.04903", 2025, "tasks", "second-hand",
          "length reward reconstructed"),
    Paper("56", "potential-based-shaping",
          "Policy Invariance Under Reward Transformations", None,
          1999, "shaping", "derived", "classical results; the test is ours",
          "Ng, Harada, Russell"),
    Paper("57", "best-of-k", "Best-of-k, pass@k and soft best-of-k in closed form", None, None,
          "selection", "derived", "order statistics, standard; the rest derived and checked"),
    Paper("58", "llm-bridge-interfaces",
          "Interfaces of TRL, verl, OpenRLHF, verifiers, reasoning-gym and GGUF", None, None,
          "bridge", "code", "sources of the published packages, run"),
)
# fmt: on
# Works that the numbered papers build on: short name, title, arXiv, year, authors.
_OTHERS: tuple[tuple[str, str, str | None, int | None, str], ...] = (
    (
        "best-of-n",
        "Theoretical Guarantees on the Best-of-n Alignment Policy",
        "2401.01879",
        2024,
        "Beirami et al.",
    ),
    ("cispo", "MiniMax-M1", "2506.13585", 2025, ""),
    ("cosine", "Demystifying Long Chain-of-Thought Reasoning", "2502.03373", 2025, ""),
    ("dapo", "DAPO", "2503.14476", 2025, ""),
    ("dppo", "DPPO", "2602.04879", 2026, ""),
    ("dr-grpo", "Understanding R1-Zero-Like Training", None, 2025, "Liu et al."),
    (
        "dro",
        "Offline Regularised Reinforcement Learning (Direct Reward Optimisation)",
        None,
        None,
        "",
    ),
    ("efficient", "Training Language Models to Reason Efficiently", "2502.04463", 2025, ""),
    (
        "entropy",
        "The Entropy Mechanism of Reinforcement Learning for Reasoning Language Models",
        "2505.22617",
        2025,
        "",
    ),
    (
        "gae",
        "High-Dimensional Continuous Control Using Generalized Advantage Estimation",
        None,
        2016,
        "Schulman et al.",
    ),
    ("gmpo", "Geometric-Mean Policy Optimization", "2507.20673", 2025, ""),
    ("gpg", "GPG: A Simple and Strong Reinforcement Learning Baseline", "2504.02546", 2025, ""),
    ("grpo", "DeepSeekMath", None, 2024, "Shao et al."),
    ("gspo", "Group Sequence Policy Optimization", "2507.18071", 2025, ""),
    ("kimi", "Kimi k1.5", "2501.12599", 2025, ""),
    ("kl", "Approximating KL Divergence", None, 2020, "Schulman"),
    ("l1", "L1: Controlling How Long a Reasoning Model Thinks", "2503.04697", 2025, ""),
    ("luspo", "Length-Unbiased Sequence Policy Optimization", None, None, ""),
    ("max-rl", "Maximum Likelihood Reinforcement Learning", "2602.02710", 2026, ""),
    ("opo", "On-Policy RL with Optimal Reward Baseline", "2505.23585", 2025, ""),
    (
        "overoptimisation",
        "Scaling Laws for Reward Model Overoptimization",
        "2210.10760",
        2022,
        "Gao, Schulman, Hilton",
    ),
    ("overthinking", "Do NOT Think That Much", "2412.21187", 2024, ""),
    (
        "passk",
        "Optimizing Language Models for Inference Time Objectives using RL",
        "2503.19595",
        2025,
        "",
    ),
    ("policy-gradient", "Policy Gradient Methods", None, 2000, "Sutton et al."),
    ("reinforce++", "REINFORCE++", "2501.03262", 2025, "Hu"),
    ("remax", "ReMax", "2310.10505", 2023, ""),
    (
        "rloo",
        "Back to Basics: Revisiting REINFORCE Style Optimization",
        "2402.14740",
        2024,
        "Ahmadian et al.",
    ),
    ("sapo", "Soft Adaptive Policy Optimization", "2511.20347", 2025, ""),
    ("short-m", "short-m@k", "2505.17813", 2025, ""),
    ("top-entropy", "Beyond the 80/20 Rule", "2506.01939", 2025, ""),
    ("ttrl", "TTRL: Test-Time Reinforcement Learning", "2504.16084", 2025, ""),
    ("up-grpo", "UP-GRPO", "2607.06987", 2026, ""),
    ("vespo", "VESPO", None, None, ""),
)  # fmt: skip
_PAPERS: dict[str, Paper] = {p.number: p for p in _NUMBERED}
_WORKS: dict[str, Paper] = {
    name: Paper(name, name, title, arxiv, year, "", "text", "", authors)
    for name, title, arxiv, year, authors in _OTHERS
}


def papers(family: str | None = None) -> list[Paper]:
    """The numbered papers (of one family), by number.

    Raises ValueError for a family that is not one of `FAMILIES`.
    """
    if family is not None and family not in FAMILIES:
        msg = f"family={shortened(family)} is unknown; choose from {', '.join(FAMILIES)}"
        raise ValueError(msg)
    return [p for p in _NUMBERED if family in (None, p.family)]


def works() -> list[Paper]:
    """The other works cited, by short name."""
    return list(_WORKS.values())


def paper(number: str | int) -> Paper:
    """The paper of a number (5, "5" or "05"), a slug ("laser"), an arXiv id or a work's name.

    Raises KeyError with the nearest numbers, slugs and titles.
    """
    key = str(number).strip()
    if key.isdigit() and key.zfill(2) in _PAPERS:
        return _PAPERS[key.zfill(2)]
    known = [*_NUMBERED, *_WORKS.values()]
    found = next((p for p in known if key.lower() in (p.slug, p.arxiv)), None)
    if found is None:
        msg = f"no paper is called {shortened(key)}; {_near(key, known)}"
        raise KeyError(msg)
    return found


def cite(number: str | int) -> str:
    """Title and arXiv number (else authors and year) of `paper(number)`, in one line.

    Raises KeyError as `paper` does.
    """
    p = paper(number)
    names = p.authors.split(", ")
    authors = f"{names[0]} et al." if len(names) > 3 else p.authors
    said = f"arXiv {p.arxiv}" if p.arxiv else " ".join(filter(None, (authors, _text(p.year))))
    return f"{p.title} ({said})" if said else p.title


def _text(year: int | None) -> str:
    return "" if year is None else str(year)


def _near(key: str, known: list[Paper]) -> str:
    import difflib

    names = {p.slug: p for p in known} | {p.title.lower(): p for p in known}
    inside = [p for name, p in names.items() if len(key) > 2 and key.lower() in name]
    close = [names[n] for n in difflib.get_close_matches(key.lower(), names, n=3, cutoff=0.5)]
    near = list(dict.fromkeys([*close, *inside]))[:3]
    if near:
        return "did you mean " + ", ".join(f"{p.number} ({p.title})" for p in near) + "?"
    return f"numbers run from {_NUMBERED[0].number} to {_NUMBERED[-1].number}"
