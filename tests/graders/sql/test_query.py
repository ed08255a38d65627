"""The reward for SQL: released numbers, sound variants, odd rows, and the laws it keeps."""

from __future__ import annotations

import json
import math
import random
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toyrl
from toyrl.experiments.papers.tasks import p38_queries as toy
from toyrl.expressions import ExpressionError, parse_grader
from toyrl.graders.base import TextRow
from toyrl.graders.sql.database import DatabaseProblem, with_script
from toyrl.graders.sql.query import (
    LONGEST,
    ReasoningSql,
    cleaned,
    components,
    exec_or_judge,
    format_reward,
    identifiers,
    jaccard,
    judge_number,
    ngrams,
    recall,
    same_rows,
    sql_of,
)
from toyrl.serving import ServedTask
from toyrl.testing import broken_sql_laws, same_meaning

pytest.importorskip("sqlglot", reason="needs the extra tasks")
GOLD, DDL = toy.GOLD, toy.DDL
REPLY = "<reasoning>\nwhy\n</reasoning>\n<answer>\nSELECT 1\n</answer>\n"


def paid(text: str, gold: str = GOLD, *, reward: ReasoningSql | None = None, **columns):
    row = TextRow("Q", text, {"answer": gold, "ddl": DDL, **columns})
    return (reward or ReasoningSql()).grade_parts([row])[0]


# -- parts -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("query", "want"),
    [
        (GOLD, (1, 1, 1, 1, 1)),
        (toy.SWAPPED, (1, 1, 1, 1, 13 / 19)),
        (toy.COMMA, (1, 1, 1, 1, 8 / 23)),
        (toy.NESTED, (1, 1, 1, 1, 7 / 21)),
        (toy.HARD, (1, 1, 3 / 7, 3 / 7, 3 / 21)),
        (toy.OFF, (0, 1, 1, 1, 15 / 17)),
        (toy.DUMP, (0, 1, 1, 7 / 8, 15 / 23)),
        (toy.TURNED, (0, 1, 1, 1, 1)),  # < and > are no words
        (toy.ONE, (0, 1, 0, 0, 0)),
        (toy.BROKEN, (0, 0, 0, 0, 2 / 16)),
        ("select name from student", (0, 1, 0, 0, 3 / 16)),
        ("", (0, 1, 0, 0, 0)),  # SQLite runs nothing without an error
        ("who?", (0, 0, 0, 0, 0)),
    ],
)
def test_the_parts_of_the_toy_s_queries(query, want):
    assert components(query, GOLD, DDL) == pytest.approx(want, abs=1e-12)


def test_the_query_is_the_last_block_and_is_cleaned_to_be_run():
    assert sql_of("```sql\nA\n``` or ```sql B ```!") == "B"
    assert sql_of("SELECT 1") == "SELECT 1"
    assert cleaned('SELECT "a"\nFROM t -- \\"x') == "SELECT 'a' FROM t -- 'x"
    commented = GOLD.replace(" FROM", " -- who\nFROM")
    assert paid(commented).parts["syntax"] == 0
    assert paid(commented, reward=ReasoningSql(quotes="keep")).parts["execution"] == 3
    assert ngrams("SELECT a AS b FROM t AS u") == ngrams("select a c from t v")
    assert identifiers("SELECT u.a AS b FROM t AS u") == {"a", "t"}
    assert len(ngrams("a b c", 3)) == 1
    assert math.isnan(jaccard(set(), set()))
    assert math.isnan(recall(set(), {1}))


@pytest.mark.parametrize(
    ("text", "tags", "strict"),
    [
        (REPLY, 0.5, 1.0),
        (REPLY[:-1], 0.375 - 0.001 * len(REPLY[:-1]) + 0.126, 1.0),
        (REPLY + "more", 0.5 - 0.008, 0.0),
        ("SELECT 1", 0.0, 0.0),
        (REPLY * 2, 0.0, 0.0),
        ("\n<answer>\n" + "x" * 1000, 0.125 - 1.01, 0.0),
    ],
)
def test_format_is_counted_by_tags_or_matched(text, tags, strict):
    assert format_reward(text) == pytest.approx(tags, abs=1e-12)
    assert format_reward(text, "strict") == strict
    with pytest.raises(ValueError, match="form='x'"):
        format_reward(text, "x")


# -- the judge -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "released", "sound"),
    [("1.5", 1.5, 1.5), ("2/2", 0, 2), ("9", 9, 2), (" 1\n", 1, 1), ("nan", 0, 0), (None, 0, 0),
     ("score: -1", 0, 0), ("inf", 0, 0), (1, 1, 1), ("", 0, 0)],
)  # fmt: skip
def test_a_judge_s_number(said, released, sound):
    assert (judge_number(said), judge_number(said, "number")) == (released, sound)


