"""A Python expression as MathML, so that the formula a reader sees is the one a test evaluates.

Understood are numbers, names, + - * / ** and unary minus, comparisons, calls, subscripts,
conditional expressions, and `sum(... for k in range(a, b))` or `sum(... for i in answers)`, the
same with `prod`, `max` and `min`. Anything else is refused.

A name's first part may be a Greek letter, `_hat` and `_bar` are accents, other parts and trailing
digits are subscripts: `p_hat`, `omega_G`, `m1`. A trailing underscore is dropped (`lambda_`).
"""

from __future__ import annotations

import ast
import re
from html import escape

GREEK = dict(
    zip(
        [
            "alpha",
            "beta",
            "gamma",
            "delta",
            "epsilon",
            "eta",
            "theta",
            "kappa",
            "lambda",
            "mu",
            "nu",
            "pi",
            "rho",
            "sigma",
            "tau",
            "phi",
            "psi",
            "omega",
            "Delta",
            "Sigma",
            "Phi",
            "Omega",
        ],
        "αβγδεηθκλμνπρστφψωΔΣΦΩ",
        strict=True,
    )
)
SIGNS = {
    ast.Lt: "&lt;",
    ast.LtE: "≤",
    ast.Gt: "&gt;",
    ast.GtE: "≥",
    ast.Eq: "=",
    ast.And: "and",
    ast.Or: "or",
}
BIG = {"sum": "∑", "prod": "∏", "max": "max", "min": "min"}
CONDITION, COMPARISON, SUM, PRODUCT, POWER, ATOM = range(6)


def to_mathml(expression: str) -> str:
    """MathML of an expression; `left == right` is set as an equation.

    Raises ValueError for syntax that has no rule here.
    """
    return _set(ast.parse(expression.strip(), mode="eval").body)


def definition(name: str, expression: str) -> str:
    """MathML of `name = expression`; a list over indices defines its elements."""
    left: ast.expr = ast.Name(name)
    right = ast.parse(expression.strip(), mode="eval").body
    while isinstance(right, ast.ListComp):
        left = ast.Subscript(left, right.generators[0].target)
        right = right.elt
    return f"<mrow>{_set(left)}<mo>=</mo>{_set(right)}</mrow>"


def _set(node: ast.expr, at_least: int = CONDITION) -> str:
    level, text = _node(node)
    return f"<mrow><mo>(</mo>{text}<mo>)</mo></mrow>" if level < at_least else text


