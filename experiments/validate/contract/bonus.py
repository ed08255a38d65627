"""What is said of intrinsic bonuses: where they end, and a reward that one of them makes fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toyrl.experiments.validate.contract.shaper import LIMIT, supply
from toyrl.experiments.validate.findings import Finding
from toyrl.rollouts.classes import class_rollouts
from toyrl.shapers.base import Shaper, at
from toyrl.shapers.explore.bonus import LAST, Intrinsic, bonuses, ended
from toyrl.worlds.mdp.model import MDP

if TYPE_CHECKING:
    from toyrl.theory.shaping.regret import Witness

NAME = "contract/bonus"
ROUNDING = 1e-12


@dataclass(frozen=True)
class Bonuses:
    """The intrinsic bonuses of a reward at the end of their schedules.

    right, wrong : what all of them pay a right and a wrong answer of equal length, assumed fields
        included; start, last : the sum of the absolute weights at update 0 and at the end
    """

    right: float
    wrong: float
    start: float
    last: float

    @property
    def witness(self) -> Witness:
        """A base reward on the two answers, (1 state, 2 actions), for which the bonus misleads."""
        from toyrl.theory.shaping.regret import witness  # loads Numba

        term = np.array([[self.right, self.wrong], [0.0, 0.0]])
        moves = np.zeros((2, 2, 2))
        moves[0, :, 1] = 1.0
        two = MDP(moves, np.zeros((2, 2)), 1.0, start=[1.0, 0.0], terminal=[False, True])
        return witness(two, term)


def paid(terms: Sequence[tuple[Any, float]]) -> Bonuses | None:
    """The bonuses of weighted terms, None without one."""
    shapers = [(s, w) for s, w in terms if isinstance(s, Shaper) and bonuses(s)]
    if not shapers:
        return None
    own = [(b, w * _scale(s, b)) for s, w in shapers for b in bonuses(s)]
    one = class_rollouts(None, correct=np.array([[1.0, 0.0]]), length=np.full((1, 2), LIMIT / 2),
                         max_length=float(LIMIT), group_size=None)  # fmt: skip
    total = np.zeros(2)
    for b, w in own:
        parts = ended(b).apply(supply(b, one)).parts
        own_parts = [v for k, v in parts.items() if k != "outcome"]
        total += w * np.sum(own_parts, axis=0)[0]
    start, last = (sum(abs(w * float(b.intrinsic_weight(s))) for b, w in own) for s in (0, LAST))
    return Bonuses(float(total[0]), float(total[1]), start, last)


def _scale(shaper: Shaper, bonus: Intrinsic) -> float:
    """What the shapers around a bonus multiply it by, at the end of their schedules."""
    if shaper is bonus:
        return 1.0
    inside = next(c for c in shaper.children() if bonus in bonuses(c))
    weight: Any = getattr(ended(shaper), "weight", 1.0) if len(shaper.children()) == 1 else 1.0
    return float(at(weight, LAST)) * _scale(inside, bonus)


def findings(terms: Sequence[tuple[Any, float]]) -> list[Finding]:
    """One finding on the bonuses among weighted terms; none without a bonus."""
    found = paid(terms)
    if found is None:
        return []
    if found.last <= ROUNDING:
        text = (
            "Its intrinsic bonus ends at weight 0 and is judged there: what is best in the end is "
        )
        return [Finding(1, NAME, "info", text + "left alone; what happens before is not judged.",
                        value=found.last)]  # fmt: skip
    kept = "never ends" if found.start == found.last else f"ends at weight {found.last:.3g}"
    seen = found.witness
    text = f"{Intrinsic.warns}. It {kept}, and is judged there"
    if seen.bound <= ROUNDING:
        text += "; a right and a wrong answer are paid alike under what is assumed of them."
        return [Finding(1, NAME, "warn", _cased(text), value=found.last)]
    base = {"right": float(seen.reward[0, 0]), "wrong": float(seen.reward[0, 1])}
    text += (
        f": as assumed, a right answer gets {found.right:.3g} of it and a wrong one "
        f"{found.wrong:.3g}, so it can cost {seen.bound:.3g} of the return."
    )
    told = {"base_reward": base, "bonus": {"right": found.right, "wrong": found.wrong},
            "regret": seen.regret}  # fmt: skip
    fix = "give its weight a schedule that ends at 0, such as weight=linear(0.1, 0, 500)"
    return [Finding(1, NAME, "warn", _cased(text), value=seen.bound, bound=0.0,
                    counterexample=told, fix=fix)]  # fmt: skip


def _cased(text: str) -> str:
    return text[:1].upper() + text[1:]
