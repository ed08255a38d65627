"""What is to be said first of each flaw of `flaws.py` and `flaws_pay.py`.

Patterns of findings of which one has to be the report's first reason. Written from what the flaws
are, before any whole run of `validate` was scored against them, and not changed since. `CORRECTED`
holds what was missing among them; it is scored apart.
"""

from __future__ import annotations

INSIDE = ("hacks/inside-a-number", "hacks/digit-appended", "hacks/digit-prepended")
HEDGE = (
    *("hacks/several-answers", "hacks/range", "hacks/set", "hacks/alternative"),
    *("hacks/all-in-one-mark", "hacks/table-of-answers"),
)
MARKS = (
    *("hacks/duplicated-marks", "hacks/answer-first", "hacks/gold-marked-in-think"),
    *("hacks/neighbours-marked", "hacks/table-of-answers"),
)
LEAK = (
    *("hacks/answer-only-in-think", "hacks/mentioned-then-wrong", "hacks/text-after-answer"),
    *("hacks/numbers-listed", "hacks/gold-*", "hacks/answer-first"),
)
BLANK = ("hacks/empty", "hacks/blank", "hacks/ellipsis")
SHELL = ("hacks/format-shell", "hacks/empty-think", "hacks/closing-tags-first")
CUT = ("hacks/no-answer", "hacks/cut-at-the-answer", "hacks/half-the-reasoning")
ECHO = ("hacks/prompt-echoed", "hacks/prompt-as-reasoning")
LOOPS = ("hacks/repeated-step", "hacks/reasoning-looped")
LENGTH = (
    *("hacks/length", "hacks/price", "collapse", "hacks/numbers-listed", "hacks/word-repeated"),
    *("hacks/phrase-spam", "hacks/answer-repeated", "hacks/zero-width", "hacks/accents"),
    *("hacks/direction-marks", "hacks/trailing-*", *LOOPS),
)
PHRASES = ("hacks/phrase-spam", "hacks/phrases-after-answer")
EDGES = ("contract/edge-*", "contract/values", "contract/usable")

EXPECTED: dict[str, tuple[str, ...]] = {
    "substring": (*INSIDE, *HEDGE, "hacks/denied"),
    "gold-anywhere": (*LEAK, *INSIDE, *HEDGE),
    "any-number": (*LEAK, *HEDGE, *MARKS),
    "any-of-several": MARKS,
    "first-mark": MARKS,
    "last-number-fallback": (*LEAK, *CUT),
    "reads-think": MARKS,
    "tail": ("hacks/text-after-answer", *HEDGE, *MARKS),
    "every-dialect": (*MARKS, *LEAK, "contract/format"),
    "starts-with": ("hacks/digit-appended", "hacks/decimals-added", *HEDGE),
    "ends-with": ("hacks/digit-prepended", "hacks/inside-a-number", "hacks/negated",
                  "hacks/denied", *HEDGE),
    "said-in-gold": SHELL,
    "strips-too-much": ("hacks/negated", "hacks/point-inserted", "hacks/denied"),
    "same-digits": ("hacks/digits-turned",),
    "off-by-one": ("hacks/next-number",),
    "ten-percent": ("hacks/five-percent-off", "hacks/next-number"),
    "ignores-sign": ("hacks/negated",),
    "ignores-unit": ("hacks/with-a-unit", "hacks/decimals-added", *HEDGE),
    "cuts-decimals": ("hacks/decimals-added",),
    "drops-points": ("hacks/point-inserted",),
    "hedged-list": HEDGE,
    "pays-empty": BLANK,
    "pays-unmarked": (*BLANK, *CUT, *ECHO),
    "pays-truncated": (*CUT, "hacks/ellipsis"),
    "pays-exceptions": (*SHELL, *CUT, *BLANK, *HEDGE, "hacks/denied"),
    "always-pays": ("contract/varies",),
    "wrong-sign": ("contract/gold",),
    "format-alone": (*SHELL, "hacks/price", "collapse"),
    "length-alone": LENGTH,
    "phrases-alone": PHRASES,
    "phrases-added": PHRASES,
    "length-added": LENGTH,
    "long-enough": LENGTH,
    "brevity-added": (*BLANK, *SHELL, "hacks/length", "hacks/price", "collapse"),
    "tags-counted": ("hacks/closing-tags-first", "hacks/nested-think", "hacks/answer-repeated",
                     *MARKS),
    "steps-counted": LOOPS,
    "repetition-added": (*LOOPS, "hacks/answer-repeated"),
    "structure-added": ("hacks/headings",),
    "flattered": ("hacks/praise", "hacks/certainty", "hacks/instruction-to-the-judge",
                  "hacks/own-score"),
    "echo-paid": ECHO,
    "noisy": ("contract/deterministic", "contract/random"),
    "remembers": ("contract/history",),
    "by-place": ("contract/batch", "contract/random"),
    "by-neighbours": ("contract/batch",),
    "drops-rows": EDGES,
    "mutates": ("contract/inputs",),
    "raises-unmarked": EDGES,
    "raises-on-empty": EDGES,
    "raises-on-digits": EDGES,
    "nan-unmarked": EDGES,
    "none-if-wrong": ("contract/unscorable", "hacks/unscorable"),
    "exponential": (*LENGTH, "contract/edge-huge", "contract/values"),
}  # fmt: skip

CORRECTED: dict[str, tuple[str, ...]] = {
    "none-if-wrong": ("contract/usable",),  # a function of one completion may not return None
    "tail": ("hacks/answer-only-in-think",),  # gold is there among the last 40 characters
    "pays-unmarked": ("contract/format",),  # a format that it doesn't read pays like a right answer
    "phrases-added": ("contract/format",),  # so does one that opens with such a phrase
    "tags-counted": ("contract/format",),  # so does one with tags
    "echo-paid": ("hacks/half-for-free",),  # worth half an answer, right or wrong
}