def test_the_judge_is_asked_for_wrong_rows_alone():
    asked = []

    def judge(question, hint, predicted, gold):
        asked.append((question, hint, predicted, gold))
        return "1.5"

    reward = ReasoningSql(judge=judge)
    assert paid(GOLD, reward=reward).parts["judge"] == 0
    assert paid("select 1", reward=reward).parts["judge"] == 0
    assert paid(toy.OFF, reward=reward, evidence="H").parts["judge"] == 1.5
    assert asked == [("Q", "H", toy.OFF, GOLD)]
    assert paid(toy.OFF, judge="2").total == pytest.approx(2 + 2 + 15 / 17)
    assert paid(toy.OFF, judge="2", reward=ReasoningSql(w_judge=0.0)).parts["judge"] == 0
    failing = paid(toy.OFF, reward=ReasoningSql(judge=lambda *_: 1 / 0))
    assert (failing.parts["judge"], failing.problem) == (0, "the judge failed: 'division by zero'")
    assert [exec_or_judge(*a) for a in ((1, 2, "SELECT"), (0, 2, "SELECT"), (1, 2, "x"))] == [
        3, 2, 0]  # fmt: skip


# -- odd rows --------------------------------------------------------------------------------------
def test_sound_variants_mend_what_was_released():
    none, lower = "SELECT name FROM student WHERE age > 99", "select name from student"
    quoted = ('SELECT "name" FROM student', "SELECT name FROM student")
    cases = [
        ((none, none), {"empty": "equal"}, 0, 3),
        ((lower, lower), {"select": "any"}, 0, 3),
        (quoted, {"quotes": "keep"}, 0, 3),
    ]
    for pair, sound, before, after in cases:
        assert paid(*pair).parts["execution"] == before
        assert paid(*pair, reward=ReasoningSql(**sound)).parts["execution"] == after
    assert math.isnan(paid(none, none, reward=ReasoningSql(empty="drop")).total)
    assert paid(none, none).problem == "the gold query gives no rows"
    assert paid(toy.ONE, toy.ONE).parts["schema"] == 0
    bare = ReasoningSql(bare="equal")
    assert paid(toy.ONE, toy.ONE, reward=bare).parts["schema"] == 1
    assert paid(GOLD, toy.ONE, reward=bare).parts["schema"] == 0
    assert paid(GOLD, "SELECT x FROM y").problem == "the gold query fails: no such table: y"


def test_more_rows_than_are_fetched():
    many = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c"
    assert paid(many, many, reward=ReasoningSql(rows=50)).parts["execution"] == 3
    assert paid(many, many, reward=ReasoningSql(rows=50, beyond="wrong")).parts["execution"] == 0
    found = paid(many.replace("SELECT x FROM", "SELECT MAX(x) FROM"), reward=ReasoningSql(
        seconds=0.02))  # fmt: skip
    assert (found.parts["syntax"], found.problem) == (
        0, "the query fails: stopped after 0.02 seconds")  # fmt: skip
    huge = paid("SELECT " + "1," * LONGEST)
    assert (huge.total, huge.problem) == (0, "a query of 200,007 characters is not read")
    assert paid("SELECT " + "(" * 20000 + "1").parts["schema"] == 0


def test_where_the_database_is_and_what_is_wrong_with_it(tmp_path):
    path = tmp_path / "shop" / "shop.sqlite"
    path.parent.mkdir()
    with sqlite3.connect(path, isolation_level=None) as c:
        c.executescript(DDL)
        reward = ReasoningSql(folder=str(tmp_path), seconds=0.05)
        for columns in ({"db_path": str(path)}, {"db": path}, {"db_id": "shop"}):
            row = TextRow("", GOLD, {"answer": GOLD, **columns})
            assert reward.graded(row).parts["execution"] == 3
        c.execute("BEGIN EXCLUSIVE")
        path.touch()  # opened anew
        locked = reward.graded(TextRow("", GOLD, {"answer": GOLD, "db_id": "shop"}))
        assert math.isnan(locked.total)
        assert locked.parts["ngram"] == 1
        assert locked.problem == "the database is in use: database is locked"
        c.execute("ROLLBACK")
    c.close()
    for columns, said in (
        ({}, "no database"),
        ({"db_id": "../x"}, "plain name"),
        ({"db": "none.db"}, "there is no database"),
        ({"ddl": "CREATE"}, "makes"),
    ):
        with pytest.raises(DatabaseProblem, match=said):
            reward.graded(TextRow("", GOLD, {"answer": GOLD, **columns}))
    with pytest.raises(ValueError, match="answer=3 is no text"):
        paid(GOLD, 3)
    with pytest.raises(KeyError, match="reads the column 'answer'"):
        reward.grade([TextRow("", GOLD, {"ddl": DDL})])


# -- laws ------------------------------------------------------------------------------------------
QUERIES = [*toy.arms()[::9], toy.ONE, toy.BROKEN, toy.WORDS, toy.NESTED, toy.COMMA, toy.HARD]


