"""Other queries made of a gold query: parsed by sqlglot where that is installed, else wrapped.

Nothing here is claimed to be right or wrong: `answers` runs each of them and says what it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toyrl.worlds.text.tasks.sql.databases import Base, bare, ordered, quoted

LUCKY = 20  # keys that a condition names at most


@dataclass(frozen=True)
class Edits:
    """Queries near a gold query.

    right : name -> one that means the same; mistakes : ordinary ones, the likeliest first
    wrong : name -> one that means something else
    """

    right: Mapping[str, str] = field(default_factory=dict)
    mistakes: Sequence[str] = ()
    wrong: Mapping[str, str] = field(default_factory=dict)


def edits_of(gold: str, base: Base, keys: Mapping[str, str], others: Sequence[str] = ()) -> Edits:
    """What can be made of a gold query.

    keys : table -> its column that tells rows apart; others : gold queries of other questions about
    the same database
    """
    parsed = _parsed(gold)
    found = _of_tree(parsed, base, keys) if parsed is not None else Edits()
    query = bare(gold)
    within = "" if ordered(gold) else f"SELECT * FROM ({query})"
    wrapped = [
        *others,
        f"SELECT * FROM ({query}) LIMIT -1 OFFSET 1",
        f"SELECT COUNT(*) FROM ({query})",
        f"SELECT * FROM ({query}) WHERE 1 = 0",
    ]
    right = {
        **({"subquery": within} if within else {}),
        **({"cte": f"WITH answer AS ({query}) SELECT * FROM answer"} if within else {}),
        **found.right,
    }
    return Edits(right, (*found.mistakes, *wrapped), found.wrong)


def _parsed(gold: str) -> Any:
    """The tree of one plain SELECT; None for anything else, and without sqlglot."""
    try:
        import sqlglot
        from sqlglot import exp
        from sqlglot.errors import SqlglotError
    except ModuleNotFoundError:
        return None
    try:
        tree = sqlglot.parse_one(bare(gold), read="sqlite")
    except (SqlglotError, RecursionError, ValueError):
        return None
    return tree if isinstance(tree, exp.Select) and not tree.args.get("with_") else None


def _of_tree(tree: Any, base: Base, keys: Mapping[str, str]) -> Edits:
    from sqlglot import exp

    where = tree.args.get("where")
    right = {"written-anew": _text(tree, pretty=True)}
    mistakes, wrong = [], {}
    if where is not None:
        inner = where.this
        both = exp.Paren(this=inner.copy())
        right["in-brackets"] = _with(tree, where=exp.Where(this=both))
        twice = exp.Not(this=exp.Not(this=both.copy()))
        right["denied-twice"] = _with(tree, where=exp.Where(this=twice))
        mistakes.append(_with(tree, where=exp.Where(this=exp.Not(this=both.copy()))))
        wrong["no-condition"] = _with(tree, where=None)
        lucky = _lucky(tree, base, keys)
        if lucky:
            wrong["same-by-accident"] = lucky
    for name, edited in (
        ("other-comparison", _changed(tree, _compared)),
        ("other-constant", _changed(tree, _constant)),
        ("other-aggregate", _changed(tree, _aggregate)),
    ):
        if edited:
            mistakes.append(edited)
            wrong[name] = edited
    for part, name in (("distinct", "not-distinct"), ("limit", "no-limit"), ("order", "no-order"),
                       ("having", "no-having"), ("group", "no-groups")):  # fmt: skip
        if tree.args.get(part) is not None:
            wrong[name] = _with(tree, **{part: None})
    everything = _with(tree, expressions=[exp.Star()], where=None, group=None, having=None,
                       order=None, limit=None, distinct=None)  # fmt: skip
    return Edits(right, mistakes, {**wrong, "everything": everything})


def _lucky(tree: Any, base: Base, keys: Mapping[str, str]) -> str:
    """The query with its condition exchanged for the keys of the rows that it picks; "" where it
    reads several tables, or picks too many rows."""
    from sqlglot import exp

    source = tree.args.get("from_") or tree.args.get("from")
    if source is None or tree.args.get("joins") or not isinstance(source.this, exp.Table):
        return ""
    key = keys.get(source.this.name)
    if key is None:
        return ""
    column = exp.column(key, table=source.this.alias_or_name, quoted=quoted(key) != key)
    picked = _with(tree, expressions=[column], group=None, having=None, order=None, limit=None,
                   distinct=None)  # fmt: skip
    found = base.fetch(picked, rows=LUCKY)
    values = [row[0] for row in found.rows or ()]
    if not values or found.cut or not all(isinstance(v, int | str) for v in values):
        return ""
    named = [exp.Literal.number(v) if isinstance(v, int) else exp.Literal.string(v)
             for v in dict.fromkeys(values)]  # fmt: skip
    return _with(tree, where=exp.Where(this=exp.In(this=column, expressions=named)))


def _with(tree: Any, **parts: Any) -> str:
    """The query with some parts exchanged, as text."""
    other = tree.copy()
    for name, value in parts.items():
        other.set(name, value.copy() if hasattr(value, "copy") and value is not None else value)
    return _text(other)


def _text(tree: Any, **how: Any) -> str:
    return tree.sql(dialect="sqlite", **how)


def _changed(tree: Any, change: Callable[[Any], Any]) -> str:
    """The query with the first node exchanged for which `change` gives another; "" where none."""
    other = tree.copy()
    for node in other.walk():
        new = change(node)
        if new is not None:
            node.replace(new)
            return _text(other)
    return ""


def _compared(node: Any) -> Any:
    from sqlglot import exp

    swaps = {exp.GT: exp.GTE, exp.GTE: exp.GT, exp.LT: exp.LTE, exp.LTE: exp.LT, exp.EQ: exp.NEQ,
             exp.NEQ: exp.EQ}  # fmt: skip
    if type(node) not in swaps or node.find_ancestor(exp.Where, exp.Having) is None:
        return None
    return swaps[type(node)](this=node.this.copy(), expression=node.expression.copy())


def _constant(node: Any) -> Any:
    from sqlglot import exp

    if not isinstance(node, exp.Literal) or node.find_ancestor(exp.Where, exp.Having) is None:
        return None
    if node.is_string:
        return exp.Literal.string(f"{node.this}?")
    with contextlib.suppress(ValueError):
        return exp.Literal.number(int(node.this) + 1)
    return None


def _aggregate(node: Any) -> Any:
    from sqlglot import exp

    swaps = {exp.Max: exp.Min, exp.Min: exp.Max, exp.Sum: exp.Avg, exp.Avg: exp.Sum}
    if type(node) in swaps:
        return swaps[type(node)](this=node.this.copy())
    if isinstance(node, exp.Ordered) and node.find_ancestor(exp.Window) is None:
        return exp.Ordered(this=node.this.copy(), desc=not node.args.get("desc"))
    return None
