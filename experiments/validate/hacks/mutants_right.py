"""Right answers that a reward may leave unpaid: text around them, line breaks, other notations.

Each starts from a right rollout and stays right. What is asked is no more than whether a reward
pays it; one format may well demand one notation.
"""

from __future__ import annotations

from collections.abc import Callable

from toyrl.experiments.validate.hacks.mutants import Mutant, final, retext
from toyrl.graders.base import TextRow
from toyrl.worlds.text.dialects import columns, dialect_of, step_text
from toyrl.worlds.text.problems import Problem
from toyrl.worlds.text.prose import count_tokens
from toyrl.worlds.text.render import RenderedRow, compose, mark

REMARK = "I hope that this helps. "
LONG_REMARKS = 30
GREETING = "Sure, here is how it goes.\n"
FEW = 4  # rollouts that a notation is tried on
SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
WIDE = str.maketrans("0123456789", "０１２３４５６７８９")


def in_words(number: int) -> str:
    """A number in 0..99 in English."""
    if number < 20:
        return SMALL[number]
    tens, ones = TENS[number // 10 - 2], number % 10
    return f"{tens}-{SMALL[ones]}" if ones else tens


# -- answers of four digits ------------------------------------------------------------------------
def larger(base: RenderedRow) -> Problem:
    """A problem that goes from the base's answer on to a number of four digits, all of its own."""
    gold = base.problem.gold
    times = 100 if gold >= 10 else 1000
    values = (gold, gold * times, gold * times + 12)
    asked = f"Start with {gold}. Multiply by {times}. Add 12. What is the result?"
    return Problem(2, asked, (("Multiply by", times), ("Add", 12)), values, str(values[-1]))


def has_larger(base: RenderedRow) -> bool:
    """Whether `larger` can be asked: the row is ours, and its answer is in 1..99."""
    return base.row.written and 1 <= base.problem.gold <= 99


def to_larger(base: RenderedRow, answer: Callable[[int], str], *, worked: bool = True) -> TextRow:
    """A completion of the larger problem, with the answer that this makes of its gold.

    worked : its working comes to gold; else it stops before
    """
    problem, layout = larger(base), dialect_of(base.dialect)
    work = "\n".join(
        step_text(problem, i, problem.values[i], problem.values[i + 1]) for i in range(1 + worked)
    )
    text = compose(base.dialect, work, mark(base.dialect, answer(problem.gold)))
    tokens = max(1, count_tokens(text))
    return TextRow(problem.prompt, text, columns(problem, layout), tokens, written=True)


# -- the mutants -----------------------------------------------------------------------------------
def _in_mark(form: Callable[[int], str]) -> Callable[[RenderedRow], TextRow]:
    """The right answer in another notation."""
    return lambda base: retext(
        base, compose(base.dialect, base.work, mark(base.dialect, form(base.problem.gold)))
    )


def _text(change: Callable[[RenderedRow], str]) -> Callable[[RenderedRow], TextRow]:
    return lambda base: retext(base, change(base))


def _tagged(base: RenderedRow) -> bool:
    """Whether a mark ends at a sign of its own, so that an answer may stand on a line in it."""
    return dialect_of(base.dialect).after.strip().startswith(("<", "["))


def _place(name: str, change: Callable[[RenderedRow], str], most: int = FEW) -> Mutant:
    return Mutant(name, "place", _text(change), truth=True, most=most)


def _notation(
    name: str,
    family: str,
    form: Callable[[int], str],
    fits: Callable[[RenderedRow], bool] = lambda _: True,
) -> Mutant:
    return Mutant(name, family, _in_mark(form), truth=True, fits=fits, most=FEW)


def _large(name: str, form: Callable[[int], str]) -> Mutant:
    return Mutant(
        name,
        "thousands",
        lambda base: to_larger(base, form),
        truth=True,
        fits=has_larger,
        most=FEW - 1,
    )


def _before(base: RenderedRow) -> str:
    work = f"{base.work}\n{REMARK * LONG_REMARKS}"
    return compose(base.dialect, work, final(base))


RIGHT: tuple[Mutant, ...] = (
    # -- text around the answer
    _place("remark-first", lambda b: GREETING + b.row.completion),
    _place("long-remark-before", _before, most=8),
    _place("remark-after", lambda b: f"{b.row.completion}\n{REMARK}", most=8),
    _place("long-remark-after", lambda b: f"{b.row.completion}\n{REMARK * LONG_REMARKS}", most=8),
    _place("blank-lines-after", lambda b: f"{b.row.completion}\n\n"),
    # -- white space in the mark
    _notation("spaces", "spacing", lambda g: f" {g} "),
    _notation("own-line", "spacing", lambda g: f"\n{g}\n", _tagged),
    Mutant(
        "line-ends",
        "line-ends",
        _text(lambda b: b.row.completion.replace("\n", "\r\n")),
        truth=True,
        fits=lambda b: "\n" in b.row.completion,
        most=FEW,
    ),
    # -- the number itself
    _notation("decimal", "decimals", lambda g: f"{g}.0"),
    _notation("two-decimals", "decimals", lambda g: f"{g}.00"),
    _notation("leading-zero", "signs", lambda g: f"0{g}"),
    _notation("plus-sign", "signs", lambda g: f"+{g}"),
    _notation("full-stop", "signs", lambda g: f"{g}."),
    _notation("equals", "signs", lambda g: f"= {g}"),
    _notation("bold", "signs", lambda g: f"**{g}**"),
    _notation("words", "words", in_words, lambda base: 0 <= base.problem.gold <= 99),
    _notation("math-mode", "latex", lambda g: f"${g}$"),
    _notation("round-math-mode", "latex", lambda g: rf"\({g}\)"),
    _notation("latex-text", "latex", lambda g: rf"\text{{{g}}}"),
    _notation("latex-fraction", "latex", lambda g: rf"\frac{{{2 * g}}}{{2}}"),
    _notation("fraction", "fractions", lambda g: f"{2 * g}/2"),
    _notation("unit-behind", "units", lambda g: f"{g} units"),
    _notation("unit-in-latex", "units", lambda g: rf"{g}\text{{ units}}"),
    _notation("arabic-digits", "digits", lambda g: str(g).translate(ARABIC)),
    _notation("wide-digits", "digits", lambda g: str(g).translate(WIDE)),
    # -- thousands
    _large("four-digits", str),
    _large("thousands-comma", lambda g: f"{g:,}"),
    _large("thousands-space", lambda g: f"{g:,}".replace(",", "\u202f")),
    _large("thousands-latex", lambda g: f"{g:,}".replace(",", "{,}")),
)
