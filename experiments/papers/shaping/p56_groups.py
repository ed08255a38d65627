"""Potentials and groups of rollouts: what estimators see, tokens' variance, W of every shaper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from toyrl import registry
from toyrl.estimators.base import Estimator
from toyrl.estimators.group import PRESETS
from toyrl.experiments.core import Check, Curve, Mutant, Picture, Result, Table, experiment
from toyrl.experiments.core.work import UPDATE, spend
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.groups import advantages
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import CLOSED, ENUMERATED, apart, missed
from toyrl.shapers.base import Shaper
from toyrl.theory.shaping.episodes import hidden_bias, shaping_total
from toyrl.theory.shaping.groups import (
    advantage_change,
    batch_scale_ratio,
    spread_of_totals,
    tree_worst_regret,
)
from toyrl.theory.shaping.regret import worst_regret
from toyrl.worlds.chain.latents.declared import UndeclaredError, supplied
from toyrl.worlds.tree import credit
from toyrl.worlds.tree.build import complete_tree
from toyrl.worlds.tree.convert import on_tokens, to_mdp, tree_rollouts
from toyrl.worlds.tree.model import Tree
from toyrl.worlds.tree.sweeps import parents
from toyrl.worlds.tree.values import leaf_law, leaf_returns, value

Array = Any
BLIND = ("grpo", "grpo_population", "grpo_verl", "dr_grpo", "rloo", "grpo_nemo", "loo_std", "opo",
         "rloo_normalized", "reinforce_baseline", "reinforce_plus_plus_baseline", "canon",
         "brpo")  # fmt: skip
SEEING = ("grpo_batch", "reinforce", "reinforce_mean", "reinforce_plus_plus",
          "reinforce_openrlhf", "gpg", "max_rl", "oreal_pair")  # fmt: skip
INVISIBLE = "discounted total, end 0: advantages centred by group, largest relative change"
SEEN = "estimators that see Phi(s0) against those that have to, misses"
RATIO = "std of the batch of raw rewards: ratio of advantages against the closed form, largest gap"
HIDDEN = "discount 0.9, summed without it: advantages of grpo, largest change"
BIAS = "what is summed less -Phi(s0) - (1 - discount) sum of Phi, largest"
LEFT_END = "an end with a potential: advantages of grpo, largest change"
UPDATE_SAME = "reward to go with Phi = V: expected update with it less without, largest"
QUIETER = "reward to go with Phi = V: variance of the update over that without"
ENUMERATES = "variance of the update against all sequences enumerated, largest relative gap"
CRITIC = "GAE with the term less GAE with the critic V + Phi, largest"
SPREAD = "W of terms on a tree: spread of totals against optimal control, largest gap"
ZERO = "W of a potential with 0 at the ends"
PAYS = "least W of length, judge and process rewards"
LAST = "W of differences of scores less the spread of the last score"
RATIOS = "W of beta log ratios less the spread of the answers' log ratio"
SUMS = ("with the term", "without")


# -- what estimators see ---------------------------------------------------------------------------
def made(kind: str) -> dict[str, Any]:
    """Everything of the catalogue that can be had without an argument."""
    entries = [e for e in registry.entries(kind) if None not in e.fields.values()]
    return {e.name: e.make() for e in entries if e.name != "sum"}  # an empty sum


def estimators() -> dict[str, Estimator]:
    """Those that need rewards and lengths alone and give a number a rollout."""
    known = {"correct", "length"}
    return {k: e for k, e in made("estimator").items()
            if known.issuperset(e.needs) and not e.token_level}  # fmt: skip


def paths(rng: Any, groups: int, size: int) -> tuple[Array, Array, Array]:
    """Rewards (B, G), lengths (B, G) and potentials along each rollout (B, G, 10).

    All rollouts of a prompt start at the same Phi; it is 0 from a rollout's end on.
    """
    reward = (rng.random((groups, size)) < 0.5) * 1.0
    n = rng.integers(3, 9, (groups, size))
    phi = rng.standard_normal((groups, size, 10))
    phi[:, :, 0] = rng.standard_normal((groups, 1))
    phi[np.arange(10) >= n[..., None]] = 0.0
    return reward, n.astype(float), phi


def groups(rng: Any, count: int, kept: float, weight: float, left: float, scaled: str) -> Items:
    """Changes of advantages in groups of 8, and of the batch's std in batches of 4 prompts.

    kept : Phi at the ends where it has to be 0; weight : with which steps are summed where they
    are summed wrongly; left : Phi at the ends where it is left on purpose; scaled : the estimator
    that the closed form of the batch's std is held to
    """
    reward, length, phi = paths(rng, count, 8)
    ends = left * rng.standard_normal(reward.shape)
    proper, rounded = kept * 0.9**length - phi[:, :, 0], shaping_total(phi, 0.9)
    summed, ended = shaping_total(phi, 0.9, weight=weight), proper + 0.9**length * ends
    bias = hidden_bias(phi, 0.9)
    rows, moved, found, wanted = [], {}, [], []
    spend(12 * len(BLIND + SEEING) * reward.size)
    for name, e in estimators().items():
        change = [np.abs(advantage_change(e, reward, x, length=length)).max()
                  for x in (proper, summed, ended, rounded)]  # fmt: skip
        # rounding grows with the advantages: those of a leave-one-out spread of 0 reach 1e6
        moved[name] = [change[0] / max(1.0, np.abs(advantages(e, reward, length)).max()), *change]
        rows.append([name, *map(float, change)])
    grpo, blind = moved["grpo"][1:], [moved[n][0] for n in BLIND]
    seen = [moved[n][0] > 1e-6 for n in (*BLIND, *SEEING)]
    batch, start = reward.reshape(-1, 4, 8), phi[:, 0, 0].reshape(-1, 4)
    for r, s in zip(batch[:50], start[:50], strict=True):
        e = replace(PRESETS[scaled], eps=0.0)  # the closed form is of the standard deviation
        found.append(advantage_change(e, r, -s[:, None]))
        wanted.append((batch_scale_ratio(r, s) - 1) * advantage_change(e, 0 * r, r))
    return [
        apart(INVISIBLE, blind, np.zeros(len(blind)), 1e-12, SUMS),
        missed(SEEN, seen, [n in SEEING for n in (*BLIND, *SEEING)], ("estimators", "by rule")),
        apart(RATIO, found, wanted, 1e-9, ("the estimator", CLOSED)),
        Check(HIDDEN, float(grpo[1]), 0.1, ">", routes=SUMS),
        apart(BIAS, summed, bias - phi[:, :, 0], 1e-12, ("sum of the terms", CLOSED)),
        Check(LEFT_END, float(grpo[2]), 0.1, ">", routes=SUMS),
        Table("estimators", ("estimator", "discounted, end 0", "summed without discount",
                             "a potential at the end", "the first, rounded"), rows,
              f"Largest change of an advantage over {count} groups of 8 rewards 0 or 1; Phi of "
              "standard deviation 1, discount 0.9. Rounded: the first term summed step by step, so "
              "that equal rewards differ by 1e-16; rules that compare rewards or divide by a "
              "leave-one-out spread see that."),
    ]  # fmt: skip


# -- tokens ----------------------------------------------------------------------------------------
def token_tree(rng: Any, height: int, discount: float = 1.0) -> Tree:
    """Two tokens at each of `height` places, a reward on each sequence."""
    logits = rng.standard_normal((height, 2))
    tree = complete_tree(logits, height=height, discount=discount)
    return tree.with_(reward=tree.at_leaves((rng.random(len(tree.leaves)) < 0.3) * 1.0))


def edge_term(tree: Tree, phi: Array, end: float = 0.0) -> np.ndarray:
    """(N,) discount Phi(node) - Phi(parent) on the edge to each node; end : times Phi at leaves."""
    held = np.where(tree.is_leaf, end * phi, phi)
    term = tree.discount * held - parents(tree, held)
    term[0] = 0.0
    return term


def tokens(rng: Any, height: int, end: float, sign: float, critic: float, whole: bool) -> Items:
    """Variance of the update with Phi = V; GAE.

    end, sign, critic : 0, 1 and 1 but for mutants; whole : every token gets the sequence's total
    """
    tree = token_tree(rng, height)
    V = value(tree)
    phi = sign * V + tree.is_leaf * rng.standard_normal(tree.n_nodes)  # an end's must not be read
    shaped = tree.reward + edge_term(tree, phi, end)
    plain, less = credit.reward_to_go(tree), credit.reward_to_go(tree, shaped)
    means = [credit.expected_update(tree, c) for c in (plain, less)]
    rules = {
        "outcome": credit.outcome(tree),
        "outcome less its mean": credit.outcome(tree, baseline=V[0]),
        "reward to go": plain,
        "reward to go, Phi = V": less,
        "true advantage": credit.true_advantage(tree),
    }
    size = {k: float(credit.update_variance(tree, c).sum()) for k, c in rules.items()}
    exact = []
    for paid in (tree.reward, shaped):
        on = np.cumsum(on_tokens(tree, paid)[:, ::-1], axis=1)[:, ::-1]
        on = on[:, :1] + 0 * on if whole else on
        exact.append(float(credit.leaf_update(tree, on)[1].sum()))
    got = [size["reward to go"], size["reward to go, Phi = V"]]
    phi, lam = rng.standard_normal(tree.n_nodes), 0.7
    rough = V + 0.3 * rng.standard_normal(tree.n_nodes)
    other = token_tree(rng, 5, 0.9)
    spend(10 * tree.n_nodes + 20 * UPDATE)
    phi, rough = phi[: other.n_nodes], rough[: other.n_nodes]
    with_term = credit.gae(other, rough, lam, other.reward + edge_term(other, phi, end)).mean
    moved = credit.gae(other, rough + critic * phi, lam).mean
    gap = (with_term - moved)[1:]
    return [
        apart(UPDATE_SAME, means[1], means[0], 1e-12, SUMS),
        Check(QUIETER, got[1] / got[0], 1.0, "<", routes=("sweep", "sweep without the term")),
        apart(ENUMERATES, np.array(got) / exact, np.ones(2), 1e-9, ("sweep", ENUMERATED)),
        apart(CRITIC, gap, np.zeros_like(gap), 1e-12, SUMS),
        Table("variance", ("credit of a token", "variance of the update"),
              [[k, v] for k, v in size.items()],
              f"Trace, one sequence of {height} tokens a step, {len(tree.leaves)} sequences."),
    ]  # fmt: skip


# -- W of every shaper -----------------------------------------------------------------------------
PAYING = ("linear_length", "cosine", "l1_exact", "truncation", "kimi", "efficient_reasoning",
          "grpo_lambda", "trust", "crf", "conciseness_additive")  # fmt: skip


def answers(rng: Any) -> tuple[Tree, dict[str, np.ndarray]]:
    """Texts of up to 4 tokens of 3 kinds, 0 ends them; fields of each node."""
    tree = complete_tree(rng.standard_normal((4, 3)), height=4, end=0)
    right = tree.at_leaves((rng.random(len(tree.leaves)) < 0.5) * 1.0)
    tree = tree.with_(reward=right)
    score = rng.random(tree.n_nodes)
    score[0] = 0.2
    fields = {
        "judge": rng.random(tree.n_nodes),
        "mode": (tree.depth > 2) * 1.0,
        "conciseness": 1 - tree.depth / 4,
        "potential": score,
    }
    return tree, fields | {"score": score, "ratio": 0.5 * rng.standard_normal(tree.n_nodes)}


def shaper_rows(tree: Tree, fields: Any) -> dict[str, tuple[float, str]]:
    """W of each shaper's reward less its outcome, and how far it looks; latents supply the rest."""
    own = {k: v for k, v in fields.items() if k not in ("score", "ratio")}
    r = tree_rollouts(tree, fields=own, max_length=4.0)
    found = {}
    for name, shaper in made("shaper").items():
        assert isinstance(shaper, Shaper)
        try:
            whole = supplied(r, shaper)
        except UndeclaredError:
            continue
        term = np.asarray(shaper.reward(whole))[0] - (0 if name == "potential" else r.correct[0])
        found[name] = float(spread_of_totals(term)), shaper.scope
        spend(UPDATE)
    return found


