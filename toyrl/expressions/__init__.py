"""Catalogue expressions: rewards, estimators, objectives and graders written as text, and back.

Grammar (a subset of Python's, read with `ast`, never evaluated)::

    reward    := term (("+" | "-") term)*
    term      := number "*" factor | schedule "*" factor | factor ("*" | "/") number | factor
    factor    := name "(" arguments ")" | "-" factor | "(" reward ")"
    estimator := name | name "(" field "=" argument, ... ")"
    objective := estimator's form, ("+" the same)*
    argument  := number | schedule | reward | estimator | objective | None | True | False | "text"
               | (argument, ...) | {"text": number, ...}
    grader    := name | name "(" field "=" argument, ... ")"
    schedule  := constant(v) | linear(start, end, steps) | cosine_anneal(start, end, steps)
               | step_at(before, after, at)

Names and arguments are those of the catalogue (`toyrl list`). Examples: ``laser(target=0.5)``,
``outcome() - 0.3*linear_length()``, ``clipped(outcome() + overlong(), 0, 1)``,
``crf(s=linear(1, 0, 300))``, ``averaged(inner=grpo_population())``, ``grpo() + kl_k3(beta=0.04)``.
"""

from toyrl.expressions.read import (
    ExpressionError,
    parse,
    parse_estimator,
    parse_grader,
    parse_objective,
)
from toyrl.expressions.write import from_json, shaper_name, shown, to_expression, to_json

__all__ = [
    "ExpressionError",
    "from_json",
    "parse",
    "parse_estimator",
    "parse_grader",
    "parse_objective",
    "shaper_name",
    "shown",
    "to_expression",
    "to_json",
]