def _node(node: ast.expr) -> tuple[int, str]:
    """How tightly a node binds, and its MathML."""
    match node:
        case ast.Constant(value=value):
            return ATOM, f"<mn>{value}</mn>"
        case ast.Name(id=name):
            return ATOM, _name(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return SUM, f"<mrow><mo>−</mo>{_set(operand, PRODUCT)}</mrow>"
        case ast.BinOp():
            return _binary(node)
        case ast.Compare(left=left, ops=ops, comparators=others):
            signs = "".join(
                f"<mo>{SIGNS[type(op)]}</mo>{_set(x, SUM)}"
                for op, x in zip(ops, others, strict=True)
            )
            return COMPARISON, f"<mrow>{_set(left, SUM)}{signs}</mrow>"
        case ast.BoolOp(op=op, values=values):
            joined = f"<mtext>&#160;{SIGNS[type(op)]}&#160;</mtext>".join(
                _set(v, COMPARISON) for v in values
            )
            return CONDITION, f"<mrow>{joined}</mrow>"
        case ast.Subscript():
            return ATOM, _indexed(node)
        case ast.Call(func=ast.Name(id=name), args=args):
            return _call(name, args)
        case ast.IfExp(test=test, body=body, orelse=other):
            return CONDITION, (
                f"<mrow>{_set(body, COMPARISON)}<mtext>&#160;if&#160;</mtext>{_set(test)}"
                f"<mtext>, else&#160;</mtext>{_set(other, CONDITION)}</mrow>"
            )
    msg = f"{ast.unparse(node)!r} has no rule in docs/generate/mathml.py; write it in simpler terms"
    raise ValueError(msg)


def _indexed(node: ast.Subscript) -> str:
    """a[b][k] as a with the subscript b, k."""
    places, inner = [], node
    while isinstance(inner, ast.Subscript):
        places.append(_set(inner.slice))
        inner = inner.value
    under = "<mo>,</mo>".join(reversed(places))
    if isinstance(inner, ast.Name) and "_" in inner.id.rstrip("_"):
        head, _, rest = inner.id.partition("_")
        if rest not in ("hat", "bar"):  # pi_ref[i]: one subscript, not a subscript of a subscript
            inner, under = ast.Name(head), f"{_name(rest)}<mo>,</mo>{under}"
    return f"<msub>{_set(inner, ATOM)}<mrow>{under}</mrow></msub>"


def _binary(node: ast.BinOp) -> tuple[int, str]:
    left, right = node.left, node.right
    match node.op:
        case ast.Add():
            return SUM, f"<mrow>{_set(left, SUM)}<mo>+</mo>{_set(right, SUM)}</mrow>"
        case ast.Sub():
            return SUM, f"<mrow>{_set(left, SUM)}<mo>−</mo>{_set(right, PRODUCT)}</mrow>"
        case ast.Mult():
            digit = isinstance(right, ast.Constant) or (
                isinstance(right, ast.BinOp)
                and isinstance(right.op, (ast.Mult, ast.Pow))
                and isinstance(right.left, ast.Constant)
            )
            sign = "<mo>·</mo>" if digit else '<mspace width="0.17em"/>'
            return PRODUCT, f"<mrow>{_set(left, PRODUCT)}{sign}{_set(right, PRODUCT)}</mrow>"
        case ast.Div():
            return POWER, f"<mfrac>{_set(left)}{_set(right)}</mfrac>"
        case ast.Pow():
            base = _set(left, ATOM)
            return POWER, f"<msup><mrow>{base}</mrow><mrow>{_set(right)}</mrow></msup>"
    msg = f"{ast.unparse(node)!r} has no rule in docs/generate/mathml.py"
    raise ValueError(msg)


def _call(name: str, args: list[ast.expr]) -> tuple[int, str]:
    if name in BIG and len(args) == 1 and isinstance(args[0], ast.GeneratorExp):
        return PRODUCT, _big(name, args[0])
    inside = "<mo>,</mo>".join(_set(a) for a in args)
    if name == "sqrt":
        return ATOM, f"<msqrt>{inside}</msqrt>"
    if name == "abs":
        return ATOM, f"<mrow><mo>|</mo>{inside}<mo>|</mo></mrow>"
    if name == "ceil":
        return ATOM, f"<mrow><mo>⌈</mo>{inside}<mo>⌉</mo></mrow>"
    if name == "exp":
        return POWER, f"<msup><mi>e</mi><mrow>{inside}</mrow></msup>"
    if name == "comb":
        stack = "".join(f"<mtr><mtd>{_set(a)}</mtd></mtr>" for a in args)
        return ATOM, f"<mrow><mo>(</mo><mtable>{stack}</mtable><mo>)</mo></mrow>"
    return ATOM, f"<mrow>{_name(name)}<mo>(</mo>{inside}<mo>)</mo></mrow>"


def _big(name: str, generator: ast.GeneratorExp) -> str:
    (loop,) = generator.generators
    index = _set(loop.target)
    body = _set(generator.elt, PRODUCT)
    sign = f"<mo>{BIG[name]}</mo>"
    if isinstance(loop.iter, ast.Call) and ast.unparse(loop.iter.func) == "range":
        bounds = loop.iter.args
        low, stop = (ast.Constant(0), bounds[0]) if len(bounds) == 1 else bounds
        under = f"<mrow>{index}<mo>=</mo>{_set(low)}</mrow>"
        return (
            f"<mrow><munderover>{sign}{under}<mrow>{_last(stop)}</mrow></munderover>{body}</mrow>"
        )
    condition = "".join(f"<mo>:</mo>{_set(test)}" for test in loop.ifs)
    return f"<mrow><munder>{sign}<mrow>{index}{condition}</mrow></munder>{body}</mrow>"


def _last(stop: ast.expr) -> str:
    """The last index of a range that ends before `stop`."""
    match stop:
        case ast.BinOp(left=left, op=ast.Add(), right=ast.Constant(value=1)):
            return _set(left)
        case ast.Constant(value=int(value)):
            return f"<mn>{value - 1}</mn>"
    return f"{_set(stop, SUM)}<mo>−</mo><mn>1</mn>"


def _name(name: str) -> str:
    head, *subscripts = [p for p in name.split("_") if p]
    digits = re.fullmatch(r"([A-Za-z]+)(\d+)", head)
    if digits:
        head, subscripts = digits[1], [digits[2], *subscripts]
    accents = [s for s in subscripts if s in ("hat", "bar")]
    out = _letters(head)
    for accent in accents:
        out = f"<mover accent='true'>{out}<mo>{'^' if accent == 'hat' else '¯'}</mo></mover>"
    rest = [s for s in subscripts if s not in accents]
    if not rest:
        return out
    under = "".join(f"<mn>{s}</mn>" if s.isdigit() else _letters(s) for s in rest)
    return f"<msub>{out}<mrow>{under}</mrow></msub>"


def _letters(word: str) -> str:
    """One letter is italic, a word upright."""
    text = GREEK.get(word, word)
    upright = ' mathvariant="normal"' if len(text) > 1 else ""
    return f"<mi{upright}>{escape(text)}</mi>"
