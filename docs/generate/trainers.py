"""The numbers of docs/trainers.md, from the tables of trainers' conventions.

`python -m docs.generate.trainers` prints them, `--write` renews the page; a test holds the two
equal. Everything is computed on one batch of two prompts: rewards 1, 0, 0, 1 on 2, 4, 8 and 6
tokens, the third rollout cut at the limit of 8, and four right rollouts of 4 tokens.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from toyrl.estimators.conventions import CONVENTIONS, Convention, convention
from toyrl.estimators.parts import Averaged
from toyrl.expressions import parse_estimator, parse_objective
from toyrl.objectives.conventions import LOSSES, NONE, Loss, loss
from toyrl.rollouts import Rollouts

PAGE = Path(__file__).parent.parent / "trainers.md"
NAMES = {
    "trl": "TRL",
    "verl": "verl",
    "nemo_rl": "NeMo-RL",
    "openrlhf": "OpenRLHF",
    "prime_rl": "prime-rl",
    "verifiers": "verifiers",
}
REWARD = np.array([[1.0, 0, 0, 1], [1, 1, 1, 1]])
SECOND = np.array([[1.0, 1, 0, 0], [1, 1, 1, 1]])  # of rows with several reward functions
LENGTH = np.array([[2.0, 4, 8, 6], [4, 4, 4, 4]])
CUT = np.array([[False, False, True, False], [False] * 4])
LIMIT = 8
MASK = (np.arange(LIMIT) < LENGTH[..., None]) * 1.0
LOGP = np.full(MASK.shape, -1.0)
FIELDS = {n: LOGP for n in ("ref_logprobs", "sampling_logprobs")} | {"entropy": 0 * LOGP}
BATCH = Rollouts(REWARD, LENGTH, float(LIMIT), truncated=CUT, mask=MASK, fields=FIELDS)
MASKED = BATCH.with_(mask=np.where(CUT[..., None], 0.0, MASK))
CENTRED = np.array([[0.5, -0.5, -0.5, 0.5], [0, 0, 0, 0]])
RHO = (0.05, 0.5, 0.9, 1.1, 1.5, 4.0, 12.0)
DEFAULTS = (
    ("TRL GRPOTrainer", "grpo()", "dapo()"),
    ("TRL GRPOTrainer, dr_grpo and scale_rewards=none", "dr_grpo()", "dr_grpo()"),
    ("TRL RLOOTrainer", "rloo()", "rloo()"),
    ("verl grpo", "grpo_verl()", "vanilla()"),
    ("verl grpo, seq-mean-token-mean", "grpo_verl()", "vanilla(aggregation='grpo')"),
    ("NeMo-RL grpo", "grpo_nemo()", "dapo(count_empty=False)"),
    ("OpenRLHF group_norm", "grpo(eps=1e-9)", "dapo()"),
    ("OpenRLHF reinforce_baseline", "reinforce_baseline()", "dapo()"),
    ("prime-rl grpo", "dr_grpo()", "dppo_tv(cap=inf, beta=0.002)"),
    ("verifiers", "dr_grpo()", loss("verifiers", LOSSES[-1].option).expression),
)


def number(x: float) -> str:
    """Three significant digits, rounding errors as 0."""
    return "0" if abs(x) < 1e-12 else f"{x:.3g}"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def code(text: str) -> str:
    """An expression, or the words that stand for none."""
    return text if text == NONE else f"`{text}`"


def advantages_of(row: Convention) -> np.ndarray | None:
    """(2, 4) advantages of the batch; None where a row reads more than rewards."""
    e = row.estimator
    if e is None or e.needs:
        return None
    parts = {"first": REWARD, "second": SECOND} if isinstance(e, Averaged) else {"first": REWARD}
    return np.asarray(e.apply(parts, BATCH)[0])


def advantages() -> str:
    """Advantages by trainer and option."""
    rows = []
    for c in CONVENTIONS:
        a = advantages_of(c)
        cells = ["-"] * 5 if a is None else [number(x) for x in (*a[0], a[1, 0])]
        ddof = "-" if c.ddof is None else f"{c.ddof:g}"
        rows.append([NAMES[c.trainer], c.option, code(c.expression), *cells, ddof, c.eps])
    head = ["trainer", "option", "expression", "1 (2)", "0 (4)", "0, cut (8)", "1 (6)", "tied"]
    return markdown([*head, "ddof", "eps"], rows)


def edges() -> str:
    """What each option does where its formula says little."""
    rows = [
        [NAMES[c.trainer], c.option, c.singleton, c.missing, c.masked, c.zero_std, c.held_by]
        for c in CONVENTIONS
        if c.estimator is not None
    ]
    head = [
        "trainer",
        "option",
        "group of one",
        "missing reward",
        "masked rollout",
        "equal rewards",
    ]
    return markdown([*head, "held by"], rows)


def weights() -> str:
    """dJ/dlogp of one token on-policy, times 1000, advantages +-0.5."""
    rows = []
    for x in LOSSES:
        objective = x.objective
        cells = ["-"] * 4
        if objective is not None and "+ kl_" not in x.expression:
            r = MASKED if x.option == "mask_truncated" else BATCH
            c = np.asarray(objective.coefficients(CENTRED, r, LOGP, LOGP))[0, :, 0]
            cells = [number(1000 * v) for v in c]
        row = [NAMES[x.trainer], x.option, code(x.expression), *cells, x.divisor, x.empty]
        rows.append([*row, x.all_empty, x.held_by])
    head = ["trainer", "option", "expression", "1 (2)", "0 (4)", "0, cut (8)", "1 (6)"]
    return markdown([*head, "divided by", "no tokens", "none at all", "held by"], rows)


def slope(x: Loss, a: float, rho: float) -> float:
    """dJ/dlogp over A of a rollout of one token whose old probability is 0.05."""
    old = np.full((1, 1, 1), np.log(0.05))
    logp = old + np.log(rho)
    r = Rollouts(np.ones((1, 1)), np.ones((1, 1)), 1.0, mask=np.ones((1, 1, 1)))
    assert x.objective is not None
    return float(x.objective.coefficients(np.full((1, 1), a), r, logp, old)[0, 0, 0]) / a


def clips() -> str:
    """What is left of a token's gradient off-policy, by the sign of its advantage."""
    words = ("+ kl_", "tis", "mis", "top_entropy", "off_policy", "_cov")
    options: dict[tuple[str, ...], list[str]] = {}
    for x in LOSSES:
        if x.expression == NONE or any(w in x.expression for w in words):
            continue
        up, down = ([number(slope(x, a, rho)) for rho in RHO] for a in (1.0, -1.0))
        options.setdefault((NAMES[x.trainer], *up, *down), []).append(x.option)
    rows = []
    for (trainer, *cells), names in options.items():
        told = "; ".join(dict.fromkeys(names))
        rows.append([trainer, told, "A > 0", *cells[: len(RHO)]])
        rows.append(["", "", "A < 0", *cells[len(RHO) :]])
    return markdown(["trainer", "option", "", *(f"ρ = {rho:g}" for rho in RHO)], rows)


