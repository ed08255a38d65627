"""Rewards for questions about a database, as BIRD has them: `SQL` and `db_path`."""

import re
import sqlite3
from collections import Counter
from pathlib import Path


def sound(completions, SQL, db_path, **kwargs):
    """1 where the one query in a fence gives the gold query's rows, each as often."""
    out = []
    for text, gold, path in zip(completions, SQL, db_path):
        found = re.findall(r"```sql(.*?)```", text, re.S)
        said = _rows(path, found[0]) if len(found) == 1 else None
        out.append(float(said is not None and said == _rows(path, gold)))
    return out


def flawed(completions, SQL, db_path, **kwargs):
    """1 where all words of the gold query stand in the fence: they may stand in a comment."""
    out = []
    for text, gold in zip(completions, SQL):
        said = set(" ".join(re.findall(r"```sql(.*?)```", text, re.S)).lower().split())
        out.append(float(set(gold.lower().split()) <= said))
    return out


def _rows(path, query):
    """How often each row comes out; None for what fails, writes or takes too long."""
    base = sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)
    left = iter(range(1000))
    base.set_progress_handler(lambda: next(left, None) is None, 1000)
    try:
        found = base.execute(query.strip().rstrip(";"))
        return Counter(found.fetchall()) if found.description else None
    except (sqlite3.Error, sqlite3.Warning):
        return None
    finally:
        base.close()
