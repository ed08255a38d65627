"""A process reward by a rule: a step that holds a false equation is bad, any other is good."""

import re

EQUATION = re.compile(r"(-?\d+) ([-+*]) (-?\d+) = (-?\d+)")
RESULT = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}


def score(steps):
    """0.9 for each step without a false equation, 0.2 for the others."""
    return [0.9 if all(map(true, EQUATION.findall(step))) else 0.2 for step in steps]


def true(equation):
    a, sign, b, said = equation
    return RESULT[sign](int(a), int(b)) == int(said)
