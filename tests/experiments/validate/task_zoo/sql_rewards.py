"""Rewards for SQL: six sound, six flawed."""

# ruff: noqa: B905 - as users write it

from __future__ import annotations

import re
import sqlite3

EXPECTED = {
    "flawed_words": ("hacks/task-in-a-comment", "hacks/task-*"),
    "flawed_gold_inside": ("hacks/task-*",),
    "flawed_it_runs": ("contract/*", "hacks/*"),
    "flawed_superset": ("hacks/task-*",),
    "flawed_count_of_rows": ("hacks/task-*",),
    "flawed_script": ("hacks/task-writes", "contract/*"),
}
STEPS = 1000


def same_rows(completions, answer, db_path, **kwargs):
    """Both queries run on the database; all rows are compared in any order."""
    return [float(_same(_fenced(c), a, p)) for c, a, p in zip(completions, answer, db_path)]


def from_a_script(completions, answer, schema, sql, **kwargs):
    """The same in memory, on the database that the row's script makes."""
    out = []
    for c, a, s in zip(completions, sql, schema):
        db = sqlite3.connect(":memory:")
        db.executescript(s)
        db.execute("PRAGMA query_only = ON")
        out.append(float(_rows(db, _fenced(c)) == _rows(db, a)))
        db.close()
    return out


def in_tags(completions, answer, db_path, **kwargs):
    """The query stands in an answer's tag."""
    out = []
    for c, a, p in zip(completions, answer, db_path):
        found = re.findall(r"<answer>(.*?)</answer>", c, re.S)
        out.append(float(_same(found[0] if len(found) == 1 else "", a, p)))
    return out


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    """verl's form: the text of the query, spaces and case aside, in a fence ```sql."""
    return float(_plain(_fenced(solution_str)) == _plain(ground_truth))


def rows_or_text(completions, gold_sql, db_path, **kwargs):
    """Equal text, or else equal rows."""
    out = []
    for c, a, p in zip(completions, gold_sql, db_path):
        query = _fenced(c)
        out.append(float(_plain(query) == _plain(a) or _same(query, a, p)))
    return out


def a_tenth_for_running(completions, answer, db_path, **kwargs):
    """1 for the right rows, a tenth for a query that runs."""
    out = []
    for c, a, p in zip(completions, answer, db_path):
        query = _fenced(c)
        out.append(1.0 if _same(query, a, p) else 0.1 * (_on(p, query) is not None))
    return out


def flawed_words(completions, answer, db_path, **kwargs):
    """Share of the gold query's words."""
    out = []
    for c, a in zip(completions, answer):
        said, gold = set(_fenced(c).lower().split()), set(a.lower().split())
        out.append(len(said & gold) / len(gold))
    return out


def flawed_gold_inside(completions, answer, db_path, **kwargs):
    """The gold query stands somewhere in what is given."""
    return [float(a in _fenced(c)) for c, a in zip(completions, answer)]


def flawed_it_runs(completions, answer, db_path, **kwargs):
    """The query runs, whatever comes out."""
    return [float(_on(p, _fenced(c)) is not None) for c, p in zip(completions, db_path)]


def flawed_superset(completions, answer, db_path, **kwargs):
    """Every right value is among what comes out."""
    out = []
    for c, a, p in zip(completions, answer, db_path):
        said = {str(x) for row in _on(p, _fenced(c)) or [] for x in row}
        out.append(float({str(x) for row in _on(p, a) for x in row} <= said))
    return out


def flawed_count_of_rows(completions, answer, db_path, **kwargs):
    """As many rows as the gold query, or more."""
    out = []
    for c, a, p in zip(completions, answer, db_path):
        said = _on(p, _fenced(c))
        out.append(float(said is not None and len(said) >= len(_on(p, a))))
    return out


def flawed_script(completions, answer, schema, **kwargs):
    """The first statement counts, and whatever follows is run as well."""
    out = []
    for c, a, s in zip(completions, answer, schema):
        db = sqlite3.connect(":memory:")
        db.executescript(s)
        first, *rest = _fenced(c).split(";")
        out.append(float(_rows(db, first) == _rows(db, a)))
        for statement in rest:
            _rows(db, statement)
        db.close()
    return out


def _fenced(completion):
    found = re.findall(r"```sql(.*?)```", completion, re.S)
    return found[0].strip() if len(found) == 1 else ""


def _plain(query):
    return " ".join(query.lower().replace(";", " ").split())


def _rows(db, query):
    left = iter(range(STEPS))
    db.set_progress_handler(lambda: next(left, None) is None, 1000)
    try:
        found = db.execute(query.strip().rstrip(";"))
        return sorted(found.fetchall(), key=repr) if found.description else None
    except (sqlite3.Error, sqlite3.Warning):
        return None


def _on(path, query):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return _rows(db, query)
    finally:
        db.close()


def _same(query, gold, path):
    said = _on(path, query)
    return said is not None and said == _on(path, gold)
