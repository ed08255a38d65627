"""When does guessing pay more than thinking? Best policies of the reasoning chain, in closed form.

A prompt of the chain (`toyrl.worlds.chain.model.Chain`) needs d useful steps; a policy that sees
its progress m alone answers at some m = k, for whatever it does later is never reached. With
progress q a step, it takes k/q steps to get there; no slip has happened on the way with probability
phi^k, phi = q (1 - s)/(1 - (1 - q)(1 - s)); an unfinished or erroneous answer is right with
probability g. So among prompts of difficulties d_1 < d_2 < ... with shares rho_j

    accuracy(k) = g + (1 - g) phi^k P(d <= k),        length(k) = k/q + 1,

and only k = 0 and the difficulties can be best. All derived, for a limit of actions that is far
away.

Formulas: docs/theory/length.md.
"""

from __future__ import annotations

import numpy as np

from toyrl.registry import entry
from toyrl.worlds.chain.model import Chain


@entry(
    "stop_values",
    kind="theorem",
    cards=("01", "03"),
    section="length collapse; derived for the reasoning chain",
    provenance="derived",
    formula="accuracy g + (1 - g) phi^k P(d <= k), length k/q + 1",
)
def stop_values(chain: Chain) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where a policy may answer, how often it is right then, and its mean length in actions.

    (J + 1,) each: k = 0 (guess) and the J difficulties that are needed, ascending.

    Raises ValueError for a chain whose policy sees a done flag, and where no step makes progress.
    """
    if chain.flag_noise is not None or chain.progress == 0:
        msg = (
            f"chain: flag_noise={chain.flag_noise}, progress={chain.progress}; the closed form is "
            "for a policy that sees its progress alone and makes some"
        )
        raise ValueError(msg)
    d, rho = np.asarray(chain.difficulties, dtype=float), np.asarray(chain.shares, dtype=float)
    k = np.unique(np.concatenate([[0.0], d[rho > 0]]))
    clean = 1 - chain.slip
    phi = chain.progress * clean / (1 - (1 - chain.progress) * clean)
    finished = (rho * (d <= k[:, None])).sum(-1)
    right = chain.guess + (1 - chain.guess) * phi**k * finished
    return k, right, k / chain.progress + 1


@entry(
    "thinking_weights",
    kind="theorem",
    cards=("01", "03"),
    section="length collapse; derived for the reasoning chain",
    provenance="derived",
    formula="N (a_j - a_i)/(n_j - n_i), j and i neighbours on the hull of (length, accuracy)",
)
def thinking_weights(chain: Chain) -> tuple[np.ndarray, np.ndarray]:
    """Weights alpha of o - alpha L/N at which the best policy gives up a stop for an earlier one.

    (M,) stops k from the longest on and (M,) weights, rising: above the last one guessing is best.
    N is the completion limit. The stops are the corners of the upper hull of (length, accuracy),
    the weights its slopes times N: for one difficulty (1 - g) phi^d q N/d. Stops below the hull are
    best at no weight. The steps from one prompt type to the next are priced by what that type adds
    to the accuracy, so that a rare hard type is given up first.

    Raises ValueError as `stop_values` does.
    """
    k, right, actions = stop_values(chain)
    at, stops, weights = int(np.argmax(right)), [], []
    while at > 0:
        slope = (right[at] - right[:at]) / (actions[at] - actions[:at])
        least = slope.min()
        stops.append(k[at])
        weights.append(least * chain.H)
        at = int(np.flatnonzero(slope <= least * (1 + 1e-12))[0])
    return np.array(stops), np.array(weights)


@entry(
    "gated_thinking_weight",
    kind="theorem",
    cards=("01", "03"),
    section="length collapse; derived for the reasoning chain",
    provenance="derived",
    formula="w = (a - g)/((E[o L] - g)/N - (a - g)), inf where the divisor is not above 0",
)
def gated_thinking_weight(chain: Chain) -> float:
    """Weight w of o (1 + w (1 - L/N)) from which guessing beats thinking to the hardest prompt.

    For one difficulty and no slip, where all thought-out answers are right: with n = d/q + 1
    actions, (1 - g)/((n - g)/N - (1 - g)). inf where (n - g)/N <= 1 - g: what is lost by guessing
    is paid (1 + w) times too, so a limit well above the work needed leaves no such weight.

    Raises ValueError as `stop_values` does, for several difficulties, and for slips.
    """
    k, right, actions = stop_values(chain)
    if k.size != 2 or chain.slip > 0:
        msg = (
            f"chain: difficulties={chain.difficulties}, slip={chain.slip}; the closed form is for "
            "one difficulty and no slip"
        )
        raise ValueError(msg)
    gain = right[1] - right[0]
    cost = (right[1] * actions[1] - right[0]) / chain.H - gain
    return float(gain / cost) if cost > 0 else float("inf")