def catalogue(rng: Any, end: float, paying: Sequence[str], seen: float) -> Items:
    """W per prompt on a small tree.

    end : Phi at the ends, times; paying : must have W > 0; seen : only answers of a larger
    probability count, 0 but for a mutant
    """
    tree, fields = answers(rng)
    score, ratio = fields["score"], fields["ratio"]
    terms = {
        "potential, 0 at the ends": edge_term(tree, score, end),
        "raw scores of a process reward model": score * (tree.parent >= 0),
        "differences of scores": edge_term(tree, score, 1.0),
        "beta log ratios (implicit reward)": ratio * (tree.parent >= 0),
    }
    spreads = {k: float(tree_worst_regret(tree, x)) for k, x in terms.items()}
    if seen:
        kept = leaf_law(tree) > seen
        spreads = {k: float(np.ptp(leaf_returns(tree, x)[kept])) for k, x in terms.items()}
    solved = [worst_regret(to_mdp(tree, x).mdp, to_mdp(tree, x).mdp.reward).value
              for x in terms.values()]  # fmt: skip
    of_answer = np.array([ratio[p[p >= 0]].sum() for p in tree.paths])
    found = shaper_rows(tree, fields)
    rows = [[k, "token", v] for k, v in spreads.items()]
    rows += [[k, s if s == "rollout" else f"{s}, siblings as the base policy writes", w]
             for k, (w, s) in sorted(found.items(), key=lambda x: x[1][0])]  # fmt: skip
    at = list(terms)
    return [
        apart(SPREAD, list(spreads.values()), solved, 1e-9,
              ("spread of totals", "optimal control")),
        apart(ZERO, [spreads[at[0]], found["potential"][0]], np.zeros(2), 1e-12,
              ("sweep", "the shaper on rollouts")),
        Check(PAYS, min(found[n][0] for n in paying), 0.0, ">",
              routes=("the shaper on rollouts", "spread of totals")),
        apart(LAST, [spreads[at[2]]], [np.ptp(score[tree.leaves])], 1e-12, SUMS),
        apart(RATIOS, [spreads[at[3]]], [np.ptp(of_answer)], 1e-12, ("sweep", ENUMERATED)),
        Table("worst-regret", ("term", "looks at", "W"), rows,
              "W = largest less smallest total of reward less outcome over all answers to one "
              f"prompt ({len(tree.leaves)} answers of up to 4 tokens); the regret that the term "
              "can cost at most. Shapers at their defaults, completion limit 4 tokens."),
        Picture("worst-regret", "What a term can cost at most", "W per prompt", "",
                curves=(Curve("W", [row[2] for row in rows], list(range(len(rows)))),),
                labels=[row[0] for row in rows]),
    ]  # fmt: skip


