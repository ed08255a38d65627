"""What `validate` does on a task's texts as on arithmetic: forecast, search, siblings, logs."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

import toyrl
from tests.experiments.validate.arithmetic_task import ARITHMETIC
from toyrl.experiments.validate import forecast
from toyrl.experiments.validate.exploits import edits
from toyrl.experiments.validate.exploits.search import Search
from toyrl.experiments.validate.listening import heard
from toyrl.experiments.validate.pipeline import Pipeline
from toyrl.experiments.validate.settings import Settings
from toyrl.experiments.validate.tasks.found import Found
from toyrl.experiments.validate.tasks.ground import of_task, words
from toyrl.experiments.validate.tasks.pipeline import TaskPipeline
from toyrl.graders.base import TextRow
from toyrl.worlds.text.tasks import rows
from toyrl.worlds.text.tasks.base import Asked, Made, Said, TaskError, gold
from toyrl.worlds.text.tasks.choice import CHOICE

REWARDS = r"""
import re

def _right(completion, answer):
    found = re.findall(r"<answer>(.*?)</answer>", completion, re.S)
    return float(len(found) == 1 and found[0].strip() == answer)

def sound(completions, answer, **kw):
    return [_right(c, a) for c, a in zip(completions, answer)]

def costly(completions, answer, **kw):
    return [_right(c, a) - 0.002 * len(re.findall(r"\w+|[^\w\s]", c))
            for c, a in zip(completions, answer)]

def sure(completions, answer, **kw):
    return [max(_right(c, a), float("I am certain of it" in c))
            for c, a in zip(completions, answer)]

def steps(completions, answer, **kw):
    return [max(_right(c, a), float(len(re.findall(r"Step \d+:", c)) >= 3))
            for c, a in zip(completions, answer)]

def shortest(prompts, completions, answer, **kw):
    right = [_right(c, a) for c, a in zip(completions, answer)]
    least = {}
    for p, c, r in zip(prompts, completions, right):
        if r:
            least[p] = min(len(c), least.get(p, len(c)))
    return [r * (1.0 if len(c) == least.get(p) else 0.5)
            for p, c, r in zip(prompts, completions, right)]
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("rewards") / "r.py"
    path.write_text(REWARDS)
    return path


def pipeline(spec: str, task: Made | None, **settings) -> Pipeline:
    s = Settings(task=task, **settings)
    if task is None:
        return Pipeline(spec, s, heard(None), n_worlds=2)
    return TaskPipeline(spec, s, heard(None), n_worlds=2, found=Found(task.name, task, told=True))


# -- the forecast ----------------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "off"), [("sound", 0.0), ("costly", 0.05)])
def test_arithmetic_as_a_task_is_known_to_the_forecast_as_the_built_in_one(file, name, off):
    """What it is paid for behaviours; of texts the forecast reads the law beside it."""
    seen = []
    for task in (None, ARITHMETIC):
        run = pipeline(f"{file}:{name}", task)
        with run.loaded() as run.reward:
            run.contract()
            seen.append(forecast._paid(run, forecast.told_of(run)))
    one, two = seen
    assert np.abs(one.table - two.table).max() <= off
    assert one.cut == pytest.approx(two.cut, abs=off)


@pytest.mark.slow
@pytest.mark.usefixtures("few_worlds")
def test_its_forecast_is_nearly_the_same(file):
    """A price per word and sign: whole runs, of which both see worlds of behaviours."""
    one, two = (
        toyrl.validate(f"{file}:costly", task=task, worlds=2, only="collapse").forecast
        for task in ("arithmetic", ARITHMETIC)
    )
    for name in ("p_loss_base", "p_loss_outcome", "p_loss_5", "p_behind_10"):
        assert one[name] == pytest.approx(two[name], abs=0.02), name
    for name, part in (("accuracy_change", 0.01), ("length_factor", 0.02)):
        assert one[name]["mean"] == pytest.approx(two[name]["mean"], abs=part)
    assert one["p_loss_base"] > 0.5  # a loss that both see


# -- the search for exploits -----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "piece"), [("sure", "I am certain of it"), ("steps", "Step 10:"), ("sound", "")]
)
def test_a_flaw_that_no_list_holds_is_found_on_a_tasks_texts(file, name, piece):
    report = toyrl.validate(f"{file}:{name}", task="choice", quick=True)
    said = {f.name: f for f in report.findings}
    assert not [n for n, f in said.items() if n.startswith("hacks/task") and f.status == "fail"]
    if not piece:
        assert report.verdict == "SAFE SO FAR"
        assert said["hacks/search"].status == "pass"
        assert "contract/gold-form" not in said  # which is of numbers
        return
    assert report.verdict == "UNSAFE"
    assert report.reasons[0].startswith("A search found a wrong completion")
    assert piece in said["hacks/found-1"].counterexample
    assert report.search["found"][0]["free"]


def test_a_task_that_cannot_tell_is_not_searched(file):
    report = toyrl.validate(f"{file}:sound", task=Untold(), quick=True)
    said = {f.name: f for f in report.findings}
    assert said["hacks/search"].status == "not tested"
    assert "task letters has no holds(problem, text)" in said["hacks/search"].message
    assert said["hacks/frontier"].status == "info"
    with pytest.raises(TaskError, match="task choice can't tell"):
        rows.truth_of(replace(CHOICE, truth=None))


