"""What came of the ledger's settings, in numbers: against the base, against correctness-only
training, and how long completions were in the end.

The sentences that these numbers are taken from are the settings' own (`Setting.published`) or stand
beside the number here. Where a paper gives words only, the setting's `said` has them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Came:
    """Of one setting; None for what the paper doesn't give.

    base, correctness : points of accuracy against the base, against correctness-only training
    length : mean completion at the end over that of the base
    family : settings with the same name are of one base and recipe, so that their rewards can be
        contrasted; "" for a setting that stands alone
    """

    base: float | None = None
    correctness: float | None = None
    length: float | None = None
    family: str = ""


FORMAT, LASER, DELTA, NOISE = "02 Qwen2.5-Math-7B", "05 R1-1.5B", "09 Qwen2-1.5B", "25 Qwen2.5-7B"
CRF, LAMBDA, RENORM = "01 Qwen2.5-7B", "04", "18"

CAME: dict[str, Came] = {
    "01-crf": Came(base=8.1, length=0.801, family=CRF),
    "01-length-penalty": Came(family=CRF),
    "02-correctness": Came(base=16.4, correctness=0.0, family=FORMAT),
    "02-format-only": Came(base=15.0, correctness=-1.4, family=FORMAT),
    "02-format-length": Came(base=20.2, correctness=3.8, family=FORMAT),
    "03-rloo-lp": Came(base=-7.1, length=0.62),
    "04-uniform-penalty": Came(family=LAMBDA),
    "04-grpo-lambda": Came(base=1.48, length=0.527, family=LAMBDA),
    # LASER's main table: tokens over the base's 10177
    "05-truncation-8192": Came(base=-1.6, length=2915 / 10177, family=LASER),
    "05-truncation-4096": Came(base=-7.5, length=1646 / 10177, family=LASER),
    "05-group": Came(base=-2.2, length=3085 / 10177, family=LASER),
    "05-l1-max-4096": Came(base=-5.5, length=1245 / 10177, family=LASER),
    "05-laser-4096": Came(base=1.8, length=3636 / 10177, family=LASER),
    "05-laser-d-4096": Came(base=3.4, length=3520 / 10177, family=LASER),
    "05-laser-de-4096": Came(base=2.6, length=3577 / 10177, family=LASER),
    "08-dler-1.5b": Came(base=4.59, length=2466 / 10499),
    "08-dler-7b": Came(base=0.22, length=2405 / 7747),
    # the middle of 2 to 5 % lower, of 33 to 59 % fewer tokens
    "11-hapo": Came(base=-3.5, length=0.54),
    "17-fixed-budget": Came(base=-0.84, length=87.0 / 258.4),
    # base 24.90, success reward alone 30.58
    "09-outcome": Came(base=5.68, correctness=0.0, family=DELTA),
    "09-process": Came(base=-13.74, correctness=-19.42, family=DELTA),
    "09-process-clip": Came(base=5.40, correctness=-0.28, family=DELTA),
    "15-pear-1.5b": Came(base=0.72, length=3250 / 4805),
    "15-pear-4b": Came(base=-0.58, length=3221 / 7428),
    "15-pear-8b": Came(base=0.08, length=3200 / 6845),
    "18-process-sum": Came(family=RENORM),
    "18-renorm": Came(family=RENORM),
    "21-toolrl": Came(base=17.0),
    # base 4.82, clean rewards 75.85
    "25-clean": Came(base=71.03, correctness=0.0, family=NOISE),
    "25-noise-40": Came(base=67.20, correctness=-3.83, family=NOISE),
    "25-noise-50": Came(family=NOISE),
    "25-patterns": Came(family=NOISE),
    "28-rule": Came(base=2.55, correctness=0.0),
}