def defaults() -> str:
    """Advantage times loss: what a token's log-probability is pushed by, times 1000."""
    rows = []
    for name, estimator, objective in DEFAULTS:
        a = parse_estimator(estimator).apply({"r": REWARD}, BATCH)[0]
        c = np.asarray(parse_objective(objective).coefficients(a, BATCH, LOGP, LOGP))
        total = (c * MASK).sum(-1)
        cells = [number(1000 * x) for x in (*c[0, :, 0], c[1, 0, 0])]
        ratio = number(total[0, 1] / total[0, 2])
        rows.append([name, code(estimator), code(objective), *cells, ratio])
    head = ["trainer", "advantage", "loss", "1 (2)", "0 (4)", "0, cut (8)", "1 (6)", "tied"]
    return markdown([*head, "push of 4 over 8 tokens"], rows)


def missing() -> str:
    """Options without an equivalent."""
    rows = [[NAMES[c.trainer], c.option, c.reason] for c in CONVENTIONS if c.estimator is None]
    rows += [[NAMES[x.trainer], x.option, x.note] for x in LOSSES if x.expression == NONE]
    return markdown(["trainer", "option", "why"], rows)


def sources() -> str:
    """Which file was read."""
    read: dict[tuple[str, str, str], int] = {}
    for row in (*CONVENTIONS, *LOSSES):
        key = (NAMES[row.trainer], row.version, row.read)
        read[key] = read.get(key, 0) + 1
    return markdown(
        ["trainer", "version", "file", "rows"], [[*k, str(n)] for k, n in sorted(read.items())]
    )


def _one(expression: str, *rewards: float) -> np.ndarray:
    """Advantages of one group."""
    reward = np.array([rewards])
    r = Rollouts(0 * reward, np.ones_like(reward), 8.0)
    return np.asarray(parse_estimator(expression).apply({"r": reward}, r)[0])[0]


