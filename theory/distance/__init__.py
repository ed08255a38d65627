"""How far apart two rewards are as orders of policies, what may be lost, and why.

One scale everywhere: 0 the same order of all policies, 1 from a reward that orders nothing, sqrt 2
for uncorrelated rewards, 2 the opposite order.

    distance(mdp, first, second, metric="starc")         a number; of JAX arrays differentiable
    distance_matrix(mdp, rewards, others=None, metric)   all of a batch, factorised once
    standardise(mdp, reward, metric)                     s = c / n(c), (S, A, S)
    canonicalise(mdp, reward, how)                       c, a `Canonical`: .pairs() .tensor()
                                                         .norm(kind) .potential .status
    closest_potential(mdp, reward, target)               NPEC's inner step, in closed form
    worst_case_regret(mdp, first, second)                the most that can be lost, and two policies
    regret_bounds(mdp, d), range_bound(mdp, R, Q)        what distances say of it
    optimisation_regret(mdp, R, Q), return_range(mdp, R)

`mdp` is a `toyrl.worlds.mdp.model.MDP` (transitions dense or sparse). A reward is (S,), (S, A),
(S, A, S) or sparse (S*A, S); None is the process's own. `metric` is a name of `PRESETS` (starc,
val, minimal, val_potential, npec, epic, dard, none) or `Metric(canonical, norm, difference)`; `how`
is one of `CANONICAL`; all take policy=(S, A) or (A,) and states=(S,). The closest potential on what
can happen is `toyrl.worlds.mdp.projection.fit_potential(mdp, paid (..., S, A))`, with .potential,
.left and .residual.

`order` compares rewards of outcome classes (one prompt a bandit), as a log or a law gives them.

Formulas, null spaces and costs: docs/theory/distance.md.
"""

from toyrl.theory.distance.canonical import (
    CANONICAL,
    Canonical,
    Canonicaliser,
    canonicalise,
    closest_potential,
)
from toyrl.theory.distance.metric import (
    PRESETS,
    Metric,
    distance,
    distance_matrix,
    standardise,
)
from toyrl.theory.distance.regret import (
    WorstCase,
    optimisation_regret,
    range_bound,
    regret_bounds,
    return_range,
    worst_case_regret,
)

__all__ = [
    "CANONICAL",
    "PRESETS",
    "Canonical",
    "Canonicaliser",
    "Metric",
    "WorstCase",
    "canonicalise",
    "closest_potential",
    "distance",
    "distance_matrix",
    "optimisation_regret",
    "range_bound",
    "regret_bounds",
    "return_range",
    "standardise",
    "worst_case_regret",
]