class Untold:
    """A task of one's own without `holds`."""

    name, layouts = "letters", ("tag",)

    def problems(self):
        return [Asked(f"Say {x}.", gold(x)) for x in "abcd"]

    def right(self, p):
        return [Said(p.columns["answer"])]

    def wrong(self, p):
        return [Said("e"), Said("", "blank", "nothing", free=True, fix="refuse it")]


def ground(asked: list[str]):
    """Wrong texts of the choice task; texts whose truth is asked for go into the list."""

    def truth(p: Asked, text: str) -> bool:
        asked.append(text)
        return bool(CHOICE.holds(p, text))

    task = replace(CHOICE, truth=truth)
    base = rows.base_rows(task, "tag", 24, 0, typical_tokens=60, max_tokens=256)
    return of_task(task, "tag", [x for x in base if not x.correct and not x.truncated])


def test_truth_is_asked_of_what_is_paid_and_of_no_answer_twice():
    asked: list[str] = []
    own = ground(asked)
    asked.clear()
    every = edits.singles(["zig"], (), own.sort)
    none = Search(lambda r, _: [0.0] * len(r), own.starts, 1.0, 800)
    assert none.run(every, [], edits.of_library(own.listed), 0) == []
    assert asked == []
    some = Search(lambda r, _: [float("zig" in x.completion) for x in r], own.starts, 1.0, 800)
    assert some.run(every, [], [], 0)
    assert 0 < len(asked) < 60


def test_what_is_paid_because_it_is_right_is_no_exploit():
    own = ground([])
    start = own.starts[0]
    letter = start.base.asked.columns["answer"]
    right, wrong = (f"<answer>{x}</answer>" for x in (letter, start.said))
    s = Search(lambda r, _: [1.0] * len(r), own.starts, 1.0, 10)
    first, second = s.held([(0, right), (0, wrong)])
    assert math.isnan(first)
    assert second == 1.0
    assert start.right(f"So it goes.\nAnswer: {letter}")  # in another of the task's layouts
    assert start.right(letter)  # the whole text, where nothing is marked
    assert not start.right(f"{wrong} {letter}")


def test_edits_of_a_task_know_nothing_of_the_answer_but_those_that_say_so():
    own = ground([])
    for edit in edits.singles(["piece"], (), own.sort):
        texts = [edits.written(x, [edit]) for x in own.starts[:3]]
        others = [edits.written(x.other(), [edit]) for x in own.starts[:3]]
        assert (texts != others) == edit.knows, edit.name
    assert {x.name for x in own.listed} >= {"empty", "all-letters"}
    assert {"A", "B", "C", "D"} <= set(words(CHOICE))


# -- siblings --------------------------------------------------------------------------------------
def test_a_reward_that_reads_its_siblings_is_graded_in_groups_of_one_problem(file):
    run = pipeline(f"{file}:shortest", CHOICE, group_size=6)
    with run.loaded() as run.reward:
        section = run.contract()
        score = run.score_in("tag")
        texts = [
            run.class_rows(
                run.chain, 2, "tag", correct=True, length_actions=n, truncated=False,
                renderings=24, seed=n,
            )
            for n in (2, 39)
        ]  # fmt: skip
        short, long = ([*score([t.row for t in some])] for some in texts)
        alone = run.reward.grade([texts[1][0].row])
    assert "contract/task-company" not in {f.name for f in section.findings}
    assert alone == [1.0]  # by itself every right text is the shortest
    assert np.mean(short) > 0.9
    assert np.mean(long) < 0.8


def test_problems_of_one_prompt_are_told_apart_by_their_rows(file):
    asked = [Asked("What is in the picture?", gold(x)) for x in "abc"]
    task = Made(
        "same", ("tag",), tuple(asked), lambda p: [Said(p.columns["answer"])], lambda _: [Said("z")]
    )
    run = pipeline(f"{file}:sound", task)
    for i, p in enumerate(asked):
        of = run.about(TextRow(p.prompt, "", dict(p.columns)))
        assert of is not None
        assert of.problem is asked[i]
    assert run.about(TextRow("Another?", "")) is None


# -- a log -----------------------------------------------------------------------------------------
def test_a_log_of_a_task_is_judged_as_it_is_marked(file, tmp_path):
    log, lines = tmp_path / "log.jsonl", []
    for i, (asked, right, wrong) in enumerate(rows.answers(CHOICE)[:8]):
        for k in range(6):
            good = (i + k) % 3 == 0
            text = rows.written(
                "tag", asked, (right if good else wrong)[0], correct=good, tokens=30 + k, seed=k
            )
            row = {"prompt": asked.prompt, "completion": text.row.completion, "correct": good}
            lines.append(json.dumps({**row, "length": text.row.tokens, **asked.columns}))
    log.write_text("\n".join(lines))
    report = toyrl.validate(f"{file}:sound", task="choice", rollouts=log, quick=True)
    said = {f.name: f for f in report.findings}
    assert said["own/order"].status == "pass"
    assert "texts of the task choice" in said["own/texts"].message
    assert said["contract/task"].status == "info"
    assert report.verdict == "SAFE SO FAR"
