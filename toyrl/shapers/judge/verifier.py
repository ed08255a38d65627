"""A reward paid by the verdict of a verifier that may err, in the place of the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaped, Shaper
from toyrl.shapers.outcome import Outcome


@entry(
    "verified",
    kind="shaper",
    formula="R = R_term with `verified` in the place of `correct`",
    cards=("25",),
    section="sections 2 and 3 (flipped rewards)",
    provenance="derived",
)
@dataclass(frozen=True)
class Verified(Shaper):
    """A reward as an erring verifier pays it: the term reads the field `verified` as correctness.

    term : any shaper; by default the outcome, so that R = `verified`, (..., B, G)
    Evaluation keeps the truth: `correct` itself is left alone. What flips do to training is in
    `toyrl.theory.noise`; source: paper 25.
    """

    term: Shaper = Outcome()  # noqa: RUF009 -- frozen
    needs: ClassVar[tuple[str, ...]] = ("verified",)

    def parts(self, r: Rollouts, memory: Mapping[str, Any]) -> Parts | Shaped:
        return self.term.parts(r.with_(correct=r.need("verified", by="verified")), memory)