def pitfalls() -> str:
    """The same rewards, other numbers."""
    tenth = np.full(7, 0.1, dtype=np.float32)
    residue = np.abs(tenth - tenth.mean())[0]
    std = tenth.std(ddof=1)
    small = (1.0001, 1.0, 1.0, 1.0)

    def token(expression: str, r: Rollouts = BATCH) -> float:
        c = parse_objective(expression).coefficients(CENTRED, r, LOGP, LOGP)
        return float(np.asarray(c)[0, 0, 0])

    def eps(value: float) -> str:
        return number(float(_one(f"grpo(eps={value})", *small)[0]))

    verl = token("vanilla(aggregation='grpo')", MASKED) / token("vanilla(aggregation='grpo')")
    rows = [
        [
            "ddof: A of r = 1 among 1, 0, 0, 1",
            f"sample std {number(float(_one('grpo_exact()', 1, 0, 0, 1)[0]))}, "
            f"population std {number(float(_one('grpo_population()', 1, 0, 0, 1)[0]))}",
        ],
        [
            "eps: A of 1.0001 among 1.0001, 1, 1, 1 (a small length bonus, say)",
            f"TRL's 1e-4: {eps(1e-4)}, verl's 1e-6: {eps(1e-6)}, OpenRLHF's 1e-9: {eps(1e-9)}",
        ],
        [
            "eps: seven equal rewards 0.1 in float32",
            f"rounding {residue:.1e} over std {std:.1e} + eps: TRL {residue / (std + 1e-4):.1e}, "
            f"verl {residue / (std + 1e-6):.1e}, OpenRLHF {residue / (std + 1e-9):.1e}; here 0",
        ],
        [
            "own reward in the baseline: A of r = 1 among 1, 0, 0, 1",
            f"mean of all {number(float(_one('dr_grpo()', 1, 0, 0, 1)[0]))}, "
            f"mean of the others {number(float(_one('rloo()', 1, 0, 0, 1)[0]))}",
        ],
        [
            "std of the others: A of r = 1 among 1, 0, 0, 0",
            f"NeMo-RL {number(float(_one('grpo_nemo()', 1, 0, 0, 0)[0]))} (undivided), "
            f"without its guard {float(_one('loo_std()', 1, 0, 0, 0)[0]):.0f}",
        ],
        [
            "a group of one, r = 1",
            f"TRL {number(float(_one('grpo()', 1)[0]))}, "
            f"verl {number(float(_one('grpo_verl()', 1)[0]))}",
        ],
        [
            "a tied prompt under whitening: its advantage in this batch",
            f"verl reinforce_plus_plus_baseline "
            f"{number(_tied('verl', 'reinforce_plus_plus_baseline'))}, OpenRLHF "
            f"reinforce_baseline {number(_tied('openrlhf', 'reinforce_baseline'))}",
        ],
        [
            "a tied prompt in the divisor: push on the right 2-token rollout with it over without",
            f"dapo {number(token('dapo()') / _alone('dapo()'))}, "
            f"grpo {number(token('grpo()') / _alone('grpo()'))}",
        ],
        [
            "length: push on a token of the 2-token over one of the 6-token right rollout",
            f"grpo {number(_by_length('grpo()'))}, dapo {number(_by_length('dapo()'))}, "
            f"dr_grpo {number(_by_length('dr_grpo()'))}",
        ],
        [
            "the cut rollout masked: push on the right 2-token rollout, masked over not",
            f"TRL grpo {number(token('grpo()', MASKED) / token('grpo()'))}, "
            f"verl seq-mean-token-mean {number(verl)}, "
            f"token mean {number(token('dapo()', MASKED) / token('dapo()'))}",
        ],
        [
            "cispo with epsilon_high unset (TRL): share of the gradient that is left",
            number(token("cispo(cap=0.2)") / token("cispo()")),
        ],
    ]
    return markdown(["what differs", "numbers"], rows)


def _tied(trainer: str, option: str) -> float:
    a = advantages_of(convention(trainer, option))
    assert a is not None
    return float(a[1, 0])


def _alone(expression: str) -> float:
    """Push on the first rollout's tokens without the tied prompt."""
    r = Rollouts(REWARD[:1], LENGTH[:1], float(LIMIT), mask=MASK[:1])
    c = parse_objective(expression).coefficients(CENTRED[:1], r, LOGP[:1], LOGP[:1])
    return float(np.asarray(c)[0, 0, 0])


def _by_length(expression: str) -> float:
    c = np.asarray(parse_objective(expression).coefficients(CENTRED, BATCH, LOGP, LOGP))
    return float(c[0, 0, 0] / c[0, 3, 0])


PARTS: dict[str, Any] = {
    "defaults": defaults,
    "pitfalls": pitfalls,
    "advantages": advantages,
    "edges": edges,
    "weights": weights,
    "clips": clips,
    "missing": missing,
    "sources": sources,
}


def renewed(page: str) -> str:
    """The page with each part between its marks made anew.

    Raises ValueError for a page that lacks one of the marks.
    """
    for name, make in PARTS.items():
        mark = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.S)
        if not mark.search(page):
            msg = f"the page has no '<!-- begin {name} -->' ... '<!-- end {name} -->'; add both"
            raise ValueError(msg)
        text = f"\n{make()}\n\n"
        page = mark.sub(lambda m, text=text: m[1] + text + m[2], page)
    return page


def main(arguments: Sequence[str]) -> int:
    """Print the parts, or write them into the page."""
    if "--write" in arguments:
        PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        for name, make in PARTS.items():
            print(f"{name}\n\n{make()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