@pytest.mark.parametrize(
    "reward",
    [
        ReasoningSql(),
        ReasoningSql(schema="jaccard"),
        ReasoningSql(w_judge=0.0),
        ReasoningSql(
            w_judge=0.0, w_execution=0.5, w_schema=0.3, w_ngram=0.2, select="any", quotes="keep"
        ),
    ],
)
def test_the_laws_hold(reward):
    assert broken_sql_laws(reward, DDL, GOLD, [*QUERIES, toy.TURNED, toy.UNREAD]) == []


def test_controls_break_the_laws():
    class Stacked(ReasoningSql):
        def graded(self, row, step=0.0):
            found = super().graded(row, step)
            return found._replace(parts={**found.parts, "judge": 2.0})

    class Blind(ReasoningSql):
        def graded(self, row, step=0.0):
            found = super().graded(row, step)
            return found._replace(parts={**found.parts, "execution": 0.0, "syntax": 0.0})

    assert "judge is not paid" in broken_sql_laws(Stacked(), DDL, GOLD, [])[1]
    broken = broken_sql_laws(Blind(w_judge=0.0), DDL, GOLD, [toy.OFF, toy.HARD])
    assert [b.partition(":")[0] for b in broken] == [
        "the gold query has every part in full", "a right query runs", "a right query runs",
        "no wrong query is above a right one"]  # fmt: skip
    assert "ngram 1 and 0.68" in str(same_meaning(ReasoningSql(), DDL, GOLD, GOLD, toy.SWAPPED))


@settings(max_examples=15)
@given(
    st.sampled_from(["s", "t1", "Zed"]),
    st.sampled_from([" ", "\n", "  \t"]),
    st.permutations(["title = 'Math'", "age > 21", "name <> 'Gus'"]),
)
def test_spelling_changes_nothing_and_order_only_the_ngrams(alias, space, conditions):
    def spelled(alias, conditions):
        tables = f"student AS {alias} JOIN dept ON {alias}.dept_id = dept.id"
        return f"SELECT {alias}.name FROM {tables} WHERE {' AND '.join(conditions)}"

    reward, first = ReasoningSql(), spelled("q", conditions)
    other = spelled(alias, conditions).replace(" ", space)
    assert same_meaning(reward, DDL, GOLD, first, other) is None
    random.Random(0).shuffle(conditions)
    last = spelled(alias, conditions)
    assert same_meaning(reward, DDL, GOLD, first, last, reordered=True) is None


@settings(max_examples=40)
@given(st.text(max_size=80))
def test_any_text_has_a_finite_reward(text):
    found = paid("SELECT " + text)
    assert math.isfinite(found.total)
    assert all(0 <= v <= 3 for k, v in found.parts.items() if k != "format")


def test_rows_are_compared_as_sets():
    here = with_script(DDL)
    first, second = (here.run(q) for q in ("SELECT age FROM student", "SELECT age FROM student "
                     "UNION ALL SELECT age FROM student ORDER BY 1"))  # fmt: skip
    assert same_rows(first, second) == 1
    assert same_rows(first, here.run("SELECT age + 0.0 FROM student")) == 1


# -- as it is used ---------------------------------------------------------------------------------
def test_it_is_graded_and_exported_by_name(tmp_path):
    rows = [{"prompt": "Q", "completion": q, "answer": GOLD, "ddl": DDL} for q in QUERIES[-4:]]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = toyrl.grade("reasoning_sql(schema='jaccard')", tmp_path / "rows.jsonl")
    want = [0.0, 16 / 3, 5 + 8 / 23, 4 + 4 / 7]
    assert found.total.tolist() == pytest.approx(want)
    texts = [TextRow("Q", r["completion"], {"answer": GOLD, "ddl": DDL}, 9) for r in rows]
    served = ServedTask.of("reasoning_sql(schema='jaccard')", max_completion_length=16)
    assert served(texts, [0] * 4).rewards == pytest.approx(want)
    with pytest.raises(ExpressionError, match="schema='x' is not one of recall, jaccard"):
        parse_grader("reasoning_sql(schema='x')")


@pytest.mark.bridge
def test_it_comes_back_from_an_exported_file(tmp_path):
    pytest.importorskip("torch", reason="needs the extra llm")
    from toyrl.bridge.export.carry import CannotCarry
    from toyrl.bridge.export.write import export
    from toyrl.rewards.user import load

    made = export("reasoning_sql()", "trl", max_completion_length=64, group_size=None,
                  estimator=None)  # fmt: skip
    assert "column answer" in made.text
    assert "one of ddl, db_path" in " ".join(made.text.split())
    (tmp_path / "reward.py").write_text(made.text)
    rows = [TextRow("Q", q, {"answer": GOLD, "ddl": DDL}, 9) for q in (GOLD, toy.HARD, toy.OFF)]
    with load([f"{tmp_path / 'reward.py'}:toyrl_reward"]) as reward:
        assert reward.score_text(rows) == pytest.approx([6, 4 + 4 / 7, 2 + 15 / 17])
    with pytest.raises(CannotCarry, match="answer, ddl; OpenRLHF hands over texts and one label"):
        export("reasoning_sql()", "openrlhf", max_completion_length=64, group_size=None,
               estimator=None)  # fmt: skip
