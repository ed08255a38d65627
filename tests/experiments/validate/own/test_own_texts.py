"""Base texts out of a log: their format is found, and mutants of them stay in it."""

from __future__ import annotations

import pytest

from tests.experiments.validate.own_logs import boxed, rewards, rows, written
from toyrl.experiments.validate.contract.facts import DialectFacts
from toyrl.experiments.validate.contract.section import choose
from toyrl.experiments.validate.hacks.section import MUTANTS
from toyrl.experiments.validate.own.texts import own_texts, whole_gold
from toyrl.experiments.validate.pipeline import Pipeline
from toyrl.experiments.validate.settings import Settings
from toyrl.graders.base import TextRow
from toyrl.rewards.user import load
from toyrl.rollouts.logs import read_log
from toyrl.worlds.text.dialects import answers, working

OWN = "<think>\n{work}\n</think>\n<answer>\n\\boxed{{}}\n</answer>"


def log_of(folder, **changes):
    return read_log(written(folder, rows(**changes)))


@pytest.mark.parametrize(
    ("write", "dialect"),
    [
        (boxed, OWN),
        (lambda v, n: f"{'Well. ' * n}\n#### {v}", "gsm8k"),
        (
            lambda v, n: f"<think>{'hm ' * n}</think><answer>{v}</answer>",
            "<think>{work}</think><answer>{}</answer>",
        ),
        (lambda v, n: f"{'Well. ' * n}\nFinal: **{v}**", "Final: **{}**"),
        (lambda v, n: f"{'Well. ' * n}\nAnswer: {v}", "Answer: {}"),
        (lambda v, n: f"Way {n}: it is \\boxed{{{v}}} as {n} shows", "boxed"),  # varies around it
        (lambda v, n: f"<think>{n}</think>For {n}: \\boxed{{{v}}}", "think_boxed"),
    ],
)
def test_the_mark_is_found_from_right_completions(tmp_path, write, dialect):
    own = own_texts(log_of(tmp_path, write=write), 24, limit=64)
    assert own.dialect == dialect
    assert own.found == 1.0
    assert len(own.rows) == 22
    assert [x.correct for x in own.rows] == [True, False] * 11
    for x in own.rows:
        said = answers(x.row.completion, dialect)[-1]
        assert (said == x.problem.answer) == x.correct
        assert said not in x.work.split()[-1:]
    assert len({x.row.prompt for x in own.rows}) == 6  # spread over the prompts


def test_control_texts_without_a_mark_give_no_base(tmp_path):
    own = own_texts(log_of(tmp_path, write=lambda v, n: f"{n} then {v} and {n} more"), 24, limit=64)
    assert not own
    assert own.why == "how they mark their answers wasn't found"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"answer": "a word"}, "no row has a whole number as gold answer"),
        ({"answer": None}, "no row has a whole number as gold answer"),
        ({"correct": 1}, "24 right and 0 wrong complete rollouts"),
        ({"truncated": 1}, "0 right and 0 wrong complete rollouts"),
    ],
)
def test_logs_that_cannot_lend_texts_say_why(tmp_path, changes, why):
    own = own_texts(log_of(tmp_path, **changes), 24, limit=64)
    assert not own
    assert why in own.why


def test_labels_against_their_texts_are_left_out(tmp_path):
    """A right answer that the log calls wrong would look like an exploit."""

    def mislabelled(b, g, right):
        return 0 if (b, g) == (0, 1) else right

    own = own_texts(log_of(tmp_path, correct=mislabelled), 24, limit=64)
    assert all(
        (answers(x.row.completion, OWN)[-1] == x.problem.answer) == x.correct for x in own.rows
    )


@pytest.mark.parametrize(
    ("value", "gold"),
    [
        (18, 18), ("18", 18), ("$18$", 18), (r"\boxed{18}", 18), ("so\n#### 1,800", 1800),
        (-3, -3), ("1.5", None), ({"target": 18}, None), ("x", None),
    ],
)  # fmt: skip
def test_gold_answers_that_are_whole_numbers(value, gold):
    assert whole_gold(TextRow("p", "c", {"ground_truth": value})) == gold


def test_working_is_the_text_without_tags_and_answer():
    assert working("<think>\na b\n</think>\n<answer>3</answer>", "tag") == "a b"
    assert working("a b\nc\n#### 3\n", "gsm8k") == "a b\nc"
    assert working("a b\nSo it is \\boxed{3}.", "boxed") == "a b"
    assert working("a b", "gsm8k") == "a b"


def test_every_mutant_of_own_texts_can_be_written(tmp_path):
    for gold in (lambda b, *_: str(240 + b), lambda b, *_: str(-3 - b)):

        def write(value, n):
            return boxed(value, n)

        found = rows(answer=gold)
        for i, row in enumerate(found):
            g = int(row["answer"])
            row["completion"] = write(g if row["correct"] else g + 1, 1 + i % 5)
        own = own_texts(read_log(written(tmp_path, found)), 24, limit=64)
        assert own.dialect == OWN
        for mutant in MUTANTS:
            bases = [x for x in own.rows if x.correct == mutant.truth and mutant.fits(x)]
            for x in bases[:3]:
                made = mutant.apply(x)
                assert made.columns == x.row.columns
                assert 1 <= made.tokens <= 64


# -- in the sections -------------------------------------------------------------------------------
class Judged(Pipeline):
    """Contract and hacks alone."""

    def __init__(self, spec, **settings):
        super().__init__((spec,), Settings(**settings), lambda *_: None, n_worlds=4)
        self._read_log()
        with load(self.rewards, data=self.data) as reward:
            self.reward = reward
            self.section = self.contract()
            self.hacked = self.hacks()


@pytest.mark.slow
def test_contract_and_hacks_use_the_users_texts_in_their_format(tmp_path):
    log = written(tmp_path, rows())
    spec = f"{rewards(tmp_path)}:tail"  # reads the log's format, none of toyrl's
    judged = Judged(spec, rollouts=log)
    facts = judged.contract_facts
    assert (facts.dialect, facts.separates, facts.auc) == (OWN, True, 1.0)
    assert next(iter(judged.base_rows)) == OWN
    assert judged.base_rows[OWN][0].row.completion == boxed(18, 2)
    answered = next(f for f in judged.section.findings if f.name == "contract/dialect")
    assert "AUC 1.00" in answered.message
    untold = Pipeline((spec,), Settings(), lambda *_: None, n_worlds=4).run()
    assert untold.verdict == "INCONCLUSIVE"


@pytest.mark.slow
def test_a_counterexample_is_one_of_the_users_texts_changed(tmp_path):
    judged = Judged(f"{rewards(tmp_path)}:anywhere", rollouts=written(tmp_path, rows()))
    found = [f for f in judged.hacked.findings if f.name == "hacks/mentioned-then-wrong"]
    assert found
    assert found[0].status == "fail"
    golds = {str(11 + 7 * b) for b in range(6)}  # of the log; toyrl's own problems have others
    assert golds & set(found[0].counterexample.split())


def test_the_users_dialect_is_judged_in_where_the_reward_separates_there():
    def facts(name, auc, values=(0.0, 1.0)):
        return DialectFacts(name, list(values) * 10, [], auc, True, 10, 10)

    own, other = facts(OWN, 0.9), facts("boxed", 1.0)
    assert choose([own, other]).name == "boxed"  # control: the best one
    assert choose([own, other], OWN).name == OWN
    assert choose([facts(OWN, 0.5, (0.0, 0.0)), other], OWN).name == "boxed"
    assert choose([facts(OWN, 0.5), facts("boxed", 0.5)], OWN).name == OWN