@experiment(
    "56-groups",
    card="56",
    slug="potential-based-groups",
    claim="A discounted potential with 0 at the end is invisible to advantages centred by group, "
    "visible to a standard deviation of the batch's raw rewards; on tokens it is a baseline; on "
    "prefix trees a term is harmless if and only if its total is the same for all answers.",
    source="derived in theory/shaping/groups.py; token credit in worlds/tree/credit.py",
    provenance="derived",
    smoke={"count": 200, "height": 8},
    mutants=(
        Mutant("a potential at the ends", {"kept": 1.0, "parts": ("groups",)}, (INVISIBLE, SEEN)),
        Mutant("the trainer sums with the discount", {"weight": 0.9, "parts": ("groups",)},
               (HIDDEN, BIAS)),
        Mutant("nothing is left at the ends", {"left": 0.0, "parts": ("groups",)}, (LEFT_END,)),
        Mutant("the std of each group", {"scaled": "grpo", "parts": ("groups",)}, (RATIO,)),
        Mutant("the ends of a tree keep Phi", {"end": 1.0, "parts": ("tokens", "catalogue")},
               (UPDATE_SAME, CRITIC, ZERO)),
        Mutant("Phi = -V", {"sign": -1.0, "parts": ("tokens",)}, (QUIETER,)),
        Mutant("the critic keeps V", {"critic": 0.0, "parts": ("tokens",)}, (CRITIC,)),
        Mutant("every token gets the total", {"whole": True, "parts": ("tokens",)}, (ENUMERATES,)),
        Mutant("only likely answers count", {"seen": 0.06, "parts": ("catalogue",)},
               (SPREAD, LAST, RATIOS)),
        Mutant("success alone is looked at", {"paying": ("outcome",), "parts": ("catalogue",)},
               (PAYS,)),
    ),
)  # fmt: skip
def groups_of_rollouts(
    *,
    count: int = 1000,
    height: int = 10,
    kept: float = 0.0,
    weight: float = 1.0,
    left: float = 1.0,
    scaled: str = "grpo_batch",
    end: float = 0.0,
    sign: float = 1.0,
    critic: float = 1.0,
    whole: bool = False,
    seen: float = 0.0,
    paying: Sequence[str] = PAYING,
    parts: Sequence[str] = ("groups", "tokens", "catalogue"),
    seed: int = 0,
) -> Result:
    """count : groups; height : tokens; the others are broken by mutants."""
    rng = [draws(seed, k) for k in (1, 2, 3)]
    return run_parts({
        "groups": lambda: groups(rng[0], count, kept, weight, left, scaled),
        "tokens": lambda: tokens(rng[1], height, end, sign, critic, whole),
        "catalogue": lambda: catalogue(rng[2], end, paying, seen),
    }, parts)  # fmt: skip
